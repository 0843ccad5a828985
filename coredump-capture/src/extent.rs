//! Limits on the part of a stopped store that goes into a capture.

use std::time::Instant;

/// The part of the guest's memory that goes into a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryChoice {
    /// All of the memory.
    All,
    /// The shadow stack, and the memory to which the frames' values point.
    Stack,
    /// None of the memory.
    None,
}

/// The part of a store's state that goes into a capture.
#[derive(Clone, Copy, Debug)]
pub struct CaptureExtent {
    /// The memories and objects that go in: all, those that the frames reach, or none.
    pub memory: MemoryChoice,
    /// The most bytes of objects; the objects nearest to the frames come first.
    pub heap_limit: u64,
    /// The time at which the walk through the objects ends, whatever it has found.
    pub until: Option<Instant>,
}
