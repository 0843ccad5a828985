//! What lies behind the door, for this project's tests, its fuzz targets, and the tools that make dumps. No promise is made for
//! any of it.

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
    backtrace binaries buffer digest files limits locate mapped new_file producers read recording signature stamp symbols
    unasked variables
}
