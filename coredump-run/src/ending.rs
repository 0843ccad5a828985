//! How a program ended, what its dump calls that, and with which exit code we end.

use wasmtime::{Error, Trap};
use wasmtime_wasi::I32Exit;

/// Exit code after a trap or another crash of the guest: what a shell reports for SIGABRT.
pub const CRASHED: u8 = 134;
/// Exit code after `--timeout`, as `timeout` of coreutils has it.
pub const TIMED_OUT: u8 = 124;
/// Exit code for failures of our own.
pub const OWN_FAILURE: u8 = 125;
/// Exit code for a file that is no runnable program.
pub const NOT_RUNNABLE: u8 = 126;
/// Exit code for a file that is not there.
pub const NOT_FOUND: u8 = 127;

/// Why we stop a guest ourselves. Travels through the engine as the error of the call that it interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interruption {
    /// A signal to this process.
    Signal(i32),
    /// `--timeout` is over.
    Timeout,
}

impl std::fmt::Display for Interruption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Interruption::Signal(signal) => write!(f, "ended by {}", signal_name(*signal)),
            Interruption::Timeout => f.write_str("ended by --timeout"),
        }
    }
}

impl std::error::Error for Interruption {}

/// Refused to grow a memory, under `--max-memory`.
#[derive(Clone, Copy, Debug)]
pub struct MemoryLimit {
    /// The size asked for, in bytes.
    pub asked: usize,
    /// The limit in bytes.
    pub limit: usize,
}

impl std::fmt::Display for MemoryLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "memory would grow to {} bytes, and --max-memory is {}", self.asked, self.limit)
    }
}

impl std::error::Error for MemoryLimit {}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this code.
    Exit(i32),
    /// A Wasm trap.
    Trap(Trap),
    /// A Wasm exception that nothing caught.
    Exception(String),
    /// A host function failed.
    HostError(String),
    /// It grew beyond `--max-memory`.
    MemoryLimit(String),
    /// We ended it.
    Interrupted(Interruption),
    /// We ended it where no function of it could be: a task of WASI 0.3 waited, or a host call could not be interrupted.
    Waiting(Interruption),
    /// It was not ended: a snapshot.
    Snapshot(i32),
    /// It was stopped behind a write to its memory, in a replay.
    Watched,
}

impl Ending {
    /// What an error that left the guest says of how it ended.
    pub fn of(error: &Error) -> Ending {
        if let Some(exit) = error.downcast_ref::<I32Exit>() {
            Ending::Exit(exit.0)
        } else if let Some(interruption) = error.downcast_ref::<Interruption>() {
            Ending::Interrupted(*interruption)
        } else if let Some(limit) = error.downcast_ref::<MemoryLimit>() {
            Ending::MemoryLimit(limit.to_string())
        } else if let Some(trap) = error.downcast_ref::<Trap>() {
            Ending::Trap(*trap)
        } else if error.is::<wasmtime::ThrownException>() {
            Ending::Exception("uncaught exception".to_owned())
        } else {
            Ending::HostError(message(error))
        }
    }

    /// The stable name of the reason.
    pub fn kind(&self) -> String {
        match self {
            Ending::Exit(_) => "exit".to_owned(),
            Ending::Trap(trap) => trap_kind(*trap),
            Ending::Exception(_) => "exception".to_owned(),
            Ending::HostError(_) => "host-error".to_owned(),
            Ending::MemoryLimit(_) => "memory-limit".to_owned(),
            Ending::Interrupted(Interruption::Timeout) | Ending::Waiting(Interruption::Timeout) => "timeout".to_owned(),
            Ending::Interrupted(Interruption::Signal(_)) | Ending::Waiting(Interruption::Signal(_)) => {
                "signal".to_owned()
            }
            Ending::Snapshot(_) => "snapshot".to_owned(),
            Ending::Watched => "watchpoint".to_owned(),
        }
    }

    /// One line for a person.
    pub fn message(&self) -> String {
        match self {
            Ending::Exit(code) => format!("exited with code {code}"),
            // Without the engine's prefix: the kind says already that it was a trap.
            Ending::Trap(trap) => trap.to_string().trim_start_matches("wasm trap: ").to_owned(),
            Ending::Exception(message) | Ending::HostError(message) | Ending::MemoryLimit(message) => message.clone(),
            Ending::Interrupted(interruption) => interruption.to_string(),
            Ending::Waiting(interruption) => {
                format!("{interruption} while it waited outside of its functions: no frames are known")
            }
            Ending::Watched => "stopped behind a write to its memory".to_owned(),
            Ending::Snapshot(signal) => format!("snapshot on {}: the program went on", signal_name(*signal)),
        }
    }

    /// The exit code to end with; a snapshot has none.
    pub fn exit_code(&self) -> Option<u8> {
        Some(match self {
            Ending::Exit(code) => *code as u8,
            Ending::Interrupted(interruption) | Ending::Waiting(interruption) => match interruption {
                Interruption::Timeout => TIMED_OUT,
                Interruption::Signal(signal) => 128 + *signal as u8,
            },
            Ending::Snapshot(_) | Ending::Watched => return None,
            _ => CRASHED,
        })
    }
}

/// The message of an error with those of its causes, in one line each, without the backtrace and the core dump that the engine adds.
pub fn message(error: &Error) -> String {
    let mut lines: Vec<String> = error.chain().map(|cause| cause.to_string()).collect();
    let listings = ["error while executing at wasm backtrace", "wasm coredump generated while executing"];
    lines.retain(|line| !listings.iter().any(|listing| line.starts_with(listing)));
    lines.dedup();
    lines.join(": ")
}

/// The kebab-case name of a trap: the engine's own, but for those that have a better-known one.
fn trap_kind(trap: Trap) -> String {
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

/// The name of a signal.
pub fn signal_name(signal: i32) -> String {
    match signal_hook::low_level::signal_name(signal) {
        Some(name) => name.to_owned(),
        None => format!("signal {signal}"),
    }
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

    #[test]
    fn exit_codes_follow_the_shell() {
        assert_eq!(Ending::Exit(3).exit_code(), Some(3));
        assert_eq!(Ending::Trap(Trap::StackOverflow).exit_code(), Some(134));
        assert_eq!(Ending::Interrupted(Interruption::Signal(15)).exit_code(), Some(143));
        assert_eq!(Ending::Interrupted(Interruption::Timeout).exit_code(), Some(124));
        assert_eq!(Ending::Snapshot(10).exit_code(), None);
    }
}
