//! Rewrites a module so that it notes which instructions change some bytes of its memory.
//!
//! Code is added before and after each instruction that writes to the watched memory: if the instruction is about to
//! touch the watched bytes, they are copied before it, and compared after it. Functions, a memory, an export and locals
//! are only appended, so no index changes, and the rewritten program does what the original did.

use coredump_core::error::{Error, ErrorKind, Result};
use wasm_encoder::Module;
use wasm_encoder::reencode::{self, Reencode};

mod code;
mod layout;
mod operators;
mod sections;

use sections::Rewriter;

pub use layout::Layout;
pub use operators::WriteInstruction;

/// Name under which the rewritten module exports its notes.
pub const NOTES: &str = "coredump-run:notes";

/// The number of changes that are kept; these are the last ones.
pub const KEPT: u64 = 1024;

/// The largest range that can be watched, in bytes.
pub const LONGEST: u64 = 4096;

/// The greatest number of instructions, as fuel counts them, that replace one instruction. The instructions that are
/// executed for each touch are not included.
pub const LARGER: u64 = 32;

/// Offset in the notes of the number of changes (u64).
const TOTAL: u64 = 0;
/// Offset in the notes of the number of touches (u64).
const TOUCHES: u64 = 8;
/// Offset in the notes of the bytes before a write.
const BEFORE: u64 = 64;

/// The bytes that are watched.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    /// The memory, by the module's index.
    pub memory: u32,
    /// Address of the first byte.
    pub address: u64,
    /// The number of bytes that are watched, at most [`LONGEST`].
    pub len: u64,
}

/// An instruction that writes to the watched memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct WriteSite {
    /// The number of the instruction's module, if there are several.
    pub module: u32,
    /// Index of the instruction's function.
    pub function: u32,
    /// Offset of the instruction in the module's file, in bytes.
    pub offset: u64,
    /// Position of the address on the operand stack, counted from the top (0).
    pub depth: u32,
    /// The immediate that is added to the address.
    pub plus: u64,
    /// The number of bytes that the instruction writes; `None` if their number is on top of the operand stack.
    pub size: Option<u64>,
}

impl WriteSite {
    /// Code offset of the instruction in its function, in bytes.
    pub fn code_offset(&self, binary: &[u8]) -> Option<u32> {
        let body = coredump_core::module::Module::parse(binary).ok()?.body(self.function)?;
        u32::try_from(self.offset.checked_sub(body.start)?).ok()
    }
}

impl Watch {
    /// Returns true if a write of `size` bytes at `address` touches the watched bytes.
    pub fn touches(&self, address: u64, size: u64) -> bool {
        address < self.address.saturating_add(self.len) && address.saturating_add(size) > self.address
    }
}

/// A change that was noted.
#[derive(Clone, Debug)]
pub struct Change {
    /// The number of changes by instructions that came before this one.
    pub number: u64,
    /// Index of the instruction's site.
    pub site: u32,
    /// The number of times that the instruction had touched the watched bytes by then.
    pub times: u64,
    /// The bytes before.
    pub before: Vec<u8>,
    /// The bytes after.
    pub after: Vec<u8>,
}

/// A rewritten module.
pub struct Rewritten {
    /// The bytes of the module.
    pub binary: Vec<u8>,
    /// The instructions that write, by the number under which they are noted.
    pub sites: Vec<WriteSite>,
    len: u64,
}

impl Rewritten {
    /// Returns the number of changes that were noted.
    pub fn total(notes: &[u8]) -> u64 {
        word(notes, TOTAL)
    }

    /// The size of the added memory, in bytes.
    pub fn notes_size(&self) -> u64 {
        notes_size(self.len, self.sites.len() as u64)
    }

    /// Returns the number of times that the watched bytes were touched.
    pub fn touches(notes: &[u8]) -> u64 {
        word(notes, TOUCHES)
    }

    /// The sites that touched the watched bytes.
    pub fn touching(&self, notes: &[u8]) -> Vec<WriteSite> {
        let touched = |index: usize| word(notes, counters(self.len) + 8 * index as u64) > 0;
        self.sites.iter().enumerate().filter(|(index, _)| touched(*index)).map(|(_, site)| *site).collect()
    }

    /// The last changes that were noted, oldest first.
    pub fn changes(&self, notes: &[u8]) -> Vec<Change> {
        let total = Rewritten::total(notes);
        let entry = |number: u64| {
            let at = entries(self.len) + number % KEPT * entry_size(self.len);
            let head = word(notes, at);
            let (site, known) = (head as u32, (head >> 32).min(self.len));
            let bytes = |from: u64| {
                let from = (at + from) as usize;
                notes.get(from..from + known as usize).unwrap_or_default().to_vec()
            };
            let (before, after) = (bytes(16), bytes(16 + self.len));
            Change { number, site, times: word(notes, at + 8), before, after }
        };
        (total.saturating_sub(KEPT)..total).map(entry).collect()
    }
}

fn word(notes: &[u8], at: u64) -> u64 {
    let bytes = notes.get(at as usize..).and_then(|bytes| bytes.first_chunk());
    bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn entries(len: u64) -> u64 {
    (BEFORE + len).next_multiple_of(64)
}

/// The size in bytes of a noted change. Its fields are the site (u32), how many bytes are known (u32), how many times
/// the site touched them (u64), the bytes before, and the bytes after.
fn entry_size(len: u64) -> u64 {
    (16 + 2 * len).next_multiple_of(8)
}

fn counters(len: u64) -> u64 {
    entries(len) + KEPT * entry_size(len)
}

/// The size in bytes of the notes for this many sites.
fn notes_size(len: u64, sites: u64) -> u64 {
    (counters(len) + 8 * sites).next_multiple_of(1 << 16)
}

/// Returns the greatest number of further instructions that are executed for each touch of `len` bytes.
pub fn cost_of_touch(len: u64) -> u64 {
    128 + 32 * len
}

/// Rewrites a module. Changes after the touch number `last` (counted from 1) are not noted.
///
/// # Errors
///
/// Fails if the module contains something that cannot be rewritten, which the error names.
pub fn rewrite(binary: &[u8], watch: Watch, last: u64) -> Result<Rewritten> {
    let layout = Layout::parse(binary, watch.memory).map_err(malformed)?;
    // The size of the notes depends on the number of sites, which is known only after the memory section: so the module
    // is rewritten twice.
    let mut first = Rewriter::new(watch, last, &layout, 0);
    let mut module = Module::new();
    first.parse_core_module(&mut module, wasmparser::Parser::new(0), binary).map_err(failed)?;
    let mut second = Rewriter::new(watch, last, &layout, first.sites.len() as u64);
    let mut module = Module::new();
    second.parse_core_module(&mut module, wasmparser::Parser::new(0), binary).map_err(failed)?;
    Ok(Rewritten { binary: module.finish(), sites: second.sites, len: watch.len })
}

fn malformed(error: wasmparser::BinaryReaderError) -> Error {
    Error::malformed(error.offset() as u64, format!("the module cannot be read: {}", error.message()))
}

fn failed(error: reencode::Error) -> Error {
    Error::new(ErrorKind::Malformed, format!("the module cannot be rewritten: {error}"))
}

#[cfg(test)]
mod tests;
