//! The contents of the guest's memories, as slices of where they lie: nothing is copied.

use std::ops::Range;
use std::time::Instant;

use coredump_core::memory::{Memory as MemoryRecord, Segment};
use coredump_core::model::CoreDump;
use coredump_core::write::scan;
use wasmtime::{MemoryType, StoreContextMut};

use crate::catalog::AnyMemory;
use crate::extent::MemoryChoice;
use crate::saved::SavedStack;
use crate::{pages, reach, shared};

/// Bytes that are searched between two looks at the clock.
const PIECE: usize = 64 << 20;

/// The reason that a dump records for memory that is missing because the time was up.
pub const NO_TIME: &str = "there was no time for it";

/// A memory's record, still without contents, and its bytes.
fn describe<'a, T: 'static>(memory: &'a AnyMemory, store: &'a StoreContextMut<'_, T>) -> (MemoryRecord<'a>, &'a [u8]) {
    let (ty, bytes): (MemoryType, &[u8]) = match memory {
        AnyMemory::Own(memory) => (memory.ty(store), memory.data(store)),
        AnyMemory::Shared(memory) => (memory.ty(), shared::bytes(memory)),
    };
    let mut record = MemoryRecord::new(bytes.len() as u64);
    record.page_size = ty.page_size();
    record.maximum = ty.maximum().and_then(|pages| pages.checked_mul(ty.page_size()));
    record.memory64 = ty.is_64();
    record.shared = ty.is_shared();
    (record, bytes)
}

/// The memories with those contents that were chosen. `dump` is the rest of the dump: where its frames point to decides
/// what `--memory stack` takes. The stacks that were `saved` stand for what is in their place now. Memory that was not
/// searched `until` then is left out.
pub fn memories<'a, T: 'static>(
    memories: &'a [AnyMemory],
    choice: MemoryChoice,
    dump: &CoreDump<'_>,
    saved: &'a [SavedStack],
    until: Option<Instant>,
    store: &'a StoreContextMut<'_, T>,
) -> Vec<MemoryRecord<'a>> {
    let mut records = Vec::with_capacity(memories.len());
    let mut ranges = Vec::with_capacity(memories.len());
    let mut all_bytes = Vec::with_capacity(memories.len());
    let mut known: Vec<Vec<Range<u64>>> = Vec::with_capacity(memories.len());
    for (index, memory) in memories.iter().enumerate() {
        let (mut record, bytes) = describe(memory, store);
        let (found, covered) = match choice {
            MemoryChoice::All => {
                let (found, end) = search(bytes, until);
                if end < bytes.len() {
                    record.missing = Some(NO_TIME.to_owned());
                }
                (found, std::iter::once(0..end as u64).collect())
            }
            MemoryChoice::None => {
                record.missing = Some("left out by --memory none".to_owned());
                (Vec::new(), Vec::new())
            }
            MemoryChoice::Stack => {
                record.missing =
                    Some("--memory stack: only the stack and what the frames point to were captured".to_owned());
                let covered = reach::reached(dump, index as u32, bytes, record.memory64);
                let within = covered.iter().map(|range| range.start as usize..range.end as usize);
                (scan::nonzero(bytes, within), covered)
            }
        };
        records.push(record);
        ranges.push(found);
        all_bytes.push(bytes);
        known.push(covered);
    }
    scan::thin(&mut ranges, scan::SEGMENT_LIMIT);
    for (index, record) in records.iter_mut().enumerate() {
        let bytes = all_bytes[index];
        let segments = ranges[index].iter();
        let segments = segments.map(|range| Segment { address: range.start as u64, bytes: &bytes[range.clone()] });
        let mut segments: Vec<Segment<'_>> = segments.collect();
        let kept = saved.iter().filter(|stack| stack.memory as usize == index && choice != MemoryChoice::None);
        segments.extend(kept.map(|stack| Segment { address: stack.start, bytes: &stack.bytes }));
        record.set_contents(segments, std::mem::take(&mut known[index]));
    }
    records
}

/// Finds the ranges of bytes that differ from zero. Returns them with the offset up to which the bytes were searched.
fn search(bytes: &[u8], until: Option<Instant>) -> (Vec<Range<usize>>, usize) {
    let mut found = Vec::new();
    for range in pages::touched(bytes) {
        for start in range.clone().step_by(PIECE) {
            if until.is_some_and(|until| Instant::now() >= until) {
                return (found, start);
            }
            found.extend(scan::nonzero(bytes, [start..range.end.min(start + PIECE)]));
        }
    }
    (found, bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_ends_when_the_time_is_over() {
        let mut bytes = vec![0; 3 * PIECE];
        bytes[5] = 1;
        bytes[2 * PIECE + 7] = 1;
        let (found, end) = search(&bytes, None);
        assert_eq!((found.len(), end), (2, bytes.len()));
        let (found, end) = search(&bytes, Some(Instant::now()));
        assert_eq!((found.len(), end), (0, 0));
    }
}
