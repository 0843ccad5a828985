//! `coredump-serve`: a core dump for editors, by the Debug Adapter Protocol.

mod args;
mod dap;
mod run;

fn main() -> std::process::ExitCode {
    coredump_core::cli::main(&args::TOOL, run::run)
}
