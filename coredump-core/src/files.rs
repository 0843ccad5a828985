//! Files that were opened and are kept: what is parsed from them borrows from here and lives as long.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use typed_arena::Arena;

use crate::error::Result;
use crate::mapped::Bytes;

/// Keeps the bytes of files. Nothing is ever dropped from it.
#[derive(Default)]
pub struct Files {
    kept: Arena<Bytes>,
    search: RefCell<Search>,
}

/// Where the files that a module itself names (debug info, source maps) may be.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Folders besides the module's own.
    pub folders: Vec<PathBuf>,
    /// Paths that a module names may lead out of these folders.
    pub trusted: bool,
    /// So may those that a module embedded in a dump names.
    pub embedded_trusted: bool,
}

impl Files {
    /// The contents of a regular file.
    pub fn read(&self, path: &Path) -> Result<&[u8]> {
        Ok(self.open(path)?)
    }

    /// A regular file, mapped.
    pub fn open(&self, path: &Path) -> Result<&Bytes> {
        Ok(self.kept.alloc(Bytes::open_regular(path)?))
    }

    /// Keeps bytes from elsewhere.
    pub fn keep(&self, bytes: Vec<u8>) -> &[u8] {
        self.kept.alloc(Bytes::Owned(bytes))
    }

    /// Where to look.
    pub fn search(&self) -> Search {
        self.search.borrow().clone()
    }

    /// Sets where to look.
    pub fn set_search(&self, search: Search) {
        self.search.replace(search);
    }
}

/// Whether a file lies in one of the folders, wherever links lead. An empty path is the current folder.
pub fn stays_in(file: &Path, folders: &[PathBuf]) -> bool {
    let Ok(file) = file.canonicalize() else { return false };
    let folders = folders.iter().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    folders.filter_map(|folder| folder.canonicalize().ok()).any(|folder| file.starts_with(folder))
}
