//! Source files as an editor opens them: those that lie here, and those that the debug info holds.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use coredump_core::cli::sources;
use coredump_core::{Dump, EmbeddedSource, Location};
use serde_json::{Value, json};

use super::launch::Launch;

/// Sources that the editor knows.
#[derive(Default)]
pub struct Sources {
    known: HashMap<Key, Value>,
    /// Texts that the debug info holds; the editor names them by their number, from 1.
    texts: Vec<Arc<str>>,
}

/// Index of the dump, index of the module, recorded path.
type Key = (usize, Option<u32>, Arc<str>);

/// The code that a source belongs to.
#[derive(Clone, Copy)]
pub struct Code<'a> {
    /// The dump, and its index.
    pub dump: (&'a Dump, usize),
    /// The module.
    pub module: Option<u32>,
    /// The function in it of which debug info says that it comes from the source.
    pub function: Option<u32>,
}

impl Sources {
    /// What an editor gets for a source file. `trusted`: what a dump names may be looked for on this machine.
    pub fn describe(&mut self, launch: &Launch, location: &Location, code: Code<'_>, trusted: bool) -> Value {
        let key = (code.dump.1, code.module, location.file.clone());
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let mapped = launch.source(&location.file);
        let name = Path::new(&mapped).file_name();
        let name = name.map_or_else(|| mapped.clone(), |name| name.to_string_lossy().into_owned());
        let mut source = json!({"name": name});
        // What a person maps is looked for, whoever made the dump.
        let named = trusted || mapped != *location.file;
        let binary = code.module.and_then(|module| code.dump.0.binaries().binary(module));
        let held = binary.and_then(|binary| binary.embedded_source(code.function?, &location.file)).unwrap_or_default();
        let folder = binary.and_then(|binary| binary.path()?.parent());
        let found = if named { find(launch, &mapped, folder, &held) } else { None };
        if let Some(found) = found {
            source["path"] = json!(found.to_string_lossy());
            if found != Path::new(&*location.file) {
                source["origin"] = json!(format!("recorded as {}", location.file));
            }
        } else if let Some(text) = held.text {
            self.texts.push(text);
            source["path"] = json!(mapped);
            source["sourceReference"] = json!(self.texts.len());
            source["origin"] = json!("in the debug info");
        } else if named {
            source["path"] = json!(mapped);
        }
        self.known.insert(key, source.clone());
        source
    }

    /// The text that the editor knows by this number.
    pub fn text(&self, number: u64) -> Option<&str> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        self.texts.get(index).map(|text| &**text)
    }
}

/// The file on this machine: where it was recorded, or where the end of that path leads from the folders around. What the
/// debug info knows to be another file's contents is not it.
fn find(launch: &Launch, path: &str, folder: Option<&Path>, held: &EmbeddedSource) -> Option<PathBuf> {
    let here = launch.folder();
    let folder = folder.map(|folder| here.join(folder));
    let places = sources::places(path, here, folder.as_deref(), &launch.folders);
    let (found, _) = sources::read(places.into_iter().map(|place| here.join(place)), held).ok()?;
    std::path::absolute(found).ok()
}
