//! Signals to this process, from its first moment to its last.
//!
//! A thread waits for them, so that whatever the others do (compile, write a dump to a pipe that nobody reads, run a guest that
//! never looks up) a signal is seen to.

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

/// What a signal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The program, or the server, is to end.
    End(i32),
    /// A snapshot of the program is to be taken.
    Snapshot(i32),
}

type Listener = Box<dyn FnMut(Meaning) + Send>;

/// Who gets the signals.
#[derive(Clone)]
pub struct Signals(Arc<Mutex<Listener>>);

impl Signals {
    /// Catches them from now on. Until somebody listens there is no program: the first one that ends programs ends this process, and
    /// a request for a snapshot is reported.
    ///
    /// # Errors
    ///
    /// The system's: there is no descriptor or no thread left.
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

    /// Tells `listener` of them from now on, and nobody else. It must not take long.
    pub fn listen(&self, listener: impl FnMut(Meaning) + Send + 'static) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(listener);
    }

    /// Passes them on to the guest. If it `ends` on them, the first one makes it stop and leave a dump; a second one, or any once
    /// the guest is over, ends this process at once, and takes a half-written dump with it. Where there can be no snapshot that is
    /// reported, and nothing else happens.
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

/// Reports that there is no snapshot.
pub fn refuse(report: Option<Report>, why: &'static str) {
    if let Some(report) = report {
        aside(move || report.say(format_args!("no core dump: {why}")));
    }
}

/// Does what may take long, as to write to a standard error that nobody reads, where it keeps no signal waiting.
pub fn aside(work: impl FnOnce() + Send + 'static) {
    // Without a thread it is left undone.
    let _ = std::thread::Builder::new().name("aside".to_owned()).spawn(work);
}

/// Ends this process as if nobody had been listening.
pub fn end_by(signal: i32) {
    // It only fails for a signal that has no default.
    let _ = emulate_default_handler(signal);
}

/// The signals that end a guest: but for those that this process was started to ignore (as `nohup` does with SIGHUP).
fn ending() -> impl Iterator<Item = i32> {
    let ignored = ignored();
    ENDING.into_iter().filter(move |signal| ignored >> (signal - 1) & 1 == 0)
}

/// The signals that are ignored, as a mask (Linux, proc_pid_status(5)); none where the system does not say.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
