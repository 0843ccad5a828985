//! The engine's settings.

use coredump_capture::{Full, Plain};
use wasmtime::{Cache, Config, Engine, PoolingAllocationConfig, Result};

use crate::args::Args;

/// The default size of the stack of a guest, in bytes.
const WASM_STACK: usize = 1 << 20;

/// The mode in which a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Instrumented (`--live`).
    Live,
    /// Uninstrumented, and not recorded (`--fast`).
    Fast,
    /// Uninstrumented and recorded, to be run again if the program dies.
    Recorded,
}

impl Mode {
    /// Returns true if anything may stop a running guest: then its code must check for that, which costs time.
    pub fn interruptible(self, args: &Args) -> bool {
        match self {
            Mode::Live => true,
            Mode::Fast => args.timeout.is_some() || args.signals_asked_for(),
            Mode::Recorded => false,
        }
    }
}

/// The settings of an engine.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Size of the stack for Wasm calls, in bytes.
    pub stack: usize,
    /// True if the engine counts fuel.
    pub fuel: bool,
    /// True if compiled code checks whether it is to stop.
    pub interruptible: bool,
    /// True if the engine knows locals and operand stacks.
    pub instrumented: bool,
    /// True if many instances of a program are created: then their memories begin as copy-on-write mappings of one
    /// image.
    pub images: bool,
    /// The pool that instances take their memories, tables and stacks from; without it, each instance allocates its
    /// own.
    pub pool: Option<Pool>,
}

/// The size of a pool of memories, tables and stacks.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    /// The largest number of instances that live at once.
    pub instances: u32,
    /// The number of memories that each instance has.
    pub memories: u32,
    /// The number of tables that each instance has.
    pub tables: u32,
}

/// The number of core instances, and of stacks of tasks, that an instance of a component may have.
const PARTS: u32 = 100;

/// The number of elements that a table of the pool may have: address space is reserved for all of them.
const ELEMENTS: usize = 10_000_000;

/// The size limit of the engine's own data for an instance, in bytes.
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
