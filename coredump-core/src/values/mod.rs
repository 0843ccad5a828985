//! A value: a type and where its bytes are. Bytes are read when they are asked for.

#![expect(non_upper_case_globals, reason = "DWARF names its constants so")]

mod described;
mod variable;
mod vla;

use std::borrow::Cow;
use std::rc::Rc;

use gimli::constants::*;

use crate::catalog::types::{Kind, Member, Offset, PointerKind};
use crate::catalog::units::Die;
use crate::location::frame::FrameContext;
use crate::location::{Missing, ObjectLocation, Piece, Place};

pub use described::DescribedArray;
pub use variable::{Limits, Scope, Status, Variable, When};

/// Size in bytes of the largest object that is put together from pieces.
const ASSEMBLED: u64 = 1 << 16;

/// A value of some type.
#[derive(Clone, Debug)]
pub struct Value {
    /// Its type; `None` for `void`.
    pub ty: Option<Die>,
    /// The place of its bytes.
    pub source: Source,
}

/// The place of a value's bytes.
#[derive(Clone, Debug)]
pub enum Source {
    /// Linear memory, from this address.
    Memory(u64),
    /// In these bytes, from this index on: an object that is not in memory as a whole.
    Bytes(Rc<Assembled>, usize),
    /// The bytes are not known, for this reason.
    Missing(Missing),
}

/// The bytes of an object that is not, or only partly, in memory.
#[derive(Debug)]
pub struct Assembled {
    bytes: Vec<u8>,
    /// Ranges of `bytes` that are not known, as start and end, with the reason.
    holes: Vec<(usize, usize, Missing)>,
}

impl Source {
    /// Bytes that are all known.
    pub fn bytes(bytes: Vec<u8>) -> Source {
        Source::Bytes(Rc::new(Assembled { bytes, holes: Vec::new() }), 0)
    }

    /// Returns the place of an object of `size` bytes, according to a location.
    pub fn locate(frame: &FrameContext<'_, '_>, location: &ObjectLocation, size: Option<u64>) -> Source {
        match location.pieces.as_slice() {
            [Piece { bits: None, place, .. }] => match place {
                Place::Memory(address) => Source::Memory(*address),
                Place::Bytes(bytes) => {
                    let mut bytes = bytes.clone();
                    // A stack value of DWARF (`DW_OP_stack_value`) is as wide as an address, whatever the object's
                    // size.
                    bytes.truncate(size.map_or(usize::MAX, |size| usize::try_from(size).unwrap_or(usize::MAX)));
                    Source::bytes(bytes)
                }
                Place::Missing(missing) => Source::Missing(missing.clone()),
                Place::ImplicitPointer { .. } => Source::Missing(Missing::NotCaptured("what it points to".into())),
            },
            pieces => assemble(frame, pieces, size),
        }
    }

    /// Returns the source `offset` bytes further on.
    pub fn moved_by(&self, offset: u64) -> Source {
        match self {
            Source::Memory(address) => match address.checked_add(offset) {
                Some(address) => Source::Memory(address),
                None => Source::Missing(Missing::Unreadable(*address)),
            },
            Source::Bytes(object, start) => {
                let start = usize::try_from(offset).ok().and_then(|offset| start.checked_add(offset));
                start.map_or(Source::Missing(Missing::OptimizedOut), |start| Source::Bytes(object.clone(), start))
            }
            Source::Missing(missing) => Source::Missing(missing.clone()),
        }
    }

    /// The address, if the object is in memory.
    pub fn address(&self) -> Option<u64> {
        match self {
            Source::Memory(address) => Some(*address),
            _ => None,
        }
    }
}

/// Puts an object together whose pieces are in several places.
fn assemble(frame: &FrameContext<'_, '_>, pieces: &[Piece], size: Option<u64>) -> Source {
    let mut bytes: Vec<u8> = Vec::new();
    let mut holes = Vec::new();
    let limit = size.unwrap_or(ASSEMBLED).min(ASSEMBLED);
    for piece in pieces {
        let start = bytes.len();
        let room = limit.saturating_sub(start as u64);
        let bits = piece.bits.unwrap_or(room.saturating_mul(8));
        if bits % 8 != 0 || piece.first_bit % 8 != 0 {
            // Compilers split objects at bytes. Everything after a piece of odd bits is unknown.
            break;
        }
        let len = (bits / 8).min(room);
        let skip = piece.first_bit / 8;
        let found = match &piece.place {
            Place::Memory(address) => read_memory(frame, address.saturating_add(skip), len).map(Cow::into_owned),
            Place::Bytes(bytes) => {
                let skip = usize::try_from(skip).unwrap_or(usize::MAX);
                let part = bytes.get(skip..).and_then(|bytes| bytes.get(..len as usize));
                part.map(<[u8]>::to_vec).ok_or(Missing::OptimizedOut)
            }
            Place::Missing(missing) => Err(missing.clone()),
            Place::ImplicitPointer { .. } => Err(Missing::NotCaptured("what it points to".into())),
        };
        match found {
            Ok(found) => bytes.extend(found),
            Err(missing) => {
                bytes.resize(start + len as usize, 0);
                holes.push((start, bytes.len(), missing));
            }
        }
    }
    if let [(0, end, missing)] = holes.as_slice()
        && *end == bytes.len()
    {
        return Source::Missing(missing.clone());
    }
    Source::Bytes(Rc::new(Assembled { bytes, holes }), 0)
}

/// An object in memory of which parts were never written.
fn with_holes(frame: &FrameContext<'_, '_>, address: u64, size: u64, holes: &[(u64, u64)]) -> Source {
    if size > ASSEMBLED || holes == [(0, size)] {
        return Source::Missing(Missing::OptimizedOut);
    }
    match read_memory(frame, address, size) {
        Ok(bytes) => {
            let holes = holes.iter().map(|&(from, to)| (from as usize, to as usize, Missing::OptimizedOut));
            Source::Bytes(Rc::new(Assembled { bytes: bytes.into_owned(), holes: holes.collect() }), 0)
        }
        Err(missing) => Source::Missing(missing),
    }
}

fn read_memory<'f>(frame: &FrameContext<'f, '_>, address: u64, len: u64) -> Result<Cow<'f, [u8]>, Missing> {
    let memory = frame.memory.ok_or_else(|| Missing::NotCaptured("memory".into()))?;
    Ok(memory.bytes(address, len)?)
}

impl Value {
    /// A value of type `ty` in memory.
    pub fn in_memory(ty: Option<Die>, address: u64) -> Value {
        Value { ty, source: Source::Memory(address) }
    }

    /// A value that is unknown.
    pub fn missing(ty: Option<Die>, missing: Missing) -> Value {
        Value { ty, source: Source::Missing(missing) }
    }

    /// Gives the bytes another type.
    pub fn with_type(&self, ty: Option<Die>) -> Value {
        Value { ty, source: self.source.clone() }
    }

    /// Reads its first `len` bytes.
    pub fn read<'v>(&'v self, frame: &'v FrameContext<'_, '_>, len: u64) -> Result<Cow<'v, [u8]>, Missing> {
        match &self.source {
            Source::Memory(address) => read_memory(frame, *address, len),
            Source::Bytes(object, start) => {
                let range = usize::try_from(len).ok().and_then(|len| Some(*start..start.checked_add(len)?));
                let range = range.filter(|range| range.end <= object.bytes.len()).ok_or(Missing::OptimizedOut)?;
                let hole = object.holes.iter().find(|hole| hole.0 < range.end && range.start < hole.1);
                match hole {
                    Some((_, _, missing)) => Err(missing.clone()),
                    None => Ok(Cow::Borrowed(&object.bytes[range])),
                }
            }
            Source::Missing(missing) => Err(missing.clone()),
        }
    }

    /// Reads an unsigned number of `size` bytes, up to 16.
    pub fn unsigned(&self, frame: &FrameContext<'_, '_>, size: u64) -> Result<u128, Missing> {
        if size > 16 {
            return Err(Missing::Malformed(format!("a number of {size} bytes")));
        }
        let bytes = self.read(frame, size)?;
        let mut wide = [0; 16];
        wide[..bytes.len()].copy_from_slice(&bytes);
        Ok(u128::from_le_bytes(wide))
    }

    /// Reads a number of this value's own size, sign-extended if `signed`.
    pub fn number(&self, frame: &FrameContext<'_, '_>, signed: bool) -> Result<i128, Missing> {
        let size = frame.units.size_of(self.ty).ok_or_else(|| Missing::Malformed("a type without a size".into()))?;
        let unsigned = self.unsigned(frame, size)?;
        Ok(if signed { sign_extend(unsigned, size * 8) } else { unsigned as i128 })
    }

    /// Reads the address in a pointer.
    pub fn pointer(&self, frame: &FrameContext<'_, '_>) -> Result<u64, Missing> {
        let size = frame.units.size_of(self.ty).unwrap_or(u64::from(frame.address_size()));
        Ok(self.unsigned(frame, size.min(8))? as u64)
    }

    /// A member of this structure.
    pub fn member<'s>(&self, frame: &FrameContext<'_, 's>, member: &Member<'s>) -> Value {
        let bits = match member.offset {
            Offset::Bits(bits) => bits,
            Offset::Expression(expression) => {
                let ty = self.ty.map_or(0, |ty| ty.unit);
                let address = self.source.address().ok_or(Missing::OptimizedOut);
                // The expression takes the structure's address and gives the member's.
                return match address.and_then(|address| frame.computed(ty, expression, address)) {
                    Ok(at) => Value::in_memory(member.ty, at),
                    Err(missing) => Value::missing(member.ty, missing),
                };
            }
            Offset::Unknown => {
                return Value::missing(member.ty, Missing::Malformed("a member without an offset".into()));
            }
        };
        match member.bits {
            Some(size) => self.bit_field(frame, member.ty, bits, size),
            None => Value { ty: member.ty, source: self.source.moved_by(bits / 8) },
        }
    }

    /// The value of a bit-field, of `size` bits from the bit `first` on.
    pub fn bit_field(&self, frame: &FrameContext<'_, '_>, ty: Option<Die>, first: u64, size: u64) -> Value {
        let fail = |missing| Value::missing(ty, missing);
        if size == 0 {
            return fail(Missing::NotCaptured("its size is known only to the pointer to the whole".into()));
        }
        let Some(whole) = frame.units.size_of(ty).filter(|&whole| whole <= 16 && size <= whole * 8) else {
            return fail(Missing::Malformed(format!("a bit-field of {size} bits")));
        };
        let start = Value { ty, source: self.source.moved_by(first / 8) };
        let shift = first % 8;
        let read = start.read(frame, (shift + size).div_ceil(8));
        let bytes = match read {
            Ok(bytes) => bytes.into_owned(),
            Err(missing) => return fail(missing),
        };
        let mut bits = 0u128;
        for bit in 0..size {
            let at = shift + bit;
            let set = bytes[(at / 8) as usize] >> (at % 8) & 1;
            bits |= u128::from(set) << bit;
        }
        let bits = if is_signed(frame, ty) { sign_extend(bits, size) as u128 } else { bits };
        let mut bytes = bits.to_le_bytes().to_vec();
        bytes.truncate(whole as usize);
        Value { ty, source: Source::bytes(bytes) }
    }
}

/// Returns true if a base type of this encoding holds one integer: not a float, and not the two halves of a complex
/// number (DWARF 5, table 7.11).
pub fn is_integral(encoding: gimli::DwAte) -> bool {
    matches!(
        encoding,
        gimli::DW_ATE_address
            | gimli::DW_ATE_boolean
            | gimli::DW_ATE_signed
            | gimli::DW_ATE_signed_char
            | gimli::DW_ATE_unsigned
            | gimli::DW_ATE_unsigned_char
            | gimli::DW_ATE_UTF
            | gimli::DW_ATE_UCS
            | gimli::DW_ATE_ASCII
    )
}

/// Returns true if numbers of this type are signed.
pub fn is_signed(frame: &FrameContext<'_, '_>, ty: Option<Die>) -> bool {
    let mut at = ty;
    for _ in 0..8 {
        match frame.units.peeled(at).as_ref().map(|(_, ty)| &ty.kind) {
            Some(Kind::Base(encoding)) => {
                return matches!(*encoding, gimli::DW_ATE_signed | gimli::DW_ATE_signed_char);
            }
            Some(Kind::Enum(list)) => match list.underlying {
                Some(underlying) => at = Some(underlying),
                // DWARF 2 gives an enumeration no underlying type.
                None => return list.enumerators.iter().any(|(_, value)| (*value as i128) < 0),
            },
            _ => return false,
        }
    }
    false
}

/// Extends the sign of a number of `bits` bits.
pub fn sign_extend(value: u128, bits: u64) -> i128 {
    match 128u32.checked_sub(bits.min(128) as u32) {
        Some(128) | None => 0,
        Some(shift) => (value as i128) << shift >> shift,
    }
}

/// A variable's value, from its entry's location or constant, and its location in words.
pub fn variable_value(frame: &FrameContext<'_, '_>, die: Die) -> (Value, String) {
    typed_value(frame, die, frame.concrete(frame.units.type_of(die)))
}

/// The number that a variable holds, as far as its type has a size of its own: a variable that says how long an array
/// is may itself be such an array in damaged debug information.
fn plain_number(frame: &FrameContext<'_, '_>, die: Die) -> Result<i128, Missing> {
    let (value, _) = typed_value(frame, die, frame.units.type_of(die));
    value.number(frame, is_signed(frame, value.ty))
}

fn typed_value(frame: &FrameContext<'_, '_>, die: Die, ty: Option<Die>) -> (Value, String) {
    let located = frame.locate(die);
    let nowhere = || match frame.units.entry(die).is_some_and(|entry| entry.has_attr(DW_AT_declaration)) {
        true => Missing::NotCaptured("only declared: the debug information does not say where it is".into()),
        false => Missing::OptimizedOut,
    };
    let (location, described) =
        located.unwrap_or_else(|| (ObjectLocation::whole(Place::Missing(nowhere())), String::new()));
    let size = frame.units.size_of(ty);
    let mut source = Source::locate(frame, &location, size);
    if let (Source::Memory(address), Some(size)) = (&source, size)
        && let holes = frame.never_written(*address, size)
        && !holes.is_empty()
    {
        source = with_holes(frame, *address, size, &holes);
    }
    if size == Some(0) && matches!(source, Source::Missing(_)) && frame.units.language(die.unit).has_unit_types() {
        source = Source::bytes(Vec::new());
    }
    (Value { ty, source }, described)
}

/// The value of a parameter on entry to its function, and where that was found, in words.
pub fn value_at_entry(frame: &FrameContext<'_, '_>, die: Die) -> (Value, String) {
    let ty = frame.concrete(frame.units.type_of(die));
    let unknown = || Missing::NotCaptured("a value at the function's entry".into());
    let (location, described) =
        frame.locate_at_entry(die).unwrap_or_else(|| (ObjectLocation::whole(Place::Missing(unknown())), String::new()));
    let source = Source::locate(frame, &location, frame.units.size_of(ty));
    (Value { ty, source }, described)
}

/// A variable's value at the last place where the debug information had a location for it, and that location in words;
/// `None` where it is not known.
pub fn value_earlier(frame: &FrameContext<'_, '_>, die: Die) -> Option<(Value, String)> {
    let ty = frame.concrete(frame.units.type_of(die));
    let (location, described) = frame.locate_earlier(die)?;
    let source = Source::locate(frame, &location, frame.units.size_of(ty));
    Some((Value { ty, source }, described))
}

/// Returns the target of a type and the kind of pointer, if it is a pointer.
pub fn pointer_target(frame: &FrameContext<'_, '_>, ty: Option<Die>) -> Option<(Option<Die>, PointerKind)> {
    match frame.units.peeled(ty)?.1.kind {
        Kind::Pointer(kind, target) => Some((target, kind)),
        _ => None,
    }
}
