//! Runs a program again with the recorded answers, instrumented, up to the end of the first run.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use coredump_capture::Dumped;
use coredump_capture::internals::quietly;
use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::internals::recording::{self, Start};
use tokio::sync::Notify;
use wasmtime::{AsContextMut, Cache, Linker, Store, Trap, UpdateDeadline, component};

use super::goal::Goal;
use super::overflow::Overflow;
use super::replayer::Replayer;
use crate::dump::{Again, DumpWriter, differs};
use crate::ending::Ending;
use crate::engine::{self, Settings};
use crate::host::{self, Host, Onlooker};
use crate::invoke::{self, Entry};
use crate::playback::{Diverged, Playback, Tape, Until};
use crate::program::{CompiledCode, Program};
use crate::wasi::p2::Imports;
use crate::wasi::{p1, p2, unknown};

/// The greatest factor by which the frames of instrumented code are larger than those of the recorded code.
const LARGER: usize = 64;

/// The smallest and the largest stack of a program that runs again, in bytes.
const STACKS: (usize, usize) = (64 << 20, 1 << 30);

/// Describes the start of a recorded program for its recording.
pub fn start(settings: Settings, entry: Entry, fuel: Option<u64>, max_memory: Option<usize>) -> Start {
    Start {
        version: recording::VERSION,
        runtime: coredump_capture::RUNTIME.to_owned(),
        invoke: entry.invoke,
        parameters: entry.parameters,
        fuel,
        max_memory: max_memory.map(|bytes| bytes as u64),
        max_wasm_stack: settings.stack as u64,
        ..Start::default()
    }
}

/// Runs the program of `first` again and returns its dump, which replaces the first one.
///
/// # Errors
///
/// Says why there is no second dump; the first one then stays.
pub async fn again(first: &Arc<DumpWriter>, again: Again, until: Option<Arc<Until>>) -> Result<Dumped> {
    let tape = again.tape().clone();
    let _progress = tape.progress(first.is_quiet(), "the program runs again");
    let overflow = again.expected().and_then(Overflow::from_expected).map(Arc::new);
    let engine = engine(&tape.start, until.as_deref(), first.program.engine_cache())?;
    let program = Arc::new(first.program.source().compile(&engine)?);
    let writer = Arc::new(first.again(program, again));
    let store = store(&engine, tape.playback(until.clone()), &tape.start)?;
    let goal = Goal { overflow, until, ..Goal::default() };
    unless_it_panics(run(&writer, &tape, goal, store)).await?.map(|(dumped, _)| dumped)
}

/// Waits for work in the engine. A panic becomes an error, as there is a dump already.
///
/// # Errors
///
/// Fails with the message of the panic.
async fn unless_it_panics<F: Future>(work: F) -> Result<F::Output> {
    let mut work = Box::pin(work);
    poll_fn(|context| match quietly(|| work.as_mut().poll(context)) {
        Ok(polled) => polled.map(Ok),
        Err(error) => Poll::Ready(Err(error)),
    })
    .await
}

/// Runs the program of `writer` again; returns its dump and its ending. The stage of `writer` must be that of a
/// repeated run.
///
/// # Errors
///
/// Says why there is no dump.
pub async fn run(
    writer: &Arc<DumpWriter>,
    tape: &Tape,
    goal: Goal,
    mut store: Store<Host>,
) -> Result<(Dumped, Ending)> {
    let program = writer.program.clone();
    let ended = Arc::new(Notify::new());
    store.data_mut().onlooker = goal.witness.clone().map(|witness| witness as Arc<dyn Onlooker>);
    store.set_debug_handler(Replayer::new(writer.clone(), goal.clone(), ended.clone()));
    let ran = {
        let mut entered = pin!(enter(&program, tape, &goal, &mut store));
        let watched = poll_fn(|context| {
            let polled = entered.as_mut().poll(context);
            if let (true, Some(until)) = (polled.is_pending(), &goal.until) {
                until.yields();
            }
            polled
        });
        tokio::select! {
            biased;
            ran = watched => Some(ran?),
            () = ended.notified() => None,
        }
    };
    let ending = match ran {
        Some(Ok(())) => {
            goal.came_too_late(&Ending::Exit(0));
            return Err(differs("it ended by itself"));
        }
        Some(Err(error)) => {
            if let Some(Diverged(how)) = error.downcast_ref::<Diverged>() {
                return Err(differs(how));
            }
            let ending = Ending::from_error(&error);
            if let Ending::Exception(_) = ending {
                writer.uncaught(&ending, &mut store.as_context_mut());
            }
            goal.came_too_late(&ending);
            ending
        }
        None => match &goal.until {
            Some(until) => until.ending.clone(),
            None if goal.hunt.is_some() || goal.witness.as_ref().is_some_and(|witness| witness.has_arrived()) => {
                Ending::Watched
            }
            None => Ending::Trap(Trap::StackOverflow),
        },
    };
    let Some(dumped) = writer.take_dumped() else { return Err(differs("it left no dump")) };
    match dumped.place {
        Ok(_) => Ok((dumped, ending)),
        Err(error) => Err(error),
    }
}

/// The engine that runs a program again, up to its end or the stop `until`; it keeps small modules in `cache`.
pub fn engine(start: &Start, until: Option<&Until>, cache: Option<Cache>) -> Result<wasmtime::Engine> {
    let stack = usize::try_from(start.max_wasm_stack).unwrap_or(STACKS.1).saturating_mul(LARGER);
    let stack = stack.clamp(STACKS.0, STACKS.1);
    let interruptible = until.is_some_and(|until| until.stop.fuel.is_some());
    let fuel = interruptible || start.fuel.is_some();
    let settings = Settings { stack, fuel, interruptible, instrumented: true, images: false, pool: None };
    engine::engine(settings, cache).map_err(own)
}

/// Converts an error of the engine.
pub fn own(error: wasmtime::Error) -> Error {
    Error::new(ErrorKind::WrongFile, format!("cannot be run again: {}", coredump_capture::internals::message(&error)))
}

/// The store of a program that runs again with the answers from `playback`.
pub fn store(engine: &wasmtime::Engine, playback: Playback, start: &Start) -> Result<Store<Host>> {
    let max_memory = start.max_memory.and_then(|bytes| usize::try_from(bytes).ok());
    let until = playback.until().filter(|until| until.stop.fuel.is_some()).cloned();
    let mut store = Store::new(engine, Host::again(playback, max_memory));
    store.limiter(|host| host);
    if let Some(fuel) = start.fuel.or(until.as_ref().map(|_| u64::MAX)) {
        store.set_fuel(fuel).map_err(own)?;
    }
    if let Some(until) = until {
        until.runs_in(engine);
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Continue(1)));
        store.set_epoch_deadline(1);
    }
    host::run_on(&mut store.as_context_mut()).map_err(own)?;
    Ok(store)
}

/// Runs a program to its end, or to its goal.
pub async fn enter(
    program: &Program,
    tape: &Tape,
    goal: &Goal,
    store: &mut Store<Host>,
) -> Result<wasmtime::Result<()>> {
    let start = &tape.start;
    let entry = Entry { invoke: start.invoke.clone(), parameters: start.parameters.clone() };
    let names = &start.functions;
    match &program.code {
        CompiledCode::Module(module) => {
            goal.watch(module, &mut store.as_context_mut())?;
            let mut linker = Linker::new(module.engine());
            p1::link_replayed(&mut linker, module, names).map_err(own)?;
            let instance = linker.instantiate_pre(module).map_err(own)?;
            Ok(invoke::enter(&instance, &entry, store).await?.map(|_| ()))
        }
        CompiledCode::Component(component) => {
            let mut linker = component::Linker::new(component.engine());
            linker.allow_shadowing(true);
            let imports = Imports::replayed(component, names);
            p2::link(&mut linker, &imports).map_err(own)?;
            unknown::stand_in_component(&mut linker, component, &imports).map_err(own)?;
            let instance = linker.instantiate_pre(component).map_err(own)?;
            let starts = |store: &mut Store<Host>| {
                let mut store = store.as_context_mut();
                goal.watch_any(&program.binary, &mut store)?;
                goal.witness.iter().try_for_each(|witness| witness.starts(&mut store))
            };
            Ok(invoke::enter_component(&instance, &entry, store, starts).await?.map(|_| ()))
        }
    }
}
