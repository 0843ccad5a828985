//! The memory, global and data sections: a snapshot written as the initial state of a module (core specification 5.5).

use wasmparser::{BinaryReader, GlobalType, MemoryType};

use crate::error::{Error, Result};
use crate::memory::{Memory, Segment};
use crate::model::{CoreDump, Global, RefKind, RefTarget, Reference, Value, Warning};

use super::extensions::Coverage;
use super::input::failed;
use super::sections::RawSection;

/// Memories and their contents, put together once every section was seen: their order is free.
#[derive(Debug, Default)]
pub struct State<'a> {
    memories: Vec<Memory<'a>>,
    segments: Vec<(u32, Segment<'a>)>,
}

impl<'a> State<'a> {
    /// The memory section. Sizes that overflow an address space are cut to it when the contents are laid in.
    pub fn memories(&mut self, section: &RawSection<'_>) -> Result<()> {
        let mut reader = section.reader();
        let count = reader.read_var_u32().map_err(failed("the number of memories"))?;
        for _ in 0..count {
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
        Ok(())
    }

    /// The data section: active segments only. The bytes of the last one may be cut off by the end of the file.
    pub fn data(&mut self, section: &RawSection<'a>) -> Result<()> {
        let mut reader = section.reader();
        let count = reader.read_var_u32().map_err(failed("the number of data segments"))?;
        for number in 0..count {
            let what = || format!("data segment {number}");
            let start = reader.original_position() as u64;
            let flags = reader.read_var_u32().map_err(failed(&what()))?;
            let memory = match flags {
                0 => 0,
                2 => reader.read_var_u32().map_err(failed(&what()))?,
                1 => return Err(Error::malformed(start, format!("{} is passive: it belongs nowhere", what()))),
                _ => return Err(Error::malformed(start, format!("{}: unknown flags {flags:#x}", what()))),
            };
            let offset = reader.original_position() as u64;
            let address = match constant(&mut reader, &what())? {
                Value::I32(address) => u64::from(address as u32),
                Value::I64(address) => address as u64,
                _ => return Err(Error::malformed(offset, format!("{}: its address is not a constant", what()))),
            };
            let len = reader.read_var_u32().map_err(failed(&what()))? as usize;
            let here = len.min(reader.bytes_remaining());
            let bytes = reader.read_bytes(here).map_err(failed(&what()))?;
            self.segments.push((memory, Segment { address, bytes }));
            if here < len {
                let end = reader.original_position() as u64;
                return Err(Error::truncated(end, format!("{} is cut off: {here} of {len} bytes are here", what())));
            }
        }
        Ok(())
    }

    /// Lays the segments into their memories and hands these to the dump.
    pub fn finish(mut self, coverage: Option<Coverage>, dump: &mut CoreDump<'a>) {
        let trimmed = coverage.is_none() && self.is_trimmed_like_wasmtime(dump);
        if trimmed && dump.producer.is_none() {
            dump.producer = Some("wasmtime (inferred)".into());
        }
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
            let end = segments.iter().map(|segment| segment.address.saturating_add(segment.bytes.len() as u64)).max();
            if memory.size == 0
                && let Some(end) = end
            {
                // Rewriters and Wasmer declare `min 0` and write the whole memory as one segment.
                memory.size = end.next_multiple_of(memory.page_size.min(65536)).max(end);
                warn(dump, format!("memory {index} is declared empty but has contents: its size is taken from them"));
            }
            let zero = match coverage.captured.get_mut(index) {
                Some(ranges) => std::mem::take(ranges),
                None if trimmed => std::iter::once(0..memory.size).collect(),
                None => Vec::new(),
            };
            if memory.set_contents(segments, zero) {
                warn(dump, format!("memory {index}: data segments overlap or leave the memory; the last one wins"));
            }
        }
        dump.memories = self.memories;
    }

    /// Whether the file is laid out as Wasmtime's serializer lays it: these sections in this order, and contents in
    /// chunks of 4 KiB that it trims of zeros at both ends. Only then is what no segment covers known to be zero.
    fn is_trimmed_like_wasmtime(&self, dump: &CoreDump<'_>) -> bool {
        const ORDER: [&str; 7] = ["core", "memory", "global", "data", "coremodules", "coreinstances", "corestack"];
        const CHUNK: u64 = 4096;
        dump.sections.iter().map(|section| section.name.as_str()).eq(ORDER)
            && !self.segments.is_empty()
            && self.segments.iter().all(|(_, segment)| match segment.bytes {
                [first, .., last] => {
                    *first != 0 && *last != 0 && segment.address / CHUNK == (segment.end() - 1) / CHUNK
                }
                [only] => *only != 0,
                [] => false,
            })
    }
}

/// The global section.
pub fn globals(section: &RawSection<'_>, dump: &mut CoreDump<'_>) -> Result<()> {
    let mut reader = section.reader();
    let count = reader.read_var_u32().map_err(failed("the number of globals"))?;
    for number in 0..count {
        let what = format!("global {number}");
        let ty = reader.read::<GlobalType>().map_err(failed(&what))?;
        let value = constant(&mut reader, &what)?;
        dump.globals.push(Global { ty: ty.content_type.to_string(), mutable: ty.mutable, value });
    }
    Ok(())
}

/// A constant expression of one instruction and `end`; of none, as old WasmEdge writes it, or of an instruction that
/// is no plain constant, the value is missing.
fn constant(reader: &mut BinaryReader<'_>, what: &str) -> Result<Value> {
    const END: u8 = 0x0b;
    let start = reader.original_position() as u64;
    let value = match reader.read_u8().map_err(failed(what))? {
        0x41 => Value::I32(reader.read_var_i32().map_err(failed(what))?),
        0x42 => Value::I64(reader.read_var_i64().map_err(failed(what))?),
        0x43 => Value::F32(reader.read_f32().map_err(failed(what))?.bits()),
        0x44 => Value::F64(reader.read_f64().map_err(failed(what))?.bits()),
        0xd0 => {
            let heap = reader.read::<wasmparser::HeapType>().map_err(failed(what))?;
            Value::Ref(Reference { kind: hierarchy(heap), target: RefTarget::Null })
        }
        0x23 => {
            reader.read_var_u32().map_err(failed(what))?;
            Value::Missing
        }
        0xfd if reader.read_var_u32().map_err(failed(what))? == 12 => {
            let bytes = reader.read_bytes(16).map_err(failed(what))?;
            Value::V128(bytes.try_into().unwrap_or_default())
        }
        END => return Ok(Value::Missing),
        opcode => {
            let error = format!("{what}: opcode {opcode:#04x} is not a constant");
            return Err(Error::malformed(start, error));
        }
    };
    match reader.read_u8().map_err(failed(what))? {
        END => Ok(value),
        _ => Err(Error::malformed(start, format!("{what}: more than one instruction in its initialiser"))),
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
        // A concrete type's hierarchy stands in a type section, which a dump does not have.
        _ => RefKind::Any,
    }
}

fn warn(dump: &mut CoreDump<'_>, message: String) {
    dump.warnings.push(Warning { message, offset: None });
}
