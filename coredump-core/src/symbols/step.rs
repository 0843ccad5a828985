//! Steps over entries of debug info without decoding them.

use super::leb128::leb;

/// A way to step over an entry with at most one attribute of variable size (one whose size the abbreviation does not
/// tell).
#[derive(Clone, Copy, Debug)]
pub(super) struct Quick {
    /// Bytes up to that attribute, with the entry's abbreviation code of one byte; 0 for an entry that cannot be
    /// stepped over like this.
    pub size: u16,
    varying: Varying,
    /// Bytes after that attribute.
    rest: u16,
    /// By how many levels the next entry lies deeper: 1 after an entry with children, -1 after the null entry that ends
    /// a list of children, else 0.
    pub deeper: i8,
}

/// The only attribute of variable size.
#[derive(Clone, Copy, Debug)]
enum Varying {
    None,
    Leb,
    LebBlock,
}

impl Quick {
    /// The abbreviation is not one that can be stepped over: its entry must be parsed.
    pub const NONE: Quick = Quick { size: 0, varying: Varying::None, rest: 0, deeper: 0 };

    /// The null entry that ends a list of children (DWARF 5, 2.3).
    pub const END: Quick = Quick { size: 1, deeper: -1, ..Quick::NONE };

    /// For an entry whose code is followed by `fixed` bytes, and then by the parts in `steps`. `None` if more than one
    /// of these has a variable size.
    pub fn new(fixed: usize, steps: &[AttributeStep], children: bool) -> Option<Quick> {
        let (varying, rest) = match *steps {
            [] => (Varying::None, 0),
            [AttributeStep::Leb] => (Varying::Leb, 0),
            [AttributeStep::Leb, AttributeStep::Bytes(rest)] => (Varying::Leb, rest),
            [AttributeStep::LebBlock] => (Varying::LebBlock, 0),
            [AttributeStep::LebBlock, AttributeStep::Bytes(rest)] => (Varying::LebBlock, rest),
            _ => return None,
        };
        let (size, rest) = (u16::try_from(1 + fixed).ok()?, u16::try_from(rest).ok()?);
        Some(Quick { size, varying, rest, deeper: i8::from(children) })
    }

    /// Returns the offset at which the entry at `at` ends.
    #[inline]
    pub fn pass(&self, bytes: &[u8], at: usize) -> Option<usize> {
        let mut at = at + usize::from(self.size);
        match self.varying {
            Varying::None => {}
            Varying::Leb => at = pass_leb(bytes, at)?,
            Varying::LebBlock => {
                let size = leb(bytes, &mut at).ok()?;
                at = at.checked_add(usize::try_from(size).ok()?)?;
            }
        }
        at.checked_add(usize::from(self.rest))
    }
}

/// The next part of an entry to be skipped.
#[derive(Clone, Copy, Debug)]
pub(super) enum AttributeStep {
    /// This many bytes.
    Bytes(usize),
    /// A LEB128 number.
    Leb,
    /// A block after its length of 1, 2 or 4 bytes.
    Block(usize),
    /// A block after its length as LEB128.
    LebBlock,
    /// A string up to its NUL.
    Text,
}

/// Returns the offset at which the LEB128 number at `at` ends.
#[inline]
fn pass_leb(bytes: &[u8], mut at: usize) -> Option<usize> {
    while bytes.get(at)? & 0x80 != 0 {
        at += 1;
    }
    Some(at + 1)
}

/// Returns the offset at which the parts of an entry end that begin at `at`.
#[inline]
pub(super) fn pass(bytes: &[u8], mut at: usize, steps: &[AttributeStep]) -> Option<usize> {
    for step in steps {
        match *step {
            AttributeStep::Bytes(size) => at += size,
            AttributeStep::Leb => at = pass_leb(bytes, at)?,
            AttributeStep::LebBlock => {
                let size = leb(bytes, &mut at).ok()?;
                at = at.checked_add(usize::try_from(size).ok()?)?;
            }
            AttributeStep::Block(width) => {
                let size = bytes.get(at..at.checked_add(width)?)?;
                let size = size.iter().rev().fold(0usize, |size, &byte| size << 8 | usize::from(byte));
                at += width + size;
            }
            AttributeStep::Text => at += memchr::memchr(0, bytes.get(at..)?)? + 1,
        }
    }
    Some(at)
}
