//! The binaries that were opened, kept and shared: dumps of one program share its module and its symbols.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use sha2::{Digest, Sha256};
use typed_arena::Arena;

use crate::buffer::read_in_parts;
use crate::digest;
use crate::error::{Error, Result};
use crate::files::Files;
use crate::locate::Folders;
use crate::locate::body::{Code, Instructions};
use crate::mapped::Bytes;
use crate::module::{self, Module};
use crate::stamp::Stamp;
use crate::symbols::{Neighbours, Symbols};

/// Owns the files it opens; what is read from them borrows from it and lives as long. Nothing is ever dropped from it,
/// and each file is opened once. For one thread: give each worker its own.
#[derive(Default)]
pub struct Store<'s> {
    files: Files,
    folders: Folders,
    binaries: Arena<Binary<'s>>,
    by_path: RefCell<HashMap<PathBuf, Opened<'s>>>,
    embedded: RefCell<HashMap<String, &'s Binary<'s>>>,
}

type Opened<'s> = Rc<Result<Vec<&'s Binary<'s>>, Error>>;

/// A core module in a file, or in a dump.
pub struct Binary<'s> {
    store: &'s Store<'s>,
    path: Option<PathBuf>,
    file: Option<&'s Bytes>,
    nested: Option<usize>,
    code: Code<'s>,
    sha256: OnceCell<String>,
    digest: OnceCell<String>,
    content_sha256: OnceCell<String>,
    symbols: OnceCell<Symbols<'s>>,
}

impl<'s> Store<'s> {
    /// An empty store.
    pub fn new() -> Store<'s> {
        Store::default()
    }

    /// The files it keeps.
    pub(super) fn files(&self) -> &Files {
        &self.files
    }

    /// The folders that were searched.
    pub(super) fn folders(&self) -> &Folders {
        &self.folders
    }

    /// The core modules in a file: one, or those nested in a component. Only regular files are opened, each once.
    pub fn open(&'s self, path: &Path) -> Rc<Result<Vec<&'s Binary<'s>>, Error>> {
        if let Some(known) = self.by_path.borrow().get(path) {
            return known.clone();
        }
        let opened = Rc::new(self.open_new(path));
        self.by_path.borrow_mut().insert(path.to_owned(), opened.clone());
        opened
    }

    fn open_new(&'s self, path: &Path) -> Result<Vec<&'s Binary<'s>>> {
        let file = self.files.open(path)?;
        let bytes: &[u8] = file;
        let modules = module::nested(bytes).map_err(|error| error.in_file(path))?;
        let single = matches!(modules[..], [only] if only.len() == bytes.len());
        let binaries = modules.into_iter().enumerate().filter_map(|(index, bytes)| {
            let nested = (!single).then_some(index);
            Some(self.add(Some((path.to_owned(), file)), nested, Module::parse(bytes).ok()?))
        });
        Ok(binaries.collect())
    }

    /// A module that a dump embeds, copied so that it outlives the dump. The same module is kept once.
    pub fn embedded(&'s self, bytes: &[u8], claimed_hash: Option<&str>) -> Result<&'s Binary<'s>> {
        let known = |hash: &str| {
            let embedded = self.embedded.borrow();
            embedded.get(hash).copied().filter(|binary| binary.module().bytes() == bytes)
        };
        if let Some(binary) = claimed_hash.and_then(known) {
            return Ok(binary);
        }
        // Checked before the copy is made and kept.
        Module::parse(bytes)?;
        let binary = self.add(None, None, Module::parse(self.files.keep(bytes.to_vec()))?);
        let hash = claimed_hash.unwrap_or_else(|| binary.digest()).to_owned();
        self.embedded.borrow_mut().insert(hash, binary);
        Ok(binary)
    }

    fn add(&'s self, file: Option<(PathBuf, &'s Bytes)>, nested: Option<usize>, module: Module<'s>) -> &'s Binary<'s> {
        let (path, file) = file.unzip();
        self.binaries.alloc(Binary {
            store: self,
            path,
            file,
            nested,
            code: Code::new(module),
            sha256: OnceCell::new(),
            digest: OnceCell::new(),
            content_sha256: OnceCell::new(),
            symbols: OnceCell::new(),
        })
    }
}

impl<'s> Binary<'s> {
    /// The file; `None` for a module that the dump embeds.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Its index among the core modules of a component.
    pub fn nested(&self) -> Option<usize> {
        self.nested
    }

    /// The core module.
    pub fn module(&self) -> &Module<'s> {
        self.code.module()
    }

    /// The stamp of its file, if there is nothing else in it and it is not small.
    pub fn stamp(&self) -> Option<Stamp> {
        self.file.filter(|_| self.nested.is_none())?.stamp()
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

    /// [Digest](crate::digest) of the core module's bytes.
    pub fn digest(&self) -> &str {
        self.digest.get_or_init(|| {
            let bytes = self.module().bytes();
            let file = self.reopen().and_then(|file| digest::of_file(&file, bytes.len()));
            file.unwrap_or_else(|| digest::of_bytes(bytes))
        })
    }

    /// Its file, to be read where all of it is needed: in the mapping all would become resident.
    fn reopen(&self) -> Option<File> {
        self.file.filter(|_| self.nested.is_none())?.reopen()
    }

    /// SHA-256 of the core module without its custom sections, lower-case hex.
    pub fn content_sha256(&self) -> &str {
        self.content_sha256.get_or_init(|| self.code.module().content_sha256())
    }

    /// Its code, as the frame check reads it.
    pub fn code(&self) -> &Code<'s> {
        &self.code
    }

    /// The instructions of a function, decoded once.
    pub fn instructions(&self, function: u32) -> Option<Rc<Instructions>> {
        self.code.instructions(function)
    }

    /// Its symbols, found once.
    pub fn symbols(&'s self) -> &'s Symbols<'s> {
        self.symbols.get_or_init(|| {
            Symbols::load(self.code.module(), Neighbours::of(&self.store.files, self.path.as_deref(), self.file))
        })
    }

    /// Its DWARF, wherever that lies.
    pub fn dwarf(&'s self) -> Option<&'s crate::symbols::Dwarf<'s>> {
        self.symbols().debug().map(|debug| debug.dwarf())
    }

    /// A function's name as the symbols have it, mangled or not.
    pub fn function_name(&'s self, function: u32) -> Option<&'s str> {
        self.symbols().function_name(self.code.module(), function)
    }

    /// What to call it in a message.
    pub fn describe(&self) -> String {
        match (&self.path, self.nested) {
            (None, _) => "the module embedded in the dump".to_owned(),
            (Some(path), None) => path.display().to_string(),
            (Some(path), Some(index)) => format!("core module {index} of {}", path.display()),
        }
    }
}
