//! How signals and the clock reach the guest: a flag, an epoch for code that runs, a notification for calls that wait.

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;
use wasmtime::Engine;

use crate::ending::Interruption;

/// Something asked of the guest.
#[derive(Clone, Copy, Debug)]
pub enum Asked {
    /// To end.
    End(Interruption),
    /// To be dumped, on this signal, and go on.
    Snapshot(i32),
}

/// Does what is asked, of a guest that does not look.
type Hook = Box<dyn Fn(Asked) + Send + Sync>;

/// What is asked of the guest from outside.
pub struct Control {
    engine: Engine,
    hook: OnceLock<Hook>,
    interruption: OnceLock<Interruption>,
    /// The signal that asked for a snapshot, or 0.
    snapshot: AtomicI32,
    wake: Notify,
    /// The guest is over.
    over: AtomicBool,
    /// A step is under way from an epoch's check to the next instruction, where all values are known.
    stepping: AtomicBool,
}

impl Control {
    /// A control of which nothing was asked yet.
    pub fn new(engine: Engine) -> Arc<Control> {
        let (interruption, snapshot) = (OnceLock::new(), AtomicI32::new(0));
        let (over, stepping) = (AtomicBool::new(false), AtomicBool::new(false));
        let (hook, wake) = (OnceLock::new(), Notify::new());
        Arc::new(Control { engine, hook, interruption, snapshot, wake, over, stepping })
    }

    /// Has `hook` do what is asked from now on: the guest does not look itself.
    pub fn hand_over(&self, hook: impl Fn(Asked) + Send + Sync + 'static) {
        let _ = self.hook.set(Box::new(hook));
    }

    /// Asks the guest to end; returns whether nobody had asked before.
    pub fn interrupt(&self, interruption: Interruption) -> bool {
        let first = self.interruption.set(interruption).is_ok();
        match self.hook.get() {
            Some(hook) if first => hook(Asked::End(interruption)),
            Some(_) => {}
            None => self.knock(),
        }
        first
    }

    /// Asks for a snapshot.
    pub fn ask_snapshot(&self, signal: i32) {
        if let Some(hook) = self.hook.get() {
            return hook(Asked::Snapshot(signal));
        }
        self.snapshot.store(signal, Ordering::SeqCst);
        self.knock();
    }

    /// Makes the guest look, whether it runs or waits.
    pub fn knock(&self) {
        self.engine.increment_epoch();
        self.wake.notify_waiters();
    }

    /// Says that the guest is over, so that nothing can be asked of it any more.
    pub fn set_over(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    /// Whether the guest is over.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Says whether the guest is about to stop at its next instruction.
    pub fn set_stepping(&self, stepping: bool) {
        self.stepping.store(stepping, Ordering::SeqCst);
    }

    /// Whether the guest is about to stop at its next instruction, to be looked at there.
    pub fn is_stepping(&self) -> bool {
        self.stepping.load(Ordering::SeqCst)
    }

    /// Whether the guest is to end, and why.
    pub fn interruption(&self) -> Option<Interruption> {
        self.interruption.get().copied()
    }

    /// Whether a snapshot is asked for: the signal, once.
    pub fn take_snapshot(&self) -> Option<i32> {
        Some(self.snapshot.swap(0, Ordering::SeqCst)).filter(|&signal| signal != 0)
    }

    /// Whether anything is asked for.
    pub fn is_asked(&self) -> bool {
        self.interruption().is_some() || self.snapshot.load(Ordering::SeqCst) != 0
    }

    /// Waits until something is asked for.
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
            // Listens before it looks, so that no knock falls in between.
            wake.as_mut().enable();
            if let Some(found) = look() {
                return found;
            }
            wake.await;
        }
    }

    /// Interrupts after a time.
    pub fn limit_time(self: &Arc<Self>, time: Duration) {
        let control = self.clone();
        std::thread::spawn(move || {
            std::thread::sleep(time);
            control.interrupt(Interruption::Timeout);
        });
    }
}
