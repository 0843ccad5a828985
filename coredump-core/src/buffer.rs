//! A buffer for reading and writing files.

use std::ops::{Deref, DerefMut};

/// Where pages begin.
const PAGE: usize = 4096;

/// Zeroed bytes that begin where a page does. To or from others that lie a few bytes off, some processors copy several
/// times slower.
pub struct PageBuffer {
    bytes: Vec<u8>,
    start: usize,
    size: usize,
}

impl PageBuffer {
    /// One of `size` bytes.
    pub fn new(size: usize) -> PageBuffer {
        let bytes = vec![0; size + PAGE];
        // It may be "never" where the alignment cannot be told: then it begins wherever it does.
        let start = Some(bytes.as_ptr().align_offset(PAGE)).filter(|&start| start < PAGE).unwrap_or(0);
        PageBuffer { bytes, start, size }
    }
}

impl Deref for PageBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.size]
    }
}

impl DerefMut for PageBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.size]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_with_a_page_and_has_the_size_that_was_asked_for() {
        for size in [0, 1, 4095, 4096, 100_000] {
            let mut buffer = PageBuffer::new(size);
            assert_eq!((buffer.len(), buffer.as_ptr() as usize % PAGE), (size, 0));
            buffer.fill(7);
        }
    }
}
