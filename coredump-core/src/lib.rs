//! Reading, writing and understanding WebAssembly core dumps.
//!
//! The library behind `coredump-run`, `coredump-bt`, `coredump-json` and `coredump-dump`. Modules stand in the order
//! in which they may use each other; see `docs/architecture.md`.

pub mod error;
pub mod extension;
pub mod mapped;
pub mod memory;
pub mod model;
pub mod module;
