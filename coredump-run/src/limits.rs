//! Limits the memory that a program may use.

use crate::ending::MemoryLimit;

/// The total size of memories, tables and the garbage-collected heap, which `--max-memory` limits.
pub struct MemoryTotal {
    /// The limit in bytes, if there is one.
    limit: Option<usize>,
    /// The size of all together, in bytes.
    used: usize,
    /// The number of bytes that the last request added, in case it fails.
    last: usize,
}

impl MemoryTotal {
    /// The total of a program that has no memory yet, and may use at most `limit` bytes.
    pub fn new(limit: Option<usize>) -> MemoryTotal {
        MemoryTotal { limit, used: 0, last: 0 }
    }

    /// Adds the growth of a memory, a table or the heap from `current` to `desired` bytes. The engine itself refuses
    /// more than `maximum`.
    ///
    /// # Errors
    ///
    /// Fails with [`MemoryLimit`] if the total would exceed the limit.
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

    /// Subtracts the last request, which failed.
    pub fn give_back(&mut self) {
        self.used -= std::mem::take(&mut self.last);
    }
}
