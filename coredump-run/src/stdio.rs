//! Provides the guest's standard output and error: those of this process, but a signal interrupts a write that waits
//! for its reader. Remembers the last bytes of standard error for the dump.

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

/// The number of bytes at the end of standard error that are remembered.
const TAIL: usize = 64 * 1024;

/// The number of bytes that a pipe that is ready for writing takes at once at least (POSIX `PIPE_BUF` on Linux).
const PIECE: usize = 4096;

/// The number of bytes that a guest may write at once: as many as wasmtime allows, since some guests do not write the
/// rest after a shorter write.
const PERMIT: usize = 64 * 1024;

/// The bytes that guests have written but the reader of a pipe has not read yet, for standard output and for standard
/// error.
static WAITING: [Mutex<Vec<u8>>; 2] = [const { Mutex::new(Vec::new()) }; 2];

/// The last bytes that the guest wrote to its standard error.
#[derive(Clone, Default)]
pub struct Tail(Arc<Mutex<VecDeque<u8>>>);

impl Tail {
    /// The bytes as text, if there are any.
    pub fn text(&self) -> Option<String> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: Vec<u8> = bytes.iter().copied().collect();
        (!bytes.is_empty()).then(|| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The last output, which ends with this text.
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
pub enum GuestOutput {
    /// Standard output.
    Stdout,
    /// Standard error, and the last bytes that were written to it.
    Stderr(Tail),
    /// The standard error of this process as the guest's standard output, because the dump goes to standard output.
    Instead,
}

/// Writes the waiting bytes of the guests, and waits for the readers: for each of them at most `patience`, if that is
/// given.
pub fn finish(patience: Option<Duration>) {
    let patience = patience.and_then(|patience| Timespec::try_from(patience).ok());
    for out in [GuestOutput::Stdout, GuestOutput::Instead] {
        // Nobody misses what is written to a pipe whose reader has gone.
        while out.takes().is_ok_and(|takes| !takes) && out.poll(patience.as_ref()) {}
    }
}

impl GuestOutput {
    /// Writes as many bytes as the reader takes at once, and keeps the rest.
    fn write_or_keep(&self, bytes: &[u8]) -> io::Result<()> {
        if let GuestOutput::Stderr(tail) = self {
            tail.remember(bytes);
        }
        let mut waiting = self.waiting();
        if waiting.is_empty() && self.is_file() {
            return self.pass(bytes);
        }
        waiting.extend_from_slice(bytes);
        self.push(&mut waiting)
    }

    /// Writes as many of the waiting bytes as the reader takes at once. After an error, none wait any more.
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

    /// Returns true if no bytes wait any more, and a write would not wait.
    fn takes(&self) -> io::Result<bool> {
        let mut waiting = self.waiting();
        self.push(&mut waiting)?;
        Ok(waiting.is_empty() && self.is_ready())
    }

    fn waiting(&self) -> MutexGuard<'static, Vec<u8>> {
        let waiting = match self {
            GuestOutput::Stdout => &WAITING[0],
            GuestOutput::Stderr(_) | GuestOutput::Instead => &WAITING[1],
        };
        waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            GuestOutput::Stdout => io::stdout().write_all(bytes),
            GuestOutput::Stderr(_) | GuestOutput::Instead => io::stderr().write_all(bytes),
        }
    }

    fn flush(&self) -> io::Result<()> {
        self.push(&mut self.waiting())?;
        match self {
            GuestOutput::Stdout => io::stdout().flush(),
            GuestOutput::Stderr(_) | GuestOutput::Instead => Ok(()),
        }
    }

    /// Returns true if a write would not wait.
    fn is_ready(&self) -> bool {
        self.is_file() || self.poll(Some(&Timespec::default()))
    }

    /// Returns true if the stream is a file, which takes all bytes at once. This is looked up only once, as a poll
    /// before each write would take as long as the write itself.
    fn is_file(&self) -> bool {
        static STREAMS: [OnceLock<bool>; 2] = [OnceLock::new(), OnceLock::new()];
        match self {
            GuestOutput::Stdout => *STREAMS[0].get_or_init(|| is_file(io::stdout().as_fd())),
            GuestOutput::Stderr(_) | GuestOutput::Instead => *STREAMS[1].get_or_init(|| is_file(io::stderr().as_fd())),
        }
    }

    /// Waits until a write would not wait, at most for `time`.
    fn poll(&self, time: Option<&Timespec>) -> bool {
        let polled = match self {
            GuestOutput::Stdout => poll(&mut [PollFd::new(&io::stdout(), PollFlags::OUT)], time),
            GuestOutput::Stderr(_) | GuestOutput::Instead => {
                poll(&mut [PollFd::new(&io::stderr(), PollFlags::OUT)], time)
            }
        };
        // A stream that cannot be polled does not make a writer wait.
        !matches!(polled, Ok(0))
    }

    /// Waits on another thread until the stream [takes](GuestOutput::takes) bytes or fails, so that this thread can be
    /// interrupted.
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

impl IsTerminal for GuestOutput {
    fn is_terminal(&self) -> bool {
        match self {
            GuestOutput::Stdout => io::IsTerminal::is_terminal(&io::stdout()),
            GuestOutput::Stderr(_) | GuestOutput::Instead => io::IsTerminal::is_terminal(&io::stderr()),
        }
    }
}

impl StdoutStream for GuestOutput {
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

impl OutputStream for GuestOutput {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.write_or_keep(&bytes).map_err(stream_error)
    }

    fn flush(&mut self) -> StreamResult<()> {
        GuestOutput::flush(self).map_err(stream_error)
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.takes().map(|takes| if takes { PERMIT } else { 0 }).map_err(stream_error)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for GuestOutput {
    async fn ready(&mut self) {
        self.clone().writable().await;
    }
}

/// An output stream of WASI 0.3.
struct Stream {
    out: GuestOutput,
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
