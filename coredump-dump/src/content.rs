//! Classifies the bytes of a range, for a picture.

use std::ops::Range;

use coredump_core::memory::{Chunk, Memory};

/// Bytes of a range that are looked at; of a longer one, the beginnings of what is captured.
pub const LOOKED_AT: usize = 64 * 1024;
/// The number of bytes that are examined in one place.
const WINDOW: usize = 4096;
/// The number of printable bytes in a row that count as text.
const TEXT: usize = 4;

/// The kind of a range's contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nothing of it is captured.
    Missing,
    /// All that is known of it is zero.
    Zero,
    /// Mostly text.
    Text,
    /// Mostly words that are addresses in this memory.
    Pointers,
    /// Other bytes; the number says how many of four parts are not zero (1 to 4).
    Data(u8),
}

/// Classifies `range`.
pub fn content(memory: &Memory<'_>, range: Range<u64>) -> Content {
    let mut counts = Counts::default();
    let mut known = false;
    let mut left = LOOKED_AT;
    let window = if range.end - range.start > LOOKED_AT as u64 { WINDOW } else { LOOKED_AT };
    for chunk in memory.chunks(range) {
        match chunk {
            Chunk::Captured(segment) => {
                known = true;
                for part in spread(segment.bytes, window) {
                    if left == 0 {
                        break;
                    }
                    let part = &part[..part.len().min(left)];
                    left -= part.len();
                    counts.add(part, segment.address, memory);
                }
            }
            Chunk::Zero { len, .. } => {
                known = true;
                counts.zero += len;
            }
            Chunk::Hole { .. } => {}
        }
    }
    if known { counts.judge() } else { Content::Missing }
}

/// Up to 16 windows, evenly spread.
fn spread(bytes: &[u8], window: usize) -> impl Iterator<Item = &[u8]> {
    let step = (bytes.len() / 16).max(window);
    bytes.chunks(step).map(move |part| &part[..part.len().min(window)])
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    zero: u64,
    text: u64,
    pointers: u64,
    other: u64,
}

impl Counts {
    fn add(&mut self, bytes: &[u8], address: u64, memory: &Memory<'_>) {
        let mut text = 0u64;
        for run in bytes.chunk_by(|a, b| is_text(*a) == is_text(*b)) {
            if run.len() >= TEXT && is_text(run[0]) {
                text += run.len() as u64;
            }
        }
        let zero = zeros(bytes);
        let size = memory.pointer_size();
        // A word below the first data of any linker's layout is more likely a small number than an address.
        let is_pointer = |word: u64| word >= 1024 && word < memory.size;
        let skip = (address.next_multiple_of(size) - address) as usize;
        let words = bytes.get(skip..).unwrap_or_default().chunks_exact(size as usize);
        let pointers = words.filter(|word| {
            let mut wide = [0; 8];
            wide[..word.len()].copy_from_slice(word);
            is_pointer(u64::from_le_bytes(wide))
        });
        let pointers = pointers.count() as u64 * size;
        let rest = bytes.len() as u64 - zero;
        self.zero += zero;
        self.text += text;
        self.pointers += pointers;
        self.other += rest.saturating_sub(text + pointers);
    }

    fn judge(self) -> Content {
        let Counts { zero, text, pointers, other } = self;
        if text + pointers + other == 0 {
            return Content::Zero;
        }
        if text >= pointers.max(other) {
            return Content::Text;
        }
        if pointers >= other {
            return Content::Pointers;
        }
        let filled = text + pointers + other;
        Content::Data((1 + 3 * filled / (filled + zero)) as u8)
    }
}

fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~')
}

fn zeros(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|&&byte| byte == 0).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use coredump_core::memory::Segment;

    #[test]
    fn bytes_are_judged_by_what_they_mostly_are() {
        let mut memory = Memory::new(1 << 20);
        let pointers = [0x10u8, 0x20, 0x01, 0x00].repeat(16);
        let noise: Vec<u8> = (0x80..0xff).collect();
        let segments = vec![
            Segment { address: 0, bytes: b"plain words here" },
            Segment { address: 1024, bytes: &pointers },
            Segment { address: 2048, bytes: &noise },
        ];
        memory.set_contents(segments, std::iter::once(0..8192).collect());
        let of = |start, len| content(&memory, start..start + len);
        assert_eq!(of(0, 16), Content::Text);
        assert_eq!(of(1024, 64), Content::Pointers);
        assert_eq!(of(2048, 127), Content::Data(4));
        assert_eq!(of(2048, 1024), Content::Data(1));
        assert_eq!(of(4096, 4096), Content::Zero);
        assert_eq!(of(8192, 4096), Content::Missing);
    }
}
