//! Runs the program of a dump with a recording again.

use std::sync::Arc;

use coredump_capture::Dumped;
use coredump_core::Dump;
use coredump_core::cli::report::Report;
use coredump_core::error::{Error, Result};
use coredump_core::model::Process;

use super::goal::Goal;
use super::overflow::Overflow;
use super::rerun;
use crate::args::Args;
use crate::dump::{Again, DumpWriter, Expected};
use crate::ending::Ending;
use crate::engine::Mode;
use crate::playback::{Tape, Until};
use crate::program::{Program, Source};
use crate::stdio::Tail;

/// A recorded run from a dump.
pub struct RecordedRun<'a> {
    /// The command line.
    pub args: &'a Args,
    /// The dump.
    pub dump: Dump,
    /// The recording.
    pub tape: Tape,
    /// The module that ran.
    pub source: Source,
    /// The report of the run.
    pub report: &'a Report,
}

impl RecordedRun<'_> {
    /// The kind of the ending.
    pub fn kind(&self) -> &str {
        self.dump.recorded().reason.as_ref().map_or("", |reason| &reason.kind)
    }

    /// The end that the dump shows, and the goal at which the program stops there.
    pub fn end(&self) -> (Expected, Goal) {
        let expected = Expected::new(self.kind(), self.dump.recorded());
        let overflow = Overflow::from_expected(&expected).map(Arc::new);
        let until = Until::from_start(&self.tape.start, self.kind()).map(Arc::new);
        (expected, Goal { overflow, until, ..Goal::default() })
    }

    /// Runs the program again, instrumented: to its end, which must be the `expected` one, or to its `goal`, or to the
    /// end of the call of the host number `last_call`. If `written`, a dump of that is written.
    pub fn again(
        &self,
        expected: Option<Expected>,
        goal: Goal,
        last_call: Option<u64>,
        written: bool,
    ) -> Result<(Arc<Program>, Dumped, Ending)> {
        let _progress = self.tape.progress(self.args.quiet, "the program runs again");
        let engine = rerun::engine(&self.tape.start, goal.until.as_deref(), self.source.engine_cache())?;
        let program = Arc::new(self.source.clone().compile(&engine)?);
        let recorded = self.dump.recorded();
        let words = recorded.reason.as_ref().and_then(|reason| reason.guest_stderr.clone());
        let tail = Tail::from_text(&words.unwrap_or_default());
        let args = self.args;
        let process = Process { memory_limit: self.tape.start.max_memory, ..recorded.process.clone() };
        let first = DumpWriter::new(args, Mode::Live, program.clone(), process, tail, self.report);
        let first = Arc::new(first.of_any_ending());
        let calls = if expected.is_some() { recorded.host_calls.clone() } else { Vec::new() };
        let again = Again::alone(self.tape.clone(), expected, written, !args.no_recording).with_calls(calls);
        if let Some(hunt) = &goal.hunt {
            again.stands_at(hunt.code_offset(self.source.binary()));
        }
        if let Some(witness) = &goal.witness {
            again.stands_at(witness.code_offset());
        }
        let writer = Arc::new(first.again(program.clone(), again));
        let mut playback = self.tape.playback(goal.until.clone());
        if let Some(call) = last_call {
            playback.stop_behind(call);
        }
        let store = rerun::store(&engine, playback, &self.tape.start)?;
        let (dumped, ending) = block_on(rerun::run(&writer, &self.tape, goal, store))?;
        Ok((program, dumped, ending))
    }
}

/// Runs a future to its end.
pub fn block_on<R>(work: impl Future<Output = Result<R>>) -> Result<R> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Error::io("cannot start the event loop", error))?.block_on(work)
}
