//! Stops a program that runs again at its goal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use coredump_capture::internals::Stop;
use tokio::sync::Notify;
use wasmtime::{AsContextMut, DebugEvent, DebugHandler, StoreContextMut, Trap};

use super::goal::Goal;
use crate::dump::{DumpWriter, Stage, Watcher};
use crate::ending::Ending;
use crate::host::Host;
use crate::playback::{Diverged, Reached};

/// Handles the engine's debug events of a program that runs again.
#[derive(Clone)]
pub struct Replayer {
    watcher: Watcher,
    goal: Goal,
    /// True if the program is to stop at the next instruction.
    stepping: Arc<AtomicBool>,
    ended: Arc<Notify>,
}

impl Replayer {
    /// Stops the program at its `goal`, has `writer` dump it there, and notifies `ended`.
    pub fn new(writer: Arc<DumpWriter>, goal: Goal, ended: Arc<Notify>) -> Replayer {
        let watcher = Watcher { writer, control: None };
        Replayer { watcher, goal, stepping: Arc::default(), ended }
    }

    /// Dumps the program where it is, and ends it.
    async fn stop(&self, ending: &Ending, remark: Option<String>, mut store: StoreContextMut<'_, Host>) {
        if let (Stage::Again(again), Some(remark)) = (&self.watcher.writer.stage, remark) {
            again.set_remark(remark);
        }
        self.watcher.writer.crash(ending, Stop::Anywhere, &mut store);
        // The handler cannot end the program, so it never returns: the caller drops the future.
        self.ended.notify_one();
        std::future::pending::<()>().await;
    }

    /// Is called when the program stops before an instruction.
    async fn breakpoint(&self, mut store: StoreContextMut<'_, Host>) {
        let Goal { overflow, until, hunt, touches, witness } = &self.goal;
        if let (Some(until), true) = (until, self.stepping.load(Ordering::Relaxed)) {
            return self.stop(&until.ending, Some(until.behind()), store).await;
        }
        if overflow.as_ref().is_some_and(|overflow| overflow.is_here(&mut store)) {
            return self.stop(&Ending::Trap(Trap::StackOverflow), None, store).await;
        }
        if hunt.as_ref().is_some_and(|hunt| hunt.is_here(&mut store)) {
            return self.stop(&Ending::Watched, None, store).await;
        }
        if witness.as_ref().is_some_and(|witness| witness.stops(&mut store)) {
            return self.stop(&Ending::Watched, None, store).await;
        }
        if let Some(touches) = touches {
            touches.count(&mut store);
        }
    }

    /// Is called when the program calls the host after the end of the part that is to be run again.
    async fn reached(&self, reached: Reached, store: StoreContextMut<'_, Host>) {
        match &self.goal.until {
            Some(until) => {
                let remark = (!reached.exact).then(|| until.in_next_call());
                self.stop(&until.ending, remark, store).await;
            }
            None => self.stop(&Ending::Watched, None, store).await,
        }
    }
}

impl DebugHandler for Replayer {
    type Data = Host;

    async fn handle(&self, mut store: StoreContextMut<'_, Host>, event: DebugEvent<'_>) {
        if let (Some(witness), false) = (&self.goal.witness, matches!(event, DebugEvent::Breakpoint)) {
            witness.ends(&mut store);
        }
        match (&event, &self.goal.until) {
            // An epoch check is in the middle of an instruction, but the debugger knows a frame only at the beginning
            // of one.
            (DebugEvent::EpochYield, Some(_)) => {
                if let Some(mut breakpoints) = store.as_context_mut().edit_breakpoints() {
                    // This fails only for modules of other engines.
                    let _ = breakpoints.single_step(true);
                }
                self.stepping.store(true, Ordering::Relaxed);
            }
            (DebugEvent::Breakpoint, _) => self.breakpoint(store).await,
            (DebugEvent::HostcallError(error), _) => match error.downcast_ref::<Reached>() {
                Some(reached) => self.reached(*reached, store).await,
                None if error.is::<Diverged>() => {}
                None => self.watcher.handle(store, event).await,
            },
            // The program had used up its own fuel before, and ran on to the stop.
            (DebugEvent::Trap(Trap::OutOfFuel), Some(until)) if until.stop.fuel.is_some() => {
                self.stop(&until.ending, Some(until.behind()), store).await;
            }
            _ => self.watcher.handle(store, event).await,
        }
    }
}
