//! Resolves any text with stack traces in a small module.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use coredump_core::trace::Scanner;
use coredump_core::{Dump, Options, Store};
use libfuzzer_sys::fuzz_target;

/// The program that the seeds are traces of.
static MODULE: LazyLock<PathBuf> =
    LazyLock::new(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/modules/sum-O0.wasm")));

fuzz_target!(|text: &[u8]| {
    let store = Store::new();
    let mut options = Options::default();
    options.named.push((None, MODULE.clone()));
    options.recorded_paths = false;
    let mut locator = store.locator(options);
    let mut scanner = Scanner::new(text);
    let mut all = Vec::new();
    while let Some(block) = scanner.next_block().expect("bytes can be read") {
        all.extend_from_slice(block.text);
        assert!(block.marks.is_sorted_by_key(|mark| mark.at), "frames stand in the order of the text");
        for mark in &block.marks {
            assert!(mark.at <= block.text.len() && mark.frame < block.traces[mark.trace].frames.len());
        }
        for trace in &block.traces {
            let dump = Dump::of_trace(locator.locate(trace), &store);
            let thread = dump.thread(0).expect("a trace is a thread");
            assert_eq!(
                thread.frames().map(|frame| frame.resolved().index).collect::<Vec<_>>().len(),
                trace.frames.len()
            );
            assert!(dump.crash().place.as_ref().is_none_or(|place| place.frame < trace.frames.len()));
        }
    }
    // Texts of other systems become UTF-8 with line feeds.
    if !text.contains(&0)
        && !text.starts_with(&[0xFF, 0xFE])
        && !text.starts_with(&[0xFE, 0xFF])
        && !text.contains(&b'\r')
    {
        assert_eq!(all, text, "nothing of the text is lost");
    }
});
