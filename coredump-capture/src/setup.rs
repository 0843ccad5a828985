//! The settings that an engine needs so that its stores can be captured.

use wasmtime::{Config, Store};

use crate::recorder::{Recorder, Watcher};
use std::sync::Arc;

/// The room above the guest's stack, in bytes, for host calls, the debugger's handler and the capture itself. If it is
/// too small, a stack overflow of the guest ends the process.
const HOST_STACK: usize = 4 << 20;

/// The number of frames that a backtrace may have: all of them.
const FRAMES: usize = 1 << 24;

/// An engine that instruments its guests: dumps have the locals and operand stack of every frame. The guest takes 2 to
/// 6 times as long (`docs/performance.md`). Calls into the guest must be async, and the compiler must be Cranelift.
#[derive(Clone, Copy, Debug)]
pub struct Full(());

impl Full {
    /// Sets what full detail needs, for guests with a stack of at most `stack` bytes. Later changes of the settings
    /// must not undo it.
    pub fn configure(config: &mut Config, stack: usize) -> Full {
        common(config, stack).guest_debug(true);
        Full(())
    }

    /// Makes `recorder` see what happens in `store`.
    pub fn watch<T: Send + 'static>(self, store: &mut Store<T>, recorder: Arc<Recorder>) {
        store.set_debug_handler(Watcher::new(recorder));
    }
}

/// An engine that runs its guests at full speed: dumps have frames, memories and globals, but no locals and operand
/// stacks, and only those tables and shared memories that are exported.
#[derive(Clone, Copy, Debug)]
pub struct Plain(());

impl Plain {
    /// Sets what a dump after a trap needs, for guests with a stack of at most `stack` bytes.
    pub fn configure(config: &mut Config, stack: usize) -> Plain {
        common(config, stack).coredump_on_trap(true);
        Plain(())
    }
}

fn common(config: &mut Config, stack: usize) -> &mut Config {
    config
        .max_wasm_stack(stack)
        .async_stack_size(stack.saturating_add(HOST_STACK))
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(FRAMES))
        // Without copy-on-write images, a dump need only read the pages that the guest touched.
        .memory_init_cow(false)
}
