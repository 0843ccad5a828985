//! Tasks of tokio, found in memory by the shape of their headers.
//!
//! A task is one cell: a header with the bits of its state, a link, the address of a vtable and the owner's id; then
//! the scheduler, the task's id, and the future or its result. The vtable has seven functions and three offsets, two of
//! which follow from the header's size. Layout: `tokio/src/runtime/task/core.rs` and `raw.rs`, seen with tokio 1.54.

use std::collections::{HashMap, HashSet};

use super::futures::Futures;
use super::header::{FUNCTIONS, is_outside_of_heaps, offsets, word};
use crate::catalog::units::Die;
use crate::lang::Renderer;
use crate::lang::rust::RustValues;
use crate::memory::{Chunk, Memory};
use crate::regions::{Regions, Use};
use crate::tasks::{AsyncTask, Await, AwaitState, TaskState};
use crate::values::Value;

/// Bits of a task's state (`tokio/src/runtime/task/state.rs`).
const RUNNING: u64 = 1;
const COMPLETE: u64 = 1 << 1;
const NOTIFIED: u64 = 1 << 2;
const CANCELLED: u64 = 1 << 5;
const REFERENCES: u64 = 6;

/// The bytes of a word that is zero.
const ZERO: [u8; 8] = [0; 8];
/// The number of vtables that are looked at, and of those with the same poll function that are compared.
const MAX_TABLES: usize = 1 << 16;
const MAX_ALIKE: usize = 256;
/// The number of cells that are listed.
const MAX_CELLS: usize = 1 << 16;
/// A task's cell.
pub struct Cell {
    address: u64,
    state: u64,
    id: Option<u64>,
    /// The future's type, or why it is not known.
    ty: Result<Die, String>,
    /// The stage of the future: `Running` with the future, `Finished` or `Consumed`.
    stage: Option<(String, Option<Value>)>,
}

/// The properties of the tasks that have a vtable.
#[derive(Clone)]
struct TaskVtable {
    id_offset: u64,
    ty: Result<Die, String>,
    /// The type of the whole cell.
    cell: Option<Die>,
}

/// All tasks in the memory of the renderer's module.
///
/// Addresses that are known to be in no heap are passed over: a cell is built on the stack before it is moved to the
/// heap, and the remains look like a task.
pub fn cells(renderer: &Renderer<'_, '_, '_>, regions: &Regions) -> Vec<Cell> {
    let Some(memory) = renderer.frame.memory else { return Vec::new() };
    let width = memory.pointer_size();
    let mut tables = Tables::new(renderer, memory, regions);
    let mut found = Vec::new();
    for chunk in memory.chunks(0..memory.size) {
        let Chunk::Captured(segment) = chunk else { continue };
        // Cells are aligned to at least twice a pointer's size, for the task's id.
        let first = segment.address.next_multiple_of(2 * width);
        let mut at = first;
        while at.saturating_add(4 * width) <= segment.end() && found.len() < MAX_CELLS {
            let bytes = &segment.bytes[(at - segment.address) as usize..];
            let read = |nth: u64| {
                let bytes = &bytes[(nth * width) as usize..][..width as usize];
                bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
            };
            let address = read(2);
            if let Some(table) = tables.get(address)
                && !is_outside_of_heaps(regions, at)
                && let Some(cell) = cell(renderer, at, read(0), table)
            {
                found.push(cell);
            }
            at += 2 * width;
        }
    }
    found
}

/// The vtables of tokio's tasks in a memory, grouped by their poll function.
///
/// Compilers and linkers merge functions with the same code, and keep the debug information of one of them. So a poll
/// function tells a vtable's future only where no vtable for another future has the same function.
struct Tables<'t, 'r, 'f, 's> {
    renderer: &'t Renderer<'r, 'f, 's>,
    by_poll: HashMap<u64, Alike>,
    all: HashSet<u64>,
    known: HashMap<u64, Option<TaskVtable>>,
}

impl<'t, 'r, 'f, 's> Tables<'t, 'r, 'f, 's> {
    fn new(renderer: &'t Renderer<'r, 'f, 's>, memory: &Memory<'_>, regions: &Regions) -> Self {
        let width = memory.pointer_size();
        let mut tables = Tables { renderer, by_poll: HashMap::new(), all: HashSet::new(), known: HashMap::new() };
        // Vtables are constants.
        let data = regions.iter().filter(|region| matches!(region.r#use, Use::Data | Use::Unknown));
        for chunk in data.flat_map(|region| memory.chunks(region.range.clone())) {
            let Chunk::Captured(segment) = chunk else { continue };
            let mut at = segment.address.next_multiple_of(width);
            while at.saturating_add((FUNCTIONS + 3) * width) <= segment.end() && tables.all.len() < MAX_TABLES {
                // The scheduler's offset is the header's size: few words of data are that small.
                let scheduler = (at + (FUNCTIONS + 1) * width - segment.address) as usize;
                let small = segment.bytes[scheduler] >= 16
                    && segment.bytes[scheduler..][1..width as usize] == ZERO[1..width as usize];
                if small && offsets(renderer, at).is_some() && functions(renderer, at).is_some() {
                    let words = words(renderer, at);
                    tables.by_poll.entry(word(renderer, at).unwrap_or(0)).or_default().add(at, words);
                    tables.all.insert(at);
                }
                at += width;
            }
        }
        tables
    }

    fn get(&mut self, address: u64) -> Option<&TaskVtable> {
        if !self.all.contains(&address) {
            return None;
        }
        if !self.known.contains_key(&address) {
            let table = self.read(address);
            self.known.insert(address, table);
        }
        self.known.get(&address)?.as_ref()
    }

    fn read(&self, address: u64) -> Option<TaskVtable> {
        let (_, _, id_offset) = offsets(self.renderer, address)?;
        let units = &self.renderer.frame.units;
        let (poll, of) = self.arguments(address, 0)?;
        let future = units.first_type_argument(poll);
        let name = |ty: Option<Die>| self.renderer.type_name(ty);
        let alike = word(self.renderer, address).and_then(|poll| self.by_poll.get(&poll));
        if alike.is_some_and(|alike| alike.more) {
            let ty = Err("too many vtables have the same poll function".to_owned());
            return Some(TaskVtable { id_offset, ty, cell: None });
        }
        // The words of this vtable: a copy of it is for the same future.
        let all = words(self.renderer, address);
        let others = alike.into_iter().flat_map(|alike| &alike.tables).filter(|(_, words)| *words != all);
        let mut named = others.flat_map(|&(other, _)| [0, 2, 3, 6].map(|nth| self.arguments(other, nth)));
        let other = named.find_map(|found| {
            let other = units.first_type_argument(found?.0);
            (name(other) != name(future)).then(|| name(other))
        });
        let ty = match (future, other) {
            (Some(future), None) => Ok(future),
            (Some(future), Some(other)) => {
                Err(format!("it is {} or {other}, which share the same code", name(Some(future))))
            }
            (None, _) => Err("the debug information does not say which future it is".to_owned()),
        };
        let is_cell = |&found: &Die| units.path(found).iter().eq([&b"tokio"[..], b"runtime", b"task", b"core"].iter());
        let cell = units.types_named(poll.unit, format!("Cell{of}").as_bytes()).into_iter().find(is_cell);
        Some(TaskVtable { id_offset, ty, cell })
    }

    /// The entry of a vtable's function, and its generic arguments as the debug information writes them.
    fn arguments(&self, table: u64, nth: usize) -> Option<(Die, String)> {
        let units = &self.renderer.frame.units;
        let function = *functions(self.renderer, table)?.get(nth)?;
        let die = units.function(self.renderer.frame.binary.module(), function)?;
        let is_task = units.path(die).iter().take(3).eq([&b"tokio"[..], b"runtime", b"task"].iter());
        let name = String::from_utf8_lossy(units.name(die).filter(|_| is_task)?).into_owned();
        let start = ["poll", "schedule", "dealloc", "try_read_output", "", "", "shutdown"].get(nth)?;
        Some((die, name.strip_prefix(start).filter(|rest| rest.starts_with('<'))?.to_owned()))
    }
}

/// Different vtables with the same poll function.
#[derive(Default)]
struct Alike {
    tables: Vec<(u64, Words)>,
    /// True if there are more.
    more: bool,
}

impl Alike {
    fn add(&mut self, table: u64, words: Words) {
        if self.tables.iter().any(|(_, known)| *known == words) {
            return;
        }
        match self.tables.len() < MAX_ALIKE {
            true => self.tables.push((table, words)),
            false => self.more = true,
        }
    }
}

/// The words of a vtable.
type Words = [Option<u64>; FUNCTIONS as usize + 3];

fn words(renderer: &Renderer<'_, '_, '_>, table: u64) -> Words {
    let width = u64::from(renderer.frame.address_size());
    std::array::from_fn(|nth| word(renderer, table.checked_add(nth as u64 * width)?))
}

/// The functions of a vtable.
fn functions(renderer: &Renderer<'_, '_, '_>, table: u64) -> Option<Vec<u32>> {
    let width = u64::from(renderer.frame.address_size());
    (0..FUNCTIONS).map(|nth| renderer.table_function(word(renderer, table.checked_add(nth * width)?)?)).collect()
}

fn cell(renderer: &Renderer<'_, '_, '_>, address: u64, state: u64, table: &TaskVtable) -> Option<Cell> {
    // A freed cell has no references.
    let references = state >> REFERENCES;
    if references == 0 || references > 1 << 24 {
        return None;
    }
    let id = renderer.frame.memory?.uint(address.checked_add(table.id_offset)?, 8).ok();
    let value = Value::in_memory(table.cell, address);
    let stage =
        renderer.field(&value, "core").and_then(|core| renderer.with_variants(&renderer.field(&core, "stage")?));
    let stage = stage.and_then(|stage| renderer.named_variant(&stage));
    let stage = stage.map(|(name, variant)| (name, RustValues(renderer).first_member(&variant)));
    Some(Cell { address, state, id, ty: table.ty.clone(), stage })
}

impl Cell {
    /// The future, unless it has ended.
    pub fn future(&self) -> Option<Value> {
        match (&self.stage, &self.ty) {
            (Some((name, Some(future))), Ok(_)) if name == "Running" => Some(future.clone()),
            _ => None,
        }
    }

    /// The task, with what it waits for.
    pub fn task(&self, futures: &Futures<'_, '_, '_, '_>) -> AsyncTask {
        let named = |ty: Die| futures.named(Some(ty));
        let (language, executor, id, address) = ("rust", Some("tokio"), self.id, Some(self.address));
        let mut task = AsyncTask { language, executor, id, address, ..AsyncTask::default() };
        task.state = match self.state {
            state if state & COMPLETE != 0 => TaskState::Complete,
            state if state & CANCELLED != 0 => TaskState::Cancelled,
            state if state & RUNNING != 0 => TaskState::Running,
            state if state & NOTIFIED != 0 => TaskState::Scheduled,
            _ => TaskState::Idle,
        };
        match (&self.ty, &self.stage) {
            (Err(why), _) => task.note = Some(why.clone()),
            (Ok(ty), None) => {
                task.future = Some(Await { state: AwaitState::Unknown, ..named(*ty) });
                task.note = Some("the debug information does not describe where its future is".to_owned());
            }
            (Ok(ty), Some((name, _))) if name != "Running" => {
                task.future = Some(Await { state: AwaitState::Returned, ..named(*ty) });
                if task.state == TaskState::Running {
                    task.note = Some("its future has ended".to_owned());
                }
            }
            (Ok(ty), _) => task.future = Some(futures.of_task(task.state, self.future().as_ref(), *ty)),
        }
        task
    }
}
