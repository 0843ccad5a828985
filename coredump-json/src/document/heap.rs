//! `heap`: what the allocators in the memories hold.

use coredump_core::Dump;
use coredump_core::heap::{Graph, Heap, Survey, Types, View};
use coredump_core::regions::shapes;
use serde::Serialize;

use super::Document;
use super::text::Hex;

/// What all heaps hold.
#[derive(Serialize)]
pub struct HeapEntry {
    allocators: Vec<AllocatorEntry>,
    types: Vec<TypeEntry>,
}

/// One heap.
#[derive(Serialize)]
struct AllocatorEntry {
    memory: u32,
    kind: &'static str,
    blocks_used: u64,
    bytes_used: u64,
    blocks_free: u64,
    bytes_free: u64,
    largest_free: u64,
    blocks_unknown: u64,
    damage: Vec<DamageEntry>,
}

/// A place where a heap's records are broken, or are not in the dump.
#[derive(Serialize)]
struct DamageEntry {
    address: Hex,
    block: Option<Hex>,
    block_before: Option<Hex>,
    message: String,
}

/// The used blocks of one type.
#[derive(Serialize)]
struct TypeEntry {
    memory: u32,
    r#type: String,
    count: u64,
    bytes: u64,
}

impl Document<'_> {
    /// What the heaps hold.
    pub(super) fn heap(&self) -> HeapEntry {
        let mut entry = HeapEntry { allocators: Vec::new(), types: Vec::new() };
        for index in 0..u32::try_from(self.recorded().memories.len()).unwrap_or(u32::MAX) {
            of_memory(self.dump, index, &mut entry);
        }
        entry
    }
}

fn of_memory(dump: &Dump, index: u32, entry: &mut HeapEntry) {
    let (recorded, binaries) = (dump.recorded(), dump.binaries());
    let Some(memory) = recorded.memories.get(index as usize) else { return };
    let heaps = Heap::find(recorded, binaries, index, &dump.regions(index));
    let view = View::new(memory);
    for heap in &heaps {
        let survey = Survey::of(heap, &view);
        let damage = survey.damage.into_iter().map(|damage| DamageEntry {
            address: Hex(damage.address),
            block: damage.block.map(Hex),
            block_before: damage.before.map(|block| Hex(block.address)),
            message: damage.message,
        });
        entry.allocators.push(AllocatorEntry {
            memory: index,
            kind: heap.kind.name(),
            blocks_used: survey.used.blocks,
            bytes_used: survey.used.bytes,
            blocks_free: survey.free.blocks,
            bytes_free: survey.free.bytes,
            largest_free: survey.largest_free,
            blocks_unknown: survey.unknown.blocks,
            damage: damage.collect(),
        });
    }
    let Some(graph) = Graph::new(&heaps, &view) else { return };
    let shapes = shapes(recorded, binaries, index);
    let totals = Types::find(&graph, &shapes).totals(&graph).into_iter();
    entry.types.extend(totals.map(|(name, count)| TypeEntry {
        memory: index,
        r#type: name,
        count: count.blocks,
        bytes: count.bytes,
    }));
}
