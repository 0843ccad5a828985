//! How far a description of where an object is can be believed.

use std::ops::Range;

use crate::location::Missing;

/// The properties of an object that decide how far its location can be believed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Object {
    /// No local that holds an address can hold it.
    Large,
    /// It does not change.
    Constant,
    /// It may change, and a local may hold its address.
    Other,
}

/// When what a description says of Wasm's locals is believed.
pub enum Trust {
    /// Always: it was checked elsewhere.
    All,
    /// As long as the local has not been written since the addresses for which it is said began.
    Within(Range<u64>, Since),
    /// For these locals, and for no others.
    Kept(Vec<u32>),
    /// It is said of the whole function: if the local gets a value once.
    Unwritten,
    /// As they were when the function was entered.
    Entry,
    /// Never: it was said of other code.
    Nothing,
}

/// The address since when each local is described without a gap as holding what it holds, where that is before the range.
#[derive(Default)]
pub struct Since(Vec<(u32, u64)>);

impl Since {
    /// Says since which offset a local holds it.
    pub fn add(&mut self, local: u32, since: u64) {
        self.0.push((local, since));
    }

    /// Since which offset a local holds it.
    pub fn start(&self, local: u32) -> Option<u64> {
        self.0.iter().find(|(index, _)| *index == local).map(|(_, since)| *since)
    }
}

/// Why nothing is said of an object in code that a tool changed.
pub fn rewritten() -> Missing {
    Missing::NotCaptured("the code was rewritten after its debug information was made".into())
}
