//! The options that say where binaries are, the same in every tool.
//!
//! argh cannot flatten one structure into another, so each tool's `args.rs` declares `module`, `symbols_path`,
//! `no_recorded_paths` and `untrusted`, and hands them here.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::args::RawArg;
use super::report::Report;
use crate::text;

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

/// Warns of folders that are none: a typing mistake there would look like missing debug info.
pub fn check_folders(symbol_paths: &[RawArg], report: &Report) {
    for folder in symbol_paths.iter().filter(|folder| !folder.path().is_dir()) {
        report.say(format_args!("warning: --symbols-path {}: no such folder", text::path(folder.path())));
    }
}

/// What all those options say together. `--untrusted` implies `--no-recorded-paths`, and distrusts what modules name as
/// well.
pub fn options(
    modules: &[RawArg],
    symbol_paths: &[RawArg],
    no_recorded_paths: bool,
    untrusted: bool,
    dump: Option<&Path>,
) -> crate::locate::Options {
    crate::locate::Options {
        named: modules.iter().map(named_module).collect(),
        symbol_paths: symbol_paths.iter().map(RawArg::to_path).collect(),
        recorded_paths: !no_recorded_paths && !untrusted,
        trusted: !untrusted,
        dump_path: dump.map(Path::to_owned),
    }
}
