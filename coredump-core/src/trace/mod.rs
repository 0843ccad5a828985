//! Stack traces that engines print: found in any text, and shown as dumps are.
//!
//! [`Scanner`] finds them. [`Locator`] looks for their binaries and turns each into a
//! [`CoreDump`](crate::model::CoreDump). `docs/traces.md` lists the formats that are recognised.

mod encoding;
mod engine;
mod formats;
mod group;
mod line;
mod locate;
mod message;
mod names;
mod place;
mod scan;
#[cfg(test)]
mod tests;

pub use engine::Engine;
pub(crate) use engine::{Rule, Stand, TraceBase};
pub use locate::{Located, Locator};
pub use scan::{FrameMark, ScannedText, Scanner};

/// A stack trace.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trace {
    /// The engine whose format it has.
    pub engine: Engine,
    /// The line of its first frame in the text, from 1.
    pub line: u64,
    /// Its frames, youngest first.
    pub frames: Vec<Printed>,
    /// The engine's or host's message, if it is beside the frames.
    pub message: Option<String>,
    /// Lines before the trace that may be the program's own last words.
    pub said: Option<String>,
    /// True if it had more frames than are kept, or some of its text was dropped.
    pub truncated: bool,
    /// True if the text ends in the line of its last frame without a line feed, so that the line may be cut off.
    pub cut: bool,
    /// True if its lines were interleaved with those of another trace, and only the order of frames told them apart.
    pub tangled: bool,
}

/// A frame as it was printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Printed {
    /// Its number in the trace, youngest 0, where the format has one.
    pub number: Option<u32>,
    /// The engine's name for the module: a name, a file or a URL.
    pub module: Option<String>,
    /// The function's name.
    pub function: Option<String>,
    /// True if the name is from debug info, so that it may be that of an inlined function.
    pub source_name: bool,
    /// The function's index.
    pub index: Option<u32>,
    /// Its offset in bytes. From which byte it counts depends on the engine (`Engine::rules`).
    pub offset: Option<u64>,
    /// Size of the module's file in bytes, if the module's name in the trace contains it.
    pub size: Option<u64>,
}
