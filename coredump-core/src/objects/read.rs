//! Reads objects in place.

use super::{Field, Id, Link, MAX_ID, ObjectKind, ObjectType, Objects, Storage, VERSION};
use std::ops::Range;

/// The number of objects from one remembered position to the next.
const STRIDE: u32 = 16;

/// The index of a section, made when it is read through once.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub types: Vec<ObjectType>,
    functions: Vec<(Option<u32>, u32)>,
    pub count: u32,
    pub limit: Option<u64>,
    /// The fault, and its byte offset in the section.
    pub problem: Option<(String, u64)>,
    /// The offset at which the objects begin in the section's first part; `None` if the second part holds them.
    start: Option<usize>,
    /// The position of each sixteenth object, in bytes from the first object.
    places: Vec<u32>,
}

/// A reader of the section's head.
struct HeadReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A fault, and its byte offset in the section.
type Problem = (String, u64);

impl HeadReader<'_> {
    fn byte(&mut self, what: &str) -> Result<u8, Problem> {
        let byte = self.bytes.get(self.at).copied().ok_or_else(|| (format!("{what} is cut off"), self.at as u64))?;
        self.at += 1;
        Ok(byte)
    }

    fn number(&mut self, what: &str) -> Result<u64, Problem> {
        let (value, next) = leb(self.bytes, self.at).ok_or_else(|| {
            let cut = self.bytes.len() - self.at < 10;
            (format!("{what} {}", if cut { "is cut off" } else { "is no number" }), self.at as u64)
        })?;
        self.at = next;
        Ok(value)
    }

    fn index(&mut self, what: &str) -> Result<u32, Problem> {
        let at = self.at as u64;
        let number = self.number(what)?;
        u32::try_from(number).map_err(|_| (format!("{what} is {number}, which no index can be"), at))
    }

    fn a_type(&mut self) -> Result<ObjectType, Problem> {
        let at = self.at as u64;
        let kind = match self.byte("a type of objects")? {
            0 => ObjectKind::Struct,
            1 => ObjectKind::Array,
            2 => ObjectKind::Exception,
            3 => ObjectKind::Extern,
            other => return Err((format!("{other:#04x} is no kind of objects"), at)),
        };
        let mut places = Vec::new();
        for _ in 0..self.number("the number of a type's indices")? {
            places.push((self.index("the module of a type")?, self.index("the index of a type")?));
        }
        let mut fields = Vec::new();
        for _ in 0..self.number("the number of a type's fields")? {
            let at = self.at as u64;
            let code = self.byte("a type's field")?;
            let storage = match code {
                0x78 => Storage::I8,
                0x77 => Storage::I16,
                0x7F => Storage::I32,
                0x7E => Storage::I64,
                0x7D => Storage::F32,
                0x7C => Storage::F64,
                0x7B => Storage::V128,
                0x63 => Storage::Ref,
                other => return Err((format!("{other:#04x} says of no field how it is stored"), at)),
            };
            fields.push(storage);
        }
        if kind == ObjectKind::Array && fields.len() != 1 {
            return Err((format!("an array type with {} kinds of elements", fields.len()), at));
        }
        Ok(ObjectType::new(kind, places, fields))
    }
}

/// An unsigned LEB128 number of at most ten bytes, and the position after it. A pass over all objects reads two of them
/// for each object, and nearly all have one byte, which the first lines handle.
fn leb(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let first = *bytes.get(at)?;
    if first < 0x80 {
        return Some((u64::from(first), at + 1));
    }
    let mut value = 0u64;
    for (index, &byte) in bytes.get(at..)?.iter().take(10).enumerate() {
        let part = u64::from(byte & 0x7F);
        let shift = 7 * index as u32;
        if part << shift >> shift != part {
            return None;
        }
        value |= part << shift;
        if byte < 0x80 {
            return Some((value, at + index + 1));
        }
    }
    None
}

/// The positions of an object's parts in the bytes of all objects.
struct Span {
    type_index: u32,
    len: u64,
    contents: Range<usize>,
}

impl Index {
    /// Reads through a whole section.
    pub fn read(head: &[u8], body: &[u8]) -> Index {
        let mut index = Index::default();
        match index.read_head(head) {
            Ok((declared, start)) => {
                let apart = start == head.len();
                index.start = (!apart).then_some(start);
                let objects = if apart { body } else { &head[start..] };
                index.read_objects(objects, declared, start as u64);
            }
            Err(problem) => index.problem = Some(problem),
        }
        index
    }

    /// Reads the head: returns the declared number of objects, and where they begin.
    fn read_head(&mut self, bytes: &[u8]) -> Result<(u64, usize), Problem> {
        let mut head = HeadReader { bytes, at: 0 };
        match head.byte("the section")? {
            VERSION => {}
            other => return Err((format!("version {other} is not known"), 0)),
        }
        let limit = head.number("the bound of the capture")?;
        self.limit = (limit > 0).then_some(limit);
        for _ in 0..head.number("the number of types")? {
            let ty = head.a_type()?;
            self.types.push(ty);
        }
        for _ in 0..head.number("the number of functions")? {
            let instance = head.index("a function's instance")?;
            self.functions.push((instance.checked_sub(1), head.index("a function")?));
        }
        Ok((head.number("the number of objects")?, head.at))
    }

    fn read_objects(&mut self, bytes: &[u8], declared: u64, start: u64) {
        let mut at = 0;
        for number in 0..declared {
            let id = number + 1;
            let what = match () {
                () if id > u64::from(MAX_ID) => format!("more than {MAX_ID} objects"),
                () if at >= bytes.len() => format!("{declared} objects are declared and {number} are here"),
                () => match self.span(bytes, at) {
                    Some(span) => {
                        if self.count.is_multiple_of(STRIDE) {
                            self.places.push(at as u32);
                        }
                        self.count += 1;
                        at = span.contents.end;
                        continue;
                    }
                    None => format!("object {id} is cut off, or is of no type"),
                },
            };
            self.problem = Some((what, start + at as u64));
            return;
        }
        if at < bytes.len() {
            self.problem = Some((format!("{} bytes follow the last object", bytes.len() - at), start + at as u64));
        }
    }

    /// The object at a position; `None` if it is cut off or has no valid type.
    fn span(&self, bytes: &[u8], at: usize) -> Option<Span> {
        let (head, mut at) = leb(bytes, at)?;
        let (cut, type_index) = (head & 1 != 0, u32::try_from(head >> 1).ok()?);
        let ty = self.types.get(type_index as usize)?;
        let (len, size) = match ty.kind {
            ObjectKind::Array => {
                let (len, next) = leb(bytes, at)?;
                let (held, next) = if cut { leb(bytes, next)? } else { (len, next) };
                at = next;
                if held > len {
                    return None;
                }
                (len, usize::try_from(held).ok()?.checked_mul(ty.element().size() as usize)?)
            }
            _ if cut => return None,
            _ => (ty.fields.len() as u64, ty.size as usize),
        };
        let end = at.checked_add(size)?;
        (end <= bytes.len()).then_some(Span { type_index, len, contents: at..end })
    }

    fn bytes<'o>(&self, objects: &'o Objects<'_>) -> &'o [u8] {
        match self.start {
            Some(start) => &objects.head[start..],
            None => objects.body,
        }
    }

    /// The object with this id.
    pub fn get<'o>(&'o self, objects: &'o Objects<'_>, id: Id) -> Option<Object<'o>> {
        let number = id.checked_sub(1).filter(|number| *number < self.count)?;
        let bytes = self.bytes(objects);
        let mut at = *self.places.get((number / STRIDE) as usize)? as usize;
        for _ in 0..number % STRIDE {
            at = self.span(bytes, at)?.contents.end;
        }
        Some(self.object(bytes, id, self.span(bytes, at)?))
    }

    /// All objects.
    pub fn iter<'o>(&'o self, objects: &'o Objects<'_>) -> impl Iterator<Item = Object<'o>> {
        let bytes = self.bytes(objects);
        let mut at = 0;
        (1..=self.count).map_while(move |id| {
            let span = self.span(bytes, at)?;
            at = span.contents.end;
            Some(self.object(bytes, id, span))
        })
    }

    fn object<'o>(&'o self, bytes: &'o [u8], id: Id, span: Span) -> Object<'o> {
        let ty = &self.types[span.type_index as usize];
        let contents = Contents { bytes: &bytes[span.contents], functions: &self.functions };
        Object { id, type_index: span.type_index, ty, len: span.len, contents }
    }
}

/// An object of a dump.
#[derive(Clone, Copy, Debug)]
pub struct Object<'o> {
    /// Its id.
    pub id: Id,
    /// The index of its type in [`Objects::types`].
    pub type_index: u32,
    /// Its type.
    pub ty: &'o ObjectType,
    /// The number of its fields or elements; the dump need not hold all elements.
    pub len: u64,
    contents: Contents<'o>,
}

/// The bytes of an object.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'o> {
    bytes: &'o [u8],
    functions: &'o [(Option<u32>, u32)],
}

impl<'o> Object<'o> {
    /// The kind of the object.
    pub fn kind(&self) -> ObjectKind {
        self.ty.kind
    }

    /// Its fields or elements as they stand in the dump: little endian, one after the other.
    pub fn bytes(&self) -> &'o [u8] {
        self.contents.bytes
    }

    /// Returns the number of its fields or elements that are in the dump.
    pub fn held(&self) -> usize {
        match self.ty.kind {
            ObjectKind::Array => self.contents.bytes.len() / self.ty.element().size() as usize,
            _ => self.ty.fields.len(),
        }
    }

    /// The size in bytes of all its fields or elements, with four bytes for a reference. The engine's header and
    /// padding are not known.
    pub fn size(&self) -> u64 {
        match self.ty.kind {
            ObjectKind::Array => self.len.saturating_mul(u64::from(self.ty.element().size())),
            _ => u64::from(self.ty.size),
        }
    }

    /// Returns the encoding of a field or element; `None` if there is none of this index.
    pub fn storage(&self, index: usize) -> Option<Storage> {
        match self.ty.kind {
            ObjectKind::Array => Some(self.ty.element()),
            _ => self.ty.fields.get(index).copied(),
        }
    }

    /// A field or an element; `None` where there is none of this index, or the dump does not hold it.
    pub fn get(&self, index: usize) -> Option<Field> {
        let storage = self.storage(index)?;
        let size = storage.size() as usize;
        let start = match self.ty.kind {
            ObjectKind::Array => index.checked_mul(size)?,
            _ => self.ty.offsets[index] as usize,
        };
        let bytes = self.contents.bytes.get(start..start.checked_add(size)?)?;
        Some(self.contents.read(storage, bytes))
    }

    /// The fields or elements that the dump holds, in order.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = Field> + use<'o> {
        let object = *self;
        (0..self.held()).map(move |index| object.get(index).unwrap_or(Field::Ref(Link::Unknown)))
    }

    /// The objects that it refers to, each with the index of the referring field or element, in order.
    pub fn references(&self) -> impl Iterator<Item = (usize, Id)> + use<'o> {
        let object = *self;
        let held = match self.ty.kind {
            ObjectKind::Array if self.ty.element() != Storage::Ref => 0,
            _ => self.held(),
        };
        (0..held).filter_map(move |index| {
            let start = match object.ty.kind {
                ObjectKind::Array => index * 4,
                _ if object.ty.fields[index] == Storage::Ref => object.ty.offsets[index] as usize,
                _ => return None,
            };
            let code = u32::from_le_bytes(*object.contents.bytes.get(start..)?.first_chunk()?);
            (code & 3 == 0 && code != 0).then_some((index, code >> 2))
        })
    }
}

impl Contents<'_> {
    fn read(&self, storage: Storage, bytes: &[u8]) -> Field {
        let number = || bytes.iter().rev().fold(0u64, |number, &byte| number << 8 | u64::from(byte));
        match storage {
            Storage::I8 => Field::I8(number() as u8),
            Storage::I16 => Field::I16(number() as u16),
            Storage::I32 => Field::I32(number() as u32 as i32),
            Storage::I64 => Field::I64(number() as i64),
            Storage::F32 => Field::F32(number() as u32),
            Storage::F64 => Field::F64(number()),
            Storage::V128 => Field::V128(bytes.try_into().unwrap_or_default()),
            Storage::Ref => Field::Ref(self.link(number() as u32)),
        }
    }

    fn link(&self, code: u32) -> Link {
        match (code & 3, code >> 2) {
            (1 | 3, _) => Link::I31(code as i32 >> 1),
            (0, 0) => Link::Null,
            (0, id) => Link::Object(id),
            (_, 0) => Link::Unknown,
            (_, function) => match self.functions.get(function as usize - 1) {
                Some(&(instance, index)) => Link::Function { instance, index },
                None => Link::Unknown,
            },
        }
    }
}
