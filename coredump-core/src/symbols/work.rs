//! A bound on the work that one module's debug info may cause.
//!
//! Sound debug info is read once, in pieces. Hostile debug info makes a small file cost much: a million units that share one
//! table of abbreviations, functions that all point to one long list of ranges, line programs read again for each unit.
//! So every step is paid for; when nothing is left, what is not known yet stays unknown.

use std::cell::Cell;

use crate::limits::{MAX_ABBREVIATIONS, MAX_DEBUG_STEPS};

/// The work that is left.
#[derive(Debug)]
pub(super) struct Work {
    steps: Cell<u64>,
    abbreviations: Cell<usize>,
}

impl Work {
    /// For debug info of `size` bytes.
    pub fn new(size: usize) -> Work {
        let steps = MAX_DEBUG_STEPS.saturating_add(4 * size as u64);
        Work { steps: Cell::new(steps), abbreviations: Cell::new(MAX_ABBREVIATIONS) }
    }

    /// Pays for some entries, rows or ranges. Whether there was enough left.
    pub fn spend(&self, steps: usize) -> bool {
        let left = self.steps.get().checked_sub(steps as u64);
        self.steps.set(left.unwrap_or(0));
        left.is_some()
    }

    /// Pays for a table of abbreviations of so many bytes, which is kept.
    pub fn keep_abbreviations(&self, bytes: usize) -> bool {
        let left = self.abbreviations.get().checked_sub(bytes);
        self.abbreviations.set(left.unwrap_or(0));
        left.is_some() && self.spend(bytes)
    }

    /// Whether something had to be left out.
    pub fn is_spent(&self) -> bool {
        self.steps.get() == 0 || self.abbreviations.get() == 0
    }
}
