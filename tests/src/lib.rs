//! The test kit: it finds or builds the binaries, runs them in real pipes, and knows the fixtures.
//!
//! The kit does not depend on `coredump-core`: code that is shared with the reader cannot find the reader's mistakes.

mod binaries;
pub mod dump_builder;
mod editor;
mod fixtures;
mod process;
mod schema;
mod served;

pub use binaries::binary;
pub use editor::Editor;
pub use fixtures::{capture, fixture, scratch, section, wasmtime_dump};
pub use process::{Outcome, Tool, pipeline};
pub use schema::follows_schema;
pub use served::Served;

/// Reports that a test is skipped, and why. If `CI` is set, this fails instead: all that a test needs must be there.
#[track_caller]
pub fn skip(why: &str) {
    let ci = std::env::var_os("CI").is_some_and(|ci| !ci.is_empty());
    assert!(!ci, "not to be skipped where CI is set: {why}");
    eprintln!("SKIPPED: {why}");
}

/// Reports that a test is skipped, even if `CI` is set, because not every system can have what it needs (a browser, an
/// LLDB that knows WebAssembly). The CI script installs that where possible, and reports it otherwise.
pub fn skip_everywhere(why: &str) {
    eprintln!("SKIPPED: {why}");
}
