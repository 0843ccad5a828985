//! Notes the calls of a running program, and records every answer of its imported functions if it is recorded.

use std::sync::{Arc, OnceLock};

use coredump_core::internals::recording::{self, Outcome, Read};
use wasmtime::{AsContextMut, Caller, Extern, Linker, Memory, Module, ModuleExport, Result, bail};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p1::wasi_snapshot_preview1::WasiSnapshotPreview1;
use wiggle::GuestMemory;

use super::replayed;
use super::targets::{Out, Targets};
use crate::calls::HostFunction;
use crate::host::Host;
use crate::recording::{Log, failure};

/// The imports of a module, and where their calls are recorded.
pub struct Importing<'a> {
    /// The module.
    pub module: &'a Module,
    /// The log in which calls are recorded; `None` if they are only noted.
    pub log: Option<&'a Arc<Log>>,
}

impl Importing<'_> {
    /// The recorder of a function, if the module imports it. On a shared memory the engine's own functions work.
    pub fn function(&self, module: &str, name: &str, parameters: &'static [&'static str]) -> Option<CallRecorder> {
        let memory = self.module.get_export("memory");
        if memory.is_some_and(|export| export.memory().is_some_and(wasmtime::MemoryType::is_shared)) {
            return None;
        }
        let mut imports = self.module.imports();
        let imported = imports.any(|import| import.module() == module && import.name() == name);
        imported.then(|| CallRecorder {
            noted: HostFunction::new(name, parameters),
            files: DescriptorCall::from_name(name),
            memory: self.module.get_export_index("memory"),
            found: OnceLock::new(),
            log: self.log.map(|log| (log.number(module, name), log.clone())),
        })
    }

    /// Offers the missing imports as functions that end the program, as the engine does.
    pub fn unknown(&self, log: &Arc<Log>, linker: &mut Linker<Host>) -> Result<()> {
        for import in self.module.imports() {
            let (module, name) = (import.module().to_owned(), import.name().to_owned());
            let Some(ty) = import.ty().func().cloned() else { continue };
            if log.knows(&module, &name) {
                continue;
            }
            let noted = HostFunction::new(&format!("{module}.{name}"), &[]);
            let log = Some((log.number(&module, &name), log.clone()));
            let recorder =
                CallRecorder { noted, files: DescriptorCall::None, memory: None, found: OnceLock::new(), log };
            let message = format!("unknown import: `{module}::{name}` has not been defined");
            linker.func_new(&module, &name, ty, move |mut caller, params, _| {
                let error = wasmtime::Error::msg(message.clone());
                recorder.failed(&mut caller, params.iter().map(replayed::bits), error)
            })?;
        }
        Ok(())
    }
}

/// Notes the calls of one function, and records them.
pub struct CallRecorder {
    noted: Arc<HostFunction>,
    files: DescriptorCall,
    /// The memory that the function works on, if the module exports one.
    memory: Option<ModuleExport>,
    /// The memory of the program's only instance, once it was looked up.
    found: OnceLock<Memory>,
    /// The number of the function in the recording, if there is one.
    log: Option<(u32, Arc<Log>)>,
}

/// The effect of a function on the open files of the program.
#[derive(Clone, Copy, PartialEq, Eq)]
enum DescriptorCall {
    None,
    Open,
    Close,
    Renumber,
    /// Changes the names of files.
    Rename,
    Read,
    ReadAt,
}

impl DescriptorCall {
    fn from_name(name: &str) -> DescriptorCall {
        match name {
            "path_open" => DescriptorCall::Open,
            "fd_close" => DescriptorCall::Close,
            "fd_renumber" => DescriptorCall::Renumber,
            "path_link" | "path_rename" | "path_unlink_file" => DescriptorCall::Rename,
            "fd_read" => DescriptorCall::Read,
            "fd_pread" => DescriptorCall::ReadAt,
            _ => DescriptorCall::None,
        }
    }
}

/// A call that is under way.
pub struct PendingCall<'r, const N: usize> {
    recorder: &'r CallRecorder,
    arguments: [u64; N],
    /// The hash of the arguments.
    hash: u32,
    memory: Memory,
    out: Out,
    /// The ranges that the call may write, if they must be known before the call, or decide what is recorded.
    targets: Option<Box<Targets>>,
}

impl CallRecorder {
    /// Begins a call. A program can make ten million calls a second: the part that most calls need is here, and is
    /// inlined into each function, so that no values are copied.
    #[inline(always)]
    pub fn call<const N: usize>(
        &self,
        caller: &mut Caller<'_, Host>,
        arguments: [u64; N],
        out: Out,
    ) -> Result<PendingCall<'_, N>> {
        let hash = recording::hash(&arguments);
        if let Some((function, log)) = &self.log {
            log.enter(*function, hash);
        }
        let Some(memory) = self.memory(caller) else {
            let Err(error) = missing_memory();
            return self.failed(caller, arguments, error);
        };
        let paths = match self.noted.has_paths() {
            true => self.noted.paths(&arguments, memory.data(&*caller)),
            false => Vec::new(),
        };
        caller.data().calls.enter(&self.noted, &arguments, paths);
        let mut call = PendingCall { recorder: self, arguments, hash, memory, out, targets: None };
        if out.fixed().is_none() || self.files != DescriptorCall::None {
            call.prepare(caller);
        }
        Ok(call)
    }

    /// The program's memory, looked up at the first call.
    #[inline(always)]
    fn memory(&self, caller: &mut Caller<'_, Host>) -> Option<Memory> {
        if let Some(memory) = self.found.get() {
            return Some(*memory);
        }
        let Some(Extern::Memory(memory)) = caller.get_module_export(self.memory.as_ref()?) else { return None };
        Some(*self.found.get_or_init(|| memory))
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
        calls.failed(coredump_capture::internals::message(&error));
        if let Some((function, log)) = &self.log {
            caller.data_mut().growth.event();
            log.call(*function, recording::hash(&arguments), &failure(&error), None, &[]);
        }
        Err(error)
    }
}

/// A string in the program's memory.
fn text(memory: &[u8], address: u64, len: u64) -> Option<&str> {
    let bytes = memory.get(address as u32 as usize..)?.get(..len as u32 as usize)?;
    std::str::from_utf8(bytes).ok()
}

fn missing_memory() -> Result<std::convert::Infallible> {
    bail!("missing required memory export")
}

impl<const N: usize> PendingCall<'_, N> {
    /// The memory and the WASI context, which the function works on besides its arguments.
    pub fn split<'c>(&self, caller: &'c mut Caller<'_, Host>) -> (GuestMemory<'c>, &'c mut WasiP1Ctx) {
        let fuel = caller.as_context_mut().hostcall_fuel();
        let (bytes, host) = self.memory.data_and_store_mut(caller);
        host.wasi.set_hostcall_fuel(fuel);
        (GuestMemory::Unshared(bytes), &mut host.wasi)
    }

    /// Collects before the call what is needed after it.
    #[inline(never)]
    fn prepare(&mut self, caller: &mut Caller<'_, Host>) {
        let recorder = self.recorder;
        let Some((_, log)) = &recorder.log else { return };
        let mut targets = Targets::from_arguments(self.out);
        if self.out.is_in_memory() {
            let (mut guest, wasi) = self.split(caller);
            targets.read(self.out, &mut guest, wasi);
        }
        self.targets = Some(Box::new(targets));
        match (recorder.files, self.arguments.first_chunk()) {
            (DescriptorCall::Open, Some(arguments)) => {
                let (bytes, host) = self.memory.data_and_store_mut(caller);
                let name = text(bytes, arguments[2], arguments[3]);
                host.files.opens(arguments, name, &mut host.wasi, log);
            }
            (DescriptorCall::Rename, _) => caller.data().files.renames(),
            _ => {}
        }
    }

    /// Notes and records the result of the call, and returns it.
    #[inline(always)]
    pub fn finish(self, caller: &mut Caller<'_, Host>, result: Result<i32>) -> Result<i32> {
        let (Some((function, log)), Ok(errno), Some(fixed), None) =
            (&self.recorder.log, &result, self.out.fixed(), &self.targets)
        else {
            return self.finish_any(caller, result);
        };
        let (bytes, host) = self.memory.data_and_store_mut(caller);
        host.calls.returned(*errno, self.recorder.noted.out(&self.arguments, bytes));
        host.growth.event();
        log.returned(*function, self.hash, *errno as u32, fixed, bytes);
        result
    }

    #[inline(never)]
    fn finish_any(self, caller: &mut Caller<'_, Host>, result: Result<i32>) -> Result<i32> {
        let (bytes, host) = self.memory.data_and_store_mut(caller);
        match &result {
            Ok(errno) => host.calls.returned(*errno, self.recorder.noted.out(&self.arguments, bytes)),
            Err(error) => host.calls.failed(coredump_capture::internals::message(error)),
        }
        let Some((function, log)) = &self.recorder.log else { return result };
        let (outcome, errno) = match &result {
            Ok(errno) => (Outcome::Returned(u64::from(*errno as u32)), Some(*errno)),
            Err(error) => (failure(error), None),
        };
        host.growth.event();
        let of_arguments;
        let targets = match &self.targets {
            Some(targets) => &**targets,
            None => {
                of_arguments = Targets::from_arguments(self.out);
                &of_arguments
            }
        };
        if let Some(read) = self.files(targets, errno, bytes, host, log) {
            log.call(*function, self.hash, &outcome, Some(&read), &targets.writes_besides(bytes));
            return result;
        }
        log.call(*function, self.hash, &outcome, None, &targets.writes(bytes, errno));
        result
    }

    /// Follows what the program does with its files. Returns the passage that it read from a file, if the recording may
    /// refer to that.
    fn files(&self, targets: &Targets, errno: Option<i32>, memory: &[u8], host: &mut Host, log: &Log) -> Option<Read> {
        let (files, wasi) = (&mut host.files, &mut host.wasi);
        let argument = |index: usize| self.arguments.get(index).map(|argument| *argument as u32);
        let fd = argument(0)?;
        let offset = match (self.recorder.files, errno) {
            (DescriptorCall::Open, _) => {
                let opened = self.recorder.noted.out(&self.arguments, memory).filter(|_| errno == Some(0));
                files.opened(opened, wasi, log);
                return None;
            }
            (DescriptorCall::Rename, _) => {
                files.renamed();
                return None;
            }
            (DescriptorCall::Close, Some(0)) => {
                files.closed(fd);
                return None;
            }
            (DescriptorCall::Renumber, Some(0)) => {
                files.renumbered(fd, argument(1)?);
                return None;
            }
            (DescriptorCall::Read, Some(0)) => None,
            (DescriptorCall::ReadAt, Some(0)) => Some(*self.arguments.get(3)?),
            _ => return None,
        };
        let Some(read) = targets.read_whole(memory) else {
            files.lost(fd);
            return None;
        };
        let passage = files.read(fd, offset, read.bytes, wasi, log)?;
        Some(Read { passage, to: read.address })
    }
}
