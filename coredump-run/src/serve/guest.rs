//! Calls the handler that a component exports, of `wasi:http` 0.2 or 0.3.

use std::future::poll_fn;

use coredump_core::error::{Error, ErrorKind, Result};
use http::{Request, StatusCode};
use wasmtime::Store;
use wasmtime::component::InstancePre;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::{WasiBody, WasiHttpView, p2, p3};

use super::answer::{self, HttpAnswer};
use crate::host::Host;
use crate::program::Source;

/// The interfaces of which a component must export one, without the last part of the version.
const EXPORTS: [&str; 2] = ["wasi:http/incoming-handler@0.2.", "wasi:http/handler@0.3."];

/// Refuses a program that does not serve HTTP, before it is compiled.
///
/// # Errors
///
/// Fails with [`ErrorKind::WrongFile`] then.
pub fn look_at_exports(source: &Source) -> Result<()> {
    let wrong = |what: &str| Err(Error::new(ErrorKind::WrongFile, format!("cannot be served: {what}")));
    let Some(exports) = source.component_exports() else {
        return wrong("it is a core module, and only a component can be a server");
    };
    match exports.iter().any(|name| EXPORTS.iter().any(|export| name.starts_with(export))) {
        true => Ok(()),
        false => wrong("it exports neither wasi:http/incoming-handler 0.2 nor wasi:http/handler 0.3"),
    }
}

/// The linked handler of a component.
pub enum Handler {
    /// `wasi:http/incoming-handler` of WASI 0.2.
    Incoming(p2::bindings::ProxyPre<Host>),
    /// `wasi:http/handler` of WASI 0.3.
    Concurrent(p3::bindings::ServicePre<Host>),
}

impl Handler {
    /// The handler of a component.
    ///
    /// # Errors
    ///
    /// Fails if the component has no handler of the right type.
    pub fn new(pre: InstancePre<Host>) -> wasmtime::Result<Handler> {
        match p3::bindings::ServicePre::new(pre.clone()) {
            Ok(pre) => Ok(Handler::Concurrent(pre)),
            Err(_) => p2::bindings::ProxyPre::new(pre).map(Handler::Incoming),
        }
    }

    /// Creates an instance that handles a request, and waits until all its work for the request is done.
    ///
    /// # Errors
    ///
    /// Returns the error that left the guest.
    pub async fn handle(
        &self,
        store: &mut Store<Host>,
        request: Request<WasiBody>,
        answer: &HttpAnswer,
    ) -> wasmtime::Result<()> {
        match self {
            Handler::Incoming(pre) => incoming(pre, store, request, answer).await,
            Handler::Concurrent(pre) => concurrent(pre, store, request, answer).await,
        }
    }
}

async fn incoming(
    pre: &p2::bindings::ProxyPre<Host>,
    store: &mut Store<Host>,
    request: Request<WasiBody>,
    answer: &HttpAnswer,
) -> wasmtime::Result<()> {
    let proxy = pre.instantiate_async(&mut *store).await?;
    // A request that names no host is refused.
    let Ok(request) = store.data_mut().http().new_incoming_request(Scheme::Http, request) else {
        answer.give(answer::of_status(StatusCode::BAD_REQUEST));
        return Ok(());
    };
    let guests = answer.clone();
    let out = store.data_mut().http().new_response_outparam_from_callback(move |response| {
        guests.give(response.unwrap_or_else(|_| answer::of_status(StatusCode::BAD_GATEWAY)));
    })?;
    proxy.wasi_http_incoming_handler().call_handle(store, request, out).await
}

async fn concurrent(
    pre: &p3::bindings::ServicePre<Host>,
    store: &mut Store<Host>,
    request: Request<WasiBody>,
    answer: &HttpAnswer,
) -> wasmtime::Result<()> {
    let service = pre.instantiate_async(&mut *store).await?;
    let (request, sent) = p3::Request::from_http(store.data_mut().http().hooks, request);
    let handled = store.run_concurrent(async |accessor| {
        let response = match service.handle(accessor, request).await? {
            Ok(response) => accessor.with(|mut store| response.into_http(&mut store, sent))?,
            Err(_) => answer::of_status(StatusCode::BAD_GATEWAY),
        };
        answer.give(response);
        // Tasks of the guest may still be writing the body.
        poll_fn(|context| accessor.poll_no_interesting_tasks(context)).await;
        wasmtime::error::Ok(())
    });
    handled.await?
}
