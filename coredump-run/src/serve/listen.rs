//! Connections: accepted up to a limit, and finished when the server is to end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use coredump_core::cli::Exit;
use coredump_core::error::{Error, Result};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use signal_hook::low_level::emulate_default_handler;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, mpsc, watch};

use super::request;
use super::service::Service;
use crate::ending::signal_name;
use crate::signals;

/// Connections that are open at once; further ones wait.
const CONNECTIONS: u32 = 1000;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// How long a client may take for the head of a request, and keep a connection without one.
const HEAD: Duration = Duration::from_secs(60);

/// Greatest head of a request in bytes.
const HEAD_SIZE: usize = 128 << 10;

/// How long requests may take that are under way when the server is to end.
const GRACE: Duration = Duration::from_secs(30);

/// What to do when there is nothing left to accept connections with, such as file descriptors.
const RECOVERY: Duration = Duration::from_millis(50);

/// Listens at an address.
///
/// # Errors
///
/// The system's.
pub fn bind(address: SocketAddr) -> Result<TcpListener> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // Connections of a server before this one may still be winding down.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|error| Error::io("cannot listen", error).in_file(address.to_string()))
}

/// Where a listener listens.
///
/// # Errors
///
/// The system's.
pub fn address(listener: &TcpListener) -> Result<SocketAddr> {
    listener.local_addr().map_err(|error| Error::io("cannot tell the address", error))
}

/// Serves until a signal ends that; a second one ends the process.
///
/// # Errors
///
/// The system's, before the first request.
pub async fn serve(listener: TcpListener, service: Arc<Service>) -> Result<Exit> {
    let failed = |error| Error::io("cannot watch signals", error);
    let mut signals = watch_signals().map_err(failed)?;
    refuse_snapshots(service.clone()).map_err(failed)?;
    let room = Arc::new(Semaphore::new(CONNECTIONS as usize));
    let (stop, stopping) = watch::channel(false);
    let signal = loop {
        let accepted = async {
            let room = room.clone().acquire_owned().await;
            (room, listener.accept().await)
        };
        tokio::select! {
            biased;
            signal = signals.recv() => break signal,
            (room, accepted) = accepted => match accepted {
                Ok((stream, peer)) => {
                    let connection = connection(stream, peer, service.clone(), stopping.clone());
                    tokio::spawn(async move {
                        connection.await;
                        drop(room);
                    });
                }
                Err(_) => tokio::time::sleep(RECOVERY).await,
            },
        }
    };
    drop(listener);
    let _ = stop.send(true);
    let signal = signal.unwrap_or_default();
    service.say(format_args!("{}: finishing the requests that are under way", signal_name(signal)));
    let done = async {
        let _ = room.acquire_many(CONNECTIONS).await;
        service.idle().await;
    };
    tokio::select! {
        biased;
        () = done => Ok(Exit::Done),
        () = tokio::time::sleep(GRACE) => {
            service.say(format_args!("some requests were not done within {} seconds", GRACE.as_secs()));
            service.abandon();
            Ok(Exit::Code(128 + signal as u8))
        }
        signal = signals.recv() => {
            service.abandon();
            // Ends the process as if nobody had been listening.
            let _ = emulate_default_handler(signal.unwrap_or_default());
            Ok(Exit::Code(128 + signal.unwrap_or_default() as u8))
        }
    }
}

/// Signals that end the server, as they come.
fn watch_signals() -> std::io::Result<mpsc::Receiver<i32>> {
    let (sender, receiver) = mpsc::channel(2);
    for number in signals::ending() {
        let mut signals = signal(SignalKind::from_raw(number))?;
        let sender = sender.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                let _ = sender.send(number).await;
            }
        });
    }
    Ok(receiver)
}

/// SIGUSR1 asks a program for a snapshot. Here it would be one of which request?
fn refuse_snapshots(service: Arc<Service>) -> std::io::Result<()> {
    let mut asked = signal(SignalKind::user_defined1())?;
    tokio::spawn(async move {
        while asked.recv().await.is_some() {
            service.say("a server takes no snapshots");
        }
    });
    Ok(())
}

/// Serves a connection, request by request.
async fn connection(stream: TcpStream, peer: SocketAddr, service: Arc<Service>, mut stopping: watch::Receiver<bool>) {
    // Guests that write small pieces would wait for acknowledgements.
    let _ = stream.set_nodelay(true);
    let answer = service_fn(|request| {
        let service = service.clone();
        async move { Ok::<_, Infallible>(request::answer(service, request, peer).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_SIZE);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), answer));
    // A client that breaks off or breaks the rules is no failure of the server.
    let stops = async { stopping.wait_for(|stopping| *stopping).await.is_ok() };
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stops => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
