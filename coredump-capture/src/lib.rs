//! Core dumps from any host that embeds wasmtime 48: from its own `Store<T>` to a dump with everything that the engine
//! knows, in the layout that `docs/format.md` describes.
//!
//! An engine is set up for [`Full`] detail or to run [`Plain`]; a [`Recorder`] sees what happens in a store and
//! writes the dump. `docs/embedding.md` shows how, and `examples/embed.rs` is a whole host. It never panics, and a dump that cannot be written is a value ([`Dumped::place`]).

// Some items are there for `internals` alone.
#![cfg_attr(not(feature = "internals"), allow(dead_code))]

mod binary;
mod budget;
mod capture;
mod catalog;
mod cause;
mod contents;
mod emptiable;
mod exceptions;
mod extent;
mod final_dump;
mod frames;
mod head;
mod keep;
mod nullable;
mod numbers;
mod objects;
mod output;
mod pages;
mod pattern;
mod plain;
mod quietly;
mod reach;
mod recorder;
mod roots;
mod saved;
mod setup;
mod shared;
mod types;
mod values;

pub use binary::Binary;
pub use budget::Budget;
pub use capture::Capture;
pub use cause::Cause;
pub use extent::MemoryChoice;
pub use final_dump::Dumped;
pub use output::{DumpPlace, Output};
pub use recorder::{Classify, Complete, HEAP_LIMIT, Recorder, Settings};
pub use setup::{Full, Plain};

/// Items that `coredump-run` needs besides, since it writes its dumps itself. No promise is made for any of it.
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals {
    pub use crate::binary::{read_file, read_program};
    pub use crate::capture::{Stack, Stop};
    pub use crate::cause::{message, trap_kind};
    pub use crate::exceptions::SeenException;
    pub use crate::extent::CaptureExtent;
    pub use crate::final_dump::FinalDump;
    pub use crate::output::{Companion, HeldDump, host_name};
    pub use crate::plain::Noted;
    pub use crate::quietly::quietly;
    pub use crate::recorder::{Watcher, needs_detail, timestamp};
}

/// The engine and its version, as `wasmtime 48.0.8`.
pub const RUNTIME: &str = concat!("wasmtime ", env!("WASMTIME_VERSION"));

/// The page about embedding, whose example is compiled as a test.
#[cfg(doctest)]
#[doc = include_str!("../../docs/embedding.md")]
pub struct Embedding;
