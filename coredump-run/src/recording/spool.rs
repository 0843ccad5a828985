//! Collects bytes in memory, and moves them to an unnamed file when there are enough of them.

use std::fs::File;
use std::io::Write;

use coredump_core::Bytes;
use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::internals::recording::Pieces;

/// The number of bytes that are collected before they are written to the file.
pub const TAIL: usize = 1 << 20;

/// A sequence of bytes that grows up to a limit.
pub struct Spool {
    /// The last bytes, which are not in the file yet.
    tail: Vec<u8>,
    file: Option<File>,
    /// The number of bytes that are in the file.
    written: u64,
    /// The number of bytes that are kept elsewhere, but count towards the limit.
    elsewhere: u64,
    limit: u64,
    /// The reason why the spool stopped before everything was written.
    stopped: Option<(ErrorKind, String)>,
}

impl Spool {
    /// An empty spool that takes at most `limit` bytes.
    pub fn new(limit: u64) -> Spool {
        Spool { tail: Vec::new(), file: None, written: 0, elsewhere: 0, limit, stopped: None }
    }

    /// Returns the number of bytes that may still be added.
    pub fn left(&self) -> u64 {
        self.limit.saturating_sub(self.written + self.elsewhere + self.tail.len() as u64)
    }

    /// Counts bytes that are kept elsewhere towards the limit.
    pub fn reserve(&mut self, bytes: u64) {
        match bytes <= self.left() {
            true => self.elsewhere += bytes,
            false => self.exceeded(),
        }
    }

    /// All bytes so far.
    ///
    /// # Errors
    ///
    /// Fails as the system does, and with [`ErrorKind::TooLarge`] beyond the limit.
    pub fn bytes(&mut self) -> Result<Bytes> {
        if self.file.is_some() {
            self.flush();
        }
        if let Some((kind, why)) = &self.stopped {
            return Err(Error::new(*kind, why.clone()));
        }
        match &self.file {
            Some(file) => {
                let file = file.try_clone().map_err(|error| Error::io("cannot read the recording", error))?;
                Bytes::from_file(file)
            }
            None => Ok(Bytes::Owned(self.tail.clone())),
        }
    }

    /// Gives up, as the bytes so far are of no use without the rest.
    pub fn stop(&mut self, why: Error) {
        self.stopped = Some((why.kind, why.message));
        self.tail = Vec::new();
        self.file = None;
    }

    fn exceeded(&mut self) {
        let message = format!("the recording would exceed --record-limit ({} bytes)", self.limit);
        self.stop(Error::new(ErrorKind::TooLarge, message));
    }

    fn flush(&mut self) {
        let tail = std::mem::take(&mut self.tail);
        self.append(&tail);
        self.tail = tail;
        self.tail.clear();
    }

    fn append(&mut self, bytes: &[u8]) {
        let file = match &mut self.file {
            Some(file) => Ok(file),
            None => tempfile::tempfile().map(|file| self.file.insert(file)),
        };
        match file.and_then(|file| file.write_all(bytes)) {
            Ok(()) => self.written += bytes.len() as u64,
            Err(error) => self.stop(Error::io("cannot write the recording", error)),
        }
    }
}

impl Pieces for Spool {
    fn piece(&mut self, bytes: &[u8]) {
        if self.stopped.is_some() {
            return;
        }
        if bytes.len() as u64 > self.left() {
            return self.exceeded();
        }
        if bytes.len() >= TAIL {
            self.flush();
            return self.append(bytes);
        }
        self.tail.extend_from_slice(bytes);
        if self.tail.len() >= TAIL {
            self.flush();
        }
    }
}
