//! A dump that is open, and the answers to what an editor asks of it.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use coredump_core::backtrace::{Location, ResolvedFrame};
use coredump_core::cli::locating;
use coredump_core::interpreted::Interpreted;
use coredump_core::mapped::Bytes;
use coredump_core::memory::Chunk;
use coredump_core::runtimes::cpython;
use coredump_core::{Draft, Dump, Frame, Limits, Store, Thread};
use serde_json::{Value, json};

use super::launch::Launch;
use super::stack::{self, Line, Lines, Origin};
use super::variables::{self, Handles, Scope};
use crate::args::Args;

/// How much of a value is sent at once: what is deeper is asked for when it is opened.
pub const LIMITS: Limits = Limits { depth: 3, elements: 100, text_only: false };
/// Bytes of memory that one request may ask for.
const MAX_MEMORY: u64 = 1 << 20;
/// Frames whose sources are listed.
const SOURCE_FRAMES: usize = 1000;
/// Names that one request for completions gives.
const MAX_COMPLETIONS: usize = 1000;

/// A dump, with what the editor was told of it: numbers of frames and of variables stay valid while it is open.
pub struct Opened {
    dump: Dump,
    launch: Launch,
    program: Option<Interpreted>,
    threads: HashMap<u64, Lines>,
    frames: Vec<Line>,
    numbers: HashMap<(u64, usize), u64>,
    handles: Handles,
}

impl Opened {
    /// Opens the dump that a request names. The error is one sentence.
    pub fn open(args: &Args, launch: Launch) -> Result<Opened, String> {
        let Some(path) = &launch.dump else {
            return Err("name the core dump: coreFile, coreDumpPath or core".to_owned());
        };
        let said = |error: coredump_core::Error| match &error.hint {
            Some(hint) => format!("{error} ({hint})"),
            None => error.to_string(),
        };
        // An editor waits for its answer: nothing is opened that may have no end.
        let bytes = Bytes::open_regular(path).map_err(said)?;
        let draft = Draft::new(bytes).map_err(|error| said(error.in_file(path)))?.at(Some(path));
        let mut options =
            locating::options(&args.module, &args.symbols_path, args.no_recorded_paths, args.untrusted, Some(path));
        options.named.extend(launch.programs.iter().map(|program| (None, program.clone())));
        options.symbol_paths.extend(launch.folders.iter().cloned());
        let dump = draft.find_binaries(&Store::new(), &options);
        let program = dump.interpreted(Some(cpython::Limits { depth: LIMITS.depth, elements: LIMITS.elements }));
        Ok(Opened {
            dump,
            launch,
            program,
            threads: HashMap::new(),
            frames: Vec::new(),
            numbers: HashMap::new(),
            handles: Handles::default(),
        })
    }

    fn crashed(&self) -> u64 {
        self.dump.crashed_thread().map_or(1, |thread| thread.index() as u64 + 1)
    }

    /// The body of the event that says where the program stands.
    pub fn stopped(&self) -> Value {
        let reason = self.dump.reason();
        let kind = reason.map_or("unknown", |reason| &reason.kind);
        json!({
            "reason": "exception",
            "description": kind,
            "text": reason.map_or_else(|| "no reason is known".to_owned(), |reason| reason.summary()),
            "threadId": self.crashed(),
            "allThreadsStopped": true,
        })
    }

    /// What the program wrote to its standard error before it died.
    pub fn last_words(&self) -> Option<String> {
        self.dump.reason()?.guest_stderr.clone()
    }

    /// Why it died.
    pub fn exception_info(&self) -> Value {
        let reason = self.dump.reason();
        let kind = reason.map_or("unknown", |reason| &reason.kind);
        json!({
            "exceptionId": kind,
            "description": reason.map_or_else(|| "no reason is known".to_owned(), |reason| reason.summary()),
            "breakMode": "always",
            "details": {"typeName": kind, "message": reason.and_then(|reason| reason.message.as_deref())},
        })
    }

    /// The threads.
    pub fn threads(&self) -> Value {
        let names = stack::thread_names(&self.dump).into_iter();
        let threads: Vec<_> = names.zip(1..).map(|(name, id)| json!({"id": id, "name": name})).collect();
        json!({"threads": threads})
    }

    /// Some frames of a thread.
    pub fn stack_trace(&mut self, arguments: &Value) -> Result<Value, String> {
        let id = arguments["threadId"].as_u64().unwrap_or(0);
        let start = arguments["startFrame"].as_u64().unwrap_or(0) as usize;
        let levels =
            arguments["levels"].as_u64().filter(|&levels| levels > 0).map_or(usize::MAX, |levels| levels as usize);
        let thread = self.thread(id)?;
        let end = start.saturating_add(levels);
        let lines = self.threads.entry(id).or_insert_with(|| match &thread {
            Ok(_) => Lines::new(),
            Err(frames) => Lines::of_task(frames),
        });
        if let Ok(thread) = &thread {
            lines.extend(thread, self.program.as_ref().filter(|_| thread.is_crashed()), end);
        }
        let total = lines.total(thread.as_ref().ok());
        let shown: Vec<(usize, Line)> =
            lines.made().iter().cloned().enumerate().skip(start).take(end.saturating_sub(start)).collect();
        let frames: Vec<_> = shown.into_iter().map(|(position, line)| self.frame(id, position, line)).collect();
        Ok(json!({"stackFrames": frames, "totalFrames": total}))
    }

    /// A thread of the dump, or the frames of a task of a language's runtime.
    fn thread(&self, id: u64) -> Result<Result<Thread, Vec<ResolvedFrame>>, String> {
        let count = self.dump.threads().len() as u64;
        let unknown = || format!("there is no thread {id}");
        let index = id.checked_sub(1).ok_or_else(unknown)?;
        if index < count {
            return Ok(Ok(self.dump.thread(index as usize).ok_or_else(unknown)?));
        }
        let mut tasks = self.dump.runtime().into_iter().flat_map(|runtime| &runtime.tasks).filter(|task| !task.current);
        let task = tasks.nth((index - count) as usize).ok_or_else(unknown)?;
        Ok(Err(self.dump.task_frames(task)))
    }

    fn frame(&mut self, thread: u64, position: usize, line: Line) -> Value {
        let frames = &mut self.frames;
        let number = *self.numbers.entry((thread, position)).or_insert_with(|| {
            frames.push(line.clone());
            frames.len() as u64
        });
        let mut frame = json!({
            "id": number,
            "name": &*line.name,
            "line": line.location.as_ref().map_or(0, |location| location.line),
            "column": line.location.as_ref().and_then(|location| location.column).unwrap_or(0),
        });
        match &line.location {
            Some(location) => frame["source"] = self.source(location),
            None => frame["presentationHint"] = json!("subtle"),
        }
        if let Some(offset) = line.offset {
            frame["instructionPointerReference"] = json!(format!("{offset:#x}"));
        }
        if let Some(module) = line.module {
            frame["moduleId"] = json!(module);
        }
        frame
    }

    fn source(&self, location: &Location) -> Value {
        let path = self.launch.source(&location.file);
        let name =
            Path::new(&path).file_name().map_or_else(|| path.clone(), |name| name.to_string_lossy().into_owned());
        json!({"name": name, "path": path})
    }

    fn line(&self, arguments: &Value) -> Result<&Line, String> {
        let number = arguments["frameId"].as_u64().unwrap_or(0);
        let index = number.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| self.frames.get(index)).ok_or_else(|| format!("there is no frame {number}"))
    }

    fn engine_frame(&self, origin: Origin) -> Option<(Frame, usize)> {
        match origin {
            Origin::Engine { thread, frame, scope } => Some((self.dump.thread(thread)?.frame(frame)?, scope)),
            _ => None,
        }
    }

    /// The scopes of a frame.
    pub fn scopes(&mut self, arguments: &Value) -> Result<Value, String> {
        let origin = self.line(arguments)?.origin;
        let scopes = match origin {
            Origin::Engine { thread, frame, scope } => variables::scopes(&self.dump, thread, frame, scope),
            Origin::Python(number) => {
                let frame = self.program.as_ref().and_then(|program| program.frames().nth(number));
                frame.map_or_else(Vec::new, |(_, frame)| vec![variables::python_scope(frame)])
            }
            Origin::Runtime => Vec::new(),
        };
        let entry = |Scope { name, hint, expensive, rows }: Scope| {
            let count = rows.len();
            let reference = self.handles.add(origin, rows);
            json!({
                "name": name,
                "presentationHint": hint,
                "variablesReference": reference,
                "namedVariables": count,
                "expensive": expensive,
            })
        };
        let entries: Vec<_> = scopes.into_iter().map(entry).collect();
        Ok(json!({"scopes": entries}))
    }

    /// The variables of a scope, or the parts of a variable.
    pub fn variables(&mut self, arguments: &Value) -> Result<Value, String> {
        let number = arguments["variablesReference"].as_u64().unwrap_or(0);
        let start = arguments["start"].as_u64().unwrap_or(0) as usize;
        let count = arguments["count"].as_u64().filter(|&count| count > 0).map_or(usize::MAX, |count| count as usize);
        let (origin, rows) = self.handles.get(number).ok_or_else(|| format!("there are no variables {number}"))?;
        let shown: Vec<_> = rows.into_iter().skip(start).take(count).collect();
        let shown: Vec<_> = shown.into_iter().map(|row| self.row(origin, row)).collect();
        Ok(json!({"variables": shown}))
    }

    fn row(&mut self, origin: Origin, mut row: variables::Row) -> Value {
        // What lies deeper than was sent so far is evaluated when it is opened.
        if row.parts.is_empty()
            && row.may_have_parts
            && let Some(expression) = &row.expression
            && let Some((frame, _)) = self.engine_frame(origin)
            && let Ok(value) = frame.evaluate_within(expression, LIMITS)
        {
            row.parts = variables::Row::of(&value, Some(expression.clone())).parts;
        }
        let reference = if row.parts.is_empty() { 0 } else { self.handles.add(origin, row.parts) };
        let mut entry = json!({
            "name": row.name,
            "value": row.value,
            "type": row.type_name,
            "variablesReference": reference,
        });
        if let Some(expression) = row.expression {
            entry["evaluateName"] = json!(expression);
        }
        if let Some(address) = row.address {
            entry["memoryReference"] = json!(format!("{address:#x}"));
        }
        entry
    }

    /// The value of an expression.
    pub fn evaluate(&mut self, arguments: &Value) -> Result<Value, String> {
        let expression = arguments["expression"].as_str().unwrap_or_default().trim();
        let origin = match arguments["frameId"].is_null() {
            true => Origin::Engine { thread: self.crashed() as usize - 1, frame: 0, scope: 0 },
            false => self.line(arguments)?.origin,
        };
        if let Origin::Python(number) = origin {
            let frame = self.program.as_ref().and_then(|program| program.frames().nth(number));
            let mut variables = frame.into_iter().flat_map(|(_, frame)| &frame.variables);
            let found = variables.find(|variable| variable.name == expression);
            let found = found.ok_or("of a Python frame, variables can be named and nothing else")?;
            let value = found.value.as_deref().unwrap_or("<unreadable>");
            return Ok(json!({"result": value, "type": found.type_name, "variablesReference": 0}));
        }
        let (frame, _) = self.engine_frame(origin).ok_or("nothing is known of this frame's variables")?;
        let value = frame.evaluate_within(expression, LIMITS);
        let value = value.map_err(|error| format!("column {}: {}", error.column, error.message))?;
        let row = variables::Row::of(&value, Some(expression.to_owned()));
        let entry = self.row(origin, row);
        let mut body = json!({
            "result": entry["value"],
            "type": entry["type"],
            "variablesReference": entry["variablesReference"],
        });
        if !entry["memoryReference"].is_null() {
            body["memoryReference"] = entry["memoryReference"].clone();
        }
        Ok(body)
    }

    /// The names of variables in scope that begin as what was typed ends.
    pub fn completions(&self, arguments: &Value) -> Value {
        let text = arguments["text"].as_str().unwrap_or_default();
        let column = arguments["column"].as_u64().map_or(usize::MAX, |column| column.saturating_sub(1) as usize);
        let typed: String = text.chars().take(column).collect();
        let begun = typed.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
        let frame = self.line(arguments).ok().and_then(|line| self.engine_frame(line.origin));
        let scopes = frame.map(|(frame, _)| frame.variables(Limits { depth: 0, elements: 0, text_only: true }));
        let names: BTreeSet<_> =
            scopes.into_iter().flatten().flat_map(|scope| scope.variables).map(|variable| variable.name).collect();
        let names = names.iter().filter(|name| name.starts_with(begun)).take(MAX_COMPLETIONS);
        let targets: Vec<_> = names.map(|name| json!({"label": name, "type": "variable"})).collect();
        json!({"targets": targets})
    }

    /// Bytes of the first memory: those from the reference on that are known, then how many are not.
    pub fn read_memory(&self, arguments: &Value) -> Result<Value, String> {
        let text = arguments["memoryReference"].as_str().unwrap_or_default();
        let digits = text.strip_prefix("0x");
        let address = digits.map_or_else(|| text.parse(), |digits| u64::from_str_radix(digits, 16));
        let address = address.map_err(|_| format!("{text:?} is no address"))?;
        let address = address.checked_add_signed(arguments["offset"].as_i64().unwrap_or(0));
        let address = address.ok_or("there is no memory below address 0")?;
        let count = arguments["count"].as_u64().unwrap_or(0).min(MAX_MEMORY);
        let memory = self.dump.memory(0).ok_or("the dump holds no memory")?;
        let mut bytes = Vec::new();
        for chunk in memory.chunks(address..address.saturating_add(count)) {
            match chunk {
                Chunk::Captured(segment) => bytes.extend_from_slice(segment.bytes),
                Chunk::Zero { len, .. } => bytes.resize(bytes.len() + len as usize, 0),
                Chunk::Hole { .. } => break,
            }
        }
        Ok(json!({
            "address": format!("{address:#x}"),
            "data": STANDARD.encode(&bytes),
            "unreadableBytes": count - bytes.len() as u64,
        }))
    }

    /// The modules that ran.
    pub fn modules(&self, arguments: &Value) -> Value {
        let start = arguments["startModule"].as_u64().unwrap_or(0) as usize;
        let count =
            arguments["moduleCount"].as_u64().filter(|&count| count > 0).map_or(usize::MAX, |count| count as usize);
        let slots = self.dump.binaries().slots();
        let modules = slots.iter().enumerate().skip(start).take(count).map(|(index, slot)| {
            let mut module = json!({"id": index, "name": slot.name});
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

    /// The source files of the thread that crashed.
    pub fn loaded_sources(&self) -> Value {
        let frames = self.dump.crashed_thread().into_iter().flat_map(|thread| thread.frames().take(SOURCE_FRAMES));
        let mut seen = BTreeSet::new();
        let mut sources = Vec::new();
        for frame in frames {
            let inlined = frame.inlines().iter().filter_map(|inline| inline.location.as_ref());
            for location in inlined.chain(frame.location()) {
                if seen.insert(location.file.clone()) {
                    sources.push(self.source(location));
                }
            }
        }
        json!({"sources": sources})
    }
}
