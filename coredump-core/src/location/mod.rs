//! The locations of variables: DWARF location descriptions, evaluated (DWARF 5, 2.5 and 2.6).
//!
//! `locate` finds the description that holds for a `frame`, and says to what extent it can be believed; `statics` are
//! at addresses that hold for a whole program.
//!
//! gimli decodes the operations and does the arithmetic; the machine is ours, since gimli's evaluator knows no Wasm
//! locals, globals and operand stacks (`DW_OP_WASM_location`, 0xED).

mod by_reference;
mod constants;
mod describe;
mod doubts;
mod ended;
mod evaluation;
mod forms;
pub mod frame;
mod initial;
mod ldc;
mod listed;
mod lists;
mod locate;
mod operation;
mod owned;
mod parameter;
mod passed;
mod prologue;
mod promoted;
pub mod statics;
mod trust;

use std::fmt;

use gimli::Encoding;

use self::evaluation::Evaluation;
pub use self::lists::Lists;
pub use self::operation::parse;
pub use self::parameter::Copies;
use crate::catalog::units::Bytes;
use crate::memory::Unreadable;
use crate::model;

/// The reason for which a value is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The compiler kept it nowhere at this point.
    OptimizedOut,
    /// It existed, but the dump does not hold it; why, where there is more to say.
    NotCaptured(String),
    /// The address is outside of the memory.
    Unreadable(u64),
    /// The debug information makes no sense, or more than this reader can.
    Malformed(String),
}

impl Missing {
    /// The reason that says only that the dump does not hold it.
    pub fn not_captured() -> Self {
        Missing::NotCaptured(String::new())
    }
}

impl From<Unreadable> for Missing {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::OutOfBounds { address } => Missing::Unreadable(address),
            Unreadable::NotCaptured { address } => Missing::NotCaptured(format!("{address:#x}")),
            too_long => Missing::Malformed(too_long.to_string()),
        }
    }
}

impl From<gimli::Error> for Missing {
    fn from(error: gimli::Error) -> Self {
        Missing::Malformed(format!("location: {error}"))
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing::OptimizedOut => f.write_str("<optimized out>"),
            Missing::NotCaptured(why) if why.is_empty() => f.write_str("<not captured>"),
            Missing::NotCaptured(why) => write!(f, "<not captured: {why}>"),
            Missing::Unreadable(address) => write!(f, "<unreadable {address:#x}>"),
            Missing::Malformed(why) => write!(f, "<unreadable: {why}>"),
        }
    }
}

/// The state of a frame that descriptions refer to.
pub trait Machine<'s> {
    /// A Wasm local, parameters first.
    fn local(&self, index: u32) -> Result<model::Value, Missing>;
    /// A Wasm global of the frame's instance.
    fn global(&self, index: u32) -> Result<model::Value, Missing>;
    /// A value of the operand stack, 0 at the bottom.
    fn operand(&self, index: u32) -> Result<model::Value, Missing>;
    /// A parameter's local as it was when the function was entered.
    fn entry_local(&self, index: u32) -> Result<model::Value, Missing>;
    /// The function's frame base (`DW_AT_frame_base`).
    fn frame_base(&self) -> Result<u64, Missing>;
    /// The base of a `DW_OP_plus_uconst` before which nothing is on the stack: LLVM leaves out its frame register where
    /// that became no local.
    fn unnamed_base(&self) -> Result<u64, Missing>;
    /// Bytes of linear memory.
    fn read(&self, address: u64, size: u64) -> Result<u64, Missing>;
    /// Returns the address from which those of position-independent code count (`__memory_base`); `None` for other
    /// code.
    fn memory_base(&self) -> Result<Option<u64>, Missing>;
    /// Address of the thread's local storage.
    fn tls_base(&self) -> Result<u64, Missing>;
    /// An entry of `.debug_addr`.
    fn indexed_address(&self, index: gimli::DebugAddrIndex<usize>) -> Result<u64, Missing>;
    /// The type of a base type entry in the expression's unit.
    fn base_type(&self, entry: gimli::UnitOffset<usize>) -> Result<gimli::ValueType, Missing>;
    /// Returns true if the object that is described has more than four bytes.
    fn is_wide(&self) -> bool {
        false
    }
    /// The description of another entry (`DW_OP_call*`).
    fn called(&self, entry: gimli::DieReference<usize>) -> Result<Option<Bytes<'s>>, Missing>;
}

/// The place of an object, or of a piece of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// Linear memory, at this address.
    Memory(u64),
    /// No memory: these are its bytes, least significant first.
    Bytes(Vec<u8>),
    /// Nowhere, or it is not known where.
    Missing(Missing),
    /// A pointer to something that is in no memory itself.
    ImplicitPointer {
        /// Offset in `.debug_info` of the entry it points to.
        entry: usize,
        /// Bytes into it.
        offset: i64,
    },
}

impl Place {
    /// The bytes of a value of Wasm.
    fn of_value(value: Result<model::Value, Missing>) -> Self {
        match value {
            Ok(model::Value::I32(value)) => Place::Bytes(value.to_le_bytes().to_vec()),
            Ok(model::Value::I64(value)) => Place::Bytes(value.to_le_bytes().to_vec()),
            Ok(model::Value::F32(bits)) => Place::Bytes(bits.to_le_bytes().to_vec()),
            Ok(model::Value::F64(bits)) => Place::Bytes(bits.to_le_bytes().to_vec()),
            Ok(model::Value::V128(bytes)) => Place::Bytes(bytes.to_vec()),
            Ok(model::Value::Ref(_) | model::Value::Missing) => Place::Missing(Missing::not_captured()),
            Err(missing) => Place::Missing(missing),
        }
    }
}

/// A piece of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// Size in bits; `None` for an object that is whole.
    pub bits: Option<u64>,
    /// First bit within the place.
    pub first_bit: u64,
    /// The place of the piece.
    pub place: Place,
}

/// The location of an object: the pieces of which it consists.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectLocation {
    /// The pieces, first byte first.
    pub pieces: Vec<Piece>,
}

impl ObjectLocation {
    /// A whole object at one place.
    pub fn whole(place: Place) -> Self {
        ObjectLocation { pieces: vec![Piece { bits: None, first_bit: 0, place }] }
    }
}

/// Evaluates a location description of an object (DWARF 5, 2.6.1).
///
/// An empty description is [`Missing::OptimizedOut`].
pub fn evaluate<'s, M: Machine<'s>>(
    machine: &M,
    encoding: Encoding,
    expression: Bytes<'s>,
    object: Option<u64>,
) -> ObjectLocation {
    let mut evaluation = Evaluation::new(machine, encoding, object);
    match evaluation.run(expression).and_then(|()| evaluation.finish()) {
        Ok(pieces) => ObjectLocation { pieces },
        Err(missing) => ObjectLocation::whole(Place::Missing(missing)),
    }
}

/// Evaluates a description for the number it leaves: a frame base, a member's offset, an array's bound.
///
/// `initial` is on the stack at the start. A description of a register or `DW_OP_stack_value` gives its value.
pub fn number<'s, M: Machine<'s>>(
    machine: &M,
    encoding: Encoding,
    expression: Bytes<'s>,
    initial: Option<u64>,
) -> Result<u64, Missing> {
    let mut evaluation = Evaluation::new(machine, encoding, initial);
    if let Some(initial) = initial {
        evaluation.push(gimli::Value::Generic(initial))?;
    }
    evaluation.run(expression)?;
    evaluation.into_number()
}

#[cfg(test)]
mod tests;
