//! Captures from an uninstrumented engine (`--fast`): after a trap it gives a core dump of its own, without locals and
//! operand stacks.
//!
//! That dump lists memories and globals, but not the instances to which they belong. It has no tables and no shared
//! memories. Both are derived from what the instances export (under a name, and so with an index that the module's
//! bytes show), and from the engine's numbers, which hold the defining instance and the index among what it defines.
//!
//! The engine makes that dump of a guest that traps. [`Noted`] has it make one of a guest that waits, too.

use std::collections::HashMap;

use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::model::{Frame, Instance as InstanceRecord};
use coredump_core::module::{GlobalDefinition, ItemKind, Module as CoreModule, ValueType};
use wasmtime::{Extern, Instance, Module, Mutability, StoreContextMut, WasmCoreDump};

use crate::binary::Binary;
use crate::capture::Stack;
use crate::catalog::{AnyMemory, Catalog, Functions};
use crate::cause;
use crate::values::type_name;

/// A module that traps while it is instantiated: `(module (func unreachable) (start 0))`.
const TRAPS: &[u8] = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x08\x01\0\x0a\x05\x01\x03\0\0\x0b";

/// The engine's record of a store whose guest has not trapped.
pub struct Noted {
    error: wasmtime::Error,
    /// The module that trapped instead.
    own: Module,
}

impl Noted {
    /// Has the engine note the state of a guest that waits, or whose call was given up.
    ///
    /// # Errors
    ///
    /// The engine is not set up for dumps, or the store has no room for another instance.
    pub async fn take<T: Send + 'static>(store: &mut StoreContextMut<'_, T>) -> Result<Noted> {
        let refused = |error: &wasmtime::Error| {
            let error = format!("the engine tells nothing of a program that waits: {}", cause::message(error));
            Error::new(ErrorKind::Usage, error)
        };
        let own = Module::new(store.engine(), TRAPS).map_err(|error| refused(&error))?;
        match Instance::new_async(&mut *store, &own, &[]).await {
            Err(error) if error.is::<WasmCoreDump>() => Ok(Noted { error, own }),
            Err(error) => Err(refused(&error)),
            Ok(_) => Err(refused(&wasmtime::Error::msg("a module that traps did not trap"))),
        }
    }

    /// Makes a stack and a catalog of the record. The stack has frames only if the guest is in a host call.
    pub fn stack<T: 'static>(&self, binary: &Binary, store: &mut StoreContextMut<'_, T>) -> Stack {
        let noted = self.error.downcast_ref::<WasmCoreDump>();
        noted.map_or_else(Stack::default, |noted| stack_without(Some(&self.own), noted, binary, store))
    }
}

/// The engine's dump as a stack and a catalog. Frames that cannot be placed stay unknown, and an instance is certain
/// only if its module has a single one.
pub fn stack<T: 'static>(dump: &WasmCoreDump, binary: &Binary, store: &mut StoreContextMut<'_, T>) -> Stack {
    stack_without(None, dump, binary, store)
}

/// Reads the stack and leaves out the frames of our own module.
fn stack_without<T: 'static>(
    own: Option<&Module>,
    dump: &WasmCoreDump,
    binary: &Binary,
    store: &mut StoreContextMut<'_, T>,
) -> Stack {
    let guests = |module: &Module| own.is_none_or(|own| !Module::same(own, module));
    let mut catalog = Catalog::default();
    for module in dump.modules().iter().filter(|module| guests(module)) {
        catalog.module_index(module);
    }
    let mut instances = dump.instances().to_vec();
    instances.retain(|instance| guests(instance.module(&*store)));
    let mut owners = Owners::default();
    for (position, instance) in instances.iter().enumerate() {
        let module = instance.module(&*store);
        let module = dump.modules().iter().find(|known| Module::same(known, module));
        let bytes = module.and_then(|module| binary.bytes_of(module));
        let parsed = bytes.and_then(|bytes| CoreModule::parse(bytes).ok());
        let record = match &parsed {
            Some(parsed) => InstanceRecord {
                memories: vec![None; parsed.memories().len()],
                globals: vec![None; parsed.globals().len()],
                tables: Some(vec![None; parsed.tables().len()]),
                ..InstanceRecord::default()
            },
            None => InstanceRecord::default(),
        };
        let module = module.map(|module| catalog.module_index(module));
        let record = InstanceRecord { module, ..record };
        catalog.add(*instance, record);
        owners.numbers.insert(instance.debug_index_in_store(), position);
        owners.modules.push(parsed);
    }
    for memory in dump.memories() {
        let index = catalog.memory_index(AnyMemory::Own(*memory));
        owners.defined(ItemKind::Memory, memory.debug_index_in_store(), index, &mut catalog);
    }
    for global in dump.globals() {
        let index = catalog.global_index(*global, store);
        let ty = global.ty(&*store);
        let key = (type_name(ty.content()), ty.mutability() == Mutability::Var);
        owners.defined_global(global.debug_index_in_store(), key, index, &mut catalog);
    }
    let mut functions = Functions::new();
    for (position, instance) in instances.iter().enumerate() {
        owners.exported(position, *instance, &mut functions, &mut catalog, store);
    }
    catalog.set_functions(functions);
    owners.only_memory(&mut catalog);
    let frames = dump.frames().iter().filter(|info| guests(info.module())).map(|info| {
        let module = catalog.module_index(info.module());
        let instance = catalog.only_instance(module);
        Frame {
            instance,
            module: instance.is_none().then_some(module),
            function: Some(info.func_index()),
            code_offset: info.func_offset().and_then(|offset| u32::try_from(offset).ok()),
            ..Frame::default()
        }
    });
    let frames = frames.collect();
    Stack { catalog, frames, saved: Vec::new() }
}

/// Finds the instances that own memories, globals and tables, by the engine's numbers.
#[derive(Default)]
struct Owners<'p> {
    /// The engine's number of an instance to its position.
    numbers: HashMap<u32, usize>,
    modules: Vec<Option<CoreModule<'p>>>,
}

impl Owners<'_> {
    /// Places something at the instance that defines it, by its number: the instance's in the high half, the index
    /// among what it defines in the low one.
    fn defined(&self, kind: ItemKind, number: u64, index: u32, catalog: &mut Catalog) {
        if let Some((position, own)) = self.owner(kind, number) {
            set_index(&mut catalog.instances[position], kind, own, index);
        }
    }

    /// Two kinds of globals of a component share numbers; only those that are of the type declared there are a
    /// module's.
    fn defined_global(&self, number: u64, ty: (&str, bool), index: u32, catalog: &mut Catalog) {
        let Some((position, own)) = self.owner(ItemKind::Global, number) else { return };
        let declared = self.modules[position].as_ref().and_then(|module| module.globals().get(own));
        let fits = |declared: &GlobalDefinition| {
            let reference = declared.ty == ValueType::Ref && ty.0.ends_with("ref");
            declared.mutable == ty.1 && (declared.ty.name() == ty.0 || reference)
        };
        if declared.is_some_and(fits) {
            set_index(&mut catalog.instances[position], ItemKind::Global, own, index);
        }
    }

    /// If there is only one memory, it belongs to every instance that has one. A shared memory that nobody exports is
    /// not known to be there.
    fn only_memory(&self, catalog: &mut Catalog) {
        let shared = self.modules.iter().flatten().any(|module| module.memories().iter().any(|memory| memory.shared));
        if catalog.memories.len() == 1 && !shared {
            catalog
                .instances
                .iter_mut()
                .flat_map(|instance| &mut instance.memories)
                .for_each(|memory| *memory = Some(0));
        }
    }

    fn owner(&self, kind: ItemKind, number: u64) -> Option<(usize, usize)> {
        let position = *self.numbers.get(&u32::try_from(number >> 32).ok()?)?;
        let imports = self.modules[position].as_ref()?.imports();
        let imported = imports.filter(|import| import.kind == kind).count();
        Some((position, imported + (number & 0xFFFF_FFFF) as usize))
    }

    /// Places what an instance exports, at itself and at the instance that defines it.
    fn exported<T: 'static>(
        &self,
        position: usize,
        instance: Instance,
        functions: &mut Functions,
        catalog: &mut Catalog,
        store: &mut StoreContextMut<'_, T>,
    ) {
        let Some(module) = &self.modules[position] else { return };
        for export in module.exports() {
            let index = match instance.get_export(&mut *store, export.name) {
                Some(Extern::Memory(memory)) => catalog.memory_index(AnyMemory::Own(memory)),
                Some(Extern::SharedMemory(memory)) => catalog.memory_index(AnyMemory::Shared(memory)),
                Some(Extern::Global(global)) => catalog.global_index(global, store),
                Some(Extern::Table(table)) => {
                    let index = catalog.table_index(table);
                    self.defined(ItemKind::Table, table.debug_index_in_store(), index, catalog);
                    index
                }
                Some(Extern::Func(function)) => {
                    let own = export.index >= module.imported_functions();
                    let address = function.to_raw(&mut *store) as usize;
                    let known = functions.entry(address).or_insert((position as u32, export.index));
                    if own {
                        *known = (position as u32, export.index);
                    }
                    continue;
                }
                _ => continue,
            };
            set_index(&mut catalog.instances[position], export.kind, export.index as usize, index);
        }
    }
}

/// Notes that the instance's item `own` is the dump's item `index`.
fn set_index(instance: &mut InstanceRecord, kind: ItemKind, own: usize, index: u32) {
    let list = match kind {
        ItemKind::Memory => Some(&mut instance.memories),
        ItemKind::Global => Some(&mut instance.globals),
        ItemKind::Table => instance.tables.as_mut(),
        ItemKind::Function | ItemKind::Tag => None,
    };
    if let Some(slot) = list.and_then(|list| list.get_mut(own)) {
        *slot = Some(index);
    }
}
