//! Parses any bytes as a command line: lines are arguments, the first byte selects the tool.
#![no_main]
#![allow(dead_code, missing_docs)]

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use argh::FromArgValue;
use coredump_core::cli::Tool;
use coredump_core::cli::args::{Early, Grammar, parse};
use libfuzzer_sys::fuzz_target;

#[path = "../../coredump-dump/src/address.rs"]
mod address;
#[path = "../../coredump-bt/src/args.rs"]
mod bt;
#[path = "../../coredump-json/src/args.rs"]
mod json;
#[path = "../../coredump-run/src/args.rs"]
mod run;

// The arguments of `coredump-run` name two things of a crate that links wasmtime, which no fuzz target needs.
extern crate self as coredump_capture;

/// As `coredump_capture::HEAP_LIMIT`.
pub const HEAP_LIMIT: u64 = 1 << 30;

/// As `coredump_capture::MemoryChoice`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryChoice {
    All,
    Stack,
    None,
}

/// Arguments after the program belong to the guest.
const RUN: Tool = Tool {
    name: "coredump-run",
    version: "0",
    grammar: Grammar { trailing: true, optional_values: &[("snapshot", "1")] },
};

fuzz_target!(|bytes: &[u8]| {
    let Some((tool, line)) = bytes.split_first() else { return };
    let args = line.split(|&byte| byte == b'\n').map(|arg| OsString::from_vec(arg.to_vec()));
    let early = match tool % 4 {
        0 => parse::<bt::Args>(&bt::TOOL, args).err(),
        1 => parse::<run::Args>(&RUN, args).err(),
        2 => parse::<json::Args>(&json::TOOL, args).err(),
        _ => {
            if let Ok(text) = std::str::from_utf8(line) {
                let _ = address::Range::from_arg_value(text);
            }
            None
        }
    };
    if let Some(Early::Usage(message) | Early::Print(message)) = early {
        assert!(!message.trim().is_empty());
    }
});
