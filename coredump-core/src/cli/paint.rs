//! Colours, or none: the same thing has the same colour in every tool.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};

/// Headings.
pub const HEADING: Style = Style::new().bold();
/// What is there to read the rest by.
pub const DIM: Style = Style::new().dimmed();
/// Names of functions.
pub const FUNCTION: Style = AnsiColor::Yellow.on_default();
/// Names of files.
pub const FILE: Style = AnsiColor::Green.on_default();
/// Names of variables and symbols.
pub const NAME: Style = AnsiColor::Cyan.on_default();
/// Offsets and addresses.
pub const ADDRESS: Style = AnsiColor::Blue.on_default();
/// What is missing.
pub const MISSING: Style = AnsiColor::Red.on_default();
/// What is new.
pub const STRONG: Style = AnsiColor::Green.on_default();
/// Where execution stood.
pub const HERE: Style = AnsiColor::Red.on_default().bold();

/// Whether to colour.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    /// Colours are on.
    pub on: bool,
}

impl Paint {
    /// `text` in `style`. What comes from a dump must have been escaped before.
    pub fn paint(self, style: Style, text: impl Display) -> String {
        if self.on { format!("{style}{text}{style:#}") } else { text.to_string() }
    }
}
