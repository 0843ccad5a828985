//! Where blocks begin, and which block an address is in.

use std::ops::Range;

/// Words of a line of the bitmap, for each of which the blocks before it are counted: a line of the processor's cache.
const LINE: usize = 8;
/// The most bytes of memory that are covered: granules of 8 bytes are counted in 32 bits.
const MOST: u64 = 32 << 30;

/// The starts of the blocks in a part of a memory, as a bitmap. A block reaches up to the next start.
#[derive(Clone, Debug)]
pub struct Starts {
    start: u64,
    /// The granule is `1 << shift` bytes.
    shift: u32,
    words: Vec<u64>,
    /// The number of starts before each line, and the granule of the last one of them.
    lines: Vec<(u32, u32)>,
    count: u32,
}

impl Starts {
    /// An empty set of the starts in `range`; `None` if the range is longer than a heap can be here.
    pub fn new(range: Range<u64>, shift: u32) -> Option<Starts> {
        let start = range.start >> shift << shift;
        let granules = range.end.saturating_sub(start) >> shift;
        let words = (granules << 3 <= MOST).then(|| vec![0; granules as usize / 64 + 1])?;
        Some(Starts { start, shift, words, lines: Vec::new(), count: 0 })
    }

    /// The granule of an address.
    #[inline]
    fn granule(&self, address: u64) -> Option<u32> {
        let granule = address.checked_sub(self.start)? >> self.shift;
        (granule / 64 < self.words.len() as u64).then_some(granule as u32)
    }

    /// The address of a granule.
    #[inline]
    pub fn address(&self, granule: u32) -> u64 {
        self.start + (u64::from(granule) << self.shift)
    }

    /// Adds a start.
    pub fn insert(&mut self, address: u64) {
        if let Some(granule) = self.granule(address) {
            self.words[granule as usize / 64] |= 1 << (granule % 64);
        }
    }

    /// Counts the starts; what is asked for below is right after that only.
    pub fn finish(&mut self) {
        let (mut count, mut last) = (0, u32::MAX);
        self.lines.clear();
        for (line, words) in self.words.chunks(LINE).enumerate() {
            self.lines.push((count, last));
            for (index, word) in words.iter().enumerate().filter(|(_, word)| **word != 0) {
                count += word.count_ones();
                last = ((line * LINE + index) * 64) as u32 + word.ilog2();
            }
        }
        self.count = count;
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// The granule of the last start at or before an address.
    #[inline]
    pub fn containing(&self, address: u64) -> Option<u32> {
        let granule = self.granule(address)?;
        let (index, bit) = (granule as usize / 64, granule % 64);
        let here = self.words[index] & (u64::MAX >> (63 - bit));
        if here != 0 {
            return Some((index * 64) as u32 + here.ilog2());
        }
        let line = index / LINE;
        let before = self.words[line * LINE..index].iter().rposition(|&word| word != 0);
        match before {
            Some(at) => {
                let index = line * LINE + at;
                Some((index * 64) as u32 + self.words[index].ilog2())
            }
            None => Some(self.lines.get(line)?.1).filter(|&last| last != u32::MAX),
        }
    }

    /// The granule of the first start after this one.
    #[inline]
    pub fn after(&self, granule: u32) -> Option<u32> {
        let next = granule as usize + 1;
        let (index, bit) = (next / 64, next % 64);
        let here = self.words.get(index)? & (u64::MAX << bit);
        if here != 0 {
            return Some((index * 64) as u32 + here.trailing_zeros());
        }
        let ahead = self.words[index + 1..].iter().position(|&word| word != 0)?;
        let index = index + 1 + ahead;
        Some((index * 64) as u32 + self.words[index].trailing_zeros())
    }

    /// How many starts there are before this one: the starts by number.
    #[inline]
    pub fn rank(&self, granule: u32) -> usize {
        let index = granule as usize / 64;
        let line = index / LINE;
        let before: u32 = self.words[line * LINE..index].iter().map(|word| word.count_ones()).sum();
        let here = (self.words[index] & ((1 << (granule % 64)) - 1)).count_ones();
        (self.lines.get(line).map_or(0, |line| line.0) + before + here) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_belongs_to_the_start_before_it() {
        let all = [0x1000u64, 0x1010, 0x1018, 0x9000, 0x90_0000, 0x90_0008];
        let mut starts = Starts::new(0x1000..0x100_0000, 3).unwrap();
        all.iter().for_each(|&at| starts.insert(at));
        starts.finish();
        assert_eq!(starts.len(), all.len());
        for (number, &at) in all.iter().enumerate() {
            let granule = starts.containing(at).unwrap();
            assert_eq!((starts.address(granule), starts.rank(granule)), (at, number));
            assert_eq!(starts.containing(at + 7), Some(granule));
            let next = starts.after(granule).map(|next| starts.address(next));
            assert_eq!(next, all.get(number + 1).copied());
            assert_eq!(starts.containing(next.unwrap_or(0x100_0000) - 1), Some(granule));
        }
        assert_eq!(starts.containing(0xfff), None);
        assert!(Starts::new(0..1 << 40, 3).is_none());
    }
}
