//! Passes requests of signals and the clock to the guest: by a flag, with an epoch for code that runs, and a
//! notification for calls that wait.

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;
use wasmtime::Engine;

use crate::ending::Interruption;

/// Something asked of the guest.
#[derive(Clone, Copy, Debug)]
pub enum Asked {
    /// The guest is to end.
    End(Interruption),
    /// A dump of the guest is to be written because of this signal; the guest goes on.
    Snapshot(i32),
}

/// Whoever handles requests for a guest that does not check for them.
pub trait Handler: Send + Sync {
    /// Handles a request. Returns at once.
    fn asked(self: Arc<Self>, asked: Asked);

    /// Is called when the guest has ended by itself. Does not return if a request ends the process.
    fn ended(&self);
}

/// The requests to a guest from outside.
pub struct Control {
    engine: Engine,
    handler: OnceLock<Arc<dyn Handler>>,
    interruption: OnceLock<Interruption>,
    /// The number of the signal that asked for a snapshot, or 0.
    snapshot: AtomicI32,
    wake: Notify,
    /// True if the guest has ended.
    over: AtomicBool,
    /// True if the guest steps from an epoch check to the next instruction, where all values are known.
    stepping: AtomicBool,
}

impl Control {
    /// A control without a request.
    pub fn new(engine: Engine) -> Arc<Control> {
        let (interruption, snapshot) = (OnceLock::new(), AtomicI32::new(0));
        let (over, stepping) = (AtomicBool::new(false), AtomicBool::new(false));
        let (handler, wake) = (OnceLock::new(), Notify::new());
        Arc::new(Control { engine, handler, interruption, snapshot, wake, over, stepping })
    }

    /// Passes all requests to `handler` from now on, as the guest itself does not check for them.
    pub fn hand_over(&self, handler: Arc<dyn Handler>) {
        let _ = self.handler.set(handler);
    }

    /// Asks the guest to end; returns whether this is the first such request.
    pub fn interrupt(&self, interruption: Interruption) -> bool {
        let first = self.interruption.set(interruption).is_ok();
        match self.handler.get() {
            Some(handler) if first => handler.clone().asked(Asked::End(interruption)),
            Some(_) => {}
            None => self.knock(),
        }
        first
    }

    /// Asks for a snapshot.
    pub fn ask_snapshot(&self, signal: i32) {
        if let Some(handler) = self.handler.get() {
            return handler.clone().asked(Asked::Snapshot(signal));
        }
        self.snapshot.store(signal, Ordering::SeqCst);
        self.knock();
    }

    /// Makes the guest check for requests, whether it runs or waits.
    pub fn knock(&self) {
        self.engine.increment_epoch();
        self.wake.notify_waiters();
    }

    /// Notes that the guest has ended by itself, before it leaves a dump of that. Does not return if a request ends the
    /// process.
    pub fn ended(&self) {
        if let Some(handler) = self.handler.get() {
            handler.ended();
        }
    }

    /// Notes that the guest has ended, so that nothing can be asked of it any more.
    pub fn set_over(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    /// Returns true if the guest has ended.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Notes whether the guest is about to stop at its next instruction.
    pub fn set_stepping(&self, stepping: bool) {
        self.stepping.store(stepping, Ordering::SeqCst);
    }

    /// Returns true if the guest is about to stop at its next instruction, where it handles the request.
    pub fn is_stepping(&self) -> bool {
        self.stepping.load(Ordering::SeqCst)
    }

    /// Returns the reason why the guest is to end, if it is.
    pub fn interruption(&self) -> Option<Interruption> {
        self.interruption.get().copied()
    }

    /// Takes the request for a snapshot, if there is one: the number of its signal.
    pub fn take_snapshot(&self) -> Option<i32> {
        Some(self.snapshot.swap(0, Ordering::SeqCst)).filter(|&signal| signal != 0)
    }

    /// Returns true if there is a request.
    pub fn is_asked(&self) -> bool {
        self.interruption().is_some() || self.snapshot.load(Ordering::SeqCst) != 0
    }

    /// Waits until there is a request.
    pub async fn knocked(&self) {
        self.until(|| self.is_asked().then_some(())).await;
    }

    /// Waits until the guest is to end.
    pub async fn interrupted(&self) -> Interruption {
        self.until(|| self.interruption()).await
    }

    async fn until<R>(&self, look: impl Fn() -> Option<R>) -> R {
        loop {
            let wake = self.wake.notified();
            tokio::pin!(wake);
            // The notification is awaited from before the check on, so that none is missed in between.
            wake.as_mut().enable();
            if let Some(found) = look() {
                return found;
            }
            wake.await;
        }
    }

    /// Asks the guest to end after a time.
    pub fn limit_time(self: &Arc<Self>, time: Duration) {
        let control = self.clone();
        std::thread::spawn(move || {
            std::thread::sleep(time);
            control.interrupt(Interruption::Timeout);
        });
    }
}
