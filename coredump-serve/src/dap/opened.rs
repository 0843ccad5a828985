//! Answers an editor's requests about an open dump.

use std::collections::{BTreeSet, HashMap};

use coredump_core::cli::path_map::PathMap;
use coredump_core::runtimes::InterpretedFrame;
use coredump_core::text::{escape, escape_lines};
use coredump_core::{Dump, Frame, Thread};
use serde_json::{Value, json};

use super::LIMITS;
use super::disassembly::Disassembly;
use super::launch::Launch;
use super::memory::{self, MemoryReference};
use super::opening::{self, OpenedDumps};
use super::sources::{SourceModule, Sources};
use super::stack::{self, Entry, EntryKind, InterpretedStack, Line, Lines, VariablesOrigin};
use super::tasks;
use super::variables::Handles;
use crate::args::Args;

/// For how many frames the sources are listed.
const SOURCE_FRAMES: usize = 1000;

/// An open dump, or the traces of a text, with the numbers of frames and variables that were sent to the editor, which
/// stay valid while it is open.
pub struct Opened {
    pub(super) dumps: Vec<Dump>,
    launch: Launch,
    /// True if files that the dump names may be searched for on this machine.
    trusted: bool,
    /// The frames of the program that an interpreter ran.
    pub(super) program: Vec<(Option<usize>, InterpretedFrame)>,
    pub(super) tasks: tasks::TaskLists,
    /// The threads; the asynchronous tasks follow, once they were searched for.
    pub(super) entries: Vec<Entry>,
    /// True if `entries` contains the asynchronous tasks.
    has_tasks: bool,
    /// Index of the thread that crashed.
    pub(super) crashed: usize,
    /// The lines of each thread that were found so far.
    shown: HashMap<u64, Lines>,
    frames: Vec<Line>,
    numbers: HashMap<(u64, usize), u64>,
    pub(super) handles: Handles,
    sources: Sources,
    disassembly: Disassembly,
}

impl Opened {
    /// Opens the dump that a request names. The error is one sentence.
    pub fn open(args: &Args, mut launch: Launch) -> Result<Opened, String> {
        launch.paths = PathMap::new(&args.path_map);
        let OpenedDumps { dumps, is_text } = opening::open(args, &launch)?;
        let program = dumps.first().filter(|_| !is_text).and_then(|dump| dump.interpreted(Some(LIMITS)));
        let program = program.iter().flat_map(|program| program.frames());
        let program = program.map(|(placed, frame)| (placed, frame.clone())).collect();
        let numbered = dumps.iter().enumerate();
        let entries: Vec<_> = match is_text {
            true => numbered.map(|(index, dump)| stack::trace_entry(dump, index)).collect(),
            false => numbered.flat_map(|(index, dump)| stack::entries(dump, index)).collect(),
        };
        // The last trace of a text is most likely the one that is wanted.
        let crashed = match is_text {
            true => entries.len().saturating_sub(1),
            false => dumps.first().and_then(Dump::crashed_thread).map_or(0, |thread| thread.index()),
        };
        Ok(Opened {
            dumps,
            launch,
            trusted: !args.untrusted,
            program,
            tasks: tasks::TaskLists::default(),
            entries,
            // A text has no memory, and thus no tasks.
            has_tasks: is_text,
            crashed,
            shown: HashMap::new(),
            frames: Vec::new(),
            numbers: HashMap::new(),
            handles: Handles::default(),
            sources: Sources::default(),
            disassembly: Disassembly::default(),
        })
    }

    /// The dump of the thread that crashed.
    pub(super) fn dump(&self) -> &Dump {
        let crashed = self.entries.get(self.crashed).map_or(0, |entry| entry.dump);
        &self.dumps[crashed]
    }

    /// The body of the event that says where the program stopped.
    pub fn stopped(&self) -> Value {
        let reason = self.dump().reason();
        let kind = reason.map_or("unknown", |reason| &reason.kind);
        json!({
            "reason": "exception",
            "description": escape(kind),
            "text": self.reason(),
            "threadId": self.crashed + 1,
            "allThreadsStopped": true,
        })
    }

    /// Returns a sentence that says why the program died.
    fn reason(&self) -> String {
        let reason = self.dump().reason();
        reason.map_or_else(|| "no reason is known".to_owned(), |reason| escape_lines(&reason.summary()).into_owned())
    }

    /// Returns the last output of the program to its standard error.
    pub fn last_words(&self) -> Option<String> {
        let words = self.dump().reason()?.guest_stderr.as_deref()?;
        Some(escape_lines(words).into_owned())
    }

    /// Returns the reason why a thread died.
    pub fn exception_info(&self, arguments: &Value) -> Result<Value, String> {
        let id = arguments["threadId"].as_u64().unwrap_or(0);
        let (index, _) = self.entry(id)?;
        if index != self.crashed {
            return Err(format!("thread {id} is not the one that crashed"));
        }
        let reason = self.dump().reason();
        let kind = escape(reason.map_or("unknown", |reason| &reason.kind));
        let message = reason.and_then(|reason| reason.message.as_deref()).map(escape_lines);
        let mut details = json!({"typeName": kind});
        if let Some(message) = message {
            details["message"] = json!(message);
        }
        Ok(json!({"exceptionId": kind, "description": self.reason(), "breakMode": "always", "details": details}))
    }

    /// The threads.
    pub fn threads(&mut self) -> Value {
        if !std::mem::replace(&mut self.has_tasks, true) {
            let tasks = self.tasks.entries(&self.dumps[0], 0);
            self.entries.extend(tasks);
        }
        let threads = self.entries.iter().zip(1..).map(|(entry, id)| json!({"id": id, "name": entry.name}));
        let threads: Vec<_> = threads.collect();
        json!({"threads": threads})
    }

    fn entry(&self, id: u64) -> Result<(usize, &Entry), String> {
        let index = id.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        let entry = index.and_then(|index| Some((index, self.entries.get(index)?)));
        entry.ok_or_else(|| format!("there is no thread {id}"))
    }

    /// Some frames of a thread.
    pub fn stack_trace(&mut self, arguments: &Value) -> Result<Value, String> {
        let id = arguments["threadId"].as_u64().unwrap_or(0);
        let start = arguments["startFrame"].as_u64().unwrap_or(0) as usize;
        let levels =
            arguments["levels"].as_u64().filter(|&levels| levels > 0).map_or(usize::MAX, |levels| levels as usize);
        let end = start.saturating_add(levels);
        let (_, &Entry { dump: index, kind, .. }) = self.entry(id)?;
        let dump = &self.dumps[index];
        let thread = match kind {
            EntryKind::Thread(thread) => dump.thread(thread),
            EntryKind::Task(_) | EntryKind::Async(_) => None,
        };
        let lines = self.shown.entry(id).or_insert_with(|| match kind {
            EntryKind::Thread(_) => Lines::default(),
            EntryKind::Task(task) => {
                let task = dump.runtime().and_then(|runtime| runtime.tasks.get(task));
                Lines::from_task(&task.map(|task| dump.task_frames(task)).unwrap_or_default())
            }
            EntryKind::Async(task) => Lines::from_made(self.tasks.lines(dump, task)),
        });
        let is_crashed = thread.as_ref().is_some_and(Thread::is_crashed);
        let program: &InterpretedStack = if is_crashed { &self.program } else { &[] };
        if let Some(thread) = &thread {
            lines.extend(thread, program, end);
        }
        let total = lines.total(thread.as_ref());
        let (start, end) = (start.min(lines.len()), end.min(lines.len()));
        let shown = lines.read(start..end, index, thread.as_ref(), program);
        let shown: Vec<(usize, Line)> = (start..).zip(shown).collect();
        let frames: Vec<_> =
            shown.into_iter().map(|(position, line)| self.frame((id, index), position, line)).collect();
        Ok(json!({"stackFrames": frames, "totalFrames": total}))
    }

    fn frame(&mut self, (thread, dump): (u64, usize), position: usize, line: Line) -> Value {
        let frames = &mut self.frames;
        let number = *self.numbers.entry((thread, position)).or_insert_with(|| {
            frames.push(line.clone());
            frames.len() as u64
        });
        let mut frame = json!({
            "id": number,
            "name": escape(&line.name),
            "line": line.location.as_ref().map_or(0, |location| location.line),
            "column": line.location.as_ref().and_then(|location| location.column).unwrap_or(0),
        });
        if let Some(location) = &line.location {
            let code = SourceModule { dump: (&self.dumps[dump], dump), module: line.module, function: line.function };
            frame["source"] = self.sources.describe(&self.launch, location, code, self.trusted);
        }
        if line.origin == VariablesOrigin::Label {
            frame["presentationHint"] = json!("label");
        } else if self.dumps[dump].is_machinery(&line.name, line.location.as_ref()) {
            frame["presentationHint"] = json!("subtle");
        }
        if let (Some(module), Some(offset)) = (line.module, line.offset) {
            frame["instructionPointerReference"] = json!(MemoryReference::Code(module, offset).text());
        }
        if let Some(module) = line.module {
            frame["moduleId"] = json!(module);
        }
        frame
    }

    /// The answer with the text of a source that is embedded in debug info.
    pub fn source(&self, arguments: &Value) -> Result<Value, String> {
        let inner = arguments["source"]["sourceReference"].as_u64().filter(|&number| number > 0);
        let number = inner.or_else(|| arguments["sourceReference"].as_u64()).unwrap_or(0);
        let text = self.sources.text(number);
        text.map(|text| json!({"content": text})).ok_or_else(|| match arguments["source"]["path"].as_str() {
            // The editor asks for a file that it did not find.
            Some(path) => format!("{path} is not here: sourceMap says where sources lie"),
            None => format!("there is no source {number}"),
        })
    }

    pub(super) fn line(&self, arguments: &Value) -> Result<&Line, String> {
        let number = arguments["frameId"].as_u64().unwrap_or(0);
        let index = number.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| self.frames.get(index)).ok_or_else(|| format!("there is no frame {number}"))
    }

    pub(super) fn engine_frame(&self, origin: VariablesOrigin) -> Option<(&Dump, Frame, usize)> {
        match origin {
            VariablesOrigin::Engine { dump, thread, frame, scope } => {
                let dump = self.dumps.get(dump)?;
                Some((dump, dump.thread(thread)?.frame(frame)?, scope))
            }
            _ => None,
        }
    }

    /// The answer with the bytes from a reference on.
    pub fn read_memory(&self, arguments: &Value) -> Result<Value, String> {
        memory::read(self.dump(), arguments)
    }

    /// The instructions around a reference.
    pub fn disassemble(&mut self, arguments: &Value) -> Result<Value, String> {
        let crashed = self.entries.get(self.crashed).map_or(0, |entry| entry.dump);
        let dump = &self.dumps[crashed];
        let (sources, launch, trusted) = (&mut self.sources, &self.launch, self.trusted);
        self.disassembly.answer(dump, arguments, |module, offset| {
            let binary = dump.binaries().binary(module)?;
            let function = binary.module().function_at(offset)?;
            let frames = binary.lookup(function, offset);
            let location = frames.first()?.location.as_ref()?;
            let code = SourceModule { dump: (dump, crashed), module: Some(module), function: Some(function) };
            Some((sources.describe(launch, location, code, trusted), location.line, location.column))
        })
    }

    /// The modules that ran.
    pub fn modules(&self, arguments: &Value) -> Value {
        let start = arguments["startModule"].as_u64().unwrap_or(0) as usize;
        let count =
            arguments["moduleCount"].as_u64().filter(|&count| count > 0).map_or(usize::MAX, |count| count as usize);
        let slots = self.dump().binaries().slots();
        let modules = slots.iter().enumerate().skip(start).take(count).map(|(index, slot)| {
            let mut module = json!({"id": index, "name": escape(&slot.name)});
            match &slot.found {
                Some(found) => {
                    module["symbolStatus"] = json!(found.verification.describe());
                    if let Some(path) = found.binary.path() {
                        module["path"] = json!(path.to_string_lossy());
                    }
                }
                None => module["symbolStatus"] = json!("its binary was not found"),
            }
            module
        });
        let modules: Vec<_> = modules.collect();
        json!({"modules": modules, "totalModules": slots.len()})
    }

    /// The source files of the frames of the thread that crashed.
    pub fn loaded_sources(&mut self) -> Value {
        let dump = self.dump().clone();
        let index = self.entries.get(self.crashed).map_or(0, |entry| entry.dump);
        let thread = self.entries.get(self.crashed).and_then(|entry| match entry.kind {
            EntryKind::Thread(thread) => dump.thread(thread),
            EntryKind::Task(_) | EntryKind::Async(_) => None,
        });
        let frames = thread.into_iter().flat_map(|thread| thread.frames().take(SOURCE_FRAMES));
        let mut seen = BTreeSet::new();
        let mut sources = Vec::new();
        for frame in frames {
            let resolved = frame.resolved();
            let code =
                SourceModule { dump: (&dump, index), module: resolved.module, function: resolved.function_index };
            let inlined = frame.inlines().iter().filter_map(|inline| inline.location.as_ref());
            for location in inlined.chain(frame.location()) {
                if seen.insert(location.file.clone()) {
                    sources.push(self.sources.describe(&self.launch, location, code, self.trusted));
                }
            }
        }
        json!({"sources": sources})
    }
}
