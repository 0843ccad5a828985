//! Code that was compiled before, as the engine executes it. The one module of this crate with `unsafe` code.
//!
//! The engine's own cache compresses code, and takes it into memory anew at each start: for a component of 18 MB that is half of
//! the time that the start takes. A file that is mapped costs what is used of it.
#![allow(unsafe_code)]

use std::path::Path;

use wasmtime::component::Component;
use wasmtime::{Engine, Module, Result};

/// What a program is made of.
pub enum Code {
    /// A core module.
    Module(Module),
    /// A component.
    Component(Component),
}

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A core module.
    Module,
    /// A component.
    Component,
}

impl Code {
    /// Compiles a program.
    pub fn compile(engine: &Engine, binary: &[u8], kind: Kind) -> Result<Code> {
        Ok(match kind {
            Kind::Module => Code::Module(Module::from_binary(engine, binary)?),
            Kind::Component => Code::Component(Component::from_binary(engine, binary)?),
        })
    }
}

/// Compiles a program, and gives the code as it can be kept in a file too.
pub fn compile(engine: &Engine, binary: &[u8], kind: Kind) -> Result<(Code, Vec<u8>)> {
    // SAFETY: these are bytes that the engine has just made, and nobody has changed.
    Ok(match kind {
        Kind::Module => {
            let bytes = engine.precompile_module(binary)?;
            (Code::Module(unsafe { Module::deserialize(engine, &bytes) }?), bytes)
        }
        Kind::Component => {
            let bytes = engine.precompile_component(binary)?;
            (Code::Component(unsafe { Component::deserialize(engine, &bytes) }?), bytes)
        }
    })
}

/// Maps code that [`compile`] gave from a file of the cache. What a file holds is executed as it is, so this is for
/// [`super::Cache`] alone, which promises that
///
/// - nobody but this user and root can write in its folder, nor put another one in its place, and the program that runs cannot;
/// - a file appears there once it is whole, and is never changed afterwards: it is removed, and what has mapped it keeps it.
///
/// The engine checks that the code is of its own version, for its settings and this processor.
pub fn load(engine: &Engine, file: &Path, kind: Kind) -> Result<Code> {
    // SAFETY: as promised above.
    Ok(match kind {
        Kind::Module => Code::Module(unsafe { Module::deserialize_file(engine, file) }?),
        Kind::Component => Code::Component(unsafe { Component::deserialize_file(engine, file) }?),
    })
}
