//! The engine's settings.

use wasmtime::{Config, Engine, Result};

use crate::args::Args;

/// Stack a guest may use, if nothing else is asked for, in bytes.
const WASM_STACK: usize = 1 << 20;

/// Room above the guest's stack for host calls, the debugger's handler and the capture itself. Too little ends the process
/// on a stack overflow of the guest.
const HOST_STACK: usize = 4 << 20;

/// Frames a backtrace may have: all of them.
const FRAMES: usize = 1 << 24;

/// Whether anything may want to stop a running guest: then its code must look for that, at a cost.
pub fn interruptible(args: &Args) -> bool {
    !args.fast || args.timeout.is_some() || args.signals_asked_for()
}

/// An engine for the program that `args` names.
pub fn engine(args: &Args) -> Result<Engine> {
    let stack = args.max_wasm_stack.unwrap_or(WASM_STACK);
    let mut config = Config::new();
    config
        .max_wasm_stack(stack)
        .async_stack_size(stack.saturating_add(HOST_STACK))
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(FRAMES))
        .consume_fuel(args.fuel.is_some())
        .epoch_interruption(interruptible(args))
        // Pages of a copy-on-write image hold data before they are touched, which the search for touched pages would
        // take for zeros.
        .memory_init_cow(false)
        .wasm_component_model_async(true)
        .wasm_exceptions(true)
        .wasm_function_references(true)
        .wasm_gc(true)
        .wasm_memory64(true)
        .wasm_multi_memory(true)
        .wasm_custom_page_sizes(true)
        .wasm_tail_call(true)
        .wasm_threads(true)
        .wasm_wide_arithmetic(true)
        .shared_memory(true);
    if args.fast {
        config.coredump_on_trap(true);
    } else {
        config.guest_debug(true);
    }
    Engine::new(&config)
}
