//! Keeps the binaries that were opened, so that dumps of one program share its module and its symbols.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use self_cell::self_cell;
use sha2::{Digest, Sha256};

use crate::buffer::read_in_parts;
use crate::catalog::Catalog;
use crate::digest;
use crate::error::{Error, Result};
use crate::files::{Files, Search};
use crate::locate::Folders;
use crate::locate::body::{Instructions, ModuleBodies};
use crate::locked::Locked;
use crate::mapped::Bytes;
use crate::module::{self, Module};
use crate::stamp::Stamp;
use crate::symbols::{EmbeddedSource, Location, Neighbours, SourceFrame, Symbols, SymbolsKind};

/// The binaries that were opened. Dumps and threads share it: each file is opened once, and each module's symbols are
/// read once. Nothing is dropped from it before it is dropped itself.
#[derive(Default)]
pub struct BinaryStore {
    folders: Folders,
    search: Locked<Arc<Search>>,
    by_path: Locked<HashMap<PathBuf, Arc<OnceLock<Opened>>>>,
    embedded: Locked<HashMap<String, Arc<Binary>>>,
}

type Opened = Arc<Result<Vec<Arc<Binary>>, Error>>;

/// A core module in a file, or in a dump.
pub struct Binary {
    path: Option<PathBuf>,
    file: Option<Arc<Bytes>>,
    nested: Option<usize>,
    code: Arc<CodeCell>,
    search: Arc<Search>,
    sha256: OnceLock<String>,
    digest: OnceLock<String>,
    content_sha256: OnceLock<String>,
    symbols: OnceLock<SymbolsCell>,
}

/// A range of a file's bytes: the whole file, or a core module in a component.
struct FilePart {
    file: Arc<Bytes>,
    start: usize,
    end: usize,
}

impl FilePart {
    fn bytes(&self) -> &[u8] {
        &self.file[self.start..self.end]
    }
}

self_cell!(
    /// A module with the bytes that it was parsed from.
    struct CodeCell {
        owner: FilePart,
        #[covariant]
        dependent: ModuleBodies,
    }
);

/// The files that symbols are read from.
struct SymbolFiles {
    code: Arc<CodeCell>,
    path: Option<PathBuf>,
    file: Option<Arc<Bytes>>,
    files: Files,
}

/// Symbols, and what is remembered of the entries in their debug info.
struct Loaded<'s> {
    symbols: Symbols<'s>,
    catalog: OnceLock<Option<Arc<Catalog<'s>>>>,
}

self_cell!(
    /// Symbols with the files that they were read from.
    struct SymbolsCell {
        owner: SymbolFiles,
        #[not_covariant]
        dependent: Loaded,
    }
);

impl BinaryStore {
    /// An empty store.
    pub fn new() -> BinaryStore {
        BinaryStore::default()
    }

    /// Sets where the files that modules name are looked for, from now on.
    pub(super) fn set_search(&self, search: Search) {
        *self.search.lock() = Arc::new(search);
    }

    /// The folders that were searched.
    pub(super) fn folders(&self) -> &Folders {
        &self.folders
    }

    /// The core modules in a file: one, or those nested in a component. Only regular files are opened, each once.
    pub fn open(&self, path: &Path) -> Arc<Result<Vec<Arc<Binary>>, Error>> {
        let known = self.by_path.lock().get(path).cloned();
        // The list is free for other threads while this file is opened.
        let opened = known.unwrap_or_else(|| self.by_path.lock().entry(path.to_owned()).or_default().clone());
        opened.get_or_init(|| Arc::new(self.open_new(path))).clone()
    }

    fn open_new(&self, path: &Path) -> Result<Vec<Arc<Binary>>> {
        let file = Arc::new(Bytes::open_regular(path)?);
        let modules = module::nested(&file).map_err(|error| error.in_file(path))?;
        let single = matches!(modules[..], [only] if only.len() == file.len());
        let binaries = modules.into_iter().enumerate().filter_map(|(index, bytes)| {
            let nested = (!single).then_some(index);
            let start = file.offset_of(bytes)?;
            let part = FilePart { file: file.clone(), start, end: start + bytes.len() };
            Some(self.add(Some((path.to_owned(), file.clone())), nested, parse(part).ok()?))
        });
        Ok(binaries.collect())
    }

    /// A module that a dump embeds, copied so that it outlives the dump. The same module is kept once.
    pub fn embedded(&self, bytes: &[u8], claimed_hash: Option<&str>) -> Result<Arc<Binary>> {
        let known = |hash: &str| {
            let embedded = self.embedded.lock();
            embedded.get(hash).filter(|binary| binary.module().bytes() == bytes).cloned()
        };
        if let Some(binary) = claimed_hash.and_then(known) {
            return Ok(binary);
        }
        // Checked before the copy is made and kept.
        Module::parse(bytes)?;
        let file = Arc::new(Bytes::Owned(bytes.to_vec()));
        let binary = self.add(None, None, parse(FilePart { file, start: 0, end: bytes.len() })?);
        let hash = claimed_hash.unwrap_or_else(|| binary.digest()).to_owned();
        self.embedded.lock().insert(hash, binary.clone());
        Ok(binary)
    }

    fn add(&self, file: Option<(PathBuf, Arc<Bytes>)>, nested: Option<usize>, code: CodeCell) -> Arc<Binary> {
        let (path, file) = file.unzip();
        Arc::new(Binary {
            path,
            file,
            nested,
            code: Arc::new(code),
            search: self.search.lock().clone(),
            sha256: OnceLock::new(),
            digest: OnceLock::new(),
            content_sha256: OnceLock::new(),
            symbols: OnceLock::new(),
        })
    }
}

fn parse(part: FilePart) -> Result<CodeCell> {
    CodeCell::try_new(part, |part| Ok(ModuleBodies::new(Module::parse(part.bytes())?)))
}

impl Binary {
    /// The file; `None` for a module that the dump embeds.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Its index among the core modules of a component.
    pub fn nested(&self) -> Option<usize> {
        self.nested
    }

    /// Returns the byte offset in its file at which the core module begins: not 0 if it is nested in a component.
    pub fn start(&self) -> u64 {
        self.file.as_ref().and_then(|file| file.offset_of(self.module().bytes())).unwrap_or(0) as u64
    }

    /// The core module.
    pub fn module(&self) -> &Module<'_> {
        self.code().module()
    }

    /// The stamp of its file, if there is nothing else in it and it is not small.
    pub(crate) fn stamp(&self) -> Option<Stamp> {
        self.whole_file()?.stamp()
    }

    /// SHA-256 of the core module's bytes, lower-case hex.
    pub fn sha256(&self) -> &str {
        self.sha256.get_or_init(|| {
            let hashed = self.reopen().and_then(|file| {
                let mut hash = Sha256::new();
                let read = read_in_parts(&file, 0..self.module().bytes().len() as u64, |_, part| {
                    hash.update(part);
                    Ok(())
                });
                read.ok()?;
                Some(module::hex(&hash.finalize()))
            });
            hashed.unwrap_or_else(|| self.module().sha256().to_owned())
        })
    }

    /// BLAKE3 of the core module's bytes.
    pub fn digest(&self) -> &str {
        self.digest.get_or_init(|| {
            let bytes = self.module().bytes();
            let file = self.reopen().and_then(|file| digest::of_file(&file, bytes.len()));
            file.unwrap_or_else(|| digest::of_bytes(bytes))
        })
    }

    /// Its file, if there is nothing else in it.
    fn whole_file(&self) -> Option<&Bytes> {
        self.file.as_deref().filter(|_| self.nested.is_none())
    }

    /// Its file, opened for reading: where all of it is needed, reading keeps the pages of the mapping from becoming
    /// resident.
    fn reopen(&self) -> Option<File> {
        self.whole_file()?.reopen()
    }

    /// SHA-256 of the core module without its custom sections, lower-case hex.
    pub fn content_sha256(&self) -> &str {
        self.content_sha256.get_or_init(|| self.module().content_sha256())
    }

    /// Its code, as the frame check reads it.
    pub(crate) fn code(&self) -> &ModuleBodies<'_> {
        self.code.borrow_dependent()
    }

    /// The instructions of a function, decoded once.
    #[doc(hidden)]
    pub fn instructions(&self, function: u32) -> Option<Arc<Instructions>> {
        self.code().instructions(function)
    }

    /// Calls `look` with its symbols, which are read on the first call.
    fn loaded<'b, R>(&'b self, look: impl for<'s> FnOnce(&'b Loaded<'s>) -> R) -> R {
        let symbols = self.symbols.get_or_init(|| {
            let sources = SymbolFiles {
                code: self.code.clone(),
                path: self.path.clone(),
                file: self.file.clone(),
                files: Files::new(self.search.clone()),
            };
            SymbolsCell::new(sources, |sources| {
                let module = sources.code.borrow_dependent().module();
                let neighbours = Neighbours::new(&sources.files, sources.path.as_deref(), sources.file.as_deref());
                Loaded { symbols: Symbols::load(module, neighbours), catalog: OnceLock::new() }
            })
        });
        symbols.with_dependent(|_, loaded| look(loaded))
    }

    /// Allows as much work on its debug info as at first, as another dump is to be read.
    pub(super) fn renew_work(&self) {
        if let Some(symbols) = self.symbols.get() {
            symbols.with_dependent(|_, loaded| loaded.symbols.debug().into_iter().for_each(|debug| debug.renew_work()));
        }
    }

    /// Leaves so many steps of work on its debug info.
    #[cfg(test)]
    pub(crate) fn leave_work(&self, steps: u64) {
        self.loaded(|loaded| loaded.symbols.debug().into_iter().for_each(|debug| debug.leave_work(steps)));
    }

    /// The kind of its symbols.
    pub fn symbols_kind(&self) -> SymbolsKind {
        self.loaded(|loaded| loaded.symbols.kind())
    }

    /// Returns the origin of its symbols, in words for the user.
    pub fn symbols_origin(&self) -> &str {
        self.loaded(|loaded| loaded.symbols.origin())
    }

    /// The parts of its symbols that could not be used, and why. The list grows as addresses are looked up.
    pub fn symbols_problems(&self) -> Vec<String> {
        self.loaded(|loaded| loaded.symbols.problems())
    }

    /// Returns true if it has DWARF that was made for its code, in its own file or another.
    pub fn has_dwarf(&self) -> bool {
        self.loaded(|loaded| loaded.symbols.debug().is_some())
    }

    /// The source frames at a byte offset in the module, within a function: innermost inlined call first, the function
    /// itself last. Empty where nothing is known.
    pub fn lookup(&self, function: u32, module_offset: u64) -> Arc<[SourceFrame]> {
        self.loaded(|loaded| loaded.symbols.lookup(self.module(), function, module_offset))
    }

    /// The contents of `file` as far as its debug info holds them, as a location in a function names it.
    pub fn embedded_source(&self, function: u32, file: &str) -> Option<EmbeddedSource> {
        self.loaded(|loaded| loaded.symbols.embedded_source(self.module(), function, file))
    }

    /// Returns the place at which the source declares a function; `None` if its debug info does not say so.
    pub(crate) fn declaration(&self, function: u32) -> Option<Location> {
        self.loaded(|loaded| loaded.symbols.declaration(self.module(), function))
    }

    /// Calls `look` with the entries of its debug info; `None` if it has none.
    pub(crate) fn with_catalog<'b, R>(&'b self, look: impl for<'s> FnOnce(&'b Arc<Catalog<'s>>) -> R) -> Option<R> {
        self.loaded(|loaded| {
            let catalog = loaded.catalog.get_or_init(|| Some(Arc::new(Catalog::new(loaded.symbols.debug()?.clone()))));
            catalog.as_ref().map(look)
        })
    }

    /// A function's name as the symbols have it, mangled or not.
    pub fn function_name(&self, function: u32) -> Option<&str> {
        self.loaded(|loaded| loaded.symbols.function_name(self.module(), function))
    }

    /// Its name in a message.
    pub fn describe(&self) -> String {
        match (&self.path, self.nested) {
            (None, _) => "the module embedded in the dump".to_owned(),
            (Some(path), None) => path.display().to_string(),
            (Some(path), Some(index)) => format!("core module {index} of {}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_share_a_store_and_what_is_read_in_it() {
        fn shared<T: Send + Sync>() {}
        shared::<BinaryStore>();
        shared::<Arc<Binary>>();
        shared::<crate::variables::Inspector<'_>>();
    }

    #[test]
    fn a_file_is_opened_once_by_all_threads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.wasm");
        std::fs::write(&path, wat::parse_str("(module (func $f (export \"f\") unreachable))").unwrap()).unwrap();
        let store = BinaryStore::new();
        let open = || store.open(&path).as_ref().as_ref().unwrap()[0].clone();
        let opened = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        assert!(opened.iter().all(|binary| Arc::ptr_eq(binary, &opened[0])));
        assert_eq!(opened[0].function_name(0), Some("f"));
    }
}
