//! Text of a program, quoted so that a terminal sees nothing but printable characters.

use super::{Renderer, Shown};
use crate::variables::location::Missing;
use crate::variables::value::Value;

/// Bytes of text that are shown at most, when the limit of elements allows fewer.
const TEXT: u64 = 200;

impl Renderer<'_, '_, '_> {
    fn text_limit(&self) -> u64 {
        u64::from(self.limits.elements).clamp(TEXT, super::LONGEST as u64)
    }

    /// NUL-terminated text at an address.
    pub(super) fn c_text(&self, address: u64) -> Result<String, Missing> {
        let memory = self.frame.memory.ok_or_else(|| Missing::NotCaptured("memory".into()))?;
        let (bytes, whole) = memory.c_string(address, self.text_limit())?;
        Ok(if whole { quoted(&bytes) } else { format!("{}...", quoted(&bytes)) })
    }

    /// Text of a known length at an address. A length that the memory cannot hold is an error, and costs nothing.
    pub(super) fn text_at(&self, address: u64, len: u64) -> Result<String, Missing> {
        if len == 0 {
            return Ok(quoted(b""));
        }
        self.check_extent(address, len)?;
        let shown = len.min(self.text_limit());
        let value = Value::in_memory(None, address);
        let text = quoted(&value.read(self.frame, shown)?);
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

    /// An array of characters: its text, without the zeros that fill it up.
    pub(super) fn text_array(&self, value: &Value, len: u64) -> Shown {
        let shown = len.min(self.text_limit());
        match value.read(self.frame, shown) {
            Ok(bytes) => {
                let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
                let text = quoted(&bytes[..end]);
                Shown::text(if shown < len && end as u64 == shown { format!("{text}...") } else { text })
            }
            Err(missing) => missing.into(),
        }
    }
}

/// Bytes in double quotes: UTF-8 as it is, everything else escaped.
pub fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            if char == '\'' { text.push(char) } else { escape(&mut text, char) }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text.push('"');
    text
}

/// A character in single quotes.
pub fn quoted_char(char: char) -> String {
    let mut text = String::from("'");
    if char == '"' {
        text.push(char)
    } else {
        escape(&mut text, char)
    }
    text.push('\'');
    text
}

fn escape(text: &mut String, char: char) {
    match char {
        '\0' => text.push_str("\\0"),
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        '\\' => text.push_str("\\\\"),
        '"' => text.push_str("\\\""),
        '\'' => text.push_str("\\'"),
        // Unicode's own notion of what must not be printed covers controls, directions and unassigned characters.
        char => text.extend(char.escape_debug()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_quoted_and_what_no_terminal_should_see_escaped() {
        assert_eq!(quoted(b"it's \"so\"\n"), r#""it's \"so\"\n""#);
        assert_eq!(quoted("é\u{1b}[2J\u{202e}".as_bytes()), r#""é\u{1b}[2J\u{202e}""#);
        assert_eq!(quoted(b"a\xffb"), r#""a\xffb""#);
        assert_eq!(quoted_char('\''), r"'\''");
    }
}
