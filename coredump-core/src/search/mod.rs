//! Searches a memory for bytes, values, regular expressions and text.
//!
//! The bytes of a dump are searched in place, without a copy; only around the borders of segments are a few bytes
//! joined, so that nothing that crosses a border is missed. Known zeros count as zero bytes. Nothing is found across
//! bytes that are not known.

mod blocks;
mod pattern;
mod strings;

use std::ops::{ControlFlow, Range};

pub use pattern::{Bytes, Expression, Pattern, Words};
pub use strings::{Encoding, Text, strings};

use crate::memory::Memory;
use blocks::{BLOCK, Blocks, KnownBytes};

/// A place where something was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hit {
    /// Address of the first byte.
    pub address: u64,
    /// Length in bytes.
    pub len: u64,
}

/// Calls `hit` with what `pattern` finds in `range`, by ascending address, until it breaks.
///
/// Hits do not overlap, as with `grep -o`. One that crosses a border of segments is found if it is no longer than
/// [`Pattern::reach`] says.
pub fn search(
    memory: &Memory<'_>,
    range: Range<u64>,
    pattern: &dyn Pattern,
    hit: impl FnMut(Hit) -> ControlFlow<()>,
) -> ControlFlow<()> {
    in_blocks(memory, range, pattern, BLOCK, hit)
}

/// As [`search`], in blocks of `size` bytes, which must be more than the pattern's reach.
fn in_blocks(
    memory: &Memory<'_>,
    range: Range<u64>,
    pattern: &dyn Pattern,
    size: usize,
    mut hit: impl FnMut(Hit) -> ControlFlow<()>,
) -> ControlFlow<()> {
    debug_assert!(size > pattern.reach());
    let mut seam = Seam { bytes: Vec::new(), end: range.start, from: range.start };
    // A hit of an open-ended pattern that touches the end of a block may go on in the next one, so it is held back.
    let mut waiting: Option<Hit> = None;
    let mut blocks = Blocks::new(memory, range, size);
    while let Some(block) = blocks.next() {
        let mut at = 0;
        if block.follows {
            waiting = None;
            at = seam.join(&block, pattern, &mut hit)?;
        } else {
            seam.bytes.clear();
            if let Some(found) = waiting.take() {
                hit(found)?;
            }
        }
        at = at.max(seam.from.saturating_sub(block.address) as usize);
        let mut nothing = true;
        while let Some(found) = pattern.find(&block.bytes, at, block.address) {
            nothing = false;
            let one = Hit { address: block.address + found.start as u64, len: found.len() as u64 };
            if found.end == block.bytes.len() && pattern.is_open_ended() && found.len() <= pattern.reach() {
                waiting = Some(one);
                break;
            }
            at = found.end;
            seam.from = block.address + at as u64;
            hit(one)?;
        }
        seam.keep(&block, pattern.reach());
        if nothing && block.zero && block.bytes.len().saturating_sub(at) > pattern.reach() {
            // If nothing was found in a block of zeros, nothing will be found in more of them. The part of the block
            // that an earlier hit took does not count.
            seam.end = blocks.skip_zero();
        }
    }
    match waiting {
        Some(found) => hit(found),
        None => ControlFlow::Continue(()),
    }
}

/// The last bytes that were searched, to be joined with the bytes that follow.
struct Seam {
    bytes: Vec<u8>,
    /// Address after the last byte.
    end: u64,
    /// The address up to which bytes are part of an earlier hit.
    from: u64,
}

impl Seam {
    /// Reports hits that begin in the kept bytes and end in the block. Returns the index in the block at which the
    /// search goes on, which is not 0 if the bytes before the block rule out a hit at its first byte.
    fn join(
        &mut self,
        block: &KnownBytes<'_>,
        pattern: &dyn Pattern,
        hit: &mut impl FnMut(Hit) -> ControlFlow<()>,
    ) -> ControlFlow<(), usize> {
        let kept = self.bytes.len();
        let start = self.end - kept as u64;
        let head = block.bytes.len().min(pattern.reach() + 1);
        self.bytes.extend_from_slice(&block.bytes[..head]);
        // One byte more than the reach is kept as context; no hit that begins with it reaches the block.
        let mut at = (self.from.saturating_sub(start) as usize).max(usize::from(kept > pattern.reach()));
        let mut next = 1;
        while let Some(found) = pattern.find(&self.bytes, at, start) {
            if found.start >= kept {
                next = usize::from(found.start > kept);
                break;
            }
            at = found.end;
            self.from = start + at as u64;
            hit(Hit { address: start + found.start as u64, len: found.len() as u64 })?;
        }
        self.bytes.truncate(kept);
        ControlFlow::Continue(next)
    }

    /// Keeps as many of the last bytes as the pattern's reach, and one more as context.
    fn keep(&mut self, block: &KnownBytes<'_>, reach: usize) {
        let want = reach + 1;
        let bytes = &block.bytes[block.bytes.len().saturating_sub(want)..];
        let surplus = (self.bytes.len() + bytes.len()).saturating_sub(want);
        self.bytes.drain(..surplus);
        self.bytes.extend_from_slice(bytes);
        self.end = block.address + block.bytes.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Segment;
    use proptest::prelude::*;

    /// The hits in a memory of these segments with known zeros between them, searched in blocks of `size` bytes, and
    /// the memory's bytes.
    fn found(pieces: &[Vec<u8>], gaps: &[u8], pattern: &dyn Pattern, size: usize) -> (Vec<(u64, u64)>, Vec<u8>) {
        let mut image = Vec::new();
        let mut segments = Vec::new();
        for (piece, &gap) in pieces.iter().zip(gaps) {
            segments.push(Segment { address: image.len() as u64, bytes: piece });
            image.extend_from_slice(piece);
            image.resize(image.len() + usize::from(gap), 0);
        }
        let mut memory = Memory::new(image.len() as u64);
        memory.set_contents(segments, std::iter::once(0..image.len() as u64).collect());
        let mut hits = Vec::new();
        let _ = in_blocks(&memory, 0..memory.size, pattern, size, |hit| {
            hits.push((hit.address, hit.len));
            ControlFlow::Continue(())
        });
        (hits, image)
    }

    fn pieces() -> impl Strategy<Value = (Vec<Vec<u8>>, Vec<u8>)> {
        let piece = proptest::collection::vec(0u8..3, 0..20);
        proptest::collection::vec((piece, 0u8..9), 1..12).prop_map(|all| all.into_iter().unzip())
    }

    /// Block sizes for which a memory of a hundred bytes is many blocks, or one.
    fn sizes(smallest: usize) -> impl Strategy<Value = usize> {
        prop_oneof![smallest..smallest + 12, Just(BLOCK)]
    }

    #[test]
    fn zeros_behind_a_hit_that_ends_in_their_block_are_found() {
        let (hits, _) = found(&[vec![1, 0, 0]], &[8], &Bytes::new(&[0; 5], 1), 5);
        assert_eq!(hits, [(1, 5), (6, 5)]);
    }

    proptest! {
        #[test]
        fn bytes_are_found_as_in_the_joined_image(
            (pieces, gaps) in pieces(),
            needle in proptest::collection::vec(0u8..3, 1..6),
            size in sizes(5),
        ) {
            let (hits, image) = found(&pieces, &gaps, &Bytes::new(&needle, 1), size);
            let expected: Vec<_> = memchr::memmem::find_iter(&image, &needle).map(|at| (at as u64, needle.len() as u64)).collect();
            prop_assert_eq!(hits, expected);
        }

        #[test]
        fn expressions_match_as_in_the_joined_image((pieces, gaps) in pieces(), size in sizes(9)) {
            // None of them matches more than the reach of 8.
            let bounded = [r"\x01{1,7}", r"(?-u)\x02[^\x01]{0,6}\x01", r"\x00{3}", r"(?m)\x01$", r"\x01\x02|\x02\x01"];
            for text in bounded {
                let pattern = Expression::new(text).unwrap().with_reach(8);
                let (hits, image) = found(&pieces, &gaps, &pattern, size);
                let expression = regex::bytes::RegexBuilder::new(text).multi_line(true).build().unwrap();
                let expected: Vec<_> = expression.find_iter(&image).map(|hit| (hit.start() as u64, hit.len() as u64)).collect();
                prop_assert_eq!(hits, expected, "{}", text);
            }
        }

        #[test]
        fn words_are_found_wherever_they_are_aligned((pieces, gaps) in pieces(), size in sizes(4)) {
            let (hits, image) = found(&pieces, &gaps, &Words::new(1..0x1_0000, 4), size);
            let words = image.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word));
            let expected: Vec<_> = (0..).zip(words).filter(|(_, word)| (1..0x1_0000).contains(word)).map(|(at, _)| (at * 4, 4)).collect();
            prop_assert_eq!(hits, expected);
        }
    }

    #[test]
    fn nothing_is_found_across_a_hole() {
        let mut memory = Memory::new(100);
        let segments = vec![Segment { address: 0, bytes: b"ab" }, Segment { address: 3, bytes: b"cd" }];
        memory.set_contents(segments, vec![]);
        let count = |pattern: &dyn Pattern| {
            let mut count = 0;
            let _ = search(&memory, 0..100, pattern, |_| {
                count += 1;
                ControlFlow::Continue(())
            });
            count
        };
        assert_eq!(count(&Bytes::new(b"abcd", 1)), 0);
        assert_eq!(count(&Bytes::new(b"ab\0cd", 1)), 0);
        assert_eq!(count(&Bytes::new(b"cd", 1)), 1);
        assert_eq!(count(&Expression::new("[a-z]+").unwrap()), 2);
    }

    #[test]
    fn a_vast_zero_is_skipped_and_what_follows_it_found() {
        let mut memory = Memory::new(1 << 60);
        let end = 1 << 59;
        memory.set_contents(vec![Segment { address: end, bytes: b"needle" }], std::iter::once(0..1 << 60).collect());
        let mut hits = Vec::new();
        let _ = search(&memory, 0..1 << 60, &Bytes::new(b"\0needle\0", 1), |hit| {
            hits.push(hit);
            ControlFlow::Continue(())
        });
        assert_eq!(hits, [Hit { address: end - 1, len: 8 }]);
    }
}
