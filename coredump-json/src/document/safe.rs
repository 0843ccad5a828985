//! JSON that is safe on a terminal.
//!
//! JSON escapes only the first 32 control characters. What else could steer a terminal or reorder a line (DEL, C1 and
//! bidirectional controls) is written as `\u009b` too: the same text to a reader of JSON.

use std::io::{self, Write};

use coredump_core::cli::text::is_unsafe;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

/// Writes on one line, or indented.
pub enum Layout<'f> {
    /// On one line.
    Line(CompactFormatter),
    /// Indented.
    Pretty(PrettyFormatter<'f>),
}

impl Layout<'_> {
    /// Indented, or on one line.
    pub fn new(pretty: bool) -> Self {
        if pretty { Layout::Pretty(PrettyFormatter::new()) } else { Layout::Line(CompactFormatter) }
    }
}

/// Hands each method on to the formatter that was chosen.
macro_rules! hand_on {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {
        $(fn $method<W: ?Sized + Write>(&mut self, writer: &mut W $(, $argument: $type)*) -> io::Result<()> {
            match self {
                Layout::Line(formatter) => formatter.$method(writer $(, $argument)*),
                Layout::Pretty(formatter) => formatter.$method(writer $(, $argument)*),
            }
        })*
    };
}

impl Formatter for Layout<'_> {
    hand_on! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first: bool);
        end_object_key();
        begin_object_value();
        end_object_value();
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        const DEL: u8 = 0x7f;
        if fragment.is_ascii() && !fragment.as_bytes().contains(&DEL) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut plain = 0;
        for (at, letter) in fragment.char_indices().filter(|&(_, letter)| is_unsafe(letter)) {
            writer.write_all(&fragment.as_bytes()[plain..at])?;
            for unit in letter.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            plain = at + letter.len_utf8();
        }
        writer.write_all(&fragment.as_bytes()[plain..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Serialize;

    #[test]
    fn what_steers_a_terminal_is_escaped_and_reads_back() {
        let evil = "a\u{1b}[31m\u{9b}b\u{7f}\u{202e}c\u{e0001} größe";
        let mut written = Vec::new();
        evil.serialize(&mut serde_json::Serializer::with_formatter(&mut written, Layout::new(false))).unwrap();
        let text = String::from_utf8(written).unwrap();
        assert!(!text.chars().any(is_unsafe), "{text:?}");
        assert!(text.contains("größe"));
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), evil);
    }

    #[test]
    fn it_is_laid_out_as_serde_json_does() {
        let value = serde_json::json!({"a": [1, {"b": null}, []], "c": {}});
        for pretty in [false, true] {
            let mut written = Vec::new();
            value.serialize(&mut serde_json::Serializer::with_formatter(&mut written, Layout::new(pretty))).unwrap();
            let expected = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            assert_eq!(String::from_utf8(written).unwrap(), expected.unwrap());
        }
    }
}
