//! Debug info of real programs, for tests.

use super::{UnitRef, dwarf_of};
use crate::module::Module;

/// Calls `each` with every unit of a few fixtures, and its module: C, C++, Rust and Zig, DWARF 2 to 5.
pub(super) fn units(mut each: impl FnMut(&Module<'_>, UnitRef<'_, '_>)) {
    let names = [
        "sum-dwarf2",
        "sum-O2-dwarf5",
        "vars-O0-dwarf5",
        "cpp-vars-O2",
        "rust-inline-O2",
        "rust-inline-O2-dwarf5",
        "rust-vars-v0",
        "zig-types",
        "sunk-22",
        "turns-22",
    ];
    for name in names {
        let path = format!("{}/../tests/fixtures/modules/{name}.wasm", env!("CARGO_MANIFEST_DIR"));
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let module = Module::parse(&bytes).unwrap();
        let dwarf = dwarf_of(&module).unwrap();
        let mut headers = dwarf.units();
        while let Some(header) = headers.next().unwrap() {
            let unit = dwarf.unit(header).unwrap();
            each(&module, unit.unit_ref(&dwarf));
        }
    }
}
