//! Recordings of what a host answered to a program, so that the program can be replayed without that host.
//!
//! WebAssembly is deterministic but for what the host does: the results of imported functions, the bytes that they
//! write into the program's memory, and whether a memory may grow. A recording is the list of these answers in the
//! order in which the program got them (the log), and what it takes to start the program in the same way ([`Start`]).
//!
//! In a dump it is the custom section [`SECTION`]: the size of the JSON of [`Start`] (u32, LEB128), the JSON, and the
//! log. Each event of the log begins with a tag:
//!
//! | tag | event | what follows |
//! | --- | --- | --- |
//! | 1 | a call returned 0, or nothing | function, hash, writes |
//! | 2 | a call returned another value | function, hash, the value's bits (u64, LEB128), writes |
//! | 3 | a call ended the program | function, hash, a failure, writes |
//! | 4 | a memory was not allowed to grow | current size, size asked for, and how many times the same was allowed since the last event |
//! | 5 | a call of a component returned | function, hash, how many bytes its results take (u64, LEB128), and these |
//! | 6 | a call returned 0 that read from a file | function, hash, passage, address (u64, LEB128), writes |
//! | 7 | a call of a component returned that read from a file | function, hash, passage, as 5 without the passage, where in that it is (u64, LEB128) |
//!
//! The function counts [`Start::functions`] (u32, LEB128), the hash is that of the arguments ([`hash`], 4 bytes, little
//! endian). Writes are their number, and for each its address and length (u64, LEB128) and its bytes. A failure is a
//! byte that says of which kind and, for 0, an exit code (u32, LEB128), for 1 a message (its length as u32, LEB128, and
//! UTF-8), for 2 the number of the signal that ended the program, or 0 for a timeout (u32, LEB128). A passage is the
//! index of a file (u32, LEB128), offset and length in it in bytes (u64, LEB128), and the digest XXH3 of its bytes (8
//! bytes, little endian; 0 where the file is known by its stamp).
//!
//! A long log may be in a file of its own, beside the dump ([`Start::file`]). Then the section ends with the JSON.
//!
//! Passages occur only in the log of a program that runs or has just ended, while the files are open. A dump has the
//! bytes themselves, in events 1 and 5.

mod read;
mod write;

use serde::{Deserialize, Serialize};

pub use read::{EventReader, Recording};
pub use write::{Pieces, call, growth_refused, reading, returned, section_head, values_read};

/// Name of the custom section that holds a recording.
pub const SECTION: &str = "coredump.recording";

/// The version of the format that is written and read here.
pub const VERSION: u32 = 1;

/// Bytes of the log that have a digest of their own in [`Start::digests`].
pub const CHUNK: usize = 1 << 20;

/// The start of the program, and the meaning of the log's numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Start {
    /// [`VERSION`] of the format.
    pub version: u32,
    /// The engine, as `wasmtime 48.0.8`.
    pub runtime: String,
    /// SHA-256 of the module that ran, lower-case hex.
    pub sha256: String,
    /// The export that was called, if it was not the program's start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invoke: Option<String>,
    /// The parameters of that export, as text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<String>,
    /// The fuel that the program was given, in the engine's units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    /// The limit in bytes on all memories, tables and garbage-collected objects together (`--max-memory`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_memory: Option<u64>,
    /// The size in bytes of the stack for its functions.
    pub max_wasm_stack: u64,
    /// The functions that were called, as import module and name.
    pub functions: Vec<(String, String)>,
    /// The number of calls in the log.
    pub calls: u64,
    /// BLAKE3 of each [`CHUNK`] of the log, the last of which may be shorter, in lower-case hex.
    pub digests: Vec<String>,
    /// The place at which the program was stopped, if it did not end by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<ProgramStop>,
    /// The name of the file that holds the log, if it is not in the section. It is in the dump's folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// The place at which a program was stopped from outside: after the last event of the log, at the next call of the host
/// or before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProgramStop {
    /// The number of the signal that stopped it; none for a timeout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// The host call in which it was stopped: its function, as in the log, and the [`hash`] of its arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<(u32, u32)>,
    /// The distance that it ran after the last call of the log, in the engine's units of fuel (about one for each
    /// instruction). It was stopped at the beginning of the first loop or function after that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
}

/// A decision of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The host answered a call.
    Call(RecordedCall<'a>),
    /// The host did not let a memory grow.
    GrowthRefused(Refusal),
}

/// An answered call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedCall<'a> {
    /// Index into [`Start::functions`].
    pub function: u32,
    /// [`hash`] of the arguments.
    pub arguments: u32,
    /// The result of the call.
    pub outcome: Outcome<'a>,
    /// The bytes that it wrote into the program's memory, in order.
    pub writes: Vec<Write<'a>>,
    /// The part of a file that it read, if the bytes are not in the log.
    pub read: Option<Read>,
}

/// A call's read from a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// The part of the file.
    pub passage: Passage,
    /// The destination of the bytes: an address in the program's memory, written before the other writes; for a
    /// component's call, the byte position in its encoded results.
    pub to: u64,
}

/// A part of a file, as it was when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passage {
    /// The number of the file; files are numbered as they are first read from.
    pub file: u32,
    /// Offset of the first byte in the file.
    pub offset: u64,
    /// Its length in bytes.
    pub len: u64,
    /// XXH3 of the bytes, which reveals that the file has changed since; 0 where the file's stamp does. It does not
    /// protect against deliberate collisions.
    pub digest: u64,
}

/// The result of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// It returned; the bits of the result, 0 where there is none.
    Returned(u64),
    /// It returned to a component; the function's type decides the encoding. The component itself puts the results into
    /// its memory, so such a call has no writes.
    Values(&'a [u8]),
    /// It ended the program.
    Failed(Failure),
}

/// The way in which a call ended the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The program left, with this code.
    Exit(i32),
    /// The host failed with this message.
    Message(String),
    /// The program was ended from outside: by the signal of this number, or by a timeout.
    Interrupted(Option<u32>),
}

/// Bytes that the host wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write<'a> {
    /// Address of the first byte.
    pub address: u64,
    /// The bytes.
    pub bytes: &'a [u8],
}

/// A memory that was not allowed to grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its size in bytes.
    pub current: u64,
    /// The size that was asked for, in bytes.
    pub desired: u64,
    /// The number of times that the same growth was allowed since the last event, for another memory of the same size.
    pub allowed: u32,
}

/// A hash of a call's arguments, each as its bits. Another order or another number of arguments gives another hash.
#[inline]
pub fn hash(arguments: &[u64]) -> u32 {
    mixed(arguments.iter().copied())
}

/// A [`hash`] of arguments that are encoded as bytes.
pub fn hash_bytes(bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let words = words.iter().map(|word| u64::from_le_bytes(*word));
    mixed(words.chain([u64::from_le_bytes(last), bytes.len() as u64]))
}

#[inline]
fn mixed(words: impl Iterator<Item = u64>) -> u32 {
    // One rotation and one multiplication for each word, as in FxHash: the hash distinguishes calls, and need not
    // resist deliberate collisions.
    const FACTOR: u64 = 0xf135_7aea_2e62_a9c5;
    let state = words.fold(FACTOR, |state, word| (state.rotate_left(26) ^ word).wrapping_mul(FACTOR));
    (state >> 32) as u32
}

#[cfg(test)]
mod tests;
