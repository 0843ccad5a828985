//! The layer that the command lines share: arguments, input, output, exit codes, colour, what is safe to print.
//!
//! A tool's `main` is `cli::main::<Args>(&TOOL, run)`: everything that all tools do alike happens here.

pub mod args;
pub mod frame;
mod help;
pub mod input;
pub mod locating;
mod manual;
pub mod output;
pub mod paint;
pub mod path_map;
pub mod report;
pub mod signals;
pub mod size;
pub mod sources;

pub use crate::limits::shorten;
pub use crate::text;

use std::process::ExitCode;

use argh::{ArgsInfo, TopLevelCommand};

use crate::error::{Error, ErrorKind, Result};
use crate::mapped;
use args::{Early, Grammar};
use report::Report;

/// The description of a tool.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    /// The command's name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The differences of its arguments from the common grammar.
    pub grammar: Grammar,
}

/// Describes the tool in whose crate this stands: name and version are those of its package.
#[macro_export]
macro_rules! tool {
    ($grammar:expr) => {
        $crate::cli::Tool { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION"), grammar: $grammar }
    };
}

/// The end of a tool. Failures are [`Error`]s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All that was asked for was done.
    Done,
    /// Something was done but not all of it, or nothing was found.
    Partial,
    /// Another status: the guest's own code, of `coredump-run`.
    Code(u8),
}

impl Exit {
    /// The worse of two outcomes.
    pub fn and(self, other: Exit) -> Exit {
        if self == Exit::Done { other } else { self }
    }

    /// [`Exit::Done`] or, if `partial`, [`Exit::Partial`].
    pub fn partial_if(partial: bool) -> Exit {
        if partial { Exit::Partial } else { Exit::Done }
    }
}

/// Exit status of a failure.
pub const FAILED: u8 = 2;
/// Exit status of wrong usage (`EX_USAGE` of sysexits.h).
pub(crate) const USAGE: u8 = 64;

/// Runs a tool: arguments, help, version, then `run`; turns the outcome into messages and an exit status.
pub fn main<T: TopLevelCommand + ArgsInfo>(
    tool: &'static Tool,
    run: impl FnOnce(T, &Report) -> Result<Exit>,
) -> ExitCode {
    let report = Report::new(tool.name);
    // A file that shrinks while it is read, and a limit on the size of files, become errors instead of fatal signals.
    mapped::survive_shrinking();
    output::survive_size_limit();
    let outcome = match args::parse::<T>(tool, std::env::args_os().skip(1)) {
        Ok(args) => run(args, &report),
        Err(Early::Print(text)) => output::print(&text).map(|()| Exit::Done),
        Err(Early::Usage(message)) => {
            Err(Error::new(ErrorKind::Usage, message).hint(format!("{} --help lists the options", tool.name)))
        }
    };
    match outcome {
        Ok(Exit::Done) => ExitCode::SUCCESS,
        Ok(Exit::Partial) => ExitCode::from(1),
        Ok(Exit::Code(code)) => ExitCode::from(code),
        // The reader of our output went away: nobody is left to tell.
        Err(error) if error.io_kind() == Some(std::io::ErrorKind::BrokenPipe) => ExitCode::SUCCESS,
        Err(error) => {
            report.error(&error);
            ExitCode::from(if error.kind == ErrorKind::Usage { USAGE } else { FAILED })
        }
    }
}

/// The tool's help, for a tool that finds nothing to read on a terminal.
pub fn help<T: ArgsInfo>(tool: &Tool) -> String {
    help::help(tool, &T::get_args_info())
}
