//! The program to run: a core module or a component, binary or text.

use std::path::PathBuf;

use coredump_core::cli::args::RawArg;
use coredump_core::error::{Error, ErrorKind, Result};
use wasmtime::component::Component;
use wasmtime::{Engine, Module};

/// A program, compiled.
pub struct Program {
    /// What to run.
    pub code: Code,
    /// The absolute path of its file.
    pub path: PathBuf,
    /// It was text: no file holds the bytes that ran.
    pub text: bool,
}

/// What a program is made of.
pub enum Code {
    /// A core module.
    Module(Module),
    /// A component.
    Component(Component),
}

impl Program {
    /// Reads and compiles the file. The error says whether the file could not be read ([`ErrorKind::Io`]) or is not
    /// runnable.
    pub fn load(engine: &Engine, file: &RawArg) -> Result<Program> {
        let path = file.path();
        let bytes = std::fs::read(path).map_err(|error| Error::io("cannot read", error).in_file(path))?;
        let text = !bytes.starts_with(b"\0asm");
        let binary = wat::parse_bytes(&bytes).map_err(|error| {
            let message = error.to_string();
            Error::new(ErrorKind::NotWasm, format!("not a WebAssembly program: {}", first_line(&message))).in_file(path)
        })?;
        let compile = || {
            Ok(match kind(&binary) {
                Kind::Component => Code::Component(Component::from_binary(engine, &binary)?),
                Kind::Module => Code::Module(Module::from_binary(engine, &binary)?),
            })
        };
        let code = compile().map_err(|error: wasmtime::Error| {
            Error::new(ErrorKind::Malformed, format!("cannot compile: {}", crate::ending::message(&error))).in_file(path)
        })?;
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Ok(Program { code, path, text })
    }
}

enum Kind {
    Module,
    Component,
}

/// The preamble's layer field: 0 for a core module, 1 for a component (component model, `Binary.md`).
fn kind(binary: &[u8]) -> Kind {
    if binary.get(6..8) == Some(&[1, 0]) { Kind::Component } else { Kind::Module }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or(text)
}
