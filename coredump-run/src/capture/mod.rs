//! From a stopped store to a core dump.

pub mod catalog;
mod contents;
mod frames;
mod pages;
pub mod plain;
mod reach;
mod shared;
mod values;

use coredump_core::digest;
use coredump_core::model::{CoreDump, Frame, Global, Instance, ModuleRecord, Table, Thread};
use coredump_core::module::Module as CoreModule;
use wasmtime::{Module, StoreContextMut};

use crate::args::MemoryChoice;
use crate::host::Host;
use crate::program::Program;
use catalog::{AnyMemory, Catalog};
pub use frames::Stop;

/// Everything of a crash but the contents of memories, which stay where they are.
pub struct Capture {
    /// The engine's modules, parallel to `records`.
    pub modules: Vec<Module>,
    /// What the dump says of them.
    pub records: Vec<ModuleRecord<'static>>,
    /// The instances.
    pub instances: Vec<Instance>,
    /// Frames, youngest first.
    pub frames: Vec<Frame>,
    /// The globals.
    pub globals: Vec<Global>,
    /// The tables.
    pub tables: Vec<Table>,
    /// The memories.
    pub memories: Vec<AnyMemory>,
}

/// Only the frames: all that is lost when the stack unwinds.
pub struct Stack {
    catalog: Catalog,
    frames: Vec<Frame>,
}

impl Stack {
    /// The stack of a stopped guest.
    pub fn new(stop: Stop, store: &mut StoreContextMut<'_, Host>) -> Stack {
        let mut catalog = Catalog::new(store);
        let frames = frames::frames(stop, &mut catalog, store);
        Stack { catalog, frames }
    }

    /// Completes it with the state of the store, which must not have changed since.
    pub fn complete(mut self, program: &Program, store: &mut StoreContextMut<'_, Host>) -> Capture {
        let globals = std::mem::take(&mut self.catalog.globals);
        let globals = globals.iter().map(|global| values::global(global, &mut self.catalog, store)).collect();
        let tables = std::mem::take(&mut self.catalog.tables);
        let tables = tables.iter().map(|table| values::table(table, &mut self.catalog, store)).collect();
        Capture {
            records: records(&self.catalog.modules, program),
            modules: self.catalog.modules,
            instances: self.catalog.instances,
            frames: self.frames,
            globals,
            tables,
            memories: self.catalog.memories,
        }
    }
}

/// Identifies each module of a program.
fn records(modules: &[Module], program: &Program) -> Vec<ModuleRecord<'static>> {
    let record = |(index, module): (usize, &Module)| {
        let parsed = program.bytes_of(module).and_then(|bytes| CoreModule::parse(bytes).ok());
        let name = match module.name() {
            Some(name) => name.to_owned(),
            None => format!("<anonymous-module-{index}>"),
        };
        ModuleRecord {
            name: Some(name),
            path: Some(program.path.to_string_lossy().into_owned()),
            sha256: parsed.as_ref().map(|module| module.sha256().to_owned()),
            build_id: parsed.as_ref().and_then(|module| module.build_id()),
            content_sha256: parsed.as_ref().map(|module| module.content_sha256()),
            digest: parsed.as_ref().map(|module| digest::of_bytes(module.bytes())),
            stamp: program.stamp().map(|stamp| stamp.to_string()),
            embedded: None,
        }
    };
    modules.iter().enumerate().map(record).collect()
}

impl Capture {
    /// The dump, with memory contents that borrow from the store. Process, reason and names are left to the caller.
    pub fn dump<'a>(
        &'a self,
        choice: MemoryChoice,
        embed: bool,
        program: &'a Program,
        store: &'a StoreContextMut<'_, Host>,
    ) -> CoreDump<'a> {
        let mut dump = self.skeleton(program);
        dump.memories = contents::memories(&self.memories, choice, &dump, store);
        if !embed {
            dump.modules.iter_mut().for_each(|module| module.embedded = None);
        }
        dump
    }

    /// The dump without its memories, and with its modules.
    pub fn skeleton<'a>(&'a self, program: &'a Program) -> CoreDump<'a> {
        let modules = self.records.iter().zip(&self.modules);
        let modules =
            modules.map(|(record, module)| ModuleRecord { embedded: program.bytes_of(module), ..record.clone() });
        CoreDump {
            modules: modules.collect(),
            instances: self.instances.clone(),
            threads: vec![Thread { name: "main".to_owned(), frames: self.frames.clone(), truncated: false }],
            globals: self.globals.clone(),
            tables: self.tables.clone(),
            ..CoreDump::default()
        }
    }
}
