//! The input of a tool: files, or standard input if the argument is `-` or missing.

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use crate::compressed::{self, Compression};
use crate::error::{Error, Result};
use crate::mapped::Bytes;

use super::args::RawArg;
use crate::text;

pub use crate::buffer::read_in_parts;
pub use crate::files::stays_in;
pub use crate::mapped::{losses, shrunk};

/// A source of a dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Standard input.
    Stdin,
    /// A file.
    File(PathBuf),
}

impl Input {
    /// The inputs that arguments name; `None` if there are none and standard input is a terminal: then the tool shows
    /// its help instead of waiting for somebody to type a core dump.
    pub fn from_args(files: &[RawArg]) -> Option<Vec<Input>> {
        if files.is_empty() {
            return (!std::io::stdin().is_terminal()).then(|| vec![Input::Stdin]);
        }
        Some(files.iter().map(Input::from_arg).collect())
    }

    /// The input that one argument names.
    pub fn from_arg(file: &RawArg) -> Input {
        if file.is_dash() { Input::Stdin } else { Input::File(file.to_path()) }
    }

    /// The bytes of a dump: a regular file is mapped, also when it is standard input; a pipe is read, to its end only if
    /// it begins as WebAssembly does, or is compressed. [`compressed::unpacked`] unpacks them.
    pub fn open(&self) -> Result<Bytes> {
        self.open_if(is_wasm)
    }

    /// As [`Input::open`], for one input of many: a named pipe that nobody writes to is an error, and nothing waits for it.
    pub fn open_at_once(&self) -> Result<Bytes> {
        match self {
            Input::File(path) => Bytes::open_at_once(path, is_wasm),
            Input::Stdin => self.open(),
        }
    }

    /// The bytes of a dump, and the file that they are mapped from, if any: with it the system can copy from one file
    /// to another by itself.
    pub fn open_with_file(&self) -> Result<(Bytes, Option<File>)> {
        let Input::File(path) = self else { return Ok((self.open()?, None)) };
        let opened = File::open(path).and_then(|file| Ok((file.try_clone()?, file)));
        let (file, kept) = opened.map_err(|error| Error::io("cannot open", error).in_file(path))?;
        let bytes = Bytes::from_file_if(file, is_wasm).map_err(|error| error.in_file(path))?;
        let kept = matches!(bytes, Bytes::Mapped(_)).then_some(kept);
        Ok((bytes, kept))
    }

    /// The bytes, whatever they are.
    pub fn open_any(&self) -> Result<Bytes> {
        self.open_if(|_| true)
    }

    /// A reader of the bytes, unpacked if they are compressed, for input that is read piece by piece and never kept
    /// whole.
    pub fn reader(&self) -> Result<Box<dyn Read>> {
        let opened = match self {
            Input::File(path) => compressed::reader(File::open(path).map_err(|error| Error::io("cannot open", error))?),
            Input::Stdin => compressed::reader(std::io::stdin()),
        };
        opened.map_err(|error| self.blame(error))
    }

    fn open_if(&self, wanted: impl Fn(&[u8]) -> bool) -> Result<Bytes> {
        match self {
            Input::File(path) => Bytes::open_if(path, wanted),
            Input::Stdin => {
                let stdin = std::io::stdin().as_fd().try_clone_to_owned();
                let stdin = stdin.map_err(|error| Error::io("cannot read", error).in_file("<stdin>"))?;
                Bytes::from_file_if(File::from(stdin), wanted).map_err(|error| error.in_file("<stdin>"))
            }
        }
    }

    /// Its path, if it has one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Input::Stdin => None,
            Input::File(path) => Some(path),
        }
    }

    /// Its name for messages, safe to print.
    pub fn name(&self) -> String {
        match self {
            Input::Stdin => "<stdin>".to_owned(),
            Input::File(path) => text::path(path),
        }
    }

    /// Names this input in an error that names none yet.
    pub fn blame(&self, error: Error) -> Error {
        match self {
            Input::Stdin => error.in_file("<stdin>"),
            Input::File(path) => error.in_file(path),
        }
    }
}

/// Returns true if input that begins with these bytes may be a dump, as it is or compressed.
fn is_wasm(start: &[u8]) -> bool {
    start.starts_with(b"\0asm") || Compression::from_start(start).is_some()
}
