//! Finds what a function reads and writes through a pointer that it began with: its frame on the stack, a parameter.
//!
//! LLVM leaves out stores that nothing reads: an array in a frame may hold only those elements that a computed index
//! can reach, and debug information says that all of it is there.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use wasmparser::{MemArg, Operator};

use super::body::{Body, Watch};
use super::{Abstract, AbstractState, Question, Sum, SymbolicBase, entry, restores};
use crate::module::{Module, ValueType};
use crate::unwind::arity::arity;
use crate::unwind::stack_pointer::{RED_ZONE, may_use_below};

/// Ranges and pointers that are kept: a function with more is taken to write everything.
const KEPT: usize = 100_000;

/// Functions within each other to which an object is handed on.
const CALLS: u32 = 4;
/// Functions to which it is handed on.
const CALLEES: u32 = 20;

/// A read of memory at a place that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Read {
    /// The offset from the pointer at which it begins, in bytes.
    pub start: i64,
    /// The number of bytes that are read.
    pub size: u64,
    /// The alignment that the compiler knew of, in bytes.
    pub align: u64,
    /// True if it gives a number of floating point.
    pub float: bool,
}

/// The accesses of a function through a pointer. Offsets count from the pointer.
#[derive(Clone, Debug)]
pub struct Stores {
    /// The pointer: the stack pointer or a parameter, at entry.
    base: SymbolicBase,
    /// The global that is the stack pointer.
    pointer: Option<u32>,
    /// True if nothing is known.
    unknown: bool,
    /// The lowest place to which the stack pointer was moved by a constant. Room below was made of a size that is
    /// computed, and is written through pointers that are not followed.
    floor: i64,
    /// True if the pointer has 32 bits.
    narrow: bool,
    /// The reads at known offsets.
    reads: HashSet<Read>,
    /// Ranges that an instruction writes, and its file offset.
    written: HashSet<(i64, i64, u64)>,
    /// Ranges that an instruction reads, and its file offset.
    read: HashSet<(i64, i64, u64)>,
    /// Offsets of pointers that were computed with to read at once, and the file offset of the addition.
    indexed: HashSet<(i64, u64)>,
    /// Offsets of pointers that were computed with, or given away, and the file offset of the instruction, if it was
    /// one.
    spread: HashSet<(i64, Option<u64>)>,
    /// Pointers that are arguments: the function and the number of its parameter, the pointer's offset, the file offset
    /// of the call.
    arguments: HashSet<(u32, u32, i64, u64)>,
    /// The pointers that each local was given.
    given: HashSet<(u32, i64)>,
    /// Locals that were read where it is not known what they held.
    vague: HashSet<u32>,
}

impl Stores {
    /// The writes of a function of `module` to its room on the stack, whose pointer is the global `pointer`.
    pub fn on_stack(module: &Module<'_>, function: u32, pointer: u32) -> Option<Stores> {
        let ty = module.globals().get(pointer as usize)?.ty;
        let mut stores = Stores::from_function(module, function, Some(pointer), SymbolicBase::StackPointer, ty)?;
        if may_use_below(module, function, pointer) == Some(true) {
            stores.floor = -(RED_ZONE as i64);
        }
        Some(stores)
    }

    /// The reads and writes of an object whose address is the parameter `local`, also by functions that it is passed on
    /// to.
    pub fn through_parameter(module: &Module<'_>, function: u32, local: u32) -> Option<Stores> {
        Stores::through_argument(module, function, local, CALLS, &mut CALLEES.clone())
    }

    fn through_argument(module: &Module<'_>, function: u32, local: u32, calls: u32, left: &mut u32) -> Option<Stores> {
        let ty = *module.signature(function)?.params.get(local as usize)?;
        let mut stores = Stores::from_function(module, function, None, SymbolicBase::Parameter(local), ty)?;
        if stores.vague.contains(&local) {
            stores.spread.insert((0, None));
        }
        for (callee, argument, at, call) in std::mem::take(&mut stores.arguments) {
            let look = |left: &mut u32| {
                *left = left.checked_sub(1)?;
                let inside = Stores::through_argument(module, callee, argument, calls.checked_sub(1)?, left)?;
                inside.spread.is_empty().then_some(inside)
            };
            match look(left) {
                Some(inside) => {
                    let moved = |start: i64| start.saturating_add(at);
                    stores.written.extend(inside.written.iter().map(|&(from, to, _)| (moved(from), moved(to), call)));
                    stores.reads.extend(inside.reads().map(|read| Read { start: moved(read.start), ..read }));
                }
                None => drop(stores.spread.insert((at, Some(call)))),
            }
        }
        Some(stores)
    }

    fn from_function(
        module: &Module<'_>,
        function: u32,
        pointer: Option<u32>,
        base: SymbolicBase,
        ty: ValueType,
    ) -> Option<Stores> {
        let known: RefCell<HashMap<u32, bool>> = RefCell::default();
        let restores = |callee| match pointer {
            Some(pointer) => *known.borrow_mut().entry(callee).or_insert_with(|| restores(module, callee, pointer)),
            None => true,
        };
        let question = Question { pointer, ..Question::new(module, function) };
        let mut stores = Stores {
            base,
            pointer,
            unknown: false,
            floor: 0,
            narrow: ty == ValueType::I32,
            reads: HashSet::new(),
            written: HashSet::new(),
            read: HashSet::new(),
            indexed: HashSet::new(),
            spread: HashSet::new(),
            arguments: HashSet::new(),
            given: HashSet::new(),
            vague: HashSet::new(),
        };
        let mut body = Body::new(&question, module.operators(function)?, &restores);
        body.watch = Some(&mut stores);
        body.run(entry(&question)?, module.signature(function)?.results.len())?;
        let vague = stores.given.iter().filter(|(local, _)| stores.vague.contains(local)).map(|(_, at)| (*at, None));
        let vague: Vec<(i64, Option<u64>)> = vague.collect();
        stores.spread.extend(vague);
        (!stores.unknown).then_some(stores)
    }

    /// The parts of an object of `size` bytes, as ranges in it, that instructions write; `None` where one may that was
    /// not seen to.
    pub fn written(&self, start: i64, size: u64) -> Option<Vec<(u64, u64)>> {
        self.written_by(start, size, |_| true)
    }

    /// The parts of an object that [`Stores::written`] gives, counting only the instructions for whose file offset
    /// `counts` holds: what others do with a pointer is not seen either.
    pub fn written_by(&self, start: i64, size: u64, counts: impl Fn(u64) -> bool) -> Option<Vec<(u64, u64)>> {
        let end = start.checked_add(i64::try_from(size).ok()?)?;
        let around = start..=end;
        let below = self.base == SymbolicBase::StackPointer && start < self.floor;
        let is_spread = |(at, by): &(i64, Option<u64>)| around.contains(at) && by.is_none_or(&counts);
        if below || self.spread.iter().any(is_spread) {
            return None;
        }
        let inside = self.writes_to(start, size).into_iter().filter(|&(.., at)| counts(at));
        Some(inside.map(|(from, to, _)| (from, to)).collect())
    }

    /// Returns the parts of an object that instructions write, as ranges in it, and the file offset of each instruction.
    pub fn writes_to(&self, start: i64, size: u64) -> Vec<(u64, u64, u64)> {
        within(&self.written, start, size)
    }

    /// Returns the parts of an object that instructions read, as ranges in it, and the file offset of each instruction.
    pub fn reads_of(&self, start: i64, size: u64) -> Vec<(u64, u64, u64)> {
        within(&self.read, start, size)
    }

    /// Returns the file offsets of calls that a pointer to an object is passed to.
    pub fn passed(&self, start: i64, size: u64) -> Vec<u64> {
        let inside = start..start.saturating_add_unsigned(size);
        self.arguments.iter().filter(|(_, _, at, _)| inside.contains(at)).map(|argument| argument.3).collect()
    }

    /// Returns the file offsets of instructions that may read any part of an object on the stack: calls that it is
    /// passed to, reads at places that are computed. `None` if others may as well, through pointers that are not
    /// followed.
    pub fn vague_reads(&self, module: &Module<'_>, start: i64, size: u64) -> Option<Vec<u64>> {
        let end = start.checked_add(i64::try_from(size).ok()?)?;
        if self.unknown || start < self.floor {
            return None;
        }
        let mut reads: Vec<u64> =
            self.indexed.iter().filter(|(at, _)| (start..=end).contains(at)).map(|(_, by)| *by).collect();
        for &(at, by) in self.spread.iter().filter(|(at, _)| (start..=end).contains(at)) {
            let by = by?;
            let mut passed = self.arguments.iter().filter(|argument| (argument.2, argument.3) == (at, by)).peekable();
            passed.peek()?;
            let forgets = |&(callee, nth, ..): &(u32, u32, i64, u64)| {
                Stores::through_parameter(module, callee, nth).is_some_and(|inside| inside.spread.is_empty())
            };
            // An object of which the end is passed is not the one that the pointer leads to.
            if at < end {
                passed.all(forgets).then_some(())?;
                reads.push(by);
            }
        }
        Some(reads)
    }

    /// Returns the reads at known offsets.
    pub fn reads(&self) -> impl Iterator<Item = Read> {
        self.reads.iter().copied()
    }

    /// Returns the offset at which the bytes end that are read.
    pub fn read_end(&self) -> Option<i64> {
        self.reads().map(|read| read.start.saturating_add_unsigned(read.size)).max()
    }

    /// Returns the offset of a pointer from `base`; `None` for any other value.
    fn offset_of(&self, value: Abstract) -> Option<i64> {
        let Sum { base, constant } = value?;
        if base != self.base {
            return None;
        }
        Some(if self.narrow { i64::from(constant as u32 as i32) } else { constant as i64 })
    }

    fn spread(&mut self, value: Abstract, offset: u64) {
        self.spread.extend(self.offset_of(value).map(|at| (at, Some(offset))));
    }
}

/// Returns those of the ranges with file offsets that are in an object of `size` bytes from `start` on, counted from there,
/// in order.
fn within(ranges: &HashSet<(i64, i64, u64)>, start: i64, size: u64) -> Vec<(u64, u64, u64)> {
    let end = start.saturating_add_unsigned(size);
    let inside = ranges.iter().filter(|(from, to, _)| *from < end && *to > start);
    let inside = inside.map(|&(from, to, at)| ((from.max(start) - start) as u64, (to.min(end) - start) as u64, at));
    let mut inside: Vec<(u64, u64, u64)> = inside.collect();
    inside.sort_unstable();
    inside
}

/// Returns the ranges of an object of `size` bytes that are outside of these parts of it, which are in order.
pub fn beside(parts: &[(u64, u64)], size: u64) -> Vec<(u64, u64)> {
    let (mut holes, mut at) = (Vec::new(), 0);
    for &(from, to) in parts.iter().chain([&(size, size)]) {
        if from > at {
            holes.push((at, from));
        }
        at = at.max(to);
    }
    holes
}

impl Watch for Stores {
    fn note(
        &mut self,
        now: &AbstractState,
        operator: &Operator<'_>,
        next: Option<&Operator<'_>>,
        carried: usize,
        module: &Module<'_>,
        offset: u64,
    ) {
        let operand = |depth: usize| {
            let at = now.operands.len().checked_sub(depth + 1);
            at.and_then(|at| now.operands[at])
        };
        if self.base == SymbolicBase::StackPointer {
            self.unknown |= now.stack_pointer.is_none();
            self.floor = self.offset_of(now.stack_pointer).map_or(self.floor, |at| self.floor.min(at));
        }
        self.unknown |= self.written.len().max(self.spread.len()).max(self.read.len()).max(self.indexed.len()) > KEPT;
        match operator {
            Operator::LocalGet { local_index } => {
                if now.locals.get(*local_index as usize).is_none_or(Option::is_none) {
                    self.vague.insert(*local_index);
                }
            }
            Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                self.given.extend(self.offset_of(operand(0)).map(|at| (*local_index, at)));
            }
            Operator::GlobalSet { global_index } if self.pointer == Some(*global_index) => {}
            Operator::Drop | Operator::Nop => {}
            // A frame that is aligned is elsewhere.
            Operator::I32And | Operator::I64And => {
                self.unknown |= self.offset_of(operand(0)).or(self.offset_of(operand(1))).is_some();
            }
            // A constant whose bits are free is added so.
            Operator::I32Or | Operator::I64Or => {
                for (pointer, added) in [(operand(1), operand(0)), (operand(0), operand(1))] {
                    let constant =
                        added.filter(|added| added.base == SymbolicBase::Zero).map_or(0, |added| added.constant);
                    let moved = pointer.map(|sum| Sum { constant: sum.constant.wrapping_add(constant), ..sum });
                    self.spread(pointer, offset);
                    self.spread(moved, offset);
                }
            }
            Operator::I32Add | Operator::I32Sub | Operator::I64Add | Operator::I64Sub => {
                let (right, left) = (operand(0), operand(1));
                let fixed = |value: Abstract| value.is_some_and(|value| value.base == SymbolicBase::Zero);
                let read = next.and_then(read_at);
                for pointer in [left, right] {
                    match read {
                        _ if fixed(right) || fixed(left) => {}
                        Some((to, _)) => {
                            let moved = |at: i64| (at.saturating_add_unsigned(to.offset), offset);
                            self.indexed.extend(self.offset_of(pointer).map(moved));
                        }
                        None => self.spread(pointer, offset),
                    }
                }
            }
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } | Operator::Return => {}
            Operator::Call { function_index } => {
                let takes = module.signature(*function_index).map_or(0, |signature| signature.params.len());
                for nth in 0..takes {
                    if let Some(at) = self.offset_of(operand(takes - 1 - nth)) {
                        self.arguments.insert((*function_index, nth as u32, at, offset));
                        if self.base == SymbolicBase::StackPointer {
                            self.spread(operand(takes - 1 - nth), offset);
                        }
                    }
                }
            }
            Operator::End | Operator::Else | Operator::Br { .. } | Operator::BrIf { .. } | Operator::BrTable { .. } => {
                let skipped = usize::from(matches!(operator, Operator::BrIf { .. } | Operator::BrTable { .. }));
                (0..carried).for_each(|nth| self.spread(operand(nth + skipped), offset));
            }
            other => {
                if let Some((at, size)) = write_at(other) {
                    self.spread(operand(0), offset);
                    if let Some(start) = self.offset_of(operand(1)) {
                        let start = start.saturating_add_unsigned(at.offset);
                        self.written.insert((start, start.saturating_add_unsigned(size), offset));
                    }
                } else if let Some((at, size)) = read_at(other) {
                    if let Some(start) = self.offset_of(operand(0)) {
                        let start = start.saturating_add_unsigned(at.offset);
                        let float = matches!(other, Operator::F32Load { .. } | Operator::F64Load { .. });
                        self.reads.insert(Read { start, size, align: 1 << at.align.min(7), float });
                        self.read.insert((start, start.saturating_add_unsigned(size), offset));
                    }
                } else {
                    match arity(module, other) {
                        Some((takes, _)) => (0..takes).for_each(|nth| self.spread(operand(nth), offset)),
                        None => self.unknown |= !is_plain(other),
                    }
                }
            }
        }
    }
}

/// Returns true if it is an instruction of control that takes no pointer to the stack.
fn is_plain(operator: &Operator<'_>) -> bool {
    matches!(operator, Operator::Unreachable)
}

/// Returns the address operand of a load, and how many bytes it reads.
pub fn read_at(operator: &Operator<'_>) -> Option<(MemArg, u64)> {
    use Operator as O;
    Some(match *operator {
        O::I32Load8S { memarg } | O::I32Load8U { memarg } | O::I64Load8S { memarg } | O::I64Load8U { memarg } => {
            (memarg, 1)
        }
        O::I32Load16S { memarg } | O::I32Load16U { memarg } | O::I64Load16S { memarg } | O::I64Load16U { memarg } => {
            (memarg, 2)
        }
        O::I32Load { memarg } | O::F32Load { memarg } | O::I64Load32S { memarg } | O::I64Load32U { memarg } => {
            (memarg, 4)
        }
        O::I64Load { memarg } | O::F64Load { memarg } => (memarg, 8),
        O::V128Load { memarg } => (memarg, 16),
        _ => return None,
    })
}

/// Returns the address operand of a store, and how many bytes it writes.
pub fn write_at(operator: &Operator<'_>) -> Option<(MemArg, u64)> {
    use Operator as O;
    Some(match *operator {
        O::I32Store8 { memarg } | O::I64Store8 { memarg } => (memarg, 1),
        O::I32Store16 { memarg } | O::I64Store16 { memarg } => (memarg, 2),
        O::I32Store { memarg } | O::F32Store { memarg } | O::I64Store32 { memarg } => (memarg, 4),
        O::I64Store { memarg } | O::F64Store { memarg } => (memarg, 8),
        O::V128Store { memarg } => (memarg, 16),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts of an object of 16 bytes at the bottom of a frame of 64 that are not written; local 1 is the frame.
    fn unwritten(body: &str) -> Option<Vec<(u64, u64)>> {
        let text = format!(
            "(module (global (mut i32) (i32.const 0)) (memory 1) (func $take (param i32))
            (func (param i32) (local i32 i32) (global.set 0 (local.tee 1 (i32.sub (global.get 0) (i32.const 64)))) {body}
            (global.set 0 (i32.add (local.get 1) (i32.const 64)))))"
        );
        let bytes = wat::parse_str(text).unwrap();
        let written = Stores::on_stack(&Module::parse(&bytes).unwrap(), 1, 0)?.written(-64, 16)?;
        Some(beside(&written, 16))
    }

    /// Returns the parts that a function writes of the object of 12 bytes that is its parameter.
    fn given(body: &str) -> Option<Vec<(u64, u64)>> {
        let text = format!(
            "(module (import \"host\" \"take\" (func (param i32))) (memory 1)
            (func (param i32)) (func (param i32) (i32.store offset=4 (local.get 0) (i32.const 1)))
            (func $on (param i32) (call $on (local.get 0))) (func (param i32) (local i32) {body}))"
        );
        let bytes = wat::parse_str(text).unwrap();
        let stores = Stores::through_parameter(&Module::parse(&bytes).unwrap(), 4, 0)?;
        stores.read_end().filter(|end| *end <= 12)?;
        stores.written(0, 12)
    }

    #[test]
    fn of_an_object_that_is_passed_the_parts_are_told_that_change() {
        let read =
            "(drop (i32.load offset=4 (local.get 0))) (drop (i64.load16_u (i32.add (local.get 0) (i32.const 8))))";
        assert_eq!(given(read), Some(vec![]));
        assert_eq!(given(&format!("{read} (i32.store offset=4 (local.get 0) (i32.const 1))")), Some(vec![(4, 8)]));
        // It holds another address then, on one path or on both.
        let other = "(local.set 0 (i32.const 8)) (i32.store (local.get 0) (i32.const 1))";
        assert_eq!(given(&format!("{read} {other}")), Some(vec![]));
        let both = "(if (local.get 1) (then (local.set 0 (i32.const 8))) (else (local.set 0 (i32.const 9))))";
        assert_eq!(given(&format!("{read} {both} (drop (i32.load (i32.mul (local.get 0) (i32.const 2))))")), None);
        let one = "(if (local.get 1) (then (local.set 0 (i32.const 8)))) (i32.store (local.get 0) (i32.const 1))";
        assert_eq!(given(&format!("{read} {one}")), None);
        for body in ["", "(drop (i64.load offset=8 (local.get 0)))"] {
            assert_eq!(given(body), None, "{body}");
        }
        // Accesses in a called function count, as far as its code is seen.
        assert_eq!(given(&format!("{read} (call 1 (local.get 0))")), Some(vec![]));
        assert_eq!(given(&format!("{read} (call 2 (i32.add (local.get 0) (i32.const 4)))")), Some(vec![(8, 12)]));
        assert_eq!(given(&format!("{read} (call 0 (local.get 0))")), None, "a function of the host");
        assert_eq!(given(&format!("{read} (call 3 (local.get 0))")), None, "it hands it on without an end");
    }

    #[test]
    fn a_frame_of_a_function_that_calls_nothing_is_below_the_stack_pointer() {
        let frame = |end: &str| {
            let text = format!(
                "(module (global (mut i32) (i32.const 0)) (memory 1)
                (func (local i32) (local.set 0 (i32.sub (global.get 0) (i32.const 64)))
                (i32.store offset=4 (local.get 0) (i32.const 7)) (drop (i32.load offset=8 (local.get 0))) {end}))"
            );
            let bytes = wat::parse_str(text).unwrap();
            let stores = Stores::on_stack(&Module::parse(&bytes).unwrap(), 0, 0).unwrap();
            assert!(stores.reads_of(-64, 16).iter().all(|&(from, to, _)| (from, to) == (8, 12)));
            stores.written(-64, 16)
        };
        assert_eq!(frame(""), Some(vec![(4, 8)]));
        assert_eq!(frame("(global.set 0 (local.get 0))"), Some(vec![(4, 8)]));
        assert_eq!(frame("(global.set 0 (i32.const 8))"), None, "its frame is elsewhere");
    }

    /// Returns the number of instructions that may read any part of an object of 16 bytes at the bottom of a frame.
    fn vague(body: &str) -> Option<usize> {
        let text = format!(
            "(module (global (mut i32) (i32.const 0)) (memory 1)
            (func $read (param i32) (drop (i32.load offset=4 (local.get 0))))
            (func $keep (param i32) (i32.store (i32.const 8) (local.get 0)))
            (func (param i32) (local i32) (global.set 0 (local.tee 1 (i32.sub (global.get 0) (i32.const 64)))) {body}
            (global.set 0 (i32.add (local.get 1) (i32.const 64)))))"
        );
        let bytes = wat::parse_str(text).unwrap();
        let module = Module::parse(&bytes).unwrap();
        Some(Stores::on_stack(&module, 2, 0)?.vague_reads(&module, -64, 16)?.len())
    }

    #[test]
    fn what_reads_an_object_without_saying_which_part() {
        assert_eq!(vague("(drop (i32.load offset=4 (local.get 1)))"), Some(0));
        assert_eq!(vague("(drop (i32.load offset=4 (i32.add (local.get 1) (local.get 0))))"), Some(1), "an index");
        assert_eq!(vague("(call $read (local.get 1))"), Some(1));
        assert_eq!(vague("(call $read (i32.add (local.get 1) (i32.const 16)))"), Some(0), "the next object");
        for body in [
            "(call $keep (local.get 1))",
            "(i32.store (i32.const 8) (local.get 1))",
            "(local.set 1 (i32.add (local.get 1) (local.get 0)))",
        ] {
            assert_eq!(vague(body), None, "{body}");
        }
    }

    const ONE: &str = "(i32.store offset=4 (local.get 1) (i32.const 7))";

    #[test]
    fn what_no_instruction_writes_is_told() {
        assert_eq!(unwritten(""), Some(vec![(0, 16)]));
        assert_eq!(unwritten(ONE), Some(vec![(0, 4), (8, 16)]));
        // A computed index that is only read with changes nothing.
        let read = "(drop (i32.load8_u offset=4 (i32.add (local.get 1) (local.get 0))))";
        assert_eq!(unwritten(&format!("{ONE} {read}")), Some(vec![(0, 4), (8, 16)]));
        let all = "(i64.store (local.get 1) (i64.const 1)) (i64.store offset=8 (local.get 1) (i64.const 1))";
        assert_eq!(unwritten(all), Some(vec![]));
        // Another object's address says nothing of this one.
        assert_eq!(
            unwritten(&format!("{ONE} (call 0 (i32.add (local.get 1) (i32.const 48)))")),
            Some(vec![(0, 4), (8, 16)])
        );
    }

    #[test]
    fn what_may_be_written_through_a_pointer_is_not_told() {
        for body in [
            "(call 0 (local.get 1))",
            "(call 0 (i32.add (local.get 1) (i32.const 8)))",
            "(i32.store (i32.add (local.get 1) (local.get 0)) (i32.const 1))",
            "(i32.store (i32.const 8) (local.get 1))",
            "(local.set 2 (i32.add (local.get 1) (local.get 0))) (i32.store (local.get 2) (i32.const 1))",
            "(if (local.get 0) (then (local.set 2 (local.get 1)))) (i32.store (local.get 2) (i32.const 1))",
            "(i32.store (block (result i32) (local.get 1)) (i32.const 1))",
            "(i32.store (select (local.get 1) (i32.const 8) (local.get 0)) (i32.const 1))",
            "(i32.store (i32.or (local.get 1) (i32.const 8)) (i32.const 1))",
            "(memory.fill (local.get 1) (i32.const 0) (i32.const 16))",
            "(loop (local.set 2 (local.get 1)) (i32.store (local.get 2) (i32.const 1))
                (local.set 2 (i32.add (local.get 2) (local.get 0))) (i32.store (local.get 2) (i32.const 1)) (br_if 0 (local.get 0)))",
            "(local.set 2 (i32.and (local.get 1) (i32.const -16))) (i32.store (local.get 2) (i32.const 1))",
        ] {
            assert_eq!(unwritten(body), None, "{body}");
        }
    }
}
