//! Describes source files for an editor: files on this machine, and sources that are embedded in debug info.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use coredump_core::cli::sources;
use coredump_core::text::escape;
use coredump_core::{Dump, EmbeddedSource, Location};
use serde_json::{Value, json};

use super::launch::Launch;

/// The sources that were sent to the editor.
#[derive(Default)]
pub struct Sources {
    known: HashMap<Key, Value>,
    /// The embedded sources; the editor names them by their number, from 1.
    texts: Vec<Arc<str>>,
}

/// Identifies a source: index of the dump, index of the module, recorded path.
type Key = (usize, Option<u32>, Arc<str>);

/// The code that a source belongs to.
#[derive(Clone, Copy)]
pub struct SourceModule<'a> {
    /// The dump, and its index.
    pub dump: (&'a Dump, usize),
    /// The module.
    pub module: Option<u32>,
    /// Index of the function that comes from the source, according to debug info.
    pub function: Option<u32>,
}

impl Sources {
    /// Describes a source file for the editor. `trusted` says whether files that the dump names may be searched for on
    /// this machine.
    pub fn describe(&mut self, launch: &Launch, location: &Location, code: SourceModule<'_>, trusted: bool) -> Value {
        let key = (code.dump.1, code.module, location.file.clone());
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let mapped = launch.source(&location.file);
        let name = Path::new(&mapped).file_name();
        let name = name.map_or_else(|| mapped.clone(), |name| name.to_string_lossy().into_owned());
        let mut source = json!({"name": escape(&name)});
        // A path that the user's map changed is searched for, even if the dump is not trusted.
        let named = trusted || mapped != *location.file;
        let binary = code.module.and_then(|module| code.dump.0.binaries().binary(module));
        let held = binary.and_then(|binary| binary.embedded_source(code.function?, &location.file)).unwrap_or_default();
        let folder = binary.and_then(|binary| binary.path()?.parent());
        let found = if named { find(launch, &mapped, folder, &held) } else { None };
        if let Some(found) = found {
            source["path"] = json!(found.to_string_lossy());
            if found != Path::new(&*location.file) {
                source["origin"] = json!(format!("recorded as {}", escape(&location.file)));
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

    /// The embedded source with this number.
    pub fn text(&self, number: u64) -> Option<&str> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        self.texts.get(index).map(|text| &**text)
    }
}

/// Finds the file on this machine: at the recorded path, or at the end of that path in one of the folders around. A
/// file whose contents differ from those that debug info describes is not used.
fn find(launch: &Launch, path: &str, folder: Option<&Path>, held: &EmbeddedSource) -> Option<PathBuf> {
    let here = launch.folder();
    let folder = folder.map(|folder| here.join(folder));
    let places = sources::places(path, here, folder.as_deref(), &launch.folders);
    let (found, _) = sources::read(places.into_iter().map(|place| here.join(place)), held).ok()?;
    std::path::absolute(found).ok()
}
