//! The output with its colours. All text from a dump is written through it, which escapes the text.

use std::fmt::Display;
use std::io::{self, Write};

use coredump_core::cli::frame;
use coredump_core::cli::output::Output;
use coredump_core::cli::paint::Paint;
pub use coredump_core::cli::paint::TextRole;
use coredump_core::cli::path_map::PathMap;
use coredump_core::cli::text::{escape, escape_lines};
use coredump_core::{Call, Location};

/// The output with its styles.
pub struct Page {
    pub out: Output,
    paint: Paint,
    /// This says where sources are on this machine.
    pub paths: PathMap,
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
    pub fn piece(&mut self, piece: TextRole, text: &str) -> io::Result<()> {
        write!(self.out, "{}", self.paint.paint(piece, escape(text)))
    }

    /// Writes `file:line:column`.
    pub fn location(&mut self, location: &Location) -> io::Result<()> {
        self.pieces(|paths, write| frame::location(location, paths, write))
    }

    /// Writes the function of a call.
    pub fn function(&mut self, call: &Call<'_>) -> io::Result<()> {
        self.pieces(|paths, write| frame::function(call, paths, write))
    }

    /// Writes the place at which a call stood.
    pub fn call_site(&mut self, call: &Call<'_>) -> io::Result<()> {
        self.pieces(|paths, write| frame::write_call_site(call, paths, write))
    }

    fn pieces(&mut self, write: impl FnOnce(&PathMap, frame::Write<'_>) -> io::Result<()>) -> io::Result<()> {
        let Page { out, paint, paths } = self;
        write(paths, &mut |piece, text| write!(out, "{}", paint.paint(piece, escape(text))))
    }

    /// Writes text of several lines that comes from elsewhere, escaped. Its own colours are kept if colours are on.
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
            // Lines may end in `\r\n`.
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

/// The length of the colour sequence, `ESC [ … m`, at the beginning of these bytes; 0 if there is none.
fn color(bytes: &[u8]) -> usize {
    let Some(rest) = bytes.strip_prefix(b"\x1b[") else { return 0 };
    let parameters = rest.iter().take(64).take_while(|byte| matches!(byte, b'0'..=b'9' | b';' | b':')).count();
    if rest.get(parameters) == Some(&b'm') { parameters + 3 } else { 0 }
}
