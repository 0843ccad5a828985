//! The test kit: finds or builds the four binaries, runs them in real pipes, knows the fixtures.
//!
//! It does not depend on `coredump-core`: what shares the reader's code cannot find the reader's mistakes.

mod binaries;
pub mod dump_builder;
mod fixtures;
mod process;
mod schema;

pub use binaries::binary;
pub use fixtures::{capture, fixture, scratch, wasmtime_dump};
pub use process::{Outcome, Tool, pipeline};
pub use schema::follows_schema;
