//! Checks whether the embedded module of a dump fits, and looks up the source position of every frame.
#![no_main]

use coredump_core::internals::backtrace;
use coredump_core::internals::binaries::{Binaries, BinaryStore};
use coredump_core::internals::locate::Options;
use coredump_core::internals::read::read;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut dump) = read(bytes) else { return };
    let store = BinaryStore::new();
    let binaries = Binaries::settle(
        &store,
        bytes,
        &mut dump,
        &Options { recorded_paths: false, trusted: false, ..Options::default() },
    );
    for thread in backtrace::resolve(&dump, &binaries) {
        for frame in &thread.frames {
            assert!(frame.location.is_none() || frame.module_offset.is_some(), "a line without a place");
        }
    }
});
