//! Notes the calls of a program that runs, and records every answer of its imported functions if it is recorded.

use std::sync::Arc;

use coredump_core::internals::recording::{self, Failure, Outcome};
use wasmtime::{AsContextMut, Caller, Extern, Linker, Memory, Module, ModuleExport, Result, bail};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p1::wasi_snapshot_preview1::WasiSnapshotPreview1;
use wiggle::GuestMemory;

use super::log::Log;
use super::targets::{Out, Targets};
use super::wasi;
use crate::calls::Function;
use crate::ending::{Ending, Interruption};
use crate::host::Host;

/// Replaces the functions that `module` imports by those whose calls are noted, and recorded in `log`; with
/// `unknown_imports_trap` also those that nobody offers.
pub fn link(
    linker: &mut Linker<Host>,
    log: Option<&Arc<Log>>,
    module: &Module,
    unknown_imports_trap: bool,
) -> Result<()> {
    let importing = Importing { module, log };
    wasi::link_p1(linker, &importing)?;
    wasi::link_p0(linker, &importing)?;
    if unknown_imports_trap && let Some(log) = log {
        importing.unknown(log, linker)?;
    }
    Ok(())
}

/// What a module imports, and where it is recorded.
pub struct Importing<'a> {
    module: &'a Module,
    log: Option<&'a Arc<Log>>,
}

impl Importing<'_> {
    /// The recorder of a function, if the module imports it.
    pub fn function(&self, module: &str, name: &str, parameters: &'static [&'static str]) -> Option<Recorder> {
        let mut imports = self.module.imports();
        let imported = imports.any(|import| import.module() == module && import.name() == name);
        imported.then(|| Recorder {
            noted: Function::new(name, parameters),
            memory: self.module.get_export_index("memory"),
            log: self.log.map(|log| (log.number(module, name), log.clone())),
        })
    }

    /// Offers what is missing as functions that end the program, as the engine has it.
    fn unknown(&self, log: &Arc<Log>, linker: &mut Linker<Host>) -> Result<()> {
        for import in self.module.imports() {
            let (module, name) = (import.module().to_owned(), import.name().to_owned());
            let Some(ty) = import.ty().func().cloned() else { continue };
            if log.knows(&module, &name) {
                continue;
            }
            let noted = Function::new(&format!("{module}.{name}"), &[]);
            let recorder = Recorder { noted, memory: None, log: Some((log.number(&module, &name), log.clone())) };
            let message = format!("unknown import: `{module}::{name}` has not been defined");
            linker.func_new(&module, &name, ty, move |mut caller, params, _| {
                let error = wasmtime::Error::msg(message.clone());
                recorder.failed(&mut caller, params.iter().map(super::play::bits), error)
            })?;
        }
        Ok(())
    }
}

/// Notes the calls of one function, and records them.
#[derive(Clone)]
pub struct Recorder {
    noted: Arc<Function>,
    /// The memory that it works on, if the module exports one.
    memory: Option<ModuleExport>,
    /// Its number in the recording, if there is one.
    log: Option<(u32, Arc<Log>)>,
}

/// A call that goes on.
pub struct Call<'r, const N: usize> {
    recorder: &'r Recorder,
    arguments: [u64; N],
    /// Of the arguments.
    hash: u32,
    memory: Memory,
    targets: Targets,
}

impl Recorder {
    /// Begins a call.
    pub fn call<const N: usize>(
        &self,
        caller: &mut Caller<'_, Host>,
        arguments: [u64; N],
        out: Out,
    ) -> Result<Call<'_, N>> {
        let hash = recording::hash(arguments);
        if let Some((function, log)) = &self.log {
            log.enter(*function, hash);
        }
        let memory = self.memory.as_ref().and_then(|export| caller.get_module_export(export));
        let Some(Extern::Memory(memory)) = memory else {
            let Err(error) = missing_memory();
            return self.failed(caller, arguments, error);
        };
        let paths = self.noted.paths(&arguments, memory.data(&*caller));
        caller.data().calls.enter(&self.noted, &arguments, paths);
        let targets = self.log.as_ref().map_or_else(Targets::default, |_| Targets::of(out));
        let mut call = Call { recorder: self, arguments, hash, memory, targets };
        if self.log.is_some() && out.is_in_memory() {
            let mut targets = std::mem::take(&mut call.targets);
            let (mut guest, wasi) = call.split(caller);
            targets.read(out, &mut guest, wasi);
            call.targets = targets;
        }
        Ok(call)
    }

    /// Notes and records a call that ends the program.
    pub fn failed<R>(
        &self,
        caller: &mut Caller<'_, Host>,
        arguments: impl IntoIterator<Item = u64>,
        error: wasmtime::Error,
    ) -> Result<R> {
        let arguments: Vec<u64> = arguments.into_iter().collect();
        let calls = &caller.data().calls;
        calls.enter(&self.noted, &arguments, Vec::new());
        calls.failed(coredump_capture::message(&error));
        if let Some((function, log)) = &self.log {
            caller.data_mut().growth.event();
            log.call(*function, recording::hash(arguments), &failure(&error), [].into_iter());
        }
        Err(error)
    }
}

fn missing_memory() -> Result<std::convert::Infallible> {
    bail!("missing required memory export")
}

impl<const N: usize> Call<'_, N> {
    /// What the function works on besides its arguments.
    pub fn split<'c>(&self, caller: &'c mut Caller<'_, Host>) -> (GuestMemory<'c>, &'c mut WasiP1Ctx) {
        let fuel = caller.as_context_mut().hostcall_fuel();
        let (bytes, host) = self.memory.data_and_store_mut(caller);
        host.wasi.set_hostcall_fuel(fuel);
        (GuestMemory::Unshared(bytes), &mut host.wasi)
    }

    /// Ends the call with its result, once it is noted and recorded.
    pub fn finish(&self, caller: &mut Caller<'_, Host>, result: Result<i32>) -> Result<i32> {
        let (bytes, host) = self.memory.data_and_store_mut(caller);
        match &result {
            Ok(errno) => host.calls.returned(*errno, self.recorder.noted.out(&self.arguments, bytes)),
            Err(error) => host.calls.failed(coredump_capture::message(error)),
        }
        let Some((function, log)) = &self.recorder.log else { return result };
        let (outcome, errno) = match &result {
            Ok(errno) => (Outcome::Returned(u64::from(*errno as u32)), Some(*errno)),
            Err(error) => (failure(error), None),
        };
        host.growth.event();
        let writes = self.targets.writes(bytes, errno);
        log.call(*function, self.hash, &outcome, writes);
        result
    }
}

/// How an error of a host's function ends the program.
pub fn failure(error: &wasmtime::Error) -> Outcome<'static> {
    Outcome::Failed(match Ending::of(error) {
        Ending::Exit(code) => Failure::Exit(code),
        Ending::Interrupted(Interruption::Signal(signal)) => Failure::Interrupted(Some(signal as u32)),
        Ending::Interrupted(Interruption::Timeout) => Failure::Interrupted(None),
        _ => Failure::Message(coredump_capture::message(error)),
    })
}
