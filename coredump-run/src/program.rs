//! The program to run: a core module or a component, binary or text.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use coredump_core::cli::args::RawArg;
use coredump_core::cli::text;
use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::module;
use coredump_core::stamp::Stamp;
use wasmtime::component::Component;
use wasmtime::{Engine, Module};

/// A program, compiled.
pub struct Program {
    /// What to run.
    pub code: Code,
    /// The absolute path of its file.
    pub path: PathBuf,
    /// The path as it was given.
    pub given: PathBuf,
    /// The stamp of its file, if that was read after it had come to rest.
    stamp: Option<Stamp>,
    /// No file holds the bytes that ran: it was text, or came from standard input.
    pub fileless: bool,
    binary: Arc<[u8]>,
    /// Where its core modules are in `binary`.
    modules: Vec<Range<usize>>,
}

/// What a program is made of.
pub enum Code {
    /// A core module.
    Module(Module),
    /// A component.
    Component(Component),
}

/// A program, read.
#[derive(Clone)]
pub struct Source {
    path: PathBuf,
    given: PathBuf,
    stamp: Option<Stamp>,
    fileless: bool,
    binary: Arc<[u8]>,
}

impl Source {
    /// Reads the file. The error says whether it could not be read ([`ErrorKind::Io`]) or is no program.
    pub fn read(file: &RawArg) -> Result<Source> {
        let path = file.path();
        let from_stdin = file.0 == "-";
        let read = if from_stdin { read_stdin().map(|bytes| (bytes, None)) } else { read_file(path) };
        let (bytes, stamp) = read.map_err(|error| Error::io("cannot read", error).in_file(path))?;
        let fileless = from_stdin || !bytes.starts_with(b"\0asm");
        let binary = wat::parse_bytes(&bytes).map_err(|error| {
            let message = error.to_string();
            Error::new(ErrorKind::NotWasm, format!("not a WebAssembly program: {}", first_line(&message))).in_file(path)
        })?;
        if coredump_core::read::read(&binary).is_ok() {
            return Err(Error::new(ErrorKind::WrongFile, "a core dump, not a program")
                .in_file(path)
                .hint(format!("coredump-bt {}", text::shell(path.as_os_str()))));
        }
        let given = path.to_owned();
        let path = match from_stdin {
            true => PathBuf::from("/dev/stdin"),
            false => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
        };
        Ok(Source { path, given, stamp, fileless, binary: binary.into() })
    }

    /// A module that is at hand; `fileless` if no file holds it.
    pub fn of_bytes(path: &str, bytes: &[u8], fileless: bool) -> Source {
        Source { path: path.into(), given: path.into(), stamp: None, fileless, binary: bytes.into() }
    }

    /// Its path, as text.
    pub fn name(&self) -> &str {
        self.path.to_str().unwrap_or_default()
    }

    /// SHA-256 of its bytes, lower-case hex, if it is a core module.
    pub fn sha256(&self) -> Option<String> {
        module::Module::parse(&self.binary).ok().map(|module| module.sha256().to_owned())
    }

    /// The program's bytes.
    pub fn binary(&self) -> &[u8] {
        &self.binary
    }

    /// Compiles it.
    pub fn compile(self, engine: &Engine) -> Result<Program> {
        let Source { path, given, stamp, fileless, binary } = self;
        let compile = || {
            Ok(match kind(&binary) {
                Kind::Component => Code::Component(Component::from_binary(engine, &binary)?),
                Kind::Module => Code::Module(Module::from_binary(engine, &binary)?),
            })
        };
        let code = compile().map_err(|error: wasmtime::Error| {
            Error::new(ErrorKind::Malformed, format!("cannot compile: {}", crate::ending::message(&error)))
                .in_file(&given)
        })?;
        let modules = module::nested(&binary).unwrap_or_default();
        let base = binary.as_ptr() as usize;
        let modules = modules.iter().map(|module| (module.as_ptr() as usize - base, module.len()));
        let modules = modules.map(|(start, len)| start..start + len).collect();
        Ok(Program { code, path, given, stamp, fileless, binary, modules })
    }
}

impl Program {
    /// What it was compiled from.
    pub fn source(&self) -> Source {
        Source {
            path: self.path.clone(),
            given: self.given.clone(),
            stamp: self.stamp,
            fileless: self.fileless,
            binary: self.binary.clone(),
        }
    }

    /// The stamp of its file, if a module is all that the file holds, and what is or was written to it since it was read
    /// changes the stamp.
    pub fn stamp(&self) -> Option<Stamp> {
        if self.fileless || !matches!(self.code, Code::Module(_)) {
            return None;
        }
        // Built just before it ran: has it been built again in the same moment?
        let again = || read_file(&self.path).ok().filter(|(bytes, _)| **bytes == *self.binary)?.1;
        self.stamp.or_else(again)
    }

    /// The bytes of a core module of this program. An uninstrumented engine has forgotten them: then it is the one whose
    /// name and functions agree, if only one does.
    pub fn bytes_of<'p>(&'p self, module: &'p Module) -> Option<&'p [u8]> {
        if let Some(bytes) = module.debug_bytecode() {
            return Some(bytes);
        }
        let fits = |bytes: &&[u8]| {
            let Ok(parsed) = module::Module::parse(bytes) else { return false };
            let defined = parsed.function_count().checked_sub(parsed.imported_functions());
            parsed.name() == module.name()
                && defined.is_some_and(|defined| defined as usize == module.functions().len())
                && parsed.exports().len() == module.exports().len()
                && parsed.imports().len() == module.imports().len()
        };
        let mut found = self.modules.iter().map(|range| &self.binary[range.clone()]).filter(fits);
        match (found.next(), found.next()) {
            (Some(bytes), None) => Some(bytes),
            _ => None,
        }
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

fn read_stdin() -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The contents of a file, and its stamp if it cannot be written to without getting another.
fn read_file(path: &Path) -> std::io::Result<(Vec<u8>, Option<Stamp>)> {
    let mut file = File::open(path)?;
    let stamp = Stamp::of(&file.metadata()?);
    let settled = stamp.is_settled(SystemTime::now());
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    // Someone may be writing to it.
    let settled = settled && Stamp::of(&file.metadata()?) == stamp;
    Ok((bytes, settled.then_some(stamp)))
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or(text)
}
