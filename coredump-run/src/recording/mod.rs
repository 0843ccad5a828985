//! Records a program while it runs: each answer of the host, in a log. A large read of a file is recorded as a passage
//! of the file, which is read again when it is needed.

pub mod component_files;
mod failure;
mod growth;
mod keeper;
mod kept;
mod log;
pub mod module_files;
mod proof;
mod spool;

pub use failure::{as_error, failure};
pub use growth::Growth;
pub use kept::{KeptFile, file, passage, spelled_out, spliced};
pub use log::{Log, Recorded};
