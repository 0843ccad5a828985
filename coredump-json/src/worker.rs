//! Turns a dump's bytes into its document.

use std::cell::{Cell, OnceCell};
use std::io::Write;

use coredump_core::cli::input::Input;
use coredump_core::cli::output::Destination;
use coredump_core::cli::path_map::PathMap;
use coredump_core::compressed::unpacked;
use coredump_core::error::{Error, ErrorKind};
use coredump_core::trace::Scanner;
use coredump_core::{Bytes, Draft, Dump, Store};
use serde::Serialize;

use crate::args::{Args, MemoryDetail};
use crate::document::{Document, Event, Failure, Layout, Redacting};
use crate::sources::Listed;

/// The number of variables and parts of them that one document has by default.
const VARIABLES: usize = 250_000;

/// The reason why a document was not written.
pub enum Stop {
    /// The dump cannot be read.
    Dump(Error),
    /// The document cannot be written; the output knows why.
    Output,
}

/// Writes documents, and remembers what dumps of the same programs share.
pub struct Worker<'w> {
    args: &'w Args,
    store: &'w Store,
    colored: bool,
}

impl<'w> Worker<'w> {
    /// A worker that keeps binaries in `store`.
    pub fn new(args: &'w Args, store: &'w Store) -> Self {
        let colored = Destination::new(args.output.as_ref()).is_colored(args.color);
        Worker { args, store, colored }
    }

    /// Writes one dump's document. Returns the failure that made part of the dump unreadable, if there was one.
    pub fn document(&mut self, source: &Listed, output: &mut impl Write) -> Result<Option<Error>, Stop> {
        let input = &source.input;
        let bytes = self.open(source).map_err(Stop::Dump)?;
        let bytes = unpacked(bytes, self.args.max_size).map_err(|error| Stop::Dump(input.blame(error)))?;
        let draft = Draft::new(bytes).map_err(|error| Stop::Dump(input.blame(error)))?;
        let dump = draft.find_binaries(self.store, &self.args.locating(input.path()));
        self.write_crash(input, &dump, output)?;
        let incomplete = dump.recorded().incomplete.as_ref().map(|incomplete| {
            let message = match self.args.redact {
                true => "read in part".to_owned(),
                false => format!("read in part: {}", incomplete.message),
            };
            let mut error = Error::new(ErrorKind::Malformed, message);
            error.offset = incomplete.offset;
            input.blame(error)
        });
        Ok(incomplete)
    }

    /// The bytes of a dump. One of many must not block the others, and a file found in a folder is opened as one that
    /// nobody named.
    fn open(&self, source: &Listed) -> Result<Bytes, Error> {
        match &source.input {
            Input::File(path) if source.walked => Bytes::open_regular(path),
            input if self.args.ndjson || self.args.dumps.len() > 1 => input.open_at_once(),
            input => input.open(),
        }
    }

    /// Writes a document for each stack trace in a text. Returns how many there are.
    pub fn traces(&mut self, input: &Input, output: &mut impl Write) -> Result<u64, Stop> {
        let reader = input.reader().map_err(Stop::Dump)?;
        let mut locator = self.store.locator(self.args.locating(input.path()));
        let mut scanner = Scanner::new(reader);
        let mut count = 0;
        loop {
            let block = scanner.next_block();
            let block = block.map_err(|error| Stop::Dump(input.blame(Error::io("cannot read", error))))?;
            let Some(block) = block else { return Ok(count) };
            for trace in &block.traces {
                let dump = Dump::of_trace(locator.locate(trace), self.store);
                self.write_crash(input, &dump, output)?;
                count += 1;
            }
        }
    }

    /// Writes the document or event of a dump or a trace.
    fn write_crash(&mut self, input: &Input, dump: &Dump, output: &mut impl Write) -> Result<(), Stop> {
        let args = self.args;
        let limits = args.limits();
        let document = Document {
            path: input.path(),
            modified: input.path().and_then(|path| path.metadata().ok()?.modified().ok()),
            dump,
            paths: PathMap::new(&args.path_map),
            locals: args.locals,
            heap: args.heap,
            limits,
            interpreted: dump.interpreted(args.locals.then_some(limits)),
            room: Cell::new(args.limit.unwrap_or(VARIABLES)),
            omitted: Cell::new(0),
            memory: if args.redact { MemoryDetail::None } else { args.memory },
            redact: args.redact,
            vouched: OnceCell::new(),
        };
        if args.sentry {
            let event = Event::new(&document);
            return self.write(&event, output);
        }
        self.write(&document, output)
    }

    /// Writes the line that stands for a dump that could not be read.
    pub fn failure(&self, error: &Error, output: &mut impl Write) -> Result<(), Stop> {
        self.write(&Failure::new(error), output)
    }

    fn write(&self, value: &impl Serialize, output: &mut impl Write) -> Result<(), Stop> {
        let layout = Redacting::new(Layout::new(self.args.pretty, self.colored), self.args.redact);
        let mut serializer = serde_json::Serializer::with_formatter(&mut *output, layout);
        value.serialize(&mut serializer).map_err(|_| Stop::Output)?;
        output.write_all(b"\n").map_err(|_| Stop::Output)
    }
}
