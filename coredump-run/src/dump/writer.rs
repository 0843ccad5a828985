//! Writes the dumps of a run.

use std::io::{IoSlice, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use coredump_capture::internals::{Extent, FinalDump, Noted, Stack, Stop, needs_detail, quietly, timestamp};
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

/// Writes the dumps of a run, with what the whole run knows for them.
pub struct DumpWriter {
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
    /// Bytes of objects that go in at most.
    heap_limit: u64,
    /// Whether modules go in.
    pub embed: bool,
    /// How the guest runs.
    mode: Mode,
    /// Which of the dumps of a recorded program this is about.
    pub stage: Stage,
    /// Where snapshots are reported; nowhere, with `--quiet`.
    report: Option<Report>,
    /// How a first run ended, for the second one.
    expected: Mutex<Option<Expected>>,
    /// The dump of the end.
    last: FinalDump,
}

/// Which dump is written.
pub enum Stage {
    /// The only one.
    Only,
    /// The first one of a recorded program, which another may replace.
    First,
    /// The one that replaces it, of the program that runs again.
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

    /// The same writer, for which every ending leaves a dump.
    pub fn of_any_ending(self) -> DumpWriter {
        DumpWriter { on: On::all(), ..self }
    }

    /// The writer of the same program that runs again.
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

    /// Whether nothing is reported, as `--quiet` asks.
    pub fn is_quiet(&self) -> bool {
        self.report.is_none()
    }

    /// How the first run ended, once.
    pub fn take_expected(&self) -> Option<Expected> {
        self.expected().take()
    }

    /// Whether the dump of the guest's end is being written or was.
    pub fn has_dumped(&self) -> bool {
        self.last.is_begun()
    }

    /// Whether a signal now ends this process: the guest is dead and nothing better than its dump will come. A recorded program
    /// runs again; whether there is a dump then `replay::Stopper` knows.
    pub fn ends_at_once(&self) -> bool {
        self.mode != Mode::Recorded && self.has_dumped()
    }

    /// The dump that was tried, at the end.
    pub fn take_dumped(&self) -> Option<Dumped> {
        self.last.take()
    }

    fn expected(&self) -> MutexGuard<'_, Option<Expected>> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an ending is one that leaves a dump.
    pub fn wants(&self, ending: &Ending) -> bool {
        ending.leaves_dump(&self.on)
    }

    /// Writes the dump of a guest that is stopped at its end, once.
    pub fn crash(&self, ending: &Ending, stop: Stop, store: &mut StoreContextMut<'_, Host>) {
        if self.begins(ending) {
            let dumped = self.dump(ending, None, store, |store| Stack::new(stop, store));
            self.last.keep(dumped);
        }
    }

    /// Whether the dump of this ending is to be written: once.
    fn begins(&self, ending: &Ending) -> bool {
        self.wants(ending) && self.last.begin()
    }

    /// Writes the dump of an uncaught exception, whose stack is gone: the one remembered when it was thrown first, with the
    /// state of the store.
    pub fn uncaught(&self, ending: &Ending, store: &mut StoreContextMut<'_, Host>) {
        let pending = store.take_pending_exception();
        let Some(seen) = self.last.uncaught(pending, store) else { return };
        if self.begins(ending) {
            let dumped = self.dump(ending, Some(seen.thrown), store, |_| seen.stack);
            self.last.keep(dumped);
        }
    }

    /// Writes the dump of an uninstrumented guest, whose stack is gone: what the engine noted when it trapped.
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
            None => Dumped { capture: None, reason: self.reason(ending, None), place: Err(needs_detail()) },
        };
        self.last.keep(dumped);
    }

    /// Writes the dump of a guest that we end in no function: it waits, or is inside a host call that cannot be
    /// interrupted.
    pub fn idle(&self, ending: &Ending, store: &mut StoreContextMut<'_, Host>) {
        if self.mode == Mode::Live {
            self.crash(ending, Stop::Anywhere, store);
        }
    }

    /// Writes the dump of an uninstrumented guest that waits, or is inside a host call that cannot be interrupted.
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

    /// Reports that a snapshot was asked for where there can be none.
    pub fn no_snapshot(&self) {
        if let Some(report) = &self.report {
            let error = match self.mode {
                Mode::Fast => needs_detail(),
                _ => Error::new(ErrorKind::Usage, "--on leaves out signals").hint("add signal to --on"),
            };
            placed::report(report, &Err(error));
        }
    }

    /// Captures and writes. A panic on the way (of the engine's debugging interface, say) costs the dump, not the process.
    fn dump(
        &self,
        ending: &Ending,
        mut thrown: Option<Thrown>,
        store: &mut StoreContextMut<'_, Host>,
        stack: impl FnOnce(&mut StoreContextMut<'_, Host>) -> Stack,
    ) -> Dumped {
        let extent = Extent { memory: self.memory, heap_limit: self.heap_limit, until: None };
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

    /// Writes the dump that this stage of the run leaves.
    fn write_stage<'a>(
        &'a self,
        ending: &Ending,
        mut dump: CoreDump<'a>,
        capture: &'a Capture,
        store: &'a StoreContextMut<'_, Host>,
    ) -> Result<DumpPlace> {
        // What was left out by choice is compared all the same.
        let whole = || capture.whole(&self.program.binary, store);
        dump.process.detail = Some(if self.mode == Mode::Live { "live" } else { "none" }.to_owned());
        // With `--fast`, and on a shared memory, only those calls are noted that wait: such a list would mislead.
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
                again.put_beside(&self.output)?;
                again.complete(&mut dump, store);
                let write = |output: &mut dyn Write| write(&dump, output, &written);
                let place = match again.place() {
                    _ if !again.is_written() => Ok(DumpPlace::Nowhere),
                    Some(place) => self.output.replace(place, write),
                    None => self.output.write(write),
                };
                place.inspect_err(|_| again.remove_beside(&self.output))
            }
        }
    }
}

fn write(dump: &CoreDump<'_>, output: &mut dyn Write, mebibytes: &AtomicU64) -> Result<()> {
    coredump_core::write::write(dump, &mut Counted { output, bytes: 0, mebibytes }).map(|_| ())
}

/// Counts what is written.
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

/// The engine's events, with the guest stopped and its frames live.
#[derive(Clone)]
pub struct Watcher {
    /// Writes the dumps.
    pub writer: Arc<DumpWriter>,
    /// What is asked of the guest from outside; nothing of one that runs again.
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
            // At an epoch's check the engine has no values for the youngest frame: it is looked at one instruction later.
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
                // Now the epoch's own callback is to look again.
                control.knock();
            }
            _ => {}
        }
    }
}

/// Makes the guest stop at its next instruction, or not any more.
fn step(on: bool, control: &Control, store: &mut StoreContextMut<'_, Host>) {
    let stepping = store.as_context_mut().edit_breakpoints().is_some_and(|mut edit| edit.single_step(on).is_ok());
    control.set_stepping(stepping && on);
}
