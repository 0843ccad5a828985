//! The walk through all objects that a stopped program can reach, from those that its frames refer to.
//!
//! Breadth first, so that what is nearest to the frames comes first where not all is kept. An object's id is its place
//! in that order. The engine neither moves nor frees an object meanwhile, as nothing is allocated: its number for a
//! reference tells objects apart.

use std::collections::HashMap;
use std::hash::Hasher;
use std::time::Instant;

use coredump_core::objects::{Id, Storage, StoredReference, Writer};
use wasmtime::{AnyRef, ArrayRef, AsContextMut, ExnRef, GcRef, RootScope, Rooted, StoreContextMut, StructRef, Val};

use crate::binary::Binary;
use crate::catalog::Catalog;
use crate::extent::CaptureExtent;
use crate::numbers::{Number, Numbers};
use crate::roots::{Ids, Root};
use crate::types::{Types, storage};

/// The most that fits into a section of a dump beside what stands before the objects, in bytes.
const MOST: u64 = 3 << 30;

/// Elements of an array of references that are held at once.
const BATCH: u32 = 1024;

/// Objects after which somebody looks at the clock.
const LOOK: u32 = 4096;

/// Bytes of an array's head at most.
const ARRAY_HEAD: u64 = 15;

/// The objects as a dump holds them.
#[derive(Default)]
pub struct Captured {
    /// The two parts of the section; none where no object was walked.
    pub section: Option<(Vec<u8>, Vec<u8>)>,
    /// The ids of the roots.
    pub ids: Ids,
}

/// Everything that the first `wanted` of the catalog's roots reach, as far as `extent` goes, and ids for all roots.
pub fn capture<T: 'static>(
    catalog: &mut Catalog,
    wanted: usize,
    extent: CaptureExtent,
    binary: &Binary,
    store: &mut StoreContextMut<'_, T>,
) -> Captured {
    let roots = std::mem::take(&mut catalog.roots);
    if roots.len() == 0 {
        return Captured::default();
    }
    let types = Types::new(catalog, binary, &store.engine().clone());
    let mut walk = Walk {
        catalog,
        types,
        writer: Writer::new(),
        numbers: Numbers::default(),
        functions: HashMap::new(),
        limit: extent.heap_limit.min(MOST),
        until: extent.until,
    };
    for root in roots.iter().take(wanted) {
        of_root(&mut walk.numbers, root, store);
    }
    if wanted > 0 && !walk.run(store) {
        let limit = if walk.is_late() { walk.writer.size() } else { walk.limit };
        walk.writer.set_limit(limit.max(1));
    }
    // The other roots have ids, too: so they can be distinguished, whether they were reached or not.
    let ids = roots.iter().map(|root| of_root(&mut walk.numbers, root, store)).collect();
    let section = (walk.writer.count() > 0).then(|| walk.writer.finish());
    Captured { section, ids: Ids(ids) }
}

struct Walk<'c> {
    catalog: &'c mut Catalog,
    types: Types,
    writer: Writer,
    numbers: Numbers,
    /// References to functions, by the engine's addresses.
    functions: HashMap<usize, StoredReference>,
    limit: u64,
    until: Option<Instant>,
}

impl Walk<'_> {
    /// Writes all objects in the order in which they are found. Returns true if nothing was left out.
    fn run<T: 'static>(&mut self, store: &mut StoreContextMut<'_, T>) -> bool {
        let mut whole = true;
        while let Some(found) = self.numbers.take() {
            if self.writer.count().is_multiple_of(LOOK) && self.is_late() {
                return false;
            }
            let mark = self.writer.mark();
            let mut scope = RootScope::new(&mut *store);
            let written = match found {
                Number::Any(raw) => self.any(raw, &mut scope.as_context_mut()),
                Number::Exn(raw) => self.exception(raw, &mut scope.as_context_mut()),
            };
            match written {
                Some(all) => whole &= all,
                None => {
                    self.writer.undo(mark);
                    return false;
                }
            }
        }
        whole
    }

    /// Returns true if the time is over.
    fn is_late(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }

    /// Writes a struct, an array or something of the host. None if it does not fit; false if not all of it does.
    fn any<T: 'static>(&mut self, raw: u32, store: &mut StoreContextMut<'_, T>) -> Option<bool> {
        let any = AnyRef::from_raw(&mut *store, raw)?;
        if let Some(structure) = any.as_struct(&*store).ok()? {
            return self.structure(&structure, store);
        }
        if let Some(array) = any.as_array(&*store).ok()? {
            return self.array(&array, store);
        }
        self.fits(0)?;
        let ty = self.types.of_host(&mut self.writer);
        self.writer.begin(ty);
        Some(true)
    }

    fn structure<T: 'static>(
        &mut self,
        structure: &Rooted<StructRef>,
        store: &mut StoreContextMut<'_, T>,
    ) -> Option<bool> {
        let ty = self.types.of_struct(structure.ty(&*store).ok()?, &mut self.writer);
        self.fits(ty.size)?;
        self.writer.begin(ty.index);
        for (index, storage) in ty.fields.iter().enumerate() {
            // One field at a time, as the engine gives them out anyway; all at once would take the type again.
            let value = structure.field(store.as_context_mut(), index).ok()?;
            self.put(&value, *storage, store);
        }
        Some(true)
    }

    fn exception<T: 'static>(&mut self, raw: u32, store: &mut StoreContextMut<'_, T>) -> Option<bool> {
        let exception = ExnRef::from_raw(&mut *store, raw)?;
        let tag = exception.tag(&mut *store).ok()?;
        let fields = exception.ty(&*store).ok()?.fields().map(|field| storage(&field)).collect();
        let ty = self.types.of_exception(&tag, fields, self.catalog, &mut self.writer);
        self.fits(ty.size)?;
        self.writer.begin(ty.index);
        for (index, storage) in ty.fields.iter().enumerate() {
            let value = exception.field(store.as_context_mut(), index).ok()?;
            self.put(&value, *storage, store);
        }
        Some(true)
    }

    /// Writes an array. One that does not fit gets half of what is left, so that others have some, too.
    fn array<T: 'static>(&mut self, array: &Rooted<ArrayRef>, store: &mut StoreContextMut<'_, T>) -> Option<bool> {
        let ty = self.types.of_array(array.ty(&*store).ok()?, &mut self.writer);
        let len = array.len(&*store).ok()?;
        let element = ty.fields[0];
        let left = self.limit.checked_sub(self.writer.size() + ARRAY_HEAD)?;
        let size = u64::from(element.size());
        let held = if u64::from(len) * size <= left { len } else { (left / 2 / size) as u32 };
        self.writer.begin_array(ty.index, len, held);
        match element {
            Storage::I8 if held == len => {
                array.copy_to_i8_slice(&mut *store, self.writer.room(len as usize)).ok()?;
            }
            Storage::Ref => {
                for start in (0..held).step_by(BATCH as usize) {
                    let mut scope = RootScope::new(&mut *store);
                    for index in start..held.min(start + BATCH) {
                        let value = array.get(&mut scope, index).ok()?;
                        self.put(&value, element, &mut scope.as_context_mut());
                    }
                }
            }
            _ => {
                for value in array.elems(store.as_context_mut()).ok()?.take(held as usize) {
                    put_number(&mut self.writer, &value, element);
                }
            }
        }
        Some(held == len)
    }

    /// Returns `None` if an object of this size in bytes does not fit.
    fn fits(&self, size: u64) -> Option<()> {
        (self.writer.size() + size + ARRAY_HEAD <= self.limit).then_some(())
    }

    fn put<T: 'static>(&mut self, value: &Val, storage: Storage, store: &mut StoreContextMut<'_, T>) {
        if storage == Storage::Ref {
            let code = self.code(value, store).unwrap_or(StoredReference::UNKNOWN);
            self.writer.reference(code);
        } else {
            put_number(&mut self.writer, value, storage);
        }
    }

    /// A reference; none if nothing is known of what it refers to.
    fn code<T: 'static>(&mut self, value: &Val, store: &mut StoreContextMut<'_, T>) -> Option<StoredReference> {
        let any = match value {
            Val::AnyRef(None) | Val::ExternRef(None) | Val::ExnRef(None) | Val::FuncRef(None) => {
                return Some(StoredReference::NULL);
            }
            Val::AnyRef(Some(reference)) => *reference,
            // A reference of the host may stand for an object that `anyref` reaches as well: both get the same id.
            Val::ExternRef(Some(reference)) => AnyRef::convert_extern(&mut *store, *reference).ok()?,
            Val::ExnRef(Some(reference)) => {
                return self.numbers.number(Number::Exn(raw(reference, store)?)).map(StoredReference::object);
            }
            Val::FuncRef(Some(function)) => {
                let address = function.to_raw(&mut *store) as usize;
                if let Some(code) = self.functions.get(&address) {
                    return Some(*code);
                }
                let place = self.catalog.function(address, store);
                let code = place.map(|(instance, index)| self.writer.add_function(Some(instance), index));
                let code = code.unwrap_or(StoredReference::UNKNOWN);
                self.functions.insert(address, code);
                return Some(code);
            }
            _ => return None,
        };
        match any.as_i31(&*store).ok()? {
            Some(value) => Some(StoredReference::i31(value.get_i32())),
            None => self.numbers.number(Number::Any(raw(&any, store)?)).map(StoredReference::object),
        }
    }
}

fn put_number(writer: &mut Writer, value: &Val, storage: Storage) {
    match *value {
        Val::I32(value) => writer.number(storage, u64::from(value as u32)),
        Val::I64(value) => writer.number(storage, value as u64),
        Val::F32(bits) => writer.number(storage, u64::from(bits)),
        Val::F64(bits) => writer.number(storage, bits),
        Val::V128(value) => writer.vector(value.as_u128().to_le_bytes()),
        _ => {}
    }
}

/// The id of a root.
fn of_root<T: 'static>(numbers: &mut Numbers, root: &Root, store: &mut StoreContextMut<'_, T>) -> Option<Id> {
    let mut number = Raw(None);
    let found = match root {
        Root::Any(root) => {
            root.ref_hash(&*store, &mut number);
            Number::Any(number.0?)
        }
        Root::Exn(root) => {
            root.ref_hash(&*store, &mut number);
            Number::Exn(number.0?)
        }
    };
    numbers.number(found)
}

/// The engine's number for references to an object.
fn raw<R: GcRef, T: 'static>(reference: &Rooted<R>, store: &StoreContextMut<'_, T>) -> Option<u32> {
    let mut number = Raw(None);
    reference.ref_hash(store, &mut number).ok()?;
    number.0
}

/// Takes what the engine hashes of a reference: its number, and nothing else. A version that hashes anything else has
/// no number here.
struct Raw(Option<u32>);

impl Hasher for Raw {
    fn write(&mut self, _: &[u8]) {
        self.0 = None;
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = Some(number);
    }

    fn finish(&self) -> u64 {
        0
    }
}
