//! Prepares a component to serve: compiled, linked, and with the data that its dumps have in common.

use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use coredump_capture::internals::{Watcher, message};
use coredump_capture::{Budget, Dumped, Output, Recorder, Settings};
use coredump_core::cli::report::Report;
use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::model::Process;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit};
use wasmtime::{AsContextMut, Engine, Store, UpdateDeadline, component};

use super::about::About;
use super::guest::Handler;
use super::pool;
use crate::args::Args;
use crate::blocking::{self, Waiter};
use crate::ending::{Ending, Interruption};
use crate::engine::{self, Mode};
use crate::host::Host;
use crate::program::{CompiledCode, Program, Source};
use crate::report::Look;
use crate::stdio::Tail;
use crate::wasi::p2::Imports;
use crate::wasi::{self, unknown};
use crate::{process, report, run};

/// The number of requests that are handled at once; further ones wait.
const REQUESTS: u32 = 1000;

/// The interval at which a busy guest checks whether its time is over, and yields to others.
const TICK: Duration = Duration::from_millis(20);

/// A component that is ready to serve.
pub struct Service {
    /// The command line.
    pub args: Args,
    /// The handler of the component.
    pub handler: Handler,
    engine: Engine,
    program: Program,
    guest_args: Vec<String>,
    mode: Mode,
    process: Process,
    output: Arc<Output>,
    budget: Arc<Budget>,
    room: Semaphore,
    /// The report on standard error; the lock makes crashes appear one after the other.
    report: Mutex<Report>,
    look: Look,
}

/// The store of a request, and the writer of its dump if that must be known from the start.
pub struct RequestStore {
    /// The store, without an instance.
    pub store: Store<Host>,
    tail: Tail,
    recorder: Option<Arc<Recorder>>,
}

impl Service {
    /// Compiles and links a component.
    ///
    /// # Errors
    ///
    /// Says why the component cannot be served.
    pub fn new(source: Source, args: Args, report: &Report) -> Result<Service> {
        let file = args.file()?.clone();
        let mode = if args.live { Mode::Live } else { Mode::Fast };
        let settings =
            engine::Settings { interruptible: args.timeout.is_some(), ..engine::Settings::from_args(&args, mode) };
        let (engine, program) = pool::compile(&source, settings, REQUESTS)?;
        let CompiledCode::Component(component) = &program.code else {
            return Err(Error::new(ErrorKind::WrongFile, "only a component can be served").in_file(&program.given));
        };
        let link = |mut linker: component::Linker<Host>| {
            let imports = Imports::unnoted(component);
            wasi::link_component(&mut linker, &imports)?;
            if args.timeout.is_some() {
                blocking::shadow_component(&mut linker, |host: &Host| Waiter::Until(host.deadline))?;
            }
            if args.unknown_imports_trap {
                unknown::stand_in_component(&mut linker, component, &imports)?;
            }
            Handler::new(linker.instantiate_pre(component)?)
        };
        let handler = link(component::Linker::new(&engine));
        let handler = handler.map_err(|error| run::not_runnable(&error, &args).in_file(&program.given))?;
        let guest_args = process::guest_args(&args, &file);
        // Creating a host now reports a folder that cannot be opened before the first request.
        Host::new(&args, false, &guest_args, Tail::default())?;
        let executable = program.binary.path().to_string_lossy().into_owned();
        let output = Arc::new(Output::new(args.output().0, executable, args.keep));
        if args.timeout.is_some() {
            tick(engine.clone())?;
        }
        Ok(Service {
            process: process::process(&args, &file, &guest_args),
            budget: Arc::new(Budget::new(args.max_dumps, 1)),
            room: Semaphore::new(REQUESTS as usize),
            report: Mutex::new(*report),
            look: Look::from_args(&args),
            args,
            handler,
            engine,
            program,
            guest_args,
            mode,
            output,
        })
    }

    /// Waits for room for a request; returns `None` once the server ends.
    pub async fn room(&self) -> Option<SemaphorePermit<'_>> {
        self.room.acquire().await.ok()
    }

    /// Waits until no request is handled.
    pub async fn idle(&self) {
        let _ = self.room.acquire_many(REQUESTS).await;
    }

    /// Writes a line to standard error.
    pub fn say(&self, what: impl Display) {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).say(what);
    }

    /// Creates the store of a request.
    ///
    /// # Errors
    ///
    /// Fails if a folder of the guest cannot be opened any more.
    pub fn call(&self, about: &About) -> Result<RequestStore> {
        let own = |error: wasmtime::Error| Error::new(ErrorKind::Usage, message(&error));
        let tail = Tail::default();
        let mut host = Host::new(&self.args, false, &self.guest_args, tail.clone())?;
        host.deadline = self.args.timeout.map(|time| Instant::now() + time);
        let mut store = Store::new(&self.engine, host);
        store.limiter(|host| host);
        if let Some(fuel) = self.args.fuel {
            store.set_fuel(fuel).map_err(own)?;
        }
        if self.args.timeout.is_some() {
            store.epoch_deadline_callback(|store| match store.data().deadline {
                Some(deadline) if Instant::now() >= deadline => Err(Interruption::Timeout.into()),
                _ => Ok(UpdateDeadline::Yield(1)),
            });
            store.set_epoch_deadline(1);
        }
        let recorder = (self.mode == Mode::Live).then(|| Arc::new(self.recorder(about, tail.clone())));
        if let Some(recorder) = &recorder {
            store.set_debug_handler(Watcher::new(recorder.clone()));
        }
        Ok(RequestStore { store, tail, recorder })
    }

    /// Creates the writer of a request's dump.
    fn recorder(&self, about: &About, tail: Tail) -> Recorder {
        let on = self.args.dumps_on();
        let mut settings = Settings::new(self.process.producer.clone().unwrap_or_default(), self.output.clone());
        settings.memory = self.args.memory;
        settings.heap_limit = self.args.heap_limit;
        settings.embed_modules = self.args.embed_modules;
        let detail = if self.mode == Mode::Live { "live" } else { "none" };
        settings.process =
            Process { request: Some(about.model()), detail: Some(detail.to_owned()), ..self.process.clone() };
        settings.classify = Box::new(move |error| {
            let ending = Ending::from_error(error);
            // The server does not exit, so the dump has no exit code.
            ending.leaves_dump(&on).then(|| coredump_capture::Cause { exit_code: None, ..ending.cause() })
        });
        settings.budget = Some(self.budget.clone());
        settings.complete = Some(Box::new(move |dump| {
            if let Some(reason) = &mut dump.reason {
                reason.guest_stderr = tail.text();
            }
        }));
        Recorder::new(self.program.binary.clone(), settings)
    }

    /// Writes the dump of a request's guest that failed or was given up, unless that was done while its frames were
    /// live, and reports it. This may block for long.
    pub fn died(&self, call: RequestStore, error: &wasmtime::Error, ending: &Ending, about: &About) {
        let RequestStore { mut store, tail, recorder } = call;
        let recorder = recorder.unwrap_or_else(|| Arc::new(self.recorder(about, tail)));
        match ending {
            Ending::Waiting(_) if ending.leaves_dump(&self.args.dumps_on()) => {
                let cause = coredump_capture::Cause { exit_code: None, ..ending.cause() };
                Handle::current().block_on(recorder.idle(&cause, &mut store.as_context_mut()));
            }
            Ending::Waiting(_) => {}
            _ => recorder.after(error, &mut store.as_context_mut()),
        }
        drop(store);
        let dumped = recorder.take_dumped();
        if self.args.quiet {
            return;
        }
        let title = format!("{} {} from {}", about.method, about.target.path(), about.peer);
        let report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        match dumped {
            // Only the first ones of many crashes get a backtrace.
            Some(Dumped { capture: None, place: Err(why), .. }) => {
                report.say(format_args!("{title}: {} (no core dump: {why})", ending.message()));
            }
            None if matches!(ending, Ending::Exit(_)) => report.say(format_args!("{title}: {}", ending.message())),
            dumped => {
                report::report_ending_as(&title, &report, &self.look, &self.program, ending, dumped.as_ref());
            }
        }
    }
}

/// Starts the thread that makes busy guests check the clock.
fn tick(engine: Engine) -> Result<()> {
    let ticker = std::thread::Builder::new().name("clock".to_owned()).spawn(move || {
        loop {
            std::thread::sleep(TICK);
            engine.increment_epoch();
        }
    });
    ticker.map(drop).map_err(|error| Error::io("cannot start a thread", error))
}
