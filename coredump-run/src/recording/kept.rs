//! Keeps the files that a recording refers to. A large read of a file is recorded as a passage of the file, whose bytes
//! are read again only when the program has died.
//!
//! The file stays open for that, so it may be renamed or deleted meanwhile. Before the program itself changes it, the
//! parts that were read are copied. If another process changes it, that is detected ([`Proof`]), and the program is not
//! run again.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::proof::Proof;
use super::spool::Spool;
use coredump_core::Bytes;
use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::internals::recording::{self, Event, EventReader, Outcome, Passage, Pieces, Write};

/// The number of bytes that are copied at once.
const PIECE: usize = 1 << 20;

/// A file that a recording refers to.
pub struct KeptFile {
    /// Its path, as the program named it.
    name: String,
    backing: Mutex<Backing>,
}

/// The file or the copy that holds the bytes.
struct Backing {
    /// The file, or a copy of the parts that were read, at the same offsets.
    file: Arc<File>,
    /// The range from the first to the last byte that was read.
    read: Range<u64>,
    /// The proof that the file still holds what was read.
    proof: Proof,
}

impl KeptFile {
    /// A file from which the bytes of the range `read` were just read.
    ///
    /// # Errors
    ///
    /// Fails with the system's error if the file's times cannot be read.
    pub fn new(file: Arc<File>, name: String, read: Range<u64>) -> io::Result<KeptFile> {
        let proof = Proof::from_file(&file)?;
        Ok(KeptFile { name, backing: Mutex::new(Backing { file, read, proof }) })
    }

    fn backing(&self) -> MutexGuard<'_, Backing> {
        self.backing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fills `bytes` with a passage.
    ///
    /// # Errors
    ///
    /// Fails if the passage is no longer there, or was changed.
    pub fn read(&self, passage: &Passage, bytes: &mut [u8]) -> Result<()> {
        let backing = self.backing();
        match backing.file.read_exact_at(bytes, passage.offset) {
            Ok(()) if backing.proof.holds(&backing.file, bytes, passage.digest) => Ok(()),
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(Error::io("cannot be read again", error)),
            _ => {
                let Passage { offset, len, .. } = passage;
                let message =
                    format!("it has changed since the program read it: {len} bytes at offset {offset:#x} differ");
                Err(Error::new(ErrorKind::Mismatch, message))
            }
        }
        .map_err(|error| error.in_file(&self.name))
    }

    /// The passage that stands for these bytes, which were just read.
    pub fn passage(&self, file: u32, offset: u64, bytes: &[u8]) -> Passage {
        let len = bytes.len() as u64;
        let mut backing = self.backing();
        backing.read = backing.read.start.min(offset)..backing.read.end.max(offset + len);
        Passage { file, offset, len, digest: backing.proof.digest(bytes) }
    }

    /// Renews the proof.
    pub fn prove(&self, again: fn(Proof, &File) -> Proof) {
        let mut backing = self.backing();
        backing.proof = again(backing.proof, &backing.file);
    }

    /// Copies what was read, before the file changes. Returns the size of the copy in bytes.
    ///
    /// # Errors
    ///
    /// Fails as the system does, or if the copy would take more than `limit` bytes.
    pub fn copy(&self, limit: u64) -> io::Result<u64> {
        let mut backing = self.backing();
        let (copy, mut piece) = (tempfile::tempfile()?, vec![0; PIECE]);
        let Range { start, end } = backing.read.clone();
        if end - start > limit {
            return Err(io::Error::other("it would exceed --record-limit"));
        }
        let mut at = start;
        while at < end {
            let piece = &mut piece[..usize::try_from(end - at).unwrap_or(PIECE).min(PIECE)];
            let read = backing.file.read_at(piece, at)?;
            if read == 0 {
                break;
            }
            copy.write_all_at(&piece[..read], at)?;
            at += read as u64;
        }
        backing.proof = backing.proof.of_copy(&backing.file);
        backing.file = Arc::new(copy);
        Ok(at - start)
    }
}

/// The log with the passages of `files` in place of the references.
///
/// # Errors
///
/// Fails if a file has changed, or with [`ErrorKind::TooLarge`] if the log would take more than `limit` bytes.
pub fn spelled_out(log: &[u8], files: &[Arc<KeptFile>], limit: u64) -> Result<Bytes> {
    let mut spool = Spool::new(limit);
    let mut reader = EventReader::new(log, 0);
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
/// Fails if the file has changed.
pub fn passage(files: &[Arc<KeptFile>], passage: &Passage, bytes: &mut Vec<u8>) -> Result<()> {
    bytes.resize(usize::try_from(passage.len).unwrap_or(usize::MAX).min(u32::MAX as usize), 0);
    file(files, passage)?.read(passage, bytes)
}

/// The file of a passage.
///
/// # Errors
///
/// Fails if there is no such file, as for a recording from a dump.
pub fn file<'f>(files: &'f [Arc<KeptFile>], passage: &Passage) -> Result<&'f KeptFile> {
    let none = || Error::new(ErrorKind::Malformed, "the recording refers to a file, which is not in it");
    files.get(passage.file as usize).map(|kept| &**kept).ok_or_else(none)
}

/// The results of a component's call, with the bytes that it read inserted.
pub fn spliced(values: &[u8], at: u64, read: &[u8]) -> Vec<u8> {
    let (before, after) = values.split_at(usize::try_from(at).unwrap_or(usize::MAX).min(values.len()));
    [before, read, after].concat()
}
