//! Host calls that wait: a guest inside one sees no epoch, so they are offered again in a form that can be interrupted.
//!
//! Each waits for its own work or for a knock of [`Control`]. An interruption becomes the call's error, which ends the
//! guest with its frames live. For a snapshot the wait is given up, the dump written, and the wait begun anew: all of
//! these calls only wait for something to become ready, or take bytes from a stream once they are there.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use wasmtime::component::{self, Resource};
use wasmtime::{AsContextMut, Caller, Extern, Linker, Memory, Result, StoreContextMut, bail};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::p1::wasi_snapshot_preview1::{self as p1, WasiSnapshotPreview1};
use wasmtime_wasi::p2::bindings::io::poll::{Host as _, HostPollable as _};
use wasmtime_wasi::p2::bindings::io::streams::{self, Host as _, HostInputStream as _};
use wasmtime_wasi::p2::{DynInputStream, DynPollable};
use wiggle::GuestMemory;

use crate::control::Control;
use crate::host::Host;

/// The version under which the library offers `wasi:io`.
const POLL: &str = "wasi:io/poll@0.2.12";
const STREAMS: &str = "wasi:io/streams@0.2.12";

/// How a wait ended.
enum Waited<R> {
    /// With its result.
    Done(R),
    /// A snapshot is asked for.
    Knocked,
}

/// Waits for `work` or a knock.
async fn wait<R>(control: &Control, work: impl Future<Output = R>) -> Result<Waited<R>> {
    tokio::select! {
        biased;
        () = control.knocked() => match control.interruption() {
            Some(interruption) => Err(interruption.into()),
            None => Ok(Waited::Knocked),
        },
        result = work => Ok(Waited::Done(result)),
    }
}

/// Writes the snapshot that was asked for.
fn snapshot(control: &Control, store: &mut StoreContextMut<'_, Host>) {
    if let Some(signal) = control.take_snapshot() {
        let recorder = store.data().recorder.clone();
        recorder.snapshot(signal, store);
    }
}

/// Replaces the waiting functions of WASI 0.1: `poll_oneoff` (sleeping is a poll) and `fd_read`.
pub fn shadow_module(linker: &mut Linker<Host>, control: &Arc<Control>) -> Result<()> {
    let own = control.clone();
    linker.func_wrap_async(
        "wasi_snapshot_preview1",
        "poll_oneoff",
        move |mut caller: Caller<'_, Host>, (subscriptions, events, count, result): (i32, i32, i32, i32)| {
            let control = own.clone();
            Box::new(async move {
                let began = Instant::now();
                let mut sleeps = None;
                let done = loop {
                    let mut parts = Parts::of(&mut caller)?;
                    let (mut memory, wasi) = parts.split(&mut caller);
                    let work = p1::poll_oneoff(wasi, &mut memory, subscriptions, events, count, result);
                    match wait(&control, work).await? {
                        Waited::Done(done) => break done,
                        Waited::Knocked => {}
                    }
                    // Relative times count from the call on: the dump shows them as the guest wrote them, and the new
                    // wait gets what is left.
                    let sleeps =
                        sleeps.get_or_insert_with(|| Sleeps::read(&mut parts, &mut caller, subscriptions, count));
                    sleeps.write(&mut parts, &mut caller, 0);
                    snapshot(&control, &mut caller.as_context_mut());
                    let passed = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
                    sleeps.write(&mut parts, &mut caller, passed);
                };
                if let Some(sleeps) = sleeps {
                    let mut parts = Parts::of(&mut caller)?;
                    sleeps.write(&mut parts, &mut caller, 0);
                }
                done
            })
        },
    )?;
    let own = control.clone();
    linker.func_wrap_async(
        "wasi_snapshot_preview1",
        "fd_read",
        move |mut caller: Caller<'_, Host>, (fd, vectors, count, result): (i32, i32, i32, i32)| {
            let control = own.clone();
            Box::new(async move {
                loop {
                    let mut parts = Parts::of(&mut caller)?;
                    let (mut memory, wasi) = parts.split(&mut caller);
                    let work = p1::fd_read(wasi, &mut memory, fd, vectors, count, result);
                    match wait(&control, work).await? {
                        Waited::Done(done) => return done,
                        Waited::Knocked => snapshot(&control, &mut caller.as_context_mut()),
                    }
                }
            })
        },
    )?;
    Ok(())
}

/// What a WASI 0.1 function works on besides its arguments: the memory the guest exports.
enum Parts {
    Own(Memory),
    Shared(wasmtime::SharedMemory),
}

impl Parts {
    fn of(caller: &mut Caller<'_, Host>) -> Result<Parts> {
        match caller.get_export("memory") {
            Some(Extern::Memory(memory)) => Ok(Parts::Own(memory)),
            Some(Extern::SharedMemory(memory)) => Ok(Parts::Shared(memory)),
            _ => bail!("missing required memory export"),
        }
    }

    /// The memory, and the WASI context with its allowance for copies.
    fn split<'a>(
        &'a mut self,
        caller: &'a mut Caller<'_, Host>,
    ) -> (GuestMemory<'a>, &'a mut wasmtime_wasi::p1::WasiP1Ctx) {
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
                let tag: u8 = memory.read(wiggle::GuestPtr::new(at.saturating_add(8)))?;
                let timeout: u64 = memory.read(wiggle::GuestPtr::new(at.saturating_add(24)))?;
                let flags: u16 = memory.read(wiggle::GuestPtr::new(at.saturating_add(40)))?;
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

    /// Writes the times less what has passed.
    fn write(&self, parts: &mut Parts, caller: &mut Caller<'_, Host>, passed: u64) {
        let (mut memory, _) = parts.split(caller);
        for &(at, timeout) in &self.0 {
            // It was read there, so it can be written there.
            let _ = memory.write(wiggle::GuestPtr::new(at), timeout.saturating_sub(passed));
        }
    }
}

/// Replaces the waiting functions of WASI 0.2: polls, and reads that block.
pub fn shadow_component(linker: &mut component::Linker<Host>, control: &Arc<Control>) -> Result<()> {
    let mut poll = linker.instance(POLL)?;
    let own = control.clone();
    poll.func_wrap_async(
        "poll",
        move |mut store: StoreContextMut<'_, Host>, (list,): (Vec<Resource<DynPollable>>,)| {
            let control = own.clone();
            Box::new(async move {
                loop {
                    let again = list.iter().map(|pollable| Resource::new_borrow(pollable.rep())).collect();
                    let work = store.data_mut().ctx().table.poll(again);
                    match wait(&control, work).await? {
                        Waited::Done(ready) => return Ok((ready?,)),
                        Waited::Knocked => snapshot(&control, &mut store),
                    }
                }
            })
        },
    )?;
    let own = control.clone();
    poll.func_wrap_async(
        "[method]pollable.block",
        move |mut store: StoreContextMut<'_, Host>, (pollable,): (Resource<DynPollable>,)| {
            let control = own.clone();
            Box::new(async move {
                loop {
                    let work = store.data_mut().ctx().table.block(Resource::new_borrow(pollable.rep()));
                    match wait(&control, work).await? {
                        Waited::Done(done) => return done,
                        Waited::Knocked => snapshot(&control, &mut store),
                    }
                }
            })
        },
    )?;
    let own = control.clone();
    linker.instance(STREAMS)?.func_wrap_async(
        "[method]input-stream.blocking-read",
        move |mut store: StoreContextMut<'_, Host>, (stream, len): (Resource<DynInputStream>, u64)| {
            let control = own.clone();
            Box::new(async move {
                loop {
                    let table = store.data_mut().ctx().table;
                    let work = table.blocking_read(Resource::new_borrow(stream.rep()), len);
                    match wait(&control, work).await? {
                        Waited::Done(Ok(bytes)) => return Ok((Ok::<Vec<u8>, streams::StreamError>(bytes),)),
                        Waited::Done(Err(error)) => {
                            let error = store.data_mut().ctx().table.convert_stream_error(error)?;
                            return Ok((Err(error),));
                        }
                        Waited::Knocked => snapshot(&control, &mut store),
                    }
                }
            })
        },
    )?;
    Ok(())
}
