//! The patterns that can be searched for: bytes, words in a range, regular expressions.

use std::ops::Range;

use memchr::memmem::Finder;
use regex::bytes::{Regex, RegexBuilder};

use crate::error::{Error, ErrorKind, Result};

/// The longest match of a regular expression, in bytes, that is found across a border of segments.
const EXPRESSION_REACH: usize = 64 * 1024;
/// The number of words that are compared together before any is looked at alone.
const GROUP: usize = 1024;

/// Something to look for.
pub trait Pattern {
    /// The first match in `bytes` that begins at or after index `at`; never empty. `address` is that of `bytes[0]`.
    fn find(&self, bytes: &[u8], at: usize, address: u64) -> Option<Range<usize>>;
    /// Returns the number of bytes of a match that may lie before a border of segments.
    fn reach(&self) -> usize;
    /// Returns true if a match may become longer if more bytes follow.
    fn is_open_ended(&self) -> bool {
        false
    }
}

/// These very bytes, at aligned addresses.
#[derive(Debug)]
pub struct Bytes<'n> {
    finder: Finder<'n>,
    align: u64,
}

impl<'n> Bytes<'n> {
    /// Looks for `needle`, which is not empty, at addresses that `align` divides.
    pub fn new(needle: &'n [u8], align: u64) -> Self {
        debug_assert!(!needle.is_empty() && align > 0);
        Bytes { finder: Finder::new(needle), align }
    }
}

impl Pattern for Bytes<'_> {
    fn find(&self, bytes: &[u8], mut at: usize, address: u64) -> Option<Range<usize>> {
        loop {
            let start = at + self.finder.find(bytes.get(at..)?)?;
            if (address + start as u64).is_multiple_of(self.align) {
                return Some(start..start + self.finder.needle().len());
            }
            at = start + 1;
        }
    }

    fn reach(&self) -> usize {
        self.finder.needle().len() - 1
    }
}

/// A regular expression over bytes.
#[derive(Debug)]
pub struct Expression {
    regex: Regex,
    reach: usize,
}

impl Expression {
    /// Fails on a wrong expression. `^` and `$` match at line breaks: a memory's own start and end mean nothing.
    pub fn new(text: &str) -> Result<Self> {
        let expression = RegexBuilder::new(text).multi_line(true).build();
        let expression = expression.map(|regex| Expression { regex, reach: EXPRESSION_REACH });
        expression.map_err(|error| {
            // The library's message shows the expression with a marker below, over several lines.
            let what = error.to_string();
            let what = what.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            Error::new(ErrorKind::Usage, format!("the expression {text:?} is wrong: {what}"))
        })
    }

    /// The expression with another reach, for tests with memories and blocks of a few bytes.
    #[cfg(test)]
    pub(super) fn with_reach(self, reach: usize) -> Self {
        Expression { reach, ..self }
    }
}

impl Pattern for Expression {
    fn find(&self, bytes: &[u8], mut at: usize, _: u64) -> Option<Range<usize>> {
        while at < bytes.len() {
            let found = self.regex.find_at(bytes, at)?;
            if !found.is_empty() {
                return Some(found.range());
            }
            at = found.end() + 1;
        }
        None
    }

    fn reach(&self) -> usize {
        self.reach
    }

    fn is_open_ended(&self) -> bool {
        true
    }
}

/// Aligned little-endian words whose value lies in a range: pointers into an object.
#[derive(Clone, Debug)]
pub struct Words {
    values: Range<u64>,
    size: usize,
}

impl Words {
    /// Looks for words of `size` bytes (4 or 8) with a value in `values`.
    pub fn new(values: Range<u64>, size: u64) -> Self {
        debug_assert!(size == 4 || size == 8);
        Words { values, size: size as usize }
    }

    fn find_in<const SIZE: usize>(&self, bytes: &[u8], value: impl Fn([u8; SIZE]) -> u64) -> Option<usize> {
        let (first, count) = (self.values.start, self.values.end.saturating_sub(self.values.start));
        let inside = |word: &[u8; SIZE]| value(*word).wrapping_sub(first) < count;
        let (words, _) = bytes.as_chunks::<SIZE>();
        for (number, group) in words.chunks(GROUP).enumerate() {
            // There is no early exit, so that the compiler can compare many words at once.
            if group.iter().fold(false, |any, word| any | inside(word)) {
                return Some(number * GROUP + group.iter().position(inside)?);
            }
        }
        None
    }
}

impl Pattern for Words {
    fn find(&self, bytes: &[u8], at: usize, address: u64) -> Option<Range<usize>> {
        let start = (address + at as u64).checked_next_multiple_of(self.size as u64)?.checked_sub(address)? as usize;
        let bytes = bytes.get(start..)?;
        let word = match self.size {
            4 => self.find_in::<4>(bytes, |word| u64::from(u32::from_le_bytes(word))),
            _ => self.find_in::<8>(bytes, u64::from_le_bytes),
        }?;
        let start = start + word * self.size;
        Some(start..start + self.size)
    }

    fn reach(&self) -> usize {
        self.size - 1
    }
}
