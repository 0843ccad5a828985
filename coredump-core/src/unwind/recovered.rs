//! Recovers the state of one frame whose locals the dump does not have.

use std::sync::Arc;

use crate::model::Value;
use crate::module::ValueType;
use crate::unwind::symbolic::{Abstract, AbstractState, Sum, SymbolicBase};

/// The state of one frame as far as its function's body and the frames it called prove it.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Index of the stack pointer global in the frame's module.
    pub stack_pointer_global: Option<u32>,
    /// True if the global was found by how functions use it, because no name says what it is.
    pub inferred: bool,
    /// The stack pointer at the frame's code offset.
    pub stack_pointer: Option<u64>,
    /// The stack pointer when the function was entered.
    pub entry_stack_pointer: Option<u64>,
    /// The reason why the stack pointer is not known, in words.
    pub(super) why_not: Option<&'static str>,
    /// The parameters at entry that the caller's body proves, or its recorded operands are.
    pub(super) parameters: Vec<Option<u64>>,
    pub(super) state: Option<Arc<AbstractState>>,
    pub(super) types: Vec<ValueType>,
}

impl Recovered {
    /// Returns the reason why [`Recovered::stack_pointer`] is not known, in words.
    pub fn why_not(&self) -> &'static str {
        self.why_not.unwrap_or("the stack pointer of this frame")
    }

    /// Returns the number of bytes by which the stack pointer has moved since the function was entered (wrapping, so
    /// that a growing stack gives a large number), if that is known.
    pub(super) fn moved(&self) -> Option<u64> {
        match self.state.as_ref()?.stack_pointer? {
            Sum { base: SymbolicBase::StackPointer, constant } => Some(constant),
            _ => None,
        }
    }

    /// The stack pointer when the function was entered, if the code up to here moved it by an amount that is known.
    pub fn proved_entry(&self) -> Option<u64> {
        self.entry_stack_pointer.filter(|_| self.moved().is_some())
    }

    /// Returns the value of a Wasm local that is proved.
    fn proved(&self, index: u32) -> Abstract {
        self.state.as_ref()?.locals.get(index as usize).copied().flatten()
    }

    /// A proved value, where what it is counted from is known.
    pub(super) fn resolve(&self, proved: Sum) -> Option<u64> {
        Some(match proved.base {
            SymbolicBase::Zero => proved.constant,
            SymbolicBase::StackPointer => self.entry_stack_pointer?.wrapping_add(proved.constant),
            SymbolicBase::Parameter(index) if self.parameters.get(index as usize).is_some_and(Option::is_some) => {
                self.parameters[index as usize]?.wrapping_add(proved.constant)
            }
            // The stack pointer has the same base: the frame is aligned.
            base => {
                let pointer = self.state.as_ref()?.stack_pointer?;
                if pointer.base != base {
                    return None;
                }
                self.stack_pointer?.wrapping_sub(pointer.constant).wrapping_add(proved.constant)
            }
        })
    }

    /// A Wasm local's value, where the body and the stack pointer prove it.
    pub fn local(&self, index: u32) -> Option<Value> {
        let proved = self.proved(index)?;
        let value = self.resolve(proved)?;
        Some(match self.types.get(index as usize)? {
            ValueType::I32 => Value::I32(value as u32 as i32),
            ValueType::I64 => Value::I64(value as i64),
            ValueType::F32 if proved.base == SymbolicBase::Zero => Value::F32(value as u32),
            ValueType::F64 if proved.base == SymbolicBase::Zero => Value::F64(value),
            _ => return None,
        })
    }

    /// Returns the size of a local in bytes, if it holds a number.
    pub fn width(&self, index: u32) -> Option<usize> {
        match self.types.get(index as usize)? {
            ValueType::I32 | ValueType::F32 => Some(4),
            ValueType::I64 | ValueType::F64 => Some(8),
            _ => None,
        }
    }

    /// Returns the number of operands on the stack before the instruction at which the frame stands.
    pub fn height(&self) -> Option<usize> {
        Some(self.state.as_ref()?.operands.len())
    }

    /// Returns the value of a parameter at entry, if the caller's code gives it.
    pub fn parameter(&self, index: u32) -> Option<Value> {
        let bits = self.parameters.get(index as usize).copied().flatten()?;
        Some(match self.types.get(index as usize)? {
            ValueType::I32 => Value::I32(bits as u32 as i32),
            ValueType::I64 => Value::I64(bits as i64),
            ValueType::F32 => Value::F32(bits as u32),
            ValueType::F64 => Value::F64(bits),
            _ => return None,
        })
    }

    /// A local that still holds what parameter `index` was at entry.
    pub fn unchanged(&self, index: u32) -> Option<u32> {
        let entry = Some(Sum { base: SymbolicBase::Parameter(index), constant: 0 });
        let locals = &self.state.as_ref()?.locals;
        locals.iter().position(|&local| local == entry).map(|at| at as u32)
    }

    /// Returns true if a parameter's local is proved to hold the parameter still.
    pub fn is_parameter(&self, index: u32) -> bool {
        self.proved(index) == Some(Sum { base: SymbolicBase::Parameter(index), constant: 0 })
    }

    /// Returns true if a local is proved to point into the frame: a fixed distance from the stack pointer, now or at
    /// entry.
    pub fn is_in_stack(&self, index: u32) -> bool {
        let pointer = self.state.as_ref().and_then(|state| state.stack_pointer);
        self.proved(index).is_some_and(|local| {
            local.base == SymbolicBase::StackPointer || pointer.is_some_and(|pointer| pointer.base == local.base)
        })
    }

    /// Returns true if a local is proved to be equal to the stack pointer, which is a fixed distance from its value at
    /// entry: where a frame grew by an unknown amount, or was aligned, that says nothing of its base.
    pub fn is_stack_pointer(&self, index: u32) -> bool {
        let local = self.proved(index);
        let pointer = self.state.as_ref().and_then(|state| state.stack_pointer);
        local.is_some_and(|local| local.base == SymbolicBase::StackPointer) && local == pointer
    }

    /// A local that holds the frame base once it is set up, and does not hold it yet.
    pub fn before_prologue(&self, index: u32) -> bool {
        match self.proved(index) {
            Some(Sum { base: SymbolicBase::Zero, constant }) => constant == 0,
            Some(Sum { base: SymbolicBase::Parameter(_), .. }) => true,
            _ => false,
        }
    }
}
