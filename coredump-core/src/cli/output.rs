//! The output of a tool: standard output, or a file that appears whole or not at all.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use argh::FromArgValue;

use super::args::RawArg;
use super::signals;
use crate::error::{Error, Result};
use crate::mapped;
use crate::new_file::{self, NewFile, Target};

/// Size in bytes of the buffer in which output is gathered.
const BUFFER: usize = 64 * 1024;

/// The argument of `--color`: it says when to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl FromArgValue for Color {
    fn from_arg_value(value: &str) -> Result<Self, String> {
        match value {
            "auto" => Ok(Color::Auto),
            "always" => Ok(Color::Always),
            "never" => Ok(Color::Never),
            _ => Err(format!("{value:?} is none of auto, always, never")),
        }
    }
}

impl Color {
    /// Returns true if standard output gets colours.
    pub fn on_stdout(self) -> bool {
        self.on(&io::stdout())
    }

    /// Returns true if standard error gets colours.
    pub fn on_stderr(self) -> bool {
        self.on(&io::stderr())
    }

    fn on(self, stream: &impl anstream::stream::RawStream) -> bool {
        match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => anstream::AutoStream::choice(stream) != anstream::ColorChoice::Never,
        }
    }
}

/// The destination of a tool's output: the file of `-o`, or standard output without it and for `-o -`. Each tool asks
/// here whether its output goes to a terminal, and whether colours are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Destination<'o> {
    file: Option<&'o Path>,
}

impl<'o> Destination<'o> {
    /// The destination that the value of `-o` names.
    pub fn new(output: Option<&'o RawArg>) -> Destination<'o> {
        Destination { file: output.filter(|output| !output.is_dash()).map(RawArg::path) }
    }

    /// Opens it. Fails where the file cannot be created.
    pub fn open(self) -> Result<Output> {
        self.file.map_or_else(Output::stdout, Output::file)
    }

    /// Returns true if it is a terminal.
    pub fn is_terminal(self) -> bool {
        self.file.is_none() && stdout_is_terminal()
    }

    /// Returns true if it gets colours: a file has none.
    pub fn is_colored(self, color: Color) -> bool {
        self.file.is_none() && color.on_stdout()
    }
}

/// Returns true if standard output is a terminal.
pub(crate) fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// From now on, a file that grows beyond the limit of this process (`ulimit -f`) makes a write fail, as a full disk
/// does, instead of ending the process by SIGXFSZ.
pub(crate) fn survive_size_limit() {
    // Any handler will do. If it cannot be installed, the signal ends the process as before.
    drop(signal_hook::flag::register(libc::SIGXFSZ, Arc::default()));
}

/// Prints `text` to standard output.
pub fn print(text: &str) -> Result<()> {
    let mut output = Output::stdout()?;
    output.write_all(text.as_bytes()).map_err(|error| output.failed(error))?;
    output.commit()
}

/// A destination. Nothing counts as written before [`Output::commit`].
///
/// Once a mapped file has become shorter ([`mapped::losses`]), nothing can be written any more until
/// [`Output::forget_losses`]: what follows might show zeros that were never in that file.
#[derive(Debug)]
pub struct Output {
    sink: Sink,
    path: PathBuf,
    /// The count of [`mapped::losses`] up to which losses were dealt with.
    losses: u64,
}

#[derive(Debug)]
enum Sink {
    /// Standard output, a pipe or a device, where what was written cannot be taken back.
    Stream(BufWriter<File>),
    /// A file that gets its name when it is whole.
    Whole(BufWriter<NewFile>),
}

impl Output {
    /// Standard output. Unlike `std::io::stdout`, it is not flushed at each line.
    pub fn stdout() -> Result<Output> {
        let path = PathBuf::from("<stdout>");
        let stdout = io::stdout().as_fd().try_clone_to_owned();
        let file = File::from(stdout.map_err(|error| Error::io("cannot write", error).in_file(&path))?);
        Ok(Output::new(Sink::Stream(BufWriter::with_capacity(BUFFER, file)), path))
    }

    /// The file at `path`, which a person spelled out: it appears whole or not at all. It is readable by its owner
    /// only, as core dumps hold private data. A device or a named pipe is written to directly (see [`new_file::open`]).
    pub fn file(path: &Path) -> Result<Output> {
        signals::leave_nothing();
        let target = new_file::open(path).map_err(|error| Error::io("cannot create", error).in_file(path))?;
        let sink = match target {
            Target::Stream(stream) => Sink::Stream(BufWriter::with_capacity(BUFFER, stream)),
            Target::New(file) => Sink::Whole(BufWriter::with_capacity(BUFFER, file)),
        };
        Ok(Output::new(sink, path.to_owned()))
    }

    fn new(sink: Sink, path: PathBuf) -> Output {
        Output { sink, path, losses: mapped::losses() }
    }

    /// Returns true if a file became shorter while what is written here was read.
    pub fn has_losses(&self) -> bool {
        mapped::losses() != self.losses
    }

    /// Allows further writing after [`Output::has_losses`], for output that does not come from a file that became
    /// shorter.
    pub fn forget_losses(&mut self) {
        self.losses = mapped::losses();
    }

    /// The file `name` in `folder`, where nobody spelled out the name: it replaces a file or a link, and nothing else
    /// that stands there is opened.
    pub fn in_folder(folder: &Path, name: &str) -> Result<Output> {
        signals::leave_nothing();
        let path = folder.join(name);
        let file = NewFile::in_folder(folder).map_err(|error| Error::io("cannot create", error).in_file(&path))?;
        Ok(Output::new(Sink::Whole(BufWriter::with_capacity(BUFFER, file)), path))
    }

    /// As [`Output::in_folder`], where nobody spelled out the name of the folder either: it must not be a link.
    pub fn in_made_folder(folder: &Path, name: &str) -> Result<Output> {
        signals::leave_nothing();
        let path = folder.join(name);
        let file = NewFile::in_made_folder(folder).map_err(|error| Error::io("cannot create", error).in_file(&path))?;
        Ok(Output::new(Sink::Whole(BufWriter::with_capacity(BUFFER, file)), path))
    }

    /// The file under the buffer, after flushing it: for holes, sizes and large direct writes.
    pub fn as_file(&mut self) -> Result<&File> {
        self.flush().map_err(|error| self.failed(error))?;
        Ok(match &self.sink {
            Sink::Stream(stream) => stream.get_ref(),
            Sink::Whole(whole) => whole.get_ref().file(),
        })
    }

    /// Returns true if it becomes a regular file of its own (which can have holes).
    pub fn is_whole_file(&self) -> bool {
        matches!(self.sink, Sink::Whole(_))
    }

    /// Names this destination in the failure of a write to it.
    pub fn failed(&self, error: io::Error) -> Error {
        if self.has_losses() {
            return mapped::shrunk();
        }
        Error::io("cannot write", error).in_file(&self.path)
    }

    /// Makes what was written count: flushes, and renames a file into place.
    pub fn commit(mut self) -> Result<()> {
        self.flush().map_err(|error| self.failed(error))?;
        let Output { sink, path, .. } = self;
        if let Sink::Whole(whole) = sink {
            let mut file =
                whole.into_inner().map_err(|error| Error::io("cannot write", error.into_error()).in_file(&path))?;
            let name = path.file_name().unwrap_or_default();
            let named = file.name_over(name, &mut new_file::naming());
            named.map_err(|error| Error::io("cannot name the file", error).in_file(&path))?;
        }
        Ok(())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.has_losses() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        match &mut self.sink {
            Sink::Stream(stream) => stream.write(bytes),
            Sink::Whole(whole) => whole.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.has_losses() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        match &mut self.sink {
            Sink::Stream(stream) => stream.flush(),
            Sink::Whole(whole) => whole.flush(),
        }
    }
}
