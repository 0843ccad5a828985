//! Lists the frames of a thread for an editor: inlined calls are frames of their own.

use std::ops::Range;
use std::sync::Arc;

use coredump_core::runtimes::InterpretedFrame;
use coredump_core::text::escape;
use coredump_core::{Dump, Location, ResolvedFrame, Thread};

/// A line of an editor's list of frames.
#[derive(Clone, Debug)]
pub struct Line {
    /// The function's name.
    pub name: Arc<str>,
    /// The source location.
    pub location: Option<Location>,
    /// Offset in the module's file of a frame of the engine, in bytes.
    pub offset: Option<u64>,
    /// Index of the module, and of the function in it.
    pub module: Option<u32>,
    pub function: Option<u32>,
    /// The origin of its variables.
    pub origin: VariablesOrigin,
}

/// The origin of the variables of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VariablesOrigin {
    /// A frame of the engine in one of the dumps. `scope` is the number of the function inlined in it; the number of
    /// inlined functions stands for the frame's own function.
    Engine { dump: usize, thread: usize, frame: usize, scope: usize },
    /// A frame of an interpreter's program, by its number.
    Interpreted(usize),
    /// A part of what an asynchronous task awaits: the number of the task, and the number of the line.
    Await { task: usize, line: usize },
    /// A frame that is only known to a language's runtime, without variables.
    Runtime,
    /// No frame: the line is a heading among frames.
    Label,
}

/// The frames of a program in an interpreter, youngest first, each with the index of the engine's frame that runs it.
pub type InterpretedStack = [(Option<usize>, InterpretedFrame)];

/// The lines of one thread. They are found as far as they are asked for; their contents are read when they are shown.
#[derive(Default)]
pub struct Lines {
    marks: Vec<LineId>,
    /// The lines that were created as a whole.
    made: Vec<Line>,
    /// The next frame of the engine.
    next: usize,
    /// The next frame of the interpreter's program.
    next_interpreted: usize,
    complete: bool,
}

/// Identifies a line of a thread.
#[derive(Clone, Copy)]
enum LineId {
    /// A function that is active in a frame of the engine: the index of the frame, and the number of the function in
    /// it.
    Engine { frame: u32, scope: u32 },
    /// A frame of the interpreter's program, by its number.
    Interpreted(u32),
    /// A line that was created as a whole, by its number.
    Made(u32),
}

impl Lines {
    /// The lines of a task of a language's runtime.
    pub fn from_task(frames: &[ResolvedFrame]) -> Lines {
        Lines::from_made(frames.iter().flat_map(|frame| lines_of(frame, |_| VariablesOrigin::Runtime)))
    }

    /// Lines that are created as a whole.
    pub fn from_made(made: impl IntoIterator<Item = Line>) -> Lines {
        let mut lines = Lines { complete: true, ..Lines::default() };
        made.into_iter().for_each(|line| lines.push_made(line));
        lines
    }

    /// Finds the lines of a thread until there are `count`, or all.
    pub fn extend(&mut self, thread: &Thread, program: &InterpretedStack, count: usize) {
        let frames = thread.frames().len();
        while self.marks.len() < count && !self.complete {
            if self.next == frames {
                thread.continued().for_each(|frame| {
                    lines_of(&frame, |_| VariablesOrigin::Runtime).for_each(|line| self.push_made(line));
                });
                self.push_interpreted(program, None);
                self.complete = true;
                return;
            }
            self.push_interpreted(program, Some(self.next));
            let frame = self.next as u32;
            let scopes = thread.inlined(self.next) as u32;
            self.marks.extend((0..=scopes).map(|scope| LineId::Engine { frame, scope }));
            self.next += 1;
        }
    }

    fn push_made(&mut self, line: Line) {
        self.marks.push(LineId::Made(self.made.len() as u32));
        self.made.push(line);
    }

    /// Adds the interpreter's frames before the engine's frame that runs them; `None` stands for frames for which that
    /// is not certain.
    fn push_interpreted(&mut self, program: &InterpretedStack, frame: Option<usize>) {
        while program.get(self.next_interpreted).is_some_and(|(placed, _)| *placed == frame) {
            self.marks.push(LineId::Interpreted(self.next_interpreted as u32));
            self.next_interpreted += 1;
        }
    }

    /// Returns the number of lines that were found.
    pub fn len(&self) -> usize {
        self.marks.len()
    }

    /// Some of the lines that were found. They belong to `thread` of the dump with the index `dump`.
    pub fn read(
        &self,
        range: Range<usize>,
        dump: usize,
        thread: Option<&Thread>,
        program: &InterpretedStack,
    ) -> Vec<Line> {
        let mut lines: Vec<Line> = Vec::new();
        let mut at = range.start;
        while let Some(&mark) = self.marks.get(at).filter(|_| at < range.end) {
            match (mark, thread) {
                (LineId::Engine { frame, scope }, Some(thread)) => {
                    let frame_index = frame as usize;
                    let origin =
                        |scope| VariablesOrigin::Engine { dump, thread: thread.index(), frame: frame_index, scope };
                    let frame = thread.frame(frame_index);
                    let all: Vec<Line> =
                        frame.map_or_else(Vec::new, |frame| lines_of(frame.resolved(), origin).collect());
                    lines.extend(all.into_iter().skip(scope as usize).take(range.end - at));
                }
                (LineId::Interpreted(number), _) => {
                    let (_, frame) = &program[number as usize];
                    lines.push(Line::from_interpreted(number as usize, frame));
                }
                (LineId::Made(number), _) => lines.push(self.made[number as usize].clone()),
                (LineId::Engine { .. }, None) => break,
            }
            if range.start + lines.len() == at {
                break;
            }
            at = range.start + lines.len();
        }
        lines
    }

    /// An estimate of the number of lines: each frame whose lines were not found yet counts as one.
    pub fn total(&self, thread: Option<&Thread>) -> usize {
        let rest = thread.filter(|_| !self.complete).map_or(0, |thread| thread.frames().len() - self.next);
        self.marks.len() + rest
    }
}

impl Line {
    /// Creates a heading.
    pub fn label(name: String) -> Line {
        Line {
            name: name.into(),
            location: None,
            offset: None,
            module: None,
            function: None,
            origin: VariablesOrigin::Label,
        }
    }

    fn from_interpreted(number: usize, frame: &InterpretedFrame) -> Line {
        let (name, location) = (frame.function.clone(), frame.location());
        Line {
            name,
            location,
            offset: None,
            module: None,
            function: None,
            origin: VariablesOrigin::Interpreted(number),
        }
    }
}

/// The lines of a frame; inlined calls come first.
fn lines_of(frame: &ResolvedFrame, origin: impl Fn(usize) -> VariablesOrigin) -> impl Iterator<Item = Line> {
    let (offset, module, function) = (frame.module_offset, frame.module, frame.function_index);
    frame.calls().enumerate().map(move |(scope, call)| {
        let name = call.function.unwrap_or_else(|| "?".into());
        Line { name, location: call.location.cloned(), offset, module, function, origin: origin(scope) }
    })
}

/// A thread as an editor sees it.
pub struct Entry {
    /// The name of the thread.
    pub name: String,
    /// Index of its dump.
    pub dump: usize,
    /// The kind of the entry.
    pub kind: EntryKind,
}

/// The kind of what appears as a thread.
#[derive(Clone, Copy)]
pub enum EntryKind {
    /// A thread of the dump, by its index.
    Thread(usize),
    /// A task of a language's runtime, by its index in the runtime.
    Task(usize),
    /// An asynchronous task, by its index among the asynchronous tasks.
    Async(usize),
}

/// The threads of a dump, and the tasks of a runtime that no thread was running.
pub fn entries(dump: &Dump, index: usize) -> Vec<Entry> {
    let threads = dump.threads().map(|thread| {
        let task = thread.runtime().and_then(|runtime| runtime.current());
        let name = match thread.name() {
            "" => format!("thread {}", thread.index()),
            name => escape(name).into_owned(),
        };
        let name = match task {
            Some(task) => format!("{name}: goroutine {} [{}]", task.id, task.status),
            None => name,
        };
        Entry { name, dump: index, kind: EntryKind::Thread(thread.index()) }
    });
    let tasks = dump.runtime().into_iter().flat_map(|runtime| runtime.tasks.iter().enumerate());
    let tasks = tasks.filter(|(_, task)| !task.current).map(|(number, task)| {
        let status = task.wait_reason.as_ref().unwrap_or(&task.status);
        let name = format!("goroutine {} [{}]", task.id, escape(status));
        Entry { name, dump: index, kind: EntryKind::Task(number) }
    });
    threads.chain(tasks).collect()
}

/// A stack trace of a text as a thread, named after its position in the text and the reason of the crash.
pub fn trace_entry(dump: &Dump, index: usize) -> Entry {
    let line = dump.recorded().trace_line.unwrap_or(0);
    let name = match dump.reason() {
        Some(reason) => format!("line {line}: {}", escape(&reason.summary())),
        None => format!("line {line}"),
    };
    Entry { name, dump: index, kind: EntryKind::Thread(0) }
}
