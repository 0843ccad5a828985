//! A memory with a limit on reads, in proportion to the bytes that the dump holds of it.
//!
//! Structures in memory can share parts: a thousand lists of a thousand elements take no more room than one, if they
//! are the same list. Code that follows such references reads through a meter. Once that is used up every read fails,
//! so that the code stops wherever it is, and reports it.

use std::borrow::Cow;
use std::cell::Cell;
use std::ops::Range;

use crate::memory::{Chunk, Memory, Unreadable};

/// The number of reads that every memory allows, and that of further reads for each byte that the dump holds of it.
const BASE: u64 = 1 << 24;
const PER_BYTE: u64 = 16;
/// The number of bytes of a read that count as one more read.
const PER_READ: u64 = 4;
/// The number of bytes that count as one read if they are only searched, which is quick.
const PER_SEARCH: u64 = 64;

/// A memory with a meter.
#[derive(Debug)]
pub struct Metered<'m, 'a> {
    memory: &'m Memory<'a>,
    /// Its size in bytes.
    pub size: u64,
    left: Cell<u64>,
}

impl<'m, 'a> Metered<'m, 'a> {
    /// A memory with a full meter.
    pub fn new(memory: &'m Memory<'a>) -> Self {
        let held: u64 = memory.segments().iter().map(|segment| segment.bytes.len() as u64).sum();
        let left = Cell::new(BASE.saturating_add(held.saturating_mul(PER_BYTE)));
        Metered { memory, size: memory.size, left }
    }

    /// The message for a reader that had to stop because the meter was used up.
    pub const SPENT: &'static str = "what stands in memory refers to itself so often that reading it was given up";

    /// Returns true if nothing can be read any more.
    pub fn is_spent(&self) -> bool {
        self.left.get() == 0
    }

    fn take(&self, reads: u64) -> Result<(), Unreadable> {
        let left = self.left.get().saturating_sub(reads);
        self.left.set(left);
        if left == 0 { Err(Unreadable::TooLong { len: reads }) } else { Ok(()) }
    }

    /// As [`Memory::bytes`].
    ///
    /// # Errors
    ///
    /// As [`Memory::bytes`], and if the meter is used up.
    pub fn bytes(&self, address: u64, len: u64) -> Result<Cow<'a, [u8]>, Unreadable> {
        self.take(1 + len / PER_READ)?;
        self.memory.bytes(address, len)
    }

    /// As [`Memory::uint`].
    ///
    /// # Errors
    ///
    /// As [`Metered::bytes`].
    pub fn uint(&self, address: u64, size: u64) -> Result<u64, Unreadable> {
        self.take(1)?;
        self.memory.uint(address, size)
    }

    /// As [`Memory::c_string`].
    ///
    /// # Errors
    ///
    /// As [`Metered::bytes`].
    pub fn c_string(&self, address: u64, limit: u64) -> Result<(Vec<u8>, bool), Unreadable> {
        let (bytes, whole) = self.memory.c_string(address, limit)?;
        self.take(1 + bytes.len() as u64 / PER_READ)?;
        Ok((bytes, whole))
    }

    /// As [`Memory::chunks`]; they end where the meter is used up.
    pub fn chunks(&self, range: Range<u64>) -> impl Iterator<Item = Chunk<'a>> + use<'_, 'm, 'a> {
        self.memory.chunks(range).take_while(|chunk| {
            let len = if let Chunk::Captured(segment) = chunk { segment.bytes.len() as u64 } else { 0 };
            self.take(1 + len / PER_SEARCH).is_ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Segment;

    #[test]
    fn a_memory_is_read_so_often_and_no_more() {
        let bytes = [7; 1024];
        let mut memory = Memory::new(65536);
        memory.set_contents(vec![Segment { address: 0, bytes: &bytes }], Vec::new());
        let metered = Metered::new(&memory);
        let reads = (0..).take_while(|_| metered.uint(8, 4).is_ok()).count() as u64;
        assert!((BASE..BASE + 32 * 1024).contains(&reads), "{reads}");
        assert!(metered.is_spent() && metered.bytes(0, 1).is_err() && metered.c_string(0, 9).is_err());
        assert!(metered.chunks(0..65536).next().is_none());

        let metered = Metered::new(&memory);
        let searches = (0..).take_while(|_| metered.chunks(0..65536).count() > 1).count() as u64;
        assert!(searches < BASE, "a search counts by its bytes: {searches}");
    }
}
