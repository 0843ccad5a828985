//! A dump's frames with their source: the function, the calls inlined in it, and where each stood.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use crate::binaries::{Binaries, Binary, StoppedAt};
use crate::lang::go;
use crate::limits::{MAX_NAME, MAX_SYMBOL, shorten};
use crate::locate::branch;
use crate::locked::Locked;
use crate::model::{CoreDump, Frame};
use crate::producers;
use crate::runtimes::{Runtime, Task, TaskFrame};
pub use crate::symbols::Location;
use crate::symbols::{SourceFrame, demangle};

/// A thread of the dump, with its frames resolved.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ResolvedThread {
    /// Its name in the dump.
    pub name: String,
    /// Older frames are missing.
    pub truncated: bool,
    /// Frames, youngest first.
    pub frames: Vec<ResolvedFrame>,
}

/// A physical frame: one activation of a Wasm function. Text is shared between frames that stand at the same place, so
/// that a million of them cost little. By default nothing is known of it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ResolvedFrame {
    /// Index in its thread, youngest 0.
    pub index: usize,
    /// Index into the dump's instances.
    pub instance: Option<u32>,
    /// Index into the dump's modules.
    pub module: Option<u32>,
    /// Function index; imports count.
    pub function_index: Option<u32>,
    /// Code offset in bytes, as the producer wrote it; `None` where the producer writes 0 for a place that it does not
    /// know.
    pub code_offset: Option<u32>,
    /// Byte offset in the core module's file: of the instruction at which execution stood; in a caller, of the call.
    /// `None` where the binary is not known.
    pub module_offset: Option<u64>,
    /// The same place as a DWARF address: a byte offset in the code section's contents.
    pub dwarf_pc: Option<u64>,
    /// The function's name, demangled.
    pub function: Option<Arc<str>>,
    /// The name as it stands in the module or its debug info.
    pub raw_name: Option<Arc<str>>,
    /// The place where execution stood in the function's own source: with inlined calls, the line of the outermost of
    /// them.
    pub location: Option<Location>,
    /// True if the function had only been entered: none of its instructions had run.
    pub entered: bool,
    /// The place where the source declares the function; it is known only if the line at which execution stood is not.
    pub declared: Option<Location>,
    /// The calls that were inlined there, innermost first.
    pub inlines: Arc<[InlinedFrame]>,
    /// True if the frame comes from a stack that a language's runtime keeps in linear memory, and not from the engine.
    pub in_memory: bool,
}

/// A function whose code was inlined where the frame stood.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InlinedFrame {
    /// Its name, demangled.
    pub function: Option<Arc<str>>,
    /// The place where execution stood in it.
    pub location: Option<Location>,
}

/// A function of the source that was active in a frame: one that was inlined there, or the Wasm function itself.
#[derive(Clone, Debug, Default)]
pub struct Call<'f> {
    /// Its name, demangled; `func[N]` for a Wasm function without a name.
    pub function: Option<Arc<str>>,
    /// The place where execution stood in it.
    pub location: Option<&'f Location>,
    /// True if the function had only been entered: none of its instructions had run.
    pub entered: bool,
    /// The place where the source declares the function; it is known only if the line at which execution stood is not.
    pub declared: Option<&'f Location>,
    /// The recorded code offset in the Wasm function, in bytes, where no binary gives the offset in the module.
    pub offset: Option<u32>,
    /// True if it was inlined.
    pub inlined: bool,
}

impl ResolvedFrame {
    /// The source functions that were active in the frame: the inlined ones, innermost first, then the Wasm function
    /// itself.
    pub fn calls(&self) -> impl Iterator<Item = Call<'_>> {
        let inlined = self.inlines.iter().map(|inline| Call {
            function: inline.function.clone(),
            location: inline.location.as_ref(),
            inlined: true,
            ..Call::default()
        });
        let numbered = || Some(format!("func[{}]", self.function_index?).into());
        let own = Call {
            function: self.function.clone().or_else(numbered),
            location: self.location.as_ref(),
            entered: self.entered,
            declared: self.declared.as_ref(),
            offset: self
                .code_offset
                .filter(|&offset| self.module_offset.is_none() && offset != 0 && offset != u32::MAX),
            inlined: false,
        };
        inlined.chain([own])
    }
}

/// Resolves all frames of all threads.
pub fn resolve(dump: &CoreDump<'_>, binaries: &Binaries) -> Vec<ResolvedThread> {
    let resolver = Resolver::new(dump, binaries);
    let threads = dump.threads.iter().enumerate().map(|(thread, recorded)| ResolvedThread {
        name: recorded.name.clone(),
        truncated: recorded.truncated,
        frames: (0..resolver.frame_count(thread)).filter_map(|frame| resolver.frame(thread, frame)).collect(),
    });
    threads.collect()
}

/// Resolves frames one by one. Frames that stand at the same place are resolved once.
pub struct Resolver<'r, 'a> {
    dump: &'r CoreDump<'a>,
    binaries: &'r Binaries,
    known: Locked<HashMap<Key, ResolvedFrame>>,
    /// The stack of the task that ran, if a language's runtime keeps one; looked for when a frame is first asked for.
    task: OnceLock<Option<TaskStack>>,
}

/// The properties that decide how a frame is resolved: module, function, code offset, and whether it is a caller. The
/// crashed thread's youngest frame is kept apart from those of other threads: it trapped.
type Key = (Option<u32>, Option<u32>, Option<u32>, Option<usize>);

/// The number of instructions after a loop's head that are searched for one that has a line.
const AHEAD: usize = 100;

/// The number of resolved places that are remembered.
const MAX_KNOWN: usize = 1 << 20;

impl<'r, 'a> Resolver<'r, 'a> {
    /// A resolver for this dump.
    pub fn new(dump: &'r CoreDump<'a>, binaries: &'r Binaries) -> Self {
        Resolver { dump, binaries, known: Locked::default(), task: OnceLock::new() }
    }

    /// The runtime of a language that schedules tasks by itself, if the program has one that is known.
    pub fn runtime(&self) -> Option<&Runtime> {
        Some(&self.task()?.runtime)
    }

    fn task(&self) -> Option<&TaskStack> {
        self.task.get_or_init(|| Some(TaskStack::new(self.dump, go::find(self.dump, self.binaries)?))).as_ref()
    }

    /// Number of frames of a thread, with those that a language's runtime keeps in linear memory, which come last.
    pub fn frame_count(&self, thread: usize) -> usize {
        let recorded = self.dump.threads.get(thread).map_or(0, |thread| thread.frames.len());
        recorded + self.task().filter(|task| task.runtime.thread == thread).map_or(0, |task| task.continued.len())
    }

    /// The frames of a thread in the order in which they called each other, youngest first: what a runtime keeps in
    /// linear memory stands before the frames by which the engine entered that runtime.
    pub fn calls(&self, thread: usize) -> impl Iterator<Item = ResolvedFrame> + '_ {
        let recorded = self.dump.threads.get(thread).map_or(0, |thread| thread.frames.len());
        let count = self.frame_count(thread);
        let young = if count > recorded { self.task().map_or(recorded, |task| task.young) } else { recorded };
        (0..young).chain(recorded..count).chain(young..recorded).filter_map(move |index| self.frame(thread, index))
    }

    /// The frames of a task, youngest first.
    pub fn task_frames(&self, task: &Task) -> Vec<ResolvedFrame> {
        let module = self.runtime().map(|runtime| runtime.module);
        task.physical().enumerate().filter_map(|(index, calls)| in_memory(index, module, calls)).collect()
    }

    /// Resolves a frame; `None` if there is no such frame.
    pub fn frame(&self, thread: usize, index: usize) -> Option<ResolvedFrame> {
        let frames = &self.dump.threads.get(thread)?.frames;
        let task = self.task().filter(|task| task.runtime.thread == thread);
        let Some(frame) = frames.get(index) else { return task?.continued.get(index - frames.len()).cloned() };
        let mut resolved = self.by_place(thread, index, frame)?;
        if let Some(Some(placed)) = task.and_then(|task| task.placed.get(index)) {
            resolved.location = placed.location.clone();
            resolved.inlines = placed.inlines.clone();
        }
        // Names that were stripped, or written in other letters, stand in the runtime's table.
        if let Some(name) = task.and_then(|task| task.runtime.name(index, resolved.function.as_deref())) {
            let written = resolved.function.replace(name.clone());
            resolved.raw_name = resolved.raw_name.or(written);
        }
        // If the binary of a trace is not known, there is only the printed text.
        if resolved.function.is_none()
            && let Some(name) = self.dump.printed.get(&(thread, index))
        {
            resolved.function = Some(shown(name));
            resolved.raw_name = Some(name.clone());
        }
        Some(resolved)
    }

    /// Number of calls that were inlined where a frame stands. It takes less than the frame itself, so that the frames
    /// of a deep stack can be counted.
    pub fn inlined(&self, thread: usize, index: usize) -> usize {
        let recorded = self.dump.threads.get(thread).and_then(|thread| thread.frames.get(index));
        let Some(frame) = recorded else { return self.frame(thread, index).map_or(0, |frame| frame.inlines.len()) };
        let task = self.task().filter(|task| task.runtime.thread == thread);
        if let Some(Some(placed)) = task.and_then(|task| task.placed.get(index)) {
            return placed.inlines.len();
        }
        self.at_place(thread, index, frame, |known| known.inlines.len()).unwrap_or(0)
    }

    fn by_place(&self, thread: usize, index: usize, frame: &Frame) -> Option<ResolvedFrame> {
        let known = self.at_place(thread, index, frame, ResolvedFrame::clone)?;
        Some(ResolvedFrame { index, instance: frame.instance, ..known })
    }

    /// Calls `look` with the frame, or with another one that was resolved at the same place: all but the index is the
    /// same.
    fn at_place<R>(
        &self,
        thread: usize,
        index: usize,
        frame: &Frame,
        look: impl FnOnce(&ResolvedFrame) -> R,
    ) -> Option<R> {
        let module = self.binaries.module_of(self.dump, frame);
        let key = (module, frame.function, frame.code_offset, (index == 0).then_some(thread));
        if let Some(known) = self.known.lock().get(&key) {
            return Some(look(known));
        }
        let resolved = self.resolve(thread, index, module)?;
        let seen = look(&resolved);
        let mut known = self.known.lock();
        if known.len() < MAX_KNOWN {
            known.insert(key, resolved);
        }
        Some(seen)
    }

    fn resolve(&self, thread: usize, index: usize, module: Option<u32>) -> Option<ResolvedFrame> {
        let frame = self.dump.threads.get(thread)?.frames.get(index)?;
        let function_index = frame.function.filter(|&function| function != u32::MAX);
        let mut resolved = ResolvedFrame {
            index,
            instance: frame.instance,
            module,
            function_index,
            code_offset: frame.code_offset.filter(|&offset| producers::is_place(self.dump, offset)),
            ..ResolvedFrame::default()
        };
        let found = module.and_then(|module| self.binaries.found(module));
        let (Some(found), Some(function)) = (found, function_index) else { return Some(resolved) };
        let named = found.binary.function_name(function);
        resolved.raw_name = named.map(|name| shorten(name, MAX_SYMBOL).into());
        resolved.function = named.map(shown);
        let Some(place) = self.binaries.code_place(self.dump, thread, index) else {
            resolved.declared = found.binary.declaration(function);
            return Some(resolved);
        };
        resolved.code_offset = frame.code_offset;
        resolved.module_offset = Some(place.module_offset);
        resolved.dwarf_pc = Some(place.dwarf_pc);
        resolved.entered = place.stop == StoppedAt::Entry;
        let mut frames = found.binary.lookup(function, place.module_offset);
        if place.stop == StoppedAt::Loop && frames.first().is_some_and(|frame| frame.location.is_none()) {
            frames = line_ahead(&found.binary, function, place.module_offset).unwrap_or(frames);
        }
        if let Some((own, inlined)) = frames.split_last() {
            resolved.location = own.location.clone();
            if let Some(name) = &own.name {
                resolved.function = Some(shown(name));
                resolved.raw_name.get_or_insert_with(|| name.clone());
            }
            resolved.inlines = inlined.iter().map(InlinedFrame::from).collect();
        }
        // A frame that stopped at an instruction needs no declaration, and finding one takes a search of all units.
        if place.stop != StoppedAt::Instruction && resolved.location.is_none() && resolved.inlines.is_empty() {
            resolved.declared = found.binary.declaration(function);
        }
        Some(resolved)
    }
}

/// The frames at the next line after the head of a loop, which often has no line of its own: a program that was
/// interrupted there runs on to that line, whatever its values are. `None` if that line is in another function, inlined
/// or not.
fn line_ahead(binary: &Binary, function: u32, module_offset: u64) -> Option<Arc<[SourceFrame]>> {
    let here = binary.lookup(function, module_offset);
    let ahead = branch::ahead(binary.module(), function, module_offset).take(AHEAD);
    let mut found = ahead.map(|at| binary.lookup(function, at));
    let found = found.find(|frames| frames.first().is_some_and(|frame| frame.location.is_some()));
    let names = |frames: &[SourceFrame]| frames.iter().map(|frame| frame.name.clone()).collect::<Vec<_>>();
    found.filter(|found| names(found) == names(&here))
}

/// The place where the stack of the task that ran meets the frames of the engine.
struct TaskStack {
    runtime: Runtime,
    /// The engine's frames, by index, as the runtime's own table resolves them.
    placed: Vec<Option<ResolvedFrame>>,
    /// Number of the engine's frames that are younger than the frames in `continued`.
    young: usize,
    /// Older frames, of which the engine knows nothing any more.
    continued: Vec<ResolvedFrame>,
}

impl TaskStack {
    fn new(dump: &CoreDump<'_>, runtime: Runtime) -> TaskStack {
        let recorded = dump.threads.get(runtime.thread).map_or(&[][..], |thread| &thread.frames);
        let calls: Vec<_> = runtime.current().into_iter().flat_map(|task| task.physical()).collect();
        // The youngest frame has no place in the runtime's terms; each that called another has its return address.
        let same = recorded.iter().skip(1).zip(&calls);
        let same = same.take_while(|(frame, calls)| {
            frame.function.is_some() && calls.last().is_some_and(|call| call.function_index == frame.function)
        });
        let same = same.count();
        let module = Some(runtime.module);
        let mut placed = vec![None];
        placed.extend(calls[..same].iter().map(|calls| in_memory(0, module, calls)));
        let continued = calls[same..].iter().enumerate();
        let continued = continued.filter_map(|(nth, calls)| in_memory(recorded.len() + nth, module, calls)).collect();
        let young = if same > 0 { same + 1 } else { 0 };
        TaskStack { runtime, placed, young, continued }
    }
}

/// A frame that a runtime keeps in linear memory: the calls inlined in it first.
fn in_memory(index: usize, module: Option<u32>, calls: &[TaskFrame]) -> Option<ResolvedFrame> {
    let (own, inlined) = calls.split_last()?;
    let location = |call: &TaskFrame| Some(Location { file: call.file.clone()?, line: call.line?, column: None });
    let inlined = inlined.iter();
    let inlines = inlined.map(|call| InlinedFrame { function: Some(call.function.clone()), location: location(call) });
    Some(ResolvedFrame {
        index,
        module,
        function_index: own.function_index,
        function: Some(own.function.clone()),
        location: location(own),
        inlines: inlines.collect(),
        in_memory: true,
        ..ResolvedFrame::default()
    })
}

impl From<&SourceFrame> for InlinedFrame {
    fn from(frame: &SourceFrame) -> Self {
        InlinedFrame { function: frame.name.as_deref().map(shown), location: frame.location.clone() }
    }
}

/// A name for people. In the file it may be as long as the file.
fn shown(name: &str) -> Arc<str> {
    shorten(&demangle(name), MAX_NAME).into()
}
