//! The waiting functions of WASI 0.1: `poll_oneoff` (which is also how programs sleep), `fd_read`, and the functions
//! that may wait for a pipe or a slow file.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::{AsContextMut, Caller, Extern, Linker, Memory, Result, bail};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p1::wasi_snapshot_preview1::{self as p1, WasiSnapshotPreview1};
use wiggle::{GuestMemory, GuestPtr};

use super::{Waits, repeat};
use crate::calls::HostFunction;
use crate::host::Host;

const MODULE: &str = "wasi_snapshot_preview1";

/// Defines functions of WASI 0.1 anew, so that the end of the guest, and nothing else, interrupts them.
macro_rules! once {
    ($linker:ident, $waits:ident: $($function:ident($($argument:ident: $ty:ty),*);)*) => {$(
        let (own, noted) = ($waits.clone(), HostFunction::new(stringify!($function), &[$(stringify!($argument)),*]));
        $linker.func_wrap_async(
            MODULE,
            stringify!($function),
            move |mut caller: Caller<'_, Host>, ($($argument,)*): ($($ty,)*)| {
                let (waits, noted) = (own.clone(), noted.clone());
                Box::new(async move {
                    let arguments = [$($argument as u64),*];
                    let mut parts = Parts::from_caller(&mut caller)?;
                    parts.begin(&mut caller, &noted, &arguments);
                    let done = {
                        let (mut memory, wasi) = parts.split(&mut caller);
                        waits.once(p1::$function(wasi, &mut memory, $($argument),*)).await.flatten()
                    };
                    parts.end(&mut caller, &noted, &arguments, done)
                })
            },
        )?;
    )*};
}

/// Replaces the blocking functions of WASI 0.1 in the linker by ones that the guest's end can interrupt.
pub fn shadow(linker: &mut Linker<Host>, waits: &Waits) -> Result<()> {
    let (own, poll) = (waits.clone(), HostFunction::new("poll_oneoff", &["list", "events", "len", "count"]));
    linker.func_wrap_async(
        MODULE,
        "poll_oneoff",
        move |mut caller: Caller<'_, Host>, (subscriptions, events, count, result): (i32, i32, i32, i32)| {
            let (waits, noted) = (own.clone(), poll.clone());
            Box::new(async move {
                let began = Instant::now();
                let arguments = [subscriptions, events, count, result].map(|argument| argument as u64);
                let mut parts = Parts::from_caller(&mut caller)?;
                parts.begin(&mut caller, &noted, &arguments);
                let mut sleeps: Option<Sleeps> = None;
                loop {
                    let (mut memory, wasi) = parts.split(&mut caller);
                    let work = p1::poll_oneoff(wasi, &mut memory, subscriptions, events, count, result);
                    let done = waits.wait(work).await;
                    // Relative times count from the beginning of the call. A dump shows them as the guest wrote them,
                    // and a wait that begins anew gets the time that is left.
                    if let Some(sleeps) = &sleeps {
                        sleeps.write(&mut parts, &mut caller, Duration::ZERO);
                    }
                    if let Some(done) = done {
                        return parts.end(&mut caller, &noted, &arguments, done);
                    }
                    waits.look(&mut caller)?;
                    sleeps.get_or_insert_with(|| Sleeps::read(&mut parts, &mut caller, subscriptions, count)).write(
                        &mut parts,
                        &mut caller,
                        began.elapsed(),
                    );
                }
            })
        },
    )?;
    let (own, read) = (waits.clone(), HostFunction::new("fd_read", &["fd", "list", "len", "count"]));
    linker.func_wrap_async(
        MODULE,
        "fd_read",
        move |mut caller: Caller<'_, Host>, (fd, vectors, count, result): (i32, i32, i32, i32)| {
            let (waits, noted) = (own.clone(), read.clone());
            Box::new(async move {
                let arguments = [fd, vectors, count, result].map(|argument| argument as u64);
                let mut parts = Parts::from_caller(&mut caller)?;
                parts.begin(&mut caller, &noted, &arguments);
                let done = repeat!(waits, caller, async {
                    let (mut memory, wasi) = parts.split(&mut caller);
                    p1::fd_read(wasi, &mut memory, fd, vectors, count, result).await
                });
                parts.end(&mut caller, &noted, &arguments, done)
            })
        },
    )?;
    once! { linker, waits:
        fd_pread(fd: i32, list: i32, len: i32, offset: i64, count: i32);
        fd_write(fd: i32, list: i32, len: i32, count: i32);
        fd_pwrite(fd: i32, list: i32, len: i32, offset: i64, count: i32);
        fd_sync(fd: i32);
        path_open(fd: i32, flags: i32, path: i32, len: i32, how: i32, rights: i64, inheriting: i64, more: i32, out: i32);
    }
    Ok(())
}

/// The memory that the guest exports, which a function of WASI 0.1 works on besides its arguments.
enum Parts {
    Own(Memory),
    Shared(wasmtime::SharedMemory),
}

impl Parts {
    fn from_caller(caller: &mut Caller<'_, Host>) -> Result<Parts> {
        match caller.get_export("memory") {
            Some(Extern::Memory(memory)) => Ok(Parts::Own(memory)),
            Some(Extern::SharedMemory(memory)) => Ok(Parts::Shared(memory)),
            _ => bail!("missing required memory export"),
        }
    }

    /// The bytes of the memory; empty for a shared memory, as other threads may write it.
    fn bytes<'a>(&self, caller: &'a Caller<'_, Host>) -> &'a [u8] {
        match self {
            Parts::Own(memory) => memory.data(caller),
            Parts::Shared(_) => &[],
        }
    }

    /// Notes that a call begins.
    fn begin(&self, caller: &mut Caller<'_, Host>, noted: &Arc<HostFunction>, arguments: &[u64]) {
        let paths = noted.paths(arguments, self.bytes(caller));
        caller.data().calls.enter(noted, arguments, paths);
    }

    /// Notes how the call ended.
    fn end(
        &self,
        caller: &mut Caller<'_, Host>,
        noted: &HostFunction,
        arguments: &[u64],
        done: Result<i32>,
    ) -> Result<i32> {
        let calls = &caller.data().calls;
        match &done {
            Ok(errno) => calls.returned(*errno, noted.out(arguments, self.bytes(caller))),
            Err(error) => calls.failed(coredump_capture::internals::message(error)),
        }
        done
    }

    /// The memory, and the WASI context with its limit on copied bytes set.
    fn split<'a>(&'a mut self, caller: &'a mut Caller<'_, Host>) -> (GuestMemory<'a>, &'a mut WasiP1Ctx) {
        let fuel = caller.as_context_mut().hostcall_fuel();
        let (memory, host) = match self {
            Parts::Own(memory) => {
                let (bytes, host) = memory.data_and_store_mut(caller);
                (GuestMemory::Unshared(bytes), host)
            }
            Parts::Shared(memory) => (GuestMemory::Shared(memory.data()), caller.data_mut()),
        };
        host.wasi.set_hostcall_fuel(fuel);
        (memory, &mut host.wasi)
    }
}

/// The relative times in a list of subscriptions (WASI 0.1 `subscription`: 48 bytes; tag at 8, where 0 is a clock; its
/// timeout at 24 and flags at 40, of which bit 0 says "absolute").
struct Sleeps(Vec<(u32, u64)>);

impl Sleeps {
    fn read(parts: &mut Parts, caller: &mut Caller<'_, Host>, subscriptions: i32, count: i32) -> Sleeps {
        let (memory, _) = parts.split(caller);
        let mut sleeps = Vec::new();
        for index in 0..count as u32 {
            let Some(at) = index.checked_mul(48).and_then(|offset| (subscriptions as u32).checked_add(offset)) else {
                break;
            };
            let read = || -> std::result::Result<_, wiggle::GuestError> {
                let tag: u8 = memory.read(GuestPtr::new(at.saturating_add(8)))?;
                let timeout: u64 = memory.read(GuestPtr::new(at.saturating_add(24)))?;
                let flags: u16 = memory.read(GuestPtr::new(at.saturating_add(40)))?;
                Ok((tag, timeout, flags))
            };
            match read() {
                Ok((0, timeout, flags)) if flags & 1 == 0 => sleeps.push((at.saturating_add(24), timeout)),
                Ok(_) => {}
                Err(_) => break,
            }
        }
        Sleeps(sleeps)
    }

    /// Writes the relative times into the memory, each less the time that has `passed`.
    fn write(&self, parts: &mut Parts, caller: &mut Caller<'_, Host>, passed: Duration) {
        let passed = u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX);
        let (mut memory, _) = parts.split(caller);
        for &(at, timeout) in &self.0 {
            // The time was read from this address, so it can be written there.
            let _ = memory.write(GuestPtr::new(at), timeout.saturating_sub(passed));
        }
    }
}
