//! Gives access to the committed fixtures, and makes dumps of them.

use std::ops::Range;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::process::{Outcome, Tool};

/// The path of a fixture such as `modules/sum-O0.wasm`; it must exist.
pub fn fixture(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    assert!(path.exists(), "there is no fixture {name}");
    path
}

/// The path of the dump that wasmtime-cli 48 wrote of a module such as `sum-O0`.
pub fn wasmtime_dump(module: &str) -> PathBuf {
    fixture(&format!("dumps/{module}.wasmtime.coredump"))
}

/// A temporary folder for a test, removed when it is dropped.
pub fn scratch() -> TempDir {
    TempDir::with_prefix("coredump-test-").expect("a temporary folder can be made")
}

/// Runs a module under `coredump-run` with `options` and leaves its dump in `folder`, as `MODULE.coredump`.
pub fn capture(folder: &Path, module: &str, options: &[&str]) -> (PathBuf, Outcome) {
    let dump = folder.join(format!("{module}.coredump"));
    let outcome = Tool::new("coredump-run")
        .arg("-o")
        .arg(&dump)
        .args(options)
        .arg(fixture(&format!("modules/{module}.wasm")))
        .in_folder(folder)
        .run();
    (dump, outcome)
}

/// The range of a custom section's contents in a dump.
pub fn section(dump: &[u8], name: &str) -> Range<usize> {
    let mut payloads = wasmparser::Parser::new(0).parse_all(dump);
    let found = payloads.find_map(|payload| match payload.unwrap() {
        wasmparser::Payload::CustomSection(section) if section.name() == name => Some(section),
        _ => None,
    });
    let found = found.expect(name);
    found.data_offset()..found.data_offset() + found.data().len()
}
