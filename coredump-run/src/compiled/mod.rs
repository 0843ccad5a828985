//! Compiles programs to code of this processor, and caches the code between runs.

mod code;
mod guard;
mod store;

pub use code::{CompiledCode, Kind};
pub use guard::guarded;
pub use store::Cache;
