//! `coredump-dump`: the memory of a WebAssembly core dump.

mod address;
mod args;
mod globals;
mod hex;
mod image;
mod list;
mod paint;
mod raw;
mod run;
mod session;
mod table;

use std::process::ExitCode;

fn main() -> ExitCode {
    coredump_core::cli::main::<args::Args>(&args::TOOL, run::run)
}
