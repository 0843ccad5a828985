//! Compiles programs to code of this processor, and caches the code between runs.

mod code;
mod store;

pub use code::{Code, Kind};
pub use store::Cache;
