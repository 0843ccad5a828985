//! Compares the end of a repeated run with that of the first one.

use std::collections::HashMap;

use coredump_core::memory::{Chunk, Memory};
use coredump_core::model::{CoreDump, Frame, Global, Instance, RefTarget, Reference, Value};
use wasmtime::Trap;

use crate::ending::Ending;

/// The size of the blocks of a memory that are compared by their digests, in bytes.
const BLOCK: u64 = 1 << 16;

/// The end of the first run: all that a second run must agree with. It owns its data, so that the memory of the first
/// run can be freed.
#[derive(Clone, Debug)]
pub struct Expected {
    kind: String,
    frames: Vec<FramePosition>,
    /// Index of the youngest frame's instance, if known.
    youngest: Option<usize>,
    globals: Vec<(Owner, Global)>,
    memories: Vec<(Owner, Contents)>,
}

/// The first instance that has a memory or a global, and the index under which it has it; `None` if not known.
type Owner = Option<(usize, usize)>;

/// The function and the code offset of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FramePosition {
    /// Digest of the module, if known.
    module: Option<String>,
    function: Option<u32>,
    offset: Option<u32>,
}

/// The size of a memory, and the digests of its blocks that are not all zero. A block with unknown bytes is not
/// compared.
#[derive(Clone, Debug)]
struct Contents {
    size: u64,
    blocks: HashMap<u64, [u8; 32]>,
    /// The digests without the bits of NaNs, for blocks that seem to contain NaNs.
    nans: HashMap<u64, [u8; 32]>,
    unknown: Vec<u64>,
}

impl Expected {
    /// The end that `dump` describes, of this kind.
    pub fn new(kind: &str, dump: &CoreDump<'_>) -> Expected {
        Expected {
            kind: kind.to_owned(),
            frames: frames(dump).iter().map(|frame| FramePosition::new(frame, dump)).collect(),
            youngest: frames(dump).first().and_then(|frame| Some(frame.instance? as usize)),
            globals: global_owners(dump).into_iter().zip(dump.globals.iter().cloned()).collect(),
            memories: memory_owners(dump).into_iter().zip(dump.memories.iter().map(Contents::with_nans)).collect(),
        }
    }

    /// Digest of the youngest frame's module.
    pub fn youngest_module(&self) -> Option<&str> {
        self.frames.first()?.module.as_deref()
    }

    /// If the stack overflowed: the function of the youngest frame, the number of its frames, and the number of all
    /// frames.
    pub fn overflow(&self) -> Option<(u32, usize, usize)> {
        if self.kind != Ending::Trap(Trap::StackOverflow).kind() {
            return None;
        }
        let youngest = self.frames.first()?.function?;
        let of_it = self.frames.iter().filter(|frame| frame.function == Some(youngest)).count();
        Some((youngest, of_it, self.frames.len()))
    }

    /// The integer globals of the youngest frame's instance, with their indices in it. One of them is the stack pointer
    /// of the compiler's shadow stack, which differs with the depth of the stack.
    pub fn integers_of_youngest(&self) -> Vec<(u32, i64)> {
        let integer = |(owner, global): &(Owner, Global)| {
            let (instance, own) = (*owner)?;
            let value = match global.value {
                Value::I32(value) => i64::from(value),
                Value::I64(value) => value,
                _ => return None,
            };
            (global.mutable && Some(instance) == self.youngest).then_some((own as u32, value))
        };
        self.globals.iter().filter_map(integer).collect()
    }

    /// Returns true if these are the frames of the first run; the code offset of the youngest one may differ.
    pub fn has_frames(&self, frames: impl ExactSizeIterator<Item = (u32, Option<u32>)>) -> bool {
        self.frames.len() == frames.len()
            && self.frames.iter().zip(frames).enumerate().all(|(index, (expected, (function, offset)))| {
                expected.function == Some(function) && (index == 0 || expected.offset == offset)
            })
    }

    /// Compares the end of the first run with one of this kind that `dump` describes.
    ///
    /// # Errors
    ///
    /// Says what differs, for a person.
    pub fn check(&self, kind: &str, dump: &CoreDump<'_>) -> Result<(), String> {
        if self.kind != kind {
            return Err(format!("it ended by {kind} and not by {}", self.kind));
        }
        self.check_frames(&frames(dump).iter().map(|frame| FramePosition::new(frame, dump)).collect::<Vec<_>>())?;
        let globals: Vec<_> = global_owners(dump).into_iter().zip(&dump.globals).collect();
        for (index, (first, second)) in pairs("globals", &self.globals, &globals)?.into_iter().enumerate() {
            if !same_global(first, second) {
                return Err(format!("global {index} has another value"));
            }
        }
        let memories: Vec<_> = memory_owners(dump).into_iter().zip(&dump.memories).collect();
        for (index, (first, second)) in pairs("memories", &self.memories, &memories)?.into_iter().enumerate() {
            first.check(second).map_err(|what| format!("memory {index} {what}"))?;
        }
        Ok(())
    }

    fn check_frames(&self, frames: &[FramePosition]) -> Result<(), String> {
        // The frames of an exception are those of the throw; in the first run, they were gone when the dump was
        // written.
        if self.frames.is_empty() || self.kind == Ending::Exception(String::new()).kind() {
            return Ok(());
        }
        if frames.len() != self.frames.len() {
            return Err(format!("it stopped with {} frames instead of {}", frames.len(), self.frames.len()));
        }
        // In optimised code, several instructions share one trap, and a trap in a function's prologue has no
        // instruction.
        let approximate = self.kind == Ending::Trap(Trap::UnreachableCodeReached).kind() || self.overflow().is_some();
        let differs = |(index, (first, second)): (usize, (&FramePosition, &FramePosition))| {
            let known = first.module.as_ref().zip(second.module.as_ref());
            let other_module = known.is_some_and(|(first, second)| first != second);
            let other_offset = first.offset != second.offset && !(index == 0 && approximate);
            other_module || first.function != second.function || other_offset
        };
        match self.frames.iter().zip(frames).enumerate().position(differs) {
            Some(index) => Err(format!("frame {index} stopped at another place")),
            None => Ok(()),
        }
    }
}

impl FramePosition {
    fn new(frame: &Frame, dump: &CoreDump<'_>) -> FramePosition {
        let of_instance = || dump.instances.get(frame.instance? as usize)?.module;
        let module = frame.module.or_else(of_instance);
        let module = module.and_then(|module| dump.modules.get(module as usize)?.digest.clone());
        FramePosition { module, function: frame.function, offset: frame.code_offset }
    }
}

/// The frames of a dump's first thread.
fn frames<'d>(dump: &'d CoreDump<'_>) -> &'d [Frame] {
    dump.threads.first().map(|thread| &thread.frames[..]).unwrap_or_default()
}

fn global_owners(dump: &CoreDump<'_>) -> Vec<Owner> {
    owners(dump, dump.globals.len(), |instance| &instance.globals)
}

fn memory_owners(dump: &CoreDump<'_>) -> Vec<Owner> {
    owners(dump, dump.memories.len(), |instance| &instance.memories)
}

/// The owners of a dump's memories or globals; `of` returns the list of their indices in an instance.
fn owners<'d>(dump: &'d CoreDump<'_>, count: usize, of: impl Fn(&'d Instance) -> &'d Vec<Option<u32>>) -> Vec<Owner> {
    let mut owners = vec![None; count];
    for (position, instance) in dump.instances.iter().enumerate() {
        for (own, index) in of(instance).iter().enumerate() {
            if let Some(owner) = index.and_then(|index| owners.get_mut(index as usize)) {
                owner.get_or_insert((position, own));
            }
        }
    }
    owners
}

/// Pairs the memories or globals of two runs, as far as the first run has them. An uninstrumented engine lists them in
/// another order, does not know the owners of all, and does not list those that the engine itself keeps for a
/// component's adapters. The ones without known owners are in the same order in both runs.
fn pairs<'p, A, B>(
    what: &str,
    first: &'p [(Owner, A)],
    second: &'p [(Owner, B)],
) -> Result<Vec<(&'p A, &'p B)>, String> {
    let mut by_owner: HashMap<(usize, usize), usize> = HashMap::new();
    for (index, (owner, _)) in second.iter().enumerate() {
        owner.map(|owner| by_owner.insert(owner, index));
    }
    let found: Vec<Option<usize>> = first.iter().map(|(owner, _)| by_owner.remove(&(*owner)?)).collect();
    let mut taken = vec![false; second.len()];
    found.iter().flatten().for_each(|&index| taken[index] = true);
    let mut left = (0..second.len()).filter(|&index| !taken[index]);
    let missing = found.iter().filter(|found| found.is_none()).count();
    if missing > 0 && missing != left.clone().count() {
        return Err(format!("it has {} {what} and not {}", second.len(), first.len()));
    }
    let pair = |((_, item), found): (&'p (Owner, A), &Option<usize>)| {
        let index = found.or_else(|| left.next())?;
        Some((item, &second[index].1))
    };
    Ok(first.iter().zip(&found).filter_map(pair).collect())
}

/// Returns true if two globals have the same value, as far as both are known. Objects that references refer to are not
/// compared, as they have no names that are the same in both runs.
fn same_global(first: &Global, second: &Global) -> bool {
    let opaque = |value: &Value| {
        matches!(value, Value::Ref(Reference { target: RefTarget::Opaque(_) | RefTarget::Object(_), .. }))
    };
    let null = |value: &Value| matches!(value, Value::Ref(Reference { target: RefTarget::Null, .. }));
    (first.ty == second.ty && first.mutable == second.mutable)
        && match (&first.value, &second.value) {
            (Value::Missing, _) | (_, Value::Missing) => true,
            // An uninstrumented engine does not always know which function a reference refers to.
            (first, second) if opaque(first) || opaque(second) => null(first) == null(second),
            (first, second) => first == second,
        }
}

impl Contents {
    /// The contents of a memory, for a comparison with [`Contents::check`].
    fn with_nans(memory: &Memory<'_>) -> Contents {
        let mut nans = HashMap::new();
        let contents =
            Contents::read(memory, |number, bytes| nans.extend(digest_without_nans(bytes).map(|it| (number, it))));
        Contents { nans, ..contents }
    }

    /// The contents of a memory; `each` is called with the number and the bytes of every block that is not wholly
    /// unknown.
    fn read(memory: &Memory<'_>, mut each: impl FnMut(u64, &mut [u8])) -> Contents {
        let mut contents =
            Contents { size: memory.size, blocks: HashMap::new(), nans: HashMap::new(), unknown: Vec::new() };
        let mut close = |contents: &mut Contents, block: Option<(u64, Vec<u8>)>| {
            let Some((number, mut bytes)) = block else { return };
            if bytes.iter().any(|&byte| byte != 0) {
                contents.blocks.insert(number, *blake3::hash(&bytes).as_bytes());
            }
            each(number, &mut bytes);
        };
        let mut open: Option<(u64, Vec<u8>)> = None;
        for chunk in memory.chunks(0..memory.size) {
            let range = chunk.range();
            match chunk {
                Chunk::Zero { .. } => {}
                Chunk::Hole { .. } => contents.unknown.extend(range.start / BLOCK..range.end.div_ceil(BLOCK)),
                Chunk::Captured(segment) => {
                    let mut at = segment.address;
                    while at < segment.end() {
                        let (block, end) = (at / BLOCK, (at / BLOCK * BLOCK + BLOCK).min(segment.end()));
                        let bytes = &segment.bytes[(at - segment.address) as usize..(end - segment.address) as usize];
                        if open.as_ref().is_none_or(|(number, _)| *number != block) {
                            close(&mut contents, open.take());
                            open = Some((block, vec![0; BLOCK as usize]));
                        }
                        if let Some((_, buffer)) = &mut open {
                            let start = (at - block * BLOCK) as usize;
                            buffer[start..start + bytes.len()].copy_from_slice(bytes);
                        }
                        at = end;
                    }
                }
            }
        }
        close(&mut contents, open);
        contents
    }

    /// Compares the contents with those of a memory of the second run.
    ///
    /// # Errors
    ///
    /// Says what differs.
    fn check(&self, memory: &Memory<'_>) -> Result<(), String> {
        let other = Contents::read(memory, |_, _| ());
        if self.size != other.size {
            return Err(format!("has {} bytes and not {}", other.size, self.size));
        }
        let unknown =
            |block: &u64| self.unknown.binary_search(block).is_ok() || other.unknown.binary_search(block).is_ok();
        let mut numbers: Vec<u64> = self.blocks.keys().chain(other.blocks.keys()).copied().collect();
        numbers.sort_unstable();
        numbers.dedup();
        let differs = |block: &&u64| !unknown(block) && self.blocks.get(block) != other.blocks.get(block);
        match numbers.iter().find(differs) {
            Some(block) => {
                let mut nans = None;
                Contents::read(memory, |number, bytes| {
                    if number == *block {
                        nans = digest_without_nans(bytes);
                    }
                });
                let only_nans = nans.is_some() && nans.as_ref() == self.nans.get(block);
                // The sum of two NaNs on x86 is the first operand, and the compiler chooses which operand is first.
                let nans = if only_nans { ", only in the bits of NaNs, which are up to the compiler" } else { "" };
                Err(format!("differs in the 64 KiB at {:#x}{nans}", block * BLOCK))
            }
            None => Ok(()),
        }
    }
}

/// The digest of a block without the bits of NaNs, if it seems to have some.
fn digest_without_nans(bytes: &mut [u8]) -> Option<[u8; 32]> {
    forget_nans(bytes).then(|| *blake3::hash(bytes).as_bytes())
}

/// Replaces all words that look like a NaN from arithmetic (quiet, with few bits in the payload, as integers hardly
/// are) by the same value. Returns whether there are any.
fn forget_nans(bytes: &mut [u8]) -> bool {
    let mut found = false;
    for double in bytes.as_chunks_mut().0 {
        let bits = u64::from_le_bytes(*double);
        if bits >> 48 & 0x7fff == 0x7ff8 {
            *double = [0xff; 8];
            found = true;
            continue;
        }
        for single in double.as_chunks_mut().0 {
            if u32::from_le_bytes(*single) >> 16 & 0x7fff == 0x7fc0 {
                *single = [0xff; 4];
                found = true;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nans_are_alike_and_nothing_else() {
        let alike = |first: u64, second: u64| {
            let [mut first, mut second] = [first, second].map(u64::to_le_bytes);
            forget_nans(&mut first);
            forget_nans(&mut second);
            first == second
        };
        let double = |value: f64| value.to_bits();
        let single = |value: f32| u64::from(value.to_bits()) << 32 | 5;
        assert!(alike(double(f64::NAN), double(-f64::NAN)));
        assert!(alike(double(f64::NAN), double(f64::NAN) | 0x1234));
        assert!(alike(single(f32::NAN), single(-f32::NAN)));
        assert!(!alike(single(f32::NAN), single(-f32::NAN) + 1), "the other half");
        assert!(!alike(double(f64::INFINITY), double(-f64::INFINITY)));
        assert!(!alike(double(f64::NAN), double(1.0)));
        for number in [-1i64, -2, -1000, 0x7fff_ffff] {
            assert!(!alike(number as u64, number as u64 - 1));
        }
        assert!(!forget_nans(&mut 1u64.to_le_bytes()));
    }
}
