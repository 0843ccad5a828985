//! Handles one request: creates an instance, sends the answer, and writes the dump if the instance crashes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use wasmtime_wasi_http::{Error, WasiBody};

use super::about::About;
use super::answer::{self, HttpAnswer};
use super::patience::{self, Sent};
use super::service::Service;
use crate::ending::{Ending, Interruption};
use crate::run;

/// Answers a request.
pub async fn answer(service: Arc<Service>, request: Request<Incoming>, peer: SocketAddr) -> Response<WasiBody> {
    // The guest may take one host, and a proxy before us the other (RFC 9112, 3.2).
    if request.headers().get_all(header::HOST).iter().nth(1).is_some() {
        return answer::of_status(StatusCode::BAD_REQUEST);
    }
    let limit = service.args.max_body;
    if announced(request.headers()).is_some_and(|length| length > limit) {
        return answer::of_status(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let (parts, body) = request.into_parts();
    let about = About { method: parts.method.clone(), target: parts.uri.clone(), headers: parts.headers.clone(), peer };
    let body = Limited::new(body, usize::try_from(limit).unwrap_or(usize::MAX));
    let body = body.map_err(move |error| match error.downcast::<hyper::Error>() {
        Ok(error) => Error::Hyper(*error),
        Err(error) if error.is::<LengthLimitError>() => Error::HttpRequestBodySize(Some(limit)),
        Err(error) => Error::InternalError(Some(error.to_string())),
    });
    let request = Request::from_parts(parts, Sent::new(body, patience::PATIENCE).boxed_unsync());
    let (guests, given) = HttpAnswer::new();
    // The guest may go on with the body of its answer, and with work after it.
    tokio::spawn(async move { work(service, request, about, guests).await });
    given.await.unwrap_or_else(|_| answer::of_status(StatusCode::INTERNAL_SERVER_ERROR))
}

/// The length of the body by the headers (`content-length`).
fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn work(service: Arc<Service>, request: Request<WasiBody>, about: About, answer: HttpAnswer) {
    let _room = service.room().await;
    let mut call = match service.call(&about) {
        Ok(call) => call,
        Err(error) => {
            service.say(error);
            answer.give(answer::of_status(StatusCode::INTERNAL_SERVER_ERROR));
            return;
        }
    };
    let handled = service.handler.handle(&mut call.store, request, &answer);
    let handled = match service.args.timeout {
        None => handled.await.map_err(|error| (Ending::from_error(&error), error)),
        Some(time) => {
            let overdue = Instant::now() + time + run::PATIENCE;
            match tokio::time::timeout_at(overdue.into(), handled).await {
                Ok(handled) => handled.map_err(|error| (Ending::from_error(&error), error)),
                Err(_) => Err((Ending::Waiting(Interruption::Timeout), Interruption::Timeout.into())),
            }
        }
    };
    let status = match handled {
        Ok(()) => StatusCode::INTERNAL_SERVER_ERROR,
        Err((ending, error)) => {
            answer.set_crashed();
            let status = match ending {
                Ending::Interrupted(_) | Ending::Waiting(_) => StatusCode::GATEWAY_TIMEOUT,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            let crashed = service.clone();
            // Writing a dump blocks a thread.
            let dumped = tokio::task::spawn_blocking(move || crashed.died(call, &error, &ending, &about)).await;
            drop(dumped);
            answer.give(answer::of_status(status));
            return;
        }
    };
    if answer.give(answer::of_status(status)) {
        service.say(format_args!("{} {}: the program gave no answer", about.method, about.target.path()));
    }
}
