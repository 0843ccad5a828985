//! Runs the printers of every language on real programs whose memory is overwritten with any bytes.
//!
//! Input: the number of the program, then patches: where in the captured memory (u32, modulo its size), how many bytes
//! (u8), and the bytes.
#![no_main]

use std::cell::OnceCell;

use coredump_core::internals::read::read;
use coredump_core::{Draft, Limits, Options, Store};
use libfuzzer_sys::fuzz_target;

/// A dump and its module.
macro_rules! program {
    ($name:literal) => {
        (
            include_bytes!(concat!("../../tests/fixtures/dumps/", $name, ".wasmtime.coredump")).as_slice(),
            include_bytes!(concat!("../../tests/fixtures/modules/", $name, ".wasm")).as_slice(),
        )
    };
}

const PROGRAMS: [(&[u8], &[u8]); 11] = [
    program!("vars-O0"),
    program!("cpp-vars-O0"),
    program!("rust-vars-O0"),
    program!("zig-vars-Debug"),
    program!("go-panic"),
    // A Python program, whose module is not there: its frames need none.
    (include_bytes!("../../tests/fixtures/dumps/python-shop.wasmtime.coredump"), b""),
    (include_bytes!("../../tests/fixtures/dumps/python-tasks.wasmtime.coredump"), b""),
    (include_bytes!("../../tests/fixtures/dumps/python-raise.wasmtime.coredump"), b""),
    program!("rust-tasks"),
    program!("cpp-coroutines-22-O0"),
    program!("js-quickjs-ng"),
];

/// A dump, which of its bytes are guest memory, and where its module is.
struct Program {
    store: Store,
    dump: &'static [u8],
    memory: Vec<usize>,
    options: Options,
}

impl Program {
    fn load((dump, module): (&'static [u8], &'static [u8])) -> Program {
        let model = read(dump).expect("the fixture is a dump");
        let segments = model.memories[0].segments();
        let start = |bytes: &[u8]| bytes.as_ptr() as usize - dump.as_ptr() as usize;
        let memory =
            segments.iter().flat_map(|segment| start(segment.bytes)..start(segment.bytes) + segment.bytes.len());
        let path = std::env::temp_dir().join(format!("coredump-fuzz-{}-{}.wasm", std::process::id(), module.len()));
        std::fs::write(&path, module).expect("the module is written");
        let named = if module.is_empty() { Vec::new() } else { vec![(None, path)] };
        let options = Options { recorded_paths: false, named, ..Options::default() };
        Program { store: Store::new(), dump, memory: memory.collect(), options }
    }
}

thread_local! {
    // Modules are parsed once: a store keeps what it opened.
    static LOADED: &'static [OnceCell<Program>; 11] = Box::leak(Box::default());
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&which, mut patches)) = bytes.split_first() else { return };
    let which = usize::from(which) % PROGRAMS.len();
    let program = LOADED.with(|loaded| loaded[which].get_or_init(|| Program::load(PROGRAMS[which])));
    let mut dump = program.dump.to_vec();
    while let Some((&[a, b, c, d, length], rest)) = patches.split_first_chunk() {
        let at = u32::from_le_bytes([a, b, c, d]) as usize % program.memory.len();
        let (patch, rest) = rest.split_at(usize::from(length).min(rest.len()));
        for (&place, &byte) in program.memory[at..].iter().zip(patch) {
            dump[place] = byte;
        }
        patches = rest;
    }
    let draft = Draft::from_bytes(dump).expect("its sections are as they were");
    let dump = draft.find_binaries(&program.store, &program.options);
    let thread = dump.thread(0).expect("it has a thread");
    for frame in thread.frames().take(8) {
        frame.variables(Limits::default());
        frame.statics(Limits::default());
    }
    dump.runtime();
    dump.reason();
    dump.interpreted(Some(Limits::default()));
    dump.tasks(Some(Limits::default()));
});
