//! The engine's values as the dump's.

use std::panic::{AssertUnwindSafe, catch_unwind};

use coredump_core::model::{Global as GlobalRecord, RefKind, RefTarget, Reference, Table as TableRecord, Value};
use wasmtime::{Global, HeapType, Mutability, Ref, StoreContextMut, Table, Val, ValType};

use crate::catalog::Catalog;

/// Elements kept of one table: more than any toolchain makes, little enough for a dump.
const TABLE_LIMIT: u64 = 1 << 20;

/// A value of the engine. An object that it refers to becomes one of the catalog's roots.
pub fn value<T: 'static>(value: Val, catalog: &mut Catalog, store: &mut StoreContextMut<'_, T>) -> Value {
    let reference = match value {
        Val::I32(value) => return Value::I32(value),
        Val::I64(value) => return Value::I64(value),
        Val::F32(bits) => return Value::F32(bits),
        Val::F64(bits) => return Value::F64(bits),
        Val::V128(value) => return Value::V128(value.as_u128().to_le_bytes()),
        Val::FuncRef(reference) => Ref::Func(reference),
        Val::ExternRef(reference) => Ref::Extern(reference),
        Val::AnyRef(reference) => Ref::Any(reference),
        Val::ExnRef(reference) => Ref::Exn(reference),
        Val::ContRef(_) => return Value::Missing,
    };
    let kind = match reference {
        Ref::Func(_) => RefKind::Func,
        Ref::Extern(_) => RefKind::Extern,
        Ref::Any(_) => RefKind::Any,
        Ref::Exn(_) => RefKind::Exn,
    };
    Value::Ref(Reference { kind, target: target(reference, catalog, store) })
}

/// Returns the target of a reference.
pub fn target<T: 'static>(reference: Ref, catalog: &mut Catalog, store: &mut StoreContextMut<'_, T>) -> RefTarget {
    match reference {
        reference if reference.is_null() => RefTarget::Null,
        Ref::Func(Some(function)) => {
            let address = function.to_raw(&mut *store) as usize;
            match catalog.function(address, store) {
                Some((instance, index)) => RefTarget::Function { instance: Some(instance), index },
                None => RefTarget::Opaque(None),
            }
        }
        reference => catalog.roots.add(reference, store).unwrap_or(RefTarget::Opaque(None)),
    }
}

/// The type's name in the text format, a reference by the top of its hierarchy.
pub fn type_name(ty: &ValType) -> &'static str {
    match ty {
        ValType::I32 => "i32",
        ValType::I64 => "i64",
        ValType::F32 => "f32",
        ValType::F64 => "f64",
        ValType::V128 => "v128",
        ValType::Ref(ty) => kind(&ty.heap_type().top()).name(),
    }
}

fn kind(top: &HeapType) -> RefKind {
    match top {
        HeapType::Func => RefKind::Func,
        HeapType::Extern => RefKind::Extern,
        HeapType::Exn => RefKind::Exn,
        HeapType::Cont => RefKind::Cont,
        _ => RefKind::Any,
    }
}

/// A global with its value. The engine has no way to read a continuation.
pub fn global<T: 'static>(global: &Global, catalog: &mut Catalog, store: &mut StoreContextMut<'_, T>) -> GlobalRecord {
    let ty = global.ty(&*store);
    let name = type_name(ty.content());
    let current = match name {
        "contref" => Value::Missing,
        _ => guarded(|| value(global.get(&mut *store), catalog, store)),
    };
    GlobalRecord { ty: name.to_owned(), mutable: ty.mutability() == Mutability::Var, value: current }
}

/// A value that is read by `read`: whatever the engine cannot hand over must not cost the dump.
pub fn guarded(read: impl FnOnce() -> Value) -> Value {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or(Value::Missing)
}

/// A table with the first of its elements.
pub fn table<T: 'static>(table: &Table, catalog: &mut Catalog, store: &mut StoreContextMut<'_, T>) -> TableRecord {
    let element = kind(&table.ty(&*store).element().heap_type().top());
    let size = table.size(&*store);
    let mut elements = Vec::new();
    if element != RefKind::Cont {
        for index in 0..size.min(TABLE_LIMIT) {
            let read = || table.get(&mut *store, index).map(|reference| target(reference, catalog, store));
            match catch_unwind(AssertUnwindSafe(read)) {
                Ok(Some(target)) => elements.push(target),
                _ => break,
            }
        }
    }
    TableRecord { element, size, elements }
}
