//! Stops a recorded program from outside: a signal, a timeout, a snapshot.
//!
//! The code of a recorded program does not check whether it is to stop, as that costs speed. So it runs on, but not
//! beyond its next call of the host. A second run, with the answers recorded so far, is stopped instead, in code that
//! does check: in the call of the host that the program is in or, if it is in none, after the last one. The process
//! ends there.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use coredump_capture::Dumped;
use coredump_capture::internals::HeldDump;
use coredump_core::cli::report::Report;
use coredump_core::cli::signals::end_by;
use coredump_core::cli::text;
use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::internals::new_file;
use coredump_core::internals::recording::{self, Start};

use super::rerun;
use crate::control::{Asked, Handler};
use crate::dump::{Again, DumpWriter, placed};
use crate::ending::{Ending, Interruption};
use crate::playback::{Tape, Until};
use crate::progress;
use crate::recording::Log;
use crate::report::{self, Look};
use crate::run::PATIENCE;

/// The least and the greatest time that a second run runs on after the last call of the host, if the first run was in
/// no call: about as long as the first run has run since then.
const BEHIND: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));

/// About how many units of fuel a program uses in a millisecond. A stop after an amount of fuel is at the same place in
/// every replay, however fast that runs.
const PACE: u64 = 100_000;

/// The result of running a program again up to its present position.
enum Stopped {
    /// It was stopped there.
    There(Dumped),
    /// It ended by itself before that, in this way. There may be a dump of that.
    ByItself(Ending, Option<Dumped>),
}

/// Stops a recorded program.
pub struct Stopper {
    writer: Arc<DumpWriter>,
    log: Arc<Log>,
    start: Start,
    /// The size limit of a recording in the dump, in bytes; `None` if the dump is not to hold it.
    keep: Option<u64>,
    /// The report of the end; `None` with `--quiet`.
    report: Option<(Report, Look)>,
    stage: Mutex<RunStage>,
    /// Is notified when `stage` changes.
    changed: Condvar,
}

/// The stage of a recorded run, which decides who ends the process.
enum RunStage {
    /// The program runs.
    Runs,
    /// The program was asked to stop.
    Stops,
    /// The program was asked to stop, but ends by itself.
    TooLate,
    /// The program ended by itself; its dump is being written.
    Ended,
    /// The program runs again. The first dump exists, or was held back.
    RunsAgain(bool, Ending, Option<Arc<Dumped>>),
}

impl Stopper {
    /// A stopper of the program of `writer` and `log`, which was started as `start` says.
    pub fn new(
        writer: Arc<DumpWriter>,
        log: Arc<Log>,
        start: Start,
        keep: Option<u64>,
        report: Option<(Report, Look)>,
    ) -> Stopper {
        Stopper { writer, log, start, keep, report, stage: Mutex::new(RunStage::Runs), changed: Condvar::new() }
    }

    fn stage(&self) -> MutexGuard<'_, RunStage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the program end by itself, as the request to stop came too late. If it does not end soon, this ends the
    /// process in the same way.
    fn let_end(&self, own: &Ending) {
        let mut stage = self.stage();
        *stage = RunStage::TooLate;
        self.changed.notify_all();
        let ends = |stage: &mut RunStage| matches!(stage, RunStage::TooLate);
        let waited = self.changed.wait_timeout_while(stage, PATIENCE, ends);
        let (stage, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            // The stage is held, so that the program does not end in the meantime.
            self.report_ending(own, None, None);
            exit(own);
        }
        drop(stage);
    }

    /// Notes that the program begins to run again. A request to end it then results in its first dump.
    pub fn runs_again(&self, ending: &Ending, first: Option<Arc<Dumped>>) {
        *self.stage() = RunStage::RunsAgain(self.writer.output.holds(), ending.clone(), first);
    }

    /// Ends the process with the program's first dump, although a better one was being made. The first one may have
    /// been held back.
    fn give_up(&self, ending: &Ending, first: Option<&Dumped>, held: Option<HeldDump>) -> ! {
        let output = &self.writer.output;
        let released = match held {
            Some(held) => output.release(held),
            None => {
                new_file::abandon();
                Ok(())
            }
        };
        self.report_ending(ending, first, released.err());
        if let (Some((report, _)), Some(_), false) = (&self.report, first, output.is_replaced()) {
            report.say(format_args!("warning: the dump has no locals and operand stacks: the replay was interrupted"));
        }
        exit(ending)
    }

    /// Runs the program again up to its present position, and writes the dump of that.
    fn stop(&self, ending: &Ending) {
        let goes_on = matches!(ending, Ending::Snapshot(_));
        let stopped = match self.writer.wants(ending) {
            true => self.replayed(ending, !goes_on).map(Some),
            false => Ok(None),
        };
        let mut ending = ending.clone();
        let dumped = match stopped {
            Ok(Some(Stopped::There(dumped))) => Ok(Some(dumped)),
            Ok(Some(Stopped::ByItself(_, None))) if goes_on => {
                Err(Error::new(ErrorKind::NotFound, "the program ended by itself"))
            }
            Ok(Some(Stopped::ByItself(own, None))) => return self.let_end(&own),
            Ok(Some(Stopped::ByItself(own, dumped))) => {
                ending = own;
                Ok(dumped)
            }
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        if goes_on {
            if let (Some((report, ..)), Ok(Some(dumped))) = (&self.report, &dumped) {
                let message = dumped.reason.message.as_deref().unwrap_or_default();
                report.say(format_args!("{}: {message}", text::path(&self.writer.program.given)));
                placed::report(report, &dumped.place);
            }
            if let (Some((report, ..)), Err(error)) = (&self.report, &dumped) {
                report.say(format_args!("no core dump: {error}"));
            }
            return;
        }
        match dumped {
            Ok(dumped) => self.report_ending(&ending, dumped.as_ref(), None),
            Err(error) => self.report_ending(&ending, None, Some(error)),
        }
        exit(&ending);
    }

    fn replayed(&self, ending: &Ending, freeze: bool) -> Result<Stopped> {
        let now = self.log.now(freeze)?;
        let calls = now.recorded.calls;
        let last = now.recorded.last.clone();
        let behind = now.since_start.clamp(BEHIND.0, BEHIND.1).as_millis() as u64 * PACE;
        let signal = match ending {
            Ending::Interrupted(Interruption::Signal(signal)) | Ending::Snapshot(signal) => Some(*signal),
            _ => None,
        };
        let fuel = now.entered.is_none().then_some(behind);
        let stop = recording::ProgramStop { signal, call: now.entered, fuel };
        let start = Start { stop: Some(stop.clone()), ..self.start.clone() };
        let tape = Tape::recorded(now.recorded, start, &self.writer.program, self.keep)?;
        self.remark(&tape);
        let again = Again::elsewhere(tape, self.keep.is_some()).with_calls(last);
        let until = Arc::new(Until::new(ending.clone(), stop, calls));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Error::io("cannot start the event loop", error))?;
        let dumped = runtime.block_on(rerun::again(&self.writer, again, Some(until.clone())));
        match until.own_ending() {
            Some(own) => Ok(Stopped::ByItself(own.clone(), dumped.ok())),
            None => dumped.map(Stopped::There),
        }
    }

    /// Reports why the dump does not hold the recording, if it should.
    pub fn remark(&self, tape: &Tape) {
        if let (Some(why), Some((report, _))) = (&tape.left_out, &self.report) {
            report.say(format_args!("the dump will hold no recording: with the files that the program read, {why}"));
        }
    }

    fn report_ending(&self, ending: &Ending, dumped: Option<&Dumped>, error: Option<Error>) {
        let Some((report, look)) = &self.report else { return };
        progress::clear();
        report::report_ending(report, look, &self.writer.program, ending, dumped);
        if let Some(error) = error {
            report.say(format_args!("no core dump: {error}"));
        }
    }
}

impl Handler for Stopper {
    /// Work that takes time is done by another thread.
    fn asked(self: Arc<Self>, asked: Asked) {
        let mut stage = self.stage();
        let stopper = self.clone();
        let work: Box<dyn FnOnce() + Send> = match (&*stage, asked) {
            // The program is dead, and its first dump is being written.
            (RunStage::Ended, _) => {
                if let Asked::End(Interruption::Signal(signal)) = asked {
                    end_by(signal);
                }
                return;
            }
            (RunStage::Runs, Asked::Snapshot(signal)) => Box::new(move || stopper.stop(&Ending::Snapshot(signal))),
            (RunStage::Runs, Asked::End(interruption)) => {
                *stage = RunStage::Stops;
                Box::new(move || stopper.stop(&Ending::Interrupted(interruption)))
            }
            (RunStage::RunsAgain(streams, ending, first), Asked::End(_)) => {
                let (ending, first) = (ending.clone(), first.clone());
                let held = self.writer.output.take_held();
                // A dump to a pipe is being written; a second signal ends that.
                if *streams && held.is_none() {
                    return;
                }
                *stage = RunStage::Stops;
                Box::new(move || stopper.give_up(&ending, first.as_deref(), held))
            }
            _ => return,
        };
        drop(stage);
        // Without a thread, nothing can be run again, and the process ends as asked.
        if std::thread::Builder::new().name("replay".to_owned()).spawn(work).is_err()
            && let Asked::End(interruption) = asked
        {
            exit(&Ending::Interrupted(interruption));
        }
    }

    /// Waits if the program was asked to stop before that: then the only dump is that of the stop.
    fn ended(&self) {
        let stage = self.stage();
        let stops = |stage: &mut RunStage| matches!(stage, RunStage::Stops);
        let mut stage = self.changed.wait_while(stage, stops).unwrap_or_else(PoisonError::into_inner);
        *stage = RunStage::Ended;
        self.changed.notify_all();
    }
}

/// Ends the process with the code of this ending. The program may be in the middle of a call.
#[allow(clippy::exit)]
fn exit(ending: &Ending) -> ! {
    std::process::exit(ending.exit_code().unwrap_or(0).into())
}
