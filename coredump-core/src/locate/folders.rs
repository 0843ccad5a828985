//! Lists the modules in a folder. Many dumps often lie in one folder, so each folder is listed only once.

use std::collections::HashMap;
use std::fs::Metadata;
use std::path::{Path, PathBuf};

use crate::locked::Locked;

/// The number of entries of one folder that are listed: there may be few modules among many dumps.
const MAX_ENTRIES: usize = 1 << 20;
/// The number of modules of one folder that are looked at.
const MAX_MODULES: usize = 4096;
/// The number of lists that are kept.
const MAX_KEPT: usize = 64;

/// Folders that were listed.
#[derive(Default)]
pub(crate) struct Folders {
    kept: Locked<HashMap<PathBuf, Vec<PathBuf>>>,
}

impl Folders {
    /// As [`modules_in`], from memory if the folder was listed before.
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

/// All modules in a folder and in its build-id folders (`ab`, for ids that begin with these digits), by size and then
/// by name. Empty for a folder that cannot be read.
pub(crate) fn modules_in(folder: &Path) -> Vec<PathBuf> {
    let entries = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten();
        entries.take(MAX_ENTRIES).filter_map(|entry| Some(entry.ok()?.path()))
    };
    let of_build_ids = entries(folder).filter(|path| is_of_build_ids(path)).flat_map(|path| entries(&path));
    let mut files: Vec<(u64, PathBuf)> = entries(folder)
        .chain(of_build_ids)
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm" || extension == "debug"))
        .filter_map(|path| Some((path.metadata().ok().filter(Metadata::is_file)?.len(), path)))
        .take(MAX_MODULES)
        .collect();
    files.sort();
    files.into_iter().map(|(_, path)| path).collect()
}

/// Returns true if it is a build-id folder: its name is the first byte of ids, two hexadecimal digits.
fn is_of_build_ids(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.len() == 2 && name.bytes().all(|byte| byte.is_ascii_hexdigit()) && path.is_dir()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_that_lie_under_their_build_ids_are_found() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["ab", "zz", "abc"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            std::fs::write(folder.path().join(name).join("cdef.wasm"), "").unwrap();
        }
        assert_eq!(modules_in(folder.path()), [folder.path().join("ab/cdef.wasm")]);
    }

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
