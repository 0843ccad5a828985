//! What is written to, and in which colours. All text from a dump goes through here and is escaped.

use std::fmt::Display;
use std::io::{self, Write};

use anstyle::Style;
use coredump_core::backtrace::Location;
use coredump_core::cli::output::Output;
use coredump_core::cli::paint::{self, Paint};
use coredump_core::cli::path_map::PathMap;
use coredump_core::cli::text::{escape, escape_lines};

/// The output with its styles.
pub struct Page {
    pub out: Output,
    paint: Paint,
    /// Where sources lie.
    pub paths: PathMap,
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
    pub fn new(out: Output, colored: bool, paths: PathMap) -> Page {
        Page { out, paint: Paint { on: colored }, paths }
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
        let file = self.paths.apply(&location.file).into_owned();
        self.piece(Piece::File, &file)?;
        write!(self.out, ":{}", location.line)?;
        match location.column {
            Some(column) => write!(self.out, ":{column}"),
            None => Ok(()),
        }
    }

    /// Writes where a function is declared, so that nobody takes it for the place where it stood.
    pub fn declaration(&mut self, declared: &Location) -> io::Result<()> {
        self.piece(Piece::Faint, " (declared at ")?;
        self.location(declared)?;
        self.piece(Piece::Faint, ")")
    }

    /// Writes text of several lines that comes from elsewhere. Its own colours stay where colours are on.
    pub fn text(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\t')) {
            return self.out.write_all(bytes);
        }
        let (mut rest, colored) = (bytes, self.paint.on);
        while let Some(at) = memchr::memchr(b'\x1b', rest) {
            self.safely(&rest[..at])?;
            rest = &rest[at..];
            match color(rest) {
                0 => {
                    self.safely(&rest[..1])?;
                    rest = &rest[1..];
                }
                length => {
                    if colored {
                        self.out.write_all(&rest[..length])?;
                    }
                    rest = &rest[length..];
                }
            }
        }
        self.safely(rest)
    }

    fn safely(&mut self, bytes: &[u8]) -> io::Result<()> {
        for chunk in bytes.utf8_chunks() {
            // A line may end as on other systems.
            let mut lines = chunk.valid().split("\r\n");
            write!(self.out, "{}", escape_lines(lines.next().unwrap_or_default()))?;
            lines.try_for_each(|line| write!(self.out, "\r\n{}", escape_lines(line)))?;
            chunk.invalid().iter().try_for_each(|byte| write!(self.out, "\\x{byte:02x}"))?;
        }
        Ok(())
    }

    /// Ends a line.
    pub fn end(&mut self) -> io::Result<()> {
        self.out.write_all(b"\n")
    }
}

/// A place as `file:line:column`.
pub fn place(paths: &PathMap, location: &Location) -> String {
    let file = paths.apply(&location.file);
    match location.column {
        Some(column) => format!("{file}:{}:{column}", location.line),
        None => format!("{file}:{}", location.line),
    }
}

/// The length of the sequence that sets colours, `ESC [ … m`, with which these bytes begin; 0 if there is none.
fn color(bytes: &[u8]) -> usize {
    let Some(rest) = bytes.strip_prefix(b"\x1b[") else { return 0 };
    let parameters = rest.iter().take(64).take_while(|byte| matches!(byte, b'0'..=b'9' | b';' | b':')).count();
    if rest.get(parameters) == Some(&b'm') { parameters + 3 } else { 0 }
}
