//! Suspended generators and coroutines outside of asyncio's tasks.
//!
//! CPython has no list of them. Memory is searched for objects of their three types that have references, are
//! suspended, and whose frame is sound.

use std::collections::{HashMap, HashSet};

use super::Interpreter;
use super::asyncio::{AsyncioTask, CoroutineState, chain, coroutine};
use super::objects::{Limits, Objects};
use super::offsets::OffsetTable;
use crate::memory::{Chunk, Memory};

/// The number of generators that are listed, and of candidates that are looked at.
const MAX_GENERATORS: usize = 1 << 12;
const MAX_PLACES: usize = 1 << 16;

/// The outermost suspended generators and coroutines, by address, without those in `known`, and whether there may be
/// more. `limits` bound the values of variables; without limits variables are left out.
pub fn generators(
    memory: &Memory<'_>,
    place: &Interpreter,
    known: &HashSet<u64>,
    limits: Option<Limits>,
) -> (Vec<AsyncioTask>, bool) {
    let OffsetTable::Known(offsets) = &place.0 else { return (Vec::new(), false) };
    let objects = Objects::new(memory, offsets);
    let mut inner = HashSet::new();
    let mut found = Vec::new();
    for address in waiting(&objects) {
        let Some((awaited, next)) = coroutine(&objects, address, None) else { continue };
        if awaited.state == Some(CoroutineState::Suspended) && !known.contains(&address) {
            inner.extend(next);
            found.push(address);
        }
        if found.len() == MAX_GENERATORS {
            break;
        }
    }
    found.retain(|address| !inner.contains(address));
    let one = |address: u64| {
        let (awaits, broken) = chain(&objects, Some(address), limits, &|_| None);
        AsyncioTask { address, awaits, broken, ..AsyncioTask::default() }
    };
    let found = found.into_iter().map(one).collect();
    (found, objects.memory.is_spent())
}

/// Addresses of objects of these types that have references.
fn waiting(objects: &Objects<'_, '_>) -> Vec<u64> {
    let mut types: HashMap<u64, bool> = HashMap::new();
    let mut found = Vec::new();
    let is = |ty: u64| {
        let kind = objects.described(ty);
        kind.is_some_and(|kind| {
            matches!(&*kind.full, "generator" | "coroutine" | "async_generator") && !Objects::is_class(&kind)
        })
    };
    for chunk in objects.memory.chunks(0..objects.memory.size) {
        let Chunk::Captured(segment) = chunk else { continue };
        let first = segment.address.next_multiple_of(8);
        let Some(bytes) = segment.bytes.get((first - segment.address) as usize..) else { continue };
        for (nth, words) in bytes.as_chunks::<8>().0.iter().enumerate() {
            let word =
                |at: usize| u64::from(u32::from_le_bytes([words[at], words[at + 1], words[at + 2], words[at + 3]]));
            let (count, ty) = (word(0), word(4));
            // A free block has the address of the next one in the place of the number of references.
            if (1..1 << 16).contains(&count) && ty >= 1024 && ty % 4 == 0 && *types.entry(ty).or_insert_with(|| is(ty))
            {
                found.push(first + 8 * nth as u64);
            }
            if found.len() == MAX_PLACES {
                return found;
            }
        }
    }
    found
}
