//! Finds parts of objects in the frame that loops keep in locals, while memory has what they were before.
//!
//! LLVM moves the members of a structure to locals as long as a loop runs (`LICM.cpp`, `promoteLoopAccessesToScalars`),
//! and stores them behind it, unless nothing reads them from memory any more (`DeadStoreElimination.cpp`). Structures
//! that are passed by value are split in the same way. Their debug information goes on to say that they are in memory.

use std::ops::Range;

use wasmparser::Operator;

use super::frame::FrameContext;
use crate::limits::Steps;
use crate::module::constant_bits;
use crate::unwind::paths::Paths;
use crate::unwind::writes::{Pushed, Writes};
use crate::unwind::{Stores, arity};

/// The most accesses to one variable that are looked at.
const PARTS: usize = 100;

/// Instructions that are looked at on the ways from one to another.
const AROUND: usize = 10_000;

/// Steps of work that such a search counts as.
const STEPS: usize = 500;

/// Writes of a local in a loop.
const WRITES: usize = 20;

/// Instructions that compute one value.
const VALUE: usize = 30;

/// Locals that were given the same value.
const SAME: usize = 50;

/// A part of an object, and the file offset of an instruction that reads or writes it.
type Access = (u64, u64, u64);

/// What a function does with an object in its frame.
struct FrameObject<'o> {
    /// The ways through the function.
    paths: &'o Paths,
    /// The instructions that write its locals.
    writes: &'o Writes,
    /// The file offset of the instruction at which the frame stands.
    here: u64,
    /// The parts that are read.
    reads: Vec<Access>,
    /// The parts that are written.
    stored: Vec<Access>,
    /// The file offsets of the calls to which the object's address is passed.
    passed: Vec<u64>,
    /// The work that is left.
    steps: &'o Steps,
}

impl FrameObject<'_> {
    /// Returns true if a loop around the frame's instruction begins after the instructions at `set` and `at`, changes a
    /// part of the object that is in the local which that at `set` writes, and leaves alone the part in memory, which
    /// that at `at` reads or writes.
    fn is_promoted(&self, local: u32, set: u64, (from, to, at): Access) -> bool {
        let over = |offset: u64| self.writes.writes(local, offset);
        let begun = |around: &&Range<u64>| around.start > set.max(at) && !self.is_accessed(around, (from, to));
        let mut loops = self.writes.loops_around(self.here).filter(begun);
        loops.any(|around| self.is_carried(local, around) && self.paths.leads(set, &[around.start], AROUND, over))
    }

    /// Returns true if a loop changes a local and reads the new value in its next turn.
    fn is_carried(&self, local: u32, around: &Range<u64>) -> bool {
        let over = |offset: u64| self.writes.writes(local, offset);
        let next = |write: u64| self.writes.next(local, write + 1).filter(|write| around.contains(write));
        let first = self.writes.next(local, around.start).filter(|write| around.contains(write));
        let mut writes = std::iter::successors(first, |&write| next(write)).take(WRITES);
        writes.any(|write| self.steps.spend(STEPS) && self.paths.leads(write, &[around.start], AROUND, over))
            && self.paths.leads(around.start, self.writes.reads(local), AROUND, over)
    }

    /// Returns true if a loop writes to a part of the object, or passes the object's address to a function.
    fn is_accessed(&self, around: &Range<u64>, part: (u64, u64)) -> bool {
        self.stored.iter().any(|write| overlap(write, part) && around.contains(&write.2))
            || self.passed.iter().any(|call| around.contains(call))
    }

    /// Returns true if a part may be read from memory after the frame's instruction, before it is written: then its value
    /// is there.
    fn is_read(&self, part: (u64, u64)) -> bool {
        let reads: Vec<u64> = self.reads.iter().filter(|read| overlap(read, part)).map(|read| read.2).collect();
        let covers = |&(first, last, at): &Access, offset: u64| at == offset && first <= part.0 && last >= part.1;
        let over = |offset: u64| self.stored.iter().any(|write| covers(write, offset));
        !self.steps.spend(STEPS) || reads.contains(&self.here) || self.paths.may_lead(self.here, &reads, AROUND, over)
    }
}

impl FrameContext<'_, '_> {
    /// Returns the parts of an object in the frame, which begins at `start` from the stack pointer at entry, that a loop
    /// around the instruction at file offset `here` keeps in locals.
    pub(super) fn kept_by_loop(&self, stores: &Stores, (start, size): (i64, u64), here: u64) -> Vec<(u64, u64)> {
        let find = || {
            let (paths, writes) = (self.paths()?, self.writes()?);
            writes.loops_around(here).next()?;
            let (reads, stored, passed) =
                (stores.reads_of(start, size), stores.writes_to(start, size), stores.passed(start, size));
            let object = FrameObject { paths, writes, here, reads, stored, passed, steps: &self.steps };
            let loaded = object.reads.iter().take(PARTS).filter(|read| self.is_loaded_before(&object, **read));
            let behind = object.stored.iter().take(PARTS).filter(|write| self.is_stored_behind(&object, **write));
            let mut parts: Vec<(u64, u64)> = loaded.chain(behind).map(|&(from, to, _)| (from, to)).collect();
            let vague = stores.vague_reads(self.binary.module(), start, size);
            let seen = |vague: &Vec<u64>| !vague.contains(&here) && !paths.may_lead(here, vague, AROUND, |_| false);
            if vague.is_some_and(|vague| seen(&vague)) {
                let written = object.stored.iter().take(PARTS);
                parts.extend(written.flat_map(|write| self.stored_before(&object, *write)));
            }
            parts.retain(|part| !object.is_read(*part));
            Some(parts)
        };
        find().unwrap_or_default()
    }

    /// Returns true if an instruction reads a part of an object to a local before the loop.
    fn is_loaded_before(&self, object: &FrameObject<'_>, (from, to, at): Access) -> bool {
        let set = object.paths.after(at);
        match set.and_then(|set| Some((set, self.binary.module().operator_at(set)?))) {
            Some((set, Operator::LocalSet { local_index } | Operator::LocalTee { local_index })) => {
                object.is_promoted(local_index, set, (from, to, at))
            }
            _ => false,
        }
    }

    /// Returns true if an instruction behind the loop writes a part of an object, and computes its value from a local that
    /// the loop changes.
    fn is_stored_behind(&self, object: &FrameObject<'_>, (from, to, at): Access) -> bool {
        let changes = |local: u32, around: &Range<u64>| {
            object.writes.next(local, around.start).is_some_and(|write| around.contains(&write))
        };
        let ended = |around: &&Range<u64>| !around.contains(&at) && !object.is_accessed(around, (from, to));
        let used = if at > object.here { self.used_by(object.paths, at) } else { Vec::new() };
        let mut loops = object.writes.loops_around(object.here).filter(ended);
        loops.any(|around| used.iter().any(|&local| changes(local, around)))
    }

    /// Returns the locals from which the instruction at a file offset takes its last operand.
    fn used_by(&self, paths: &Paths, at: u64) -> Vec<u32> {
        let (module, mut at, mut missing, mut used) = (self.binary.module(), at, 1, Vec::new());
        for _ in 0..VALUE {
            let Some((before, operator)) =
                paths.in_front(at).and_then(|before| Some((before, module.operator_at(before)?)))
            else {
                break;
            };
            if let Operator::LocalGet { local_index } = operator {
                used.push(local_index);
            }
            let Some((takes, gives)) = arity(module, &operator).filter(|(_, gives)| *gives <= missing) else { break };
            missing = missing - gives + takes;
            if missing == 0 {
                break;
            }
            at = before;
        }
        used
    }

    /// Returns the parts that an instruction before the loop writes, if a local begins with the same value there, which
    /// the loop changes.
    fn stored_before(&self, object: &FrameObject<'_>, (from, to, at): Access) -> Vec<(u64, u64)> {
        let value = object.paths.in_front(at).and_then(|before| self.binary.module().operator_at(before));
        let given = |value: &Pushed, (from, to): (u64, u64)| {
            let mut same = object.writes.given(value).iter().filter(|(_, local)| self.fits(*local, to - from));
            let own = if let Pushed::Local(local) = *value { Some((at, local)) } else { None };
            let mut all = own.iter().chain(same.by_ref().take(SAME));
            all.any(|&(set, local)| object.is_promoted(local, set, (from, to, at)))
        };
        let mut parts: Vec<(u64, u64, Pushed)> = Vec::new();
        match value {
            Some(Operator::LocalGet { local_index } | Operator::LocalTee { local_index }) => {
                parts.push((from, to, Pushed::Local(local_index)));
            }
            Some(other) => {
                if let Some(bits) = constant_bits(&other) {
                    parts.push((from, to, Pushed::Constant(bits)));
                    // Two members are written at once.
                    if let half @ (2 | 4) = (to - from) / 2 {
                        let mask = (1 << (half * 8)) - 1;
                        parts.push((from, from + half, Pushed::Constant(bits & mask)));
                        parts.push((from + half, to, Pushed::Constant(bits >> (half * 8) & mask)));
                    }
                }
            }
            None => {}
        }
        let kept = parts.into_iter().filter(|(from, to, value)| given(value, (*from, *to)));
        kept.map(|(from, to, _)| (from, to)).collect()
    }

    /// Returns true if a local is as large as one that holds a number of `size` bytes.
    fn fits(&self, local: u32, size: u64) -> bool {
        self.recovered.width(local).is_none_or(|width| width as u64 == size.max(4))
    }
}

/// Returns true if an access touches a part of the object.
fn overlap(&(first, last, _): &Access, (from, to): (u64, u64)) -> bool {
    first < to && last > from
}
