//! Asynchronous tasks: what each waits for, through all that it awaits.
//!
//! A task that waits is on no stack. It is a value in memory: a state, the variables that live across the place where it
//! waits, and what it waits for, which is such a value again. Where each of these lies is in the debug information of its type.
//! Tasks are found in the executors that are known, and in the frames that poll one.

use std::cell::Cell;

use crate::backtrace::Location;
use crate::binaries::{Binaries, Slot};
use crate::model::CoreDump;
use crate::variables::Variable;

/// Tasks that are listed.
pub(crate) const MAX_TASKS: usize = 1 << 16;

/// Variables of what is awaited, and their parts, in all of a dump's tasks of one language.
const MAX_VARIABLES: usize = 1 << 18;

/// An asynchronous task.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct AsyncTask {
    /// Its language, as JSON names it.
    pub language: &'static str,
    /// What runs it, where that is known: `tokio`, `futures`, `asyncio`.
    pub executor: Option<&'static str>,
    /// The executor's number of it.
    pub id: Option<u64>,
    /// The program's name of it.
    pub name: Option<String>,
    /// What it does.
    pub state: TaskState,
    /// Its address in linear memory.
    pub address: Option<u64>,
    /// What it does or waits for, the outermost function first; `None` where that is not known.
    pub future: Option<Await>,
    /// A remark beside that: why something is not known.
    pub note: Option<String>,
}

impl AsyncTask {
    /// What it waits for in the end: the innermost futures.
    pub fn leaves(&self) -> Vec<&Await> {
        let mut leaves = Vec::new();
        let waits = matches!(self.state, TaskState::Idle | TaskState::Scheduled | TaskState::Cancelled);
        if let Some(future) = self.future.as_ref().filter(|_| waits) {
            future.leaves(None, &mut leaves);
        }
        leaves
    }
}

/// What a task does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TaskState {
    /// It is being polled: frames of a thread are its own.
    Running,
    /// Something woke it, and it will be polled.
    Scheduled,
    /// It waits.
    Idle,
    /// It has ended.
    Complete,
    /// It was cancelled.
    Cancelled,
    /// What says so makes no sense.
    #[default]
    Unknown,
}

impl TaskState {
    /// The stable name, as it appears in JSON.
    pub fn name(self) -> &'static str {
        match self {
            TaskState::Running => "running",
            TaskState::Scheduled => "scheduled",
            TaskState::Idle => "idle",
            TaskState::Complete => "complete",
            TaskState::Cancelled => "cancelled",
            TaskState::Unknown => "unknown",
        }
    }
}

/// Something that is awaited: an asynchronous function, or a future that is none.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Await {
    /// The function, or the future's type.
    pub name: String,
    /// Whether it is an asynchronous function or block.
    pub is_function: bool,
    /// How far it is.
    pub state: AwaitState,
    /// The place in the source where it waits, or stands.
    pub location: Option<Location>,
    /// The frame that polls it: its thread and its index there.
    pub frame: Option<(usize, usize)>,
    /// Its address in linear memory.
    pub address: Option<u64>,
    /// The variables that live across the place where it waits.
    pub variables: Vec<Variable>,
    /// The number of the task that it waits for.
    pub task: Option<u64>,
    /// Why something is not known, or more of what it waits for.
    pub note: Option<String>,
    /// What it waits for.
    pub awaits: Vec<Await>,
    /// Whether it was met before, at another place.
    pub(crate) is_repeated: bool,
}

impl Await {
    fn leaves<'a>(&'a self, around: Option<&'a Await>, leaves: &mut Vec<&'a Await>) {
        self.awaits.iter().for_each(|inner| inner.leaves(Some(self), leaves));
        // Where a function waits for nothing that is known, only who waits for it tells.
        let is_leaf = match self.state {
            AwaitState::Pending => true,
            AwaitState::Suspended => around.is_some(),
            _ => false,
        };
        if self.awaits.is_empty() && is_leaf {
            // A function that polls by a closure says more than that closure's type.
            let closure = self.name.contains("::PollFn<") && !self.is_function;
            leaves.push(around.filter(|around| closure && around.is_function).unwrap_or(self));
        }
    }
}

/// How far something is that is awaited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AwaitState {
    /// It was not polled yet.
    Unresumed,
    /// It waits.
    Suspended,
    /// A frame polls it.
    Running,
    /// It has ended.
    Returned,
    /// It panicked.
    Panicked,
    /// A future that is no function: what it does is its own affair.
    #[default]
    Pending,
    /// Its state makes no sense.
    Unknown,
}

impl AwaitState {
    /// The stable name, as it appears in JSON.
    pub fn name(self) -> &'static str {
        match self {
            AwaitState::Unresumed => "not-started",
            AwaitState::Suspended => "suspended",
            AwaitState::Running => "running",
            AwaitState::Returned => "returned",
            AwaitState::Panicked => "panicked",
            AwaitState::Pending => "pending",
            AwaitState::Unknown => "unknown",
        }
    }
}

/// The tasks of a dump.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tasks {
    /// The tasks that are known: first the one that ran.
    pub list: Vec<AsyncTask>,
    /// Whether there are more than are listed.
    pub truncated: bool,
}

/// Room for the variables of what is awaited.
pub(crate) struct Room(Cell<usize>);

impl Room {
    /// The sentence that is printed where there is none.
    pub(crate) const NONE: &'static str = "its variables are left out: there are too many";

    pub(crate) fn new() -> Room {
        Room(Cell::new(MAX_VARIABLES))
    }

    /// The variables that `read` makes, if there is room for any.
    pub(crate) fn take(&self, read: impl FnOnce() -> Vec<Variable>) -> Option<Vec<Variable>> {
        let left = self.0.get();
        if left == 0 {
            return None;
        }
        let variables = read();
        self.0.set(left.saturating_sub(variables.iter().map(parts).sum()));
        Some(variables)
    }
}

/// A variable and its parts.
fn parts(variable: &Variable) -> usize {
    1 + variable.children.iter().map(parts).sum::<usize>()
}

/// What to say where no task was found: which modules could not be asked.
pub fn none_found(binaries: &Binaries) -> String {
    const NONE: &str = "no asynchronous task was found";
    // The other modules of a component belong to no program.
    let is_glue = |slot: &&Slot| slot.name.starts_with("wit-component:");
    let mute = |slot: &&Slot| !is_glue(slot) && slot.found.as_ref().is_none_or(|found| !found.binary.has_dwarf());
    let mute: Vec<_> = binaries.slots().iter().filter(mute).take(MAX_INSTANCES).map(|slot| &*slot.name).collect();
    match mute.is_empty() {
        true => NONE.to_owned(),
        false => format!(
            "{NONE}: those of Rust and C++ are known by debug information only, and there is none of {}",
            mute.join(", ")
        ),
    }
}

/// The modules of a dump with their instances: those whose binaries are known for certain and have debug information.
pub(crate) fn instances(dump: &CoreDump<'_>, binaries: &Binaries) -> Vec<(u32, Option<u32>)> {
    let certain = |module: u32| binaries.found(module).is_some_and(|found| found.verification.is_verified());
    let placed = (0..).zip(&dump.instances).filter_map(|(index, instance)| Some((instance.module?, Some(index))));
    let modules: Vec<_> = match dump.instances.is_empty() {
        false => placed.take(MAX_INSTANCES).collect(),
        true => (0..binaries.len() as u32).map(|module| (module, None)).take(MAX_INSTANCES).collect(),
    };
    modules.into_iter().filter(|&(module, _)| certain(module)).collect()
}

/// The index of an instance's own memory in the dump.
pub(crate) fn memory(dump: &CoreDump<'_>, instance: Option<u32>) -> Option<u32> {
    match instance.and_then(|instance| dump.instances.get(instance as usize)) {
        Some(instance) => instance.memories.first().copied().flatten(),
        None => (dump.memories.len() == 1).then_some(0),
    }
}

/// Instances that are looked at.
const MAX_INSTANCES: usize = 256;
