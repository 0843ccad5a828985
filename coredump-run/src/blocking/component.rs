//! The waiting functions of WASI 0.2: polls, and reads and writes of streams that block.

use wasmtime::component::{Linker, Resource};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::p2::bindings::io::poll::{Host as _, HostPollable as _};
use wasmtime_wasi::p2::bindings::io::streams::{Host as _, HostInputStream as _, HostOutputStream as _, StreamError};
use wasmtime_wasi::p2::{self, DynInputStream, DynOutputStream, DynPollable};

use super::{Waiter, repeat};
use crate::host::Host;

/// The version under which the library offers `wasi:io`.
const POLL: &str = "wasi:io/poll@0.2.12";
const STREAMS: &str = "wasi:io/streams@0.2.12";

type Store<'a> = StoreContextMut<'a, Host>;

/// Replaces them. `waiter` says who may call the guest of a store away.
pub fn shadow(
    linker: &mut Linker<Host>,
    waiter: impl Fn(&Host) -> Waiter + Clone + Send + Sync + 'static,
) -> Result<()> {
    let mut poll = linker.instance(POLL)?;
    let own = waiter.clone();
    poll.func_wrap_async("poll", move |mut store: Store<'_>, (list,): (Vec<Resource<DynPollable>>,)| {
        let waits = own(store.data());
        Box::new(async move {
            let again = || list.iter().map(|pollable| Resource::new_borrow(pollable.rep())).collect();
            let ready = repeat!(waits, store, store.data_mut().ctx().table.poll(again()));
            Ok((ready?,))
        })
    })?;
    let own = waiter.clone();
    poll.func_wrap_async(
        "[method]pollable.block",
        move |mut store: Store<'_>, (pollable,): (Resource<DynPollable>,)| {
            let waits = own(store.data());
            Box::new(async move {
                let again = || Resource::new_borrow(pollable.rep());
                repeat!(waits, store, store.data_mut().ctx().table.block(again()))
            })
        },
    )?;
    let mut streams = linker.instance(STREAMS)?;
    let own = waiter.clone();
    streams.func_wrap_async(
        "[method]input-stream.blocking-read",
        move |mut store: Store<'_>, (stream, len): (Resource<DynInputStream>, u64)| {
            let waits = own(store.data());
            Box::new(async move {
                let again = || Resource::new_borrow(stream.rep());
                let read = repeat!(waits, store, store.data_mut().ctx().table.blocking_read(again(), len));
                Ok((or_stream_error(read, &mut store)?,))
            })
        },
    )?;
    let own = waiter.clone();
    streams.func_wrap_async(
        "[method]output-stream.blocking-write-and-flush",
        move |mut store: Store<'_>, (stream, bytes): (Resource<DynOutputStream>, Vec<u8>)| {
            let waits = own(store.data());
            Box::new(async move {
                let work = store.data_mut().ctx().table.blocking_write_and_flush(stream, bytes);
                let written = waits.once(work).await?;
                Ok((or_stream_error(written, &mut store)?,))
            })
        },
    )?;
    Ok(())
}

/// What a stream's function returns to the guest; an error of its own kind ends the guest.
fn or_stream_error<R>(
    result: p2::StreamResult<R>,
    store: &mut Store<'_>,
) -> Result<std::result::Result<R, StreamError>> {
    Ok(match result {
        Ok(result) => Ok(result),
        Err(error) => Err(store.data_mut().ctx().table.convert_stream_error(error)?),
    })
}
