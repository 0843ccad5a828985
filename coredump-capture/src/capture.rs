//! Makes a core dump from a stopped store.

use std::collections::HashMap;
use std::time::Instant;

use coredump_core::gc;
use coredump_core::internals::digest;
use coredump_core::model::{CoreDump, Frame, Global, Instance, ModuleRecord, Table, Thread, Thrown, Value};
use coredump_core::module::Module as CoreModule;
use coredump_core::objects::Objects;
use wasmtime::{AsContextMut, Module, RootScope, StoreContextMut};

use crate::binary::Binary;
use crate::catalog::{AnyMemory, Catalog};
use crate::contents;
use crate::extent::{CaptureExtent, MemoryChoice};
use crate::frames;
pub use crate::frames::Stop;
use crate::objects::{self, Captured};
use crate::quietly::quietly;
use crate::saved::{self, SavedStack};
use crate::values;

/// The state of a crash, except for the contents of memories, which stay where they are.
pub struct Capture {
    /// The engine's modules, parallel to `records`.
    pub(crate) modules: Vec<Module>,
    /// Their records in the dump.
    pub records: Vec<ModuleRecord<'static>>,
    /// The instances.
    pub instances: Vec<Instance>,
    /// Frames, youngest first.
    pub frames: Vec<Frame>,
    /// The globals, with their present values.
    pub globals: Vec<Global>,
    /// The tables.
    pub tables: Vec<Table>,
    /// The memories.
    pub(crate) memories: Vec<AnyMemory>,
    /// Stacks in memory as they were at an earlier moment, to which the frames belong.
    pub(crate) saved: Vec<SavedStack>,
    /// The objects that all of these refer to.
    objects: Captured,
}

/// The frames alone: they are all that is lost when the stack unwinds.
#[derive(Default)]
pub struct Stack {
    pub(crate) catalog: Catalog,
    pub(crate) frames: Vec<Frame>,
    pub(crate) saved: Vec<SavedStack>,
}

impl Stack {
    /// The stack of a stopped guest.
    pub fn new<T: 'static>(stop: Stop, store: &mut StoreContextMut<'_, T>) -> Stack {
        let mut catalog = Catalog::new(store);
        let mut scope = RootScope::new(&mut *store);
        let frames = frames::frames(stop, &mut catalog, &mut scope.as_context_mut());
        Stack { catalog, frames, saved: Vec::new() }
    }

    /// The stack of a guest that goes on for now, with the stacks that are in its memory, before they are overwritten.
    pub fn saved<T: 'static>(store: &mut StoreContextMut<'_, T>) -> Stack {
        let stack = Stack::new(Stop::Anywhere, store);
        Stack { saved: saved::stacks(&stack.frames, &stack.catalog, store), ..stack }
    }

    /// Completes it with the state of the store, which must not have changed since, but for stacks that were saved. Objects
    /// are taken as `extent` says.
    pub fn complete<T: 'static>(
        mut self,
        binary: &Binary,
        extent: CaptureExtent,
        store: &mut StoreContextMut<'_, T>,
    ) -> Capture {
        let mut scope = RootScope::new(&mut *store);
        let store = &mut scope.as_context_mut();
        let of_frames = self.catalog.roots.len();
        let globals = std::mem::take(&mut self.catalog.globals);
        let mut globals: Vec<Global> =
            globals.iter().map(|global| values::global(global, &mut self.catalog, store)).collect();
        let tables = std::mem::take(&mut self.catalog.tables);
        let mut tables: Vec<Table> =
            tables.iter().map(|table| values::table(table, &mut self.catalog, store)).collect();
        let wanted = match extent.memory {
            MemoryChoice::All => self.catalog.roots.len(),
            MemoryChoice::Stack => of_frames,
            MemoryChoice::None => 0,
        };
        // A panic of the engine must not cost the dump.
        let objects =
            quietly(|| objects::capture(&mut self.catalog, wanted, extent, binary, store)).unwrap_or_default();
        leave_out_empty(&mut self.frames, &self.catalog, binary);
        objects.ids.name_all(&mut self.frames, &mut globals, &mut tables);
        Capture {
            records: records(&self.catalog.modules, binary),
            modules: self.catalog.modules,
            instances: self.catalog.instances,
            frames: self.frames,
            globals,
            tables,
            memories: self.catalog.memories,
            saved: self.saved,
            objects,
        }
    }
}

/// Leaves out the locals that are null only because the engine was given another form of their module
/// ([`Binary::bytes_to_instrument`]): as the program has them, they hold nothing yet.
fn leave_out_empty(frames: &mut [Frame], catalog: &Catalog, binary: &Binary) {
    let mut changed: HashMap<u32, Option<CoreModule<'_>>> = HashMap::new();
    for frame in frames {
        let instance = frame.instance.and_then(|instance| catalog.instances.get(instance as usize));
        let number = frame.module.or_else(|| instance?.module);
        let (Some(number), Some(function), Some(offset)) = (number, frame.function, frame.code_offset) else {
            continue;
        };
        let module = changed.entry(number).or_insert_with(|| {
            let module = catalog.modules.get(number as usize)?;
            let bytes = binary.bytes_of(module).filter(|bytes| module.debug_bytecode() != Some(bytes))?;
            CoreModule::parse(bytes).ok()
        });
        let (Some(module), Some(locals)) = (module, &mut frame.locals) else { continue };
        let Some(body) = module.body(function) else { continue };
        for local in gc::empty_locals(module, function, body.start + u64::from(offset)) {
            if let Some(local) = locals.get_mut(local as usize) {
                *local = Value::Missing;
            }
        }
    }
}

/// Identifies each module of a program.
fn records(modules: &[Module], binary: &Binary) -> Vec<ModuleRecord<'static>> {
    let record = |(index, module): (usize, &Module)| {
        let parsed = binary.bytes_of(module).and_then(|bytes| CoreModule::parse(bytes).ok());
        let holder = binary.holder(module);
        let name = match module.name() {
            Some(name) => name.to_owned(),
            None => format!("<anonymous-module-{index}>"),
        };
        ModuleRecord {
            name: Some(name),
            path: holder.map(|binary| binary.path().to_string_lossy().into_owned()),
            sha256: parsed.as_ref().map(|module| module.sha256().to_owned()),
            build_id: parsed.as_ref().and_then(|module| module.build_id()),
            content_sha256: parsed.as_ref().map(|module| module.content_sha256()),
            digest: parsed.as_ref().map(|module| digest::of_bytes(module.bytes())),
            stamp: holder.and_then(Binary::stamp).map(|stamp| stamp.to_string()),
            embedded: None,
        }
    };
    modules.iter().enumerate().map(record).collect()
}

impl Capture {
    /// Names the objects that an exception carries, which was described for the stack of this capture.
    pub fn settle(&self, thrown: &mut Thrown) {
        self.objects.ids.name_thrown(thrown);
    }

    /// The dump, with memory contents that borrow from the store, as far as those can be searched `until` then, and with
    /// the modules, if they are to be embedded or no file holds them. Process, reason and names are left to the caller.
    pub fn dump<'a, T: 'static>(
        &'a self,
        choice: MemoryChoice,
        embed: bool,
        binary: &'a Binary,
        until: Option<Instant>,
        store: &'a StoreContextMut<'_, T>,
    ) -> CoreDump<'a> {
        let mut dump = self.skeleton(binary);
        dump.memories = contents::memories(&self.memories, choice, &dump, &self.saved, until, store);
        for (record, module) in dump.modules.iter_mut().zip(&self.modules) {
            // A module that no file holds is in the dump.
            if !embed && binary.holder(module).is_some_and(|binary| !binary.is_fileless()) {
                record.embedded = None;
            }
        }
        dump
    }

    /// The dump with all memory and the state of now, whatever was saved of an earlier moment: for comparisons.
    pub fn whole<'a, T: 'static>(&'a self, binary: &'a Binary, store: &'a StoreContextMut<'_, T>) -> CoreDump<'a> {
        let mut dump = self.skeleton(binary);
        dump.globals = self.globals.clone();
        dump.memories = contents::memories(&self.memories, MemoryChoice::All, &dump, &[], None, store);
        dump
    }

    /// The dump without its memories, and with its modules.
    pub fn skeleton<'a>(&'a self, binary: &'a Binary) -> CoreDump<'a> {
        let modules = self.records.iter().zip(&self.modules);
        let modules =
            modules.map(|(record, module)| ModuleRecord { embedded: binary.bytes_of(module), ..record.clone() });
        let mut globals = self.globals.clone();
        for stack in &self.saved {
            if let Some(global) = globals.get_mut(stack.global as usize) {
                global.value = stack.pointer.clone();
            }
        }
        CoreDump {
            modules: modules.collect(),
            instances: self.instances.clone(),
            threads: vec![Thread { name: "main".to_owned(), frames: self.frames.clone(), truncated: false }],
            globals,
            tables: self.tables.clone(),
            objects: self.objects.section.as_ref().map(|(head, body)| Objects::of_parts(head, body)),
            ..CoreDump::default()
        }
    }
}
