//! Parses the argument of `--format`: a count and a type, in our notation or in that of gdb.

use argh::FromArgValue;
use coredump_core::memory::Memory;

/// The argument of `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// The number of values that are read, if the argument says so.
    pub count: Option<u64>,
    /// The unit in which each value is read.
    pub unit: Unit,
}

/// The way to read one value. Sizes are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Signed(u64),
    Unsigned(u64),
    Hex(u64),
    Octal(u64),
    Binary(u64),
    F32,
    F64,
    /// A pointer, which has the size of the memory's addresses.
    Pointer,
    Char,
    Bool,
    CString,
    /// A string of 16-bit units up to a zero.
    Utf16,
    /// A string of 32-bit units (C's `wchar_t` in WebAssembly) up to a zero.
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

/// Parses gdb's letters: one of `x d u o t f` and one of `b h w g` (default `w`), in either order.
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
    /// Size of the value in bytes; `None` if it depends on the memory.
    pub fn size(self, memory: &Memory<'_>) -> Option<u64> {
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

    /// Returns the number of values that are on a line of a terminal: as many as in gdb.
    pub fn per_line(self, memory: &Memory<'_>) -> usize {
        match (self, self.size(memory)) {
            (Unit::Pointer, _) | (_, None) => 1,
            (Unit::Binary(size), _) => 8 / size as usize,
            (_, Some(1 | 2)) => 8,
            (_, Some(4)) => 4,
            (_, Some(_)) => 2,
        }
    }
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
