//! Writes the dumps of a run.

use std::io::{IoSlice, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use coredump_capture::internals::{CaptureExtent, FinalDump, Noted, Stack, Stop, needs_detail, quietly, timestamp};
use coredump_capture::{Capture, DumpPlace, Dumped, MemoryChoice, Output};
use coredump_core::cli::report::Report;
use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::internals::component::Component;
use coredump_core::model::{CoreDump, Process, Reason, Thrown};
use coredump_core::module::nested;
use wasmtime::{AsContextMut, DebugEvent, DebugHandler, StoreContextMut, WasmCoreDump};

use super::again::Again;
use super::compare::Expected;
use super::placed;
use crate::args::{Args, On};
use crate::control::Control;
use crate::ending::Ending;
use crate::engine::Mode;
use crate::host::Host;
use crate::program::Program;
use crate::progress::Progress;
use crate::stdio::Tail;

/// The writer of a run's dumps, with the data that all of them share.
pub struct DumpWriter {
    /// The files that dumps are written to.
    pub output: Arc<Output>,
    /// The program.
    pub program: Arc<Program>,
    /// The description of the process in the dump, except for the time and the exit code.
    pub process: Process,
    /// The last output of the guest on its standard error.
    pub tail: Tail,
    /// The endings that leave a dump.
    pub on: Vec<On>,
    /// The part of the memory that a dump contains.
    pub memory: MemoryChoice,
    /// The largest total size of the objects in a dump, in bytes.
    heap_limit: u64,
    /// True if a dump contains the modules.
    pub embed: bool,
    /// The mode in which the guest runs.
    mode: Mode,
    /// Says which of the dumps of a recorded program is written.
    pub stage: Stage,
    /// The report of snapshots; `None` with `--quiet`.
    report: Option<Report>,
    /// The end of the first run, for the second run.
    expected: Mutex<Option<Expected>>,
    /// The dump of the program's end.
    last: FinalDump,
}

/// The dumps of a run.
pub enum Stage {
    /// The only dump.
    Only,
    /// The first dump of a recorded program, which another one may replace.
    First,
    /// The dump of the program that runs again, which replaces the first one.
    Again(Box<Again>),
}

impl DumpWriter {
    /// A writer for a run that has not begun.
    pub fn new(
        args: &Args,
        mode: Mode,
        program: Arc<Program>,
        process: Process,
        tail: Tail,
        report: &Report,
    ) -> DumpWriter {
        let executable = program.binary.path().to_string_lossy().into_owned();
        let output = Output::new(args.output().0, executable, args.keep);
        let output = Arc::new(output);
        let embed = args.embed_modules || program.binary.is_fileless();
        let (on, memory) = (args.dumps_on(), args.memory);
        let report = (!args.quiet).then_some(*report);
        let stage = if mode == Mode::Recorded { Stage::First } else { Stage::Only };
        let last = FinalDump::new(program.binary.clone());
        DumpWriter {
            output,
            program,
            process,
            tail,
            on,
            memory,
            heap_limit: args.heap_limit,
            embed,
            mode,
            stage,
            report,
            expected: Mutex::default(),
            last,
        }
    }

    /// This writer, but every ending leaves a dump.
    pub fn of_any_ending(self) -> DumpWriter {
        DumpWriter { on: On::all(), ..self }
    }

    /// The writer of the dump when the same program runs again.
    pub fn again(self: &Arc<DumpWriter>, program: Arc<Program>, again: Again) -> DumpWriter {
        DumpWriter {
            output: self.output.clone(),
            last: FinalDump::new(program.binary.clone()),
            program,
            process: self.process.clone(),
            tail: self.tail.clone(),
            on: self.on.clone(),
            memory: self.memory,
            heap_limit: self.heap_limit,
            embed: self.embed,
            mode: Mode::Live,
            stage: Stage::Again(Box::new(again)),
            report: self.report,
            expected: Mutex::default(),
        }
    }

    /// Returns true if nothing is reported, as `--quiet` asks.
    pub fn is_quiet(&self) -> bool {
        self.report.is_none()
    }

    /// Takes the end of the first run.
    pub fn take_expected(&self) -> Option<Expected> {
        self.expected().take()
    }

    /// Returns true if the dump of the guest's end was written or is being written.
    pub fn has_dumped(&self) -> bool {
        self.last.is_begun()
    }

    /// Returns true if a signal ends this process at once, as the guest is dead and there will be no better dump than
    /// the one being written. For a recorded program, which runs again, `replay::Stopper` decides.
    pub fn ends_at_once(&self) -> bool {
        self.mode != Mode::Recorded && self.has_dumped()
    }

    /// Takes the dump of the program's end, written or failed.
    pub fn take_dumped(&self) -> Option<Dumped> {
        self.last.take()
    }

    fn expected(&self) -> MutexGuard<'_, Option<Expected>> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns true if this ending leaves a dump.
    pub fn wants(&self, ending: &Ending) -> bool {
        ending.leaves_dump(&self.on)
    }

    /// Writes the dump of a guest that is stopped at its end, unless that was done before.
    pub fn crash(&self, ending: &Ending, stop: Stop, store: &mut StoreContextMut<'_, Host>) {
        if self.begins(ending) {
            let dumped = self.dump(ending, None, store, |store| Stack::new(stop, store));
            self.last.keep(dumped);
        }
    }

    /// Returns true if the dump of this ending is to be written; true only once.
    fn begins(&self, ending: &Ending) -> bool {
        self.wants(ending) && self.last.begin()
    }

    /// Writes the dump of an uncaught exception. Its stack is gone, so the dump has the frames that were captured at
    /// the throw, with the present state of the store.
    pub fn uncaught(&self, ending: &Ending, store: &mut StoreContextMut<'_, Host>) {
        let pending = store.take_pending_exception();
        let Some(seen) = self.last.uncaught(pending, store) else { return };
        if self.begins(ending) {
            let dumped = self.dump(ending, Some(seen.thrown), store, |_| seen.stack);
            self.last.keep(dumped);
        }
    }

    /// Writes the dump of an uninstrumented guest. Its stack is gone, so the dump has what the engine noted at the
    /// trap.
    pub fn after_trap(&self, ending: &Ending, error: &wasmtime::Error, store: &mut StoreContextMut<'_, Host>) {
        if !self.begins(ending) {
            return;
        }
        let pending = matches!(ending, Ending::Exception(_)).then(|| store.take_pending_exception()).flatten();
        let dumped = match error.downcast_ref::<WasmCoreDump>() {
            Some(noted) => match self.last.noted(noted, pending.as_ref(), store) {
                Ok((stack, thrown)) => self.dump(ending, thrown, store, |_| stack),
                Err(error) => Dumped { capture: None, reason: self.reason(ending, None), place: Err(error) },
            },
            None => {
                let error = match ending {
                    // Growth while it runs is noted by the engine.
                    Ending::MemoryLimit(_) => Error::new(ErrorKind::Usage, "the program has not started"),
                    _ => needs_detail(),
                };
                Dumped { capture: None, reason: self.reason(ending, None), place: Err(error) }
            }
        };
        self.last.keep(dumped);
    }

    /// Writes the dump, without frames, of a guest that is ended while it waits or is inside a host call that cannot be
    /// interrupted.
    pub fn idle(&self, ending: &Ending, store: &mut StoreContextMut<'_, Host>) {
        if self.mode == Mode::Live {
            self.crash(ending, Stop::Anywhere, store);
        }
    }

    /// Writes the dump of an uninstrumented guest that is ended while it waits or is inside a host call that cannot be
    /// interrupted.
    pub async fn given_up(&self, ending: &Ending, store: &mut StoreContextMut<'_, Host>) {
        if !self.begins(ending) {
            return;
        }
        let dumped = match Noted::take(store).await {
            Ok(noted) => self.dump(ending, None, store, |store| noted.stack(&self.program.binary, store)),
            Err(error) => Dumped { capture: None, reason: self.reason(ending, None), place: Err(error) },
        };
        self.last.keep(dumped);
    }

    /// Writes the dump of a guest that goes on, and reports it.
    pub fn snapshot(&self, signal: i32, store: &mut StoreContextMut<'_, Host>) {
        let place = if self.mode != Mode::Live {
            Err(needs_detail())
        } else {
            self.dump(&Ending::Snapshot(signal), None, store, |store| Stack::new(Stop::Anywhere, store)).place
        };
        if let Some(report) = &self.report {
            placed::report(report, &place);
        }
    }

    /// Reports that no snapshot can be written.
    pub fn no_snapshot(&self) {
        if let Some(report) = &self.report {
            let error = match self.mode {
                Mode::Fast => needs_detail(),
                _ => Error::new(ErrorKind::Usage, "--on leaves out signals").hint("add signal to --on"),
            };
            placed::report(report, &Err(error));
        }
    }

    /// Captures the state and writes the dump. A panic (of the engine's debugging interface, say) fails the dump, but
    /// does not end the process.
    fn dump(
        &self,
        ending: &Ending,
        mut thrown: Option<Thrown>,
        store: &mut StoreContextMut<'_, Host>,
        stack: impl FnOnce(&mut StoreContextMut<'_, Host>) -> Stack,
    ) -> Dumped {
        let extent = CaptureExtent { memory: self.memory, heap_limit: self.heap_limit, until: None };
        let capture = quietly(|| stack(store).complete(&self.program.binary, extent, store));
        let capture = match capture {
            Ok(mut capture) => {
                if let (Stage::Again(again), Some(youngest)) = (&self.stage, capture.frames.first_mut()) {
                    youngest.code_offset = again.code_offset().or(youngest.code_offset);
                }
                capture
            }
            Err(error) => return Dumped { capture: None, reason: self.reason(ending, thrown), place: Err(error) },
        };
        if let Some(thrown) = &mut thrown {
            capture.settle(thrown);
        }
        let reason = self.reason(ending, thrown);
        let place = self.write(ending, &reason, &capture, store).and_then(|result| result);
        Dumped { capture: Some(capture), reason, place }
    }

    fn reason(&self, ending: &Ending, thrown: Option<Thrown>) -> Reason {
        let remark = if let Stage::Again(again) = &self.stage { again.remark() } else { "" };
        let mut cause = ending.cause();
        if let Some(thrown) = thrown {
            cause.carry(thrown);
        }
        let mut reason = cause.reason();
        reason.message = reason.message.map(|message| message + remark);
        reason.guest_stderr = self.tail.text();
        reason
    }

    fn write(
        &self,
        ending: &Ending,
        reason: &Reason,
        capture: &Capture,
        store: &mut StoreContextMut<'_, Host>,
    ) -> Result<Result<DumpPlace>> {
        quietly(|| {
            let mut dump = capture.dump(self.memory, self.embed, &self.program.binary, None, store);
            if self.embed && self.program.binary.is_component() {
                let bytes = self.program.binary.bytes();
                let modules: Vec<_> = dump.modules.iter().map(|module| module.embedded).collect();
                dump.component = Some(Component::around(bytes, &nested(bytes).unwrap_or_default(), &modules));
            }
            dump.executable = Some(self.program.binary.path().to_string_lossy().into_owned());
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

    /// Writes the dump of this stage of the run.
    fn write_stage<'a>(
        &'a self,
        ending: &Ending,
        mut dump: CoreDump<'a>,
        capture: &'a Capture,
        store: &'a StoreContextMut<'_, Host>,
    ) -> Result<DumpPlace> {
        // The comparison includes what the dump leaves out by choice.
        let whole = || capture.whole(&self.program.binary, store);
        dump.process.detail = Some(if self.mode == Mode::Live { "live" } else { "none" }.to_owned());
        // With `--fast`, and on a shared memory, only calls that wait are noted: such a list would mislead.
        if self.mode != Mode::Fast && !dump.memories.iter().any(|memory| memory.shared) {
            dump.host_calls = store.data().calls.list();
        }
        let written = Arc::new(AtomicU64::new(0));
        let _progress = Progress::of_count(self.is_quiet(), "writing the dump", "MiB", written.clone(), None);
        match &self.stage {
            Stage::Only => self.output.write(|output| write(&dump, output, &written)),
            Stage::First => {
                *self.expected() = Some(Expected::new(&ending.kind(), &whole()));
                self.output.write_first(|output| write(&dump, output, &written))
            }
            Stage::Again(again) => {
                again.verify(ending, &whole(), store)?;
                let recording = again.put_beside(&self.output)?;
                again.complete(&mut dump, store);
                let write = |output: &mut dyn Write| write(&dump, output, &written);
                match again.first_dump() {
                    _ if !again.is_written() => Ok(DumpPlace::Nowhere),
                    Some(place) => self.output.replace(place, recording, write),
                    None => self.output.write_with(recording, write),
                }
            }
        }
    }
}

fn write(dump: &CoreDump<'_>, output: &mut dyn Write, mebibytes: &AtomicU64) -> Result<()> {
    coredump_core::write::write(dump, &mut Counted { output, bytes: 0, mebibytes }).map(|_| ())
}

/// A writer that counts the bytes.
struct Counted<'w> {
    output: &'w mut dyn Write,
    bytes: u64,
    mebibytes: &'w AtomicU64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.output.write(bytes)?;
        self.bytes += written as u64;
        self.mebibytes.store(self.bytes >> 20, Ordering::Relaxed);
        Ok(written)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> std::io::Result<usize> {
        let written = self.output.write_vectored(slices)?;
        self.bytes += written as u64;
        self.mebibytes.store(self.bytes >> 20, Ordering::Relaxed);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.output.flush()
    }
}

/// Handles the engine's debug events, at which the guest is stopped and its frames are live.
#[derive(Clone)]
pub struct Watcher {
    /// The writer of the dumps.
    pub writer: Arc<DumpWriter>,
    /// The requests to the guest; `None` for a guest that runs again.
    pub control: Option<Arc<Control>>,
}

impl DebugHandler for Watcher {
    type Data = Host;

    async fn handle(&self, mut store: StoreContextMut<'_, Host>, event: DebugEvent<'_>) {
        let writer = &self.writer;
        match (event, &self.control) {
            (DebugEvent::Trap(trap), _) => writer.crash(&Ending::Trap(trap), Stop::from_trap(trap), &mut store),
            (DebugEvent::HostcallError(error), _) => {
                writer.crash(&Ending::from_error(error), Stop::Anywhere, &mut store);
            }
            (DebugEvent::Exception(exception), _) if writer.on.contains(&On::Exception) => {
                writer.last.thrown(&exception, &mut store);
            }
            // At an epoch check, the engine has no values for the youngest frame: the request is handled one
            // instruction later.
            (DebugEvent::EpochYield, Some(control)) if control.is_asked() && !writer.has_dumped() => {
                step(true, control, &mut store);
            }
            (DebugEvent::Breakpoint, Some(control)) if control.is_stepping() => {
                step(false, control, &mut store);
                if let Some(interruption) = control.interruption() {
                    writer.crash(&Ending::Interrupted(interruption), Stop::Anywhere, &mut store);
                } else if let Some(signal) = control.take_snapshot() {
                    writer.snapshot(signal, &mut store);
                }
                // Makes the epoch callback check for the request again.
                control.knock();
            }
            _ => {}
        }
    }
}

/// Turns single stepping of the guest on or off.
fn step(on: bool, control: &Control, store: &mut StoreContextMut<'_, Host>) {
    let stepping = store.as_context_mut().edit_breakpoints().is_some_and(|mut edit| edit.single_step(on).is_ok());
    control.set_stepping(stepping && on);
}
