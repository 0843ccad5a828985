//! Does one run, from the command line to the exit code.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Instant;

use coredump_capture::Dumped;
use coredump_core::cli::Exit;
use coredump_core::cli::args::RawArg;
use coredump_core::cli::report::Report;
use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::internals::recording::Start;

use crate::args::{Args, On};
use crate::blocking::Waits;
use crate::control::Control;
use crate::dump::{Again, DumpWriter};
use crate::ending::{Ending, Interruption, NOT_FOUND, NOT_RUNNABLE, OWN_FAILURE};
use crate::engine::{Mode, Settings};
use crate::host::Host;
use crate::playback::Tape;
use crate::program::{CompiledCode, Program, Source};
use crate::recording::Log;
use crate::replay::{self, Stopper};
use crate::report::Look;
use crate::signals::Signals;
use crate::stdio::{self, Tail};
use crate::{cache, engine, invoke, process, report, run, serve, wasi};

/// Runs the program that `args` name. Only wrong usage is an error here: other failures are reported and have exit
/// codes of their own, so that they are not taken for those of the guest.
pub fn run(args: Args, report: &Report) -> Result<Exit> {
    let signals = match Signals::watch((!args.quiet).then_some(*report)) {
        Ok(signals) => signals,
        Err(error) => {
            report.error(&Error::io("cannot watch signals", error));
            return Ok(Exit::Code(OWN_FAILURE));
        }
    };
    if args.replay.is_some() {
        return replay::command(&args, report, &signals).or_else(|error| match error.kind {
            ErrorKind::Usage => Err(error),
            _ => {
                report.error(&error);
                Ok(Exit::Code(OWN_FAILURE))
            }
        });
    }
    if args.last_write.is_some() || args.writes.is_some() {
        let error = Error::new(ErrorKind::Usage, "--last-write and --writes ask about a dump");
        return Err(error.hint("coredump-run --replay DUMP --last-write ADDRESS+LENGTH"));
    }
    let done = match args.serve {
        Some(address) => serve::run(args, address, report, &signals),
        None => run_program(&args, report, &signals).map(|ending| Exit::Code(ending.exit_code().unwrap_or(0))),
    };
    match done {
        Ok(exit) => Ok(exit),
        Err(error) if error.kind == ErrorKind::Usage => Err(error),
        Err(error) => {
            report.error(&error);
            Ok(Exit::Code(exit_code(&error)))
        }
    }
}

/// The exit code of a program that could not be started.
fn exit_code(error: &Error) -> u8 {
    match (error.kind, error.io_kind()) {
        (_, Some(std::io::ErrorKind::NotFound)) => NOT_FOUND,
        (ErrorKind::NotWasm | ErrorKind::Malformed | ErrorKind::WrongFile, _) => NOT_RUNNABLE,
        (ErrorKind::Io, Some(std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::IsADirectory)) => NOT_RUNNABLE,
        _ => OWN_FAILURE,
    }
}

fn run_program(args: &Args, report: &Report, signals: &Signals) -> Result<Ending> {
    let own = |error: wasmtime::Error| Error::new(ErrorKind::Usage, coredump_capture::internals::message(&error));
    let file = args.file()?;
    let source = Source::read(file)?.kept_in(cache::cache(args));
    let (mode, obstacle) = mode(args, &source);
    let settings = Settings::from_args(args, mode);
    let engine = engine::engine(settings, source.engine_cache()).map_err(own)?;
    let began = Instant::now();
    if !args.unknown_imports_trap {
        source.look_at_imports()?;
    }
    if args.invoke.is_none()
        && let Some(exports) = source.component_exports()
    {
        invoke::look_at_exports(&exports).map_err(|error| error.in_file(file.path()))?;
    }
    let Some(program) = compile(source, &engine, args, file)?.map(Arc::new) else {
        let ending = Ending::Compiling(Interruption::Timeout);
        if !args.quiet {
            report.say(format_args!("{}: {}", coredump_core::cli::text::path(file.path()), ending.message()));
        }
        return Ok(ending);
    };
    let guest_args = process::guest_args(args, file);
    let tail = Tail::default();
    let writer =
        DumpWriter::new(args, mode, program.clone(), process::process(args, file, &guest_args), tail.clone(), report);
    let writer = Arc::new(writer);
    let mut host = Host::new(args, !mode.interruptible(args), &guest_args, tail)?;
    let log = (mode == Mode::Recorded).then(|| Arc::new(Log::new(args.record_limit, host.calls.clone())));
    if let Some(log) = log.clone() {
        host.record_in(log);
    }
    let control = Control::new(engine.clone());
    let waits = Waits { control: control.clone(), writer: writer.clone() };
    let mut store = run::store(&engine, args, mode, host, &waits).map_err(own)?;
    let look = Look::from_args(args);
    let stopper = log.clone().map(|log| {
        let report = (!args.quiet).then(|| (*report, look.clone()));
        Arc::new(Stopper::new(writer.clone(), log, start(args, settings), keep(args), report))
    });
    if let Some(stopper) = stopper.clone() {
        control.hand_over(stopper);
    }
    let watches = writer.on.contains(&On::Signal) && (mode.interruptible(args) || mode == Mode::Recorded);
    signals.pass_on(control.clone(), writer.clone(), watches);
    if let Some(time) = args.timeout {
        control.limit_time(time.saturating_sub(began.elapsed()));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::io("cannot start the event loop", error))?;
    let ending = runtime
        .block_on(run::run(&program, args, mode, &mut store, &waits, || report_mode(args, report, &program, obstacle)))
        .map_err(|error| error.in_file(&program.given))?;
    control.ended();
    let mut dumped = writer.take_dumped().map(Arc::new);
    if let (Some(log), Some(stopper), Some(first)) = (log, stopper, &dumped) {
        // The second run needs as much memory again, so that of the first run is freed.
        drop(store);
        stopper.runs_again(&ending, dumped.clone());
        let held = writer.output.holds();
        let again = runtime.block_on(again(&writer, first, &log, start(args, settings), &stopper, args));
        control.ended();
        match again {
            Ok(again) => dumped = again.map(Arc::new).or(dumped),
            // Neither of the two dumps could be written.
            Err(error) if held && !writer.output.holds() => dumped = unwritten(dumped, error),
            Err(error) => {
                if !args.quiet {
                    report.say(format_args!("warning: the dump has no locals and operand stacks: {error}"));
                }
                let released = writer.output.take_held().map_or(Ok(()), |held| writer.output.release(held));
                if let Err(error) = released {
                    dumped = unwritten(dumped, error);
                }
            }
        }
    }
    // From now on a signal ends this process at once.
    control.set_over();
    // A guest that was stopped may have waited for a reader that never comes.
    stdio::finish(matches!(ending, Ending::Interrupted(_) | Ending::Waiting(_)).then_some(run::PATIENCE));
    // A thread that waits for input would delay the end of the process.
    runtime.shutdown_background();
    if !args.quiet {
        report::report_ending(report, &look, &program, &ending, dumped.as_deref());
    }
    Ok(ending)
}

/// Says why a program runs as with `--live`, and that a program that would start threads has none.
fn report_mode(args: &Args, report: &Report, program: &Program, obstacle: Option<&'static str>) {
    if args.quiet {
        return;
    }
    let threads = matches!(&program.code, CompiledCode::Module(module) if wasi::threads::has_threads(module));
    match (obstacle, threads && !args.unknown_imports_trap) {
        (Some(_), true) => report.say(format_args!("the program runs as with --live, and {}", wasi::threads::NONE)),
        (Some(why), false) => report.say(format_args!("the program runs as with --live, because {why}")),
        (None, true) => report.say(format_args!("the program {}", wasi::threads::NONE)),
        (None, false) => {}
    }
}

/// Describes the start of the program for its recording.
fn start(args: &Args, settings: Settings) -> Start {
    replay::start(settings, invoke::Entry::from_args(args), args.fuel, args.max_memory)
}

/// The size limit of a recording in the dump, in bytes; `None` if the dump is not to hold it.
fn keep(args: &Args) -> Option<u64> {
    (!args.no_recording).then_some(args.record_limit)
}

/// The mode in which the program runs, and why it is not recorded if the command line does not say so.
fn mode(args: &Args, source: &Source) -> (Mode, Option<&'static str>) {
    if args.fast {
        return (Mode::Fast, None);
    }
    if args.live {
        return (Mode::Live, None);
    }
    let obstacle = wasi::obstacle(source.binary(), args.unknown_imports_trap);
    (if obstacle.is_some() { Mode::Live } else { Mode::Recorded }, obstacle)
}

/// The result for a dump that could not be written after all.
fn unwritten(dumped: Option<Arc<Dumped>>, error: Error) -> Option<Arc<Dumped>> {
    let dumped = dumped.and_then(Arc::into_inner)?;
    Some(Arc::new(Dumped { place: Err(error), ..dumped }))
}

/// Runs a recorded program again, which left the dump `first`, if any.
async fn again(
    writer: &Arc<DumpWriter>,
    first: &Dumped,
    log: &Log,
    start: Start,
    stopper: &Stopper,
    args: &Args,
) -> Result<Option<Dumped>> {
    let (Ok(place), Some(expected)) = (&first.place, writer.take_expected()) else { return Ok(None) };
    if let Some(why) = writer.output.early() {
        return Err(why);
    }
    let recorded = log.recorded()?;
    let calls = recorded.last.clone();
    let tape = Tape::recorded(recorded, start, &writer.program, keep(args))?;
    stopper.remark(&tape);
    let again = Again::new(tape, expected, place.clone(), !args.no_recording).with_calls(calls);
    replay::again(writer, again, None).await.map(Some)
}

/// Compiles the program; `None` if the time of `--timeout` was over before that was done.
fn compile(source: Source, engine: &wasmtime::Engine, args: &Args, file: &RawArg) -> Result<Option<Program>> {
    let Some(time) = args.timeout else { return source.compile(engine).map(Some) };
    let (sender, compiled) = mpsc::channel();
    let engine = engine.clone();
    // The compiler cannot be interrupted: its thread ends with the process.
    std::thread::spawn(move || {
        // There is no receiver any more once the time is over.
        let _ = sender.send(source.compile(&engine));
    });
    match compiled.recv_timeout(time) {
        Ok(program) => program.map(Some),
        Err(RecvTimeoutError::Timeout) => Ok(None),
        Err(RecvTimeoutError::Disconnected) => {
            Err(Error::new(ErrorKind::Malformed, "cannot compile: the compiler panicked").in_file(file.path()))
        }
    }
}
