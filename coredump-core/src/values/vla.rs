//! Arrays whose length the program keeps in a variable (C's variable-length arrays), with the length that they have in
//! a frame.

use gimli::constants::*;

use crate::catalog::types::{Array, Kind, PointerKind};
use crate::catalog::units::Die;
use crate::location::frame::FrameContext;

/// The levels of pointers and arrays within each other that are followed.
const LEVELS: u32 = 8;

impl FrameContext<'_, '_> {
    /// The type, in which variable-length arrays have the lengths of this frame.
    pub fn concrete(&self, ty: Option<Die>) -> Option<Die> {
        self.measured(ty, LEVELS).or(ty)
    }

    /// The type with lengths filled in; `None` where nothing in it depends on the frame.
    fn measured(&self, ty: Option<Die>, levels: u32) -> Option<Die> {
        let levels = levels.checked_sub(1)?;
        let (die, found) = self.units.peeled(ty)?;
        match &found.kind {
            Kind::Pointer(PointerKind::Pointer, target) => {
                let target = self.measured(*target, levels)?;
                let size = self.units.size_of(Some(die))?;
                Some(self.units.pointer_to(Some(target), size))
            }
            Kind::Array(array) if !array.described => {
                let element = self.measured(array.element, levels);
                let open = array.dimensions.iter().any(Option::is_none);
                if element.is_none() && (!open || array.stride.is_some()) {
                    return None;
                }
                let lengths = if open { self.lengths(die, array) } else { array.dimensions.clone() };
                (element.is_some() || lengths != array.dimensions)
                    .then(|| self.units.array_of(element.or(array.element), lengths))
            }
            _ => None,
        }
    }

    /// The dimensions of an array; lengths that are in variables are read from these.
    fn lengths(&self, array: Die, known: &Array) -> Vec<Option<u64>> {
        let mut lengths = known.dimensions.clone();
        let is_reversed = self.units.entry(array).is_some_and(|entry| self.units.stores_columns(array.unit, &entry));
        if is_reversed {
            lengths.reverse();
        }
        let mut at = 0;
        self.units.children(array, |child, entry| {
            if matches!(entry.tag, DW_TAG_subrange_type | DW_TAG_enumeration_type) {
                if let Some(length) = lengths.get_mut(at).filter(|length| length.is_none()) {
                    let count = self.count(child.unit, entry, None).ok();
                    *length = count.and_then(|count| u64::try_from(count).ok());
                }
                at += 1;
            }
            at < known.dimensions.len()
        });
        if is_reversed {
            lengths.reverse();
        }
        lengths
    }
}
