//! `coredump-serve`: opens core dumps in editors, by the Debug Adapter Protocol, and in LLDB, by GDB's remote serial
//! protocol.

mod args;
mod dap;
mod gdb;
mod run;
mod words;

fn main() -> std::process::ExitCode {
    coredump_core::cli::main(&args::TOOL, run::run)
}
