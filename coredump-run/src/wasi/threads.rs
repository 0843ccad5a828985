//! Offers the imports of programs for wasi-threads. The host creates their memory, and starts their threads
//! (wasi-threads, `README.md`); wasmtime has no threads since version 47, so starting one fails.

use wasmtime::{AsContextMut, Caller, ExternType, Linker, Module, Result, SharedMemory, Store};

use crate::calls::HostFunction;
use crate::host::Host;

/// The import that starts a thread.
const SPAWN: (&str, &str) = ("wasi", "thread-spawn");

/// The import of the memory that all threads share.
const MEMORY: (&str, &str) = ("env", "memory");

/// The warning for a program that would start threads.
pub const NONE: &str = "can start no threads: wasmtime 48 has none";

/// `EAGAIN` of WASI 0.1 (`typenames.witx`). `thread-spawn` returns its negative if there are too many threads.
const AGAIN: i32 = 6;

/// Returns true if a program would start threads.
pub fn has_threads(module: &Module) -> bool {
    module.imports().any(|import| (import.module(), import.name()) == SPAWN)
}

/// Offers the imports of such a program.
pub fn link(linker: &mut Linker<Host>, module: &Module, store: &mut Store<Host>) -> Result<()> {
    for import in module.imports() {
        match ((import.module(), import.name()), import.ty()) {
            (MEMORY, ExternType::Memory(ty)) if ty.is_shared() => {
                let memory = SharedMemory::new(module.engine(), ty)?;
                linker.define(store.as_context_mut(), MEMORY.0, MEMORY.1, memory)?;
            }
            (SPAWN, ExternType::Func(_)) => {
                let noted = HostFunction::new(SPAWN.1, &["start"]);
                linker.func_wrap(SPAWN.0, SPAWN.1, move |caller: Caller<'_, Host>, start: i32| {
                    let calls = &caller.data().calls;
                    calls.enter(&noted, &[start as u64], Vec::new());
                    calls.returned(AGAIN, None);
                    -AGAIN
                })?;
            }
            _ => {}
        }
    }
    Ok(())
}
