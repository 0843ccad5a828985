//! Finds the changes of some bytes: the program runs again at full speed, rewritten so that it notes them.

use std::sync::Arc;

use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::internals::recording::Start;
use coredump_core::module::{ItemKind, Module as CoreModule};
use wasmtime::{AsContextMut, Extern, Trap, WasmCoreDump};

use super::goal::Goal;
use super::hunt::Touches;
use super::recorded_run::{RecordedRun, block_on};
use super::rerun;
use super::witness::{ObservedChanges, Task, Witness};
use crate::ending::Ending;
use crate::engine::{self, Settings};
use crate::playback::{Diverged, HostChange, Reached, Until};
use crate::program::Source;
use crate::rewrite::{self, Change, Rewritten, Watch, WriteSite};

/// The greatest factor by which the frames of rewritten code are larger than those of the original code.
const LARGER: u64 = 8;

/// The factor by which rewritten code usually needs more fuel than the original, at most.
const USUAL: u64 = 4;

/// The number of units of fuel that are given in addition, as they are not worth counting.
const SOME_FUEL: u64 = 1 << 20;

/// The changes of the watched bytes, up to the end that the dump shows.
pub struct Changes {
    /// The instructions that write, by their numbers.
    pub sites: Vec<WriteSite>,
    /// The modules that the instructions are in.
    pub modules: Vec<Vec<u8>>,
    /// The last changes by instructions, oldest first.
    pub changes: Vec<Change>,
    /// The changes by the host, oldest first.
    pub host: Vec<HostChange>,
    /// The number of calls of the host after which instructions were observed.
    pub from: u64,
}

/// The place where the rewritten program is to end.
#[derive(Clone, Copy)]
enum End {
    /// At the place where the original ended.
    Same,
    /// At some place after that, as rewritten code uses the stack and fuel in another way. The value is the fuel of the
    /// rewritten program, if the original ran out of fuel.
    Behind(Option<u64>),
}

/// The notes of the rewritten program.
struct Noted {
    rewritten: Rewritten,
    notes: Vec<u8>,
    host: Vec<HostChange>,
}

impl RecordedRun<'_> {
    /// Runs the program again at full speed, rewritten so that it notes what changes the watched bytes. A component
    /// runs again instrumented, which is faster if only its `last` change is wanted.
    ///
    /// # Errors
    ///
    /// Fails if the program did not end as before.
    pub fn changes(&self, watch: Watch, last: bool) -> Result<Changes> {
        if self.source.is_component() {
            return self.changes_of_component(watch, last);
        }
        let noted = match self.fuel() {
            None if self.kind() != Ending::Trap(Trap::StackOverflow).kind() => {
                self.noted(watch, u64::MAX, End::Same)?
            }
            fuel => self.noted_behind(watch, fuel)?,
        };
        let Noted { rewritten, notes, host } = noted;
        let changes = rewritten.changes(&notes);
        let modules = vec![self.source.binary().to_vec()];
        self.checked(watch, Changes { sites: rewritten.sites, modules, changes, host, from: 0 })
    }

    /// Runs a component again, instrumented, and notes what changes the watched bytes.
    fn changes_of_component(&self, watch: Watch, last: bool) -> Result<Changes> {
        let from = if last { self.witness(Witness::new(watch, Task::Calls))?.changed() } else { 0 };
        let ObservedChanges { sites, modules, changes, host } =
            self.witness(Witness::new(watch, Task::Changes(from)))?.seen();
        self.checked(watch, Changes { sites, modules, changes, host, from })
    }

    /// Runs a component again to its end.
    fn witness(&self, witness: Witness) -> Result<Arc<Witness>> {
        let witness = Arc::new(witness);
        let (expected, goal) = self.end();
        self.again(Some(expected), Goal { witness: Some(witness.clone()), ..goal }, None, false)?;
        Ok(witness)
    }

    /// Checks that the bytes after the last noted change are those of the dump: otherwise, a change was missed.
    fn checked(&self, watch: Watch, noted: Changes) -> Result<Changes> {
        let Changes { changes, host, .. } = &noted;
        let by_host = host.last().filter(|host| changes.last().is_none_or(|change| host.number > change.number));
        let last = by_host.map(|host| &host.after).or(changes.last().map(|change| &change.after));
        let known = self.dump.memory(watch.memory).and_then(|memory| memory.bytes(watch.address, watch.len).ok());
        if let (Some(last), Some(known)) = (last, known)
            && last[..] != known[..last.len().min(known.len())]
        {
            return Err(differs("the watched bytes differ from those in the dump"));
        }
        Ok(noted)
    }

    /// The fuel of the program, if it ran out of it or was stopped after that much.
    fn fuel(&self) -> Option<u64> {
        let start = &self.tape.start;
        match &start.stop {
            Some(stop) => stop.fuel,
            None => start.fuel.filter(|_| self.kind() == Ending::Trap(Trap::OutOfFuel).kind()),
        }
    }

    /// Takes the notes for an end that rewritten code reaches at another place. First, the rewritten code runs to some
    /// place after the end, which shows the instructions that touch the watched bytes. Then the original runs
    /// instrumented and counts their touches up to the end. Finally, the rewritten code takes notes up to that number
    /// of touches.
    fn noted_behind(&self, watch: Watch, fuel: Option<u64>) -> Result<Noted> {
        let mut enough = fuel.map(|fuel| fuel.saturating_mul(USUAL).saturating_add(SOME_FUEL));
        loop {
            let noted = self.noted(watch, u64::MAX, End::Behind(enough))?;
            let touched = Rewritten::touches(&noted.notes);
            let touches = Arc::new(Touches::new(watch, noted.rewritten.touching(&noted.notes)));
            let (expected, goal) = self.end();
            self.again(Some(expected), Goal { touches: Some(touches.clone()), ..goal }, None, false)?;
            let needed = fuel.map(|fuel| {
                let for_touches = touched.saturating_mul(rewrite::cost_of_touch(watch.len));
                fuel.saturating_mul(rewrite::LARGER).saturating_add(for_touches)
            });
            match (needed, &mut enough) {
                // More touches than there are up to the end prove that the program ran past it, and so does this much
                // fuel.
                (Some(needed), Some(enough)) if touched <= touches.total() && needed > *enough => *enough = needed,
                _ => return self.noted(watch, touches.total(), End::Behind(enough)),
            }
        }
    }

    /// Runs the rewritten program, which notes no changes after the touch number `last`.
    fn noted(&self, watch: Watch, last: u64, end: End) -> Result<Noted> {
        let _progress = self.tape.progress(self.args.quiet, "looking for writes");
        let rewritten = rewrite::rewrite(self.source.binary(), watch, last)?;
        let start = self.start(&rewritten, end);
        let stack = start.max_wasm_stack.saturating_mul(LARGER).clamp(1 << 20, 1 << 30) as usize;
        let counted = matches!(end, End::Behind(Some(_)));
        let settings =
            Settings { stack, fuel: counted, interruptible: false, instrumented: false, images: false, pool: None };
        let engine = engine::engine(settings, None).map_err(rerun::own)?;
        let program = Source::from_bytes(self.source.name(), &rewritten.binary, true).compile(&engine)?;
        let until = match end {
            End::Same => Until::from_start(&start, self.kind()).map(Arc::new),
            End::Behind(_) => None,
        };
        let mut playback = self.tape.playback(until);
        if host_writes_to(self.source.binary()) == Some(watch.memory) {
            playback.watch(watch);
        }
        if let (End::Behind(Some(fuel)), true) = (end, start.stop.is_some()) {
            playback.end_behind(fuel);
        }
        let mut store = rerun::store(&engine, playback, &start)?;
        let ended = block_on(rerun::enter(&program, &self.tape, &Goal::default(), &mut store))?;
        let Err(error) = ended else { return Err(differs("it ended by itself")) };
        let over = store.data().playback.as_ref().is_some_and(|playback| playback.is_over());
        let as_before = match end {
            End::Same if error.is::<Reached>() => start.stop.is_some(),
            End::Same => Ending::from_error(&error).kind() == self.kind(),
            // Calls after the end are not recorded, so the error is expected. An overflow must not come before the end.
            End::Behind(None) => self.is_as_deep(&error),
            End::Behind(Some(_)) => true,
        };
        if !as_before || !over {
            return Err(differs(&coredump_capture::internals::message(&error)));
        }
        let instance = error.downcast_ref::<WasmCoreDump>().and_then(|dump| dump.instances().first().copied());
        let notes = instance.and_then(|instance| instance.get_export(store.as_context_mut(), rewrite::NOTES));
        let Some(Extern::Memory(notes)) = notes else { return Err(differs("it does not export its notes")) };
        let notes = notes.data(&store).to_vec();
        let host = store.data().playback.as_ref().map(|playback| playback.changes().to_vec()).unwrap_or_default();
        Ok(Noted { rewritten, notes, host })
    }

    /// The start of the rewritten program: with memory for its notes, and with fuel only if that is to end it.
    fn start(&self, rewritten: &Rewritten, end: End) -> Start {
        let start = Start::clone(&self.tape.start);
        let fuel = match end {
            End::Behind(Some(_)) if start.stop.is_some() => Some(u64::MAX),
            End::Behind(fuel) => fuel,
            End::Same => None,
        };
        let max_memory = start.max_memory.map(|bytes| bytes.saturating_add(rewritten.notes_size()));
        Start { fuel, max_memory, ..start }
    }

    /// Returns true if the stack overflowed, and not earlier than in the original.
    fn is_as_deep(&self, error: &wasmtime::Error) -> bool {
        let depth = self.dump.crashed_thread().map_or(0, |thread| thread.frames().len());
        let frames = error.downcast_ref::<WasmCoreDump>().map_or(0, |dump| dump.frames().len());
        error.is::<Diverged>() || Ending::from_error(error).kind() != self.kind() || frames >= depth
    }
}

/// Index in the module of the memory that functions of WASI 0.1 write to.
fn host_writes_to(binary: &[u8]) -> Option<u32> {
    let module = CoreModule::parse(binary).ok()?;
    let export = module.exports().find(|export| export.name == "memory" && export.kind == ItemKind::Memory);
    export.map(|export| export.index)
}

fn differs(what: &str) -> Error {
    Error::new(ErrorKind::Mismatch, format!("run again, it did not end as before: {what}"))
}
