//! What the guest's store holds, and what the host offers to it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use coredump_core::error::{Error, ErrorKind, Result};
use wasmtime::{Linker, ResourceLimiter, component};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtxBuilder, WasiCtxView, WasiView};

use crate::args::Args;
use crate::ending::MemoryLimit;
use crate::engine::Mode;
use crate::replay::{Growth, Log, Playback};
use crate::stdio::{Out, Tail};

/// The data of a store.
pub struct Host {
    /// WASI 0.1, and through it 0.2 and 0.3.
    pub wasi: WasiP1Ctx,
    max_memory: Option<usize>,
    /// What memories asked for since the last recorded event.
    pub growth: Growth,
    /// Where answers are recorded.
    pub log: Option<Arc<Log>>,
    /// Where answers come from, of a program that runs again.
    pub playback: Option<Playback>,
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.wasi.ctx()
    }
}

impl ResourceLimiter for Host {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        if let Some(limit) = self.max_memory.filter(|&limit| desired > limit) {
            return Err(MemoryLimit { asked: desired, limit }.into());
        }
        if let Some(playback) = &mut self.playback {
            return Ok(playback.may_grow(current, desired));
        }
        if self.log.is_some() {
            self.growth.asked(current, desired);
        }
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        if let (Some(log), Some(refusal)) = (&self.log, self.growth.failed()) {
            log.growth_refused(&refusal);
        }
        Ok(())
    }

    fn table_growing(&mut self, _current: usize, _desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
    }
}

impl Host {
    /// The host's side for the program that `args` names, with `guest_args` as its arguments (its own name first).
    pub fn new(args: &Args, mode: Mode, guest_args: &[String], stderr: Tail) -> Result<Host> {
        let mut wasi = WasiCtxBuilder::new();
        // The dump alone goes to standard output if it goes there: what the guest prints must not end up inside it.
        let stdout = if args.output().0 == "-" { Out::Instead } else { Out::Stdout };
        wasi.inherit_stdin().stdout(stdout).stderr(Out::Stderr(stderr)).args(guest_args);
        // Without a detour over another thread, but then nobody can interrupt it.
        wasi.allow_blocking_current_thread(!mode.interruptible(args));
        for variable in &args.env {
            match variable.split_once('=') {
                Some((name, value)) => wasi.env(name, value),
                None => match std::env::var(variable) {
                    Ok(value) => wasi.env(variable, value),
                    // As `env` has it: what is not set here is not set there.
                    Err(_) => &mut wasi,
                },
            };
        }
        for dir in &args.dir {
            let (host, guest) = mapping(&dir.0);
            wasi.preopened_dir(&host, guest, FsPerms::ReadWrite).map_err(|error| {
                Error::new(ErrorKind::Io, format!("cannot open the folder: {}", error.root_cause())).in_file(host)
            })?;
        }
        if args.network {
            wasi.inherit_network().allow_ip_name_lookup(true).allow_tcp(true).allow_udp(true);
        } else {
            wasi.allow_tcp(false).allow_udp(false);
        }
        let wasi = wasi.build_p1();
        Ok(Host { wasi, max_memory: args.max_memory, growth: Growth::default(), log: None, playback: None })
    }

    /// The host's side for a program that runs again: all its answers come from `playback`.
    pub fn again(playback: Playback, max_memory: Option<usize>) -> Host {
        let wasi = WasiCtxBuilder::new().build_p1();
        Host { wasi, max_memory, growth: Growth::default(), log: None, playback: Some(playback) }
    }
}

/// Splits `HOST[::GUEST]`.
fn mapping(value: &OsStr) -> (PathBuf, String) {
    let bytes = value.as_bytes();
    match bytes.windows(2).position(|pair| pair == b"::") {
        Some(at) => (OsStr::from_bytes(&bytes[..at]).into(), String::from_utf8_lossy(&bytes[at + 2..]).into_owned()),
        None => (value.into(), value.to_string_lossy().into_owned()),
    }
}

/// Offers WASI 0.1 (and its predecessor) to core modules.
pub fn link_module(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    p1::add_to_linker_async(linker, |host| &mut host.wasi)?;
    wasmtime_wasi::p0::add_to_linker_async(linker, |host| &mut host.wasi)?;
    // The library turns codes from 126 up into another error; they are the guest's own business.
    for module in ["wasi_snapshot_preview1", "wasi_unstable"] {
        linker.func_wrap(module, "proc_exit", |code: i32| -> wasmtime::Result<()> { Err(I32Exit(code).into()) })?;
    }
    Ok(())
}

/// Offers WASI 0.2 and 0.3 to components.
pub fn link_component(linker: &mut component::Linker<Host>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    wasmtime_wasi::p3::add_to_linker(linker)?;
    Ok(())
}
