//! What is written to, and in which colours. All text from a dump goes through here and is escaped.

use std::fmt::Display;
use std::io::{self, Write};

use anstyle::Style;
use coredump_core::backtrace::Location;
use coredump_core::cli::output::Output;
use coredump_core::cli::paint::{self, Paint};
use coredump_core::cli::text::escape;

/// The output with its styles.
pub struct Page {
    pub out: Output,
    paint: Paint,
}

/// What a piece of text is.
#[derive(Clone, Copy)]
pub enum Piece {
    /// A heading.
    Title,
    /// A function's name.
    Function,
    /// A file's name.
    File,
    /// A variable's name.
    Name,
    /// A value.
    Value,
    /// An offset or address.
    Address,
    /// What a reader may skip.
    Faint,
    /// The line of source execution stood at.
    Here,
}

impl Piece {
    fn style(self) -> Style {
        match self {
            Piece::Title => paint::HEADING,
            Piece::Function => paint::FUNCTION,
            Piece::File => paint::FILE,
            Piece::Name => paint::NAME,
            Piece::Value => Style::new(),
            Piece::Address => paint::ADDRESS,
            Piece::Faint => paint::DIM,
            Piece::Here => paint::HERE,
        }
    }
}

impl Page {
    pub fn new(out: Output, colored: bool) -> Page {
        Page { out, paint: Paint { on: colored } }
    }

    /// Writes text of our own, as it is.
    pub fn plain(&mut self, text: impl Display) -> io::Result<()> {
        write!(self.out, "{text}")
    }

    /// Writes text that may come from a dump or a module, on one line.
    pub fn piece(&mut self, piece: Piece, text: &str) -> io::Result<()> {
        write!(self.out, "{}", self.paint.paint(piece.style(), escape(text)))
    }

    /// Writes `file:line:column`.
    pub fn location(&mut self, location: &Location) -> io::Result<()> {
        self.piece(Piece::File, &location.file)?;
        write!(self.out, ":{}", location.line)?;
        match location.column {
            Some(column) => write!(self.out, ":{column}"),
            None => Ok(()),
        }
    }

    /// Ends a line.
    pub fn end(&mut self) -> io::Result<()> {
        self.out.write_all(b"\n")
    }
}
