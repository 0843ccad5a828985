//! `coredump-run`: runs a WebAssembly program; when it dies, leaves a core dump and says why.

mod args;
mod blocking;
mod cache;
mod calls;
mod compiled;
mod control;
mod dump;
mod ending;
mod engine;
mod host;
mod invoke;
mod limits;
mod offered;
mod outgoing;
mod playback;
mod process;
mod program;
mod progress;
mod recording;
mod replay;
mod report;
mod rewrite;
mod run;
mod sections;
mod serve;
mod session;
mod signals;
mod stdio;
mod values;
mod wasi;

use std::io::IsTerminal;
use std::process::ExitCode;

use coredump_core::cli::{self, Tool, args::Grammar};

/// The tool, with the name that its help and its errors use.
pub(crate) const TOOL: Tool =
    coredump_core::tool!(Grammar { trailing: true, optional_values: &[("serve", "127.0.0.1:8080")] });

fn main() -> ExitCode {
    // Without arguments, on a terminal, the help is shown, as the other tools do.
    if std::env::args_os().len() == 1 && std::io::stdin().is_terminal() {
        let printed = cli::output::print(&cli::help::<args::Args>(&TOOL));
        return ExitCode::from(if printed.is_ok() { 0 } else { cli::FAILED });
    }
    cli::main::<args::Args>(&TOOL, session::run)
}
