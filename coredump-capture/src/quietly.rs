//! A panic of the engine, or of what looks into it, must not cost the dump.

use std::panic::{AssertUnwindSafe, catch_unwind};

use coredump_core::error::{Error, ErrorKind, Result};

/// Runs `work`; a panic in it becomes an error.
///
/// # Errors
///
/// The panic's message.
pub fn quietly<R>(work: impl FnOnce() -> R) -> Result<R> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Error::new(ErrorKind::Malformed, format!("cannot capture the program's state: {text}"))
    })
}
