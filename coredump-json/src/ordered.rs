//! Writes documents from many workers in the order of their dumps.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use coredump_core::cli::input;
use coredump_core::cli::output::Output;

/// The number of bytes of a document that are kept until its turn; a longer one waits for its turn and is then
/// streamed.
const MAX_KEPT: usize = 1 << 20;
/// The number of documents that may be finished before their turn.
const MAX_AHEAD: u64 = 64;

/// The output for all documents.
pub struct Ordered {
    state: Mutex<State>,
    moved: Condvar,
}

struct State {
    output: Output,
    /// The index of the document whose turn it is.
    turn: u64,
    finished: BTreeMap<u64, Vec<u8>>,
    failure: Option<io::Error>,
}

impl Ordered {
    /// An order for documents that go to `output`.
    pub fn new(output: Output) -> Self {
        let state = State { output, turn: 0, finished: BTreeMap::new(), failure: None };
        Ordered { state: Mutex::new(state), moved: Condvar::new() }
    }

    /// Returns the turn of document `index`; every index from 0 must be taken once.
    pub fn turn(&self, index: u64) -> Turn<'_> {
        Turn { ordered: self, index, kept: Vec::new(), losses: input::losses(), streamed: false }
    }

    /// Returns true if writing failed, so that no more documents are needed.
    pub fn has_failed(&self) -> bool {
        self.state().failure.is_some()
    }

    /// The destination, and the failure if there was one.
    pub fn into_inner(self) -> (Output, Option<io::Error>) {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        (state.output, state.failure)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_until(&self, ready: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let state = self.state();
        let waited = self.moved.wait_while(state, |state| !ready(state) && state.failure.is_none());
        waited.unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn write(&mut self, bytes: &[u8]) {
        // A document of a file that became shorter never gets here: see `Turn::begin_again`.
        self.output.forget_losses();
        if self.failure.is_none()
            && let Err(error) = self.output.write_all(bytes)
        {
            self.failure = Some(error);
        }
    }
}

/// The output for one document, which ends when this is dropped.
pub struct Turn<'o> {
    ordered: &'o Ordered,
    index: u64,
    kept: Vec<u8>,
    /// The count of losses when the document was begun: if it has grown, nothing more of the document is written.
    losses: u64,
    /// True if its beginning was written.
    streamed: bool,
}

impl Turn<'_> {
    /// Discards what was written so far. If part of it is already in the output, that becomes a line of its own.
    pub fn begin_again(&mut self) {
        self.kept.clear();
        self.losses = input::losses();
        if std::mem::take(&mut self.streamed) {
            self.kept.push(b'\n');
        }
    }
}

impl Write for Turn<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.kept.extend_from_slice(bytes);
        if input::losses() != self.losses {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if self.kept.len() > MAX_KEPT {
            self.streamed = true;
            let mut state = self.ordered.wait_until(|state| state.turn == self.index);
            state.write(&self.kept);
            self.kept.clear();
            if state.failure.is_some() {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.ordered.wait_until(|state| self.index < state.turn + MAX_AHEAD);
        state.finished.insert(self.index, std::mem::take(&mut self.kept));
        let mut turn = state.turn;
        while let Some(bytes) = state.finished.remove(&turn) {
            state.write(&bytes);
            turn += 1;
        }
        state.turn = turn;
        drop(state);
        self.ordered.moved.notify_all();
    }
}
