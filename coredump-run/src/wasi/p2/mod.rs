//! WASI 0.2, for components: what they ask the host for is noted, recorded, and answered from a recording.

mod functions;
mod imports;

pub use functions::{INTERFACES, link};
pub use imports::{Answer, Function, Imports, VERSION};
