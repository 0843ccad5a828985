//! The test kit: finds or builds the four binaries, runs them in real pipes, knows the fixtures.
//!
//! It does not depend on `coredump-core`: what shares the reader's code cannot find the reader's mistakes.

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

/// Says that a test is skipped, and why. Where `CI` is set nothing is skipped: what a test needs must be there.
#[track_caller]
pub fn skip(why: &str) {
    let ci = std::env::var_os("CI").is_some_and(|ci| !ci.is_empty());
    assert!(!ci, "not to be skipped where CI is set: {why}");
    eprintln!("SKIPPED: {why}");
}

/// The same of what not every system can have (a browser, an LLDB that knows WebAssembly): skipped where `CI` is set, too, whose
/// script installs it where it can and says when it cannot.
pub fn skip_everywhere(why: &str) {
    eprintln!("SKIPPED: {why}");
}
