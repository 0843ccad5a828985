//! The console's reports on heaps: their contents, lost blocks, and the block at an address.

use std::collections::BTreeMap;
use std::fmt::Write;

use coredump_core::heap::{Block, Graph, Heap, Roots, Survey, Types, View, inventory, preview};
use coredump_core::regions::{global_names, shapes};
use coredump_core::text::escape;
use coredump_core::{Dump, Memory};

/// Types and groups that are listed, those with the most bytes.
const LISTED: usize = 20;
/// Groups of lost blocks that are distinguished; others are counted by size only.
const MAX_GROUPS: usize = 1 << 16;

/// Describes the contents of the heaps of all memories, and the objects that the engine collects.
pub fn summary(dump: &Dump) -> Result<String, String> {
    let mut text = String::new();
    for (index, memory) in (0..).zip(&dump.recorded().memories) {
        let (heaps, view) = (dump.heap(index), View::new(memory));
        if heaps.is_empty() {
            continue;
        }
        let shapes = shapes(dump.recorded(), dump.binaries(), index);
        let (surveys, types) = inventory(&heaps, &view, &shapes);
        heaps.iter().zip(&surveys).for_each(|(heap, survey)| of_heap(&mut text, index, heap, survey));
        let types = types.unwrap_or_default();
        let types: Vec<_> = types.iter().map(|(name, count)| (name.as_str(), count.blocks, count.bytes)).collect();
        list(&mut text, types);
    }
    if let Some(objects) = dump.objects().objects() {
        let mut types: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for object in objects.iter() {
            let sum = types.entry(dump.objects().label_of(&object)).or_default();
            *sum = (sum.0 + 1, sum.1.saturating_add(object.size()));
        }
        let _ = writeln!(text, "objects that the engine collects: {}", objects.count());
        let mut types: Vec<_> = types.iter().map(|(name, (count, bytes))| (name.as_str(), *count, *bytes)).collect();
        types.sort_by_key(|(_, _, bytes)| std::cmp::Reverse(*bytes));
        list(&mut text, types);
    }
    if text.pop().is_none() {
        return Err("no heap of an allocator that is known was found".to_owned());
    }
    Ok(text)
}

fn of_heap(text: &mut String, memory: u32, heap: &Heap, survey: &Survey) {
    let (used, free, unknown) = (survey.used, survey.free, survey.unknown);
    let _ = write!(
        text,
        "memory {memory}, {}: {} used blocks of {} bytes, {} free blocks of {} bytes",
        heap.kind.name(),
        used.blocks,
        used.bytes,
        free.blocks,
        free.bytes
    );
    if unknown.blocks > 0 {
        let _ = write!(text, ", {} blocks of {} bytes of which that is not known", unknown.blocks, unknown.bytes);
    }
    text.push('\n');
    for damage in survey.damage.iter().take(LISTED) {
        let _ = writeln!(text, "  the heap is damaged at {}", escape(&damage.to_string()));
    }
}

/// Lists names with how many there are of each, and their bytes.
fn list(text: &mut String, types: Vec<(&str, u64, u64)>) {
    let count = types.len();
    for (name, blocks, bytes) in types.into_iter().take(LISTED) {
        let _ = writeln!(text, "{bytes:>12} bytes in {blocks:>8}  {}", escape(name));
    }
    if count > LISTED {
        let _ = writeln!(text, "  and {} more types", count - LISTED);
    }
}

/// A memory's heaps with what is needed to say what their blocks hold.
struct Heaps<'a> {
    dump: &'a Dump,
    index: u32,
    heaps: Vec<Heap>,
    view: View<'a>,
}

impl<'a> Heaps<'a> {
    fn new(dump: &'a Dump, index: u32, memory: &'a Memory<'a>) -> Heaps<'a> {
        Heaps { dump, index, heaps: dump.heap(index), view: View::new(memory) }
    }

    fn graph(&self) -> Result<Graph<'_, '_>, String> {
        let too_far = || format!("the heaps of memory {} are too far apart", self.index);
        Graph::new(&self.heaps, &self.view).ok_or_else(too_far)
    }

    /// Describes the contents of each of some blocks in a few words.
    fn contents(&self, graph: &Graph<'_, '_>, blocks: &[Block]) -> Vec<String> {
        let shapes = shapes(self.dump.recorded(), self.dump.binaries(), self.index);
        let types = Types::find(graph, &shapes);
        let what = |block: &Block| match types.name(graph, block) {
            Some(ty) => ty,
            None if types.is_text(graph, block) => preview(&self.view, block).unwrap_or_default(),
            None => String::new(),
        };
        blocks.iter().map(what).collect()
    }
}

/// The used blocks that the program cannot reach any more, in groups.
pub fn leaks(dump: &Dump) -> Result<String, String> {
    let mut text = String::new();
    let mut found = false;
    for (index, memory) in (0..).zip(&dump.recorded().memories) {
        let heaps = Heaps::new(dump, index, memory);
        if heaps.heaps.is_empty() {
            continue;
        }
        found = true;
        let names = global_names(dump.recorded(), dump.binaries());
        let roots = Roots::new(dump.recorded(), dump.binaries(), index, &dump.regions(index), &heaps.heaps, &names);
        let mut graph = heaps.graph()?;
        if let Some(damage) = graph.damage().next() {
            return Err(format!("the heap is damaged at {damage}: what blocks after it point to would look lost"));
        }
        let mut lost: Vec<Block> = Vec::new();
        graph.leaks(&roots, |block| lost.push(*block));
        if !lost.is_empty() && !roots.missing.is_empty() {
            let missing = roots.missing.join(", ");
            let _ = writeln!(text, "the dump does not hold {missing}: what only these point to is listed too");
        }
        let mut groups: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for (block, what) in lost.iter().zip(heaps.contents(&graph, &lost)) {
            let what = if groups.len() < MAX_GROUPS { what } else { String::new() };
            let sum = groups.entry(what).or_default();
            *sum = (sum.0 + 1, sum.1.saturating_add(block.size));
        }
        let named = |name: &'_ String| if name.is_empty() { "?".to_owned() } else { name.clone() };
        let mut groups: Vec<_> = groups.iter().map(|(name, (count, bytes))| (named(name), *count, *bytes)).collect();
        groups.sort_by_key(|(_, _, bytes)| std::cmp::Reverse(*bytes));
        let bytes = lost.iter().fold(0u64, |sum, block| sum.saturating_add(block.size));
        let _ = writeln!(text, "memory {index}: {} blocks of {bytes} bytes are lost", lost.len());
        list(&mut text, groups.iter().map(|(name, count, bytes)| (&**name, *count, *bytes)).collect());
    }
    text.pop();
    if found { Ok(text) } else { Err("no heap of an allocator that is known was found".to_owned()) }
}

/// Describes the heap and the block that an address is in.
pub fn describe_address(dump: &Dump, index: u32, memory: &Memory<'_>, address: u64, text: &mut String) {
    let heaps = Heaps::new(dump, index, memory);
    for heap in heaps.heaps.iter().filter(|heap| heap.holds(address)) {
        let _ = write!(text, "\nheap: {}", heap.kind.name());
        let mut blocks = heap.blocks(&heaps.view).filter_map(Result::ok);
        let Some(block) = blocks.find(|block| (block.address..block.end()).contains(&address)) else { continue };
        let (start, size, state) = (block.address, block.size, block.state.name());
        let _ = write!(text, "\nblock: {start:#x}, {size} bytes, {state}");
        if address > start {
            let _ = write!(text, ", {:#x} bytes into it", address - start);
        }
        let what = heaps.graph().map(|graph| heaps.contents(&graph, &[block])).unwrap_or_default();
        if let Some(what) = what.first().filter(|what| !what.is_empty()) {
            let _ = write!(text, "\ntype: {}", escape(what));
        }
    }
}
