//! The JSON document of one dump, version 1. `docs/json.md` and the schema describe it.
//!
//! It is written as a stream straight from the model: no tree of it is ever built.

mod failure;
mod frames;
mod heap;
mod inner;
mod memories;
mod objects;
mod redact;
mod safe;
mod sentry;
mod state;
mod tasks;
mod text;
mod thrown;
mod values;

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::SystemTime;

use coredump_core::cli::path_map::PathMap;
use coredump_core::gc::View;
use coredump_core::model::Warning;
use coredump_core::reason::{CrashReason, Panic, ScriptFrame};
use coredump_core::variables::{Scope, Variable};
use coredump_core::{CoreDump, Dump, Frame, Limits};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::args::MemoryDetail;

use coredump_core::interpreted::Interpreted;
use frames::{PlaceEntry, ThreadEntry};
use inner::TaskThread;
use memories::MemoryEntry;
use state::{GlobalEntry, InstanceEntry, ModuleEntry, SectionEntry, TableEntry};
use tasks::{AsyncTaskEntry, TaskView};
use text::{Each, Hex, Shown};
use thrown::{AccessEntry, ExceptionEntry};

pub use failure::Failure;
pub use redact::Redacting;
pub use safe::Layout;
pub use sentry::Event;

/// The version of the document's format.
const VERSION: u32 = 1;

/// What is known of one dump: the document.
pub struct Document<'d> {
    /// The dump's file, unless it came through a pipe.
    pub path: Option<&'d Path>,
    /// When that file was last written to.
    pub modified: Option<SystemTime>,
    /// The dump.
    pub dump: &'d Dump,
    /// Where sources lie.
    pub paths: PathMap,
    /// Whether variables are asked for.
    pub locals: bool,
    /// Whether to tell what the heaps hold.
    pub heap: bool,
    /// How much of a variable is written.
    pub limits: Limits,
    /// How many variables and parts of them may still be written: frames times variables may be any number.
    pub room: Cell<usize>,
    /// Frames whose variables were left out for that.
    pub omitted: Cell<usize>,
    /// What to tell of memory contents.
    pub memory: MemoryDetail,
    /// Whether to leave out what the program worked on.
    pub redact: bool,
    /// The stack of the program that an interpreter ran.
    pub interpreted: Option<Interpreted>,
}

/// A thread of the dump, or a task of a language's runtime that none of them ran.
#[derive(Serialize)]
#[serde(untagged)]
enum EitherThread<'c, 'd> {
    Recorded(ThreadEntry<'c, 'd>),
    Task(TaskThread<'c>),
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let dump = self.recorded();
        let crash = self.dump.crash();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("version", &VERSION)?;
        map.serialize_entry("dump", &self.file())?;
        map.serialize_entry("process", &self.process())?;
        map.serialize_entry("reason", &self.reason())?;
        // Those of an interpreted program are what it printed, which nothing vouches for.
        let printed = self.redact && crash.reason.as_ref().is_some_and(CrashReason::is_script);
        map.serialize_entry("signature", &crash.signature.as_ref().filter(|_| !printed))?;
        let place = crash.place.as_ref().filter(|_| !printed);
        map.serialize_entry("place", &place.map(|place| PlaceEntry(place, &self.paths)))?;
        let modules = || {
            let slots = self.dump.binaries().slots().iter().enumerate();
            let contents = self.memory == MemoryDetail::Base64;
            slots.map(move |(index, slot)| {
                let module = dump.modules.get(index);
                ModuleEntry { index, module, slot, contents, slots: self.dump.binaries().slots(), redact: self.redact }
            })
        };
        map.serialize_entry("modules", &Each(modules))?;
        let calls = || dump.host_calls.iter().map(|call| CallEntry::new(call, self.redact));
        map.serialize_entry("host_calls", &Each(calls))?;
        let instances = || dump.instances.iter().enumerate().map(|(index, instance)| InstanceEntry { index, instance });
        map.serialize_entry("instances", &Each(instances))?;
        let threads = || {
            let recorded =
                self.dump.threads().map(|thread| EitherThread::Recorded(ThreadEntry { thread, document: self }));
            recorded.chain(self.tasks().map(EitherThread::Task))
        };
        map.serialize_entry("threads", &Each(threads))?;
        let tasks = self.dump.tasks(self.locals.then_some(self.limits));
        if !tasks.list.is_empty() {
            let view = TaskView { paths: &self.paths, locals: self.locals, hidden: self.redact, named: true };
            map.serialize_entry("tasks", &Each(|| tasks.list.iter().map(|task| AsyncTaskEntry { task, view })))?;
        }
        let memories = || {
            let entry = |(index, memory)| MemoryEntry { index, memory, detail: self.memory, redacted: self.redact };
            dump.memories.iter().enumerate().map(entry)
        };
        map.serialize_entry("memories", &Each(memories))?;
        let names = self.global_names();
        let globals = || {
            let entry = |(index, global)| GlobalEntry {
                index,
                global,
                name: names.get(&index).copied(),
                objects: self.objects(),
                hidden: self.redact,
            };
            dump.globals.iter().enumerate().map(entry)
        };
        map.serialize_entry("globals", &Each(globals))?;
        let objects = self.objects();
        let table = |(index, table)| TableEntry { index, table, objects };
        let tables = || dump.tables.iter().enumerate().map(table);
        map.serialize_entry("tables", &Each(tables))?;
        if self.heap {
            map.serialize_entry("heap", &self.heap())?;
        }
        map.serialize_entry(
            "sections",
            &Each(|| dump.sections.iter().map(|section| SectionEntry { section, redact: self.redact })),
        )?;
        // Last, because looking at frames and variables is what finds faults in debug info.
        map.serialize_entry("warnings", &Each(|| self.warnings()))?;
        map.end()
    }
}

/// `dump`: the file itself.
#[derive(Serialize)]
struct File<'d> {
    kind: &'static str,
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    size: Option<u64>,
    modified: Option<Shown<humantime::Rfc3339Timestamp>>,
    layout: Option<&'static str>,
    offsets: Option<&'static str>,
    executable: Option<&'d str>,
    producer: Option<&'d str>,
    incomplete: Option<Incomplete<'d>>,
}

/// Where reading had to stop.
#[derive(Serialize)]
struct Incomplete<'d> {
    message: &'d str,
    offset: Option<Hex>,
}

/// `host_calls[]`: a call of the host.
#[derive(Serialize)]
struct CallEntry<'d> {
    name: Option<&'d str>,
    args: &'d [String],
    result: Option<&'d str>,
    failed: bool,
    since_start_ms: Option<u64>,
}

impl<'d> CallEntry<'d> {
    fn new(call: &'d coredump_core::model::HostCall, redact: bool) -> Self {
        CallEntry {
            name: Some(&*call.name).filter(|name| !redact || redact::function(name)),
            args: if redact { &[] } else { &call.args },
            result: call.result.as_deref().filter(|_| !redact),
            failed: call.failed,
            since_start_ms: call.since_start_ms,
        }
    }
}

/// `process`: what ran.
#[derive(Serialize)]
struct Process<'d> {
    executable: Option<&'d str>,
    args: Option<&'d [String]>,
    start_time: Option<&'d str>,
    time: Option<&'d str>,
    runtime: Option<&'d str>,
    producer: Option<&'d str>,
    pid: Option<u32>,
    host: Option<&'d str>,
    exit_code: Option<i32>,
    detail: Option<&'d str>,
    replay: Option<&'d coredump_core::model::Replay>,
    annotations: BTreeMap<&'d str, &'d str>,
    request: Option<RequestEntry<'d>>,
}

/// `process.request`: what a server died of.
#[derive(Serialize)]
struct RequestEntry<'d> {
    method: Option<&'d str>,
    path: Option<&'d str>,
    headers: &'d [coredump_core::model::Header],
    peer: Option<&'d str>,
}

/// `reason`: why it died.
#[derive(Serialize)]
struct ReasonEntry<'d> {
    kind: &'d str,
    message: Option<&'d str>,
    detail: Option<&'d str>,
    source: &'static str,
    panic: Option<PanicEntry<'d>>,
    guest_stderr: Option<&'d str>,
    instruction: Option<&'d str>,
    memory_access: Option<AccessEntry>,
    exception: Option<ExceptionEntry<'d>>,
}

/// `reason.panic`: the program gave up by itself.
#[derive(Serialize)]
struct PanicEntry<'d> {
    language: &'static str,
    message: Option<&'d str>,
    location: Option<&'d str>,
    source: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    frames: Vec<ScriptEntry<'d>>,
}

/// A function in the traceback of an interpreted program.
#[derive(Serialize)]
struct ScriptEntry<'d> {
    function: Option<&'d str>,
    file: &'d str,
    line: u32,
    column: Option<u32>,
}

impl<'d> PanicEntry<'d> {
    fn new(panic: &'d Panic, redact: bool) -> Self {
        PanicEntry {
            language: panic.language,
            message: panic.message.as_deref().filter(|_| !redact),
            location: panic.location.as_deref().filter(|_| !redact),
            source: panic.source.name(),
            frames: panic
                .frames
                .iter()
                .map(|ScriptFrame { function, file, line, column }| ScriptEntry {
                    function: function.as_deref(),
                    file,
                    line: *line,
                    column: *column,
                })
                .collect(),
        }
    }
}

impl<'d> Document<'d> {
    /// What the dump's file records.
    fn recorded(&self) -> &'d CoreDump<'d> {
        self.dump.recorded()
    }

    /// The objects of the dump, unless the document is to leave out what the program worked on.
    fn objects(&self) -> Option<&'d View<'d>> {
        (!self.redact).then(|| self.dump.objects())
    }

    /// Text that stands in the dump; in a redacted document only what `vouched` lets pass.
    fn shown<'t>(&self, text: Option<&'t str>, vouched: impl FnOnce(&'t str) -> Option<&'t str>) -> Option<&'t str> {
        if self.redact { text.and_then(vouched) } else { text }
    }

    /// The name or path of a program.
    fn program<'t>(&self, name: Option<&'t str>) -> Option<&'t str> {
        self.shown(name, |name| redact::binary(name, self.dump.binaries().slots()))
    }

    fn file(&self) -> File<'d> {
        let trace = self.recorded().trace_line;
        File {
            path: self.path.map(|path| path.to_string_lossy().into_owned()),
            kind: if trace.is_some() { "trace" } else { "core-dump" },
            line: trace,
            size: trace.is_none().then_some(self.recorded().size),
            modified: self.modified.filter(has_four_digits).map(|time| Shown(humantime::format_rfc3339_seconds(time))),
            layout: trace.is_none().then(|| self.recorded().layout.name()),
            offsets: self.recorded().offsets.map(|layout| layout.name()),
            executable: self.program(self.recorded().executable.as_deref()),
            producer: self.shown(self.recorded().producer.as_deref(), redact::producer),
            incomplete: self
                .recorded()
                .incomplete
                .as_ref()
                .map(|incomplete| Incomplete { message: &incomplete.message, offset: incomplete.offset.map(Hex) }),
        }
    }

    fn process(&self) -> Process<'d> {
        let process = &self.recorded().process;
        let named = self.recorded().executable.as_deref().filter(|name| !name.is_empty());
        let executable = process.executable.as_deref().or(named);
        let kept = !self.redact;
        Process {
            executable: self.program(executable),
            args: process.args.as_deref().filter(|_| kept),
            start_time: self.shown(process.start_time.as_deref(), redact::time),
            time: self.shown(process.time.as_deref(), redact::time),
            runtime: self.shown(process.runtime.as_deref(), redact::producer),
            producer: self.shown(process.producer.as_deref(), redact::producer),
            pid: process.pid,
            host: process.host.as_deref().filter(|_| kept),
            exit_code: process.exit_code,
            detail: process.detail.as_deref(),
            replay: process.replay.as_ref(),
            annotations: process.annotations.iter().filter(|_| kept).map(|(key, value)| (&**key, &**value)).collect(),
            request: process.request.as_ref().map(|request| RequestEntry {
                method: self.shown(request.method.as_deref(), redact::method),
                path: request.path.as_deref().filter(|_| kept),
                headers: if kept { &request.headers } else { &[] },
                peer: request.peer.as_deref().filter(|_| kept),
            }),
        }
    }

    fn reason(&self) -> Option<ReasonEntry<'_>> {
        self.dump.crash().reason.as_ref().map(|reason| ReasonEntry {
            kind: if self.redact { redact::kind(&reason.kind) } else { &reason.kind },
            message: self.shown(reason.message.as_deref(), redact::message),
            detail: reason.detail.as_deref().filter(|_| !self.redact),
            source: reason.source.name(),
            panic: reason.panic.as_ref().map(|panic| PanicEntry::new(panic, self.redact)),
            guest_stderr: reason.guest_stderr.as_deref().filter(|_| !self.redact),
            instruction: reason.instruction.as_deref(),
            memory_access: reason.memory_access.map(|access| AccessEntry::new(access, self.redact)),
            exception: reason
                .exception
                .as_ref()
                .map(|exception| ExceptionEntry::new(exception, self.dump, &self.paths, self.redact)),
        })
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
        tasks.map(|((runtime, task), index)| TaskThread { index, task, runtime, dump: self.dump, paths: &self.paths })
    }

    fn warnings(&self) -> Box<dyn Iterator<Item = String> + '_> {
        if self.redact {
            // They quote names and values.
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

/// A variable and its parts.
fn count(variable: &Variable) -> usize {
    1 + variable.children.iter().map(count).sum::<usize>()
}

/// Whether a time is in one of the years that RFC 3339 can write, 1970 to 9999: a file may have any.
fn has_four_digits(time: &SystemTime) -> bool {
    const YEAR_10000: u64 = 253_402_300_800;
    time.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|since| since.as_secs() < YEAR_10000)
}

fn warning(warning: &Warning) -> String {
    match warning.offset {
        Some(offset) => format!("{} (offset {offset:#x})", warning.message),
        None => warning.message.clone(),
    }
}
