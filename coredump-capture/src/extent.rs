//! Limits on how much of a stopped store goes into a capture.

use std::time::Instant;

/// The part of the guest's memory that goes into a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryChoice {
    /// All of it.
    All,
    /// The shadow stack and what the frames' values point to.
    Stack,
    /// Nothing.
    None,
}

/// The part of a store's state that goes into a capture.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// The memories and objects that go in: all, those that the frames reach, or none.
    pub memory: MemoryChoice,
    /// Bytes of objects, those nearest to the frames first.
    pub heap_limit: u64,
    /// The time at which the walk through the objects ends, whatever it has found.
    pub until: Option<Instant>,
}
