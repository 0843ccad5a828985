//! The graph of blocks: which of them point to which, and which the program can still reach.
//!
//! Every word that is an address in a used block counts as a pointer to it, also one to its inside and one to the byte
//! after its last, which no allocator gives to the next block. For nothing tells numbers and pointers apart. So a block
//! may be taken for reachable that is not, but none that is reachable for lost, unless the program keeps pointers
//! unaligned or hidden.

use std::ops::Range;

use super::block::{Block, Damage, State};
use super::halves::both;
use super::starts::{Queue, Starts};
use super::survey::Survey;
use super::{Blocks, Heap, View};

/// Blocks of all heaps of one memory.
pub struct Graph<'h, 'v> {
    heaps: &'h [Heap],
    view: &'v View<'v>,
    starts: Starts,
    /// Blocks of which it is not known whether they are used, or where they end.
    unknown: Vec<Range<u64>>,
    /// Bytes between a block's last and the next one's first.
    gap: u64,
    /// The numbers of each heap.
    pub surveys: Vec<Survey>,
}

/// The beginnings of chains of pointers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roots {
    /// Parts of the memory: static data, stack.
    pub ranges: Vec<Range<u64>>,
    /// Values outside of it, and where each is.
    pub values: Vec<(u64, String)>,
    /// Possible roots that the dump does not hold, in words.
    pub missing: Vec<String>,
}

/// A pointer in a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainStep {
    /// A word outside of the heaps.
    Memory {
        /// Its address.
        address: u64,
        /// The address that it holds.
        value: u64,
    },
    /// A value outside of the memory.
    Value {
        /// A description of its place.
        place: String,
        /// The address that it is.
        value: u64,
    },
    /// A word in a block.
    Block {
        /// The block's address.
        block: u64,
        /// The word's offset in it, in bytes.
        offset: u64,
        /// The address that it holds.
        value: u64,
    },
}

/// The bytes of the block at a granule, up to `gap` bytes before the next one.
pub(super) fn contents(starts: &Starts, gap: u64, granule: u32) -> Range<u64> {
    let start = starts.address(granule);
    let end = starts.after(granule).map_or(start, |next| starts.address(next));
    start..end.saturating_sub(gap).max(start)
}

/// Calls `each` with the open blocks in one half of the memory and their numbers, by address, if the heaps are dense:
/// without a look at the memory.
pub(super) fn half_of_open(starts: &Starts, gap: u64, second: bool, mut each: impl FnMut(usize, &Block)) {
    starts.each_open(second, |number, start, next| {
        let end = next.unwrap_or(start).saturating_sub(gap);
        each(number, &Block::new(start, end.saturating_sub(start), State::Used));
    });
}

/// No block: the parent of one that a root points to.
const NONE: u32 = u32::MAX;

/// Addresses that wait: the places that they lead to are all over, and memory is quicker when it is asked for several
/// things at a time.
const WAITING: usize = 256;

/// Blocks that are looked at together, before one after the other is read.
pub(super) const AHEAD: usize = 32;

/// Looks at where these blocks begin, and at what is known of them.
pub(super) fn touch(view: &View<'_>, starts: &Starts, parts: &[BlockPart]) {
    starts.touch_granules(parts.iter().map(|part| part.granule));
    view.touch(parts.iter().map(|part| starts.address(part.granule) + part.from));
}

/// A part of a block, in bytes from its start.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockPart {
    pub granule: u32,
    pub from: u64,
    pub to: u64,
    /// Bytes of the whole block that can hold pointers.
    pub room: u64,
}

/// Bytes of a part, and of all that are gone over at a time: what is found in them is put down.
const PART: u64 = 64 << 10;
const PARTS: u64 = 4 << 20;
/// Bytes that it pays to go over on two processors.
const WORTH_HALVING: u64 = 1 << 20;

/// Goes over the blocks at some granules in parts: `read` looks at them, in two halves at the same time where that
/// pays, and `apply` is given what it found, in order.
pub(super) fn in_parts<C, F: Send>(
    context: &mut C,
    granules: &[u32],
    contents: impl Fn(&C, u32) -> Range<u64>,
    read: impl Fn(&C, &[BlockPart]) -> F + Sync,
    mut apply: impl FnMut(&mut C, F),
) where
    C: Sync,
{
    let mut parts: Vec<BlockPart> = Vec::new();
    let mut bytes = 0;
    let mut flush = |context: &mut C, parts: &mut Vec<BlockPart>, bytes: &mut u64| {
        // Halves of about as many bytes each, whoever reads them: what is found first does not depend on that.
        let mut left = *bytes / 2;
        let is_first = |part: &&BlockPart| {
            let first = left > 0;
            left = left.saturating_sub(part.to - part.from + 1);
            first
        };
        let middle = parts.iter().take_while(is_first).count();
        let (first, second) = parts.split_at(middle);
        let whole: &C = context;
        let (first, second) = both(*bytes >= WORTH_HALVING, || read(whole, first), || read(whole, second));
        apply(context, first);
        apply(context, second);
        parts.clear();
        *bytes = 0;
    };
    for &granule in granules {
        let Range { start, end } = contents(context, granule);
        let mut from = 0;
        loop {
            let to = (from + PART).min(end - start);
            parts.push(BlockPart { granule, from, to, room: end - start });
            bytes += to - from + 1;
            if bytes >= PARTS {
                flush(context, &mut parts, &mut bytes);
            }
            from = to;
            if from >= end - start {
                break;
            }
        }
    }
    flush(context, &mut parts, &mut bytes);
}

/// Blocks that may be reached, and those that lead there.
struct Front<'s> {
    starts: &'s Starts,
    waiting: Vec<(u64, u32)>,
    found: Vec<(u32, u32)>,
    /// The last value. The same one follows it where memory is filled with a pattern.
    last: u64,
}

impl Front<'_> {
    fn new(starts: &Starts) -> Front<'_> {
        Front { starts, waiting: Vec::with_capacity(WAITING), found: Vec::new(), last: 0 }
    }

    /// Follows a value that may be an address. Always `true`: more are wanted.
    #[inline]
    fn add(&mut self, value: u64, from: u32) -> bool {
        if value != self.last && self.starts.may_be_open(value) {
            self.last = value;
            self.waiting.push((value, from));
            if self.waiting.len() == WAITING {
                self.reach();
            }
        }
        true
    }

    fn reach(&mut self) {
        let starts = self.starts;
        starts.touch(self.waiting.iter().map(|(value, _)| *value));
        let found = self.waiting.drain(..).filter_map(|(value, from)| Some((starts.containing(value)?, from)));
        self.found.extend(found.filter(|(granule, _)| starts.is_open(*granule)));
    }

    fn finish(mut self) -> Vec<(u32, u32)> {
        self.reach();
        self.found
    }
}

/// Adds an allocator's blocks to what is known of all, and shows them to somebody.
pub(super) trait Teller: Send {
    /// Sees a block in the part of the memory that all of them are in.
    fn see(&mut self, view: &View<'_>, range: &Range<u64>, block: &Block);
    /// Adds what another one saw.
    fn join(&mut self, other: Self);
}

/// A teller that collects nothing.
impl Teller for () {
    fn see(&mut self, _: &View<'_>, _: &Range<u64>, _: &Block) {}
    fn join(&mut self, (): ()) {}
}

/// The results for some of the blocks.
struct Collected<T> {
    survey: Survey,
    starts: Starts,
    unknown: Vec<Range<u64>>,
    teller: T,
    /// The last block, and the starts that lie after those that are collected here.
    last: Option<Block>,
    behind: Vec<(u64, bool)>,
}

/// Collects the blocks of one heap.
struct Collector<'h> {
    heap: &'h Heap,
    range: Range<u64>,
    shift: u32,
}

impl Collector<'_> {
    /// Collects `blocks`; starts from `end` on are kept apart.
    fn collect<T: Teller>(
        &self,
        view: &View<'_>,
        blocks: Blocks<'_>,
        starts: Starts,
        teller: T,
        end: u64,
    ) -> Collected<T> {
        let (unknown, behind) = (Vec::new(), Vec::new());
        let mut all = Collected { survey: Survey::default(), starts, unknown, teller, last: None, behind };
        let gap = self.heap.allocator.gap();
        // The address at which the next block would begin.
        let mut room = u64::MAX;
        let survey = Survey::count(blocks, |block| {
            all.teller.see(view, &self.range, block);
            if room < block.address {
                all.insert(room, false, end);
            }
            all.insert(block.address, block.state == State::Used, end);
            if matches!(block.state, State::Several | State::Unknown) {
                all.unknown.push(block.address..block.end());
            }
            room = self.behind(block, gap);
            all.last = Some(*block);
        });
        all.survey = survey;
        all
    }

    /// Returns the address at which a block that follows this one would begin, if `gap` bytes of the allocator's are
    /// between them; if none follows, the free room after it begins there.
    fn behind(&self, block: &Block, gap: u64) -> u64 {
        block.end().next_multiple_of(1 << self.shift) + gap
    }

    /// All blocks in two halves, if that pays and both meet.
    fn halves<T: Teller>(&self, view: &View<'_>, teller: impl Fn() -> T + Sync) -> Option<Collected<T>> {
        let middle = self.heap.allocator.middle(view)?;
        let cut = Starts::line_of(&self.range, self.shift, middle);
        let memory = view.memory();
        let half = |second: bool| {
            let view = &View::new(memory);
            let blocks = self.heap.allocator.half(view, middle, second);
            let (start, end) = if second { (cut, u64::MAX) } else { (self.range.start, cut) };
            Some(self.collect(view, blocks, Starts::new(start..self.range.end, self.shift)?, teller(), end))
        };
        let (first, second) = both(true, || half(false), || half(true));
        let (mut all, second) = (first?, second?);
        // The second half is right if the first one ends where it begins.
        let gap = self.heap.allocator.gap();
        let meet = all.last.is_some_and(|last| last.state == State::Used && last.end() + gap == middle);
        if !meet || !all.survey.damage.is_empty() {
            return None;
        }
        all.starts.append(cut, &second.starts);
        all.behind.iter().for_each(|&(address, open)| all.starts.insert(address, open));
        all.unknown.extend(second.unknown);
        all.teller.join(second.teller);
        all.survey.join(second.survey);
        Some(Collected { last: second.last, ..all })
    }
}

impl<T> Collected<T> {
    #[inline]
    fn insert(&mut self, address: u64, open: bool, end: u64) {
        if address < end {
            self.starts.insert(address, open);
        } else {
            self.behind.push((address, open));
        }
    }
}

impl<'h, 'v> Graph<'h, 'v> {
    /// The blocks of all `heaps` of one memory; `None` if there are none, or they are spread too far to be listed.
    pub fn new(heaps: &'h [Heap], view: &'v View<'v>) -> Option<Graph<'h, 'v>> {
        Graph::with(heaps, view, || ()).map(|(graph, ())| graph)
    }

    /// As [`Graph::new`] does; a teller, or several of which each sees some of the blocks, is shown every block on the
    /// way.
    pub(super) fn with<T: Teller>(
        heaps: &'h [Heap],
        view: &'v View<'v>,
        teller: impl Fn() -> T + Sync,
    ) -> Option<(Graph<'h, 'v>, T)> {
        let ranges = || heaps.iter().flat_map(|heap| &heap.ranges);
        let start = ranges().map(|range| range.start).min()?;
        let end = ranges().map(|range| range.end).max()?;
        let gap = heaps.iter().map(|heap| heap.allocator.gap()).min()?;
        let shift = heaps.iter().map(|heap| heap.allocator.alignment().ilog2()).min()?;
        let range = start..end.saturating_add(64);
        let (mut unknown, mut surveys) = (Vec::new(), Vec::new());
        let (mut starts, mut told) = (Starts::new(range.clone(), shift)?, teller());
        for heap in heaps {
            let collector = Collector { heap, range: range.clone(), shift };
            let halves = if heaps.len() == 1 { collector.halves(view, &teller) } else { None };
            let all = match halves {
                Some(all) => all,
                None => collector.collect(view, heap.blocks(view), starts, told, u64::MAX),
            };
            (starts, told) = (all.starts, all.teller);
            unknown.extend(all.unknown);
            surveys.push(all.survey);
            // If no block follows the last one, the room after it begins where a block would.
            if let Some(last) = all.last {
                starts.insert(collector.behind(&last, heap.allocator.gap()), false);
            }
        }
        starts.finish();
        Some((Graph { heaps, view, starts, unknown, gap, surveys }, told))
    }

    /// Returns the places where the records of the heaps are broken.
    pub fn damage(&self) -> impl Iterator<Item = &Damage> {
        self.surveys.iter().flat_map(|survey| &survey.damage)
    }

    /// The number of the block at an address, below [`Graph::len`].
    pub(super) fn number(&self, address: u64) -> Option<usize> {
        self.starts.containing(address).map(|granule| self.starts.rank(granule))
    }

    /// Returns the number of blocks: all block numbers are below it.
    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// Returns the places where the blocks begin.
    pub(super) fn starts(&self) -> &Starts {
        &self.starts
    }

    /// The memory.
    pub(super) fn view(&self) -> &'v View<'v> {
        self.view
    }

    /// The heaps.
    pub fn heaps(&self) -> &'h [Heap] {
        self.heaps
    }

    /// Returns true if blocks of all heaps are as large as the room up to the next one says.
    pub(super) fn is_dense(&self) -> bool {
        self.heaps.iter().all(|heap| heap.allocator.is_dense())
    }

    /// Bytes between a block's last and the next one's first.
    pub(super) fn gap(&self) -> u64 {
        self.gap
    }

    /// The bytes of the block at a granule, as far as they can hold pointers.
    fn contents(&self, granule: u32) -> Range<u64> {
        contents(&self.starts, self.gap, granule)
    }

    /// Follows all pointers from `roots`; `parent` is called with each block reached and the one that led there first,
    /// as granules. Levels are by address, for memory is quicker in order.
    fn mark(&mut self, roots: &Roots, mut parent: impl FnMut(&Starts, u32, u32)) {
        let Graph { view, starts, unknown, gap, .. } = self;
        let (memory, gap) = (view.memory(), *gap);
        starts.keep();
        let (mut level, mut next, mut batch) = (Queue::default(), Queue::default(), Vec::new());
        let mut apply = |starts: &mut Starts, next: &mut Queue, found: Vec<(u32, u32)>| {
            for group in found.chunks(WAITING) {
                starts.touch_granules(group.iter().map(|(granule, _)| *granule));
                next.touch(group.iter().map(|(granule, _)| *granule));
                for &(granule, from) in group {
                    if starts.take(granule) {
                        parent(starts, granule, from);
                        next.push(starts, granule);
                    }
                }
            }
        };
        for range in roots.ranges.iter().chain(unknown.iter()) {
            for start in range.clone().step_by(PARTS as usize) {
                let mut front = Front::new(starts);
                view.words(start..range.end.min(start.saturating_add(PARTS)), |_, value| front.add(value, NONE));
                let found = front.finish();
                apply(starts, &mut next, found);
            }
        }
        let mut front = Front::new(starts);
        roots.values.iter().for_each(|(value, _)| _ = front.add(*value, NONE));
        let found = front.finish();
        apply(starts, &mut next, found);
        loop {
            level.take(&mut batch);
            if batch.is_empty() {
                std::mem::swap(&mut level, &mut next);
                level.take(&mut batch);
            }
            if batch.is_empty() {
                return;
            }
            let read = |starts: &Starts, parts: &[BlockPart]| {
                let (view, mut front) = (View::new(memory), Front::new(starts));
                for group in parts.chunks(AHEAD) {
                    touch(&view, starts, group);
                    for part in group {
                        let start = starts.address(part.granule);
                        view.words(start + part.from..start + part.to, |_, value| front.add(value, part.granule));
                    }
                }
                front.finish()
            };
            in_parts(
                starts,
                &batch,
                |starts, granule| contents(starts, gap, granule),
                read,
                |starts, found| apply(starts, &mut next, found),
            );
        }
    }

    /// The used blocks that nothing reachable points to, in the order of their heaps or by address; not those that a
    /// garbage collector frees. After them come pages that a program lost as a whole, as one block of unknown state where
    /// several follow each other.
    pub fn leaks(&mut self, roots: &Roots, mut each: impl FnMut(&Block)) {
        self.mark(roots, |_, _, _| {});
        // The blocks that were not reached are still open.
        if self.is_dense() {
            for second in [false, true] {
                half_of_open(&self.starts, self.gap, second, |_, block| each(block));
            }
            self.starts.reopen();
            return;
        }
        for heap in self.heaps.iter() {
            let blocks = heap.blocks(self.view).filter_map(Result::ok);
            for block in blocks.filter(|block| block.state == State::Used) {
                let managed =
                    heap.allocator.collected() && (block.class.is_some() || heap.kind == super::AllocatorKind::Go);
                if !managed && self.starts.open_at(block.address).is_some() {
                    each(&block);
                }
            }
        }
        for pages in self.lost_pages(roots) {
            each(&Block::new(pages.start, pages.end - pages.start, State::Unknown));
        }
        self.starts.reopen();
    }

    /// The rows of adjacent pages of Zig's that nothing outside of them points to, once all that can be reached is
    /// marked. Such a page is in no list of free blocks, so that all of it belongs to blocks that the program once got:
    /// where they begin is not known, but none of them begins in an adjacent page, of which everything is known.
    fn lost_pages(&self, roots: &Roots) -> Vec<Range<u64>> {
        let mut rows: Vec<Range<u64>> = Vec::new();
        for heap in self.heaps.iter().filter(|heap| heap.allocator.may_lose_pages()) {
            let blocks = heap.blocks(self.view).filter_map(Result::ok);
            for block in blocks.filter(|block| block.state == State::Unknown) {
                match rows.last_mut() {
                    Some(row) if row.end == block.address => row.end = block.end(),
                    _ => rows.push(block.address..block.end()),
                }
            }
        }
        if rows.is_empty() {
            return rows;
        }
        let row_at = |address: u64| {
            let next = rows.partition_point(|row| row.end <= address);
            rows.get(next).is_some_and(|row| row.start <= address).then_some(next)
        };
        let mut is_lost = vec![true; rows.len()];
        let mut count = |from: Option<u64>, value: u64| {
            if let Some(row) = row_at(value).filter(|row| from.and_then(row_at) != Some(*row)) {
                is_lost[row] = false;
            }
            true
        };
        roots.values.iter().for_each(|(value, _)| _ = count(None, *value));
        for range in roots.ranges.iter().chain(&self.unknown) {
            self.view.words(range.clone(), |address, value| count(Some(address), value));
        }
        for heap in self.heaps {
            let used = heap.blocks(self.view).filter_map(Result::ok).filter(|block| block.state == State::Used);
            for block in used.filter(|block| self.starts.open_at(block.address).is_none()) {
                self.view.words(block.address..block.end(), |_, value| count(None, value));
            }
        }
        rows.into_iter().zip(is_lost).filter_map(|(row, is_lost)| is_lost.then_some(row)).collect()
    }

    /// A shortest chain of pointers from a root to the block that holds `address`, the root first; `None` if there is
    /// none.
    pub fn path_to(&mut self, roots: &Roots, address: u64) -> Option<Vec<ChainStep>> {
        let mut at = self.starts.containing(address)?;
        let mut parents = vec![NONE; self.starts.len()];
        self.mark(roots, |starts, granule, parent| parents[starts.rank(granule)] = parent);
        let reached = !self.starts.is_open(at);
        self.starts.reopen();
        // A block that is not open now is free, and was never reached.
        if !reached || !self.starts.is_open(at) {
            return None;
        }
        let mut steps = Vec::new();
        loop {
            let parent = parents[self.starts.rank(at)];
            if parent == NONE {
                break;
            }
            let block = self.starts.address(parent);
            let (address, value) = self.pointer_into(self.contents(parent), at)?;
            steps.push(ChainStep::Block { block, offset: address - block, value });
            at = parent;
        }
        let root = roots.values.iter().find(|(value, _)| self.starts.containing(*value) == Some(at));
        steps.push(match root {
            Some((value, place)) => ChainStep::Value { place: place.clone(), value: *value },
            None => {
                let ranges = roots.ranges.iter().chain(&self.unknown);
                let (address, value) = ranges.cloned().find_map(|range| self.pointer_into(range, at))?;
                ChainStep::Memory { address, value }
            }
        });
        steps.reverse();
        Some(steps)
    }

    /// The first word in `range` that points to the block at a granule: its address and what it holds.
    fn pointer_into(&self, range: Range<u64>, granule: u32) -> Option<(u64, u64)> {
        let mut found = None;
        self.view.words(range, |address, value| {
            found = (self.starts.containing(value) == Some(granule)).then_some((address, value));
            found.is_none()
        });
        found
    }

    /// Counts the pointers to each block, by its number: those from `roots` and from used blocks.
    pub fn pointers(&self, roots: &Roots) -> Pointers<'_> {
        let mut counts = vec![0u32; self.starts.len()];
        let mut count = |value: u64| {
            if let Some(granule) = self.starts.containing(value) {
                let count = &mut counts[self.starts.rank(granule)];
                *count = count.saturating_add(1);
            }
        };
        roots.values.iter().for_each(|(value, _)| count(*value));
        for range in roots.ranges.iter().chain(&self.unknown) {
            self.view.words(range.clone(), |_, value| {
                count(value);
                true
            });
        }
        for heap in self.heaps {
            for block in heap.blocks(self.view).filter_map(Result::ok).filter(|block| block.state == State::Used) {
                self.view.words(block.address..block.end(), |_, value| {
                    count(value);
                    true
                });
            }
        }
        Pointers { starts: &self.starts, counts }
    }
}

/// The number of pointers to each block.
pub struct Pointers<'g> {
    starts: &'g Starts,
    counts: Vec<u32>,
}

impl Pointers<'_> {
    /// Returns the number of words that point to a block.
    pub fn to(&self, block: &Block) -> u32 {
        let granule = self.starts.containing(block.address);
        granule.map_or(0, |granule| self.counts[self.starts.rank(granule)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_gone_over_in_order_and_in_halves_of_as_many_bytes() {
        let contents = |_: &Vec<u64>, granule: u32| 0..u64::from(granule % 7) * 40_000;
        let granules: Vec<u32> = (0..200).collect();
        let mut halves: Vec<u64> = Vec::new();
        let mut order = Vec::new();
        let read = |_: &Vec<u64>, parts: &[BlockPart]| parts.to_vec();
        in_parts(&mut halves, &granules, contents, read, |halves, parts| {
            halves.push(parts.iter().map(|part| part.to - part.from).sum::<u64>());
            order.extend(parts.iter().map(|part| (part.granule, part.from)));
        });
        assert_eq!(
            halves.iter().sum::<u64>(),
            granules.iter().map(|granule| contents(&halves, *granule).end).sum::<u64>()
        );
        assert!(order.is_sorted() && granules.iter().all(|granule| order.contains(&(*granule, 0))));
        assert!(halves.len() > 4 && halves.chunks(2).all(|pair| pair[0].abs_diff(pair[1]) <= 2 * PART), "{halves:?}");
    }
}
