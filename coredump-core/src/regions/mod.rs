//! Divides a memory by use: data segments, shadow stack, heap; and finds the symbol that an address belongs to.
//!
//! A dump does not record this. The verified binary shows it, if it follows the conventions of LLVM's linker
//! (tool-conventions `BasicCABI.md`, wasm-ld's layout), which AssemblyScript shares: data segments, a stack that grows
//! downwards, and the heap up to the memory's end. Ranges that these leave open stay unknown: nothing is guessed.

mod constants;
mod initial;
mod layout;
mod overrun;
mod symbols;

use std::fmt;
use std::ops::Range;

pub use constants::{Changed, changed_constants, unchanged_constants};
pub use initial::initial;
pub use layout::{Owner, STACK_POINTER, global_names, owners};
pub use overrun::{Overrun, overrun, stack_pointer};
pub use symbols::{Symbol, Symbols, shapes};

use crate::binaries::Binaries;
use crate::model::CoreDump;

/// The use of a region of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Initialised by a data segment.
    Data,
    /// Static data that starts as zero.
    Bss,
    /// The shadow stack: frames of functions that were running.
    Stack,
    /// The part of the shadow stack that was not in use, with the remains of frames that have ended.
    FreeStack,
    /// Static data that starts as zero, then unused stack: the binary does not say where the data ends.
    BssOrFreeStack,
    /// The heap.
    Heap,
    /// Static data that starts as zero, then the heap: the binary does not say where the data ends.
    BssOrHeap,
    /// Its use is not known.
    Unknown,
}

impl Use {
    /// The stable name, as it appears in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Use::Data => "data",
            Use::Bss => "bss",
            Use::Stack => "stack",
            Use::FreeStack => "free stack",
            Use::BssOrFreeStack => "bss or free stack",
            Use::Heap => "heap",
            Use::BssOrHeap => "bss or heap",
            Use::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A region of a memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// Its addresses.
    pub range: Range<u64>,
    /// Its use.
    pub r#use: Use,
    /// The name of a data segment, as `.rodata`, if it has one.
    pub name: Option<String>,
}

impl Region {
    /// A label for it: its own name, else that of its use.
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(self.r#use.name())
    }
}

/// The regions of one memory, by address and without gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regions(Vec<Region>);

impl Regions {
    /// The regions of the dump's memory with this index; without a verified binary, a single unknown one.
    pub fn new(dump: &CoreDump<'_>, binaries: &Binaries, memory: u32) -> Regions {
        let size = dump.memories.get(memory as usize).map_or(0, |memory| memory.size);
        Regions::fill(layout::regions(dump, binaries, memory, size), size)
    }

    /// Sorts and clips the regions, and fills gaps with unknown ones. If two overlap, the first in the list counts.
    fn fill(mut regions: Vec<Region>, size: u64) -> Regions {
        regions.sort_by_key(|region| region.range.start);
        let mut all: Vec<Region> = Vec::with_capacity(regions.len() + 2);
        let unknown = |range| Region { range, r#use: Use::Unknown, name: None };
        let mut at = 0;
        for mut region in regions {
            region.range.start = region.range.start.max(at);
            region.range.end = region.range.end.min(size);
            if region.range.is_empty() {
                continue;
            }
            if at < region.range.start {
                all.push(unknown(at..region.range.start));
            }
            at = region.range.end;
            all.push(region);
        }
        if at < size {
            all.push(unknown(at..size));
        }
        Regions(all)
    }

    /// All regions, by address and without gaps.
    pub fn iter(&self) -> impl Iterator<Item = &Region> {
        self.0.iter()
    }

    /// The regions that a range overlaps.
    pub fn within(&self, range: Range<u64>) -> impl Iterator<Item = &Region> {
        let first = self.0.partition_point(|region| region.range.end <= range.start);
        self.0[first..].iter().take_while(move |region| region.range.start < range.end)
    }

    /// The region that an address lies in; `None` outside of the memory.
    pub fn at(&self, address: u64) -> Option<&Region> {
        let region = self.0.get(self.0.partition_point(|region| region.range.end <= address))?;
        region.range.contains(&address).then_some(region)
    }

    /// Returns true if any region's use is known.
    pub fn is_known(&self) -> bool {
        self.0.iter().any(|region| region.r#use != Use::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_the_memory_once() {
        let part = |range, r#use| Region { range, r#use, name: None };
        let parts = vec![part(50..200, Use::Heap), part(10..30, Use::Data), part(20..40, Use::Stack)];
        let regions = Regions::fill(parts, 100);
        let all: Vec<_> = regions.iter().map(|region| (region.range.clone(), region.r#use)).collect();
        assert_eq!(
            all,
            [
                (0..10, Use::Unknown),
                (10..30, Use::Data),
                (30..40, Use::Stack),
                (40..50, Use::Unknown),
                (50..100, Use::Heap),
            ]
        );
        assert_eq!(regions.at(29).unwrap().r#use, Use::Data);
        assert_eq!(regions.at(99).unwrap().r#use, Use::Heap);
        assert_eq!(regions.at(100), None);
    }
}
