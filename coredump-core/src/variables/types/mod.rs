//! Types, read from their entries one at a time and when they are asked for (DWARF 5, chapter 5).
//!
//! A type refers to others by entry, never by value: a graph with circles, as every linked list has, costs nothing.

mod read;
#[cfg(test)]
mod tests;

use std::rc::Rc;

pub use self::read::wide_constant;
use super::units::{Bytes, Die, Units};

/// Typedefs and qualifiers in a row.
const ALIASES: u32 = 64;

/// One type.
#[derive(Debug)]
pub struct Type<'s> {
    /// Its own name, without namespaces.
    pub name: Option<&'s [u8]>,
    /// Its size in bytes as its entry says it.
    pub size: Option<u64>,
    /// What it is.
    pub kind: Kind<'s>,
}

/// The sorts of types.
#[derive(Debug)]
pub enum Kind<'s> {
    /// A number, a character, a truth value.
    Base(gimli::DwAte),
    /// A pointer or a reference; of `None`, it points to no type (`void *`).
    Pointer(PointerKind, Option<Die>),
    /// Another name, for `None` of `void`.
    Typedef(Option<Die>),
    /// The same type, qualified by this word.
    Qualified(&'static str, Option<Die>),
    /// An array.
    Array(Array),
    /// A structure, class or union.
    Struct(Struct<'s>),
    /// An enumeration.
    Enum(Enum<'s>),
    /// A function: its result and its parameters, and whether more may follow.
    Function(Option<Die>, Vec<Die>, bool),
    /// A pointer to a member: the member's type and the class.
    MemberPointer(Option<Die>, Option<Die>),
    /// A type with a name and nothing else, as `decltype(nullptr)`, or one this reader does not know.
    Unspecified,
}

/// The sorts of pointers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointerKind {
    /// `*`
    Pointer,
    /// `&`
    Reference,
    /// `&&`
    RvalueReference,
}

/// An array's shape.
#[derive(Debug)]
pub struct Array {
    /// The type of its elements.
    pub element: Option<Die>,
    /// The number of elements in each dimension, outermost first; `None` where it is not constant.
    pub dimensions: Vec<Option<u64>>,
    /// Bytes from one element to the next, where that is not the element's size.
    pub stride: Option<u64>,
    /// A SIMD vector.
    pub vector: bool,
}

/// A structure's, class's or union's contents.
#[derive(Debug)]
pub struct Struct<'s> {
    /// `struct`, `class` or `union`.
    pub keyword: &'static str,
    /// Only declared here: its contents are described elsewhere, or nowhere.
    pub declared: bool,
    /// Bases and members, in the order of their entries.
    pub members: Vec<Member<'s>>,
    /// The variants of a Rust enum.
    pub variants: Option<Variants<'s>>,
    /// Template and generic arguments that are types: name and type.
    pub arguments: Vec<(&'s [u8], Option<Die>)>,
    /// A Rust vtable's: the type it is for.
    pub containing: Option<Die>,
}

/// A member or a base.
#[derive(Clone, Debug)]
pub struct Member<'s> {
    /// Its name; anonymous structures and unions have none.
    pub name: Option<&'s [u8]>,
    /// Its type.
    pub ty: Option<Die>,
    /// Where it is.
    pub offset: Offset<'s>,
    /// Size in bits, of a bit-field.
    pub bits: Option<u64>,
    /// A base class.
    pub base: bool,
    /// How it is aligned, where the entry says it.
    pub alignment: Option<u64>,
}

/// A member's offset.
#[derive(Clone, Copy, Debug)]
pub enum Offset<'s> {
    /// Bits from the start of the structure.
    Bits(u64),
    /// An expression over the structure's address (virtual bases).
    Expression(Bytes<'s>),
    /// Nothing sensible.
    Unknown,
}

/// A Rust enum's variants (DWARF 5, 5.7.10).
#[derive(Debug)]
pub struct Variants<'s> {
    /// The discriminant's member; of `None`, there is one variant at most.
    pub discriminant: Option<Member<'s>>,
    /// The variants.
    pub list: Vec<Variant<'s>>,
}

/// One variant.
#[derive(Debug)]
pub struct Variant<'s> {
    /// The discriminant's values for it, as ranges with both ends; empty for the one that all other values mean.
    pub values: Vec<(u128, u128)>,
    /// Its contents: a structure of its own.
    pub member: Option<Member<'s>>,
}

/// An enumeration.
#[derive(Debug)]
pub struct Enum<'s> {
    /// The integer type below it.
    pub underlying: Option<Die>,
    /// Names and values, of which as many low bits count as the type has.
    pub enumerators: Vec<(&'s [u8], u128)>,
}

impl<'s> Units<'s> {
    /// The type at `die`; `None` when its entry is damaged.
    pub fn type_at(&self, die: Die) -> Option<Rc<Type<'s>>> {
        if let Some(known) = self.types().borrow().get(&die) {
            return Some(known.clone());
        }
        let read = Rc::new(self.read_type(die)?);
        self.types().borrow_mut().insert(die, read.clone());
        Some(read)
    }

    /// The type an entry's `DW_AT_type` refers to, its own or that of the entry it completes.
    pub fn type_of(&self, die: Die) -> Option<Die> {
        let (unit, value) = self.inherited(die, gimli::DW_AT_type)?;
        self.target(unit, &value)
    }

    /// The type behind typedefs and qualifiers; `None` for `void`, and when they go round in a circle.
    pub fn peeled(&self, die: Option<Die>) -> Option<(Die, Rc<Type<'s>>)> {
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
                array.dimensions.iter().try_fold(element, |size, count| size.checked_mul((*count)?))
            }
            Kind::Enum(list) => self.size_within(list.underlying, levels.checked_sub(1)?),
            _ => None,
        }
    }

    /// A pointer to `target`, for which no entry need exist; of `size` bytes.
    pub fn pointer_to(&self, target: Option<Die>, size: u64) -> Die {
        self.made(Type { name: None, size: Some(size), kind: Kind::Pointer(PointerKind::Pointer, target) })
    }

    /// An array of `element`, for which no entry need exist.
    pub fn array_of(&self, element: Option<Die>, dimensions: Vec<Option<u64>>) -> Die {
        let kind = Kind::Array(Array { element, dimensions, stride: None, vector: false });
        self.made(Type { name: None, size: None, kind })
    }

    /// A base type for which no entry need exist.
    pub fn base_type(&self, name: &'static str, encoding: gimli::DwAte, size: u64) -> Die {
        self.made(Type { name: Some(name.as_bytes()), size: Some(size), kind: Kind::Base(encoding) })
    }

    /// Keeps a type that no unit holds, under a unit number that none has.
    fn made(&self, ty: Type<'s>) -> Die {
        let mut types = self.types().borrow_mut();
        let die = Die { unit: u32::MAX, offset: types.len() };
        types.insert(die, Rc::new(ty));
        die
    }
}
