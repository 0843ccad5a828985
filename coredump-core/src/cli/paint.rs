//! Colours, or none: the same thing has the same colour in every tool.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};

/// The kind of a piece of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
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

impl Piece {
    fn style(self) -> Style {
        match self {
            Piece::Title => Style::new().bold(),
            Piece::Function => AnsiColor::Yellow.on_default(),
            Piece::File | Piece::New => AnsiColor::Green.on_default(),
            Piece::Name => AnsiColor::Cyan.on_default(),
            Piece::Address => AnsiColor::Blue.on_default(),
            Piece::Faint => Style::new().dimmed(),
            Piece::Missing => AnsiColor::Red.on_default(),
            Piece::Here => AnsiColor::Red.on_default().bold(),
            Piece::Value | Piece::Plain => Style::new(),
        }
    }
}

/// Whether to colour.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    /// Colours are on.
    pub on: bool,
}

impl Paint {
    /// `text` in the colour of its kind. Text from a dump must have been escaped before.
    pub fn paint(self, piece: Piece, text: impl Display) -> String {
        self.paint_as(piece.style(), text)
    }

    /// `text` in a style that is a tool's own: `{style}` begins it and `{style:#}` ends it.
    pub fn paint_as(self, style: impl Display, text: impl Display) -> String {
        if self.on { format!("{style}{text}{style:#}") } else { text.to_string() }
    }
}
