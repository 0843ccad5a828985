//! `coredump-json`: core dumps as documented JSON.

mod args;
mod document;
mod render;

fn main() -> std::process::ExitCode {
    coredump_core::cli::main(&args::TOOL, render::run)
}
