//! Asynchronous tasks: what each waits for, followed through the chain of awaited futures.
//!
//! A task that waits is on no stack. It is a value in memory: a state, the variables that live across the point at
//! which it waits, and what it waits for, which is such a value again. The debug information of its type shows where
//! each of these lies. Tasks are found in the executors that are known, and in frames that poll one.

use std::cell::Cell;

use crate::backtrace::Location;
use crate::binaries::{Binaries, Slot};
use crate::model::CoreDump;
use crate::variables::Variable;

/// The number of tasks that are listed.
pub(crate) const MAX_TASKS: usize = 1 << 16;

/// The number of variables of awaited functions, with their children, that are kept in all tasks of one language.
const MAX_VARIABLES: usize = 1 << 18;

/// An asynchronous task.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct AsyncTask {
    /// Its language, as JSON names it.
    pub language: &'static str,
    /// The executor that runs it, where that is known: `tokio`, `futures`, `asyncio`.
    pub executor: Option<&'static str>,
    /// The executor's id for it.
    pub id: Option<u64>,
    /// The name that the program gave it.
    pub name: Option<String>,
    /// Its state.
    pub state: TaskState,
    /// Its address in linear memory.
    pub address: Option<u64>,
    /// The functions that it runs or waits in, the outermost first; `None` where that is not known.
    pub future: Option<Await>,
    /// A remark: why something is not known.
    pub note: Option<String>,
}

impl AsyncTask {
    /// The innermost futures, which are what it waits for in the end.
    pub fn leaves(&self) -> Vec<&Await> {
        let mut leaves = Vec::new();
        let waits = matches!(self.state, TaskState::Idle | TaskState::Scheduled | TaskState::Cancelled);
        if let Some(future) = self.future.as_ref().filter(|_| waits) {
            future.leaves(None, &mut leaves);
        }
        leaves
    }
}

/// The state of a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TaskState {
    /// It is being polled, by frames of a thread.
    Running,
    /// It was woken, and will be polled.
    Scheduled,
    /// It waits.
    Idle,
    /// It has ended.
    Complete,
    /// It was cancelled.
    Cancelled,
    /// Its state in memory makes no sense.
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

/// An awaited future: that of an asynchronous function, or another one.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Await {
    /// The function's name, or the future's type.
    pub name: String,
    /// True if it is an asynchronous function or block.
    pub is_function: bool,
    /// Its state.
    pub state: AwaitState,
    /// The source location at which it waits or stands.
    pub location: Option<Location>,
    /// The frame that polls it: the thread's index, and the frame's index in it.
    pub frame: Option<(usize, usize)>,
    /// Its address in linear memory.
    pub address: Option<u64>,
    /// The variables that live across the point at which it waits.
    pub variables: Vec<Variable>,
    /// The id of the task that it waits for, if it is a join handle.
    pub task: Option<u64>,
    /// A sentence that says why something is not known, or more about what it waits for.
    pub note: Option<String>,
    /// The futures that it awaits.
    pub awaits: Vec<Await>,
    /// True if it was met before, elsewhere in the tasks.
    pub(crate) is_repeated: bool,
}

impl Await {
    fn leaves<'a>(&'a self, around: Option<&'a Await>, leaves: &mut Vec<&'a Await>) {
        self.awaits.iter().for_each(|inner| inner.leaves(Some(self), leaves));
        // If a function waits for nothing that is known, only the task that waits for it shows more.
        let is_leaf = match self.state {
            AwaitState::Pending => true,
            AwaitState::Suspended => around.is_some(),
            _ => false,
        };
        if self.awaits.is_empty() && is_leaf {
            // The name of a function that awaits a `PollFn` says more than the type of the closure in that.
            let closure = self.name.contains("::PollFn<") && !self.is_function;
            leaves.push(around.filter(|around| closure && around.is_function).unwrap_or(self));
        }
    }
}

/// The state of an awaited future.
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
    /// A future that is no asynchronous function, whose state is not known.
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
    /// The tasks that were found; the one that ran comes first.
    pub list: Vec<AsyncTask>,
    /// True if there may be more tasks than are listed.
    pub truncated: bool,
}

/// A limit on the number of variables in all tasks.
pub(crate) struct VariableBudget(Cell<usize>);

impl VariableBudget {
    /// The note where no room was left.
    pub(crate) const NONE: &'static str = "its variables are left out: there are too many";

    pub(crate) fn new() -> VariableBudget {
        VariableBudget(Cell::new(MAX_VARIABLES))
    }

    /// Calls `read` for variables, if there is room left; `None` if not.
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

/// The number of nodes in a variable's tree.
fn parts(variable: &Variable) -> usize {
    1 + variable.children.iter().map(parts).sum::<usize>()
}

/// The message if no task was found, which names the modules that could not be examined.
pub fn none_found(binaries: &Binaries) -> String {
    const NONE: &str = "no asynchronous task was found";
    // Modules that wit-component made belong to no program.
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

/// The modules of a dump with their instances, if their binaries are known for certain and have debug information.
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

/// The number of instances that are looked at.
const MAX_INSTANCES: usize = 256;
