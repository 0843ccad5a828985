//! Remembers the stack from which each exception was first thrown.
//!
//! The engine reports each throw, and clean-ups and handlers throw again what they caught. Only at the end is it known
//! that nothing keeps an exception, and then its stack is gone. So the stack of each is remembered when it is thrown
//! for the first time, under its identity: the same exception object (`throw_ref`); another object that carries the
//! same references, as languages with garbage collection throw again; or, of C++, one that carries the same pointer and
//! is thrown again by the runtime's own account.

use std::collections::VecDeque;

use coredump_core::model::{Thrown, ThrownValue, Value};
use coredump_core::module::{ItemKind, Module as CoreModule};
use wasmtime::{AsContextMut, ExnRef, OwnedRooted, Rooted, StoreContextMut, Tag, Val, WasmBacktrace};

use crate::binary::Binary;
use crate::capture::Stack;
use crate::catalog::{AnyMemory, Catalog};
use crate::values;

/// Exceptions that are remembered at a time: more than any program has under way.
const REMEMBERED: usize = 16;

/// Youngest functions among which those of the C++ runtime are looked for.
const RUNTIME_FRAMES: usize = 8;

/// `CLNGC++\0`, the class of an exception of libc++abi (`cxa_exception.h`), and that of one that
/// `std::rethrow_exception` made, which is `CLNGC++\1`.
const CLASS: u64 = 0x434C_4E47_432B_2B00;
const DEPENDENT_CLASS: u64 = CLASS | 1;

/// An exception that was thrown.
pub struct SeenException {
    exception: OwnedRooted<ExnRef>,
    /// The stack from which it was thrown first.
    pub stack: Stack,
    /// Its record in the dump.
    pub thrown: Thrown,
}

/// The last exceptions, the one thrown last at the end.
#[derive(Default)]
pub struct Exceptions(VecDeque<SeenException>);

impl Exceptions {
    /// Takes note of a throw, with the guest's frames live.
    pub fn note<T: 'static>(
        &mut self,
        exception: &OwnedRooted<ExnRef>,
        binary: &Binary,
        store: &mut StoreContextMut<'_, T>,
    ) {
        let known = (0..self.0.len()).rev().find(|&index| is_rethrow(&self.0[index], exception, store));
        if let Some(seen) = known.and_then(|index| self.0.remove(index)) {
            let rethrown = Some(seen.thrown.rethrown.unwrap_or(0) + 1);
            let thrown = Thrown { rethrown, ..seen.thrown };
            self.0.push_back(SeenException { exception: exception.clone(), thrown, ..seen });
            return;
        }
        let mut stack = Stack::saved(store);
        let thrown = describe(&exception.to_rooted(store.as_context_mut()), &mut stack, binary, store);
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(SeenException { exception: exception.clone(), stack, thrown });
    }

    /// The exception that left the guest, which was the store's pending one.
    pub fn take<T: 'static>(
        &mut self,
        pending: Option<Rooted<ExnRef>>,
        store: &mut StoreContextMut<'_, T>,
    ) -> Option<SeenException> {
        let position = match pending {
            Some(pending) => (0..self.0.len()).rev().find(|&index| {
                let seen = self.0[index].exception.to_rooted(store.as_context_mut());
                Rooted::ref_eq(&*store, &seen, &pending).unwrap_or(false)
            }),
            // A host that took it itself leaves the last one.
            None => self.0.len().checked_sub(1),
        };
        self.0.remove(position?)
    }
}

/// Makes the dump's record of an exception, which was thrown by a guest with this stack. The objects that it carries
/// get ids when the stack is [completed](Stack::complete): see [`Capture::settle`](crate::Capture::settle).
pub fn describe<T: 'static>(
    exception: &Rooted<ExnRef>,
    stack: &mut Stack,
    binary: &Binary,
    store: &mut StoreContextMut<'_, T>,
) -> Thrown {
    let tag = exception.tag(store.as_context_mut()).ok();
    let tag = tag.and_then(|tag| tag_name(&tag, &stack.catalog, binary));
    let values = values(exception, store);
    let values = values.into_iter().map(|value| thrown_value(value, &mut stack.catalog, store)).collect();
    Thrown { tag, values, ..Thrown::default() }
}

fn values<T: 'static>(exception: &Rooted<ExnRef>, store: &mut StoreContextMut<'_, T>) -> Vec<Val> {
    exception.fields(store.as_context_mut()).map(|fields| fields.collect()).unwrap_or_default()
}

fn thrown_value<T: 'static>(value: Val, catalog: &mut Catalog, store: &mut StoreContextMut<'_, T>) -> ThrownValue {
    match value {
        Val::I32(value) => ThrownValue::number("i32", u64::from(value as u32)),
        Val::I64(value) => ThrownValue::number("i64", value as u64),
        Val::F32(bits) => ThrownValue::number("f32", u64::from(bits)),
        Val::F64(bits) => ThrownValue::number("f64", bits),
        Val::V128(_) => ThrownValue { ty: "v128".to_owned(), ..ThrownValue::default() },
        value => {
            let value = values::value(value, catalog, store);
            let ty = value.type_name().unwrap_or("contref").to_owned();
            let reference = if let Value::Ref(reference) = value { Some(reference.target) } else { None };
            ThrownValue { ty, reference, ..ThrownValue::default() }
        }
    }
}

/// The name of a tag: the one that its module's names give, or under which it is exported.
fn tag_name(tag: &Tag, catalog: &Catalog, binary: &Binary) -> Option<String> {
    let (module, index) = catalog.tag(tag.debug_index_in_store())?;
    let module = CoreModule::parse(binary.bytes_of(catalog.modules.get(module as usize)?)?).ok()?;
    let exported = || {
        let export = module.exports().find(|export| export.kind == ItemKind::Tag && export.index == index);
        export.map(|export| export.name)
    };
    module.tag_name(index).or_else(exported).map(str::to_owned)
}

/// Returns true if an exception that is thrown now was seen before.
fn is_rethrow<T: 'static>(
    seen: &SeenException,
    exception: &OwnedRooted<ExnRef>,
    store: &mut StoreContextMut<'_, T>,
) -> bool {
    let before = seen.exception.to_rooted(store.as_context_mut());
    let now = exception.to_rooted(store.as_context_mut());
    if Rooted::ref_eq(&*store, &before, &now).unwrap_or(false) {
        return true;
    }
    let tag = |exception: &Rooted<ExnRef>, store: &mut StoreContextMut<'_, T>| {
        exception.tag(store.as_context_mut()).ok().map(|tag| tag.debug_index_in_store())
    };
    if tag(&before, store) != tag(&now, store) {
        return false;
    }
    let (before, now) = (values(&before, store), values(&now, store));
    match (&before[..], &now[..]) {
        ([Val::I32(before)], [Val::I32(now)]) => {
            is_cpp_rethrow(u64::from(*before as u32), u64::from(*now as u32), 4, &seen.stack.catalog, store)
        }
        ([Val::I64(before)], [Val::I64(now)]) => {
            is_cpp_rethrow(*before as u64, *now as u64, 8, &seen.stack.catalog, store)
        }
        _ => carry_the_same(&before, &now, store),
    }
}

/// Returns true if two exceptions carry the same values, and among them an object: numbers may be equal by chance.
fn carry_the_same<T: 'static>(before: &[Val], now: &[Val], store: &StoreContextMut<'_, T>) -> bool {
    let mut objects = 0;
    let mut same = |pair: (&Val, &Val)| match pair {
        (Val::AnyRef(Some(before)), Val::AnyRef(Some(now))) => {
            objects += 1;
            Rooted::ref_eq(store, before, now).unwrap_or(false)
        }
        (Val::ExternRef(Some(before)), Val::ExternRef(Some(now))) => {
            objects += 1;
            Rooted::ref_eq(store, before, now).unwrap_or(false)
        }
        (Val::I32(before), Val::I32(now)) => before == now,
        (Val::I64(before), Val::I64(now)) => before == now,
        (Val::F32(before), Val::F32(now)) => before == now,
        (Val::F64(before), Val::F64(now)) => before == now,
        (Val::AnyRef(None), Val::AnyRef(None)) | (Val::ExternRef(None), Val::ExternRef(None)) => true,
        _ => false,
    };
    let equal = before.len() == now.len() && before.iter().zip(now).all(&mut same);
    equal && objects > 0
}

/// Returns true if C++ throws again what it threw before. Memory of an exception that is gone is used again, so the
/// same pointer alone says nothing: the runtime's function does, or the exception's header, where handlers that it left
/// are counted below zero.
fn is_cpp_rethrow<T: 'static>(
    before: u64,
    now: u64,
    pointer: u64,
    catalog: &Catalog,
    store: &StoreContextMut<'_, T>,
) -> bool {
    let header = Header { at: now, pointer, memory: cpp_memory(catalog, store) };
    if header.class() == Some(DEPENDENT_CLASS) {
        // The thrown object lies 32 bytes on, after the unwinder's header.
        return header.primary().is_some_and(|object| before.checked_add(32) == Some(object));
    }
    if before != now {
        return false;
    }
    let backtrace = WasmBacktrace::force_capture(store);
    let names = backtrace.frames().iter().take(RUNTIME_FRAMES).filter_map(|frame| frame.func_name());
    match names.into_iter().find(|name| matches!(*name, "__cxa_rethrow" | "__cxa_throw")) {
        Some(name) => name == "__cxa_rethrow",
        None => header.class() == Some(CLASS) && header.handlers().is_some_and(|count| count < 0),
    }
}

/// The memory that the youngest function's module works with, as it was at the earlier throw: C++ has one.
fn cpp_memory<'a, T: 'static>(catalog: &'a Catalog, store: &'a StoreContextMut<'_, T>) -> &'a [u8] {
    match catalog.memories.first() {
        Some(AnyMemory::Own(memory)) if catalog.memories.len() == 1 => memory.data(store),
        _ => &[],
    }
}

/// The header of a C++ exception, in front of and at the pointer that its Wasm exception carries (libc++abi,
/// `cxa_exception.h`; the fields differ by the width of a pointer).
struct Header<'m> {
    at: u64,
    pointer: u64,
    memory: &'m [u8],
}

impl Header<'_> {
    fn read<const N: usize>(&self, address: u64) -> Option<[u8; N]> {
        let start = usize::try_from(address).ok()?;
        self.memory.get(start..start.checked_add(N)?)?.try_into().ok()
    }

    fn class(&self) -> Option<u64> {
        self.read(self.at).map(u64::from_le_bytes)
    }

    fn handlers(&self) -> Option<i32> {
        let before = if self.pointer == 4 { 28 } else { 40 };
        self.read(self.at.checked_sub(before)?).map(i32::from_le_bytes)
    }

    /// The object of the exception that this one refers to.
    fn primary(&self) -> Option<u64> {
        match self.pointer {
            4 => self.read(self.at.checked_sub(4)?).map(|bytes| u32::from_le_bytes(bytes).into()),
            _ => self.read(self.at.checked_sub(88)?).map(u64::from_le_bytes),
        }
    }
}
