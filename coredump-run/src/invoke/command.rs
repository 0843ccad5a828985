//! Runs a component's `wasi:cli/run`, of WASI 0.3 or 0.2.

use std::pin::pin;
use std::time::Duration;

use coredump_core::error::{Error, ErrorKind, Result};
use wasmtime::component::InstancePre;
use wasmtime::{AsContextMut, Store};
use wasmtime_wasi::{p2, p3};

use super::{Entry, Ran, named};
use crate::args::Args;
use crate::blocking::Waits;
use crate::ending::Ending;
use crate::host::Host;

/// The time that a guest may take to answer a request. After that, it counts as waiting outside of any function.
const ANSWER: Duration = Duration::from_millis(20);

/// Runs `wasi:cli/run`, or the function that `--invoke` names.
pub async fn run(pre: &InstancePre<Host>, args: &Args, store: &mut Store<Host>, waits: &Waits) -> Result<Ran> {
    if let Some(name) = &args.invoke {
        return named::run(pre, name, store).await;
    }
    if let Ok(command) = p3::bindings::CommandPre::new(pre.clone()) {
        return Ok(concurrent(command, store, waits).await);
    }
    command(pre, store, |_| Ok(())).await.map(|ran| ran.map(ended))
}

/// Runs a component of WASI 0.2 as [`run`] does, but prints no results; `starts` is called once it is instantiated.
pub async fn enter(
    pre: &InstancePre<Host>,
    entry: &Entry,
    store: &mut Store<Host>,
    starts: impl FnOnce(&mut Store<Host>) -> Result<()>,
) -> Result<wasmtime::Result<()>> {
    match &entry.invoke {
        Some(name) => Ok(named::enter(pre, name, store, starts).await?.map(|_| ())),
        None => Ok(command(pre, store, starts).await?.map(|_| ())),
    }
}

/// Runs `wasi:cli/run` of WASI 0.2.
async fn command(
    pre: &InstancePre<Host>,
    store: &mut Store<Host>,
    starts: impl FnOnce(&mut Store<Host>) -> Result<()>,
) -> Result<wasmtime::Result<std::result::Result<(), ()>>> {
    let command = p2::bindings::CommandPre::new(pre.clone()).map_err(|error| no_command(pre, &error))?;
    let command = match command.instantiate_async(&mut *store).await {
        Ok(command) => command,
        Err(error) => return Ok(Err(error)),
    };
    starts(store)?;
    Ok(command.wasi_cli_run().call_run(&mut *store).await)
}

/// The error that says why a component is not a command that can be run here.
fn no_command(pre: &InstancePre<Host>, error: &wasmtime::Error) -> Error {
    let error =
        Error::new(ErrorKind::WrongFile, format!("cannot be run: {}", coredump_capture::internals::message(error)));
    let component = pre.component();
    let ty = component.component_type();
    let exports: Vec<&str> = ty.exports(component.engine()).map(|(name, _)| name).collect();
    match exports.iter().find(|name| name.starts_with(RUN)) {
        Some(found) => {
            let found = coredump_core::cli::text::escape(found);
            error.hint(format!("it exports {found}; this engine runs wasi:cli/run of 0.2 and of 0.3.0"))
        }
        None => error.hint(INVOKE),
    }
}

/// The interface that a command exports, without its version.
const RUN: &str = "wasi:cli/run@";

const INVOKE: &str = "it is no command; call one of its functions with --invoke 'NAME(ARGUMENTS)'";

/// Refuses a component with these exports if it is not a command. This is done before it is compiled, which may take
/// minutes.
///
/// # Errors
///
/// Fails with [`ErrorKind::WrongFile`] then.
pub fn look_at_exports(exports: &[&str]) -> Result<()> {
    let exported = |start: &str| exports.iter().any(|name| name.starts_with(start));
    let error = || Error::new(ErrorKind::WrongFile, "cannot be run: it exports no wasi:cli/run");
    if exported(RUN) {
        return Ok(());
    }
    Err(match exported("wasi:http/") {
        true => error().hint("it answers requests over HTTP: coredump-run --serve"),
        false => error().hint(INVOKE),
    })
}

/// Runs a command of WASI 0.3. Its tasks wait outside of any function, so a request is handled there: the engine's
/// event loop stands still while the store is read.
async fn concurrent(command: p3::bindings::CommandPre<Host>, store: &mut Store<Host>, waits: &Waits) -> Ran {
    let command = command.instantiate_async(&mut *store).await?;
    let ran = store.run_concurrent(async |store| {
        let mut run = pin!(command.wasi_cli_run().call_run(store));
        loop {
            tokio::select! {
                biased;
                ran = &mut run => return ran,
                () = waits.unanswered(ANSWER) => store.with(|mut store| waits.answer_idle(&mut store.as_context_mut()))?,
            }
        }
    });
    Ok(ended(ran.await??))
}

fn ended(result: std::result::Result<(), ()>) -> Ending {
    Ending::Exit(if result.is_ok() { 0 } else { 1 })
}
