//! The bounds set against hostile input, in one place; `docs/limits.md` explains them.

/// Frames read from one dump, all threads together. Older ones beyond it are dropped with a warning.
pub const MAX_FRAMES: usize = 1 << 20;

/// Wasm locals and operands read from one thread.
pub const MAX_VALUES: usize = 1 << 24;
