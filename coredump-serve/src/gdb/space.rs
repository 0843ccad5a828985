//! Maps a dump to the single 64-bit address space that LLDB sees.
//!
//! LLDB (`ProcessWasm.h`) divides an address: bits 62 and 63 are its type (0 is linear memory, 1 a module's file), bits
//! 32 to 55 the owner, and bits 0 to 31 the offset. The owner is:
//!
//! - for a module's file, its index among the dump's modules;
//! - 0 for the memory that all frames use, in which LLDB 22 follows all pointers. If frames use several memories,
//!   nothing can be read there, as no value is better than one from another memory;
//! - N for the first memory of module N, if its instances share one;
//! - [`BY_INDEX`] + N for memory N of the dump.

use std::collections::HashSet;
use std::ops::Range;

use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::memory::Chunk;
use coredump_core::model::{self, Instance, Value};
use coredump_core::{Dump, Found, Memory, Register};

/// The owner from which on memories are numbered by their index in the dump.
pub const BY_INDEX: u64 = 0x80_0000;
/// The address of a frame whose position is not known: its type is invalid for LLDB.
pub const NOWHERE: u64 = 3 << 62;
/// The type of a module's file.
const OBJECT: u64 = 1;
/// The number of bytes that one request may ask for.
const MAX_READ: u64 = 1 << 16;
/// The number of data segments of a module that are read.
const MAX_SEGMENTS: usize = 1 << 16;

/// The contents of an address.
enum At<'s> {
    /// A linear memory: its index in the dump, and the offset in bytes.
    Memory(u32, u64),
    /// A module's file, and the offset in bytes.
    File(&'s MappedModule, u64),
}

/// A range of addresses with the same properties.
pub struct Region {
    /// Size of the range in bytes.
    pub size: u64,
    /// True if the bytes can be read.
    pub readable: bool,
    /// True if the range contains code.
    pub code: bool,
}

/// A module whose binary is known.
struct MappedModule {
    /// Index of the module in the dump.
    index: u32,
    /// The data segments in the order of the file.
    segments: Vec<Segment>,
}

/// A data segment. LLDB reads the variables that it initializes from here.
struct Segment {
    /// The range of the segment in the file.
    file: Range<u64>,
    /// The memory of the dump and the address that the segment was copied to; `None` if not known.
    memory: Option<(u32, u64)>,
}

/// The address space of one dump.
pub struct Space {
    dump: Dump,
    /// Indices of the threads that are served, by their order in the dump.
    threads: Vec<usize>,
    code: Vec<MappedModule>,
    /// The memory that all frames use.
    common: Option<u32>,
}

impl Space {
    /// The address space of a dump, with all of its threads or only the one with this index. Finds the binaries. Fails
    /// if there is no such thread.
    pub fn new(dump: Dump, only: Option<usize>) -> Result<Space> {
        let count = dump.threads().len();
        let threads = match only {
            // LLDB requires a process to have a thread.
            None => (0..count.max(1)).collect(),
            Some(only) if only < count => vec![only],
            Some(only) => {
                let error = Error::new(ErrorKind::NotFound, format!("there is no thread {only}"));
                return Err(error.hint(format!("the dump holds {count}, counted from 0")));
            }
        };
        let slots = dump.binaries().slots();
        let code =
            (0..).zip(slots).filter_map(|(index, slot)| Some(MappedModule::new(&dump, index, slot.found.as_ref()?)));
        Ok(Space { code: code.collect(), common: common_memory(&dump), dump, threads })
    }

    /// Indices of the threads that are served.
    pub fn threads(&self) -> &[usize] {
        &self.threads
    }

    /// The thread that a client sees first: the one that crashed, if it is served.
    pub fn first_thread(&self) -> usize {
        let crashed = self.dump.crashed_thread().map(|thread| thread.index());
        crashed.filter(|crashed| self.threads.contains(crashed)).unwrap_or(self.threads[0])
    }

    /// The dump.
    pub fn dump(&self) -> &Dump {
        &self.dump
    }

    /// The problems that a user should know of.
    pub fn problems(&self) -> Vec<String> {
        let recorded = self.dump.recorded();
        let mut problems = Vec::new();
        for slot in self.dump.binaries().slots().iter().filter(|slot| slot.found.is_none()) {
            problems.push(format!("{}: its binary was not found, so that LLDB knows nothing of its frames", slot.name));
        }
        if self.common.is_none() && !recorded.memories.is_empty() {
            problems.push("the frames use several memories, so that LLDB cannot follow pointers".to_owned());
        }
        if recorded.memories.iter().any(|memory| memory.memory64) {
            let known = "LLDB 22 reads 4 of the 8 bytes of a memory64's pointers: those beyond 4 GiB it shows wrong";
            problems.push(known.to_owned());
        }
        let with_frames = self
            .threads
            .iter()
            .filter_map(|thread| recorded.threads.get(*thread))
            .filter(|thread| !thread.frames.is_empty());
        if with_frames.count() > 1 {
            let known = "LLDB does not say of which thread it wants a value: those that differ between threads it does not get; \
                         --thread N serves one thread with all of them";
            problems.push(known.to_owned());
        }
        if recorded.threads.iter().any(recurses) {
            let known =
                "LLDB 22 shows, in all frames of a recursion, the variables of its youngest: see coredump-bt --locals";
            problems.push(known.to_owned());
        }
        problems
    }

    /// The modules whose binaries are known: the name and the start address of each.
    pub fn modules(&self) -> impl Iterator<Item = (String, u64)> {
        self.code.iter().filter_map(|code| {
            let slot = self.dump.binaries().slot(code.index)?;
            let name = match slot.found.as_ref()?.binary.path() {
                // LLDB opens the file itself, from another folder.
                Some(path) => std::path::absolute(path).ok()?.to_string_lossy().into_owned(),
                // LLDB must not open a file that has the same name by chance.
                None => format!("{} (in the dump)", slot.name),
            };
            Some((name, address_of(OBJECT, code.index, 0)))
        })
    }

    /// The addresses of a thread's frames, youngest first: that of the instruction for the youngest, and the return
    /// addresses for the others, as LLDB expects.
    pub fn call_stack(&self, thread: usize) -> Option<Vec<u64>> {
        let thread = self.dump.thread(thread)?;
        Some(thread.frames().map(|frame| self.counter(&frame).unwrap_or(NOWHERE)).collect())
    }

    /// The address of the youngest frame of a thread.
    pub fn youngest(&self, thread: usize) -> u64 {
        let frame = self.dump.thread(thread).and_then(|thread| thread.frame(0));
        frame.and_then(|frame| self.counter(&frame)).unwrap_or(NOWHERE)
    }

    fn counter(&self, frame: &coredump_core::Frame) -> Option<u64> {
        let resolved = frame.resolved();
        let (module, offset) = (resolved.module?, resolved.module_offset?);
        let next = || {
            let binary = self.dump.binaries().binary(module)?;
            let function = resolved.function_index?;
            let start = binary.module().body(function)?.start;
            let call = binary.instructions(function)?.call_at(u32::try_from(offset.checked_sub(start)?).ok()?)?;
            Some(start + u64::from(call.end))
        };
        let offset = if frame.index() == 0 { offset } else { next().unwrap_or(offset) };
        Some(address_of(OBJECT, module, u32::try_from(offset).ok()?))
    }

    /// The bytes from an address on, as far as they are known; an error if the first one is not.
    pub fn read(&self, address: u64, len: u64) -> std::result::Result<Vec<u8>, String> {
        let (_, _, offset) = parts(address);
        // A read does not cross the border of the 4 GiB of its owner.
        let len = len.min(MAX_READ).min((1 << 32) - offset);
        match self.at(address)? {
            At::Memory(memory, offset) => self.memory_bytes(memory, offset..offset + len),
            At::File(code, offset) => self.file_bytes(code, offset..offset + len),
        }
    }

    fn at(&self, address: u64) -> std::result::Result<At<'_>, String> {
        let (kind, owner, offset) = parts(address);
        match kind {
            0 if owner == 0 => match self.common {
                Some(memory) => Ok(At::Memory(memory, offset)),
                None if self.dump.recorded().memories.is_empty() => Err("the dump holds no memory".to_owned()),
                None => Err("the frames use several memories, and the address does not say which".to_owned()),
            },
            0 if owner >= BY_INDEX => {
                let index = (owner - BY_INDEX) as u32;
                self.memory(index).map(|_| At::Memory(index, offset))
            }
            0 => {
                let memory = memory_of(&self.dump, owner as u32, 0);
                Ok(At::Memory(memory.ok_or_else(|| format!("which memory module {owner} has is not known"))?, offset))
            }
            OBJECT => {
                let code = self.code.iter().find(|code| u64::from(code.index) == owner);
                Ok(At::File(code.ok_or_else(|| format!("there is no binary of a module {owner}"))?, offset))
            }
            _ => Err("nothing has such an address".to_owned()),
        }
    }

    fn memory(&self, index: u32) -> std::result::Result<&Memory<'_>, String> {
        self.dump.memory(index).ok_or_else(|| format!("there is no memory {index}"))
    }

    fn memory_bytes(&self, memory: u32, range: Range<u64>) -> std::result::Result<Vec<u8>, String> {
        let bytes = self.memory(memory)?.known_bytes(range.start, range.end - range.start);
        match bytes.is_empty() && !range.is_empty() {
            true => Err(format!("the dump does not hold the byte at {:#x} of memory {memory}", range.start)),
            false => Ok(bytes),
        }
    }

    /// The bytes of a module's file. Data segments are replaced by the memory that they were copied to, as LLDB reads
    /// variables here, which have changed since.
    fn file_bytes(&self, code: &MappedModule, range: Range<u64>) -> std::result::Result<Vec<u8>, String> {
        let binary = self.dump.binaries().binary(code.index).ok_or("its binary is not known")?;
        let file = binary.module().bytes();
        let end = range.end.min(file.len() as u64);
        let mut at = range.start;
        let mut bytes = Vec::new();
        while at < end {
            let next = code.segments.partition_point(|segment| segment.file.end <= at);
            let next = code.segments.get(next);
            if let Some(segment) = next.filter(|segment| segment.file.start <= at) {
                let part = at..end.min(segment.file.end);
                let moved = |memory: u64| memory + (part.start - segment.file.start);
                let known = segment.memory.map(|(memory, start)| {
                    let start = moved(start);
                    self.memory_bytes(memory, start..start + (part.end - part.start))
                });
                let known = match known {
                    Some(Ok(known)) => known,
                    _ if bytes.is_empty() => return Err(format!("where the data at {at:#x} went is not known")),
                    _ => break,
                };
                at += known.len() as u64;
                bytes.extend(known);
                if at < part.end {
                    break;
                }
            } else {
                let until = next.map_or(end, |segment| segment.file.start.min(end));
                bytes.extend_from_slice(file.get(at as usize..until as usize).unwrap_or_default());
                at = until;
            }
        }
        match bytes.is_empty() && !range.is_empty() {
            true => Err(format!("the module ends before {:#x}", range.start)),
            false => Ok(bytes),
        }
    }

    /// The range of addresses from this one on with the same properties.
    pub fn region(&self, address: u64) -> Region {
        let (kind, owner, offset) = parts(address);
        let left = (1 << 32) - offset;
        let nothing = |size| Region { size, readable: false, code: false };
        match self.at(address) {
            Ok(At::Memory(index, offset)) => {
                let chunk = self.memory(index).ok().and_then(|memory| memory.chunks(offset..offset + left).next());
                chunk.map_or(nothing(left), |chunk| {
                    let range = chunk.range();
                    Region {
                        size: range.end - range.start,
                        readable: !matches!(chunk, Chunk::Hole { .. }),
                        code: false,
                    }
                })
            }
            Ok(At::File(code, offset)) => {
                let binary = self.dump.binaries().binary(code.index);
                let size = binary.map_or(0, |binary| binary.module().bytes().len() as u64);
                match size.checked_sub(offset).filter(|&rest| rest > 0) {
                    Some(rest) => Region { size: rest, readable: true, code: true },
                    None => nothing(left),
                }
            }
            // Nothing is between the last owner and the addresses of the next type.
            Err(_) => {
                let modules = self.dump.binaries().len() as u64;
                let memories = self.dump.recorded().memories.len() as u64;
                let owned = match kind {
                    0 => owner < modules || (BY_INDEX..BY_INDEX + memories).contains(&owner),
                    OBJECT => owner < modules,
                    _ => false,
                };
                let end = match kind {
                    0 if owner < BY_INDEX => BY_INDEX << 32,
                    3 => 0,
                    kind => (kind + 1) << 62,
                };
                nothing(if owned { left } else { end.wrapping_sub(address) })
            }
        }
    }

    /// A local, global or operand of the frame with this index, little-endian. LLDB does not say which thread's frame
    /// it means, and the order of its requests does not show it either. So a value is returned only if it is the same
    /// for all threads.
    pub fn register(&self, frame: usize, register: Register) -> std::result::Result<Vec<u8>, String> {
        let threads = self.threads.iter().filter_map(|&thread| self.dump.thread(thread)?.frame(frame));
        let mut values = threads.map(|frame| match frame.register(register) {
            Ok(value) => bytes_of(&value),
            // Without debug information, the value comes from the dump itself.
            Err(why) => bytes_of(self.recorded(frame.recorded(), register).ok_or(why)?),
        });
        let first = values.next().ok_or_else(|| format!("there is no frame {frame}"))?;
        match values.all(|other| other == first) {
            true => first,
            false => {
                Err("the threads differ, and which of them is meant is not said: --thread N serves one".to_owned())
            }
        }
    }

    fn recorded<'f>(&'f self, frame: &'f model::Frame, register: Register) -> Option<&'f Value> {
        let dump = self.dump.recorded();
        match register {
            Register::Local(index) => frame.locals.as_ref()?.get(index as usize),
            Register::Operand(index) => frame.stack.as_ref()?.get(index as usize),
            Register::Global(index) => {
                let instance = dump.instances.get(frame.instance? as usize)?;
                Some(&dump.globals.get((*instance.globals.get(index as usize)?)? as usize)?.value)
            }
        }
    }
}

impl MappedModule {
    fn new(dump: &Dump, index: u32, found: &Found) -> MappedModule {
        let module = found.binary.module();
        let start = module.bytes().as_ptr() as usize;
        let segments = module.data_segments().take(MAX_SEGMENTS).map(|segment| {
            let at = (segment.bytes.as_ptr() as usize).wrapping_sub(start) as u64;
            let offset = segment.offset.and_then(|offset| offset.as_address());
            let memory = segment.memory.and_then(|memory| memory_of(dump, index, memory as usize));
            let len = segment.bytes.len() as u64;
            // No module with a segment that goes beyond the last address runs.
            let offset = offset.filter(|offset| offset.checked_add(len).is_some());
            Segment { file: at..at + len, memory: memory.zip(offset) }
        });
        MappedModule { index, segments: segments.filter(|segment| !segment.file.is_empty()).collect() }
    }
}

/// The memory that a module has under this index, if all its instances have the same one.
fn memory_of(dump: &Dump, module: u32, index: usize) -> Option<u32> {
    let recorded = dump.recorded();
    let mut instances = recorded.instances.iter().filter(|instance| instance.module == Some(module));
    let of = |instance: &Instance| *instance.memories.get(index)?;
    match instances.next() {
        Some(first) => of(first).filter(|first| instances.all(|other| of(other) == Some(*first))),
        None => (index == 0 && recorded.memories.len() == 1 && recorded.instances.is_empty()).then_some(0),
    }
}

/// The memory that the functions of all frames use; `None` if they use several, or the dump does not say.
fn common_memory(dump: &Dump) -> Option<u32> {
    let recorded = dump.recorded();
    if recorded.memories.len() <= 1 {
        return (recorded.memories.len() == 1).then_some(0);
    }
    let mut common = None;
    for frame in recorded.threads.iter().flat_map(|thread| &thread.frames) {
        let instance = recorded.instances.get(frame.instance? as usize)?;
        match instance.memories.first() {
            None => {}
            Some(memory) if common.is_none() || common == *memory => common = Some((*memory)?),
            Some(_) => return None,
        }
    }
    common
}

/// Returns true if a function occurs twice.
fn recurses(thread: &model::Thread) -> bool {
    let mut seen = HashSet::new();
    !thread
        .frames
        .iter()
        .all(|frame| frame.function.is_none() || seen.insert((frame.instance, frame.module, frame.function)))
}

fn bytes_of(value: &Value) -> std::result::Result<Vec<u8>, String> {
    match value {
        Value::I32(value) => Ok(value.to_le_bytes().to_vec()),
        Value::I64(value) => Ok(value.to_le_bytes().to_vec()),
        Value::F32(bits) => Ok(bits.to_le_bytes().to_vec()),
        Value::F64(bits) => Ok(bits.to_le_bytes().to_vec()),
        Value::V128(bytes) => Ok(bytes.to_vec()),
        Value::Ref(_) => Err("a reference has no bytes".to_owned()),
        Value::Missing => Err("the dump does not hold it".to_owned()),
    }
}

fn address_of(kind: u64, owner: u32, offset: u32) -> u64 {
    kind << 62 | u64::from(owner) << 32 | u64::from(offset)
}

/// Splits an address into type, owner and offset. As in LLDB, bits 56 to 61 are ignored.
fn parts(address: u64) -> (u64, u64, u64) {
    (address >> 62, address >> 32 & 0xff_ffff, address & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_comes_apart_as_it_was_made() {
        assert_eq!(address_of(OBJECT, 3, 0x1ad), 0x4000_0003_0000_01ad);
        assert_eq!(parts(0x4000_0003_0000_01ad), (1, 3, 0x1ad));
        assert_eq!(parts(0x0080_0002_0000_0010), (0, BY_INDEX + 2, 0x10));
        assert_eq!(parts(NOWHERE), (3, 0, 0));
    }
}
