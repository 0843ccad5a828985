//! The files that a recording refers to. A large read of a file is recorded as a passage of the file, whose bytes are looked up once
//! they are needed: when the program has died.
//!
//! The file stays open for that, so it may be renamed or deleted meanwhile. Before the program itself changes it, what
//! was read is copied. If somebody else changes it, the digest of a passage shows that, and the program is not run again.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Seek};
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::internals::mapped::Bytes;
use coredump_core::internals::recording::{self, Event, Outcome, Passage, Pieces, Reader, Write};
use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::{self, Descriptor, OpenMode, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::filesystem::types::HostDescriptor;
use wasmtime_wasi::{FsPerms, WasiView};

use super::files::at_once;
use super::log::Log;
use super::spool::Spool;

/// Bytes of a read that is worth a reference.
const LARGE: usize = 4096;

/// Files that are kept open at once, so that enough descriptors are left to the program.
const KEPT: usize = 64;

/// Files that the program may change, which are known one by one.
const WRITTEN: usize = 1 << 16;

/// Bytes that are copied at once.
const PIECE: usize = 1 << 20;

/// The digest of what was read.
pub fn digest(bytes: &[u8]) -> u64 {
    twox_hash::XxHash3_64::oneshot(bytes)
}

/// A file that a recording refers to.
pub struct Kept {
    /// Its path, as the program named it.
    name: String,
    source: Mutex<Source>,
}

/// Where the bytes are.
struct Source {
    /// The file, or a copy of the parts that were read, which are at the same offsets.
    file: Arc<File>,
    /// From the first to the last byte that was read.
    read: Range<u64>,
}

impl Kept {
    fn source(&self) -> MutexGuard<'_, Source> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fills `bytes` with a passage.
    ///
    /// # Errors
    ///
    /// Fails where the passage is no longer there, or was changed.
    pub fn read(&self, passage: &Passage, bytes: &mut [u8]) -> Result<()> {
        match self.source().file.read_exact_at(bytes, passage.offset) {
            Ok(()) if digest(bytes) == passage.digest => Ok(()),
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(Error::io("cannot be read again", error)),
            _ => {
                let Passage { offset, len, .. } = passage;
                let message =
                    format!("it has changed since the program read it: {len} bytes at offset {offset:#x} are others");
                Err(Error::new(ErrorKind::Mismatch, message))
            }
        }
        .map_err(|error| error.in_file(&self.name))
    }

    /// Copies what was read, before the file changes. Returns how many bytes that took.
    fn copy(&self, limit: u64) -> io::Result<u64> {
        let mut source = self.source();
        let (copy, mut piece) = (tempfile::tempfile()?, vec![0; PIECE]);
        let Range { start, end } = source.read.clone();
        if end - start > limit {
            return Err(io::Error::other("it would exceed --record-limit"));
        }
        let mut at = start;
        while at < end {
            let piece = &mut piece[..usize::try_from(end - at).unwrap_or(PIECE).min(PIECE)];
            let read = source.file.read_at(piece, at)?;
            if read == 0 {
                break;
            }
            copy.write_all_at(&piece[..read], at)?;
            at += read as u64;
        }
        source.file = Arc::new(copy);
        Ok(at - start)
    }
}

/// A log without references: the passages of `files` stand in it.
///
/// # Errors
///
/// A file has changed. [`ErrorKind::TooLarge`] if it would take more than `limit` bytes.
pub fn spelled_out(log: &[u8], files: &[Arc<Kept>], limit: u64) -> Result<Bytes> {
    let mut spool = Spool::new(limit);
    let mut reader = Reader::new(log, 0);
    let (mut copied, mut read_bytes) = (0, Vec::new());
    while let at = reader.position()
        && let Some(event) = reader.next_event()?
    {
        let Event::Call(call) = event else { continue };
        let Some(read) = call.read else { continue };
        spool.piece(&log[copied..at]);
        copied = reader.position();
        passage(files, &read.passage, &mut read_bytes)?;
        match call.outcome {
            Outcome::Values(values) => {
                let whole = spliced(values, read.to, &read_bytes);
                let outcome = Outcome::Values(&whole);
                recording::call(call.function, call.arguments, &outcome, &[], &mut spool);
            }
            outcome => {
                let mut writes = vec![Write { address: read.to, bytes: &read_bytes }];
                writes.extend(call.writes);
                recording::call(call.function, call.arguments, &outcome, &writes, &mut spool);
            }
        }
    }
    spool.piece(&log[copied..]);
    spool.bytes()
}

/// Reads a passage of one of `files`.
///
/// # Errors
///
/// The file has changed.
pub fn passage(files: &[Arc<Kept>], passage: &Passage, bytes: &mut Vec<u8>) -> Result<()> {
    bytes.resize(usize::try_from(passage.len).unwrap_or(usize::MAX).min(u32::MAX as usize), 0);
    file(files, passage)?.read(passage, bytes)
}

/// The file of a passage.
///
/// # Errors
///
/// There is none: the recording is in a dump.
pub fn file<'f>(files: &'f [Arc<Kept>], passage: &Passage) -> Result<&'f Kept> {
    let none = || Error::new(ErrorKind::Malformed, "the recording refers to a file, which is not in it");
    files.get(passage.file as usize).map(|kept| &**kept).ok_or_else(none)
}

/// The results of a component's call with what it read.
pub fn spliced(values: &[u8], at: u64, read: &[u8]) -> Vec<u8> {
    let (before, after) = values.split_at(usize::try_from(at).unwrap_or(usize::MAX).min(values.len()));
    [before, read, after].concat()
}

/// A file that the program has opened to read.
#[derive(Clone)]
pub struct Opened {
    file: Arc<File>,
    name: String,
    /// Its number if the recording may refer to it, once that was looked at.
    kept: Option<Option<u32>>,
    /// The offset of the next byte that is read, of standard input: WASI has none for that.
    pub next: Option<u64>,
}

impl Opened {
    /// A file that was just opened, and what the program calls it.
    pub fn new(file: Arc<File>, name: String) -> Opened {
        Opened { file, name, kept: None, next: None }
    }

    /// Standard input, if it is a regular file.
    pub fn input() -> Option<Opened> {
        let mut file = File::from(io::stdin().as_fd().try_clone_to_owned().ok()?);
        let next = if file.metadata().ok()?.is_file() { file.stream_position().ok()? } else { return None };
        Some(Opened { next: Some(next), ..Opened::new(Arc::new(file), "standard input".to_owned()) })
    }

    /// The number that WASI would give to the file's inode.
    pub fn inode(&self, wasi: &mut impl WasiView) -> Option<u64> {
        let file = filesystem::File::new(self.file.try_clone().ok()?, FsPerms::ReadOnly, OpenMode::READ, true);
        let descriptor = wasi.ctx().table.push(Descriptor::File(file)).ok()?;
        let hash = at_once(wasi.filesystem().metadata_hash(Resource::new_borrow(descriptor.rep())));
        wasi.ctx().table.delete(descriptor).ok()?;
        Some(hash?.ok()?.lower)
    }
}

/// The files that a recording refers to, and those that the program may change.
#[derive(Default)]
pub struct Keeper {
    /// By their numbers.
    kept: Vec<Known>,
    /// The files that were opened to be written, by their inodes' numbers as WASI has them.
    written: HashSet<u64>,
    /// More files were opened to be written than are known: nothing is referred to any more.
    unknown: bool,
}

struct Known {
    inode: u64,
    file: Arc<Kept>,
    /// The program may change it.
    is_written: bool,
}

impl Keeper {
    /// Whether the recording refers to any file.
    pub fn has_any(&self) -> bool {
        !self.kept.is_empty()
    }

    /// The program read these bytes from a file: the passage that stands for them, if there is one. `inode` says which file it
    /// is.
    pub fn refer(
        &mut self,
        opened: &mut Opened,
        inode: impl FnOnce(&Opened) -> Option<u64>,
        offset: u64,
        bytes: &[u8],
        log: &Log,
    ) -> Option<Passage> {
        if bytes.len() < LARGE || self.unknown {
            return None;
        }
        let file = match opened.kept {
            Some(kept) => kept?,
            None => {
                let kept = self.keep(opened, inode, offset, bytes, log);
                *opened.kept.insert(kept)
            }?,
        };
        let known = self.kept.get(file as usize).filter(|known| !known.is_written)?;
        let len = bytes.len() as u64;
        let mut source = known.file.source();
        source.read = source.read.start.min(offset)..source.read.end.max(offset + len);
        Some(Passage { file, offset, len, digest: digest(bytes) })
    }

    /// Looks whether a file can be referred to, at its first large read.
    fn keep(
        &mut self,
        opened: &Opened,
        inode: impl FnOnce(&Opened) -> Option<u64>,
        offset: u64,
        bytes: &[u8],
        log: &Log,
    ) -> Option<u32> {
        let inode = inode(opened)?;
        let known = self.kept.iter().position(|known| known.inode == inode);
        if self.written.contains(&inode) || known.is_none() && self.kept.len() == KEPT {
            return None;
        }
        // Files that the system makes up as they are read, as those of `/proc`, have no size.
        let end = offset.checked_add(bytes.len() as u64)?;
        let metadata = opened.file.metadata().ok()?;
        if !metadata.is_file() || metadata.len() < end {
            return None;
        }
        let mut again = vec![0; bytes.len()];
        opened.file.read_exact_at(&mut again, offset).ok()?;
        if again != bytes {
            return None;
        }
        let number = u32::try_from(known.unwrap_or(self.kept.len())).ok()?;
        if known.is_none() {
            let source = Source { file: opened.file.clone(), read: offset..end };
            let file = Arc::new(Kept { name: opened.name.clone(), source: Mutex::new(source) });
            log.keep(file.clone());
            self.kept.push(Known { inode, file, is_written: false });
        }
        Some(number)
    }

    /// The program may change a file from now on; `None` if it is not known which one.
    pub fn is_written(&mut self, inode: Option<u64>, log: &Log) {
        self.unknown |= inode.is_none() || self.written.len() >= WRITTEN;
        for known in self.kept.iter_mut().filter(|known| !known.is_written) {
            if self.unknown || inode == Some(known.inode) {
                known.is_written = true;
                log.reserve(|limit| known.file.copy(limit));
            }
        }
        if !self.unknown {
            self.written.extend(inode);
        }
    }
}
