//! Which files count as the binary that ran, when the dump records what ran.

use std::path::{Path, PathBuf};

use coredump_core::backtrace::resolve;
use coredump_core::binaries::{Binaries, Store, Verification};
use coredump_core::locate::Options;
use coredump_core::model::CoreDump;
use coredump_core::module::Module;
use coredump_core::read::read;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(name)
}

/// The dump of a stripped module, with the identity `coredump-run` records.
fn with_dump(test: impl FnOnce(CoreDump<'_>)) {
    let bytes = std::fs::read(fixture("dumps/sum-stripped.wasmtime.coredump")).unwrap();
    let module = std::fs::read(fixture("modules/sum-stripped.wasm")).unwrap();
    let ran = Module::parse(&module).unwrap();
    let mut dump = read(&bytes).unwrap();
    dump.modules[0].sha256 = Some(ran.sha256().to_owned());
    dump.modules[0].content_sha256 = Some(ran.content_sha256());
    test(dump);
}

fn named(name: &str) -> Options {
    let file = fixture(&format!("modules/{name}.wasm"));
    Options { named: vec![(None, file)], recorded_paths: false, ..Options::default() }
}

#[test]
fn the_very_file_is_told_by_its_hash() {
    with_dump(|dump| {
        let store = Store::new();
        let binaries = Binaries::locate(&store, &dump, &named("sum-stripped"));
        assert_eq!(binaries.found(0).unwrap().verification, Verification::Sha256);
    });
}

#[test]
fn the_unstripped_build_of_what_ran_gives_lines() {
    with_dump(|dump| {
        let store = Store::new();
        let binaries = Binaries::locate(&store, &dump, &named("sum-O0"));
        assert_eq!(binaries.found(0).unwrap().verification, Verification::Content);
        let threads = resolve(&dump, &binaries);
        assert_eq!(threads[0].frames[0].location.as_ref().unwrap().line, 25);
    });
}

#[test]
fn another_build_is_refused_even_if_its_frames_would_fit() {
    with_dump(|mut dump| {
        // Code alike, but not what was recorded.
        dump.modules[0].content_sha256 = Some("00".repeat(32));
        let store = Store::new();
        let binaries = Binaries::locate(&store, &dump, &named("sum-O0"));
        assert!(binaries.found(0).is_none());
        let refused = &binaries.slot(0).unwrap().refused[0];
        assert!(refused.reason.starts_with("another build: its SHA-256 is "), "{refused:?}");
    });
}
