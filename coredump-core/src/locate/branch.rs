//! The `unreachable` that a branch leads to.
//!
//! Optimising engines turn a branch to code that does nothing but trap into one conditional trap, and keep the branch's
//! code offset for it (Cranelift 0.135, `branch_to_trap.rs`: a block whose instructions before the trap are all pure).
//! So a frame that trapped can stand on an instruction that cannot trap.

use wasmparser::{BinaryReader, Operator, OperatorsReader};

use crate::module::Module;

/// The target of the branch at which a frame trapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// The instruction is no branch, so it is the one that trapped.
    NoBranch,
    /// The branch leads to one `unreachable`, at this byte offset in the module's file.
    Unreachable(u64),
    /// The branch leads to none, or to several.
    Unknown,
}

/// A block, loop or `if` that is open at an instruction.
struct BranchBlock {
    is_loop: bool,
    /// True if control may go on after its `end`.
    end_wanted: bool,
    /// True if control may go on after its `else`, or after its `end` if it has no `else`.
    else_wanted: bool,
}

/// Returns the target of the branch at `offset` (in the module's file). It is followed across `end`s and instructions
/// without side effects.
pub fn behind(module: &Module<'_>, function: u32, offset: u64) -> Behind {
    follow(module, function, offset).unwrap_or(Behind::Unknown)
}

/// The first instruction in the loop whose head is at `offset` (both in the module's file). The head does nothing
/// itself, so that debug information describes only the instructions in the loop. `None` where no loop begins.
pub fn within(module: &Module<'_>, function: u32, offset: u64) -> Option<u64> {
    let start = usize::try_from(offset).ok()?;
    let code = module.bytes().get(start..)?;
    let end = module.body(function)?.end;
    let mut operators = OperatorsReader::new(BinaryReader::new(code, start));
    if !matches!(operators.read().ok()?, Operator::Loop { .. }) {
        return None;
    }
    loop {
        let (operator, at) = operators.read_with_offset().ok()?;
        let runs = !matches!(operator, Operator::Loop { .. } | Operator::Block { .. } | Operator::Nop);
        if runs || at as u64 >= end {
            return Some(at as u64).filter(|&at| at < end);
        }
    }
}

/// The instructions that run after the one at `offset` whatever the values are, up to the first with a side effect
/// outside of the frame, as offsets in the module's file.
pub fn ahead<'m>(module: &'m Module<'_>, function: u32, offset: u64) -> impl Iterator<Item = u64> + 'm {
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    let code = module.bytes().get(start..).filter(|_| module.body(function).is_some_and(|body| offset < body.end));
    let mut operators = OperatorsReader::new(BinaryReader::new(code.unwrap_or_default(), start));
    let mut computes = true;
    std::iter::from_fn(move || {
        let (operator, at) = operators.read_with_offset().ok().filter(|_| computes)?;
        computes = only_computes(&operator) && !matches!(operator, Operator::End);
        Some(at as u64)
    })
}

fn follow(module: &Module<'_>, function: u32, offset: u64) -> Option<Behind> {
    use Operator as O;
    let mut operators = module.operators(function)?;
    let mut open: Vec<BranchBlock> = Vec::new();
    let mut found = Vec::new();
    // True if the branch may lead to the instruction that is read next.
    let mut reached = false;
    let mut stands = false;
    while !operators.eof() {
        let (operator, at) = operators.read_with_offset().ok()?;
        let branches = at as u64 == offset;
        let arrived = std::mem::take(&mut reached);
        stands |= branches;
        if branches {
            match &operator {
                O::Br { .. } | O::BrTable { .. } => {}
                O::BrIf { .. } | O::BrOnNull { .. } | O::BrOnNonNull { .. } | O::If { .. } | O::End => reached = true,
                O::BrOnCast { .. } | O::BrOnCastFail { .. } => reached = true,
                O::Else => open.last_mut()?.end_wanted = true,
                _ => return Some(Behind::NoBranch),
            }
            targets(&operator, |depth| want(&mut open, depth));
        } else if arrived {
            match &operator {
                O::Unreachable => found.push(at as u64),
                O::Br { relative_depth } => want(&mut open, *relative_depth),
                O::Else => open.last_mut()?.end_wanted = true,
                operator => reached = only_computes(operator),
            }
        }
        match &operator {
            O::Block { .. } | O::Loop { .. } | O::If { .. } | O::TryTable { .. } | O::Try { .. } => {
                open.push(BranchBlock {
                    is_loop: matches!(operator, O::Loop { .. }),
                    end_wanted: false,
                    else_wanted: branches && matches!(operator, O::If { .. }),
                })
            }
            O::Else => reached = std::mem::take(&mut open.last_mut()?.else_wanted),
            O::End => {
                let closed = open.pop();
                reached &= closed.is_some();
                reached |= closed.is_some_and(|closed| closed.end_wanted || closed.else_wanted);
            }
            O::Delegate { .. } => drop(open.pop()),
            _ => {}
        }
        if stands && !reached && !open.iter().any(|open| open.end_wanted || open.else_wanted) {
            break;
        }
    }
    Some(match found[..] {
        _ if !stands => Behind::NoBranch,
        [only] => Behind::Unreachable(only),
        _ => Behind::Unknown,
    })
}

/// Notes that control may go on at a label: after the `end` of a block. For a loop, the label is its head, which cannot
/// lead to an `unreachable` alone, since the branch itself comes after it.
fn want(open: &mut [BranchBlock], depth: u32) {
    let index = open.len().checked_sub(depth as usize + 1);
    if let Some(block) = index.and_then(|index| open.get_mut(index)).filter(|block| !block.is_loop) {
        block.end_wanted = true;
    }
}

/// Calls `each` with the labels of a branch.
fn targets(operator: &Operator<'_>, mut each: impl FnMut(u32)) {
    use Operator as O;
    match operator {
        O::Br { relative_depth }
        | O::BrIf { relative_depth }
        | O::BrOnNull { relative_depth }
        | O::BrOnNonNull { relative_depth }
        | O::BrOnCast { relative_depth, .. }
        | O::BrOnCastFail { relative_depth, .. } => each(*relative_depth),
        O::BrTable { targets } => targets.targets().flatten().chain([targets.default()]).for_each(each),
        _ => {}
    }
}

/// Returns true if an instruction changes nothing but locals and the operand stack, and cannot trap.
fn only_computes(operator: &Operator<'_>) -> bool {
    use Operator as O;
    matches!(
        operator,
        O::End
            | O::Block { .. }
            | O::Nop
            | O::Drop
            | O::Select
            | O::TypedSelect { .. }
            | O::LocalGet { .. }
            | O::LocalSet { .. }
            | O::LocalTee { .. }
            | O::I32Const { .. }
            | O::I64Const { .. }
            | O::F32Const { .. }
            | O::F64Const { .. }
            | O::RefNull { .. }
            | O::I32Eqz
            | O::I32Eq
            | O::I32Ne
            | O::I32LtS
            | O::I32LtU
            | O::I32GtS
            | O::I32GtU
            | O::I32LeS
            | O::I32LeU
            | O::I32GeS
            | O::I32GeU
            | O::I64Eqz
            | O::I64Eq
            | O::I64Ne
            | O::I64LtS
            | O::I64LtU
            | O::I64GtS
            | O::I64GtU
            | O::I64LeS
            | O::I64LeU
            | O::I64GeS
            | O::I64GeU
            | O::I32Add
            | O::I32Sub
            | O::I32Mul
            | O::I32And
            | O::I32Or
            | O::I32Xor
            | O::I32Shl
            | O::I32ShrS
            | O::I32ShrU
            | O::I64Add
            | O::I64Sub
            | O::I64Mul
            | O::I64And
            | O::I64Or
            | O::I64Xor
            | O::I64Shl
            | O::I64ShrS
            | O::I64ShrU
            | O::I32WrapI64
            | O::I64ExtendI32S
            | O::I64ExtendI32U
    )
}

/// Returns true if a function calls no function but itself, so that nothing in its code can be a call that an engine
/// inlined.
pub fn calls_no_other(module: &Module<'_>, function: Option<u32>) -> bool {
    let none = || {
        let own = function?;
        let mut operators = module.operators(own)?;
        while !operators.eof() {
            match operators.read().ok()? {
                Operator::Call { function_index } | Operator::ReturnCall { function_index }
                    if function_index == own => {}
                Operator::Call { .. }
                | Operator::ReturnCall { .. }
                | Operator::CallIndirect { .. }
                | Operator::ReturnCallIndirect { .. }
                | Operator::CallRef { .. }
                | Operator::ReturnCallRef { .. } => return None,
                _ => {}
            }
        }
        Some(())
    };
    none().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The target of the first instruction of that name in a function with this body, as the number of the instruction.
    fn after(name: &str, body: &str) -> Result<usize, Behind> {
        let text = format!("(module (func (param i32) (local i32) {body}))");
        let bytes = wat::parse_str(text).unwrap();
        let module = Module::parse(&bytes).unwrap();
        let mut operators = module.operators(0).unwrap();
        let mut all = Vec::new();
        while !operators.eof() {
            let (operator, at) = operators.read_with_offset().unwrap();
            all.push((format!("{operator:?}"), at as u64));
        }
        let at = all.iter().find(|(operator, _)| operator.split([' ', '{']).next() == Some(name)).unwrap().1;
        match behind(&module, 0, at) {
            Behind::Unreachable(offset) => Ok(all.iter().position(|&(_, at)| at == offset).unwrap()),
            other => Err(other),
        }
    }

    #[test]
    fn a_branch_leads_to_the_unreachable_behind_it_or_at_its_target() {
        assert_eq!(after("BrIf", "block local.get 0 br_if 0 unreachable end"), Ok(3));
        assert_eq!(after("BrIf", "block local.get 0 br_if 0 return end unreachable"), Ok(5));
        assert_eq!(after("BrIf", "block block local.get 0 br_if 1 return end end unreachable"), Ok(7));
        assert_eq!(
            after("BrIf", "block block local.get 0 br_if 0 return end end unreachable"),
            Ok(7),
            "an end is none"
        );
        assert_eq!(after("If", "local.get 0 if unreachable end"), Ok(2));
        assert_eq!(after("If", "local.get 0 if return else unreachable end"), Ok(4));
        assert_eq!(after("If", "local.get 0 if return end unreachable"), Ok(4));
        assert_eq!(after("Else", "local.get 0 if nop else return end unreachable"), Ok(6));
        assert_eq!(after("BrTable", "block block local.get 0 br_table 0 1 end return end unreachable"), Ok(7));
    }

    #[test]
    fn what_only_computes_may_stand_between() {
        assert_eq!(after("BrIf", "block local.get 0 br_if 0 i32.const 7 local.set 1 unreachable end"), Ok(5));
        assert_eq!(
            after("BrIf", "block local.get 0 br_if 0 i32.const 7 i32.const 0 i32.div_u drop unreachable end"),
            Err(Behind::Unknown)
        );
    }

    #[test]
    fn none_and_several_are_unknown() {
        assert_eq!(after("BrIf", "block local.get 0 br_if 0 return end"), Err(Behind::Unknown));
        assert_eq!(after("BrIf", "block local.get 0 br_if 0 unreachable end unreachable"), Err(Behind::Unknown));
        assert_eq!(after("If", "local.get 0 if unreachable else unreachable end"), Err(Behind::Unknown));
        assert_eq!(after("BrIf", "loop local.get 0 br_if 0 end"), Err(Behind::Unknown));
        assert_eq!(after("BrIf", "local.get 0 br_if 0 nop"), Err(Behind::Unknown), "it returns");
        assert_eq!(after("LocalGet", "local.get 0 drop unreachable"), Err(Behind::NoBranch));
    }
}
