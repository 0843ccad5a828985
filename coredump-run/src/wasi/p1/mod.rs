//! WASI 0.1 and its predecessor, for core modules.

mod functions;
mod recorded;
mod replayed;
mod targets;

pub use functions::link as link_recorded;
pub use replayed::link as link_replayed;

/// The modules under which programs import their functions.
pub const MODULES: [&str; 2] = ["wasi_snapshot_preview1", "wasi_unstable"];
