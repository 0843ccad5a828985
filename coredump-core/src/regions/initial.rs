//! The contents of a memory before the program ran.

use super::layout::{MAX_SEGMENTS, owners, start};
use crate::binaries::Binaries;
use crate::memory::{Memory, Segment};
use crate::model::CoreDump;

/// The initial contents of the dump's memory with this index: the active data segments of every instance that has it,
/// in order, zero elsewhere (Wasm spec 4.5.4). `None` unless the binaries of all of them are known and verified, and
/// say where each segment lies.
pub fn initial<'s>(dump: &CoreDump<'_>, binaries: &'s Binaries, memory: u32) -> Option<Memory<'s>> {
    let owners = owners(dump, binaries, memory);
    let having = binaries.instances_with(dump, memory).len();
    if owners.is_empty() || !dump.instances.is_empty() && owners.len() < having {
        return None;
    }
    let mut segments = Vec::new();
    let mut defined = None;
    for owner in &owners {
        let module = owner.binary.module();
        if let Some(definition) = module.memories().get(owner.memory as usize)
            && (!definition.imported || owners.len() == 1)
        {
            defined = Some(*definition);
        }
        for segment in module.data_segments().filter(|segment| segment.memory == Some(owner.memory)) {
            let address = start(dump, owner, segment.offset?)?;
            segments.push(Segment { address, bytes: segment.bytes });
            if segments.len() > MAX_SEGMENTS {
                return None;
            }
        }
    }
    let defined = defined?;
    let mut initial = Memory::new(defined.initial_pages.saturating_mul(defined.page_size));
    initial.memory64 = defined.memory64;
    initial.page_size = defined.page_size;
    let all = 0..initial.size;
    initial.set_contents(segments, vec![all]);
    Some(initial)
}
