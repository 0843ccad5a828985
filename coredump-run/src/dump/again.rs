//! The dump of a program that ran again.

use std::sync::{Arc, OnceLock};

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

/// Bytes of a recording that is in a file of its own: a dump is looked at more often than it is run again.
const BESIDE: usize = 64 << 20;

/// What the dump of a program that ran again must agree with, and what it adds.
pub struct Again {
    tape: Tape,
    /// The first run's end, if it came to one.
    expected: Option<Expected>,
    /// The dump that is replaced.
    place: Option<DumpPlace>,
    /// Whether a dump is written.
    written: bool,
    /// Whether the dump holds the recording.
    keeps: bool,
    /// The section that holds the recording: its head and, unless that is in a file of its own, the log.
    section: OnceLock<(Vec<u8>, Option<Arc<Bytes>>)>,
    /// The name of that file.
    file: OnceLock<String>,
    /// The last calls of the host in the first run.
    calls: Vec<HostCall>,
    /// What the reason says of where the program was stopped.
    remark: OnceLock<String>,
    /// Where the youngest frame stands in its function, if that is not where the engine stopped.
    code_offset: OnceLock<u32>,
}

impl Again {
    /// For a dump that replaces the one at `place`.
    pub fn new(tape: Tape, expected: Expected, place: DumpPlace, keep_recording: bool) -> Again {
        Again { expected: Some(expected), place: Some(place), ..Again::elsewhere(tape, keep_recording) }
    }

    /// For a program that runs again on its own; with `expected` up to its end.
    pub fn alone(tape: Tape, expected: Option<Expected>, written: bool, keep_recording: bool) -> Again {
        Again { expected, written, ..Again::elsewhere(tape, keep_recording) }
    }

    /// For a dump of a program that goes on, or is stopped.
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

    /// With the last calls of the host in the first run: this one has only their answers.
    pub fn with_calls(self, calls: Vec<HostCall>) -> Again {
        Again { calls, ..self }
    }

    /// The recording with which the program runs.
    pub fn tape(&self) -> &Tape {
        &self.tape
    }

    /// The first run's end, if it came to one.
    pub fn expected(&self) -> Option<&Expected> {
        self.expected.as_ref()
    }

    /// Where the first dump is.
    pub fn place(&self) -> Option<&DumpPlace> {
        self.place.as_ref()
    }

    /// Says where the youngest frame stands: at the instruction that was executed last, not at the next one.
    pub fn stands_at(&self, code_offset: Option<u32>) {
        if let Some(offset) = code_offset {
            let _ = self.code_offset.set(offset);
        }
    }

    /// Where the youngest frame stands in its function, if that is not where the engine stopped.
    pub fn code_offset(&self) -> Option<u32> {
        self.code_offset.get().copied()
    }

    /// Whether a dump is written.
    pub fn is_written(&self) -> bool {
        self.written
    }

    /// Sets what the reason says of where the program was stopped.
    pub fn set_remark(&self, remark: String) {
        let _ = self.remark.set(remark);
    }

    /// What the reason says of where the program was stopped.
    pub fn remark(&self) -> &str {
        self.remark.get().map_or("", String::as_str)
    }

    /// Whether the program ended as in its first run.
    ///
    /// # Errors
    ///
    /// What differs.
    pub fn verify(&self, ending: &Ending, dump: &CoreDump<'_>, store: &StoreContextMut<'_, Host>) -> Result<()> {
        let Some(expected) = &self.expected else { return Ok(()) };
        let playback = store.data().playback.as_ref();
        let checked = match playback.is_some_and(Playback::is_over) {
            true => expected.check(&ending.kind(), dump),
            false => Err("it ended before all of the recording was used".to_owned()),
        };
        checked.map_err(differs)
    }

    /// Writes the recording to a file of its own, if it is too large for the dump that goes to `output`.
    ///
    /// # Errors
    ///
    /// The file's.
    pub fn put_beside(&self, output: &Output) -> Result<()> {
        if !self.keeps {
            return Ok(());
        }
        let (start, log) = (&self.tape.start, &self.tape.log);
        let write =
            |file: &mut dyn std::io::Write| file.write_all(log).map_err(|error| Error::io("cannot write", error));
        let file = if self.written && log.len() > BESIDE { output.write_beside(write)? } else { None };
        let log = file.is_none().then(|| log.clone());
        let head = match &file {
            Some(_) => recording::section_head(&Start { file: file.clone(), ..Start::clone(start) }),
            None => recording::section_head(start),
        };
        let _ = self.section.set((head, log));
        if let Some(file) = file {
            let _ = self.file.set(file);
        }
        Ok(())
    }

    /// Removes that file, as the dump could not be written.
    pub fn remove_beside(&self, output: &Output) {
        if let Some(file) = self.file.get() {
            output.remove_beside(file);
        }
    }

    /// Adds what a replayed dump says.
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
