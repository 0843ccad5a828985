//! The variables of a dump's frames: where the debug information says that they are, which bytes the dump holds there,
//! and what these mean.
//!
//! A variable that was optimised out, that the dump does not hold, or whose address makes no sense has no value, and a
//! status that says so: no value is better than a wrong one. Debug information and memory may be hostile, so everything
//! is bounded.
//!
//! [`Inspector`] is for the variables of frames; `shapes` follows pointers from the variables of a whole program.

#[cfg(test)]
mod hostile_types;
mod inspector;
mod shapes;

pub use crate::catalog::Language;
pub use crate::expression::ExpressionError;
pub use crate::lang::ErasedBy;
pub use crate::location::statics::{Static, statics};
pub use crate::scope::VariableKind;
pub use crate::values::{Limits, Scope, Status, Variable, When};
pub use inspector::Inspector;
pub use shapes::{BlockArrays, Choice, Grown, Members, Parts, Pointer, Shape, Shapes, Target, TypedVariable};

/// A Wasm local, global or operand of a frame, by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// A local; parameters come first.
    Local(u32),
    /// A global of the frame's instance.
    Global(u32),
    /// A value of the operand stack, from its bottom.
    Operand(u32),
}
