//! `heap`: what the allocators in the memories hold.

use coredump_core::heap::{Heap, View, inventory, shapes};
use coredump_core::{Dump, Shapes};
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::Serialize;

use super::Document;
use super::objects::{self, ObjectEntry};
use super::text::{Each, Hex};
use super::types::TypeEntry;

/// The contents of the heaps: of those that allocators keep in the memories, and of a garbage collector's.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "heap"))]
pub struct HeapEntry<'d> {
    /// One for each heap that is recognised; empty if none is.
    allocators: Vec<AllocatorEntry>,
    /// The used blocks of known types, then the objects of a garbage-collected program by type; in both, the types with the most bytes come first.
    types: Vec<TypeEntry>,
    /// The objects of a garbage-collected program that the dump holds, by their ids; not in a redacted document.
    #[serde(skip_serializing_if = "Option::is_none")]
    objects: Option<Each<'d, ObjectEntry<'d>>>,
}

/// A heap. Bytes are those that the program can use, without the allocator's own.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "allocator"))]
struct AllocatorEntry {
    /// The memory's index.
    memory: u32,
    /// The allocator.
    #[cfg_attr(feature = "schema", schemars(extend("examples" = ["dlmalloc", "dlmalloc-rs", "emmalloc", "zig", "zig-malloc", "assemblyscript", "assemblyscript-stub", "go", "talc", "wee_alloc", "lol_alloc", "mimalloc"])))]
    kind: &'static str,
    /// Number of used blocks; null if the allocator does not record where one ends and the next begins.
    blocks_used: Option<u64>,
    /// Bytes of the used blocks.
    bytes_used: u64,
    /// Number of free blocks.
    blocks_free: u64,
    /// Bytes of the free blocks.
    bytes_free: u64,
    /// Bytes of the largest free block.
    largest_free: u64,
    /// Number of blocks for which the allocator does not record whether they are used.
    blocks_unknown: u64,
    /// The places where the heap's records are broken; blocks after such a place are missing from the numbers.
    damage: Vec<DamageEntry>,
}

/// A place where a heap's records are broken, or are not in the dump.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "damage"))]
struct DamageEntry {
    /// The address of the broken record.
    address: Hex,
    /// The block that the record is about.
    block: Option<Hex>,
    /// The last intact block before it.
    block_before: Option<Hex>,
    /// A sentence that says what is wrong.
    message: String,
}

impl<'d> Document<'d> {
    /// Collects the contents of the heaps.
    pub(super) fn heap(&self) -> HeapEntry<'d> {
        let mut entry = HeapEntry { allocators: Vec::new(), types: Vec::new(), objects: None };
        for index in 0..u32::try_from(self.recorded().memories.len()).unwrap_or(u32::MAX) {
            of_memory(self.dump, index, &mut entry);
        }
        if self.recorded().objects.is_some() {
            let view = self.dump.objects();
            entry.types.extend(objects::types(view));
            entry.objects = (!self.redact).then(|| objects::entries(view));
        }
        entry
    }
}

fn of_memory(dump: &Dump, index: u32, entry: &mut HeapEntry<'_>) {
    let (recorded, binaries) = (dump.recorded(), dump.binaries());
    let Some(memory) = recorded.memories.get(index as usize) else { return };
    let heaps = Heap::find(recorded, binaries, index, &dump.regions(index));
    let view = View::new(memory);
    let shapes = if heaps.is_empty() { Shapes::default() } else { shapes(recorded, binaries, index, &heaps) };
    let (surveys, totals) = inventory(&heaps, &view, &shapes);
    for (heap, mut survey) in heaps.iter().zip(surveys) {
        let damage = std::mem::take(&mut survey.damage).into_iter().map(|damage| DamageEntry {
            address: Hex(damage.address),
            block: damage.block.map(Hex),
            block_before: damage.before.as_ref().map(|block| Hex(block.address)),
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
