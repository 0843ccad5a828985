//! What a heap holds, in numbers.

use super::block::{Block, Damage, State};
use super::{Heap, View};

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
}

/// Blocks of about the same size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Class {
    /// The size in bytes that the blocks of this class have at least, a power of two (or 0); the next class begins at twice.
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
    /// Blocks of which the allocator does not keep whether they are used.
    pub unknown: Count,
    /// Size of the largest free block, in bytes.
    pub largest_free: u64,
    /// By size; only classes that have blocks.
    pub classes: Vec<Class>,
    /// Where the records are broken, so that blocks are missing from the numbers.
    pub damage: Vec<Damage>,
}

impl Survey {
    /// Counts all blocks of a heap.
    pub fn of(heap: &Heap, view: &View<'_>) -> Survey {
        let mut survey = Survey::default();
        let mut classes = [Class::default(); 65];
        for block in heap.blocks(view) {
            let block = match block {
                Ok(block) => block,
                Err(damage) => {
                    survey.damage.push(damage);
                    continue;
                }
            };
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
                State::Unknown => survey.unknown.add(&block),
            }
        }
        let bounds = (0..65u32).map(|bits| bits.checked_sub(1).map_or(0, |bit| 1u64 << bit));
        let classes = classes.into_iter().zip(bounds).map(|(class, from)| Class { from, ..class });
        survey.classes = classes.filter(|class| class.used.blocks + class.free.blocks > 0).collect();
        survey
    }
}
