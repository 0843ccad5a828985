//! Stacks that the engine does not know: the tasks of a language's runtime, and the frames of an interpreter's program.

use coredump_core::cli::path_map::PathMap;
use coredump_core::runtimes::{InterpretedFrame, InterpretedVariable};
use coredump_core::runtimes::{Runtime, Task, TaskFrame};
use coredump_core::{Dump, InlinedFrame, ResolvedFrame};
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::frames::{EitherFrame, FrameFields, InlineEntry, Spot, ThreadFields};
use super::text::{Each, Hex, written_as};

/// A task of the runtime that no thread of the dump ran, as a thread of its own.
pub struct TaskThread<'d> {
    pub index: usize,
    pub task: &'d Task,
    pub runtime: &'d Runtime,
    pub dump: &'d Dump,
    pub paths: &'d PathMap,
    /// Whether names of functions and files may be told.
    pub named: bool,
}

impl Serialize for TaskThread<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let frames = self.dump.task_frames(self.task);
        let (language, paths, named) = (self.runtime.language, self.paths, self.named);
        let name = format!("goroutine {}", self.task.id);
        let fields = ThreadFields {
            index: self.index,
            name: Some(&name),
            truncated: self.task.broken.is_some(),
            task: Some(TaskEntry::new(self.task)),
            frames: Each::new(|| {
                frames.iter().map(|frame| EitherFrame::InMemory(MemoryFrame { frame, language, paths, named }))
            }),
            interpreted: None,
        };
        fields.serialize(serializer)
    }
}

/// A task of a language's runtime: what ran on this thread or, for threads after those of the dump, what waits in memory.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "task"))]
pub struct TaskEntry<'d> {
    /// What the language calls it.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["goroutine"])))]
    kind: &'static str,
    /// The runtime's own number of it.
    id: u64,
    /// What it does, in the runtime's own words.
    status: &'d str,
    /// Why it waits, in the runtime's own words.
    wait_reason: Option<&'d str>,
    /// Addresses of the channels or the lock that it waits for.
    waits_for: Vec<Hex>,
    /// The number of the task that started it.
    parent: Option<u64>,
    /// The statement that started it.
    created_by: Option<CreatedBy<'d>>,
    /// Why older frames are missing, where its stack could not be read to its end.
    broken: Option<&'d str>,
}

impl<'d> TaskEntry<'d> {
    pub fn new(task: &'d Task) -> Self {
        TaskEntry {
            kind: "goroutine",
            id: task.id,
            status: &task.status,
            wait_reason: task.wait_reason.as_deref(),
            waits_for: task.waits_for.iter().map(|&address| Hex(address)).collect(),
            parent: task.parent,
            created_by: task.created_by.as_ref().map(CreatedBy::new),
            broken: task.broken.as_deref(),
        }
    }
}

/// The statement that started a task.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "created_by"))]
struct CreatedBy<'d> {
    /// The function it is in.
    function: &'d str,
    /// Source file.
    file: Option<&'d str>,
    /// Line, from 1.
    line: Option<u32>,
}

impl<'d> CreatedBy<'d> {
    fn new(frame: &'d TaskFrame) -> Self {
        CreatedBy { function: &frame.function, file: frame.file.as_deref(), line: frame.line }
    }
}

/// A frame that a runtime keeps in linear memory.
pub struct MemoryFrame<'d> {
    pub frame: &'d ResolvedFrame,
    pub language: &'static str,
    pub paths: &'d PathMap,
    /// Whether names of functions and files may be told.
    pub named: bool,
}

written_as! {
    MemoryFrame<'_> => FrameFields<'static>;
    TaskThread<'_> => ThreadFields<'static>;
}

impl Serialize for MemoryFrame<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let MemoryFrame { frame, language, paths, named } = *self;
        let inlines: &[InlinedFrame] = if named { &frame.inlines } else { &[] };
        let fields = FrameFields {
            index: frame.index,
            module: frame.module,
            function_index: frame.function_index,
            function: frame.function.as_deref().filter(|_| named),
            spot: Spot::new(frame.location.as_ref().filter(|_| named), paths),
            inlines: Each::new(move || inlines.iter().map(move |inline| InlineEntry::new(inline, paths))),
            language: Some(language),
            in_memory: Some(true),
            ..FrameFields::unknown()
        };
        fields.serialize(serializer)
    }
}

/// A frame of a program that an interpreter runs.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "interpreted"))]
pub struct InterpretedEntry<'d> {
    /// Its function's qualified name.
    function: &'d str,
    /// Its source file, as the interpreter names it.
    file: Option<&'d str>,
    /// Line, from 1.
    line: Option<u32>,
    /// Column in bytes of UTF-8, from 1.
    column: Option<u32>,
    /// Its local variables that have a value; null unless they are asked for.
    variables: Option<Each<'d, InterpretedVariableEntry<'d>>>,
}

impl<'d> InterpretedEntry<'d> {
    /// With variables if they are asked for, and with their values unless these are to be `hidden`.
    pub fn new(frame: &'d InterpretedFrame, locals: bool, hidden: bool) -> Self {
        let entry = move |variable| InterpretedVariableEntry::new(variable, hidden);
        InterpretedEntry {
            function: &frame.function,
            file: frame.file.as_deref(),
            line: frame.line,
            column: frame.column,
            variables: locals.then(|| Each::new(move || frame.variables.iter().map(entry))),
        }
    }
}

/// A variable of an interpreted function.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "interpreted_variable"))]
struct InterpretedVariableEntry<'d> {
    /// Its name.
    name: &'d str,
    /// The name of its value's type.
    r#type: &'d str,
    /// Parameter or local.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["parameter", "local"])))]
    kind: &'static str,
    /// Its value as the language writes it; null where it cannot be read or is left out.
    value: Option<&'d str>,
    /// Its address in linear memory.
    address: Hex,
    /// Whether its value could be read.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["ok", "unreadable"])))]
    status: &'static str,
}

impl<'d> InterpretedVariableEntry<'d> {
    fn new(variable: &'d InterpretedVariable, hidden: bool) -> Self {
        InterpretedVariableEntry {
            name: &variable.name,
            r#type: &variable.type_name,
            kind: if variable.is_parameter { "parameter" } else { "local" },
            value: variable.value.as_deref().filter(|_| !hidden),
            address: Hex(variable.address),
            status: if variable.value.is_some() { "ok" } else { "unreadable" },
        }
    }
}
