//! A linear memory as a dump holds it: captured segments, ranges known to be zero, and holes of which nothing is known.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use crate::limits::MAX_READ;

/// Bytes captured from a memory, borrowed from the dump's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Address of the first byte.
    pub address: u64,
    /// The bytes.
    pub bytes: &'a [u8],
}

impl Segment<'_> {
    /// The address after the last byte; `u64::MAX` for a segment that reaches beyond the address space.
    pub fn end(&self) -> u64 {
        self.address.saturating_add(self.bytes.len() as u64)
    }
}

/// A linear memory. Addresses and sizes are in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory<'a> {
    /// Size in bytes.
    pub size: u64,
    /// Greatest size in bytes to which it may grow.
    pub maximum: Option<u64>,
    /// Bytes of a page (65536 unless the custom-page-sizes proposal is in use).
    pub page_size: u64,
    /// True if addresses are 64 bits wide.
    pub memory64: bool,
    /// True if it is shared between threads.
    pub shared: bool,
    /// The reason why part of it is not in the dump, in the words of the program that captured it.
    pub missing: Option<String>,
    segments: Vec<Segment<'a>>,
    zero: Vec<Range<u64>>,
}

/// A stretch of a memory of one kind, from [`Memory::chunks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk<'a> {
    /// Bytes the dump holds.
    Captured(Segment<'a>),
    /// The dump says these bytes were zero.
    Zero {
        /// First address.
        address: u64,
        /// Length in bytes.
        len: u64,
    },
    /// The dump says nothing of these bytes.
    Hole {
        /// First address.
        address: u64,
        /// Length in bytes.
        len: u64,
    },
}

impl Chunk<'_> {
    /// The addresses it spans.
    pub fn range(&self) -> Range<u64> {
        match *self {
            Chunk::Captured(segment) => segment.address..segment.end(),
            Chunk::Zero { address, len } | Chunk::Hole { address, len } => address..address + len,
        }
    }
}

/// The number of bytes of a range that are captured, zero or missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Stored in the dump.
    pub captured: u64,
    /// Known to be zero.
    pub zero: u64,
    /// Not known.
    pub missing: u64,
}

impl Count {
    /// Counts the bytes of `range`, as far as it lies in the memory.
    pub fn in_range(memory: &Memory<'_>, range: Range<u64>) -> Count {
        let mut count = Count::default();
        for chunk in memory.chunks(range) {
            let len = chunk.range().end - chunk.range().start;
            match chunk {
                Chunk::Captured(_) => count.captured += len,
                Chunk::Zero { .. } => count.zero += len,
                Chunk::Hole { .. } => count.missing += len,
            }
        }
        count
    }
}

/// The reason why bytes of a memory are not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// The range leaves the memory.
    OutOfBounds {
        /// The first address that is asked for and outside.
        address: u64,
    },
    /// The dump does not hold this byte.
    NotCaptured {
        /// The first such address.
        address: u64,
    },
    /// More bytes are asked for than one read puts together (1 GiB).
    TooLong {
        /// The number of bytes that were asked for.
        len: u64,
    },
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreadable::OutOfBounds { address } => write!(f, "unreadable {address:#x}"),
            Unreadable::NotCaptured { address } => write!(f, "not captured {address:#x}"),
            Unreadable::TooLong { len } => write!(f, "unreadable: {len} bytes in one piece are too many"),
        }
    }
}

impl<'a> Memory<'a> {
    /// An empty memory of `size` bytes in pages of 64 KiB, of which nothing is captured.
    pub fn new(size: u64) -> Self {
        Memory {
            size,
            maximum: None,
            page_size: 65536,
            memory64: false,
            shared: false,
            missing: None,
            segments: Vec::new(),
            zero: Vec::new(),
        }
    }

    /// Sets what the dump holds: `segments` in file order, where a later one overwrites an earlier one (as active data
    /// segments do), and ranges known to be `zero` where no segment says otherwise.
    ///
    /// Contents beyond the memory's size are dropped. Returns whether anything was dropped or overwritten.
    pub fn set_contents(&mut self, segments: Vec<Segment<'a>>, zero: Vec<Range<u64>>) -> bool {
        let mut repaired = false;
        let size = self.size;
        let mut kept: Vec<Segment<'a>> = Vec::with_capacity(segments.len());
        for segment in segments {
            let room = size.saturating_sub(segment.address).min(segment.bytes.len() as u64);
            repaired |= room < segment.bytes.len() as u64;
            if room > 0 {
                kept.push(Segment { address: segment.address, bytes: &segment.bytes[..room as usize] });
            }
        }
        if !kept.is_sorted_by(|a, b| a.end() <= b.address) {
            let mut sorted = kept.clone();
            sorted.sort_by_key(|segment| segment.address);
            if sorted.is_sorted_by(|a, b| a.end() <= b.address) {
                kept = sorted;
            } else {
                kept = overlay(kept);
                repaired = true;
            }
        }
        self.segments = kept;
        self.zero = merge(zero, size);
        repaired
    }

    /// Corrects the page size, and with it the size of the memory. Since the producer wrote the memory in pieces of
    /// `chunk` bytes, its contents after the last whole piece are unknown.
    pub(crate) fn correct_page_size(&mut self, page_size: u64, chunk: u64) {
        let declared = std::mem::replace(&mut self.page_size, page_size);
        let scale = |bytes: &mut u64| *bytes = (*bytes / declared).saturating_mul(page_size);
        scale(&mut self.size);
        self.maximum.as_mut().map(scale);
        let known = self.size / chunk * chunk;
        let segments = std::mem::take(&mut self.segments);
        let zero = std::mem::take(&mut self.zero).into_iter().map(|zero| zero.start..zero.end.min(known)).collect();
        self.set_contents(segments, zero);
    }

    /// The captured segments, by address, without overlaps.
    pub fn segments(&self) -> &[Segment<'a>] {
        &self.segments
    }

    /// The ranges known to be zero where no segment lies, by address, merged.
    pub fn known_zero(&self) -> &[Range<u64>] {
        &self.zero
    }

    /// The ranges whose contents are known (captured or zero), by address, merged.
    pub fn captured(&self) -> Vec<Range<u64>> {
        let segments = self.segments.iter().map(|segment| segment.address..segment.end());
        merge(segments.chain(self.zero.iter().cloned()).collect(), self.size)
    }

    /// The size in bytes to which it may grow, declared or implied by 32-bit addresses; `None` for a memory with 64-bit
    /// addresses that declares no maximum. A host may allow less.
    pub fn most(&self) -> Option<u64> {
        let addresses = (!self.memory64).then_some(1 << 32);
        self.maximum.map_or(addresses, |maximum| Some(maximum.min(addresses.unwrap_or(u64::MAX))))
    }

    /// Width of a pointer into this memory, in bytes.
    pub fn pointer_size(&self) -> u64 {
        if self.memory64 { 8 } else { 4 }
    }

    /// Cuts `range` (clipped to the memory) into stretches of one kind each, in order and without gaps.
    pub fn chunks(&self, range: Range<u64>) -> Chunks<'_, 'a> {
        let end = range.end.min(self.size);
        let at = range.start.min(end);
        Chunks {
            memory: self,
            at,
            end,
            segment: self.segments.partition_point(|segment| segment.end() <= at),
            zero: self.zero.partition_point(|zero| zero.end <= at),
        }
    }

    /// `len` bytes at `address`, borrowed where one segment holds them all.
    ///
    /// # Errors
    ///
    /// [`Unreadable`], with the first address that is out of bounds or not captured, or with a length that is too large
    /// to copy.
    pub fn bytes(&self, address: u64, len: u64) -> Result<Cow<'a, [u8]>, Unreadable> {
        let end = match address.checked_add(len) {
            Some(end) if end <= self.size => end,
            _ => return Err(Unreadable::OutOfBounds { address: address.max(self.size) }),
        };
        let mut chunks = self.chunks(address..end);
        let first = match chunks.next() {
            None => return Ok(Cow::Borrowed(&[])),
            Some(first) => first,
        };
        if let Chunk::Captured(segment) = first
            && segment.bytes.len() as u64 == len
        {
            return Ok(Cow::Borrowed(segment.bytes));
        }
        // Refuse before allocating: a corrupt length must cost nothing.
        for chunk in self.chunks(address..end) {
            if let Chunk::Hole { address, .. } = chunk {
                return Err(Unreadable::NotCaptured { address });
            }
        }
        // Captured bytes are bounded by the file's size, but zeros are not.
        if len > MAX_READ {
            return Err(Unreadable::TooLong { len });
        }
        let mut all = Vec::with_capacity(len as usize);
        for chunk in std::iter::once(first).chain(chunks) {
            match chunk {
                Chunk::Captured(segment) => all.extend_from_slice(segment.bytes),
                Chunk::Zero { len, .. } => all.resize(all.len() + len as usize, 0),
                Chunk::Hole { address, .. } => return Err(Unreadable::NotCaptured { address }),
            }
        }
        Ok(Cow::Owned(all))
    }

    /// The bytes from `address` on up to the first that is not known, at most `limit` of them.
    pub fn known_bytes(&self, address: u64, limit: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        for chunk in self.chunks(address..address.saturating_add(limit)) {
            match chunk {
                Chunk::Captured(segment) => bytes.extend_from_slice(segment.bytes),
                Chunk::Zero { len, .. } => bytes.resize(bytes.len() + len as usize, 0),
                Chunk::Hole { .. } => break,
            }
        }
        bytes
    }

    /// An unsigned little-endian integer of `size` bytes, 1 to 8.
    ///
    /// # Errors
    ///
    /// As [`Memory::bytes`].
    pub fn uint(&self, address: u64, size: u64) -> Result<u64, Unreadable> {
        debug_assert!((1..=8).contains(&size));
        let bytes = self.bytes(address, size)?;
        let mut wide = [0; 8];
        wide[..bytes.len()].copy_from_slice(&bytes);
        Ok(u64::from_le_bytes(wide))
    }

    /// A pointer of this memory's width: 4 or 8 bytes.
    ///
    /// # Errors
    ///
    /// As [`Memory::bytes`].
    pub fn pointer(&self, address: u64) -> Result<u64, Unreadable> {
        self.uint(address, self.pointer_size())
    }

    /// The bytes from `address` up to (without) the first NUL, at most `limit` of them, and whether the NUL was there.
    ///
    /// # Errors
    ///
    /// As [`Memory::bytes`], if not even the first byte is known.
    pub fn c_string(&self, address: u64, limit: u64) -> Result<(Vec<u8>, bool), Unreadable> {
        if address >= self.size {
            return Err(Unreadable::OutOfBounds { address });
        }
        let mut text = Vec::new();
        for chunk in self.chunks(address..address.saturating_add(limit)) {
            match chunk {
                Chunk::Captured(segment) => match memchr::memchr(0, segment.bytes) {
                    Some(end) => {
                        text.extend_from_slice(&segment.bytes[..end]);
                        return Ok((text, true));
                    }
                    None => text.extend_from_slice(segment.bytes),
                },
                Chunk::Zero { .. } => return Ok((text, true)),
                Chunk::Hole { address: hole, .. } if hole == address => {
                    return Err(Unreadable::NotCaptured { address });
                }
                Chunk::Hole { .. } => return Ok((text, false)),
            }
        }
        Ok((text, false))
    }
}

/// The iterator of [`Memory::chunks`].
#[derive(Clone, Debug)]
pub struct Chunks<'m, 'a> {
    memory: &'m Memory<'a>,
    at: u64,
    end: u64,
    segment: usize,
    zero: usize,
}

impl<'a> Iterator for Chunks<'_, 'a> {
    type Item = Chunk<'a>;

    fn next(&mut self) -> Option<Chunk<'a>> {
        if self.at >= self.end {
            return None;
        }
        let at = self.at;
        let segment = self.memory.segments.get(self.segment);
        if let Some(segment) = segment
            && segment.address <= at
        {
            let skip = (at - segment.address) as usize;
            let len = (self.end - at).min((segment.bytes.len() - skip) as u64);
            self.segment += 1;
            self.at += len;
            return Some(Chunk::Captured(Segment { address: at, bytes: &segment.bytes[skip..skip + len as usize] }));
        }
        let until = segment.map_or(self.end, |segment| segment.address.min(self.end));
        while self.memory.zero.get(self.zero).is_some_and(|zero| zero.end <= at) {
            self.zero += 1;
        }
        match self.memory.zero.get(self.zero) {
            Some(zero) if zero.start <= at => {
                let len = zero.end.min(until) - at;
                self.at += len;
                Some(Chunk::Zero { address: at, len })
            }
            zero => {
                let len = zero.map_or(until, |zero| zero.start.min(until)) - at;
                self.at += len;
                Some(Chunk::Hole { address: at, len })
            }
        }
    }
}

/// Lays segments over each other in order, so that a later one wins.
fn overlay<'a>(segments: Vec<Segment<'a>>) -> Vec<Segment<'a>> {
    let mut laid: BTreeMap<u64, &'a [u8]> = BTreeMap::new();
    for new in segments {
        // The segment that begins before the new one may reach into it, and beyond.
        if let Some((&address, &bytes)) = laid.range(..new.address).next_back() {
            let old = Segment { address, bytes };
            if old.end() > new.address {
                laid.insert(address, &bytes[..(new.address - address) as usize]);
                if old.end() > new.end() {
                    laid.insert(new.end(), &bytes[(new.end() - address) as usize..]);
                }
            }
        }
        while let Some((&address, &bytes)) = laid.range(new.address..new.end()).next() {
            laid.remove(&address);
            let old = Segment { address, bytes };
            if old.end() > new.end() {
                laid.insert(new.end(), &bytes[(new.end() - address) as usize..]);
            }
        }
        laid.insert(new.address, new.bytes);
    }
    laid.into_iter().map(|(address, bytes)| Segment { address, bytes }).collect()
}

/// Sorts and merges ranges that touch, clipped to `size`.
fn merge(mut ranges: Vec<Range<u64>>, size: u64) -> Vec<Range<u64>> {
    ranges.sort_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        let range = range.start..range.end.min(size);
        if range.is_empty() {
            continue;
        }
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory<'a>(segments: &[(u64, &'a [u8])], zero: &[Range<u64>]) -> Memory<'a> {
        let mut memory = Memory::new(100);
        let segments = segments.iter().map(|&(address, bytes)| Segment { address, bytes }).collect();
        memory.set_contents(segments, zero.to_vec());
        memory
    }

    #[test]
    fn a_read_across_segments_and_known_zeros_is_put_together() {
        let memory = memory(&[(10, b"ab"), (14, b"cd")], &[0..100]);
        assert_eq!(&*memory.bytes(9, 8).unwrap(), b"\0ab\0\0cd\0");
    }

    #[test]
    fn a_hole_is_not_zero() {
        let memory = memory(&[(10, b"ab"), (14, b"cd")], &[]);
        assert_eq!(memory.bytes(10, 6), Err(Unreadable::NotCaptured { address: 12 }));
        assert_eq!(memory.bytes(99, 2), Err(Unreadable::OutOfBounds { address: 100 }));
        assert_eq!(memory.bytes(u64::MAX, 2), Err(Unreadable::OutOfBounds { address: u64::MAX }));
    }

    #[test]
    fn a_later_segment_overwrites_an_earlier_one() {
        let mut memory = Memory::new(100);
        let segments = vec![
            Segment { address: 10, bytes: b"aaaaaa" },
            Segment { address: 12, bytes: b"bb" },
            Segment { address: 8, bytes: b"ccc" },
            Segment { address: 98, bytes: b"xyz" },
        ];
        assert!(memory.set_contents(segments, vec![]));
        assert_eq!(&*memory.bytes(8, 8).unwrap(), b"cccabbaa");
        assert_eq!(&*memory.bytes(98, 2).unwrap(), b"xy");
        assert_eq!(memory.captured(), [8..16, 98..100]);
    }

    #[test]
    fn chunks_cover_the_range_once_each() {
        let memory = memory(&[(10, b"ab"), (20, b"cd")], &[5..15, 30..40]);
        let chunks: Vec<_> = memory.chunks(0..35).map(|chunk| chunk.range()).collect();
        assert_eq!(chunks, [0..5, 5..10, 10..12, 12..15, 15..20, 20..22, 22..30, 30..35]);
        assert!(matches!(memory.chunks(12..13).next(), Some(Chunk::Zero { address: 12, len: 1 })));
        assert!(matches!(memory.chunks(15..16).next(), Some(Chunk::Hole { address: 15, len: 1 })));
    }

    #[test]
    fn a_c_string_ends_at_its_nul_or_says_that_it_does_not() {
        let memory = memory(&[(10, b"ab"), (12, b"c\0d")], &[]);
        assert_eq!(memory.c_string(10, 50), Ok((b"abc".to_vec(), true)));
        assert_eq!(memory.c_string(10, 2), Ok((b"ab".to_vec(), false)));
        assert_eq!(memory.c_string(14, 50), Ok((b"d".to_vec(), false)));
        assert_eq!(memory.c_string(50, 5), Err(Unreadable::NotCaptured { address: 50 }));
    }
}
