//! Lists the contents of a store: instances, modules, memories, globals and tables, each once, and which instance has
//! which.
//!
//! Needs `Config::guest_debug`: without it the engine shows nothing that is not exported (see [`super::plain`]).

use std::collections::HashMap;

use coredump_core::model::Instance as InstanceRecord;
use wasmtime::{AsContextMut, Global, Instance, Memory, Module, SharedMemory, StoreContextMut, Table};

use crate::roots::Roots;

/// A memory of the store.
#[derive(Clone)]
pub enum AnyMemory {
    /// Belongs to one thread.
    Own(Memory),
    /// May belong to several.
    Shared(SharedMemory),
}

/// Everything of a store, in the dump's order.
#[derive(Default)]
pub struct Catalog {
    /// Distinct modules, in order of first instantiation.
    pub modules: Vec<Module>,
    /// All instances.
    pub instances: Vec<InstanceRecord>,
    /// All memories, defined by an instance or imported from the host.
    pub memories: Vec<AnyMemory>,
    /// All globals.
    pub globals: Vec<Global>,
    /// All tables.
    pub tables: Vec<Table>,
    /// The objects that values refer to.
    pub roots: Roots,
    /// The engine's handle of each instance.
    handles: Vec<Instance>,
    seen: ItemPositions,
    /// The address of a function's reference to its instance and index, filled when first asked for.
    functions: Option<Functions>,
    /// Imported functions of each module, parallel to `modules`.
    imported: Vec<u32>,
}

/// Instance and index of a function, under the engine's address of its reference.
pub type Functions = HashMap<usize, (u32, u32)>;

/// The positions of listed items in their lists, by the engine's numbers.
#[derive(Default)]
struct ItemPositions {
    instances: HashMap<u32, usize>,
    memories: HashMap<u64, usize>,
    /// By the address of their bytes.
    shared: HashMap<usize, usize>,
    /// Two kinds of globals of a component may share a number, never also their type.
    globals: HashMap<(u64, (String, bool)), usize>,
    tables: HashMap<u64, usize>,
}

impl Catalog {
    /// Lists what is in the store.
    pub fn new<T: 'static>(store: &mut StoreContextMut<'_, T>) -> Catalog {
        let mut catalog = Catalog::default();
        for instance in store.as_context_mut().debug_all_instances() {
            let module = instance.module(&*store).clone();
            let mut record =
                InstanceRecord { module: Some(catalog.module_index(&module)), ..InstanceRecord::default() };
            for index in 0.. {
                let memory = match instance.debug_memory(&mut *store, index) {
                    Some(memory) => Some(AnyMemory::Own(memory)),
                    None => instance.debug_shared_memory(&mut *store, index).map(AnyMemory::Shared),
                };
                let Some(memory) = memory else { break };
                record.memories.push(Some(catalog.memory_index(memory)));
            }
            for index in 0.. {
                let Some(global) = instance.debug_global(&mut *store, index) else { break };
                record.globals.push(Some(catalog.global_index(global, store)));
            }
            let mut tables = Vec::new();
            for index in 0.. {
                let Some(table) = instance.debug_table(&mut *store, index) else { break };
                tables.push(Some(catalog.table_index(table)));
            }
            record.tables = Some(tables);
            catalog.add(instance, record);
        }
        catalog
    }

    /// Finds the functions to which references refer, where the engine itself does not give them.
    pub fn set_functions(&mut self, functions: Functions) {
        self.functions = Some(functions);
    }

    /// The index of a memory, which is added if it is new.
    pub fn memory_index(&mut self, memory: AnyMemory) -> u32 {
        let next = self.memories.len();
        let position = match &memory {
            AnyMemory::Own(memory) => *self.seen.memories.entry(memory.debug_index_in_store()).or_insert(next),
            AnyMemory::Shared(memory) => *self.seen.shared.entry(memory.data().as_ptr() as usize).or_insert(next),
        };
        if position == next {
            self.memories.push(memory);
        }
        position as u32
    }

    /// The index of a global, which is added if it is new.
    pub fn global_index<T: 'static>(&mut self, global: Global, store: &StoreContextMut<'_, T>) -> u32 {
        let next = self.globals.len();
        let key = (global.debug_index_in_store(), type_key(&global, store));
        let position = *self.seen.globals.entry(key).or_insert(next);
        if position == next {
            self.globals.push(global);
        }
        position as u32
    }

    /// The index of a table, which is added if it is new.
    pub fn table_index(&mut self, table: Table) -> u32 {
        let next = self.tables.len();
        let position = *self.seen.tables.entry(table.debug_index_in_store()).or_insert(next);
        if position == next {
            self.tables.push(table);
        }
        position as u32
    }

    /// Adds an instance.
    pub fn add(&mut self, instance: Instance, record: InstanceRecord) {
        self.seen.instances.insert(instance.debug_index_in_store(), self.instances.len());
        self.instances.push(record);
        self.handles.push(instance);
    }

    /// The index of a module, which is added if it is new (one that has code on the stack and no instance yet).
    pub fn module_index(&mut self, module: &Module) -> u32 {
        let index = self.modules.iter().position(|known| Module::same(known, module));
        index.unwrap_or_else(|| {
            self.modules.push(module.clone());
            self.imported.push(imported_functions(module));
            self.modules.len() - 1
        }) as u32
    }

    /// The index of an instance.
    pub fn instance_index(&self, instance: Instance) -> Option<u32> {
        self.seen.instances.get(&instance.debug_index_in_store()).map(|&position| position as u32)
    }

    /// The tag that has this number in the engine: its module, and its index there.
    pub fn tag(&self, number: u64) -> Option<(u32, u32)> {
        let instance = self.instance_numbered((number >> 32) as u32)?;
        let module = self.instances.get(instance)?.module?;
        let imported = self.modules.get(module as usize)?.imports().filter(|import| import.ty().tag().is_some());
        Some((module, u32::try_from(imported.count()).ok()?.checked_add(number as u32)?))
    }

    /// The position of the instance that has this number in the engine.
    pub fn instance_numbered(&self, number: u32) -> Option<usize> {
        self.seen.instances.get(&number).copied()
    }

    /// The instance of a module, if it has exactly one.
    pub fn only_instance(&self, module: u32) -> Option<u32> {
        let mut found = self.instances.iter().enumerate().filter(|(_, instance)| instance.module == Some(module));
        match (found.next(), found.next()) {
            (Some((index, _)), None) => Some(index as u32),
            _ => None,
        }
    }

    /// Instance and index of the function at the engine's address of its reference.
    pub fn function<T: 'static>(&mut self, address: usize, store: &mut StoreContextMut<'_, T>) -> Option<(u32, u32)> {
        if self.functions.is_none() {
            self.functions = Some(self.list_functions(store));
        }
        self.functions.as_ref()?.get(&address).copied()
    }

    /// Every function that can be referred to, under the address of its reference. Its own instance wins over one that
    /// only imports it.
    fn list_functions<T: 'static>(&self, store: &mut StoreContextMut<'_, T>) -> Functions {
        let mut functions = Functions::new();
        for (position, instance) in self.handles.iter().enumerate() {
            let imported = self.instances[position].module.map_or(0, |module| self.imported[module as usize]);
            for index in 0.. {
                let Some(function) = instance.debug_function(&mut *store, index) else { break };
                let address = function.to_raw(&mut *store) as usize;
                let place = (position as u32, index);
                if index < imported {
                    functions.entry(address).or_insert(place);
                } else {
                    functions.insert(address, place);
                }
            }
        }
        functions
    }
}

fn imported_functions(module: &Module) -> u32 {
    module.imports().filter(|import| import.ty().func().is_some()).count() as u32
}

fn type_key<T: 'static>(global: &Global, store: &StoreContextMut<'_, T>) -> (String, bool) {
    let ty = global.ty(store);
    (ty.content().to_string(), ty.mutability() == wasmtime::Mutability::Var)
}
