//! The types of blocks: what typed pointers lead to, from the program's variables on, and what blocks say themselves.

use std::collections::HashMap;

use super::block::{Block, State};
use super::graph::Graph;
use super::starts::Queue;
use super::survey::{Count, Survey};
use super::told::Told;
use super::{Heap, View};
use crate::variables::{Pointer, Shape, Shapes, Target};

/// Elements of one block that are followed.
const MAX_ELEMENTS: u64 = 1 << 24;
/// An allocator may round up by less than this: of smaller elements it is not known how many there are.
const ROUNDING: u64 = 32;

/// Used blocks and their bytes by type, the most bytes first.
pub type Totals = Vec<(String, Count)>;

/// The numbers of each heap, and the totals by type; no totals if the heaps are spread too far. Without `shapes` only those
/// blocks have types that tell them themselves.
pub fn inventory(heaps: &[Heap], view: &View<'_>, shapes: &Shapes) -> (Vec<Survey>, Option<Totals>) {
    if !shapes.all.is_empty()
        && let Some(graph) = Graph::new(heaps, view)
    {
        let totals = Types::find(&graph, shapes).totals(&graph);
        return (graph.surveys, Some(totals));
    }
    // One look at each block is enough.
    let mut told = Told::new(heaps, view);
    let each = |heap| Survey::each(heap, view, |block| _ = block.state == State::Used && told.count(block));
    let surveys = heaps.iter().map(each).collect();
    (surveys, shapes.all.is_empty().then(|| in_order(told.totals())))
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

impl<'s> Types<'s> {
    /// Follows the typed pointers from all variables of `shapes`. The first type that leads to a block counts, but for
    /// bytes and unknown contents any other type counts more.
    pub fn find(graph: &Graph<'_, '_>, shapes: &'s Shapes) -> Types<'s> {
        let mut types = Types { shapes, of: if shapes.all.is_empty() { Vec::new() } else { vec![0; graph.len()] } };
        let view = graph.view();
        let mut level = Queue::default();
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
            types.pointers(graph, shape, word, byte, &mut level);
        }
        let (mut next, mut batch) = (Queue::default(), Vec::new());
        loop {
            level.take(&mut batch);
            if batch.is_empty() {
                std::mem::swap(&mut level, &mut next);
                level.take(&mut batch);
            }
            if batch.is_empty() {
                break;
            }
            for &granule in &batch {
                let contents = graph.contents(granule);
                let Some(shape) = graph.number(contents.start).and_then(|number| types.shape(number)) else { continue };
                if shape.pointers.is_empty() && shape.choices.is_empty() {
                    continue;
                }
                // A type without a size is there once.
                let size = shape.size.unwrap_or(0);
                let count =
                    (contents.end - contents.start).checked_div(size).map_or(1, |count| count.clamp(1, MAX_ELEMENTS));
                for element in 0..count {
                    let at = contents.start + element * size;
                    types.pointers(
                        graph,
                        shape,
                        |offset| view.word(at.checked_add(offset)?),
                        |offset| view.u8(at.checked_add(offset)?),
                        &mut next,
                    );
                }
            }
        }
        types
    }

    fn shape(&self, number: usize) -> Option<&'s Shape> {
        let index = *self.of.get(number)?;
        self.shapes.all.get((index as usize).checked_sub(1)?)
    }

    /// Gives a type to each block that a pointer in a value of this shape leads to.
    fn pointers(
        &mut self,
        graph: &Graph<'_, '_>,
        shape: &Shape,
        word: impl Fn(u64) -> Option<u64>,
        byte: impl Fn(u64) -> Option<u8>,
        found: &mut Queue,
    ) {
        for pointer in &shape.pointers {
            self.pointer(graph, pointer, &word, found);
        }
        for choice in &shape.choices {
            let (offset, size) = choice.discriminant;
            let discriminant = (0..size)
                .rev()
                .try_fold(0u128, |value, index| Some(value << 8 | u128::from(byte(offset.checked_add(index)?)?)));
            for pointer in discriminant.map(|value| choice.pointers(value)).unwrap_or_default() {
                self.pointer(graph, pointer, &word, found);
            }
        }
    }

    fn pointer(
        &mut self,
        graph: &Graph<'_, '_>,
        pointer: &Pointer,
        word: &impl Fn(u64) -> Option<u64>,
        found: &mut Queue,
    ) {
        let Some((granule, number)) = word(pointer.offset).and_then(|value| graph.used_at(value)) else { return };
        let index = match pointer.target {
            Target::Shape(index) => index,
            Target::Vtable(at) => match word(at).and_then(|table| self.shapes.vtables.get(&table)) {
                Some(index) => *index,
                None => return,
            },
        };
        let target = &self.shapes.all[index];
        let room = graph.contents(granule);
        let says = |shape: &Shape| shape.size.is_some_and(|size| size > 1);
        let better = match self.shape(number) {
            None => true,
            Some(known) => !says(known) && says(target),
        };
        if better && target.size.unwrap_or(0) <= room.end - room.start {
            self.of[number] = index as u16 + 1;
            found.push(graph.starts(), granule);
        }
    }

    /// The type of a block, as far as it is known; of an array with the number of its elements.
    pub fn of(&self, graph: &Graph<'_, '_>, block: &Block) -> Option<String> {
        if block.state != State::Used {
            return None;
        }
        if let Some(told) = self.told(graph, block) {
            return Some(told);
        }
        let shape = graph.number(block.address).and_then(|number| self.shape(number))?;
        let name = &shape.name;
        Some(match shape.size {
            None | Some(0) => name.clone(),
            Some(size) => match (block.requested, block.requested.unwrap_or(block.size) / size) {
                (_, 0 | 1) => name.clone(),
                (None, _) if size < ROUNDING => format!("{name}[]"),
                (_, count) => format!("{name}[{count}]"),
            },
        })
    }

    /// The used blocks and their bytes by type, the most bytes first; those of no known type are left out. Arrays of all
    /// lengths are one type.
    fn totals(&self, graph: &Graph<'_, '_>) -> Totals {
        let mut told = Told::new(graph.heaps(), graph.view());
        // Most blocks are of few shapes: their names are made at last. Alone, and as arrays.
        let mut by_shape = vec![[Count::default(); 2]; self.shapes.all.len()];
        for heap in graph.heaps() {
            for block in heap.blocks(graph.view()).filter_map(Result::ok).filter(|block| block.state == State::Used) {
                if told.count(&block) {
                    continue;
                }
                let number = graph.number(block.address);
                let index = number.and_then(|number| usize::from(*self.of.get(number)?).checked_sub(1));
                if let Some(index) = index {
                    let size = self.shapes.all[index].size.unwrap_or(0);
                    let array = size > 0 && block.requested.unwrap_or(block.size) / size > 1;
                    by_shape[index][usize::from(array)].add(&block);
                }
            }
        }
        let mut totals = told.totals();
        for (shape, counts) in self.shapes.all.iter().zip(by_shape) {
            for (count, end) in counts.into_iter().zip(["", "[]"]).filter(|(count, _)| count.blocks > 0) {
                totals.entry(format!("{}{end}", shape.name)).or_default().join(count);
            }
        }
        in_order(totals)
    }

    /// The type that a block itself tells.
    fn told(&self, graph: &Graph<'_, '_>, block: &Block) -> Option<String> {
        Told::new(graph.heaps(), graph.view()).name(block)
    }

    /// The type of a block's elements by the debug information, and its size in bytes.
    pub fn element(&self, graph: &Graph<'_, '_>, block: &Block) -> Option<(String, u64)> {
        let shape = graph.number(block.address).and_then(|number| self.shape(number))?;
        Some((shape.name.clone(), shape.size.filter(|&size| size > 0 && block.state == State::Used)?))
    }

    /// Whether a block holds characters, whose text says more than the type.
    pub fn is_text(&self, graph: &Graph<'_, '_>, block: &Block) -> bool {
        let shape = graph.number(block.address).and_then(|number| self.shape(number));
        block.class == Some(2) || block.class.is_none() && shape.is_none_or(|shape| shape.size == Some(1))
    }
}
