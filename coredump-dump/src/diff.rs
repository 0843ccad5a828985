//! Implements `--diff`, which lists what changed since the module's initial memory, or between two dumps.

use std::io::{self, Write};
use std::ops::Range;

use coredump_core::cli::Exit;
use coredump_core::cli::text::escape;
use coredump_core::error::{ErrorKind, Result};
use coredump_core::memory::{Chunk, Memory};

use crate::inspection::Inspection;
use coredump_core::cli::paint::TextRole;

/// The number of equal bytes in between that may join two changes into one.
const GAP: u64 = 8;
/// The number of bytes of a change that are shown.
const SHOWN: u64 = 16;

/// Lists what differs from the module's initial memory.
pub fn against_module(inspection: &Inspection<'_>) -> Result<Exit> {
    let mut outcome = Exit::Done;
    let mut out = inspection.output()?;
    for (index, memory) in inspection.memories()? {
        let Some(before) = inspection.opened.initial_memory(index) else {
            return Err(inspection
                .error(ErrorKind::NotFound, format!("what memory {index} held at first is not known"))
                .hint("it stands in the program's binary: -m FILE names it; two dumps can be compared without it"));
        };
        outcome = outcome.and(list(inspection, &mut out, index, &before, memory)?);
    }
    out.commit()?;
    Ok(outcome)
}

/// Lists what differs between two dumps; names are those of the second one.
pub fn between(before: &Inspection<'_>, inspection: &Inspection<'_>) -> Result<Exit> {
    let mut outcome = Exit::Done;
    let mut out = inspection.output()?;
    for (index, memory) in inspection.memories()? {
        let Some(old) = before.dump.memories.get(index as usize) else {
            return Err(before.error(ErrorKind::NotFound, format!("there is no memory {index}")));
        };
        outcome = outcome.and(list(inspection, &mut out, index, old, memory)?);
    }
    out.commit()?;
    Ok(outcome)
}

fn list(
    inspection: &Inspection<'_>,
    out: &mut coredump_core::cli::output::Output,
    index: u32,
    before: &Memory<'_>,
    after: &Memory<'_>,
) -> Result<Exit> {
    let mut unknown = 0;
    for range in inspection.ranges(index, after)? {
        let mut changes = Changes { inspection, index, before, after, pending: None };
        let written = compare(before, after, range, |stretch| match stretch {
            Stretch::Differs(range) => changes.add(out, range),
            Stretch::Unknown(range) => {
                unknown += range.end - range.start;
                Ok(())
            }
        });
        written.and_then(|()| changes.flush(out)).map_err(|error| out.failed(error))?;
    }
    if before.size != after.size {
        inspection.report.say(format_args!("memory {index} had {} bytes and has {}", before.size, after.size));
    }
    if unknown > 0 {
        inspection.report.say(format_args!("memory {index}: {unknown} bytes could not be compared: not captured"));
    }
    Ok(Exit::partial_if(unknown > 0))
}

/// A range of bytes that are not known to be equal in two dumps.
enum Stretch {
    Differs(Range<u64>),
    /// At least one of the two dumps does not hold these bytes.
    Unknown(Range<u64>),
}

/// Compares two memories over `range`. A byte beyond the end of the first memory is new.
fn compare(
    before: &Memory<'_>,
    after: &Memory<'_>,
    range: Range<u64>,
    mut each: impl FnMut(Stretch) -> io::Result<()>,
) -> io::Result<()> {
    let common = range.end.min(before.size);
    let mut at = range.start;
    let mut old = before.chunks(at..common);
    let mut new = after.chunks(at..common);
    let (mut old_chunk, mut new_chunk) = (old.next(), new.next());
    while let (Some(a), Some(b)) = (old_chunk, new_chunk) {
        let end = a.range().end.min(b.range().end);
        let here = at..end;
        match (bytes(a, &here), bytes(b, &here)) {
            (Contents::Not, _) | (_, Contents::Not) => each(Stretch::Unknown(here.clone()))?,
            (Contents::Zero, Contents::Zero) => {}
            (Contents::Bytes(bytes), Contents::Zero) | (Contents::Zero, Contents::Bytes(bytes)) => {
                differences(
                    at,
                    bytes,
                    |index| bytes[index] != 0,
                    |block| block.iter().all(|&byte| byte == 0),
                    &mut each,
                )?;
            }
            (Contents::Bytes(a), Contents::Bytes(b)) => {
                let offset = |block: &[u8]| block.as_ptr() as usize - a.as_ptr() as usize;
                let equal = |block: &[u8]| b[offset(block)..][..block.len()] == *block;
                differences(at, a, |index| a[index] != b[index], equal, &mut each)?;
            }
        }
        at = end;
        if a.range().end == end {
            old_chunk = old.next();
        }
        if b.range().end == end {
            new_chunk = new.next();
        }
    }
    // Memory that was grown is zero at first (Wasm spec, memory.grow).
    for chunk in after.chunks(range.start.max(before.size)..range.end) {
        match chunk {
            Chunk::Captured(segment) => {
                let bytes = segment.bytes;
                let zero = |block: &[u8]| block.iter().all(|&byte| byte == 0);
                differences(segment.address, bytes, |index| bytes[index] != 0, zero, &mut each)?;
            }
            Chunk::Zero { .. } => {}
            Chunk::Hole { .. } => each(Stretch::Unknown(chunk.range()))?,
        }
    }
    Ok(())
}

enum Contents<'a> {
    Bytes(&'a [u8]),
    Zero,
    Not,
}

fn bytes<'a>(chunk: Chunk<'a>, range: &Range<u64>) -> Contents<'a> {
    match chunk {
        Chunk::Captured(segment) => {
            let start = (range.start - segment.address) as usize;
            Contents::Bytes(&segment.bytes[start..start + (range.end - range.start) as usize])
        }
        Chunk::Zero { .. } => Contents::Zero,
        Chunk::Hole { .. } => Contents::Not,
    }
}

/// Passes on the runs of bytes that differ. Whole blocks are compared first, as nearly all of them are equal.
fn differences(
    address: u64,
    bytes: &[u8],
    differs: impl Fn(usize) -> bool,
    equal: impl Fn(&[u8]) -> bool,
    each: &mut impl FnMut(Stretch) -> io::Result<()>,
) -> io::Result<()> {
    const BLOCK: usize = 4096;
    let mut start = None;
    for (number, block) in bytes.chunks(BLOCK).enumerate() {
        let first = number * BLOCK;
        if equal(block) {
            if let Some(start) = start.take() {
                each(Stretch::Differs(address + start as u64..address + first as u64))?;
            }
            continue;
        }
        for index in first..first + block.len() {
            match (start, differs(index)) {
                (None, true) => start = Some(index),
                (Some(from), false) => {
                    start = None;
                    each(Stretch::Differs(address + from as u64..address + index as u64))?;
                }
                _ => {}
            }
        }
    }
    match start {
        Some(start) => each(Stretch::Differs(address + start as u64..address + bytes.len() as u64)),
        None => Ok(()),
    }
}

/// Joins changes that lie close together in the same region and symbol, and writes them.
struct Changes<'d, 'a> {
    inspection: &'d Inspection<'a>,
    index: u32,
    before: &'d Memory<'d>,
    after: &'d Memory<'d>,
    pending: Option<Range<u64>>,
}

impl Changes<'_, '_> {
    fn add(&mut self, out: &mut impl Write, range: Range<u64>) -> io::Result<()> {
        for part in self.parts(range) {
            match self.pending.clone() {
                Some(pending) if self.belongs(&pending, &part) => self.pending = Some(pending.start..part.end),
                _ => {
                    self.flush(out)?;
                    self.pending = Some(part);
                }
            }
        }
        Ok(())
    }

    /// Returns true if a change continues the previous one: it is close to it, in the same object, and all bytes in
    /// between are known.
    fn belongs(&self, pending: &Range<u64>, part: &Range<u64>) -> bool {
        part.start - pending.end <= GAP
            && self.known(pending.end..part.start)
            && self.same_owner(pending.start, part.start)
    }

    fn known(&self, range: Range<u64>) -> bool {
        [self.before, self.after]
            .iter()
            .all(|memory| memory.chunks(range.clone()).all(|chunk| !matches!(chunk, Chunk::Hole { .. })))
    }

    /// Splits a range at the borders of regions.
    fn parts(&self, range: Range<u64>) -> Vec<Range<u64>> {
        let regions = self.inspection.regions(self.index);
        let mut parts = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let end = regions.at(at).map_or(range.end, |region| region.range.end.min(range.end));
            parts.push(at..end);
            at = end;
        }
        parts
    }

    fn same_owner(&self, a: u64, b: u64) -> bool {
        let regions = self.inspection.regions(self.index);
        let symbols = self.inspection.symbols(self.index);
        regions.at(a) == regions.at(b)
            && symbols.at(a).map(|(symbol, _)| symbol) == symbols.at(b).map(|(symbol, _)| symbol)
    }

    fn flush(&mut self, out: &mut impl Write) -> io::Result<()> {
        let Some(range) = self.pending.take() else { return Ok(()) };
        let inspection = self.inspection;
        let regions = inspection.regions(self.index);
        let region = regions.at(range.start).map_or("", |region| region.label()).to_owned();
        let symbol = inspection.symbol(self.index, range.start).unwrap_or_default();
        let (region, symbol) = (escape(&region), escape(&symbol));
        let len = range.end - range.start;
        let (old, new) = (shown(self.before, &range), shown(self.after, &range));
        if inspection.on_terminal() {
            let paint = inspection.paint();
            let place = paint.paint(TextRole::Faint, format_args!("{:#010x}", range.start));
            let symbol = paint.paint(TextRole::Name, symbol);
            writeln!(out, "{place}  {region}  {symbol}  {len} bytes")?;
            writeln!(out, "  {} {old}", paint.paint(TextRole::Missing, "-"))?;
            writeln!(out, "  {} {new}", paint.paint(TextRole::New, "+"))
        } else {
            writeln!(out, "{}\t{:#010x}\t{len}\t{region}\t{symbol}\t{old}\t{new}", self.index, range.start)
        }
    }
}

fn shown(memory: &Memory<'_>, range: &Range<u64>) -> String {
    let end = range.end.min(range.start + SHOWN);
    let mut text = String::new();
    for at in range.start..end {
        if !text.is_empty() {
            text.push(' ');
        }
        match memory.uint(at, 1) {
            Ok(byte) => text.push_str(&format!("{byte:02x}")),
            Err(_) => text.push_str("--"),
        }
    }
    if end < range.end {
        text.push_str(" …");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use coredump_core::memory::Segment;

    fn memory(size: u64, segments: Vec<(u64, &'static [u8])>, zero: Range<u64>) -> Memory<'static> {
        let mut memory = Memory::new(size);
        let segments = segments.into_iter().map(|(address, bytes)| Segment { address, bytes }).collect();
        memory.set_contents(segments, std::iter::once(zero).collect());
        memory
    }

    fn compared(before: &Memory<'_>, after: &Memory<'_>) -> (Vec<Range<u64>>, Vec<Range<u64>>) {
        let (mut differs, mut unknown) = (Vec::new(), Vec::new());
        compare(before, after, 0..after.size, |stretch| {
            match stretch {
                Stretch::Differs(range) => differs.push(range),
                Stretch::Unknown(range) => unknown.push(range),
            }
            Ok(())
        })
        .unwrap();
        (differs, unknown)
    }

    #[test]
    fn what_differs_is_told_to_the_byte() {
        let before = memory(64, vec![(0, b"abcdefgh"), (20, b"xyz")], 0..64);
        let after = memory(64, vec![(0, b"abXdefgh"), (22, b"z!")], 0..64);
        assert_eq!(compared(&before, &after), (vec![2..3, 20..22, 23..24], vec![]));
    }

    #[test]
    fn what_is_not_captured_is_neither_equal_nor_different() {
        let before = memory(32, vec![(0, b"abcd")], 0..32);
        let after = memory(32, vec![(0, b"ab"), (8, b"\0\0")], 16..32);
        assert_eq!(compared(&before, &after), (vec![], vec![2..4, 4..8, 10..16]));
    }

    #[test]
    fn grown_memory_was_zero() {
        let before = memory(8, vec![], 0..8);
        let after = memory(32, vec![(6, b"\0\x01\0\x02")], 0..32);
        assert_eq!(compared(&before, &after), (vec![7..8, 9..10], vec![]));
    }
}
