//! Descriptions by LDC, the compiler of D, that give the wrong one of an object and its address.
//!
//! It describes the `this` of a structure's method, which is in a Wasm parameter, as what is in memory there, and gives it
//! the type of a pointer. Of a variable that is kept in a closure's frame on the heap it gives the address as the value.

use gimli::AttributeValue;
use gimli::constants::*;
use wasmparser::Operator;

use super::forms::{DescriptionForm, base_of_sum, form};
use super::listed::inexact;
use crate::catalog::types::Kind;
use crate::catalog::units::{Bytes, Die};
use crate::location::frame::FrameContext;
use crate::location::{ObjectLocation, Piece, Place, parse};

/// The function of D's runtime that allocates the frame of a closure.
const ALLOCATES_FRAMES: &str = "_d_allocmemory";

impl<'s> FrameContext<'_, 's> {
    /// The place that the compiler means by the description of a variable, which says `found`.
    pub(super) fn as_meant(&self, die: Die, found: ObjectLocation) -> ObjectLocation {
        if !self.units.language(die.unit).confuses_addresses() {
            return found;
        }
        let [Piece { bits: None, first_bit: 0, place }] = found.pieces.as_slice() else { return found };
        let width = usize::from(self.address_size());
        let Some((expression, encoding)) = self.expression(die) else { return found };
        let meant = match place {
            Place::Memory(address) if self.is_this(die) => {
                let leads = matches!(form(&expression, encoding), Some(DescriptionForm::AddressInLocal));
                leads.then(|| Place::Bytes(address.to_le_bytes()[..width].to_vec()))
            }
            Place::Bytes(bytes) => base_of_sum(&expression, encoding).and_then(|local| {
                let mut address = [0; 8];
                address[..width].copy_from_slice(bytes.get(..width)?);
                match self.is_closure(local) {
                    true if self.may_be_captured(die) => Some(Place::Memory(u64::from_le_bytes(address))),
                    true => Some(Place::Missing(inexact())),
                    false => self.leads_to_another(die, local).then(|| Place::Missing(inexact())),
                }
            }),
            _ => None,
        };
        meant.map_or(found, ObjectLocation::whole)
    }

    /// The description of a variable at the frame's code address.
    fn expression(&self, die: Die) -> Option<(Bytes<'s>, gimli::Encoding)> {
        let (number, value) = self.units.inherited(die, DW_AT_location)?;
        let unit = self.units.unit(number)?;
        let expression = match value {
            AttributeValue::Exprloc(expression) => expression.0,
            list => {
                let list = self.lists.list(unit, list).ok()?;
                list.all.iter().find(|(range, _)| range.contains(&self.pc))?.1
            }
        };
        Some((expression, unit.encoding()))
    }

    /// Returns true if this is the parameter `this`, as a pointer.
    fn is_this(&self, die: Die) -> bool {
        let Some(entry) = self.units.entry(die) else { return false };
        let pointer =
            self.units.peeled(self.units.type_of(die)).is_some_and(|(_, ty)| matches!(ty.kind, Kind::Pointer(..)));
        pointer && entry.has_attr(DW_AT_artificial) && entry.tag == DW_TAG_formal_parameter
    }

    /// Returns true if a variable's value is not an address in the closure's frame: a pointer of the program's might lead
    /// there, but not one that existed before the frame.
    fn may_be_captured(&self, die: Die) -> bool {
        let peeled = self.units.peeled(self.units.type_of(die));
        let pointer = peeled.is_some_and(|(_, ty)| matches!(ty.kind, Kind::Pointer(..)));
        !pointer || self.is_own_parameter(die)
    }

    /// Returns true if a local never holds anything but the frame of a closure, once it is set.
    fn is_closure(&self, local: u32) -> bool {
        let allocates = |function| self.binary.function_name(function) == Some(ALLOCATES_FRAMES);
        let proven = || {
            let module = self.binary.module();
            let function = self.frame.function?;
            let (mut operators, mut allocated, mut set) = (module.operators(function)?, false, false);
            while !operators.eof() {
                let operator = operators.read().ok()?;
                if let Operator::LocalSet { local_index } | Operator::LocalTee { local_index } = operator
                    && local_index == local
                {
                    if !allocated {
                        return None;
                    }
                    set = true;
                }
                allocated = matches!(operator, Operator::Call { function_index } if allocates(function_index));
            }
            set.then_some(())
        };
        proven().is_some()
    }

    /// Returns true if another variable of the same function is in memory at the address in a local.
    fn leads_to_another(&self, die: Die, local: u32) -> bool {
        let Some((_, function)) = self.owner(die) else { return false };
        let leads = |other: Die| {
            let (mut expression, encoding) = self.expression(other)?;
            let leads = matches!(form(&expression, encoding)?, DescriptionForm::AddressInLocal);
            let gimli::Operation::WasmLocal { index } = parse(&mut expression, encoding).ok()? else { return None };
            (leads && index == local).then_some(())
        };
        function.variables.iter().any(|(other, _)| leads(*other).is_some())
    }
}
