//! A dump with its module embedded, to the whole document: it must be JSON, on one line, safe on a terminal.
#![no_main]
#![allow(dead_code, missing_docs, unused_imports)]

use std::cell::RefCell;

use coredump_core::backtrace::Resolver;
use coredump_core::binaries::{Binaries, Store};
use coredump_core::cli::text::is_unsafe;
use coredump_core::crash::Crash;
use coredump_core::locate::Options;
use coredump_core::read::read;
use coredump_core::variables::{Inspector, Limits};
use libfuzzer_sys::fuzz_target;
use serde::Serialize;

#[path = "../../coredump-json/src/args.rs"]
mod args;
#[path = "../../coredump-json/src/document/mod.rs"]
mod document;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut dump) = read(bytes) else { return };
    let store = Store::new();
    let options = Options { recorded_paths: false, trusted: false, ..Options::default() };
    let binaries = Binaries::settle(&store, bytes, &mut dump, &options);
    let document = document::Document {
        path: None,
        modified: None,
        dump: &dump,
        binaries: &binaries,
        resolver: RefCell::new(Resolver::new(&dump, &binaries)),
        inspector: (dump.threads.iter().map(|thread| thread.frames.len()).sum::<usize>() < 20)
            .then(|| Inspector::new(&dump, &binaries)),
        limits: Limits::default(),
        crash: Crash { reason: None, signature: None, place: None },
        memory: args::MemoryDetail::Base64,
        redact: bytes.len() % 2 == 1,
    };
    let mut text = Vec::new();
    let layout = document::Layout::new(false, false);
    document.serialize(&mut serde_json::Serializer::with_formatter(&mut text, layout)).expect("a document can be written");
    let text = std::str::from_utf8(&text).expect("JSON is UTF-8");
    serde_json::from_str::<serde::de::IgnoredAny>(text).expect("it is JSON");
    assert!(!text.chars().any(is_unsafe));
});
