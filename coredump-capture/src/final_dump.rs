//! The dump of a guest's end, which is written once, from what was seen until then.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coredump_core::error::Result;
use coredump_core::model::{Reason, Thrown};
use wasmtime::{ExnRef, OwnedRooted, Rooted, StoreContextMut, WasmCoreDump};

use crate::binary::Binary;
use crate::capture::{Capture, Stack};
use crate::exceptions::{self, Exceptions, SeenException};
use crate::output::DumpPlace;
use crate::plain;
use crate::quietly::quietly;

/// Makes sure that the end of a store's guest is dumped once, and remembers what is gone by then: the places where
/// exceptions were thrown. A [`Recorder`](crate::Recorder) has one, and so has a host that writes its dumps itself.
pub struct FinalDump {
    binary: Arc<Binary>,
    /// True once the dump was begun.
    begun: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The dump, once it was tried.
    tried: Option<Dumped>,
    /// The exceptions that were thrown, in case nothing catches one.
    exceptions: Exceptions,
}

/// The result of trying to write a dump.
pub struct Dumped {
    /// The contents of the dump, except for memory, from which a report can be made; `None` if there was no room for a
    /// dump, or if the capture failed.
    pub capture: Option<Capture>,
    /// The reason why the program ended.
    pub reason: Reason,
    /// The place where the dump is, or the error that says why there is none.
    pub place: Result<DumpPlace>,
}

impl FinalDump {
    /// Returns the dump of a store that runs `binary`; nothing was seen yet.
    pub fn new(binary: Arc<Binary>) -> FinalDump {
        FinalDump { binary, begun: AtomicBool::new(false), state: Mutex::default() }
    }

    /// Returns the program that is run.
    pub fn binary(&self) -> &Arc<Binary> {
        &self.binary
    }

    /// Returns true if the dump is being written or was.
    pub fn is_begun(&self) -> bool {
        self.begun.load(Ordering::SeqCst)
    }

    /// Returns true if the dump is to be written now, which is so for the first call only: the engine reports a trap
    /// again for each activation that it unwinds.
    pub fn begin(&self) -> bool {
        !self.begun.swap(true, Ordering::SeqCst)
    }

    /// Keeps the dump that was tried.
    pub fn keep(&self, tried: Dumped) {
        self.state().tried = Some(tried);
    }

    /// Takes the dump that was tried; `None` if there is none, or if it was taken already.
    pub fn take(&self) -> Option<Dumped> {
        self.state().tried.take()
    }

    /// Remembers the place where an exception was thrown, in case nothing catches it.
    pub fn thrown<T: 'static>(&self, exception: &OwnedRooted<ExnRef>, store: &mut StoreContextMut<'_, T>) {
        // A failure costs that dump.
        let _ = quietly(|| self.state().exceptions.note(exception, &self.binary, store));
    }

    /// Returns the exception that left the guest, with the stack that threw it first, if that was seen. `pending` is
    /// what the store held at the end.
    pub fn uncaught<T: 'static>(
        &self,
        pending: Option<Rooted<ExnRef>>,
        store: &mut StoreContextMut<'_, T>,
    ) -> Option<SeenException> {
        quietly(|| self.state().exceptions.take(pending, store)).ok().flatten()
    }

    /// Returns the stack of an uninstrumented guest that is gone, from what the engine noted when the guest trapped or
    /// threw the exception that is `pending`. Of the throws of an exception, only the last is known.
    ///
    /// # Errors
    ///
    /// The engine panicked.
    pub fn noted<T: 'static>(
        &self,
        noted: &WasmCoreDump,
        pending: Option<&Rooted<ExnRef>>,
        store: &mut StoreContextMut<'_, T>,
    ) -> Result<(Stack, Option<Thrown>)> {
        let mut stack = quietly(|| plain::stack(noted, &self.binary, store))?;
        let thrown = pending.and_then(|pending| {
            let thrown = quietly(|| exceptions::describe(pending, &mut stack, &self.binary, store)).ok()?;
            Some(Thrown { last_only: true, ..thrown })
        });
        Ok((stack, thrown))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
