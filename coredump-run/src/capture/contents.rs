//! The contents of the guest's memories, as slices of where they lie: nothing is copied.

use std::ops::Range;

use coredump_core::memory::{Memory as MemoryRecord, Segment};
use coredump_core::model::CoreDump;
use coredump_core::write::scan;
use wasmtime::{MemoryType, StoreContextMut};

use super::catalog::AnyMemory;
use super::{pages, reach, shared};
use crate::args::MemoryChoice;
use crate::host::Host;

/// A memory's record, still without contents, and its bytes.
fn describe<'a>(memory: &'a AnyMemory, store: &'a StoreContextMut<'_, Host>) -> (MemoryRecord<'a>, &'a [u8]) {
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
/// what `--memory stack` takes.
pub fn memories<'a>(
    memories: &'a [AnyMemory],
    choice: MemoryChoice,
    dump: &CoreDump<'_>,
    store: &'a StoreContextMut<'_, Host>,
) -> Vec<MemoryRecord<'a>> {
    let mut records = Vec::with_capacity(memories.len());
    let mut ranges = Vec::with_capacity(memories.len());
    let mut all_bytes = Vec::with_capacity(memories.len());
    let mut known: Vec<Vec<Range<u64>>> = Vec::with_capacity(memories.len());
    for (index, memory) in memories.iter().enumerate() {
        let (mut record, bytes) = describe(memory, store);
        let (found, covered) = match choice {
            MemoryChoice::All => {
                let whole = std::iter::once(0..bytes.len() as u64);
                (scan::nonzero(bytes, pages::touched(bytes)), whole.collect())
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
        record.set_contents(segments.collect(), std::mem::take(&mut known[index]));
    }
    records
}
