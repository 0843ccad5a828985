//! Implements `--hex`, a hex dump in the layout of `xxd -g 1`.
//!
//! A byte that the dump does not hold is shown as `--`, never as `00`. Repeated rows are replaced by one `*`, and rows
//! without any known byte by one line that says how many there are.

use std::io::{self, Write};
use std::ops::Range;

use anstyle::{AnsiColor, Style};
use coredump_core::error::Result;
use coredump_core::memory::{Chunk, Memory};

use crate::inspection::Inspection;
use coredump_core::cli::paint::{Paint, TextRole};

/// Bytes per row.
const ROW: u64 = 16;

/// Shows the ranges.
pub fn hex(inspection: &Inspection<'_>) -> Result<()> {
    let (index, memory) = inspection.memory()?;
    let ranges = inspection.ranges(index, memory)?;
    inspection.write(|out| {
        let dump = HexDump { memory, paint: inspection.paint(), squeeze: !inspection.args.no_squeeze };
        for (number, range) in ranges.into_iter().enumerate() {
            if number > 0 {
                writeln!(out)?;
            }
            dump.write(out, range)?;
        }
        Ok(())
    })
}

/// A hex dump of a memory.
#[derive(Clone, Copy, Debug)]
pub struct HexDump<'m> {
    /// The memory.
    pub memory: &'m Memory<'m>,
    /// The colours.
    pub paint: Paint,
    /// True if repeated rows are replaced by `*`.
    pub squeeze: bool,
}

/// A row: each byte if it is known; bytes beyond the end of the range are absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct HexRow {
    bytes: [Option<u8>; ROW as usize],
    len: usize,
}

impl HexDump<'_> {
    /// Writes the rows of `range`.
    pub fn write(&self, out: &mut impl Write, range: Range<u64>) -> io::Result<()> {
        let width = if range.end > 1 << 32 { 16 } else { 8 };
        let mut previous: Option<HexRow> = None;
        let mut folded = false;
        let mut at = range.start;
        while at < range.end {
            let Some(chunk) = self.memory.chunks(at..range.end).next() else { break };
            let rest = chunk.range().end - at;
            if rest >= ROW && matches!(chunk, Chunk::Hole { .. }) {
                // Whole rows without a known byte become one line.
                let len = if chunk.range().end == range.end { rest } else { rest / ROW * ROW };
                let text = format!("{at:0width$x}: not captured: {len} bytes up to {:#x}", at + len);
                writeln!(out, "{}", self.paint.paint(TextRole::Missing, text))?;
                (previous, folded) = (None, false);
                at += len;
                continue;
            }
            if rest > 2 * ROW && matches!(chunk, Chunk::Zero { .. }) && folded && previous.is_some_and(HexRow::is_zero)
            {
                // In a long range of zeros, all rows up to the last whole one repeat, and are skipped.
                at += (rest / ROW - 1) * ROW;
            }
            let row = self.row(at..range.end);
            let last = range.end - at <= ROW;
            if self.squeeze && previous == Some(row) && !last {
                if !folded {
                    writeln!(out, "{}", self.paint.paint(TextRole::Faint, "*"))?;
                }
                folded = true;
            } else {
                self.write_row(out, at, width, &row)?;
                (previous, folded) = (Some(row), false);
            }
            at += row.len as u64;
        }
        Ok(())
    }

    fn row(&self, range: Range<u64>) -> HexRow {
        let end = range.end.min(range.start + ROW);
        let mut row = HexRow { bytes: [None; ROW as usize], len: (end - range.start) as usize };
        for chunk in self.memory.chunks(range.start..end) {
            let at = (chunk.range().start - range.start) as usize;
            match chunk {
                Chunk::Captured(segment) => {
                    for (slot, &byte) in row.bytes[at..].iter_mut().zip(segment.bytes) {
                        *slot = Some(byte);
                    }
                }
                Chunk::Zero { len, .. } => row.bytes[at..at + len as usize].fill(Some(0)),
                Chunk::Hole { .. } => {}
            }
        }
        row
    }

    fn write_row(&self, out: &mut impl Write, at: u64, width: usize, row: &HexRow) -> io::Result<()> {
        let mut line = self.paint.paint(TextRole::Faint, format_args!("{at:0width$x}:"));
        let known = &row.bytes[..row.len];
        self.spans(&mut line, known, |byte| match byte {
            Some(byte) => format!(" {byte:02x}"),
            None => " --".into(),
        });
        line.push_str(&"   ".repeat(ROW as usize - row.len));
        line.push_str("  ");
        self.spans(&mut line, known, |byte| match byte {
            Some(byte @ 0x20..=0x7e) => char::from(byte).to_string(),
            Some(_) => ".".into(),
            None => " ".into(),
        });
        writeln!(out, "{line}")
    }

    /// Appends the text of each byte, with each run of the same class in its colour.
    fn spans(&self, line: &mut String, bytes: &[Option<u8>], text: impl Fn(Option<u8>) -> String) {
        for run in bytes.chunk_by(|&a, &b| class(a) == class(b)) {
            let run_text: String = run.iter().map(|&byte| text(byte)).collect();
            line.push_str(&self.paint.paint_as(class(run[0]), run_text));
        }
    }
}

impl HexRow {
    fn is_zero(self) -> bool {
        self.bytes[..self.len].iter().all(|&byte| byte == Some(0))
    }
}

/// The colour class of a byte, as hexyl has them: zero, printable, white space, other ASCII, the rest.
fn class(byte: Option<u8>) -> Style {
    let colour = match byte {
        None => AnsiColor::Red,
        Some(0) => AnsiColor::BrightBlack,
        Some(byte) if byte.is_ascii_graphic() => AnsiColor::Cyan,
        Some(byte) if byte.is_ascii_whitespace() => AnsiColor::Green,
        Some(byte) if byte.is_ascii() => AnsiColor::Magenta,
        Some(_) => AnsiColor::Yellow,
    };
    colour.on_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use coredump_core::memory::Segment;

    fn dump(segments: &[(u64, &[u8])], zero: Range<u64>, range: Range<u64>, squeeze: bool) -> String {
        let mut memory = Memory::new(1 << 20);
        let segments = segments.iter().map(|&(address, bytes)| Segment { address, bytes }).collect();
        memory.set_contents(segments, std::iter::once(zero).collect());
        let mut out = Vec::new();
        HexDump { memory: &memory, paint: Paint { on: false }, squeeze }.write(&mut out, range).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_row_looks_as_xxd_shows_it() {
        // printf 'Hello, world!\n\x7f\xff*' | xxd -g 1
        let expected = "00000000: 48 65 6c 6c 6f 2c 20 77 6f 72 6c 64 21 0a 7f ff  Hello, world!...\n\
                        00000010: 2a                                               *\n";
        assert_eq!(dump(&[(0, b"Hello, world!\n\x7f\xff*")], 0..0, 0..17, true), expected);
    }

    #[test]
    fn what_is_not_captured_is_not_zero() {
        let expected = "00000010: 61 00 00 -- 62 -- -- -- -- -- -- -- -- -- -- --  a..\x20b\n\
                        00000020: not captured: 4064 bytes up to 0x1000\n";
        let text = dump(&[(16, b"a"), (20, b"b")], 17..19, 16..4096, true);
        let trimmed: String = text.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        assert_eq!(trimmed, expected);
    }

    #[test]
    fn repeats_fold_and_the_last_row_is_always_shown() {
        let text = dump(&[(0, b"x")], 0..1 << 20, 0..1 << 20, true);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(lines[1].starts_with("00000010: 00 00"));
        assert_eq!(lines[2], "*");
        assert!(lines[3].starts_with("000ffff0: 00 00"));
        assert_eq!(dump(&[], 0..4096, 0..4096, false).lines().count(), 256);
    }
}
