//! A set of addresses in a part of a memory, as a bitmap.

use std::ops::Range;

/// Addresses that are multiples of a granule, within a range.
#[derive(Clone, Debug)]
pub struct Bits {
    start: u64,
    len: u64,
    /// The granule is `1 << shift` bytes.
    shift: u32,
    words: Vec<u64>,
}

/// The most bytes of memory that one set covers: the words of a set are made at once, though none is touched before
/// use.
const MOST: u64 = 64 << 30;

impl Bits {
    /// No address yet of those in `range`, with granules of `1 << shift` bytes; `None` if the range is longer than a
    /// heap that any engine gives.
    pub fn new(range: Range<u64>, shift: u32) -> Option<Bits> {
        let start = range.start >> shift << shift;
        let len = range.end.saturating_sub(start);
        let words = (len <= MOST).then(|| vec![0; (len >> shift) as usize / 64 + 1])?;
        Some(Bits { start, len, shift, words })
    }

    #[inline]
    fn index(&self, address: u64) -> Option<u64> {
        let offset = address.wrapping_sub(self.start);
        (offset < self.len).then_some(offset >> self.shift)
    }

    /// Adds the granule of an address. Returns true if it was not in the set before; an address outside of the range
    /// never gets in.
    #[inline]
    pub fn insert(&mut self, address: u64) -> bool {
        let Some(index) = self.index(address) else { return false };
        let word = &mut self.words[(index / 64) as usize];
        let bit = 1 << (index % 64);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// Adds those of another set of the same range.
    pub fn join(&mut self, other: &Bits) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word |= other);
    }

    /// Returns true if the granule of an address is in the set.
    #[inline]
    pub fn contains(&self, address: u64) -> bool {
        self.index(address).is_some_and(|index| self.words[(index / 64) as usize] >> (index % 64) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_granules_of_its_range_only() {
        let mut bits = Bits::new(0x1000..0x2000, 3).unwrap();
        assert!(bits.insert(0x1008) && !bits.insert(0x100c));
        assert!(!bits.insert(0x2000) && !bits.insert(0xff8));
        assert!(bits.contains(0x1008) && !bits.contains(0x1010) && !bits.contains(0x2000));
        assert!(Bits::new(0..u64::MAX, 3).is_none());
    }
}
