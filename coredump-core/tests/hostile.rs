//! Tests damaged and hostile modules: for any bytes, the search for lines ends in time and without a panic.

use std::path::Path;

use coredump_core::internals::backtrace::resolve;
use coredump_core::internals::binaries::{Binaries, BinaryStore};
use coredump_core::internals::locate::Options;
use coredump_core::internals::read::read;
use coredump_core::module::{Module, nested};

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(name)).unwrap()
}

/// A small random generator (Knuth's MMIX), so that every run tests the same damage.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % bound
    }
}

/// Returns the ranges of the contents of sections: the custom ones are the DWARF, the names and the maps.
fn custom_sections(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let module = Module::parse(bytes).unwrap();
    let base = bytes.as_ptr() as usize;
    let sections = module.custom_sections();
    sections
        .map(|(_, contents)| contents.as_ptr() as usize - base..contents.as_ptr() as usize - base + contents.len())
        .collect()
}

fn resolve_all(dump: &[u8], module: &[u8]) -> usize {
    let mut dump = read(dump).unwrap();
    dump.modules[0].embedded = Some(module);
    let store = BinaryStore::new();
    let options = Options { recorded_paths: false, trusted: false, ..Options::default() };
    let binaries = Binaries::locate(&store, &dump, &options);
    let threads = resolve(&dump, &binaries);
    for slot in binaries.slots() {
        let _ = slot.found.as_ref().map(|found| found.binary.symbols_problems());
    }
    threads.iter().flat_map(|thread| &thread.frames).filter(|frame| frame.location.is_some()).count()
}

#[test]
fn damaged_symbols_never_panic() {
    let mut random = Random(42);
    for name in ["sum-O2", "sum-O2-dwarf5", "rust-inline-O2-dwarf5", "as-trap", "sum-split5", "cpp-classes-O2"] {
        let dump = fixture(&format!("dumps/{name}.wasmtime.coredump"));
        let original = fixture(&format!("modules/{name}.wasm"));
        assert!(resolve_all(&dump, &original) > 0 || name == "as-trap", "{name}");
        let sections = custom_sections(&original);
        for _ in 0..150 {
            let mut damaged = original.clone();
            for _ in 0..=random.below(24) {
                let section = &sections[random.below(sections.len())];
                if !section.is_empty() {
                    let at = section.start + random.below(section.len());
                    damaged[at] = [0, 1, 0x7f, 0x80, 0xff, random.below(256) as u8][random.below(6)];
                }
            }
            resolve_all(&dump, &damaged);
        }
    }
}

#[test]
fn damaged_modules_never_panic() {
    let mut random = Random(7);
    for name in ["sum-O2", "wat-tables", "wat-gc", "component-sum", "rust-inline-O2"] {
        let dump = fixture(&format!("dumps/{name}.wasmtime.coredump"));
        let original = fixture(&format!("modules/{name}.wasm"));
        for _ in 0..150 {
            let mut damaged = original.clone();
            for _ in 0..=random.below(12) {
                let at = random.below(damaged.len());
                damaged[at] = random.below(256) as u8;
            }
            damaged.truncate(damaged.len() - random.below(2) * random.below(original.len()));
            resolve_all(&dump, &damaged);
            for bytes in nested(&damaged).unwrap_or_default() {
                let Ok(module) = Module::parse(bytes) else { continue };
                for function in 0..module.function_count().min(200) {
                    let _ = (module.function_name(function), module.local_types(function), module.signature(function));
                    let _ = (module.local_name(function, 0), module.table_function(0, u64::from(function)));
                }
                let _ = (module.globals().len(), module.memories(), module.tables(), module.data_segments().count());
                let _ = (module.exports().len(), module.imports().len(), module.build_id(), module.name());
            }
        }
    }
}
