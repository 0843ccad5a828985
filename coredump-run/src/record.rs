//! Keeps what is to be told of this run, and writes the dump when the moment is there.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use coredump_core::cli::report::Report;
use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::model::{CoreDump, Process, Reason};
use wasmtime::{AsContextMut, DebugEvent, DebugHandler, ExnRef, OwnedRooted, StoreContextMut, Trap, Val, WasmCoreDump};

use crate::args::{Args, MemoryChoice, On};
use crate::capture::{Capture, Stack, Stop, plain};
use crate::ending::{Ending, Interruption};
use crate::engine::Mode;
use crate::host::Host;
use crate::output::{Output, Place};
use crate::program::Program;
use crate::replay::{Again, Expected};
use crate::report;
use crate::stdio::Tail;

/// What the whole run knows about its dumps.
pub struct Recorder {
    /// Where dumps go.
    pub output: Arc<Output>,
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
    /// How the guest runs.
    mode: Mode,
    /// Which of the dumps of a recorded program this is about.
    pub stage: Stage,
    /// Who tells of snapshots; nobody, with `--quiet`.
    report: Option<Report>,
    state: Mutex<State>,
}

/// Which dump is written.
pub enum Stage {
    /// The only one.
    Only,
    /// The first one of a recorded program, which another may replace.
    First,
    /// That other one, of the program that runs again.
    Again(Again),
}

#[derive(Default)]
struct State {
    /// How a first run ended, for the second one.
    expected: Option<Expected>,
    /// The dump of the ending, once one was tried.
    dumped: Option<Dumped>,
    /// The stack of the last exception thrown and what it carried, in case nothing catches it.
    thrown: Option<(Stack, String)>,
}

/// A dump that was tried.
pub struct Dumped {
    /// What it holds but memory, for the report; none if the capture failed.
    pub capture: Option<Capture>,
    /// Why the program ended.
    pub reason: Reason,
    /// Where it is, or why not.
    pub place: Result<Place>,
}

impl Recorder {
    /// A recorder that has seen nothing yet.
    pub fn new(
        args: &Args,
        mode: Mode,
        program: Arc<Program>,
        process: Process,
        tail: Tail,
        report: &Report,
    ) -> Recorder {
        let output = Output::new(args.output().0, program.path.to_string_lossy().into_owned(), args.keep);
        let output = Arc::new(output);
        let embed = args.embed_modules || program.fileless;
        let (on, memory) = (args.dumps_on(), args.memory);
        let report = (!args.quiet).then_some(*report);
        let stage = if mode == Mode::Recorded { Stage::First } else { Stage::Only };
        Recorder { output, program, process, tail, on, memory, embed, mode, stage, report, state: Mutex::default() }
    }

    /// One for which every ending leaves a dump.
    pub fn of_any_ending(self) -> Recorder {
        Recorder { on: On::all(), ..self }
    }

    /// The recorder of the same program that runs again.
    pub fn again(self: &Arc<Recorder>, program: Arc<Program>, again: Again) -> Recorder {
        Recorder {
            output: self.output.clone(),
            program,
            process: self.process.clone(),
            tail: self.tail.clone(),
            on: self.on.clone(),
            memory: self.memory,
            embed: self.embed,
            mode: Mode::Live,
            stage: Stage::Again(again),
            report: self.report,
            state: Mutex::default(),
        }
    }

    /// How the first run ended, once.
    pub fn take_expected(&self) -> Option<Expected> {
        self.state().expected.take()
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
            Ending::Interrupted(Interruption::Timeout) | Ending::Waiting(Interruption::Timeout) => On::Timeout,
            Ending::Interrupted(Interruption::Signal(_))
            | Ending::Waiting(Interruption::Signal(_))
            | Ending::Snapshot(_) => On::Signal,
            Ending::Trap(_) | Ending::HostError(_) | Ending::MemoryLimit(_) | Ending::Watched => On::Trap,
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
        let Some((stack, carried)) = self.state().thrown.take() else { return };
        if self.wants(ending) && self.state().dumped.is_none() {
            let ending = Ending::Exception(format!("{}{carried}", ending.message()));
            let dumped = self.dump(&ending, store, |_| stack);
            self.state().dumped = Some(dumped);
        }
    }

    /// Writes the dump of an uninstrumented guest, whose stack is gone: what the engine noted when it trapped.
    pub fn after_trap(&self, ending: &Ending, error: &wasmtime::Error, store: &mut StoreContextMut<'_, Host>) {
        if !self.wants(ending) || self.state().dumped.is_some() {
            return;
        }
        let dumped = match error.downcast_ref::<WasmCoreDump>() {
            Some(noted) => self.dump(ending, store, |store| plain::stack(noted, &self.program, store)),
            None => Dumped { capture: None, reason: self.reason(ending), place: Err(needs_detail()) },
        };
        self.state().dumped = Some(dumped);
    }

    /// Writes the dump of a guest that we end in no function: it waits, or is inside a host call that cannot be
    /// interrupted.
    pub fn idle(&self, ending: &Ending, store: &mut StoreContextMut<'_, Host>) {
        if self.mode == Mode::Live {
            self.crash(ending, Stop::Anywhere, store);
        }
    }

    /// Writes the dump of a guest that goes on, and tells of it.
    pub fn snapshot(&self, signal: i32, store: &mut StoreContextMut<'_, Host>) {
        let place = if self.mode != Mode::Live {
            Err(needs_detail())
        } else {
            self.dump(&Ending::Snapshot(signal), store, |store| Stack::new(Stop::Anywhere, store)).place
        };
        if let Some(report) = &self.report {
            report::place(report, &place);
        }
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
            Ok(mut capture) => {
                if let (Stage::Again(again), Some(youngest)) = (&self.stage, capture.frames.first_mut()) {
                    youngest.code_offset = again.code_offset().or(youngest.code_offset);
                }
                capture
            }
            Err(error) => return Dumped { capture: None, reason: self.reason(ending), place: Err(error) },
        };
        let reason = self.reason(ending);
        let place = self.write(ending, &reason, &capture, store).and_then(|result| result);
        Dumped { capture: Some(capture), reason, place }
    }

    fn reason(&self, ending: &Ending) -> Reason {
        let remark = if let Stage::Again(again) = &self.stage { again.remark() } else { "" };
        let message = Some(ending.message() + remark);
        Reason { kind: ending.kind(), message, guest_stderr: self.tail.text() }
    }

    fn write(
        &self,
        ending: &Ending,
        reason: &Reason,
        capture: &Capture,
        store: &mut StoreContextMut<'_, Host>,
    ) -> Result<Result<Place>> {
        quietly(|| {
            let mut dump = capture.dump(self.memory, self.embed, &self.program, store);
            dump.executable = Some(self.program.path.to_string_lossy().into_owned());
            dump.producer = self.process.producer.clone();
            dump.process = Process {
                time: Some(timestamp(SystemTime::now())),
                exit_code: ending.exit_code().map(i32::from),
                ..self.process.clone()
            };
            dump.reason = Some(reason.clone());
            self.write_stage(ending, dump, capture, store)
        })
    }

    /// Writes the dump that this stage of the run leaves.
    fn write_stage<'a>(
        &'a self,
        ending: &Ending,
        mut dump: CoreDump<'a>,
        capture: &'a Capture,
        store: &'a StoreContextMut<'_, Host>,
    ) -> Result<Place> {
        // What was left out by choice is compared all the same.
        let whole = || capture.dump(MemoryChoice::All, false, &self.program, store);
        dump.process.detail = Some(if self.mode == Mode::Live { "live" } else { "none" }.to_owned());
        match &self.stage {
            Stage::Only => self.output.write(|output| coredump_core::write::write(&dump, output).map(|_| ())),
            Stage::First => {
                self.state().expected = Some(Expected::of(&ending.kind(), &whole()));
                self.output.write_first(|output| coredump_core::write::write(&dump, output).map(|_| ()))
            }
            Stage::Again(again) => {
                again.verify(ending, &whole(), store)?;
                again.complete(&mut dump, store);
                let write = |output: &mut dyn std::io::Write| coredump_core::write::write(&dump, output).map(|_| ());
                match again.place() {
                    _ if !again.is_written() => Ok(Place::Nowhere),
                    Some(place) => self.output.replace(place, write),
                    None => self.output.write(write),
                }
            }
        }
    }
}

fn needs_detail() -> Error {
    let error = Error::new(ErrorKind::Usage, "the engine tells nothing of an uninstrumented program here");
    error.hint("run without --fast")
}

/// Runs `work`; a panic in it becomes an error.
fn quietly<R>(work: impl FnOnce() -> R) -> Result<R> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Error::new(ErrorKind::Malformed, format!("cannot capture the program's state: {text}"))
    })
}

/// What an exception carries, as ` (i32 13)`.
fn carried(exception: &OwnedRooted<ExnRef>, store: &mut StoreContextMut<'_, Host>) -> String {
    let exception = exception.to_rooted(store.as_context_mut());
    let Ok(fields) = exception.fields(store.as_context_mut()) else { return String::new() };
    let fields = fields.map(|field| match field {
        Val::I32(value) => format!("i32 {value}"),
        Val::I64(value) => format!("i64 {value}"),
        Val::F32(bits) => format!("f32 {}", f32::from_bits(bits)),
        Val::F64(bits) => format!("f64 {}", f64::from_bits(bits)),
        Val::V128(_) => "v128".to_owned(),
        _ => "a reference".to_owned(),
    });
    let fields: Vec<String> = fields.collect();
    if fields.is_empty() { String::new() } else { format!(" ({})", fields.join(", ")) }
}

/// RFC 3339, UTC, to the second.
pub fn timestamp(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

/// The engine's events, with the guest stopped and its frames live.
#[derive(Clone)]
pub struct Watcher(pub Arc<Recorder>);

impl DebugHandler for Watcher {
    type Data = Host;

    async fn handle(&self, mut store: StoreContextMut<'_, Host>, event: DebugEvent<'_>) {
        let recorder = &self.0;
        match event {
            DebugEvent::Trap(trap) => {
                let stop = if trap == Trap::StackOverflow { Stop::Prologue } else { Stop::Anywhere };
                recorder.crash(&Ending::Trap(trap), stop, &mut store);
            }
            DebugEvent::HostcallError(error) => recorder.crash(&Ending::of(error), Stop::Anywhere, &mut store),
            DebugEvent::Exception(exception) if recorder.on.contains(&On::Exception) => {
                let stack = quietly(|| Stack::new(Stop::Anywhere, &mut store.as_context_mut()));
                let carried = quietly(|| carried(&exception, &mut store)).unwrap_or_default();
                recorder.state().thrown = stack.ok().map(|stack| (stack, carried));
            }
            DebugEvent::Exception(_) | DebugEvent::Breakpoint | DebugEvent::EpochYield => {}
        }
    }
}
