//! Reads a memory as a few large blocks of known bytes.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use crate::memory::{Chunk, Memory};

/// The least size of a block in bytes, unless its stretch of known bytes is shorter.
pub const BLOCK: usize = 1 << 20;

/// Zero bytes, allocated when they are first needed: as constant data they would be a third of the program's file.
static ZEROS: LazyLock<Vec<u8>> = LazyLock::new(|| vec![0; BLOCK]);

/// Known bytes.
pub struct KnownBytes<'a> {
    /// Address of the first.
    pub address: u64,
    /// The bytes: borrowed where one large segment holds them, else copied from several.
    pub bytes: Cow<'a, [u8]>,
    /// True if they follow the last byte of the previous block.
    pub follows: bool,
    /// True if they are part of one range of known zeros.
    pub zero: bool,
}

/// The known bytes of a range, in order.
pub struct Blocks<'m, 'a> {
    memory: &'m Memory<'a>,
    at: u64,
    end: u64,
    /// Address after the previous block.
    behind: Option<u64>,
    size: usize,
}

impl<'m, 'a> Blocks<'m, 'a> {
    /// The blocks of `range`, clipped to the memory, each of at least `size` bytes (itself at most [`BLOCK`]) if the
    /// stretch of known bytes has as many.
    pub fn new(memory: &'m Memory<'a>, range: Range<u64>, size: usize) -> Self {
        let size = size.clamp(1, BLOCK);
        Blocks { memory, at: range.start, end: range.end.min(memory.size), behind: None, size }
    }

    /// Skips the rest of the known zeros that the last block is part of; returns the address after them.
    pub fn skip_zero(&mut self) -> u64 {
        if let Some(Chunk::Zero { address, len }) = self.memory.chunks(self.at..self.end).next() {
            self.at = address + len;
            self.behind = Some(self.at);
        }
        self.at
    }
}

impl<'a> Iterator for Blocks<'_, 'a> {
    type Item = KnownBytes<'a>;

    fn next(&mut self) -> Option<KnownBytes<'a>> {
        let mut gathered: Vec<u8> = Vec::new();
        let mut address = self.at;
        let mut borrowed = None;
        let mut zero = false;
        for chunk in self.memory.chunks(self.at..self.end) {
            let bytes = match chunk {
                Chunk::Captured(segment) => segment.bytes,
                Chunk::Zero { len, .. } => &ZEROS[..len.min(self.size as u64) as usize],
                Chunk::Hole { .. } if gathered.is_empty() => {
                    address = chunk.range().end;
                    continue;
                }
                Chunk::Hole { .. } => break,
            };
            if gathered.is_empty() && bytes.len() >= self.size {
                zero = matches!(chunk, Chunk::Zero { .. });
                borrowed = Some(bytes);
                break;
            }
            let room = self.size - gathered.len();
            gathered.extend_from_slice(&bytes[..bytes.len().min(room)]);
            if gathered.len() == self.size {
                break;
            }
        }
        let bytes = match borrowed {
            Some(bytes) => Cow::Borrowed(bytes),
            None if gathered.is_empty() => return None,
            None => Cow::Owned(gathered),
        };
        self.at = address + bytes.len() as u64;
        let follows = self.behind.replace(self.at) == Some(address);
        Some(KnownBytes { address, bytes, follows, zero })
    }
}
