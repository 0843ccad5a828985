//! The modules that lie in a folder. A fleet's dumps often lie in one: it is listed once, not once a dump.

use std::collections::HashMap;
use std::fs::Metadata;
use std::path::{Path, PathBuf};

use crate::locked::Locked;

/// Entries of one folder that are listed: among many dumps there may be few modules.
const MAX_ENTRIES: usize = 1 << 20;
/// Modules of one folder that are looked at.
const MAX_MODULES: usize = 4096;
/// Lists that are kept.
const MAX_KEPT: usize = 64;

/// Folders that were listed.
#[derive(Default)]
pub(crate) struct Folders {
    kept: Locked<HashMap<PathBuf, Vec<PathBuf>>>,
}

impl Folders {
    /// As [`modules_in`].
    pub fn modules(&self, folder: &Path) -> Vec<PathBuf> {
        let mut kept = self.kept.lock();
        if let Some(modules) = kept.get(folder) {
            return modules.clone();
        }
        if kept.len() == MAX_KEPT {
            kept.clear();
        }
        kept.entry(folder.to_owned()).or_insert_with(|| modules_in(folder)).clone()
    }
}

/// All modules in a folder, small ones first and those of one size by name; none of a folder that cannot be read.
pub(crate) fn modules_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<(u64, PathBuf)> = entries
        .take(MAX_ENTRIES)
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm" || extension == "debug"))
        .filter_map(|path| Some((path.metadata().ok().filter(Metadata::is_file)?.len(), path)))
        .take(MAX_MODULES)
        .collect();
    files.sort();
    files.into_iter().map(|(_, path)| path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_found_among_any_number_of_dumps() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..5000 {
            std::fs::write(folder.path().join(format!("{number}.coredump")), "").unwrap();
        }
        std::fs::write(folder.path().join("app.wasm"), "").unwrap();
        std::fs::create_dir(folder.path().join("folder.wasm")).unwrap();
        assert_eq!(Folders::default().modules(folder.path()), [folder.path().join("app.wasm")]);
    }

    #[test]
    fn of_more_modules_than_the_bound_the_rest_is_not_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..MAX_MODULES + 10 {
            std::fs::write(folder.path().join(format!("{number}.wasm")), "").unwrap();
        }
        assert_eq!(Folders::default().modules(folder.path()).len(), MAX_MODULES);
    }
}
