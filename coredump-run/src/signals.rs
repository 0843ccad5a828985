//! Handles the signals to this process, from its start to its end.
//!
//! A thread waits for signals, so that they are handled whatever the other threads do: compile, write a dump to a pipe
//! that nobody reads, or run a guest that never checks for requests.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use coredump_core::cli::report::Report;
use coredump_core::cli::signals::{end_by, ending};
use signal_hook::consts::SIGUSR1;
use signal_hook::iterator;

use crate::control::Control;
use crate::dump::DumpWriter;
use crate::ending::Interruption;

/// The meaning of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The program, or the server, is to end.
    End(i32),
    /// A snapshot of the program is to be taken.
    Snapshot(i32),
}

type Listener = Box<dyn FnMut(Meaning) + Send>;

/// The handler of signals, which can be replaced.
#[derive(Clone)]
pub struct Signals(Arc<Mutex<Listener>>);

impl Signals {
    /// Catches signals from now on. Until there is a listener, there is no program: a signal that ends programs ends
    /// this process, and a request for a snapshot is reported.
    ///
    /// # Errors
    ///
    /// Fails with the system's error if there is no descriptor or no thread left.
    pub fn watch(report: Option<Report>) -> io::Result<Signals> {
        let signals = Signals(Arc::new(Mutex::new(Box::new(move |meaning| match meaning {
            Meaning::End(signal) => end_by(signal),
            Meaning::Snapshot(_) => refuse(report, "the program has not started"),
        }))));
        let mut caught = iterator::Signals::new(ending().chain([SIGUSR1]))?;
        let told = signals.clone();
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for signal in caught.forever() {
                let meaning = if signal == SIGUSR1 { Meaning::Snapshot(signal) } else { Meaning::End(signal) };
                told.0.lock().unwrap_or_else(PoisonError::into_inner)(meaning);
            }
        })?;
        Ok(signals)
    }

    /// Passes signals to `listener` alone from now on. It must return quickly.
    pub fn listen(&self, listener: impl FnMut(Meaning) + Send + 'static) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(listener);
    }

    /// Passes signals on to the guest. With `ends`, the first signal makes the guest stop and leave a dump; a second
    /// one, or any after the end of the guest, ends this process at once and removes an incomplete dump. If there can
    /// be no snapshot, that is reported, and nothing else happens.
    pub fn pass_on(&self, control: Arc<Control>, writer: Arc<DumpWriter>, ends: bool) {
        self.listen(move |meaning| match meaning {
            Meaning::Snapshot(signal) if ends => control.ask_snapshot(signal),
            Meaning::Snapshot(_) => {
                let writer = writer.clone();
                aside(move || writer.no_snapshot());
            }
            Meaning::End(signal) => {
                let over = !ends || control.is_over() || writer.ends_at_once();
                if over || !control.interrupt(Interruption::Signal(signal)) {
                    end_by(signal);
                }
            }
        });
    }
}

/// Reports that no snapshot is written.
pub fn refuse(report: Option<Report>, why: &'static str) {
    if let Some(report) = report {
        aside(move || report.say(format_args!("no core dump: {why}")));
    }
}

/// Does work that may take long, such as writing to a standard error that nobody reads, on another thread, so that no
/// signal waits for it.
pub fn aside(work: impl FnOnce() + Send + 'static) {
    // If no thread can be started, the work is not done.
    let _ = std::thread::Builder::new().name("aside".to_owned()).spawn(work);
}
