//! Finds text in a memory, as the tool `strings` does: UTF-8, and UTF-16 in the scripts of the first 2048 code points.

use std::ops::{ControlFlow, Range};

use super::blocks::{BLOCK, Blocks};
use crate::memory::Memory;
use crate::text::is_unsafe;

/// The most bytes of one text; a longer text is given in parts.
const LONGEST: usize = 64 * 1024;

/// The encoding of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8 (ASCII is part of it).
    Utf8,
    /// UTF-16, little endian, at even addresses.
    Utf16,
}

impl Encoding {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Utf8 => "utf-8",
            Encoding::Utf16 => "utf-16",
        }
    }
}

/// A text and where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Text {
    /// Address of the first byte.
    pub address: u64,
    /// Its encoding.
    pub encoding: Encoding,
    /// Its length in bytes.
    pub len: u64,
    /// The text.
    pub text: String,
}

/// Calls `each` with every run of at least `min` printable characters (tabs are), by ascending end, until it breaks.
pub fn strings(
    memory: &Memory<'_>,
    range: Range<u64>,
    min: usize,
    each: impl FnMut(Text) -> ControlFlow<()>,
) -> ControlFlow<()> {
    in_blocks(memory, range, min, BLOCK, each)
}

/// Looks for texts as [`strings`] does, in blocks of `size` bytes.
fn in_blocks(
    memory: &Memory<'_>,
    range: Range<u64>,
    min: usize,
    size: usize,
    mut each: impl FnMut(Text) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut utf8 = Utf8 { start: 0, pending: Vec::new(), chars: 0, cut: Vec::new() };
    let mut utf16 = Utf16 { start: 0, low: None, text: String::new() };
    let mut blocks = Blocks::new(memory, range, size);
    while let Some(block) = blocks.next() {
        if !block.follows {
            utf8.end(min, &mut each)?;
            utf16.end(min, &mut each)?;
            utf16.low = None;
        }
        if block.zero {
            utf8.end(min, &mut each)?;
            utf16.end(min, &mut each)?;
            utf16.low = None;
            blocks.skip_zero();
            continue;
        }
        utf8.feed(block.address, &block.bytes, min, &mut each)?;
        utf16.feed(block.address, &block.bytes, min, &mut each)?;
    }
    utf8.end(min, &mut each)?;
    utf16.end(min, &mut each)
}

fn is_printable(letter: char) -> bool {
    letter == '\t' || !is_unsafe(letter)
}

/// A run of UTF-8 that may go on.
struct Utf8 {
    start: u64,
    pending: Vec<u8>,
    chars: usize,
    /// The first bytes of a character that a block's end cut in two.
    cut: Vec<u8>,
}

impl Utf8 {
    fn feed(
        &mut self,
        address: u64,
        bytes: &[u8],
        min: usize,
        each: &mut impl FnMut(Text) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let mut at = 0;
        if !self.cut.is_empty() {
            let before = self.cut.len();
            let mut joined = std::mem::take(&mut self.cut);
            joined.extend_from_slice(&bytes[..bytes.len().min(4 - before)]);
            match letter(&joined) {
                Letter::Whole(letter) if is_printable(letter) => {
                    self.push(address - before as u64, &joined[..letter.len_utf8()]);
                    at = letter.len_utf8() - before;
                }
                _ => self.end(min, each)?,
            }
        }
        while at < bytes.len() {
            if self.pending.is_empty() {
                at = skip(at, bytes.len() - 1, min.saturating_sub(1), |k| CLASSES.part(bytes[k], bytes[k + 1]));
            }
            // This handles runs of printable ASCII, which are nearly all there is.
            let run = bytes[at..].iter().take_while(|byte| matches!(byte, b'\t' | b' '..=b'~')).count();
            if run > 0 {
                self.push(address + at as u64, &bytes[at..at + run]);
                at += run;
                if self.pending.len() >= LONGEST {
                    self.end(min, each)?;
                }
                continue;
            }
            let skip = bytes[at..].iter().take_while(|&&byte| byte < 0x20 && byte != b'\t' || byte == 0x7f).count();
            if skip > 0 {
                self.end(min, each)?;
                at += skip;
                continue;
            }
            match letter(&bytes[at..]) {
                Letter::Whole(letter) if is_printable(letter) => {
                    self.push(address + at as u64, &bytes[at..at + letter.len_utf8()]);
                    at += letter.len_utf8();
                }
                Letter::Cut => {
                    self.cut = bytes[at..].to_vec();
                    break;
                }
                _ => {
                    self.end(min, each)?;
                    at += 1;
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Adds whole characters.
    fn push(&mut self, address: u64, text: &[u8]) {
        if self.pending.is_empty() {
            self.start = address;
        }
        self.pending.extend_from_slice(text);
        self.chars += text.iter().filter(|&&byte| byte & 0xc0 != 0x80).count();
    }

    fn end(&mut self, min: usize, each: &mut impl FnMut(Text) -> ControlFlow<()>) -> ControlFlow<()> {
        self.cut.clear();
        if std::mem::take(&mut self.chars) < min.max(1) {
            self.pending.clear();
            return ControlFlow::Continue(());
        }
        let pending = std::mem::take(&mut self.pending);
        let len = pending.len() as u64;
        let text = String::from_utf8_lossy(&pending).into_owned();
        each(Text { address: self.start, encoding: Encoding::Utf8, len, text })
    }
}

/// The character with which bytes begin, or why there is none.
enum Letter {
    Whole(char),
    /// The first bytes of a character that is cut in two.
    Cut,
    Broken,
}

fn letter(bytes: &[u8]) -> Letter {
    match str::from_utf8(&bytes[..bytes.len().min(4)]) {
        Ok(text) => text.chars().next().map_or(Letter::Broken, Letter::Whole),
        Err(error) => match str::from_utf8(&bytes[..error.valid_up_to()]).ok().and_then(|text| text.chars().next()) {
            Some(letter) => Letter::Whole(letter),
            None if error.error_len().is_none() => Letter::Cut,
            None => Letter::Broken,
        },
    }
}

/// Skips bytes that cannot begin a run of `min`: returns the first index from `at` on with `min` bytes that do not
/// break a run, or one too near to `end` to tell. It checks the last byte of each candidate first, as in Boyer-Moore,
/// so that most bytes of noise are never looked at.
fn skip(mut at: usize, end: usize, min: usize, breaks: impl Fn(usize) -> bool) -> usize {
    while at + min <= end {
        match (at..at + min).rev().find(|&place| breaks(place)) {
            Some(place) => at = place + 1,
            None => break,
        }
    }
    at
}

/// The role of each byte in UTF-8 (RFC 3629).
struct Classes([u8; 256]);

static CLASSES: Classes = Classes::new();

impl Classes {
    const NONE: u8 = 0;
    const ASCII: u8 = 1;
    const LEAD: u8 = 2;
    const TAIL: u8 = 3;

    const fn new() -> Classes {
        let mut classes = [Classes::NONE; 256];
        let mut byte = 0;
        while byte < 256 {
            classes[byte] = match byte {
                0x09 | 0x20..=0x7e => Classes::ASCII,
                0x80..=0xbf => Classes::TAIL,
                0xc2..=0xf4 => Classes::LEAD,
                _ => Classes::NONE,
            };
            byte += 1;
        }
        Classes(classes)
    }

    /// Returns true if these two bytes cannot follow each other in text.
    fn part(&self, first: u8, second: u8) -> bool {
        let (first, second) = (self.0[usize::from(first)], self.0[usize::from(second)]);
        first == Classes::NONE
            || second == Classes::NONE
            || (first == Classes::LEAD) != (second == Classes::TAIL) && first != Classes::TAIL
    }
}

/// Returns true if a UTF-16 unit is no control character and among the first 2048 code points. Beyond these, nearly any
/// two bytes are a letter of some script (ASCII text would appear as Chinese).
fn could_be_text(unit: [u8; 2]) -> bool {
    matches!(u16::from_le_bytes(unit), 0x09 | 0x20..=0x7e | 0xa0..=0x7ff)
}

/// A run of UTF-16 that may go on.
struct Utf16 {
    start: u64,
    /// The first byte of a unit that a block's end cut in two.
    low: Option<u8>,
    text: String,
}

impl Utf16 {
    fn feed(
        &mut self,
        address: u64,
        bytes: &[u8],
        min: usize,
        each: &mut impl FnMut(Text) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let mut bytes = bytes;
        let mut address = address;
        if address % 2 == 1 {
            let Some((&high, rest)) = bytes.split_first() else { return ControlFlow::Continue(()) };
            if let Some(low) = self.low.take() {
                self.unit(address - 1, [low, high], min, each)?;
            }
            (bytes, address) = (rest, address + 1);
        }
        let (units, rest) = bytes.as_chunks::<2>();
        let mut at = 0;
        while at < units.len() {
            if self.text.is_empty() {
                at = skip(at, units.len(), min, |k| !could_be_text(units[k]));
            }
            if let Some(&unit) = units.get(at) {
                self.unit(address + 2 * at as u64, unit, min, each)?;
                at += 1;
            }
        }
        self.low = rest.first().copied();
        ControlFlow::Continue(())
    }

    fn unit(
        &mut self,
        address: u64,
        unit: [u8; 2],
        min: usize,
        each: &mut impl FnMut(Text) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        match char::from_u32(u32::from(u16::from_le_bytes(unit))) {
            Some(letter) if could_be_text(unit) && is_printable(letter) => {
                if self.text.is_empty() {
                    self.start = address;
                }
                self.text.push(letter);
                if self.text.len() >= LONGEST {
                    return self.end(min, each);
                }
                ControlFlow::Continue(())
            }
            _ => self.end(min, each),
        }
    }

    fn end(&mut self, min: usize, each: &mut impl FnMut(Text) -> ControlFlow<()>) -> ControlFlow<()> {
        if self.text.is_empty() {
            return ControlFlow::Continue(());
        }
        let chars = self.text.chars().count();
        if chars < min.max(1) {
            self.text.clear();
            return ControlFlow::Continue(());
        }
        let text = std::mem::take(&mut self.text);
        each(Text { address: self.start, encoding: Encoding::Utf16, len: 2 * chars as u64, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Segment;

    fn all(segments: &[(u64, &[u8])], min: usize) -> Vec<(u64, &'static str, String)> {
        all_in(segments, min, BLOCK)
    }

    fn all_in(segments: &[(u64, &[u8])], min: usize, size: usize) -> Vec<(u64, &'static str, String)> {
        let mut memory = Memory::new(1 << 32);
        let segments = segments.iter().map(|&(address, bytes)| Segment { address, bytes }).collect();
        memory.set_contents(segments, std::iter::once(0..1 << 31).collect());
        let mut found = Vec::new();
        let _ = in_blocks(&memory, 0..1 << 32, min, size, |text| {
            found.push((text.address, text.encoding.name(), text.text));
            ControlFlow::Continue(())
        });
        found
    }

    #[test]
    fn text_across_segments_is_one() {
        let found = all(&[(3, b"\x01hel"), (7, b"lo\tw"), (11, b"\xc3"), (12, b"\xb6rld\0no\0")], 4);
        assert_eq!(found, [(4, "utf-8", "hello\twörld".into())]);
    }

    #[test]
    fn text_across_blocks_is_one() {
        let mut bytes = vec![0; (1 << 20) - 3];
        bytes.extend("aö€b".as_bytes());
        bytes.extend([0; 5]);
        for start in 0..8 {
            let found = all(&[(start, &bytes[start as usize..])], 4);
            assert_eq!(found, [((1 << 20) - 3, "utf-8", "aö€b".into())]);
        }
    }

    #[test]
    fn wide_text_is_found_at_even_addresses() {
        let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let text = wide("größe Ж");
        let found = all(&[(100, &text[..3]), (103, &text[3..])], 4);
        assert_eq!(found, [(100, "utf-16", "größe Ж".into())]);
    }

    #[test]
    fn what_is_passed_over_is_no_text() {
        // The expected texts are found by trying every place of a noisy memory by itself.
        let mut seed = 1u32;
        let mut noise = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            match seed >> 29 {
                0 => 0,
                1..=3 => b'a' + (seed >> 16) as u8 % 26,
                4 => (seed >> 16) as u8,
                5 => 0xc3,
                6 => 0x80 | (seed >> 18) as u8 & 0x3f,
                _ => b' ',
            }
        };
        let bytes: Vec<u8> = (0..20_000).map(|_| noise()).collect();
        for min in [1, 2, 5, 9] {
            let expected: Vec<String> = bytes
                .utf8_chunks()
                .flat_map(|chunk| chunk.valid().split(|letter| !is_printable(letter)))
                .filter(|text| text.chars().count() >= min)
                .map(str::to_owned)
                .collect();
            let found = all(&[(0, &bytes)], min).into_iter().filter(|&(_, encoding, _)| encoding == "utf-8");
            assert_eq!(found.map(|(.., text)| text).collect::<Vec<_>>(), expected, "min {min}");
            // The same texts are found, however small the blocks are.
            let whole = all(&[(0, &bytes)], min);
            for size in [1, 2, 3, 7, 64] {
                let mut cut = all_in(&[(0, &bytes)], min, size);
                // The order of two texts that end in the same block does not matter.
                let mut whole = whole.clone();
                cut.sort();
                whole.sort();
                assert_eq!(cut, whole, "min {min}, blocks of {size}");
            }
        }
    }

    #[test]
    fn controls_and_broken_utf8_end_a_text() {
        assert_eq!(all(&[(0, b"abc\xffabcd\x1babc\xe2\x80\xaeabc\x7fabcde")], 4).len(), 2);
    }
}
