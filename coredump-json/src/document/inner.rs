//! Stacks that the engine does not know: the tasks of a language's runtime, and the frames of an interpreter's program.

use coredump_core::Dump;
use coredump_core::backtrace::ResolvedFrame;
use coredump_core::cli::path_map::PathMap;
use coredump_core::runtimes::{InterpretedFrame, InterpretedVariable};
use coredump_core::runtimes::{Runtime, Task, TaskFrame};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::frames::{InlineEntry, place};
use super::text::{Each, Hex};

/// A task of the runtime that no thread of the dump ran, as a thread of its own.
pub struct TaskThread<'d> {
    pub index: usize,
    pub task: &'d Task,
    pub runtime: &'d Runtime,
    pub dump: &'d Dump,
    pub paths: &'d PathMap,
}

impl Serialize for TaskThread<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("index", &self.index)?;
        map.serialize_entry("name", &format!("goroutine {}", self.task.id))?;
        map.serialize_entry("truncated", &self.task.broken.is_some())?;
        map.serialize_entry("task", &TaskEntry(self.task))?;
        let frames = self.dump.task_frames(self.task);
        let entries =
            || frames.iter().map(|frame| MemoryFrame { frame, language: self.runtime.language, paths: self.paths });
        map.serialize_entry("frames", &Each(entries))?;
        map.end()
    }
}

/// What a task is and does.
pub struct TaskEntry<'d>(pub &'d Task);

impl Serialize for TaskEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let task = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("kind", "goroutine")?;
        map.serialize_entry("id", &task.id)?;
        map.serialize_entry("status", &task.status)?;
        map.serialize_entry("wait_reason", &task.wait_reason)?;
        map.serialize_entry("waits_for", &Each(|| task.waits_for.iter().map(|&address| Hex(address))))?;
        map.serialize_entry("parent", &task.parent)?;
        map.serialize_entry("created_by", &task.created_by.as_ref().map(CreatedBy))?;
        map.serialize_entry("broken", &task.broken)?;
        map.end()
    }
}

/// The statement that started a task.
struct CreatedBy<'d>(&'d TaskFrame);

impl Serialize for CreatedBy<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("function", &*self.0.function)?;
        map.serialize_entry("file", &self.0.file.as_deref())?;
        map.serialize_entry("line", &self.0.line)?;
        map.end()
    }
}

/// A frame that a runtime keeps in linear memory.
pub struct MemoryFrame<'d> {
    pub frame: &'d ResolvedFrame,
    pub language: &'static str,
    pub paths: &'d PathMap,
}

impl Serialize for MemoryFrame<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let frame = self.frame;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("index", &frame.index)?;
        map.serialize_entry("instance", &None::<u32>)?;
        map.serialize_entry("module", &frame.module)?;
        map.serialize_entry("function_index", &frame.function_index)?;
        map.serialize_entry("code_offset", &None::<Hex>)?;
        map.serialize_entry("module_offset", &None::<Hex>)?;
        map.serialize_entry("dwarf_pc", &None::<Hex>)?;
        map.serialize_entry("function", &frame.function.as_deref())?;
        map.serialize_entry("raw_name", &None::<&str>)?;
        place(&mut map, frame.location.as_ref(), self.paths)?;
        map.serialize_entry("inlines", &Each(|| frame.inlines.iter().map(|inline| InlineEntry(inline, self.paths))))?;
        map.serialize_entry("locals", &None::<()>)?;
        map.serialize_entry("stack", &None::<()>)?;
        map.serialize_entry("language", self.language)?;
        map.serialize_entry("in_memory", &true)?;
        map.end()
    }
}

/// A frame of an interpreter's program that a frame of the engine ran.
pub struct InterpretedEntry<'d> {
    pub frame: &'d InterpretedFrame,
    /// Whether variables are asked for.
    pub locals: bool,
    /// Whether to leave their values out.
    pub hidden: bool,
}

impl Serialize for InterpretedEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("function", &*self.frame.function)?;
        map.serialize_entry("file", &self.frame.file.as_deref())?;
        map.serialize_entry("line", &self.frame.line)?;
        map.serialize_entry("column", &self.frame.column)?;
        let variables = || {
            let entry = |variable| InterpretedVariableEntry { variable, hidden: self.hidden };
            self.frame.variables.iter().map(entry)
        };
        map.serialize_entry("variables", &self.locals.then_some(Each(variables)))?;
        map.end()
    }
}

struct InterpretedVariableEntry<'d> {
    variable: &'d InterpretedVariable,
    hidden: bool,
}

impl Serialize for InterpretedVariableEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let variable = self.variable;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &variable.name)?;
        map.serialize_entry("type", &variable.type_name)?;
        map.serialize_entry("kind", if variable.is_parameter { "parameter" } else { "local" })?;
        map.serialize_entry("value", &variable.value.as_ref().filter(|_| !self.hidden))?;
        map.serialize_entry("address", &Hex(variable.address))?;
        map.serialize_entry("status", if variable.value.is_some() { "ok" } else { "unreadable" })?;
        map.end()
    }
}
