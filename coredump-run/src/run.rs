//! Runs a program to its end.

use std::sync::Arc;

use coredump_core::error::{Error, ErrorKind, Result};
use wasmtime::{Engine, Linker, Store, UpdateDeadline, component};

use crate::control::Control;
use crate::ending::{Ending, message};
use crate::host::{self, Host};
use crate::program::{Code, Program};
use crate::record::Watcher;
use crate::{args::Args, blocking, invoke};

/// A store for `host`, set up as `args` say.
pub fn store(engine: &Engine, args: &Args, host: Host, control: &Arc<Control>) -> wasmtime::Result<Store<Host>> {
    let mut store = Store::new(engine, host);
    store.limiter(|host| host);
    if let Some(fuel) = args.fuel {
        store.set_fuel(fuel)?;
    }
    if crate::engine::interruptible(args) {
        let control = control.clone();
        store.epoch_deadline_callback(move |mut store| {
            if let Some(interruption) = control.interruption() {
                return Err(interruption.into());
            }
            if let Some(signal) = control.take_snapshot() {
                let recorder = store.data().recorder.clone();
                recorder.snapshot(signal, &mut store);
            }
            Ok(UpdateDeadline::Continue(1))
        });
        store.set_epoch_deadline(1);
    }
    if !args.fast {
        store.set_debug_handler(Watcher);
    }
    Ok(store)
}

/// Runs the program. An error means that it could not be started; everything after that is an [`Ending`].
pub async fn run(program: &Program, args: &Args, store: &mut Store<Host>, control: &Arc<Control>) -> Result<Ending> {
    let ran = match &program.code {
        Code::Module(module) => {
            let mut linker = Linker::new(module.engine());
            host::link_module(&mut linker).map_err(|error| not_runnable(&error))?;
            blocking::shadow_module(&mut linker, control).map_err(|error| not_runnable(&error))?;
            let instance = linker.instantiate_pre(module).map_err(|error| not_runnable(&error))?;
            if let Some(name) = &args.invoke
                && module.get_export(name).is_none_or(|export| export.func().is_none())
            {
                return Err(Error::new(ErrorKind::NotFound, format!("the program exports no function {name:?}")));
            }
            invoke::module(&instance, args, store).await
        }
        Code::Component(component) => {
            let mut linker = component::Linker::new(component.engine());
            host::link_component(&mut linker).map_err(|error| not_runnable(&error))?;
            blocking::shadow_component(&mut linker, control).map_err(|error| not_runnable(&error))?;
            let instance = linker.instantiate_pre(component).map_err(|error| not_runnable(&error))?;
            invoke::component(&instance, args, store).await
        }
    };
    let ran = ran?;
    let error = match ran {
        Ok(ending) => return Ok(ending),
        Err(error) => error,
    };
    let ending = Ending::of(&error);
    let recorder = store.data().recorder.clone();
    let mut store = wasmtime::AsContextMut::as_context_mut(store);
    if args.fast {
        recorder.after_trap(&ending, &error, &mut store);
    } else if matches!(ending, Ending::Exception(_)) {
        recorder.uncaught(&ending, &mut store);
    }
    Ok(ending)
}

fn not_runnable(error: &wasmtime::Error) -> Error {
    Error::new(ErrorKind::WrongFile, format!("cannot be run: {}", message(error)))
}
