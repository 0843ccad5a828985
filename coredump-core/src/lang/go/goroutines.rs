//! The list of all goroutines. The runtime describes each by a `g`, some fields of which moved between Go versions:
//! such a field is read at the offset at which it makes sense for every goroutine. Layout: Go's `runtime/runtime2.go`.

use std::ops::Range;
use std::sync::Arc;

use crate::metered::Metered;
use crate::runtimes::{Task, TaskFrame};

use super::pclntab::Pclntab;
use super::{MAX_TASKS, Registers};

/// The number of bytes of a `g` that are looked at.
const G_SIZE: u64 = 512;
/// Offset of `m`, the address of the machine (OS thread) that runs a `g`.
const G_M: u64 = 48;
/// Offsets of `sched`: stack pointer, code address, and the `g` itself.
const SCHED: [u64; 3] = [56, 64, 72];
/// Offsets of `atomicstatus` in the versions of Go.
const STATUS: [u64; 2] = [144, 152];
/// Statuses: waiting, running, dead; a bit that the garbage collector adds.
const RUNNING: u32 = 2;
const WAITING: u32 = 4;
const DEAD: u32 = 6;
const SCANNED: u32 = 0x1000;
/// The number of bytes of a machine that are searched for its current goroutine.
const M_SIZE: u64 = 512;
/// Longest list of channels that one `select` waits on.
const MAX_WAITS: usize = 64;
/// The number of the goroutine that runs `main`.
const FIRST: u64 = 1;
/// The number of goroutines that a field's offset is checked against.
const JUDGED: usize = 4096;

/// All goroutines.
pub struct Goroutines<'m, 'a> {
    memory: &'m Metered<'m, 'a>,
    all: Vec<Goroutine>,
    /// The texts of wait reasons, by number.
    reasons: Vec<Arc<str>>,
    /// Offset in a `g` of the address of the `go` statement that started it, if it is certain.
    created: Option<u64>,
}

/// A goroutine, as its `g` describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goroutine {
    /// Address of its `g`.
    pub address: u64,
    /// Its number.
    pub id: u64,
    /// Addresses of its stack.
    pub stack: Range<u64>,
    /// The code address at which it goes on when it is scheduled; stale while it runs.
    pub pc: u64,
    /// Its stack pointer there.
    pub stack_pointer: u64,
    status: u32,
    wait_reason: u8,
    machine: u64,
}

/// The goroutine that ran when the program ended.
#[derive(Clone, Copy, Debug)]
pub struct Current {
    /// Address of its `g`.
    pub address: u64,
    /// True if its own code ran, and not the runtime's on the system stack.
    pub on_its_own_stack: bool,
}

impl Goroutine {
    /// Returns true if it has ended.
    pub fn is_dead(&self) -> bool {
        matches!(self.status, 0 | DEAD) || self.id == 0
    }
}

impl<'m, 'a> Goroutines<'m, 'a> {
    /// Finds the list: a slice in zero-initialised data, every element of which points to a `g`.
    pub fn find(memory: &'m Metered<'m, 'a>, table: &Pclntab<'m, 'a>) -> Option<Self> {
        let field = |offset| memory.uint(table.moduledata + offset, 8).ok();
        // `bss` and `noptrbss` stand one after the other; `runtime.allgs` is in the former.
        let (start, end) = (field(224)?, field(232)?);
        let words = (start..end.min(memory.size)).step_by(8).take(1 << 20);
        let word = |address| memory.uint(address, 8).ok();
        let slices = words.filter_map(|place| {
            let (list, length, capacity) = (word(place)?, word(place + 8)?, word(place + 16)?);
            let sensible = list != 0 && list % 8 == 0 && length > 0 && length <= capacity && capacity < memory.size / 8;
            sensible.then_some((list, length))
        });
        let mut lists = slices.filter_map(|(list, length)| Self::list(memory, list, length));
        let all = lists.next()?;
        if lists.next().is_some() {
            return None;
        }
        let created = created_at(memory, table, &all);
        Some(Goroutines { memory, reasons: reasons(memory), created, all })
    }

    fn list(memory: &Metered<'_, '_>, list: u64, length: u64) -> Option<Vec<Goroutine>> {
        let at = |status| {
            let elements = (0..length.min(MAX_TASKS as u64)).map(|nth| memory.uint(list + 8 * nth, 8).ok());
            let all: Vec<_> = elements.map(|address| goroutine(memory, address?, status)).collect::<Option<_>>()?;
            // At the offset where another version has the status, this one may have zero in every goroutine.
            all.iter().any(|goroutine| !goroutine.is_dead()).then_some(all)
        };
        STATUS.into_iter().find_map(at)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Goroutine> {
        self.all.iter()
    }

    /// The goroutine that ran when the program ended.
    pub fn current(&self, registers: &Registers) -> Option<Current> {
        let current = registers.current?;
        if let Some(own) = self.all.iter().find(|goroutine| goroutine.address == current) {
            return Some(Current { address: own.address, on_its_own_stack: true });
        }
        // This is the machine's own `g`: the runtime's code ran on behalf of the machine's current goroutine.
        let machine = self.memory.uint(current.checked_add(G_M)?, 8).ok()?;
        let of_machine = |&place: &u64| self.all.iter().any(|known| known.address == place && known.machine == machine);
        let fields = (0..M_SIZE).step_by(8).filter_map(|offset| self.memory.uint(machine.checked_add(offset)?, 8).ok());
        let address = fields.filter(|&field| field != 0).find(of_machine)?;
        Some(Current { address, on_its_own_stack: false })
    }

    /// A goroutine as a task, with its frames.
    pub fn describe(
        &self,
        goroutine: &Goroutine,
        table: &Pclntab<'_, '_>,
        frames: Vec<TaskFrame>,
        broken: Option<String>,
        current: bool,
    ) -> Task {
        let waits = goroutine.status & !SCANNED == WAITING;
        let reason = self.reasons.get(usize::from(goroutine.wait_reason)).filter(|reason| waits && !reason.is_empty());
        let word = |offset: u64| self.memory.uint(goroutine.address + offset, 8).ok();
        // The first goroutine was started by the runtime itself, and not by a `go` statement.
        let created = self.created.filter(|_| goroutine.id != FIRST);
        let created_by = || table.frames(word(created?)?)?.first().cloned();
        Task {
            id: goroutine.id,
            status: status_name(goroutine.status).to_owned(),
            wait_reason: reason.map(|reason| reason.to_string()),
            waits_for: if waits { self.waits_for(goroutine) } else { Vec::new() },
            parent: created.and_then(|created| word(created - 8)).filter(|&parent| parent != 0),
            created_by: created_by(),
            frames,
            broken,
            current,
        }
    }

    /// The channels, or the lock's word, that a goroutine waits for: its list of `sudog`.
    fn waits_for(&self, goroutine: &Goroutine) -> Vec<u64> {
        let word = |address: u64| self.memory.uint(address, 8).ok();
        let list = self.created.and_then(|created| word(goroutine.address + created + 32)).unwrap_or(0);
        let mut at = list;
        let mut found = Vec::new();
        while at != 0 && found.len() < MAX_WAITS && word(at) == Some(goroutine.address) {
            let (element, channel) = (word(at + 24), word(at + 88));
            match (channel, element) {
                (Some(0), Some(element)) if element != 0 => found.push(element),
                (Some(channel), _) if channel != 0 => found.push(channel),
                _ => {}
            }
            at = word(at + 72).unwrap_or(0);
        }
        found
    }
}

/// The `g` at an address, if `atomicstatus` stands at that offset.
fn goroutine(memory: &Metered<'_, '_>, address: u64, status_at: u64) -> Option<Goroutine> {
    let bytes = memory.bytes(address, status_at + 40).ok()?;
    if address == 0 || !address.is_multiple_of(8) || address.checked_add(G_SIZE)? > memory.size {
        return None;
    }
    let word = |offset: u64| bytes.get(offset as usize..offset as usize + 8)?.try_into().ok().map(u64::from_le_bytes);
    let half = |offset: u64| bytes.get(offset as usize..offset as usize + 4)?.try_into().ok().map(u32::from_le_bytes);
    let status = half(status_at)?;
    let valid = matches!(status & !SCANNED, 0..=4 | DEAD | 8..=10) && half(status_at + 4)? <= 1;
    let stack = word(0)?..word(8)?;
    let owned = word(SCHED[2])?;
    let gone = matches!(status, 0 | DEAD);
    let placed = stack.start < stack.end && stack.end <= memory.size || gone && stack.is_empty();
    if !valid || !placed || owned != address && !(gone && owned == 0) {
        return None;
    }
    Some(Goroutine {
        address,
        id: word(status_at + 8).filter(|&id| id < 1 << 48)?,
        stack,
        pc: word(SCHED[1])?,
        stack_pointer: word(SCHED[0])?,
        status,
        wait_reason: *bytes.get(status_at as usize + 32)?,
        machine: word(G_M)?,
    })
}

/// The offset in a `g` of `gopc`, the address after the `go` statement; two words further stands `startpc`, where the
/// goroutine began: the first code address of a function.
fn created_at(memory: &Metered<'_, '_>, table: &Pclntab<'_, '_>, all: &[Goroutine]) -> Option<u64> {
    let live: Vec<_> = all.iter().filter(|goroutine| !goroutine.is_dead()).take(JUDGED).collect();
    let is_statement = |pc: u64| table.function(pc).is_some_and(|function| pc > function.entry);
    let is_entry = |pc: u64| table.function(pc).is_some_and(|function| pc == function.entry);
    let fits = |&offset: &u64| {
        live.iter().all(|goroutine| {
            let word = |offset| memory.uint(goroutine.address + offset, 8).unwrap_or(0);
            is_entry(word(offset + 16)) && (is_statement(word(offset)) || goroutine.id == FIRST)
        })
    };
    let mut offsets = (200..400).step_by(8).filter(fits);
    offsets.next().filter(|_| !live.is_empty() && offsets.next().is_none())
}

/// The texts of wait reasons: an array of strings whose second is `GC assist marking`. Their numbers change from
/// version to version, so they are read from the program itself.
fn reasons(memory: &Metered<'_, '_>) -> Vec<Arc<str>> {
    const SECOND: &[u8] = b"GC assist marking";
    let end = memory.size.min(super::STATIC_DATA);
    let text_at = |place: u64| {
        let (address, length) = (memory.uint(place, 8).ok()?, memory.uint(place + 8, 8).ok()?);
        if length > 64 {
            return None;
        }
        let text = String::from_utf8(memory.bytes(address, length).ok()?.into_owned()).ok()?;
        text.bytes().all(|byte| matches!(byte, b' '..=b'~')).then(|| Arc::from(text))
    };
    for text in super::pclntab::find(memory, end, SECOND).take(16) {
        let pair = [text.to_le_bytes(), (SECOND.len() as u64).to_le_bytes()].concat();
        if let Some(second) = super::pclntab::find(memory, end, &pair).next() {
            let first = second.saturating_sub(16);
            return (0..64).map_while(|nth| text_at(first + 16 * nth)).collect();
        }
    }
    Vec::new()
}

fn status_name(status: u32) -> &'static str {
    match status & !SCANNED {
        0 => "idle",
        1 => "runnable",
        RUNNING => "running",
        3 => "syscall",
        WAITING => "waiting",
        DEAD => "dead",
        8 => "copystack",
        9 => "preempted",
        _ => "leaked",
    }
}
