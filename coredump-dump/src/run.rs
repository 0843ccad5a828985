//! From the command line to the command that does it.

use coredump_core::cli::input::Input;
use coredump_core::cli::report::Report;
use coredump_core::cli::{self, Exit};
use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::read;

use crate::args::{Args, TOOL};
use crate::session::Session;
use crate::{globals, hex, image, list, raw};

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    List,
    Read,
    Globals,
    Image,
    All,
}

impl Command {
    fn of(args: &Args) -> Result<Command> {
        let reads = args.hex || args.raw || !args.range.is_empty();
        let asked = [
            (reads, "--range", Command::Read),
            (args.globals, "--globals", Command::Globals),
            (args.image, "--image", Command::Image),
            (args.all, "--all", Command::All),
        ];
        let mut asked = asked.into_iter().filter(|asked| asked.0);
        match (asked.next(), asked.next()) {
            (None, _) => Ok(Command::List),
            (Some((_, _, command)), None) => Ok(command),
            (Some((_, a, _)), Some((_, b, _))) => {
                Err(Error::new(ErrorKind::Usage, format!("{a} and {b} are two commands: one at a time")))
            }
        }
    }
}

/// Does what the arguments ask for.
pub fn run(args: Args, report: &Report) -> Result<Exit> {
    let command = Command::of(&args)?;
    let Some(inputs) = Input::from_args(&args.files) else {
        cli::output::print(&cli::help::<Args>(&TOOL))?;
        return Ok(Exit::Done);
    };
    let [input] = &inputs[..] else {
        return Err(Error::new(ErrorKind::Usage, "one dump at a time"));
    };
    let bytes = input.open()?;
    let dump = read::read(&bytes).map_err(|error| input.blame(error))?;
    if let Some(incomplete) = &dump.incomplete {
        report.warning(input.name(), incomplete);
    }
    let session = Session { dump: &dump, input, args: &args, report };
    match command {
        Command::List => list::list(&session)?,
        Command::Globals => globals::list(&session)?,
        Command::Image => image::image(&session)?,
        Command::All => image::all(&session)?,
        Command::Read if args.hex || !args.raw && session.on_terminal() => hex::hex(&session)?,
        Command::Read => raw::raw(&session)?,
    }
    Ok(Exit::partial_if(dump.incomplete.is_some()))
}
