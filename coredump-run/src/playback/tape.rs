//! A recording that is complete in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use coredump_core::Bytes;
use coredump_core::error::{ErrorKind, Result};
use coredump_core::internals::recording::{Recording, Start};

use super::{Playback, Until};
use crate::program::Program;
use crate::progress::Progress;
use crate::recording::{self, KeptFile, Recorded};

/// A recording: how the program was started, and the answers to its calls.
#[derive(Clone)]
pub struct Tape {
    /// The start of the program: its entry and its settings.
    pub start: Arc<Start>,
    /// The log.
    pub log: Arc<Bytes>,
    /// The files that the log refers to.
    files: Arc<[Arc<KeptFile>]>,
    /// The offset of the log in the file that contains it, in bytes.
    pub offset: u64,
    /// The reason why the dump does not hold the recording, if it should.
    pub left_out: Option<Arc<str>>,
    /// The number of calls that were answered in the present run.
    played: Arc<AtomicU64>,
}

impl Tape {
    /// A recording from a file, in which `log` begins at `offset`.
    pub fn new(start: Start, log: Bytes, offset: u64) -> Tape {
        let (start, log, files) = (Arc::new(start), Arc::new(log), Arc::default());
        Tape { start, log, files, offset, left_out: None, played: Arc::default() }
    }

    /// The recording that was just made, with the start that belongs to it. If the dump is to hold it (with `keep`, its
    /// largest size in bytes), it contains what the program read from files.
    ///
    /// # Errors
    ///
    /// Fails if a file has changed since it was read.
    pub fn recorded(recorded: Recorded, start: Start, program: &Program, keep: Option<u64>) -> Result<Tape> {
        let Recorded { functions, log, files, calls, .. } = recorded;
        let spelled_out = match keep.filter(|_| !files.is_empty()) {
            Some(limit) => match recording::spelled_out(&log, &files, limit) {
                Err(error) if error.kind == ErrorKind::TooLarge => Err(Arc::from(error.message)),
                log => log.map(Some).map(Ok)?,
            },
            None => Ok(None),
        };
        let sha256 = program.source().sha256();
        let start = Start { sha256, functions, calls, ..start };
        Ok(match spelled_out {
            Ok(Some(log)) => Tape::new(Start { digests: Recording::digests(&log), ..start }, log, 0),
            Ok(None) if files.is_empty() => Tape::new(Start { digests: Recording::digests(&log), ..start }, log, 0),
            Ok(None) => Tape { files: files.into(), ..Tape::new(start, log, 0) },
            Err(why) => Tape { files: files.into(), left_out: Some(why), ..Tape::new(start, log, 0) },
        })
    }

    /// Shows on a terminal how far a run with this recording has come.
    pub fn progress(&self, quiet: bool, what: &'static str) -> Progress {
        self.played.store(0, Ordering::Relaxed);
        Progress::of_count(quiet, what, "calls of the host", self.played.clone(), Some(self.start.calls))
    }

    /// A playback from the first answer on.
    pub fn playback(&self, until: Option<Arc<Until>>) -> Playback {
        let names = self.start.functions.clone().into();
        Playback::new(self.log.clone(), self.files.clone(), self.offset, names, until, self.played.clone())
    }
}
