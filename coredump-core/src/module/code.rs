//! Finds where each function body lies, in one pass over the code section that reads sizes only.

use std::ops::Range;

use super::sections::leb_u32;

/// A function body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Body {
    /// File offset in the core module of the first byte after the body's size: the vector of locals.
    pub start: u64,
    /// File offset after the body's last byte.
    pub end: u64,
}

impl Body {
    /// Size in bytes.
    pub fn size(&self) -> u64 {
        self.end - self.start
    }
}

/// The code section's bodies. Only their ends are kept: a body begins after its size field, which follows the end of
/// the body before it.
#[derive(Debug)]
pub(super) struct Bodies {
    contents: Range<usize>,
    first: usize,
    ends: Vec<u32>,
}

impl Bodies {
    /// Reads the code section's `contents` within `bytes`, up to the first damage.
    pub fn parse(bytes: &[u8], contents: Range<usize>) -> Bodies {
        let code = &bytes[contents.clone()];
        let (count, first) = leb_u32(code, 0).unwrap_or((0, 0));
        let mut ends = Vec::with_capacity((count as usize).min(code.len() / 2));
        let mut position = first;
        for _ in 0..count {
            let Some((size, start)) = leb_u32(code, position) else { break };
            position = start.saturating_add(size as usize);
            if position > code.len() {
                break;
            }
            ends.push(position as u32);
        }
        ends.shrink_to_fit();
        Bodies { contents, first, ends }
    }

    /// File offset of the code section's contents.
    pub fn section_start(&self) -> u64 {
        self.contents.start as u64
    }

    /// Size of the code section's contents.
    pub fn section_size(&self) -> u64 {
        self.contents.len() as u64
    }

    /// Number of bodies found.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The body of a defined function (imports not counted).
    pub fn get(&self, bytes: &[u8], defined: usize) -> Option<Body> {
        let end = *self.ends.get(defined)? as usize;
        let header = if defined == 0 { self.first } else { self.ends[defined - 1] as usize };
        let (_, start) = leb_u32(&bytes[self.contents.clone()], header)?;
        let base = self.contents.start;
        Some(Body { start: (base + start) as u64, end: (base + end) as u64 })
    }

    /// The defined function whose size or body covers this file offset.
    pub fn find(&self, offset: u64) -> Option<usize> {
        let relative = usize::try_from(offset).ok()?.checked_sub(self.contents.start)?;
        if relative < self.first {
            return None;
        }
        let index = self.ends.partition_point(|&end| end as usize <= relative);
        (index < self.ends.len()).then_some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_found_by_index_and_by_offset() {
        // Two bodies of 2 and 3 bytes; the second's size is written in two bytes.
        let bytes = [9, 9, 2, 2, 0, 0x0b, 0x83, 0, 0, 1, 0x0b];
        let bodies = Bodies::parse(&bytes, 2..bytes.len());
        assert_eq!(bodies.len(), 2);
        assert_eq!(bodies.get(&bytes, 0), Some(Body { start: 4, end: 6 }));
        assert_eq!(bodies.get(&bytes, 1), Some(Body { start: 8, end: 11 }));
        assert_eq!(bodies.get(&bytes, 2), None);
        assert_eq!([2, 3, 5, 6, 10, 11].map(|at| bodies.find(at)), [None, Some(0), Some(0), Some(1), Some(1), None]);
    }

    #[test]
    fn a_section_that_lies_about_its_size_gives_what_it_has() {
        let bytes = [0xff, 0xff, 0xff, 0x0f, 1, 0x0b, 100, 0];
        assert_eq!(Bodies::parse(&bytes, 0..bytes.len()).len(), 1);
        assert_eq!(Bodies::parse(&[], 0..0).len(), 0);
    }
}
