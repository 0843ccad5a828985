//! Asynchronous tasks, and what each waits for.

use coredump_core::cli::path_map::PathMap;
use coredump_core::tasks::{AsyncTask, Await};
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::places::Spot;
use super::text::{Each, Hex, written_as};
use super::variables::VariableEntry;

/// An asynchronous task: a future that an executor polls, or that a frame holds to wait for it.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "async_task"))]
struct AsyncTaskFields<'d> {
    /// Its language.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["rust", "c++", "python", "kotlin"])))]
    language: &'static str,
    /// The executor that runs it, where that is known.
    #[cfg_attr(feature = "schema", schemars(extend("examples" = ["tokio", "futures", "asyncio"])))]
    executor: Option<&'static str>,
    /// The executor's id for it.
    id: Option<u64>,
    /// The name that the program gave it.
    name: Option<&'d str>,
    /// Its state: `scheduled` was woken and not polled yet, `idle` waits.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["running", "scheduled", "idle", "complete", "cancelled", "unknown"])))]
    state: &'static str,
    /// Its address in linear memory.
    address: Option<Hex>,
    /// The innermost futures, which are what it waits for in the end.
    waits_for: Vec<&'d str>,
    /// A sentence that says why something about it is not known.
    note: Option<&'d str>,
    /// Its future, the outermost one: one item, or none where that is not known.
    awaits: Each<'d, AwaitEntry<'d>>,
}

/// An asynchronous task.
pub struct AsyncTaskEntry<'d> {
    pub task: &'d AsyncTask,
    pub view: TaskView<'d>,
}

/// Settings by which tasks are written.
#[derive(Clone, Copy)]
pub struct TaskView<'d> {
    pub paths: &'d PathMap,
    /// True if variables are asked for.
    pub locals: bool,
    /// True if their values are to be left out.
    pub hidden: bool,
    /// True if the names of functions and files may be written.
    pub named: bool,
}

written_as! {
    AsyncTaskEntry<'_> => AsyncTaskFields<'static>;
    AwaitEntry<'_> => AwaitFields<'static>;
}

impl Serialize for AsyncTaskEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let AsyncTaskEntry { task, view } = *self;
        // The names of an interpreted program are in the memory that is left out.
        let named = !(view.hidden && task.language == "python");
        let view = TaskView { named, ..view };
        let leaves = task.leaves();
        let fields = AsyncTaskFields {
            language: task.language,
            executor: task.executor,
            // Ids of executors are small numbers; a number as long as a secret may be one.
            id: task.id.filter(|&id| !view.hidden || id <= u64::from(u32::MAX)),
            name: task.name.as_deref(),
            state: task.state.name(),
            address: task.address.map(Hex),
            waits_for: leaves.iter().filter(|_| named).map(|leaf| &*leaf.name).collect(),
            note: task.note.as_deref(),
            awaits: Each::new(move || task.future.iter().map(move |future| AwaitEntry { future, view })),
        };
        fields.serialize(serializer)
    }
}

/// An awaited future.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "await"))]
struct AwaitFields<'d> {
    /// `function` is an asynchronous function or block, `future` anything else.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["function", "future"])))]
    kind: &'static str,
    /// The function's name, or the future's type.
    function: Option<&'d str>,
    /// Its state: `pending` for a future that is no function.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["not-started", "suspended", "running", "returned", "panicked", "pending", "unknown"])))]
    state: &'static str,
    /// The source location at which it waits; if it runs, that of its frame.
    #[serde(flatten)]
    spot: Spot<'d>,
    /// If it runs: the index of the thread.
    thread: Option<usize>,
    /// If it runs: the index of its frame in that thread.
    frame: Option<usize>,
    /// Its address in linear memory.
    address: Option<Hex>,
    /// The id of the task that it waits for.
    task: Option<u64>,
    /// More about what it waits for, or why something is not known.
    note: Option<&'d str>,
    /// With --locals, the variables that live across the point at which it waits; null without.
    variables: Option<Each<'d, VariableEntry<'d>>>,
    /// The futures that it awaits; several if it waits for any or all of them.
    awaits: Each<'d, AwaitEntry<'d>>,
}

struct AwaitEntry<'d> {
    future: &'d Await,
    view: TaskView<'d>,
}

impl Serialize for AwaitEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let AwaitEntry { future, view } = *self;
        let variable = move |variable| VariableEntry { variable, scope: None, hidden: view.hidden };
        let fields = AwaitFields {
            kind: if future.is_function { "function" } else { "future" },
            function: Some(&*future.name).filter(|_| view.named),
            state: future.state.name(),
            spot: Spot::new(future.location.as_ref().filter(|_| view.named), view.paths),
            thread: future.frame.map(|frame| frame.0),
            frame: future.frame.map(|frame| frame.1),
            address: future.address.map(Hex),
            task: future.task.filter(|&id| !view.hidden || id <= u64::from(u32::MAX)),
            note: future.note.as_deref(),
            variables: view.locals.then(|| Each::new(move || future.variables.iter().map(variable))),
            awaits: Each::new(move || future.awaits.iter().map(move |future| AwaitEntry { future, view })),
        };
        fields.serialize(serializer)
    }
}
