//! Host calls that wait: a guest inside one sees no epoch, so they are offered again in a form that can be interrupted.
//!
//! Each waits for its own work or for a knock of [`Control`]. An interruption becomes the call's error, which ends the
//! guest with its frames live. For a snapshot a wait is given up, the dump written, and the wait begun anew, if the call
//! only waits for something to become ready or takes bytes once they are there; a call that has done part of its work
//! cannot be begun anew, so there the snapshot comes after it.

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

/// Does `work`, written as an expression that makes its future; after a snapshot from the start. (A function would have to
/// promise that the futures of an async closure can go to another thread, which cannot be written yet.)
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

/// Who may call a guest away while it waits.
#[derive(Clone)]
pub enum Waiter {
    /// The control of the only program.
    Program(Waits),
    /// The clock, for a request of a server; nobody, without a limit.
    Until(Option<Instant>),
}

impl Waiter {
    /// Waits for `work` or a knock, for which it is given up.
    async fn wait<R>(&self, work: impl Future<Output = R>) -> Option<R> {
        match self {
            Waiter::Program(waits) => waits.wait(work).await,
            Waiter::Until(Some(until)) => tokio::time::timeout_at((*until).into(), work).await.ok(),
            Waiter::Until(None) => Some(work.await),
        }
    }

    /// Does `work` once, which only the guest's end interrupts.
    async fn once<R>(&self, work: impl Future<Output = R>) -> Result<R> {
        match self {
            Waiter::Program(waits) => waits.once(work).await,
            Waiter::Until(_) => self.wait(work).await.ok_or_else(|| Interruption::Timeout.into()),
        }
    }

    /// Answers a knock: with the error that ends the guest, or with a snapshot.
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

/// What may come up while a guest waits, and who sees to it.
#[derive(Clone)]
pub struct Waits {
    /// What is asked of the guest.
    pub control: Arc<Control>,
    /// Writes snapshots.
    pub writer: Arc<DumpWriter>,
}

impl Waits {
    /// Waits for `work` or a knock, for which it is given up.
    async fn wait<R>(&self, work: impl Future<Output = R>) -> Option<R> {
        tokio::select! {
            biased;
            () = self.control.knocked() => None,
            result = work => Some(result),
        }
    }

    /// Does `work` once, which only the guest's end interrupts.
    async fn once<R>(&self, work: impl Future<Output = R>) -> Result<R> {
        tokio::select! {
            biased;
            interruption = self.control.interrupted() => Err(interruption.into()),
            result = work => Ok(result),
        }
    }

    /// Answers a knock: with the error that ends the guest, or with a snapshot.
    pub fn look(&self, store: &mut impl AsContextMut<Data = Host>) -> Result<()> {
        if let Some(interruption) = self.control.interruption() {
            return Err(interruption.into());
        }
        if let Some(signal) = self.control.take_snapshot() {
            self.writer.snapshot(signal, &mut store.as_context_mut());
        }
        Ok(())
    }

    /// Waits until something asked for was not answered in time: the guest is in no function that could do so.
    pub async fn unanswered(&self, patience: Duration) {
        loop {
            self.control.knocked().await;
            tokio::time::sleep(patience).await;
            if self.control.is_asked() {
                return;
            }
        }
    }

    /// Answers for a guest that is in no function: its state is there, without frames.
    pub fn answer_idle(&self, store: &mut impl AsContextMut<Data = Host>) -> Result<()> {
        if let Some(interruption) = self.control.interruption() {
            self.writer.idle(&Ending::Waiting(interruption), &mut store.as_context_mut());
        }
        self.look(store)
    }
}
