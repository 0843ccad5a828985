//! Which blocks point to which, and which of them the program can still reach.
//!
//! Every word that is an address in a used block counts as a pointer to it, also one to its inside and one to the byte
//! after its last, which no allocator gives to the next block. For nothing tells numbers and pointers apart. So a block may
//! be taken for reachable that is not, but none that is reachable for lost, unless the program keeps pointers unaligned or
//! hidden.

use std::ops::Range;

use super::block::{Block, Damage, State};
use super::starts::{Queue, Starts};
use super::survey::Survey;
use super::{Heap, View};

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

/// Where a chain of pointers begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roots {
    /// Parts of the memory: static data, stack.
    pub ranges: Vec<Range<u64>>,
    /// Values outside of it, and where each is.
    pub values: Vec<(u64, String)>,
    /// What the dump does not hold that may be a root, in words.
    pub missing: Vec<String>,
}

/// A pointer in a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A word outside of the heaps.
    Memory {
        /// Its address.
        address: u64,
        /// The address that it holds.
        value: u64,
    },
    /// A value outside of the memory.
    Value {
        /// Where it is, for a person.
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
fn contents(starts: &Starts, gap: u64, granule: u32) -> Range<u64> {
    let start = starts.address(granule);
    let end = starts.after(granule).map_or(start, |next| starts.address(next));
    start..end.saturating_sub(gap).max(start)
}

/// No block: the parent of one that a root points to.
const NONE: u32 = u32::MAX;

/// Where a walk over the pointers has come to.
struct Front<F> {
    /// Addresses that lead somewhere, and the blocks that hold them. They wait until there are many: the places that they
    /// lead to are all over, and memory is quicker when it is asked for several things at a time.
    waiting: Vec<(u64, u32)>,
    /// The blocks that were reached.
    next: Queue,
    /// Called with each of them, and the one that led there.
    reached: F,
}

/// Addresses that wait.
const WAITING: usize = 256;

/// Blocks that are looked at together, before one after the other is read.
pub(super) const AHEAD: usize = 32;

/// Looks at where these blocks begin, and at what is known of them.
pub(super) fn touch(view: &View<'_>, starts: &Starts, granules: &[u32]) {
    starts.touch_granules(granules);
    view.touch(granules.iter().map(|&granule| starts.address(granule)));
}

impl<F: FnMut(&Starts, u32, u32)> Front<F> {
    /// Follows a value that may be an address. Always `true`: more are wanted.
    #[inline]
    fn add(&mut self, starts: &mut Starts, value: u64, from: u32) -> bool {
        if starts.covers(value) {
            self.waiting.push((value, from));
            if self.waiting.len() == WAITING {
                self.reach(starts);
            }
        }
        true
    }

    fn reach(&mut self, starts: &mut Starts) {
        starts.touch(self.waiting.iter().map(|(value, _)| *value));
        for (value, from) in self.waiting.drain(..) {
            if let Some(granule) = starts.take(value) {
                (self.reached)(starts, granule, from);
                self.next.push(starts, granule);
            }
        }
    }

    /// Takes a `batch` of the blocks of a `level`, or of those that were reached from it. Whether there are any.
    fn advance(&mut self, starts: &mut Starts, level: &mut Queue, batch: &mut Vec<u32>) -> bool {
        level.take(batch);
        if batch.is_empty() {
            self.reach(starts);
            std::mem::swap(level, &mut self.next);
            level.take(batch);
        }
        !batch.is_empty()
    }
}

impl<'h, 'v> Graph<'h, 'v> {
    /// The blocks of all `heaps` of one memory; `None` if there are none, or they are spread too far to be listed.
    pub fn new(heaps: &'h [Heap], view: &'v View<'v>) -> Option<Graph<'h, 'v>> {
        Graph::with(heaps, view, |_, _| {})
    }

    /// The same; `each` is shown every block on the way, with the part of the memory that all of them are in.
    pub(super) fn with(
        heaps: &'h [Heap],
        view: &'v View<'v>,
        mut each: impl FnMut(&Range<u64>, &Block),
    ) -> Option<Graph<'h, 'v>> {
        let ranges = || heaps.iter().flat_map(|heap| &heap.ranges);
        let start = ranges().map(|range| range.start).min()?;
        let end = ranges().map(|range| range.end).max()?;
        let gap = heaps.iter().map(|heap| heap.allocator.gap()).min()?;
        let shift = heaps.iter().map(|heap| heap.allocator.alignment().ilog2()).min()?;
        let range = start..end.saturating_add(64);
        let mut starts = Starts::new(range.clone(), shift)?;
        let mut unknown = Vec::new();
        let granule = 1 << shift;
        let survey = |heap: &Heap| {
            let gap = heap.allocator.gap();
            let mut last: Option<Block> = None;
            // Where no block follows, the room after one begins where a block would.
            let behind = |last: Block| last.end().next_multiple_of(granule) + gap;
            let survey = Survey::each(heap, view, |block| {
                each(&range, block);
                if let Some(end) = last.map(behind).filter(|&end| end < block.address) {
                    starts.insert(end, false);
                }
                starts.insert(block.address, block.state == State::Used);
                if matches!(block.state, State::Several | State::Unknown) {
                    unknown.push(block.address..block.end());
                }
                last = Some(*block);
            });
            if let Some(last) = last {
                starts.insert(behind(last), false);
            }
            survey
        };
        let surveys = heaps.iter().map(survey).collect();
        starts.finish();
        Some(Graph { heaps, view, starts, unknown, gap, surveys })
    }

    /// Where the records of the heaps are broken.
    pub fn damage(&self) -> impl Iterator<Item = &Damage> {
        self.surveys.iter().flat_map(|survey| &survey.damage)
    }

    /// The number of the block at an address, below [`Graph::len`].
    pub(super) fn number(&self, address: u64) -> Option<usize> {
        self.starts.containing(address).map(|granule| self.starts.rank(granule))
    }

    /// How many numbers there are.
    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// Where the blocks begin.
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

    /// Whether blocks of all heaps are as large as the room up to the next one says.
    pub(super) fn is_dense(&self) -> bool {
        self.heaps.iter().all(|heap| heap.allocator.is_dense())
    }

    /// The bytes of the block at a granule, as far as they can hold pointers.
    pub(super) fn contents(&self, granule: u32) -> Range<u64> {
        contents(&self.starts, self.gap, granule)
    }

    /// Calls `each` with the used blocks and their numbers, by address, if the heaps are dense: without a look at the memory.
    pub(super) fn each_used(&self, mut each: impl FnMut(usize, &Block)) {
        let mut granules = self.starts.iter().enumerate().peekable();
        while let Some((number, granule)) = granules.next() {
            if self.starts.is_open(granule) {
                let start = self.starts.address(granule);
                let next = granules.peek().map_or(start, |(_, next)| self.starts.address(*next));
                each(number, &Block::new(start, next.saturating_sub(self.gap).saturating_sub(start), State::Used));
            }
        }
    }

    /// Follows all pointers from `roots`; `parent` is called with each block reached and the one that led there first, as
    /// granules.
    /// Levels are by address, for memory is quicker in order.
    fn mark(&mut self, roots: &Roots, parent: impl FnMut(&Starts, u32, u32)) {
        let Graph { view, starts, unknown, gap, .. } = self;
        starts.keep();
        let mut front = Front { waiting: Vec::with_capacity(WAITING), next: Queue::default(), reached: parent };
        for range in roots.ranges.iter().chain(unknown.iter()) {
            view.words(range.clone(), |_, value| front.add(starts, value, NONE));
        }
        roots.values.iter().for_each(|(value, _)| _ = front.add(starts, *value, NONE));
        let (mut level, mut batch) = (Queue::default(), Vec::new());
        while front.advance(starts, &mut level, &mut batch) {
            for group in batch.chunks(AHEAD) {
                touch(view, starts, group);
                for &block in group {
                    view.words(contents(starts, *gap, block), |_, value| front.add(starts, value, block));
                }
            }
        }
    }

    /// The used blocks that nothing reachable points to, in the order of their heaps; not those that a garbage collector
    /// frees.
    pub fn leaks(&mut self, roots: &Roots, mut each: impl FnMut(&Block)) {
        self.mark(roots, |_, _, _| {});
        for heap in self.heaps.iter() {
            let blocks = heap.blocks(self.view).filter_map(Result::ok);
            for block in blocks.filter(|block| block.state == State::Used) {
                let managed = heap.allocator.collected() && (block.class.is_some() || heap.kind == super::Kind::Go);
                if !managed && self.starts.open_at(block.address).is_some() {
                    each(&block);
                }
            }
        }
        self.starts.reopen();
    }

    /// A shortest chain of pointers from a root to the block that holds `address`, the root first; `None` if there is none.
    pub fn path_to(&mut self, roots: &Roots, address: u64) -> Option<Vec<Step>> {
        let mut at = self.starts.containing(address)?;
        let mut parents = vec![NONE; self.starts.len()];
        self.mark(roots, |starts, granule, parent| parents[starts.rank(granule)] = parent);
        let reached = !self.starts.is_open(at);
        self.starts.reopen();
        // What is not open now is free, and was never reached.
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
            steps.push(Step::Block { block, offset: address - block, value });
            at = parent;
        }
        let root = roots.values.iter().find(|(value, _)| self.starts.containing(*value) == Some(at));
        steps.push(match root {
            Some((value, place)) => Step::Value { place: place.clone(), value: *value },
            None => {
                let ranges = roots.ranges.iter().chain(&self.unknown);
                let (address, value) = ranges.cloned().find_map(|range| self.pointer_into(range, at))?;
                Step::Memory { address, value }
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

    /// How many pointers there are to each block, by its number: from `roots` and from used blocks.
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
    /// How many words point to a block.
    pub fn to(&self, block: &Block) -> u32 {
        let granule = self.starts.containing(block.address);
        granule.map_or(0, |granule| self.counts[self.starts.rank(granule)])
    }
}
