//! `--replay`: runs the program of a dump again, to its end, or to the write that is asked for.

use std::path::Path;
use std::time::Duration;

use coredump_core::cli::Exit;
use coredump_core::cli::report::Report;
use coredump_core::cli::signals::end_by;
use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::internals::new_file;
use coredump_core::internals::recording::{Recording, Start};
use coredump_core::internals::unasked;
use coredump_core::{Bytes, Draft, Dump, Options, Store};

use super::recorded_run::RecordedRun;
use crate::args::Args;
use crate::ending::TIMED_OUT;
use crate::playback::Tape;
use crate::program::Source;
use crate::report::Look;
use crate::signals::{self, Meaning, Signals};
use crate::{cache, report};

/// The size limit of a component's file, in bytes.
const COMPONENT: u64 = 1 << 30;

/// Does what `--replay` and its further options ask for.
///
/// # Errors
///
/// Fails if the dump cannot be read or holds no recording, or if the program is not found or did not end as before.
pub fn run(args: &Args, report: &Report, signals: &Signals) -> Result<Exit> {
    let Some(path) = &args.replay else { return Err(Error::new(ErrorKind::Usage, "--replay names the dump")) };
    let path = path.path();
    let told = (!args.quiet).then_some(*report);
    signals.listen(move |meaning| match meaning {
        Meaning::End(signal) => end_by(signal),
        Meaning::Snapshot(_) => signals::refuse(told, "a program that runs again takes no snapshots"),
    });
    if let Some(time) = args.timeout {
        limit_time(time, *report, args.quiet);
    }
    open(args, report).and_then(|again| again.run()).map_err(|error| error.in_file(path))
}

/// Ends the process after a time, as a program with a forged recording may run forever.
fn limit_time(time: Duration, report: Report, quiet: bool) {
    std::thread::spawn(move || {
        std::thread::sleep(time);
        if !quiet {
            report.say("ended by --timeout, before the program was where it ended");
        }
        new_file::abandon();
        #[allow(clippy::exit)]
        std::process::exit(TIMED_OUT.into());
    });
}

fn open<'a>(args: &'a Args, report: &'a Report) -> Result<RecordedRun<'a>> {
    let path = args.replay.as_ref().map(|path| path.path().to_owned()).unwrap_or_default();
    let options = if args.untrusted { Options::default().untrusted() } else { Options::default() };
    let dump = Draft::open(&path)?.find_binaries(&Store::new(), &options);
    let section = dump.recorded().recording.ok_or_else(|| {
        let error = Error::new(ErrorKind::NotFound, "the dump holds no recording");
        error.hint("a program that coredump-run has recorded leaves one, without --live, --fast and --no-recording")
    })?;
    let mut recording = Recording::read(section.head, section.offset)?;
    // The recording may come from anyone, and may ask for any size.
    if let Some(limit) = args.max_memory.map(|limit| limit as u64) {
        recording.start.max_memory = Some(recording.start.max_memory.map_or(limit, |recorded| recorded.min(limit)));
    }
    let source = source(args, &dump, &recording)?;
    let tape = match recording.start.file.clone() {
        // Only a plain file name is accepted: no path to another folder.
        Some(name) if Path::new(&name).file_name() == Some(name.as_ref()) => {
            beside(args, recording, &path.with_file_name(name))?
        }
        Some(name) => {
            return Err(Error::malformed(
                section.offset,
                format!("{name:?} is not the name of a file beside the dump"),
            ));
        }
        None => Tape::new(recording.start, Bytes::Owned(recording.log.to_vec()), recording.offset),
    };
    Ok(RecordedRun { args, dump, tape, source, report })
}

/// Reads the recording from its own file beside the dump.
fn beside(args: &Args, recording: Recording<'_>, path: &Path) -> Result<Tape> {
    if args.untrusted {
        let error = Error::new(ErrorKind::Usage, "the recording is in a file that the dump names");
        return Err(error.hint("without --untrusted it is read").in_file(path));
    }
    let open = || {
        let (file, _) = unasked::open(path)?;
        let log = Bytes::from_file(file)?;
        let start = recording.with_log(&log)?.start;
        Ok(Tape::new(Start { file: None, ..start }, log, 0))
    };
    open().map_err(|error: Error| match error.kind {
        ErrorKind::Io => {
            error.in_file(path).hint("the recording of this dump is a file of its own, in the same folder")
        }
        _ => error.in_file(path),
    })
}

/// The module that ran: the one that the command line names, or else the one that is found from the dump.
fn source(args: &Args, dump: &Dump, recording: &Recording<'_>) -> Result<Source> {
    let wanted = &recording.start.sha256;
    if let Some(named) = args.program.first() {
        let source = Source::read(named)?.kept_in(cache::cache(args));
        return match source.sha256() == *wanted {
            true => Ok(source),
            false => Err(Error::new(ErrorKind::Mismatch, "not the program that was recorded").in_file(named.path())),
        };
    }
    let recorded = dump.recorded();
    let path = recorded.executable.clone().unwrap_or_default();
    let embedded = recorded.modules.first().and_then(|module| module.embedded);
    let found = dump.binaries().binary(0).map(|binary| binary.module().bytes());
    let bytes = embedded.into_iter().chain(found);
    let module = bytes.map(|bytes| Source::from_bytes(&path, bytes, embedded.is_some()));
    let component = recorded.component.as_ref();
    let component =
        component.and_then(|component| component.bytes(|module| recorded.modules.get(module as usize)?.embedded));
    let component = component.map(|bytes| Source::from_bytes(&path, &bytes, true));
    let file = || {
        let bytes = (!args.untrusted).then(|| unasked::read(Path::new(&path), COMPONENT).ok()).flatten()?;
        Some(Source::from_bytes(&path, &bytes, false))
    };
    let mut sources = module.chain(component).chain(std::iter::from_fn(file).take(1));
    let source = sources.find(|source| source.sha256() == *wanted);
    source.map(|source| source.kept_in(cache::cache(args))).ok_or_else(|| {
        Error::new(ErrorKind::NotFound, "the program that was recorded is not found")
            .hint("name it after the options: coredump-run --replay DUMP PROGRAM")
    })
}

impl RecordedRun<'_> {
    fn run(&self) -> Result<Exit> {
        let kind = self.kind();
        if matches!(kind, "signal" | "timeout" | "snapshot") && self.tape.start.stop.is_none() {
            let message = format!(
                "the program was stopped from outside ({kind}), and its recording, of an earlier version, does not say where"
            );
            return Err(Error::new(ErrorKind::Usage, message));
        }
        match (&self.args.last_write, &self.args.writes) {
            (Some(bytes), _) => self.last_write(bytes),
            (None, Some(bytes)) => self.writes(bytes),
            (None, None) => self.to_the_end(),
        }
    }

    /// Runs the program again to the end that the dump shows.
    fn to_the_end(&self) -> Result<Exit> {
        let (expected, goal) = self.end();
        let (program, dumped, ending) = self.again(Some(expected), goal, None, self.args.output.is_some())?;
        if !self.args.quiet {
            report::report_ending(self.report, &Look::from_args(self.args), &program, &ending, Some(&dumped));
            let calls = self.tape.start.calls;
            self.report
                .say(format_args!("it ended as in the dump, after {calls} calls of the host from its recording"));
        }
        Ok(Exit::Code(ending.exit_code().unwrap_or(0)))
    }
}
