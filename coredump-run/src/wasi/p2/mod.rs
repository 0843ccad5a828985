//! Offers WASI 0.2 to components: their calls are noted, recorded, and answered from a recording.

mod functions;
mod imports;

pub use functions::{INTERFACES, link};
pub use imports::{ImportedFunction, Imports, LibraryResult, VERSION};
