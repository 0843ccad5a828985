//! The waiting functions of WASI 0.2: polls, and reads and writes of streams that block.

use wasmtime::component::{Linker, Resource};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::p2::bindings::io::poll::{Host as _, HostPollable as _};
use wasmtime_wasi::p2::bindings::io::streams::{HostInputStream as _, HostOutputStream as _, StreamError};
use wasmtime_wasi::p2::{self, DynInputStream, DynOutputStream, DynPollable};

use super::{Waiter, repeat};
use crate::host::Host;
use crate::wasi::p2::{ImportedFunction, LibraryResult, VERSION};

const POLL: &str = "wasi:io/poll";
const STREAMS: &str = "wasi:io/streams";

type Store<'a> = StoreContextMut<'a, Host>;

/// Replaces the waiting functions in the linker. `waiter` returns what may interrupt the guest of a store while it
/// waits.
pub fn shadow(
    linker: &mut Linker<Host>,
    waiter: impl Fn(&Host) -> Waiter + Clone + Send + Sync + 'static,
) -> Result<()> {
    let mut poll = linker.instance(&versioned(POLL))?;
    let own = waiter.clone();
    let noted = ImportedFunction::noted::<(Vec<Resource<DynPollable>>,), (Vec<u32>,)>(POLL, "poll", &["in"]);
    poll.func_wrap_async("poll", move |mut store: Store<'_>, list: (Vec<Resource<DynPollable>>,)| {
        let (waits, noted) = (own(store.data()), noted.clone());
        Box::new(async move {
            let call = noted.begin(store.data_mut(), &list);
            let again = || list.0.iter().map(|pollable| Resource::new_borrow(pollable.rep())).collect();
            let ready = repeat!(waits, store, store.data_mut().table().poll(again()));
            noted.end(store.data_mut(), call, ready.map(|ready| (ready,)))
        })
    })?;
    let own = waiter.clone();
    const BLOCK: &str = "[method]pollable.block";
    let noted = ImportedFunction::noted::<(Resource<DynPollable>,), ()>(POLL, BLOCK, &["this"]);
    poll.func_wrap_async(BLOCK, move |mut store: Store<'_>, pollable: (Resource<DynPollable>,)| {
        let (waits, noted) = (own(store.data()), noted.clone());
        Box::new(async move {
            let call = noted.begin(store.data_mut(), &pollable);
            let again = || Resource::new_borrow(pollable.0.rep());
            let blocked = repeat!(waits, store, store.data_mut().table().block(again()));
            noted.end(store.data_mut(), call, blocked)
        })
    })?;
    let mut streams = linker.instance(&versioned(STREAMS))?;
    let own = waiter.clone();
    const READ: &str = "[method]input-stream.blocking-read";
    let noted =
        ImportedFunction::noted::<(Resource<DynInputStream>, u64), (Given<Vec<u8>>,)>(STREAMS, READ, &["this", "len"]);
    streams.func_wrap_async(READ, move |mut store: Store<'_>, arguments: (Resource<DynInputStream>, u64)| {
        let (waits, noted) = (own(store.data()), noted.clone());
        Box::new(async move {
            let call = noted.begin(store.data_mut(), &arguments);
            let (stream, len) = arguments;
            let again = || Resource::new_borrow(stream.rep());
            let read = repeat!(waits, store, store.data_mut().table().blocking_read(again(), len));
            let read = or_stream_error(read, &mut store);
            noted.end(store.data_mut(), call, read)
        })
    })?;
    let own = waiter.clone();
    const WRITE: &str = "[method]output-stream.blocking-write-and-flush";
    let noted = ImportedFunction::noted::<(Resource<DynOutputStream>, Vec<u8>), (Given<()>,)>(
        STREAMS,
        WRITE,
        &["this", "contents"],
    );
    streams.func_wrap_async(WRITE, move |mut store: Store<'_>, arguments: (Resource<DynOutputStream>, Vec<u8>)| {
        let (waits, noted) = (own(store.data()), noted.clone());
        Box::new(async move {
            let call = noted.begin(store.data_mut(), &arguments);
            let (stream, bytes) = arguments;
            let written = waits.once(store.data_mut().table().blocking_write_and_flush(stream, bytes)).await;
            let written = written.and_then(|written| or_stream_error(written, &mut store));
            noted.end(store.data_mut(), call, written)
        })
    })?;
    Ok(())
}

/// The result of a stream's function.
type Given<R> = std::result::Result<R, StreamError>;

fn versioned(interface: &str) -> String {
    format!("{interface}@{VERSION}")
}

/// The result that a stream's function returns to the guest; a trap of the function ends the guest.
fn or_stream_error<R>(result: p2::StreamResult<R>, store: &mut Store<'_>) -> Result<(Given<R>,)> {
    result.given(store.data_mut()).map(|given| (given,))
}
