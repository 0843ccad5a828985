//! Converts between an error that ended the program and its form in a recording.

use coredump_core::internals::recording::{Failure, Outcome};
use wasmtime_wasi::I32Exit;

use crate::ending::{Ending, Interruption};

/// The recorded form of an error from a function of the host.
pub fn failure(error: &wasmtime::Error) -> Outcome<'static> {
    Outcome::Failed(match Ending::from_error(error) {
        Ending::Exit(code) => Failure::Exit(code),
        Ending::Interrupted(Interruption::Signal(signal)) => Failure::Interrupted(Some(signal as u32)),
        Ending::Interrupted(Interruption::Timeout) => Failure::Interrupted(None),
        _ => Failure::Message(coredump_capture::internals::message(error)),
    })
}

/// The error with which a call ended the program.
pub fn as_error(failure: Failure) -> wasmtime::Error {
    match failure {
        Failure::Exit(code) => I32Exit(code).into(),
        Failure::Message(message) => wasmtime::Error::msg(message),
        Failure::Interrupted(Some(signal)) => Interruption::Signal(signal as i32).into(),
        Failure::Interrupted(None) => Interruption::Timeout.into(),
    }
}
