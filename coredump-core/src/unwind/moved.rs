//! Finds out where LLVM may have moved an instruction.

use wasmparser::{BinaryReader, Operator, OperatorsReader};

use super::arity::arity;
use crate::module::Module;

/// Instructions between two places.
const BETWEEN: usize = 10_000;

/// The instructions of a function from a file offset on.
fn operators_from<'m>(module: &Module<'m>, function: u32, start: u64) -> Option<OperatorsReader<'m>> {
    let end = usize::try_from(module.body(function)?.end).ok()?;
    let start = usize::try_from(start).ok()?;
    Some(OperatorsReader::new(BinaryReader::new(module.bytes().get(start..end)?, start)))
}

/// Returns true if the instruction at file offset `at` may have stood before `start` in the code from which LLVM made
/// this: it gives a value that is taken from the operand stack, and nothing between acts on anything but values. LLVM
/// moves such instructions, calls too, down to what takes their value (`WebAssemblyRegStackify.cpp`).
pub fn moves_down(module: &Module<'_>, function: u32, start: u64, at: u64) -> bool {
    let moved = || {
        let mut operators = operators_from(module, function, start)?;
        for _ in 0..BETWEEN {
            let (operator, offset) = operators.read_with_offset().ok()?;
            if offset as u64 >= at {
                let (_, gives) = arity(module, &operator)?;
                let next = operators.read().ok()?;
                let kept = matches!(next, Operator::LocalSet { .. } | Operator::Drop);
                return Some(offset as u64 == at && gives == 1 && !kept);
            }
            if !only_values(module, &operator) {
                return Some(false);
            }
        }
        None
    };
    moved().unwrap_or(false)
}

/// The offset of the instruction that gives the value which is there at file offset `end`, if that instruction may have
/// stood before `at` in what the code was made of: it does nothing but compute, and is in one block with it.
pub fn may_precede(module: &Module<'_>, function: u32, at: u64, end: u64) -> Option<u64> {
    let mut operators = operators_from(module, function, at)?;
    let mut computed = None;
    for _ in 0..BETWEEN {
        if operators.original_position() as u64 >= end {
            return computed.filter(|_| operators.original_position() as u64 == end);
        }
        let (operator, offset) = operators.read_with_offset().ok()?;
        if bounds_straight_code(&operator) {
            return None;
        }
        // An instruction that keeps the value in a local is part of computing it.
        if !matches!(operator, Operator::LocalSet { .. } | Operator::LocalTee { .. }) {
            computed = only_computes(module.bytes().get(offset..)?).then_some(offset as u64);
        }
    }
    None
}

/// Returns true if these are the bytes of an instruction whose value depends on nothing but the numbers that it takes
/// (WebAssembly 2.0, section 5.4.6: all numeric instructions but constants).
fn only_computes(bytes: &[u8]) -> bool {
    matches!(bytes, [0x45..=0xc4, ..] | [0xfc, 0..=7, ..])
}

/// Returns true if control comes from file offset `start` to `at` straight on, and from nowhere else.
pub fn goes_straight(module: &Module<'_>, function: u32, start: u64, at: u64) -> bool {
    let straight = || {
        let mut operators = operators_from(module, function, start)?;
        for _ in 0..BETWEEN {
            let (operator, offset) = operators.read_with_offset().ok()?;
            if offset as u64 >= at {
                return (offset as u64 == at).then_some(());
            }
            if may_be_joined_after(&operator) {
                return None;
            }
        }
        None
    };
    straight().is_some()
}

/// Returns true if straight code ends at an instruction or begins there.
pub fn bounds_straight_code(operator: &Operator<'_>) -> bool {
    use Operator as O;
    may_be_joined_after(operator) || matches!(operator, O::Block { .. } | O::If { .. } | O::BrIf { .. })
}

/// Returns true if control flow from elsewhere may arrive after an instruction.
pub fn may_be_joined_after(operator: &Operator<'_>) -> bool {
    use Operator as O;
    matches!(
        operator,
        O::Loop { .. }
            | O::Else
            | O::End
            | O::Try { .. }
            | O::TryTable { .. }
            | O::Catch { .. }
            | O::CatchAll
            | O::Delegate { .. }
            | O::Br { .. }
            | O::BrTable { .. }
            | O::Return
            | O::Unreachable
    )
}

/// Returns true if an instruction only takes values and gives one, or keeps one in a local.
fn only_values(module: &Module<'_>, operator: &Operator<'_>) -> bool {
    use Operator as O;
    match operator {
        O::LocalSet { .. } | O::Drop | O::Nop => true,
        O::Call { .. } | O::CallIndirect { .. } | O::CallRef { .. } | O::MemoryGrow { .. } | O::TableGrow { .. } => {
            false
        }
        other if bounds_straight_code(other) => false,
        other => arity(module, other).is_some_and(|(_, gives)| gives == 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unwind::tests::offsets;

    /// Returns true if the instruction `at` may have stood before instruction `start`.
    fn ask(body: &str, start: usize, at: usize) -> bool {
        let text = format!("(module (memory 1) (func $f (param i32) (result i32) (local i32) {body}))");
        let bytes = wat::parse_str(text).unwrap();
        let module = Module::parse(&bytes).unwrap();
        let offsets = offsets(&module);
        moves_down(&module, 0, offsets[start], offsets[at])
    }

    #[test]
    fn what_only_computes_may_have_stood_before_a_call() {
        let offset = |body: &str, at: usize, end: usize| {
            let text = format!("(module (memory 1) (func $f (param i32) (result i32) (local i32) {body}))");
            let bytes = wat::parse_str(text).unwrap();
            let module = Module::parse(&bytes).unwrap();
            let offsets = offsets(&module);
            let found = may_precede(&module, 0, offsets[at], offsets[end]);
            found.map(|found| offsets.iter().position(|offset| *offset == found).unwrap())
        };
        let computed = "local.get 0 call $f local.get 0 local.get 1 i32.mul local.set 1 local.get 1 i32.add";
        assert_eq!(
            [5, 6].map(|end| offset(computed, 1, end)),
            [Some(4); 2],
            "the product, on the stack and in its local"
        );
        assert_eq!(offset(computed, 1, 3), None, "nothing is computed there");
        let loaded = "local.get 0 call $f local.get 0 i32.load i32.add";
        assert_eq!(offset(loaded, 1, 4), None, "the call may have written it");
        let behind = "local.get 0 call $f if nop end local.get 0 local.get 1 i32.mul";
        assert_eq!(offset(behind, 1, 8), None, "in another block");
    }

    #[test]
    fn a_call_whose_value_is_taken_from_the_stack_may_have_been_moved_past_what_only_computes() {
        let taken = "local.get 0 i32.const 1 i32.add local.set 1 local.get 0 call $f local.get 1 i32.add";
        assert!(ask(taken, 4, 5), "from before the addition");
        let kept = "local.get 0 i32.const 1 i32.add local.set 1 local.get 0 call $f local.set 1 local.get 1";
        assert!(!ask(kept, 4, 5), "it is where it was");
        let stored =
            "i32.const 1 local.set 1 i32.const 0 i32.const 0 i32.store local.get 0 call $f local.get 1 i32.add";
        assert!(!ask(stored, 2, 6), "not past a store");
        assert!(ask(stored, 5, 6));
    }
}
