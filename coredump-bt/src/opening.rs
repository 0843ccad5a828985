//! Opens inputs, and reports on standard error what is wrong with them.

use coredump_core::cli::Exit;
use coredump_core::cli::input::Input;
use coredump_core::cli::report::Report;
use coredump_core::compressed::unpacked;
use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::{CoreDump, Draft, Dump, Store};

use crate::args::Args;
use crate::notes;

/// An error of an input or of the output.
pub enum Failure {
    /// An input could not be read, but others may be readable.
    Input(Error),
    /// The output could not be written, so there is no point in going on.
    Output(Error),
}

/// Opens the dump of an input and finds its binaries.
pub fn open(args: &Args, store: &Store, input: &Input, one_of_many: bool) -> Result<Dump> {
    let opened = || {
        let bytes = if one_of_many { input.open_at_once() } else { input.open() };
        let draft = Draft::new(unpacked(bytes?, args.max_size)?)?;
        asked_for(args, draft.recorded())?;
        let options = args.locating(input.path());
        Ok(draft.find_binaries(store, &options))
    };
    opened().map_err(|error: Error| input.blame(error))
}

/// Fails if the dump does not have the thread or the frame that was asked for.
fn asked_for(args: &Args, dump: &CoreDump<'_>) -> Result<()> {
    let none = |what: &str| Error::new(ErrorKind::NotFound, what.to_owned());
    let count = dump.threads.len();
    if let Some(thread) = args.thread.filter(|&thread| thread >= count) {
        return Err(none(&format!("there is no thread {thread}: the dump has {count}")));
    }
    let Some(frame) = args.frame else { return Ok(()) };
    let threads = dump.threads.iter().enumerate();
    let most = threads.filter(|(index, _)| args.thread.is_none_or(|thread| thread == *index));
    let most = most.map(|(_, thread)| thread.frames.len()).max().unwrap_or(0);
    if frame >= most {
        return Err(none(&format!("there is no frame {frame}: there are {most}")));
    }
    Ok(())
}

/// Reports on standard error what a reader must know of a dump, its binaries and sources.
pub fn report_problems(args: &Args, report: &Report, name: &str, dump: &Dump, source_notes: &[String]) -> Exit {
    let (recorded, binaries) = (dump.recorded(), dump.binaries());
    let complete = notes::render(report, name, recorded, binaries, args.locals, args.quiet || args.brief);
    for note in source_notes {
        report.say(format_args!("{name}: {note}"));
    }
    // Repairs are reported with a backtrace; with `--brief`, only that something is missing.
    let repairs = recorded.warnings.iter().filter(|_| !args.brief);
    let of_objects = dump.objects().warnings();
    for warning in repairs.chain(&of_objects).chain(&recorded.incomplete) {
        report.warning(name, warning);
    }
    Exit::partial_if(!complete || !binaries.warnings.is_empty() || recorded.incomplete.is_some())
}
