//! Implements `--serve`, which runs an HTTP component as a server. Each request gets an instance of its own, as with
//! `wasmtime serve`. If an instance crashes, a dump is written, the request is answered with 500, and the server goes
//! on.

mod about;
mod answer;
mod guest;
mod listen;
mod patience;
mod pool;
mod request;
mod service;

use std::net::SocketAddr;
use std::sync::Arc;

use coredump_core::cli::Exit;
use coredump_core::cli::report::Report;
use coredump_core::error::{Error, ErrorKind, Result};

use crate::args::Args;
use crate::program::Source;
use crate::signals::Signals;
use crate::{cache, run, stdio};
use service::Service;

/// Serves the program that `args` name until a signal ends it.
///
/// # Errors
///
/// Says why the program cannot be served.
pub fn run(args: Args, address: SocketAddr, report: &Report, signals: &Signals) -> Result<Exit> {
    refuse_contradictions(&args)?;
    let source = Source::read(args.file()?)?.kept_in(cache::cache(&args));
    guest::look_at_exports(&source)?;
    if !args.unknown_imports_trap {
        source.look_at_imports()?;
    }
    let threads = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = threads.map_err(|error| Error::io("cannot start the event loop", error))?;
    let exit = runtime.block_on(async {
        // An address that is in use is reported before anything is compiled.
        let listener = listen::bind(address)?;
        let service = Arc::new(Service::new(source, args, report)?);
        report.say(format_args!("serving HTTP on http://{}/", listen::address(&listener)?));
        Ok(listen::serve(listener, service, signals).await)
    });
    stdio::finish(Some(run::PATIENCE));
    // Work that was not done in time is given up.
    runtime.shutdown_background();
    exit
}

fn refuse_contradictions(args: &Args) -> Result<()> {
    let refuse = |what: &str| Err(Error::new(ErrorKind::Usage, what));
    if args.invoke.is_some() {
        return refuse("--serve calls the component's handler, and --invoke another function");
    }
    if args.output().0 == "-" {
        return refuse("a server may leave many dumps, and standard output takes one: name a file with -o");
    }
    Ok(())
}
