//! Serves one client on standard input and output, or one after another on a port.

use std::io::{self, BufReader};
use std::net::{TcpListener, TcpStream};

use coredump_core::cli::input::Input;
use coredump_core::cli::report::Report;
use coredump_core::cli::{Exit, help, locating, output};
use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::{Draft, Dump, Store};

use crate::args::{Args, TOOL};
use crate::{dap, gdb};

/// Serves until the client leaves; on a port, forever.
pub fn run(args: Args, report: &Report) -> Result<Exit> {
    locating::check_folders(&args.symbols_path, report);
    if args.thread.is_some() && args.gdb.is_none() {
        return Err(Error::new(ErrorKind::Usage, "--thread goes with --gdb: an editor shows all threads"));
    }
    match (args.dap, &args.dap_port, &args.gdb) {
        (true, None, None) => {
            let (input, output) = (io::stdin().lock(), io::stdout().lock());
            dap::Session::new(&args).serve(BufReader::new(input), output).map_err(failed)?;
            Ok(Exit::Done)
        }
        (false, Some(address), None) => listen(address, report, |client| {
            let input = BufReader::new(client.try_clone()?);
            dap::Session::new(&args).serve(input, client)
        }),
        (false, None, Some(address)) => {
            let space = gdb::Space::new(open(&args, report)?, args.thread)?;
            for problem in space.problems() {
                report.say(problem);
            }
            listen(address, report, |client| {
                // Requests are short, and the client waits for each answer, so nothing may be delayed (Nagle's
                // algorithm).
                client.set_nodelay(true)?;
                let input = BufReader::new(client.try_clone()?);
                gdb::Session::new(&space).serve(input, client)
            })
        }
        (false, None, None) => {
            output::print(&help::<Args>(&TOOL))?;
            Ok(Exit::Done)
        }
        _ => Err(Error::new(ErrorKind::Usage, "--dap, --dap-port and --gdb exclude each other")),
    }
}

/// Opens the dump that the command line names.
fn open(args: &Args, report: &Report) -> Result<Dump> {
    let dump = args.dump.as_ref().ok_or_else(|| Error::new(ErrorKind::Usage, "--gdb needs the dump as an argument"))?;
    let input = Input::from_arg(dump);
    let draft = Draft::new(input.open()?).map_err(|error| input.blame(error))?.at(input.path());
    let recorded = draft.recorded();
    for warning in recorded.warnings.iter().chain(&recorded.incomplete) {
        report.warning(input.name(), warning);
    }
    let options = args.locating(input.path());
    Ok(draft.find_binaries(&Store::new(), &options))
}

/// Serves the clients that come to an address, one after another.
fn listen(address: &str, report: &Report, serve: impl Fn(TcpStream) -> io::Result<()>) -> Result<Exit> {
    // A port alone is opened only on the loopback interface.
    let address = if address.contains(':') { address.to_owned() } else { format!("127.0.0.1:{address}") };
    let listener = TcpListener::bind(&address).map_err(|error| {
        Error::io("cannot listen", error)
            .hint(format!("{address} has to be an address of this machine with a free port"))
    })?;
    let local = listener.local_addr().map_err(failed)?;
    report.say(format_args!("listening at {local}"));
    if !local.ip().is_loopback() {
        report.say("other machines can reach this address, and read all that is in the dump");
    }
    for client in listener.incoming() {
        // The failure of one client does not end the server.
        if let Err(error) = client.and_then(&serve) {
            report.say(format_args!("a client left: {error}"));
        }
    }
    Ok(Exit::Done)
}

fn failed(error: io::Error) -> Error {
    Error::io("cannot speak with the client", error)
}
