//! Threads, and the tasks of a language's runtime that no thread ran.

use coredump_core::cli::path_map::PathMap;
use coredump_core::runtimes::{Runtime, Task, TaskFrame};
use coredump_core::{Dump, Thread};
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::Document;
use super::frames::{EitherFrame, FrameEntry, MemoryFrame};
use super::interpreted::{InterpretedEntry, interpreted};
use super::text::{Each, Hex, written_as};

written_as! {
    ThreadEntry<'_> => ThreadFields<'static>;
    TaskThread<'_> => ThreadFields<'static>;
}

/// A thread.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "thread"))]
pub struct ThreadFields<'d> {
    /// Its index.
    index: usize,
    /// Its name in the dump.
    name: Option<&'d str>,
    /// True if older frames are known or believed to be missing.
    truncated: bool,
    /// The task of the language's runtime that the thread ran, or that this entry stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<TaskEntry<'d>>,
    /// Its frames, youngest first.
    frames: Each<'d, EitherFrame<'d>>,
    /// Frames of the program that an interpreter ran on this thread, innermost first, if it is not certain which frames ran them.
    #[serde(skip_serializing_if = "Option::is_none")]
    interpreted: Option<Each<'d, InterpretedEntry<'d>>>,
}

/// A thread.
pub struct ThreadEntry<'d> {
    pub thread: Thread,
    pub document: &'d Document<'d>,
}

impl Serialize for ThreadEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ThreadEntry { thread, document } = self;
        let runtime = thread.runtime();
        let continued: Vec<_> = thread.continued().collect();
        let language = runtime.map_or("", |runtime| runtime.language);
        let named = document.tells_runtime();
        let in_memory = |frame| EitherFrame::InMemory(MemoryFrame { frame, language, paths: &document.paths, named });
        let frames = || {
            let recorded = thread.frames().map(|frame| EitherFrame::Recorded(FrameEntry { frame, document }));
            recorded.chain(continued.iter().map(in_memory))
        };
        let fields = ThreadFields {
            index: thread.index(),
            name: Some(thread.name()),
            truncated: thread.is_truncated(),
            task: runtime.and_then(Runtime::current).map(TaskEntry::new),
            frames: Each::new(frames),
            interpreted: interpreted(thread, None, document),
        };
        fields.serialize(serializer)
    }
}

/// A task of the runtime that no thread of the dump ran, as a thread of its own.
pub struct TaskThread<'d> {
    pub index: usize,
    pub task: &'d Task,
    pub runtime: &'d Runtime,
    pub dump: &'d Dump,
    pub paths: &'d PathMap,
    /// True if names of functions and files may be shown.
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

/// A task of a language's runtime, which ran on this thread or, for threads after those of the dump, is kept in memory.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "task"))]
struct TaskEntry<'d> {
    /// The language's word for it.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["goroutine"])))]
    kind: &'static str,
    /// The runtime's own number for it.
    id: u64,
    /// Its status, in the runtime's own words.
    status: &'d str,
    /// The reason why it waits, in the runtime's own words.
    wait_reason: Option<&'d str>,
    /// Addresses of the channels or the lock that it waits for.
    waits_for: Vec<Hex>,
    /// The number of the task that started it.
    parent: Option<u64>,
    /// The statement that started it.
    created_by: Option<CreatedBy<'d>>,
    /// A sentence that says why older frames are missing, where its stack could not be read to its end.
    broken: Option<&'d str>,
}

impl<'d> TaskEntry<'d> {
    fn new(task: &'d Task) -> Self {
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
