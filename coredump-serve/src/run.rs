//! Serves one client on standard input and output, or one after another on a port.

use std::io::{self, BufReader};
use std::net::TcpListener;

use coredump_core::cli::report::Report;
use coredump_core::cli::{Exit, help, locating, output};
use coredump_core::error::{Error, ErrorKind, Result};

use crate::args::{Args, TOOL};
use crate::dap::Session;

/// Serves until the client leaves; on a port, for ever.
pub fn run(args: Args, report: &Report) -> Result<Exit> {
    locating::check_folders(&args.symbols_path, report);
    let failed = |error| Error::io("cannot speak with the client", error);
    match &args.dap_port {
        None if args.dap => {
            let (input, output) = (io::stdin().lock(), io::stdout().lock());
            Session::new(&args).serve(BufReader::new(input), output).map_err(failed)?;
            Ok(Exit::Done)
        }
        None => {
            output::print(&help::<Args>(&TOOL))?;
            Ok(Exit::Done)
        }
        Some(_) if args.dap => Err(Error::new(ErrorKind::Usage, "--dap and --dap-port exclude each other")),
        Some(address) => {
            let address = if address.contains(':') { address.clone() } else { format!("127.0.0.1:{address}") };
            let listener = TcpListener::bind(&address).map_err(|error| {
                Error::io("cannot listen", error)
                    .hint(format!("{address} has to be an address of this machine with a free port"))
            })?;
            let local = listener.local_addr().map_err(failed)?;
            report.say(format_args!("listening at {local}"));
            for client in listener.incoming() {
                let served = client.and_then(|client| {
                    let input = client.try_clone()?;
                    Session::new(&args).serve(BufReader::new(input), client)
                });
                // One client's failure is no reason to leave the next one alone.
                if let Err(error) = served {
                    report.say(format_args!("a client left: {error}"));
                }
            }
            Ok(Exit::Done)
        }
    }
}
