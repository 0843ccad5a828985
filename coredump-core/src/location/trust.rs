//! The extent to which a location description can be believed.

use std::ops::Range;

use crate::location::Missing;

/// The properties of an object that decide how far its location can be believed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Object {
    /// It is too large for a local that holds an address.
    Large,
    /// It does not change.
    Constant,
    /// It may change, and a local may hold its address.
    Other,
}

/// The condition under which a description's statements about Wasm locals are believed.
#[derive(Clone)]
pub enum Trust {
    /// Always: it was checked elsewhere.
    All,
    /// As long as the local has not been written since the beginning of the address range of the description.
    Within(Range<u64>, Since),
    /// For these locals only.
    Kept(Vec<u32>),
    /// The description is for the whole function: if the local gets a value once.
    Unwritten,
    /// As they were when the function was entered.
    Entry,
    /// Never: it describes other code.
    Nothing,
}

/// For each local, the address from which it is described as holding the object without a gap, if that is before the
/// range.
#[derive(Clone, Default)]
pub struct Since(Vec<(u32, u64)>);

impl Since {
    /// Adds the address from which a local holds the object.
    pub fn add(&mut self, local: u32, since: u64) {
        self.0.push((local, since));
    }

    /// Returns the address from which a local holds the object.
    pub fn start(&self, local: u32) -> Option<u64> {
        self.0.iter().find(|(index, _)| *index == local).map(|(_, since)| *since)
    }
}

/// The reason for objects in code that a tool changed.
pub fn rewritten() -> Missing {
    Missing::NotCaptured("the code was rewritten after its debug information was made".into())
}
