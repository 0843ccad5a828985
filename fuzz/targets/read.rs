//! Reads any bytes as a dump, in every layout, and calls every query of the model.
#![no_main]

use coredump_core::internals::read::{read, read_as};
use coredump_core::memory::Memory;
use coredump_core::model::{CoreDump, Layout};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(dump) = read(bytes) else { return };
    check(&dump, bytes.len());
    for layout in [Layout::Standard, Layout::Xtuc02, Layout::Xtuc01, Layout::Wasmer, Layout::WasmEdge] {
        let dump = read_as(bytes, layout).expect("what can be read at all can be read in any layout");
        assert_eq!(dump.layout, layout);
        check(&dump, bytes.len());
    }
});

fn check(dump: &CoreDump<'_>, size: usize) {
    let held: u64 = dump.memories.iter().flat_map(Memory::segments).map(|segment| segment.bytes.len() as u64).sum();
    assert!(held <= size as u64, "more contents than the file has bytes");
    for memory in &dump.memories {
        let mut end = 0;
        for segment in memory.segments() {
            assert!(!segment.bytes.is_empty() && segment.address >= end && segment.end() <= memory.size);
            end = segment.end();
        }
        let mut at = 0;
        for chunk in memory.chunks(0..u64::MAX) {
            assert!(chunk.range().start == at && chunk.range().end > at);
            at = chunk.range().end;
        }
        assert_eq!(at, memory.size, "chunks cover the memory");
        for address in [0, 1, 4095, memory.size / 2, memory.size.saturating_sub(3), memory.size, u64::MAX] {
            let _ = memory.bytes(address, 16);
            let _ = memory.bytes(address, u64::MAX);
            let _ = memory.pointer(address);
            let _ = memory.c_string(address, 64);
        }
        memory.captured();
    }
    for thread in &dump.threads {
        assert!(thread.frames.len() <= size, "a frame has at least one byte");
    }
}
