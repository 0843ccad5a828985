//! Messages on standard error: `coredump-bt: FILE: what (offset 0x2a)` and `hint:` lines.

use std::fmt::Display;
use std::io::Write;

use crate::error::Error;
use crate::limits::{MAX_MESSAGE, shorten};
use crate::model::Warning;
use crate::text::escape;

pub use crate::limits::MAX_WARNINGS;

/// Prints messages on standard error. A message that cannot be printed is no failure.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    tool: &'static str,
}

impl Report {
    /// A report of the named tool.
    pub fn new(tool: &'static str) -> Self {
        Report { tool }
    }

    /// An error, the line it is about with the place marked, and its hint.
    pub fn error(&self, error: &Error) {
        self.say(error);
        if let Some((line, column)) = error.excerpt.as_deref() {
            let before: String = line.chars().take(column.saturating_sub(1)).collect();
            let width = escape(&before).chars().count();
            let _ = writeln!(std::io::stderr(), "    {}\n    {:width$}^", escape(line), "");
        }
        if let Some(hint) = &error.hint {
            self.hint(hint);
        }
    }

    /// A warning about `file`.
    pub fn warning(&self, file: impl Display, warning: &Warning) {
        match warning.offset {
            Some(offset) => self.say(format_args!("{file}: warning: {} (offset {offset:#x})", warning.message)),
            None => self.say(format_args!("{file}: warning: {}", warning.message)),
        }
    }

    /// One line, after the tool's name.
    pub fn say(&self, message: impl Display) {
        let message = message.to_string();
        let _ = writeln!(std::io::stderr(), "{}: {}", self.tool, escape(&shorten(&message, MAX_MESSAGE)));
    }

    /// Lines of their own, escaped already.
    pub fn lines(&self, lines: &str) {
        let _ = std::io::stderr().write_all(lines.as_bytes());
    }

    /// A hint: something that the user can try.
    pub fn hint(&self, hint: impl Display) {
        let hint = hint.to_string();
        let _ = writeln!(std::io::stderr(), "hint: {}", escape(&shorten(&hint, MAX_MESSAGE)));
    }
}
