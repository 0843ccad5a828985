//! `coredump-json`: core dumps as documented JSON.

mod args;
mod document;
mod encode;
mod fleet;
mod ordered;
mod render;
mod sources;
mod worker;

fn main() -> std::process::ExitCode {
    coredump_core::cli::main(&args::TOOL, render::run)
}
