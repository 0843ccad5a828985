//! One run from the command line to the exit code.

use std::sync::Arc;
use std::time::SystemTime;

use coredump_core::cli::Exit;
use coredump_core::cli::paint::Paint;
use coredump_core::cli::report::Report;
use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::model::Process;

use crate::args::{Args, On};
use crate::blocking::Waits;
use crate::control::Control;
use crate::ending::{Ending, NOT_FOUND, NOT_RUNNABLE, OWN_FAILURE};
use crate::host::Host;
use crate::output;
use crate::program::Program;
use crate::record::{Recorder, timestamp};
use crate::stdio::Tail;
use crate::{engine, report, run, signals};

/// Runs the program that `args` name. Only wrong usage is an error here: other failures are told and have exit codes of
/// their own, as they must not be taken for the guest's.
pub fn run(args: Args, report: &Report) -> Result<Exit> {
    match run_program(&args, report) {
        Ok(ending) => Ok(Exit::Code(ending.exit_code().unwrap_or(0))),
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

fn run_program(args: &Args, report: &Report) -> Result<Ending> {
    let own = |error: wasmtime::Error| Error::new(ErrorKind::Usage, crate::ending::message(&error));
    let engine = engine::engine(args).map_err(own)?;
    let program = Arc::new(Program::load(&engine, &args.file)?);
    let guest_args = guest_args(args);
    let tail = Tail::default();
    let recorder = Recorder::new(args, program.clone(), process(args, &guest_args), tail.clone(), report);
    let recorder = Arc::new(recorder);
    let host = Host::new(args, &guest_args, tail)?;
    let control = Control::new(engine.clone());
    let waits = Waits { control: control.clone(), recorder: recorder.clone() };
    let mut store = run::store(&engine, args, host, &waits).map_err(own)?;
    signals::survive_file_size_limit().map_err(|error| Error::io("cannot watch signals", error))?;
    if recorder.on.contains(&On::Signal) && engine::interruptible(args) {
        signals::watch(control.clone(), recorder.clone()).map_err(|error| Error::io("cannot watch signals", error))?;
    }
    if let Some(time) = args.timeout {
        control.limit_time(time);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::io("cannot start the event loop", error))?;
    let ending = runtime
        .block_on(run::run(&program, args, &mut store, &waits))
        .map_err(|error| error.in_file(args.file.path()))?;
    // A thread that waits for input would hold up the end of the process.
    runtime.shutdown_background();
    let dumped = recorder.take_dumped();
    if !args.quiet {
        let paint = Paint { on: args.color.on_stderr() };
        report::tell(report, paint, &program, &ending, dumped.as_ref());
    }
    Ok(ending)
}

/// The arguments as the guest sees them, its own name first. WASI knows only Unicode.
fn guest_args(args: &Args) -> Vec<String> {
    let name = args.argv0.clone().unwrap_or_else(|| args.file.0.to_string_lossy().into_owned());
    let rest = args.args.iter().map(|arg| arg.0.to_string_lossy().into_owned());
    std::iter::once(name).chain(if args.invoke.is_some() { None } else { Some(rest) }.into_iter().flatten()).collect()
}

fn process(args: &Args, guest_args: &[String]) -> Process {
    Process {
        executable: Some(args.file.0.to_string_lossy().into_owned()),
        args: Some(guest_args.to_vec()),
        start_time: Some(timestamp(SystemTime::now())),
        runtime: Some(format!("wasmtime {}", env!("WASMTIME_VERSION"))),
        producer: Some(format!("{} {}", crate::TOOL.name, crate::TOOL.version)),
        pid: Some(std::process::id()),
        host: output::host_name(),
        ..Process::default()
    }
}
