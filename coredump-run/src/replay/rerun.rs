//! Runs a program again with the recorded answers, instrumented, up to the end of the first run.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use coredump_capture::{DumpPlace, Dumped, Output};
use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::internals::mapped::Bytes;
use coredump_core::internals::recording::{self, Recording, Start};
use coredump_core::model::{CoreDump, HostCall, Recorded, Replay};
use tokio::sync::Notify;
use wasmtime::{AsContextMut, Cache, Linker, Module, Store, StoreContextMut, Trap, UpdateDeadline, component};

use super::compare::Expected;
use super::hunt::{Hunt, Touches};
use super::kept::{self, Kept};
use super::overflow::Overflow;
use super::play::{self, Diverged, Playback};
use super::replayer::Replayer;
use super::stop::Until;
use super::witness::Witness;
use crate::components::{self, Imports};
use crate::ending::Ending;
use crate::engine::{self, Settings};
use crate::host::Host;
use crate::invoke::{self, Entry};
use crate::program::{Code, Program};
use crate::progress::Progress;
use crate::record::Recorder;
use crate::unknown;

/// Frames of instrumented code are larger than those of the code that was recorded, by this factor at most.
const LARGER: usize = 64;

/// Bytes of stack that a program which runs again has at least and at most.
const STACKS: (usize, usize) = (64 << 20, 1 << 30);

/// A recording that is at hand: how the program was started, and what it was answered.
#[derive(Clone)]
pub struct Tape {
    /// How the program was started.
    pub start: Arc<Start>,
    /// The log.
    pub log: Arc<Bytes>,
    /// The files that the log refers to.
    files: Arc<[Arc<Kept>]>,
    /// The offset of the log in the file that it stands in, in bytes.
    pub offset: u64,
    /// Why no dump holds the recording, if one should.
    pub left_out: Option<Arc<str>>,
    /// How many calls were answered from it, in the run that is under way.
    played: Arc<AtomicU64>,
}

impl Tape {
    /// The recording in a file, at an offset.
    pub fn new(start: Start, log: Bytes, offset: u64) -> Tape {
        let (start, log, files) = (Arc::new(start), Arc::new(log), Arc::default());
        Tape { start, log, files, offset, left_out: None, played: Arc::default() }
    }

    /// Says on a terminal how far a run with it has come.
    pub fn progress(&self, quiet: bool, what: &'static str) -> Progress {
        self.played.store(0, Ordering::Relaxed);
        Progress::of_count(quiet, what, "calls of the host", self.played.clone(), Some(self.start.calls))
    }

    /// The answers, from the first one on.
    pub fn playback(&self, until: Option<Arc<Until>>) -> Playback {
        let names = self.start.functions.clone().into();
        Playback::new(self.log.clone(), self.files.clone(), self.offset, names, until, self.played.clone())
    }

    fn entry(&self) -> Entry {
        Entry { invoke: self.start.invoke.clone(), parameters: self.start.parameters.clone() }
    }
}

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

    /// Says of where the program was stopped what its reason is to say.
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

fn differs(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Mismatch, format!("run again, the program did not end as before: {what}"))
}

/// The start of a program that was recorded, for its recording.
pub fn start(settings: Settings, entry: Entry, fuel: Option<u64>, max_memory: Option<usize>) -> Start {
    Start {
        version: recording::VERSION,
        runtime: coredump_capture::RUNTIME.to_owned(),
        invoke: entry.invoke,
        parameters: entry.parameters,
        fuel,
        max_memory: max_memory.map(|bytes| bytes as u64),
        max_wasm_stack: settings.stack as u64,
        ..Start::default()
    }
}

/// A recording with the start that belongs to it. If a dump is to `keep` it, in so many bytes at most, what the program read
/// from files is in it.
///
/// # Errors
///
/// A file has changed since.
pub fn tape(recorded: super::log::Recorded, start: Start, program: &Program, keep: Option<u64>) -> Result<Tape> {
    let super::log::Recorded { functions, log, files, calls, .. } = recorded;
    let spelled_out = match keep.filter(|_| !files.is_empty()) {
        Some(limit) => match kept::spelled_out(&log, &files, limit) {
            Err(error) if error.kind == ErrorKind::TooLarge => Err(Arc::from(error.message)),
            log => log.map(Some).map(Ok)?,
        },
        None => Ok(None),
    };
    let sha256 = program.source().sha256();
    let start = Start { sha256, functions, calls, ..start };
    Ok(match spelled_out {
        Ok(Some(log)) => Tape::new(Start { digests: Recording::digests(&log), ..start }, log, 0),
        Ok(None) if files.is_empty() => Tape::new(Start { digests: Recording::digests(&log), ..start }, log, 0),
        Ok(None) => Tape { files: files.into(), ..Tape::new(start, log, 0) },
        Err(why) => Tape { files: files.into(), left_out: Some(why), ..Tape::new(start, log, 0) },
    })
}

/// Runs the program of `first` again and returns what became of its dump, which replaces the first one's.
///
/// # Errors
///
/// Why there is no second dump; then the first one stays.
pub async fn again(first: &Arc<Recorder>, again: Again, until: Option<Arc<Until>>) -> Result<Dumped> {
    let tape = again.tape.clone();
    let _progress = tape.progress(first.is_quiet(), "the program runs again");
    let overflow = again.expected.as_ref().and_then(Overflow::of).map(Arc::new);
    let engine = engine(&tape.start, until.as_deref(), first.program.cache.clone())?;
    let program = Arc::new(first.program.source().compile(&engine)?);
    let recorder = Arc::new(first.again(program, again));
    let store = store(&engine, tape.playback(until.clone()), &tape.start)?;
    run(&recorder, &tape, Goal { overflow, until, ..Goal::default() }, store).await.map(|(dumped, _)| dumped)
}

/// Where a program that runs again is stopped, if not at its own end.
#[derive(Clone, Default)]
pub struct Goal {
    /// Where its stack overflowed.
    pub overflow: Option<Arc<Overflow>>,
    /// Where it was stopped from outside.
    pub until: Option<Arc<Until>>,
    /// At a write to its memory.
    pub hunt: Option<Arc<Hunt>>,
    /// Nowhere else, but these writes are counted.
    pub touches: Option<Arc<Touches>>,
    /// At a write to the memory of a component; or nowhere else, but they are noted.
    pub witness: Option<Arc<Witness>>,
}

/// Runs the program of `recorder`, whose stage is that of another run, and returns its dump, and how it ended.
///
/// # Errors
///
/// Why there is no dump.
pub async fn run(
    recorder: &Arc<Recorder>,
    tape: &Tape,
    goal: Goal,
    mut store: Store<Host>,
) -> Result<(Dumped, Ending)> {
    let program = recorder.program.clone();
    let ended = Arc::new(Notify::new());
    if let Some(playback) = &mut store.data_mut().playback {
        playback.set_witness(goal.witness.clone());
    }
    store.set_debug_handler(Replayer::new(recorder.clone(), goal.clone(), ended.clone()));
    let ran = {
        let mut entered = pin!(enter(&program, tape, &goal, &mut store));
        let watched = poll_fn(|context| {
            let polled = entered.as_mut().poll(context);
            if let (true, Some(until)) = (polled.is_pending(), &goal.until) {
                until.yields();
            }
            polled
        });
        tokio::select! {
            biased;
            ran = watched => Some(ran?),
            () = ended.notified() => None,
        }
    };
    let ending = match ran {
        Some(Ok(())) => return Err(differs("it ended by itself")),
        Some(Err(error)) => {
            if let Some(Diverged(how)) = error.downcast_ref::<Diverged>() {
                return Err(differs(how));
            }
            let ending = Ending::of(&error);
            if let Ending::Exception(_) = ending {
                recorder.uncaught(&ending, &mut store.as_context_mut());
            }
            ending
        }
        None => match &goal.until {
            Some(until) => until.ending.clone(),
            None if goal.hunt.is_some() || goal.witness.as_ref().is_some_and(|witness| witness.has_arrived()) => {
                Ending::Watched
            }
            None => Ending::Trap(Trap::StackOverflow),
        },
    };
    let Some(dumped) = recorder.take_dumped() else { return Err(differs("it left no dump")) };
    match dumped.place {
        Ok(_) => Ok((dumped, ending)),
        Err(error) => Err(error),
    }
}

/// The engine that runs a program again, up to its end or `until` it is stopped; it keeps compiled code in `cache`.
pub fn engine(start: &Start, until: Option<&Until>, cache: Option<Cache>) -> Result<wasmtime::Engine> {
    let stack = usize::try_from(start.max_wasm_stack).unwrap_or(STACKS.1).saturating_mul(LARGER);
    let stack = stack.clamp(STACKS.0, STACKS.1);
    let interruptible = until.is_some_and(|until| until.stop.fuel.is_some());
    let fuel = interruptible || start.fuel.is_some();
    let settings = Settings { stack, fuel, interruptible, instrumented: true, images: false, pool: None };
    engine::engine(settings, cache).map_err(own)
}

/// An error of the engine as ours.
pub fn own(error: wasmtime::Error) -> Error {
    Error::new(ErrorKind::WrongFile, format!("cannot be run again: {}", coredump_capture::message(&error)))
}

/// The store of a program that runs again with the answers of `playback`.
pub fn store(engine: &wasmtime::Engine, playback: Playback, start: &Start) -> Result<Store<Host>> {
    let max_memory = start.max_memory.and_then(|bytes| usize::try_from(bytes).ok());
    let until = playback.until().filter(|until| until.stop.fuel.is_some()).cloned();
    let mut store = Store::new(engine, Host::again(playback, max_memory));
    store.limiter(|host| host);
    if let Some(fuel) = start.fuel.or(until.as_ref().map(|_| u64::MAX)) {
        store.set_fuel(fuel).map_err(own)?;
    }
    if let Some(until) = until {
        until.runs_in(engine);
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Continue(1)));
        store.set_epoch_deadline(1);
    }
    play::run_on(&mut store.as_context_mut()).map_err(own)?;
    Ok(store)
}

/// Runs a program to its end, or to its goal.
pub async fn enter(
    program: &Program,
    tape: &Tape,
    goal: &Goal,
    store: &mut Store<Host>,
) -> Result<wasmtime::Result<()>> {
    let (entry, names) = (tape.entry(), &tape.start.functions);
    match &program.code {
        Code::Module(module) => {
            goal.watch(module, &mut store.as_context_mut())?;
            let mut linker = Linker::new(module.engine());
            play::link(&mut linker, module, names).map_err(own)?;
            let instance = linker.instantiate_pre(module).map_err(own)?;
            Ok(invoke::enter(&instance, &entry, store).await?.map(|_| ()))
        }
        Code::Component(component) => {
            let mut linker = component::Linker::new(component.engine());
            linker.allow_shadowing(true);
            let imports = Imports::replayed(component, names);
            components::link(&mut linker, &imports).map_err(own)?;
            unknown::stand_in_component(&mut linker, component, &imports).map_err(own)?;
            let instance = linker.instantiate_pre(component).map_err(own)?;
            let starts = |store: &mut Store<Host>| {
                let mut store = store.as_context_mut();
                goal.watch_any(&mut store)?;
                goal.witness.iter().try_for_each(|witness| witness.starts(&mut store))
            };
            Ok(invoke::enter_component(&instance, &entry, store, starts).await?.map(|_| ()))
        }
    }
}

impl Goal {
    /// Makes the program stop where it may be reached.
    fn watch(&self, module: &Module, store: &mut StoreContextMut<'_, Host>) -> Result<()> {
        self.overflow.iter().try_for_each(|overflow| overflow.watch(module, store)).map_err(differs)?;
        self.hunt.iter().try_for_each(|hunt| hunt.start(module, store)).map_err(differs)?;
        self.touches.iter().try_for_each(|touches| touches.start(module, store)).map_err(differs)
    }

    /// The same of a component, whose modules are known once it is instantiated.
    fn watch_any(&self, store: &mut StoreContextMut<'_, Host>) -> Result<()> {
        let modules = store.as_context_mut().debug_all_modules();
        let wanted = |module: &&Module| self.overflow.as_ref().is_some_and(|overflow| overflow.is_in(module));
        modules.iter().filter(wanted).try_for_each(|module| self.watch(module, store))
    }
}
