//! Writes the dumps of one store of a host.

use std::hash::Hash;
use std::io::{self, Write};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::model::{CoreDump, Process, Reason};
use wasmtime::{
    AsContextMut, DebugEvent, DebugHandler, ExnRef, FrameInfo, OwnedRooted, Rooted, StoreContextMut, ThrownException,
    WasmBacktrace, WasmCoreDump,
};

use crate::binary::Binary;
use crate::budget::Budget;
use crate::capture::{Capture, Stack, Stop};
use crate::cause::Cause;
use crate::contents::NO_TIME;
use crate::extent::{CaptureExtent, MemoryChoice};
use crate::final_dump::{Dumped, FinalDump};
use crate::output::{DumpPlace, Output};
use crate::plain::Noted;
use crate::quietly::quietly;

/// The settings of a recorder: the contents of its dumps, and the output to which they go.
pub struct Settings {
    /// The output to which dumps go.
    pub output: Arc<Output>,
    /// The part of the guest's memory that a dump contains.
    pub memory: MemoryChoice,
    /// The most bytes of objects of a garbage-collected program that a dump contains; the objects nearest to the frames
    /// come first. More than 3 GiB has the effect of 3 GiB.
    pub heap_limit: u64,
    /// True if a dump contains the core modules, so that it needs no other file. Modules that are in no file are always
    /// contained.
    pub embed_modules: bool,
    /// The dump's record of the process, without the time and the exit code.
    pub process: Process,
    /// Decides which errors leave a dump, and names their causes; it returns `None` for an error that is no crash, such
    /// as an exit with code 0.
    pub classify: Classify,
    /// The time that a dump may take, during which the guest's thread is busy; `None` for any time. Memory that was not
    /// reached by then is left out. A single write that the file system holds up is not cut short.
    pub time: Option<Duration>,
    /// The number of dumps that all stores of the host may write together; without a budget, they may write any number.
    pub budget: Option<Arc<Budget>>,
    /// Adds what only the host knows before a dump is written, for example the guest's output to its standard error.
    pub complete: Option<Complete>,
}

/// The default of [`Settings::heap_limit`], in bytes.
pub const HEAP_LIMIT: u64 = 1 << 30;

/// A function that returns the cause of an error that is a crash, and `None` for any other error.
pub type Classify = Box<dyn Fn(&wasmtime::Error) -> Option<Cause> + Send + Sync>;

/// A function that changes a dump before it is written. The dump has its memories already.
pub type Complete = Box<dyn Fn(&mut CoreDump<'_>) + Send + Sync>;

impl Settings {
    /// Returns settings for dumps by `producer` (a name and a version) that go to `output`, with all memory, without
    /// modules, and with half a minute of time for each.
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
            classify: Box::new(|error| Some(Cause::from_error(error))),
            time: Some(Duration::from_secs(30)),
            budget: None,
            complete: None,
        }
    }
}

/// Writes the dumps of one store.
pub struct Recorder {
    settings: Settings,
    /// The dump of the guest's end.
    last: FinalDump,
}

impl Recorder {
    /// Returns the recorder of a store that runs `binary`.
    pub fn new(binary: Arc<Binary>, settings: Settings) -> Recorder {
        Recorder { settings, last: FinalDump::new(binary) }
    }

    /// Returns the program that the store runs.
    pub fn binary(&self) -> &Arc<Binary> {
        self.last.binary()
    }

    /// Returns the settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns true if the dump of the guest's end has been written, or is being written.
    pub fn has_dumped(&self) -> bool {
        self.last.is_begun()
    }

    /// Takes the dump of the guest's end, written or not; `None` if none was tried, or if it was taken already.
    pub fn take_dumped(&self) -> Option<Dumped> {
        self.last.take()
    }

    /// Writes the dump of a guest that is stopped at its end, with its frames live. Only the first call writes a dump.
    #[doc(hidden)]
    pub fn crash<T: 'static>(&self, cause: &Cause, stop: Stop, store: &mut StoreContextMut<'_, T>) {
        if !self.last.begin() {
            return;
        }
        let place = || CrashSite::from_engine(WasmBacktrace::force_capture(&*store).frames());
        let dumped = match self.has_room(cause, place) {
            Ok(()) => self.dump(cause, store, |store| Stack::new(stop, store)),
            Err(error) => self.none(cause, error),
        };
        self.last.keep(dumped);
    }

    /// Remembers the place where an exception was thrown, in case nothing catches it.
    #[doc(hidden)]
    pub fn thrown<T: 'static>(&self, exception: &OwnedRooted<ExnRef>, store: &mut StoreContextMut<'_, T>) {
        self.last.thrown(exception, store);
    }

    /// Writes the dump of a call that failed with `error`, unless it was written while the frames were live. So it
    /// is the dump of an uncaught exception, or of an uninstrumented guest.
    pub fn after<T: 'static>(&self, error: &wasmtime::Error, store: &mut StoreContextMut<'_, T>) {
        let Some(mut cause) = (self.settings.classify)(error) else { return };
        if !self.last.begin() {
            return;
        }
        let pending = error.is::<ThrownException>().then(|| store.take_pending_exception()).flatten();
        let seen = if error.is::<ThrownException>() { self.last.uncaught(pending, store) } else { None };
        let dumped = match (seen, error.downcast_ref::<WasmCoreDump>()) {
            (Some(seen), _) => match self.has_room(&cause, || CrashSite::from_stack(&seen.stack)) {
                Ok(()) => {
                    cause.carry(seen.thrown);
                    self.dump(&cause, store, |_| seen.stack)
                }
                Err(error) => self.none(&cause, error),
            },
            (None, Some(noted)) => match self.has_room(&cause, || CrashSite::from_engine(noted.frames())) {
                Ok(()) => self.noted(cause, noted, pending.as_ref(), store),
                Err(error) => self.none(&cause, error),
            },
            (None, None) => self.none(&cause, needs_detail()),
        };
        self.last.keep(dumped);
    }

    /// Writes the dump of a guest that its host gives up although the guest returned no error: it took too long, and
    /// the future of its call was dropped, or it waits for something that does not come. Its stack is gone by then, or
    /// it has none, so the dump has no frames; the memory shows what the guest was doing. If a function of the host
    /// calls this while the guest is in it, the dump has the frames that lead there.
    pub async fn idle<T: Send + 'static>(&self, cause: &Cause, store: &mut StoreContextMut<'_, T>) {
        if !self.last.begin() {
            return;
        }
        let dumped = match self.has_room(cause, || CrashSite(Vec::new())) {
            Ok(()) if !store.as_context_mut().debug_all_instances().is_empty() => {
                self.dump(cause, store, |store| Stack::new(Stop::Anywhere, store))
            }
            Ok(()) => match Noted::take(store).await {
                Ok(noted) => self.dump(cause, store, |store| noted.stack(self.binary(), store)),
                Err(error) => self.none(cause, error),
            },
            Err(error) => self.none(cause, error),
        };
        self.last.keep(dumped);
    }

    /// Writes the dump of an uninstrumented guest, from what the engine noted when the guest trapped or threw.
    fn noted<T: 'static>(
        &self,
        mut cause: Cause,
        noted: &WasmCoreDump,
        pending: Option<&Rooted<ExnRef>>,
        store: &mut StoreContextMut<'_, T>,
    ) -> Dumped {
        let (stack, thrown) = match self.last.noted(noted, pending, store) {
            Ok(noted) => noted,
            Err(error) => return self.none(&cause, error),
        };
        if let Some(thrown) = thrown {
            cause.carry(thrown);
        }
        self.dump(&cause, store, |_| stack)
    }

    /// Writes the dump of a guest that goes on.
    pub fn snapshot<T: 'static>(&self, cause: &Cause, store: &mut StoreContextMut<'_, T>) -> Dumped {
        self.dump(cause, store, |store| Stack::new(Stop::Anywhere, store))
    }

    /// Captures and writes a dump. A panic on the way, for example in the engine's debugging interface, costs the dump,
    /// but not the process.
    fn dump<T: 'static>(
        &self,
        cause: &Cause,
        store: &mut StoreContextMut<'_, T>,
        stack: impl FnOnce(&mut StoreContextMut<'_, T>) -> Stack,
    ) -> Dumped {
        let until = self.settings.time.map(|time| Instant::now() + time);
        let extent = CaptureExtent { memory: self.settings.memory, heap_limit: self.settings.heap_limit, until };
        let capture = quietly(|| stack(store).complete(self.binary(), extent, store));
        let capture = match capture {
            Ok(capture) => capture,
            Err(error) => return self.none(cause, error),
        };
        let mut cause = cause.clone();
        if let Some(thrown) = &mut cause.exception {
            capture.settle(thrown);
        }
        let cause = &cause;
        let written = quietly(|| self.write(cause, &capture, until, store));
        let (reason, place) = written.unwrap_or_else(|error| (self.reason(cause), Err(error)));
        Dumped { capture: Some(capture), reason, place }
    }

    /// Takes room for another dump of a crash of this kind at this place from the budget. The error says which limit
    /// was reached.
    fn has_room<P: Hash>(&self, cause: &Cause, place: impl FnOnce() -> P) -> Result<()> {
        self.settings.budget.as_ref().map_or(Ok(()), |budget| budget.take(&cause.kind, place()))
    }

    /// Returns the result for a dump that was not captured, with the reason.
    fn none(&self, cause: &Cause, why: Error) -> Dumped {
        Dumped { capture: None, reason: self.reason(cause), place: Err(why) }
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
        until: Option<Instant>,
        store: &mut StoreContextMut<'_, T>,
    ) -> (Reason, Result<DumpPlace>) {
        let embed = self.settings.embed_modules;
        let mut dump = capture.dump(self.settings.memory, embed, self.binary(), until, store);
        dump.executable = Some(self.binary().path().to_string_lossy().into_owned());
        dump.producer = self.settings.process.producer.clone();
        dump.process = Process {
            time: Some(timestamp(SystemTime::now())),
            exit_code: cause.exit_code,
            ..self.settings.process.clone()
        };
        dump.reason = Some(cause.reason());
        self.complete(&mut dump);
        let reason = dump.reason.clone().unwrap_or_default();
        let write = |dump: &CoreDump<'_>, until: Option<Instant>| {
            let write = |output: &mut dyn Write| coredump_core::write::write(dump, &mut Until { output, until });
            self.settings.output.write(|output| write(output).map(|_| ()))
        };
        let place = match write(&dump, until) {
            // A dump has little beside its memory.
            Err(error) if error.io_kind() == Some(io::ErrorKind::TimedOut) => {
                let mut without = capture.dump(MemoryChoice::None, embed, self.binary(), None, store);
                without.memories.iter_mut().for_each(|memory| memory.missing = Some(NO_TIME.to_owned()));
                dump.memories = without.memories;
                write(&dump, None)
            }
            place => place,
        };
        (reason, place)
    }
}

/// The place where a program crashed: the function and offset of each frame. Crashes of one kind at the same site count
/// together for the budget.
#[derive(Hash)]
struct CrashSite(Vec<(Option<u32>, Option<u64>)>);

impl CrashSite {
    fn from_engine(frames: &[FrameInfo]) -> CrashSite {
        let place = |frame: &FrameInfo| (Some(frame.func_index()), frame.func_offset().map(|offset| offset as u64));
        CrashSite(frames.iter().map(place).collect())
    }

    fn from_stack(stack: &Stack) -> CrashSite {
        let frames = stack.frames.iter();
        CrashSite(frames.map(|frame| (frame.function, frame.code_offset.map(u64::from))).collect())
    }
}

/// A writer that fails from a moment on.
struct Until<'w> {
    output: &'w mut dyn Write,
    until: Option<Instant>,
}

impl Write for Until<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.until {
            Some(until) if Instant::now() >= until => Err(io::ErrorKind::TimedOut.into()),
            _ => self.output.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// Returns the error that says why there is no dump of an uninstrumented guest that did not trap.
pub fn needs_detail() -> Error {
    let error = Error::new(ErrorKind::Usage, "the engine tells nothing of an uninstrumented program here");
    error.hint("run without --fast")
}

/// Returns a time in the form of RFC 3339, in UTC and to the second.
pub fn timestamp(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

/// Passes the engine's events, at which the guest is stopped and its frames are live, to a [`Recorder`]. A handler of a
/// host's own can call the same methods of the recorder.
pub struct Watcher<T> {
    recorder: Arc<Recorder>,
    data: PhantomData<fn(T)>,
}

impl<T> Watcher<T> {
    /// Returns a handler that passes the events to `recorder`.
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
                    recorder.crash(&cause, Stop::from_trap(trap), &mut store);
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
