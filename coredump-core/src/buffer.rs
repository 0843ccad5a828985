//! A buffer for reading and writing files.

use std::fs::File;
use std::io;
use std::ops::{Deref, DerefMut, Range};
use std::os::unix::fs::FileExt;

/// Size in bytes of a memory page, at whose multiples copying is quickest.
const PAGE: usize = 4096;

/// Bytes that are read at once: few enough for a processor core's own cache, and for the allocator to reuse the memory.
const PART: usize = 64 << 10;

/// Reads a range of a file part by part; `each` is given how far into the range a part lies, and its bytes.
pub fn read_in_parts(
    file: &File,
    range: Range<u64>,
    mut each: impl FnMut(u64, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = PageBuffer::new(PART);
    for at in range.clone().step_by(PART) {
        let part = &mut buffer[..(range.end - at).min(PART as u64) as usize];
        file.read_exact_at(part, at)?;
        each(at - range.start, part)?;
    }
    Ok(())
}

/// A zeroed buffer that begins at a page boundary. Some processors copy several times slower to or from a buffer that
/// begins a few bytes off.
struct PageBuffer {
    bytes: Vec<u8>,
    start: usize,
    size: usize,
}

impl PageBuffer {
    /// A buffer of `size` bytes.
    fn new(size: usize) -> PageBuffer {
        let bytes = vec![0; size + PAGE];
        // `align_offset` may answer that it does not know. Then the buffer is not aligned, which is slower and not
        // wrong.
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
    fn a_range_of_a_file_comes_whole_and_in_order() {
        let bytes: Vec<u8> = (0..3 * PART + 5).map(|at| (at / 7) as u8).collect();
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&bytes, 0).unwrap();
        for range in [0..0, 0..bytes.len(), 3..PART + 3, 1..2 * PART, 2 * PART..bytes.len()] {
            let mut read = Vec::new();
            let outcome = read_in_parts(&file, range.start as u64..range.end as u64, |at, part| {
                assert_eq!(at as usize, read.len());
                read.extend_from_slice(part);
                Ok(())
            });
            assert!(outcome.is_ok() && read == bytes[range]);
        }
        let cut_off = read_in_parts(&file, 0..bytes.len() as u64 + 1, |_, _| Ok(()));
        assert_eq!(cut_off.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn it_begins_with_a_page_and_has_the_size_that_was_asked_for() {
        for size in [0, 1, 4095, 4096, 100_000] {
            let mut buffer = PageBuffer::new(size);
            assert_eq!((buffer.len(), buffer.as_ptr() as usize % PAGE), (size, 0));
            buffer.fill(7);
        }
    }
}
