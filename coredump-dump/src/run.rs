//! Selects the command that the command line asks for, and runs it.

use std::io;

use coredump_core::cli::input::Input;
use coredump_core::cli::locating;
use coredump_core::cli::report::Report;
use coredump_core::cli::{self, Exit};
use coredump_core::compressed::unpacked;
use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::{Bytes, Draft, Store};

use crate::args::{Args, TOOL};
use crate::inspection::Inspection;
use crate::{
    blocks, check, diff, find, format, globals, heap, heap_diff, hex, image, leaks, list, map, objects, path, print,
    raw, snapshot, strings, whatis,
};

/// The command that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    List,
    Read,
    Globals,
    Image,
    All,
    Find,
    Strings(usize),
    Diff,
    WhatIs,
    Print,
    Heap,
    Blocks,
    Leaks,
    Objects,
    Object(u32),
    Snapshot,
    PathTo,
    Check,
    Map,
}

impl Command {
    fn from_args(args: &Args) -> Result<Command> {
        let reads = [(args.hex, "--hex"), (args.raw, "--raw"), (args.format.is_some(), "--format")];
        let asked = [
            (args.globals, "--globals", Command::Globals),
            (args.image, "--image", Command::Image),
            (args.all, "--all", Command::All),
            (args.find.is_some(), "--find", Command::Find),
            (args.find_value.is_some(), "--find-value", Command::Find),
            (args.regex.is_some(), "--regex", Command::Find),
            (args.refs.is_some(), "--refs", Command::Find),
            (args.strings.is_some(), "--strings", Command::Strings(args.strings.unwrap_or(0))),
            (args.diff, "--diff", Command::Diff),
            (!args.whatis.is_empty(), "--whatis", Command::WhatIs),
            (!args.print.is_empty(), "--print", Command::Print),
            (args.heap, "--heap", Command::Heap),
            (args.blocks, "--blocks", Command::Blocks),
            (args.leaks, "--leaks", Command::Leaks),
            (args.objects.is_some(), "--objects", Command::Objects),
            (args.object.is_some(), "--object", Command::Object(args.object.unwrap_or(0))),
            (args.heapsnapshot, "--heapsnapshot", Command::Snapshot),
            (args.path_to.is_some(), "--path-to", Command::PathTo),
            (args.check, "--check", Command::Check),
            (args.map, "--map", Command::Map),
        ];
        let reads = reads.into_iter().filter(|(asked, _)| *asked).map(|(_, name)| (name, Command::Read));
        let asked = asked.into_iter().filter(|asked| asked.0).map(|(_, name, command)| (name, command));
        let mut asked = reads.chain(asked);
        match (asked.next(), asked.next()) {
            (None, _) if !args.range.is_empty() => Ok(Command::Read),
            (None, _) => Ok(Command::List),
            (Some((_, command)), None) => Ok(command),
            (Some((a, _)), Some((b, _))) => {
                Err(Error::new(ErrorKind::Usage, format!("{a} and {b} do not go together")))
            }
        }
    }
}

/// Does what the arguments ask for.
pub fn run(args: Args, report: &Report) -> Result<Exit> {
    let command = Command::from_args(&args)?;
    let Some(inputs) = Input::from_args(&args.dumps) else {
        cli::output::print(&cli::help::<Args>(&TOOL))?;
        return Ok(Exit::Done);
    };
    locating::check_folders(&args.symbols_path, report);
    match (&inputs[..], command) {
        ([input], _) => with(&args, input, report, |inspection| one(command, inspection)).map_err(|error| {
            // In `--objects TYPE` without a dump after it, the type was taken for the dump.
            let is_type = args.objects.as_deref() == Some("") && error.io_kind() == Some(io::ErrorKind::NotFound);
            if is_type { error.hint("a type is named by --objects=TYPE") } else { error }
        }),
        ([before, after], Command::Diff) => {
            with(&args, before, report, |before| with(&args, after, report, |after| diff::between(before, after)))
        }
        ([before, after], Command::Heap) => {
            with(&args, before, report, |before| with(&args, after, report, |after| heap_diff::between(before, after)))
        }
        (_, Command::Diff) => Err(Error::new(ErrorKind::Usage, "--diff compares one dump with its module, or two")),
        _ => Err(Error::new(ErrorKind::Usage, "one dump at a time")),
    }
}

/// Opens a dump for `run`.
fn with(
    args: &Args,
    input: &Input,
    report: &Report,
    run: impl FnOnce(&Inspection<'_>) -> Result<Exit>,
) -> Result<Exit> {
    let (bytes, file) = input.open_with_file()?;
    let bytes = unpacked(bytes, args.max_size).map_err(|error| input.blame(error))?;
    // Bytes that were unpacked are not in a file.
    let file = file.filter(|_| matches!(bytes, Bytes::Mapped(_)));
    let draft = Draft::new(bytes).map_err(|error| input.blame(error))?;
    let dump = draft.find_binaries(&Store::new(), &args.locating(input.path()));
    if let Some(incomplete) = &dump.recorded().incomplete {
        report.warning(input.name(), incomplete);
    }
    let inspection = Inspection::new(&dump, input, file.as_ref(), args, report);
    let outcome = run(&inspection)?;
    Ok(outcome.and(Exit::partial_if(dump.recorded().incomplete.is_some() || inspection.warned())))
}

fn one(command: Command, inspection: &Inspection<'_>) -> Result<Exit> {
    let args = inspection.args;
    match command {
        Command::List => list::list(inspection)?,
        Command::Globals => globals::list(inspection)?,
        Command::Image => image::image(inspection)?,
        Command::All => image::all(inspection)?,
        Command::Find => return find::find(inspection),
        Command::Strings(min) => return strings::strings(inspection, min),
        Command::Diff => return diff::against_module(inspection),
        Command::WhatIs => whatis::whatis(inspection)?,
        Command::Print => return print::print(inspection),
        Command::Heap => return heap::heap(inspection),
        Command::Blocks => return blocks::blocks(inspection),
        Command::Leaks => return leaks::leaks(inspection),
        Command::Objects => return objects::list(inspection, args.objects.as_deref().unwrap_or_default()),
        Command::Object(id) => return objects::one(inspection, id),
        Command::Snapshot => return snapshot::snapshot(inspection),
        Command::PathTo => return path::path_to(inspection),
        Command::Check => return check::check(inspection),
        Command::Map => map::map(inspection)?,
        Command::Read => match args.format {
            Some(_) if args.range.is_empty() => {
                return Err(Error::new(ErrorKind::Usage, "--format needs --range: where to read"));
            }
            Some(format) => return Ok(Exit::partial_if(!format::format(inspection, format)?)),
            None if args.hex || !args.raw && inspection.on_terminal() => hex::hex(inspection)?,
            None => raw::raw(inspection)?,
        },
    }
    Ok(Exit::Done)
}
