//! Modules with DWARF that no compiler writes, and what is shown of their variables.

use coredump_core::internals::binaries::{Binaries, BinaryStore};
use coredump_core::internals::locate::Options;
use coredump_core::internals::read::read;
use coredump_core::internals::variables::{Inspector, Limits, Variable};
use wasm_encoder::{
    CodeSection, ConstExpr, CustomSection, DataSection, Function, FunctionSection, MemorySection, MemoryType,
    TypeSection, ValType,
};

/// A module of one function with this many locals.
pub fn with_locals(count: u32) -> wasm_encoder::Module {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut code = CodeSection::new();
    code.function(Function::new([(count, ValType::I32)]).raw([0x00, 0x0b]));
    let mut module = wasm_encoder::Module::new();
    module.section(&types).section(&functions).section(&code);
    module
}

/// The variables of a frame at the `unreachable` of a module of one function, with these two sections of DWARF. The body
/// of that function is at 2, behind the count of functions and its own size: five bytes. The words of its memory are
/// their own addresses, up to 4 KiB.
pub fn variables(abbreviations: &[u8], info: &[u8]) -> Vec<Variable> {
    let mut module = with_locals(1);
    let info = [&(info.len() as u32).to_le_bytes()[..], info].concat();
    for (name, data) in [(".debug_abbrev", abbreviations), (".debug_info", &info)] {
        module.section(&CustomSection { name: name.into(), data: data.into() });
    }
    let mut dump = wasm_encoder::Module::new();
    let embedded = [vec![0], module.finish()].concat();
    let sections: [(&str, &[u8]); 5] = [
        ("core", b"\0\x01f"),
        ("coremodules", b"\x01\0\x01f"),
        ("coreinstances", b"\x01\0\0\x01\0\0"),
        // Frame: instance 0, function 0, at its `unreachable`.
        ("corestack", b"\0\x04main\x01\0\0\0\x03\0\0"),
        ("coredump.module", &embedded),
    ];
    for (name, data) in sections {
        dump.section(&CustomSection { name: name.into(), data: data.into() });
    }
    let ty = MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None };
    let mut memories = MemorySection::new();
    memories.memory(ty);
    let words: Vec<u8> = (0..1024u32).flat_map(|word| (4 * word).to_le_bytes()).collect();
    let mut data = DataSection::new();
    data.active(0, &ConstExpr::i32_const(0), words);
    dump.section(&memories).section(&data);
    let bytes = dump.finish();
    let mut dump = read(&bytes).unwrap();
    let store = BinaryStore::new();
    let binaries = Binaries::settle(&store, &bytes, &mut dump, &Options::default());
    let mut scopes = Inspector::new(&dump, &binaries).frame_variables(0, 0, &Limits::default());
    std::mem::take(&mut scopes[0].variables)
}
