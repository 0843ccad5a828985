//! Keeps what is to be told of this run, and writes the dump when the moment is there.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::model::{Process, Reason};
use wasmtime::{AsContextMut, DebugEvent, DebugHandler, StoreContextMut, Trap, WasmCoreDump};

use crate::args::{Args, MemoryChoice, On};
use crate::capture::{Capture, Stack, Stop, plain};
use crate::ending::{Ending, Interruption};
use crate::host::Host;
use crate::output::{Output, Place};
use crate::program::Program;
use crate::stderr::Tail;

/// What the whole run knows about its dumps.
pub struct Recorder {
    /// Where dumps go.
    pub output: Output,
    /// The program.
    pub program: Arc<Program>,
    /// What the dump says of the process, but for the time and the exit code.
    pub process: Process,
    /// The guest's last words.
    pub tail: Tail,
    /// Which endings leave a dump.
    pub on: Vec<On>,
    /// How much memory goes in.
    pub memory: MemoryChoice,
    /// Whether modules go in.
    pub embed: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The dump of the ending, once one was tried.
    dumped: Option<Dumped>,
    /// The stack of the last exception thrown, in case nothing catches it.
    thrown: Option<Stack>,
}

/// A dump that was tried.
pub struct Dumped {
    /// What it holds but memory, for the report; none if the capture failed.
    pub capture: Option<Capture>,
    /// Where it is, or why not.
    pub place: Result<Place>,
}

impl Recorder {
    /// A recorder that has seen nothing yet.
    pub fn new(args: &Args, program: Arc<Program>, process: Process, tail: Tail) -> Recorder {
        let output = Output::new(args.output.0.clone(), program.path.to_string_lossy().into_owned(), args.keep);
        let embed = args.embed_modules || program.text;
        let (on, memory) = (args.dumps_on(), args.memory);
        Recorder { output, program, process, tail, on, memory, embed, state: Mutex::default() }
    }

    /// The dump that was tried, at the end.
    pub fn take_dumped(&self) -> Option<Dumped> {
        self.state().dumped.take()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an ending is one that leaves a dump.
    pub fn wants(&self, ending: &Ending) -> bool {
        let on = match ending {
            Ending::Exit(0) => return false,
            Ending::Exit(_) => On::Exit,
            Ending::Exception(_) => On::Exception,
            Ending::Interrupted(Interruption::Timeout) => On::Timeout,
            Ending::Interrupted(Interruption::Signal(_)) | Ending::Snapshot(_) => On::Signal,
            Ending::Trap(_) | Ending::HostError(_) | Ending::MemoryLimit(_) => On::Trap,
        };
        self.on.contains(&on)
    }

    /// Writes the dump of a guest that is stopped at its end, once: the engine tells of a trap again for each activation
    /// that it unwinds.
    pub fn crash(&self, ending: &Ending, stop: Stop, store: &mut StoreContextMut<'_, Host>) {
        if !self.wants(ending) || self.state().dumped.is_some() {
            return;
        }
        let dumped = self.dump(ending, store, |store| Stack::new(stop, store));
        self.state().dumped = Some(dumped);
    }

    /// Writes the dump of an uncaught exception, whose stack is gone: the one remembered when it was thrown, with the
    /// state of the store, in which no guest code ran since.
    pub fn uncaught(&self, ending: &Ending, store: &mut StoreContextMut<'_, Host>) {
        let Some(stack) = self.state().thrown.take() else { return };
        if self.wants(ending) && self.state().dumped.is_none() {
            let dumped = self.dump(ending, store, |_| stack);
            self.state().dumped = Some(dumped);
        }
    }

    /// Writes the dump of an uninstrumented guest, whose stack is gone: what the engine noted when it trapped.
    pub fn after_trap(&self, ending: &Ending, error: &wasmtime::Error, store: &mut StoreContextMut<'_, Host>) {
        let Some(noted) = error.downcast_ref::<WasmCoreDump>() else { return };
        if self.wants(ending) {
            let dumped = self.dump(ending, store, |store| plain::stack(noted, store));
            self.state().dumped = Some(dumped);
        }
    }

    /// Writes the dump of a guest that goes on.
    pub fn snapshot(&self, ending: &Ending, store: &mut StoreContextMut<'_, Host>) -> Dumped {
        self.dump(ending, store, |store| Stack::new(Stop::Anywhere, store))
    }

    /// Captures and writes. A panic on the way (of the engine's debugging interface, say) costs the dump, not the process.
    fn dump(
        &self,
        ending: &Ending,
        store: &mut StoreContextMut<'_, Host>,
        stack: impl FnOnce(&mut StoreContextMut<'_, Host>) -> Stack,
    ) -> Dumped {
        let capture = quietly(|| stack(store).complete(&self.program, store));
        let capture = match capture {
            Ok(capture) => capture,
            Err(error) => return Dumped { capture: None, place: Err(error) },
        };
        let place = self.write(ending, &capture, store).and_then(|result| result);
        Dumped { capture: Some(capture), place }
    }

    fn write(&self, ending: &Ending, capture: &Capture, store: &mut StoreContextMut<'_, Host>) -> Result<Result<Place>> {
        quietly(|| {
            let mut dump = capture.dump(self.memory, self.embed, &self.program, store);
            dump.executable = Some(self.program.path.to_string_lossy().into_owned());
            dump.producer = self.process.producer.clone();
            dump.process = Process {
                time: Some(timestamp(SystemTime::now())),
                exit_code: ending.exit_code().map(i32::from),
                ..self.process.clone()
            };
            dump.reason = Some(Reason {
                kind: ending.kind(),
                message: Some(ending.message()),
                guest_stderr: self.tail.text(),
            });
            self.output.write(|output| coredump_core::write::write(&dump, output).map(|_| ()))
        })
    }
}

/// Runs `work`; a panic in it becomes an error.
fn quietly<R>(work: impl FnOnce() -> R) -> Result<R> {
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

/// The engine's events, with the guest stopped and its frames live.
#[derive(Clone)]
pub struct Watcher;

impl DebugHandler for Watcher {
    type Data = Host;

    async fn handle(&self, mut store: StoreContextMut<'_, Host>, event: DebugEvent<'_>) {
        let recorder = store.data().recorder.clone();
        match event {
            DebugEvent::Trap(trap) => {
                let stop = if trap == Trap::StackOverflow { Stop::Prologue } else { Stop::Anywhere };
                recorder.crash(&Ending::Trap(trap), stop, &mut store);
            }
            DebugEvent::HostcallError(error) => recorder.crash(&Ending::of(error), Stop::Anywhere, &mut store),
            DebugEvent::Exception(_) if recorder.on.contains(&On::Exception) => {
                let stack = quietly(|| Stack::new(Stop::Anywhere, &mut store.as_context_mut()));
                recorder.state().thrown = stack.ok();
            }
            DebugEvent::Exception(_) | DebugEvent::Breakpoint | DebugEvent::EpochYield => {}
        }
    }
}
