//! Records a program while it runs.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use coredump_core::Bytes;
use coredump_core::error::{Error, Result};
use coredump_core::internals::recording::{self, Outcome, Read, Refusal, Write};
use coredump_core::model::HostCall;

use super::kept::KeptFile;
use super::spool::Spool;
use crate::calls::Calls;

/// The longest time of a call that does not wait.
const SHORT: Duration = Duration::from_millis(50);

/// The recording of a program that runs.
pub struct Log {
    state: Mutex<State>,
    /// The call that the program is in: the function and the hash of the arguments, with [`INSIDE`]; 0 outside of a
    /// call.
    entered: AtomicU64,
    /// True if the program is to run no further.
    frozen: AtomicBool,
    started: Instant,
    /// The last calls of the program.
    last: Arc<Calls>,
}

/// The bit of [`Log::entered`] that is set inside of any call.
const INSIDE: u64 = 1 << 63;

struct State {
    /// The functions that the program imports, in the order of their numbers.
    functions: Vec<(String, String)>,
    /// The files that the recording refers to, by their numbers.
    files: Vec<Arc<KeptFile>>,
    spool: Spool,
    calls: u64,
}

/// The position of a program that runs.
pub struct Now {
    /// The recording so far.
    pub recorded: Recorded,
    /// The call that the program is in, if any: the function, and the hash of the arguments.
    pub entered: Option<(u32, u32)>,
    /// The time that the program has run.
    pub since_start: Duration,
}

/// A recording.
pub struct Recorded {
    /// The names of the functions, by their numbers.
    pub functions: Vec<(String, String)>,
    /// The log.
    pub log: Bytes,
    /// The files that the log refers to.
    pub files: Vec<Arc<KeptFile>>,
    /// The number of calls that are in the log.
    pub calls: u64,
    /// The last calls, and the one that the program is in.
    pub last: Vec<HostCall>,
}

impl Log {
    /// An empty log that takes at most `limit` bytes, of a program whose last calls are noted in `last`.
    pub fn new(limit: u64, last: Arc<Calls>) -> Log {
        let state = State { functions: Vec::new(), files: Vec::new(), spool: Spool::new(limit), calls: 0 };
        let (entered, frozen) = (AtomicU64::new(0), AtomicBool::new(false));
        Log { state: Mutex::new(state), entered, frozen, started: Instant::now(), last }
    }

    /// Notes that a call begins. Does not return if the program is to run no further.
    ///
    /// If another thread freezes the program at the same moment, it may miss this call, and this call may miss that the
    /// program is frozen. Then the call is made, but its answer is never recorded, and the program counts as stopped
    /// before it. To exclude that would take a memory barrier in each call.
    #[inline(always)]
    pub fn enter(&self, function: u32, arguments: u32) {
        self.entered.store(INSIDE | u64::from(function) << 32 | u64::from(arguments), Ordering::Release);
        if self.frozen.load(Ordering::Acquire) {
            park();
        }
    }

    /// The position of the program; with `freeze`, it runs no further.
    ///
    /// # Errors
    ///
    /// Fails as [`Log::recorded`] does.
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

    /// Assigns a number to a function that the program imports.
    pub fn number(&self, module: &str, name: &str) -> u32 {
        let functions = &mut self.state().functions;
        functions.push((module.to_owned(), name.to_owned()));
        functions.len() as u32 - 1
    }

    /// Returns true if a function has a number.
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

    /// Adds a call that returned `value` and wrote to `memory`; `writes` are addresses and lengths.
    #[inline(never)]
    pub fn returned(&self, function: u32, arguments: u32, value: u32, writes: [(u32, u32); 2], memory: &[u8]) {
        let written = |(address, len): (u32, u32)| {
            let rest = memory.get(address as usize..).unwrap_or_default();
            Write { address: u64::from(address), bytes: &rest[..rest.len().min(len as usize)] }
        };
        let [first, second] = writes.map(written);
        let writes = [first, second];
        let writes = match (first.bytes.is_empty(), second.bytes.is_empty()) {
            (false, false) => &writes[..],
            (false, true) => &writes[..1],
            (true, false) => &writes[1..],
            (true, true) => &[],
        };
        let mut state = self.event();
        recording::returned(function, arguments, u64::from(value), writes, &mut state.spool);
        self.entered.store(0, Ordering::Release);
    }

    /// Locks the state for an event of the program. Does not return if the program is to run no further.
    #[inline(always)]
    fn event(&self) -> MutexGuard<'_, State> {
        let mut state = self.state();
        if self.frozen.load(Ordering::SeqCst) {
            drop(state);
            park();
        }
        state.calls += 1;
        state
    }

    /// Adds an answered call; what it read from a file is recorded as a passage.
    pub fn call(
        &self,
        function: u32,
        arguments: u32,
        outcome: &Outcome<'_>,
        read: Option<&Read>,
        writes: &[Write<'_>],
    ) {
        let mut state = self.event();
        let spool = &mut state.spool;
        match (read, outcome) {
            (None, _) => recording::call(function, arguments, outcome, writes, spool),
            (Some(read), Outcome::Values(values)) => recording::values_read(function, arguments, read, values, spool),
            (Some(read), _) => recording::reading(function, arguments, read, writes, spool),
        }
        // A reader of the position holds the lock of the state.
        self.entered.store(0, Ordering::Release);
    }

    /// Adds a file that the recording refers to.
    pub fn keep(&self, file: Arc<KeptFile>) {
        self.state().files.push(file);
    }

    /// Copies the files that the recording refers to: `copy` gets the number of bytes that the copy may take, and
    /// returns how many it took.
    pub fn reserve(&self, copy: impl FnOnce(u64) -> io::Result<u64>) {
        let mut state = self.state();
        match copy(state.spool.left()) {
            Ok(bytes) => state.spool.reserve(bytes),
            Err(error) => state.spool.stop(Error::io("cannot copy what the program read", error)),
        }
    }

    /// Adds that a memory did not grow.
    pub fn growth_refused(&self, refusal: &Refusal) {
        recording::growth_refused(refusal, &mut self.state().spool);
    }

    /// Returns the recording up to now.
    ///
    /// # Errors
    ///
    /// Fails as the system does, or if the recording was stopped.
    pub fn recorded(&self) -> Result<Recorded> {
        let last = self.last.list();
        self.state().recorded(last)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn recorded(&mut self, last: Vec<HostCall>) -> Result<Recorded> {
        let log = self.spool.bytes()?;
        Ok(Recorded { functions: self.functions.clone(), log, files: self.files.clone(), calls: self.calls, last })
    }
}

/// Blocks the thread until the process ends.
fn park() -> ! {
    loop {
        std::thread::park();
    }
}

#[cfg(test)]
mod tests {
    use super::super::spool::TAIL;
    use super::*;
    use coredump_core::internals::recording::{Event, EventReader};

    fn add(log: &Log, len: usize) {
        let bytes = vec![7; len];
        let write = Write { address: 16, bytes: &bytes };
        log.call(0, 1, &Outcome::Returned(0), None, &[write]);
    }

    #[test]
    fn what_goes_through_the_file_comes_back_in_order() {
        let log = Log::new(1 << 30, Arc::default());
        let sizes = [10, TAIL - 20, 5, TAIL * 2, 3, TAIL];
        sizes.iter().for_each(|&size| add(&log, size));
        let recorded = log.recorded().unwrap();
        let mut reader = EventReader::new(&recorded.log, 0);
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
