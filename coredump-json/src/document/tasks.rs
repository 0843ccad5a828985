//! Asynchronous tasks, and what each waits for.

use coredump_core::cli::path_map::PathMap;
use coredump_core::tasks::{AsyncTask, Await};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::frames::{VariableEntry, place};
use super::text::{Each, Hex};

/// An asynchronous task.
pub struct AsyncTaskEntry<'d> {
    pub task: &'d AsyncTask,
    pub view: TaskView<'d>,
}

/// How it is written.
#[derive(Clone, Copy)]
pub struct TaskView<'d> {
    pub paths: &'d PathMap,
    /// Whether variables are asked for.
    pub locals: bool,
    /// Whether to leave their values out.
    pub hidden: bool,
    /// Whether the names of functions and files may be written.
    pub named: bool,
}

impl Serialize for AsyncTaskEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let AsyncTaskEntry { task, view } = *self;
        // The names of an interpreted program stand in the memory that is left out.
        let named = !(view.hidden && task.language == "python");
        let view = TaskView { named, ..view };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("language", task.language)?;
        map.serialize_entry("executor", &task.executor)?;
        map.serialize_entry("id", &task.id)?;
        map.serialize_entry("name", &task.name)?;
        map.serialize_entry("state", task.state.name())?;
        map.serialize_entry("address", &task.address.map(Hex))?;
        let leaves = task.leaves();
        map.serialize_entry("waits_for", &Each(|| leaves.iter().filter(|_| named).map(|leaf| &leaf.name)))?;
        map.serialize_entry("note", &task.note)?;
        map.serialize_entry("awaits", &Each(|| task.future.iter().map(|future| AwaitEntry { future, view })))?;
        map.end()
    }
}

struct AwaitEntry<'d> {
    future: &'d Await,
    view: TaskView<'d>,
}

impl Serialize for AwaitEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let AwaitEntry { future, view } = *self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("kind", if future.is_function { "function" } else { "future" })?;
        map.serialize_entry("function", &Some(&future.name).filter(|_| view.named))?;
        map.serialize_entry("state", future.state.name())?;
        place(&mut map, future.location.as_ref().filter(|_| view.named), view.paths)?;
        map.serialize_entry("thread", &future.frame.map(|frame| frame.0))?;
        map.serialize_entry("frame", &future.frame.map(|frame| frame.1))?;
        map.serialize_entry("address", &future.address.map(Hex))?;
        map.serialize_entry("task", &future.task)?;
        map.serialize_entry("note", &future.note)?;
        let variables = || {
            let entry = |variable| VariableEntry { variable, scope: None, hidden: view.hidden };
            future.variables.iter().map(entry)
        };
        map.serialize_entry("variables", &view.locals.then_some(Each(variables)))?;
        map.serialize_entry("awaits", &Each(|| future.awaits.iter().map(|future| AwaitEntry { future, view })))?;
        map.end()
    }
}
