//! Searches for a needle in a memory of pieces with holes: every hit is right, hits are in order, and none is missed.
//!
//! The first byte is the needle's length, the second how often there is a hole.
#![no_main]

use std::ops::ControlFlow;

use coredump_core::memory::{Memory, Segment};
use coredump_core::search::{Bytes, Expression, search, strings};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let [len, hole, rest @ ..] = bytes else { return };
    let (needle, contents) = rest.split_at(usize::from(*len % 16).min(rest.len()));
    let every = usize::from(*hole).max(1) * 7;
    let piece = |(index, bytes)| Segment { address: (index * (every + 1)) as u64 & !u64::from(*hole & 1), bytes };
    let mut memory = Memory::new(1 << 24);
    memory.set_contents(
        contents.chunks(every).enumerate().map(piece).collect(),
        // Few enough that a needle of zeros, found at each of them, does not take seconds.
        std::iter::once(1 << 23..(1 << 23) + (1 << 18)).collect(),
    );
    if !needle.is_empty() {
        let mut after = 0;
        let _ = search(&memory, 0..1 << 24, &Bytes::new(needle, 1), |hit| {
            assert!(hit.address >= after && hit.len == needle.len() as u64);
            assert_eq!(&*memory.bytes(hit.address, hit.len).expect("a hit was captured"), needle);
            after = hit.address + hit.len;
            ControlFlow::Continue(())
        });
        for segment in memory.segments() {
            let first = segment.bytes.windows(needle.len()).position(|window| window == needle);
            assert!(first.is_none() || after > segment.address, "a needle was missed");
        }
    }
    if let Some(expression) = std::str::from_utf8(needle).ok().and_then(|text| Expression::new(text).ok()) {
        let mut hits = 0;
        let _ = search(&memory, 0..1 << 24, &expression, |_| {
            hits += 1;
            if hits < 10_000 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
    }
    let _ = strings(&memory, 0..1 << 24, 4, |text| {
        assert!(text.text.chars().count() >= 4 && text.address + text.len <= memory.size);
        ControlFlow::Continue(())
    });
});
