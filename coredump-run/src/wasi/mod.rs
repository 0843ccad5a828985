//! Offers the functions of WASI to programs. The engine's library implements all of them; those that are recorded, and
//! answered from a recording, are wrapped.

pub mod p1;
pub mod p2;
mod recordable;
pub mod threads;
pub mod unknown;

pub use recordable::obstacle;

use wasmtime::{Linker, component};
use wasmtime_wasi::{I32Exit, p0};

use crate::host::Host;

/// Offers WASI 0.1 (and its predecessor) to core modules.
pub fn link_module(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    wasmtime_wasi::p1::add_to_linker_async(linker, |host| &mut host.wasi)?;
    p0::add_to_linker_async(linker, |host| &mut host.wasi)?;
    // The library rejects exit codes from 126 on, but a guest may use them.
    for module in p1::MODULES {
        linker.func_wrap(module, "proc_exit", |code: i32| -> wasmtime::Result<()> { Err(I32Exit(code).into()) })?;
    }
    Ok(())
}

/// Offers WASI 0.2 and 0.3 to a component, and `wasi:http` of both. Of WASI 0.2 it offers what `imports` has.
pub fn link_component(linker: &mut component::Linker<Host>, imports: &p2::Imports) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    p2::link(linker, imports)?;
    wasmtime_wasi::p3::add_to_linker(linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    wasmtime_wasi_http::p3::add_to_linker(linker)?;
    Ok(())
}
