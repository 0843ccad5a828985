//! Runs a recorded program again with the recorded answers: instrumented, up to the same end.
//!
//! A recorded program runs at full speed. When it dies, a complete dump with all that an uninstrumented engine knows is
//! written first. Then the program runs again in an engine that knows locals and operand stacks. If it ends at the same
//! place, for the same reason, with the same memories and globals, the second dump replaces the first one.

mod bytes;
mod changes;
mod command;
mod goal;
mod hunt;
mod lines;
mod overflow;
mod recorded_run;
mod replayer;
mod rerun;
mod stop;
mod witness;
mod written;

pub use command::run as command;
pub use rerun::{again, start};
pub use stop::Stopper;
