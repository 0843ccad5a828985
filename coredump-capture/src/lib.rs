//! Core dumps from any host that embeds wasmtime 48: from its own `Store<T>` to a dump with everything that the engine
//! knows, in the layout that `docs/format.md` describes.
//!
//! An engine is set up for [`Full`] detail or to run [`Plain`]; a [`Recorder`] sees what happens in a store and
//! writes the dump. `docs/embedding.md` shows how, and `examples/embed.rs` is a whole host. It never panics, and a dump that cannot be written is a value ([`Dumped::place`]).

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

pub use binary::{Binary, read_file};
pub use budget::Budget;
pub use capture::{Capture, Stack, Stop};
pub use cause::{Cause, message, trap_kind};
pub use exceptions::Seen;
pub use extent::{Extent, MemoryChoice};
pub use final_dump::{Dumped, FinalDump};
pub use output::{DumpPlace, Held, Output, host_name};
pub use plain::Noted;
pub use quietly::quietly;
pub use recorder::{Classify, Complete, HEAP_LIMIT, Recorder, Settings, Watcher, needs_detail, timestamp};
pub use setup::{Full, HOST_STACK, Plain};

/// The engine and its version, as `wasmtime 48.0.8`.
pub const RUNTIME: &str = concat!("wasmtime ", env!("WASMTIME_VERSION"));

/// The page about embedding, whose example is compiled as a test.
#[cfg(doctest)]
#[doc = include_str!("../../docs/embedding.md")]
pub struct Embedding;
