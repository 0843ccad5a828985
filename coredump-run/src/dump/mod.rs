//! Writes the dumps of a program: when they are written, what they contain, and what the dump of a repeated run must
//! agree with.

mod again;
mod compare;
pub mod placed;
mod writer;

pub use again::{Again, differs};
pub use compare::Expected;
pub use writer::{DumpWriter, Stage, Watcher};
