//! Yields the dumps to read, from files, folders and lists of names. Names are read as they are needed, so that a list
//! may be endless.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use coredump_core::cli::input::Input;
use coredump_core::error::{Error, ErrorKind, Result};

/// Longest path in bytes, with what ends it: a list without a NUL in so many bytes has one name on each line.
const MAX_PATH: u64 = 4096;

/// A dump to read.
#[derive(Debug, PartialEq, Eq)]
pub struct Listed {
    /// The file or stream that the dump is read from.
    pub input: Input,
    /// True if it was found in a folder and not named: then it is skipped if it is no dump.
    pub walked: bool,
}

/// Yields dumps one at a time.
pub struct Listing {
    open: Vec<Level>,
    walk: bool,
}

enum Level {
    Named(VecDeque<Input>),
    Folder(VecDeque<PathBuf>),
    List(List),
}

impl Listing {
    /// Lists the dumps that are named on the command line, then those in `list`. With `walk`, folders stand for the
    /// dumps in them.
    pub fn new(named: Vec<Input>, list: Option<&Input>, walk: bool) -> Result<Self> {
        let mut open = Vec::new();
        if let Some(list) = list {
            open.push(Level::List(List::open(list)?));
        }
        open.push(Level::Named(named.into()));
        Ok(Listing { open, walk })
    }

    fn named(&mut self, input: Input) -> Option<Listed> {
        if self.walk
            && let Some(path) = input.path()
            && path.is_dir()
        {
            self.open_folder(path);
            return None;
        }
        Some(Listed { input, walked: false })
    }

    fn open_folder(&mut self, path: &Path) {
        let Ok(entries) = path.read_dir() else { return };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.retain(|path| path.file_name().is_none_or(|name| !name.as_bytes().starts_with(b".")));
        paths.sort_unstable();
        self.open.push(Level::Folder(paths.into()));
    }
}

impl Iterator for Listing {
    type Item = Result<Listed>;

    fn next(&mut self) -> Option<Result<Listed>> {
        loop {
            let found = match self.open.last_mut()? {
                Level::Named(inputs) => inputs.pop_front().map(|input| Ok((input, false))),
                Level::Folder(paths) => paths.pop_front().map(|path| Ok((Input::File(path), true))),
                Level::List(list) => list.next().map(|path| path.map(|path| (Input::File(path), false))),
            };
            match found {
                None => {
                    self.open.pop();
                }
                Some(Err(error)) => {
                    // A name that is too long does not end the list.
                    if error.kind != ErrorKind::TooLarge {
                        self.open.pop();
                    }
                    return Some(Err(error));
                }
                Some(Ok((input, false))) => {
                    if let Some(source) = self.named(input) {
                        return Some(Ok(source));
                    }
                }
                Some(Ok((input, true))) => {
                    let Some(path) = input.path() else { continue };
                    // A link to a folder is not followed, since it may lead back.
                    if path.is_dir() && !path.is_symlink() {
                        let path = path.to_owned();
                        self.open_folder(&path);
                    } else if path.is_file() {
                        return Some(Ok(Listed { input, walked: true }));
                    }
                }
            }
        }
    }
}

/// A list of names, each ended by a NUL (as by `find -print0`) or a newline.
struct List {
    /// The bytes that were read to find out how names end, followed by the rest.
    reader: Box<dyn BufRead + Send>,
    end: u8,
    name: String,
}

impl List {
    fn open(list: &Input) -> Result<Self> {
        let name = list.name();
        let mut reader: Box<dyn BufRead + Send> = match list {
            Input::Stdin => Box::new(BufReader::new(std::io::stdin())),
            Input::File(path) => {
                let file = File::open(path).map_err(|error| Error::io("cannot open", error).in_file(path))?;
                Box::new(BufReader::new(file))
            }
        };
        let mut first = Vec::new();
        let read = reader.by_ref().take(MAX_PATH).read_until(0, &mut first);
        read.map_err(|error| Error::io("cannot read", error).in_file(&name))?;
        let end = if first.last() == Some(&0) { 0 } else { b'\n' };
        let reader = Box::new(std::io::Cursor::new(first).chain(reader));
        Ok(List { reader, end, name })
    }
}

impl Iterator for List {
    type Item = Result<PathBuf>;

    fn next(&mut self) -> Option<Result<PathBuf>> {
        loop {
            let mut name = Vec::new();
            let read = match self.reader.by_ref().take(MAX_PATH).read_until(self.end, &mut name) {
                Ok(read) => read as u64,
                Err(error) => return Some(Err(Error::io("cannot read", error).in_file(&self.name))),
            };
            if read == 0 {
                return None;
            }
            if name.last() == Some(&self.end) {
                name.pop();
            } else if read == MAX_PATH {
                // The bytes that follow are no name either, up to where the next one begins.
                return Some(match self.reader.skip_until(self.end) {
                    Ok(_) => {
                        let message = format!("a line of {MAX_PATH} bytes or more names no file");
                        Err(Error::new(ErrorKind::TooLarge, message).in_file(&self.name))
                    }
                    Err(error) => Err(Error::io("cannot read", error).in_file(&self.name)),
                });
            }
            if !name.is_empty() {
                return Some(Ok(PathBuf::from(OsStr::from_bytes(&name))));
            }
        }
    }
}
