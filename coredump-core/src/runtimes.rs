//! Stacks that a language's own runtime keeps in linear memory, as plain data: goroutines, the frames of an
//! interpreter.
//!
//! The frames of a dump are those of the engine. A runtime that switches between tasks by itself, or interprets another
//! language, has stacks of its own in linear memory. The folder of the language (`lang/go`, `lang/python`, …) reads
//! them from memory alone, without debug information. Inconsistent structures are not shown, and an unknown version is
//! reported as such.

use std::sync::Arc;

use crate::symbols::Location;

/// A runtime that was found in a dump, with its tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Runtime {
    /// The language, as JSON names it.
    pub language: &'static str,
    /// Index of the dump's thread that the current task ran on.
    pub thread: usize,
    /// Index of the module that the runtime is part of.
    pub module: u32,
    /// Its tasks; the one that was running comes first.
    pub tasks: Vec<Task>,
    /// True if there are more tasks than are listed.
    pub truncated: bool,
    /// The runtime's own names of the functions of the thread's frames, youngest first.
    pub names: Vec<Option<Arc<str>>>,
}

impl Runtime {
    /// The task that ran when the program ended.
    pub fn current(&self) -> Option<&Task> {
        self.tasks.first().filter(|task| task.current)
    }
}

impl Runtime {
    /// The runtime's own name for the function of one of the thread's frames, where it is better than the binary's: a
    /// stripped binary has none, and Go's linker replaces everything but letters, digits, `_` and dots by `_` in the
    /// name section.
    pub(crate) fn name(&self, frame: usize, known: Option<&str>) -> Option<&Arc<str>> {
        let own = self.names.get(frame)?.as_ref()?;
        let is_kept = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.');
        let written = own.chars().map(|letter| if is_kept(letter) { letter } else { '_' });
        known.is_none_or(|known| known != &**own && written.eq(known.chars())).then_some(own)
    }
}

/// A task of a language's runtime: a goroutine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Task {
    /// The runtime's own number for it.
    pub id: u64,
    /// Its status, in the runtime's own words: `running`, `waiting`, `runnable`.
    pub status: String,
    /// The reason why it waits, in the runtime's own words: `chan receive`.
    pub wait_reason: Option<String>,
    /// Addresses of what it waits for: channels, or the word of a lock.
    pub waits_for: Vec<u64>,
    /// The number of the task that started it.
    pub parent: Option<u64>,
    /// The statement that started it, with its function.
    pub created_by: Option<TaskFrame>,
    /// Its frames, youngest first; a call that was inlined is a frame of its own.
    pub frames: Vec<TaskFrame>,
    /// The reason why frames are missing, if the walk had to stop before the stack's end.
    pub broken: Option<String>,
    /// True if it ran when the program ended.
    pub current: bool,
}

impl Task {
    /// Its frames, each with the calls that were inlined in it first.
    pub fn physical(&self) -> impl Iterator<Item = &[TaskFrame]> {
        self.frames.split_inclusive(|frame| !frame.inlined)
    }
}

/// A function that was active in a task.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskFrame {
    /// The function's name.
    pub function: Arc<str>,
    /// Its source file as the program was built.
    pub file: Option<Arc<str>>,
    /// The line, counted from 1.
    pub line: Option<u32>,
    /// True if it was inlined into the function of the next frame.
    pub inlined: bool,
    /// The runtime's own code address.
    pub pc: u64,
    /// Index of the WebAssembly function; imported functions count.
    pub function_index: Option<u32>,
}

/// A frame of a program that an interpreter runs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InterpretedFrame {
    /// The function's qualified name.
    pub function: Arc<str>,
    /// Its source file, as the interpreter names it.
    pub file: Option<Arc<str>>,
    /// The line, counted from 1.
    pub line: Option<u32>,
    /// The column, counted from 1 in bytes of UTF-8.
    pub column: Option<u32>,
    /// Its local variables that have a value.
    pub variables: Vec<InterpretedVariable>,
}

impl InterpretedFrame {
    /// Returns the place where it stood in the source, if file and line are known.
    pub fn location(&self) -> Option<Location> {
        Some(Location { file: self.file.clone()?, line: self.line?, column: self.column })
    }
}

/// A variable of such a function.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InterpretedVariable {
    /// Its name.
    pub name: String,
    /// The name of its value's type.
    pub type_name: String,
    /// Its value, as Python's `repr()` writes it; `None` if it cannot be read.
    pub value: Option<String>,
    /// True if it is a parameter.
    pub is_parameter: bool,
    /// The address of its value.
    pub address: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gos_own_names_stand_for_what_its_linker_makes_of_them() {
        let names = [Some("main.(*Circle).Area".into()), Some("main.main".into()), None];
        let runtime =
            Runtime { language: "go", thread: 0, module: 0, tasks: Vec::new(), truncated: false, names: names.into() };
        let name = |frame, known| runtime.name(frame, known).map(|name| &**name);
        assert_eq!(name(0, Some("main.__Circle_.Area")), Some("main.(*Circle).Area"));
        assert_eq!(name(0, None), Some("main.(*Circle).Area"));
        assert_eq!(name(0, Some("main.other")), None, "it is another function's");
        assert_eq!((name(1, Some("main.main")), name(2, None), name(3, None)), (None, None, None));
    }
}
