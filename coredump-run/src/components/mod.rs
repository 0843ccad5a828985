//! Components of WASI 0.2: what they ask the host for is noted, recorded, and answered from a recording.

mod files;
mod link;
mod obstacle;
mod wasi;

pub use files::Files;
pub use link::{Answer, Function, Imports, VERSION};
pub use obstacle::obstacle;
pub use wasi::link;
