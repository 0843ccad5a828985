//! Stack traces that engines print: found in any text, and turned into what a dump is turned into.
//!
//! [`Scanner`] finds them, [`Locator`] looks for their binaries and makes a [`CoreDump`](crate::model::CoreDump) of each,
//! which then goes the way of every dump. `docs/traces.md` tells what is recognised.

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
pub(crate) use engine::{Base, Rule, Stand};
pub use locate::{Located, Locator};
pub use scan::{Block, Mark, Scanner};

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
    /// What the engine or host said of the failure, where that stands beside the frames.
    pub message: Option<String>,
    /// Lines before the trace that may be the program's own last words.
    pub said: Option<String>,
    /// Whether it had more frames than are kept, or the text around it was cut.
    pub truncated: bool,
    /// Whether the text ends in the line of its last frame, without a line feed: the line may be cut off.
    pub cut: bool,
    /// Whether its lines stood among those of another trace, and only their order distinguished them.
    pub tangled: bool,
}

/// A frame as it was printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Printed {
    /// Its number in the trace, youngest 0, where the format has one.
    pub number: Option<u32>,
    /// What the engine calls the module: a name, a file or a URL.
    pub module: Option<String>,
    /// The function's name.
    pub function: Option<String>,
    /// Whether the name is from debug info, so it may be that of an inlined function.
    pub source_name: bool,
    /// The function's index.
    pub index: Option<u32>,
    /// Where it stood; what it counts from, `Engine::rules` tells.
    pub offset: Option<u64>,
    /// Size of the module's file in bytes, as its name in the trace tells.
    pub size: Option<u64>,
}
