//! The contents of a heap in numbers.

use super::block::{Block, Damage, State};
use super::{Blocks, Heap, View};

/// A number of blocks and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Blocks.
    pub blocks: u64,
    /// Bytes of them that are the program's to use.
    pub bytes: u64,
}

impl Count {
    /// Counts a block.
    pub fn add(&mut self, block: &Block) {
        self.blocks += 1;
        self.bytes = self.bytes.saturating_add(block.size);
    }

    /// Adds what was counted elsewhere.
    pub fn join(&mut self, other: Count) {
        self.blocks += other.blocks;
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// Blocks of about the same size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Class {
    /// The size in bytes that the blocks of this class have at least, a power of two (or 0); the next class begins at
    /// twice.
    pub from: u64,
    /// The used ones.
    pub used: Count,
    /// The free ones.
    pub free: Count,
}

/// The numbers of one heap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Blocks that the program has.
    pub used: Count,
    /// Blocks that the allocator may hand out.
    pub free: Count,
    /// Stretches of used blocks of which the allocator does not keep where one ends.
    pub several: Count,
    /// Blocks of which the allocator does not keep whether they are used.
    pub unknown: Count,
    /// Size of the largest free block, in bytes.
    pub largest_free: u64,
    /// The blocks by their size; only classes that have any.
    pub classes: Vec<Class>,
    /// The places where the records are broken, so that blocks are missing from the numbers.
    pub damage: Vec<Damage>,
}

impl Survey {
    /// Counts all blocks of a heap.
    pub fn new(heap: &Heap, view: &View<'_>) -> Survey {
        Survey::each(heap, view, |_| {})
    }

    /// Counts all blocks of a heap, and shows `each` of them to somebody on the way.
    pub fn each(heap: &Heap, view: &View<'_>, each: impl FnMut(&Block)) -> Survey {
        Survey::count(heap.blocks(view), each)
    }

    /// The numbers of some of a heap's blocks.
    pub(super) fn count(blocks: Blocks<'_>, mut each: impl FnMut(&Block)) -> Survey {
        let mut survey = Survey::default();
        let mut classes = [Class::default(); 65];
        for block in blocks {
            let block = match block {
                Ok(block) => block,
                Err(damage) => {
                    survey.damage.push(damage);
                    continue;
                }
            };
            each(&block);
            let class = &mut classes[(u64::BITS - block.size.leading_zeros()) as usize];
            match block.state {
                State::Used => {
                    survey.used.add(&block);
                    class.used.add(&block);
                }
                State::Free => {
                    survey.free.add(&block);
                    class.free.add(&block);
                    survey.largest_free = survey.largest_free.max(block.size);
                }
                State::Several => survey.several.add(&block),
                State::Unknown => survey.unknown.add(&block),
            }
        }
        let bounds = (0..65u32).map(|bits| bits.checked_sub(1).map_or(0, |bit| 1u64 << bit));
        let classes = classes.into_iter().zip(bounds).map(|(class, from)| Class { from, ..class });
        survey.classes = classes.filter(|class| class.used.blocks + class.free.blocks > 0).collect();
        survey
    }

    /// Adds what was counted of other blocks.
    pub(super) fn join(&mut self, other: Survey) {
        let Survey { used, free, several, unknown, largest_free, classes, damage } = other;
        self.used.join(used);
        self.free.join(free);
        self.several.join(several);
        self.unknown.join(unknown);
        self.largest_free = self.largest_free.max(largest_free);
        for class in classes {
            match self.classes.binary_search_by_key(&class.from, |own| own.from) {
                Ok(at) => {
                    self.classes[at].used.join(class.used);
                    self.classes[at].free.join(class.free);
                }
                Err(at) => self.classes.insert(at, class),
            }
        }
        self.damage.extend(damage);
    }

    /// Returns the share of the free bytes that are not in the largest free block, in percent; `None` if none are free.
    pub fn fragmentation(&self) -> Option<u64> {
        let outside = u128::from(self.free.bytes.saturating_sub(self.largest_free)) * 100;
        u64::try_from(outside.checked_div(u128::from(self.free.bytes))?).ok()
    }

    /// Returns the number of blocks that the program has; `None` if the allocator does not record where each ends.
    pub fn blocks_used(&self) -> Option<u64> {
        (self.several.blocks == 0).then_some(self.used.blocks)
    }

    /// Returns the number of bytes that the program has.
    pub fn bytes_used(&self) -> u64 {
        self.used.bytes.saturating_add(self.several.bytes)
    }
}
