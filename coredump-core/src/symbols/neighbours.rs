//! The files beside a module that hold more about it: external and split debug info, source maps. Only regular local
//! files are read; what a module names is followed out of its folder only if it is trusted.

use std::fs::File;
use std::path::{Component, Path, PathBuf};

use crate::files::{Files, stays_in};
use crate::locate::{build_id_files, modules_in};
use crate::mapped::Bytes;
use crate::module::{self, Module};

use super::url::{is_remote, local_names};

/// The files around one module.
#[derive(Clone, Copy)]
pub struct Neighbours<'s> {
    files: &'s Files,
    path: Option<&'s Path>,
    file: Option<&'s Bytes>,
}

/// Another build product of a module, with debug info for it.
pub struct Twin<'s> {
    /// The file.
    pub path: PathBuf,
    /// Its module.
    pub module: Module<'s>,
    /// Its bytes.
    pub bytes: &'s Bytes,
    /// True if it is certainly of the same build: it has the module's build id or code, or the module names it.
    /// Otherwise only its file name speaks for it.
    pub certain: bool,
}

impl<'s> Neighbours<'s> {
    /// The neighbours of the module in the file at `path`; a module that a dump embeds has only the folders that are
    /// searched.
    pub fn new(files: &'s Files, path: Option<&'s Path>, file: Option<&'s Bytes>) -> Neighbours<'s> {
        Neighbours { files, path, file }
    }

    /// Adds the file that holds the debug info.
    pub fn with_debug_file(self, file: &'s Bytes) -> Neighbours<'s> {
        Neighbours { file: Some(file), ..self }
    }

    /// Releases the memory of the debug file's resident pages.
    pub fn release(&self) {
        if let Some(file) = self.file {
            file.release();
        }
    }

    /// The file with the debug info, opened for reading, and the offset of `section` in it.
    pub fn scattered(&self, section: &[u8]) -> Option<(File, u64)> {
        let file = self.file?;
        Some((file.reopen()?, file.offset_of(section)? as u64))
    }

    fn folders(&self) -> Vec<PathBuf> {
        let own = self.path.and_then(Path::parent).map(|folder| match folder.as_os_str().is_empty() {
            true => PathBuf::from("."),
            false => folder.to_owned(),
        });
        own.into_iter().chain(self.files.search().folders.iter().cloned()).collect()
    }

    /// The files that `name` may mean: relative to the module's folder, or its last part in any folder searched.
    fn files_called(&self, name: &str, directory: Option<&str>) -> Vec<PathBuf> {
        let path = Path::new(name);
        let inside = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        let trusted = self.trusted();
        let folders = self.folders();
        let mut files = Vec::new();
        if inside || trusted {
            files.extend(folders.iter().map(|folder| folder.join(path).components().collect()));
        }
        if trusted && let Some(directory) = directory {
            files.push(Path::new(directory).join(path));
        }
        if let Some(last) = name.rsplit(['/', '\\']).next().filter(|last| !last.is_empty() && *last != "..") {
            files.extend(folders.iter().map(|folder| folder.join(last)));
        }
        files.retain(|file| file.is_file() && (trusted || stays_in(file, &folders)));
        files.dedup();
        files
    }

    /// The contents of files that `name` may mean. `directory` is where the compiler ran.
    pub fn named(self, name: &str, directory: Option<&str>) -> impl Iterator<Item = &'s [u8]> {
        self.files_called(name, directory).into_iter().filter_map(move |file| self.files.read(&file).ok())
    }

    /// The DWARF package beside the module: `app.wasm.dwp` or `app.dwp`.
    pub fn package(&self) -> Option<&'s [u8]> {
        let name = self.path?.file_name()?.to_string_lossy().into_owned();
        let stem = name.strip_suffix(".wasm").unwrap_or(&name);
        let names = [format!("{name}.dwp"), format!("{stem}.dwp")];
        let mut files = names.iter().flat_map(|name| self.files_called(name, None));
        self.files.read(&files.next()?).ok()
    }

    /// The local files that a URL may mean, also for a URL on a network.
    fn files_of(&self, url: &str) -> impl Iterator<Item = PathBuf> {
        local_names(url).into_iter().flat_map(|name| self.files_called(&name, None))
    }

    /// The source map a module names.
    pub fn source_map(&self, url: &str) -> Result<(PathBuf, &'s [u8]), String> {
        let file = self.files_of(url).next().ok_or_else(|| self.not_found(url, url))?;
        let bytes = self.files.read(&file).map_err(|error| error.to_string())?;
        Ok((file, bytes))
    }

    /// The symbol maps beside the module: `app.wasm.symbols`, `app.js.symbols`, `app.symbols`.
    pub fn symbol_maps(&self) -> Vec<(PathBuf, &'s [u8])> {
        let Some(name) = self.path.and_then(Path::file_name) else { return Vec::new() };
        let name = name.to_string_lossy().into_owned();
        let stem = name.strip_suffix(".wasm").unwrap_or(&name);
        let names = [format!("{name}.symbols"), format!("{stem}.js.symbols"), format!("{stem}.symbols")];
        let files = names.iter().flat_map(|name| self.files_called(name, None));
        files.filter_map(|file| Some((file.clone(), self.files.read(&file).ok()?))).collect()
    }

    /// Keeps a text that was computed from a file as long as the files.
    pub fn keep(&self, text: Vec<u8>) -> &'s [u8] {
        self.files.keep(text)
    }

    /// Another build product of the same code that carries debug info: what `external_debug_info` names, a file of the
    /// same build id, a sibling `app.debug.wasm`, or a file of the same name in a symbol folder.
    ///
    /// `Err` where the module names a file that is missing or of another build, and no other was found.
    pub fn debug_twin(&self, module: &Module<'s>) -> Result<Option<Twin<'s>>, String> {
        let mut refused = None;
        if let Some(url) = module.custom_name("external_debug_info") {
            for file in self.files_of(url).filter(|file| Some(file.as_path()) != self.path) {
                match self.open_twin(&file, module) {
                    Ok(twin) => return Ok(Some(Twin { certain: true, ..twin })),
                    Err(reason) => refused = refused.or(Some(format!("{}: {reason}", file.display()))),
                }
            }
            refused = refused.or_else(|| Some(self.not_found(&format!("external debug info {url}"), url)));
        }
        match (self.unnamed_twin(module), refused) {
            (None, Some(problem)) => Err(problem),
            (twin, _) => Ok(twin),
        }
    }

    /// Looks for a file with the module's debug info where the module itself names none.
    fn unnamed_twin(&self, module: &Module<'s>) -> Option<Twin<'s>> {
        let mut files = Vec::new();
        let folders = self.folders();
        if let Some(id) = module.build_id() {
            let known = build_id_files(&id);
            files.extend(folders.iter().flat_map(|folder| known.iter().map(move |file| folder.join(file))));
        }
        if let Some(name) = self.path.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned()) {
            let stem = name.strip_suffix(".wasm").unwrap_or(&name);
            let names = [format!("{stem}.debug.wasm"), format!("{name}.debug"), format!("{stem}.debug"), name.clone()];
            files.extend(folders.iter().flat_map(|folder| names.iter().map(move |name| folder.join(name))));
        }
        let own = self.path;
        let trusted = self.trusted();
        let may =
            |file: &PathBuf| Some(file.as_path()) != own && file.is_file() && (trusted || stays_in(file, &folders));
        let mut doubtful = None;
        for twin in files.into_iter().filter(may).filter_map(|path| self.open_twin(&path, module).ok()) {
            if twin.certain {
                return Some(twin);
            }
            doubtful.get_or_insert(twin);
        }
        // A file with any other name must have the same build id or code.
        let named = &self.files.search().folders;
        let searched = if module.build_id().is_some() { &folders } else { named };
        let others = searched.iter().flat_map(|folder| modules_in(folder)).filter(may);
        let mut twins = others.filter_map(|path| self.open_twin(&path, module).ok());
        twins.find(|twin| twin.certain).or(doubtful)
    }

    /// Opens `file` and checks that it can be of the same build: it must have the same build id or the same code, or
    /// lack both.
    fn open_twin(&self, file: &Path, module: &Module<'s>) -> Result<Twin<'s>, String> {
        let opened = self.files.open(file).map_err(|error| error.to_string())?;
        let modules = module::nested(opened).map_err(|error| error.message)?;
        let mut reason = "it holds no debug info".to_owned();
        for bytes in modules {
            let Ok(twin) = Module::parse(bytes) else { continue };
            if twin.custom_section(".debug_info").is_none() {
                continue;
            }
            let same = match (module.build_id(), twin.build_id()) {
                (Some(own), Some(other)) if own != other => {
                    reason = format!("its build id is {other}, the module's is {own}");
                    continue;
                }
                (Some(_), Some(_)) => true,
                _ => false,
            };
            let certain = match twin.code_section().filter(|code| !code.is_empty()) {
                Some(code) if Some(code) == module.code_section() => true,
                // An equal build id is no proof: tools that optimise or rewrite the code after the debug info was split
                // off keep the id. Only equal code is.
                Some(_) => {
                    let id = if same { ", though it has its build id" } else { "" };
                    reason = format!("its code is not that of the module{id}");
                    continue;
                }
                _ => same,
            };
            return Ok(Twin { path: file.to_owned(), module: twin, bytes: opened, certain });
        }
        Err(reason)
    }

    fn not_found(&self, what: &str, url: &str) -> String {
        let remote = is_remote(url);
        let place = match (self.trusted(), remote) {
            (false, _) => " in the module's folder: elsewhere nothing it names is opened",
            (true, true) => " beside the module or in a --symbols-path folder: nothing is fetched",
            (true, false) => "",
        };
        format!("{what} not found{place}")
    }

    /// Returns true if files that the module names may lie anywhere.
    fn trusted(&self) -> bool {
        let search = self.files.search();
        if self.path.is_some() { search.trusted } else { search.embedded_trusted }
    }
}
