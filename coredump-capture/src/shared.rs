//! The bytes of a shared memory. The one module of this crate with `unsafe` code.
#![allow(unsafe_code)]

use wasmtime::SharedMemory;

/// The bytes of a shared memory, while the guest is stopped.
pub fn bytes(memory: &SharedMemory) -> &[u8] {
    let cells = memory.data();
    // SAFETY: the cells are valid for reads for as long as `memory` lives, which the result borrows. That nothing writes
    // to them meanwhile: only guest code and host calls on its behalf do, this program runs one guest thread (the engine
    // has no wasi-threads), and that one is stopped in the handler that captures it.
    unsafe { std::slice::from_raw_parts(cells.as_ptr().cast::<u8>(), cells.len()) }
}
