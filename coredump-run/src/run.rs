//! Runs a program to its end.

use std::time::Duration;

use coredump_capture::internals::message;
use coredump_core::error::{Error, ErrorKind, Result};
use wasmtime::{AsContextMut, Engine, Linker, Store, UpdateDeadline, WasmCoreDump, component};

use crate::args::Args;
use crate::blocking::{self, Waiter, Waits};
use crate::control::Control;
use crate::dump::Watcher;
use crate::ending::{Ending, Interruption};
use crate::engine::Mode;
use crate::host::Host;
use crate::invoke::{self, Ran};
use crate::offered;
use crate::program::{CompiledCode, Program};
use crate::wasi::p2::Imports;
use crate::wasi::{self, p1, unknown};

/// The time that a guest may take to end: most host calls that wait end at once, but a few do not.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// A store for `host`, set up as `args` say.
pub fn store(engine: &Engine, args: &Args, mode: Mode, host: Host, waits: &Waits) -> wasmtime::Result<Store<Host>> {
    let mut store = Store::new(engine, host);
    store.limiter(|host| host);
    if let Some(fuel) = args.fuel {
        store.set_fuel(fuel)?;
    }
    if mode.interruptible(args) {
        let waits = waits.clone();
        store.epoch_deadline_callback(move |mut store| {
            // The request is handled one instruction later, where the guest's values are known.
            if !waits.control.is_stepping() {
                waits.look(&mut store)?;
            }
            Ok(UpdateDeadline::Continue(1))
        });
        store.set_epoch_deadline(1);
    }
    if mode == Mode::Live {
        store.set_debug_handler(Watcher { writer: waits.writer.clone(), control: Some(waits.control.clone()) });
    }
    Ok(store)
}

/// Runs the program. An error means that it could not be started; everything after that is an [`Ending`]. `starts` is
/// called once all imports are resolved.
pub async fn run(
    program: &Program,
    args: &Args,
    mode: Mode,
    store: &mut Store<Host>,
    waits: &Waits,
    starts: impl FnOnce(),
) -> Result<Ending> {
    let ran = tokio::select! {
        biased;
        ran = start(program, args, mode, store, waits, starts) => ran?,
        interruption = overdue(&waits.control) => Err(interruption.into()),
    };
    let error = match ran {
        Ok(ending) => return Ok(ending),
        Err(error) => error,
    };
    let ending = Ending::from_error(&error);
    waits.control.ended();
    let mut store = store.as_context_mut();
    match ending {
        // The guest is in no function, or in a host call that does not end.
        Ending::Interrupted(interruption) if mode == Mode::Fast && !error.is::<WasmCoreDump>() => {
            waits.writer.given_up(&Ending::Waiting(interruption), &mut store).await;
        }
        _ if mode != Mode::Live => waits.writer.after_trap(&ending, &error, &mut store),
        Ending::Exception(_) => waits.writer.uncaught(&ending, &mut store),
        Ending::Interrupted(interruption) => waits.writer.idle(&Ending::Waiting(interruption), &mut store),
        // Its memories and tables were too large to begin with: the engine stopped nowhere in the program.
        Ending::MemoryLimit(_) => waits.writer.after_trap(&ending, &error, &mut store),
        _ => {}
    }
    Ok(ending)
}

/// Waits until a guest should have ended but has not: it is in a host call that cannot be interrupted.
async fn overdue(control: &Control) -> Interruption {
    let interruption = control.interrupted().await;
    tokio::time::sleep(PATIENCE).await;
    interruption
}

async fn start(
    program: &Program,
    args: &Args,
    mode: Mode,
    store: &mut Store<Host>,
    waits: &Waits,
    starts: impl FnOnce(),
) -> Result<Ran> {
    match &program.code {
        CompiledCode::Module(module) => {
            let mut linker = Linker::new(module.engine());
            wasi::link_module(&mut linker).map_err(|error| not_runnable(&error, args))?;
            let log = store.data().log.clone();
            if mode != Mode::Fast {
                p1::link_recorded(&mut linker, log.as_ref(), module, args.unknown_imports_trap)
                    .map_err(|error| not_runnable(&error, args))?;
            }
            if log.is_none() {
                blocking::shadow_module(&mut linker, waits).map_err(|error| not_runnable(&error, args))?;
            }
            if args.unknown_imports_trap && log.is_none() {
                let stood_in = unknown::stand_in_module(&mut linker, module, &mut *store).await;
                stood_in.map_err(|error| not_runnable(&error, args))?;
            }
            if !args.unknown_imports_trap && log.is_none() {
                wasi::threads::link(&mut linker, module, store).map_err(|error| not_runnable(&error, args))?;
            }
            let instance = linker.instantiate_pre(module).map_err(|error| not_runnable(&error, args))?;
            if let Some(name) = &args.invoke
                && module.get_export(name).is_none_or(|export| export.func().is_none())
            {
                return Err(Error::new(ErrorKind::NotFound, format!("the program exports no function {name:?}")));
            }
            starts();
            invoke::module(&instance, &invoke::Entry::from_args(args), store).await
        }
        CompiledCode::Component(component) => {
            let mut linker = component::Linker::new(component.engine());
            let imports = match mode {
                Mode::Fast => Imports::unnoted(component),
                _ => Imports::recorded(component, store.data().log.clone()),
            };
            wasi::link_component(&mut linker, &imports).map_err(|error| not_runnable(&error, args))?;
            if mode != Mode::Recorded {
                let waits_of = waits.clone();
                let waiter = move |_: &Host| Waiter::Program(waits_of.clone());
                blocking::shadow_component(&mut linker, waiter).map_err(|error| not_runnable(&error, args))?;
            }
            if args.unknown_imports_trap {
                let stood_in = unknown::stand_in_component(&mut linker, component, &imports);
                stood_in.map_err(|error| not_runnable(&error, args))?;
            }
            let instance = linker.instantiate_pre(component).map_err(|error| not_runnable(&error, args))?;
            starts();
            invoke::component(&instance, args, store, waits).await
        }
    }
}

/// Converts an error of linking a program: says why the program cannot be run.
pub fn not_runnable(error: &wasmtime::Error, args: &Args) -> Error {
    let message = message(error);
    let missing = error.is::<wasmtime::UnknownImportError>()
        || message.contains("matching implementation was not found in the linker");
    let told = Error::new(ErrorKind::WrongFile, format!("cannot be run: {message}"));
    match (missing, args.unknown_imports_trap) {
        (true, false) => told.hint(offered::STAND_IN),
        (true, true) => told.hint("only functions, memories and resources can be stood in for"),
        _ => told,
    }
}
