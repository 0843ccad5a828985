//! How much of a stopped store goes into a capture.

use std::time::Instant;

/// How much of the guest's memory goes into a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryChoice {
    /// All of it.
    All,
    /// The shadow stack and what the frames' values point to.
    Stack,
    /// Nothing.
    None,
}

/// How much of the state goes into a capture.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Which memories and objects go in: all, those that the frames reach, or none.
    pub memory: MemoryChoice,
    /// Bytes of objects, those nearest to the frames first.
    pub heap_limit: u64,
    /// When the walk through the objects ends, whatever it has found.
    pub until: Option<Instant>,
}
