//! Shapes of location descriptions that say more than their code addresses.

use crate::catalog::units::Bytes;
use crate::location::parse;

/// Descriptions that may be true beyond the code they are given for.
pub enum Form {
    /// A local holds the object's address.
    AddressInLocal,
    /// A local holds the object.
    ValueInLocal,
    /// A local holds the object or its address: before DWARF 4 both are written alike.
    Local,
    /// The object is a number, and nowhere.
    Number,
}

/// Which of them a description is.
pub fn form(expression: &Bytes<'_>, encoding: gimli::Encoding) -> Option<Form> {
    use gimli::Operation::{SignedConstant, StackValue, UnsignedConstant, WasmLocal};
    let mut rest = *expression;
    let mut next = || parse(&mut rest, encoding).ok();
    let form = match (next()?, next()) {
        (WasmLocal { .. }, None) if encoding.version < 4 => Form::Local,
        (WasmLocal { .. }, None) => Form::AddressInLocal,
        (WasmLocal { .. }, Some(StackValue)) => Form::ValueInLocal,
        (UnsignedConstant { .. } | SignedConstant { .. }, Some(StackValue)) => Form::Number,
        _ => return None,
    };
    gimli::Reader::is_empty(&rest).then_some(form)
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

/// Whether a description says of a value that it is an operand of the stack, and nothing else.
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

/// What a description says of each piece of an object, without the size of the piece; nothing of an object that is whole.
pub fn parts<'s>(expression: &Bytes<'s>, encoding: gimli::Encoding) -> Vec<&'s [u8]> {
    let (whole, mut rest, mut start, mut parts) = (expression.slice(), *expression, 0, Vec::new());
    loop {
        let at = whole.len() - gimli::Reader::len(&rest);
        match parse(&mut rest, encoding) {
            Ok(gimli::Operation::Piece { .. }) => {
                parts.push(&whole[start..at]);
                start = whole.len() - gimli::Reader::len(&rest);
            }
            Ok(_) => {}
            Err(_) => return parts,
        }
    }
}

/// Whether a description names a value of the operand stack.
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
