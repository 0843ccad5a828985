//! Records what the host answers to a program, and runs it again with those answers: instrumented, up to the same end.
//!
//! A program that is recorded runs at full speed. When it dies, the dump that an uninstrumented engine can give is written
//! first, whole. Then the program runs again in an engine that knows locals and operand stacks. Its dump counts, and
//! replaces the first one, if it ended at the same place for the same reason with the same memories and globals.

mod bytes;
mod changes;
mod command;
mod compare;
mod files;
mod growth;
mod hunt;
mod kept;
mod log;
mod overflow;
mod places;
mod play;
mod record;
mod replayer;
mod rerun;
mod spool;
mod stop;
mod targets;
mod wasi;
mod witness;
mod written;

use coredump_core::module::{ItemKind, Module};

use crate::components;

pub use command::run as command;
pub use compare::Expected;
pub use files::{Files, at_once};
pub use growth::Growth;
pub use kept::{Keeper, Opened};
pub use log::Log;
pub use play::{Playback, run_on};
pub use record::{failure, link as link_recording};
pub use rerun::{Again, again, start, tape};
pub use stop::Stopper;

/// The modules of WASI 0.1 and its predecessor, under which programs import their functions.
const WASI: [&str; 2] = ["wasi_snapshot_preview1", "wasi_unstable"];

/// Why a program cannot be recorded, or nothing if it can.
pub fn obstacle(binary: &[u8], unknown_imports_trap: bool) -> Option<&'static str> {
    let Ok(module) = Module::parse(binary) else { return components::obstacle(binary, unknown_imports_trap) };
    if module.memories().iter().any(|memory| memory.shared) {
        return Some("it has a shared memory");
    }
    let foreign = |import: &coredump_core::module::Import<'_>| {
        import.kind != ItemKind::Function || !WASI.contains(&import.module)
    };
    if !unknown_imports_trap && module.imports().any(|import| foreign(&import)) {
        return Some("it imports more than WASI 0.1");
    }
    None
}
