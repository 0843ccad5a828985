//! The engine's settings.

use coredump_capture::{Full, Plain};
use wasmtime::{Cache, Config, Engine, PoolingAllocationConfig, Result};

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
    /// What those instances take their memories, tables and stacks from; each has its own, without it.
    pub pool: Option<Pool>,
}

/// Memories, tables and stacks that are used again and again.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    /// Instances of the program that live at once, at most.
    pub instances: u32,
    /// Memories of each.
    pub memories: u32,
    /// Tables of each.
    pub tables: u32,
}

/// Core instances, and stacks of tasks, that an instance of a component has, at most.
const PARTS: u32 = 100;

/// Elements that a table of the pool may have: address space is set aside for so many.
const ELEMENTS: usize = 10_000_000;

/// Bytes that the engine's own data of an instance may have.
const INSTANCE: usize = 64 << 20;

impl Pool {
    fn config(self) -> PoolingAllocationConfig {
        let Pool { instances, memories, tables } = self;
        let mut config = PoolingAllocationConfig::new();
        config
            .total_component_instances(instances)
            .total_core_instances(instances.saturating_mul(PARTS))
            .max_component_instance_size(INSTANCE)
            .max_core_instance_size(INSTANCE)
            // The heap of garbage-collected objects is a memory as well.
            .total_memories(instances.saturating_mul(memories.saturating_add(1)))
            .max_memories_per_module(memories.max(1))
            .total_tables(instances.saturating_mul(tables))
            .max_tables_per_module(tables.max(1))
            .table_elements(ELEMENTS)
            .total_gc_heaps(instances)
            .total_stacks(instances.saturating_mul(4));
        config
    }
}

impl Settings {
    /// The settings for a program that runs as `args` say.
    pub fn from_args(args: &Args, mode: Mode) -> Settings {
        Settings {
            stack: args.max_wasm_stack.unwrap_or(WASM_STACK),
            fuel: args.fuel.is_some(),
            interruptible: mode.interruptible(args),
            instrumented: mode == Mode::Live,
            images: args.serve.is_some(),
            pool: None,
        }
    }
}

/// An engine of these settings, which keeps small modules in `cache`.
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
    if let Some(pool) = settings.pool {
        config.allocation_strategy(pool.config());
    }
    Engine::new(&config)
}
