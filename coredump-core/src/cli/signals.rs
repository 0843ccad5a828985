//! Signals that end a tool.

use std::sync::Once;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::new_file;

/// The signals that ask a process to end, except for those that this one was started to ignore (as `nohup` does with
/// SIGHUP).
pub fn ending() -> impl Iterator<Item = i32> {
    let ignored = ignored();
    [SIGINT, SIGTERM, SIGQUIT, SIGHUP].into_iter().filter(move |signal| ignored >> (signal - 1) & 1 == 0)
}

/// The ignored signals as a mask (Linux, proc_pid_status(5)); 0 where the system does not say.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// Ends this process as the signal does by default, and removes the files that it has not completed.
pub fn end_by(signal: i32) {
    new_file::abandon();
    // This fails only for a signal that has no default action.
    let _ = emulate_default_handler(signal);
}

/// Makes signals that end this process remove the files that it has not completed, which have temporary names where the
/// file system has no unnamed files.
pub(super) fn leave_nothing() {
    static ONCE: Once = Once::new();
    // Without a thread or a descriptor for that, they stay under their temporary names.
    ONCE.call_once(|| {
        let Ok(mut signals) = Signals::new(ending()) else { return };
        let wait = move || signals.forever().for_each(end_by);
        let _ = std::thread::Builder::new().name("signals".to_owned()).spawn(wait);
    });
}
