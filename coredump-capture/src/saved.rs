//! The stacks in memory as they were when an exception was thrown: until it is known that nothing catches it, clean-ups
//! run over them.

use std::collections::HashSet;

use coredump_core::model::{Frame, Value};
use coredump_core::module::Module as CoreModule;
use wasmtime::{AsContextMut, StoreContextMut, Val};

use crate::catalog::{AnyMemory, Catalog};
use crate::reach;

/// Greatest part of one stack that is kept, from its young end, in bytes.
const LONGEST: u64 = 1 << 20;

/// One instance's stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedStack {
    /// Index of its memory.
    pub memory: u32,
    /// The address there at which it begins.
    pub start: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Index of the global that is its pointer.
    pub global: u32,
    /// The pointer.
    pub pointer: Value,
}

/// The stacks of all instances that these frames run in.
pub fn stacks<T: 'static>(frames: &[Frame], catalog: &Catalog, store: &mut StoreContextMut<'_, T>) -> Vec<SavedStack> {
    let instances: HashSet<u32> = frames.iter().filter_map(|frame| frame.instance).collect();
    let mut stacks: Vec<SavedStack> = Vec::new();
    for instance in instances {
        if let Some(stack) = stack(instance, catalog, store)
            // Instances that share a stack share its pointer.
            && stacks.iter().all(|known| known.global != stack.global)
        {
            stacks.push(stack);
        }
    }
    stacks
}

fn stack<T: 'static>(instance: u32, catalog: &Catalog, store: &mut StoreContextMut<'_, T>) -> Option<SavedStack> {
    let instance = catalog.instances.get(instance as usize)?;
    let module = catalog.modules.get(instance.module? as usize)?;
    let (position, top) = reach::stack_pointer(&CoreModule::parse(module.debug_bytecode()?).ok()?)?;
    let global = (*instance.globals.get(position)?)?;
    let pointer = match catalog.globals.get(global as usize)?.get(store.as_context_mut()) {
        Val::I32(value) => Value::I32(value),
        Val::I64(value) => Value::I64(value),
        _ => return None,
    };
    let memory = (*instance.memories.first()?)?;
    let AnyMemory::Own(handle) = catalog.memories.get(memory as usize)? else { return None };
    let data = handle.data(&*store);
    let used = reach::used_stack(reach::address(&pointer)?, top, data.len() as u64)?;
    let used = used.start..used.end.min(used.start + LONGEST);
    let bytes = data.get(used.start as usize..used.end as usize)?.to_vec();
    Some(SavedStack { memory, start: used.start, bytes, global, pointer })
}
