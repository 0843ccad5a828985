//! Signals to this process: end with a dump, or dump and go on.

use std::io;
use std::sync::Arc;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::control::Control;
use crate::ending::Interruption;
use crate::record::Recorder;

/// Signals that end the guest with a dump.
const ENDING: [i32; 4] = [SIGINT, SIGTERM, SIGQUIT, SIGHUP];

/// Passes signals on to the guest from now on. If it `ends` on them, the first one makes it stop and leave a dump; a second
/// one, or any once the guest is over, ends this process at once, and takes a half-written dump with it. SIGUSR1 asks for a
/// snapshot, and where there can be none it is reported and nothing else happens.
pub fn watch(control: Arc<Control>, recorder: Arc<Recorder>, ends: bool) -> io::Result<()> {
    let ending = if ends { ending() } else { Vec::new() };
    let mut signals = Signals::new(ending.into_iter().chain([SIGUSR1]))?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            if signal != SIGUSR1 {
                if control.is_over() || recorder.ends_at_once() || !control.interrupt(Interruption::Signal(signal)) {
                    recorder.output.abandon();
                    // Ends the process as if nobody had been listening; it only fails for a signal that has no default.
                    let _ = emulate_default_handler(signal);
                }
            } else if ends {
                control.ask_snapshot(signal);
            } else {
                recorder.no_snapshot();
            }
        }
    })?;
    Ok(())
}

/// The signals that end a guest: but for those that this process was started to ignore (as `nohup` does with SIGHUP).
pub fn ending() -> Vec<i32> {
    let ignored = ignored();
    ENDING.into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0).collect()
}

/// The signals that are ignored, as a mask (Linux, proc_pid_status(5)); none where the system does not say.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
