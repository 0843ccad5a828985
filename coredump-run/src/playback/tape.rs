//! A recording that is at hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use coredump_core::Bytes;
use coredump_core::error::{ErrorKind, Result};
use coredump_core::internals::recording::{Recording, Start};

use super::{Playback, Until};
use crate::program::Program;
use crate::progress::Progress;
use crate::recording::{self, Kept, Recorded};

/// A recording that is at hand: how the program was started, and what it was answered.
#[derive(Clone)]
pub struct Tape {
    /// How the program was started.
    pub start: Arc<Start>,
    /// The log.
    pub log: Arc<Bytes>,
    /// The files that the log refers to.
    files: Arc<[Arc<Kept>]>,
    /// The offset of the log in the file that it stands in, in bytes.
    pub offset: u64,
    /// Why no dump holds the recording, if one should.
    pub left_out: Option<Arc<str>>,
    /// How many calls were answered from it, in the run that is under way.
    played: Arc<AtomicU64>,
}

impl Tape {
    /// The recording in a file, at an offset.
    pub fn new(start: Start, log: Bytes, offset: u64) -> Tape {
        let (start, log, files) = (Arc::new(start), Arc::new(log), Arc::default());
        Tape { start, log, files, offset, left_out: None, played: Arc::default() }
    }

    /// What was just recorded, with the start that belongs to it. If a dump is to `keep` it, in so many bytes at most, what the program read
    /// from files is in it.
    ///
    /// # Errors
    ///
    /// A file has changed since.
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

    /// Says on a terminal how far a run with it has come.
    pub fn progress(&self, quiet: bool, what: &'static str) -> Progress {
        self.played.store(0, Ordering::Relaxed);
        Progress::of_count(quiet, what, "calls of the host", self.played.clone(), Some(self.start.calls))
    }

    /// The answers, from the first one on.
    pub fn playback(&self, until: Option<Arc<Until>>) -> Playback {
        let names = self.start.functions.clone().into();
        Playback::new(self.log.clone(), self.files.clone(), self.offset, names, until, self.played.clone())
    }
}
