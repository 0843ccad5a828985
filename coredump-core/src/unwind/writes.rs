//! Finds the instructions of a function that write its locals, and those that write globals.
//!
//! LLVM lets variables that are no longer used share a local with others, and goes on to say that the old variable is
//! there. A location is believed as long as nothing wrote the local since the location began.

use std::collections::HashMap;
use std::ops::Range;

use wasmparser::Operator;

use super::arity::arity;
use super::moved::bounds_straight_code;
use crate::module::{Module, constant_bits};

/// A value that a local is given as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pushed {
    /// The bits of a constant.
    Constant(u64),
    /// The value of another local.
    Local(u32),
}

impl Pushed {
    /// Returns the value that an instruction pushes.
    fn from_operator(operator: &Operator<'_>) -> Option<Pushed> {
        match operator {
            Operator::LocalGet { local_index } => Some(Pushed::Local(*local_index)),
            other => constant_bits(other).map(Pushed::Constant),
        }
    }
}

/// The writes of one function. Offsets are file offsets in the module.
#[derive(Debug, Default)]
pub struct Writes {
    parameters: u32,
    by_local: HashMap<u32, Vec<u64>>,
    /// The offsets at which the instructions that write each local end, in the same order.
    ends: HashMap<u32, Vec<u64>>,
    /// The instructions that read each local.
    reads: HashMap<u32, Vec<u64>>,
    by_global: HashMap<u32, Vec<u64>>,
    /// Locals to which a constant is added in place, and where.
    counters: HashMap<u32, Vec<u64>>,
    /// Locals that are given the sum of a local and a constant, and where.
    sums: HashMap<u32, Vec<u64>>,
    /// The instructions that give each value to a local, and that local.
    given: HashMap<Pushed, Vec<(u64, u32)>>,
    /// The file offsets at which instructions end that leave a value on the operand stack, in order.
    values: Vec<u64>,
    loops: Vec<Range<u64>>,
    /// The instructions that call.
    calls: Vec<u64>,
}

impl Writes {
    /// Reads a function's body; `None` when it is damaged.
    pub fn from_function(module: &Module<'_>, function: u32) -> Option<Writes> {
        let parameters = module.signature(function)?.params.len() as u32;
        let mut writes = Writes { parameters, ..Writes::default() };
        let mut operators = module.operators(function)?;
        let mut open: Vec<Option<u64>> = Vec::new();
        let (mut sum, mut pushed) = (AdditionProgress::default(), None);
        while !operators.eof() {
            let offset = operators.original_position() as u64;
            let operator = operators.read().ok()?;
            if !bounds_straight_code(&operator) && arity(module, &operator).is_some_and(|(_, gives)| gives > 0) {
                writes.values.push(operators.original_position() as u64);
            }
            sum.follow(&operator);
            let next = Pushed::from_operator(&operator);
            match operator {
                Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                    if matches!(sum, AdditionProgress::Of(_)) {
                        writes.sums.entry(local_index).or_default().push(offset);
                    }
                    if sum == AdditionProgress::Of(local_index) {
                        writes.counters.entry(local_index).or_default().push(offset);
                    }
                    if let Some(value) = pushed {
                        writes.given.entry(value).or_default().push((offset, local_index));
                    }
                    writes.by_local.entry(local_index).or_default().push(offset);
                    writes.ends.entry(local_index).or_default().push(operators.original_position() as u64);
                }
                Operator::LocalGet { local_index } => writes.reads.entry(local_index).or_default().push(offset),
                Operator::GlobalSet { global_index } => {
                    writes.by_global.entry(global_index).or_default().push(offset);
                }
                Operator::Call { .. } | Operator::CallIndirect { .. } | Operator::CallRef { .. } => {
                    writes.calls.push(offset);
                }
                Operator::Loop { .. } => open.push(Some(offset)),
                Operator::Block { .. } | Operator::If { .. } | Operator::Try { .. } | Operator::TryTable { .. } => {
                    open.push(None);
                }
                Operator::End | Operator::Delegate { .. } => {
                    if let Some(Some(start)) = open.pop() {
                        writes.loops.push(start..offset);
                    }
                }
                _ => {}
            }
            pushed = next;
        }
        Some(writes)
    }

    /// Counts the values that a local gets: one when the function is entered, for a parameter, and one at each write.
    pub fn values(&self, local: u32) -> usize {
        let written = self.by_local.get(&local).map_or(0, Vec::len);
        written + usize::from(local < self.parameters)
    }

    /// Returns true if a local is one of the function's parameters.
    pub fn is_parameter(&self, local: u32) -> bool {
        local < self.parameters
    }

    /// Returns true if a loop around `at` adds a constant to a local.
    pub fn counts(&self, local: u32, at: u64) -> bool {
        let counts = |write: &u64| self.loops.iter().any(|around| around.contains(write) && around.contains(&at));
        self.counters.get(&local).is_some_and(|writes| writes.iter().any(counts))
    }

    /// Returns true if a loop begins between two offsets.
    pub fn has_loop(&self, between: &Range<u64>) -> bool {
        self.loops.iter().any(|around| between.contains(&around.start))
    }

    /// Returns true if an instruction between two offsets, or at the second, calls a function.
    pub fn has_call(&self, between: &Range<u64>) -> bool {
        self.calls.iter().any(|call| between.contains(call) || *call == between.end)
    }

    /// Returns all loops.
    pub fn loops(&self) -> impl Iterator<Item = &Range<u64>> {
        self.loops.iter()
    }

    /// Returns the loops around an instruction.
    pub fn loops_around(&self, at: u64) -> impl Iterator<Item = &Range<u64>> {
        self.loops.iter().filter(move |around| around.contains(&at))
    }

    /// The innermost loop around both of two instructions.
    pub fn loop_around(&self, one: u64, other: u64) -> Option<&Range<u64>> {
        let around = self.loops.iter().filter(|around| around.contains(&one) && around.contains(&other));
        around.min_by_key(|around| around.end - around.start)
    }

    /// Returns the start of the instruction that ends at `end`, if it gives a local the sum of a local and a constant in a
    /// loop, and the loops around it, innermost first.
    pub fn counted(&self, local: u32, end: u64) -> Option<(u64, Vec<&Range<u64>>)> {
        let write = self.start(local, end)?;
        self.sums.get(&local)?.binary_search(&write).ok()?;
        let mut loops: Vec<&Range<u64>> = self.loops.iter().filter(|around| around.contains(&write)).collect();
        loops.sort_by_key(|around| around.end - around.start);
        (!loops.is_empty()).then_some((write, loops))
    }

    /// Returns true if the instruction at an offset writes a local.
    pub fn writes(&self, local: u32, at: u64) -> bool {
        self.by_local.get(&local).is_some_and(|writes| writes.binary_search(&at).is_ok())
    }

    /// Returns the instructions that give a value as it is to a local: the file offset, the local.
    pub fn given(&self, value: &Pushed) -> &[(u64, u32)] {
        self.given.get(value).map_or(&[], Vec::as_slice)
    }

    /// Returns where the instruction at an offset that writes a local ends.
    pub fn end(&self, local: u32, at: u64) -> Option<u64> {
        let index = self.by_local.get(&local)?.binary_search(&at).ok()?;
        self.ends.get(&local)?.get(index).copied()
    }

    /// Returns where the instruction that writes a local and ends at `end` begins.
    pub fn start(&self, local: u32, end: u64) -> Option<u64> {
        let index = self.ends.get(&local)?.binary_search(&end).ok()?;
        self.by_local.get(&local)?.get(index).copied()
    }

    /// Returns the offsets of the instructions that read a local.
    pub fn reads(&self, local: u32) -> &[u64] {
        self.reads.get(&local).map_or(&[], Vec::as_slice)
    }

    /// Returns the offset of the first instruction from `at` on that writes a local.
    pub fn next(&self, local: u32, at: u64) -> Option<u64> {
        let writes = self.by_local.get(&local)?;
        writes.get(writes.partition_point(|&write| write < at)).copied()
    }

    /// Returns true if the instruction that ends at `end` writes a local.
    pub fn defines(&self, local: u32, end: u64) -> bool {
        self.ends.get(&local).is_some_and(|ends| ends.binary_search(&end).is_ok())
    }

    /// Returns true if the instruction that ends at `end` leaves a value on the operand stack.
    pub fn leaves_value(&self, end: u64) -> bool {
        self.values.binary_search(&end).is_ok()
    }

    /// Counts the writes of a global that may have come before `at`: those in the code before, and those after it in a
    /// loop around both.
    pub fn global_before(&self, global: u32, at: u64) -> usize {
        let Some(writes) = self.by_global.get(&global) else { return 0 };
        let again = |write: u64| self.loops.iter().any(|around| around.contains(&write) && around.contains(&at));
        writes.iter().filter(|&&write| write < at || again(write)).count()
    }

    /// Returns true if a local still holds at `at` the value that it had when the location of this `range` began: no
    /// write came before, nor after in a loop around both.
    pub fn unchanged(&self, local: u32, range: &Range<u64>, at: u64) -> bool {
        let Some(writes) = self.by_local.get(&local) else { return true };
        let from = writes.partition_point(|&write| write < range.start);
        writes[from..].iter().take_while(|&&write| write < range.end).all(|&write| {
            let again = || self.loops.iter().any(|around| around.contains(&write) && around.contains(&at));
            write >= at && !again()
        })
    }
}

/// The progress of the last instructions in adding a constant to a local.
#[derive(Debug, Default, PartialEq)]
enum AdditionProgress {
    #[default]
    Nothing,
    Local(u32),
    Constant(u32),
    Of(u32),
}

impl AdditionProgress {
    fn follow(&mut self, operator: &Operator<'_>) {
        use Operator as O;
        *self = match (&*self, operator) {
            (_, O::LocalGet { local_index }) => AdditionProgress::Local(*local_index),
            (AdditionProgress::Local(local), O::I32Const { .. } | O::I64Const { .. }) => {
                AdditionProgress::Constant(*local)
            }
            (AdditionProgress::Constant(local), O::I32Add | O::I32Sub | O::I64Add | O::I64Sub) => {
                AdditionProgress::Of(*local)
            }
            (AdditionProgress::Local(local), O::LocalTee { .. }) => AdditionProgress::Local(*local),
            (AdditionProgress::Of(local), O::LocalSet { .. } | O::LocalTee { .. }) => AdditionProgress::Of(*local),
            _ => AdditionProgress::Nothing,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unwind::tests::offsets;

    #[test]
    fn a_global_is_written_before_a_place_by_what_stands_before_it_or_comes_back_to_it() {
        let text = "(module (global (mut i32) (i32.const 0)) (func
            i32.const 5 global.set 0
            nop
            loop nop (global.set 0 (i32.const 1)) br 0 end))";
        let bytes = wat::parse_str(text).unwrap();
        let module = Module::parse(&bytes).unwrap();
        let writes = Writes::from_function(&module, 0).unwrap();
        let offsets = offsets(&module);
        let [constant, _, nop, _, nop_in_loop, ..] = offsets[..] else { panic!("{offsets:?}") };
        let before = |at| writes.global_before(0, at);
        assert_eq!((before(constant), before(nop), before(nop_in_loop)), (0, 1, 2));
        assert_eq!(writes.global_before(1, nop), 0);
    }

    #[test]
    fn a_local_is_counted_by_a_loop_around_a_place() {
        let text = "(module (func (param i32) (local i32)
            local.get 0 i32.const 1 i32.add local.set 0
            loop
                local.get 1 i32.const 2 i32.add local.tee 1 local.set 0
            end))";
        let bytes = wat::parse_str(text).unwrap();
        let module = Module::parse(&bytes).unwrap();
        let writes = Writes::from_function(&module, 0).unwrap();
        let offsets = offsets(&module);
        let (before, inside) = (offsets[2], offsets[6]);
        assert!(writes.counts(1, inside) && !writes.counts(1, before));
        assert!(!writes.counts(0, before), "no loop is around it");
        let (tee, end) = (offsets[8], offsets[9]);
        let (counted, loops) = writes.counted(1, end).unwrap();
        assert_eq!((counted, loops.len()), (tee, 1));
        assert!(writes.counted(1, tee).is_none() && writes.counted(0, offsets[4]).is_none());
    }

    #[test]
    fn a_local_is_given_a_value_as_it_is() {
        let text = "(module (func (param i32) (local i32 i64)
            i32.const 4 local.set 1 local.get 0 local.tee 1 local.set 0 i64.const 4 local.set 2))";
        let bytes = wat::parse_str(text).unwrap();
        let module = Module::parse(&bytes).unwrap();
        let writes = Writes::from_function(&module, 0).unwrap();
        let offsets = offsets(&module);
        assert_eq!(writes.given(&Pushed::Constant(4)), [(offsets[1], 1), (offsets[6], 2)]);
        assert_eq!(writes.given(&Pushed::Local(0)), [(offsets[3], 1)]);
        assert!(writes.given(&Pushed::Local(1)).is_empty(), "what is written is not looked at again");
    }

    #[test]
    fn an_instruction_defines_a_local_where_it_ends() {
        let bytes = wat::parse_str(TEXT).unwrap();
        let module = Module::parse(&bytes).unwrap();
        let writes = Writes::from_function(&module, 0).unwrap();
        let [_, set_one, nop, ..] = offsets(&module)[..] else { panic!() };
        assert!(writes.defines(1, nop));
        assert!(!writes.defines(1, set_one) && !writes.defines(0, nop));
        assert!(writes.leaves_value(set_one) && !writes.leaves_value(nop), "a constant does, what keeps it does not");
    }

    /// Two locals: 0 is a parameter that is written in a loop after a nop, 1 is written once.
    const TEXT: &str = "(module (func (param i32) (local i32)
        i32.const 5 local.set 1
        nop
        loop nop (local.set 0 (i32.const 1)) br 0 end))";

    #[test]
    fn a_local_is_changed_by_a_write_before_and_by_one_that_a_loop_comes_back_from() {
        let bytes = wat::parse_str(TEXT).unwrap();
        let module = Module::parse(&bytes).unwrap();
        let writes = Writes::from_function(&module, 0).unwrap();
        let offsets = offsets(&module);
        let [_, set_one, nop, _, nop_in_loop, ..] = offsets[..] else { panic!("{offsets:?}") };
        let whole = offsets[0]..u64::MAX;
        assert_eq!((writes.values(0), writes.values(1)), (2, 1));
        assert!(!writes.unchanged(1, &whole, nop), "written before");
        assert!(writes.unchanged(1, &(set_one + 1..u64::MAX), nop), "the location begins after the write");
        assert!(writes.unchanged(0, &whole, nop), "written later");
        assert!(!writes.unchanged(0, &whole, nop_in_loop), "the loop may have been here before");
    }
}
