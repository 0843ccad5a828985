//! Types as the debug information describes them (DWARF 5, chapter 5).
//!
//! A type refers to others by entry, never by value, so that a cyclic graph, as every linked list has, costs nothing.

use super::entries::{Bytes, Die};

/// One type.
#[derive(Debug)]
pub struct Type<'s> {
    /// Its own name, without namespaces.
    pub name: Option<&'s [u8]>,
    /// Its size in bytes as its entry says it.
    pub size: Option<u64>,
    /// The sort of type that it is.
    pub kind: Kind<'s>,
}

/// The sorts of types.
#[derive(Debug)]
pub enum Kind<'s> {
    /// A number, a character, a truth value.
    Base(gimli::DwAte),
    /// A pointer or a reference, and the type it points to; `None` for `void *`.
    Pointer(PointerKind, Option<Die>),
    /// A typedef, and the type it names; `None` for `void`.
    Typedef(Option<Die>),
    /// A type qualified by this keyword.
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
    /// A type with a name and nothing else, as `decltype(nullptr)`, or a type that this reader does not know.
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
    /// The number of elements in each dimension, outermost first; `None` where it is not constant. The outermost is the
    /// one whose index changes last from one element to the next in memory, whatever the source writes first.
    pub dimensions: Vec<Option<u64>>,
    /// Bytes from one element to the next, where that is not the element's size.
    pub stride: Option<u64>,
    /// True if it is a SIMD vector.
    pub vector: bool,
    /// True if the program computes where the elements are (DWARF 5, 5.18): the object itself is a descriptor of them.
    pub described: bool,
}

/// A structure's, class's or union's contents.
#[derive(Debug)]
pub struct Struct<'s> {
    /// `struct`, `class` or `union`.
    pub keyword: &'static str,
    /// True if it is only declared here: its contents are described elsewhere, or nowhere.
    pub declared: bool,
    /// Bases and members, in the order of their entries.
    pub members: Vec<Member<'s>>,
    /// The variants of a Rust enum.
    pub variants: Option<Variants<'s>>,
    /// Template and generic arguments that are types: name and type.
    pub arguments: Vec<(&'s [u8], Option<Die>)>,
    /// For the type of a Rust vtable: the type whose vtable it is.
    pub containing: Option<Die>,
}

/// A member or a base.
#[derive(Clone, Debug)]
pub struct Member<'s> {
    /// Its name; anonymous structures and unions have none.
    pub name: Option<&'s [u8]>,
    /// Its type.
    pub ty: Option<Die>,
    /// Its place in the structure.
    pub offset: Offset<'s>,
    /// Size in bits, of a bit-field.
    pub bits: Option<u64>,
    /// True if it is a base class.
    pub base: bool,
    /// Its alignment in bytes, where the entry says it.
    pub alignment: Option<u64>,
}

/// A member's offset.
#[derive(Clone, Copy, Debug)]
pub enum Offset<'s> {
    /// Bits from the start of the structure.
    Bits(u64),
    /// An expression over the structure's address (virtual bases).
    Expression(Bytes<'s>),
    /// The entry gives no offset that makes sense.
    Unknown,
}

/// A Rust enum's variants (DWARF 5, 5.7.10).
#[derive(Debug)]
pub struct Variants<'s> {
    /// The member that holds the discriminant; `None` where there is one variant at most.
    pub discriminant: Option<Member<'s>>,
    /// The variants.
    pub list: Vec<Variant<'s>>,
}

/// One variant.
#[derive(Debug)]
pub struct Variant<'s> {
    /// The discriminant values that select it, as inclusive ranges; empty for the default variant.
    pub values: Vec<(u128, u128)>,
    /// Its contents: a structure of its own.
    pub member: Option<Member<'s>>,
    /// The place where the source declares it: the file's number in the unit's line table, and the line. For a state of
    /// a coroutine, that is where the coroutine waits.
    pub declared: Option<(u64, u32)>,
}

/// An enumeration.
#[derive(Debug)]
pub struct Enum<'s> {
    /// The integer type below it.
    pub underlying: Option<Die>,
    /// Names and values. Of a value, only as many low bits count as the type has.
    pub enumerators: Vec<(&'s [u8], u128)>,
}
