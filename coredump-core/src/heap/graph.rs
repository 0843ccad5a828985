//! Which blocks point to which, and which of them the program can still reach.
//!
//! Every word that is an address in a used block counts as a pointer to it, also one to its inside and one to the byte
//! after its last, which no allocator gives to the next block. For nothing tells numbers and pointers apart. So a block may be taken for reachable that is not, but
//! none that is reachable for lost, unless the program keeps pointers unaligned or hidden.

use std::ops::Range;

use super::block::{Block, Damage, State};
use super::starts::Starts;
use super::{Heap, View};

/// Blocks of all heaps of one memory.
pub struct Graph<'h, 'v> {
    heaps: &'h [Heap],
    view: &'v View<'v>,
    starts: Starts,
    /// By number of the block: there is nothing to follow, for it is free or was reached.
    seen: Vec<u64>,
    /// Blocks of which it is not known whether they are used.
    unknown: Vec<Range<u64>>,
    /// Bytes between a block's last and the next one's first.
    gap: u64,
    /// Where the records of a heap are broken.
    pub damage: Vec<Damage>,
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

/// No block: the parent of one that a root points to.
const NONE: u32 = u32::MAX;

impl<'h, 'v> Graph<'h, 'v> {
    /// The blocks of all `heaps` of one memory; `None` if there are none, or they are spread too far to be listed.
    pub fn new(heaps: &'h [Heap], view: &'v View<'v>) -> Option<Graph<'h, 'v>> {
        let ranges = || heaps.iter().flat_map(|heap| &heap.ranges);
        let start = ranges().map(|range| range.start).min()?;
        let end = ranges().map(|range| range.end).max()?;
        let gap = heaps.iter().map(|heap| heap.allocator.gap()).min()?;
        let shift = heaps.iter().map(|heap| heap.allocator.alignment().ilog2()).min()?;
        let mut starts = Starts::new(start..end.saturating_add(64), shift)?;
        let granule = 1 << shift;
        for heap in heaps {
            let gap = heap.allocator.gap();
            let mut last: Option<Block> = None;
            for block in heap.blocks(view).filter_map(Result::ok) {
                // Where no block follows, the room after one begins where a block would.
                let behind = |last: Block| last.end().next_multiple_of(granule) + gap;
                if let Some(end) = last.map(behind).filter(|&end| end < block.address) {
                    starts.insert(end);
                }
                starts.insert(block.address);
                last = Some(block);
            }
            if let Some(last) = last {
                starts.insert(last.end().next_multiple_of(granule) + gap);
            }
        }
        starts.finish();
        let seen = vec![u64::MAX; starts.len() / 64 + 1];
        let mut graph = Graph { heaps, view, starts, seen, unknown: Vec::new(), gap, damage: Vec::new() };
        graph.reset();
        Some(graph)
    }

    /// Forgets what was reached.
    fn reset(&mut self) {
        self.seen.fill(u64::MAX);
        self.unknown.clear();
        self.damage.clear();
        for heap in self.heaps {
            for block in heap.blocks(self.view) {
                match block {
                    Err(damage) => self.damage.push(damage),
                    Ok(block) => match block.state {
                        State::Free => {}
                        State::Unknown => self.unknown.push(block.address..block.end()),
                        State::Used => {
                            if let Some(granule) = self.starts.containing(block.address) {
                                let number = self.starts.rank(granule);
                                self.seen[number / 64] &= !(1 << (number % 64));
                            }
                        }
                    },
                }
            }
        }
    }

    #[inline]
    fn is_seen(&self, number: usize) -> bool {
        self.seen[number / 64] >> (number % 64) & 1 == 1
    }

    /// The used block that an address points to, which was not reached yet, by its granule and number.
    #[inline]
    fn reach(&mut self, address: u64) -> Option<(u32, usize)> {
        let granule = self.starts.containing(address)?;
        let number = self.starts.rank(granule);
        if self.is_seen(number) {
            return None;
        }
        self.seen[number / 64] |= 1 << (number % 64);
        Some((granule, number))
    }

    /// The used block that begins at an address, by its granule and number.
    #[inline]
    pub(super) fn used_at(&self, address: u64) -> Option<(u32, usize)> {
        let granule = self.starts.containing(address)?;
        let number = self.starts.rank(granule);
        (self.starts.address(granule) == address && !self.is_seen(number)).then_some((granule, number))
    }

    /// The number of the block at an address, below [`Graph::len`].
    pub(super) fn number(&self, address: u64) -> Option<usize> {
        self.starts.containing(address).map(|granule| self.starts.rank(granule))
    }

    /// How many numbers there are.
    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// The memory.
    pub(super) fn view(&self) -> &'v View<'v> {
        self.view
    }

    /// The heaps.
    pub fn heaps(&self) -> &'h [Heap] {
        self.heaps
    }

    /// The bytes of the block at a granule, as far as they can hold pointers.
    pub(super) fn contents(&self, granule: u32) -> Range<u64> {
        let start = self.starts.address(granule);
        let end = self.starts.after(granule).map_or(start, |next| self.starts.address(next));
        start..end.saturating_sub(self.gap).max(start)
    }

    /// Follows all pointers from `roots`; `parent` is called with each block reached and the one that led there first.
    /// Levels are sorted by address, for memory is quicker in order.
    fn mark(&mut self, roots: &Roots, mut parent: impl FnMut(usize, u32)) {
        let mut level: Vec<u32> = Vec::new();
        for &(value, _) in &roots.values {
            if let Some((granule, number)) = self.reach(value) {
                parent(number, NONE);
                level.push(granule);
            }
        }
        let view = self.view;
        let unknown = std::mem::take(&mut self.unknown);
        for range in roots.ranges.iter().chain(&unknown) {
            view.words(range.clone(), |_, value| {
                if let Some((granule, number)) = self.reach(value) {
                    parent(number, NONE);
                    level.push(granule);
                }
                true
            });
        }
        self.unknown = unknown;
        let mut next = Vec::new();
        while !level.is_empty() {
            level.sort_unstable();
            for &block in &level {
                view.words(self.contents(block), |_, value| {
                    if let Some((granule, number)) = self.reach(value) {
                        parent(number, block);
                        next.push(granule);
                    }
                    true
                });
            }
            level.clear();
            std::mem::swap(&mut level, &mut next);
        }
    }

    /// The used blocks that nothing reachable points to, in the order of their heaps; not those that a garbage collector
    /// frees.
    pub fn leaks(&mut self, roots: &Roots, mut each: impl FnMut(&Block)) {
        self.mark(roots, |_, _| {});
        for heap in self.heaps.iter() {
            let blocks = heap.blocks(self.view).filter_map(Result::ok);
            for block in blocks.filter(|block| block.state == State::Used) {
                let managed = heap.allocator.collected() && (block.class.is_some() || heap.kind == super::Kind::Go);
                let reached =
                    self.starts.containing(block.address).is_none_or(|granule| self.is_seen(self.starts.rank(granule)));
                if !managed && !reached {
                    each(&block);
                }
            }
        }
        self.reset();
    }

    /// A shortest chain of pointers from a root to the block that holds `address`, the root first; `None` if there is none.
    pub fn path_to(&mut self, roots: &Roots, address: u64) -> Option<Vec<Step>> {
        let mut at = self.starts.containing(address)?;
        let mut parents = vec![NONE; self.starts.len()];
        let mut reached = vec![0u64; self.starts.len() / 64 + 1];
        self.mark(roots, |number, parent| {
            parents[number] = parent;
            reached[number / 64] |= 1 << (number % 64);
        });
        let number = self.starts.rank(at);
        self.reset();
        if reached[number / 64] >> (number % 64) & 1 == 0 {
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
