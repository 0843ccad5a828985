//! Reading, writing and understanding WebAssembly core dumps.
//!
//! The library behind `coredump-run`, `coredump-bt`, `coredump-json` and `coredump-dump`. Modules may use each other in
//! one direction only, from the bottom of `docs/architecture.md` to the top.

pub mod backtrace;
pub mod binaries;
pub mod buffer;
pub mod cli;
pub mod crash;
pub mod digest;
pub mod error;
pub mod extension;
pub mod files;
pub mod fold;
pub mod limits;
pub mod locate;
mod locked;
pub mod mapped;
pub mod memory;
pub mod model;
pub mod module;
pub mod read;
pub mod reason;
pub mod regions;
mod rule;
pub mod search;
pub mod signature;
pub mod stamp;
pub mod symbols;
pub mod text;
pub mod variables;
pub mod write;
