//! The data of a guest's store, and what the host offers to the guest.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use coredump_core::error::{Error, ErrorKind, Result};
use wasmtime::{AsContextMut, ResourceLimiter, StoreContextMut};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::{FsPerms, ResourceTable, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::args::Args;
use crate::calls::Calls;
use crate::limits::MemoryTotal;
use crate::outgoing::Outgoing;
use crate::playback::{Further, Playback};
use crate::recording::{Growth, Log, component_files, module_files};
use crate::stdio::{GuestOutput, Tail};

/// The data of a store.
pub struct Host {
    /// The state of WASI 0.1, which contains that of 0.2 and 0.3.
    pub wasi: WasiP1Ctx,
    /// The state of `wasi:http`.
    pub http: WasiHttpCtx,
    /// Sends the guest's own HTTP requests.
    outgoing: Outgoing,
    limit: MemoryTotal,
    /// The last calls of the host.
    pub calls: Arc<Calls>,
    /// The time by which a request to a server must be answered, if there is a limit.
    pub deadline: Option<Instant>,
    /// A buffer for the encoded arguments and results of a component's call.
    pub scratch: Vec<u8>,
    /// The requests of memories to grow since the last recorded event.
    pub growth: Growth,
    /// The files that a recorded module has open.
    pub files: module_files::Files,
    /// The files that a recorded component has open.
    pub component_files: component_files::Files,
    /// The log that answers are recorded in, if the program is recorded.
    pub log: Option<Arc<Log>>,
    /// The recording that answers come from, if the program runs again.
    pub playback: Option<Playback>,
    /// The observer of a program that runs again, called at its calls of the host.
    pub onlooker: Option<Arc<dyn Onlooker>>,
}

/// An observer of a program that runs again.
pub trait Onlooker: Send + Sync {
    /// Is called when the program calls the function `name` of the host, and again when the call was `answered`.
    ///
    /// # Errors
    ///
    /// Returns the error that ends the program.
    fn call(&self, name: &str, answered: bool, store: &mut StoreContextMut<'_, Host>) -> Result<()>;
}

impl WasiHttpView for Host {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.outgoing, table: self.wasi.ctx().table, ctx: &mut self.http }
    }
}

/// The size of an element of a table, in bytes.
const ELEMENT: usize = size_of::<usize>();

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.wasi.ctx()
    }
}

impl ResourceLimiter for Host {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.limit.grow(current, desired, maximum)?;
        if let Some(playback) = &mut self.playback {
            let may_grow = playback.may_grow(current, desired);
            if !may_grow {
                self.limit.give_back();
            }
            return Ok(may_grow);
        }
        if self.log.is_some() {
            self.growth.asked(current, desired);
        }
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.limit.give_back();
        if let (Some(log), Some(refusal)) = (&self.log, self.growth.failed()) {
            log.growth_refused(&refusal);
        }
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let bytes = |elements: usize| elements.saturating_mul(ELEMENT);
        self.limit.grow(bytes(current), bytes(desired), maximum.map(bytes))?;
        Ok(true)
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.limit.give_back();
        Ok(())
    }
}

impl Host {
    /// The data of the store for the program that `args` names, with the arguments `guest_args` (its own name first).
    /// With `blocking`, host calls may block the thread.
    pub fn new(args: &Args, blocking: bool, guest_args: &[String], stderr: Tail) -> Result<Host> {
        let mut wasi = WasiCtxBuilder::new();
        // If the dump goes to standard output, nothing else does: the output of the guest must not end up inside the
        // dump.
        let stdout = if args.output().0 == "-" { GuestOutput::Instead } else { GuestOutput::Stdout };
        wasi.stdout(stdout).stderr(GuestOutput::Stderr(stderr)).args(guest_args);
        // A server's requests would compete for standard input.
        if args.serve.is_none() {
            wasi.inherit_stdin();
        }
        // With this, calls need no other thread, but cannot be interrupted.
        wasi.allow_blocking_current_thread(blocking);
        for variable in &args.env {
            match variable.split_once('=') {
                Some((name, value)) => wasi.env(name, value),
                None => match std::env::var(variable) {
                    Ok(value) => wasi.env(variable, value),
                    // A variable that is not set here is not set for the guest either, as with `env`.
                    Err(_) => &mut wasi,
                },
            };
        }
        for dir in &args.dir {
            let (host, guest, perms) = mapping(&dir.0);
            wasi.preopened_dir(&host, guest, perms).map_err(|error| {
                Error::new(ErrorKind::Io, format!("cannot open the folder: {}", error.root_cause())).in_file(host)
            })?;
        }
        if args.network {
            wasi.inherit_network().allow_ip_name_lookup(true).allow_tcp(true).allow_udp(true);
        } else {
            wasi.allow_tcp(false).allow_udp(false);
        }
        let wasi = wasi.build_p1();
        Ok(Host::with(wasi, args.network, args.max_memory, None))
    }

    /// Records the answers to the program in `log`.
    pub fn record_in(&mut self, log: Arc<Log>) {
        (self.files, self.component_files) = (module_files::Files::with_input(), component_files::Files::with_input());
        self.log = Some(log);
    }

    /// The table of the program's resources.
    pub fn table(&mut self) -> &mut ResourceTable {
        self.wasi.ctx().table
    }

    /// The data of the store for a program that runs again: all its answers come from `playback`.
    pub fn again(playback: Playback, max_memory: Option<usize>) -> Host {
        let wasi = WasiCtxBuilder::new().build_p1();
        Host::with(wasi, false, max_memory, Some(playback))
    }

    fn with(wasi: WasiP1Ctx, network: bool, max_memory: Option<usize>, playback: Option<Playback>) -> Host {
        Host {
            wasi,
            http: WasiHttpCtx::new(),
            outgoing: Outgoing { allowed: network },
            limit: MemoryTotal::new(max_memory),
            calls: Arc::default(),
            deadline: None,
            scratch: Vec::new(),
            growth: Growth::default(),
            files: module_files::Files::default(),
            component_files: component_files::Files::default(),
            log: None,
            playback,
            onlooker: None,
        }
    }
}

/// Once the recording is used up, lets a program that runs again run on for as long as it is to.
///
/// # Errors
///
/// Fails if the engine counts no fuel.
pub fn run_on(store: &mut StoreContextMut<'_, Host>) -> wasmtime::Result<()> {
    match store.data().playback.as_ref().and_then(Playback::further) {
        Some(Further::Ends(fuel)) => store.set_fuel(fuel),
        // At the places where the program yields, it is made to check for requests.
        Some(Further::Stops(until, fuel)) => {
            until.set_last();
            store.as_context_mut().fuel_async_yield_interval(Some(fuel.max(1)))
        }
        None => Ok(()),
    }
}

/// The folders of the host in which the guest may write.
pub fn writable_dirs(args: &Args) -> impl Iterator<Item = PathBuf> {
    let given = args.dir.iter().map(|dir| mapping(&dir.0));
    given.filter(|(.., perms)| !matches!(perms, FsPerms::ReadOnly)).map(|(host, ..)| host)
}

/// Parses `HOST[::GUEST[:ro]]`.
fn mapping(value: &OsStr) -> (PathBuf, String, FsPerms) {
    let bytes = value.as_bytes();
    match bytes.windows(2).position(|pair| pair == b"::") {
        Some(at) => {
            let guest = &bytes[at + 2..];
            let (guest, perms) = match guest.strip_suffix(b":ro") {
                Some(guest) => (guest, FsPerms::ReadOnly),
                None => (guest, FsPerms::ReadWrite),
            };
            (OsStr::from_bytes(&bytes[..at]).into(), String::from_utf8_lossy(guest).into_owned(), perms)
        }
        None => (value.into(), value.to_string_lossy().into_owned(), FsPerms::ReadWrite),
    }
}
