//! The dump of a program that ran again: what it must agree with, and what it adds.

use std::sync::{Arc, OnceLock};

use coredump_capture::internals::Companion;
use coredump_capture::{DumpPlace, Output};
use coredump_core::Bytes;
use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::internals::recording::{self, Start};
use coredump_core::model::{CoreDump, HostCall, Recorded, Replay};
use wasmtime::StoreContextMut;

use super::compare::Expected;
use crate::ending::Ending;
use crate::host::Host;
use crate::playback::{Playback, Tape};

/// The size in bytes from which a recording is written to a file of its own: a dump is read more often than it is
/// replayed.
const BESIDE: usize = 64 << 20;

/// The state that the second dump of a recorded program must agree with, and the detail that it adds to the first one.
pub struct Again {
    tape: Tape,
    /// The end of the first run, if it came to an end.
    expected: Option<Expected>,
    /// The place of the first dump, which is replaced.
    place: Option<DumpPlace>,
    /// True if a dump is written.
    written: bool,
    /// True if the dump holds the recording.
    keeps: bool,
    /// The section that holds the recording: its head, and the log unless that is in a file of its own.
    section: OnceLock<(Vec<u8>, Option<Arc<Bytes>>)>,
    /// The name of the recording's own file.
    file: OnceLock<String>,
    /// The last calls of the host in the first run.
    calls: Vec<HostCall>,
    /// A remark in the dump's reason about where the program was stopped.
    remark: OnceLock<String>,
    /// The code offset of the youngest frame, if the engine stopped at another one.
    code_offset: OnceLock<u32>,
}

impl Again {
    /// A second dump, which replaces the one at `place`.
    pub fn new(tape: Tape, expected: Expected, place: DumpPlace, keep_recording: bool) -> Again {
        Again { expected: Some(expected), place: Some(place), ..Again::elsewhere(tape, keep_recording) }
    }

    /// A dump of a program that runs again without its first dump; with `expected`, up to the same end.
    pub fn alone(tape: Tape, expected: Option<Expected>, written: bool, keep_recording: bool) -> Again {
        Again { expected, written, ..Again::elsewhere(tape, keep_recording) }
    }

    /// A dump of a program that goes on, or is stopped somewhere.
    pub fn elsewhere(tape: Tape, keep_recording: bool) -> Again {
        let keeps = keep_recording && tape.left_out.is_none();
        Again {
            tape,
            expected: None,
            place: None,
            written: true,
            keeps,
            section: OnceLock::new(),
            file: OnceLock::new(),
            calls: Vec::new(),
            remark: OnceLock::new(),
            code_offset: OnceLock::new(),
        }
    }

    /// Adds the last calls of the host in the first run, as the second run has only their answers.
    pub fn with_calls(self, calls: Vec<HostCall>) -> Again {
        Again { calls, ..self }
    }

    /// The recording with which the program runs.
    pub fn tape(&self) -> &Tape {
        &self.tape
    }

    /// The end of the first run, if it came to an end.
    pub fn expected(&self) -> Option<&Expected> {
        self.expected.as_ref()
    }

    /// Returns the place to which the first dump was written.
    pub fn first_dump(&self) -> Option<&DumpPlace> {
        self.place.as_ref()
    }

    /// Sets the code offset of the youngest frame to that of the instruction that was executed last, not the next one.
    pub fn stands_at(&self, code_offset: Option<u32>) {
        if let Some(offset) = code_offset {
            let _ = self.code_offset.set(offset);
        }
    }

    /// The code offset of the youngest frame, if the engine stopped at another one.
    pub fn code_offset(&self) -> Option<u32> {
        self.code_offset.get().copied()
    }

    /// Returns true if a dump is written.
    pub fn is_written(&self) -> bool {
        self.written
    }

    /// Sets the remark in the dump's reason about where the program was stopped.
    pub fn set_remark(&self, remark: String) {
        let _ = self.remark.set(remark);
    }

    /// The remark in the dump's reason about where the program was stopped.
    pub fn remark(&self) -> &str {
        self.remark.get().map_or("", String::as_str)
    }

    /// Checks that the program ended as in its first run.
    ///
    /// # Errors
    ///
    /// Says what differs.
    pub fn verify(&self, ending: &Ending, dump: &CoreDump<'_>, store: &StoreContextMut<'_, Host>) -> Result<()> {
        let Some(expected) = &self.expected else { return Ok(()) };
        let playback = store.data().playback.as_ref();
        let checked = match playback.is_some_and(Playback::is_over) {
            true => expected.check(&ending.kind(), dump),
            false => Err("it ended before all of the recording was used".to_owned()),
        };
        checked.map_err(differs)
    }

    /// Writes the recording to a file of its own, if it is too large for the dump that goes to `output`. The file gets
    /// its name with the dump.
    ///
    /// # Errors
    ///
    /// Fails with the I/O error of the file.
    pub fn put_beside(&self, output: &Output) -> Result<Option<Companion>> {
        if !self.keeps {
            return Ok(None);
        }
        let (start, log) = (&self.tape.start, &self.tape.log);
        let write =
            |file: &mut dyn std::io::Write| file.write_all(log).map_err(|error| Error::io("cannot write", error));
        let file = if self.written && log.len() > BESIDE { output.write_beside(write)? } else { None };
        let log = file.is_none().then(|| log.clone());
        let head = match &file {
            Some(file) => recording::section_head(&Start { file: Some(file.name().to_owned()), ..Start::clone(start) }),
            None => recording::section_head(start),
        };
        let _ = self.section.set((head, log));
        if let Some(file) = &file {
            let _ = self.file.set(file.name().to_owned());
        }
        Ok(file)
    }

    /// Adds to a second dump what only the first run or the recording knows.
    pub fn complete<'a>(&'a self, dump: &mut CoreDump<'a>, store: &StoreContextMut<'_, Host>) {
        dump.process.detail = Some("replayed".to_owned());
        let host_calls = store.data().playback.as_ref().map_or(0, Playback::calls);
        let (recorded_bytes, verified) = (self.tape.log.len() as u64, self.expected.is_some());
        dump.process.replay = Some(Replay { host_calls, recorded_bytes, verified, file: self.file.get().cloned() });
        dump.host_calls = self.calls.clone();
        let section = self.section.get();
        dump.recording =
            section.map(|(head, log)| Recorded { head, log: log.as_ref().map_or(&[][..], |log| &log[..]), offset: 0 });
    }
}

/// The error of a program that did not end as before.
pub fn differs(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Mismatch, format!("run again, the program did not end as before: {what}"))
}
