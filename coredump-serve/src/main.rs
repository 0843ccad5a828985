//! `coredump-serve`: a core dump for editors, by the Debug Adapter Protocol, and for LLDB, by GDB's remote protocol.

mod args;
mod dap;
mod gdb;
mod run;
mod words;

fn main() -> std::process::ExitCode {
    coredump_core::cli::main(&args::TOOL, run::run)
}
