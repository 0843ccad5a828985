//! The types of blocks: what typed pointers lead to, from the program's variables on, and what blocks say themselves.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::bits::Bits;
use super::block::{Block, State};
use super::graph::{AHEAD, BlockPart, Graph, Teller, contents, half_of_open, in_parts, touch};
use super::halves::both;
use super::starts::{Queue, Starts};
use super::survey::{Count, Survey};
use super::told::Told;
use super::{Heap, View};
use crate::memory::Memory;
use crate::variables::{ErasedBy, Grown, Members, Parts, Pointer, Shape, Shapes, Target, TypedVariable};

/// Elements of one block that are followed.
const MAX_ELEMENTS: u64 = 1 << 24;
/// An allocator may round up by less than this: of smaller elements it is not known how many there are.
const ROUNDING: u64 = 32;

/// The answer of a program's runtime to what is at an address in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuntimeMember {
    /// A member: its name and type.
    Member(String),
    /// The address lies beyond the values that the block holds.
    Beyond,
    /// The runtime describes nothing there.
    Nothing,
}

/// Used blocks and their bytes by type, the most bytes first.
pub type Totals = Vec<(String, Count)>;

/// The numbers of each heap, and the totals by type; no totals if the heaps are spread too far. Without `shapes`, only
/// blocks that show their types themselves have types.
pub fn inventory(heaps: &[Heap], view: &View<'_>, shapes: &Shapes) -> (Vec<Survey>, Option<Totals>) {
    // Each block is looked at once: what its own bytes say is counted on the way.
    if shapes.all.is_empty() {
        let mut told = Told::new(heaps);
        let mut tell = |block: &Block| _ = block.state == State::Used && told.count(view, block);
        let surveys = heaps.iter().map(|heap| Survey::each(heap, view, &mut tell)).collect();
        return (surveys, Some(in_order(told.totals())));
    }
    let graph = Graph::with(heaps, view, || Tellers { told: Told::new(heaps), blocks: None });
    let Some((graph, Tellers { told, blocks: tellers })) = graph else {
        return (heaps.iter().map(|heap| Survey::new(heap, view)).collect(), None);
    };
    let mut totals = told.totals();
    Types::find(&graph, shapes).add_totals(&graph, tellers.as_ref(), &mut totals);
    (graph.surveys, Some(in_order(totals)))
}

/// Blocks whose contents show their type: in most programs there are none.
struct Tellers<'h> {
    told: Told<'h>,
    blocks: Option<Bits>,
}

impl Teller for Tellers<'_> {
    fn see(&mut self, view: &View<'_>, range: &Range<u64>, block: &Block) {
        if block.state == State::Used && self.told.count(view, block) {
            if self.blocks.is_none() {
                self.blocks = Bits::new(range.clone(), 3);
            }
            if let Some(bits) = &mut self.blocks {
                bits.insert(block.address);
            }
        }
    }

    fn join(&mut self, other: Self) {
        self.told.join(other.told);
        match (&mut self.blocks, other.blocks) {
            (Some(own), Some(other)) => own.join(&other),
            (own, other) => *own = own.take().or(other),
        }
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
    /// The index of each block's shape, counted from 1, by the number of the block; 0 where it is not known.
    of: Vec<u16>,
}

/// Returns true if a block with so much room to which a pointer to a type leads may hold several values of that type.
/// In a `dense` heap blocks are hardly larger than their values: if a whole number of values does not fill the block,
/// it begins something else, such as an object of a derived class.
fn is_array(shape: &Shape, dense: bool, room: u64) -> bool {
    let is_left = |size: u64| size > ROUNDING && room % size >= ROUNDING;
    !(shape.single || (dense && shape.size.is_some_and(is_left)))
}

/// The input of a walk along typed pointers, which does not change on the way.
#[derive(Clone, Copy)]
struct Scene<'g> {
    starts: &'g Starts,
    gap: u64,
    dense: bool,
    memory: &'g Memory<'g>,
    shapes: &'g Shapes,
}

/// The targets of the pointers in some blocks, in order.
#[derive(Default)]
struct FoundTypes {
    /// Used blocks, by granule and number, and the indices of what is said to be there.
    blocks: Vec<(u32, u32, u16)>,
    /// Blocks of hash tables, by granule, and the indices of what they are called.
    tables: Vec<(u32, Entries, usize)>,
    /// Places in the middle of used blocks, with the block's granule and number and the index of what is said to be
    /// there.
    inner: Vec<Inner>,
}

/// A value in the middle of a block.
#[derive(Clone, Copy, Debug)]
struct Inner {
    granule: u32,
    number: u32,
    /// Its address.
    at: u64,
    /// The index of its shape.
    shape: u16,
}

/// Values of a few types in one block, which have the same numbers: the buckets of a hash table, or columns.
#[derive(Clone, Debug)]
struct Entries {
    /// The address of a byte for each number, and whether the highest bit of it is set or clear of one that is in use;
    /// none where all are.
    states: Option<(u64, bool)>,
    count: u64,
    arrays: Vec<Array>,
}

/// An array of such values.
#[derive(Clone, Copy, Debug)]
struct Array {
    /// The index of the shape of its elements.
    shape: usize,
    /// The address of the first one, and how far it is to the next, which may be negative.
    start: u64,
    step: u64,
}

/// Values in values whose type only code knows.
const NESTED: u32 = 8;

/// Places in the middle of blocks whose values are followed.
const INNER: usize = 1 << 20;

/// Bytes that may be before the entries, for the control bytes to be aligned.
const ALIGNING: u64 = 16;

/// Pointers that wait.
const WAITING: usize = 512;

/// Blocks whose types it pays to count on two processors.
const WORTH_HALVING: usize = 1 << 16;

/// The types that were found and are noted at once, while variables and tables are gone over.
const MANY: usize = 1 << 16;

/// Looks at typed pointers.
struct Reader<'r> {
    scene: &'r Scene<'r>,
    view: &'r View<'r>,
    /// Addresses that pointers hold, and the indices of what they point to. They wait until there are many, for memory
    /// is quicker when it is asked for several things at a time.
    waiting: Vec<(u64, u16)>,
    found: FoundTypes,
    /// The number of values, each inside the one before, that are being followed.
    depth: u32,
}

impl<'r> Reader<'r> {
    fn new(scene: &'r Scene<'r>, view: &'r View<'r>) -> Self {
        Reader { scene, view, waiting: Vec::with_capacity(WAITING), found: FoundTypes::default(), depth: 0 }
    }

    /// The bytes of the block at a granule, as far as they can hold pointers.
    fn contents(&self, granule: u32) -> Range<u64> {
        contents(self.scene.starts, self.scene.gap, granule)
    }

    /// Follows the pointers in a value of this shape, of which `word` and `byte` give what is at an offset.
    fn pointers(
        &mut self,
        parts: &Parts,
        here: Option<u64>,
        word: &impl Fn(u64) -> Option<u64>,
        byte: &impl Fn(u64) -> Option<u8>,
    ) {
        for pointer in &parts.pointers {
            let is_filled = |(at, least): (u64, u64)| {
                let count = Some(u64::from(byte(at)?) | u64::from(byte(at.checked_add(1)?)?) << 8);
                count.filter(|&count| count > least)
            };
            if pointer.filled.is_none_or(|filled| is_filled(filled).is_some()) {
                match pointer.target {
                    Target::Erased { room, by } => self.erased(pointer.offset, here, room, by, word),
                    _ => self.pointer(pointer, word),
                }
            }
        }
        for choice in &parts.choices {
            let (offset, size) = choice.discriminant;
            let discriminant = (0..size)
                .rev()
                .try_fold(0u128, |value, index| Some(value << 8 | u128::from(byte(offset.checked_add(index)?)?)));
            if let Some(parts) = discriminant.and_then(|value| choice.parts(value)) {
                self.pointers(parts, here, word, byte);
            }
        }
    }

    /// Notes what the pointers of a value in the memory lead to.
    fn pointers_at(&mut self, shape: &Shape, at: u64) {
        let view = self.view;
        let (word, byte) = (|offset| view.word(at.checked_add(offset)?), |offset| view.u8(at.checked_add(offset)?));
        self.pointers(&shape.parts, Some(at), &word, &byte);
    }

    #[inline]
    fn pointer(&mut self, pointer: &Pointer, word: &impl Fn(u64) -> Option<u64>) {
        let Some(value) = word(pointer.offset).filter(|&value| self.scene.starts.covers(value)) else { return };
        let index = match pointer.target {
            Target::Shape(index) => index,
            Target::Vtable(at) => match word(at).and_then(|table| self.scene.shapes.vtables.get(&table)) {
                Some(index) => *index,
                None => return,
            },
            Target::Tailed { vtable, whole, known } => {
                let by_table = self.scene.shapes.tailed.get(known);
                word(vtable).and_then(|table| by_table?.get(&table)).copied().unwrap_or(whole)
            }
            Target::Erased { .. } => return,
            Target::Buckets { mask, entry, table } => {
                if let Some(count) = word(mask).and_then(|mask| mask.checked_add(1)) {
                    self.buckets(value, count, entry, table);
                }
                return;
            }
            Target::States(table) => {
                self.states(value, table);
                return;
            }
            Target::Columns { len, capacity, table } => {
                if let (Some(len), Some(capacity)) = (word(len), word(capacity)) {
                    self.columns(value, len, capacity, table);
                }
                return;
            }
        };
        self.lead(value, index);
    }

    #[inline]
    fn lead(&mut self, to: u64, index: usize) {
        self.waiting.push((to, index as u16));
        if self.waiting.len() == WAITING {
            self.arrive();
        }
    }

    /// Follows a value, `offset` bytes into the one that lies `here`, whose type only code knows.
    fn erased(&mut self, offset: u64, here: Option<u64>, room: u64, by: ErasedBy, word: &impl Fn(u64) -> Option<u64>) {
        let shapes = self.scene.shapes;
        let inside = here.and_then(|here| here.checked_add(offset));
        let handled = |function: u64| shapes.handlers.get(&word(function)?).copied();
        let known = match by {
            ErasedBy::Pointer(at) => {
                let class = word(at).filter(|_| word(at) == inside).and_then(|object| self.view.word(object));
                class.and_then(|class| shapes.vtables.get(&class)).map(|&shape| (shape, false))
            }
            ErasedBy::Function(at) => handled(at).and_then(|handled| Some((handled.shape, handled.outside?))),
            ErasedBy::Record { function, record, outside } => handled(function).and_then(|handled| {
                let outside = self.view.word(word(record)?.checked_add(outside)?)?;
                Some((handled.shape, outside != 0))
            }),
        };
        match (known, inside) {
            (Some((shape, true)), _) => {
                if let Some(value) = word(offset).filter(|&value| self.scene.starts.covers(value)) {
                    self.lead(value, shape);
                }
            }
            (Some((shape, false)), Some(inside))
                if self.depth < NESTED && shapes.all[shape].size.is_some_and(|size| size <= room) =>
            {
                self.depth += 1;
                self.pointers_at(&shapes.all[shape], inside);
                self.depth -= 1;
            }
            _ => {}
        }
    }

    /// Finds the block of a hash table: a control byte for each bucket, and before them their entries, from the last to
    /// the first.
    fn buckets(&mut self, control: u64, count: u64, entry: usize, table: usize) {
        let size = self.scene.shapes.all[entry].size.unwrap_or(0);
        let extent = count.checked_mul(size).filter(|_| count.is_power_of_two());
        let Some(first) = extent.and_then(|extent| control.checked_sub(extent)) else { return };
        let arrays = vec![Array { shape: entry, start: control.wrapping_sub(size), step: size.wrapping_neg() }];
        let end = control.checked_add(count);
        self.table(first, end, Entries { states: Some((control, false)), count, arrays }, table);
    }

    /// Finds the block of a hash table by the states of its buckets: in front of them is a header.
    fn states(&mut self, states: u64, table: usize) {
        let Some(table) = self.scene.shapes.tables.get(table) else { return };
        let (size, capacity) = table.header;
        let Some(header) = states.checked_sub(size) else { return };
        let word = |at: u64| self.view.word(header.checked_add(at)?);
        let Some(count) = self.view.u32(header.saturating_add(capacity)).map(u64::from) else { return };
        let mut end = states.checked_add(count).filter(|_| count.is_power_of_two());
        let mut arrays = Vec::new();
        for array in &table.arrays {
            let Some(start) = word(array.address).filter(|&start| start > states) else { return };
            let behind = count.checked_mul(array.size).and_then(|len| start.checked_add(len));
            end = end.zip(behind).map(|(end, behind)| end.max(behind));
            arrays.push(Array { shape: array.shape, start, step: array.size });
        }
        let name = table.name;
        self.table(header, end, Entries { states: Some((states, true)), count, arrays }, name);
    }

    /// Finds the block of some structures whose members are in an array each.
    fn columns(&mut self, first: u64, len: u64, capacity: u64, table: usize) {
        let Some(table) = self.scene.shapes.tables.get(table).filter(|_| len <= capacity) else { return };
        let mut arrays = Vec::new();
        let mut end = Some(first);
        for array in &table.arrays {
            let Some(start) = end else { return };
            arrays.push(Array { shape: array.shape, start, step: array.size });
            end = capacity.checked_mul(array.size).and_then(|size| start.checked_add(size));
        }
        let name = table.name;
        self.table(first, end, Entries { states: None, count: len, arrays }, name);
    }

    /// Finds the block that begins where the first of some entries is, or a little before it, if there is room for all.
    fn table(&mut self, first: u64, end: Option<u64>, entries: Entries, name: usize) {
        let starts = self.scene.starts;
        let Some(granule) = starts.containing(first).filter(|&granule| starts.is_open(granule)) else { return };
        let room = self.contents(granule);
        if first.checked_sub(room.start).is_some_and(|before| before < ALIGNING)
            && end.is_some_and(|end| end <= room.end)
        {
            self.found.tables.push((granule, entries, name));
        }
    }

    /// Finds the blocks that waiting pointers lead to, as far as there is room for what is said to be there.
    fn arrive(&mut self) {
        let Scene { starts, shapes, .. } = *self.scene;
        starts.touch(self.waiting.iter().map(|(value, _)| *value));
        for (value, index) in std::mem::take(&mut self.waiting) {
            let (value, index) = self.whole(value, index);
            let Some(granule) = starts.open_at(value) else {
                self.inner(value, index);
                continue;
            };
            let room = self.contents(granule);
            let grown = shapes.all[usize::from(index)].grown.filter(|grown| self.is_grown(grown, &room));
            let index = grown.map_or(index, |grown| grown.shape as u16);
            if shapes.all[usize::from(index)].size.unwrap_or(0) <= room.end - room.start {
                self.found.blocks.push((granule, starts.rank(granule) as u32, index));
            }
        }
    }

    /// Notes a value in the middle of a block: a part that a list goes through, or what an arena has room for.
    fn inner(&mut self, at: u64, shape: u16) {
        let Scene { starts, shapes, .. } = *self.scene;
        let known = &shapes.all[usize::from(shape)];
        let leads = !known.parts.is_empty() || !holders(shapes, shape).is_empty();
        let Some(granule) = starts.containing(at).filter(|&granule| leads && starts.is_open(granule)) else { return };
        let fits =
            known.size.and_then(|size| at.checked_add(size)).is_some_and(|end| end <= self.contents(granule).end);
        if fits {
            self.found.inner.push(Inner { granule, number: starts.rank(granule) as u32, at, shape });
        }
    }

    /// The object that the one at `value` is a part of, and its class, as its vtable says; both as they are where none
    /// does.
    fn whole(&self, value: u64, index: u16) -> (u64, u16) {
        let Scene { starts, shapes, .. } = *self.scene;
        if !shapes.all[usize::from(index)].object {
            return (value, index);
        }
        let class = |at: u64| {
            let class = *shapes.vtables.get(&self.view.word(at)?)?;
            let granule = starts.open_at(at)?;
            let room = self.contents(granule);
            shapes.all[class].size.filter(|&size| size <= room.end - room.start).map(|_| (at, class as u16))
        };
        // A base that is not the first one says how far it is from the beginning (Itanium C++ ABI, 2.5.2).
        let beginning = || {
            let table = self.view.word(value)?;
            let offset = self.view.word(table.checked_sub(2 * self.view.width())?)?;
            value.checked_sub(offset.wrapping_neg() & (u64::MAX >> (64 - 8 * self.view.width())))
        };
        class(value).or_else(|| class(beginning()?)).unwrap_or((value, index))
    }

    /// Returns true if a block with so much room is the larger node that it may be.
    fn is_grown(&self, grown: &Grown, room: &Range<u64>) -> bool {
        let Scene { starts, shapes, .. } = *self.scene;
        let fits = shapes.all[grown.shape].size.is_some_and(|size| size <= room.end - room.start);
        let child = room.start.checked_add(grown.child).filter(|_| fits).and_then(|at| self.view.word(at));
        let child = child.filter(|&child| starts.open_at(child).is_some());
        child.and_then(|child| self.view.word(child.checked_add(grown.parent)?)) == Some(room.start)
    }

    /// Follows the pointers in a part of a block, as often as its type fits into it.
    fn part(&mut self, shape: &Shape, part: BlockPart) {
        let Scene { starts, shapes, dense, .. } = *self.scene;
        let start = starts.address(part.granule);
        let contents = start..start + part.room;
        let mut values = |shape: &Shape, range: Range<u64>| {
            // In long arrays of numbers there is nothing to be found.
            if shape.parts.is_empty() {
                return;
            }
            // A type without a size is there once.
            let size = shape.size.unwrap_or(0);
            let room = range.end.saturating_sub(range.start);
            let count = match room.checked_div(size) {
                Some(count) if is_array(shape, dense, room) => count.min(MAX_ELEMENTS),
                _ => 1,
            };
            // Only the elements that begin in this part are read.
            let skipped = range.start - contents.start;
            let before = |offset: u64| {
                let all = offset.saturating_sub(skipped);
                if size == 0 { u64::from(all > 0) } else { all.div_ceil(size) }
            };
            let first = if part.from == 0 { 0 } else { before(part.from).min(count) };
            let last = if part.to == part.room { count } else { before(part.to).min(count) };
            for element in first..last {
                self.pointers_at(shape, range.start + element * size);
            }
        };
        match shape.tail {
            None => values(shape, contents.clone()),
            Some(tail) => {
                let end = contents.start + shape.size.unwrap_or(0);
                values(shape, contents.start..end);
                values(&shapes.all[tail.element], contents.start.saturating_add(tail.offset)..contents.end);
            }
        }
    }

    fn finish(mut self) -> FoundTypes {
        self.arrive();
        self.found
    }
}

/// A walk along typed pointers.
struct TypeWalk<'s> {
    types: Types<'s>,
    /// Blocks whose pointers are to be followed.
    next: Queue,
    /// The blocks of hash tables that were found, and those whose entries are to be followed.
    seen: HashSet<u32>,
    tables: Vec<Entries>,
    /// The values in the middle of blocks that were found, those that are to be followed, and those that may be parts
    /// of what a block holds as a whole.
    inside: HashSet<(u64, u16)>,
    inner: Vec<Inner>,
    parts: Vec<Inner>,
}

/// The types that have a part of this type which lists go through, and where.
fn holders(shapes: &Shapes, part: u16) -> &[(usize, u64)] {
    let part = shapes.all[usize::from(part)].several.unwrap_or(usize::from(part));
    shapes.holders.get(&part).map_or(&[], Vec::as_slice)
}

/// Returns true if a type says more of a block than that there are bytes.
fn says(shape: &Shape) -> bool {
    shape.size.is_some_and(|size| size > 1) && !shape.base
}

impl TypeWalk<'_> {
    /// Gives a type to each block that was found.
    fn apply(&mut self, scene: &Scene<'_>, found: FoundTypes) {
        let TypeWalk { types, next, seen, tables, inside, inner, parts } = self;
        for (granule, entries, name) in found.tables {
            if seen.insert(granule) {
                types.of[scene.starts.rank(granule)] = name as u16 + 1;
                tables.push(entries);
            }
        }
        let shapes = scene.shapes;
        for place in found.inner {
            // A block of a known type is followed as a whole.
            let known = usize::from(types.of[place.number as usize]).checked_sub(1).map(|known| &shapes.all[known]);
            let is_known = known.filter(|known| says(known)).is_some_and(|known| {
                let room = contents(scene.starts, scene.gap, place.granule);
                let whole = is_array(known, scene.dense, room.end - room.start) && known.tail.is_none();
                whole || place.at - room.start < known.size.unwrap_or(0)
            });
            if !is_known && inside.len() < INNER && inside.insert((place.at, place.shape)) {
                inner.push(place);
                if !holders(shapes, place.shape).is_empty() {
                    parts.push(place);
                }
            }
        }
        for group in found.blocks.chunks(WAITING) {
            // These loads do not depend on each other, so the processor waits for all of them at once.
            let known = group.iter().fold(0, |all, &(_, number, _)| all | types.of[number as usize]);
            std::hint::black_box(known);
            next.touch(group.iter().map(|(granule, ..)| *granule));
            for &(granule, number, index) in group {
                let target = &shapes.all[usize::from(index)];
                let known = types.of[number as usize];
                let better = known == 0
                    || known != index + 1 && says(target) && {
                        // A pointer to the first of several is not always known as such.
                        let known = &shapes.all[usize::from(known) - 1];
                        !says(known) || known.several == Some(usize::from(index))
                    };
                if better {
                    types.of[number as usize] = index + 1;
                    // Nothing is to be followed in the others.
                    if !target.parts.is_empty() || target.tail.is_some() {
                        next.push(scene.starts, granule);
                    }
                }
            }
        }
    }

    /// Follows the pointers in the entries of the tables that were found.
    fn entries(&mut self, scene: &Scene<'_>, view: &View<'_>) {
        while let Some(Entries { states, count, arrays }) = self.tables.pop() {
            let is_used = |number: u64| match states {
                Some((states, highest)) => view.u8(states + number).is_some_and(|state| (state >= 0x80) == highest),
                None => true,
            };
            let shapes = &scene.shapes.all;
            let arrays: Vec<&Array> = arrays.iter().filter(|array| !shapes[array.shape].parts.is_empty()).collect();
            if arrays.is_empty() {
                continue;
            }
            let mut reader = Reader::new(scene, view);
            for number in (0..count.min(MAX_ELEMENTS)).filter(|&number| is_used(number)) {
                for array in &arrays {
                    let at = array.start.wrapping_add(number.wrapping_mul(array.step));
                    reader.pointers_at(&shapes[array.shape], at);
                }
                if reader.found.blocks.len() >= MANY {
                    self.apply(scene, std::mem::take(&mut reader.found));
                }
            }
            let found = reader.finish();
            self.apply(scene, found);
        }
    }

    /// Follows the pointers in values in the middle of blocks.
    fn places(&mut self, scene: &Scene<'_>, view: &View<'_>) {
        while !self.inner.is_empty() {
            let mut reader = Reader::new(scene, view);
            for place in std::mem::take(&mut self.inner) {
                reader.pointers_at(&scene.shapes.all[usize::from(place.shape)], place.at);
                if reader.found.blocks.len() >= MANY {
                    self.apply(scene, std::mem::take(&mut reader.found));
                }
            }
            let found = reader.finish();
            self.apply(scene, found);
        }
    }

    /// Gives their classes to those of some blocks (their numbers and granules) that no typed pointer leads to and that
    /// begin with the address of a vtable.
    fn objects(&mut self, scene: &Scene<'_>, view: &View<'_>, blocks: impl Iterator<Item = (usize, u32)>) {
        let Scene { starts, shapes, .. } = *scene;
        let classes = shapes.vtables.iter().filter(|&(_, &class)| shapes.all[class].object);
        let classes: HashMap<u64, usize> = classes.map(|(&table, &class)| (table, class)).collect();
        if classes.is_empty() {
            return;
        }
        for (number, granule) in blocks {
            if self.types.of[number] != 0 || !starts.is_open(granule) {
                continue;
            }
            let room = contents(starts, scene.gap, granule);
            let class = view.word(room.start).and_then(|table| classes.get(&table).copied());
            let fits = |&class: &usize| shapes.all[class].size.is_some_and(|size| size <= room.end - room.start);
            if let Some(class) = class.filter(fits) {
                self.types.of[number] = class as u16 + 1;
                self.next.push(starts, granule);
            }
        }
    }

    /// Gives a type to blocks to which pointers lead only through a part, if one type alone has such a part there and
    /// is as large as the block.
    fn wholes(&mut self, scene: &Scene<'_>) {
        let shapes = scene.shapes;
        for place in std::mem::take(&mut self.parts) {
            let room = contents(scene.starts, scene.gap, place.granule);
            let fits = |&&(whole, at): &&(usize, u64)| {
                let left = shapes.all[whole].size.and_then(|size| (room.end - room.start).checked_sub(size));
                place.at - room.start == at && left.is_some_and(|left| left < ROUNDING)
            };
            let mut fitting = holders(shapes, place.shape).iter().filter(fits);
            let (Some(&(whole, _)), None) = (fitting.next(), fitting.next()) else { continue };
            if self.types.of[place.number as usize] == 0 {
                self.types.of[place.number as usize] = whole as u16 + 1;
                self.next.push(scene.starts, place.granule);
            }
        }
    }
}

impl<'s> Types<'s> {
    /// Follows the typed pointers from all variables of `shapes`, then those from objects to which none leads. The
    /// first type that leads to a block counts, but for bytes and unknown contents any other type counts more.
    pub fn find(graph: &Graph<'_, '_>, shapes: &'s Shapes) -> Types<'s> {
        Types::follow(graph, shapes, &shapes.roots, |starts, walk, scene, view| {
            walk.objects(scene, view, starts.iter().enumerate());
        })
    }

    /// Follows the typed pointers from those of some blocks that are objects: no variable leads to blocks that are
    /// lost.
    pub fn of_lost(graph: &Graph<'_, '_>, shapes: &'s Shapes, lost: &[Block]) -> Types<'s> {
        Types::follow(graph, shapes, &[], |starts, walk, scene, view| {
            let granules = lost.iter().filter_map(|block| starts.open_at(block.address));
            walk.objects(scene, view, granules.map(|granule| (starts.rank(granule), granule)));
        })
    }

    /// Follows the typed pointers from variables, then those from the blocks that `objects` gives a type.
    fn follow(
        graph: &Graph<'_, '_>,
        shapes: &'s Shapes,
        roots: &[TypedVariable],
        objects: impl FnOnce(&Starts, &mut TypeWalk<'s>, &Scene<'_>, &View<'_>),
    ) -> Types<'s> {
        let of = if shapes.all.is_empty() { Vec::new() } else { vec![0; graph.len()] };
        let view = graph.view();
        let width = view.width();
        let scene =
            Scene { starts: graph.starts(), gap: graph.gap(), dense: graph.is_dense(), memory: view.memory(), shapes };
        let scene = &scene;
        let (next, seen, tables) = (Queue::default(), HashSet::new(), Vec::new());
        let (inside, inner, parts) = (HashSet::new(), Vec::new(), Vec::new());
        let mut walk = TypeWalk { types: Types { shapes, of }, next, seen, tables, inside, inner, parts };
        for (address, index) in &shapes.known {
            if let Some(number) = graph.number(*address) {
                walk.types.of[number] = *index as u16 + 1;
            }
        }
        let mut reader = Reader::new(scene, view);
        for root in roots {
            let shape = &shapes.all[root.shape];
            match &root.place {
                Ok(address) => reader.pointers_at(shape, *address),
                Err(bytes) => {
                    let word = |offset: u64| {
                        let bytes = bytes.get(usize::try_from(offset).ok()?..)?.get(..width as usize)?;
                        Some(bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)))
                    };
                    let byte = |offset: u64| bytes.get(usize::try_from(offset).ok()?).copied();
                    reader.pointers(&shape.parts, None, &word, &byte);
                }
            }
            if reader.found.blocks.len() >= MANY {
                walk.apply(scene, std::mem::take(&mut reader.found));
            }
        }
        walk.apply(scene, reader.finish());
        let (mut level, mut batch) = (Queue::default(), Vec::new());
        let mut objects = Some(objects);
        loop {
            level.take(&mut batch);
            if batch.is_empty() {
                walk.entries(scene, view);
                walk.places(scene, view);
                std::mem::swap(&mut level, &mut walk.next);
                level.take(&mut batch);
            }
            if batch.is_empty() && walk.tables.is_empty() {
                walk.wholes(scene);
                std::mem::swap(&mut level, &mut walk.next);
                level.take(&mut batch);
            }
            if let Some(objects) = objects.take_if(|_| batch.is_empty() && walk.tables.is_empty()) {
                objects(scene.starts, &mut walk, scene, view);
                std::mem::swap(&mut level, &mut walk.next);
                level.take(&mut batch);
            }
            if batch.is_empty() && walk.tables.is_empty() {
                return walk.types;
            }
            let read = |walk: &TypeWalk<'_>, parts: &[BlockPart]| {
                let view = View::new(scene.memory);
                let mut reader = Reader::new(scene, &view);
                for group in parts.chunks(AHEAD) {
                    touch(&view, scene.starts, group);
                    for part in group {
                        if let Some(shape) = walk.types.shape(scene.starts.rank(part.granule)) {
                            reader.part(shape, *part);
                        }
                    }
                }
                reader.finish()
            };
            let contents = |_: &TypeWalk<'_>, granule| contents(scene.starts, scene.gap, granule);
            in_parts(&mut walk, &batch, contents, read, |walk, found| walk.apply(scene, found));
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
    fn add_totals(&self, graph: &Graph<'_, '_>, tellers: Option<&Bits>, totals: &mut HashMap<String, Count>) {
        let dense = graph.is_dense();
        // Most blocks are of few shapes: their names are made at last. Alone, and as arrays.
        let mut by_shape = vec![[Count::default(); 2]; self.shapes.all.len()];
        let add = |by_shape: &mut [[Count; 2]], number: usize, block: &Block| {
            let index = self.of.get(number).and_then(|&index| usize::from(index).checked_sub(1));
            if let Some(index) = index.filter(|_| !tellers.is_some_and(|tellers| tellers.contains(block.address))) {
                let shape = &self.shapes.all[index];
                let several = shape.size.and_then(|size| size.checked_mul(2)).filter(|&several| several > 0);
                let array = several.is_some_and(|several| block.requested.unwrap_or(block.size) >= several)
                    && shape.tail.is_none()
                    && is_array(shape, dense, block.size);
                by_shape[index][usize::from(array)].add(block);
            }
        };
        if dense {
            let (starts, gap) = (graph.starts(), graph.gap());
            let half = |second: bool| {
                let mut by_shape = by_shape.clone();
                half_of_open(starts, gap, second, |number, block| add(&mut by_shape, number, block));
                by_shape
            };
            let (first, second) = both(graph.len() >= WORTH_HALVING, || half(false), || half(true));
            by_shape = first;
            for (own, other) in by_shape.iter_mut().flatten().zip(second.into_iter().flatten()) {
                own.join(other);
            }
        } else {
            for block in graph.heaps().iter().flat_map(|heap| heap.blocks(graph.view())).filter_map(Result::ok) {
                if let Some(number) = graph.number(block.address).filter(|_| block.state == State::Used) {
                    add(&mut by_shape, number, &block);
                }
            }
        }
        for (shape, counts) in self.shapes.all.iter().zip(by_shape) {
            for (count, end) in counts.into_iter().zip(["", "[]"]).filter(|(count, _)| count.blocks > 0) {
                totals.entry(format!("{}{end}", shape.name)).or_default().join(count);
            }
        }
    }

    /// The type that a block's contents show.
    fn told(&self, graph: &Graph<'_, '_>, block: &Block) -> Option<String> {
        Told::new(graph.heaps()).name(graph.view(), block)
    }

    /// The type of the element of a block that holds an address, by the debug information; where the element begins,
    /// and where what is known of it ends.
    pub fn element(&self, graph: &Graph<'_, '_>, block: &Block, at: u64) -> Option<(String, Range<u64>)> {
        let shape = graph.number(block.address).and_then(|number| self.shape(number))?;
        let size = shape.size.filter(|&size| size > 0);
        // An object with a tail is there once, up to the block's end, and so is an object with a vtable.
        let number = match size.filter(|_| shape.tail.is_none() && is_array(shape, graph.is_dense(), block.size)) {
            Some(size) => at.checked_sub(block.address)? / size,
            None => 0,
        };
        let start = block.address + number * size.unwrap_or(0);
        let end = size.filter(|_| shape.tail.is_none()).map_or(block.end(), |size| start.saturating_add(size));
        // A last element that does not fit is room that rounding left.
        let range = start..if end <= block.end() { end } else { start };
        (block.state == State::Used).then(|| (shape.name.clone(), range))
    }

    /// What the program's runtime says of an address in a block.
    pub fn described(&self, graph: &Graph<'_, '_>, block: &Block, at: u64) -> RuntimeMember {
        // In larger blocks of Go an object may begin after the address of its type.
        const PLAIN: u64 = 512;
        let Some(shape) = graph.number(block.address).and_then(|number| self.shape(number)) else {
            return RuntimeMember::Nothing;
        };
        let offset = at.checked_sub(block.address).filter(|_| block.size <= PLAIN && block.state == State::Used);
        let Some(offset) = offset else { return RuntimeMember::Nothing };
        if self.shapes.covered.get(&block.address).is_some_and(|covered| offset >= *covered) {
            return RuntimeMember::Beyond;
        }
        let Members { size, array, list } = &shape.members;
        let start = if *array { offset - offset.checked_rem(*size).unwrap_or(0) } else { 0 };
        // A last element that does not fit is room that rounding left.
        let fits = offset - start < *size && start + size <= block.size;
        let member = list.iter().rfind(|(member, _)| *member <= offset - start).filter(|_| fits);
        member.map_or(RuntimeMember::Nothing, |(_, member)| RuntimeMember::Member(member.clone()))
    }

    /// Returns true if a block holds characters, whose text says more than the type.
    pub fn is_text(&self, graph: &Graph<'_, '_>, block: &Block) -> bool {
        let shape = graph.number(block.address).and_then(|number| self.shape(number));
        block.class == Some(2) || block.class.is_none() && shape.is_none_or(|shape| shape.size == Some(1))
    }
}
