//! Accepts connections up to a limit, and completes them when the server is to end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use coredump_core::cli::Exit;
use coredump_core::cli::signals::end_by;
use coredump_core::error::{Error, Result};
use coredump_core::internals::new_file;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};

use super::patience::{PATIENCE, Taken};
use super::request;
use super::service::Service;
use crate::ending::signal_name;
use crate::signals::{self, Meaning, Signals};

/// The number of connections that are open at once; further ones wait.
const CONNECTIONS: u32 = 1000;

/// The number of connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// The largest head of a request, in bytes.
const HEAD_SIZE: usize = 128 << 10;

/// The time that requests under way may still take when the server is to end.
const GRACE: Duration = Duration::from_secs(30);

/// The time that the server waits after it could not accept a connection, for example for want of file descriptors.
const RECOVERY: Duration = Duration::from_millis(50);

/// Listens at an address.
///
/// # Errors
///
/// Fails with the system's error.
pub fn bind(address: SocketAddr) -> Result<TcpListener> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // Connections of an earlier server at this address may still be closing.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|error| Error::io("cannot listen", error).in_file(address.to_string()))
}

/// The address at which a listener listens.
///
/// # Errors
///
/// Fails with the system's error.
pub fn address(listener: &TcpListener) -> Result<SocketAddr> {
    listener.local_addr().map_err(|error| Error::io("cannot tell the address", error))
}

/// An event that ends the server.
#[derive(Clone, Copy, Debug)]
enum Ends {
    /// The process got this signal.
    Signal(i32),
    /// The time for the requests that are under way is over.
    Late,
}

/// Serves until a signal ends that; a second signal ends the process.
///
/// Guests may keep all threads of the event loop busy, so this future, which ends the server, does not run on one of
/// them: it has a thread of its own, and is woken from others.
pub async fn serve(listener: TcpListener, service: Arc<Service>, signals: &Signals) -> Exit {
    let mut ends = ends(signals, service.clone());
    let room = Arc::new(Semaphore::new(CONNECTIONS as usize));
    let (stop, stopping) = watch::channel(false);
    let end = loop {
        let accepted = async {
            let room = room.clone().acquire_owned().await;
            (room, listener.accept().await)
        };
        tokio::select! {
            biased;
            end = ends.recv() => break end,
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
    let Some(Ends::Signal(signal)) = end else { return Exit::Done };
    service.say(format_args!("{}: finishing the requests that are under way", signal_name(signal)));
    let done = async {
        let _ = room.acquire_many(CONNECTIONS).await;
        service.idle().await;
    };
    tokio::select! {
        biased;
        () = done => Exit::Done,
        _ = ends.recv() => {
            service.say(format_args!("some requests were not done within {} seconds", GRACE.as_secs()));
            new_file::abandon();
            Exit::Code(128 + signal as u8)
        }
    }
}

/// The events that end the server, as they come.
fn ends(signals: &Signals, service: Arc<Service>) -> mpsc::Receiver<Ends> {
    let (sender, receiver) = mpsc::channel(2);
    let mut asked = false;
    signals.listen(move |meaning| match meaning {
        // A server writes no snapshots, as a signal does not say of which request.
        Meaning::Snapshot(_) => {
            let service = service.clone();
            signals::aside(move || service.say("a server takes no snapshots"));
        }
        Meaning::End(signal) if asked => end_by(signal),
        Meaning::End(signal) => {
            asked = true;
            let _ = sender.try_send(Ends::Signal(signal));
            let sender = sender.clone();
            // If the thread cannot be started, it takes a second signal to end the process.
            let _ = std::thread::Builder::new().name("grace".to_owned()).spawn(move || {
                std::thread::sleep(GRACE);
                let _ = sender.try_send(Ends::Late);
            });
        }
    });
    receiver
}

/// Serves a connection, request by request.
async fn connection(stream: TcpStream, peer: SocketAddr, service: Arc<Service>, mut stopping: watch::Receiver<bool>) {
    // Without this, guests that write small pieces would wait for acknowledgements (Nagle's algorithm).
    let _ = stream.set_nodelay(true);
    let answer = service_fn(|request| {
        let service = service.clone();
        async move { Ok::<_, Infallible>(request::answer(service, request, peer).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(HEAD_SIZE);
    let stream = TokioIo::new(Taken::new(stream, PATIENCE));
    let mut connection = pin!(builder.serve_connection(stream, answer));
    // A client that disconnects or violates the protocol is no failure of the server.
    let stops = async { stopping.wait_for(|stopping| *stopping).await.is_ok() };
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stops => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
