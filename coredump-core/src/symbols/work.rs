//! A limit on the work that one module's debug info may cause.
//!
//! Sound debug info is read once, in pieces. Hostile debug info makes a small file expensive: a million units that
//! share one table of abbreviations, functions that all refer to one long list of ranges, line programs that are read
//! again for each unit. So every step is counted. When the limit is reached, whatever is not known yet stays unknown.

use crate::limits::{MAX_ABBREVIATIONS, MAX_DEBUG_STEPS, Steps};

/// The work that is left.
#[derive(Debug)]
pub(super) struct Work {
    steps: Steps,
    abbreviations: Steps,
}

impl Work {
    /// For debug info of `size` bytes.
    pub fn new(size: usize) -> Work {
        let steps = MAX_DEBUG_STEPS.saturating_add(4 * size as u64);
        Work { steps: Steps::new(steps), abbreviations: Steps::new(MAX_ABBREVIATIONS as u64) }
    }

    /// Counts some entries, rows or ranges; returns whether the limit allows them.
    pub fn spend(&self, steps: usize) -> bool {
        self.steps.spend(steps)
    }

    /// Counts a table of abbreviations of so many bytes, which is kept; returns whether the limit allows it.
    pub fn keep_abbreviations(&self, bytes: usize) -> bool {
        self.abbreviations.spend(bytes) && self.spend(bytes)
    }

    /// Whether the limit was reached, so that something was left out.
    pub fn is_spent(&self) -> bool {
        self.steps.are_spent() || self.abbreviations.are_spent()
    }
}
