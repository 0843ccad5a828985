//! Offers WASI 0.1 and its predecessor to core modules.

mod functions;
mod recorded;
mod replayed;
mod targets;

pub use functions::link as link_recorded;
pub use replayed::link as link_replayed;

/// The names of the modules from which programs import the functions of WASI 0.1 and of its predecessor.
pub const MODULES: [&str; 2] = ["wasi_snapshot_preview1", "wasi_unstable"];
