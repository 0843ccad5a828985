//! Signals to this process: end with a dump, or dump and go on.

use std::io;
use std::sync::Arc;

use signal_hook::consts::{SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGXFSZ};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::control::Control;
use crate::ending::Interruption;
use crate::record::Recorder;

/// Makes a write beyond the limit of a file's size (`ulimit -f`) an error like any other: by default it kills the process,
/// and with it the guest's exit code.
pub fn survive_file_size_limit() -> io::Result<()> {
    signal_hook::flag::register(SIGXFSZ, Arc::default()).map(|_| ())
}

/// Passes signals on to the guest from now on. The first one that ends makes it stop and leave a dump; a second one ends
/// this process at once, and takes a half-written dump with it.
pub fn watch(control: Arc<Control>, recorder: Arc<Recorder>) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGQUIT, SIGUSR1])?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            if signal == SIGUSR1 {
                control.ask_snapshot(signal);
            } else if !control.interrupt(Interruption::Signal(signal)) {
                recorder.output.abandon();
                // Ends the process as if nobody had been listening; it only fails for a signal that has no default.
                let _ = emulate_default_handler(signal);
            }
        }
    })?;
    Ok(())
}
