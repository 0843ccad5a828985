//! A mutex that is not poisoned by a panic.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A mutex without poisoning. This crate uses it only for memos and lists that every operation leaves consistent, so a
/// panic of one thread does not spoil them for the others.
#[derive(Default)]
pub(crate) struct Locked<T>(Mutex<T>);

impl<T> Locked<T> {
    /// Waits until no other thread holds the value. The same thread must not hold it already.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Locked<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Locked")
    }
}
