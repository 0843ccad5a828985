//! The files that may hold a module's binary, in the order in which they are tried.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::Folders;
use super::Options;
use crate::files::stays_in;
use crate::model::{CoreDump, ModuleRecord};

/// Files that are tried together: the best of them is taken before the next stage is looked at.
pub(crate) struct Stage {
    /// The reason why these files are tried.
    pub searched: Searched,
    /// The files.
    pub paths: Vec<PathBuf>,
}

/// The reason why a file is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Searched {
    /// `-m`.
    Named,
    /// Its path stands in the dump.
    Recorded,
    /// It is in `--symbols-path` or the dump's folder, under a name from the dump.
    ByName,
    /// It is in one of these folders, under another name.
    Folder,
}

/// All files that may hold the module `index`, stage by stage.
pub(crate) fn stages<'a>(
    dump: &'a CoreDump<'_>,
    record: &'a ModuleRecord<'_>,
    index: usize,
    options: &'a Options,
    listed: &'a Folders,
) -> impl Iterator<Item = Stage> + 'a {
    let folder = options.dump_path.as_deref().and_then(Path::parent).map(|folder| match folder {
        folder if folder.as_os_str().is_empty() => Path::new("."),
        folder => folder,
    });
    let names = recorded_names(dump, record);
    let named =
        options.named.iter().filter(move |(name, _)| name.as_deref().is_none_or(|name| is_called(name, record, index)));
    // Files that were named for this very module come first.
    let (own, any): (Vec<_>, Vec<_>) = named.partition(|(name, _)| name.is_some());
    let files = |list: Vec<&(Option<String>, PathBuf)>| list.into_iter().map(|(_, path)| path.clone()).collect();
    let mut stages: Vec<Box<dyn FnOnce() -> Stage + 'a>> = Vec::new();
    let (own, any): (Vec<PathBuf>, Vec<PathBuf>) = (files(own), files(any));
    stages.push(Box::new(move || Stage { searched: Searched::Named, paths: own }));
    stages.push(Box::new(move || Stage { searched: Searched::Named, paths: any }));
    if options.recorded_paths {
        let names = names.clone();
        stages.push(Box::new(move || Stage { searched: Searched::Recorded, paths: recorded_files(&names, folder) }));
    }
    let folders: Vec<&Path> = options.symbol_paths.iter().map(PathBuf::as_path).chain(folder).collect();
    for folder in folders {
        let mut wanted = build_id_names(record);
        wanted.extend(file_names(&names, options.dump_path.as_deref()));
        stages.push(Box::new(move || {
            let files = wanted.into_iter().map(|name| folder.join(name)).filter(|path| path.is_file());
            Stage {
                searched: Searched::ByName,
                paths: files.filter(|path| may_be_opened(path, folder, options)).collect(),
            }
        }));
        stages.push(Box::new(move || {
            let mut paths = listed.modules(folder);
            paths.retain(|path| may_be_opened(path, folder, options));
            Stage { searched: Searched::Folder, paths }
        }));
    }
    stages.into_iter().map(|stage| stage())
}

/// Returns true if a file of a folder may be opened: a link that leads out of the searched folders is followed only if
/// modules are trusted.
fn may_be_opened(file: &Path, folder: &Path, options: &Options) -> bool {
    options.trusted || {
        let folders: Vec<_> = options.symbol_paths.iter().cloned().chain([folder.to_owned()]).collect();
        stays_in(file, &folders)
    }
}

/// Returns true if `-m NAME=` means this module: by its name, its file's name with or without extension, or its index.
fn is_called(name: &str, record: &ModuleRecord<'_>, index: usize) -> bool {
    let known = [record.name.as_deref(), record.path.as_deref()].into_iter().flatten();
    name == index.to_string()
        || known.map(Path::new).any(|path| {
            path == Path::new(name)
                || path.file_name().is_some_and(|file| file == name)
                || path.file_stem().is_some_and(|stem| stem == name)
        })
}

/// Every name or path the dump gives that may lead to the module.
fn recorded_names<'a>(dump: &'a CoreDump<'_>, record: &'a ModuleRecord<'_>) -> Vec<&'a str> {
    let names = [
        record.path.as_deref(),
        record.name.as_deref(),
        dump.process.executable.as_deref(),
        dump.executable.as_deref(),
    ];
    let mut unique = Vec::new();
    for name in names.into_iter().flatten() {
        let usable = !name.is_empty() && !name.contains('\0') && !name.starts_with('<') && name.len() < 4096;
        if usable && !unique.contains(&name) {
            unique.push(name);
        }
    }
    unique
}

/// The recorded paths as they are, and relative ones in the dump's folder too.
fn recorded_files(names: &[&str], folder: Option<&Path>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for name in names {
        let name = name.strip_prefix("file://").unwrap_or(name);
        let path = Path::new(name);
        let beside = folder.filter(|_| path.is_relative()).map(|folder| folder.join(path));
        for file in [Some(path.to_owned()), beside].into_iter().flatten() {
            if file.is_file() && !files.contains(&file) {
                files.push(file);
            }
        }
    }
    files
}

/// File names the module may have: those in the dump without their folders, and what the dump's own name begins with
/// (`app.1234.coredump` may stem from `app.wasm`).
fn file_names(names: &[&str], dump_path: Option<&Path>) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    let mut add = |name: &str| {
        // Only a plain file name is used, so that no recorded name leads out of the folder.
        if matches!(Path::new(name).components().collect::<Vec<_>>()[..], [Component::Normal(_)]) {
            files.insert(PathBuf::from(name));
            if !name.ends_with(".wasm") {
                files.insert(PathBuf::from(format!("{name}.wasm")));
            }
        }
    };
    for name in names {
        add(name.rsplit(['/', '\\']).next().unwrap_or(name));
    }
    let mut stem =
        dump_path.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    while let Some((shorter, _)) = stem.rsplit_once('.') {
        add(shorter);
        stem = shorter.to_owned();
    }
    files
}

/// `ab/cdef….debug`, the layout of debug folders on other platforms, and the same with `.wasm`.
fn build_id_names(record: &ModuleRecord<'_>) -> BTreeSet<PathBuf> {
    record.build_id.as_deref().map(build_id_files).into_iter().flatten().collect()
}

/// The files a build id may have in a debug folder.
pub(crate) fn build_id_files(id: &str) -> Vec<PathBuf> {
    if id.len() < 3 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Vec::new();
    }
    let (first, rest) = id.split_at(2);
    let mut files = Vec::new();
    for root in ["", ".build-id"] {
        for extension in [".debug", ".wasm", ".debug.wasm"] {
            files.push(Path::new(root).join(first).join(format!("{rest}{extension}")));
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_name_gives_a_plain_file_name() {
        let names = file_names(&["/build/out/app.wasm", "..", "C:\\x\\tool"], Some(Path::new("d/sum.42.coredump")));
        let names: Vec<_> = names.iter().map(|path| path.to_str().unwrap()).collect();
        assert_eq!(names, ["app.wasm", "sum", "sum.42", "sum.42.wasm", "sum.wasm", "tool", "tool.wasm"]);
    }

    #[test]
    fn build_ids_have_a_folder_layout() {
        assert_eq!(build_id_files("abcdef")[0], Path::new("ab/cdef.debug"));
        assert!(build_id_files("../../x").is_empty());
    }
}
