//! Converts values of components to bytes, for a recording, and to text.

mod compound;
mod encoding;
#[cfg(test)]
mod tests;
mod types;

pub use encoding::{Input, Value, Values};
