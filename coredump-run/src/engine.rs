//! The engine's settings.

use coredump_capture::{Full, Plain};
use wasmtime::{Cache, Config, Engine, Result};

use crate::args::Args;

/// Stack a guest may use, if nothing else is asked for, in bytes.
const WASM_STACK: usize = 1 << 20;

/// How a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Instrumented.
    Live,
    /// Uninstrumented.
    Fast,
    /// Uninstrumented and recorded, to be run again if it dies.
    Recorded,
}

impl Mode {
    /// Whether anything may want to stop a running guest: then its code must look for that, at a cost.
    pub fn interruptible(self, args: &Args) -> bool {
        match self {
            Mode::Live => true,
            Mode::Fast => args.timeout.is_some() || args.signals_asked_for(),
            Mode::Recorded => false,
        }
    }
}

/// What an engine is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Bytes of stack for Wasm calls.
    pub stack: usize,
    /// Whether it counts fuel.
    pub fuel: bool,
    /// Whether its code looks whether it is to stop.
    pub interruptible: bool,
    /// Whether it knows locals and operand stacks.
    pub instrumented: bool,
    /// Whether many instances of a program are made: then their memories begin as copy-on-write images of one.
    pub images: bool,
}

impl Settings {
    /// The settings for a program that runs as `args` say.
    pub fn of(args: &Args, mode: Mode) -> Settings {
        Settings {
            stack: args.max_wasm_stack.unwrap_or(WASM_STACK),
            fuel: args.fuel.is_some(),
            interruptible: mode.interruptible(args),
            instrumented: mode == Mode::Live,
            images: args.serve.is_some(),
        }
    }
}

/// An engine of these settings, which keeps compiled code in `cache`.
pub fn engine(settings: Settings, cache: Option<Cache>) -> Result<Engine> {
    let stack = settings.stack;
    let mut config = Config::new();
    if settings.instrumented {
        let _: Full = Full::configure(&mut config, stack);
    } else {
        let _: Plain = Plain::configure(&mut config, stack);
    }
    config
        .cache(cache)
        .memory_init_cow(settings.images)
        .consume_fuel(settings.fuel)
        .epoch_interruption(settings.interruptible)
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
    Engine::new(&config)
}
