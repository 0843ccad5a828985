//! Finds what a function's body proves about its locals and its stack pointer at one instruction.
//!
//! The body is evaluated from its entry over values of the form `base + constant`, where a base is something that is
//! unknown but the same wherever it appears: the stack pointer or a parameter at entry, or what one instruction outside
//! of loops computed. At a place where paths meet, values that differ become unknown; loops are repeated until nothing
//! changes.

mod balance;
mod body;
mod step;
mod stores;

pub use self::balance::restores;
use self::body::Body;
pub use self::stores::{Read, Stores, beside, write_at};
use crate::module::{Module, ValueType};

/// Something unknown that is the same wherever it appears in one activation of the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolicBase {
    /// Zero: the value is its constant.
    Zero,
    /// The stack pointer at entry.
    StackPointer,
    /// A parameter at entry.
    Parameter(u32),
    /// The result of the instruction at this file offset, outside of any loop.
    Computed(u64),
}

/// A value; `None` is one of which nothing is known.
pub type Abstract = Option<Sum>;

/// A base and a constant, added in the arithmetic of the value's own width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum {
    /// The unknown part.
    pub base: SymbolicBase,
    /// The number that is added to it.
    pub constant: u64,
}

impl Sum {
    fn constant(constant: u64) -> Abstract {
        Some(Sum { base: SymbolicBase::Zero, constant })
    }

    fn start(base: SymbolicBase) -> Abstract {
        Some(Sum { base, constant: 0 })
    }
}

/// The state before one instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbstractState {
    /// Locals, parameters first.
    pub locals: Vec<Abstract>,
    /// The stack pointer global.
    pub stack_pointer: Abstract,
    /// The operand stack, bottom first.
    pub operands: Vec<Abstract>,
}

/// The effect of a function on the stack pointer, seen from outside.
pub struct Summary {
    /// The state before the instruction that was asked for; `None` when no path leads there.
    pub at: Option<AbstractState>,
    /// True if the stack pointer has the value that it had at entry on every path that returns. Unknown where an
    /// instruction was asked for: the body is evaluated only as far as its state depends on it.
    pub balanced: Option<bool>,
}

/// A question about a function's body.
#[derive(Clone, Copy)]
pub struct Question<'m, 's> {
    /// The module.
    pub module: &'m Module<'s>,
    /// The function's index, imports counted.
    pub function: u32,
    /// Index of the stack pointer global.
    pub pointer: Option<u32>,
    /// The stack pointer at entry, where the answer may depend on it.
    pub entry: Option<u64>,
    /// File offset of the instruction before which the state is asked for.
    pub target: Option<u64>,
}

impl<'m, 's> Question<'m, 's> {
    /// A question about a function, of which nothing more is known yet.
    pub fn new(module: &'m Module<'s>, function: u32) -> Self {
        Question { module, function, pointer: None, entry: None, target: None }
    }
}

/// Evaluates a function. `restores(f)` returns true if a call of `f` leaves the stack pointer as it was.
///
/// `None` when the body is damaged, uses what this evaluation does not follow, or takes too much work.
pub fn evaluate(question: &Question<'_, '_>, restores: &dyn Fn(u32) -> bool) -> Option<Summary> {
    let &Question { module, function, .. } = question;
    let results = module.signature(function)?.results.len();
    let mut body = Body::new(question, module.operators(function)?, restores);
    body.run(entry(question)?, results)?;
    let balanced = || body.exits.is_none_or(|pointer| pointer == Sum::start(SymbolicBase::StackPointer));
    Some(Summary { balanced: question.target.is_none().then(balanced), at: body.at })
}

/// The state when a function is entered.
fn entry(question: &Question<'_, '_>) -> Option<AbstractState> {
    let &Question { module, function, pointer, .. } = question;
    let parameters = module.signature(function)?.params.len();
    let types = module.local_types(function)?;
    let locals = types.iter().enumerate().map(|(index, ty)| {
        if index < parameters {
            return Sum::start(SymbolicBase::Parameter(index as u32));
        }
        match ty {
            ValueType::V128 | ValueType::Ref => None,
            _ => Sum::constant(0),
        }
    });
    Some(AbstractState {
        locals: locals.collect(),
        stack_pointer: pointer.and_then(|_| Sum::start(SymbolicBase::StackPointer)),
        operands: Vec::new(),
    })
}

#[cfg(test)]
mod tests;
