//! The objects to which a stack, globals, tables and an exception refer: the walk through all objects begins with them.

use coredump_core::model::{Frame, Global, RefTarget, Reference, Table, Thrown, Value};
use wasmtime::{AnyRef, ExnRef, OwnedRooted, Ref, StoreContextMut};

/// A root, which stays alive while the guest goes on.
pub enum Root {
    /// A struct, an array, or an object of the host.
    Any(OwnedRooted<AnyRef>),
    /// An exception.
    Exn(OwnedRooted<ExnRef>),
}

/// All roots in the order in which they were met. Until the objects have ids, [`RefTarget::Object`] holds the place of
/// a root in this list.
#[derive(Default)]
pub struct Roots(Vec<Root>);

impl Roots {
    /// Takes an object; what refers to it. None if it is none, or cannot be held.
    pub fn add<T: 'static>(&mut self, reference: Ref, store: &mut StoreContextMut<'_, T>) -> Option<RefTarget> {
        let any = match reference {
            Ref::Any(reference) => reference?,
            // A reference of the host may stand for an object that `anyref` reaches as well: both are the same root.
            Ref::Extern(reference) => AnyRef::convert_extern(&mut *store, reference?).ok()?,
            Ref::Exn(reference) => {
                let root = reference?.to_owned_rooted(&mut *store).ok()?;
                return Some(self.push(Root::Exn(root)));
            }
            Ref::Func(_) => return None,
        };
        if let Some(value) = any.as_i31(&*store).ok()? {
            return Some(RefTarget::I31(value.get_i32()));
        }
        let root = any.to_owned_rooted(&mut *store).ok()?;
        Some(self.push(Root::Any(root)))
    }

    fn push(&mut self, root: Root) -> RefTarget {
        self.0.push(root);
        RefTarget::Object(self.0.len() as u32 - 1)
    }

    /// Returns the number of roots.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// All roots.
    pub fn iter(&self) -> impl Iterator<Item = &Root> {
        self.0.iter()
    }
}

/// The id of each root; `None` for a root whose object is not known.
#[derive(Clone, Debug, Default)]
pub struct Ids(pub Vec<Option<u32>>);

impl Ids {
    /// Puts ids in the place of roots.
    pub fn name(&self, target: &mut RefTarget) {
        if let RefTarget::Object(root) = *target {
            *target = match self.0.get(root as usize).copied().flatten() {
                Some(id) => RefTarget::Object(id),
                None => RefTarget::Opaque(None),
            };
        }
    }

    fn value(&self, value: &mut Value) {
        if let Value::Ref(Reference { target, .. }) = value {
            self.name(target);
        }
    }

    /// Sets the ids of objects in frames, globals and tables.
    pub fn name_all(&self, frames: &mut [Frame], globals: &mut [Global], tables: &mut [Table]) {
        for frame in frames {
            let lists = [&mut frame.locals, &mut frame.stack].into_iter().flatten();
            lists.flat_map(|list| list.iter_mut()).for_each(|value| self.value(value));
        }
        globals.iter_mut().for_each(|global| self.value(&mut global.value));
        tables.iter_mut().flat_map(|table| &mut table.elements).for_each(|target| self.name(target));
    }

    /// Sets the ids of objects in the values of an exception.
    pub fn name_thrown(&self, thrown: &mut Thrown) {
        thrown.values.iter_mut().filter_map(|value| value.reference.as_mut()).for_each(|target| self.name(target));
    }
}
