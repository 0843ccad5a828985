//! Where a recording goes while the program runs: into memory, and by the MiB into a file without a name.

use std::fs::File;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::internals::mapped::Bytes;
use coredump_core::internals::recording::{self, Outcome, Pieces, Refusal};
use coredump_core::model::HostCall;

use crate::calls::Calls;

/// How long a call takes that does not wait.
const SHORT: Duration = Duration::from_millis(50);

/// Bytes that are gathered before they go to the file.
const TAIL: usize = 1 << 20;

/// The recording of a program that runs.
pub struct Log {
    state: Mutex<State>,
    /// The call that the program is in: function and hash of the arguments, with [`INSIDE`]; or 0.
    entered: AtomicU64,
    /// The program is to go no further than where it is.
    frozen: AtomicBool,
    started: Instant,
    /// The last calls.
    last: Arc<Calls>,
}

/// Set in [`Log::entered`], whatever the function.
const INSIDE: u64 = 1 << 63;

struct State {
    /// The functions that the program imports, in the order of their numbers.
    functions: Vec<(String, String)>,
    /// The last bytes, which are not in the file yet.
    tail: Vec<u8>,
    file: Option<File>,
    /// Bytes in the file.
    written: u64,
    limit: u64,
    calls: u64,
    /// Why the recording ended before the program did.
    stopped: Option<String>,
}

/// Where a program that runs is.
pub struct Now {
    /// What was recorded.
    pub recorded: Recorded,
    /// The call that it is in: the function, and the hash of the arguments.
    pub entered: Option<(u32, u32)>,
    /// How long it has run.
    pub since_start: Duration,
}

/// What was recorded.
pub struct Recorded {
    /// The names of the functions, by their numbers.
    pub functions: Vec<(String, String)>,
    /// The log.
    pub log: Bytes,
    /// How many calls are in it.
    pub calls: u64,
    /// The last of them, and the one that the program is in.
    pub last: Vec<HostCall>,
}

impl Log {
    /// An empty log that takes at most `limit` bytes, of a program whose last calls are noted in `last`.
    pub fn new(limit: u64, last: Arc<Calls>) -> Log {
        let (functions, tail) = (Vec::new(), Vec::new());
        let state = State { functions, tail, file: None, written: 0, limit, calls: 0, stopped: None };
        let (entered, frozen) = (AtomicU64::new(0), AtomicBool::new(false));
        Log { state: Mutex::new(state), entered, frozen, started: Instant::now(), last }
    }

    /// A call begins. Does not return if the program is to go no further.
    pub fn enter(&self, function: u32, arguments: u32) {
        self.entered.store(INSIDE | u64::from(function) << 32 | u64::from(arguments), Ordering::SeqCst);
        if self.frozen.load(Ordering::SeqCst) {
            super::stop::park();
        }
    }

    /// Where the program is; with `freeze` it goes no further.
    ///
    /// # Errors
    ///
    /// As [`Log::recorded`].
    pub fn now(&self, freeze: bool) -> Result<Now> {
        self.let_call_end();
        if freeze {
            self.frozen.store(true, Ordering::SeqCst);
        }
        let mut state = self.state();
        let entered = self.entered.load(Ordering::SeqCst);
        let entered = (entered != 0).then_some(((entered & !INSIDE) >> 32) as u32).zip(Some(entered as u32));
        let last = self.last.list_at(state.calls, entered.is_some());
        Ok(Now { recorded: state.recorded(last)?, entered, since_start: self.started.elapsed() })
    }

    /// A number for a function that the program imports.
    pub fn number(&self, module: &str, name: &str) -> u32 {
        let functions = &mut self.state().functions;
        functions.push((module.to_owned(), name.to_owned()));
        functions.len() as u32 - 1
    }

    /// Whether a function has a number.
    pub fn knows(&self, module: &str, name: &str) -> bool {
        self.state().functions.iter().any(|(known, function)| (&**known, &**function) == (module, name))
    }

    /// Lets the program leave a call that does not wait.
    fn let_call_end(&self) {
        let began = Instant::now();
        let inside = self.entered.load(Ordering::SeqCst);
        while inside != 0 && self.entered.load(Ordering::SeqCst) == inside && began.elapsed() < SHORT {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Adds an answered call.
    pub fn call<'m>(
        &self,
        function: u32,
        arguments: u32,
        outcome: &Outcome<'_>,
        writes: impl ExactSizeIterator<Item = recording::Write<'m>>,
    ) {
        let mut state = self.state();
        if self.frozen.load(Ordering::SeqCst) {
            drop(state);
            super::stop::park();
        }
        state.calls += 1;
        recording::call(function, arguments, outcome, writes, &mut *state);
        self.entered.store(0, Ordering::SeqCst);
    }

    /// Adds that a memory did not grow.
    pub fn growth_refused(&self, refusal: &Refusal) {
        recording::growth_refused(refusal, &mut *self.state());
    }

    /// What was recorded up to now.
    ///
    /// # Errors
    ///
    /// The system's, and that the recording was stopped.
    pub fn recorded(&self) -> Result<Recorded> {
        let last = self.last.list();
        self.state().recorded(last)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pieces for State {
    fn piece(&mut self, bytes: &[u8]) {
        if self.stopped.is_some() {
            return;
        }
        let total = self.written + self.tail.len() as u64 + bytes.len() as u64;
        if total > self.limit {
            return self.stop(format!("the recording would exceed --record-limit ({} bytes)", self.limit));
        }
        if bytes.len() >= TAIL {
            self.flush_to_file();
            return self.append(bytes);
        }
        self.tail.extend_from_slice(bytes);
        if self.tail.len() >= TAIL {
            self.flush_to_file();
        }
    }
}

impl State {
    fn recorded(&mut self, last: Vec<HostCall>) -> Result<Recorded> {
        self.flush();
        if let Some(why) = &self.stopped {
            return Err(Error::new(ErrorKind::TooLarge, why.clone()));
        }
        let log = match &self.file {
            Some(file) => {
                let file = file.try_clone().map_err(|error| Error::io("cannot read the recording", error))?;
                Bytes::from_file(file)?
            }
            None => Bytes::Owned(self.tail.clone()),
        };
        Ok(Recorded { functions: self.functions.clone(), log, calls: self.calls, last })
    }

    /// Writes the tail to the file, if there is one.
    fn flush(&mut self) {
        if self.file.is_some() {
            self.flush_to_file();
        }
    }

    fn flush_to_file(&mut self) {
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
            Err(error) => self.stop(Error::io("cannot write the recording", error).message),
        }
    }

    /// Gives up: what is there is of no use without the rest.
    fn stop(&mut self, why: String) {
        self.stopped = Some(why);
        self.tail = Vec::new();
        self.file = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coredump_core::internals::recording::{Event, Reader, Write};

    fn add(log: &Log, len: usize) {
        let bytes = vec![7; len];
        let write = Write { address: 16, bytes: &bytes };
        log.call(0, 1, &Outcome::Returned(0), [write].into_iter());
    }

    #[test]
    fn what_goes_through_the_file_comes_back_in_order() {
        let log = Log::new(1 << 30, Arc::default());
        let sizes = [10, TAIL - 20, 5, TAIL * 2, 3, TAIL];
        sizes.iter().for_each(|&size| add(&log, size));
        let recorded = log.recorded().unwrap();
        let mut reader = Reader::new(&recorded.log, 0);
        for size in sizes {
            let Some(Event::Call(call)) = reader.next_event().unwrap() else { panic!("an event is missing") };
            assert_eq!(call.writes[0].bytes, vec![7; size]);
        }
        assert!(reader.is_empty());
        assert_eq!(recorded.calls, sizes.len() as u64);
    }

    #[test]
    fn beyond_its_limit_a_recording_is_none() {
        let log = Log::new(100, Arc::default());
        add(&log, 50);
        assert!(log.recorded().is_ok());
        add(&log, 50);
        assert!(log.recorded().err().unwrap().message.contains("--record-limit"));
    }
}
