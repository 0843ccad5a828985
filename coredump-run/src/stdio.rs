//! The guest's standard output and error: our own, in a form that a signal interrupts while it waits for its reader; and
//! the last bytes of standard error, remembered for the dump.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, fstat};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

/// How much of standard error is remembered, in bytes.
const TAIL: usize = 64 * 1024;

/// What a pipe that can be written to surely takes at once, in bytes (POSIX `PIPE_BUF` on Linux).
const PIECE: usize = 4096;

/// What a guest may write at once, in bytes: as much as wasmtime allows, since some guests take a shorter write for the end of
/// what can be written, and lose the rest.
const PERMIT: usize = 64 * 1024;

/// What guests have written and the reader of a pipe has not taken yet, of standard output and of standard error.
static WAITING: [Mutex<Vec<u8>>; 2] = [const { Mutex::new(Vec::new()) }; 2];

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

    /// Last words that end with this text.
    pub fn from_text(text: &str) -> Tail {
        let tail = Tail::default();
        tail.remember(text.as_bytes());
        tail
    }

    fn remember(&self, bytes: &[u8]) {
        let mut tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = &bytes[bytes.len().saturating_sub(TAIL)..];
        let excess = (tail.len() + bytes.len()).saturating_sub(TAIL);
        tail.drain(..excess);
        tail.extend(bytes);
    }
}

/// An output stream of this process.
#[derive(Clone)]
pub enum Out {
    /// Standard output.
    Stdout,
    /// Standard error, and what was written there last.
    Stderr(Tail),
    /// What the guest takes for its standard output, while ours carries the dump: our standard error.
    Instead,
}

/// Writes what guests have written and nobody has read yet, and waits for the readers: for each of them at most `patience`, if
/// that is given.
pub fn finish(patience: Option<Duration>) {
    let patience = patience.and_then(|patience| Timespec::try_from(patience).ok());
    for out in [Out::Stdout, Out::Instead] {
        // Nobody misses what is written to a pipe whose reader has gone.
        while out.takes().is_ok_and(|takes| !takes) && out.poll(patience.as_ref()) {}
    }
}

impl Out {
    /// Writes bytes as they come, as far as their reader takes them at once; the rest waits for it.
    fn write_or_keep(&self, bytes: &[u8]) -> io::Result<()> {
        if let Out::Stderr(tail) = self {
            tail.remember(bytes);
        }
        let mut waiting = self.waiting();
        if waiting.is_empty() && self.is_file() {
            return self.pass(bytes);
        }
        waiting.extend_from_slice(bytes);
        self.push(&mut waiting)
    }

    /// Writes of what waits as much as its reader takes at once. After an error nothing waits.
    fn push(&self, waiting: &mut Vec<u8>) -> io::Result<()> {
        let mut written = 0;
        while written < waiting.len() && self.is_ready() {
            let piece = &waiting[written..waiting.len().min(written + PIECE)];
            if let Err(error) = self.pass(piece) {
                waiting.clear();
                return Err(error);
            }
            written += piece.len();
        }
        waiting.drain(..written);
        Ok(())
    }

    /// Whether nothing waits any more, and a write would not wait.
    fn takes(&self) -> io::Result<bool> {
        let mut waiting = self.waiting();
        self.push(&mut waiting)?;
        Ok(waiting.is_empty() && self.is_ready())
    }

    fn waiting(&self) -> MutexGuard<'static, Vec<u8>> {
        let waiting = match self {
            Out::Stdout => &WAITING[0],
            Out::Stderr(_) | Out::Instead => &WAITING[1],
        };
        waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Out::Stdout => io::stdout().write_all(bytes),
            Out::Stderr(_) | Out::Instead => io::stderr().write_all(bytes),
        }
    }

    fn flush(&self) -> io::Result<()> {
        self.push(&mut self.waiting())?;
        match self {
            Out::Stdout => io::stdout().flush(),
            Out::Stderr(_) | Out::Instead => Ok(()),
        }
    }

    /// Whether a write would not wait.
    fn is_ready(&self) -> bool {
        self.is_file() || self.poll(Some(&Timespec::default()))
    }

    /// Whether it goes to a file, which takes all at once: that is looked up once, where a poll would cost each write as much as the
    /// write does.
    fn is_file(&self) -> bool {
        static STREAMS: [OnceLock<bool>; 2] = [OnceLock::new(), OnceLock::new()];
        match self {
            Out::Stdout => *STREAMS[0].get_or_init(|| is_file(io::stdout().as_fd())),
            Out::Stderr(_) | Out::Instead => *STREAMS[1].get_or_init(|| is_file(io::stderr().as_fd())),
        }
    }

    /// Waits until a write would not wait, at most for `time`.
    fn poll(&self, time: Option<&Timespec>) -> bool {
        let polled = match self {
            Out::Stdout => poll(&mut [PollFd::new(&io::stdout(), PollFlags::OUT)], time),
            Out::Stderr(_) | Out::Instead => poll(&mut [PollFd::new(&io::stderr(), PollFlags::OUT)], time),
        };
        // What cannot be waited for does not make a writer wait.
        !matches!(polled, Ok(0))
    }

    /// Waits until it [takes](Out::takes) bytes or fails, on another thread, so that this one can be called away.
    async fn writable(self) {
        while self.takes().is_ok_and(|takes| !takes) {
            let out = self.clone();
            let _ = tokio::task::spawn_blocking(move || out.poll(None)).await;
        }
    }
}

fn is_file(stream: BorrowedFd<'_>) -> bool {
    fstat(stream).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
}

impl IsTerminal for Out {
    fn is_terminal(&self) -> bool {
        match self {
            Out::Stdout => io::IsTerminal::is_terminal(&io::stdout()),
            Out::Stderr(_) | Out::Instead => io::IsTerminal::is_terminal(&io::stderr()),
        }
    }
}

impl StdoutStream for Out {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(Stream { out: self.clone(), waiting: None })
    }
}

fn stream_error(error: io::Error) -> StreamError {
    match error.kind() {
        io::ErrorKind::BrokenPipe => StreamError::Closed,
        _ => StreamError::LastOperationFailed(error.into()),
    }
}

impl OutputStream for Out {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.write_or_keep(&bytes).map_err(stream_error)
    }

    fn flush(&mut self) -> StreamResult<()> {
        Out::flush(self).map_err(stream_error)
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.takes().map(|takes| if takes { PERMIT } else { 0 }).map_err(stream_error)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Out {
    async fn ready(&mut self) {
        self.clone().writable().await;
    }
}

/// A stream of WASI 0.3.
struct Stream {
    out: Out,
    waiting: Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>,
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if !self.out.takes()? {
            let out = self.out.clone();
            ready!(self.waiting.get_or_insert_with(|| Box::pin(out.writable())).as_mut().poll(context));
        }
        self.waiting = None;
        let bytes = &bytes[..bytes.len().min(PERMIT)];
        Poll::Ready(self.out.write_or_keep(bytes).map(|()| bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.out.flush())
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
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
