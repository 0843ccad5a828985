//! The guest's standard error: passed through, and its last bytes remembered for the dump.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

/// How much is remembered, in bytes.
const TAIL: usize = 64 * 1024;

/// Greatest write taken at once, in bytes.
const WRITE: usize = 64 * 1024;

/// The last bytes the guest wrote to its standard error.
#[derive(Clone, Default)]
pub struct Tail(Arc<Mutex<VecDeque<u8>>>);

impl Tail {
    /// The bytes as text, if there are any.
    pub fn text(&self) -> Option<String> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: Vec<u8> = bytes.iter().copied().collect();
        (!bytes.is_empty()).then(|| String::from_utf8_lossy(&bytes).into_owned())
    }

    fn remember(&self, bytes: &[u8]) {
        let mut tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = &bytes[bytes.len().saturating_sub(TAIL)..];
        let excess = (tail.len() + bytes.len()).saturating_sub(TAIL);
        tail.drain(..excess);
        tail.extend(bytes);
    }
}

/// Our own standard error with a memory.
#[derive(Clone, Default)]
pub struct Tee {
    /// What was written last.
    pub tail: Tail,
}

impl Tee {
    fn pass(&self, bytes: &[u8]) -> io::Result<usize> {
        self.tail.remember(bytes);
        io::stderr().write_all(bytes)?;
        Ok(bytes.len())
    }
}

impl IsTerminal for Tee {
    fn is_terminal(&self) -> bool {
        io::IsTerminal::is_terminal(&io::stderr())
    }
}

impl StdoutStream for Tee {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl OutputStream for Tee {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.pass(&bytes).map(|_| ()).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => StreamError::Closed,
            _ => StreamError::LastOperationFailed(error.into()),
        })
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Tee {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Tee {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.pass(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_bytes_are_remembered() {
        let tail = Tail::default();
        assert_eq!(tail.text(), None);
        tail.remember(&vec![b'a'; TAIL]);
        tail.remember(b"the end");
        let text = tail.text().unwrap();
        assert_eq!(text.len(), TAIL);
        assert!(text.starts_with('a') && text.ends_with("athe end"));
        tail.remember(&vec![b'b'; TAIL + 5]);
        assert_eq!(tail.text().unwrap(), "b".repeat(TAIL));
    }
}
