//! Works on many dumps with several threads.

use std::io::{IsTerminal, Write};
use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use coredump_core::Store;
use coredump_core::cli::Exit;
use coredump_core::cli::input;
use coredump_core::cli::output::Output;
use coredump_core::cli::report::Report;
use coredump_core::error::{Error, ErrorKind, Result};

use crate::args::Args;
use crate::ordered::Ordered;
use crate::sources::{Listed, Listing};
use crate::worker::{Stop, Worker};

/// Writes the documents of all dumps to `output`.
pub fn run(args: &Args, sources: Listing, output: Output, report: &Report) -> Result<Exit> {
    let fleet = Fleet {
        args,
        store: Mutex::default(),
        report,
        sources: Mutex::new((0, sources)),
        ordered: Ordered::new(output),
        tally: Tally::default(),
        progress: Progress::new(args.ndjson),
    };
    let workers = args.jobs.map_or(1, NonZero::get);
    if workers == 1 {
        fleet.work();
    } else {
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| fleet.work());
            }
        });
    }
    fleet.progress.clear();
    fleet.finish()
}

struct Fleet<'f> {
    args: &'f Args,
    /// The binaries and their symbols, for all workers, with the count of [`input::losses`] when the store was made.
    store: Mutex<(u64, Arc<Store>)>,
    report: &'f Report,
    sources: Mutex<(u64, Listing)>,
    ordered: Ordered,
    tally: Tally,
    progress: Progress,
}

/// The numbers of dumps by outcome.
#[derive(Default)]
struct Tally {
    dumps: AtomicU64,
    damaged: AtomicU64,
    failed: AtomicU64,
    /// The failure of a dump, if it was the only one asked for.
    failure: Mutex<Option<Error>>,
}

impl Fleet<'_> {
    /// Takes dumps until there are no more.
    fn work(&self) {
        // After a file became shorter, everything read before may be wrong, so an empty store is used.
        while !self.work_until_a_loss() {}
    }

    /// Takes dumps until there are no more, or a file becomes shorter. Returns whether there are no more.
    fn work_until_a_loss(&self) -> bool {
        let (losses, store) = self.store();
        let mut worker = Worker::new(self.args, &store);
        while let Some((index, source)) = self.next() {
            let mut place = self.ordered.turn(index);
            let walked = source.as_ref().is_ok_and(|source| source.walked);
            let outcome = source.map_err(Stop::Dump).and_then(|source| {
                let outcome = match self.args.trace {
                    true => worker.traces(&source.input, &mut place).map(|found| (found, None)),
                    false => worker.document(&source, &mut place).map(|incomplete| (1, incomplete)),
                };
                if input::losses() == losses {
                    return outcome;
                }
                place.begin_again();
                Err(Stop::Dump(source.input.blame(input::shrunk())))
            });
            match outcome {
                Ok((documents, incomplete)) => {
                    self.tally.dumps.fetch_add(documents, Ordering::Relaxed);
                    if let Some(incomplete) = incomplete {
                        self.tally.damaged.fetch_add(1, Ordering::Relaxed);
                        self.report_damage(incomplete);
                    }
                }
                Err(Stop::Dump(error)) if walked && is_no_dump(&error) => {}
                Err(Stop::Dump(error)) => self.bad(&worker, error, &mut place),
                Err(Stop::Output) => {}
            }
            self.progress.update(&self.tally);
            if input::losses() != losses {
                return false;
            }
        }
        true
    }

    /// The store to work with: an empty one if a file became shorter since the last one was made.
    fn store(&self) -> (u64, Arc<Store>) {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        if store.0 != input::losses() {
            *store = (input::losses(), Arc::default());
        }
        store.clone()
    }

    fn next(&self) -> Option<(u64, Result<Listed>)> {
        if self.ordered.has_failed() {
            return None;
        }
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let source = sources.1.next()?;
        sources.0 += 1;
        Some((sources.0 - 1, source))
    }

    fn bad(&self, worker: &Worker<'_>, error: Error, place: &mut impl Write) {
        self.tally.failed.fetch_add(1, Ordering::Relaxed);
        if self.args.ndjson {
            // A failure to write is reported at the end.
            let _ = worker.failure(&error, place);
            return;
        }
        if self.args.dumps.len() > 1 {
            self.report.error(&error);
        }
        *self.tally.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    fn report_damage(&self, error: Error) {
        if !self.args.ndjson {
            self.report.error(&error);
        }
    }

    fn finish(self) -> Result<Exit> {
        let (mut output, failure) = self.ordered.into_inner();
        if let Some(failure) = failure {
            return Err(output.failed(failure));
        }
        let [dumps, damaged, failed] =
            [self.tally.dumps, self.tally.damaged, self.tally.failed].map(AtomicU64::into_inner);
        let failure = self.tally.failure.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = failure
            && dumps == 0
        {
            return Err(match failed {
                1 => error,
                _ => Error::new(ErrorKind::NotFound, "none of the dumps could be read"),
            });
        }
        // Documents of files that became shorter were replaced, so writing may go on.
        output.forget_losses();
        output.commit()?;
        let quiet = self.args.quiet;
        if self.args.ndjson && failed > 0 && !quiet {
            self.report.say(format_args!("{failed} of {} dumps could not be read", dumps + failed));
        }
        if dumps + failed == 0 && !quiet {
            self.report.say(if self.args.trace { "no stack trace found" } else { "no dump found" });
        }
        Ok(Exit::partial_if(damaged + failed > 0 || dumps == 0))
    }
}

/// Returns true if a file that was found in a folder is no dump at all.
fn is_no_dump(error: &Error) -> bool {
    let name = error.path.as_ref().and_then(|path| path.file_name()).map(|name| name.as_encoded_bytes());
    let ends = |end: &str| name.is_some_and(|name| name.ends_with(end.as_bytes()));
    let named_dump = [".coredump", ".coredump.zst", ".coredump.gz"].into_iter().any(ends);
    let other = matches!(error.kind, ErrorKind::NotWasm | ErrorKind::WrongFile)
        || (error.kind == ErrorKind::Truncated && error.offset.is_some_and(|offset| offset < 8));
    other && !named_dump
}

/// Shows the progress on a terminal.
struct Progress {
    started: Instant,
    told: Option<Mutex<Instant>>,
}

impl Progress {
    fn new(ndjson: bool) -> Self {
        // There is no progress line if the documents go to the same terminal.
        let wanted = ndjson && std::io::stderr().is_terminal() && !std::io::stdout().is_terminal();
        Progress { started: Instant::now(), told: wanted.then(|| Mutex::new(Instant::now())) }
    }

    /// Writes the numbers to the terminal, at most five times a second.
    fn update(&self, tally: &Tally) {
        let Some(Ok(mut told)) = self.told.as_ref().map(Mutex::try_lock) else { return };
        if told.elapsed() < Duration::from_millis(200) {
            return;
        }
        *told = Instant::now();
        let dumps = tally.dumps.load(Ordering::Relaxed);
        let failed = tally.failed.load(Ordering::Relaxed);
        let rate = (dumps + failed) as f64 / self.started.elapsed().as_secs_f64();
        let _ = write!(std::io::stderr(), "\r\x1b[K{dumps} dumps, {failed} unreadable, {rate:.0}/s");
    }

    fn clear(&self) {
        if self.told.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
