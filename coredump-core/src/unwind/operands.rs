//! Finds out how long a value stays on the operand stack.
//!
//! LLVM says of a value in an operand of the stack that it is there to the end of the block or function, also after the
//! instruction that took it off. Such a location is believed as long as nothing took what it names.

use wasmparser::Operator;

use crate::module::Module;
use crate::unwind::arity::{arity, block_arity};

/// An open block: the height below its parameters, how many those are, and its results.
struct OperandBlock {
    base: usize,
    parameters: usize,
    results: usize,
}

/// The greatest height of the operand stack that is followed.
const HEIGHT: usize = 100_000;

/// Operands put on the stack of one function, those in a block's place included. A body of 1 MB puts fewer than that.
const EFFORT: usize = 10_000_000;

/// For each operand of a function before the instruction at file offset `at`, bottom first, the offset of the
/// instruction that put it there, as the code stands. `None` for code that this does not follow.
pub fn since(module: &Module<'_>, function: u32, at: u64) -> Option<Vec<u64>> {
    let results = module.signature(function)?.results.len();
    let mut operators = module.operators(function)?;
    let mut open = vec![OperandBlock { base: 0, parameters: 0, results }];
    let mut operands: Vec<u64> = Vec::new();
    let mut effort = EFFORT;
    while !operators.eof() {
        let offset = operators.original_position() as u64;
        if offset >= at {
            return (offset == at).then_some(operands);
        }
        let operator = operators.read().ok()?;
        let (base, height) = (open.last()?.base, operands.len());
        // The number of operands that stay where they are, and of those that come on top.
        let (stay, come) = match &operator {
            Operator::Block { blockty } | Operator::Loop { blockty } | Operator::If { blockty } => {
                let stay = height.checked_sub(usize::from(matches!(operator, Operator::If { .. })))?;
                let (parameters, results) = block_arity(module, *blockty)?;
                open.push(OperandBlock { base: stay.checked_sub(parameters)?, parameters, results });
                (stay, 0)
            }
            Operator::Else => (base, open.last()?.parameters),
            Operator::End => (base, open.pop()?.results),
            // The code that follows is not reached from here.
            Operator::Br { .. } | Operator::BrTable { .. } | Operator::Return | Operator::Unreachable => (base, 0),
            Operator::BrIf { .. } => (height.saturating_sub(1).max(base), 0),
            other => {
                let (takes, gives) = arity(module, other)?;
                (height.saturating_sub(takes).max(base), gives)
            }
        };
        if stay.checked_add(come)? > HEIGHT {
            return None;
        }
        operands.truncate(stay);
        effort = effort.checked_sub(1 + stay + come - operands.len())?;
        // Behind code that is not reached there may be fewer than a block began with.
        operands.resize(stay + come, offset);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unwind::tests::offsets;

    /// Returns true if operand `index` is the same before instruction `to` as before instruction `from`.
    fn ask(text: &str, index: u32, from: usize, to: usize) -> bool {
        let bytes = wat::parse_str(text).unwrap();
        let module = Module::parse(&bytes).unwrap();
        let offsets = offsets(&module);
        let operands = since(&module, 0, offsets[to]).unwrap();
        operands.get(index as usize).is_some_and(|&since| since < offsets[from])
    }

    #[test]
    fn an_operand_is_kept_until_something_takes_it() {
        let text = "(module (func
            i32.const 1 i32.const 2 i32.const 3
            i32.add
            block nop end
            drop drop
            i32.const 4 i32.const 5
            nop
            drop drop))";
        // 0 to 2 push, 3 adds, 4 to 6 are the block, 7 and 8 drop, 9 and 10 push again, 11 does nothing.
        assert!(ask(text, 0, 1, 7), "over a block and an addition above it");
        assert!(ask(text, 1, 2, 3), "up to what takes it");
        assert!(!ask(text, 1, 2, 4), "the sum stands there now");
        assert!(!ask(text, 0, 1, 11), "another value stands there");
        assert!(ask(text, 0, 10, 11), "that one");
        assert!(!ask(text, 2, 4, 5), "nothing is there");
    }

    #[test]
    fn the_arms_of_a_branch_and_what_a_jump_leaves_behind_have_their_own_operands() {
        let text = "(module (func (param i32) (result i32)
            local.get 0
            if (result i32) i32.const 1 nop else i32.const 2 nop end
            nop))";
        // 2 pushes in the first arm, 4 is `else`, 5 pushes in the second, 7 ends it.
        assert!(ask(text, 0, 3, 4));
        assert!(!ask(text, 0, 3, 6), "of the other arm");
        assert!(!ask(text, 0, 6, 8), "the block's result is one of both");
        assert!(ask(text, 0, 8, 9));
    }
}
