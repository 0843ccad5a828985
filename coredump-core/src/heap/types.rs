//! The types of blocks: what typed pointers lead to, from the program's variables on, and what blocks say themselves.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::bits::Bits;
use super::block::{Block, State};
use super::graph::{AHEAD, Graph, touch};
use super::starts::Queue;
use super::survey::{Count, Survey};
use super::told::Told;
use super::{Heap, View};
use crate::variables::{Grown, Pointer, Shape, Shapes, Target};

/// Elements of one block that are followed.
const MAX_ELEMENTS: u64 = 1 << 24;
/// An allocator may round up by less than this: of smaller elements it is not known how many there are.
const ROUNDING: u64 = 32;

/// Used blocks and their bytes by type, the most bytes first.
pub type Totals = Vec<(String, Count)>;

/// The numbers of each heap, and the totals by type; no totals if the heaps are spread too far. Without `shapes` only those
/// blocks have types that tell them themselves.
pub fn inventory(heaps: &[Heap], view: &View<'_>, shapes: &Shapes) -> (Vec<Survey>, Option<Totals>) {
    // One look at each block is enough: what it tells itself is counted on the way.
    let mut told = Told::new(heaps, view);
    let mut tell = |block: &Block| block.state == State::Used && told.count(block);
    if shapes.all.is_empty() {
        let surveys = heaps.iter().map(|heap| Survey::each(heap, view, |block| _ = tell(block))).collect();
        return (surveys, Some(in_order(told.totals())));
    }
    let mut tellers = Tellers::default();
    let graph = Graph::with(heaps, view, |range, block| {
        if tell(block) {
            tellers.add(range, block.address);
        }
    });
    let Some(graph) = graph else { return (heaps.iter().map(|heap| Survey::new(heap, view)).collect(), None) };
    let mut totals = told.totals();
    Types::find(&graph, shapes).add_totals(&graph, &tellers, &mut totals);
    (graph.surveys, Some(in_order(totals)))
}

/// Blocks that tell their type themselves: in most programs there are none.
#[derive(Default)]
struct Tellers(Option<Bits>);

impl Tellers {
    /// Adds the block at an address in `range`.
    fn add(&mut self, range: &Range<u64>, address: u64) {
        if self.0.is_none() {
            self.0 = Bits::new(range.clone(), 3);
        }
        if let Some(bits) = &mut self.0 {
            bits.insert(address);
        }
    }

    fn has(&self, address: u64) -> bool {
        self.0.as_ref().is_some_and(|bits| bits.contains(address))
    }
}

/// The most bytes first.
fn in_order(totals: HashMap<String, Count>) -> Totals {
    let mut totals: Totals = totals.into_iter().collect();
    totals.sort_by(|a, b| b.1.bytes.cmp(&a.1.bytes).then_with(|| a.0.cmp(&b.0)));
    totals
}

/// The types of a graph's blocks.
pub struct Types<'s> {
    shapes: &'s Shapes,
    /// By number of the block: the index of its shape, counted from 1.
    of: Vec<u16>,
}

/// Whether a block with so much room that a pointer to a type leads to may hold several of that type. In a `dense` heap blocks are hardly
/// larger than what they hold: what does not fit a number of values is the beginning of something else, as an object of a derived class.
fn is_array(shape: &Shape, dense: bool, room: u64) -> bool {
    let left = shape.size.and_then(|size| room.checked_rem(size)).unwrap_or(0);
    !(shape.single || (dense && left >= ROUNDING))
}

/// Whether a block with so much room is the larger node that it may be.
fn is_grown(graph: &Graph<'_, '_>, shapes: &Shapes, grown: &Grown, room: Range<u64>) -> bool {
    let view = graph.view();
    let fits = shapes.all[grown.shape].size.is_some_and(|size| size <= room.end - room.start);
    let child = room.start.checked_add(grown.child).filter(|_| fits).and_then(|at| view.word(at));
    let child = child.filter(|&child| graph.starts().open_at(child).is_some());
    child.and_then(|child| view.word(child.checked_add(grown.parent)?)) == Some(room.start)
}

/// A walk along typed pointers.
struct Walk<'g, 's, 'h, 'v> {
    graph: &'g Graph<'h, 'v>,
    types: Types<'s>,
    /// Addresses that pointers hold, and the indices of what they point to. They wait until there are many, for memory is
    /// quicker when it is asked for several things at a time.
    waiting: Vec<(u64, u16)>,
    /// Used blocks at these addresses, by granule and number.
    blocks: Vec<(u32, u32, u16)>,
    /// Blocks whose pointers are to be followed.
    next: Queue,
    /// The blocks of hash tables that were found, and those whose entries are to be followed.
    seen: HashSet<u32>,
    tables: Vec<Buckets>,
}

/// The buckets of a hash table: a control byte for each, and before them their entries, from the last to the first.
struct Buckets {
    control: u64,
    count: u64,
    /// The index of the shape of the entries.
    entry: usize,
}

/// Bytes that may be before the entries, for the control bytes to be aligned.
const ALIGNING: u64 = 16;

/// Pointers that wait.
const WAITING: usize = 512;

impl<'s> Walk<'_, 's, '_, '_> {
    /// Follows the pointers in a value of this shape, of which `word` and `byte` give what is at an offset.
    fn pointers(&mut self, shape: &'s Shape, word: impl Fn(u64) -> Option<u64>, byte: impl Fn(u64) -> Option<u8>) {
        for pointer in &shape.pointers {
            let is_filled = |(at, least): (u64, u64)| {
                let count = Some(u64::from(byte(at)?) | u64::from(byte(at.checked_add(1)?)?) << 8);
                count.filter(|&count| count > least)
            };
            if pointer.filled.is_none_or(|filled| is_filled(filled).is_some()) {
                self.pointer(pointer, &word);
            }
        }
        for choice in &shape.choices {
            let (offset, size) = choice.discriminant;
            let discriminant = (0..size)
                .rev()
                .try_fold(0u128, |value, index| Some(value << 8 | u128::from(byte(offset.checked_add(index)?)?)));
            for pointer in discriminant.map(|value| choice.pointers(value)).unwrap_or_default() {
                self.pointer(pointer, &word);
            }
        }
    }

    #[inline]
    fn pointer(&mut self, pointer: &Pointer, word: &impl Fn(u64) -> Option<u64>) {
        let Some(value) = word(pointer.offset).filter(|&value| self.graph.starts().covers(value)) else { return };
        let index = match pointer.target {
            Target::Shape(index) => index,
            Target::Vtable(at) => match word(at).and_then(|table| self.types.shapes.vtables.get(&table)) {
                Some(index) => *index,
                None => return,
            },
            Target::Buckets { mask, entry, table } => {
                let buckets = word(mask).and_then(|mask| mask.checked_add(1));
                if let Some(count) = buckets {
                    self.buckets(Buckets { control: value, count, entry }, table);
                }
                return;
            }
        };
        self.waiting.push((value, index as u16));
        if self.waiting.len() == WAITING {
            self.arrive();
        }
    }

    /// Gives the block of a hash table its type.
    fn buckets(&mut self, buckets: Buckets, table: usize) {
        let starts = self.graph.starts();
        let size = self.types.shapes.all[buckets.entry].size.unwrap_or(0);
        let extent = buckets.count.checked_mul(size).filter(|_| buckets.count.is_power_of_two());
        let Some(first) = extent.and_then(|extent| buckets.control.checked_sub(extent)) else { return };
        let Some(granule) = starts.containing(first).filter(|&granule| starts.is_open(granule)) else { return };
        let room = self.graph.contents(granule);
        let fits = first - room.start < ALIGNING && buckets.control.saturating_add(buckets.count) <= room.end;
        if fits && self.seen.insert(granule) {
            self.types.of[starts.rank(granule)] = table as u16 + 1;
            self.tables.push(buckets);
        }
    }

    /// Follows the pointers in the used buckets of the tables that were found.
    fn entries(&mut self) {
        let view = self.graph.view();
        while let Some(Buckets { control, count, entry }) = self.tables.pop() {
            let shapes = self.types.shapes;
            let shape = &shapes.all[entry];
            let size = shape.size.unwrap_or(0);
            if shape.pointers.is_empty() && shape.choices.is_empty() {
                continue;
            }
            for bucket in
                (0..count.min(MAX_ELEMENTS)).filter(|bucket| view.u8(control + bucket).is_some_and(|byte| byte < 0x80))
            {
                let at = control - (bucket + 1) * size;
                self.pointers(
                    shape,
                    |offset| view.word(at.checked_add(offset)?),
                    |offset| view.u8(at.checked_add(offset)?),
                );
            }
        }
    }

    /// Gives a type to each block that a waiting pointer leads to.
    fn arrive(&mut self) {
        let Walk { graph, types, waiting, blocks, next, .. } = self;
        let starts = graph.starts();
        starts.touch(waiting.iter().map(|(value, _)| *value));
        // One after the other they would be waited for one by one.
        blocks.clear();
        blocks.extend(waiting.drain(..).filter_map(|(value, index)| {
            let granule = starts.open_at(value)?;
            Some((granule, starts.rank(granule) as u32, index))
        }));
        let known = blocks.iter().fold(0, |all, &(_, number, _)| all | types.of[number as usize]);
        std::hint::black_box(known);
        for &(granule, number, index) in blocks.iter() {
            let grown = types.shapes.all[usize::from(index)].grown;
            let grown = grown.filter(|grown| is_grown(graph, types.shapes, grown, graph.contents(granule)));
            let index = grown.map_or(index, |grown| grown.shape as u16);
            let target = &types.shapes.all[usize::from(index)];
            let known = types.of[number as usize];
            let says = |shape: &Shape| shape.size.is_some_and(|size| size > 1) && !shape.base;
            let better =
                known == 0 || known != index + 1 && says(target) && !says(&types.shapes.all[usize::from(known) - 1]);
            if !better {
                continue;
            }
            let room = graph.contents(granule);
            if target.size.unwrap_or(0) <= room.end - room.start {
                types.of[number as usize] = index + 1;
                // Nothing is to be followed in the others.
                if !target.pointers.is_empty() || !target.choices.is_empty() || target.tail.is_some() {
                    next.push(starts, granule);
                }
            }
        }
    }

    /// Follows the pointers in a block, as often as its type fits into it.
    fn block(&mut self, granule: u32) {
        let view = self.graph.view();
        let contents = self.graph.contents(granule);
        let dense = self.graph.is_dense();
        let shapes = self.types.shapes;
        let Some(shape) = self.types.shape(self.graph.starts().rank(granule)) else { return };
        let mut values = |shape: &'s Shape, range: Range<u64>| {
            // A type without a size is there once.
            let size = shape.size.unwrap_or(0);
            let room = range.end.saturating_sub(range.start);
            let count = room.checked_div(size).map(|count| if is_array(shape, dense, room) { count } else { 1 });
            for element in 0..count.map_or(1, |count| count.min(MAX_ELEMENTS)) {
                let at = range.start + element * size;
                self.pointers(
                    shape,
                    |offset| view.word(at.checked_add(offset)?),
                    |offset| view.u8(at.checked_add(offset)?),
                );
            }
        };
        match shape.tail {
            None => values(shape, contents),
            Some(tail) => {
                let end = contents.start + shape.size.unwrap_or(0);
                values(shape, contents.start..end);
                values(&shapes.all[tail.element], contents.start.saturating_add(tail.offset)..contents.end);
            }
        }
    }
}

impl<'s> Types<'s> {
    /// Follows the typed pointers from all variables of `shapes`. The first type that leads to a block counts, but for
    /// bytes and unknown contents any other type counts more.
    pub fn find(graph: &Graph<'_, '_>, shapes: &'s Shapes) -> Types<'s> {
        let types = Types { shapes, of: if shapes.all.is_empty() { Vec::new() } else { vec![0; graph.len()] } };
        let view = graph.view();
        let next = Queue::default();
        let mut walk = Walk {
            graph,
            types,
            waiting: Vec::with_capacity(WAITING),
            blocks: Vec::new(),
            next,
            seen: HashSet::new(),
            tables: Vec::new(),
        };
        for root in &shapes.roots {
            let shape = &shapes.all[root.shape];
            let width = view.width();
            let word = |offset: u64| match &root.place {
                Ok(address) => view.word(address.checked_add(offset)?),
                Err(bytes) => {
                    let start = usize::try_from(offset).ok()?;
                    let bytes = bytes.get(start..)?.get(..width as usize)?;
                    Some(bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)))
                }
            };
            let byte = |offset: u64| match &root.place {
                Ok(address) => view.u8(address.checked_add(offset)?),
                Err(bytes) => bytes.get(usize::try_from(offset).ok()?).copied(),
            };
            walk.pointers(shape, word, byte);
        }
        let (mut level, mut batch) = (Queue::default(), Vec::new());
        loop {
            level.take(&mut batch);
            if batch.is_empty() {
                walk.entries();
                walk.arrive();
                std::mem::swap(&mut level, &mut walk.next);
                level.take(&mut batch);
            }
            if batch.is_empty() {
                return walk.types;
            }
            for group in batch.chunks(AHEAD) {
                touch(view, graph.starts(), group);
                group.iter().for_each(|&granule| walk.block(granule));
            }
        }
    }

    fn shape(&self, number: usize) -> Option<&'s Shape> {
        let index = *self.of.get(number)?;
        self.shapes.all.get((index as usize).checked_sub(1)?)
    }

    /// The type of a block, as far as it is known; of an array with the number of its elements.
    pub fn name(&self, graph: &Graph<'_, '_>, block: &Block) -> Option<String> {
        if block.state != State::Used {
            return None;
        }
        if let Some(told) = self.told(graph, block) {
            return Some(told);
        }
        let dense = graph.is_dense();
        let shape = graph.number(block.address).and_then(|number| self.shape(number))?;
        let name = &shape.name;
        Some(match shape.size.filter(|_| shape.tail.is_none() && is_array(shape, dense, block.size)) {
            None | Some(0) => name.clone(),
            Some(size) => match (block.requested, block.requested.unwrap_or(block.size) / size) {
                (_, 0 | 1) => name.clone(),
                (None, _) if size < ROUNDING => format!("{name}[]"),
                (_, count) => format!("{name}[{count}]"),
            },
        })
    }

    /// Adds the used blocks and their bytes by type, but for `tellers`. Arrays of all lengths are one type.
    fn add_totals(&self, graph: &Graph<'_, '_>, tellers: &Tellers, totals: &mut HashMap<String, Count>) {
        let dense = graph.is_dense();
        // Most blocks are of few shapes: their names are made at last. Alone, and as arrays.
        let mut by_shape = vec![[Count::default(); 2]; self.shapes.all.len()];
        let mut add = |number: usize, block: &Block| {
            let index = self.of.get(number).and_then(|&index| usize::from(index).checked_sub(1));
            if let Some(index) = index.filter(|_| !tellers.has(block.address)) {
                let shape = &self.shapes.all[index];
                let size =
                    shape.size.filter(|_| shape.tail.is_none() && is_array(shape, dense, block.size)).unwrap_or(0);
                let array = size > 0 && block.requested.unwrap_or(block.size) / size > 1;
                by_shape[index][usize::from(array)].add(block);
            }
        };
        if dense {
            graph.each_used(|number, block| add(number, block));
        } else {
            for block in graph.heaps().iter().flat_map(|heap| heap.blocks(graph.view())).filter_map(Result::ok) {
                if let Some(number) = graph.number(block.address).filter(|_| block.state == State::Used) {
                    add(number, &block);
                }
            }
        }
        for (shape, counts) in self.shapes.all.iter().zip(by_shape) {
            for (count, end) in counts.into_iter().zip(["", "[]"]).filter(|(count, _)| count.blocks > 0) {
                totals.entry(format!("{}{end}", shape.name)).or_default().join(count);
            }
        }
    }

    /// The type that a block itself tells.
    fn told(&self, graph: &Graph<'_, '_>, block: &Block) -> Option<String> {
        Told::new(graph.heaps(), graph.view()).name(block)
    }

    /// The type of a block's elements by the debug information, and its size in bytes.
    pub fn element(&self, graph: &Graph<'_, '_>, block: &Block) -> Option<(String, u64)> {
        let shape = graph.number(block.address).and_then(|number| self.shape(number))?;
        // What has a tail is there once, up to the block's end.
        let size = if shape.tail.is_some() { Some(block.size) } else { shape.size };
        Some((shape.name.clone(), size.filter(|&size| size > 0 && block.state == State::Used)?))
    }

    /// Whether a block holds characters, whose text says more than the type.
    pub fn is_text(&self, graph: &Graph<'_, '_>, block: &Block) -> bool {
        let shape = graph.number(block.address).and_then(|number| self.shape(number));
        block.class == Some(2) || block.class.is_none() && shape.is_none_or(|shape| shape.size == Some(1))
    }
}
