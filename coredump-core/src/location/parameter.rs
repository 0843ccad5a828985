//! Parameters of a function, with how they are passed: plain data.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::catalog::units::Die;
use crate::module::ValueType;
use crate::unwind::Stores;

/// The way in which a parameter is passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passed {
    /// Not at all: it is empty.
    Nothing,
    /// As a value of Wasm.
    Value(ValueType),
    /// As two numbers of 64 bits, the lower half first.
    Halves,
    /// As the address of a copy.
    Address,
}

impl Passed {
    /// Returns the number of Wasm's parameters that it takes.
    pub fn width(self) -> u32 {
        match self {
            Passed::Nothing => 0,
            Passed::Value(_) | Passed::Address => 1,
            Passed::Halves => 2,
        }
    }
}

/// The description of a parameter at the function's start in debug information.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Described {
    /// In these locals, as a value.
    In(Vec<u32>),
    /// It has a value, but not where the information says.
    Somewhere,
    /// Nowhere, since it is always the same: an optimiser may have removed it.
    Constant,
    /// Nothing.
    Nowhere,
}

/// A parameter of the source: how its type is passed, and where it is said to begin.
pub(super) struct Parameter {
    pub die: Die,
    pub passed: Option<Passed>,
    pub described: Described,
}

/// The parameters of a function, by their entries, with the Wasm parameter in which each begins where that follows from
/// the others.
pub struct Parameters {
    pub(super) all: Vec<Parameter>,
    pub(super) first: Vec<Option<u32>>,
    /// The reason for which the parameters must begin there, as it is shown to the user.
    pub(super) why: &'static str,
    /// The Wasm locals that the function reads before it writes them.
    pub(super) read_first: HashSet<u32>,
}

/// The reads and writes of a function at the addresses that it is given, by the Wasm parameter that holds the address.
#[derive(Default)]
pub struct Copies {
    pub(super) known: RefCell<HashMap<u32, Option<Rc<Stores>>>>,
    /// Bytes of code that were looked at.
    pub(super) looked_at: Cell<u64>,
}
