//! From a dump's bytes to its document.

use std::cell::RefCell;
use std::io::{self, Write};

use coredump_core::backtrace::Resolver;
use coredump_core::binaries::{Binaries, Store};
use coredump_core::cli::input::Input;
use coredump_core::cli::locating;
use coredump_core::cli::output::Output;
use coredump_core::cli::report::Report;
use coredump_core::cli::{self, Exit};
use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::signature::Signer;
use coredump_core::variables::Inspector;
use coredump_core::{read, reason};
use serde::Serialize;

use crate::args::{Args, TOOL};
use crate::document::{Crash, Failure, Layout};

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
    let store = Store::new();
    let mut worker = Worker { args: &args, report, store: &store, signer: Signer::default() };
    let mut exit = Exit::Done;
    for input in &inputs {
        exit = exit.and(worker.dump(input, &mut output)?);
    }
    output.commit()?;
    Ok(exit)
}

/// Writes documents, and remembers what dumps of the same programs share.
struct Worker<'w, 's> {
    args: &'w Args,
    report: &'w Report,
    store: &'s Store<'s>,
    signer: Signer,
}

impl Worker<'_, '_> {
    /// Writes one dump's document.
    fn dump(&mut self, input: &Input, output: &mut Output) -> Result<Exit> {
        let bytes = match input.open() {
            Ok(bytes) => bytes,
            Err(error) => return self.bad(error, output),
        };
        let dump = match read::read(&bytes) {
            Ok(dump) => dump,
            Err(error) => return self.bad(input.blame(error), output),
        };
        if let Some(incomplete) = &dump.incomplete {
            self.report.warning(input.name(), incomplete);
        }
        let args = self.args;
        let recorded = !args.no_recorded_paths && !args.untrusted;
        let options = locating::options(&args.module, &args.symbols_path, recorded, input.path());
        let binaries = Binaries::locate(self.store, &dump, &options);
        let mut resolver = Resolver::new(&dump, &binaries);
        let crashed = dump.threads.iter().position(|thread| !thread.frames.is_empty()).unwrap_or(0);
        let frames = (0..).map_while(|frame| resolver.frame(crashed, frame));
        let signature = self.signer.signature(frames);
        let youngest: Vec<_> = (0..reason::FRAMES).map_while(|frame| resolver.frame(crashed, frame)).collect();
        let reason = reason::of_frames(&dump, &binaries, crashed, &youngest, &mut self.signer);
        let crash = Crash {
            path: input.path(),
            modified: input.path().and_then(|path| path.metadata().ok()?.modified().ok()),
            dump: &dump,
            binaries: &binaries,
            resolver: RefCell::new(resolver),
            inspector: args.locals.then(|| Inspector::new(&dump, &binaries)),
            reason,
            signature,
            memory: args.memory,
        };
        self.write(&crash, output)?;
        Ok(Exit::partial_if(dump.incomplete.is_some()))
    }

    /// Tells of a dump that could not be read: as a line among the others, or as the end of it all.
    fn bad(&self, error: Error, output: &mut Output) -> Result<Exit> {
        if !self.args.ndjson && self.args.dumps.len() < 2 {
            return Err(error);
        }
        self.report.error(&error);
        if self.args.ndjson {
            self.write(&Failure::new(&error), output)?;
        }
        Ok(Exit::Partial)
    }

    fn write(&self, value: &impl Serialize, output: &mut Output) -> Result<()> {
        let layout = Layout::new(self.args.pretty);
        let written = value.serialize(&mut serde_json::Serializer::with_formatter(&mut *output, layout));
        let written = written.map_err(io::Error::from).and_then(|()| output.write_all(b"\n"));
        written.map_err(|error| output.failed(error))
    }
}
