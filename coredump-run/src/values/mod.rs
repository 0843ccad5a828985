//! Values of components: as bytes, as a recording holds them, and as text.

mod compound;
mod encoding;
#[cfg(test)]
mod tests;
mod types;

pub use encoding::{Input, Value, Values};
