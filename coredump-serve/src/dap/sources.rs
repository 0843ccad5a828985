//! Source files as an editor opens them: those that lie here, and those that the debug info holds.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use coredump_core::backtrace::Location;
use coredump_core::cli::sources::places;
use coredump_core::{Dump, unasked};
use serde_json::{Value, json};

use super::launch::Launch;

/// Sources that the editor was told of.
#[derive(Default)]
pub struct Sources {
    known: HashMap<Key, Value>,
    /// Texts that the debug info holds; the editor names them by their number, from 1.
    texts: Vec<Text>,
}

/// Index of the dump, index of the module, recorded path.
type Key = (usize, Option<u32>, Arc<str>);

/// Where a text is.
struct Text {
    dump: usize,
    module: u32,
    offset: u64,
    file: Arc<str>,
}

/// The code that a source belongs to.
#[derive(Clone, Copy)]
pub struct Code<'a> {
    /// The dump, and its index.
    pub dump: (&'a Dump, usize),
    /// The module.
    pub module: Option<u32>,
    /// Offset of an instruction of which debug info says that it comes from the source.
    pub offset: Option<u64>,
}

impl Sources {
    /// What an editor is told of a source file. `trusted`: what a dump names may be looked for on this machine.
    pub fn describe(&mut self, launch: &Launch, location: &Location, code: Code<'_>, trusted: bool) -> Value {
        let key = (code.dump.1, code.module, location.file.clone());
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let mapped = launch.source(&location.file);
        let name = Path::new(&mapped).file_name();
        let name = name.map_or_else(|| mapped.clone(), |name| name.to_string_lossy().into_owned());
        let mut source = json!({"name": name});
        // A person who maps a folder means it.
        let named = trusted || mapped != *location.file;
        let found = if named { find(launch, &mapped, code) } else { None };
        if let Some(found) = found {
            source["path"] = json!(found.to_string_lossy());
            if found != Path::new(&*location.file) {
                source["origin"] = json!(format!("recorded as {}", location.file));
            }
        } else {
            if named {
                source["path"] = json!(mapped);
            }
            if let (Some(module), Some(offset)) = (code.module, code.offset)
                && text(code.dump.0, module, offset, &location.file).is_some()
            {
                self.texts.push(Text { dump: code.dump.1, module, offset, file: location.file.clone() });
                source["path"] = json!(mapped);
                source["sourceReference"] = json!(self.texts.len());
                source["origin"] = json!("in the debug info");
            }
        }
        self.known.insert(key, source.clone());
        source
    }

    /// The text that the editor knows by this number.
    pub fn text(&self, dumps: &[Dump], number: u64) -> Option<String> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        let Text { dump, module, offset, file } = self.texts.get(index)?;
        text(dumps.get(*dump)?, *module, *offset, file)
    }
}

fn text(dump: &Dump, module: u32, offset: u64, file: &str) -> Option<String> {
    dump.binaries().binary(module)?.embedded_source(offset, file)
}

/// The file on this machine: where it was recorded, or where the end of that path leads from the folders around.
fn find(launch: &Launch, path: &str, code: Code<'_>) -> Option<PathBuf> {
    let binary = code.module.and_then(|module| code.dump.0.binaries().binary(module)?.path());
    let folder = binary.and_then(Path::parent).map(|folder| launch.folder().join(folder));
    let found = places(path, launch.folder(), folder.as_deref(), &launch.folders).into_iter();
    let found = found.map(|place| launch.folder().join(place)).find(|place| unasked::open(place).is_ok())?;
    std::path::absolute(found).ok()
}
