//! Components of WASI 0.2: what they ask the host for is noted, recorded, and answered from a recording.

mod compound;
mod files;
mod link;
mod obstacle;
mod offered;
#[cfg(test)]
mod tests;
mod types;
mod values;
mod wasi;

pub use files::Files;
pub use link::{Answer, Function, Imports, VERSION};
pub use obstacle::obstacle;
pub use offered::is_offered;
pub use values::Values;
pub use wasi::link;
