//! The JSON document of one dump, version 1. `docs/json.md` and the schema describe it.
//!
//! It is written as a stream straight from the model: no tree of it is ever built.

mod failure;
mod frames;
mod memories;
mod state;
mod text;
mod values;

use std::path::Path;
use std::time::SystemTime;

use coredump_core::model::{CoreDump, Warning};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::args::MemoryDetail;

use frames::ThreadEntry;
use memories::MemoryEntry;
use state::{GlobalEntry, InstanceEntry, ModuleEntry, SectionEntry, TableEntry};
use text::{Each, Hex, Shown};

pub use failure::Failure;

/// The version of the document's format.
const VERSION: u32 = 1;

/// A document: what is known of one dump.
#[derive(Debug)]
pub struct Document<'d> {
    /// The dump's file, unless it came through a pipe.
    pub path: Option<&'d Path>,
    /// When that file was last written to.
    pub modified: Option<SystemTime>,
    /// The dump.
    pub dump: &'d CoreDump<'d>,
    /// What to tell of memory contents.
    pub memory: MemoryDetail,
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let dump = self.dump;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("version", &VERSION)?;
        map.serialize_entry("dump", &self.file())?;
        map.serialize_entry("process", &process(dump))?;
        map.serialize_entry("reason", &self.reason())?;
        map.serialize_entry("signature", &None::<&str>)?;
        let modules = || dump.modules.iter().enumerate().map(|(index, module)| ModuleEntry { index, module });
        map.serialize_entry("modules", &Each(modules))?;
        let instances = || dump.instances.iter().enumerate().map(|(index, instance)| InstanceEntry { index, instance });
        map.serialize_entry("instances", &Each(instances))?;
        let threads = || dump.threads.iter().enumerate().map(|(index, thread)| ThreadEntry { index, thread, dump });
        map.serialize_entry("threads", &Each(threads))?;
        let memories = || {
            let entry = |(index, memory)| MemoryEntry { index, memory, detail: self.memory };
            dump.memories.iter().enumerate().map(entry)
        };
        map.serialize_entry("memories", &Each(memories))?;
        let globals = || dump.globals.iter().enumerate().map(|(index, global)| GlobalEntry { index, global });
        map.serialize_entry("globals", &Each(globals))?;
        let tables = || dump.tables.iter().enumerate().map(|(index, table)| TableEntry { index, table });
        map.serialize_entry("tables", &Each(tables))?;
        map.serialize_entry("sections", &Each(|| dump.sections.iter().map(SectionEntry)))?;
        map.serialize_entry("warnings", &Each(|| dump.warnings.iter().map(warning)))?;
        map.end()
    }
}

/// `dump`: the file itself.
#[derive(Serialize)]
struct File<'d> {
    path: Option<String>,
    size: u64,
    modified: Option<Shown<humantime::Rfc3339Timestamp>>,
    layout: &'static str,
    producer: Option<&'d str>,
    incomplete: Option<Incomplete<'d>>,
}

/// Where reading had to stop.
#[derive(Serialize)]
struct Incomplete<'d> {
    message: &'d str,
    offset: Option<Hex>,
}

/// `process`: what ran.
#[derive(Serialize)]
struct Process<'d> {
    executable: Option<&'d str>,
    args: Option<&'d [String]>,
    start_time: Option<&'d str>,
    time: Option<&'d str>,
    runtime: Option<&'d str>,
    pid: Option<u32>,
    host: Option<&'d str>,
    exit_code: Option<i32>,
}

/// `reason`: why it died.
#[derive(Serialize)]
struct ReasonEntry<'d> {
    kind: &'d str,
    message: Option<&'d str>,
    source: &'static str,
    guest_stderr: Option<&'d str>,
}

impl<'d> Document<'d> {
    fn file(&self) -> File<'d> {
        File {
            path: self.path.map(|path| path.to_string_lossy().into_owned()),
            size: self.dump.size,
            modified: self.modified.map(|time| Shown(humantime::format_rfc3339_seconds(time))),
            layout: self.dump.layout.name(),
            producer: self.dump.producer.as_deref(),
            incomplete: self
                .dump
                .incomplete
                .as_ref()
                .map(|incomplete| Incomplete { message: &incomplete.message, offset: incomplete.offset.map(Hex) }),
        }
    }

    fn reason(&self) -> Option<ReasonEntry<'d>> {
        self.dump.reason.as_ref().map(|reason| ReasonEntry {
            kind: &reason.kind,
            message: reason.message.as_deref(),
            source: "recorded",
            guest_stderr: reason.guest_stderr.as_deref(),
        })
    }
}

fn process<'d>(dump: &'d CoreDump<'_>) -> Process<'d> {
    let process = &dump.process;
    Process {
        executable: process.executable.as_deref().or(dump.executable.as_deref().filter(|name| !name.is_empty())),
        args: process.args.as_deref(),
        start_time: process.start_time.as_deref(),
        time: process.time.as_deref(),
        runtime: process.runtime.as_deref(),
        pid: process.pid,
        host: process.host.as_deref(),
        exit_code: process.exit_code,
    }
}

fn warning(warning: &Warning) -> String {
    match warning.offset {
        Some(offset) => format!("{} (offset {offset:#x})", warning.message),
        None => warning.message.clone(),
    }
}
