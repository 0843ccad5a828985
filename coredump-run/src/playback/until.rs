//! Where a program that runs again is stopped, as its first run was stopped from outside.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use coredump_core::internals::recording::{self, Start};
use wasmtime::{Engine, EngineWeak};

use crate::ending::{Ending, Interruption};

/// Where a run that is repeated is to stop.
pub struct Until {
    /// What its dump calls that.
    pub ending: Ending,
    /// Where it is.
    pub stop: recording::Stop,
    calls: u64,
    /// The engine that it runs in.
    engine: OnceLock<EngineWeak>,
    /// The last call has returned: the program stops where it yields.
    last: AtomicBool,
}

impl Until {
    /// For a stop after so many calls.
    pub fn new(ending: Ending, stop: recording::Stop, calls: u64) -> Until {
        Until { ending, stop, calls, engine: OnceLock::new(), last: AtomicBool::new(false) }
    }

    /// The stop that the start of a recording describes; none if the program ended by itself.
    pub fn from_start(start: &Start, kind: &str) -> Option<Until> {
        let stop = start.stop.clone()?;
        let ending = match stop.signal {
            Some(signal) if kind == Ending::Snapshot(signal).kind() => Ending::Snapshot(signal),
            Some(signal) => Ending::Interrupted(Interruption::Signal(signal)),
            None => Ending::Interrupted(Interruption::Timeout),
        };
        Some(Until::new(ending, stop, start.calls))
    }

    /// Says in which engine the program runs.
    pub fn runs_in(&self, engine: &Engine) {
        let _ = self.engine.set(engine.weak());
    }

    /// Says that the last call has returned.
    pub fn set_last(&self) {
        self.last.store(true, Ordering::Relaxed);
    }

    /// The program yields: it is made to look, if it has run on for long enough after the last call.
    pub fn yields(&self) {
        if self.last.load(Ordering::Relaxed) {
            self.knock();
        }
    }

    /// Makes the code look whether it is to stop, at the beginning of its next loop or function.
    pub fn knock(&self) {
        if let Some(engine) = self.engine.get().and_then(EngineWeak::upgrade) {
            engine.increment_epoch();
        }
    }

    /// What is said of a stop in no call, or in another one than the program was in.
    pub fn behind(&self) -> String {
        let ran = |fuel: u64| format!("{} million instructions ", fuel.div_ceil(1_000_000));
        let ran = self.stop.fuel.map(ran).unwrap_or_default();
        let place = match self.calls {
            0 => format!("{ran}after its start"),
            calls => format!("{ran}after its call {calls} of the host"),
        };
        format!("; frames and values are those of a replay of it, stopped {place}, not at that very moment")
    }
}
