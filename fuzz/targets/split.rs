//! Reads any bytes as the split debug info of a module: its `.dwo` or `.dwp` file, of DWARF 4 or 5, as the first byte
//! says.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use coredump_core::internals::backtrace;
use coredump_core::internals::binaries::{Binaries, BinaryStore};
use coredump_core::internals::locate::Options;
use coredump_core::internals::read::read;
use coredump_core::internals::variables::{Inspector, Limits};
use libfuzzer_sys::fuzz_target;

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../tests/fixtures/", $name))
    };
}

struct Program {
    name: &'static str,
    module: &'static [u8],
    dump: &'static [u8],
}

const PROGRAMS: [Program; 2] = [
    Program {
        name: "sum-split4",
        module: fixture!("modules/sum-split4.wasm"),
        dump: fixture!("dumps/sum-split4.wasmtime.coredump"),
    },
    Program {
        name: "sum-split5",
        module: fixture!("modules/sum-split5.wasm"),
        dump: fixture!("dumps/sum-split5.wasmtime.coredump"),
    },
];

/// A folder for each program and kind of file, with the module in it.
static FOLDERS: LazyLock<Vec<PathBuf>> = LazyLock::new(|| {
    let base = std::env::temp_dir().join(format!("coredump-fuzz-split.{}", std::process::id()));
    let folder = |index: usize| {
        let folder = base.join(index.to_string());
        let program = &PROGRAMS[index / 2];
        std::fs::create_dir_all(&folder).expect("a folder for the fuzzer");
        std::fs::write(folder.join(format!("{}.wasm", program.name)), program.module).expect("the module is written");
        folder
    };
    (0..4).map(folder).collect()
});

fuzz_target!(|bytes: &[u8]| {
    let Some((&kind, contents)) = bytes.split_first() else { return };
    let index = usize::from(kind) % FOLDERS.len();
    let (folder, program) = (&FOLDERS[index], &PROGRAMS[index / 2]);
    let file = match index % 2 {
        0 => format!("{}.dwo", program.name),
        _ => format!("{}.wasm.dwp", program.name),
    };
    std::fs::write(folder.join(file), contents).expect("the debug info is written");

    let mut dump = read(program.dump).expect("the fixture is a dump");
    let store = BinaryStore::new();
    let options = Options { recorded_paths: false, symbol_paths: vec![folder.clone()], ..Options::default() };
    let binaries = Binaries::settle(&store, program.dump, &mut dump, &options);
    backtrace::resolve(&dump, &binaries);
    let inspector = Inspector::new(&dump, &binaries);
    for frame in 0..dump.threads[0].frames.len().min(6) {
        inspector.frame_variables(0, frame, &Limits::default());
    }
});
