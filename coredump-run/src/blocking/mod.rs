//! Offers the host calls that wait in a form that can be interrupted: a guest inside such a call does not reach an
//! epoch check.
//!
//! Each call waits for its own work or for a notification of [`Control`]. An interruption becomes the error of the
//! call, which ends the guest with its frames live. For a snapshot, a call that only waits for something to become
//! ready, or takes bytes once they are there, is given up, the dump is written, and the call begins anew. A call that
//! may have done part of its work cannot begin anew, so the snapshot is written after it.

mod component;
mod module;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use component::shadow as shadow_component;
pub use module::shadow as shadow_module;
use wasmtime::{AsContextMut, Result};

use crate::control::Control;
use crate::dump::DumpWriter;
use crate::ending::{Ending, Interruption};
use crate::host::Host;

/// Runs `work`, an expression that creates a future, to its end; after a snapshot, the future is created anew. (A
/// function would have to require that the futures of an async closure are `Send`, which cannot be written yet.)
macro_rules! repeat {
    ($waits:ident, $store:ident, $work:expr) => {
        loop {
            if let Some(result) = $waits.wait($work).await {
                break result;
            }
            $waits.look(&mut $store)?;
        }
    };
}
use repeat;

/// The source of interruptions of a guest that waits.
#[derive(Clone)]
pub enum Waiter {
    /// The control of the only program that runs.
    Program(Waits),
    /// The deadline of a request to a server, if it has one.
    Until(Option<Instant>),
}

impl Waiter {
    /// Waits for `work`; returns `None` if a notification of the control came first, and drops `work` then.
    async fn wait<R>(&self, work: impl Future<Output = R>) -> Option<R> {
        match self {
            Waiter::Program(waits) => waits.wait(work).await,
            Waiter::Until(Some(until)) => tokio::time::timeout_at((*until).into(), work).await.ok(),
            Waiter::Until(None) => Some(work.await),
        }
    }

    /// Runs `work`, which only the end of the guest interrupts.
    async fn once<R>(&self, work: impl Future<Output = R>) -> Result<R> {
        match self {
            Waiter::Program(waits) => waits.once(work).await,
            Waiter::Until(_) => self.wait(work).await.ok_or_else(|| Interruption::Timeout.into()),
        }
    }

    /// Does what was asked of the guest: returns the error that ends it, or writes a snapshot.
    fn look(&self, store: &mut impl AsContextMut<Data = Host>) -> Result<()> {
        match self {
            Waiter::Program(waits) => waits.look(store),
            Waiter::Until(until) if until.is_some_and(|until| Instant::now() >= until) => {
                Err(Interruption::Timeout.into())
            }
            Waiter::Until(_) => Ok(()),
        }
    }
}

/// The requests to a guest that waits, and the writer of its dumps.
#[derive(Clone)]
pub struct Waits {
    /// The requests to the guest.
    pub control: Arc<Control>,
    /// The writer of snapshots.
    pub writer: Arc<DumpWriter>,
}

impl Waits {
    /// Waits for `work`; returns `None` if a notification of the control came first, and drops `work` then.
    async fn wait<R>(&self, work: impl Future<Output = R>) -> Option<R> {
        tokio::select! {
            biased;
            () = self.control.knocked() => None,
            result = work => Some(result),
        }
    }

    /// Runs `work`, which only the end of the guest interrupts.
    async fn once<R>(&self, work: impl Future<Output = R>) -> Result<R> {
        tokio::select! {
            biased;
            interruption = self.control.interrupted() => Err(interruption.into()),
            result = work => Ok(result),
        }
    }

    /// Does what was asked of the guest: returns the error that ends it, or writes a snapshot.
    pub fn look(&self, store: &mut impl AsContextMut<Data = Host>) -> Result<()> {
        if let Some(interruption) = self.control.interruption() {
            return Err(interruption.into());
        }
        if let Some(signal) = self.control.take_snapshot() {
            self.writer.snapshot(signal, &mut store.as_context_mut());
        }
        Ok(())
    }

    /// Waits until a request was not answered within `patience`: the guest is in no function that could answer it.
    pub async fn unanswered(&self, patience: Duration) {
        loop {
            self.control.knocked().await;
            tokio::time::sleep(patience).await;
            if self.control.is_asked() {
                return;
            }
        }
    }

    /// Answers a request for a guest that is in no function: its dump has its state, but no frames.
    pub fn answer_idle(&self, store: &mut impl AsContextMut<Data = Host>) -> Result<()> {
        if let Some(interruption) = self.control.interruption() {
            self.writer.idle(&Ending::Waiting(interruption), &mut store.as_context_mut());
        }
        self.look(store)
    }
}
