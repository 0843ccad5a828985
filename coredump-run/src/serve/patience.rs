//! Limits how long a client may keep a request waiting: a client that does not go on sending its body or reading its
//! answer is disconnected, and makes room for others.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;
use wasmtime_wasi_http::Error;

/// The time that a client may take for the head of a request, keep a connection without a request, or pause while it
/// sends a body or reads an answer.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A timer that starts with a wait and is reset when the wait is over.
#[derive(Debug)]
struct Patience {
    time: Duration,
    waits: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    fn new(time: Duration) -> Patience {
        Patience { time, waits: None }
    }

    /// The value of `polled`; `None` if the wait has taken too long.
    fn poll<R>(&mut self, polled: Poll<R>, context: &mut Context<'_>) -> Poll<Option<R>> {
        if let Poll::Ready(ready) = polled {
            self.waits = None;
            return Poll::Ready(Some(ready));
        }
        let time = self.time;
        let waits = self.waits.get_or_insert_with(|| Box::pin(tokio::time::sleep(time)));
        waits.as_mut().poll(context).map(|()| None)
    }
}

/// A body that ends in an error if its client sends nothing for too long.
#[derive(Debug)]
pub struct Sent<B> {
    body: B,
    patience: Patience,
}

impl<B> Sent<B> {
    /// A body with `time` as the longest pause between two pieces.
    pub fn new(body: B, time: Duration) -> Sent<B> {
        Sent { body, patience: Patience::new(time) }
    }
}

impl<B: Body<Data = Bytes, Error = Error> + Unpin> Body for Sent<B> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        let late = Some(Err(Error::ConnectionReadTimeout));
        self.patience.poll(polled, context).map(|frame| frame.unwrap_or(late))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection that fails if its client reads nothing for too long.
#[derive(Debug)]
pub struct Taken<S> {
    stream: S,
    patience: Patience,
}

impl<S> Taken<S> {
    /// A connection with `time` as the longest pause between two pieces.
    pub fn new(stream: S, time: Duration) -> Taken<S> {
        Taken { stream, patience: Patience::new(time) }
    }

    fn poll<R>(&mut self, polled: Poll<io::Result<R>>, context: &mut Context<'_>) -> Poll<io::Result<R>> {
        let late = Err(io::ErrorKind::TimedOut.into());
        self.patience.poll(polled, context).map(|done| done.unwrap_or(late))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Taken<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Taken<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.poll(polled, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.poll(polled, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// The time limit of the tests, far too short for real clients.
    const SHORT: Duration = Duration::from_millis(20);

    fn block_on<R>(work: impl Future<Output = R>) -> R {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
    }

    /// A body that never sends anything.
    struct Silent;

    impl Body for Silent {
        type Data = Bytes;
        type Error = Error;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
            Poll::Pending
        }
    }

    #[test]
    fn a_body_that_does_not_come_is_an_error() {
        let silent = block_on(Sent::new(Silent, SHORT).collect());
        assert!(matches!(silent, Err(Error::ConnectionReadTimeout)), "{silent:?}");
        let whole = Full::new(Bytes::from_static(b"whole")).map_err(|never| match never {});
        assert_eq!(block_on(Sent::new(whole, SHORT).collect()).unwrap().to_bytes(), "whole");
    }

    #[test]
    fn an_answer_that_nobody_takes_is_an_error() {
        block_on(async {
            let (server, mut client) = tokio::io::duplex(8);
            let mut server = Taken::new(server, SHORT);
            server.write_all(b"it fits").await.unwrap();
            let late = server.write_all(b"it does not fit").await.unwrap_err();
            assert_eq!(late.kind(), io::ErrorKind::TimedOut);
            // A client that reads gets more, however long it paused before.
            let mut read = [0; 7];
            client.read_exact(&mut read).await.unwrap();
            assert_eq!(&read, b"it fits");
            server.write_all(b"more").await.unwrap();
        });
    }
}
