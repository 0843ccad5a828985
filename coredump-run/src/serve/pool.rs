//! Compiles components whose instances take memories, tables and stacks from a pool: to allocate them anew for each
//! request takes as long as a short request itself.

use coredump_capture::internals::message;
use coredump_core::error::{Error, ErrorKind, Result};
use wasmtime::Engine;

use crate::compiled::CompiledCode;
use crate::engine::{self, Pool, Settings};
use crate::program::{Program, Source};

/// The numbers of memories and tables that most components have at most.
const USUAL: (u32, u32) = (3, 4);

/// Compiles a component of which `instances` instances live at once. No pool is used if there is not enough address
/// space, which a pool reserves for all instances.
///
/// # Errors
///
/// Says why the component cannot be compiled.
pub fn compile(source: &Source, settings: Settings, instances: u32) -> Result<(Engine, Program)> {
    // A memory of the pool can grow to at most 4 GiB.
    let pooled = if source.has_wide_memory() { None } else { pooled(source, settings, instances) };
    if let Some(pooled) = pooled {
        return Ok(pooled);
    }
    let engine = engine::engine(settings, source.engine_cache());
    let engine = engine.map_err(|error| Error::new(ErrorKind::Usage, message(&error)))?;
    let program = source.clone().compile(&engine)?;
    Ok((engine, program))
}

fn pooled(source: &Source, settings: Settings, instances: u32) -> Option<(Engine, Program)> {
    let (memories, tables) = USUAL;
    let mut pool = Pool { instances, memories, tables };
    loop {
        let settings = Settings { pool: Some(pool), ..settings };
        let engine = engine::engine(settings, source.engine_cache()).ok()?;
        let program = source.clone().compile(&engine).ok()?;
        let CompiledCode::Component(component) = &program.code else { return None };
        // The needs of imported modules are not known here.
        let needed = component.resources_required()?;
        if needed.num_memories <= pool.memories && needed.num_tables <= pool.tables {
            return Some((engine, program));
        }
        // The code of the component is the same, and comes from the cache.
        let (memories, tables) = (needed.num_memories.max(pool.memories), needed.num_tables.max(pool.tables));
        pool = Pool { instances, memories, tables };
    }
}
