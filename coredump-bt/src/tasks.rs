//! Prints asynchronous tasks, with the chain of what each awaits, the outermost function first.

use std::io;

use coredump_core::Dump;
use coredump_core::tasks::{self, AsyncTask, Await, AwaitState, Tasks};

use crate::args::Args;
use crate::page::{Page, TextRole};
use crate::variables;

/// The message of a runtime in which all tasks wait and nothing can wake them.
const DEADLOCK: &str = "condvar wait not supported";

/// Returns true if the tasks of a dump are to be shown: they are asked for, or the program died because all of them
/// wait.
pub fn wanted(args: &Args, dump: &Dump) -> bool {
    let message = || {
        let reason = dump.crash().reason.as_ref()?;
        Some(reason.panic.as_ref()?.message.as_deref()? == DEADLOCK)
    };
    args.tasks || message() == Some(true)
}

/// Prints all tasks.
pub fn all(page: &mut Page, args: &Args, dump: &Dump) -> io::Result<()> {
    let limits = args.locals.then(|| args.limits());
    let Tasks { list, truncated } = dump.tasks(limits);
    if list.is_empty() && args.tasks {
        page.end()?;
        page.piece(TextRole::Faint, &tasks::none_found(dump.binaries()))?;
        page.end()?;
    }
    list.iter().try_for_each(|task| one(page, task))?;
    if truncated {
        page.piece(TextRole::Faint, "more tasks are not shown")?;
        page.end()?;
    }
    Ok(())
}

fn one(page: &mut Page, task: &AsyncTask) -> io::Result<()> {
    page.end()?;
    let id = task.id.map(|id| format!(" {id}")).unwrap_or_default();
    page.piece(TextRole::Title, &format!("task{id}"))?;
    if let Some(name) = &task.name {
        page.plain(" \"")?;
        page.piece(TextRole::Title, name)?;
        page.plain("\"")?;
    }
    if let Some(executor) = task.executor {
        page.plain(format_args!(" of {executor}"))?;
    }
    page.plain(" [")?;
    page.piece(TextRole::Value, task.state.name())?;
    page.plain("]")?;
    let leaves = task.leaves();
    for (nth, leaf) in leaves.iter().enumerate() {
        page.plain(if nth == 0 { ", waits for " } else { ", " })?;
        page.piece(TextRole::Function, &leaf.name)?;
    }
    page.end()?;
    if let Some(note) = &task.note {
        page.piece(TextRole::Faint, &format!("    {note}"))?;
        page.end()?;
    }
    task.future.as_ref().map_or(Ok(()), |future| awaiting(page, future, 1, ""))
}

fn awaiting(page: &mut Page, future: &Await, level: usize, mark: &str) -> io::Result<()> {
    page.plain(format_args!("{:width$}{mark}", "", width = level * 4 - mark.len()))?;
    page.piece(TextRole::Function, &future.name)?;
    if let Some(state) = state(future) {
        page.plain(" [")?;
        page.piece(TextRole::Value, &state)?;
        page.plain("]")?;
    }
    if let Some(location) = future.location.as_ref().filter(|_| future.state != AwaitState::Returned) {
        page.plain(" at ")?;
        page.location(location)?;
    }
    if let Some(note) = &future.note {
        page.piece(TextRole::Faint, &format!(": {note}"))?;
    }
    page.end()?;
    future.variables.iter().try_for_each(|variable| variables::one(page, variable, level + 1))?;
    // Each branch is marked and indented only if there are several.
    let branches = future.awaits.len() > 1;
    future.awaits.iter().try_for_each(|inner| match branches {
        true => awaiting(page, inner, level + 1, "- "),
        false => awaiting(page, inner, level, ""),
    })
}

/// The state of a future, if it is not simply waiting.
pub fn state(future: &Await) -> Option<String> {
    match (future.state, future.frame) {
        (AwaitState::Suspended | AwaitState::Pending, _) => None,
        (AwaitState::Running, Some((_, frame))) => Some(format!("running in frame #{frame}")),
        (AwaitState::Unresumed, _) => Some("not started".to_owned()),
        (state, _) => Some(state.name().to_owned()),
    }
}
