//! Runs a recorded program again with the answers that it got: instrumented, up to the same end.
//!
//! A program that is recorded runs at full speed. When it dies, the dump that an uninstrumented engine can give is written
//! first, whole. Then the program runs again in an engine that knows locals and operand stacks. Its dump counts, and
//! replaces the first one, if it ended at the same place for the same reason with the same memories and globals.

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
