//! Structures and arrays in a local, as DWARF 2 and 3 describe them. LLVM says of an object whose address is in a local
//! the same as of one that is in the local itself: `DW_OP_stack_value`, which tells them apart, came with DWARF 4.

use crate::catalog::types::Kind;
use crate::catalog::units::Die;
use crate::location::frame::FrameContext;
use crate::location::{Missing, ObjectLocation, Piece, Place};

/// Structures within each other that are looked through.
const LEVELS: u32 = 16;

impl FrameContext<'_, '_> {
    /// The place of an object of type `ty` that was taken to be in a local: what does not fit there is where the local
    /// points to. One number, however wrapped, is passed as such (tool-conventions `BasicCABI.md`).
    pub fn by_reference(&self, ty: Option<Die>, location: ObjectLocation) -> ObjectLocation {
        let [Piece { bits: None, place: Place::Bytes(bytes), .. }] = location.pieces.as_slice() else {
            return location;
        };
        let peeled = self.units.peeled(ty);
        if !peeled.is_some_and(|(_, ty)| matches!(ty.kind, Kind::Struct(_) | Kind::Array(_))) {
            return location;
        }
        let fits = self.units.size_of(ty).is_some_and(|size| size <= bytes.len() as u64);
        ObjectLocation::whole(
            match (fits, <[u8; 4]>::try_from(bytes.as_slice()), <[u8; 8]>::try_from(bytes.as_slice())) {
                (true, ..) if self.is_one_number(ty, LEVELS) => return location,
                (false, Ok(address), _) if self.address_size() == 4 => {
                    Place::Memory(u32::from_le_bytes(address).into())
                }
                (false, _, Ok(address)) if self.address_size() == 8 => Place::Memory(u64::from_le_bytes(address)),
                _ => Place::Missing(Missing::NotCaptured("DWARF 2 and 3 do not tell it from its address".into())),
            },
        )
    }

    fn is_one_number(&self, ty: Option<Die>, levels: u32) -> bool {
        let (Some((_, ty)), Some(levels)) = (self.units.peeled(ty), levels.checked_sub(1)) else { return false };
        match &ty.kind {
            Kind::Struct(contents) => match contents.members.as_slice() {
                [member] => member.bits.is_none() && self.is_one_number(member.ty, levels),
                _ => false,
            },
            Kind::Array(array) => array.dimensions == [Some(1)] && self.is_one_number(array.element, levels),
            _ => true,
        }
    }
}
