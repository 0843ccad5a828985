//! Colours, or none.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};

/// Whether to colour.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    /// Colours are on.
    pub on: bool,
}

/// Headings.
pub const HEADING: Style = Style::new().bold();
/// What is there to read the rest by.
pub const DIM: Style = Style::new().dimmed();
/// Names.
pub const NAME: Style = AnsiColor::Cyan.on_default();
/// What is missing.
pub const MISSING: Style = AnsiColor::Red.on_default();

/// What is new.
pub const STRONG: Style = AnsiColor::Green.on_default();

impl Paint {
    /// `text` in `style`.
    pub fn paint(self, style: Style, text: impl Display) -> String {
        if self.on { format!("{style}{text}{style:#}") } else { text.to_string() }
    }
}
