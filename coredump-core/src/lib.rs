//! Reads, writes and understands WebAssembly core dumps.
//!
//! This is the library under `coredump-run`, `coredump-bt`, `coredump-json` and `coredump-dump`. [`Dump`] is the way in:
//! it opens a dump, finds the binaries of its modules, and gives out its threads, frames, variables and memories.
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

#[doc(hidden)]
pub mod backtrace;
pub mod binaries;
#[doc(hidden)]
pub mod buffer;
mod catalog;
#[cfg(feature = "cli")]
pub mod cli;
pub mod compressed;
pub mod crash;
#[doc(hidden)]
pub mod digest;
pub mod dump;
pub mod error;
mod expression;
pub mod extension;
#[doc(hidden)]
pub mod files;
pub mod fold;
pub mod gc;
pub mod heap;
pub mod interpreted;
mod lang;
#[doc(hidden)]
pub mod limits;
#[doc(hidden)]
pub mod locate;
mod location;
mod locked;
#[doc(hidden)]
pub mod mapped;
pub mod memory;
pub mod model;
pub mod module;
pub mod new_file;
pub mod objects;
#[doc(hidden)]
pub mod producers;
#[doc(hidden)]
pub mod read;
pub mod reason;
pub mod recording;
pub mod regions;
mod rule;
pub mod runtimes;
mod scope;
pub mod search;
mod sections;
#[doc(hidden)]
pub mod signature;
#[doc(hidden)]
pub mod stamp;
#[doc(hidden)]
pub mod symbols;
pub mod tasks;
pub mod text;
pub mod trace;
#[doc(hidden)]
pub mod unasked;
mod unwind;
mod values;
#[doc(hidden)]
pub mod variables;
pub mod write;

pub use backtrace::{InlinedFrame, Location, ResolvedFrame};
pub use crash::Crash;
pub use dump::{Draft, Dump, Frame, Store, Thread};
pub use error::{Error, ErrorKind, Result};
pub use locate::Options;
pub use mapped::Bytes;
pub use memory::Memory;
pub use model::CoreDump;
pub use reason::CrashReason;
pub use symbols::EmbeddedSource;
pub use variables::{ExpressionError, Limits, Scope, Status, Variable, VariableKind};
