//! Does what the command line asks for.

use coredump_core::cli::input::Input;
use coredump_core::cli::locating;
use coredump_core::cli::output::{self, Destination};
use coredump_core::cli::report::Report;
use coredump_core::cli::{self, Exit};
use coredump_core::error::{Error, ErrorKind, Result};

use crate::args::{Args, MemoryDetail, TOOL};
use crate::encode;
use crate::fleet;
use crate::sources::Listing;

/// The JSON Schema of documents and of the lines that stand for unreadable dumps.
const SCHEMA: &str = include_str!("../coredump.schema.json");

/// Runs the tool.
pub fn run(args: Args, report: &Report) -> Result<Exit> {
    if args.schema {
        output::print(SCHEMA)?;
        return Ok(Exit::Done);
    }
    if args.pretty && args.ndjson {
        return Err(Error::new(ErrorKind::Usage, "--ndjson is one line a dump: it cannot be --pretty"));
    }
    let list = args.files_from.as_ref().map(Input::from_arg);
    let named = match &list {
        Some(_) => args.dumps.iter().map(Input::from_arg).collect(),
        None => match Input::from_args(&args.dumps) {
            Some(named) => named,
            None => {
                output::print(&cli::help::<Args>(&TOOL))?;
                return Ok(Exit::Done);
            }
        },
    };
    if list == Some(Input::Stdin) && named.contains(&Input::Stdin) {
        return Err(Error::new(ErrorKind::Usage, "standard input is either a dump or a list of dumps"));
    }
    if args.trace && (args.encode || args.locals || args.memory == MemoryDetail::Base64) {
        let message =
            "a trace holds neither values nor memory: --encode, --locals and --memory base64 do not go with --trace";
        return Err(Error::new(ErrorKind::Usage, message));
    }
    if args.encode {
        return encoded(&args, &named);
    }
    locating::check_folders(&args.symbols_path, report);
    let sources = Listing::new(named, list.as_ref(), args.ndjson)?;
    let output = Destination::new(args.output.as_ref()).open()?;
    fleet::run(&args, sources, output, report)
}

/// Writes the dump of one document.
fn encoded(args: &Args, named: &[Input]) -> Result<Exit> {
    let [input] = named else {
        return Err(Error::new(ErrorKind::Usage, "--encode makes one dump of one document"));
    };
    if args.ndjson || args.redact || args.locals || args.sentry {
        return Err(Error::new(ErrorKind::Usage, "--encode reads a document: options of its making do not go with it"));
    }
    let destination = Destination::new(args.output.as_ref());
    if destination.is_terminal() {
        return Err(Error::new(ErrorKind::Usage, "a core dump is not for a terminal").hint("name a file: -o FILE"));
    }
    let mut output = destination.open()?;
    encode::run(input, args.untrusted || args.no_recorded_paths, &mut output)?;
    output.commit()?;
    Ok(Exit::Done)
}
