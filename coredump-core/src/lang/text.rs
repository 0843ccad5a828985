//! Strings of a program, quoted so that only printable characters reach a terminal.

use std::borrow::Cow;

use super::renderer::{LONGEST, Renderer, Shown};
use super::{Lang, StringData};
use crate::location::Missing;
use crate::values::{Source, Value};

/// Bytes of text that are shown at most, when the limit of elements allows fewer.
const TEXT: u64 = 200;

impl Renderer<'_, '_, '_> {
    fn text_limit(&self) -> u64 {
        u64::from(self.limits.elements).clamp(TEXT, LONGEST as u64)
    }

    /// NUL-terminated text at an address.
    pub(super) fn c_text(&self, address: u64) -> Result<String, Missing> {
        let memory = self.frame.memory.ok_or_else(|| Missing::NotCaptured("memory".into()))?;
        let (bytes, whole) = memory.c_string(address, self.text_limit())?;
        Ok(if whole { quoted(&bytes, self.lang) } else { format!("{}...", quoted(&bytes, self.lang)) })
    }

    /// Text of a known length at an address. A length that the memory cannot hold is an error, and costs nothing.
    pub(super) fn text_at(&self, address: u64, len: u64) -> Result<String, Missing> {
        if len == 0 {
            return Ok(quoted(b"", self.lang));
        }
        self.check_extent(address, len)?;
        let shown = len.min(self.text_limit());
        let value = Value::in_memory(None, address);
        let text = quoted(&value.read(self.frame, shown)?, self.lang);
        Ok(if shown < len { format!("{text}... ({len} bytes)") } else { text })
    }

    /// Refuses an extent that leaves the memory.
    pub(super) fn check_extent(&self, address: u64, len: u64) -> Result<(), Missing> {
        let size = self.frame.memory.map_or(u64::MAX, |memory| memory.size);
        match address.checked_add(len) {
            Some(end) if end <= size => Ok(()),
            _ if address >= size => Err(Missing::Unreadable(address)),
            _ => Err(Missing::Malformed(format!("length {len} at {address:#x}: more than the memory holds"))),
        }
    }

    /// A string of characters of one, two or four bytes.
    pub(super) fn characters(&self, text: &StringData) -> Result<String, Missing> {
        let unknown = || Missing::Malformed("a string of an unknown layout".into());
        let prefix = self.lang.character(self, text.character);
        // A type without a size is that of a string as a whole, in bytes: Rust's `Path`.
        let size = || self.frame.units.size_of(text.character).map(|size| size.max(1));
        match prefix.or_else(|| Some(("", size()?))).ok_or_else(unknown)? {
            (_, 1) => match text.source.address() {
                Some(address) => self.text_at(address, text.len),
                None => {
                    let bytes = Value { ty: None, source: text.source.clone() };
                    Ok(quoted(&bytes.read(self.frame, text.len)?, self.lang))
                }
            },
            (prefix, size @ (2 | 4)) => self.wide_text(&text.source, prefix, size, Some(text.len)),
            (_, size) => Err(Missing::Malformed(format!("characters of {size} bytes"))),
        }
    }

    /// Text of wide characters: `len` of them, or as many as stand before a zero.
    pub(super) fn wide_text(
        &self,
        source: &Source,
        prefix: &str,
        size: u64,
        len: Option<u64>,
    ) -> Result<String, Missing> {
        if let (Some(address), Some(len)) = (source.address().filter(|_| len != Some(0)), len) {
            let bytes = len.checked_mul(size).ok_or_else(|| Missing::Malformed(format!("length {len}")))?;
            self.check_extent(address, bytes)?;
        }
        let limit = self.text_limit();
        let shown = match len {
            Some(len) => len.min(limit),
            None => self.before_zero(source, size, limit)?,
        };
        let value = Value { ty: None, source: source.clone() };
        let bytes = if shown == 0 { Cow::default() } else { value.read(self.frame, shown * size)? };
        let text = quoted_wide(&bytes, size, self.lang);
        Ok(match len {
            Some(len) if shown < len => format!("{prefix}{text}... ({len} characters)"),
            None if shown == limit => format!("{prefix}{text}..."),
            _ => format!("{prefix}{text}"),
        })
    }

    /// The number of wide characters before a zero, or the limit.
    fn before_zero(&self, source: &Source, size: u64, limit: u64) -> Result<u64, Missing> {
        for index in 0..limit {
            if (Value { ty: None, source: source.moved_by(index * size) }).unsigned(self.frame, size)? == 0 {
                return Ok(index);
            }
        }
        Ok(limit)
    }

    /// An array of wide characters: its text, without the zeros that fill it up.
    pub(super) fn wide_array(&self, value: &Value, prefix: &str, size: u64, len: u64) -> Shown {
        let shown = len.min(self.text_limit());
        match value.read(self.frame, shown * size) {
            Ok(bytes) => {
                let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last / size as usize + 1);
                let text = format!("{prefix}{}", quoted_wide(&bytes[..end * size as usize], size, self.lang));
                Shown::text(if shown < len && end as u64 == shown { format!("{text}...") } else { text })
            }
            Err(missing) => missing.into(),
        }
    }

    /// An array of characters: its text, without the zeros that fill it up.
    pub(super) fn text_array(&self, value: &Value, len: u64) -> Shown {
        let shown = len.min(self.text_limit());
        match value.read(self.frame, shown) {
            Ok(bytes) => {
                let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
                let text = quoted(&bytes[..end], self.lang);
                Shown::text(if shown < len && end as u64 == shown { format!("{text}...") } else { text })
            }
            Err(missing) => missing.into(),
        }
    }
}

/// A pointer with what it points to: a text, or why that is not known.
pub fn pointer_with(address: u64, text: Result<String, Missing>) -> String {
    match text {
        Ok(text) => format!("{address:#x} {text}"),
        Err(missing) => format!("{address:#x} {missing}"),
    }
}

/// Characters of two or four bytes in double quotes: UTF-16 or UTF-32, and what is neither by its number.
fn quoted_wide(bytes: &[u8], size: u64, lang: &dyn Lang) -> String {
    let mut units: Vec<Result<char, u32>> = Vec::new();
    if size == 2 {
        let words = bytes.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
        let chars = char::decode_utf16(words);
        units.extend(chars.map(|char| char.map_err(|surrogate| u32::from(surrogate.unpaired_surrogate()))));
    } else {
        let words = bytes.chunks_exact(4).map(|unit| u32::from_le_bytes([unit[0], unit[1], unit[2], unit[3]]));
        units.extend(words.map(|unit| char::from_u32(unit).ok_or(unit)));
    }
    in_quotes(&units, lang)
}

/// Bytes in double quotes: UTF-8 as it is, everything else escaped as the language does.
pub fn quoted(bytes: &[u8], lang: &dyn Lang) -> String {
    let mut units: Vec<Result<char, u32>> = Vec::new();
    for chunk in bytes.utf8_chunks() {
        units.extend(chunk.valid().chars().map(Ok));
        units.extend(chunk.invalid().iter().map(|&byte| Err(u32::from(byte))));
    }
    in_quotes(&units, lang)
}

/// Characters, and the numbers of what is none, in double quotes.
fn in_quotes(units: &[Result<char, u32>], lang: &dyn Lang) -> String {
    let mut text = String::from("\"");
    for (index, unit) in units.iter().enumerate() {
        let digit = matches!(units.get(index + 1), Some(Ok(next)) if next.is_ascii_digit());
        match *unit {
            Ok('\'') => text.push('\''),
            Ok('\0') => text.push_str(lang.escaped_zero(digit)),
            Ok(char) => escape(&mut text, char, lang),
            Err(number) => text.push_str(&lang.escaped_number(number)),
        }
    }
    text.push('"');
    text
}

/// A character in single quotes.
pub fn quoted_char(char: char, lang: &dyn Lang) -> String {
    let mut text = String::from("'");
    if char == '"' {
        text.push(char)
    } else {
        escape(&mut text, char, lang)
    }
    text.push('\'');
    text
}

fn escape(text: &mut String, char: char, lang: &dyn Lang) {
    match char {
        '\0' => text.push_str("\\0"),
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        '\\' => text.push_str("\\\\"),
        '"' => text.push_str("\\\""),
        '\'' => text.push_str("\\'"),
        // `escape_debug` covers control characters, directional formatting and unassigned code points.
        char if char.escape_debug().len() > 1 => text.push_str(&lang.escaped(char)),
        char => text.push(char),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Language;
    use crate::lang::table;

    #[test]
    fn text_is_quoted_and_what_no_terminal_should_see_escaped() {
        assert_eq!(quoted(b"it's \"so\"\n", table(Language::C)), r#""it's \"so\"\n""#);
        assert_eq!(quoted("é\u{1b}[2J\u{202e}".as_bytes(), table(Language::Rust)), r#""é\u{1b}[2J\u{202e}""#);
        assert_eq!(quoted(b"a\xffb", table(Language::Rust)), r#""a\xffb""#);
        assert_eq!(quoted_char('\'', table(Language::C)), r"'\''");
    }

    #[test]
    fn each_language_has_its_own_notation_of_what_cannot_be_printed() {
        let bytes = "\u{4}\u{7}\u{1b}1\0x\u{0}1\u{202e}\u{e0001}".as_bytes();
        // Compiled with clang 14, the literal gives these bytes again.
        assert_eq!(quoted(bytes, table(Language::C)), r#""\004\a\0331\0x\0001\u202e\U000e0001""#);
        assert_eq!(quoted(bytes, table(Language::Cpp)), quoted(bytes, table(Language::C)));
        assert_eq!(quoted(bytes, table(Language::Rust)), r#""\u{4}\u{7}\u{1b}1\0x\01\u{202e}\u{e0001}""#);
        assert_eq!(quoted(&bytes[..4], table(Language::Zig)), r#""\x04\x07\x1b1""#);
        assert_eq!(quoted(b"a\xffb", table(Language::C)), r#""a\377b""#, "`\\xffb` would be one character");
        assert_eq!(quoted_char('\u{1}', table(Language::C)), r"'\001'");
    }

    #[test]
    fn wide_characters_are_text_and_half_of_a_pair_a_number() {
        let utf16: Vec<u8> = "aé😀".encode_utf16().chain([0xd83d, 7]).flat_map(u16::to_le_bytes).collect();
        assert_eq!(quoted_wide(&utf16, 2, table(Language::Cpp)), r#""aé😀\xd83d\a""#);
        let utf32: Vec<u8> = [0x61, 0x20ac, 0x110000].into_iter().flat_map(u32::to_le_bytes).collect();
        assert_eq!(quoted_wide(&utf32, 4, table(Language::Cpp)), r#""a€\x110000""#);
    }
}
