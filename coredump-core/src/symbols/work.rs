//! A limit on the work that one module's debug info may cause.
//!
//! Sound debug info is read once, in pieces. Hostile debug info makes a small file expensive: a million units that
//! share one table of abbreviations, functions that all refer to one long list of ranges, line programs that are read
//! again for each unit. So every step is counted, for each of the dumps that share the module. When the limit is
//! reached, whatever is not known yet stays unknown.

use crate::limits::{MAX_ABBREVIATIONS, MAX_DEBUG_STEPS, MAX_TABLE_FILES, Steps};

/// The work that is left.
#[derive(Debug)]
pub(super) struct Work {
    steps: Steps,
    /// The steps for each dump.
    allowed: u64,
    abbreviations: Steps,
    /// The files and folders of line tables that may still be kept for compilation units, and those for type units: many
    /// type units share one table, and are not to take the lines of code away.
    files: Steps,
    type_files: Steps,
}

impl Work {
    /// For debug info of `size` bytes.
    pub fn new(size: usize) -> Work {
        let allowed = MAX_DEBUG_STEPS.saturating_add(4 * size as u64);
        let files = || Steps::new(MAX_TABLE_FILES + size as u64 / 4);
        let abbreviations = Steps::new(MAX_ABBREVIATIONS as u64);
        Work { steps: Steps::new(allowed), allowed, abbreviations, files: files(), type_files: files() }
    }

    /// Allows as much work as at first, as another dump of the same module is to be read: most of what one dump asks
    /// for is kept for the next ones, but not all. Does nothing once the limit was reached.
    pub fn renew(&self) {
        self.steps.renew(self.allowed);
    }

    /// Leaves so many steps.
    #[cfg(test)]
    pub fn leave(&self, steps: u64) {
        self.steps.renew(steps);
    }

    /// Counts some entries, rows or ranges; returns whether the limit allows them.
    pub fn spend(&self, steps: usize) -> bool {
        self.steps.spend(steps)
    }

    /// Counts a table of abbreviations of so many bytes, which is kept; returns whether the limit allows it.
    pub fn keep_abbreviations(&self, bytes: usize) -> bool {
        self.abbreviations.spend(bytes) && self.spend(bytes)
    }

    /// Counts the files and folders of a unit's line table, which are kept with the unit; returns true if the limit
    /// allows them.
    pub fn keep_files(&self, files: usize, of_types: bool) -> bool {
        if of_types { self.type_files.spend(files) } else { self.files.spend(files) }
    }

    /// Returns true if the limit was reached, so that something was left out.
    pub fn is_spent(&self) -> bool {
        self.steps.are_spent() || self.abbreviations.are_spent()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dump_may_cause_as_much_work_until_one_causes_too_much() {
        let work = Work::new(0);
        for _ in 0..3 {
            assert!(work.spend(MAX_DEBUG_STEPS as usize - 1) && !work.is_spent());
            work.renew();
        }
        assert!(!work.spend(MAX_DEBUG_STEPS as usize + 1));
        work.renew();
        assert!(work.is_spent() && !work.spend(1));
    }
}
