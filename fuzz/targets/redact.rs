//! Redacts a dump that contains a secret wherever the fuzzer puts it: redacted documents and events do not contain it.
#![no_main]
#![allow(dead_code, missing_docs, unused_imports)]

use coredump_core::{Draft, Limits, Options, Store};
use libfuzzer_sys::fuzz_target;
use serde::Serialize;

#[path = "../../coredump-json/src/args.rs"]
mod args;
#[path = "../../coredump-json/src/document/mod.rs"]
mod document;

/// A text that must not be shown. No name, version, time or path has this form.
const SECRET: &str = "<4111 1111>";

fuzz_target!(|bytes: &[u8]| {
    let Ok(draft) = Draft::from_bytes(bytes) else { return };
    // Names of a module are shown: it vouches for them.
    if draft.recorded().modules.iter().any(|module| module.embedded.is_some()) {
        return;
    }
    let dump = draft.find_binaries(&Store::new(), &Options::default().untrusted());
    let document = document::Document {
        path: None,
        modified: None,
        dump: &dump,
        locals: true,
        heap: true,
        limits: Limits::default(),
        paths: Default::default(),
        memory: args::MemoryDetail::None,
        room: std::cell::Cell::new(1000),
        omitted: std::cell::Cell::new(0),
        vouched: Default::default(),
        redact: true,
        interpreted: None,
    };
    let event = document::Event::new(&document);
    for told in [text(&document), text(&event)] {
        serde_json::from_str::<serde::de::IgnoredAny>(&told).expect("it is JSON");
        assert!(!told.contains(SECRET), "{told}");
    }
});

fn text(document: &impl Serialize) -> String {
    let mut text = Vec::new();
    let layout = document::Redacting::new(document::Layout::new(false, false), true);
    document
        .serialize(&mut serde_json::Serializer::with_formatter(&mut text, layout))
        .expect("a document can be written");
    String::from_utf8(text).expect("JSON is UTF-8")
}
