//! Forms of location descriptions that allow conclusions beyond the code addresses they are given for.

use crate::catalog::units::Bytes;
use crate::location::parse;

/// The form of a description that may be true beyond the code it is given for.
pub enum DescriptionForm {
    /// A local holds the object's address.
    AddressInLocal,
    /// A local holds the object.
    ValueInLocal,
    /// A local holds the object or its address: before DWARF 4 both are written alike.
    Local,
    /// The object is a number that is stored nowhere.
    Number,
}

/// Returns the form of a description, if it has one of these.
pub fn form(expression: &Bytes<'_>, encoding: gimli::Encoding) -> Option<DescriptionForm> {
    use gimli::Operation::{ImplicitValue, SignedConstant, StackValue, UnsignedConstant, WasmLocal};
    let mut rest = *expression;
    let mut next = || parse(&mut rest, encoding).ok();
    let form = match (next()?, next()) {
        (WasmLocal { .. }, None) if encoding.version < 4 => DescriptionForm::Local,
        (WasmLocal { .. }, None) => DescriptionForm::AddressInLocal,
        (WasmLocal { .. }, Some(StackValue)) => DescriptionForm::ValueInLocal,
        (UnsignedConstant { .. } | SignedConstant { .. }, Some(StackValue)) => DescriptionForm::Number,
        // A number that has a point.
        (ImplicitValue { .. }, None) => DescriptionForm::Number,
        _ => return None,
    };
    gimli::Reader::is_empty(&rest).then_some(form)
}

/// The local to which a description adds a constant for the value of an object; `None` for another description.
pub fn base_of_sum(expression: &Bytes<'_>, encoding: gimli::Encoding) -> Option<u32> {
    use gimli::Operation::{PlusConstant, StackValue, WasmLocal};
    let mut found = operations(expression, encoding);
    match (found.next(), found.next(), found.next(), found.next()) {
        (Some(WasmLocal { index }), Some(PlusConstant { .. }), Some(StackValue), None) => Some(index),
        _ => None,
    }
}

/// Returns true if a description places an object, or a part of it, in the frame's memory: at a distance from the frame
/// base, or from an address in a local.
pub fn is_in_memory(expression: &Bytes<'_>, encoding: gimli::Encoding) -> bool {
    use gimli::Operation::{FrameOffset, Piece, PlusConstant, WasmLocal};
    let mut placed = false;
    for operation in operations(expression, encoding) {
        match operation {
            FrameOffset { .. } | WasmLocal { .. } => placed = true,
            PlusConstant { .. } => {}
            Piece { .. } if placed => return true,
            _ => placed = false,
        }
    }
    placed
}

/// The way in which the description of a whole object that is not in memory gets its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueForm {
    /// It is a constant of the description.
    Constant,
    /// It is computed from constants: LLVM describes a counter so where it knows the number from which it is counted,
    /// and an assignment where it knows the number that was there before, but not where the assignment is made.
    Counted,
    /// It is computed from a local or an operand.
    Computed,
}

/// Returns how a description of a whole object computes it; `None` for a value that is taken as it is, for pieces and
/// for places.
pub fn value_form(expression: &Bytes<'_>, encoding: gimli::Encoding) -> Option<ValueForm> {
    use gimli::Operation as O;
    let (mut rest, mut frame, mut steps, mut products, mut other, mut ended) = (*expression, 0, 0, 0, 0, false);
    while !gimli::Reader::is_empty(&rest) {
        ended = false;
        match parse(&mut rest, encoding).ok()? {
            O::UnsignedConstant { .. } | O::SignedConstant { .. } => {}
            O::ImplicitValue { .. } => ended = true,
            O::WasmLocal { .. } | O::WasmStack { .. } => frame += 1,
            O::PlusConstant { .. } | O::Plus | O::Minus => steps += 1,
            // These are not the operations by which LLVM makes a number wider.
            O::Mul | O::Div | O::Mod | O::Shl | O::Shr | O::Shra | O::Xor => products += 1,
            O::StackValue => ended = true,
            O::Piece { .. } | O::FrameOffset { .. } | O::Address { .. } | O::Deref { .. } | O::WasmGlobal { .. } => {
                return None;
            }
            _ => other += 1,
        }
    }
    match (frame, steps, products, other) {
        _ if !ended => None,
        (0, 0, 0, 0) => Some(ValueForm::Constant),
        (0, _, _, 0) => Some(ValueForm::Counted),
        (0, ..) | (_, 0, 0, 0) => None,
        _ => Some(ValueForm::Computed),
    }
}

/// Returns the operations of a description without the indices of the locals and operands that they name.
pub fn shape<'s>(expression: &Bytes<'s>, encoding: gimli::Encoding) -> Vec<gimli::Operation<Bytes<'s>>> {
    use gimli::Operation::{WasmLocal, WasmStack};
    let unnamed = |operation| match operation {
        WasmLocal { .. } | WasmStack { .. } => WasmLocal { index: 0 },
        other => other,
    };
    operations(expression, encoding).map(unnamed).collect()
}

/// The locals that a value is in, whole or by pieces; `None` if it is elsewhere too, or nowhere in part.
pub fn locals_only(expression: &Bytes<'_>, encoding: gimli::Encoding) -> Option<Vec<u32>> {
    use gimli::Operation::{Piece, StackValue, WasmLocal};
    let mut rest = *expression;
    let mut locals = Vec::new();
    loop {
        let mut next = || parse(&mut rest, encoding).ok();
        let (WasmLocal { index }, StackValue) = (next()?, next()?) else { return None };
        locals.push(index);
        if gimli::Reader::is_empty(&rest) {
            return Some(locals);
        }
        let Piece { bit_offset: None, .. } = parse(&mut rest, encoding).ok()? else { return None };
        if gimli::Reader::is_empty(&rest) {
            return Some(locals);
        }
    }
}

/// Returns true if a description says only that an operand of the stack is the value.
pub fn is_operand(expression: &Bytes<'_>, encoding: gimli::Encoding) -> bool {
    use gimli::Operation::{StackValue, WasmStack};
    let mut rest = *expression;
    let mut next = || parse(&mut rest, encoding).ok();
    matches!((next(), next(), next()), (Some(WasmStack { .. }), Some(StackValue), None))
}

/// The locals that a description names.
pub fn locals(expression: &Bytes<'_>, encoding: gimli::Encoding) -> Vec<u32> {
    let named = |operation| match operation {
        gimli::Operation::WasmLocal { index } => Some(index),
        _ => None,
    };
    operations(expression, encoding).filter_map(named).collect()
}

/// A piece of an object, in bits, and its description.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PieceExpression<'s> {
    pub start: u64,
    pub size: u64,
    pub expression: Bytes<'s>,
}

/// Splits a description into those of the pieces of its object; none for an object that is whole.
pub fn parts<'s>(expression: &Bytes<'s>, encoding: gimli::Encoding) -> Vec<PieceExpression<'s>> {
    let (mut rest, mut begin, mut start, mut parts) = (*expression, 0, 0u64, Vec::new());
    loop {
        let at = expression.len() - gimli::Reader::len(&rest);
        match parse(&mut rest, encoding) {
            Ok(gimli::Operation::Piece { size_in_bits: size, .. }) => {
                parts.push(PieceExpression { start, size, expression: expression.range(begin..at) });
                start = start.saturating_add(size);
                begin = expression.len() - gimli::Reader::len(&rest);
            }
            Ok(_) => {}
            Err(_) => return parts,
        }
    }
}

/// Returns true if a description refers to the operand stack.
pub fn on_stack(expression: &Bytes<'_>, encoding: gimli::Encoding) -> bool {
    operations(expression, encoding).any(|operation| matches!(operation, gimli::Operation::WasmStack { .. }))
}

fn operations<'s>(
    expression: &Bytes<'s>,
    encoding: gimli::Encoding,
) -> impl Iterator<Item = gimli::Operation<Bytes<'s>>> {
    let mut rest = *expression;
    std::iter::from_fn(move || parse(&mut rest, encoding).ok())
}
