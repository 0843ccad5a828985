//! A file's bytes, mapped where that is possible. The only `unsafe` of this crate.
//!
//! A regular file is mapped, so that a dump of gigabytes costs no memory and no time until it is looked at. The price:
//! if another program *shrinks* the file meanwhile, touching the lost pages kills the process with SIGBUS. Dumps are
//! written once and renamed into place, so that does not happen to them; `docs/limits.md` says so. Pipes are read, and so
//! are small files: that costs less than a mapping, which all threads of a process must agree on.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::Read;
use std::ops::Deref;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::limits::MAX_PIPED;
use crate::stamp::Stamp;

/// How many of the first bytes of a pipe are looked at before the rest is read.
const START: u64 = 64;

/// The largest regular file that is read.
const SMALL: u64 = 64 << 10;

/// The contents of a file or pipe, or bytes from elsewhere.
#[derive(Debug)]
pub enum Bytes {
    /// A mapped regular file.
    Mapped(Mapping),
    /// Bytes in memory.
    Owned(Vec<u8>),
}

/// A file in memory.
#[derive(Debug)]
pub struct Mapping {
    map: memmap2::Mmap,
    path: Option<PathBuf>,
    stamp: Stamp,
}

impl Bytes {
    /// Maps the regular file at `path`; reads it whole if it is a pipe or a device.
    ///
    /// Fails on a directory and on anything the system refuses.
    pub fn open(path: &Path) -> Result<Bytes> {
        let open = || -> Result<Bytes> {
            let file = File::open(path).map_err(|error| Error::io("cannot open", error))?;
            let mut bytes = Bytes::from_file(file)?;
            if let Bytes::Mapped(mapping) = &mut bytes {
                mapping.path = Some(path.to_owned());
            }
            Ok(bytes)
        };
        open().map_err(|error| error.in_file(path))
    }

    /// As [`Bytes::open`], for paths that come from a file: a pipe might never end, a device have effects.
    pub fn open_regular(path: &Path) -> Result<Bytes> {
        let metadata = std::fs::metadata(path).map_err(|error| Error::io("cannot open", error).in_file(path))?;
        if !metadata.is_file() {
            return Err(Error::new(ErrorKind::Io, "not a regular file").in_file(path));
        }
        Bytes::open(path)
    }

    /// Gives back the memory that touched pages of a mapping take. They are read again from the file when they are touched
    /// again; bytes that are not mapped stay.
    pub fn release(&self) {
        if let Bytes::Mapped(Mapping { map, .. }) = self {
            // SAFETY: the mapping is of a file and never written to, so a dropped page comes back with the same bytes.
            let dropped = unsafe { map.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) };
            // Only an optimisation: it may fail.
            drop(dropped);
        }
    }

    /// The mapped file, to read from: pages that are read do not become resident. `None` if these bytes are not mapped from
    /// a path, or what stands there is not the same file any more.
    pub fn reopen(&self) -> Option<File> {
        let Bytes::Mapped(Mapping { path: Some(path), stamp, .. }) = self else { return None };
        let file = File::open(path).ok()?;
        (Stamp::of(&file.metadata().ok()?) == *stamp).then_some(file)
    }

    /// The stamp of the mapped file when it was opened.
    pub fn stamp(&self) -> Option<Stamp> {
        match self {
            Bytes::Mapped(mapping) => Some(mapping.stamp),
            Bytes::Owned(_) => None,
        }
    }

    /// Where `part`, which was cut from these bytes, lies in them.
    pub fn offset_of(&self, part: &[u8]) -> Option<usize> {
        let offset = (part.as_ptr() as usize).checked_sub(self.as_ptr() as usize)?;
        (offset.checked_add(part.len())? <= self.len()).then_some(offset)
    }

    /// As [`Bytes::open`]; of a pipe or device no more is read than its first bytes unless `wanted` likes those: an endless
    /// one ends there.
    pub fn open_if(path: &Path, wanted: impl Fn(&[u8]) -> bool) -> Result<Bytes> {
        let file = File::open(path).map_err(|error| Error::io("cannot open", error));
        file.and_then(|file| Bytes::from_file_if(file, wanted)).map_err(|error| error.in_file(path))
    }

    /// The same for an open file, which may be standard input.
    pub fn from_file(file: File) -> Result<Bytes> {
        Bytes::from_file_if(file, |_| true)
    }

    /// [`Bytes::open_if`] for an open file.
    pub fn from_file_if(file: File, wanted: impl Fn(&[u8]) -> bool) -> Result<Bytes> {
        let metadata = file.metadata().map_err(|error| Error::io("cannot stat", error))?;
        if metadata.is_dir() {
            return Err(Error::new(ErrorKind::Io, "is a directory"));
        }
        if metadata.is_file()
            && (1..=SMALL).contains(&metadata.len())
            && let Ok(bytes) = read_small(&file, metadata.len() as usize)
        {
            return Ok(Bytes::Owned(bytes));
        }
        if metadata.is_file() && metadata.len() > 0 {
            // SAFETY: the mapping is private and read-only; nothing in this project writes to or truncates a file it
            // maps. That another program shrinks it meanwhile is the documented risk above.
            if let Ok(map) = unsafe { memmap2::Mmap::map(&file) } {
                return Ok(Bytes::Mapped(Mapping { map, path: None, stamp: Stamp::of(&metadata) }));
            }
        }
        read_piped(file, MAX_PIPED, wanted).map(Bytes::Owned)
    }
}

/// Reads up to `limit` bytes from what cannot be mapped; no more than the first few unless `wanted` likes those.
fn read_piped(mut source: impl Read, limit: u64, wanted: impl Fn(&[u8]) -> bool) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut read = |limit: u64, bytes: &mut Vec<u8>| {
        source.by_ref().take(limit).read_to_end(bytes).map_err(|error| Error::io("cannot read", error))
    };
    read(START, &mut bytes)?;
    if wanted(&bytes) {
        read(limit, &mut bytes)?;
    }
    if bytes.len() as u64 > limit {
        let message = format!("more than {limit} bytes come from this pipe or device");
        return Err(Error::new(ErrorKind::TooLarge, message).hint("write it to a file: that is mapped, not read"));
    }
    Ok(bytes)
}

/// The first `size` bytes of a file, or as many as it has.
fn read_small(file: &File, size: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; size];
    let mut filled = 0;
    while filled < size {
        match file.read_at(&mut bytes[filled..], filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Mapped(mapping) => &mapping.map,
            Bytes::Owned(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_is_read_to_its_end_or_refused_at_the_bound() {
        let read = |length: u64| read_piped(std::io::repeat(7).take(length), 1000, |_| true);
        assert!(read(0).unwrap().is_empty());
        assert_eq!(read(1000).unwrap(), [7; 1000]);
        let error = read(1001).unwrap_err();
        assert_eq!(error.kind, ErrorKind::TooLarge);
        assert!(error.message.contains("more than 1000 bytes"), "{error}");
        assert_eq!(read_piped(std::io::repeat(7), 1000, |_| true).unwrap_err().kind, ErrorKind::TooLarge);
    }

    #[test]
    fn of_an_endless_device_that_is_not_wanted_the_first_bytes_are_read() {
        assert_eq!(read_piped(std::io::repeat(0), 1000, |start| start == b"\0asm").unwrap(), [0; START as usize]);
    }
}
