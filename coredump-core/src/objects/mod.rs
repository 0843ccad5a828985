//! The objects of a garbage-collected program, as a dump holds them: structs, arrays, exceptions, and references to
//! host objects.
//!
//! They are in a custom section, in which every object has a number, its *id*, counted from 1. References are ids.
//! Objects are read in place: only the position of every sixteenth object is kept in memory. `docs/format.md` describes
//! the section.

mod read;
#[cfg(test)]
mod tests;
mod write;

use std::sync::OnceLock;

pub use read::{Contents, Object};
pub use write::{StoredReference, Writer, WriterMark};

use read::Index;

/// Section name.
pub const SECTION: &str = "coredump.objects";

/// The first byte of the section.
const VERSION: u8 = 1;

/// Greatest id: a reference has 30 bits for one.
pub const MAX_ID: u32 = (1 << 30) - 1;

/// The number of an object in its dump, from 1 on.
pub type Id = u32;

/// The sort of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    /// A struct.
    Struct,
    /// An array.
    Array,
    /// An exception that was thrown, with what it carries.
    Exception,
    /// An object of the host (`externref`), of which only the identity is known.
    Extern,
}

impl ObjectKind {
    /// The stable name, as it appears in JSON.
    pub fn name(self) -> &'static str {
        match self {
            ObjectKind::Struct => "struct",
            ObjectKind::Array => "array",
            ObjectKind::Exception => "exn",
            ObjectKind::Extern => "extern",
        }
    }
}

/// The encoding of a field or an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// 8 bits.
    I8,
    /// 16 bits.
    I16,
    /// A 32-bit integer.
    I32,
    /// A 64-bit integer.
    I64,
    /// A 32-bit float.
    F32,
    /// A 64-bit float.
    F64,
    /// A vector.
    V128,
    /// A reference of any kind.
    Ref,
}

impl Storage {
    /// The size in bytes that a value takes in the section; a reference takes four.
    pub fn size(self) -> u32 {
        match self {
            Storage::I8 => 1,
            Storage::I16 => 2,
            Storage::I32 | Storage::F32 | Storage::Ref => 4,
            Storage::I64 | Storage::F64 => 8,
            Storage::V128 => 16,
        }
    }

    /// The name in the Wasm text format.
    pub fn name(self) -> &'static str {
        match self {
            Storage::I8 => "i8",
            Storage::I16 => "i16",
            Storage::I32 => "i32",
            Storage::I64 => "i64",
            Storage::F32 => "f32",
            Storage::F64 => "f64",
            Storage::V128 => "v128",
            Storage::Ref => "ref",
        }
    }

    /// The byte that stands for it, as in the Wasm binary format.
    fn code(self) -> u8 {
        match self {
            Storage::I8 => 0x78,
            Storage::I16 => 0x77,
            Storage::I32 => 0x7F,
            Storage::I64 => 0x7E,
            Storage::F32 => 0x7D,
            Storage::F64 => 0x7C,
            Storage::V128 => 0x7B,
            Storage::Ref => 0x63,
        }
    }
}

/// A type that objects of a dump have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectType {
    /// The kind of objects of this type.
    pub kind: ObjectKind,
    /// The places of the type in the dump's modules: the module's index, and the index of the type, or of the tag for
    /// an exception. Equal types of several modules, or of one, are the same type and have several places; a type that
    /// only the host has is in none.
    pub places: Vec<(u32, u32)>,
    /// The encodings of the fields; for an array, that of the elements.
    pub fields: Vec<Storage>,
    /// The offset of each field, in bytes.
    offsets: Vec<u32>,
    /// Bytes of all fields together.
    size: u32,
}

impl ObjectType {
    /// A type. Fields beyond 4 GiB are left out.
    pub fn new(kind: ObjectKind, places: Vec<(u32, u32)>, mut fields: Vec<Storage>) -> ObjectType {
        let mut offsets = Vec::with_capacity(fields.len());
        let mut size = 0u32;
        for field in &fields {
            let Some(end) = size.checked_add(field.size()) else { break };
            offsets.push(size);
            size = end;
        }
        fields.truncate(offsets.len());
        ObjectType { kind, places, fields, offsets, size }
    }

    /// Returns the encoding of an array's elements.
    fn element(&self) -> Storage {
        self.fields.first().copied().unwrap_or(Storage::I8)
    }
}

/// The value of a field or an element. Floats are bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// 8 bits; signed or unsigned is for the program to decide.
    I8(u8),
    /// 16 bits, likewise.
    I16(u16),
    /// A 32-bit integer.
    I32(i32),
    /// A 64-bit integer.
    I64(i64),
    /// Bits of a 32-bit float.
    F32(u32),
    /// Bits of a 64-bit float.
    F64(u64),
    /// A vector, in memory order.
    V128([u8; 16]),
    /// A reference.
    Ref(Link),
}

/// The target of a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Nothing.
    Null,
    /// An unboxed 31-bit integer.
    I31(i32),
    /// An object. It is not in the dump if [`Objects::get`] gives `None` for its id.
    Object(Id),
    /// A function: its instance, if that is known, and its index in its module.
    Function {
        /// Index into the dump's instances.
        instance: Option<u32>,
        /// Function index, imports counted.
        index: u32,
    },
    /// Something that is not null, and of which no more is known.
    Unknown,
}

/// The objects of a dump.
///
/// Nothing is read before it is asked for. The first query reads through all objects once, to learn where they lie.
#[derive(Debug, Default)]
pub struct Objects<'a> {
    /// The whole section, or the part before the objects.
    head: &'a [u8],
    /// The objects, as far as they are not part of `head`.
    body: &'a [u8],
    /// File offset of `head`.
    offset: u64,
    index: OnceLock<Index>,
}

impl<'a> Objects<'a> {
    /// The contents of a section that lies at this offset of its file.
    pub fn new(section: &'a [u8], offset: u64) -> Objects<'a> {
        Objects { head: section, offset, ..Objects::default() }
    }

    /// The contents of a section in the two parts that a [`Writer`] leaves.
    pub fn of_parts(head: &'a [u8], body: &'a [u8]) -> Objects<'a> {
        Objects { head, body, ..Objects::default() }
    }

    /// Both parts, as they stand one after the other in the section.
    pub fn parts(&self) -> [&'a [u8]; 2] {
        [self.head, self.body]
    }

    /// The types of the objects, in no particular order.
    pub fn types(&self) -> &[ObjectType] {
        &self.index().types
    }

    /// Returns the number of objects: their ids are those from 1 to this.
    pub fn count(&self) -> u32 {
        self.index().count
    }

    /// The limit of the capture in bytes, if objects or elements were left out because of it.
    pub fn limit(&self) -> Option<u64> {
        self.index().limit
    }

    /// Returns the fault of the section, and its byte offset in the file; the objects before it were read.
    pub fn problem(&self) -> Option<(&str, u64)> {
        let (message, at) = self.index().problem.as_ref()?;
        Some((message, self.offset + at))
    }

    /// Returns true if the section was read through already.
    pub(crate) fn is_read(&self) -> bool {
        self.index.get().is_some()
    }

    /// The object with this id, if it is in the dump.
    pub fn get(&self, id: Id) -> Option<Object<'_>> {
        self.index().get(self, id)
    }

    /// All objects, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = Object<'_>> {
        self.index().iter(self)
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::read(self.head, self.body))
    }
}
