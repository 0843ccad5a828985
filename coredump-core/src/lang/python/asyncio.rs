//! Tasks of asyncio: what each waits for, followed through the chain of awaited objects.
//!
//! Since CPython 3.14 the extension module `_asyncio` has a table of offsets for external debuggers, and every thread a
//! list of its tasks (`Modules/_asynciomodule.c`). The table begins with no cookie. It is found by the size of an
//! interpreter's state in it, which `_PyRuntime` has too, between offsets that must be plausible.

use std::collections::HashSet;

use super::objects::{Limits, Objects};
use super::offsets::OffsetTable;
use super::{Interpreter, awaited, frame, threads};
use crate::memory::{Chunk, Memory};
use crate::runtimes::InterpretedFrame;

/// The first version with such a table.
const SINCE: (u8, u8) = (3, 14);
/// The number of tasks that are listed, and the levels to which awaited coroutines are followed.
const MAX_TASKS: usize = 1 << 14;
const LEVELS: usize = 96;
/// The opcode at which a suspended frame goes on (`RESUME`), and its least argument after an `await` or `yield from`
/// (`Lib/opcode.py` of CPython 3.11 and 3.12).
const RESUME: u64 = 151;
const AFTER_AWAIT: u64 = 2;
/// Offset of the reference in the objects between a coroutine and what it awaits: just after the header.
const REFERENCE: u64 = 8;

/// A task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AsyncioTask {
    /// The address of its object, which is its `id()`.
    pub address: u64,
    /// Its name, as `get_name()` gives it.
    pub name: String,
    /// True if the event loop is running it.
    pub is_running: bool,
    /// The chain of what it awaits, the outermost first.
    pub awaits: Vec<Awaited>,
    /// The reason why more is not known.
    pub broken: Option<String>,
}

/// An awaited object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// The address of its object.
    pub address: u64,
    /// The name of a coroutine's function, or of any other object's type.
    pub name: String,
    /// The state of a coroutine; `None` for any other object.
    pub state: Option<CoroutineState>,
    /// A coroutine's frame, with its variables.
    pub frame: Option<InterpretedFrame>,
    /// The task's name, if the object is a task.
    pub task: Option<String>,
}

/// The state of a coroutine (`inspect.getcoroutinestate`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CoroutineState {
    /// It has not started.
    Created,
    /// It is suspended at an `await`.
    Suspended,
    /// It runs.
    Executing,
    /// It has ended.
    Completed,
}

/// Offsets of fields, in bytes.
struct AsyncioOffsets {
    task_name: u64,
    task_coroutine: u64,
    task_node: u64,
    running_task: u64,
    tasks_head: u64,
}

/// The tasks of all threads of the interpreter, and whether there may be more than are listed. `limits` bound the
/// values of variables; without limits variables are left out.
pub fn asyncio_tasks(memory: &Memory<'_>, place: &Interpreter, limits: Option<Limits>) -> (Vec<AsyncioTask>, bool) {
    let OffsetTable::Known(offsets) = &place.0 else { return (Vec::new(), false) };
    let objects = Objects::new(memory, offsets);
    if offsets.version < SINCE {
        return (Vec::new(), false);
    }
    let Some(table) = find(memory, offsets.interpreter_size) else { return (Vec::new(), false) };
    let mut found = Vec::new();
    for thread in threads(&objects) {
        let running = objects.pointer(thread + table.running_task);
        let head = thread + table.tasks_head;
        let mut seen = HashSet::new();
        let mut node = objects.pointer(head).unwrap_or(0);
        while node != head && node != 0 && found.len() < MAX_TASKS && seen.insert(node) {
            if let Some(address) = node.checked_sub(table.task_node) {
                found.extend(task(&objects, &table, address, running == Some(address), limits));
            }
            node = objects.pointer(node).unwrap_or(0);
        }
    }
    (found, objects.memory.is_spent())
}

/// Finds the table. It has seven fields for a task, the size of an interpreter's state, and five more fields.
fn find(memory: &Memory<'_>, interpreter: u64) -> Option<AsyncioOffsets> {
    let needle = interpreter.to_le_bytes();
    let read = |at: u64| {
        let start = at.checked_sub(7 * 8)?;
        let word = |nth: u64| memory.uint(start + 8 * nth, 8).ok();
        let (size, thread) = (word(0)?, word(9)?);
        let of_task = (1..7).map(word).collect::<Option<Vec<_>>>()?;
        let of_thread = (10..13).map(word).collect::<Option<Vec<_>>>()?;
        let fits = (32..1024).contains(&size)
            && (64..1 << 16).contains(&thread)
            && word(8)? < interpreter
            && of_task.iter().all(|&offset| (8..size).contains(&offset))
            && of_thread.iter().all(|&offset| (8..thread).contains(&offset));
        let table = AsyncioOffsets {
            task_name: of_task[0],
            task_coroutine: of_task[4],
            task_node: of_task[5],
            running_task: of_thread[1],
            tasks_head: of_thread[2],
        };
        fits.then_some(table)
    };
    memory.chunks(0..memory.size).find_map(|chunk| {
        let Chunk::Captured(segment) = chunk else { return None };
        let mut hits = memchr::memmem::find_iter(segment.bytes, &needle).take(4096);
        hits.find_map(|hit| read(segment.address + hit as u64))
    })
}

fn task(
    objects: &Objects<'_, '_>,
    table: &AsyncioOffsets,
    address: u64,
    is_running: bool,
    limits: Option<Limits>,
) -> Option<AsyncioTask> {
    objects.type_of(address)?;
    let name = name(objects, table, address)?;
    let coroutine = objects.pointer(address + table.task_coroutine);
    let name_of = |task: u64| self::name(objects, table, task);
    let (awaits, broken) = chain(objects, coroutine, limits, &name_of);
    Some(AsyncioTask { address, name, is_running, awaits, broken })
}

/// Returns the chain of what is awaited from an object on, the outermost first, and why no more is known. `name_of`
/// returns a task's name.
pub(super) fn chain(
    objects: &Objects<'_, '_>,
    first: Option<u64>,
    limits: Option<Limits>,
    name_of: &dyn Fn(u64) -> Option<String>,
) -> (Vec<Awaited>, Option<String>) {
    let mut awaits = Vec::new();
    let mut seen = HashSet::new();
    let mut at = first.filter(|&at| at != 0);
    while let Some(object) = at {
        if awaits.len() == LEVELS || !seen.insert(object) {
            return (awaits, Some("what it awaits is not followed any further".to_owned()));
        }
        let Some(kind) = objects.type_of(object) else {
            return (awaits, Some(format!("there is no object at {object:#x}")));
        };
        at = match &*kind.name {
            "coroutine" | "generator" | "async_generator" => {
                let Some((awaited, next)) = coroutine(objects, object, limits) else {
                    return (awaits, Some(format!("the coroutine at {object:#x} makes no sense")));
                };
                awaits.push(awaited);
                next
            }
            "FutureIter" | "coroutine_wrapper" | "async_generator_asend" | "async_generator_athrow" => {
                objects.pointer(object + REFERENCE).filter(|&next| next != 0)
            }
            other => {
                // In an instance of a subclass of `Task`, the place of the name is not known.
                let task = if other == "Task" { name_of(object) } else { None };
                awaits.push(Awaited { address: object, name: kind.name, state: None, frame: None, task });
                None
            }
        };
    }
    (awaits, None)
}

/// A task's name, which is a string, or a number until the program asks for the name.
fn name(objects: &Objects<'_, '_>, table: &AsyncioOffsets, address: u64) -> Option<String> {
    let name = objects.pointer(address + table.task_name)?;
    match &*objects.type_of(name)?.name {
        "int" => Some(format!("Task-{}", objects.integer(name)?)),
        _ => objects.str(name),
    }
}

/// A coroutine, and what it awaits.
pub(super) fn coroutine(
    objects: &Objects<'_, '_>,
    object: u64,
    limits: Option<Limits>,
) -> Option<(Awaited, Option<u64>)> {
    let offsets = objects.offsets;
    let at = object + offsets.generator_frame;
    let states = offsets.generator_states;
    let raw = objects.memory.uint(object + offsets.generator_state, 1).ok()? as u8 as i8;
    let has_more = match states.awaits {
        Some(awaits) => raw == awaits,
        None => raw == states.suspended && has_awaited(objects, at),
    };
    let state = match raw {
        raw if raw == states.created => CoroutineState::Created,
        raw if raw == states.suspended || has_more => CoroutineState::Suspended,
        raw if raw == states.executing => CoroutineState::Executing,
        _ => CoroutineState::Completed,
    };
    // The frame of a coroutine that has ended has no valid contents.
    let frame = if state == CoroutineState::Completed { None } else { Some(frame(objects, offsets, at, limits)?) };
    let name = frame.as_ref().map_or_else(|| "coroutine".to_owned(), |frame| frame.function.to_string());
    let next = if has_more { awaited(objects, at) } else { None };
    Some((Awaited { address: object, name, state: Some(state), frame, task: None }, next))
}

/// Returns true if the instruction at which a frame will go on follows an `await` or a `yield from`.
fn has_awaited(objects: &Objects<'_, '_>, frame: u64) -> bool {
    let next = objects.uint(frame + objects.offsets.frame_instr_ptr, 4).map(|last| last + 2);
    let byte = |nth: u64| objects.uint(next?.checked_add(nth)?, 1);
    byte(0) == Some(RESUME) && byte(1).is_some_and(|argument| argument >= AFTER_AWAIT)
}
