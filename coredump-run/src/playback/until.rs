//! Says where a program that runs again is stopped, as its first run was stopped from outside.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use coredump_core::internals::recording::{self, Start};
use wasmtime::{Engine, EngineWeak};

use crate::ending::{Ending, Interruption};

/// The place at which a repeated run is to stop.
pub struct Until {
    /// The ending that the dump shows.
    pub ending: Ending,
    /// The place in the recording.
    pub stop: recording::ProgramStop,
    calls: u64,
    /// The engine that the program runs in.
    engine: OnceLock<EngineWeak>,
    /// True if the last call has returned: the program then stops where it yields.
    last: AtomicBool,
    /// The program's own ending, if it came before the stop.
    own: OnceLock<Ending>,
}

impl Until {
    /// A stop after `calls` calls.
    pub fn new(ending: Ending, stop: recording::ProgramStop, calls: u64) -> Until {
        let (engine, own) = (OnceLock::new(), OnceLock::new());
        Until { ending, stop, calls, engine, last: AtomicBool::new(false), own }
    }

    /// The stop that the start of a recording describes; `None` if the program ended by itself.
    pub fn from_start(start: &Start, kind: &str) -> Option<Until> {
        let stop = start.stop.clone()?;
        let ending = match stop.signal {
            Some(signal) if kind == Ending::Snapshot(signal).kind() => Ending::Snapshot(signal),
            Some(signal) => Ending::Interrupted(Interruption::Signal(signal)),
            None => Ending::Interrupted(Interruption::Timeout),
        };
        Some(Until::new(ending, stop, start.calls))
    }

    /// Sets the engine in which the program runs.
    pub fn runs_in(&self, engine: &Engine) {
        let _ = self.engine.set(engine.weak());
    }

    /// Notes that the program ended by itself, before the stop.
    pub fn came_too_late(&self, own: Ending) {
        let _ = self.own.set(own);
    }

    /// The program's own ending, if it came before the stop.
    pub fn own_ending(&self) -> Option<&Ending> {
        self.own.get()
    }

    /// Notes that the last call has returned.
    pub fn set_last(&self) {
        self.last.store(true, Ordering::Relaxed);
    }

    /// Is called when the program yields. Makes it check for a stop, if it has run for long enough after the last call.
    pub fn yields(&self) {
        if self.last.load(Ordering::Relaxed) {
            self.knock();
        }
    }

    /// Makes the code check whether it is to stop, at the beginning of its next loop or function.
    pub fn knock(&self) {
        if let Some(engine) = self.engine.get().and_then(EngineWeak::upgrade) {
            engine.increment_epoch();
        }
    }

    /// The remark about a stop where the program has run for long enough after the last call.
    pub fn behind(&self) -> String {
        self.remark(self.stop.fuel)
    }

    /// The remark about a stop in a call that the program had not entered yet when it was stopped. It comes to that
    /// call before it has run for as long as it may.
    pub fn in_next_call(&self) -> String {
        self.remark(None)
    }

    fn remark(&self, fuel: Option<u64>) -> String {
        let ran = |fuel: u64| format!("{} million instructions ", fuel.div_ceil(1_000_000));
        let ran = fuel.map(ran).unwrap_or_default();
        let place = match self.calls {
            0 => format!("{ran}after its start"),
            calls => format!("{ran}after its call {calls} of the host"),
        };
        format!("; frames and values are those of a replay of it, stopped {place}, not at that very moment")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A signal that comes just before a call: the program that runs again comes to that call at once.
    #[test]
    fn a_stop_in_the_next_call_does_not_say_how_far_the_program_might_have_run() {
        let stop = recording::ProgramStop { signal: Some(15), call: None, fuel: Some(2_000_000) };
        let until = Until::new(Ending::Interrupted(Interruption::Signal(15)), stop, 1);
        assert!(until.behind().contains("stopped 2 million instructions after its call 1 of the host"));
        assert!(until.in_next_call().contains("stopped after its call 1 of the host"));
    }
}
