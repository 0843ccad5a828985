//! The only error type of the project: it says what was being done, where, and what to try.

use std::fmt;
use std::path::{Path, PathBuf};

/// A shorthand for results that fail with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kind of a failure. The names are stable: scripts may match on them in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The operating system refused: missing file, no permission, disk full.
    Io,
    /// The bytes are not a WebAssembly binary at all.
    NotWasm,
    /// The bytes are WebAssembly of another kind than was asked for: an ordinary module instead of a dump, a dump
    /// instead of a module.
    WrongFile,
    /// The file ends in the middle of something.
    Truncated,
    /// Something in the file violates its format.
    Malformed,
    /// The file is well formed, but exceeds a limit that is set against hostile input (`docs/limits.md`).
    TooLarge,
    /// A binary does not belong to the dump.
    Mismatch,
    /// Something that was asked for is not there.
    NotFound,
    /// The request itself makes no sense.
    Usage,
}

impl ErrorKind {
    /// The stable name, as it appears in JSON.
    pub fn name(self) -> &'static str {
        match self {
            ErrorKind::Io => "io",
            ErrorKind::NotWasm => "not-wasm",
            ErrorKind::WrongFile => "wrong-file",
            ErrorKind::Truncated => "truncated",
            ErrorKind::Malformed => "malformed",
            ErrorKind::TooLarge => "too-large",
            ErrorKind::Mismatch => "mismatch",
            ErrorKind::NotFound => "not-found",
            ErrorKind::Usage => "usage",
        }
    }
}

/// A failure, described so that a person can act on it.
///
/// `Display` gives `FILE: what (offset 0x2a)`; the hint is a line of its own, printed by the tools.
#[derive(Debug)]
pub struct Error {
    /// The sort of failure.
    pub kind: ErrorKind,
    /// One line that says what was attempted and how it failed.
    pub message: String,
    /// The file it happened in, where there is one.
    pub path: Option<PathBuf>,
    /// Byte offset in that file.
    pub offset: Option<u64>,
    /// The line that the error is about, and the column of its character, counted from 1.
    pub excerpt: Option<Box<(String, usize)>>,
    /// A hint: something that the user can try.
    pub hint: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind` that says `message`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error { kind, message: message.into(), path: None, offset: None, excerpt: None, hint: None, source: None }
    }

    /// The failure of an operating system call: `doing` names what was tried, as in `"cannot open"`.
    pub fn io(doing: &str, source: std::io::Error) -> Self {
        let mut error = Error::new(ErrorKind::Io, format!("{doing}: {}", plain_io(&source)));
        error.source = Some(Box::new(source));
        error
    }

    /// An error for bytes at `offset` that violate the format.
    pub fn malformed(offset: u64, message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Malformed, message).at(offset)
    }

    /// An error for a file that ends at `offset`, in the middle of something.
    pub fn truncated(offset: u64, message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Truncated, message).at(offset)
    }

    /// Sets the byte offset.
    pub fn at(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    /// Sets the file, unless a deeper layer already named one.
    pub fn in_file(mut self, path: impl AsRef<Path>) -> Self {
        self.path.get_or_insert_with(|| path.as_ref().to_owned());
        self
    }

    /// Sets the line that the error is about, and the column of its character, counted from 1.
    pub fn excerpt(mut self, line: impl Into<String>, column: usize) -> Self {
        self.excerpt = Some(Box::new((line.into(), column)));
        self
    }

    /// Sets the hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The operating system's error that caused this one, if there is one.
    pub fn io_kind(&self) -> Option<std::io::ErrorKind> {
        Some(self.source.as_ref()?.downcast_ref::<std::io::Error>()?.kind())
    }
}

/// The system's message without Rust's trailing `(os error 2)`.
fn plain_io(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "{}: ", path.display())?;
        }
        f.write_str(&self.message)?;
        if let Some(offset) = self.offset {
            write!(f, " (offset {offset:#x})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
