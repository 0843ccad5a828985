//! Finds whether a function had set up its frame: until then, its variables' places in memory hold older bytes, and its
//! parameters are in Wasm parameters.

use std::ops::Range;

use gimli::AttributeValue;
use gimli::constants::*;
use wasmparser::Operator;

use crate::catalog::units::{Attr, Die};
use crate::location::frame::FrameContext;
use crate::location::{ObjectLocation, Piece, Place};
use crate::module::Module;
use crate::unwind::write_at;

/// Bytes of code that a prologue has at most.
const LONGEST: u64 = 4096;

impl FrameContext<'_, '_> {
    /// Returns true if the code address is before the end of the function's prologue (DWARF 5, 6.2.2 `prologue_end`).
    /// Only the youngest frame can be there: calls come later.
    pub fn in_prologue(&self) -> bool {
        self.youngest && *self.prologue.get_or_init(|| self.prologue_end().is_some_and(|end| self.pc < end))
    }

    fn prologue_end(&self) -> Option<u64> {
        // Only the function's own code counts: that of others may be near, and their rows come in any order.
        let code = self.own_code()?;
        let prologue = code.start..code.end.min(code.start.checked_add(LONGEST)?);
        if !prologue.contains(&self.pc) {
            return None;
        }
        self.units.prologue_end(self.function?.unit, &prologue)
    }

    /// The addresses of the function.
    pub(super) fn own_code(&self) -> Option<Range<u64>> {
        let function = self.function?;
        let unit = self.units.unit(function.unit)?;
        let entry = self.units.entry(function)?;
        let start = unit.attr_address(entry.attr_value(DW_AT_low_pc)?).ok()??;
        let end = entry.attr_value(DW_AT_high_pc)?;
        let end = match end.udata_value() {
            Some(length) => start.checked_add(length)?,
            None => unit.attr_address(end).ok()??,
        };
        Some(start..end)
    }

    /// Returns the value of a parameter that the prologue has yet to store in its place on the stack.
    pub(super) fn not_stored_yet(&self, die: Die, number: u32, value: Attr<'_>) -> Option<(ObjectLocation, String)> {
        let AttributeValue::Exprloc(expression) = value else { return None };
        let mut rest = expression.0;
        let gimli::Operation::FrameOffset { offset } =
            crate::location::parse(&mut rest, self.units.unit(number)?.encoding()).ok()?
        else {
            return None;
        };
        if !gimli::Reader::is_empty(&rest) || self.rewritten || !self.is_own_parameter(die) {
            return None;
        }
        let (start, size) = (u64::try_from(offset).ok()?, self.units.size_of(self.units.type_of(die))?);
        let stores = stores_of_parameters(self.binary.module(), self.frame.function?, self.base_local()?);
        let (mut pieces, mut at, mut locals) = (Vec::new(), start, Vec::new());
        while at < start.checked_add(size)? {
            let store = stores.iter().find(|store| store.offset == at)?;
            at = at.checked_add(store.size)?;
            let place = match self.bytes_at_entry(store.parameter) {
                Place::Bytes(mut bytes) => {
                    bytes.truncate(store.size as usize);
                    Place::Bytes(bytes)
                }
                other => other,
            };
            pieces.push(Piece { bits: Some(store.size * 8), first_bit: 0, place });
            locals.push(format!("local {}", store.parameter));
        }
        // If nothing is known, the frame that is not set up is the better reason.
        let known = pieces.iter().any(|piece| matches!(piece.place, Place::Bytes(_)));
        (known && at == start + size).then(|| (ObjectLocation { pieces }, locals.join(", ")))
    }

    /// The local that is the function's frame base.
    fn base_local(&self) -> Option<u32> {
        match self.frame_base_operation()? {
            gimli::Operation::WasmLocal { index } => Some(index),
            _ => None,
        }
    }
}

/// A prologue's store of a Wasm parameter at an offset from the frame base, and how many bytes of it.
#[derive(Debug, PartialEq, Eq)]
struct ParameterStore {
    parameter: u32,
    offset: u64,
    size: u64,
}

/// Returns the parameters that a function stores in its frame before it computes or calls anything but the frame.
fn stores_of_parameters(module: &Module<'_>, function: u32, base: u32) -> Vec<ParameterStore> {
    use Operator as O;
    let mut stores = Vec::new();
    let (Some(mut operators), Some(signature)) = (module.operators(function), module.signature(function)) else {
        return stores;
    };
    let parameters = signature.params.len() as u32;
    // The two instructions before the store: the address, and the value.
    let mut before: [Option<u32>; 2] = [None; 2];
    while let Ok(operator) = operators.read() {
        let read = match operator {
            O::LocalGet { local_index } => Some(local_index),
            _ => None,
        };
        // A vector is not taken apart.
        let stored = write_at(&operator).filter(|(_, size)| *size <= 8);
        let computes = matches!(
            operator,
            O::LocalGet { .. }
                | O::GlobalGet { .. }
                | O::GlobalSet { .. }
                | O::I32Const { .. }
                | O::I64Const { .. }
                | O::I32Add
                | O::I32Sub
                | O::I32And
                | O::I64Add
                | O::I64Sub
                | O::I64And
        );
        match (operator, stored) {
            (_, Some((memarg, size))) => {
                if let [Some(address), Some(parameter)] = before
                    && address == base
                    && parameter < parameters
                    && memarg.memory == 0
                {
                    stores.push(ParameterStore { parameter, offset: memarg.offset, size });
                }
            }
            // From here on a parameter no longer has the value that was passed.
            (O::LocalSet { local_index } | O::LocalTee { local_index }, _) if local_index >= parameters => {}
            _ if computes => {}
            _ => break,
        }
        before = [before[1], read];
    }
    stores
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prologue_stores_parameters_until_something_else_begins() {
        let ask = |body: &str| {
            let text = format!("(module (memory 1) (func (param i32 i64 i32) (local i32) {body}))");
            let bytes = wat::parse_str(text).unwrap();
            stores_of_parameters(&Module::parse(&bytes).unwrap(), 0, 3)
        };
        let stores = ask(
            "i32.const 4096 local.set 3 local.get 3 local.get 0 i32.store8 offset=7 local.get 3 local.get 1 i64.store
            local.get 3 local.get 2 i32.const 1 i32.and i32.store8 offset=12 local.get 0 local.get 2 i32.store",
        );
        let first =
            [ParameterStore { parameter: 0, offset: 7, size: 1 }, ParameterStore { parameter: 1, offset: 0, size: 8 }];
        assert_eq!(stores, first, "one is computed first, one goes elsewhere");
        assert_eq!(ask("i32.const 1 local.set 2 local.get 3 local.get 2 i32.store"), []);
        assert_eq!(ask("block end local.get 3 local.get 2 i32.store"), []);
    }
}
