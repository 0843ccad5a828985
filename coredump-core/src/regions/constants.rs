//! Constant data that the program has changed, which reveals a stray write.

use std::ops::Range;

use super::{Regions, Use, initial};
use crate::binaries::Binaries;
use crate::memory::{Chunk, Memory};
use crate::model::CoreDump;

/// Constant data that differs from what the module has there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The addresses of the constant data.
    pub range: Range<u64>,
    /// The addresses from the first to the last byte that differs.
    pub changed: Range<u64>,
    /// The number of bytes that differ.
    pub bytes: u64,
    /// The module's bytes from the first difference on, up to 32.
    pub was: Vec<u8>,
}

/// The number of the module's bytes that are kept.
const KEPT: u64 = 32;

/// The data segments of constants in a memory (`.rodata`, as LLVM names them) that differ from the module's. Empty
/// where the module has no names for its segments, or is not known for certain.
pub fn changed_constants(dump: &CoreDump<'_>, binaries: &Binaries, memory: u32, regions: &Regions) -> Vec<Changed> {
    constants(dump, binaries, memory, regions).into_iter().filter_map(|(_, changed)| changed).collect()
}

/// The data segments of constants in a memory that equal the module's.
pub fn unchanged_constants(
    dump: &CoreDump<'_>,
    binaries: &Binaries,
    memory: u32,
    regions: &Regions,
) -> impl Iterator<Item = Range<u64>> {
    let all = constants(dump, binaries, memory, regions).into_iter();
    all.filter(|(_, changed)| changed.is_none()).map(|(range, _)| range)
}

/// All data segments of constants, and how each has changed.
fn constants(
    dump: &CoreDump<'_>,
    binaries: &Binaries,
    memory: u32,
    regions: &Regions,
) -> Vec<(Range<u64>, Option<Changed>)> {
    let constant = |name: &str| name == ".rodata" || name.starts_with(".rodata.");
    let constants = regions.iter().filter(|region| region.r#use == Use::Data);
    let constants: Vec<_> =
        constants.filter(|region| region.name.as_deref().is_some_and(constant)).map(|region| &region.range).collect();
    let (Some(memory_now), false) = (dump.memories.get(memory as usize), constants.is_empty()) else {
        return Vec::new();
    };
    let Some(before) = initial(dump, binaries, memory) else { return Vec::new() };
    constants.into_iter().map(|range| (range.clone(), compare(memory_now, &before, range))).collect()
}

fn compare(now: &Memory<'_>, before: &Memory<'_>, range: &Range<u64>) -> Option<Changed> {
    let mut found: Option<Changed> = None;
    for chunk in now.chunks(range.clone()) {
        let part = chunk.range();
        let Ok(was) = before.bytes(part.start, part.end - part.start) else { continue };
        let differs = |index: usize| match chunk {
            Chunk::Captured(segment) => segment.bytes[index] != was[index],
            Chunk::Zero { .. } => was[index] != 0,
            Chunk::Hole { .. } => false,
        };
        for address in (0..was.len()).filter(|&index| differs(index)).map(|index| part.start + index as u64) {
            let found = found.get_or_insert_with(|| {
                let was = before.bytes(address, KEPT.min(range.end - address)).map(|bytes| bytes.into_owned());
                Changed { range: range.clone(), changed: address..address, bytes: 0, was: was.unwrap_or_default() }
            });
            found.changed.end = address + 1;
            found.bytes += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Segment;

    #[test]
    fn bytes_that_differ_are_counted_and_unknown_ones_are_not() {
        let memory = |bytes| {
            let mut memory = Memory::new(64);
            memory.set_contents(vec![Segment { address: 4, bytes }], std::iter::once(0..32).collect());
            memory
        };
        let (before, same) = (memory(b"abcdefgh"), memory(b"abcdefgh"));
        assert_eq!(compare(&same, &before, &(0..32)), None);
        let changed = compare(&memory(b"abXdeYgh"), &before, &(4..12)).unwrap();
        assert_eq!((changed.changed, changed.bytes, &*changed.was), (6..10, 2, &b"cdefgh"[..]));
        assert_eq!(compare(&memory(b"abcdefgh"), &memory(b"abcdefgh"), &(32..64)), None);
    }
}
