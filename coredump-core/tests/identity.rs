//! Tests which files are accepted as the binary if the dump records what ran.

use std::path::{Path, PathBuf};

use coredump_core::internals::backtrace::resolve;
use coredump_core::internals::binaries::{Binaries, BinaryStore, Verification};
use coredump_core::internals::digest::of_bytes;
use coredump_core::internals::locate::Options;
use coredump_core::internals::read::read;
use coredump_core::internals::stamp::Stamp;
use coredump_core::model::CoreDump;
use coredump_core::module::Module;

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
        let store = BinaryStore::new();
        let binaries = Binaries::locate(&store, &dump, &named("sum-stripped"));
        assert_eq!(binaries.found(0).unwrap().verification, Verification::Sha256);
    });
}

#[test]
fn a_file_that_nothing_was_written_to_since_is_not_hashed() {
    with_dump(|mut dump| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("app.wasm");
        let bytes = std::fs::read(fixture("modules/sum-O0.wasm")).unwrap();
        std::fs::write(&file, &bytes).unwrap();
        dump.modules[0].stamp = Some(Stamp::from_metadata(&std::fs::metadata(&file).unwrap()).to_string());
        dump.modules[0].sha256 = Some("00".repeat(32));
        dump.modules[0].content_sha256 = None;
        let options = Options { named: vec![(None, file.clone())], recorded_paths: false, ..Options::default() };
        let found = |dump: &CoreDump<'_>| {
            let store = BinaryStore::new();
            Binaries::locate(&store, dump, &options).found(0).map(|found| found.verification)
        };
        assert_eq!(found(&dump), Some(Verification::Unchanged));
        // The file has the same bytes and another time, so its contents must be compared.
        std::thread::sleep(std::time::Duration::from_millis(30));
        std::fs::write(&file, &bytes).unwrap();
        assert_eq!(found(&dump), None);
        dump.modules[0].sha256 = Some(Module::parse(&bytes).unwrap().sha256().to_owned());
        assert_eq!(found(&dump), Some(Verification::Sha256));
    });
}

#[test]
fn a_recorded_digest_is_looked_at_instead_of_the_sha_256() {
    with_dump(|mut dump| {
        let bytes = std::fs::read(fixture("modules/sum-stripped.wasm")).unwrap();
        dump.modules[0].content_sha256 = None;
        let found = |dump: &CoreDump<'_>| {
            let store = BinaryStore::new();
            let binaries = Binaries::locate(&store, dump, &named("sum-stripped"));
            let refused = binaries.slot(0).unwrap().refused.first().map(|refused| refused.reason.clone());
            binaries.found(0).map(|found| found.verification).ok_or(refused.unwrap_or_default())
        };
        dump.modules[0].digest = Some(of_bytes(&bytes));
        assert_eq!(found(&dump), Ok(Verification::Digest));
        dump.modules[0].digest = Some(of_bytes(b"another"));
        assert!(found(&dump).unwrap_err().starts_with("another build: its BLAKE3 is "));
    });
}

#[test]
fn the_unstripped_build_of_what_ran_gives_lines() {
    with_dump(|dump| {
        let store = BinaryStore::new();
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
        let store = BinaryStore::new();
        let binaries = Binaries::locate(&store, &dump, &named("sum-O0"));
        assert!(binaries.found(0).is_none());
        let refused = &binaries.slot(0).unwrap().refused[0];
        assert!(refused.reason.starts_with("another build: its SHA-256 is "), "{refused:?}");
    });
}
