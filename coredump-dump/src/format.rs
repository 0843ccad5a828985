//! `--format`: memory as values, as gdb's `x` shows it.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::ops::Range;

use argh::FromArgValue;
use coredump_core::cli::text::{escape, escape_bytes};
use coredump_core::error::Result;
use coredump_core::memory::{Memory, Unreadable};

use crate::paint::{DIM, MISSING, NAME};
use crate::session::Session;

/// Bytes of a text that are looked at.
const TEXT: u64 = 64 * 1024;

/// How to read, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    count: Option<u64>,
    unit: Unit,
}

/// How to read one value. Sizes are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Signed(u64),
    Unsigned(u64),
    Hex(u64),
    Octal(u64),
    Binary(u64),
    F32,
    F64,
    /// As wide as the memory's addresses.
    Pointer,
    Char,
    Bool,
    CString,
    /// 16-bit units up to a zero.
    Utf16,
    /// 32-bit units up to a zero: C's `wchar_t` in WebAssembly.
    Wide,
}

const NAMES: [(&str, Unit); 24] = [
    ("i8", Unit::Signed(1)),
    ("i16", Unit::Signed(2)),
    ("i32", Unit::Signed(4)),
    ("i64", Unit::Signed(8)),
    ("u8", Unit::Unsigned(1)),
    ("u16", Unit::Unsigned(2)),
    ("u32", Unit::Unsigned(4)),
    ("u64", Unit::Unsigned(8)),
    ("x8", Unit::Hex(1)),
    ("x16", Unit::Hex(2)),
    ("x32", Unit::Hex(4)),
    ("x64", Unit::Hex(8)),
    ("f32", Unit::F32),
    ("f64", Unit::F64),
    ("ptr", Unit::Pointer),
    ("a", Unit::Pointer),
    ("char", Unit::Char),
    ("c", Unit::Char),
    ("bool", Unit::Bool),
    ("c-string", Unit::CString),
    ("s", Unit::CString),
    ("utf16", Unit::Utf16),
    ("wide", Unit::Wide),
    ("f", Unit::F64),
];

impl FromArgValue for Format {
    fn from_arg_value(text: &str) -> Result<Self, String> {
        let unit = text.trim_start_matches(|letter: char| letter.is_ascii_digit());
        let digits = &text[..text.len() - unit.len()];
        let count = match digits {
            "" => None,
            digits => Some(digits.parse().map_err(|_| format!("{digits} values are too many"))?),
        };
        let named = NAMES.iter().find(|(name, _)| *name == unit).map(|(_, unit)| *unit);
        match named.or_else(|| gdb(unit)) {
            Some(unit) => Ok(Format { count, unit }),
            None => {
                let names: Vec<_> = NAMES.iter().map(|(name, _)| *name).filter(|name| name.len() > 1).collect();
                Err(format!("{text:?} is no format: [COUNT] and one of {}, or gdb's letters", names.join(" ")))
            }
        }
    }
}

/// gdb's letters: one of `x d u o t f` and one of `b h w g`, in either order; `w` unless it is said.
fn gdb(letters: &str) -> Option<Unit> {
    let (mut format, mut size) = (None, None);
    for letter in letters.chars() {
        let slot = match letter {
            'x' | 'd' | 'u' | 'o' | 't' | 'f' => &mut format,
            'b' | 'h' | 'w' | 'g' => &mut size,
            _ => return None,
        };
        if slot.replace(letter).is_some() {
            return None;
        }
    }
    let size = match size {
        Some('b') => 1,
        Some('h') => 2,
        Some('g') => 8,
        Some(_) => 4,
        None => {
            format?;
            4
        }
    };
    Some(match format {
        Some('d') => Unit::Signed(size),
        Some('u') => Unit::Unsigned(size),
        Some('o') => Unit::Octal(size),
        Some('t') => Unit::Binary(size),
        Some('f') if size == 4 => Unit::F32,
        Some('f') if size == 8 => Unit::F64,
        Some('f') => return None,
        _ => Unit::Hex(size),
    })
}

impl Unit {
    /// Its size; `None` where it depends on what is there.
    fn size(self, memory: &Memory<'_>) -> Option<u64> {
        Some(match self {
            Unit::Signed(size) | Unit::Unsigned(size) | Unit::Hex(size) | Unit::Octal(size) | Unit::Binary(size) => {
                size
            }
            Unit::F32 => 4,
            Unit::F64 => 8,
            Unit::Pointer => memory.pointer_size(),
            Unit::Char | Unit::Bool => 1,
            Unit::CString | Unit::Utf16 | Unit::Wide => return None,
        })
    }

    /// Values on a line of a terminal, as many as gdb shows.
    fn per_line(self, memory: &Memory<'_>) -> usize {
        match (self, self.size(memory)) {
            (Unit::Pointer, _) | (_, None) => 1,
            (Unit::Binary(size), _) => 8 / size as usize,
            (_, Some(1 | 2)) => 8,
            (_, Some(4)) => 4,
            (_, Some(_)) => 2,
        }
    }
}

/// A value, or why there is none, and the address behind it.
struct Read {
    text: Result<String, Unreadable>,
    end: u64,
}

/// Shows the ranges as values. Returns whether all of them could be read.
pub fn format(session: &Session<'_>, format: Format) -> Result<bool> {
    let (index, memory) = session.memory()?;
    let mut ranges = Vec::new();
    for (range, asked) in session.ranges(index, memory)?.into_iter().zip(&session.args.range) {
        let open = asked.extent == crate::address::Extent::Open;
        let symbol = session.object_end(index, asked, range.start).is_some();
        // An address alone is one value, or as many as are asked for.
        let count = format.count.or((open && !symbol || format.unit.size(memory).is_none()).then_some(1));
        ranges.push(match count {
            Some(count) => (range.start..memory.size, count),
            None => (range, u64::MAX),
        });
    }
    let mut complete = true;
    session.write(|out| {
        for (range, count) in ranges {
            complete &= show(session, out, index, memory, format.unit, range, count)?;
        }
        Ok(())
    })?;
    Ok(complete)
}

fn show(
    session: &Session<'_>,
    out: &mut impl Write,
    index: u32,
    memory: &Memory<'_>,
    unit: Unit,
    range: Range<u64>,
    count: u64,
) -> io::Result<bool> {
    let paint = session.paint();
    let aligned = session.on_terminal();
    let per_line = unit.per_line(memory);
    let mut complete = true;
    let mut at = range.start;
    let mut number = 0;
    let mut column = 0;
    while number < count && at < range.end {
        let Some(read) = read(session, index, memory, unit, at, range.end) else { break };
        complete &= read.text.is_ok();
        let (style, text) = match &read.text {
            Ok(text) => (None, text.clone()),
            Err(Unreadable::NotCaptured { .. }) => (Some(MISSING), "not captured".to_owned()),
            Err(other) => (Some(MISSING), other.to_string()),
        };
        if aligned {
            if column == 0 {
                let symbol = session.symbol(index, at).map(|symbol| format!(" <{}>", escape(&symbol)));
                let symbol = paint.paint(NAME, symbol.unwrap_or_default());
                write!(out, "{}{symbol}:", paint.paint(DIM, format_args!("{at:#010x}")))?;
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
    // Fewer than were asked for: the memory ends.
    Ok(complete && (count == u64::MAX || number == count))
}

/// Reads one value; `None` if it does not fit before `end`.
fn read(session: &Session<'_>, index: u32, memory: &Memory<'_>, unit: Unit, at: u64, end: u64) -> Option<Read> {
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
            Unit::F32 => f32::from_bits(bits as u32).to_string(),
            Unit::F64 => f64::from_bits(bits).to_string(),
            Unit::Pointer => match session.symbol(index, bits) {
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

/// Reads a text up to its zero.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_a_count_and_a_type() {
        let format = |text| Format::from_arg_value(text);
        assert_eq!(format("4i32"), Ok(Format { count: Some(4), unit: Unit::Signed(4) }));
        assert_eq!(format("f64"), Ok(Format { count: None, unit: Unit::F64 }));
        assert_eq!(format("12xb"), Ok(Format { count: Some(12), unit: Unit::Hex(1) }));
        assert_eq!(format("2gd"), Ok(Format { count: Some(2), unit: Unit::Signed(8) }));
        assert_eq!(format("c-string"), Ok(Format { count: None, unit: Unit::CString }));
        assert_eq!(format("fw"), Ok(Format { count: None, unit: Unit::F32 }));
        for wrong in ["", "4", "xx", "bh", "fb", "i31", "99999999999999999999i32"] {
            assert!(format(wrong).is_err(), "{wrong}");
        }
    }
}
