//! Finds the binary that belongs to a dump: the places to look, and the ways to check that a file fits.

pub mod body;
pub mod branch;
pub mod check;
mod folders;
mod paths;

use std::path::PathBuf;

pub use check::{CallOffset, Convention};
pub(crate) use folders::{Folders, modules_in};
pub(crate) use paths::{Searched, build_id_files, stages};

/// The places in which binaries are looked for, and what may be opened there.
#[derive(Clone, Debug)]
pub struct Options {
    /// `-m [NAME=]FILE`: a file, for the module of this name or for any.
    pub named: Vec<(Option<String>, PathBuf)>,
    /// `--symbols-path DIR`: folders in which binaries and debug files are looked for.
    pub symbol_paths: Vec<PathBuf>,
    /// True if paths that the dump names may be opened.
    pub recorded_paths: bool,
    /// True if files that a module names (its debug info, its source map) may lie anywhere. Else only those in the
    /// module's own folder and in `symbol_paths` are opened.
    pub trusted: bool,
    /// The path of the dump's own file, beside which binaries are looked for.
    pub dump_path: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Options { named: Vec::new(), symbol_paths: Vec::new(), recorded_paths: true, trusted: true, dump_path: None }
    }
}

impl Options {
    /// Adds a folder in which binaries and debug files are looked for.
    #[must_use]
    pub fn symbol_path(mut self, folder: impl Into<PathBuf>) -> Options {
        self.symbol_paths.push(folder.into());
        self
    }

    /// Uses a file for the module of this name, or for any module that it fits.
    #[must_use]
    pub fn module(mut self, name: Option<&str>, file: impl Into<PathBuf>) -> Options {
        self.named.push((name.map(str::to_owned), file.into()));
        self
    }

    /// Opens nothing that the dump or a module names, unless it lies in a folder of [`Options::symbol_path`] or beside
    /// the module: for dumps and modules that come from strangers.
    #[must_use]
    pub fn untrusted(mut self) -> Options {
        (self.recorded_paths, self.trusted) = (false, false);
        self
    }
}
