//! The limits set against hostile input, in one place; `docs/limits.md` explains them.
//!
//! Everything without a limit here costs at most a fixed multiple of the file's own size.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

/// Sections read from one dump. Reading stops there.
pub const MAX_SECTIONS: usize = 1 << 16;

/// Damaged or repeated sections of one dump that are reported.
pub const MAX_WARNINGS: usize = 64;

/// Frames read from one dump, all threads together. Older ones beyond it are dropped with a warning.
pub const MAX_FRAMES: usize = 1 << 20;

/// Wasm locals and operands kept from one dump. In the frames beyond it they are unknown, with a warning.
pub const MAX_VALUES: usize = 1 << 22;

/// Modules, instances, memories or globals read from one dump, each.
pub const MAX_ITEMS: usize = 1 << 20;

/// Modules of one dump whose binaries are looked for, those that frames run in first.
pub const MAX_LOCATED: usize = 1000;

/// The most files, found by listing folders, that are tried for those modules of one dump to which no path or name
/// leads.
pub const MAX_TRIED: usize = 1 << 16;

/// The most bytes that are hashed of large files, found by listing folders, for those modules of one dump to which no
/// path or name leads.
pub const MAX_HASHED: u64 = 4 << 30;

/// Data segments read from one dump.
pub const MAX_SEGMENTS: usize = 1 << 22;

/// Bytes kept of a name in a dump (thread, module, section, program), and shown of a function's name or a source's
/// path.
pub const MAX_NAME: usize = 4096;

/// Bytes of one of our sections that hold JSON.
pub const MAX_JSON: usize = 64 << 20;

/// Bytes read from a pipe or device: what a dump can hold of memory (4 GiB), and as much again.
pub const MAX_PIPED: u64 = 8 << 30;

/// Bytes of guest memory put together in one read, when they do not lie in one piece in the file.
pub const MAX_READ: u64 = 1 << 30;

/// Entries, rows and ranges of one module's debug info that are read, in addition to four for each of its bytes. And
/// entries, types and entries of location lists that are looked at for the variables of one dump.
pub const MAX_DEBUG_STEPS: u64 = 1 << 27;

/// Entries of one list of ranges or locations, in addition to those for which there is room up to the list that comes
/// last.
pub const MAX_LIST: usize = 1 << 20;

/// Bytes of abbreviation tables kept for one module.
pub const MAX_ABBREVIATIONS: usize = 16 << 20;

/// The most files and folders of line tables that are kept for the compilation units of one module, in addition to one
/// for each four bytes of its debug info, and as many for its type units. Units that share a table have a list of their
/// own each.
pub const MAX_TABLE_FILES: u64 = 1 << 20;

/// Bytes kept of a name in debug info or a module, mangled or not.
pub const MAX_SYMBOL: usize = 64 << 10;

/// Bytes of one message on standard error.
pub const MAX_MESSAGE: usize = 16 << 10;

/// Steps of work that are left. Threads that share them may now and then count two as one: a load and a store are as
/// cheap as with a plain number, while an atomic exchange is not, and the limit need not be exact.
#[derive(Debug)]
pub struct Steps(AtomicU64);

impl Steps {
    /// Makes a limit of this many steps.
    pub fn new(steps: u64) -> Steps {
        Steps(AtomicU64::new(steps))
    }

    /// Counts some steps; returns whether the limit allows them.
    pub fn spend(&self, steps: usize) -> bool {
        let left = self.0.load(Ordering::Relaxed).checked_sub(steps as u64);
        self.0.store(left.unwrap_or(0), Ordering::Relaxed);
        left.is_some()
    }

    /// Allows so many steps again, unless all were used.
    pub fn renew(&self, steps: u64) {
        if !self.are_spent() {
            self.0.store(steps, Ordering::Relaxed);
        }
    }

    /// Returns true if no step is left.
    pub fn are_spent(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

/// The limit on what is read of lists that may overlap: each of many entries of debug info may refer to another part of
/// one long list. Lists that do not overlap have no more entries than there are bytes from the first of them to the
/// last, and those of the last.
#[derive(Debug, Default)]
pub struct Overlap {
    lists: Option<(usize, usize)>,
    read: usize,
}

impl Overlap {
    /// Returns the number of entries that may be read of the list at this offset.
    pub fn room(&mut self, offset: usize) -> usize {
        let (first, last) = self.lists.unwrap_or((offset, offset));
        let (first, last) = (first.min(offset), last.max(offset));
        self.lists = Some((first, last));
        (MAX_LIST + (last - first)).saturating_sub(self.read)
    }

    /// Counts entries that were read.
    pub fn spend(&mut self, entries: usize) {
        self.read = self.read.saturating_add(entries);
    }
}

/// The text; if it is longer than `limit` bytes, its beginning with `…`.
pub fn shorten(text: &str, limit: usize) -> Cow<'_, str> {
    match text.len() > limit {
        true => Cow::Owned(format!("{}…", &text[..text.floor_char_boundary(limit)])),
        false => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_that_do_not_overlap_have_room() {
        let mut overlap = Overlap::default();
        // Each entry takes a byte, and the last list is as long as any may be.
        for (offset, entries) in [(0, 5), (5, 100), (105, MAX_LIST)] {
            assert!(overlap.room(offset) >= entries, "{offset}");
            overlap.spend(entries);
        }
    }

    #[test]
    fn parts_of_one_list_have_as_much_room_as_the_list() {
        let (mut overlap, mut read) = (Overlap::default(), 0);
        for offset in (0..10_000).rev() {
            let entries = overlap.room(offset).min(10_000 - offset);
            overlap.spend(entries);
            read += entries;
        }
        assert!(read <= MAX_LIST + 10_000, "{read}");
    }
}
