//! The options that several tools have, each defined once: how much of a value is shown, where binaries are, how much
//! is unpacked, colours, `-o`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::args::RawArg;
use super::report::Report;
use crate::text;

/// Defines the `Args` of a tool that reads dumps: its own options, and between them those that all share.
///
/// argh cannot flatten one structure into another, so the fields of all are written into one. A literal that a tool
/// gives for a shared option becomes part of its description: which files `--symbols-path` leads to, where `--path-map`
/// finds sources, where `--untrusted` still looks for files.
#[macro_export]
macro_rules! reader_args {
    (
        $(#[$about:meta])*
        pub struct Args { $($own:tt)* }
        $(
            values { $depth:ident, $elements:ident }
            more { $($more:tt)* }
        )?
        shared {
            #[doc = $files:tt] symbols_path,
            #[doc = $untrusted:tt] untrusted,
            $(#[doc = $sources:tt] path_map,)?
            $($max_size:ident, $color:ident,)?
        }
        last { $($last:tt)* }
        $(shared { $output:ident })?
    ) => {
        #[derive(Debug, argh::FromArgs, argh::ArgsInfo)]
        $(#[$about])*
        pub struct Args {
            $($own)*
            $(
                /// how many levels of members and pointers a value shows (default 4, at most 64)
                #[argh(option, arg_name = "n")]
                pub $depth: Option<u32>,
                /// elements of one array or collection that are shown (default 32)
                #[argh(option, arg_name = "n")]
                pub $elements: Option<u32>,
                $($more)*
            )?
            /// a binary: [name=]file; repeatable
            #[argh(option, short = 'm', arg_name = "[name=]file")]
            pub module: Vec<$crate::cli::args::RawArg>,
            /// a folder to look for
            #[doc = $files]
            /// in; repeatable
            #[argh(option, arg_name = "dir")]
            pub symbols_path: Vec<$crate::cli::args::RawArg>,
            $(
                /// sources of programs that were built below FROM lie below TO
                #[doc = $sources]
                /// * in FROM is any one folder; repeatable
                #[argh(option, arg_name = "from=to")]
                pub path_map: Vec<$crate::cli::path_map::PathMapping>,
            )?
            /// open no file by a path that the dump records
            #[argh(switch)]
            pub no_recorded_paths: bool,
            /// dump and modules come from somebody else: --no-recorded-paths, and files that a module names are opened only
            #[doc = $untrusted]
            #[argh(switch)]
            pub untrusted: bool,
            $(
                /// unpack at most this many bytes of a compressed dump (default 8g)
                #[argh(option, arg_name = "size", default = "coredump_core::compressed::MAX_PIPED")]
                #[argh(from_str_fn($crate::cli::size::size))]
                pub $max_size: u64,
                /// auto (default), always or never
                #[argh(option, default = "Default::default()", arg_name = "when")]
                pub $color: $crate::cli::output::Color,
            )?
            $($last)*
            $(
                /// write to this file, whole or not at all
                #[argh(option, short = 'o', arg_name = "file")]
                pub $output: Option<$crate::cli::args::RawArg>,
            )?
        }

        impl Args {
            $(
                /// Returns the limits on values that are shown.
                pub fn limits(&self) -> $crate::Limits {
                    $crate::Limits::asked(self.$depth, self.$elements)
                }
            )?

            /// Returns the options by which the binaries of the dump in a file are looked for. `--untrusted` implies
            /// `--no-recorded-paths`, and distrusts what modules name as well.
            pub fn locating(&self, dump: Option<&std::path::Path>) -> $crate::Options {
                $crate::Options {
                    named: self.module.iter().map($crate::cli::locating::named_module).collect(),
                    symbol_paths: self.symbols_path.iter().map(|folder| folder.to_path()).collect(),
                    recorded_paths: !self.no_recorded_paths && !self.untrusted,
                    trusted: !self.untrusted,
                    dump_path: dump.map(std::path::Path::to_owned),
                }
            }
        }
    };
}

/// Splits the value of `-m [NAME=]FILE`. An existing file whose own name holds a `=` is that file.
pub fn named_module(value: &RawArg) -> (Option<String>, PathBuf) {
    let bytes = value.0.as_bytes();
    let split = bytes.iter().position(|&byte| byte == b'=').filter(|_| !value.path().exists());
    match split {
        Some(at) => {
            let name = String::from_utf8_lossy(&bytes[..at]).into_owned();
            (Some(name), Path::new(OsStr::from_bytes(&bytes[at + 1..])).to_owned())
        }
        None => (None, value.to_path()),
    }
}

/// Warns of paths that are no folders: a typing mistake there would look like missing debug info.
pub fn check_folders(symbol_paths: &[RawArg], report: &Report) {
    for folder in symbol_paths.iter().filter(|folder| !folder.path().is_dir()) {
        report.say(format_args!("warning: --symbols-path {}: no such folder", text::path(folder.path())));
    }
}
