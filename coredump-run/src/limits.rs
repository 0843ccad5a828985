//! What a program may have of the host's memory.

use crate::ending::MemoryLimit;

/// What memories, tables and the garbage-collected heap have together, under `--max-memory`.
pub struct MemoryTotal {
    /// In bytes.
    limit: Option<usize>,
    /// In bytes.
    used: usize,
    /// What the last request took, in case it fails.
    last: usize,
}

impl MemoryTotal {
    /// The account of a program that has no memory yet, and may have `limit` bytes.
    pub fn new(limit: Option<usize>) -> MemoryTotal {
        MemoryTotal { limit, used: 0, last: 0 }
    }

    /// Grows something from `current` to `desired` bytes, of which the engine by itself refuses more than `maximum`.
    ///
    /// # Errors
    ///
    /// [`MemoryLimit`].
    pub fn grow(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<()> {
        self.last = 0;
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(());
        }
        let more = desired.saturating_sub(current);
        let total = self.used.saturating_add(more);
        if let Some(limit) = self.limit.filter(|limit| total > *limit) {
            return Err(MemoryLimit { asked: total, limit }.into());
        }
        (self.used, self.last) = (total, more);
        Ok(())
    }

    /// The last request failed.
    pub fn give_back(&mut self) {
        self.used -= std::mem::take(&mut self.last);
    }
}
