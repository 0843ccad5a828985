//! Evaluates an expression (the first line) in the youngest frames of a dump with an embedded module (the rest).
#![no_main]

use coredump_core::internals::binaries::{Binaries, BinaryStore};
use coredump_core::internals::locate::Options;
use coredump_core::internals::read::read;
use coredump_core::internals::variables::{Inspector, Limits};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some(end) = bytes.iter().position(|&byte| byte == b'\n') else { return };
    let (line, bytes) = (&bytes[..end], &bytes[end + 1..]);
    let Ok(expression) = std::str::from_utf8(line) else { return };
    let Ok(mut dump) = read(bytes) else { return };
    let store = BinaryStore::new();
    let options = Options { recorded_paths: false, trusted: false, ..Options::default() };
    let binaries = Binaries::settle(&store, bytes, &mut dump, &options);
    let inspector = Inspector::new(&dump, &binaries);
    for frame in 0..dump.threads.first().map_or(0, |thread| thread.frames.len().min(4)) {
        if let Err(error) = inspector.evaluate(0, frame, expression, &Limits::default()) {
            assert!(!error.message.is_empty());
        }
    }
});
