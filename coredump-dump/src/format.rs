//! Implements `--format`, which shows memory as values, like gdb's `x`.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::ops::Range;

use coredump_core::cli::text::{escape, escape_bytes};
use coredump_core::error::Result;
use coredump_core::memory::{Memory, Unreadable};

use crate::inspection::Inspection;
use crate::unit::{Format, Unit};
use coredump_core::cli::paint::TextRole;

/// The number of bytes of a string that are read.
const TEXT: u64 = 64 * 1024;

/// A value (or why it cannot be read), and the address after it.
struct Read {
    text: Result<String, Unreadable>,
    end: u64,
}

/// Shows the ranges as values. Returns whether all of them could be read.
pub fn format(inspection: &Inspection<'_>, format: Format) -> Result<bool> {
    let (index, memory) = inspection.memory()?;
    let mut ranges = Vec::new();
    for (range, asked) in inspection.ranges(index, memory)?.into_iter().zip(&inspection.args.range) {
        let open = asked.extent == crate::address::RangeExtent::Open;
        let symbol = inspection.object_end(index, asked, range.start).is_some();
        // An address alone names one value, or as many as the format says.
        let count = format.count.or((open && !symbol || format.unit.size(memory).is_none()).then_some(1));
        ranges.push(match count {
            Some(count) => (range.start..memory.size, count),
            None => (range, u64::MAX),
        });
    }
    let mut complete = true;
    inspection.write(|out| {
        for (range, count) in ranges {
            complete &= show(inspection, out, index, memory, format.unit, range, count)?;
        }
        Ok(())
    })?;
    Ok(complete)
}

fn show(
    inspection: &Inspection<'_>,
    out: &mut impl Write,
    index: u32,
    memory: &Memory<'_>,
    unit: Unit,
    range: Range<u64>,
    count: u64,
) -> io::Result<bool> {
    let paint = inspection.paint();
    let aligned = inspection.on_terminal();
    let per_line = unit.per_line(memory);
    let mut complete = true;
    let mut at = range.start;
    let mut number = 0;
    let mut column = 0;
    while number < count && at < range.end {
        let Some(read) = read(inspection, index, memory, unit, at, range.end) else { break };
        complete &= read.text.is_ok();
        let (style, text) = match &read.text {
            Ok(text) => (None, text.clone()),
            Err(Unreadable::NotCaptured { .. }) => (Some(TextRole::Missing), "not captured".to_owned()),
            Err(other) => (Some(TextRole::Missing), other.to_string()),
        };
        if aligned {
            if column == 0 {
                let symbol = inspection.symbol(index, at).map(|symbol| format!(" <{}>", escape(&symbol)));
                let symbol = paint.paint(TextRole::Name, symbol.unwrap_or_default());
                write!(out, "{}{symbol}:", paint.paint(TextRole::Faint, format_args!("{at:#010x}")))?;
            }
            write!(out, "\t{}", style.map_or(text.clone(), |style| paint.paint(style, &text)))?;
            column = (column + 1) % per_line;
            if column == 0 {
                writeln!(out)?;
            }
        } else {
            writeln!(out, "{at:#010x}\t{text}")?;
        }
        number += 1;
        at = read.end;
    }
    if column > 0 {
        writeln!(out)?;
    }
    // The output is incomplete if the memory ended before all values were read.
    Ok(complete && (count == u64::MAX || number == count))
}

/// Reads one value; `None` if it does not fit before `end`.
fn read(inspection: &Inspection<'_>, index: u32, memory: &Memory<'_>, unit: Unit, at: u64, end: u64) -> Option<Read> {
    let Some(size) = unit.size(memory) else {
        return Some(text(memory, unit, at));
    };
    let behind = at.checked_add(size).filter(|&behind| behind <= end)?;
    let text = memory.uint(at, size).map(|bits| {
        let signed = (bits << (64 - 8 * size)) as i64 >> (64 - 8 * size);
        let (hex, octal, binary) = (2 * size as usize, (8 * size as usize).div_ceil(3), 8 * size as usize);
        match unit {
            Unit::Signed(_) => signed.to_string(),
            Unit::Hex(_) => format!("0x{bits:0hex$x}"),
            Unit::Octal(_) => format!("0{bits:0octal$o}"),
            Unit::Binary(_) => format!("{bits:0binary$b}"),
            Unit::F32 => format!("{:?}", f32::from_bits(bits as u32)),
            Unit::F64 => format!("{:?}", f64::from_bits(bits)),
            Unit::Pointer => match inspection.symbol(index, bits) {
                Some(symbol) => format!("{bits:#x} <{symbol}>"),
                None => format!("{bits:#x}"),
            },
            Unit::Char => format!("{signed} '{}'", escape_bytes(&[bits as u8])),
            Unit::Bool => match bits {
                0 => "false".to_owned(),
                1 => "true".to_owned(),
                other => format!("{other} (no bool)"),
            },
            Unit::Unsigned(_) | Unit::CString | Unit::Utf16 | Unit::Wide => bits.to_string(),
        }
    });
    Some(Read { text, end: behind })
}

/// Reads a string up to its terminating zero.
fn text(memory: &Memory<'_>, unit: Unit, at: u64) -> Read {
    if unit == Unit::CString {
        return match memory.c_string(at, TEXT) {
            Ok((bytes, ended)) => {
                let text = format!("\"{}\"{}", escape_bytes(&bytes), if ended { "" } else { "…" });
                Read { text: Ok(text), end: at + bytes.len() as u64 + 1 }
            }
            Err(error) => Read { text: Err(error), end: at + 1 },
        };
    }
    let size = if unit == Unit::Wide { 4 } else { 2 };
    let mut units = Vec::new();
    let mut ended = false;
    let mut end = at;
    while (units.len() as u64) < TEXT / size && !ended {
        match memory.uint(end, size) {
            Ok(0) => ended = true,
            Ok(unit) => units.push(unit as u32),
            Err(error) if units.is_empty() => return Read { text: Err(error), end: at + size },
            Err(_) => break,
        }
        end += size;
    }
    let mut text = String::new();
    if unit == Unit::Wide {
        for unit in units {
            match char::from_u32(unit) {
                Some(letter) => text.push_str(&escape(letter.encode_utf8(&mut [0; 4]))),
                None => write!(text, "\\u{{{unit:x}}}").unwrap_or_default(),
            }
        }
    } else {
        for letter in char::decode_utf16(units.iter().map(|&unit| unit as u16)) {
            match letter {
                Ok(letter) => text.push_str(&escape(letter.encode_utf8(&mut [0; 4]))),
                Err(lone) => write!(text, "\\u{{{:x}}}", lone.unpaired_surrogate()).unwrap_or_default(),
            }
        }
    }
    Read { text: Ok(format!("\"{text}\"{}", if ended { "" } else { "…" })), end: end.max(at + size) }
}
