//! Python: tasks of asyncio, and suspended generators and coroutines outside of them, from the interpreter's memory.

use std::collections::HashSet;

use super::{AsyncioTask, Awaited, CoroutineState};
use crate::interpreted::Interpreter;
use crate::model::CoreDump;
use crate::runtimes::InterpretedVariable;
use crate::tasks::{AsyncTask, Await, AwaitState, TaskState};
use crate::variables::{Limits, Status, Variable, VariableKind, When};

/// Adds the tasks that `interpreter` runs, if it is Python's; returns whether there may be more.
pub fn find(
    dump: &CoreDump<'_>,
    interpreter: Option<&Interpreter>,
    limits: Option<Limits>,
    tasks: &mut Vec<AsyncTask>,
) -> bool {
    let Some(Interpreter::Python(memory, place)) = interpreter else { return false };
    let Some(memory) = dump.memories.get(*memory) else { return false };
    let limits = limits.map(|limits| super::Limits { depth: limits.depth, elements: limits.elements });
    let (of_asyncio, more) = super::asyncio_tasks(memory, place, limits);
    let known: HashSet<u64> = of_asyncio.iter().flat_map(|task| &task.awaits).map(|one| one.address).collect();
    let (others, more_others) = super::generators(memory, place, &known, limits);
    tasks.extend(of_asyncio.into_iter().map(task));
    tasks.extend(others.into_iter().map(|found| AsyncTask { executor: None, name: None, ..task(found) }));
    more || more_others
}

fn task(found: AsyncioTask) -> AsyncTask {
    let state = match found.is_running {
        true => TaskState::Running,
        false => TaskState::Idle,
    };
    // The chain is nested from the inside: each future holds the one that it awaits.
    let future = found.awaits.into_iter().rev().fold(None, |inner, one| {
        let awaits = Option::<Await>::into_iter(inner).collect();
        Some(Await { awaits, ..awaited(one) })
    });
    AsyncTask {
        language: "python",
        executor: Some("asyncio"),
        name: Some(found.name),
        state,
        address: Some(found.address),
        future,
        note: found.broken,
        ..AsyncTask::default()
    }
}

fn awaited(found: Awaited) -> Await {
    let state = match found.state {
        Some(CoroutineState::Created) => AwaitState::Unresumed,
        Some(CoroutineState::Suspended) => AwaitState::Suspended,
        Some(CoroutineState::Executing) => AwaitState::Running,
        Some(CoroutineState::Completed) => AwaitState::Returned,
        None => AwaitState::Pending,
    };
    let (location, variables) = match found.frame {
        Some(frame) => (frame.location(), frame.variables.into_iter().map(variable).collect()),
        None => (None, Vec::new()),
    };
    Await {
        name: found.name,
        is_function: found.state.is_some(),
        state,
        location,
        address: Some(found.address),
        variables,
        note: found.task.map(|task| format!("waits for the task {task}")),
        ..Await::default()
    }
}

fn variable(found: InterpretedVariable) -> Variable {
    Variable {
        name: found.name,
        type_name: found.type_name,
        kind: if found.is_parameter { VariableKind::Parameter } else { VariableKind::Local },
        location: String::new(),
        address: Some(found.address),
        status: if found.value.is_some() { Status::Ok } else { Status::Unreadable },
        value: found.value,
        at: When::Now,
        note: None,
        hidden: false,
        children: Vec::new(),
    }
}
