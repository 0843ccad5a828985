//! What the guest's store holds, and what the host offers to it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use coredump_core::error::{Error, ErrorKind, Result};
use wasmtime::{Linker, ResourceLimiter, component};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtxBuilder, WasiCtxView, WasiView};

use crate::args::Args;
use crate::ending::MemoryLimit;
use crate::stdio::{Out, Tail};

/// The data of a store.
pub struct Host {
    /// WASI 0.1, and through it 0.2 and 0.3.
    pub wasi: WasiP1Ctx,
    max_memory: Option<usize>,
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.wasi.ctx()
    }
}

impl ResourceLimiter for Host {
    fn memory_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        match self.max_memory {
            Some(limit) if desired > limit => Err(MemoryLimit { asked: desired, limit }.into()),
            _ => Ok(true),
        }
    }

    fn table_growing(&mut self, _current: usize, _desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
    }
}

impl Host {
    /// The host's side for the program that `args` names, with `guest_args` as its arguments (its own name first).
    pub fn new(args: &Args, guest_args: &[String], stderr: Tail) -> Result<Host> {
        let mut wasi = WasiCtxBuilder::new();
        // The dump alone goes to standard output if it goes there: what the guest prints must not end up inside it.
        let stdout = if args.output.0 == "-" { Out::Instead } else { Out::Stdout };
        wasi.inherit_stdin().stdout(stdout).stderr(Out::Stderr(stderr)).args(guest_args);
        // Without a detour over another thread, but then nobody can interrupt it.
        wasi.allow_blocking_current_thread(!crate::engine::interruptible(args));
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
        Ok(Host { wasi: wasi.build_p1(), max_memory: args.max_memory })
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
