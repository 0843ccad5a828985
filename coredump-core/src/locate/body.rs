//! Finds instruction boundaries and calls in a function's body.

use std::collections::HashMap;
use std::sync::Arc;

use wasmparser::Operator;

use crate::locked::Locked;
use crate::module::Module;

/// A module, with a memo of the bodies that were decoded.
pub struct ModuleBodies<'s> {
    module: Module<'s>,
    decoded: Locked<HashMap<u32, Option<Arc<Instructions>>>>,
}

impl<'s> ModuleBodies<'s> {
    /// The code of `module`.
    pub fn new(module: Module<'s>) -> ModuleBodies<'s> {
        ModuleBodies { module, decoded: Locked::default() }
    }

    /// The module.
    pub fn module(&self) -> &Module<'s> {
        &self.module
    }

    /// The instructions of a function, decoded once.
    pub fn instructions(&self, function: u32) -> Option<Arc<Instructions>> {
        let mut decoded = self.decoded.lock();
        decoded.entry(function).or_insert_with(|| Instructions::decode(&self.module, function).map(Arc::new)).clone()
    }
}

/// A call instruction. Offsets are in bytes from the body's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallInstruction {
    /// Offset of its first byte.
    pub start: u32,
    /// Offset after its last byte: the return address.
    pub end: u32,
    /// The index of the function that it calls; `None` for an indirect call.
    pub target: Option<u32>,
}

/// A decoded body: instruction boundaries as a bit set, calls in order.
#[derive(Debug)]
pub struct Instructions {
    /// Offset of the first instruction, after the locals.
    pub first: u32,
    /// Offset up to which the body could be decoded: its size, unless it holds an unknown instruction.
    pub decoded: u32,
    /// Bytes from the code section's size field to the start of the body.
    pub from_section: Option<u32>,
    /// True if the body contains a tail call; true also if it could not be decoded to its end.
    pub tail_calls: bool,
    boundaries: Vec<u64>,
    calls: Vec<CallInstruction>,
}

impl Instructions {
    /// Decodes the body of `function`; `None` if it has none or its locals are unreadable.
    pub fn decode(module: &Module<'_>, function: u32) -> Option<Instructions> {
        let body = module.body(function)?;
        let mut operators = module.operators(function)?;
        let offset = |position: usize| (position as u64 - body.start) as u32;
        let first = offset(operators.original_position());
        let mut boundaries = vec![0u64; (body.size() / 64 + 1) as usize];
        let mut calls = Vec::new();
        let mut start = first;
        let mut tail_calls = false;
        while !operators.eof() {
            let Ok(operator) = operators.read() else { break };
            boundaries[start as usize / 64] |= 1 << (start % 64);
            let end = offset(operators.original_position());
            let target = match operator {
                Operator::Call { function_index } | Operator::ReturnCall { function_index } => Some(function_index),
                _ => None,
            };
            tail_calls |= is_tail_call(&operator);
            if target.is_some() || transfers(&operator) {
                calls.push(CallInstruction { start, end, target });
            }
            start = end;
        }
        let from_section = module.code_section_size_field().and_then(|field| u32::try_from(body.start - field).ok());
        tail_calls |= u64::from(start) < body.size();
        Some(Instructions { first, decoded: start, from_section, tail_calls, boundaries, calls })
    }

    /// Returns true if an instruction begins at `offset`.
    pub fn begins_at(&self, offset: u32) -> bool {
        self.boundaries.get(offset as usize / 64).is_some_and(|bits| bits >> (offset % 64) & 1 == 1)
    }

    /// The call that begins at `offset`.
    pub fn call_at(&self, offset: u32) -> Option<CallInstruction> {
        let index = self.calls.binary_search_by_key(&offset, |call| call.start).ok()?;
        Some(self.calls[index])
    }

    /// The call that returns to `offset`.
    pub fn call_before(&self, offset: u32) -> Option<CallInstruction> {
        let index = self.calls.binary_search_by_key(&offset, |call| call.end).ok()?;
        Some(self.calls[index])
    }
}

/// Returns true if an instruction other than a direct call leaves a frame waiting for another.
fn transfers(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::CallIndirect { .. }
            | Operator::CallRef { .. }
            | Operator::ReturnCallIndirect { .. }
            | Operator::ReturnCallRef { .. }
            | Operator::Resume { .. }
            | Operator::ResumeThrow { .. }
            | Operator::Suspend { .. }
            | Operator::Switch { .. }
    )
}

fn is_tail_call(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::ReturnCall { .. } | Operator::ReturnCallIndirect { .. } | Operator::ReturnCallRef { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_and_calls_are_found() {
        let bytes = wat::parse_str(
            "(module (func) (func (local i64) i32.const 1000 drop call 0 i32.const 0 call_indirect (type 0)) \
             (table 1 funcref))",
        )
        .unwrap();
        let module = Module::parse(&bytes).unwrap();
        let body = Instructions::decode(&module, 1).unwrap();
        // 01 01 7e | 41 e8 07 | 1a | 10 00 | 41 00 | 11 00 00 | 0b
        assert_eq!((body.first, body.decoded), (3, 15));
        let begins: Vec<_> = (0..16).filter(|&at| body.begins_at(at)).collect();
        assert_eq!(begins, [3, 6, 7, 9, 11, 14]);
        assert_eq!(body.call_at(7), Some(CallInstruction { start: 7, end: 9, target: Some(0) }));
        assert_eq!(body.call_before(14), Some(CallInstruction { start: 11, end: 14, target: None }));
        assert_eq!((body.call_at(9), body.call_before(7)), (None, None));
    }
}
