//! Builds debug info from any bytes: location expressions (DWARF 5, sections 2.5 and 2.6) and graphs of types (DWARF 5,
//! chapter 5).
//!
//! Input: the language, the type of the variable, the frame base and the variable's location, each after its length;
//! then four bytes for each type. Bytes that are noise in the `variables` target, where nearly all make no DWARF, all
//! mean something here.
#![no_main]

use coredump_core::internals::binaries::{Binaries, BinaryStore};
use coredump_core::internals::locate::Options;
use coredump_core::internals::read::read;
use coredump_core::internals::variables::{Inspector, Limits};
use libfuzzer_sys::fuzz_target;
use wasm_encoder::{
    CodeSection, ConstExpr, CustomSection, DataSection, Encode, Function, FunctionSection, GlobalSection, GlobalType,
    MemorySection, MemoryType, Module, TypeSection, ValType,
};

/// The code of the only function, in bytes from the start of the code section's contents.
const CODE: std::ops::Range<u8> = 2..11;
/// C, C++14, Rust, Zig.
const LANGUAGES: [u8; 4] = [0x0c, 0x21, 0x1c, 0x27];
const STRUCTS: [&str; 10] =
    ["node", "Vec<u8>", "&str", "String", "Option<u8>", "vector<char>", "basic_string<char>", "[]u8", "?u8", "E!u8"];
const MEMBERS: [&str; 12] =
    ["next", "ptr", "len", "pointer", "data_ptr", "length", "__begin_", "__end_", "__size_", "__0", "cap", "__value_"];

/// Abbreviation codes.
const UNIT: u8 = 1;
const FUNCTION: u8 = 2;
const VARIABLE: u8 = 3;
const BASE: u8 = 4;
const POINTER: u8 = 5;
const TYPEDEF: u8 = 6;
const ARRAY: u8 = 7;
const RANGE: u8 = 8;
const STRUCT: u8 = 9;
const UNION: u8 = 10;
const MEMBER: u8 = 11;
const ENUM: u8 = 12;
const ENUMERATOR: u8 = 13;
const VARIANTS: u8 = 14;
const VARIANT: u8 = 15;

#[rustfmt::skip]
const ABBREVIATIONS: &[u8] = &[
    // Code, tag, has children; then attribute and form; all end with two zeros.
    UNIT, 0x11, 1, 0x13, 0x0b, 0x11, 0x01, 0x12, 0x0b, 0, 0,
    FUNCTION, 0x2e, 1, 0x03, 0x08, 0x11, 0x01, 0x12, 0x0b, 0x40, 0x18, 0, 0,
    VARIABLE, 0x34, 0, 0x03, 0x08, 0x49, 0x13, 0x02, 0x18, 0, 0,
    BASE, 0x24, 0, 0x03, 0x08, 0x3e, 0x0b, 0x0b, 0x0b, 0, 0,
    POINTER, 0x0f, 0, 0x49, 0x13, 0, 0,
    TYPEDEF, 0x16, 0, 0x03, 0x08, 0x49, 0x13, 0, 0,
    ARRAY, 0x01, 1, 0x49, 0x13, 0, 0,
    RANGE, 0x21, 0, 0x37, 0x0f, 0, 0,
    STRUCT, 0x13, 1, 0x03, 0x08, 0x0b, 0x0f, 0, 0,
    UNION, 0x17, 1, 0x03, 0x08, 0x0b, 0x0f, 0, 0,
    MEMBER, 0x0d, 0, 0x03, 0x08, 0x49, 0x13, 0x38, 0x0f, 0, 0,
    ENUM, 0x04, 1, 0x03, 0x08, 0x49, 0x13, 0x0b, 0x0b, 0, 0,
    ENUMERATOR, 0x28, 0, 0x03, 0x08, 0x1c, 0x0b, 0, 0,
    VARIANTS, 0x33, 1, 0x15, 0x13, 0, 0,
    VARIANT, 0x19, 1, 0x16, 0x0b, 0, 0,
    0,
];

fuzz_target!(|bytes: &[u8]| {
    let Some((&[language, first, base], rest)) = bytes.split_first_chunk() else { return };
    let (base, rest) = rest.split_at(usize::from(base).min(rest.len()));
    let Some((&location, rest)) = rest.split_first() else { return };
    let (location, types) = rest.split_at(usize::from(location).min(rest.len()));
    let info = Info::new(LANGUAGES[usize::from(language) % 4], first, base, location, types);
    let module = module(&info.bytes);

    let dump = dump(&module);
    let mut model = read(&dump).expect("it is a dump");
    let store = BinaryStore::new();
    let options = Options { recorded_paths: false, ..Options::default() };
    let binaries = Binaries::settle(&store, &dump, &mut model, &options);
    let inspector = Inspector::new(&model, &binaries);
    let scopes = inspector.frame_variables(0, 0, &Limits::default());
    assert_eq!(scopes.iter().map(|scope| scope.variables.len()).sum::<usize>(), 1, "the variable is in scope");
});

/// `.debug_info` as it grows. References to types that come later are filled in at the end.
struct Info {
    bytes: Vec<u8>,
    types: Vec<usize>,
    references: Vec<(usize, u8)>,
}

impl Info {
    fn new(language: u8, first: u8, base: &[u8], location: &[u8], types: &[u8]) -> Info {
        let mut info = Info { bytes: vec![0; 4], types: Vec::new(), references: Vec::new() };
        // DWARF 4, abbreviations at 0, addresses of four bytes.
        info.push(&[4, 0, 0, 0, 0, 0, 4]);
        info.push(&[UNIT, language, CODE.start, 0, 0, 0, CODE.end - CODE.start]);
        for chunk in types.chunks_exact(4).take(200) {
            info.types.push(info.bytes.len());
            info.add([chunk[0], chunk[1], chunk[2], chunk[3]]);
        }
        info.types.push(info.bytes.len());
        info.push(&[BASE, b'i', 0, 5, 4]);
        info.push(&[FUNCTION, b'f', 0, CODE.start, 0, 0, 0, CODE.end - CODE.start]);
        base.encode(&mut info.bytes);
        info.push(&[VARIABLE, b'v', 0]);
        info.reference(first);
        location.encode(&mut info.bytes);
        info.push(&[0, 0]);
        for (place, number) in std::mem::take(&mut info.references) {
            let target = info.types[usize::from(number) % info.types.len()] as u32;
            info.bytes[place..place + 4].copy_from_slice(&target.to_le_bytes());
        }
        let length = info.bytes.len() as u32 - 4;
        info.bytes[..4].copy_from_slice(&length.to_le_bytes());
        info
    }

    /// A type, as four bytes say.
    fn add(&mut self, [kind, a, b, size]: [u8; 4]) {
        match kind % 8 {
            0 => self.push(&[BASE, b'b', 0, a % 0x14, size % 33]),
            1 => self.with_type(&[POINTER], a),
            2 => self.with_type(&[TYPEDEF, b't', 0], a),
            3 => {
                self.with_type(&[ARRAY], a);
                self.push(&[RANGE, size | 0x80, b & 0x7f, 0]);
            }
            4 | 5 => {
                self.named(if kind % 8 == 4 { STRUCT } else { UNION }, STRUCTS[usize::from(kind / 8) % STRUCTS.len()]);
                self.push(&[size & 0x7f]);
                self.member(a, b, 0);
                self.member(b, a, size & 0x7f);
                self.push(&[0]);
            }
            6 => {
                self.with_type(&[ENUM, b'e', 0], a);
                self.push(&[size % 17, ENUMERATOR, b'x', 0, b, 0]);
            }
            _ => {
                self.named(STRUCT, STRUCTS[usize::from(size) % STRUCTS.len()]);
                self.push(&[size & 0x7f, VARIANTS]);
                self.reference(a);
                self.push(&[VARIANT, b]);
                self.member(a, b, 0);
                self.push(&[0, 0, 0]);
            }
        }
    }

    fn member(&mut self, ty: u8, name: u8, offset: u8) {
        self.named(MEMBER, MEMBERS[usize::from(name) % MEMBERS.len()]);
        self.reference(ty);
        self.push(&[offset]);
    }

    fn named(&mut self, code: u8, name: &str) {
        self.push(&[code]);
        self.push(name.as_bytes());
        self.push(&[0]);
    }

    fn with_type(&mut self, start: &[u8], ty: u8) {
        self.push(start);
        self.reference(ty);
    }

    fn reference(&mut self, number: u8) {
        self.references.push((self.bytes.len(), number));
        self.push(&[0; 4]);
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }
}

/// A module of one function with two locals, a stack pointer, and this debug info.
fn module(info: &[u8]) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32], []);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut globals = GlobalSection::new();
    let ty = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
    globals.global(ty, &ConstExpr::i32_const(1024));
    let mut code = CodeSection::new();
    // Nine bytes: the locals, `global.get 0`, `local.set 0`, `unreachable`, `end`.
    code.function(Function::new([(1, ValType::I64)]).raw([0x23, 0, 0x21, 0, 0, 0x0b]));
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&memories()).section(&globals).section(&code);
    for (name, data) in [(".debug_abbrev", ABBREVIATIONS), (".debug_info", info)] {
        module.section(&CustomSection { name: name.into(), data: data.into() });
    }
    module.finish()
}

fn memories() -> MemorySection {
    let mut memories = MemorySection::new();
    memories.memory(MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None });
    memories
}

/// A dump of the function at its `unreachable`, with locals, an operand, memory and the module.
fn dump(module: &[u8]) -> Vec<u8> {
    let mut globals = GlobalSection::new();
    let ty = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
    globals.global(ty, &ConstExpr::i32_const(1024));
    let mut data = DataSection::new();
    let pattern: Vec<u8> = (0..8192u32).flat_map(|number| (number * 7 % 4096).to_le_bytes()).collect();
    data.active(0, &ConstExpr::i32_const(0), pattern);
    let mut dump = Module::new();
    let custom = |name: &'static str, data: &[u8]| CustomSection { name: name.into(), data: data.to_vec().into() };
    dump.section(&custom("core", b"\0\x01f"));
    dump.section(&custom("coremodules", b"\x01\0\x01f"));
    dump.section(&custom("coreinstances", &[1, 0, 0, 1, 0, 1, 0]));
    dump.section(&memories()).section(&globals).section(&data);
    // Locals 100 and 200, operand 300, at the seventh byte.
    dump.section(&custom("corestack", b"\0\x04main\x01\0\0\0\x07\x02\x7f\xe4\0\x7e\xc8\x01\x01\x7f\xac\x02"));
    dump.section(&custom("coredump.module", &[&[0], module].concat()));
    dump.finish()
}
