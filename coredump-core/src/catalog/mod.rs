//! The entries of one binary's debug information: its units, each scanned once and only when something in it is asked
//! for, the types in them, and the entries with a name.
//!
//! The catalog is the same for all dumps of a program, and is kept with the binary. `units` finds entries, `entries`
//! says what an entry is, `outline` lists where the named ones are in a unit, `split_types` reads types in `.dwo`
//! files, `type_reader` reads `types`.

#![expect(non_upper_case_globals, reason = "DWARF names its constants so")]

mod entries;
mod outline;
mod split_types;
mod type_reader;
pub(crate) mod types;
pub(crate) mod units;

pub use entries::Language;
pub(crate) use type_reader::{declared, wide_constant};
pub(crate) use units::Catalog;
