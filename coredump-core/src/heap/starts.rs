//! Where blocks begin, which block an address is in, and which blocks are open: used, and not reached yet.

use std::ops::Range;

/// The starts among 64 granules, and the open ones of these. Whoever looks at one looks at the other: they are neighbours.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    starts: u64,
    open: u64,
}

/// Cells of a line, for each of which the blocks before it are counted: a line of the processor's cache.
const LINE: usize = 4;
/// The most bytes of memory that are covered: granules of 8 bytes are counted in 32 bits.
const MOST: u64 = 32 << 30;

/// The starts of the blocks in a part of a memory, as a bitmap. A block reaches up to the next start.
#[derive(Clone, Debug)]
pub struct Starts {
    start: u64,
    /// The granule is `1 << shift` bytes.
    shift: u32,
    cells: Vec<Cell>,
    /// The number of starts before each line, and the granule of the last one of them.
    lines: Vec<(u32, u32)>,
    count: u32,
    /// The blocks that were open at first, by number.
    used: Vec<u64>,
}

impl Starts {
    /// An empty set of the starts in `range`; `None` if the range is longer than a heap can be here.
    pub fn new(range: Range<u64>, shift: u32) -> Option<Starts> {
        let start = range.start >> shift << shift;
        let granules = range.end.saturating_sub(start) >> shift;
        let cells = (granules << 3 <= MOST).then(|| vec![Cell::default(); granules as usize / 64 + 1])?;
        Some(Starts { start, shift, cells, lines: Vec::new(), count: 0, used: Vec::new() })
    }

    /// The granule of an address.
    #[inline]
    fn granule(&self, address: u64) -> Option<u32> {
        let granule = address.checked_sub(self.start)? >> self.shift;
        (granule / 64 < self.cells.len() as u64).then_some(granule as u32)
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
            let cell = &mut self.cells[granule as usize / 64];
            cell.starts |= 1 << (granule % 64);
            cell.open |= u64::from(open) << (granule % 64);
        }
    }

    /// Counts the starts; what is asked for below is right after that only.
    pub fn finish(&mut self) {
        let (mut count, mut last) = (0u32, u32::MAX);
        self.lines.clear();
        for (line, cells) in self.cells.chunks(LINE).enumerate() {
            self.lines.push((count, last));
            for (index, cell) in cells.iter().enumerate().filter(|(_, cell)| cell.starts != 0) {
                count += cell.starts.count_ones();
                last = ((line * LINE + index) * 64) as u32 + cell.starts.ilog2();
            }
        }
        self.count = count;
        self.used = vec![0; self.len() / 64 + 1];
        let mut number = 0;
        for cell in &self.cells {
            let mut starts = cell.starts;
            while starts != 0 {
                self.used[number / 64] |= (cell.open >> starts.trailing_zeros() & 1) << (number % 64);
                starts &= starts - 1;
                number += 1;
            }
        }
    }

    /// Opens again what was taken.
    pub fn reopen(&mut self) {
        let mut number = 0;
        for cell in &mut self.cells {
            let mut starts = cell.starts;
            cell.open = 0;
            while starts != 0 {
                cell.open |= (self.used[number / 64] >> (number % 64) & 1) << starts.trailing_zeros();
                starts &= starts - 1;
                number += 1;
            }
        }
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
        let here = self.cells[index].starts & (u64::MAX >> (63 - bit));
        if here != 0 {
            return Some((index * 64) as u32 + here.ilog2());
        }
        self.before(index)
    }

    /// The granule of the last start before a cell.
    fn before(&self, index: usize) -> Option<u32> {
        let line = index / LINE;
        let before = self.cells[line * LINE..index].iter().rposition(|cell| cell.starts != 0);
        match before {
            Some(at) => {
                let index = line * LINE + at;
                Some((index * 64) as u32 + self.cells[index].starts.ilog2())
            }
            None => Some(self.lines.get(line)?.1).filter(|&last| last != u32::MAX),
        }
    }

    /// Whether an address is in the part of the memory that is covered.
    #[inline]
    pub fn covers(&self, address: u64) -> bool {
        self.granule(address).is_some()
    }

    /// Looks at the cells of these addresses, so that they are at hand when they are asked for one by one.
    pub fn touch(&self, addresses: impl Iterator<Item = u64>) {
        let cells = addresses.filter_map(|address| self.cells.get(self.granule(address)? as usize / 64));
        std::hint::black_box(cells.fold(0, |all, cell| all | cell.starts));
    }

    /// Closes the open block that holds an address. Its granule; `None` if there is none, or it was closed before.
    #[inline]
    pub fn take(&mut self, address: u64) -> Option<u32> {
        let granule = self.containing(address)?;
        let open = &mut self.cells[granule as usize / 64].open;
        let bit = 1 << (granule % 64);
        let was_open = *open & bit != 0;
        *open &= !bit;
        was_open.then_some(granule)
    }

    /// Whether the block at this granule is open.
    #[inline]
    pub fn is_open(&self, granule: u32) -> bool {
        self.cells[granule as usize / 64].open >> (granule % 64) & 1 == 1
    }

    /// The open block that begins at this very address.
    #[inline]
    pub fn open_at(&self, address: u64) -> Option<u32> {
        let granule = self.granule(address)?;
        (self.is_open(granule) && self.address(granule) == address).then_some(granule)
    }

    /// The granule of the first start after this one.
    #[inline]
    pub fn after(&self, granule: u32) -> Option<u32> {
        let next = granule as usize + 1;
        let (index, bit) = (next / 64, next % 64);
        let here = self.cells.get(index)?.starts & (u64::MAX << bit);
        if here != 0 {
            return Some((index * 64) as u32 + here.trailing_zeros());
        }
        let ahead = self.cells[index + 1..].iter().position(|cell| cell.starts != 0)?;
        let index = index + 1 + ahead;
        Some((index * 64) as u32 + self.cells[index].starts.trailing_zeros())
    }

    /// How many starts there are before this one: the starts by number.
    #[inline]
    pub fn rank(&self, granule: u32) -> usize {
        let index = granule as usize / 64;
        let line = index / LINE;
        let before: u32 = self.cells[line * LINE..index].iter().map(|cell| cell.starts.count_ones()).sum();
        let here = (self.cells[index].starts & ((1 << (granule % 64)) - 1)).count_ones();
        (self.lines.get(line).map_or(0, |line| line.0) + before + here) as usize
    }
}

/// Granules to which attention is due, each of them once. There may be as many as there are blocks: beyond a number they
/// are kept as a bit each.
#[derive(Debug, Default)]
pub struct Queue {
    few: Vec<u32>,
    /// By granule.
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

    fn spill(&mut self, starts: &Starts, granule: u32) {
        if self.many.is_empty() {
            self.many = vec![0; starts.cells.len()];
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
        for _ in 0..2 {
            assert_eq!(starts.open_at(0x1010), starts.containing(0x1010));
            assert_eq!([0x1018, 0x1100].map(|at| starts.open_at(at)), [None; 2]);
            assert_eq!(starts.take(0x10ff), starts.containing(0x1010));
            assert_eq!([0x1010, 0x1100, 0x1005].map(|at| starts.take(at)), [None; 3]);
            starts.reopen();
        }
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
