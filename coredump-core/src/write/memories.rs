//! The memory and data sections. A section's size is a u32, so one dump holds at most 4 GiB of memory contents.

use std::io::{IoSlice, Write};
use std::ops::Range;

use wasm_encoder::Encode;

use super::Sections;
use crate::error::{Error, ErrorKind, Result};
use crate::memory::{Memory, Segment};

/// Greatest size of the data section's contents; a little below what a u32 holds, for the count in front.
pub(super) const SECTION_LIMIT: u64 = u32::MAX as u64 - 16;

/// The number of segments that are written with one system call, which takes at most 1024 pieces: each segment is two.
const BATCH: usize = 512;

/// The plan of the data section: which parts of each memory are written.
pub(super) struct Plan<'m, 'a> {
    memories: Vec<Planned<'m, 'a>>,
    count: usize,
    size: u64,
}

/// The planned part of one memory.
struct Planned<'m, 'a> {
    memory: &'m Memory<'a>,
    /// Nothing at or above this address is written.
    end: u64,
}

/// Plans the data section: it gets everything if that fits in `limit` bytes; otherwise the largest memories lose their
/// high ends.
///
/// The high end is the least useful one: toolchains put static data and the shadow stack low, and the heap grows
/// upwards.
pub(super) fn plan<'m, 'a>(memories: &'m [Memory<'a>], limit: u64) -> Plan<'m, 'a> {
    // Small memories first: only the largest are cut.
    let mut order: Vec<usize> = (0..memories.len()).collect();
    let total = |index: usize| memories[index].segments().iter().map(|segment| segment.bytes.len() as u64).sum::<u64>();
    order.sort_by_key(|&index| (total(index), index));

    let mut planned: Vec<Planned<'m, 'a>> = memories.iter().map(|memory| Planned { memory, end: u64::MAX }).collect();
    let (mut count, mut size) = (0, 0);
    for index in order {
        for segment in memories[index].segments() {
            let head = head(&memories[index], index as u32, *segment).len() as u64;
            let room = limit.saturating_sub(size + head);
            let len = room.min(segment.bytes.len() as u64);
            if len > 0 {
                count += 1;
                size += head + len;
            }
            if len < segment.bytes.len() as u64 {
                planned[index].end = segment.address + len;
                break;
            }
        }
    }
    Plan { memories: planned, count, size }
}

impl<'m, 'a> Plan<'m, 'a> {
    /// The ranges of memory `index` that the dump may call zero where no segment lies.
    pub(super) fn known_zero(&self, index: usize) -> Vec<Range<u64>> {
        let Planned { memory, end } = self.memories[index];
        let ranges = memory.known_zero().iter();
        ranges.map(|range| range.start..range.end.min(end)).filter(|range| !range.is_empty()).collect()
    }

    /// Returns the reason why part of memory `index` is not in the dump.
    pub(super) fn missing(&self, index: usize) -> Option<String> {
        let Planned { memory, end } = self.memories[index];
        let cut = (end != u64::MAX)
            .then(|| format!("addresses from {end:#x} up: a core dump holds at most 4 GiB of memory contents"));
        match (&memory.missing, cut) {
            (Some(missing), Some(cut)) => Some(format!("{missing}; {cut}")),
            (missing, cut) => missing.clone().or(cut),
        }
    }

    /// Writes the section.
    pub(super) fn write<W: Write>(&self, sections: &mut Sections<W>) -> Result<()> {
        let mut count = Vec::new();
        self.count.encode(&mut count);
        sections.begin(11, count.len() as u64 + self.size)?;
        sections.bytes(&count)?;
        for (index, planned) in self.memories.iter().enumerate() {
            let segments: Vec<_> = planned.segments().collect();
            for batch in segments.chunks(BATCH) {
                let heads: Vec<_> = batch.iter().map(|segment| head(planned.memory, index as u32, *segment)).collect();
                let pieces = heads.iter().zip(batch).flat_map(|(head, segment)| [&head[..], segment.bytes]);
                let mut pieces: Vec<_> = pieces.map(IoSlice::new).collect();
                sections.gather(&mut pieces)?;
            }
        }
        Ok(())
    }
}

impl<'a> Planned<'_, 'a> {
    fn segments(&self) -> impl Iterator<Item = Segment<'a>> {
        let end = self.end;
        self.memory.segments().iter().filter(move |segment| segment.address < end).map(move |segment| {
            let len = (end - segment.address).min(segment.bytes.len() as u64);
            Segment { address: segment.address, bytes: &segment.bytes[..len as usize] }
        })
    }
}

/// The head of a segment, before its bytes: flags, memory, offset expression, length.
fn head(memory: &Memory<'_>, index: u32, segment: Segment<'_>) -> Vec<u8> {
    let mut head = Vec::with_capacity(24);
    if index == 0 {
        head.push(0);
    } else {
        head.push(2);
        index.encode(&mut head);
    }
    if memory.memory64 {
        head.push(0x42);
        (segment.address as i64).encode(&mut head);
    } else {
        head.push(0x41);
        (segment.address as u32 as i32).encode(&mut head);
    }
    head.push(0x0B);
    // The length always takes five bytes, so that the planned size stays right for a segment that is cut.
    head.extend(padded(segment.bytes.len() as u32));
    head
}

/// LEB128 of fixed width.
fn padded(value: u32) -> [u8; 5] {
    std::array::from_fn(|at| {
        let bits = (u64::from(value) >> (7 * at)) as u8 & 0x7F;
        if at < 4 { bits | 0x80 } else { bits }
    })
}

/// The contents of the memory section.
pub(super) fn types(memories: &[Memory<'_>]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    memories.len().encode(&mut body);
    for (index, memory) in memories.iter().enumerate() {
        if !memory.page_size.is_power_of_two() || memory.page_size > 65536 {
            let message = format!("memory {index} has pages of {} bytes, which no module can have", memory.page_size);
            return Err(Error::new(ErrorKind::Malformed, message));
        }
        let custom = memory.page_size != 65536;
        let minimum = memory.size.div_ceil(memory.page_size);
        let mut maximum = memory.maximum.map(|maximum| (maximum / memory.page_size).max(minimum));
        if memory.shared {
            maximum = maximum.or(Some(minimum)); // a shared memory must have one
        }
        let flags = [(maximum.is_some(), 1), (memory.shared, 2), (memory.memory64, 4), (custom, 8)];
        body.push(flags.iter().map(|&(set, bit)| if set { bit } else { 0 }).sum());
        minimum.encode(&mut body);
        if let Some(maximum) = maximum {
            maximum.encode(&mut body);
        }
        if custom {
            memory.page_size.trailing_zeros().encode(&mut body);
        }
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_memory_loses_its_high_end_first() {
        let bytes = vec![1; 1000];
        let memory = |len: usize| {
            let mut memory = Memory::new(65536);
            let segments = vec![Segment { address: 16, bytes: &bytes[..len] }];
            memory.set_contents(segments, std::iter::once(0..65536).collect());
            memory
        };
        let memories = [memory(1000), memory(10)];
        let plan = plan(&memories, 500);
        assert!(plan.size <= 500 && plan.size > 490, "{}", plan.size);
        assert_eq!(plan.count, 2);
        assert_eq!(plan.missing(1), None);
        assert!(plan.known_zero(1).iter().eq([&(0..65536)]));
        let end = plan.memories[0].end;
        assert!(plan.missing(0).unwrap().contains(&format!("{end:#x}")));
        assert!(plan.known_zero(0).iter().eq([&(0..end)]));
        assert_eq!(plan.memories[0].segments().next().unwrap().bytes.len() as u64, end - 16);
    }

    #[test]
    fn a_padded_length_is_a_valid_leb128() {
        for value in [0, 1, 127, 128, 1 << 20, u32::MAX] {
            let read = wasmparser::BinaryReader::new(&padded(value), 0).read_var_u32().unwrap();
            assert_eq!(read, value);
        }
    }
}
