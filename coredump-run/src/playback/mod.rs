//! Answers a program from a recording: nothing of the host is asked, nothing is written outside of the program.

mod tape;
mod until;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use coredump_core::Bytes;
use coredump_core::error::Error as CoreError;
use coredump_core::internals::recording::{Event, EventReader, Outcome, RecordedCall, Refusal};
use wasmtime::Result;

pub use tape::Tape;
pub use until::Until;

use crate::recording::{self, Growth, KeptFile, as_error};
use crate::rewrite::Watch;

/// The error of a program that does not do what it did when it was recorded.
#[derive(Clone, Debug)]
pub struct Diverged(pub String);

impl std::fmt::Display for Diverged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Diverged {}

/// The error that stops a program at the place where its run is to be stopped.
#[derive(Clone, Copy, Debug)]
pub struct Reached {
    /// True if the program is in the same call as the first run.
    pub exact: bool,
}

impl std::fmt::Display for Reached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("stopped at the end of the recording")
    }
}

impl std::error::Error for Reached {}

/// The recording that a program runs with, and the position in it.
pub struct Playback {
    log: Arc<Bytes>,
    /// The files that the log refers to.
    files: Arc<[Arc<KeptFile>]>,
    /// Offset of the log in the file that contains it, in bytes.
    offset: u64,
    at: usize,
    calls: u64,
    played: Arc<AtomicU64>,
    names: Arc<[(String, String)]>,
    growth: Growth,
    /// The place where the program is to stop, if not at its own end.
    until: Option<Arc<Until>>,
    /// The bytes whose changes by the host are noted, if any.
    watch: Option<Watch>,
    changes: Vec<HostChange>,
    /// The call after which the program is to stop, counted from 1.
    last_call: Option<u64>,
    /// The units of fuel that the program has after the last event, if it is to run out of fuel there.
    end_behind: Option<u64>,
}

/// The part that a program runs after its recording is used up.
pub enum Further {
    /// It runs for this many units of fuel, and ends as it runs out of fuel.
    Ends(u64),
    /// It runs for this many units of fuel, and is stopped then.
    Stops(Arc<Until>, u64),
}

/// A change of watched bytes by the host.
#[derive(Clone, Debug)]
pub struct HostChange {
    /// The number of the call, counted from 1.
    pub call: u64,
    /// The function, as `module::name`.
    pub name: String,
    /// The number of changes by instructions that came before this one.
    pub number: u64,
    /// The bytes before.
    pub before: Vec<u8>,
    /// The bytes after.
    pub after: Vec<u8>,
}

impl Playback {
    /// The playback of a recording from its beginning; `offset` is that of the log in its file, for errors. Answered
    /// calls are counted in `played`.
    pub fn new(
        log: Arc<Bytes>,
        files: Arc<[Arc<KeptFile>]>,
        offset: u64,
        names: Arc<[(String, String)]>,
        until: Option<Arc<Until>>,
        played: Arc<AtomicU64>,
    ) -> Playback {
        Playback {
            log,
            files,
            offset,
            at: 0,
            calls: 0,
            played,
            names,
            growth: Growth::default(),
            until,
            watch: None,
            changes: Vec::new(),
            last_call: None,
            end_behind: None,
        }
    }

    /// Notes the changes of these bytes by the host from now on.
    pub fn watch(&mut self, watch: Watch) {
        self.watch = Some(watch);
    }

    /// The changes that were noted.
    pub fn changes(&self) -> &[HostChange] {
        &self.changes
    }

    /// Stops the program after this call; calls are counted from 1.
    pub fn stop_behind(&mut self, call: u64) {
        self.last_call = Some(call);
    }

    /// Returns true if changes of some bytes by the host are noted.
    pub fn is_watching(&self) -> bool {
        self.watch.is_some()
    }

    /// Returns the place where the program is to stop, if not at its own end.
    pub fn until(&self) -> Option<&Arc<Until>> {
        self.until.as_ref()
    }

    /// Makes the program run out of fuel this many units after the last event.
    pub fn end_behind(&mut self, fuel: u64) {
        self.end_behind = Some(fuel);
    }

    /// Returns the part that the program runs after the recording is used up, if it is not to stop in a call of the
    /// host.
    pub fn further(&self) -> Option<Further> {
        if !self.is_over() {
            return None;
        }
        let stops = || self.until.as_ref().and_then(|until| Some(Further::Stops(until.clone(), until.stop.fuel?)));
        self.end_behind.map(Further::Ends).or_else(stops)
    }

    /// Returns true if the whole recording is used up.
    pub fn is_over(&self) -> bool {
        self.at == self.log.len()
    }

    /// Returns the number of calls that were answered.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    fn reader<'l>(&self, log: &'l [u8]) -> EventReader<'l> {
        EventReader::new(&log[self.at..], self.offset + self.at as u64)
    }

    /// Returns true if a memory may grow from `current` to `desired` bytes, as in the recording.
    pub fn may_grow(&mut self, current: usize, desired: usize) -> bool {
        let refusal = Refusal {
            current: current as u64,
            desired: desired as u64,
            allowed: self.growth.count(current as u64, desired as u64),
        };
        let log = self.log.clone();
        let mut reader = self.reader(&log);
        // An error, or another event, is reported at the next call.
        if reader.next_event().ok().flatten() == Some(Event::GrowthRefused(refusal)) {
            self.at += reader.position();
            self.growth.event();
            // The fuel cannot be set here.
            if let (true, Some(until)) = (self.is_over(), &self.until) {
                until.knock();
            }
            return false;
        }
        self.growth.asked(current, desired);
        true
    }

    /// The next event, which must be an answer to this call, and its length in the log, in bytes.
    fn next_call<'l>(
        &mut self,
        log: &'l [u8],
        number: Option<u32>,
        name: &str,
        arguments: u32,
    ) -> Result<(RecordedCall<'l>, usize)> {
        self.growth.event();
        let mut reader = self.reader(log);
        let unreadable = |error: CoreError| Diverged(error.to_string());
        let call = match reader.next_event().map_err(unreadable)? {
            Some(Event::Call(call)) => call,
            Some(Event::GrowthRefused(_)) => {
                return Err(self.diverged(format_args!("{name} is called where a memory was not allowed to grow")));
            }
            None => {
                let Some(until) = &self.until else {
                    return Err(self.diverged(format_args!("{name} is called after the end of the recording")));
                };
                let call = (number.unwrap_or(u32::MAX), arguments);
                return Err(Reached { exact: until.stop.call == Some(call) }.into());
            }
        };
        if number != Some(call.function) {
            let expected = self.name(call.function);
            return Err(self.diverged(format_args!("{name} is called instead of {expected}")));
        }
        if arguments != call.arguments {
            return Err(self.diverged(format_args!("{name} is called with other arguments")));
        }
        Ok((call, reader.position()))
    }

    /// Advances by an event of `len` bytes, as its call was answered.
    fn answered(&mut self, len: usize) {
        self.at += len;
        self.calls += 1;
        self.played.store(self.calls, Ordering::Relaxed);
    }

    /// Answers a call of a module with the next event, which may write to its `memory`, and returns the bits of the
    /// result. If changes are noted, `noted` is how many changes by instructions came before.
    pub fn bits(
        &mut self,
        number: Option<u32>,
        name: &str,
        arguments: u32,
        memory: &mut [u8],
        noted: u64,
    ) -> Result<u64> {
        let log = self.log.clone();
        let (call, len) = self.next_call(&log, number, name, arguments)?;
        let before = self.watch.map(|watch| watched(memory, watch).to_vec());
        if let Some(read) = &call.read {
            let target = self.target(memory, read.to, read.passage.len, name)?;
            recording::file(&self.files, &read.passage)
                .and_then(|kept| kept.read(&read.passage, target))
                .map_err(changed)?;
        }
        for write in &call.writes {
            self.target(memory, write.address, write.bytes.len() as u64, name)?.copy_from_slice(write.bytes);
        }
        self.answered(len);
        if let (Some(watch), Some(before)) = (self.watch, before)
            && before != watched(memory, watch)
        {
            let after = watched(memory, watch).to_vec();
            self.changes.push(HostChange { call: self.calls, name: name.to_owned(), number: noted, before, after });
        }
        if self.last_call == Some(self.calls) {
            return Err(Reached { exact: true }.into());
        }
        match call.outcome {
            Outcome::Returned(bits) => Ok(bits),
            Outcome::Values(_) => Err(self.diverged(format_args!("{name} was called by a component"))),
            Outcome::Failed(failure) => Err(as_error(failure)),
        }
    }

    /// Answers a call of a component with the next event; `read` decodes its results.
    pub fn values<R>(
        &mut self,
        number: Option<u32>,
        name: &str,
        arguments: u32,
        read: impl FnOnce(&[u8]) -> Option<R>,
    ) -> Result<R> {
        let log = self.log.clone();
        let (call, len) = self.next_call(&log, number, name, arguments)?;
        let result = match (call.outcome, call.read) {
            (Outcome::Values(bytes), None) => read(bytes),
            (Outcome::Values(bytes), Some(part)) => {
                let mut part_bytes = Vec::new();
                recording::passage(&self.files, &part.passage, &mut part_bytes).map_err(changed)?;
                read(&recording::spliced(bytes, part.to, &part_bytes))
            }
            (Outcome::Failed(failure), _) => {
                self.answered(len);
                return Err(as_error(failure));
            }
            (Outcome::Returned(_), _) => None,
        };
        let Some(result) = result else {
            let offset = self.offset + self.at as u64;
            return Err(
                self.diverged(format_args!("the answer of {name} at offset {offset:#x} is no value of its type"))
            );
        };
        self.answered(len);
        Ok(result)
    }

    /// The range of the memory that the host wrote to.
    fn target<'m>(&self, memory: &'m mut [u8], address: u64, len: u64, name: &str) -> Result<&'m mut [u8]> {
        let (at, size) = (usize::try_from(address), usize::try_from(len));
        let target = at.ok().zip(size.ok()).and_then(|(at, size)| memory.get_mut(at..)?.get_mut(..size));
        target.ok_or_else(|| {
            self.diverged(format_args!("{name} wrote {len} bytes at {address:#x}, outside of the memory"))
        })
    }

    fn name(&self, function: u32) -> String {
        match self.names.get(function as usize) {
            Some((module, name)) => format!("{module}::{name}"),
            None => format!("function {function}"),
        }
    }

    fn diverged(&self, how: impl std::fmt::Display) -> wasmtime::Error {
        Diverged(format!("call {} of the host: {how}", self.calls + 1)).into()
    }
}

/// The watched bytes, as far as they are inside the memory.
fn watched(memory: &[u8], watch: Watch) -> &[u8] {
    let rest = usize::try_from(watch.address).ok().and_then(|address| memory.get(address..)).unwrap_or_default();
    &rest[..rest.len().min(watch.len as usize)]
}

/// The error of a file that has changed since it was recorded.
fn changed(error: CoreError) -> wasmtime::Error {
    Diverged(error.to_string()).into()
}
