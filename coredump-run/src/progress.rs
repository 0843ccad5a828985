//! Shows the progress of long work as a line on a terminal.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The time that work takes before its progress is shown.
const PATIENCE: Duration = Duration::from_secs(1);

/// The time between two updates of the line.
const INTERVAL: Duration = Duration::from_millis(200);

/// True if a line is on the terminal.
static SHOWN: AtomicBool = AtomicBool::new(false);

/// A line that is shown on a terminal from a second on, until this value is dropped.
pub struct Progress {
    done: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Begins to show `line`; nothing is shown with `quiet`, or if standard error is not a terminal.
    pub fn new(quiet: bool, line: impl Fn() -> String + Send + 'static) -> Progress {
        if quiet || !std::io::stderr().is_terminal() {
            return Progress { done: None, thread: None };
        }
        let (done, is_done) = mpsc::channel();
        let began = Instant::now();
        let show = move || {
            let mut wait = PATIENCE;
            while is_done.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                wait = INTERVAL;
                SHOWN.store(true, Ordering::SeqCst);
                let _ = write!(std::io::stderr(), "\r{}, {} s\x1b[K", line(), began.elapsed().as_secs());
            }
            clear();
        };
        // If no thread can be started, nothing is shown.
        let thread = std::thread::Builder::new().name("progress".to_owned()).spawn(show).ok();
        Progress { done: Some(done), thread }
    }

    /// Shows a growing count, and `total` if that is known.
    pub fn of_count(
        quiet: bool,
        what: &'static str,
        unit: &'static str,
        count: Arc<AtomicU64>,
        total: Option<u64>,
    ) -> Progress {
        Progress::new(quiet, move || {
            let count = count.load(Ordering::Relaxed);
            match total {
                Some(total) => format!("{what}: {count} of {total} {unit}"),
                None => format!("{what}: {count} {unit}"),
            }
        })
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        drop(self.done.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Removes the line, so that something else can be written.
pub fn clear() {
    if SHOWN.swap(false, Ordering::SeqCst) {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
}
