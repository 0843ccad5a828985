//! Zig's general-purpose allocator, `std.heap.DebugAllocator` (0.17), which takes pages from another allocator.
//!
//! A page has slots of one size, a power of two, and after them a header: how many slots were used and how many of
//! these were freed again, two links, a canary (the counts are last in a 64-bit memory), a bit for each slot that is
//! used; where safety is on also the bytes that were asked for and alignments. The place of the header follows from the
//! size of the slots, which is written nowhere. Slots are used once.
//!
//! Larger blocks are the other allocator's own, and listed in a hash table, which lies in such a block, too: addresses
//! of values and keys, a capacity, then a byte for each place, of which the highest bit says that it is used, the keys
//! (the blocks' addresses), and the values, which begin with the same address and the bytes that were asked for.

use super::block::{Block, State};
use super::view::View;

/// Bytes of a page.
const PAGE: u64 = 65536;
/// The canary, unless the program chooses another one.
const CANARY: u64 = 0x9232_a6ff_85df_f10f;
/// Sizes of slots, from 1 byte on: two slots of the largest one fit a page.
const CLASSES: u32 = 15;

/// A page of slots.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    page: u64,
    /// Bytes of a slot.
    slot: u64,
    /// Slots there are.
    slots: u64,
    /// Slots that were ever used.
    used: u64,
    /// The address of the bits of the slots.
    bits: u64,
    /// The address of the sizes that were asked for, in bytes; each is a number of 2 bytes.
    sizes: Option<u64>,
}

/// Slots of a page, and where the header lies in it.
fn layout(width: u64, class: u32, safe: bool) -> (u64, u64) {
    let header = 2 * 4 + 3 * width;
    // The header and all that follows it.
    let size = |slots: u64| {
        let bits = header + slots.div_ceil(8 * width) * width;
        if safe { (bits.next_multiple_of(2) + 3 * slots).next_multiple_of(width) } else { bits }
    };
    let fits = |slots: u64| (slots << class).next_multiple_of(width) + size(slots) <= PAGE;
    // By halves as the library does it, which may leave room for one more.
    let (mut low, mut high) = (2, (PAGE - size(2)) >> class);
    while high > low {
        let middle = low + (high - low) / 2;
        if middle == low {
            break;
        }
        if fits(middle) { low = middle } else { high = middle - 1 }
    }
    (low, (PAGE - size(low)) / width * width)
}

impl Bucket {
    /// The slots of the page at `page`, if there are any, all records of them agree, and those of no others do.
    pub fn at(view: &View<'_>, page: u64) -> Option<Bucket> {
        let width = view.width();
        let canary = if width == 4 { CANARY & u64::from(u32::MAX) } else { CANARY };
        let layouts = (0..CLASSES).flat_map(|class| [(class, true), (class, false)]);
        let buckets = layouts.filter_map(|(class, safe)| {
            let (slots, header) = layout(width, class, safe);
            let header = page + header;
            // Zig puts members in the order of their alignment: two counts of 4 bytes, two links and the canary.
            let (counts, words) = if width == 4 { (header, header + 8) } else { (header + 3 * width, header) };
            if view.word(words + 2 * width) != Some(canary) {
                return None;
            }
            let (used, freed) = (u64::from(view.u32(counts)?), u64::from(view.u32(counts + 4)?));
            let bits = header + 8 + 3 * width;
            let sizes = safe.then(|| (bits + slots.div_ceil(8 * width) * width).next_multiple_of(2));
            let bucket = Bucket { page, slot: 1 << class, slots, used, bits, sizes };
            // The bits of slots that were never used are whatever the page held before: the library takes pages for
            // zeroed (0.17), which those of wasm are not.
            let mut live = 0;
            for slot in 0..Some(used).filter(|used| *used <= slots)? {
                live += u64::from(bucket.is_used(view, slot)?);
            }
            (used.checked_sub(freed) == Some(live)).then_some((live, bucket))
        });
        // A page that was given back and taken again still has the header of before, with no slot in use; or what is
        // left of it says so by chance, but not with sizes that would be in slots of its own.
        let buckets: Vec<_> = buckets.collect();
        let live: Vec<_> = buckets.iter().filter(|(live, _)| *live > 0).collect();
        let mut fitting = live.iter().filter(|(_, bucket)| bucket.fits(view));
        match (live.as_slice(), fitting.next(), fitting.next(), buckets.as_slice()) {
            ([(_, bucket)], ..) | ([_, _, ..], Some((_, bucket)), None, _) | ([], _, _, [(_, bucket)]) => Some(*bucket),
            _ => None,
        }
    }

    /// Returns true if the sizes and alignments of all blocks in use need slots as large as these.
    fn fits(&self, view: &View<'_>) -> bool {
        // Without safety nothing speaks for them.
        let Some(sizes) = self.sizes else { return false };
        let mut in_use = (0..self.used).filter(|&slot| self.is_used(view, slot) == Some(true));
        in_use.all(|slot| {
            let size = view.u16(sizes + 2 * slot).map(u64::from).unwrap_or(0);
            let alignment = view.u8(sizes + 2 * self.slots + slot).and_then(|log| 1u64.checked_shl(u32::from(log)));
            alignment.is_some_and(|alignment| size.max(alignment).next_power_of_two() == self.slot)
        })
    }

    fn is_used(&self, view: &View<'_>, slot: u64) -> Option<bool> {
        Some(view.u8(self.bits + slot / 8)? >> (slot % 8) & 1 == 1)
    }

    /// The block in a slot; `None` from the first one on that was never used.
    pub fn block(&self, view: &View<'_>, slot: u64) -> Option<Block> {
        let state = if self.is_used(view, slot).filter(|_| slot < self.used)? { State::Used } else { State::Free };
        let requested = self.sizes.and_then(|sizes| view.u16(sizes + 2 * slot)).map(u64::from);
        let requested = requested.filter(|&size| state == State::Used && size <= self.slot);
        Some(Block { requested, ..Block::new(self.page + slot * self.slot, self.slot, state) })
    }
}

/// Capacities of a table of larger blocks: powers of two from the library's smallest one up to what memory has room
/// for.
const CAPACITIES: std::ops::RangeInclusive<u32> = 8..=1 << 24;
/// Words of a value: a slice, then what the program's configuration adds.
const VALUE_WORDS: std::ops::RangeInclusive<u64> = 2..=8;

/// A table of larger blocks.
#[derive(Debug)]
pub struct LargeTable {
    /// Bytes from its start to the end of its last value.
    pub len: u64,
    /// The blocks.
    pub blocks: Vec<Large>,
}

/// A larger block.
#[derive(Clone, Copy, Debug)]
pub struct Large {
    /// Its address.
    pub address: u64,
    /// The bytes that were asked for.
    pub len: u64,
    /// The end of its value, where that has more than a slice.
    last: Option<u64>,
    /// True if it was given back. It is kept all the same, as the program has configured it.
    pub freed: bool,
}

impl LargeTable {
    /// Bytes of the smallest table: its head, and a byte, a key and a value for each place.
    pub fn smallest(width: u64) -> u64 {
        3 * width + u64::from(*CAPACITIES.start()) * (1 + 3 * width)
    }

    /// The table that begins at `at` and ends before `end`, if there is one; without a block only if it may be `empty`.
    /// `work` is what may be spent on it yet, in bytes.
    pub fn at(view: &View<'_>, at: u64, end: u64, empty: bool, work: &mut u64) -> Option<LargeTable> {
        let width = view.width();
        let (values, keys) = (view.word(at)?, view.word(at + width)?);
        let capacity = view.u32(at + 2 * width).filter(|capacity| CAPACITIES.contains(capacity))?;
        let (places, capacity) = (at + 3 * width, u64::from(capacity));
        let agree = capacity.is_power_of_two()
            && keys == (places + capacity).next_multiple_of(width)
            && values == keys + capacity * width
            && values + capacity * 2 * width <= end;
        if !agree {
            return None;
        }
        *work = work.checked_sub(capacity)?;
        let is_used = |place: &u64| view.u8(places + place).is_some_and(|state| state >= 0x80);
        let used: Vec<u64> = (0..capacity).filter(is_used).collect();
        let of = |place: u64, words: u64| {
            let (key, value) = (view.word(keys + place * width)?, values + place * words * width);
            let len = view.word(value + width).filter(|&len| len > 0)?;
            let whole = view.word(value) == Some(key) && key.checked_add(len)? <= view.memory().size;
            let last = (words > 2).then(|| view.word(value + (words - 1) * width)).flatten();
            whole.then_some(Large { address: key, len, last, freed: false })
        };
        let (words, mut blocks) = VALUE_WORDS
            .filter(|_| empty || !used.is_empty())
            .find_map(|words| Some((words, used.iter().map(|&place| of(place, words)).collect::<Option<Vec<_>>>()?)))?;
        // Some configurations keep what was given back, and say so in the first byte of a last word, of which the
        // others hold whatever was there; some have the bytes that were asked for once more.
        let is_flag = |block: &Large| block.last.is_some_and(|last| last & 0xff <= 1 && last != block.len);
        if blocks.iter().all(is_flag) {
            blocks.iter_mut().for_each(|block| block.freed = block.last.is_some_and(|last| last & 1 == 1));
        }
        Some(LargeTable { len: values + capacity * words * width - at, blocks })
    }
}

#[cfg(test)]
mod tests {
    use super::layout;

    #[test]
    fn a_page_has_as_many_slots_as_the_library_puts_there() {
        // There would be room for a third.
        assert_eq!(layout(4, 14, true).0, 2);
        for class in 0..15 {
            let (slots, header) = layout(4, class, true);
            assert!(slots << class <= header && header % 4 == 0, "{class}: {slots} {header}");
        }
    }
}
