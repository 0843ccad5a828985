//! Keeps what is to be said of a guest, and writes its dump when the moment is there.

use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::model::{CoreDump, Process, Reason, Thrown};
use wasmtime::{DebugEvent, DebugHandler, ExnRef, OwnedRooted, StoreContextMut, ThrownException, WasmCoreDump};

use crate::binary::Binary;
use crate::budget::Budget;
use crate::capture::{Capture, MemoryChoice, Stack, Stop};
use crate::cause::Cause;
use crate::exceptions::{self, Exceptions};
use crate::output::{Output, Place};
use crate::plain;

/// What goes into dumps, and where they go.
pub struct Settings {
    /// Where dumps go.
    pub output: Arc<Output>,
    /// How much of the guest's memory goes in.
    pub memory: MemoryChoice,
    /// Bytes of objects of a garbage-collected program that go in at most, those nearest to the frames first; 3 GiB at most.
    pub heap_limit: u64,
    /// Whether the core modules go in, so that a dump needs no other file. Those that no file holds always do.
    pub embed_modules: bool,
    /// What a dump says of the process, but for the time and the exit code.
    pub process: Process,
    /// Which causes leave a dump, and how they are called: none for an error that is none, such as an exit with code 0.
    pub classify: fn(&wasmtime::Error) -> Option<Cause>,
    /// How many dumps all stores of the host may write together; any number, without one.
    pub budget: Option<Arc<Budget>>,
    /// Adds what only the host knows before a dump is written: what the guest wrote to its standard error, for one.
    pub complete: Option<Complete>,
}

/// Bytes of objects that go into a dump unless something else is said.
pub const HEAP_LIMIT: u64 = 1 << 30;

/// Adds to a dump, whose memories are not in it yet.
pub type Complete = Box<dyn Fn(&mut CoreDump<'_>) + Send + Sync>;

impl Settings {
    /// All memory, no modules; dumps of `producer` (a name and a version) go where `output` says.
    pub fn new(producer: impl Into<String>, output: Arc<Output>) -> Settings {
        Settings {
            output,
            memory: MemoryChoice::All,
            heap_limit: HEAP_LIMIT,
            embed_modules: false,
            process: Process {
                runtime: Some(crate::RUNTIME.to_owned()),
                producer: Some(producer.into()),
                pid: Some(std::process::id()),
                host: crate::output::host_name(),
                start_time: Some(timestamp(SystemTime::now())),
                ..Process::default()
            },
            classify: |error| Some(Cause::of(error)),
            budget: None,
            complete: None,
        }
    }
}

/// Writes the dumps of one store.
pub struct Recorder {
    binary: Arc<Binary>,
    settings: Settings,
    state: Mutex<State>,
    /// The dump of the end was begun.
    begun: AtomicBool,
}

#[derive(Default)]
struct State {
    /// The dump of the ending, once one was tried.
    dumped: Option<Dumped>,
    /// The exceptions that were thrown, in case nothing catches one.
    exceptions: Exceptions,
}

/// A dump that was tried.
pub struct Dumped {
    /// What it holds but memory, for a report; none if the capture failed.
    pub capture: Option<Capture>,
    /// Why the program ended.
    pub reason: Reason,
    /// Where it is, or why not.
    pub place: Result<Place>,
}

impl Recorder {
    /// A recorder of a store that runs `binary`.
    pub fn new(binary: Arc<Binary>, settings: Settings) -> Recorder {
        Recorder { binary, settings, state: Mutex::default(), begun: AtomicBool::new(false) }
    }

    /// What is run.
    pub fn binary(&self) -> &Arc<Binary> {
        &self.binary
    }

    /// What goes into dumps.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether a dump of the end is being written or was.
    pub fn has_dumped(&self) -> bool {
        self.begun.load(Ordering::SeqCst)
    }

    /// The dump that was tried, at the end.
    pub fn take_dumped(&self) -> Option<Dumped> {
        self.state().dumped.take()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the dump of a guest that is stopped at its end, with its frames live; once: the engine tells of a trap again
    /// for each activation that it unwinds.
    pub fn crash<T: 'static>(&self, cause: &Cause, stop: Stop, store: &mut StoreContextMut<'_, T>) {
        if self.begun.swap(true, Ordering::SeqCst) {
            return;
        }
        let dumped = self.dump(cause, store, |store| Stack::new(stop, store));
        self.state().dumped = Some(dumped);
    }

    /// Remembers where an exception was thrown, in case nothing catches it.
    pub fn thrown<T: 'static>(&self, exception: &OwnedRooted<ExnRef>, store: &mut StoreContextMut<'_, T>) {
        // A failure costs that dump.
        let _ = quietly(|| self.state().exceptions.note(exception, &self.binary, store));
    }

    /// Writes the dump of a call that failed with `error`, unless that was written while the frames were live: of an
    /// exception that nothing caught, or of an uninstrumented guest.
    pub fn after<T: 'static>(&self, error: &wasmtime::Error, store: &mut StoreContextMut<'_, T>) {
        let Some(mut cause) = (self.settings.classify)(error) else { return };
        if self.begun.swap(true, Ordering::SeqCst) {
            return;
        }
        let pending = error.is::<ThrownException>().then(|| store.take_pending_exception()).flatten();
        let seen = quietly(|| match error.is::<ThrownException>() {
            true => self.state().exceptions.take(pending, store),
            false => None,
        });
        let dumped = match (seen.ok().flatten(), error.downcast_ref::<WasmCoreDump>()) {
            (Some(seen), _) => {
                cause.carry(seen.thrown);
                self.dump(&cause, store, |_| seen.stack)
            }
            (None, Some(noted)) => {
                let mut stack = quietly(|| plain::stack(noted, &self.binary, store));
                if let (Some(pending), Ok(stack)) = (pending, &mut stack)
                    && let Ok(thrown) = quietly(|| exceptions::describe(&pending, stack, &self.binary, store))
                {
                    cause.carry(Thrown { last_only: true, ..thrown });
                }
                match stack {
                    Ok(stack) => self.dump(&cause, store, |_| stack),
                    Err(error) => Dumped { capture: None, reason: self.reason(&cause), place: Err(error) },
                }
            }
            (None, None) => Dumped { capture: None, reason: self.reason(&cause), place: Err(needs_detail()) },
        };
        self.state().dumped = Some(dumped);
    }

    /// Writes the dump of a guest that goes on.
    pub fn snapshot<T: 'static>(&self, cause: &Cause, store: &mut StoreContextMut<'_, T>) -> Dumped {
        self.dump(cause, store, |store| Stack::new(Stop::Anywhere, store))
    }

    /// Captures and writes. A panic on the way (of the engine's debugging interface, say) costs the dump, not the process.
    fn dump<T: 'static>(
        &self,
        cause: &Cause,
        store: &mut StoreContextMut<'_, T>,
        stack: impl FnOnce(&mut StoreContextMut<'_, T>) -> Stack,
    ) -> Dumped {
        let (memory, heap_limit) = (self.settings.memory, self.settings.heap_limit);
        let capture = quietly(|| stack(store).complete(&self.binary, memory, heap_limit, store));
        let capture = match capture {
            Ok(capture) => capture,
            Err(error) => return Dumped { capture: None, reason: self.reason(cause), place: Err(error) },
        };
        let mut cause = cause.clone();
        if let Some(thrown) = &mut cause.exception {
            capture.settle(thrown);
        }
        let cause = &cause;
        if let Some(budget) = &self.settings.budget
            && let Err(error) = budget.take(&cause.kind, &capture.frames)
        {
            let reason = self.reason(cause);
            return Dumped { capture: Some(capture), reason, place: Err(error) };
        }
        let written = quietly(|| self.write(cause, &capture, store));
        let (reason, place) = written.unwrap_or_else(|error| (self.reason(cause), Err(error)));
        Dumped { capture: Some(capture), reason, place }
    }

    fn reason(&self, cause: &Cause) -> Reason {
        let mut dump = CoreDump { reason: Some(cause.reason()), ..CoreDump::default() };
        self.complete(&mut dump);
        dump.reason.unwrap_or_default()
    }

    fn complete(&self, dump: &mut CoreDump<'_>) {
        if let Some(complete) = &self.settings.complete {
            complete(dump);
        }
    }

    fn write<T: 'static>(
        &self,
        cause: &Cause,
        capture: &Capture,
        store: &mut StoreContextMut<'_, T>,
    ) -> (Reason, Result<Place>) {
        let embed = self.settings.embed_modules || self.binary.is_fileless();
        let mut dump = capture.dump(self.settings.memory, embed, &self.binary, store);
        dump.executable = Some(self.binary.path().to_string_lossy().into_owned());
        dump.producer = self.settings.process.producer.clone();
        dump.process = Process {
            time: Some(timestamp(SystemTime::now())),
            exit_code: cause.exit_code,
            ..self.settings.process.clone()
        };
        dump.reason = Some(cause.reason());
        self.complete(&mut dump);
        let reason = dump.reason.clone().unwrap_or_default();
        let place = self.settings.output.write(|output| coredump_core::write::write(&dump, output).map(|_| ()));
        (reason, place)
    }
}

/// Why there is no dump of an uninstrumented guest that did not trap.
pub fn needs_detail() -> Error {
    let error = Error::new(ErrorKind::Usage, "the engine tells nothing of an uninstrumented program here");
    error.hint("run without --fast")
}

/// Runs `work`; a panic in it becomes an error.
///
/// # Errors
///
/// The panic's message.
pub fn quietly<R>(work: impl FnOnce() -> R) -> Result<R> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Error::new(ErrorKind::Malformed, format!("cannot capture the program's state: {text}"))
    })
}

/// RFC 3339, UTC, to the second.
pub fn timestamp(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

/// The engine's events, with the guest stopped and its frames live. A handler of a host's own can call the same methods
/// of [`Recorder`].
pub struct Watcher<T> {
    recorder: Arc<Recorder>,
    data: PhantomData<fn(T)>,
}

impl<T> Watcher<T> {
    /// Makes `recorder` see the events.
    pub fn new(recorder: Arc<Recorder>) -> Watcher<T> {
        Watcher { recorder, data: PhantomData }
    }
}

impl<T> Clone for Watcher<T> {
    fn clone(&self) -> Self {
        Watcher::new(self.recorder.clone())
    }
}

impl<T: Send + 'static> DebugHandler for Watcher<T> {
    type Data = T;

    async fn handle(&self, mut store: StoreContextMut<'_, T>, event: DebugEvent<'_>) {
        let recorder = &self.recorder;
        match event {
            DebugEvent::Trap(trap) => {
                if let Some(cause) = (recorder.settings.classify)(&trap.into()) {
                    recorder.crash(&cause, Stop::of(trap), &mut store);
                }
            }
            DebugEvent::HostcallError(error) => {
                if let Some(cause) = (recorder.settings.classify)(error) {
                    recorder.crash(&cause, Stop::Anywhere, &mut store);
                }
            }
            DebugEvent::Exception(exception) => recorder.thrown(&exception, &mut store),
            DebugEvent::Breakpoint | DebugEvent::EpochYield => {}
        }
    }
}
