//! What is in a store: instances, modules, memories, globals and tables, each listed once, and which instance has which.
//!
//! Needs `Config::guest_debug`: without it the engine tells nothing of what is not exported (see [`super::plain`]).

use std::collections::HashMap;

use coredump_core::model::Instance as InstanceRecord;
use wasmtime::{AsContextMut, Global, Instance, Memory, Module, SharedMemory, StoreContextMut, Table};

use crate::host::Host;

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
    /// The engine's handle of each instance.
    pub handles: Vec<Instance>,
    /// The engine's number of an instance to ours.
    by_number: HashMap<u32, u32>,
    /// The address of a function's reference to its instance and index, filled when first asked for.
    functions: Option<HashMap<usize, (u32, u32)>>,
    /// Imported functions of each module, parallel to `modules`.
    imported: Vec<u32>,
}

impl Catalog {
    /// Lists what is in the store.
    pub fn new(store: &mut StoreContextMut<'_, Host>) -> Catalog {
        let mut catalog = Catalog::default();
        let mut memories = HashMap::new();
        let mut shared = HashMap::new();
        let mut globals = HashMap::new();
        let mut tables = HashMap::new();
        for instance in store.as_context_mut().debug_all_instances() {
            let module = instance.module(&*store).clone();
            let mut record = InstanceRecord {
                module: Some(catalog.module_index(&module)),
                tables: Some(Vec::new()),
                ..InstanceRecord::default()
            };
            for index in 0.. {
                let (position, new) = if let Some(memory) = instance.debug_memory(&mut *store, index) {
                    let position = slot(&mut memories, memory.debug_index_in_store(), catalog.memories.len());
                    (position, AnyMemory::Own(memory))
                } else if let Some(memory) = instance.debug_shared_memory(&mut *store, index) {
                    let position = slot(&mut shared, memory.data().as_ptr() as usize, catalog.memories.len());
                    (position, AnyMemory::Shared(memory))
                } else {
                    break;
                };
                if position == catalog.memories.len() {
                    catalog.memories.push(new);
                }
                record.memories.push(Some(position as u32));
            }
            for index in 0.. {
                let Some(global) = instance.debug_global(&mut *store, index) else { break };
                // Two kinds of globals of a component may share a number, never also their type.
                let key = (global.debug_index_in_store(), type_key(&global, store));
                let position = slot(&mut globals, key, catalog.globals.len());
                if position == catalog.globals.len() {
                    catalog.globals.push(global);
                }
                record.globals.push(Some(position as u32));
            }
            for index in 0.. {
                let Some(table) = instance.debug_table(&mut *store, index) else { break };
                let position = slot(&mut tables, table.debug_index_in_store(), catalog.tables.len());
                if position == catalog.tables.len() {
                    catalog.tables.push(table);
                }
                record.tables.get_or_insert_default().push(Some(position as u32));
            }
            catalog.add(instance, record);
        }
        catalog
    }

    /// An empty catalog of an engine that does not tell which function a reference refers to.
    pub fn without_functions() -> Catalog {
        Catalog { functions: Some(HashMap::new()), ..Catalog::default() }
    }

    /// Adds an instance.
    pub fn add(&mut self, instance: Instance, record: InstanceRecord) {
        self.by_number.insert(instance.debug_index_in_store(), self.instances.len() as u32);
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
        self.by_number.get(&instance.debug_index_in_store()).copied()
    }

    /// The instance of a module, if it has exactly one.
    pub fn only_instance(&self, module: &Module) -> Option<u32> {
        let module = self.modules.iter().position(|known| Module::same(known, module))? as u32;
        let mut found = self.instances.iter().enumerate().filter(|(_, instance)| instance.module == Some(module));
        match (found.next(), found.next()) {
            (Some((index, _)), None) => Some(index as u32),
            _ => None,
        }
    }

    /// Instance and index of the function at the engine's address of its reference.
    pub fn function(&mut self, address: usize, store: &mut StoreContextMut<'_, Host>) -> Option<(u32, u32)> {
        if self.functions.is_none() {
            self.functions = Some(self.list_functions(store));
        }
        self.functions.as_ref()?.get(&address).copied()
    }

    /// Every function that can be referred to, under the address of its reference. Its own instance wins over one that
    /// only imports it.
    fn list_functions(&self, store: &mut StoreContextMut<'_, Host>) -> HashMap<usize, (u32, u32)> {
        let mut functions = HashMap::new();
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

fn type_key(global: &Global, store: &StoreContextMut<'_, Host>) -> (String, bool) {
    let ty = global.ty(store);
    (ty.content().to_string(), ty.mutability() == wasmtime::Mutability::Var)
}

/// The position of `key`: where it was first seen, else `next`.
fn slot<K: std::hash::Hash + Eq>(seen: &mut HashMap<K, usize>, key: K, next: usize) -> usize {
    *seen.entry(key).or_insert(next)
}
