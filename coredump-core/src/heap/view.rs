//! Words of a memory, read quickly one after the other.

use std::cell::Cell;
use std::ops::Range;

use crate::limits::Steps;
use crate::memory::{Chunk, Memory};

/// Links between free blocks that are followed to see where a list leads, in one memory.
const FOLLOWED: u64 = 1 << 20;

/// Words whose addresses are looked at together.
const TOGETHER: usize = 64;

/// A memory whose words are read in any order. It remembers the stretch that was read last, for the next word is most
/// often near.
pub struct View<'m> {
    memory: &'m Memory<'m>,
    last: Cell<Stretch>,
    following: Steps,
}

/// A stretch of memory whose bytes are known.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    start: u64,
    end: u64,
    /// The index of the segment that holds the bytes; `None` where all of them are zero.
    segment: Option<usize>,
}

impl<'m> View<'m> {
    /// A view of `memory`.
    pub fn new(memory: &'m Memory<'m>) -> View<'m> {
        let last = Cell::new(Stretch { start: 0, end: 0, segment: None });
        View { memory, last, following: Steps::new(FOLLOWED) }
    }

    /// The memory.
    pub fn memory(&self) -> &'m Memory<'m> {
        self.memory
    }

    /// Counts a link that is followed; returns false once there were too many.
    pub fn may_follow(&self) -> bool {
        self.following.spend(1)
    }

    /// Bytes in an address: 4 or 8.
    pub fn width(&self) -> u64 {
        self.memory.pointer_size()
    }

    /// An unsigned number of as many bytes as an address has; `None` where the dump does not hold it.
    #[inline]
    pub fn word(&self, address: u64) -> Option<u64> {
        if self.memory.memory64 { self.u64(address) } else { self.u32(address).map(u64::from) }
    }

    /// The 32-bit number at `address`; `None` where the dump does not hold it.
    #[inline]
    pub fn u32(&self, address: u64) -> Option<u32> {
        self.array(address).map(u32::from_le_bytes)
    }

    /// The 64-bit number at `address`; `None` where the dump does not hold it.
    #[inline]
    pub fn u64(&self, address: u64) -> Option<u64> {
        self.array(address).map(u64::from_le_bytes)
    }

    /// The 16-bit number at `address`; `None` where the dump does not hold it.
    #[inline]
    pub fn u16(&self, address: u64) -> Option<u16> {
        self.array(address).map(u16::from_le_bytes)
    }

    /// The byte at `address`; `None` where the dump does not hold it.
    #[inline]
    pub fn u8(&self, address: u64) -> Option<u8> {
        self.array::<1>(address).map(|[byte]| byte)
    }

    /// Looks at what is at these addresses, as far as it is in the stretch that was read last, so that it is at hand
    /// when it is read place by place: memory is quicker when it is asked for several things at a time.
    pub fn touch(&self, addresses: impl Iterator<Item = u64>) {
        let last = self.last.get();
        let segment = last.segment.and_then(|segment| self.memory.segments().get(segment));
        let bytes = segment.map_or(&[][..], |segment| segment.bytes);
        let held = addresses.filter_map(|address| bytes.get(usize::try_from(address.checked_sub(last.start)?).ok()?));
        std::hint::black_box(held.fold(0, |all, byte| all | byte));
    }

    #[inline]
    fn array<const N: usize>(&self, address: u64) -> Option<[u8; N]> {
        let last = self.last.get();
        if last.start <= address && address.saturating_add(N as u64) <= last.end {
            let Some(segment) = last.segment else { return Some([0; N]) };
            let bytes = self.memory.segments().get(segment)?.bytes;
            let at = (address - last.start) as usize;
            return bytes.get(at..at + N)?.try_into().ok();
        }
        self.seek(address)
    }

    #[cold]
    fn seek<const N: usize>(&self, address: u64) -> Option<[u8; N]> {
        let end = address.checked_add(N as u64)?;
        let stretch = match self.memory.chunks(address..self.memory.size).next()? {
            Chunk::Captured(_) => {
                let segments = self.memory.segments();
                let index = segments.partition_point(|segment| segment.end() <= address);
                let segment = segments.get(index)?;
                Stretch { start: segment.address, end: segment.end(), segment: Some(index) }
            }
            Chunk::Zero { address, len } => Stretch { start: address, end: address.saturating_add(len), segment: None },
            Chunk::Hole { .. } => return None,
        };
        self.last.set(stretch);
        if end <= stretch.end {
            return self.array(address);
        }
        self.memory.bytes(address, N as u64).ok()?.as_ref().try_into().ok()
    }

    /// As [`View::words`], for an `each` that reads what is at the address that a word may be: those of several words are
    /// looked at together ([`View::touch`]).
    pub fn pointers(&self, range: Range<u64>, mut each: impl FnMut(u64, u64) -> bool) -> bool {
        let mut waiting = Vec::with_capacity(TOGETHER);
        let mut more = true;
        let mut serve = |waiting: &mut Vec<(u64, u64)>| {
            self.touch(waiting.iter().map(|(_, value)| *value));
            waiting.drain(..).all(|(at, value)| each(at, value))
        };
        let known = self.words(range, |at, value| {
            waiting.push((at, value));
            more = waiting.len() < TOGETHER || serve(&mut waiting);
            more
        });
        if more {
            serve(&mut waiting);
        }
        known
    }

    /// Calls `each` with the address and the value of every aligned word in `range` that is not zero, up to the first
    /// that answers `false`. Returns true if all of the range is known.
    pub fn words(&self, range: Range<u64>, mut each: impl FnMut(u64, u64) -> bool) -> bool {
        let width = self.width();
        let mut known = true;
        let mut at = range.start.next_multiple_of(width);
        // Most blocks are small, and in the same stretch as the one before.
        if at < range.end && self.u8(at).is_some() {
            let last = self.last.get();
            let segment = last.segment.and_then(|segment| self.memory.segments().get(segment));
            let inside = last.start <= at && range.end <= last.end;
            if inside && last.segment.is_none() {
                return true;
            }
            if inside
                && let Some(segment) = segment
                && let Some(bytes) = segment.bytes.get((at - last.start) as usize..(range.end - last.start) as usize)
            {
                match width {
                    4 => each_word(bytes, &mut at, |word| u64::from(u32::from_le_bytes(word)), &mut each),
                    _ => each_word(bytes, &mut at, u64::from_le_bytes, &mut each),
                };
                return true;
            }
        }
        for chunk in self.memory.chunks(range.clone()) {
            let end = chunk.range().end;
            let more = match chunk {
                Chunk::Captured(segment) => {
                    let bytes = at.checked_sub(segment.address).and_then(|skip| segment.bytes.get(skip as usize..));
                    let bytes = bytes.unwrap_or_default();
                    if width == 4 {
                        each_word(bytes, &mut at, |word| u64::from(u32::from_le_bytes(word)), &mut each)
                    } else {
                        each_word(bytes, &mut at, u64::from_le_bytes, &mut each)
                    }
                }
                Chunk::Zero { .. } => {
                    at = at.max(end / width * width);
                    true
                }
                Chunk::Hole { .. } => {
                    known = false;
                    at = at.max(end.next_multiple_of(width));
                    true
                }
            };
            // A word that reaches into the next chunk: dumps leave out zeros byte by byte.
            let across = at < end && end < range.end;
            if !more || across && self.word(at).is_some_and(|value| value != 0 && !each(at, value)) {
                return known;
            }
            at += if across { width } else { 0 };
        }
        known
    }
}

/// Calls `each` with the address and the value of the words in `bytes` that are not zero. The first is at `at`, which
/// is moved past the last one. Returns false if `each` wants no more.
#[inline]
fn each_word<const N: usize>(
    bytes: &[u8],
    at: &mut u64,
    value: impl Fn([u8; N]) -> u64,
    each: &mut impl FnMut(u64, u64) -> bool,
) -> bool {
    for word in bytes.as_chunks::<N>().0 {
        let value = value(*word);
        if value != 0 && !each(*at, value) {
            return false;
        }
        *at += N as u64;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Segment;

    #[test]
    fn words_are_read_across_pieces_and_holes_are_no_zeros() {
        let mut memory = Memory::new(64);
        let segments = vec![
            Segment { address: 0, bytes: &[1, 0, 0, 0, 2, 0] },
            Segment { address: 6, bytes: &[0, 0, 3, 0, 0, 0] },
            Segment { address: 17, bytes: &[7, 0, 0] },
            Segment { address: 32, bytes: &[4, 0, 0, 0] },
        ];
        memory.set_contents(segments, std::iter::once(12..24).collect());
        let view = View::new(&memory);
        assert_eq!([0, 4, 8, 12, 20].map(|at| view.u32(at)), [Some(1), Some(2), Some(3), Some(0), Some(0)]);
        assert_eq!([24, 22, 36, 62, u64::MAX].map(|at| view.u32(at)), [None; 5]);
        let mut seen = Vec::new();
        let known = view.words(0..64, |at, value| {
            seen.push((at, value));
            true
        });
        assert_eq!((seen, known), (vec![(0, 1), (4, 2), (8, 3), (16, 0x700), (32, 4)], false));
        assert!(view.words(0..24, |_, _| true));
    }
}
