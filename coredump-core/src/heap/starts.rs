//! An index of the addresses at which blocks begin. It says which block an address is in, and which blocks are open:
//! used, and not reached yet.

use std::ops::Range;

/// Words of bits in a line.
const WORDS: usize = 3;
/// Granules of a line.
const GRANULES: usize = 64 * WORDS;
/// The most bytes of memory that are covered: granules of 8 bytes are counted in 32 bits.
const MOST: u64 = 32 << 30;
/// Stands for no granule.
const NONE: u32 = u32::MAX;

/// The starts among some granules, the open ones of these, and what is to be known of all before. Whoever looks at one
/// looks at the others: they are in one line of the processor's cache.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct GranuleLine {
    starts: [u64; WORDS],
    open: [u64; WORDS],
    /// The number of starts before.
    before: u32,
    /// The granule of the last start before.
    last: u32,
}

/// Returns the position of a granule: its line, its word there, its bit.
#[inline]
fn position(granule: u32) -> (usize, usize, u32) {
    let granule = granule as usize;
    (granule / GRANULES, granule % GRANULES / 64, (granule % GRANULES % 64) as u32)
}

/// The granule of a bit.
#[inline]
fn granule(line: usize, word: usize, bit: u32) -> u32 {
    (line * GRANULES + word * 64) as u32 + bit
}

/// The starts of the blocks in a part of a memory, as a bitmap. A block reaches up to the next start.
#[derive(Clone, Debug)]
pub struct Starts {
    start: u64,
    /// The granule is `1 << shift` bytes.
    shift: u32,
    lines: Vec<GranuleLine>,
    count: u32,
    /// The blocks that were open when that was kept, by number.
    used: Vec<u64>,
    /// The lines of which no address is in an open block, as long as that is kept. Soon they are most, and these bits
    /// are all near.
    closed: Vec<u64>,
}

impl Starts {
    /// An empty set of the starts in `range`; `None` if the range is longer than a heap can be here.
    pub fn new(range: Range<u64>, shift: u32) -> Option<Starts> {
        let start = range.start >> shift << shift;
        let granules = range.end.saturating_sub(start) >> shift;
        let lines = (granules << 3 <= MOST).then(|| vec![GranuleLine::default(); granules as usize / GRANULES + 1])?;
        Some(Starts { start, shift, lines, count: 0, used: Vec::new(), closed: Vec::new() })
    }

    /// Returns the address at which the line of an address begins: from there on the starts may be collected apart.
    pub fn line_of(range: &Range<u64>, shift: u32, address: u64) -> u64 {
        let start = range.start >> shift << shift;
        start + (address.saturating_sub(start) >> shift) / GRANULES as u64 * ((GRANULES as u64) << shift)
    }

    /// Adds starts that were collected apart, from the line at `start` on.
    pub fn append(&mut self, start: u64, other: &Starts) {
        let first = ((start - self.start) >> self.shift) as usize / GRANULES;
        self.lines.truncate(first);
        self.lines.extend_from_slice(&other.lines);
    }

    /// The granule of an address.
    #[inline]
    fn granule(&self, address: u64) -> Option<u32> {
        let granule = address.checked_sub(self.start)? >> self.shift;
        (granule < (self.lines.len() * GRANULES) as u64).then_some(granule as u32)
    }

    /// The address of a granule.
    #[inline]
    pub fn address(&self, granule: u32) -> u64 {
        self.start + (u64::from(granule) << self.shift)
    }

    /// Adds a start; `open` says that the block there is used.
    #[inline]
    pub fn insert(&mut self, address: u64, open: bool) {
        if let Some(granule) = self.granule(address) {
            let (line, word, bit) = position(granule);
            let line = &mut self.lines[line];
            line.starts[word] |= 1 << bit;
            line.open[word] |= u64::from(open) << bit;
        }
    }

    /// Counts the starts; what is asked for below is right after that only.
    pub fn finish(&mut self) {
        let (mut count, mut last) = (0u32, NONE);
        for (index, line) in self.lines.iter_mut().enumerate() {
            (line.before, line.last) = (count, last);
            for (word, starts) in line.starts.into_iter().enumerate().filter(|(_, starts)| *starts != 0) {
                count += starts.count_ones();
                last = granule(index, word, starts.ilog2());
            }
        }
        self.count = count;
    }

    /// Keeps which ones are open, for [`Starts::reopen`].
    pub fn keep(&mut self) {
        let mut used = vec![0; self.len() / 64 + 1];
        for (number, granule) in self.iter().enumerate() {
            used[number / 64] |= u64::from(self.is_open(granule)) << (number % 64);
        }
        self.used = used;
        self.closed = vec![0; self.lines.len() / 64 + 1];
        (0..self.lines.len()).for_each(|line| self.close(line));
    }

    /// Notes it if no address of a line is in an open block.
    fn close(&mut self, line: usize) {
        let GranuleLine { open, last, .. } = self.lines[line];
        if open == [0; WORDS] && (last == NONE || !self.is_open(last)) {
            self.closed[line / 64] |= 1 << (line % 64);
        }
    }

    /// Opens again what was taken since [`Starts::keep`].
    pub fn reopen(&mut self) {
        self.closed = Vec::new();
        let mut number = 0;
        for line in &mut self.lines {
            for (starts, open) in line.starts.into_iter().zip(&mut line.open) {
                *open = 0;
                let mut left = starts;
                while left != 0 {
                    *open |= (self.used[number / 64] >> (number % 64) & 1) << left.trailing_zeros();
                    left &= left - 1;
                    number += 1;
                }
            }
        }
    }

    /// The granules of all starts, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let words = self.lines.iter().enumerate().flat_map(|(index, line)| {
            line.starts.into_iter().enumerate().map(move |(word, starts)| (index, word, starts))
        });
        words.flat_map(|(index, word, mut left)| {
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros())?;
                left &= left - 1;
                Some(granule(index, word, bit))
            })
        })
    }

    /// Calls `each` with the number of each open block that begins in one half of the lines, its address, and that of
    /// the next start.
    pub fn each_open(&self, second: bool, mut each: impl FnMut(usize, u64, Option<u64>)) {
        let middle = self.lines.len() / 2;
        let (first, lines) = if second { (middle, &self.lines[middle..]) } else { (0, &self.lines[..middle]) };
        let mut waiting: Option<(usize, u64)> = None;
        for (index, line) in (first..).zip(lines) {
            let mut number = line.before as usize;
            for (word, (&starts, open)) in line.starts.iter().zip(line.open).enumerate() {
                let mut left = starts;
                while left != 0 {
                    let bit = left.trailing_zeros();
                    left &= left - 1;
                    let address = self.address(granule(index, word, bit));
                    if let Some((number, start)) = waiting.take() {
                        each(number, start, Some(address));
                    }
                    waiting = (open >> bit & 1 != 0).then_some((number, address));
                    number += 1;
                }
            }
        }
        if let Some((number, start)) = waiting {
            let next = self.granule(start).and_then(|granule| self.after(granule));
            each(number, start, next.map(|next| self.address(next)));
        }
    }

    /// Returns the number of starts.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// The granule of the last start at or before an address.
    #[inline]
    pub fn containing(&self, address: u64) -> Option<u32> {
        let (index, word, bit) = position(self.granule(address)?);
        let line = &self.lines[index];
        let here = line.starts[word] & (u64::MAX >> (63 - bit));
        if here != 0 {
            return Some(granule(index, word, here.ilog2()));
        }
        match line.starts[..word].iter().rposition(|starts| *starts != 0) {
            Some(word) => Some(granule(index, word, line.starts[word].ilog2())),
            None => Some(line.last).filter(|&last| last != NONE),
        }
    }

    /// Returns true if an address is in the part of the memory that is covered.
    #[inline]
    pub fn covers(&self, address: u64) -> bool {
        self.granule(address).is_some()
    }

    /// Returns true if an address may be in an open block, while the set of open blocks is kept. The answer is quick,
    /// and seldom wrong.
    #[inline]
    pub fn may_be_open(&self, address: u64) -> bool {
        self.granule(address).is_some_and(|granule| {
            let line = granule as usize / GRANULES;
            self.closed.get(line / 64).is_some_and(|closed| closed >> (line % 64) & 1 == 0)
        })
    }

    /// Looks at the lines of these addresses, so that they are at hand when they are asked for one by one.
    pub fn touch(&self, addresses: impl Iterator<Item = u64>) {
        let lines = addresses.filter_map(|address| self.lines.get(position(self.granule(address)?).0));
        std::hint::black_box(lines.fold(0, |all, line| all | line.before));
    }

    /// Looks at the lines of these granules, so that the ends and numbers of their blocks are at hand.
    pub fn touch_granules(&self, granules: impl Iterator<Item = u32>) {
        let lines = granules.filter_map(|granule| self.lines.get(position(granule).0));
        std::hint::black_box(lines.fold(0, |all, line| all | line.before));
    }

    /// Closes the block at a granule. Returns true if it was open.
    #[inline]
    pub fn take(&mut self, granule: u32) -> bool {
        let (line, word, bit) = position(granule);
        let open = &mut self.lines[line].open[word];
        let was_open = *open >> bit & 1 != 0;
        *open &= !(1 << bit);
        if was_open && self.lines[line].open == [0; WORDS] {
            let last = self.after(granule).map_or(self.lines.len() - 1, |next| position(next).0);
            (line..=last).for_each(|line| self.close(line));
        } else if was_open && self.lines[line].starts[word] >> bit >> 1 == 0 {
            // It may reach into the lines that follow.
            let last = self.after(granule).map_or(self.lines.len() - 1, |next| position(next).0);
            (line + 1..=last).for_each(|line| self.close(line));
        }
        was_open
    }

    /// Returns true if the block at this granule is open.
    #[inline]
    pub fn is_open(&self, granule: u32) -> bool {
        let (line, word, bit) = position(granule);
        self.lines[line].open[word] >> bit & 1 == 1
    }

    /// The open block that begins at this very address.
    #[inline]
    pub fn open_at(&self, address: u64) -> Option<u32> {
        let granule = self.granule(address)?;
        (self.is_open(granule) && self.address(granule) == address).then_some(granule)
    }

    /// The granule of the first start after this one.
    #[inline]
    pub fn after(&self, from: u32) -> Option<u32> {
        let (mut index, mut word, bit) = position(from.checked_add(1)?);
        let mut starts = self.lines.get(index)?.starts[word] & (u64::MAX << bit);
        while starts == 0 {
            word += 1;
            if word == WORDS {
                (index, word) = (index + 1, 0);
            }
            starts = self.lines.get(index)?.starts[word];
        }
        Some(granule(index, word, starts.trailing_zeros()))
    }

    /// Returns the number of starts before this one, by which starts are numbered.
    #[inline]
    pub fn rank(&self, granule: u32) -> usize {
        let (line, word, bit) = position(granule);
        let line = &self.lines[line];
        let before: u32 = line.starts[..word].iter().map(|starts| starts.count_ones()).sum();
        let here = (line.starts[word] & ((1 << bit) - 1)).count_ones();
        (line.before + before + here) as usize
    }
}

/// Granules to which attention is due, each of them once. There may be as many as there are blocks: beyond a number
/// they are kept as a bit each.
#[derive(Debug, Default)]
pub struct Queue {
    few: Vec<u32>,
    /// A bit for each granule.
    many: Vec<u64>,
    /// Before this word of `many` is none.
    cursor: usize,
}

/// Granules that are kept in four bytes each.
const FEW: usize = 1 << 20;

impl Queue {
    /// Adds a granule.
    #[inline]
    pub fn push(&mut self, starts: &Starts, granule: u32) {
        if self.few.len() < FEW {
            self.few.push(granule);
        } else {
            self.spill(starts, granule);
        }
    }

    /// Looks at where these granules would be added.
    pub fn touch(&self, granules: impl Iterator<Item = u32>) {
        if !self.many.is_empty() {
            let words = granules.filter_map(|granule| self.many.get(granule as usize / 64));
            std::hint::black_box(words.fold(0, |all, word| all | word));
        }
    }

    fn spill(&mut self, starts: &Starts, granule: u32) {
        if self.many.is_empty() {
            self.many = vec![0; starts.lines.len() * WORDS];
        }
        self.many[granule as usize / 64] |= 1 << (granule % 64);
        self.cursor = 0;
    }

    /// Takes some of the granules, by address; none only if there are none left.
    pub fn take(&mut self, batch: &mut Vec<u32>) {
        batch.clear();
        if !self.few.is_empty() {
            std::mem::swap(batch, &mut self.few);
            batch.sort_unstable();
            return;
        }
        while batch.len() < FEW
            && let Some(word) = self.many.get_mut(self.cursor)
        {
            while *word != 0 {
                batch.push((self.cursor * 64) as u32 + word.trailing_zeros());
                *word &= *word - 1;
            }
            self.cursor += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_belongs_to_the_start_before_it() {
        let all = [0x1000u64, 0x1010, 0x1018, 0x9000, 0x90_0000, 0x90_0008];
        let mut starts = Starts::new(0x1000..0x100_0000, 3).unwrap();
        all.iter().for_each(|&at| starts.insert(at, at != 0x1010));
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

    #[test]
    fn an_open_block_is_taken_once_until_all_are_opened_again() {
        let mut starts = Starts::new(0x1000..0x2000, 4).unwrap();
        starts.insert(0x1010, true);
        starts.insert(0x1100, false);
        starts.finish();
        starts.keep();
        assert_eq!(starts.iter().collect::<Vec<_>>(), [1, 16]);
        for _ in 0..2 {
            assert_eq!(starts.open_at(0x1010), starts.containing(0x1010));
            assert_eq!([0x1018, 0x1100].map(|at| starts.open_at(at)), [None; 2]);
            starts.keep();
            assert!(starts.may_be_open(0x10ff) && !starts.may_be_open(0x1fff));
            let block = starts.containing(0x10ff).unwrap();
            assert!(starts.take(block) && !starts.take(block));
            assert!(!starts.may_be_open(0x1010));
            starts.reopen();
        }
    }

    #[test]
    fn both_halves_have_all_open_blocks_with_their_numbers_and_what_follows() {
        let mut starts = Starts::new(0..0x10_0000, 3).unwrap();
        // The block in the middle reaches from one half into the other.
        let all: Vec<u64> = (0..3000).map(|number| number * 0x20).chain([0x7_0000, 0x9_0000, 0xa_0000]).collect();
        all.iter().enumerate().for_each(|(number, &at)| starts.insert(at, number % 3 != 1));
        starts.finish();
        let mut seen = Vec::new();
        for second in [false, true] {
            starts.each_open(second, |number, start, next| seen.push((number, start, next)));
        }
        let open = all.iter().enumerate().filter(|(number, _)| number % 3 != 1);
        assert!(seen.into_iter().eq(open.map(|(number, &at)| (number, at, all.get(number + 1).copied()))));
    }

    #[test]
    fn lines_are_closed_when_nothing_in_them_is_open() {
        // A block of a hundred lines after two small ones.
        let line = (GRANULES as u64) << 4;
        let mut starts = Starts::new(0..200 * line, 4).unwrap();
        for (at, open) in [(0, true), (line / 2, true), (line, true), (101 * line + 16, false)] {
            starts.insert(at, open);
        }
        starts.finish();
        starts.keep();
        assert!([0, line - 1, line, 101 * line].map(|at| starts.may_be_open(at)).iter().all(|open| *open));
        assert!(!starts.may_be_open(102 * line));
        for at in [line, 0, line / 2] {
            let granule = starts.containing(at).unwrap();
            assert!(starts.may_be_open(at) && starts.take(granule));
        }
        assert!([0, line - 1, line, 50 * line, 101 * line].map(|at| starts.may_be_open(at)).iter().all(|open| !*open));
    }

    #[test]
    fn starts_that_were_collected_apart_are_the_same() {
        let range = 0x1008..0x20_0000;
        let all: Vec<u64> = (0..9000u64).map(|number| 0x1010 + number * 0x68 / 8 * 8).collect();
        let mut whole = Starts::new(range.clone(), 3).unwrap();
        all.iter().for_each(|&at| whole.insert(at, true));
        let cut = Starts::line_of(&range, 3, all[4321]);
        assert!(cut <= all[4321] && all[4321] - cut < (GRANULES as u64) << 3);
        let mut first = Starts::new(range.clone(), 3).unwrap();
        let mut second = Starts::new(cut..range.end, 3).unwrap();
        for &at in &all {
            if at < cut { first.insert(at, true) } else { second.insert(at, true) }
        }
        first.append(cut, &second);
        first.finish();
        whole.finish();
        assert!(first.iter().eq(whole.iter()) && first.len() == all.len());
    }

    #[test]
    fn a_queue_gives_back_all_that_was_put_in() {
        let count = FEW as u64 + 1000;
        let mut starts = Starts::new(0..count * 16, 3).unwrap();
        (0..count).for_each(|index| starts.insert(index * 16, true));
        starts.finish();
        let mut queue = Queue::default();
        for _ in 0..2 {
            (0..count).rev().for_each(|index| queue.push(&starts, (index * 2) as u32));
            let (mut all, mut batch) = (Vec::new(), Vec::new());
            loop {
                queue.take(&mut batch);
                if batch.is_empty() {
                    break;
                }
                assert!(batch.is_sorted());
                all.append(&mut batch);
            }
            all.sort_unstable();
            assert!(all.into_iter().eq((0..count).map(|index| (index * 2) as u32)));
        }
    }
}
