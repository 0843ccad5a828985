//! Parameters that debug information gives no place: the calling convention of C says which of Wasm's parameters they are
//! passed in (tool-conventions `BasicCABI.md`).
//!
//! LLVM 14 loses structures passed by value, complex numbers and small integers where it optimises. A function whose
//! parameters an optimiser replaced has others than the convention says, or loses the places of its pointers too: of such a
//! function nothing is told.

#![expect(non_upper_case_globals, reason = "DWARF names its constants so")]

use gimli::AttributeValue;
use gimli::constants::*;
use wasmparser::Operator;

use super::forms::locals_only;
use super::frame::Frame;
use crate::catalog::types::{Kind, Struct};
use crate::catalog::units::{Bytes, Die};
use crate::location::{Location, Missing, Piece, Place};
use crate::model;
use crate::module::{Module, ValueType};
use crate::scope::VariableKind;
use crate::unwind::{Stores, beside};

/// Types in types that are looked at.
const LEVELS: u32 = 16;

/// How a parameter is passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passed {
    /// Not at all: it is empty.
    Nothing,
    /// As a value of Wasm.
    Value(ValueType),
    /// As two numbers of 64 bits, the lower half first.
    Halves,
    /// As the address of a copy.
    Address,
}

impl<'s> Frame<'_, 's> {
    /// Where a parameter of the frame's own function is that has no place in the debug information: as it was when the
    /// function was entered.
    pub(super) fn passed(&self, die: Die) -> Option<(Location, String)> {
        let own = self.active().last()?.all();
        let parameters = own.iter().filter(|(_, kind, _)| *kind == VariableKind::Parameter).map(|(die, ..)| *die);
        let parameters: Vec<(Die, Passed)> = parameters
            .map(|die| Some((die, self.how_passed(self.units.type_of(die), LEVELS)?)))
            .collect::<Option<_>>()?;
        let first = self.first_locals(&parameters)?;
        let nth = parameters.iter().position(|(parameter, _)| *parameter == die)?;
        let (local, ty) = (first[nth], self.units.type_of(die));
        let reads = |local| self.frame.function.is_some_and(|own| reads_first(self.binary.module(), own, local));
        let location = match parameters[nth].1 {
            // A caller may leave anything in the place of a parameter that nobody reads.
            Passed::Value(_) if reads(local) => Location::whole(self.bytes_at_entry(local)),
            Passed::Halves if reads(local) && reads(local + 1) => {
                let half = |local| Piece { bits: Some(64), first_bit: 0, place: self.bytes_at_entry(local) };
                Location { pieces: vec![half(local), half(local + 1)] }
            }
            Passed::Address => {
                let size = self.units.size_of(ty)?;
                let written = self.written_copy(local, size)?;
                let address = match self.entry_local(local).ok()? {
                    model::Value::I32(address) => u64::from(address as u32),
                    model::Value::I64(address) => address as u64,
                    _ => return None,
                };
                kept_of(address, size, &written)
            }
            _ => return None,
        };
        Some((location, format!("local {local} at entry, by the calling convention")))
    }

    /// The parts that the function writes of an object of `size` bytes whose address is passed: the copy is its own. `None` if
    /// it does not read the object, or does anything else with the address.
    fn written_copy(&self, local: u32, size: u64) -> Option<Vec<(u64, u64)>> {
        let stores = Stores::of_parameter(self.binary.module(), self.frame.function?, local)?;
        let inside = (1..=i64::try_from(size).ok()?).contains(&stores.read_end()?);
        inside.then(|| stores.written(0, size))?
    }

    fn bytes_at_entry(&self, local: u32) -> Place {
        match self.entry_local(local) {
            Ok(model::Value::I32(value)) => Place::Bytes(value.to_le_bytes().to_vec()),
            Ok(model::Value::I64(value)) => Place::Bytes(value.to_le_bytes().to_vec()),
            Ok(model::Value::F32(bits)) => Place::Bytes(bits.to_le_bytes().to_vec()),
            Ok(model::Value::F64(bits)) => Place::Bytes(bits.to_le_bytes().to_vec()),
            Ok(_) => Place::Missing(Missing::not_captured()),
            Err(missing) => Place::Missing(missing),
        }
    }

    /// Wasm's first parameter of each of the function's; `None` where the convention, the function's type and what the debug
    /// information says of the others do not agree.
    fn first_locals(&self, parameters: &[(Die, Passed)]) -> Option<Vec<u32>> {
        let function = self.function?;
        if !self.is_c(function.unit) || self.rewritten {
            return None;
        }
        let convention = self.units.inherited(function, DW_AT_calling_convention);
        if convention.is_some_and(|(_, value)| convention_code(value) != Some(DW_CC_normal)) {
            return None;
        }
        // Whoever calls it from elsewhere knows it as it was written.
        let external = self.units.inherited(function, DW_AT_external).is_some();
        let pointer = if self.address_size() == 8 { ValueType::I64 } else { ValueType::I32 };
        let mut expected: Vec<ValueType> = Vec::new();
        if let Some(result) = self.units.type_of(function)
            && self.units.peeled(Some(result)).is_some()
            && matches!(self.how_passed(Some(result), LEVELS)?, Passed::Address | Passed::Halves)
        {
            expected.push(pointer);
        }
        let mut first = Vec::new();
        for (_, passed) in parameters {
            first.push(expected.len() as u32);
            match *passed {
                Passed::Nothing => {}
                Passed::Value(ty) => expected.push(ty),
                Passed::Halves => expected.extend([ValueType::I64; 2]),
                Passed::Address => expected.push(pointer),
            }
        }
        if self.binary.module().signature(self.frame.function?)?.params != expected {
            return None;
        }
        let agree = parameters.iter().zip(&first).all(|((die, passed), &local)| match self.first_described(*die) {
            Some(described) => match passed {
                Passed::Halves => described == [local, local + 1],
                Passed::Nothing => false,
                Passed::Value(_) | Passed::Address => described == [local],
            },
            None => external || !self.may_be_replaced(*die, *passed, local),
        });
        agree.then_some(first)
    }

    /// Whether an optimiser that may change a function's parameters can have passed what is behind this one instead of it: then
    /// it is without a place too. What is no pointer and is used as an address is the address of a copy.
    fn may_be_replaced(&self, die: Die, passed: Passed, local: u32) -> bool {
        let ty = self.units.type_of(die);
        match passed {
            Passed::Address => {
                let size = self.units.size_of(ty);
                let copy = size.is_some_and(|size| self.written_copy(local, size).is_some());
                !copy || self.may_point(ty, LEVELS)
            }
            _ => self.may_point(ty, LEVELS),
        }
    }

    /// The locals that a parameter is said to be in at the function's beginning, as a value.
    fn first_described(&self, die: Die) -> Option<Vec<u32>> {
        let (number, value) = self.units.inherited(die, DW_AT_location)?;
        let unit = self.units.unit(number)?;
        let expression: Bytes<'s> = match value {
            AttributeValue::Exprloc(expression) => expression.0,
            AttributeValue::Block(bytes) => bytes,
            list => self.at_beginning(unit, list)?,
        };
        locals_only(&expression, unit.encoding())
    }

    fn is_c(&self, unit: u32) -> bool {
        let language = || {
            let unit = self.units.unit(unit)?;
            match unit.entry(unit.header.root_offset()).ok()?.attr_value(DW_AT_language)? {
                AttributeValue::Language(language) => Some(language),
                _ => None,
            }
        };
        let known = matches!(
            language(),
            Some(
                DW_LANG_C89
                    | DW_LANG_C
                    | DW_LANG_C99
                    | DW_LANG_C11
                    | DW_LANG_C17
                    | DW_LANG_C_plus_plus
                    | DW_LANG_C_plus_plus_03
                    | DW_LANG_C_plus_plus_11
                    | DW_LANG_C_plus_plus_14
                    | DW_LANG_C_plus_plus_17
                    | DW_LANG_C_plus_plus_20
            )
        );
        known && self.units.language(unit).passes_as_c()
    }

    /// How the convention passes a value of that type; `None` for what this does not know.
    fn how_passed(&self, ty: Option<Die>, levels: u32) -> Option<Passed> {
        let levels = levels.checked_sub(1)?;
        let (die, ty) = self.units.peeled(ty)?;
        let size = self.units.size_of(Some(die));
        let integer = |size| match size {
            Some(1..=4) => Some(Passed::Value(ValueType::I32)),
            Some(8) => Some(Passed::Value(ValueType::I64)),
            Some(16) => Some(Passed::Halves),
            _ => None,
        };
        match &ty.kind {
            Kind::Base(DW_ATE_float) => match size? {
                4 => Some(Passed::Value(ValueType::F32)),
                8 => Some(Passed::Value(ValueType::F64)),
                16 => Some(Passed::Halves),
                _ => None,
            },
            Kind::Base(DW_ATE_complex_float) => Some(Passed::Address),
            Kind::Base(
                DW_ATE_boolean | DW_ATE_signed | DW_ATE_signed_char | DW_ATE_unsigned | DW_ATE_unsigned_char
                | DW_ATE_UTF,
            )
            | Kind::Enum(_) => integer(size),
            Kind::Pointer(..) => integer(Some(u64::from(self.address_size()))),
            Kind::Struct(contents) if !contents.declared && contents.variants.is_none() => {
                self.how_passed_whole(die, contents, size?, levels)
            }
            _ => None,
        }
    }

    /// One number, however wrapped, is passed as such; anything else by address.
    fn how_passed_whole(&self, die: Die, contents: &Struct<'s>, size: u64, levels: u32) -> Option<Passed> {
        let by_reference = self.units.entry(die)?.attr_value(DW_AT_calling_convention).and_then(convention_code);
        let cpp = self.units.language(die.unit).has_constructors();
        match (by_reference, contents.members.as_slice()) {
            (Some(DW_CC_pass_by_reference), _) => Some(Passed::Address),
            // What C++ does with a class of one part depends on its constructors.
            (None, [] | [_]) if cpp => None,
            (_, []) => Some(Passed::Nothing),
            (_, [member]) if member.bits.is_some() => None,
            (_, [member]) => {
                let (inner, ty) = self.units.peeled(member.ty)?;
                if self.units.size_of(Some(inner))? != size {
                    return None;
                }
                match &ty.kind {
                    Kind::Array(array) if array.vector => None,
                    Kind::Array(array) => match array.dimensions.as_slice() {
                        [Some(1)] => self.how_passed(array.element, levels),
                        [Some(2..)] => Some(Passed::Address),
                        _ => None,
                    },
                    _ => self.how_passed(member.ty, levels),
                }
            }
            (_, members) => {
                let sized = members.iter().all(|member| self.units.size_of(member.ty).is_some_and(|size| size > 0));
                sized.then_some(Passed::Address)
            }
        }
    }

    /// Whether a pointer may be in a value of that type.
    fn may_point(&self, ty: Option<Die>, levels: u32) -> bool {
        let (Some((_, ty)), Some(levels)) = (self.units.peeled(ty), levels.checked_sub(1)) else { return true };
        match &ty.kind {
            Kind::Base(_) | Kind::Enum(_) => false,
            Kind::Array(array) => self.may_point(array.element, levels),
            Kind::Struct(contents) => {
                contents.declared || contents.members.iter().any(|member| self.may_point(member.ty, levels))
            }
            _ => true,
        }
    }
}

/// An object at an address, of which these parts changed.
fn kept_of(address: u64, size: u64, changed: &[(u64, u64)]) -> Location {
    let kept = beside(changed, size);
    if kept == [(0, size)] {
        return Location::whole(Place::Memory(address));
    }
    let mut pieces = Vec::new();
    let mut at = 0;
    let mut cut = |to: u64, place: Place| {
        if to > at {
            pieces.push(Piece { bits: Some((to - at) * 8), first_bit: 0, place });
            at = to;
        }
    };
    for (from, to) in kept {
        cut(from, Place::Missing(Missing::OptimizedOut));
        cut(to, Place::Memory(address.saturating_add(from)));
    }
    cut(size, Place::Missing(Missing::OptimizedOut));
    Location { pieces }
}

fn convention_code(value: crate::catalog::units::Attr<'_>) -> Option<gimli::DwCc> {
    match value {
        AttributeValue::CallingConvention(code) => Some(code),
        value => value.udata_value().and_then(|code| u8::try_from(code).ok()).map(gimli::DwCc),
    }
}

/// Whether a function reads a local before it writes it, as the code stands.
fn reads_first(module: &Module<'_>, function: u32, local: u32) -> bool {
    let Some(mut operators) = module.operators(function) else { return false };
    while !operators.eof() {
        match operators.read() {
            Ok(Operator::LocalGet { local_index }) if local_index == local => return true,
            Ok(Operator::LocalSet { local_index } | Operator::LocalTee { local_index }) if local_index == local => {
                return false;
            }
            Ok(_) => {}
            Err(_) => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_counts_if_it_is_read_before_it_is_written() {
        let ask = |body: &str| {
            let text = format!("(module (func (param i32) (local i32) {body}))");
            reads_first(&Module::parse(&wat::parse_str(text).unwrap()).unwrap(), 0, 0)
        };
        assert!(ask("local.get 0 local.set 1 i32.const 1 local.set 0"));
        assert!(!ask("i32.const 1 local.tee 0 drop local.get 0 drop"));
        assert!(!ask("local.get 1 drop"));
    }
}
