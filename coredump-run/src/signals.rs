//! Handles the signals to this process, from its start to its end.
//!
//! A thread waits for signals, so that they are handled whatever the other threads do: compile, write a dump to a pipe
//! that nobody reads, or run a guest that never checks for requests.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use coredump_core::cli::report::Report;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1};
use signal_hook::iterator;
use signal_hook::low_level::emulate_default_handler;

use crate::control::Control;
use crate::dump::DumpWriter;
use crate::ending::Interruption;

/// Signals that end the guest with a dump.
const ENDING: [i32; 4] = [SIGINT, SIGTERM, SIGQUIT, SIGHUP];

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
                    writer.output.abandon();
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

/// Ends this process as the signal does by default.
pub fn end_by(signal: i32) {
    // This fails only for a signal that has no default action.
    let _ = emulate_default_handler(signal);
}

/// The signals that end a guest, except for those that this process was started to ignore (as `nohup` does with
/// SIGHUP).
fn ending() -> impl Iterator<Item = i32> {
    let ignored = ignored();
    ENDING.into_iter().filter(move |signal| ignored >> (signal - 1) & 1 == 0)
}

/// The ignored signals as a mask (Linux, proc_pid_status(5)); 0 where the system does not say.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
