//! The limits set against hostile input, in one place; `docs/limits.md` explains them.
//!
//! Everything without a limit here costs at most a fixed multiple of the file's own size.

use std::borrow::Cow;

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

/// How many files are tried, found by listing folders, for modules of one dump that no path or name leads to.
pub const MAX_TRIED: usize = 1 << 16;

/// How many bytes of large files are hashed, found by listing folders, for modules of one dump that no path or name
/// leads to.
pub const MAX_HASHED: u64 = 4 << 30;

/// Data segments read from one dump.
pub const MAX_SEGMENTS: usize = 1 << 22;

/// Bytes kept of a name in a dump (thread, module, section, program), and shown of a function's name or a source's path.
pub const MAX_NAME: usize = 4096;

/// Bytes of one of our sections that hold JSON.
pub const MAX_JSON: usize = 64 << 20;

/// Bytes read from a pipe or device: what a dump can hold of memory (4 GiB), and as much again.
pub const MAX_PIPED: u64 = 8 << 30;

/// Bytes of guest memory put together in one read, when they do not lie in one piece in the file.
pub const MAX_READ: u64 = 1 << 30;

/// Entries, rows and ranges of one module's debug info that are read, in addition to four for each of its bytes.
pub const MAX_DEBUG_STEPS: u64 = 1 << 27;

/// Bytes of abbreviation tables kept for one module.
pub const MAX_ABBREVIATIONS: usize = 16 << 20;

/// Bytes kept of a name in debug info or a module, mangled or not.
pub const MAX_SYMBOL: usize = 64 << 10;

/// Bytes of one message on standard error.
pub const MAX_MESSAGE: usize = 16 << 10;

/// The text; if it is longer than `limit` bytes, its beginning with `…`.
pub fn shorten(text: &str, limit: usize) -> Cow<'_, str> {
    match text.len() > limit {
        true => Cow::Owned(format!("{}…", &text[..text.floor_char_boundary(limit)])),
        false => Cow::Borrowed(text),
    }
}
