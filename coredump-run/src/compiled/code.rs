//! Compiles programs, and loads code that was compiled before. This is the only module of the crate with `unsafe` code.
//!
//! The engine's own cache compresses code, and reads all of it at each start: for a component of 18 MB, that is half of
//! the time of the start. Of a file that is mapped, only the pages that are used are read.
#![allow(unsafe_code)]

use std::path::Path;

use wasmtime::component::Component;
use wasmtime::{Engine, Module, Result};

/// The compiled code of a program.
pub enum CompiledCode {
    /// A core module.
    Module(Module),
    /// A component.
    Component(Component),
}

/// The kind of a program.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A core module.
    Module,
    /// A component.
    Component,
}

impl CompiledCode {
    /// Compiles a program.
    pub fn compile(engine: &Engine, binary: &[u8], kind: Kind) -> Result<CompiledCode> {
        Ok(match kind {
            Kind::Module => CompiledCode::Module(Module::from_binary(engine, binary)?),
            Kind::Component => CompiledCode::Component(Component::from_binary(engine, binary)?),
        })
    }
}

/// Compiles a program; returns the code, and its serialized form for a file.
pub fn compile(engine: &Engine, binary: &[u8], kind: Kind) -> Result<(CompiledCode, Vec<u8>)> {
    // SAFETY: these are bytes that the engine has just made, and nobody has changed.
    Ok(match kind {
        Kind::Module => {
            let bytes = engine.precompile_module(binary)?;
            (CompiledCode::Module(unsafe { Module::deserialize(engine, &bytes) }?), bytes)
        }
        Kind::Component => {
            let bytes = engine.precompile_component(binary)?;
            (CompiledCode::Component(unsafe { Component::deserialize(engine, &bytes) }?), bytes)
        }
    })
}

/// Maps code that [`compile`] serialized from a file of the cache. The contents of the file are executed as they are,
/// so this function is for [`super::Cache`] alone, which promises that
///
/// - only this user and root, but not the program that runs, can write to its folder or replace it;
/// - a file appears there only once it is complete, and is never changed afterwards; if it is removed, mappings of it
///   stay valid.
///
/// The engine checks that the code was compiled by its own version, for its settings and for this processor.
pub fn load(engine: &Engine, file: &Path, kind: Kind) -> Result<CompiledCode> {
    // SAFETY: as promised above.
    Ok(match kind {
        Kind::Module => CompiledCode::Module(unsafe { Module::deserialize_file(engine, file) }?),
        Kind::Component => CompiledCode::Component(unsafe { Component::deserialize_file(engine, file) }?),
    })
}
