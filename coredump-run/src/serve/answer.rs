//! The answer to a request, from the guest or from the server itself.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;
use wasmtime_wasi_http::{Error, WasiBody};

/// Sends the answer to a request, once.
#[derive(Clone)]
pub struct HttpAnswer {
    sender: Arc<Mutex<Option<oneshot::Sender<Response<WasiBody>>>>>,
    crashed: Arc<AtomicBool>,
}

impl HttpAnswer {
    /// An answer that is still to be sent, and its receiver.
    pub fn new() -> (HttpAnswer, oneshot::Receiver<Response<WasiBody>>) {
        let (sender, receiver) = oneshot::channel();
        (HttpAnswer { sender: Arc::new(Mutex::new(Some(sender))), crashed: Arc::default() }, receiver)
    }

    /// Sends the answer, unless one was sent before. Returns whether this is the first one.
    pub fn give(&self, response: Response<WasiBody>) -> bool {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
        let crashed = self.crashed.clone();
        let response = response.map(|body| Whole { body, crashed }.boxed_unsync());
        let first = sender.is_some();
        if let Some(sender) = sender {
            // A client that has disconnected needs no answer.
            let _ = sender.send(response);
        }
        first
    }

    /// Notes that the guest died. If it began a body, that ends in an error from now on, so that the client does not
    /// take it for complete.
    pub fn set_crashed(&self) {
        self.crashed.store(true, Ordering::SeqCst);
    }
}

/// A body that ends without an error only if its guest lived to write all of it.
struct Whole {
    body: WasiBody,
    crashed: Arc<AtomicBool>,
}

impl Body for Whole {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match ready!(Pin::new(&mut self.body).poll_frame(context)) {
            None if self.crashed.load(Ordering::SeqCst) => Poll::Ready(Some(Err(Error::HttpResponseIncomplete))),
            frame => Poll::Ready(frame),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream() && !self.crashed.load(Ordering::SeqCst)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer of the server itself.
pub fn of_status(status: StatusCode) -> Response<WasiBody> {
    let text = format!("{status}\n");
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let plain = http::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, plain);
    response
}
