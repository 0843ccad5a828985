//! CPython: the stack of the Python program that its interpreter runs.
//!
//! From version 3.13 on CPython has a table of its structures' layout for external debuggers (`_Py_DebugOffsets`), so
//! that interpreters, threads, frames, code objects and the values of local variables are found from memory alone. The
//! tables of 3.13 to 3.15 are known. Versions 3.11 and 3.12 have no table and are recognised by the shape of a thread's
//! state.

mod asyncio;
mod exceptions;
mod generators;
mod library;
mod lines;
mod objects;
mod offsets;
mod old;
mod repr;
pub mod tasks;
mod text;
pub mod traceback;

use std::collections::HashSet;
use std::sync::Arc;

use crate::memory::Memory;
use crate::metered::Metered;
use crate::runtimes::{InterpretedFrame, InterpretedVariable};

pub use asyncio::{AsyncioTask, Awaited, CoroutineState, asyncio_tasks};
pub use exceptions::{Chained, Uncaught, uncaught};
pub use generators::generators;
pub use objects::Limits;
use objects::Objects;
use offsets::{LoopEntry, OffsetTable, Offsets, StackEnd, Start};

/// Bytes that every module with CPython contains: the name of an environment variable that all versions read.
pub const MARK: &[u8] = b"PYTHONHASHSEED";

/// The most interpreters, and the most threads of one.
const MAX_THREADS: usize = 4096;
/// The most frames of all threads together.
const MAX_FRAMES: usize = 1 << 16;
/// The most variables of one frame.
const MAX_VARIABLES: u64 = 1024;
/// The most values on the stack of one frame.
const MAX_STACK: u64 = 1 << 20;
/// The most bytes of one function's bytecode.
const MAX_CODE: u64 = 1 << 26;
/// The owner of a frame that marks an entry from C (`_frameowner` in `Include/internal/pycore_frame.h`).
const OWNED_BY_INTERPRETER: u64 = 3;
/// Flags of a variable's kind (`CO_FAST_HIDDEN` and the others).
const HIDDEN: u8 = 0x10;

/// An interpreter in a dump's memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Python {
    /// Major and minor version.
    pub version: (u8, u8),
    /// True if the layout of this version is known; without it there are no threads.
    pub is_known: bool,
    /// The threads that run Python code.
    pub threads: Vec<PythonThread>,
}

/// A thread of the interpreter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PythonThread {
    /// The runtime's id of the thread.
    pub id: u64,
    /// Its frames, youngest first, in one list for each call of the evaluation loop from C.
    pub entries: Vec<Vec<InterpretedFrame>>,
    /// The reason why older frames are missing, if the walk had to stop.
    pub broken: Option<String>,
}

/// The place of an interpreter in a memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter(OffsetTable);

/// Looks for an interpreter in a memory.
pub fn find(memory: &Memory<'_>) -> Option<Interpreter> {
    // A version without the table is recognised by the shape of a thread's state.
    offsets::find(memory).or_else(|| old::find(memory)).map(Interpreter)
}

/// Reads the interpreter at that place. `limits` bound the values of variables; without limits variables are left out.
pub fn read(memory: &Memory<'_>, place: &Interpreter, limits: Option<Limits>) -> Python {
    let offsets = match &place.0 {
        OffsetTable::Known(offsets) => offsets,
        OffsetTable::Unknown(version) => return Python { version: *version, ..Python::default() },
    };
    let objects = Objects::new(memory, offsets);
    let mut python = Python { version: offsets.version, is_known: true, threads: Vec::new() };
    let mut left = MAX_FRAMES;
    for thread in threads(&objects) {
        let Some(walked) = walk(&objects, thread, &mut left, limits) else { continue };
        if !walked.entries.is_empty() {
            python.threads.push(walked);
        }
    }
    if let Some(first) = python.threads.first_mut().filter(|_| objects.memory.is_spent()) {
        first.broken = Some(Metered::SPENT.to_owned());
    }
    python
}

/// The states of all threads of all interpreters.
fn threads(objects: &Objects<'_, '_>) -> Vec<u64> {
    let offsets = objects.offsets;
    match offsets.start {
        Start::Runtime(runtime) => {
            let interpreters = linked(objects, runtime + offsets.interpreters_head, offsets.interpreter_next);
            let of_one = |interpreter| linked(objects, interpreter + offsets.threads_head, offsets.thread_next);
            interpreters.into_iter().flat_map(of_one).take(MAX_THREADS).collect()
        }
        Start::Thread(thread) => chained(objects, old::first(objects, thread), offsets.thread_next),
    }
}

/// The elements of a linked list whose head is at address `head`; each element has the address of the next at offset
/// `next`.
fn linked(objects: &Objects<'_, '_>, head: u64, next: u64) -> Vec<u64> {
    chained(objects, objects.pointer(head).unwrap_or(0), next)
}

/// The elements of a linked list from `at` on; each has the address of the next at offset `next`.
fn chained(objects: &Objects<'_, '_>, mut at: u64, next: u64) -> Vec<u64> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    while at != 0 && found.len() < MAX_THREADS && seen.insert(at) {
        found.push(at);
        at = objects.pointer(at + next).unwrap_or(0);
    }
    found
}

fn walk(objects: &Objects<'_, '_>, thread: u64, left: &mut usize, limits: Option<Limits>) -> Option<PythonThread> {
    let offsets = objects.offsets;
    let (id, first) = match offsets.start {
        Start::Runtime(_) => {
            (objects.uint(thread + offsets.thread_id, 4)?, objects.pointer(thread + offsets.current_frame)?)
        }
        Start::Thread(_) => (thread, old::current_frame(objects, thread)?),
    };
    let mut walked = PythonThread { id, ..PythonThread::default() };
    let mut entry = Vec::new();
    let mut seen = HashSet::new();
    let mut at = first;
    while at != 0 {
        if *left == 0 || !seen.insert(at) {
            walked.broken = Some(format!("the chain of frames does not end at {at:#x}"));
            break;
        }
        *left -= 1;
        let owner = objects.memory.uint(at + offsets.frame_owner, 1).ok();
        if offsets.entry == LoopEntry::Frame && owner == Some(OWNED_BY_INTERPRETER) {
            walked.entries.push(std::mem::take(&mut entry));
        } else {
            match frame(objects, offsets, at, limits) {
                Some(frame) => entry.push(frame),
                None => {
                    walked.broken = Some(format!("there is no frame at {at:#x}"));
                    break;
                }
            }
        }
        if let LoopEntry::Flag(flag) = offsets.entry
            && objects.uint(at + flag, 1) == Some(1)
        {
            walked.entries.push(std::mem::take(&mut entry));
        }
        at = objects.pointer(at + offsets.frame_previous).unwrap_or(0);
    }
    walked.entries.push(entry);
    walked.entries.retain(|entry| !entry.is_empty());
    Some(walked)
}

fn frame(objects: &Objects<'_, '_>, offsets: &Offsets, at: u64, limits: Option<Limits>) -> Option<InterpretedFrame> {
    let code = objects.pointer(at + offsets.frame_executable)?;
    objects.type_of(code).filter(|kind| kind.name == "code")?;
    let function = objects.str(objects.pointer(code + offsets.code_qualname)?)?;
    let file = objects.pointer(code + offsets.code_filename).and_then(|name| objects.str(name));
    let position = || {
        let offset = instruction(objects, at)?;
        let table = objects.pointer(code + offsets.code_linetable)?;
        objects.type_of(table).filter(|kind| kind.name == "bytes")?;
        let first = objects.memory.uint(code + offsets.code_firstlineno, 4).ok()? as u32;
        lines::position(&objects.bytes(table)?.0, first, offset)
    };
    let position = position();
    Some(InterpretedFrame {
        function: function.into(),
        file: file.map(Arc::from),
        line: position.map(|position| position.line),
        column: position.and_then(|position| position.column),
        variables: limits.and_then(|limits| variables(objects, offsets, at, code, limits)).unwrap_or_default(),
    })
}

/// The offset in bytes, in its code object's instructions, at which a frame stands.
fn instruction(objects: &Objects<'_, '_>, frame: u64) -> Option<u64> {
    let offsets = objects.offsets;
    let instructions = objects.pointer(frame + offsets.frame_executable)? + offsets.code_adaptive;
    let instruction = objects.memory.uint(frame + offsets.frame_instr_ptr, 4).ok()?;
    instruction.checked_sub(instructions).filter(|&offset| offset < MAX_CODE)
}

/// The object that a suspended frame awaits or delegates to: it is on top of the frame's stack, since 3.15 below an
/// index.
fn awaited(objects: &Objects<'_, '_>, frame: u64) -> Option<u64> {
    let offsets = objects.offsets;
    let end = match offsets.stack_end {
        StackEnd::Address => objects.pointer(frame + offsets.frame_stackpointer)?,
        StackEnd::Count => {
            let count = objects.uint(frame + offsets.frame_stackpointer, 4).filter(|&count| count < MAX_STACK)?;
            frame + offsets.frame_localsplus + 4 * count
        }
    };
    let depth = if offsets.version < (3, 15) { 4 } else { 8 };
    objects.pointer(end.checked_sub(depth)?).filter(|&object| object != 0)
}

fn variables(
    objects: &Objects<'_, '_>,
    offsets: &Offsets,
    frame: u64,
    code: u64,
    limits: Limits,
) -> Option<Vec<InterpretedVariable>> {
    let (names, _) = objects.tuple(objects.pointer(code + offsets.code_localsplusnames)?, MAX_VARIABLES)?;
    let (kinds, _) = objects.bytes(objects.pointer(code + offsets.code_localspluskinds)?)?;
    let parameters = objects.memory.uint(code + offsets.code_argcount, 4).ok()?;
    let mut found = Vec::new();
    for (nth, name) in (0..).zip(names) {
        if kinds.get(nth as usize).is_none_or(|kind| kind & HIDDEN != 0) {
            continue;
        }
        let address = objects.pointer(frame + offsets.frame_localsplus + 4 * nth)?;
        let (Some(name), true) = (objects.str(name), address != 0) else { continue };
        // A variable that inner functions share, and that has no value yet, is an empty cell.
        let Some(address) = objects.out_of_cell(address) else { continue };
        objects.begin_value();
        found.push(InterpretedVariable {
            name,
            type_name: objects.type_of(address).map_or_else(String::new, |kind| kind.name),
            value: objects.repr(address, limits),
            is_parameter: nth < parameters,
            address,
        });
    }
    Some(found)
}
