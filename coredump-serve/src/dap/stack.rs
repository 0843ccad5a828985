//! The frames of a thread as an editor lists them: inlined calls are frames of their own.

use std::sync::Arc;

use coredump_core::backtrace::{Location, ResolvedFrame};
use coredump_core::interpreted::Interpreted;
use coredump_core::text::escape;
use coredump_core::{Dump, Thread};

/// A line of an editor's list of frames.
#[derive(Clone, Debug)]
pub struct Line {
    /// The function's name.
    pub name: Arc<str>,
    /// Where it stood.
    pub location: Option<Location>,
    /// Offset in the module of a frame of the engine.
    pub offset: Option<u64>,
    /// Index of the module, and of the function in it.
    pub module: Option<u32>,
    pub function: Option<u32>,
    /// Where its variables come from.
    pub origin: Origin,
}

/// Where the variables of a line come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A frame of the engine in one of the dumps, and which of the functions inlined in it: their number stands for its own.
    Engine { dump: usize, thread: usize, frame: usize, scope: usize },
    /// A frame of a Python program, by its number.
    Python(usize),
    /// A language's runtime knows the frame, and nothing of its variables.
    Runtime,
}

/// The lines of one thread, made as far as they are asked for.
pub struct Lines {
    lines: Vec<Line>,
    /// The next frame of the engine.
    next: usize,
    complete: bool,
}

impl Lines {
    /// A thread of the dump, from its youngest frame.
    pub fn new() -> Lines {
        Lines { lines: Vec::new(), next: 0, complete: false }
    }

    /// A task of a language's runtime.
    pub fn of_task(frames: &[ResolvedFrame]) -> Lines {
        let mut lines = Lines { lines: Vec::new(), next: 0, complete: true };
        frames.iter().for_each(|frame| lines.push(frame, |_| Origin::Runtime));
        lines
    }

    /// Makes the lines of a thread until there are `count`, or all. The dump is the one with that index.
    pub fn extend(&mut self, dump: usize, thread: &Thread, program: Option<&Interpreted>, count: usize) {
        while self.lines.len() < count && !self.complete {
            let Some(frame) = thread.frame(self.next) else {
                thread.continued().for_each(|frame| self.push(&frame, |_| Origin::Runtime));
                self.push_python(program, None);
                self.complete = true;
                return;
            };
            self.push_python(program, Some(self.next));
            let (thread, frame_index) = (thread.index(), self.next);
            let origin = |scope| Origin::Engine { dump, thread, frame: frame_index, scope };
            self.push(frame.resolved(), origin);
            self.next += 1;
        }
    }

    fn push(&mut self, frame: &ResolvedFrame, origin: impl Fn(usize) -> Origin) {
        let inlined = frame.inlines.iter().map(|inline| (inline.function.clone(), inline.location.clone()));
        let own = frame.function.clone().or_else(|| Some(format!("func[{}]", frame.function_index?).into()));
        for (scope, (name, location)) in inlined.chain([(own, frame.location.clone())]).enumerate() {
            let name = name.unwrap_or_else(|| "?".into());
            let (offset, module, function) = (frame.module_offset, frame.module, frame.function_index);
            self.lines.push(Line { name, location, offset, module, function, origin: origin(scope) });
        }
    }

    /// Python frames stand before the frame of the interpreter that runs them; with `None`, those of which that frame is
    /// not certain.
    fn push_python(&mut self, program: Option<&Interpreted>, frame: Option<usize>) {
        let frames = program.into_iter().flat_map(|program| program.frames()).enumerate();
        for (number, (_, python)) in frames.filter(|(_, (placed, _))| *placed == frame) {
            self.lines.push(Line {
                name: python.function.clone(),
                location: python.location(),
                offset: None,
                module: None,
                function: None,
                origin: Origin::Python(number),
            });
        }
    }

    /// The lines that were made.
    pub fn made(&self) -> &[Line] {
        &self.lines
    }

    /// How many there are as far as is known: what is not made yet counts one a frame.
    pub fn total(&self, thread: Option<&Thread>) -> usize {
        let rest = thread.filter(|_| !self.complete).map_or(0, |thread| thread.frames().len() - self.next);
        self.lines.len() + rest
    }
}

/// A thread as an editor sees it.
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Index of its dump.
    pub dump: usize,
    /// What it is.
    pub kind: EntryKind,
}

/// What an editor takes for a thread.
#[derive(Clone, Copy)]
pub enum EntryKind {
    /// A thread of the dump, by its index.
    Thread(usize),
    /// A task of a language's runtime, by its index there.
    Task(usize),
}

/// The threads of a dump, and the tasks of a runtime that none of them ran.
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
        let name = format!("goroutine {} [{}]", task.id, task.wait_reason.as_ref().unwrap_or(&task.status));
        Entry { name, dump: index, kind: EntryKind::Task(number) }
    });
    threads.chain(tasks).collect()
}

/// A stack trace of a text as a thread: where it stands, and why the program died.
pub fn trace_entry(dump: &Dump, index: usize) -> Entry {
    let line = dump.recorded().trace_line.unwrap_or(0);
    let name = match dump.reason() {
        Some(reason) => format!("line {line}: {}", escape(&reason.summary())),
        None => format!("line {line}"),
    };
    Entry { name, dump: index, kind: EntryKind::Thread(0) }
}
