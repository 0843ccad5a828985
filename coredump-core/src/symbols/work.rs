//! A limit on the work that one module's debug info may cause.
//!
//! Sound debug info is read once, in pieces. Hostile debug info makes a small file expensive: a million units that
//! share one table of abbreviations, functions that all refer to one long list of ranges, line programs that are read
//! again for each unit. So every step is counted. When the limit is reached, whatever is not known yet stays unknown.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::limits::{MAX_ABBREVIATIONS, MAX_DEBUG_STEPS};

/// The work that is left. Threads that share it may now and then count two steps as one: a load and a store are as
/// cheap as with a plain number, while an atomic exchange is not, and the limit need not be exact.
#[derive(Debug)]
pub(super) struct Work {
    steps: AtomicU64,
    abbreviations: AtomicUsize,
}

impl Work {
    /// For debug info of `size` bytes.
    pub fn new(size: usize) -> Work {
        let steps = MAX_DEBUG_STEPS.saturating_add(4 * size as u64);
        Work { steps: AtomicU64::new(steps), abbreviations: AtomicUsize::new(MAX_ABBREVIATIONS) }
    }

    /// Counts some entries, rows or ranges; returns whether the limit allows them.
    pub fn spend(&self, steps: usize) -> bool {
        let left = self.steps.load(Ordering::Relaxed).checked_sub(steps as u64);
        self.steps.store(left.unwrap_or(0), Ordering::Relaxed);
        left.is_some()
    }

    /// Counts a table of abbreviations of so many bytes, which is kept; returns whether the limit allows it.
    pub fn keep_abbreviations(&self, bytes: usize) -> bool {
        let left = self.abbreviations.load(Ordering::Relaxed).checked_sub(bytes);
        self.abbreviations.store(left.unwrap_or(0), Ordering::Relaxed);
        left.is_some() && self.spend(bytes)
    }

    /// Whether the limit was reached, so that something was left out.
    pub fn is_spent(&self) -> bool {
        self.steps.load(Ordering::Relaxed) == 0 || self.abbreviations.load(Ordering::Relaxed) == 0
    }
}
