//! Decides which names a redacted document may contain: only names that also occur outside of the data that is left
//! out.
//!
//! Names of functions and files come from binaries, with three exceptions: names that a language's runtime keeps in
//! linear memory, names of a program that an interpreter runs, and names in a trace whose binary is not known, which
//! may be any text.

use std::collections::HashSet;

use coredump_core::runtimes::{Runtime, TaskFrame};
use coredump_core::{Dump, Frame};

use super::Document;

impl Document<'_> {
    /// Returns true if the names of the runtime's functions and files may be shown.
    pub(super) fn tells_runtime(&self) -> bool {
        !self.redact
            || *self.vouched.get_or_init(|| self.dump.runtime().is_none_or(|runtime| stands(runtime, self.dump)))
    }

    /// Returns true if the names of a frame may be shown.
    pub(super) fn tells(&self, frame: &Frame) -> bool {
        !self.redact || self.tells_runtime() && !self.is_printed(frame)
    }

    /// Returns true if the names of all frames that place and signature of the crash are made of may be shown.
    pub(super) fn tells_crash(&self) -> bool {
        let frames = || self.dump.threads().flat_map(|thread| thread.frames().collect::<Vec<_>>());
        let traced = || self.recorded().trace_line.is_some() && frames().any(|frame| self.is_printed(&frame));
        !self.redact || self.tells_runtime() && !traced() && self.tells_script()
    }

    /// Returns true if the names in place and signature of an interpreted program's crash are in a binary, as they are if the program was built into it.
    fn tells_script(&self) -> bool {
        if self.interpreted.as_ref().is_none_or(|program| program.frames().next().is_none()) {
            return true;
        }
        let crash = self.dump.crash();
        let place = crash.place.iter().flat_map(|place| {
            let file = place.location.as_ref().map(|location| &*location.file);
            std::iter::once(&*place.function).chain(file)
        });
        let names = crash.signature.iter().flat_map(|signature| signature.split(" | "));
        let binaries =
            || self.dump.binaries().slots().iter().filter_map(|slot| Some(slot.found.as_ref()?.binary.module()));
        let stands = |name: &str| {
            let ends = |text: &[u8]| text.ends_with(name.as_bytes());
            binaries().any(|module| module.bytes().split(|&byte| byte == 0).any(ends))
        };
        place.chain(names).all(stands)
    }

    /// Returns true if a frame's name is only the text of a trace: its binary, if there is one, has no such name.
    fn is_printed(&self, frame: &Frame) -> bool {
        let place = (frame.thread().index(), frame.index());
        let resolved = frame.resolved();
        let Some(printed) =
            self.recorded().printed.get(&place).filter(|name| resolved.raw_name.as_ref() == Some(*name))
        else {
            return false;
        };
        let binary = resolved.module.and_then(|module| self.dump.binaries().binary(module));
        let own = binary.and_then(|binary| binary.module().function_name(resolved.function_index?));
        own != Some(&**printed)
    }
}

/// Returns true if all texts of a runtime are in its binary, each followed by a NUL as compilers write them: then they are no secrets of the dump.
fn stands(runtime: &Runtime, dump: &Dump) -> bool {
    let tasks = runtime.tasks.iter().flat_map(|task| task.frames.iter().chain(&task.created_by));
    let of_frame = |frame: &'_ TaskFrame| [Some(frame.function.clone()), frame.file.clone()];
    let texts = tasks.flat_map(of_frame).chain(runtime.names.iter().cloned()).flatten();
    let mut texts: HashSet<Vec<u8>> = texts.map(|text| text.as_bytes().to_vec()).collect();
    let Some(binary) = dump.binaries().binary(runtime.module) else { return texts.is_empty() };
    for text in binary.module().bytes().split(|&byte| byte == 0) {
        texts.remove(text);
    }
    texts.is_empty()
}
