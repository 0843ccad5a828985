//! A location description in words, for the `location` of a variable.

use gimli::{Encoding, Operation};

use crate::catalog::units::Bytes;
use crate::location::parse;

/// Operations that are written out.
const SHOWN: usize = 8;

/// Writes an expression as `frame base + 0x18`, `local 3`, or its operations. `base` is the name of the frame base.
pub fn description(expression: Bytes<'_>, encoding: Encoding, base: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut rest = expression;
    while let Ok(operation) = parse(&mut rest, encoding) {
        if words.len() == SHOWN {
            words.push("…".into());
            break;
        }
        words.push(match operation {
            Operation::FrameOffset { offset } if offset < 0 => format!("{base} - {:#x}", offset.unsigned_abs()),
            Operation::FrameOffset { offset } => format!("{base} + {offset:#x}"),
            Operation::Address { address } => format!("address {address:#x}"),
            Operation::AddressIndex { .. } => "address".into(),
            Operation::WasmLocal { index } => format!("local {index}"),
            Operation::WasmGlobal { index } => format!("global {index}"),
            Operation::WasmStack { index } => format!("operand stack {index}"),
            Operation::StackValue => continue,
            Operation::ImplicitValue { .. } => "constant".into(),
            Operation::UnsignedConstant { value } => format!("{}", value as i64),
            Operation::SignedConstant { value } => format!("{value}"),
            Operation::PlusConstant { value } => format!("+ {value:#x}"),
            Operation::Plus => "+".into(),
            Operation::Minus => "-".into(),
            Operation::Deref { .. } => "dereferenced".into(),
            Operation::Piece { size_in_bits, .. } if size_in_bits % 8 == 0 => format!("({} bytes)", size_in_bits / 8),
            Operation::Piece { size_in_bits, .. } => format!("({size_in_bits} bits)"),
            Operation::EntryValue { .. } => "value at entry".into(),
            Operation::TLS => "in thread-local storage".into(),
            Operation::Convert { .. } | Operation::Reinterpret { .. } | Operation::Nop => continue,
            other => {
                let debug = format!("{other:?}");
                debug.split([' ', '{', '(']).next().unwrap_or_default().to_lowercase()
            }
        });
    }
    words.join(" ")
}
