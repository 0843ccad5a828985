//! `heap`: what the allocators in the memories hold.

use coredump_core::Dump;
use coredump_core::heap::{Heap, View, inventory};
use coredump_core::objects::Kind;
use coredump_core::regions::shapes;
use coredump_core::variables::Shapes;
use serde::Serialize;

use super::Document;
use super::objects::{self, ObjectEntries};
use super::text::Hex;

/// What all heaps hold.
#[derive(Serialize)]
pub struct HeapEntry<'d> {
    allocators: Vec<AllocatorEntry>,
    types: Vec<TypeEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    objects: Option<ObjectEntries<'d>>,
}

/// One heap.
#[derive(Serialize)]
struct AllocatorEntry {
    memory: u32,
    kind: &'static str,
    blocks_used: Option<u64>,
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

/// The used blocks of one type, or its objects.
#[derive(Serialize)]
pub struct TypeEntry {
    memory: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    r#type: String,
    pub count: u64,
    pub bytes: u64,
}

impl TypeEntry {
    /// No object of this type yet.
    pub fn of_objects(name: String, kind: Kind) -> TypeEntry {
        TypeEntry { memory: None, kind: Some(kind.name()), r#type: name, count: 0, bytes: 0 }
    }

    /// One more.
    pub fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

impl<'d> Document<'d> {
    /// What the heaps hold.
    pub(super) fn heap(&self) -> HeapEntry<'d> {
        let mut entry = HeapEntry { allocators: Vec::new(), types: Vec::new(), objects: None };
        for index in 0..u32::try_from(self.recorded().memories.len()).unwrap_or(u32::MAX) {
            of_memory(self.dump, index, &mut entry);
        }
        if self.recorded().objects.is_some() {
            let view = self.dump.objects();
            entry.types.extend(objects::types(view));
            entry.objects = (!self.redact).then_some(ObjectEntries(view));
        }
        entry
    }
}

fn of_memory(dump: &Dump, index: u32, entry: &mut HeapEntry<'_>) {
    let (recorded, binaries) = (dump.recorded(), dump.binaries());
    let Some(memory) = recorded.memories.get(index as usize) else { return };
    let heaps = Heap::find(recorded, binaries, index, &dump.regions(index));
    let view = View::new(memory);
    let shapes = if heaps.is_empty() { Shapes::default() } else { shapes(recorded, binaries, index) };
    let (surveys, totals) = inventory(&heaps, &view, &shapes);
    for (heap, mut survey) in heaps.iter().zip(surveys) {
        let damage = std::mem::take(&mut survey.damage).into_iter().map(|damage| DamageEntry {
            address: Hex(damage.address),
            block: damage.block.map(Hex),
            block_before: damage.before.map(|block| Hex(block.address)),
            message: damage.message,
        });
        entry.allocators.push(AllocatorEntry {
            memory: index,
            kind: heap.kind.name(),
            blocks_used: survey.blocks_used(),
            bytes_used: survey.bytes_used(),
            blocks_free: survey.free.blocks,
            bytes_free: survey.free.bytes,
            largest_free: survey.largest_free,
            blocks_unknown: survey.unknown.blocks,
            damage: damage.collect(),
        });
    }
    entry.types.extend(totals.into_iter().flatten().map(|(name, count)| TypeEntry {
        memory: Some(index),
        kind: None,
        r#type: name,
        count: count.blocks,
        bytes: count.bytes,
    }));
}
