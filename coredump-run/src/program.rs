//! Reads and compiles the program to run: a core module or a component, binary or text.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use coredump_capture::Binary;
use coredump_capture::internals::{message, read_file, read_program};
use coredump_core::cli::args::RawArg;
use coredump_core::cli::text;
use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::module;
use wasmparser::Payload;
use wasmtime::Engine;

pub use crate::compiled::CompiledCode;
use crate::compiled::{Cache, Kind, guarded};
use crate::offered;
use crate::sections;

/// A compiled program.
pub struct Program {
    /// The compiled code.
    pub code: CompiledCode,
    /// The path as given on the command line.
    pub given: PathBuf,
    /// The bytes of the program.
    pub binary: Arc<Binary>,
    /// The cache of the compiled code, if one is used.
    pub cache: Option<Cache>,
}

/// A program that was read, but not compiled yet.
#[derive(Clone)]
pub struct Source {
    given: PathBuf,
    binary: Arc<Binary>,
    cache: Option<Cache>,
}

impl Source {
    /// Reads the file. The kind of the error says whether it could not be read ([`ErrorKind::Io`]) or is not a program.
    pub fn read(file: &RawArg) -> Result<Source> {
        let path = file.path();
        let from_stdin = file.0 == "-";
        let read =
            if from_stdin { read_program(std::io::stdin().lock()).map(|bytes| (bytes, None)) } else { read_file(path) };
        let (bytes, stamp) = read.map_err(|error| Error::io("cannot read", error).in_file(path))?;
        let parsed = wat::parse_bytes(&bytes).map_err(|error| {
            let message = error.to_string();
            Error::new(ErrorKind::NotWasm, format!("not a WebAssembly program: {}", first_line(&message))).in_file(path)
        })?;
        let is_text = matches!(parsed, Cow::Owned(_));
        let binary = if let Cow::Owned(binary) = parsed { binary } else { bytes };
        if coredump_core::internals::read::read(&binary).is_ok() {
            return Err(Error::new(ErrorKind::WrongFile, "a core dump, not a program").in_file(path).hint(
                if from_stdin {
                    "coredump-bt -".to_owned()
                } else {
                    format!("coredump-bt {}", text::shell(path.as_os_str()))
                },
            ));
        }
        let binary = match from_stdin || is_text {
            true if from_stdin => Binary::from_bytes("/dev/stdin", binary),
            true => Binary::from_bytes(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()), binary),
            false => Binary::from_file(path, stamp, binary),
        };
        Ok(Source { given: path.to_owned(), binary: Arc::new(binary), cache: None })
    }

    /// A module from its bytes; `fileless` if no file contains it.
    pub fn from_bytes(path: &str, bytes: &[u8], fileless: bool) -> Source {
        let binary = match fileless {
            true => Binary::from_bytes(path, bytes),
            false => Binary::from_file(path.as_ref(), None, bytes),
        };
        Source { given: path.into(), binary: Arc::new(binary), cache: None }
    }

    /// Keeps the compiled code in `cache`.
    pub fn kept_in(self, cache: Option<Cache>) -> Source {
        Source { cache, ..self }
    }

    /// The engine's own cache for small modules, if a cache is used.
    pub fn engine_cache(&self) -> Option<wasmtime::Cache> {
        self.cache.as_ref().map(Cache::of_engine)
    }

    /// The path as text.
    pub fn name(&self) -> &str {
        self.binary.path().to_str().unwrap_or_default()
    }

    /// SHA-256 of the bytes, as lower-case hex digits.
    pub fn sha256(&self) -> String {
        module::sha256(self.binary.bytes())
    }

    /// Returns true if the program is a component.
    pub fn is_component(&self) -> bool {
        self.binary.is_component()
    }

    /// The program's bytes.
    pub fn binary(&self) -> &[u8] {
        self.binary.bytes()
    }

    /// Refuses a component with an import that the host does not offer. This is done before it is compiled, which may
    /// take minutes.
    pub fn look_at_imports(&self) -> Result<()> {
        match self.binary.is_component() {
            true => offered::look_at_imports(&names(self.binary.bytes()).imports)
                .map_err(|error| error.in_file(&self.given)),
            false => Ok(()),
        }
    }

    /// The names of a component's exports; `None` for a module.
    pub fn component_exports(&self) -> Option<Vec<&str>> {
        self.binary.is_component().then(|| names(self.binary.bytes()).exports)
    }

    /// Returns true if the program has a memory with 64-bit addresses.
    pub fn has_wide_memory(&self) -> bool {
        wasmparser::Parser::new(0).parse_all(self.binary.bytes()).map_while(|payload| payload.ok()).any(|payload| {
            match payload {
                wasmparser::Payload::MemorySection(memories) => {
                    memories.into_iter().map_while(|memory| memory.ok()).any(|memory| memory.memory64)
                }
                _ => false,
            }
        })
    }

    /// Compiles the program.
    pub fn compile(self, engine: &Engine) -> Result<Program> {
        let Source { given, binary, cache } = self;
        let kind = if binary.is_component() { Kind::Component } else { Kind::Module };
        let instrumented = engine.get_guest_debug();
        let bytes = if instrumented { binary.bytes_to_instrument() } else { binary.bytes() };
        let code = guarded(|| match &cache {
            Some(cache) => cache.code(engine, bytes, kind),
            None => CompiledCode::compile(engine, bytes, kind),
        });
        let code = code.map_err(|error: wasmtime::Error| {
            let message = message(&error);
            let told = Error::new(ErrorKind::Malformed, format!("cannot compile: {message}")).in_file(&given);
            match message.contains("legacy_exceptions") {
                true => told.hint(
                    "it uses the exceptions of before the standard: wasm-opt -all --disable-compact-imports --emit-exnref of \
                     Binaryen 132 rewrites them, as does clang's -mllvm -wasm-use-legacy-eh=false",
                ),
                false => told,
            }
        })?;
        Ok(Program { code, given, binary, cache })
    }
}

impl Program {
    /// The engine's own cache, as [`Source::engine_cache`].
    pub fn engine_cache(&self) -> Option<wasmtime::Cache> {
        self.cache.as_ref().map(Cache::of_engine)
    }

    /// The source of the program.
    pub fn source(&self) -> Source {
        Source { given: self.given.clone(), binary: self.binary.clone(), cache: self.cache.clone() }
    }
}

/// The names of a component's imports and exports. Of a malformed component they may be incomplete, as the compiler
/// reports the error.
#[derive(Default)]
struct ComponentNames<'b> {
    imports: Vec<&'b str>,
    exports: Vec<&'b str>,
}

fn names(bytes: &[u8]) -> ComponentNames<'_> {
    let mut names = ComponentNames::default();
    let mut depth = 0usize;
    for payload in sections::outside_modules(bytes) {
        match payload {
            Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(imports) if depth == 0 => {
                names
                    .imports
                    .extend(imports.into_iter().map_while(|import| import.ok()).map(|import| import.name.name));
            }
            Payload::ComponentExportSection(exports) if depth == 0 => {
                names
                    .exports
                    .extend(exports.into_iter().map_while(|export| export.ok()).map(|export| export.name.name));
            }
            _ => {}
        }
    }
    names
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or(text)
}
