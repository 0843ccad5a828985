//! What an uninstrumented engine (`--fast`) can tell after a trap: its own core dump, without locals and operand stacks.
//!
//! That dump lists memories and globals, but not whose they are, no tables and no shared memories. Both follow from what
//! the instances export (under a name, and so with an index that the module's bytes tell), and from the engine's numbers,
//! which hold the defining instance and the index among what it defines.

use std::collections::HashMap;

use coredump_core::model::{Frame, Instance as InstanceRecord};
use coredump_core::module::{GlobalDefinition, ItemKind, Module as CoreModule, ValueType};
use wasmtime::{Extern, Instance, Module, Mutability, StoreContextMut, WasmCoreDump};

use crate::binary::Binary;
use crate::capture::Stack;
use crate::catalog::{AnyMemory, Catalog, Functions};
use crate::values::type_name;

/// The engine's dump as a stack and a catalog. What cannot be placed stays unknown, and an instance is certain only where
/// its module has one.
pub fn stack<'p, T: 'static>(dump: &'p WasmCoreDump, binary: &'p Binary, store: &mut StoreContextMut<'_, T>) -> Stack {
    let mut catalog = Catalog::default();
    for module in dump.modules() {
        catalog.module_index(module);
    }
    let mut places = Places::default();
    for (position, instance) in dump.instances().iter().enumerate() {
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
        places.numbers.insert(instance.debug_index_in_store(), position);
        places.modules.push(parsed);
    }
    for memory in dump.memories() {
        let index = catalog.memory_index(AnyMemory::Own(*memory));
        places.defined(ItemKind::Memory, memory.debug_index_in_store(), index, &mut catalog);
    }
    for global in dump.globals() {
        let index = catalog.global_index(*global, store);
        let ty = global.ty(&*store);
        let key = (type_name(ty.content()), ty.mutability() == Mutability::Var);
        places.defined_global(global.debug_index_in_store(), key, index, &mut catalog);
    }
    let mut functions = Functions::new();
    for (position, instance) in dump.instances().iter().enumerate() {
        places.exported(position, *instance, &mut functions, &mut catalog, store);
    }
    catalog.set_functions(functions);
    places.only_memory(&mut catalog);
    let frames = dump.frames().iter().map(|info| {
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

/// Which instance has what under which index.
#[derive(Default)]
struct Places<'p> {
    /// The engine's number of an instance to its position.
    numbers: HashMap<u32, usize>,
    modules: Vec<Option<CoreModule<'p>>>,
}

impl Places<'_> {
    /// Places something at the instance that defines it, by its number: the instance's in the high half, the index among
    /// what it defines in the low one.
    fn defined(&self, kind: ItemKind, number: u64, index: u32, catalog: &mut Catalog) {
        if let Some((position, own)) = self.owner(kind, number) {
            place(&mut catalog.instances[position], kind, own, index);
        }
    }

    /// Two kinds of globals of a component share numbers; only those that are of the type declared there are a module's.
    fn defined_global(&self, number: u64, ty: (&str, bool), index: u32, catalog: &mut Catalog) {
        let Some((position, own)) = self.owner(ItemKind::Global, number) else { return };
        let declared = self.modules[position].as_ref().and_then(|module| module.globals().get(own));
        let fits = |declared: &GlobalDefinition| {
            let reference = declared.ty == ValueType::Ref && ty.0.ends_with("ref");
            declared.mutable == ty.1 && (declared.ty.name() == ty.0 || reference)
        };
        if declared.is_some_and(fits) {
            place(&mut catalog.instances[position], ItemKind::Global, own, index);
        }
    }

    /// Where there is one memory, whoever has one has that. A shared memory that nobody exports is not known to be there.
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
            place(&mut catalog.instances[position], export.kind, export.index as usize, index);
        }
    }
}

/// Notes that the instance's item `own` is the dump's item `index`.
fn place(instance: &mut InstanceRecord, kind: ItemKind, own: usize, index: u32) {
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
