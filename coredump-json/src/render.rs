//! From a dump's bytes to its document.

use std::cell::RefCell;
use std::io::Write;

use coredump_core::backtrace::Resolver;
use coredump_core::binaries::{Binaries, Store};
use coredump_core::cli::input::Input;
use coredump_core::cli::locating;
use coredump_core::cli::output::{self, Output};
use coredump_core::cli::report::Report;
use coredump_core::cli::{self, Exit};
use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::signature::Signer;
use coredump_core::variables::Inspector;
use coredump_core::{read, reason};
use serde::Serialize;

use crate::args::{Args, MemoryDetail, TOOL};
use crate::document::{Crash, Failure, Layout};
use crate::encode;
use crate::fleet;
use crate::sources::Sources;

/// The JSON Schema of documents and of the lines that stand for unreadable dumps.
const SCHEMA: &str = include_str!("../../docs/coredump.schema.json");

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
    if args.encode {
        return encoded(&args, &named);
    }
    let sources = Sources::new(named, list.as_ref(), args.ndjson)?;
    let output = match &args.output {
        Some(path) if !path.is_dash() => Output::file(path.path())?,
        _ => Output::stdout()?,
    };
    fleet::run(&args, sources, output, report)
}

/// Writes the dump of one document.
fn encoded(args: &Args, named: &[Input]) -> Result<Exit> {
    let [input] = named else {
        return Err(Error::new(ErrorKind::Usage, "--encode makes one dump of one document"));
    };
    if args.ndjson || args.redact || args.locals {
        return Err(Error::new(ErrorKind::Usage, "--encode reads a document: options of its making do not go with it"));
    }
    let mut output = match &args.output {
        Some(path) if !path.is_dash() => Output::file(path.path())?,
        _ if output::stdout_is_terminal() => {
            return Err(Error::new(ErrorKind::Usage, "a core dump is not for a terminal").hint("name a file: -o FILE"));
        }
        _ => Output::stdout()?,
    };
    encode::run(input, &mut output)?;
    output.commit()?;
    Ok(Exit::Done)
}

/// Why a document was not written.
pub enum Stop {
    /// The dump cannot be read.
    Dump(Error),
    /// The document cannot be written; the output knows why.
    Output,
}

/// Writes documents, and remembers what dumps of the same programs share.
pub struct Worker<'w, 's> {
    args: &'w Args,
    store: &'s Store<'s>,
    signer: Signer,
}

impl<'w, 's> Worker<'w, 's> {
    /// A worker that keeps binaries in `store`.
    pub fn new(args: &'w Args, store: &'s Store<'s>) -> Self {
        Worker { args, store, signer: Signer::default() }
    }

    /// Writes one dump's document. Returns the failure that made part of the dump unreadable, if there was one.
    pub fn document(&mut self, input: &Input, output: &mut impl Write) -> Result<Option<Error>, Stop> {
        let bytes = input.open().map_err(Stop::Dump)?;
        let mut dump = read::read(&bytes).map_err(|error| Stop::Dump(input.blame(error)))?;
        let args = self.args;
        let options =
            locating::options(&args.module, &args.symbols_path, args.no_recorded_paths, args.untrusted, input.path());
        let binaries = Binaries::settle(self.store, &bytes, &mut dump, &options);
        let mut resolver = Resolver::new(&dump, &binaries);
        let crashed = dump.threads.iter().position(|thread| !thread.frames.is_empty()).unwrap_or(0);
        let youngest: Vec<_> = (0..reason::FRAMES).map_while(|frame| resolver.frame(crashed, frame)).collect();
        let reason = reason::of_frames(&dump, &binaries, crashed, &youngest, &mut self.signer);
        let signature = self.signer.signature((0..).map_while(|frame| resolver.frame(crashed, frame)));
        let crash = Crash {
            path: input.path(),
            modified: input.path().and_then(|path| path.metadata().ok()?.modified().ok()),
            dump: &dump,
            binaries: &binaries,
            resolver: RefCell::new(resolver),
            inspector: args.locals.then(|| Inspector::new(&dump, &binaries)),
            reason,
            signature,
            memory: if args.redact { MemoryDetail::None } else { args.memory },
            redact: args.redact,
        };
        self.write(&crash, output)?;
        let incomplete = dump.incomplete.as_ref().map(|incomplete| {
            let mut error = Error::new(ErrorKind::Malformed, format!("read in part: {}", incomplete.message));
            error.offset = incomplete.offset;
            input.blame(error)
        });
        Ok(incomplete)
    }

    /// Writes the line that stands for a dump that could not be read.
    pub fn failure(&self, error: &Error, output: &mut impl Write) -> Result<(), Stop> {
        self.write(&Failure::new(error), output)
    }

    fn write(&self, value: &impl Serialize, output: &mut impl Write) -> Result<(), Stop> {
        let layout = Layout::new(self.args.pretty);
        let mut serializer = serde_json::Serializer::with_formatter(&mut *output, layout);
        value.serialize(&mut serializer).map_err(|_| Stop::Output)?;
        output.write_all(b"\n").map_err(|_| Stop::Output)
    }
}
