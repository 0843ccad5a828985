//! Records a program that runs: every answer of its imported functions.

use std::sync::Arc;

use coredump_core::recording::{self, Failure, Outcome};
use wasmtime::{AsContextMut, Caller, Extern, Linker, Memory, Module, Result, bail};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p1::wasi_snapshot_preview1::WasiSnapshotPreview1;
use wiggle::GuestMemory;

use super::log::Log;
use super::targets::{Out, Targets};
use super::wasi;
use crate::ending::{Ending, Interruption};
use crate::host::Host;

/// Replaces the functions that `module` imports by recorded ones; with `unknown_imports_trap` also those that nobody offers.
pub fn link(linker: &mut Linker<Host>, log: &Arc<Log>, module: &Module, unknown_imports_trap: bool) -> Result<()> {
    let importing = Importing { module, log };
    wasi::link_p1(linker, &importing)?;
    wasi::link_p0(linker, &importing)?;
    if unknown_imports_trap {
        importing.unknown(linker)?;
    }
    Ok(())
}

/// What a module imports, and where it is recorded.
pub struct Importing<'a> {
    module: &'a Module,
    log: &'a Arc<Log>,
}

impl Importing<'_> {
    /// The recorder of a function, if the module imports it.
    pub fn function(&self, module: &str, name: &str) -> Option<Recorder> {
        let mut imports = self.module.imports();
        let imported = imports.any(|import| import.module() == module && import.name() == name);
        imported.then(|| Recorder { function: self.log.number(module, name), log: self.log.clone() })
    }

    /// Offers what is missing as functions that end the program, as the engine has it.
    fn unknown(&self, linker: &mut Linker<Host>) -> Result<()> {
        for import in self.module.imports() {
            let (module, name) = (import.module().to_owned(), import.name().to_owned());
            let Some(ty) = import.ty().func().cloned() else { continue };
            if self.log.knows(&module, &name) {
                continue;
            }
            let recorder = Recorder { function: self.log.number(&module, &name), log: self.log.clone() };
            let message = format!("unknown import: `{module}::{name}` has not been defined");
            linker.func_new(&module, &name, ty, move |mut caller, params, _| {
                let error = wasmtime::Error::msg(message.clone());
                recorder.failed(&mut caller, params.iter().map(super::play::bits), error)
            })?;
        }
        Ok(())
    }
}

/// Records the calls of one function.
#[derive(Clone)]
pub struct Recorder {
    function: u32,
    log: Arc<Log>,
}

/// A call that goes on.
pub struct Call<'r> {
    recorder: &'r Recorder,
    arguments: u32,
    memory: Memory,
    targets: Targets,
}

impl Recorder {
    /// Begins a call.
    pub fn call(
        &self,
        caller: &mut Caller<'_, Host>,
        arguments: impl IntoIterator<Item = u64>,
        out: Out,
    ) -> Result<Call<'_>> {
        let arguments = recording::hash(arguments);
        self.log.enter(self.function, arguments);
        let Some(Extern::Memory(memory)) = caller.get_export("memory") else {
            let Err(error) = missing_memory();
            self.record(caller, arguments, &failure(&error), &[]);
            return Err(error);
        };
        let mut call = Call { recorder: self, arguments, memory, targets: Targets::default() };
        let (mut guest, wasi) = call.split(caller);
        let targets = Targets::of(out, &mut guest, wasi);
        call.targets = targets;
        Ok(call)
    }

    /// Records a call that ends the program.
    pub fn failed<R>(
        &self,
        caller: &mut Caller<'_, Host>,
        arguments: impl IntoIterator<Item = u64>,
        error: wasmtime::Error,
    ) -> Result<R> {
        self.record(caller, recording::hash(arguments), &failure(&error), &[]);
        Err(error)
    }

    fn record(
        &self,
        caller: &mut Caller<'_, Host>,
        arguments: u32,
        outcome: &Outcome,
        writes: &[recording::Write<'_>],
    ) {
        caller.data_mut().growth.event();
        self.log.call(self.function, arguments, outcome, writes.iter().copied());
    }
}

fn missing_memory() -> Result<std::convert::Infallible> {
    bail!("missing required memory export")
}

impl Call<'_> {
    /// What the function works on besides its arguments.
    pub fn split<'c>(&self, caller: &'c mut Caller<'_, Host>) -> (GuestMemory<'c>, &'c mut WasiP1Ctx) {
        let fuel = caller.as_context_mut().hostcall_fuel();
        let (bytes, host) = self.memory.data_and_store_mut(caller);
        host.wasi.set_hostcall_fuel(fuel);
        (GuestMemory::Unshared(bytes), &mut host.wasi)
    }

    /// Ends the call with its result, once it is recorded.
    pub fn finish(&self, caller: &mut Caller<'_, Host>, result: Result<i32>) -> Result<i32> {
        let (outcome, errno) = match &result {
            Ok(errno) => (Outcome::Returned(u64::from(*errno as u32)), Some(*errno)),
            Err(error) => (failure(error), None),
        };
        let (bytes, host) = self.memory.data_and_store_mut(caller);
        host.growth.event();
        let writes = self.targets.writes(bytes, errno);
        self.recorder.log.call(self.recorder.function, self.arguments, &outcome, writes.into_iter());
        result
    }
}

/// How an error of a host's function ends the program.
fn failure(error: &wasmtime::Error) -> Outcome {
    Outcome::Failed(match Ending::of(error) {
        Ending::Exit(code) => Failure::Exit(code),
        Ending::Interrupted(Interruption::Signal(signal)) => Failure::Interrupted(Some(signal as u32)),
        Ending::Interrupted(Interruption::Timeout) => Failure::Interrupted(None),
        _ => Failure::Message(coredump_capture::message(error)),
    })
}
