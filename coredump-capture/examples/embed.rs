//! A small host that runs plugins, survives their crashes, and leaves a core dump of each: its own store data, its own
//! imports, tokio. `cargo run -p coredump-capture --example embed FOLDER` leaves a dump in FOLDER.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use coredump_capture::{Binary, Budget, DumpPlace, Full, Output, Recorder, Settings};
use wasmtime::{Caller, Config, Engine, Linker, Module, Result, Store};

/// Bytes of stack that a plugin may use.
const STACK: usize = 1 << 20;

/// A plugin: it tells the host how far it is, and the third job kills it.
const PLUGIN: &str = r#"(module
    (import "host" "progress" (func $progress (param i32)))
    (memory (export "memory") 1)
    (func $share (param $total i32) (param $workers i32) (result i32)
        (i32.div_u (local.get $total) (local.get $workers)))
    (func (export "work") (param $job i32) (result i32)
        (call $progress (local.get $job))
        (i32.store (i32.const 64) (local.get $job))
        (call $share (i32.const 600) (i32.sub (i32.const 3) (local.get $job)))))"#;

/// The data that this host keeps for a plugin.
#[derive(Default)]
pub struct Job {
    /// The last job that the plugin reported.
    pub progress: i32,
}

/// The end of a job.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The plugin's answer.
    Done(i32),
    /// It crashed, and left a dump if there was room for one.
    Crashed(Option<PathBuf>),
}

/// A host and its only plugin.
pub struct Host {
    detail: Full,
    engine: Engine,
    module: Module,
    binary: Arc<Binary>,
    output: Arc<Output>,
    budget: Arc<Budget>,
}

impl Host {
    /// A host whose dumps go to `folder`.
    pub fn new(folder: &Path) -> Result<Host> {
        let mut config = Config::new();
        // Sets the engine to full detail. `Plain` would run plugins at full speed, for dumps without locals.
        let detail = Full::configure(&mut config, STACK);
        let engine = Engine::new(&config)?;
        let binary = Arc::new(Binary::from_bytes("plugin.wasm", wat::parse_str(PLUGIN)?));
        let module = Module::new(&engine, binary.bytes_to_instrument())?;
        let output = Output::new(folder.join("%e.%p.coredump"), "plugin.wasm", Some(10));
        // Ten dumps a minute, one of each place.
        Ok(Host { detail, engine, module, binary, output: Arc::new(output), budget: Arc::new(Budget::new(10, 1)) })
    }

    /// Runs a job in a store of its own.
    pub async fn run(&self, job: i32) -> Result<Outcome> {
        let mut settings = Settings::new("example-host 1.0.0", self.output.clone());
        settings.process.annotations.insert("job".to_owned(), job.to_string());
        settings.budget = Some(self.budget.clone());
        let recorder = Arc::new(Recorder::new(self.binary.clone(), settings));

        let mut store = Store::new(&self.engine, Job::default());
        self.detail.watch(&mut store, recorder.clone());
        let mut linker = Linker::new(&self.engine);
        linker
            .func_wrap("host", "progress", |mut caller: Caller<'_, Job>, job: i32| caller.data_mut().progress = job)?;
        let instance = linker.instantiate_async(&mut store, &self.module).await?;
        let work = instance.get_typed_func::<i32, i32>(&mut store, "work")?;
        match work.call_async(&mut store, job).await {
            Ok(answer) => Ok(Outcome::Done(answer)),
            Err(error) => {
                // A trap's dump is written by now, with its frames live; an uncaught exception's is written here.
                recorder.after(&error, &mut wasmtime::AsContextMut::as_context_mut(&mut store));
                let dumped = recorder.take_dumped();
                let place = dumped.and_then(|dumped| dumped.place.ok());
                Ok(Outcome::Crashed(
                    place.and_then(|place| if let DumpPlace::File(path) = place { Some(path) } else { None }),
                ))
            }
        }
    }
}

#[allow(dead_code, reason = "the test of this example has a main of its own")]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let host = Host::new(Path::new(&folder))?;
    for job in 1..=5 {
        println!("job {job}: {:?}", host.run(job).await?);
    }
    Ok(())
}
