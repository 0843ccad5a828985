//! Tasks of the crate `async-task`, which the executors of wstd, smol and async-std use.
//!
//! A task is one cell: a header with the bits of its state and the address of a vtable, then the schedule function,
//! then the future or its result. The vtable has seven functions and the address of the cell's layout. The debug
//! information of the function that runs the task gives the future's type and the fields' offsets. Layout:
//! `src/header.rs`, `raw.rs` and `state.rs`, seen with async-task 4.7.1.

use std::collections::HashMap;

use super::futures::Futures;
use super::header::{is_outside_of_heaps, word};
use crate::catalog::types::{Kind, Offset};
use crate::catalog::units::Die;
use crate::lang::Renderer;
use crate::memory::Chunk;
use crate::regions::{Regions, Use};
use crate::tasks::{AsyncTask, Await, AwaitState, TaskState};
use crate::values::Value;

/// Bits of a task's state.
const SCHEDULED: u64 = 1;
const RUNNING: u64 = 1 << 1;
const COMPLETED: u64 = 1 << 2;
const CLOSED: u64 = 1 << 3;
const HANDLE: u64 = 1 << 4;
const REFERENCE: u64 = 1 << 8;

/// The functions of a vtable, in order.
const FUNCTIONS: [&str; 7] = ["schedule", "drop_future", "get_output", "drop_ref", "destroy", "run", "clone_waker"];
/// The numbers of vtables and cells that are looked at, and the greatest size of a cell in bytes.
const MAX_TABLES: usize = 1 << 12;
const MAX_CELLS: usize = 1 << 16;
const MAX_CELL: u64 = 1 << 24;
/// Executors that use the crate, by the crate of the schedule function, with the name that is shown.
const EXECUTORS: [(&[u8], &str); 2] = [(b"wstd", "wstd"), (b"async_executor", "async-executor")];

/// A task's cell.
pub struct Cell {
    address: u64,
    state: u64,
    table: TaskVtable,
}

/// The properties of the tasks that have a vtable.
#[derive(Clone)]
struct TaskVtable {
    /// The future's type, or why it is not known.
    future: Result<Die, String>,
    /// Offsets in a cell: of the future, the state and the vtable's address.
    future_offset: u64,
    state_offset: u64,
    table_offset: u64,
    executor: Option<&'static str>,
}

/// All tasks in the memory of the renderer's module.
pub fn cells(renderer: &Renderer<'_, '_, '_>, regions: &Regions) -> Vec<Cell> {
    let tables = tables(renderer, regions);
    let Some(memory) = renderer.frame.memory.filter(|_| !tables.is_empty()) else { return Vec::new() };
    let width = memory.pointer_size();
    let mut found = Vec::new();
    for chunk in memory.chunks(0..memory.size) {
        let Chunk::Captured(segment) = chunk else { continue };
        let first = segment.address.next_multiple_of(width);
        let Some(bytes) = segment.bytes.get((first - segment.address) as usize..) else { continue };
        for (nth, word) in bytes.chunks_exact(width as usize).enumerate() {
            let table = word.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte));
            let Some(table) = tables.get(&table) else { continue };
            let at = first + nth as u64 * width;
            let Some(address) = at.checked_sub(table.table_offset) else { continue };
            if is_outside_of_heaps(regions, address) || found.len() == MAX_CELLS {
                continue;
            }
            found.extend(cell(renderer, address, table));
        }
    }
    found
}

fn cell(renderer: &Renderer<'_, '_, '_>, address: u64, table: &TaskVtable) -> Option<Cell> {
    let state = word(renderer, address.checked_add(table.state_offset)?)?;
    // A cell that is in use has a reference or a handle, and one whose future has ended is neither scheduled nor
    // running.
    let is_alive = state & HANDLE != 0 || (REFERENCE..REFERENCE << 20).contains(&state);
    let is_sound = state & COMPLETED == 0 || state & (SCHEDULED | RUNNING) == 0;
    (is_alive && is_sound && state < REFERENCE << 20).then(|| Cell { address, state, table: table.clone() })
}

/// The offset of a member of a structure.
fn offset(renderer: &Renderer<'_, '_, '_>, ty: Die, name: &str) -> Option<u64> {
    let (_, ty) = renderer.frame.units.peeled(Some(ty))?;
    let Kind::Struct(contents) = &ty.kind else { return None };
    let member = contents.members.iter().find(|member| member.name == Some(name.as_bytes()))?;
    match member.offset {
        Offset::Bits(bits) => Some(bits / 8),
        _ => None,
    }
}

/// The vtables of tasks, by address.
fn tables(renderer: &Renderer<'_, '_, '_>, regions: &Regions) -> HashMap<u64, TaskVtable> {
    let units = &renderer.frame.units;
    let named = |name: &str| {
        let is_it = |&die: &Die| units.path(die).iter().eq([&b"async_task"[..], b"raw"].iter());
        units.types_named(0, name.as_bytes()).into_iter().find(is_it)
    };
    let (Some(vtable), Some(layout), Some(memory)) = (named("TaskVTable"), named("TaskLayout"), renderer.frame.memory)
    else {
        return HashMap::new();
    };
    let of_table: Option<Vec<u64>> = FUNCTIONS.iter().map(|name| offset(renderer, vtable, name)).collect();
    let description = offset(renderer, vtable, "layout_info");
    let of_layout: Option<Vec<u64>> =
        ["offset_s", "offset_f", "offset_r"].iter().map(|name| offset(renderer, layout, name)).collect();
    let (Some(of_table), Some(description), Some(of_layout)) = (of_table, description, of_layout) else {
        return HashMap::new();
    };
    let width = memory.pointer_size();
    let function = |table: u64, nth: usize| renderer.table_function(word(renderer, table.checked_add(of_table[nth])?)?);
    // The vtables are constants. Several may have the same function that runs the task, whose debug information is for
    // one future only; their other functions show if they are for the same future.
    let mut all: Vec<(u64, u64, u32)> = Vec::new();
    let data = regions.iter().filter(|region| matches!(region.r#use, Use::Data | Use::Unknown));
    for chunk in data.flat_map(|region| memory.chunks(region.range.clone())) {
        let Chunk::Captured(segment) = chunk else { continue };
        let mut at = segment.address.next_multiple_of(width);
        while at.saturating_add(8 * width) <= segment.end() && all.len() < MAX_TABLES {
            let read = || {
                let layout = word(renderer, at + description).filter(|&layout| layout != 0 && layout % width == 0)?;
                let nth = |nth: usize| word(renderer, layout.checked_add(of_layout[nth])?);
                let (schedule, future, result) = (nth(0)?, nth(1)?, nth(2)?);
                let is_sound = future == result && schedule <= future && (4 * width..MAX_CELL).contains(&future);
                let functions = is_sound.then(|| (0..FUNCTIONS.len()).map(|nth| function(at, nth)))?;
                let functions = functions.collect::<Option<Vec<_>>>()?;
                Some((at, future, functions[RUN]))
            };
            all.extend(read());
            at += width;
        }
    }
    let raw = |table: u64, nth: usize| raw_task(renderer, function(table, nth)?, FUNCTIONS[nth]);
    let read = |&(table, future_offset, run): &(u64, u64, u32)| {
        let own = raw(table, RUN)?;
        let name = |task: &Raw| renderer.type_name(Some(task.future));
        let others = all.iter().filter(|other| other.2 == run && other.0 != table);
        let other = others.flat_map(|other| (0..FUNCTIONS.len()).filter_map(|nth| raw(other.0, nth)));
        let other = other.map(|other| name(&other)).find(|other| *other != name(&own));
        let table_entry = TaskVtable {
            future_offset,
            state_offset: offset(renderer, own.header, "state")?,
            table_offset: offset(renderer, own.header, "vtable")?,
            executor: own.executor,
            future: match other {
                None => Ok(own.future),
                Some(other) => Err(format!("it is {} or {other}, which share the same code", name(&own))),
            },
        };
        Some((table, table_entry))
    };
    all.iter().filter_map(read).collect()
}

/// The index in a vtable of the function that runs the task.
const RUN: usize = 5;

/// The description of `RawTask`, whose methods a vtable holds, in debug information.
struct Raw {
    header: Die,
    future: Die,
    executor: Option<&'static str>,
}

/// The type `async_task::raw::RawTask<F, T, S, M>` of which a function is a method.
fn raw_task(renderer: &Renderer<'_, '_, '_>, function: u32, name: &str) -> Option<Raw> {
    let units = &renderer.frame.units;
    let die = units.function(renderer.frame.binary.module(), function)?;
    let own = units.name(die)?.strip_prefix(name.as_bytes())?;
    let path = units.path(die);
    if !own.starts_with(b"<") || path.get(..2) != Some(&[&b"async_task"[..], b"raw"]) {
        return None;
    }
    // The function's entry is within that of the type, or the type has the same arguments.
    let same = [b"RawTask", own].concat();
    let is_it = |&die: &Die| units.path(die).iter().eq([&b"async_task"[..], b"raw"].iter());
    let (_, ty) = units.peeled(units.types_named(die.unit, &same).into_iter().find(is_it))?;
    let Kind::Struct(contents) = &ty.kind else { return None };
    let target = |name: &[u8]| {
        let member = contents.members.iter().find(|member| member.name == Some(name))?;
        match units.peeled(member.ty)?.1.kind {
            Kind::Pointer(_, target) => Some(units.peeled(target)?.0),
            _ => None,
        }
    };
    let scheduler = contents.arguments.iter().find(|argument| argument.0 == b"S").and_then(|argument| argument.1);
    let krate = units.peeled(scheduler).and_then(|(die, _)| units.path(die).first().copied());
    let executor = EXECUTORS.iter().find(|(name, _)| Some(*name) == krate).map(|(_, shown)| *shown);
    Some(Raw { header: target(b"header")?, future: target(b"future")?, executor })
}

impl Cell {
    /// The future, unless it has ended or was dropped.
    pub fn future(&self) -> Option<Value> {
        let ty = *self.table.future.as_ref().ok()?;
        let is_there = self.state & (COMPLETED | CLOSED) == 0 || self.state & RUNNING != 0;
        is_there.then(|| Value::in_memory(Some(ty), self.address.saturating_add(self.table.future_offset)))
    }

    /// The task, with what it waits for.
    pub fn task(&self, futures: &Futures<'_, '_, '_, '_>) -> AsyncTask {
        let executor = Some(self.table.executor.unwrap_or("async-task"));
        let mut task = AsyncTask { language: "rust", executor, address: Some(self.address), ..AsyncTask::default() };
        task.state = match self.state {
            state if state & COMPLETED != 0 => TaskState::Complete,
            state if state & RUNNING != 0 => TaskState::Running,
            state if state & CLOSED != 0 => TaskState::Cancelled,
            state if state & SCHEDULED != 0 => TaskState::Scheduled,
            _ => TaskState::Idle,
        };
        match &self.table.future {
            Err(why) => task.note = Some(why.clone()),
            Ok(ty) => {
                task.future = Some(match self.future() {
                    Some(value) => futures.of_task(task.state, Some(&value), *ty),
                    None => Await { state: AwaitState::Returned, ..futures.named(Some(*ty)) },
                });
            }
        }
        task
    }
}
