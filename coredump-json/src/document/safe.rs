//! JSON that is safe on a terminal, and coloured there.
//!
//! JSON escapes only the first 32 control characters. Other characters that could control a terminal or reorder a line
//! (DEL, C1 and bidirectional controls) are written as `\u009b` and the like, which is the same text to a reader of
//! JSON.

use std::fmt::Display;
use std::io::{self, Write};

use anstyle::{AnsiColor, Reset, Style};
use coredump_core::cli::text::is_unsafe;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

/// The name of a field.
const KEY: Style = AnsiColor::Blue.on_default().bold();
/// A string.
const TEXT: Style = AnsiColor::Green.on_default();
/// An unknown value: null.
const NULL: Style = Style::new().dimmed();

/// The formatter of documents: it lays them out on one line or indented, and colours them.
pub struct Layout<'f> {
    shape: Shape<'f>,
    colored: bool,
    /// True if a field's name is being written.
    key: bool,
}

/// On one line, or indented.
enum Shape<'f> {
    Line(CompactFormatter),
    Pretty(PrettyFormatter<'f>),
}

impl Layout<'_> {
    /// Indented, or on one line; with colours or without.
    pub fn new(pretty: bool, colored: bool) -> Self {
        let shape = if pretty { Shape::Pretty(PrettyFormatter::new()) } else { Shape::Line(CompactFormatter) };
        Layout { shape, colored, key: false }
    }

    fn style<W: ?Sized + Write>(&self, writer: &mut W, style: impl Display) -> io::Result<()> {
        if self.colored { write!(writer, "{style}") } else { Ok(()) }
    }
}

/// Forwards each method to the chosen formatter.
macro_rules! hand_on {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {
        $(fn $method<W: ?Sized + Write>(&mut self, writer: &mut W $(, $argument: $type)*) -> io::Result<()> {
            self.shape.$method(writer $(, $argument)*)
        })*
    };
}

/// Forwards each method to the chosen shape.
macro_rules! choose {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {
        $(fn $method<W: ?Sized + Write>(&mut self, writer: &mut W $(, $argument: $type)*) -> io::Result<()> {
            match self {
                Shape::Line(formatter) => formatter.$method(writer $(, $argument)*),
                Shape::Pretty(formatter) => formatter.$method(writer $(, $argument)*),
            }
        })*
    };
}

impl Formatter for Shape<'_> {
    choose! {
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
}

impl Formatter for Layout<'_> {
    hand_on! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_value();
        end_object_value();
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.key = true;
        self.shape.begin_object_key(writer, first)
    }

    fn end_object_key<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.key = false;
        self.shape.end_object_key(writer)
    }

    fn begin_string<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.style(writer, if self.key { KEY } else { TEXT })?;
        writer.write_all(b"\"")
    }

    fn end_string<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"\"")?;
        self.style(writer, Reset)
    }

    fn write_null<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.style(writer, NULL)?;
        writer.write_all(b"null")?;
        self.style(writer, Reset)
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
        evil.serialize(&mut serde_json::Serializer::with_formatter(&mut written, Layout::new(false, false))).unwrap();
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
            value
                .serialize(&mut serde_json::Serializer::with_formatter(&mut written, Layout::new(pretty, false)))
                .unwrap();
            let expected = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            assert_eq!(String::from_utf8(written).unwrap(), expected.unwrap());
        }
    }

    #[test]
    fn colours_change_nothing_but_colours() {
        let value = serde_json::json!({"a": "text", "b": null, "c": [1]});
        let mut written = Vec::new();
        value.serialize(&mut serde_json::Serializer::with_formatter(&mut written, Layout::new(false, true))).unwrap();
        let text = String::from_utf8(written).unwrap();
        let (key, string, null) =
            (format!("{KEY}\"a\"{Reset}"), format!("{TEXT}\"text\"{Reset}"), format!("{NULL}null{Reset}"));
        assert!(text.contains(&key) && text.contains(&string) && text.contains(&null), "{text:?}");
        let styles = [KEY.to_string(), TEXT.to_string(), NULL.to_string(), Reset.to_string()];
        let plain = styles.iter().fold(text, |text, style| text.replace(style, ""));
        assert_eq!(plain, value.to_string());
    }
}
