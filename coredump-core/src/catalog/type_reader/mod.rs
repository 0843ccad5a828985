//! Types read from their entries, one at a time and when they are asked for.

mod entry;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use self::entry::{declared, wide_constant};
use super::types::{Array, Kind, PointerKind, Type};
use super::units::{Die, Units};

/// The number of typedefs and qualifiers in a row that are followed.
const ALIASES: u32 = 64;
/// The unit number of types that no entry describes: no unit has this number.
const MADE: u32 = u32::MAX;
/// The type of the characters of a text (`DW_TAG_string_type`), which no entry describes.
const CHARACTER: Die = Die { unit: MADE, offset: usize::MAX };

impl<'s> Units<'s> {
    /// The type at `die`; `None` when its entry is damaged.
    pub fn type_at(&self, die: Die) -> Option<Arc<Type<'s>>> {
        if die == CHARACTER {
            let kind = Kind::Base(gimli::DW_ATE_unsigned_char);
            return Some(Arc::new(Type { name: Some(b"character"), size: Some(1), kind }));
        }
        if die.unit == MADE {
            return self.made().borrow().get(die.offset).cloned();
        }
        if let Some(known) = self.types().lock().get(&die) {
            return Some(known.clone());
        }
        let read = Arc::new(self.read_type(die)?);
        self.types().lock().insert(die, read.clone());
        Some(read)
    }

    /// The type that an entry's `DW_AT_type` refers to, or the `DW_AT_type` of the entry that it completes.
    pub fn type_of(&self, die: Die) -> Option<Die> {
        let (unit, value) = self.inherited(die, gimli::DW_AT_type)?;
        self.target(unit, &value)
    }

    /// The type under typedefs and qualifiers; `None` for `void`, and where they form a cycle.
    pub fn peeled(&self, die: Option<Die>) -> Option<(Die, Arc<Type<'s>>)> {
        let mut at = die?;
        for _ in 0..ALIASES {
            let ty = self.type_at(at)?;
            match ty.kind {
                Kind::Typedef(target) | Kind::Qualified(_, target) => at = target?,
                _ => return Some((at, ty)),
            }
        }
        None
    }

    /// A type's size in bytes; `None` when it has none.
    pub fn size_of(&self, die: Option<Die>) -> Option<u64> {
        self.size_within(die, 16)
    }

    fn size_within(&self, die: Option<Die>, levels: u32) -> Option<u64> {
        let (at, ty) = self.peeled(die)?;
        if let Some(size) = ty.size {
            return Some(size);
        }
        match &ty.kind {
            Kind::Pointer(..) => Some(u64::from(self.unit(at.unit)?.encoding().address_size)),
            Kind::Array(array) => {
                let element = match array.stride {
                    Some(stride) => stride,
                    None => self.size_within(array.element, levels.checked_sub(1)?)?,
                };
                if array.described || array.dimensions.is_empty() {
                    return None;
                }
                array.dimensions.iter().try_fold(element, |size, count| size.checked_mul((*count)?))
            }
            Kind::Enum(list) => self.size_within(list.underlying, levels.checked_sub(1)?),
            _ => None,
        }
    }

    /// A pointer to `target`, for which no entry need exist; of `size` bytes.
    pub fn pointer_to(&self, target: Option<Die>, size: u64) -> Die {
        self.make(Type { name: None, size: Some(size), kind: Kind::Pointer(PointerKind::Pointer, target) })
    }

    /// A pointer to a member of `class`, for which no entry need exist; of `size` bytes.
    pub fn member_pointer_to(&self, member: Option<Die>, class: Die, size: u64) -> Die {
        self.make(Type { name: None, size: Some(size), kind: Kind::MemberPointer(member, Some(class)) })
    }

    /// A function, for which no entry need exist.
    pub fn function_of(&self, result: Option<Die>, parameters: Vec<Die>, more: bool) -> Die {
        self.make(Type { name: None, size: None, kind: Kind::Function(result, parameters, more) })
    }

    /// An array of `element`, for which no entry need exist.
    pub fn array_of(&self, element: Option<Die>, dimensions: Vec<Option<u64>>) -> Die {
        self.make_array(Array { element, dimensions, stride: None, vector: false, described: false })
    }

    /// An array of `count` elements that are `stride` bytes apart, for which no entry need exist.
    pub fn strided_array_of(&self, element: Option<Die>, count: u64, stride: u64) -> Die {
        let (dimensions, stride) = (vec![Some(count)], Some(stride));
        self.make_array(Array { element, dimensions, stride, vector: false, described: false })
    }

    fn make_array(&self, array: Array) -> Die {
        self.make(Type { name: None, size: None, kind: Kind::Array(array) })
    }

    /// A base type for which no entry need exist.
    pub fn base_type(&self, name: &'static str, encoding: gimli::DwAte, size: u64) -> Die {
        self.make(Type { name: Some(name.as_bytes()), size: Some(size), kind: Kind::Base(encoding) })
    }

    /// Keeps a type that no entry describes, under the unit number `MADE`.
    fn make(&self, ty: Type<'s>) -> Die {
        let mut made = self.made().borrow_mut();
        made.push(Arc::new(ty));
        Die { unit: MADE, offset: made.len() - 1 }
    }
}
