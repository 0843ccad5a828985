//! The frames of an interpreter's program, beside the engine's frames that run them.

use memchr::memmem;

use crate::backtrace::{ResolvedFrame, Resolver};
use crate::binaries::Binaries;
use crate::lang::javascript;
use crate::lang::python::{self, Limits};
use crate::model::CoreDump;
use crate::runtimes::InterpretedFrame;

/// The number of the youngest frames that are searched for an evaluation loop, to tell whether a program is an
/// interpreter.
const YOUNG_FRAMES: usize = 256;

/// An interpreter that is known.
struct InterpreterKind {
    /// The language of its programs, as JSON names it.
    language: &'static str,
    /// Texts of which the name of its module contains one.
    modules: &'static [&'static str],
    /// Bytes that its module contains in any version.
    mark: &'static [u8],
    /// The function that runs a program's functions, the evaluation loop: each call of it enters the program once.
    /// Compilers split parts of it into functions of their own.
    evaluation: &'static str,
}

const PYTHON: InterpreterKind = InterpreterKind {
    language: "python",
    modules: &["python", "pyodide"],
    mark: python::MARK,
    evaluation: "_PyEval_EvalFrame",
};
const JAVASCRIPT: InterpreterKind = InterpreterKind {
    language: "javascript",
    modules: &["quickjs", "qjs", "javy"],
    mark: javascript::MARK,
    evaluation: "JS_CallInternal",
};

/// An interpreter that runs the program, and where its structures are in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Interpreter {
    /// CPython, in the dump's memory with this index.
    Python(usize, python::Interpreter),
    /// QuickJS.
    JavaScript(usize, javascript::Atoms),
}

/// The stack of an interpreter's program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreted {
    /// The program's language, as JSON names it.
    pub language: &'static str,
    /// The interpreter, for people: `Python 3.14`.
    pub title: String,
    /// True if the interpreter's structures are known; without that there are no frames.
    pub is_known: bool,
    /// The frames of the thread that ran, youngest first, in one list for each call of the evaluation loop.
    pub entries: Vec<Vec<InterpretedFrame>>,
    /// The reason why older frames are missing, if the walk had to stop.
    pub broken: Option<String>,
    /// For each list of `entries` the index of the engine's frame that runs it. Empty where these are not certain.
    placed: Vec<usize>,
}

impl Interpreter {
    /// Looks for the interpreter of the program that crashed. Memory is searched only if a module is named after an
    /// interpreter, if an evaluation loop is among the frames, or if the youngest frame's function has no name and its
    /// module contains an interpreter's bytes. (The oldest function may have a name in such a module, that of its
    /// export.)
    pub(crate) fn find(dump: &CoreDump<'_>, binaries: &Binaries, resolver: &Resolver<'_, '_>) -> Option<Interpreter> {
        let thread = dump.crashed_thread()?;
        let young = resolver.frame_count(thread).min(YOUNG_FRAMES);
        let frames = || (0..young).filter_map(|frame| resolver.frame(thread, frame));
        let is = |kind: &InterpreterKind| {
            let named = |name: &str| kind.modules.iter().any(|part| name.contains(part));
            binaries.slots().iter().any(|slot| named(&slot.name.to_ascii_lowercase()))
                || frames().any(|frame| evaluates(kind, &frame))
        };
        let holds = |kind: &InterpreterKind| {
            let binary = frames().next().and_then(|youngest| binaries.binary(youngest.module?));
            binary.is_some_and(|binary| memmem::find(binary.module().bytes(), kind.mark).is_some())
        };
        let nameless = frames().next().is_some_and(|frame| frame.function.is_none());
        let mut memories = dump.memories.iter().enumerate();
        if is(&PYTHON) || nameless && holds(&PYTHON) {
            return memories.find_map(|(index, memory)| Some(Interpreter::Python(index, python::find(memory)?)));
        }
        if is(&JAVASCRIPT) || nameless && holds(&JAVASCRIPT) {
            return memories
                .find_map(|(index, memory)| Some(Interpreter::JavaScript(index, javascript::find(memory)?)));
        }
        None
    }

    /// The uncaught exception of a program after its interpreter has ended it.
    pub(crate) fn uncaught(&self, dump: &CoreDump<'_>) -> Option<python::Uncaught> {
        let Interpreter::Python(memory, place) = self else { return None };
        let memory = dump.memories.get(*memory)?;
        let runs = !python::read(memory, place, None).threads.is_empty();
        if runs { None } else { python::uncaught(memory, place) }
    }
}

impl Interpreted {
    /// Reads the stack of the program that `interpreter` runs. `limits` bound the variables' values, without which
    /// they are left out.
    pub(crate) fn read(
        dump: &CoreDump<'_>,
        resolver: &Resolver<'_, '_>,
        interpreter: &Interpreter,
        limits: Option<Limits>,
    ) -> Option<Interpreted> {
        let (kind, title, is_known, entries, broken) = match interpreter {
            Interpreter::Python(memory, place) => {
                let python = python::read(dump.memories.get(*memory)?, place, limits);
                let (major, minor) = python.version;
                let thread = python.threads.into_iter().next().unwrap_or_default();
                (&PYTHON, format!("Python {major}.{minor}"), python.is_known, thread.entries, thread.broken)
            }
            Interpreter::JavaScript(memory, place) => {
                let stack = javascript::read(dump.memories.get(*memory)?, *place);
                let entries = stack.frames.into_iter().map(|frame| frame.into_iter().collect()).collect();
                (&JAVASCRIPT, "JavaScript (QuickJS)".to_owned(), stack.broken.is_none(), entries, stack.broken)
            }
        };
        let thread = dump.crashed_thread()?;
        let frames = (0..resolver.frame_count(thread)).filter_map(|frame| resolver.frame(thread, frame));
        let placed: Vec<_> = frames.filter(|frame| evaluates(kind, frame)).map(|frame| frame.index).collect();
        let placed = if placed.len() == entries.len() { placed } else { Vec::new() };
        Some(Interpreted { language: kind.language, title, is_known, entries, broken, placed })
    }

    /// The program's frames, youngest first, each with the index of the engine's frame that runs it.
    pub fn frames(&self) -> impl Iterator<Item = (Option<usize>, &InterpretedFrame)> {
        let entries = self.entries.iter().enumerate();
        entries.flat_map(move |(nth, entry)| entry.iter().map(move |frame| (self.placed.get(nth).copied(), frame)))
    }
}

fn evaluates(kind: &InterpreterKind, frame: &ResolvedFrame) -> bool {
    let name = frame.raw_name.as_deref().or(frame.function.as_deref());
    name.is_some_and(|name| name.contains(kind.evaluation))
}
