//! Reads the variables of the youngest frames of a dump with an embedded module.
#![no_main]

use coredump_core::internals::binaries::{Binaries, BinaryStore};
use coredump_core::internals::locate::Options;
use coredump_core::internals::read::read;
use coredump_core::internals::variables::{Inspector, Limits};
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
    let inspector = Inspector::new(&dump, &binaries);
    for (number, thread) in dump.threads.iter().enumerate().take(2) {
        inspector.stack_pointers(number);
        for frame in 0..thread.frames.len().min(6) {
            inspector.frame_variables(number, frame, &Limits::default());
        }
    }
});
