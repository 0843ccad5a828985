//! Any bytes as a command line: lines are arguments, the first byte chooses the tool.
#![no_main]

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use coredump_core::cli::args::{Early, parse};
use libfuzzer_sys::fuzz_target;

#[path = "../../coredump-dump/src/address.rs"]
mod address;
#[path = "../../coredump-bt/src/args.rs"]
mod bt;
#[path = "../../coredump-dump/src/args.rs"]
mod dump;
#[path = "../../coredump-json/src/args.rs"]
mod json;

fuzz_target!(|bytes: &[u8]| {
    let Some((tool, line)) = bytes.split_first() else { return };
    let args = line.split(|&byte| byte == b'\n').map(|arg| OsString::from_vec(arg.to_vec()));
    let early = match tool % 3 {
        0 => parse::<bt::Args>(&bt::TOOL, args).err(),
        1 => parse::<dump::Args>(&dump::TOOL, args).err(),
        _ => parse::<json::Args>(&json::TOOL, args).err(),
    };
    if let Some(Early::Usage(message) | Early::Print(message)) = early {
        assert!(!message.trim().is_empty());
    }
});
