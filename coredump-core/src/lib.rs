//! Reads, writes and understands WebAssembly core dumps.
//!
//! This is the library under the tools of the project: `coredump-run`, `coredump-bt`, `coredump-json`, `coredump-dump`
//! and `coredump-serve`. [`Dump`] is the way in: it opens a dump, finds the binaries of its modules, and gives out its
//! threads, frames, variables and memories.
//!
//! ```
//! use coredump_core::{Draft, Limits, Options, Store};
//!
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/dumps/sum-O0.wasmtime.coredump");
//! # let modules = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/modules");
//! let options = Options::default().symbol_path(modules);
//! let dump = Draft::open(path)?.find_binaries(&Store::new(), &options);
//! assert_eq!(dump.crash().reason.as_ref().map(|reason| reason.kind.as_str()), Some("integer-divide-by-zero"));
//! for thread in dump.threads() {
//!     for frame in thread.frames() {
//!         println!("{} {}", frame.index(), frame.function().unwrap_or("?"));
//!         for scope in frame.variables(Limits::default()) {
//!             for variable in scope.variables {
//!                 println!("    {} = {}", variable.name, variable.text());
//!             }
//!         }
//!     }
//! }
//! # Ok::<(), coredump_core::Error>(())
//! ```
//!
//! Whatever is not known is `None` or has a status that says why: it is never zero, and a line is never taken from a
//! binary that does not belong to the dump.
//!
//! Modules use each other in one direction only, which `docs/architecture.md` lists.

// Some items are used only with the feature `internals`.
#![cfg_attr(not(feature = "internals"), allow(dead_code, unused_imports))]

mod backtrace;
mod binaries;
mod buffer;
mod catalog;
mod component;
mod digest;
mod dump;
mod expression;
mod files;
mod lang;
mod limits;
mod locate;
mod location;
mod locked;
mod mapped;
mod metered;
mod new_file;
mod producers;
mod read;
mod recording;
mod rule;
mod scope;
mod sections;
mod signature;
mod stamp;
mod symbols;
mod unasked;
mod unwind;
mod values;
mod variables;

#[cfg(feature = "cli")]
pub mod cli;
pub mod compressed;
pub mod crash;
pub mod error;
pub mod extension;
pub mod fold;
pub mod gc;
pub mod heap;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;
pub mod interpreted;
pub mod memory;
pub mod model;
pub mod module;
pub mod objects;
pub mod reason;
pub mod regions;
pub mod runtimes;
pub mod search;
pub mod tasks;
pub mod text;
pub mod trace;
pub mod write;

pub use backtrace::{Call, InlinedFrame, Location, ResolvedFrame};
pub use binaries::{Binaries, Binary, Found, Refused, Slot, Verification};
pub use component::Component;
pub use crash::Crash;
pub use dump::{Draft, Dump, Frame, Store, Thread};
pub use error::{Error, ErrorKind, Result};
pub use locate::Options;
pub use mapped::{Bytes, Mapping};
pub use memory::Memory;
pub use model::CoreDump;
pub use reason::CrashReason;
pub use symbols::{EmbeddedSource, SourceFrame, SymbolsKind};
pub use variables::{ExpressionError, Limits, Register, Scope, Shapes, Status, Variable, VariableKind, When};

/// The README, whose program is compiled as a test.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
