//! The JSON document of one dump, version 1. `docs/json.md` and the schema describe it.
//!
//! It is written as a stream straight from the model: no tree of it is ever built.

mod failure;
mod frames;
mod heap;
mod interpreted;
mod memories;
mod objects;
mod places;
mod process;
mod reason;
mod redact;
mod safe;
#[cfg(all(test, feature = "schema"))]
mod schema;
mod sentry;
mod state;
mod tasks;
mod text;
mod threads;
mod thrown;
mod types;
mod values;
mod variables;
mod vouched;

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::collections::HashMap;
use std::path::Path;
use std::time::SystemTime;

use coredump_core::cli::path_map::PathMap;
use coredump_core::gc::ObjectView;
use coredump_core::interpreted::Interpreted;
use coredump_core::model::Warning;
use coredump_core::reason::CrashReason;
use coredump_core::{CoreDump, Dump, Frame, Limits, Scope, Variable};
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::args::MemoryDetail;

use heap::HeapEntry;
use memories::MemoryEntry;
use objects::ObjectsEntry;
use places::PlaceEntry;
use process::{CallEntry, File, Process};
use reason::ReasonEntry;
use state::{GlobalEntry, InstanceEntry, ModuleEntry, SectionEntry, TableEntry};
use tasks::{AsyncTaskEntry, TaskView};
use text::{Each, written_as};
#[cfg(feature = "schema")]
use threads::ThreadFields;
use threads::{TaskThread, ThreadEntry};

pub use failure::Failure;
pub use redact::Redacting;
pub use safe::Layout;
pub use sentry::Event;

/// The version of the document's format.
const VERSION: u32 = 1;

/// A dump with the settings by which its document is written.
pub struct Document<'d> {
    /// The dump's file, unless it came through a pipe.
    pub path: Option<&'d Path>,
    /// The time at which that file was last written to.
    pub modified: Option<SystemTime>,
    /// The dump.
    pub dump: &'d Dump,
    /// This says where sources are on this machine.
    pub paths: PathMap,
    /// True if variables are asked for.
    pub locals: bool,
    /// True if the document is to report the contents of the heaps.
    pub heap: bool,
    /// The limits on how much of a variable is written.
    pub limits: Limits,
    /// The number of variables, and parts of them, that may still be written: a dump may have any number of frames, and each any number of variables.
    pub room: Cell<usize>,
    /// The number of frames whose variables were left out because of `room`.
    pub omitted: Cell<usize>,
    /// This says how much of the memory's contents is reported.
    pub memory: MemoryDetail,
    /// True if the document is to leave out the data that the program worked on.
    pub redact: bool,
    /// The stack of the program that an interpreter ran.
    pub interpreted: Option<Interpreted>,
    /// Memo of whether the names that a language's runtime keeps in memory may be shown in a redacted document.
    pub vouched: OnceCell<bool>,
}

/// A thread of the dump, or a task of a language's runtime that none of them ran.
#[derive(Serialize)]
#[serde(untagged)]
enum EitherThread<'d> {
    Recorded(ThreadEntry<'d>),
    Task(TaskThread<'d>),
}

written_as! {
    EitherThread<'_> => ThreadFields<'static>;
    Document<'_> => DocumentFields<'static>;
}

/// A document: all that is known of one core dump.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "document"))]
struct DocumentFields<'d> {
    /// Version of this format.
    #[cfg_attr(feature = "schema", schemars(extend("const" = VERSION)))]
    version: u32,
    /// The dump's file, or the text that a trace was found in.
    dump: File<'d>,
    /// The process that died, as the capturing program recorded it.
    process: Process<'d>,
    /// The reason why it died; null if that is not known.
    reason: Option<ReasonEntry<'d>>,
    /// The grouping key: the functions it happened in, youngest first, stable across rebuilds. See docs/signature.md.
    signature: Option<&'d str>,
    /// The place in the program's own code where it died. If the crash happened in a panic's machinery or the standard library, this is the place from which these were called.
    place: Option<PlaceEntry<'d>>,
    /// The modules that ran.
    modules: Each<'d, ModuleEntry<'d>>,
    /// The last calls of host functions, oldest first; empty if the dump holds none.
    host_calls: Each<'d, CallEntry<'d>>,
    /// The modules' instances.
    instances: Each<'d, InstanceEntry<'d>>,
    /// The threads.
    threads: Each<'d, EitherThread<'d>>,
    /// The asynchronous tasks and suspended coroutines; absent where there are none. docs/languages.md lists the languages and executors.
    #[serde(skip_serializing_if = "Option::is_none")]
    tasks: Option<Each<'d, AsyncTaskEntry<'d>>>,
    /// The linear memories.
    memories: Each<'d, MemoryEntry<'d>>,
    /// The globals.
    globals: Each<'d, GlobalEntry<'d>>,
    /// The tables; empty if the producer recorded none.
    tables: Each<'d, TableEntry<'d>>,
    /// With `--memory base64`: the objects of a garbage-collected program, as the dump has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    objects: Option<ObjectsEntry<'d>>,
    /// With `--heap`: what the allocators in the memories hold, and the objects of a garbage-collected program.
    #[serde(skip_serializing_if = "Option::is_none")]
    heap: Option<HeapEntry<'d>>,
    /// The sections of the dump's file, in order.
    sections: Each<'d, SectionEntry<'d>>,
    /// Sentences that say what was repaired, skipped or doubted. It is the last field, because faults in debug info are found while frames and variables are read.
    warnings: Each<'d, String>,
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (dump, slots, redact) = (self.recorded(), self.dump.binaries().slots(), self.redact);
        let crash = self.dump.crash();
        let place = crash.place.as_ref().filter(|_| !self.is_hearsay());
        let contents = self.memory == MemoryDetail::Base64;
        let binaries = redact.then(|| redact::Binaries::new(slots));
        let binaries = binaries.as_ref();
        let module =
            move |(index, slot)| ModuleEntry { index, module: dump.modules.get(index), slot, contents, binaries };
        let tasks = self.dump.tasks(self.locals.then_some(self.limits));
        let view = TaskView { paths: &self.paths, locals: self.locals, hidden: redact, named: true };
        let names = self.global_names();
        let objects = self.objects();
        let global =
            |(index, global)| GlobalEntry { index, global, name: names.get(&index).copied(), objects, hidden: redact };
        let fields = DocumentFields {
            version: VERSION,
            dump: self.file(),
            process: self.process(),
            reason: self.reason(),
            signature: self.signature(),
            place: place.map(|place| PlaceEntry { place: Cow::Borrowed(place), paths: &self.paths }),
            modules: Each::new(move || slots.iter().enumerate().map(module)),
            host_calls: Each::new(move || dump.host_calls.iter().map(move |call| CallEntry::new(call, redact))),
            instances: Each::new(move || {
                dump.instances.iter().enumerate().map(|(index, instance)| InstanceEntry::new(index, instance))
            }),
            threads: Each::new(|| {
                let recorded = self.dump.threads();
                let recorded = recorded.map(|thread| EitherThread::Recorded(ThreadEntry { thread, document: self }));
                recorded.chain(self.tasks().map(EitherThread::Task))
            }),
            tasks: (!tasks.list.is_empty())
                .then(|| Each::new(|| tasks.list.iter().map(|task| AsyncTaskEntry { task, view }))),
            memories: Each::new(|| {
                let memories = dump.memories.iter().enumerate();
                memories.map(|(index, memory)| MemoryEntry::new(index, memory, self.memory, redact))
            }),
            globals: Each::new(|| dump.globals.iter().enumerate().map(global)),
            tables: Each::new(move || {
                dump.tables.iter().enumerate().map(move |(index, table)| TableEntry::new(index, table, objects))
            }),
            objects: dump.objects.as_ref().filter(|_| contents && !redact).map(ObjectsEntry::new),
            heap: self.heap.then(|| self.heap()),
            sections: Each::new(move || dump.sections.iter().map(move |section| SectionEntry::new(section, redact))),
            warnings: Each::new(|| self.warnings()),
        };
        fields.serialize(serializer)
    }
}

impl<'d> Document<'d> {
    /// Returns the contents of the dump's file.
    fn recorded(&self) -> &'d CoreDump<'d> {
        self.dump.recorded()
    }

    /// Returns true if place and signature of the crash are to be left out, because nothing vouches for their names: the names of an interpreted program, for example, are text that the program printed.
    fn is_hearsay(&self) -> bool {
        self.redact && (self.dump.crash().reason.as_ref().is_some_and(CrashReason::is_script) || !self.tells_crash())
    }

    /// The grouping key of the crash.
    fn signature(&self) -> Option<&str> {
        self.dump.crash().signature.as_deref().filter(|_| !self.is_hearsay())
    }

    /// The objects of the dump, unless the document is to leave out what the program worked on.
    fn objects(&self) -> Option<&'d ObjectView<'d>> {
        (!self.redact).then(|| self.dump.objects())
    }

    /// Text from the dump; in a redacted document only if `vouched` lets it pass.
    fn shown<'t>(&self, text: Option<&'t str>, vouched: impl FnOnce(&'t str) -> Option<&'t str>) -> Option<&'t str> {
        if self.redact { text.and_then(vouched) } else { text }
    }

    /// The variables of a frame, if they are asked for and there is room for them.
    fn variables(&self, frame: &Frame) -> Option<Vec<Scope>> {
        if !self.locals {
            return None;
        }
        if self.room.get() == 0 {
            self.omitted.update(|omitted| omitted + 1);
            return None;
        }
        let scopes = frame.variables(self.limits);
        let written: usize = scopes.iter().flat_map(|scope| &scope.variables).map(count).sum();
        self.room.update(|room| room.saturating_sub(written));
        Some(scopes)
    }

    /// The names of globals, by the dump's index.
    fn global_names(&self) -> HashMap<usize, &'d str> {
        let mut names = HashMap::new();
        for instance in &self.recorded().instances {
            let Some(binary) = instance.module.and_then(|module| self.dump.binaries().binary(module)) else { continue };
            for (own, global) in instance.globals.iter().enumerate() {
                let Some(index) = global.filter(|&index| (index as usize) < self.recorded().globals.len()) else {
                    continue;
                };
                if let Some(name) = u32::try_from(own).ok().and_then(|own| binary.module().global_name(own)) {
                    names.entry(index as usize).or_insert(name);
                }
            }
        }
        names
    }

    /// The tasks of a language's runtime that no thread of the dump ran.
    fn tasks(&self) -> impl Iterator<Item = TaskThread<'_>> {
        let runtime = self.dump.runtime().into_iter();
        let tasks = runtime.flat_map(|runtime| runtime.tasks.iter().map(move |task| (runtime, task)));
        let tasks = tasks.filter(|(_, task)| !task.current).zip(self.recorded().threads.len()..);
        let named = self.tells_runtime();
        let thread = move |((runtime, task), index)| TaskThread {
            index,
            task,
            runtime,
            dump: self.dump,
            paths: &self.paths,
            named,
        };
        tasks.map(thread)
    }

    fn warnings(&self) -> Box<dyn Iterator<Item = String> + '_> {
        if self.redact {
            // Warnings quote names and values.
            let count = self.all_warnings().count();
            return Box::new((count > 0).then(|| format!("{count} warnings are left out")).into_iter());
        }
        Box::new(self.all_warnings())
    }

    fn all_warnings(&self) -> impl Iterator<Item = String> {
        let slots = self.dump.binaries().slots().iter().filter_map(|slot| Some((slot, slot.found.as_ref()?)));
        let problems = slots.flat_map(|(slot, found)| {
            let problems = found.binary.symbols_problems().into_iter();
            problems.map(move |problem| format!("module {}: {problem}", slot.name))
        });
        let omitted = self.omitted.get();
        let omitted = (omitted > 0).then(|| format!("the variables of {omitted} frames are left out: see --limit"));
        let recorded = self.recorded().warnings.iter().map(warning);
        let objects: Vec<String> = self.dump.objects().warnings().iter().map(warning).collect();
        recorded.chain(objects).chain(self.dump.binaries().warnings.iter().cloned()).chain(problems).chain(omitted)
    }
}

/// The number of nodes in a variable's tree.
fn count(variable: &Variable) -> usize {
    1 + variable.children.iter().map(count).sum::<usize>()
}

fn warning(warning: &Warning) -> String {
    match warning.offset {
        Some(offset) => format!("{} (offset {offset:#x})", warning.message),
        None => warning.message.clone(),
    }
}
