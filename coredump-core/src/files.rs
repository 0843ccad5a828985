//! Files that were opened and are kept: what is parsed from them borrows from here and lives as long.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::Result;
use crate::mapped::Bytes;

/// Keeps the bytes of the files around one module. Nothing is dropped from it before it is dropped itself.
#[derive(Default)]
pub struct Files {
    kept: boxcar::Vec<Bytes>,
    search: Arc<Search>,
}

/// The places in which the files that a module itself names (debug info, source maps) are looked for.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Folders besides the module's own.
    pub folders: Vec<PathBuf>,
    /// True if paths that a module names may lead out of these folders.
    pub trusted: bool,
    /// True if paths that a module embedded in a dump names may do so as well.
    pub embedded_trusted: bool,
}

impl Files {
    /// Looks for files as `search` says.
    pub fn new(search: Arc<Search>) -> Files {
        Files { kept: boxcar::Vec::new(), search }
    }

    /// The contents of a regular file.
    pub fn read(&self, path: &Path) -> Result<&[u8]> {
        Ok(self.open(path)?)
    }

    /// A regular file, mapped.
    pub fn open(&self, path: &Path) -> Result<&Bytes> {
        let index = self.kept.push(Bytes::open_regular(path)?);
        Ok(&self.kept[index])
    }

    /// Keeps bytes that were computed from a file's contents.
    pub fn keep(&self, bytes: Vec<u8>) -> &[u8] {
        let index = self.kept.push(Bytes::Owned(bytes));
        &self.kept[index]
    }

    /// Returns the places in which files are looked for.
    pub fn search(&self) -> &Search {
        &self.search
    }
}

/// Returns true if a file lies in one of the folders after all links are resolved. An empty path is the current folder.
pub fn stays_in(file: &Path, folders: &[PathBuf]) -> bool {
    let Ok(file) = file.canonicalize() else { return false };
    let folders = folders.iter().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    folders.filter_map(|folder| folder.canonicalize().ok()).any(|folder| file.starts_with(folder))
}
