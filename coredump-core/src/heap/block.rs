//! The blocks that allocators hand out, and faults in their records.

use std::fmt;

/// The state of a block: it belongs to the program or to the allocator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The program has it.
    Used,
    /// The allocator may hand it out.
    Free,
    /// The program has all of it, as blocks of which the allocator does not keep where one ends and the next begins.
    Several,
    /// The allocator does not keep whether it is used.
    Unknown,
}

impl State {
    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            State::Used => "used",
            State::Free => "free",
            State::Several => "several",
            State::Unknown => "unknown",
        }
    }
}

/// A block of a heap. Addresses and sizes are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// The address that the program has, or would have.
    pub address: u64,
    /// Bytes from there on that are the program's to use. Most allocators round up what was asked for.
    pub size: u64,
    /// This says whether it is used.
    pub state: State,
    /// Bytes that were asked for, where the allocator keeps them.
    pub requested: Option<u64>,
    /// AssemblyScript's class id of a managed object.
    pub class: Option<u32>,
    /// The colour that a garbage collector gave it.
    pub color: Option<&'static str>,
}

impl Block {
    /// A block of which no more is known.
    pub fn new(address: u64, size: u64, state: State) -> Block {
        Block { address, size, state, requested: None, class: None, color: None }
    }

    /// The address after its last byte.
    pub fn end(&self) -> u64 {
        self.address.saturating_add(self.size)
    }
}

/// A place where the allocator's records contradict each other, or are not in the dump.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// The address of the record that is wrong.
    pub address: u64,
    /// The address of the block that the record is about, as the program has it.
    pub block: Option<u64>,
    /// The last block before it that is in order: the one that was most likely written beyond its end.
    pub before: Option<Box<Block>>,
    /// The record that alone says that this one is at `address`: a size, a tag or a link, and where that is.
    pub led_by: Option<(&'static str, u64)>,
    /// The block, as the program has it, that the link at `address` leads to. If that one is broken itself, the link
    /// may be right.
    pub leads_to: Option<u64>,
    /// The fault, in one sentence without the place.
    pub message: String,
    /// True if the dump does not hold the record, so that nothing is known to be wrong.
    pub missing: bool,
}

impl Damage {
    /// The record at `address` is wrong.
    pub fn new(address: u64, message: impl Into<String>) -> Damage {
        let message = message.into();
        Damage { address, block: None, before: None, led_by: None, leads_to: None, message, missing: false }
    }

    /// The record at `address` is not in the dump.
    pub fn missing(address: u64) -> Damage {
        Damage { missing: true, ..Damage::new(address, "the dump does not hold it") }
    }

    /// The link at `address` leads back to a block that its list had already.
    pub fn freed_twice(address: u64, block: u64) -> Damage {
        let message = format!("a list of free blocks comes back to {block:#x}: it was freed twice");
        Damage::new(address, message).about(block)
    }

    /// The end of a free block, at `address`, is that of another free block, which lies in it: that one was freed again
    /// after the two were joined.
    pub fn freed_after_join(address: u64, block: u64) -> Damage {
        let message = format!("the free block {block:#x} lies in another one: it was freed twice");
        Damage::new(address, message).about(block)
    }

    /// It is about the block that the program has at this address.
    pub fn about(self, block: u64) -> Damage {
        Damage { block: Some(block), ..self }
    }

    /// The block in front of it.
    pub fn behind(self, before: Option<Block>) -> Damage {
        Damage { before: before.map(Box::new), ..self }
    }

    /// It is a link to the block that the program has at this address.
    pub fn leading_to(self, block: u64) -> Damage {
        Damage { leads_to: Some(block), ..self }
    }

    /// The size, the tag or the link at this address leads to it.
    pub fn led_by(self, what: &'static str, at: Option<u64>) -> Damage {
        Damage { led_by: at.map(|at| (what, at)), ..self }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}: {}", self.address, self.message)
    }
}
