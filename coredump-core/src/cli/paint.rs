//! Colours, or none: the same thing has the same colour in every tool.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};

/// The kind of a piece of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextRole {
    /// A heading.
    Title,
    /// A function's name.
    Function,
    /// A file's name.
    File,
    /// The name of a variable or symbol.
    Name,
    /// A value.
    Value,
    /// An offset or address.
    Address,
    /// Text that a reader may skip.
    Faint,
    /// Something that is missing.
    Missing,
    /// Something that was added, in a comparison.
    New,
    /// The line of source execution stood at.
    Here,
    /// Anything else.
    Plain,
}

impl TextRole {
    fn style(self) -> Style {
        match self {
            TextRole::Title => Style::new().bold(),
            TextRole::Function => AnsiColor::Yellow.on_default(),
            TextRole::File | TextRole::New => AnsiColor::Green.on_default(),
            TextRole::Name => AnsiColor::Cyan.on_default(),
            TextRole::Address => AnsiColor::Blue.on_default(),
            TextRole::Faint => Style::new().dimmed(),
            TextRole::Missing => AnsiColor::Red.on_default(),
            TextRole::Here => AnsiColor::Red.on_default().bold(),
            TextRole::Value | TextRole::Plain => Style::new(),
        }
    }
}

/// Colours text, or leaves it as it is.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    /// Colours are on.
    pub on: bool,
}

impl Paint {
    /// `text` in the colour of its kind. Text from a dump must have been escaped before.
    pub fn paint(self, piece: TextRole, text: impl Display) -> String {
        self.paint_as(piece.style(), text)
    }

    /// `text` in a style that is a tool's own: `{style}` begins it and `{style:#}` ends it.
    pub fn paint_as(self, style: impl Display, text: impl Display) -> String {
        if self.on { format!("{style}{text}{style:#}") } else { text.to_string() }
    }
}
