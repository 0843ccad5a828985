//! The dump of a program: when it is written, what it says, and what that of a program which ran again must agree with.

mod again;
mod compare;
pub mod placed;
mod writer;

pub use again::{Again, differs};
pub use compare::Expected;
pub use writer::{DumpWriter, Stage, Watcher};
