//! The asynchronous tasks of a dump, in all languages.

use super::{cpp, kotlin, python, rust};
use crate::binaries::Binaries;
use crate::gc;
use crate::interpreted::Interpreter;
use crate::model::CoreDump;
use crate::tasks::{MAX_TASKS, TaskState, Tasks};
use crate::variables::{Inspector, Limits};

/// Looks for the tasks of a dump. `limits` bound the values of their variables; without limits variables are left out.
///
/// `interpreter` is the one that runs the program, if one does; `objects` are those of the dump.
pub fn find(
    dump: &CoreDump<'_>,
    binaries: &Binaries,
    interpreter: Option<&Interpreter>,
    objects: &gc::ObjectView<'_>,
    limits: Option<Limits>,
) -> Tasks {
    let inspector = Inspector::new(dump, binaries);
    let mut tasks = Tasks::default();
    rust::tasks::find(dump, binaries, &inspector, limits, &mut tasks.list);
    cpp::tasks::find(dump, binaries, &inspector, limits, &mut tasks.list);
    let more = python::tasks::find(dump, interpreter, limits, &mut tasks.list);
    kotlin::tasks::find(dump, binaries, objects, limits, &mut tasks.list);
    tasks.list.sort_by_key(|task| (task.state != TaskState::Running, task.executor.is_some(), task.id));
    tasks.truncated = more || tasks.list.len() > MAX_TASKS;
    tasks.list.truncate(MAX_TASKS);
    tasks
}
