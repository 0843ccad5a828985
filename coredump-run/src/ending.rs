//! The ending of a program: its name in the dump, and the exit code of coredump-run.

use coredump_capture::Cause;
use coredump_capture::internals::{message, trap_kind};
use wasmtime::{Error, GcHeapOutOfMemory, Trap};
use wasmtime_wasi::I32Exit;

use crate::args::On;

/// Exit code after a trap or another crash of the guest: what a shell reports for SIGABRT.
pub const CRASHED: u8 = 134;
/// Exit code after `--timeout`, as `timeout` of coreutils has it.
pub const TIMED_OUT: u8 = 124;
/// Exit code for failures of coredump-run itself.
pub const OWN_FAILURE: u8 = 125;
/// Exit code for a file that is not a program that can be run.
pub const NOT_RUNNABLE: u8 = 126;
/// Exit code for a file that does not exist.
pub const NOT_FOUND: u8 = 127;

/// The reason why coredump-run itself stops a guest. The engine passes it on as the error of the interrupted call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interruption {
    /// A signal to this process, by its number.
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

/// The error of growth beyond `--max-memory`.
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

/// The end of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It exited by itself, with this code.
    Exit(i32),
    /// It trapped.
    Trap(Trap),
    /// It threw a Wasm exception that nothing caught.
    Exception(String),
    /// A host function failed.
    HostError(String),
    /// It needed more than `--max-memory`, or filled the heap of garbage-collected objects.
    MemoryLimit(String),
    /// coredump-run ended it.
    Interrupted(Interruption),
    /// coredump-run ended it while none of its functions was active (a task of WASI 0.3 waited), or in a host call that
    /// could not be interrupted.
    Waiting(Interruption),
    /// It was not started: the time was over before it was compiled.
    Compiling(Interruption),
    /// It was not ended: a snapshot.
    Snapshot(i32),
    /// It was stopped after a write to its memory, in a replay.
    Watched,
}

impl Ending {
    /// The ending that an error from the guest stands for.
    pub fn from_error(error: &Error) -> Ending {
        if let Some(exit) = error.downcast_ref::<I32Exit>() {
            Ending::Exit(exit.0)
        } else if let Some(interruption) = error.downcast_ref::<Interruption>() {
            Ending::Interrupted(*interruption)
        } else if let Some(limit) = error.downcast_ref::<MemoryLimit>() {
            Ending::MemoryLimit(limit.to_string())
        } else if let Some(full) = error.downcast_ref::<GcHeapOutOfMemory<()>>() {
            // The limiter refused the growth of the heap, but the engine's error does not say so.
            Ending::MemoryLimit(full.to_string())
        } else if let Some(trap) = error.downcast_ref::<Trap>() {
            Ending::Trap(*trap)
        } else if error.is::<wasmtime::ThrownException>() {
            Ending::Exception("uncaught exception".to_owned())
        } else {
            Ending::HostError(message(error))
        }
    }

    /// Returns true if the ending leaves a dump, if endings of these kinds do.
    pub fn leaves_dump(&self, on: &[On]) -> bool {
        let kind = match self {
            Ending::Exit(0) | Ending::Compiling(_) => return false,
            Ending::Exit(_) => On::Exit,
            Ending::Exception(_) => On::Exception,
            Ending::Interrupted(Interruption::Timeout) | Ending::Waiting(Interruption::Timeout) => On::Timeout,
            Ending::Interrupted(Interruption::Signal(_))
            | Ending::Waiting(Interruption::Signal(_))
            | Ending::Snapshot(_) => On::Signal,
            Ending::Trap(_) | Ending::HostError(_) | Ending::MemoryLimit(_) | Ending::Watched => On::Trap,
        };
        on.contains(&kind)
    }

    /// The ending as a dump describes it.
    pub fn cause(&self) -> Cause {
        Cause { exit_code: self.exit_code().map(i32::from), ..Cause::new(self.kind(), self.message()) }
    }

    /// The stable name of the reason.
    pub fn kind(&self) -> String {
        match self {
            Ending::Exit(_) => "exit".to_owned(),
            Ending::Trap(trap) => trap_kind(*trap),
            Ending::Exception(_) => "exception".to_owned(),
            Ending::HostError(_) => "host-error".to_owned(),
            Ending::MemoryLimit(_) => "memory-limit".to_owned(),
            Ending::Interrupted(Interruption::Timeout)
            | Ending::Waiting(Interruption::Timeout)
            | Ending::Compiling(Interruption::Timeout) => "timeout".to_owned(),
            Ending::Interrupted(Interruption::Signal(_))
            | Ending::Waiting(Interruption::Signal(_))
            | Ending::Compiling(Interruption::Signal(_)) => "signal".to_owned(),
            Ending::Snapshot(_) => "snapshot".to_owned(),
            Ending::Watched => "watchpoint".to_owned(),
        }
    }

    /// One line for a person.
    pub fn message(&self) -> String {
        match self {
            Ending::Exit(code) => format!("exited with code {code}"),
            // The engine's prefix is removed: the kind already says that it was a trap.
            Ending::Trap(trap) => trap.to_string().trim_start_matches("wasm trap: ").to_owned(),
            Ending::Exception(message) | Ending::HostError(message) | Ending::MemoryLimit(message) => message.clone(),
            Ending::Interrupted(interruption) => interruption.to_string(),
            Ending::Waiting(interruption) => {
                format!("{interruption} while it waited outside of its functions: no frames are known")
            }
            Ending::Watched => "stopped after a write to its memory".to_owned(),
            Ending::Compiling(interruption) => format!("{interruption} before it was compiled"),
            Ending::Snapshot(signal) => format!("snapshot on {}: the program went on", signal_name(*signal)),
        }
    }

    /// The exit code of coredump-run; `None` for a snapshot.
    pub fn exit_code(&self) -> Option<u8> {
        Some(match self {
            Ending::Exit(code) => *code as u8,
            Ending::Interrupted(interruption) | Ending::Waiting(interruption) | Ending::Compiling(interruption) => {
                match interruption {
                    Interruption::Timeout => TIMED_OUT,
                    Interruption::Signal(signal) => 128 + *signal as u8,
                }
            }
            Ending::Snapshot(_) | Ending::Watched => return None,
            _ => CRASHED,
        })
    }
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
    fn exit_codes_follow_the_shell() {
        assert_eq!(Ending::Exit(3).exit_code(), Some(3));
        assert_eq!(Ending::Trap(Trap::StackOverflow).exit_code(), Some(134));
        assert_eq!(Ending::Interrupted(Interruption::Signal(15)).exit_code(), Some(143));
        assert_eq!(Ending::Interrupted(Interruption::Timeout).exit_code(), Some(124));
        assert_eq!(Ending::Snapshot(10).exit_code(), None);
    }
}
