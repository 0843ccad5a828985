//! The meaning of types, and how values are written.
//!
//! [`Lang`] is what is known of one language: what the types of its library hold, what its pointers lead to, and its
//! notation. Code that shows a value or evaluates an expression asks it through a [`Renderer`] and never asks which
//! language it is: that is decided in one place, [`table`]. The files of this folder are what all languages share; each
//! language has a folder of its own.

#![expect(non_upper_case_globals, reason = "DWARF names its constants so")]

mod aggregate;
mod c;
pub mod cpp;
mod d;
mod dig;
pub mod go;
pub mod javascript;
pub mod kotlin;
mod long_float;
mod meaning;
pub mod names;
mod pointer;
pub mod python;
mod renderer;
pub mod rust;
mod scalar;
pub mod tasks;
mod text;
mod type_budget;
mod variants;
mod zig;

use std::ops::Range;

use crate::catalog::Language;
use crate::catalog::types::{Array, Member, PointerKind, Struct, Type};
use crate::catalog::units::{Die, Units};
use crate::limits::{MAX_NAME, shorten};
use crate::location::Missing;
use crate::values::{Source, Value};
pub use meaning::{Elements, Entries, Meaning, StringData};
pub use names::type_name;
use renderer::cut;
pub use renderer::{Contiguous, Renderer, Shown, explain};
pub use scalar::nearest_double;
pub use text::{pointer_with, quoted};
use type_budget::TypeBudget;

/// The implementation of [`Lang`] for each language.
pub fn table(language: Language) -> &'static dyn Lang {
    match language {
        // Fortran's values are written as those of C.
        Language::C | Language::Fortran => &c::C,
        Language::Cpp => &cpp::Cpp,
        Language::D => &d::D,
        Language::Rust => &rust::Rust,
        Language::Zig => &zig::Zig,
    }
}

/// A language: what its types mean, and how it writes values. The defaults are those of C, without C's strings and
/// declarators.
pub trait Lang: Sync {
    // The meaning of types.

    /// Returns the contents of a structure of the language's library; `None` for others. Of elements and entries only
    /// those in `window` are looked for.
    fn meaning<'s>(
        &self,
        _renderer: &Renderer<'_, '_, 's>,
        _value: &Value,
        _die: Die,
        _contents: &Struct<'s>,
        _window: Range<u64>,
    ) -> Option<Result<Meaning, Missing>> {
        None
    }

    /// The member with this index of a tuple or the like, which is no container; `None` for other types.
    fn part(&self, _renderer: &Renderer<'_, '_, '_>, _value: &Value, _number: u64) -> Option<Value> {
        None
    }

    /// An element of an array whose elements do not fill whole bytes; `None` for other arrays.
    fn lane(&self, _renderer: &Renderer<'_, '_, '_>, _value: &Value, _array: &Array, _index: u64) -> Option<Value> {
        None
    }

    /// Returns the target of a smart pointer or a similar structure; `None` for other structures.
    fn pointee<'s>(
        &self,
        _renderer: &Renderer<'_, '_, 's>,
        _value: &Value,
        _die: Die,
        _contents: &Struct<'s>,
    ) -> Option<Value> {
        None
    }

    /// For a smart pointer to an array, which does not know its length: the type of the elements, and where they begin.
    fn array_pointee(&self, _renderer: &Renderer<'_, '_, '_>, _value: &Value) -> Option<(Option<Die>, Source)> {
        None
    }

    /// Returns true if a pointer is a reference, which is shown and used as what it points to.
    fn is_reference(&self, _ty: &Type<'_>) -> bool {
        false
    }

    /// Returns the payload of an optional, or the reason why there is none; `None` for other types.
    fn payload(&self, _renderer: &Renderer<'_, '_, '_>, _value: &Value) -> Option<Result<Value, String>> {
        None
    }

    /// Returns true if an optional that encodes null in the bits of its contents is null; `None` for other types.
    fn is_null(&self, _renderer: &Renderer<'_, '_, '_>, _value: &Value) -> Option<Result<bool, Missing>> {
        None
    }

    /// The active part of a structure in which a member of that name is to be looked for: a variant, or the payload of
    /// a tagged union.
    fn active_part<'s>(
        &self,
        renderer: &Renderer<'_, '_, 's>,
        value: &Value,
        contents: &Struct<'s>,
        _name: &str,
    ) -> Option<Value> {
        renderer.active_variant(value, contents)
    }

    /// The complete object around a base-class subobject, where its dynamic class is another than the static one;
    /// `None` where that is not known for certain.
    fn dynamic_object(&self, _renderer: &Renderer<'_, '_, '_>, _object: &Value) -> Option<Value> {
        None
    }

    /// Returns true if classes have bases, which the debug information of a class that is only declared does not name.
    fn has_bases(&self) -> bool {
        false
    }

    /// The statics that have this name in the program, and other names in the debug information.
    fn renamed_statics(&self, _units: &Units<'_>, _unit: u32, _name: &str, _namespaces: &[String]) -> Vec<Die> {
        Vec::new()
    }

    /// A base type of that name which means something else than in C: its name, encoding and size in bytes.
    fn base_type(&self, _name: &str) -> Option<(&'static str, gimli::DwAte, u64)> {
        None
    }

    /// The size in bits of an integer type, if only its name gives it.
    fn integer_bits(&self, _name: &[u8]) -> Option<u64> {
        None
    }

    /// The prefix of a string literal of this character type, and the type's size in bytes; `None` for a type that is
    /// no character type.
    fn character(&self, _renderer: &Renderer<'_, '_, '_>, _ty: Option<Die>) -> Option<(&'static str, u64)> {
        None
    }

    // The targets of pointers, for the walk over all heap blocks.

    /// Returns true if a type of that name may be larger than the debug information says.
    fn is_unsized(&self, _name: &str) -> bool {
        false
    }

    /// The data and vtable words of a fat pointer to a trait object; `None` for other structures.
    fn pointer_with_vtable<'m, 's>(
        &self,
        _units: &Units<'s>,
        _contents: &'m Struct<'s>,
    ) -> Option<(&'m Member<'s>, &'m Member<'s>)> {
        None
    }

    /// The data and vtable words of a fat pointer to a structure that ends in a trait object, and that structure's
    /// type; `None` for others.
    fn pointer_to_tailed<'m, 's>(
        &self,
        _units: &Units<'s>,
        _contents: &'m Struct<'s>,
    ) -> Option<(&'m Member<'s>, &'m Member<'s>, Die)> {
        None
    }

    /// The name of the type `whole`, which ends in a trait object, with the concrete type that the vtable named
    /// `vtable` is for in the object's place.
    fn tailed(&self, _whole: &[u8], _vtable: &[u8]) -> Option<Vec<u8>> {
        None
    }

    /// Returns true if each value of the type of that name at `die` is allocated in a block of its own, as the nodes of
    /// a container are.
    fn is_alone(&self, _units: &Units<'_>, _die: Die, _name: &[u8]) -> bool {
        false
    }

    /// The type of the one value that a structure of that name owns; `None` for other structures.
    fn owned(&self, _units: &Units<'_>, _name: &[u8], _contents: &Struct<'_>) -> Option<Die> {
        None
    }

    /// Returns true if the last member of a structure of that name is the first of any number of elements.
    fn ends_in_slice(&self, _name: &[u8]) -> bool {
        false
    }

    /// The type of the value that a structure of that name stores in a member of plain bytes, and the value's offset in
    /// bytes; `None` for other structures.
    fn stored(&self, _units: &Units<'_>, _name: &[u8], _contents: &Struct<'_>) -> Option<(Die, u64)> {
        None
    }

    /// The element type of a structure of that name whose pointers are described as pointers to bytes; `None` for other
    /// structures.
    fn buffer_element(&self, _name: &[u8], _contents: &Struct<'_>) -> Option<Die> {
        None
    }

    /// A hash table whose entries lie before their control bytes; `None` for other structures.
    fn hash_table(&self, _units: &Units<'_>, _name: &[u8], _contents: &Struct<'_>) -> Option<HashTable> {
        None
    }

    /// The type-erased value in a structure of that name; `None` for other structures.
    fn erased(&self, _units: &Units<'_>, _name: &[u8], _contents: &Struct<'_>) -> Option<Erased> {
        None
    }

    /// The block of several arrays that the structure at `die` points to; `None` for other structures.
    fn arrays(&self, _units: &Units<'_>, _die: Die, _contents: &Struct<'_>) -> Option<Arrays> {
        None
    }

    /// The node type of a container or of a node itself, at `die`; `None` for other structures.
    fn node_type(&self, _units: &Units<'_>, _die: Die, _name: &[u8], _contents: &Struct<'_>) -> Option<Die> {
        None
    }

    /// Returns true if this is the name of a base of nodes, so that pointers to it in a container and its nodes lead to
    /// whole nodes.
    fn is_node_base(&self, _name: &[u8]) -> bool {
        false
    }

    /// Returns the arrays of a node that are filled only up to a count; `None` for other structures.
    fn filled(&self, _units: &Units<'_>, _name: &[u8], _contents: &Struct<'_>) -> Option<Filled> {
        None
    }

    /// The possible contents of a union, or of a structure of that name with one, where a discriminant beside it tells
    /// them apart; `None` for others.
    fn chosen(&self, _units: &Units<'_>, _name: &[u8], _contents: &Struct<'_>) -> Option<Chosen> {
        None
    }

    /// The larger nodes that begin as this one; `None` for other structures.
    fn larger_node(&self, _units: &Units<'_>, _name: &[u8], _contents: &Struct<'_>) -> Option<LargerNode> {
        None
    }

    /// The type whose vtable a variable is; `None` for other variables.
    fn vtable_type(&self, _units: &Units<'_>, _variable: Die) -> Option<Die> {
        None
    }

    // The notation of values.

    /// The text of a structure in a notation of its own; `None` for one that is written by its members.
    fn written<'s>(
        &self,
        _renderer: &Renderer<'_, '_, 's>,
        _value: &Value,
        _die: Die,
        _contents: &Struct<'s>,
        _depth: u32,
    ) -> Option<Shown> {
        None
    }

    /// The text of a pointer that is written as more than its address; `None` for others.
    fn pointer<'s>(
        &self,
        _renderer: &Renderer<'_, '_, 's>,
        _ty: &Type<'s>,
        _kind: PointerKind,
        _target: Option<Die>,
        _address: u64,
    ) -> Option<String> {
        None
    }

    /// The notation of arrays, structures and numbers.
    fn notation(&self) -> &'static Notation {
        &Notation::PLAIN
    }

    /// The name that stands before a structure's members.
    fn structure_name(&self, _units: &Units<'_>, _die: Die) -> String {
        String::new()
    }

    /// Returns true if the members of a structure are written by their places, in parentheses.
    fn is_tuple(&self, _contents: &Struct<'_>) -> bool {
        false
    }

    /// A member's name as the program has it, which may be only a part of what the compiler calls it.
    fn member_name<'n>(&self, name: &'n str) -> &'n str {
        name
    }

    /// A member of a structure with its value.
    fn member(&self, member: &Member<'_>, name: &str, text: &str) -> String {
        match member.name {
            None if !member.base => text.to_owned(),
            _ => format!("{name} = {text}"),
        }
    }

    /// An enumerator's name as the language writes it.
    fn enumerator(&self, name: &[u8]) -> String {
        shorten(&String::from_utf8_lossy(name), MAX_NAME).into_owned()
    }

    /// The escape for a character of a string that must not be printed.
    fn escaped(&self, char: char) -> String {
        char.escape_unicode().to_string()
    }

    /// The escape for a unit of a string that is no character: a byte, or an unpaired surrogate.
    fn escaped_number(&self, number: u32) -> String {
        format!("\\x{number:02x}")
    }

    /// The escape for a NUL in a string; `before_digit` says that a digit follows.
    fn escaped_zero(&self, _before_digit: bool) -> &'static str {
        "\\0"
    }

    // The notation of types.

    /// Returns true if a type is written around the name that it declares: `int (*f)(void)`.
    fn has_declarators(&self) -> bool {
        false
    }

    /// A pointer without a name to a type.
    fn pointer_type(&self, _kind: PointerKind, target: &str) -> String {
        format!("*{target}")
    }

    /// An array of `count` elements of a type.
    fn array_type(&self, element: &str, count: &str) -> String {
        format!("[{element}; {count}]")
    }

    /// A type that has a name, as a program writes it, with its arguments as far as there is room for them.
    fn named_type(&self, _units: &Units<'_>, _die: Die, _ty: &Type<'_>, name: &str, _budget: TypeBudget<'_>) -> String {
        name.to_owned()
    }
}

/// Arrays of a structure whose elements are used only up to a count.
pub struct Filled {
    /// Offset in bytes of the count, a number of 16 bits, in the structure.
    pub count: u64,
    /// The members that are such arrays, and how many used elements each has beyond the count.
    pub arrays: &'static [(&'static [u8], u64)],
}

/// Parts of a structure of which at most one is there, as a discriminant says.
pub struct Chosen {
    /// Offset in the structure, and size, of the discriminant, both in bytes.
    pub discriminant: (u64, u64),
    /// The bits of the discriminant that count.
    pub mask: u128,
    /// The parts.
    pub parts: Vec<ChosenPart>,
}

/// A part that may be there.
pub struct ChosenPart {
    /// The discriminant values that select it, as inclusive ranges.
    pub values: Vec<(u128, u128)>,
    /// Its type.
    pub ty: Option<Die>,
    /// Its offset in bytes from the structure's start.
    pub at: u64,
}

impl Chosen {
    /// A single part, which is there if one of the bits of `mask` is set in the byte at `at`.
    pub fn flagged(at: u64, mask: u8, part: (Option<Die>, u64)) -> Chosen {
        let mask = u128::from(mask);
        let (ty, at_part) = part;
        Chosen { discriminant: (at, 1), mask, parts: vec![ChosenPart { values: vec![(1, mask)], ty, at: at_part }] }
    }
}

/// The inner nodes of a tree, which begin as its leaves do and go on with pointers to their children.
pub struct LargerNode {
    /// Their type.
    pub ty: Die,
    /// The offset in a node of the pointer to its parent, in bytes.
    pub parent: u64,
    /// The offset in a node of the pointer to its first child, in bytes.
    pub child: u64,
}

/// A type-erased value: only the program's code knows its type.
pub struct Erased {
    /// Offset in bytes, in the structure, of a small value; for a large one, a pointer to it lies there.
    pub at: u64,
    /// Room for a small value, in bytes.
    pub room: u64,
    /// The way to find out the type.
    pub by: ErasedBy,
}

/// The way in which the type of a type-erased value is found. Offsets are in bytes from the structure's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErasedBy {
    /// A pointer at this offset leads to the value, also where that lies in the structure itself, and the value begins
    /// with a vtable.
    Pointer(u64),
    /// At this offset is the index, in the first table, of a function that handles the value.
    Function(u64),
    /// As for `Function`, and a pointer to a record says if the value is on the heap: then a word of the record
    /// is not zero.
    Record {
        /// Offset of the function's index.
        function: u64,
        /// Offset of the pointer to the record.
        record: u64,
        /// Offset of the word in the record.
        outside: u64,
    },
}

impl ErasedBy {
    /// Adds `offset` bytes to the offsets in the value.
    pub fn moved_by(self, offset: u64) -> ErasedBy {
        let further = |at: u64| at.saturating_add(offset);
        match self {
            ErasedBy::Pointer(at) => ErasedBy::Pointer(further(at)),
            ErasedBy::Function(at) => ErasedBy::Function(further(at)),
            ErasedBy::Record { function, record, outside } => {
                ErasedBy::Record { function: further(function), record: further(record), outside }
            }
        }
    }
}

/// A block that consists of several arrays: the keys and the values of a hash table, or each member of some structures.
pub struct Arrays {
    /// The type name that is shown for such a block.
    pub name: String,
    /// Offset in bytes, in the structure, of the pointer into the block: to the states of the buckets, a byte each,
    /// which follow a header; or to the first array.
    pub pointer: u64,
    /// Offsets of the length and the capacity, likewise; `None` where the highest bit of each bucket's state says
    /// whether the bucket is used.
    pub counts: Option<[u64; 2]>,
    /// Size of the header in bytes, and the offset of the number of buckets in it.
    pub header: (u64, u64),
    /// For each array, in order, the type of its elements, and the offset of the array's address in the header.
    pub elements: Vec<(Die, u64)>,
}

/// The layout of a hash table whose entries lie before its control bytes. Offsets are in bytes from the table's start.
pub struct HashTable {
    /// Offset of the address of the control bytes, one for each bucket: a used bucket's is below 0x80.
    pub control: u64,
    /// Offset of the number of buckets less one.
    pub mask: u64,
    /// The type of the entries.
    pub entry: Die,
}

/// The punctuation and keywords with which a language writes values.
#[derive(Debug)]
pub struct Notation {
    /// The brackets around an array's elements.
    pub array: (&'static str, &'static str),
    /// The brackets around a structure's members.
    pub structure: (&'static str, &'static str),
    /// The text for a structure without members and without a name.
    pub empty: &'static str,
    /// The text between a key and its value.
    pub entry: &'static str,
    /// The text for a null pointer.
    pub null: &'static str,
    /// The text for the type `void`.
    pub no_type: &'static str,
    /// The parameter list of a function without parameters.
    pub no_parameters: &'static str,
    /// True if a reference is written as what it refers to, and its address left out.
    pub referents: bool,
    /// True if a character is written with its number.
    pub character_numbers: bool,
    /// The text for a value that is not a number.
    pub nan: &'static str,
    /// The power of ten that is the smallest absolute value of a float which is written without one.
    pub least_power: i32,
    /// True if whole numbers of a floating-point type are written with a decimal point.
    pub point: bool,
}

impl Notation {
    /// The notation of C and C++, and what others share with them.
    pub const PLAIN: Notation = Notation {
        array: ("{", "}"),
        structure: ("{", "}"),
        empty: "{}",
        entry: " = ",
        null: "0x0",
        no_type: "void",
        no_parameters: "",
        referents: false,
        character_numbers: true,
        nan: "nan",
        least_power: -5,
        point: false,
    };
}
