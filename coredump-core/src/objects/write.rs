//! Writes objects one after the other, as a capture finds them.

use wasm_encoder::Encode;

use super::{Id, MAX_ID, ObjectKind, ObjectType, Storage, VERSION};

/// A reference as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredReference(u32);

impl StoredReference {
    /// A null reference.
    pub const NULL: StoredReference = StoredReference(0);
    /// A reference to something that is not null, and of which no more is known.
    pub const UNKNOWN: StoredReference = StoredReference(2);

    /// An unboxed integer of 31 bits.
    pub fn i31(value: i32) -> StoredReference {
        StoredReference((value as u32) << 1 | 1)
    }

    /// An object; [`StoredReference::UNKNOWN`] for an id beyond [`MAX_ID`].
    pub fn object(id: Id) -> StoredReference {
        if id <= MAX_ID { StoredReference(id << 2) } else { StoredReference::UNKNOWN }
    }
}

/// A state of the writer that [`Writer::undo`] can return to.
#[derive(Clone, Copy, Debug)]
pub struct WriterMark {
    count: u32,
    size: usize,
}

/// Collects objects one after the other, beginning with id 1, and makes the section's contents of them.
#[derive(Debug, Default)]
pub struct Writer {
    types: Vec<u8>,
    type_count: u32,
    functions: Vec<u8>,
    function_count: u32,
    objects: Vec<u8>,
    count: u32,
    limit: Option<u64>,
}

impl Writer {
    /// A writer without objects.
    pub fn new() -> Writer {
        Writer::default()
    }

    /// Returns the number of objects that were written.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Returns the number of bytes that the objects take so far.
    pub fn size(&self) -> u64 {
        self.objects.len() as u64
    }

    /// The current state, for [`Writer::undo`].
    pub fn mark(&self) -> WriterMark {
        WriterMark { count: self.count, size: self.objects.len() }
    }

    /// Takes back the objects that were written since `mark`; types and functions stay.
    pub fn undo(&mut self, mark: WriterMark) {
        self.objects.truncate(mark.size);
        self.count = mark.count;
    }

    /// Records that objects or elements were left out because of a limit of so many bytes.
    pub fn set_limit(&mut self, limit: u64) {
        self.limit = Some(limit);
    }

    /// Adds a type and returns its index.
    pub fn add_type(&mut self, ty: &ObjectType) -> u32 {
        let out = &mut self.types;
        out.push(match ty.kind {
            ObjectKind::Struct => 0,
            ObjectKind::Array => 1,
            ObjectKind::Exception => 2,
            ObjectKind::Extern => 3,
        });
        ty.places.len().encode(out);
        for (module, index) in &ty.places {
            module.encode(out);
            index.encode(out);
        }
        ty.fields.len().encode(out);
        out.extend(ty.fields.iter().map(|field| field.code()));
        self.type_count += 1;
        self.type_count - 1
    }

    /// Adds a function and returns the reference to it.
    pub fn add_function(&mut self, instance: Option<u32>, index: u32) -> StoredReference {
        if self.function_count >= MAX_ID {
            return StoredReference::UNKNOWN;
        }
        instance.map_or(0, |instance| instance.saturating_add(1)).encode(&mut self.functions);
        index.encode(&mut self.functions);
        self.function_count += 1;
        StoredReference(self.function_count << 2 | 2)
    }

    /// Begins an object of a type, whose fields are then written in order. For arrays there is [`Writer::begin_array`].
    pub fn begin(&mut self, type_index: u32) {
        (type_index << 1).encode(&mut self.objects);
        self.count += 1;
    }

    /// Begins an array of `len` elements, of which the first `held` follow.
    pub fn begin_array(&mut self, type_index: u32, len: u32, held: u32) {
        (type_index << 1 | u32::from(held < len)).encode(&mut self.objects);
        len.encode(&mut self.objects);
        if held < len {
            held.encode(&mut self.objects);
        }
        self.count += 1;
    }

    /// Writes a number in its storage type.
    pub fn number(&mut self, storage: Storage, bits: u64) {
        self.objects.extend_from_slice(&bits.to_le_bytes()[..(storage.size() as usize).min(8)]);
    }

    /// Writes a vector, given in memory order.
    pub fn vector(&mut self, bytes: [u8; 16]) {
        self.objects.extend_from_slice(&bytes);
    }

    /// Writes a reference.
    pub fn reference(&mut self, code: StoredReference) {
        self.objects.extend_from_slice(&code.0.to_le_bytes());
    }

    /// Appends `len` zero bytes of elements, and returns them to be filled in.
    pub fn room(&mut self, len: usize) -> &mut [u8] {
        let start = self.objects.len();
        self.objects.resize(start + len, 0);
        &mut self.objects[start..]
    }

    /// The section's contents in two parts: what comes before the objects, and the objects.
    pub fn finish(self) -> (Vec<u8>, Vec<u8>) {
        let mut head = vec![VERSION];
        self.limit.unwrap_or(0).encode(&mut head);
        self.type_count.encode(&mut head);
        head.extend(self.types);
        self.function_count.encode(&mut head);
        head.extend(self.functions);
        self.count.encode(&mut head);
        (head, self.objects)
    }
}
