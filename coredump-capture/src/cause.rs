//! The cause of a guest's end, by the name that its host and its dump give to it.

use coredump_core::model::{Reason, Thrown, ThrownValue};
use wasmtime::{Error, ThrownException, Trap};

/// The cause of a guest's end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// A stable kebab-case name, as `docs/format.md` lists them: `unreachable`, `host-error`, `timeout`, ….
    pub kind: String,
    /// One or more lines for the user.
    pub message: String,
    /// The exit code with which the host ends for this cause, if it ends.
    pub exit_code: Option<i32>,
    /// The exception that nothing caught.
    pub exception: Option<Thrown>,
}

impl Cause {
    /// Returns a cause of that kind.
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> Cause {
        Cause { kind: kind.into(), message: message.into(), ..Cause::default() }
    }

    /// Reads the cause from an error that left the guest: a trap, an uncaught exception, or else the failure of a host
    /// function.
    pub fn from_error(error: &Error) -> Cause {
        if let Some(trap) = error.downcast_ref::<Trap>() {
            Cause::from_trap(*trap)
        } else if error.is::<ThrownException>() {
            Cause::new("exception", "uncaught exception")
        } else {
            Cause::new("host-error", message(error))
        }
    }

    /// Adds an exception and its values.
    pub fn carry(&mut self, thrown: Thrown) {
        let values: Vec<String> = thrown.values.iter().map(ThrownValue::text).collect();
        if !values.is_empty() {
            self.message = format!("{} ({})", self.message, values.join(", "));
        }
        self.exception = Some(thrown);
    }

    /// Converts the cause to the form in which a dump records it.
    pub fn reason(&self) -> Reason {
        Reason {
            kind: self.kind.clone(),
            message: Some(self.message.clone()),
            exception: self.exception.clone(),
            ..Reason::default()
        }
    }

    /// Returns the cause for a trap of the engine.
    pub fn from_trap(trap: Trap) -> Cause {
        // The engine's prefix is left out, because the kind says already that it was a trap.
        let message = trap.to_string();
        Cause::new(trap_kind(trap), message.trim_start_matches("wasm trap: "))
    }
}

/// Returns the message of an error with those of its causes, on one line each, without the backtrace and the listing of
/// its own dump that the engine adds.
pub fn message(error: &Error) -> String {
    let added = ["error while executing at wasm backtrace", "wasm coredump generated while executing"];
    let mut lines: Vec<String> = error.chain().map(|cause| cause.to_string()).collect();
    lines.retain(|line| !added.iter().any(|added| line.starts_with(added)));
    lines.dedup();
    lines.join(": ")
}

/// Returns the kebab-case name of a trap: the engine's own name, except for traps that have a better-known one.
pub fn trap_kind(trap: Trap) -> String {
    match trap {
        Trap::MemoryOutOfBounds => "memory-out-of-bounds".to_owned(),
        Trap::HeapMisaligned => "unaligned-atomic".to_owned(),
        Trap::BadSignature => "indirect-call-type-mismatch".to_owned(),
        Trap::IntegerDivisionByZero => "integer-divide-by-zero".to_owned(),
        Trap::BadConversionToInteger => "invalid-conversion-to-integer".to_owned(),
        Trap::UnreachableCodeReached => "unreachable".to_owned(),
        other => kebab(&format!("{other:?}")),
    }
}

fn kebab(camel: &str) -> String {
    let mut name = String::new();
    for (index, letter) in camel.chars().enumerate() {
        if letter.is_uppercase() && index > 0 {
            name.push('-');
        }
        name.extend(letter.to_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traps_have_stable_names() {
        assert_eq!(trap_kind(Trap::StackOverflow), "stack-overflow");
        assert_eq!(trap_kind(Trap::IndirectCallToNull), "indirect-call-to-null");
        assert_eq!(trap_kind(Trap::IntegerDivisionByZero), "integer-divide-by-zero");
        assert_eq!(trap_kind(Trap::OutOfFuel), "out-of-fuel");
    }
}
