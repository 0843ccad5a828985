//! Finds out if calling a function leaves the stack pointer as it was.
//!
//! Most functions show it in one pass: they take their frame from the global, keep its place in a local, and put it
//! back before each return. If one pass does not prove it, the whole body is evaluated.

use wasmparser::{BinaryReader, Operator, OperatorsReader};

use super::{Question, evaluate};
use crate::module::{Module, constant_bits};

/// Locals that are followed.
const SLOTS: usize = 4;
/// Operands that are followed: the stack pointer is computed in a row.
const OPERANDS: usize = 16;
/// Blocks open at once: more is none of a compiler's.
const DEPTH: usize = 50_000;

/// Returns true if a call of `function` leaves the stack pointer as it was, as the ABI demands: `stackRestore` of
/// Emscripten and its like do not.
///
/// Only the function itself is looked at: what it calls is taken to keep to the ABI.
pub fn restores(module: &Module<'_>, function: u32, pointer: u32) -> bool {
    let Some(operators) = module.operators(function) else { return true };
    if !may_set(&operators, pointer) || Pass::new(pointer).run(operators).is_some() {
        return true;
    }
    let question = Question { pointer: Some(pointer), ..Question::new(module, function) };
    evaluate(&question, &|_| true).is_some_and(|summary| summary.balanced == Some(true))
}

/// Returns true if the bytes of a `global.set` of that global are anywhere in the code, as an instruction or by chance.
fn may_set(operators: &OperatorsReader<'_>, global: u32) -> bool {
    const GLOBAL_SET: u8 = 0x24;
    let mut reader = operators.get_binary_reader();
    let Ok(code) = reader.read_bytes(reader.bytes_remaining()) else { return true };
    let sets = |at: usize| BinaryReader::new(&code[at + 1..], 0).read_var_u32().is_ok_and(|index| index == global);
    memchr::memchr_iter(GLOBAL_SET, code).any(sets)
}

/// The numbers that were added to the stack pointer at entry: in the global, and in the locals that are followed.
#[derive(Clone, Copy)]
struct Added {
    pointer: Option<u64>,
    locals: [Option<u64>; SLOTS],
}

impl Added {
    /// Keeps what both know; returns true if anything was lost.
    fn join(&mut self, other: &Added) -> bool {
        let mut lost = false;
        let mut meet = |known: &mut Option<u64>, other: Option<u64>| {
            if known.is_some() && *known != other {
                *known = None;
                lost = true;
            }
        };
        meet(&mut self.pointer, other.pointer);
        for (known, &other) in self.locals.iter_mut().zip(&other.locals) {
            meet(known, other);
        }
        lost
    }
}

/// An operand: a constant, or the stack pointer at entry and something added.
#[derive(Clone, Copy)]
enum Operand {
    Constant(u64),
    Pointer(u64),
}

/// One structured control instruction that is open.
#[derive(Default)]
struct Label {
    /// The sums at the head of a loop that can be reached.
    head: Option<Added>,
    repeats: bool,
    /// The sums on the branches to its end.
    end: Option<Added>,
    /// The sums at the `else` of an `if`.
    otherwise: Option<Added>,
}

/// One pass over a body.
struct Pass {
    pointer: u32,
    /// `None` after a branch.
    now: Option<Added>,
    /// The locals that are followed: those that were seen to get a place on the stack.
    followed: Vec<u32>,
    /// The topmost operands, those below are not known.
    operands: Vec<Option<Operand>>,
    labels: Vec<Label>,
}

impl Pass {
    fn new(pointer: u32) -> Pass {
        let now = Some(Added { pointer: Some(0), locals: [None; SLOTS] });
        Pass { pointer, now, followed: Vec::new(), operands: Vec::new(), labels: vec![Label::default()] }
    }

    /// `Some` when the stack pointer is what it was at entry wherever the function returns; `None` proves nothing.
    fn run(mut self, mut operators: OperatorsReader<'_>) -> Option<()> {
        while !self.labels.is_empty() {
            self.step(&operators.read().ok()?)?;
        }
        Some(())
    }

    fn push(&mut self, operand: Option<Operand>) {
        if self.operands.len() == OPERANDS {
            self.operands.clear();
        }
        self.operands.push(operand);
    }

    fn pop(&mut self) -> Option<Operand> {
        self.operands.pop().flatten()
    }

    fn add(&mut self, minus: bool, mask: u64) {
        use Operand::{Constant, Pointer};
        let (right, left) = (self.pop(), self.pop());
        let sum =
            |left: u64, right: u64| if minus { left.wrapping_sub(right) } else { left.wrapping_add(right) } & mask;
        self.push(match (left, right) {
            (Some(Constant(left)), Some(Constant(right))) => Some(Constant(sum(left, right))),
            (Some(Pointer(left)), Some(Constant(right))) => Some(Pointer(sum(left, right))),
            (Some(Constant(left)), Some(Pointer(right))) if !minus => Some(Pointer(sum(left, right))),
            _ => None,
        });
    }

    fn local(&self, index: u32) -> Option<Operand> {
        let slot = self.followed.iter().position(|&local| local == index)?;
        self.now.as_ref()?.locals[slot].map(Operand::Pointer)
    }

    fn set_local(&mut self, index: u32, value: Option<Operand>) {
        let Some(now) = &mut self.now else { return };
        let value = match value {
            Some(Operand::Pointer(added)) => Some(added),
            _ => None,
        };
        let slot = match self.followed.iter().position(|&local| local == index) {
            Some(slot) => slot,
            None if value.is_some() && self.followed.len() < SLOTS => {
                self.followed.push(index);
                self.followed.len() - 1
            }
            None => return,
        };
        now.locals[slot] = value;
    }

    fn open(&mut self, label: Label) -> Option<()> {
        self.labels.push(label);
        (self.labels.len() <= DEPTH).then_some(())
    }

    /// The end of a path that returns.
    fn leave(&mut self) -> Option<()> {
        match self.now.take() {
            Some(Added { pointer: Some(0), .. }) | None => Some(()),
            Some(_) => None,
        }
    }

    fn branch(&mut self, depth: u32) -> Option<()> {
        let Some(now) = &self.now else { return Some(()) };
        let at = self.labels.len().checked_sub(depth as usize + 1)?;
        if at == 0 {
            return (now.pointer == Some(0)).then_some(());
        }
        let label = &mut self.labels[at];
        if label.repeats {
            // The sums at the head must be the same whenever the loop comes back, or a second pass would be needed.
            return (!label.head.as_mut()?.join(now)).then_some(());
        }
        match &mut label.end {
            Some(end) => drop(end.join(now)),
            end => *end = Some(*now),
        }
        Some(())
    }

    fn end(&mut self) -> Option<()> {
        let label = self.labels.pop()?;
        if self.labels.is_empty() {
            return self.leave();
        }
        for other in [label.end, label.otherwise].into_iter().flatten() {
            match &mut self.now {
                Some(now) => drop(now.join(&other)),
                None => self.now = Some(other),
            }
        }
        Some(())
    }

    fn step(&mut self, operator: &Operator<'_>) -> Option<()> {
        const NARROW: u64 = u32::MAX as u64;
        match *operator {
            Operator::LocalGet { local_index } => {
                let value = self.local(local_index);
                self.push(value);
            }
            Operator::LocalSet { local_index } => {
                let value = self.pop();
                self.set_local(local_index, value);
            }
            Operator::LocalTee { local_index } => {
                let value = self.pop();
                self.set_local(local_index, value);
                self.push(value);
            }
            Operator::GlobalGet { global_index } if global_index == self.pointer => {
                let value = self.now.as_ref().and_then(|now| now.pointer).map(Operand::Pointer);
                self.push(value);
            }
            Operator::GlobalSet { global_index } if global_index == self.pointer => {
                let value = self.pop();
                if let Some(now) = &mut self.now {
                    now.pointer = match value {
                        Some(Operand::Pointer(added)) => Some(added),
                        _ => None,
                    };
                }
            }
            Operator::I32Const { .. } | Operator::I64Const { .. } => {
                self.push(constant_bits(operator).map(Operand::Constant));
            }
            Operator::I32Add => self.add(false, NARROW),
            Operator::I32Sub => self.add(true, NARROW),
            Operator::I64Add => self.add(false, u64::MAX),
            Operator::I64Sub => self.add(true, u64::MAX),
            _ => {
                self.operands.clear();
                self.control(operator)?;
            }
        }
        Some(())
    }

    /// Everything else: what is on the operand stack after it does not matter.
    fn control(&mut self, operator: &Operator<'_>) -> Option<()> {
        match *operator {
            Operator::Block { .. } => self.open(Label::default())?,
            Operator::Loop { .. } => self.open(Label { head: self.now, repeats: true, ..Label::default() })?,
            Operator::If { .. } => self.open(Label { otherwise: self.now, ..Label::default() })?,
            Operator::Else => {
                self.branch(0)?;
                self.now = self.labels.last_mut()?.otherwise.take();
            }
            Operator::End => self.end()?,
            Operator::Br { relative_depth } => {
                self.branch(relative_depth)?;
                self.now = None;
            }
            Operator::BrIf { relative_depth }
            | Operator::BrOnNull { relative_depth }
            | Operator::BrOnNonNull { relative_depth }
            | Operator::BrOnCast { relative_depth, .. }
            | Operator::BrOnCastFail { relative_depth, .. } => self.branch(relative_depth)?,
            Operator::BrTable { ref targets } => {
                self.branch(targets.default())?;
                for target in targets.targets() {
                    self.branch(target.ok()?)?;
                }
                self.now = None;
            }
            Operator::Return
            | Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. }
            | Operator::ReturnCallRef { .. } => self.leave()?,
            Operator::Unreachable | Operator::Throw { .. } | Operator::ThrowRef | Operator::Rethrow { .. } => {
                self.now = None;
            }
            // Handlers are entered from anywhere.
            Operator::Try { .. } | Operator::TryTable { .. } | Operator::Delegate { .. } => return None,
            Operator::Resume { .. } | Operator::ResumeThrow { .. } => return None,
            _ => {}
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unwind::stack_pointer::global_named;

    /// Returns two answers: one pass proves it, and a call restores the stack pointer at all.
    fn proven(body: &str) -> (bool, bool) {
        let text = format!("(module (global (mut i32) (i32.const 0)) (func (param i32) (local i32 i32) {body}))");
        let bytes = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"));
        let module = Module::parse(&bytes).unwrap();
        let quick = Pass::new(0).run(module.operators(0).unwrap()).is_some();
        (quick, restores(&module, 0, 0))
    }

    const TAKE: &str = "(global.set 0 (local.tee 1 (i32.sub (global.get 0) (i32.const 16))))";
    const PUT_BACK: &str = "(global.set 0 (i32.add (local.get 1) (i32.const 16)))";

    #[test]
    fn one_pass_proves_what_compilers_write() {
        for body in [
            format!("{TAKE} {PUT_BACK}"),
            format!("{TAKE} (if (local.get 0) (then {PUT_BACK} return)) {PUT_BACK}"),
            format!("{TAKE} (if (local.get 0) (then unreachable)) {PUT_BACK}"),
            format!("{TAKE} (block (loop (br_if 1 (local.get 0)) (call 0 (i32.const 1)) (br 0))) {PUT_BACK}"),
            format!("(if (local.get 0) (then {TAKE} {PUT_BACK}))"),
            format!("(loop {TAKE} {PUT_BACK} (br_if 0 (local.get 0)))"),
            "(local.set 2 (global.get 0)) (global.set 0 (i32.const 8)) (global.set 0 (local.get 2))".to_string(),
        ] {
            assert_eq!(proven(&body), (true, true), "{body}");
        }
    }

    #[test]
    fn what_does_not_put_it_back_is_not_proved() {
        for body in [
            TAKE.to_string(),
            "(global.set 0 (local.get 0))".to_string(),
            format!("{TAKE} (br_if 0 (local.get 0)) {PUT_BACK}"),
            format!("{TAKE} (if (local.get 0) (then return)) {PUT_BACK}"),
            format!("{TAKE} (local.set 1 (local.get 0)) {PUT_BACK}"),
            format!("{TAKE} (if (local.get 0) (then (local.set 1 (local.get 0)))) {PUT_BACK}"),
            format!("{TAKE} (loop (br_if 0 (local.get 0)) {PUT_BACK} (br_if 0 (local.get 0)) {TAKE})"),
            format!("(loop {TAKE} (br_if 0 (local.get 0))) {PUT_BACK}"),
            format!("(block (br_table 0 1 0 (local.get 0)) {TAKE} {PUT_BACK}) {TAKE}"),
        ] {
            assert_eq!(proven(&body), (false, false), "{body}");
        }
    }

    #[test]
    fn a_second_pass_finds_what_the_first_one_cannot() {
        // At the loop's head the local is what it was, or what the last round left: the same.
        let body = format!(
            "{TAKE} (local.set 2 (local.get 1)) (loop (local.set 2 (i32.const 0)) (br_if 0 (local.get 0))) {PUT_BACK}"
        );
        assert_eq!(proven(&body), (false, true));
    }

    #[test]
    fn functions_of_real_programs_are_proved_in_one_pass_and_never_wrongly() {
        let (mut quick, mut slow) = (0, 0);
        for name in ["sum-O0", "cpp-vars-O2", "rust-inline-O2", "rust-vars-O0", "zig-vars-Debug"] {
            let path = format!("{}/../tests/fixtures/modules/{name}.wasm", env!("CARGO_MANIFEST_DIR"));
            let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
            let module = Module::parse(&bytes).unwrap();
            let pointer = global_named(&module, "__stack_pointer").unwrap();
            for function in module.imported_functions()..module.function_count() {
                let operators = module.operators(function).unwrap();
                let sets = may_set(&operators, pointer);
                let one_pass = Pass::new(pointer).run(operators).is_some();
                let question = Question { pointer: Some(pointer), ..Question::new(&module, function) };
                let whole = evaluate(&question, &|_| true).unwrap().balanced.unwrap();
                assert!(whole || !one_pass && sets, "{name}: function {function}");
                *if one_pass { &mut quick } else { &mut slow } += usize::from(sets);
            }
        }
        assert!(quick > 20 * slow, "{quick} proved, {slow} not");
    }
}
