//! From arguments to output.

use std::io::{self, Write};

use coredump_core::cli::input::Input;
use coredump_core::cli::output::Output;
use coredump_core::cli::report::Report;
use coredump_core::cli::{self, Exit};
use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::read;

use serde::Serialize;

use crate::args::{Args, TOOL};
use crate::document::{Document, Failure};

/// Runs the tool.
pub fn run(args: Args, report: &Report) -> Result<Exit> {
    if args.pretty && args.ndjson {
        return Err(Error::new(ErrorKind::Usage, "--ndjson is one line a dump: it cannot be --pretty"));
    }
    let Some(inputs) = Input::from_args(&args.dumps) else {
        cli::output::print(&cli::help::<Args>(&TOOL))?;
        return Ok(Exit::Done);
    };
    let mut output = match &args.output {
        Some(path) if !path.is_dash() => Output::file(path.path())?,
        _ => Output::stdout()?,
    };
    let mut exit = Exit::Done;
    for input in &inputs {
        match input.open() {
            Ok(bytes) => exit = exit.and(dump(&args, input, &bytes, report, &mut output)?),
            Err(error) => exit = exit.and(bad(&args, error, report, &mut output)?),
        }
    }
    output.commit()?;
    Ok(exit)
}

/// Writes one dump's document. Fails only if it cannot be written.
fn dump(args: &Args, input: &Input, bytes: &[u8], report: &Report, output: &mut Output) -> Result<Exit> {
    let dump = match read::read(bytes) {
        Ok(dump) => dump,
        Err(error) => return bad(args, input.blame(error), report, output),
    };
    let modified = input.path().and_then(|path| path.metadata().ok()?.modified().ok());
    if let Some(incomplete) = &dump.incomplete {
        report.warning(input.name(), incomplete);
    }
    write(args, &Document { path: input.path(), modified, dump: &dump, memory: args.memory }, output)?;
    Ok(Exit::partial_if(dump.incomplete.is_some()))
}

/// Tells of a dump that could not be read: as a line among the others, or as the end of it all.
fn bad(args: &Args, error: Error, report: &Report, output: &mut Output) -> Result<Exit> {
    if !args.ndjson && args.dumps.len() < 2 {
        return Err(error);
    }
    report.error(&error);
    if args.ndjson {
        write(args, &Failure::new(&error), output)?;
    }
    Ok(Exit::Partial)
}

fn write(args: &Args, value: &impl Serialize, output: &mut Output) -> Result<()> {
    let written = if args.pretty {
        serde_json::to_writer_pretty(&mut *output, value)
    } else {
        serde_json::to_writer(&mut *output, value)
    };
    let written = written.map_err(io::Error::from).and_then(|()| output.write_all(b"\n"));
    written.map_err(|error| output.failed(error))
}
