//! The crate's internal modules, for this project's tests, its fuzz targets, and the tools that make dumps. They may
//! change in any release.
//!
//! `coredump-run` and `coredump-capture` need them because they say why a program died before its dump is a file: what
//! they look at borrows from the engine's memories, and a [`crate::Dump`] owns the bytes that it reads. Recordings,
//! too, are their affair alone.

macro_rules! modules {
    ($($name:ident)*) => {
        $(
            pub mod $name {
                pub use crate::$name::*;
            }
        )*
    };
}

modules! {
    backtrace binaries buffer component digest files limits locate mapped new_file producers read recording signature stamp symbols
    unasked variables
}
