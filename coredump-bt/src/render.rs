//! Prints all dumps, one after the other.

use coredump_core::Store;
use coredump_core::cli::input::Input;
use coredump_core::cli::locating;
use coredump_core::cli::output::{self, Destination};
use coredump_core::cli::path_map::PathMap;
use coredump_core::cli::report::Report;
use coredump_core::cli::{Exit, help};
use coredump_core::error::{Error, ErrorKind, Result};

use crate::args::{Args, TOOL};
use crate::frames::Frames;
use crate::opening::{Failure, open, report_problems};
use crate::page::Page;
use crate::{brief, header, html, inner, store as symbol_store, tasks, trace};

/// Prints the backtraces of all dumps that are asked for.
pub fn run(args: Args, report: &Report) -> Result<Exit> {
    let Some(inputs) = Input::from_args(&args.dumps) else {
        output::print(&help::<Args>(&TOOL))?;
        return Ok(Exit::Done);
    };
    if let Some(folder) = &args.store {
        return symbol_store::run(&args, folder, report);
    }
    if args.add_build_id {
        return Err(Error::new(ErrorKind::Usage, "--add-build-id goes with --store"));
    }
    if args.trace {
        trace::check(&args)?;
    }
    locating::check_folders(&args.symbols_path, report);
    if args.html {
        return html::run(&args, &inputs, report);
    }
    let destination = Destination::new(args.output.as_ref());
    let mut page = Page::new(destination.open()?, destination.is_colored(args.color), PathMap::new(&args.path_map));
    // The store is not freed: the process ends soon, and the system then takes its memory back faster.
    let mut store: &Store = Box::leak(Box::default());
    let mut outcome = Exit::Done;
    let mut failed = 0;
    for (number, input) in inputs.iter().enumerate() {
        if number > 0 && !args.brief && !args.trace {
            page.end().map_err(|error| page.out.failed(error))?;
        }
        let outcome_of_one = match args.trace {
            true => trace::one(&args, &mut page, store, input, report),
            false => one(&args, &mut page, store, input, report, inputs.len() > 1),
        };
        match outcome_of_one {
            Ok(exit) => outcome = outcome.and(exit),
            // If writing fails for one dump, it fails for all others.
            Err(Failure::Output(error)) => return Err(error),
            // A file became shorter. It may have been a binary, so a new store is used for the next dumps.
            Err(Failure::Input(error)) if page.out.has_losses() && inputs.len() > 1 => {
                page.out.forget_losses();
                page.end().map_err(|error| page.out.failed(error))?;
                store = Box::leak(Box::default());
                report.error(&error);
                failed += 1;
            }
            Err(Failure::Input(error)) if inputs.len() == 1 => return Err(error),
            Err(Failure::Input(error)) => {
                report.error(&error);
                failed += 1;
            }
        }
    }
    page.out.commit()?;
    if failed == inputs.len() {
        return Err(Error::new(ErrorKind::Io, "none of the files could be read"));
    }
    Ok(outcome.and(Exit::partial_if(failed > 0)))
}

fn one(
    args: &Args,
    page: &mut Page,
    store: &Store,
    input: &Input,
    report: &Report,
    one_of_many: bool,
) -> Result<Exit, Failure> {
    let blame = |error| Failure::Input(input.blame(error));
    let dump = open(args, store, input, one_of_many).map_err(Failure::Input)?;
    let mut frames = Frames::new(args, &dump);
    let written = match args.brief {
        true => brief::render(page, &input.name(), dump.crash()),
        false => threads(page, input, &mut frames),
    };
    // The output is flushed, so that messages on standard error come after it.
    let written = written.and_then(|()| std::io::Write::flush(&mut page.out));
    written.map_err(|error| match page.out.has_losses() {
        true => blame(page.out.failed(error)),
        false => Failure::Output(page.out.failed(error)),
    })?;

    Ok(report_problems(args, report, &input.name(), &dump, &frames.sources.notes()))
}

fn threads(page: &mut Page, input: &Input, frames: &mut Frames<'_>) -> std::io::Result<()> {
    header::render(page, input, frames.dump)?;
    // Host calls are printed with a whole backtrace only, not if one frame is asked for.
    if frames.args.frame.is_none() {
        header::host_calls(page, &frames.dump.recorded().host_calls)?;
    }
    for thread in frames.dump.threads() {
        if frames.args.thread.is_none_or(|only| only == thread.index()) {
            page.end()?;
            frames.thread(page, &thread)?;
        }
    }
    if frames.args.thread.is_none() && frames.args.frame.is_none() {
        inner::tasks(page, frames.dump)?;
        if tasks::wanted(frames.args, frames.dump) {
            tasks::all(page, frames.args, frames.dump)?;
        }
    }
    if frames.dump.recorded().threads.is_empty() {
        page.plain("\nthe dump holds no thread\n")?;
    }
    Ok(())
}
