//! Writes the whole document of a dump with an embedded module: it must be JSON, on one line, and safe on a terminal.
#![no_main]
#![allow(dead_code, missing_docs, unused_imports)]

use coredump_core::text::is_unsafe;
use coredump_core::{Draft, Limits, Options, Store};
use libfuzzer_sys::fuzz_target;
use serde::Serialize;

#[path = "../../coredump-json/src/args.rs"]
mod args;
#[path = "../../coredump-json/src/document/mod.rs"]
mod document;

fuzz_target!(|bytes: &[u8]| {
    let Ok(draft) = Draft::from_bytes(bytes) else { return };
    let dump = draft.find_binaries(&Store::new(), &Options::default().untrusted());
    let document = document::Document {
        path: None,
        modified: None,
        dump: &dump,
        locals: dump.threads().map(|thread| thread.frames().len()).sum::<usize>() < 20,
        heap: true,
        limits: Limits::default(),
        paths: Default::default(),
        memory: args::MemoryDetail::Base64,
        room: std::cell::Cell::new(1000),
        omitted: std::cell::Cell::new(0),
        vouched: Default::default(),
        redact: bytes.len() % 2 == 1,
        interpreted: dump.interpreted(Some(coredump_core::Limits::default())),
    };
    let mut text = Vec::new();
    let layout = document::Redacting::new(document::Layout::new(false, false), document.redact);
    document
        .serialize(&mut serde_json::Serializer::with_formatter(&mut text, layout))
        .expect("a document can be written");
    let text = std::str::from_utf8(&text).expect("JSON is UTF-8");
    serde_json::from_str::<serde::de::IgnoredAny>(text).expect("it is JSON");
    assert!(!text.chars().any(is_unsafe));
});
