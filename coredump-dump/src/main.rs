//! `coredump-dump`: the memory of a WebAssembly core dump.

mod address;
mod ahead;
mod args;
mod blocks;
mod cells;
mod check;
mod content;
mod diff;
mod find;
mod format;
mod globals;
mod heap;
mod heap_diff;
mod heaps;
mod hex;
mod hits;
mod image;
mod inspection;
mod leaks;
mod list;
mod map;
mod objects;
mod path;
mod print;
mod raw;
mod run;
mod snapshot;
mod strings;
mod svg;
mod table;
mod unit;
mod value;
mod whatis;

fn main() -> std::process::ExitCode {
    coredump_core::cli::main(&args::TOOL, run::run)
}
