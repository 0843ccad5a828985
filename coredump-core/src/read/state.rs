//! The memory, global and data sections: a snapshot written as the initial state of a module (core specification 5.5).

use std::cmp::Ordering;
use std::ops::Range;

use wasmparser::{BinaryReader, GlobalType, MemoryType};

use crate::error::{Error, Result};
use crate::limits::{MAX_ITEMS, MAX_SEGMENTS};
use crate::memory::{Memory, Segment};
use crate::model::{CoreDump, Global, RefKind, RefTarget, Reference, Value, Warning};
use crate::producers::{self, Producer};
use crate::sections::RawSection;
use crate::sections::input::{failed, used_up, within};

use super::extensions::Coverage;

/// Memories and their contents, which are put together after all sections were read, since their order is free.
#[derive(Debug, Default)]
pub struct MemoryBuilder<'a> {
    memories: Vec<Memory<'a>>,
    segments: Vec<(u32, Segment<'a>)>,
    /// For a segment that the end of the file cuts off: the memory's index, and the address at which the whole segment
    /// would end.
    cut: Option<(u32, u64)>,
    /// True if there is a data section.
    has_data: bool,
    /// True if part of the state could not be read.
    damaged: bool,
}

impl<'a> MemoryBuilder<'a> {
    /// Reads the memory section. Sizes beyond the address space are cut when the contents are put in.
    pub fn memories(&mut self, section: &RawSection<'_>) -> Result<()> {
        let mut reader = section.reader();
        let count = reader.read_var_u32().map_err(failed("the number of memories"))?;
        for _ in 0..count {
            within(self.memories.len(), MAX_ITEMS, "memories", &reader)?;
            let ty = reader.read::<MemoryType>().map_err(failed("a memory's type"))?;
            let page_size = 1u64.checked_shl(ty.page_size_log2.unwrap_or(16)).unwrap_or(u64::MAX);
            let space = if ty.memory64 { u64::MAX } else { 1 << 32 };
            let mut memory = Memory::new(ty.initial.saturating_mul(page_size).min(space));
            memory.maximum = ty.maximum.map(|pages| pages.saturating_mul(page_size).min(space));
            memory.page_size = page_size;
            memory.memory64 = ty.memory64;
            memory.shared = ty.shared;
            self.memories.push(memory);
        }
        used_up(&reader, "memory")
    }

    /// Reads the active segments of the data section. The end of the file may cut off the last one.
    pub fn data(&mut self, section: &RawSection<'a>) -> Result<()> {
        self.has_data = true;
        let outcome = self.read_segments(section);
        self.damaged |= outcome.is_err();
        outcome
    }

    fn read_segments(&mut self, section: &RawSection<'a>) -> Result<()> {
        let mut reader = section.reader();
        let count = reader.read_var_u32().map_err(failed("the number of data segments"))?;
        for number in 0..count {
            within(self.segments.len(), MAX_SEGMENTS, "data segments", &reader)?;
            let what = || format!("data segment {number}");
            let start = reader.original_position() as u64;
            let flags = reader.read_var_u32().map_err(|error| failed(&what())(error))?;
            let memory = match flags {
                0 => 0,
                2 => reader.read_var_u32().map_err(|error| failed(&what())(error))?,
                1 => return Err(Error::malformed(start, format!("{} is passive: it has no address", what()))),
                _ => return Err(Error::malformed(start, format!("{}: unknown flags {flags:#x}", what()))),
            };
            let offset = reader.original_position() as u64;
            let address = match constant(&mut reader, &what)? {
                Value::I32(address) => u64::from(address as u32),
                Value::I64(address) => address as u64,
                _ => return Err(Error::malformed(offset, format!("{}: its address is not a constant", what()))),
            };
            let len = reader.read_var_u32().map_err(|error| failed(&what())(error))? as usize;
            let here = len.min(reader.bytes_remaining());
            let bytes = reader.read_bytes(here).map_err(|error| failed(&what())(error))?;
            self.segments.push((memory, Segment { address, bytes }));
            if here < len {
                self.cut = Some((memory, address.saturating_add(len as u64)));
                let end = reader.original_position() as u64;
                return Err(Error::truncated(end, format!("{} is cut off: {here} of {len} bytes are here", what())));
            }
        }
        used_up(&reader, "data")
    }

    /// Notes memories that the dump describes and does not have, because the file is cut off at the beginning of a
    /// section.
    pub fn lost(&mut self, coverage: &Coverage, size: u64) -> Result<()> {
        let missing = match () {
            () if coverage.captured.len() > self.memories.len() => "memory section",
            () if !self.has_data && coverage.captured.iter().any(|ranges| !ranges.is_empty()) => "data section",
            () => return Ok(()),
        };
        self.damaged |= !self.has_data;
        Err(Error::truncated(size, format!("the file ends before its {missing}")))
    }

    /// The position, as memory index and address, up to which all segments could be read.
    ///
    /// Producers that leave zeros out write their segments in the order of memories and addresses. So no segment that was
    /// lost lies below the last one that could be read.
    fn known_up_to(&self) -> (usize, u64) {
        if !self.damaged {
            return (usize::MAX, u64::MAX);
        }
        let ordered = self.segments.is_sorted_by_key(|(memory, segment)| (*memory, segment.address));
        let last = self.segments.last().filter(|_| ordered);
        last.map_or((0, 0), |(memory, segment)| (*memory as usize, segment.end()))
    }

    /// Puts the segments into their memories, and these into the dump.
    pub fn finish(mut self, coverage: Option<Coverage>, dump: &mut CoreDump<'a>) {
        let engine = Producer::of_standard(dump);
        if let Some(engine) = engine {
            producers::infer(dump, engine);
        }
        let trimmed = coverage.is_none() && engine.is_some() && producers::is_trimmed(&self.segments);
        let known_up_to = self.known_up_to();
        let mut by_memory: Vec<Vec<Segment<'a>>> = vec![Vec::new(); self.memories.len()];
        let mut lost = 0usize;
        for (memory, segment) in self.segments {
            match by_memory.get_mut(memory as usize) {
                Some(segments) => segments.push(segment),
                None => lost += 1,
            }
        }
        if lost > 0 {
            warn(dump, format!("{lost} data segments name a memory that the dump does not have: skipped"));
        }
        let mut coverage = coverage.unwrap_or_default();
        for (index, (memory, segments)) in self.memories.iter_mut().zip(by_memory).enumerate() {
            let cut = self.cut.filter(|(memory, _)| *memory as usize == index).map(|(_, end)| end);
            let end = segments.iter().map(Segment::end).chain(cut).max();
            if memory.size == 0
                && let Some(end) = end.filter(|end| *end > 0)
            {
                // The rewriter declares `min 0 max N` and writes all of the memory, up to its end, as one segment.
                let space = if memory.memory64 { u64::MAX } else { 1 << 32 };
                memory.size = end.checked_next_multiple_of(memory.page_size).unwrap_or(space).min(space);
                warn(dump, format!("memory {index} is declared empty but has contents: its size is taken from them"));
            }
            let zero = match coverage.captured.get_mut(index) {
                Some(ranges) => std::mem::take(ranges),
                None if trimmed => std::iter::once(0..memory.size).collect(),
                None => Vec::new(),
            };
            let zero = below(zero, index, known_up_to);
            memory.missing = coverage.missing.get_mut(index).and_then(Option::take);
            if memory.set_contents(segments, zero) {
                warn(dump, format!("memory {index}: data segments overlap or leave the memory; the last one wins"));
            }
        }
        dump.memories = self.memories;
    }
}

/// The parts of a memory's ranges that lie below a position.
fn below(mut ranges: Vec<Range<u64>>, index: usize, (memory, end): (usize, u64)) -> Vec<Range<u64>> {
    match index.cmp(&memory) {
        Ordering::Less => {}
        Ordering::Equal => ranges.iter_mut().for_each(|range| range.end = range.end.min(end)),
        Ordering::Greater => ranges.clear(),
    }
    ranges.retain(|range| !range.is_empty());
    ranges
}

/// Reads the global section.
pub fn globals(section: &RawSection<'_>, dump: &mut CoreDump<'_>) -> Result<()> {
    let mut reader = section.reader();
    let count = reader.read_var_u32().map_err(failed("the number of globals"))?;
    for number in 0..count {
        within(dump.globals.len(), MAX_ITEMS, "globals", &reader)?;
        let what = || format!("global {number}");
        let ty = reader.read::<GlobalType>().map_err(|error| failed(&what())(error))?;
        let value = constant(&mut reader, &what)?;
        dump.globals.push(Global { ty: ty.content_type.to_string(), mutable: ty.mutable, value });
    }
    used_up(&reader, "global")
}

/// Reads a constant expression of one instruction and `end`. The value is missing if there is no instruction, as old
/// WasmEdge writes it, or one that is no plain constant.
fn constant(reader: &mut BinaryReader<'_>, what: &dyn Fn() -> String) -> Result<Value> {
    const END: u8 = 0x0b;
    let wrong = |error| failed(&what())(error);
    let start = reader.original_position() as u64;
    let value = match reader.read_u8().map_err(wrong)? {
        0x41 => Value::I32(reader.read_var_i32().map_err(wrong)?),
        0x42 => Value::I64(reader.read_var_i64().map_err(wrong)?),
        0x43 => Value::F32(reader.read_f32().map_err(wrong)?.bits()),
        0x44 => Value::F64(reader.read_f64().map_err(wrong)?.bits()),
        0xd0 => {
            let heap = reader.read::<wasmparser::HeapType>().map_err(wrong)?;
            Value::Ref(Reference { kind: hierarchy(heap), target: RefTarget::Null })
        }
        0x23 => {
            reader.read_var_u32().map_err(wrong)?;
            Value::Missing
        }
        0xfd if reader.read_var_u32().map_err(wrong)? == 12 => {
            let bytes = reader.read_bytes(16).map_err(wrong)?;
            Value::V128(bytes.try_into().unwrap_or_default())
        }
        END => return Ok(Value::Missing),
        opcode => {
            let error = format!("{}: opcode {opcode:#04x} is not a constant", what());
            return Err(Error::malformed(start, error));
        }
    };
    match reader.read_u8().map_err(wrong)? {
        END => Ok(value),
        _ => Err(Error::malformed(start, format!("{}: more than one instruction in its initialiser", what()))),
    }
}

fn hierarchy(heap: wasmparser::HeapType) -> RefKind {
    use wasmparser::AbstractHeapType::*;
    match heap {
        wasmparser::HeapType::Abstract { ty, .. } => match ty {
            Func | NoFunc => RefKind::Func,
            Extern | NoExtern => RefKind::Extern,
            Exn | NoExn => RefKind::Exn,
            Cont | NoCont => RefKind::Cont,
            Any | None | Eq | Struct | Array | I31 => RefKind::Any,
        },
        // The hierarchy of a concrete type would be in a type section, which a dump does not have.
        _ => RefKind::Any,
    }
}

fn warn(dump: &mut CoreDump<'_>, message: String) {
    dump.warnings.push(Warning { message, offset: None });
}
