//! What types mean, and how values are written.
//!
//! [`Lang`] is what one language has to say: what the types of its library hold, what its pointers lead to, and its
//! notation. Whoever shows a value or evaluates an expression asks it through a [`Renderer`], and never which language it
//! is: that is decided in one place, [`table`]. The files of this folder are what all languages share; each language has a
//! folder of its own.

#![expect(non_upper_case_globals, reason = "DWARF names its constants so")]

mod aggregate;
mod c;
pub mod cpp;
mod d;
mod dig;
pub mod go;
pub mod javascript;
pub mod kotlin;
mod meaning;
pub mod names;
mod pointer;
pub mod python;
mod renderer;
pub mod rust;
mod scalar;
pub mod tasks;
mod text;
mod variants;
mod zig;

use std::ops::Range;

use crate::catalog::Language;
use crate::catalog::types::{Array, Member, PointerKind, Struct, Type};
use crate::catalog::units::{Die, Units};
use crate::location::Missing;
use crate::values::{Source, Value};
pub use meaning::{Elements, Entries, Meaning, Text};
pub use names::type_name;
use renderer::cut;
pub use renderer::{Contiguous, Renderer, Shown, explain};
pub use text::{pointer_with, quoted};

/// What each language says of its types and values.
pub fn table(language: Language) -> &'static dyn Lang {
    match language {
        Language::C => &c::C,
        Language::Cpp => &cpp::Cpp,
        Language::D => &d::D,
        Language::Rust => &rust::Rust,
        Language::Zig => &zig::Zig,
    }
}

/// A language: what its types mean, and how it writes values. What it does not say otherwise is as in C, without C's texts
/// and declarators.
pub trait Lang: Sync {
    // What types mean.

    /// What a structure holds; `None` for one that its language's library does not make. Of elements and entries those in
    /// `window` are looked for.
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

    /// The part with this number of what has numbered parts and is no container; `None` for other types.
    fn part(&self, _renderer: &Renderer<'_, '_, '_>, _value: &Value, _number: u64) -> Option<Value> {
        None
    }

    /// An element of an array whose elements are no whole bytes; `None` for other arrays.
    fn lane(&self, _renderer: &Renderer<'_, '_, '_>, _value: &Value, _array: &Array, _index: u64) -> Option<Value> {
        None
    }

    /// What a structure that acts as a pointer points to; `None` for what is none.
    fn pointee<'s>(
        &self,
        _renderer: &Renderer<'_, '_, 's>,
        _value: &Value,
        _die: Die,
        _contents: &Struct<'s>,
    ) -> Option<Value> {
        None
    }

    /// Where the elements begin that a structure which acts as a pointer to an array points to, and their type; how many
    /// there are it does not know.
    fn array_pointee(&self, _renderer: &Renderer<'_, '_, '_>, _value: &Value) -> Option<(Option<Die>, Source)> {
        None
    }

    /// Whether a pointer stands for what it points to in most places.
    fn is_reference(&self, _ty: &Type<'_>) -> bool {
        false
    }

    /// What an optional holds, or why nothing; `None` for other types.
    fn payload(&self, _renderer: &Renderer<'_, '_, '_>, _value: &Value) -> Option<Result<Value, String>> {
        None
    }

    /// Whether a value is the null of an optional that keeps it in its contents' own bits; `None` for other types.
    fn is_null(&self, _renderer: &Renderer<'_, '_, '_>, _value: &Value) -> Option<Result<bool, Missing>> {
        None
    }

    /// The part of a structure in which, at this moment, a member of that name is: a variant, the payload of a tagged union.
    fn active_part<'s>(
        &self,
        renderer: &Renderer<'_, '_, 's>,
        value: &Value,
        contents: &Struct<'s>,
        _name: &str,
    ) -> Option<Value> {
        renderer.active_variant(value, contents)
    }

    /// The whole object that one of a class turns out to be a part of, where that is of another class; `None` where that is
    /// not known for certain.
    fn dynamic_object(&self, _renderer: &Renderer<'_, '_, '_>, _object: &Value) -> Option<Value> {
        None
    }

    /// Whether classes have bases, which the debug information of a class that is only declared does not name.
    fn has_bases(&self) -> bool {
        false
    }

    /// The statics that a program calls by that name, and the compiler by others.
    fn renamed_statics(&self, _units: &Units<'_>, _unit: u32, _name: &str, _namespaces: &[String]) -> Vec<Die> {
        Vec::new()
    }

    /// A base type that other languages have too, and otherwise: its name, encoding and size in bytes.
    fn base_type(&self, _name: &str) -> Option<(&'static str, gimli::DwAte, u64)> {
        None
    }

    /// The size in bits of a type of integers, where only its name tells.
    fn integer_bits(&self, _name: &[u8]) -> Option<u64> {
        None
    }

    /// What a text of characters of this type has before its quotes, and their size in bytes; `None` for what is no type of
    /// characters.
    fn character(&self, _renderer: &Renderer<'_, '_, '_>, _ty: Option<Die>) -> Option<(&'static str, u64)> {
        None
    }

    // What its pointers lead to, for a walk over all objects.

    /// Whether a type of that name is larger than its description says.
    fn is_unsized(&self, _name: &str) -> bool {
        false
    }

    /// The two words of a pointer beside which the vtable of what it points to is; `None` for other structures.
    fn pointer_with_vtable<'m, 's>(
        &self,
        _units: &Units<'s>,
        _contents: &'m Struct<'s>,
    ) -> Option<(&'m Member<'s>, &'m Member<'s>)> {
        None
    }

    /// The same of a pointer to what only ends in such an object, with the type of the whole.
    fn pointer_to_tailed<'m, 's>(
        &self,
        _units: &Units<'s>,
        _contents: &'m Struct<'s>,
    ) -> Option<(&'m Member<'s>, &'m Member<'s>, Die)> {
        None
    }

    /// The name of a type that ends in a trait object, with the type in its place that the vtable of this name is for.
    fn tailed(&self, _whole: &[u8], _vtable: &[u8]) -> Option<Vec<u8>> {
        None
    }

    /// Whether each value of a type of that name has a block of its own, as the nodes of a container have. `die` is the type.
    fn is_alone(&self, _units: &Units<'_>, _die: Die, _name: &[u8]) -> bool {
        false
    }

    /// The type of the one value that a structure of that name owns; `None` for other structures.
    fn owned(&self, _units: &Units<'_>, _name: &[u8], _contents: &Struct<'_>) -> Option<Die> {
        None
    }

    /// Whether the last member of a structure of that name is the first of any number of elements.
    fn ends_in_slice(&self, _name: &[u8]) -> bool {
        false
    }

    /// What a structure of that name has room for, where its members are only bytes: its type, and how many bytes into the
    /// structure it lies.
    fn stored(&self, _units: &Units<'_>, _name: &[u8], _contents: &Struct<'_>) -> Option<(Die, u64)> {
        None
    }

    /// What pointers to bytes in a structure of that name point to in truth; `None` where they point to bytes.
    fn buffer_element(&self, _name: &[u8], _contents: &Struct<'_>) -> Option<Die> {
        None
    }

    /// A hash table whose entries lie before their control bytes; `None` for other structures.
    fn hash_table(&self, _units: &Units<'_>, _name: &[u8], _contents: &Struct<'_>) -> Option<HashTable> {
        None
    }

    /// A value in a structure of that name whose type only the program's code knows; `None` for other structures.
    fn erased(&self, _units: &Units<'_>, _name: &[u8], _contents: &Struct<'_>) -> Option<Erased> {
        None
    }

    /// A block of several arrays that a structure leads to; `None` for other structures. `die` is the structure.
    fn arrays(&self, _units: &Units<'_>, _die: Die, _contents: &Struct<'_>) -> Option<Arrays> {
        None
    }

    /// The type of the nodes of a container, in it and in such a node; `None` for other structures. `die` is the structure.
    fn node_type(&self, _units: &Units<'_>, _die: Die, _name: &[u8], _contents: &Struct<'_>) -> Option<Die> {
        None
    }

    /// Whether pointers to a type of this name, in a container and its nodes, lead to whole nodes.
    fn is_node_base(&self, _name: &[u8]) -> bool {
        false
    }

    /// Which arrays of a node are filled only so far; `None` for other structures.
    fn filled(&self, _units: &Units<'_>, _name: &[u8], _contents: &Struct<'_>) -> Option<Filled> {
        None
    }

    /// What a union holds, or a structure of that name with a union, where a number beside it tells; `None` for others.
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

    // How values are written.

    /// A structure that is written in a way of its own; `None` for one that is written by its members.
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

    /// A pointer that is written as more than its address; `None` for others.
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

    /// Whether the members of a structure are written by their places, in parentheses.
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

    /// A name of an enumeration.
    fn enumerator(&self, name: &[u8]) -> String {
        String::from_utf8_lossy(name).into_owned()
    }

    /// A character of a text that must not be printed.
    fn escaped(&self, char: char) -> String {
        char.escape_unicode().to_string()
    }

    /// The number of what is no character in a text: a byte, or half of a pair.
    fn escaped_number(&self, number: u32) -> String {
        format!("\\x{number:02x}")
    }

    /// A zero in a text, before a digit or not.
    fn escaped_zero(&self, _before_digit: bool) -> &'static str {
        "\\0"
    }

    // How types are written.

    /// Whether a type is written around the name that it declares: `int (*f)(void)`.
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

    /// A type that has a name, as a program writes it. `levels` of its arguments may be written out.
    fn named_type(&self, _units: &Units<'_>, _die: Die, _ty: &Type<'_>, name: &str, _levels: u32) -> String {
        name.to_owned()
    }
}

/// Arrays whose elements are there only so far.
pub struct Filled {
    /// Where their number lies, 16 bits, in bytes from the structure's start.
    pub count: u64,
    /// The members that are such arrays, and how many elements more than that number they have.
    pub arrays: &'static [(&'static [u8], u64)],
}

/// Parts of which a number says which one is there.
pub struct Chosen {
    /// Where the number lies, in bytes from the structure's start, and its size in bytes.
    pub discriminant: (u64, u64),
    /// The bits of it that count.
    pub mask: u128,
    /// The parts.
    pub parts: Vec<ChosenPart>,
}

/// A part that may be there.
pub struct ChosenPart {
    /// The numbers that mean it, as ranges with both ends.
    pub values: Vec<(u128, u128)>,
    /// Its type.
    pub ty: Option<Die>,
    /// Where it lies, in bytes from the structure's start.
    pub at: u64,
}

impl Chosen {
    /// A part that is there if one of these bits is set.
    pub fn flagged(at: u64, mask: u8, part: (Option<Die>, u64)) -> Chosen {
        let mask = u128::from(mask);
        let (ty, at_part) = part;
        Chosen { discriminant: (at, 1), mask, parts: vec![ChosenPart { values: vec![(1, mask)], ty, at: at_part }] }
    }
}

/// Nodes of a tree that begin as its leaves do, and go on with pointers to their children.
pub struct LargerNode {
    /// Their type.
    pub ty: Die,
    /// Where a node's pointer to its parent lies, in bytes from its start.
    pub parent: u64,
    /// Where the pointer to the first child lies, likewise.
    pub child: u64,
}

/// A value whose type only the program's code knows.
pub struct Erased {
    /// Where a small one lies, in bytes from the structure's start; a pointer to a large one lies there as well.
    pub at: u64,
    /// Bytes that there is room for.
    pub room: u64,
    /// How to find out the type.
    pub by: ErasedBy,
}

/// What says of which type a value is; places are in bytes from the structure's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErasedBy {
    /// A pointer here leads to it, also where it lies in the structure itself, and it begins with a vtable.
    Pointer(u64),
    /// Here is the index of a function in the first table.
    Function(u64),
    /// Here is such an index, too, and a pointer to a record in which a word is not zero if the value lies elsewhere.
    Record {
        /// The place of the index.
        function: u64,
        /// The place of the pointer.
        record: u64,
        /// Where in the record the word is.
        outside: u64,
    },
}

impl ErasedBy {
    /// What erased the type, if the value begins so many bytes further on.
    pub fn at(self, offset: u64) -> ErasedBy {
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

/// A block of several arrays: of the keys and values of a hash table, or of the members of some structures.
pub struct Arrays {
    /// The name of such a block.
    pub name: String,
    /// Where the pointer to it lies, in bytes from the structure's start: to the states of the buckets, a byte each, which
    /// are after a header, or to the first array.
    pub pointer: u64,
    /// Where the number of elements and the number that there is room for lie, likewise; none where the states of buckets say
    /// which ones are used: by their highest bit.
    pub counts: Option<[u64; 2]>,
    /// Bytes of the header, and where in it the number of buckets lies.
    pub header: (u64, u64),
    /// The type of each array's elements, in their order, and where in the header its address lies.
    pub elements: Vec<(Die, u64)>,
}

/// Where the parts of a hash table are whose entries lie before their control bytes, in bytes from its start.
pub struct HashTable {
    /// The address of the control bytes, one for each bucket: those of used ones are below 0x80.
    pub control: u64,
    /// The number of buckets less one.
    pub mask: u64,
    /// The type of the entries.
    pub entry: Die,
}

/// Signs and words of a language.
#[derive(Debug)]
pub struct Notation {
    /// The brackets around an array's elements.
    pub array: (&'static str, &'static str),
    /// The brackets around a structure's members.
    pub structure: (&'static str, &'static str),
    /// A structure without members and without a name.
    pub empty: &'static str,
    /// The sign between a key and its value.
    pub entry: &'static str,
    /// The pointer to nothing.
    pub null: &'static str,
    /// The text for the type `void`.
    pub no_type: &'static str,
    /// The parameters of a function that takes none.
    pub no_parameters: &'static str,
    /// Whether a reference is written as what it refers to, and its address left out.
    pub referents: bool,
    /// Whether a character comes with its number.
    pub character_numbers: bool,
    /// The text for a value that is not a number.
    pub nan: &'static str,
    /// The smallest number that is not written with a power of ten.
    pub least: f64,
    /// Whether whole numbers of a floating-point type have a point.
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
        least: 1e-5,
        point: false,
    };
}
