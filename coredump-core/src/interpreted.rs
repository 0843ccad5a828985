//! The frames of an interpreter's program, beside the engine's frames that run them.

use crate::backtrace::{ResolvedFrame, Resolver};
use crate::binaries::Binaries;
use crate::model::CoreDump;
use crate::runtimes::cpython::{self, Limits, Python, PythonFrame};

/// The function of CPython that runs Python code is `_PyEval_EvalFrameDefault`; compilers make parts of it functions of
/// their own.
const EVALUATION: &str = "_PyEval_EvalFrame";
/// Frames among which the evaluation loop is looked for, to tell whether a program is an interpreter.
const YOUNG_FRAMES: usize = 256;

/// The stack of a Python program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreted {
    /// The interpreter with its threads; the first one ran.
    pub python: Python,
    /// Indices of the engine's frames that run the lists of Python frames of the first thread, youngest first. Empty where it
    /// is not certain which they are.
    placed: Vec<usize>,
}

impl Interpreted {
    /// Looks for the interpreter of the program that crashed. Memory is searched only if a module is named after Python, or
    /// the evaluation loop is among the frames. `limits` bound the variables' values, without which they are left out.
    pub fn find(
        dump: &CoreDump<'_>,
        binaries: &Binaries,
        resolver: &Resolver<'_, '_>,
        limits: Option<Limits>,
    ) -> Option<Interpreted> {
        let thread = dump.crashed_thread()?;
        let frames = || (0..resolver.frame_count(thread)).filter_map(|frame| resolver.frame(thread, frame));
        let named = binaries.slots().iter().any(|slot| slot.name.to_ascii_lowercase().contains("python"));
        if !named && !frames().take(YOUNG_FRAMES).any(|frame| evaluates(&frame)) {
            return None;
        }
        let python = dump.memories.iter().find_map(|memory| cpython::read(memory, limits))?;
        let placed: Vec<_> = frames().filter(evaluates).map(|frame| frame.index).collect();
        let entries = python.threads.first().map_or(0, |thread| thread.entries.len());
        Some(Interpreted { python, placed: if placed.len() == entries { placed } else { Vec::new() } })
    }

    /// The Python frames of the thread that ran, youngest first, each with the index of the engine's frame that runs it.
    pub fn frames(&self) -> impl Iterator<Item = (Option<usize>, &PythonFrame)> {
        let entries = self.python.threads.first().into_iter().flat_map(|thread| &thread.entries).enumerate();
        entries.flat_map(move |(nth, entry)| entry.iter().map(move |frame| (self.placed.get(nth).copied(), frame)))
    }
}

fn evaluates(frame: &ResolvedFrame) -> bool {
    let name = frame.raw_name.as_deref().or(frame.function.as_deref());
    name.is_some_and(|name| name.contains(EVALUATION))
}
