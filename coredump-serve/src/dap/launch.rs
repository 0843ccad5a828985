//! What an editor's `launch` or `attach` asks for, in the words of lldb-dap, CodeLLDB and cppdbg.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// The request, read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Launch {
    /// The dump: `coreFile`, `coreDumpPath` or `core`.
    pub dump: Option<PathBuf>,
    /// Binaries: `program`, a path or a list of them.
    pub programs: Vec<PathBuf>,
    /// Folders to look for binaries in: `symbolsPath`, `additionalSOLibSearchPath`.
    pub folders: Vec<PathBuf>,
    /// Beginnings of source paths and what stands for them here: `sourceMap`, `sourceFileMap`.
    pub source_map: Vec<(String, String)>,
}

impl Launch {
    /// Reads the arguments of a request. Relative paths count from `cwd`.
    pub fn read(arguments: &Value) -> Launch {
        let cwd = arguments["cwd"].as_str().map(Path::new);
        let path = |text: &str| match cwd {
            Some(cwd) => cwd.join(text),
            None => PathBuf::from(text),
        };
        let list = |name: &str| -> Vec<PathBuf> {
            match &arguments[name] {
                Value::String(text) => text.split(';').filter(|text| !text.is_empty()).map(path).collect(),
                Value::Array(list) => list.iter().filter_map(Value::as_str).map(path).collect(),
                _ => Vec::new(),
            }
        };
        let named = ["coreFile", "coreDumpPath", "core"].iter().find_map(|name| arguments[*name].as_str());
        let folders = ["symbolsPath", "additionalSOLibSearchPath"].iter().flat_map(|name| list(name)).collect();
        let maps = ["sourceMap", "sourceFileMap"].iter().flat_map(|name| pairs(&arguments[*name])).collect();
        Launch { dump: named.map(path), programs: list("program"), folders, source_map: maps }
    }

    /// A source path as it is here.
    pub fn source(&self, path: &str) -> String {
        // The longest beginning that fits is the one that was meant.
        let fits = self.source_map.iter().filter(|(from, _)| path.strip_prefix(from.as_str()).is_some_and(is_rest));
        match fits.max_by_key(|(from, _)| from.len()) {
            Some((from, to)) => format!("{to}{}", &path[from.len()..]),
            None => path.to_owned(),
        }
    }
}

/// Whether what follows a beginning is the rest of a path, and not of a name.
fn is_rest(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with(['/', '\\'])
}

/// Pairs as an object (`{"from": "to"}`), or as a list of lists (`[["from", "to"]]`).
fn pairs(map: &Value) -> Vec<(String, String)> {
    let pair = |from: &str, to: &str| (from.trim_end_matches('/').to_owned(), to.trim_end_matches('/').to_owned());
    match map {
        Value::Object(map) => map.iter().filter_map(|(from, to)| Some(pair(from, to.as_str()?))).collect(),
        Value::Array(list) => {
            list.iter().filter_map(|entry| Some(pair(entry[0].as_str()?, entry[1].as_str()?))).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_dump_is_named_as_users_of_other_debuggers_name_it() {
        for name in ["coreFile", "coreDumpPath", "core"] {
            let launch = Launch::read(&json!({name: "a.coredump", "cwd": "/app", "program": "a.wasm"}));
            assert_eq!(launch.dump, Some("/app/a.coredump".into()));
            assert_eq!(launch.programs, [PathBuf::from("/app/a.wasm")]);
        }
        assert_eq!(Launch::read(&json!([1])), Launch::default());
    }

    #[test]
    fn sources_are_mapped_by_whole_folders() {
        for map in [json!({"src": "/home/me/src", "src/c": "/c/"}), json!([["src/c", "/c"], ["src", "/home/me/src"]])] {
            let launch = Launch::read(&json!({"sourceMap": map}));
            assert_eq!(launch.source("src/main.c"), "/home/me/src/main.c");
            assert_eq!(launch.source("src/c/sum.c"), "/c/sum.c");
            assert_eq!(launch.source("srcs/main.c"), "srcs/main.c");
        }
    }
}
