//! Panics of the engine's compiler as errors: a program that it cannot compile is the program's end, not ours.

use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use wasmtime::{Error, Result};

/// Calls of [`guarded`] that run now.
static RUNNING: AtomicUsize = AtomicUsize::new(0);
/// The place at which the compiler panicked last: a file of its source, and a line.
static PLACE: Mutex<Option<String>> = Mutex::new(None);

/// Runs the engine's compiler. Meanwhile panics are not printed, as that is done on threads of the compiler's own.
///
/// # Errors
///
/// The compiler's own errors; of a panic its message, and where it happened.
pub fn guarded<R>(compile: impl FnOnce() -> Result<R>) -> Result<R> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let other = panic::take_hook();
        panic::set_hook(Box::new(move |info| match RUNNING.load(Ordering::Relaxed) {
            0 => other(info),
            _ => note(info),
        }));
    });
    RUNNING.fetch_add(1, Ordering::Relaxed);
    let outcome = panic::catch_unwind(AssertUnwindSafe(compile));
    RUNNING.fetch_sub(1, Ordering::Relaxed);
    outcome.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        let place = PLACE.lock().unwrap_or_else(PoisonError::into_inner).take();
        let place = place.map(|place| format!(" ({place})")).unwrap_or_default();
        Err(Error::msg(format!("the engine's compiler panicked: {text}{place}")))
    })
}

fn note(info: &PanicHookInfo<'_>) {
    let place = info.location().map(|location| format!("{}:{}", within_crate(location.file()), location.line()));
    *PLACE.lock().unwrap_or_else(PoisonError::into_inner) = place;
}

/// The path of a source file from its crate's folder on: what comes before is of the machine that built it.
fn within_crate(path: &str) -> &str {
    let sources = path.rfind("/src/").unwrap_or(0);
    path.get(..sources).and_then(|before| before.rfind('/')).map_or(path, |folder| &path[folder + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_with_its_place() {
        let message = guarded(|| -> Result<()> { panic!("no {}", "registers") }).unwrap_err().to_string();
        assert!(message.starts_with("the engine's compiler panicked: no registers ("), "{message}");
        assert!(message.contains("src/compiled/guard.rs:"), "{message}");
        assert!(guarded(|| Ok(7)).is_ok_and(|given| given == 7));
    }

    #[test]
    fn a_source_file_is_named_from_its_crate_on() {
        let path = "/home/me/registry/src/index-1/cranelift-codegen-0.135.8/src/alias_analysis.rs";
        assert_eq!(within_crate(path), "cranelift-codegen-0.135.8/src/alias_analysis.rs");
        assert_eq!(within_crate("src/main.rs"), "src/main.rs");
    }
}
