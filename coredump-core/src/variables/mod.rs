//! The variables of a dump's frames: where the debug information says they are, what bytes the dump holds there, and what
//! those mean.
//!
//! Right or silent: a value that was optimised out, that the dump does not hold, or whose address makes no sense says
//! so and has no value. Debug information and memory are hostile: everything is bounded.
//!
//! [`Inspector`] is the way in, for frames; `shapes` follows pointers from the variables of a whole program.

mod inspector;
mod shapes;

pub use crate::catalog::Language;
pub use crate::expression::ExpressionError;
pub use crate::lang::ErasedBy;
pub use crate::location::statics::{Static, statics};
pub use crate::scope::VariableKind;
pub use crate::values::{Limits, Scope, Status, Variable, When};
pub use inspector::Inspector;
pub use shapes::{Choice, Grown, Parts, Pointer, Root, Shape, Shapes, Table, Target};

/// A value of the Wasm machine in a frame, by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// A local; parameters come first.
    Local(u32),
    /// A global of the frame's instance.
    Global(u32),
    /// A value of the operand stack, from its bottom.
    Operand(u32),
}
