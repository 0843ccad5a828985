//! `coredump-bt`: shows where a WebAssembly program died, as backtraces with functions, files and lines.

mod args;
mod brief;
mod frames;
mod header;
mod html;
mod inner;
mod notes;
mod opening;
mod page;
mod raw;
mod render;
mod short;
mod source;
mod store;
mod tasks;
mod trace;
mod variables;

fn main() -> std::process::ExitCode {
    coredump_core::cli::main(&args::TOOL, render::run)
}
