//! What an editor's `launch` or `attach` asks for, in the words of lldb-dap, CodeLLDB and cppdbg.

use std::path::{Path, PathBuf};

use coredump_core::cli::path_map::PathMap;
use serde_json::Value;

/// The folder that an editor has open, where it left it to us to fill that in.
const WORKSPACE: [&str; 2] = ["${workspaceFolder}", "${workspaceRoot}"];

/// The request, read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Launch {
    /// The dump: `coreFile`, `coreDumpPath` or `core`, or what `targetCreateCommands` name.
    pub dump: Option<PathBuf>,
    /// Binaries: `program`, a path or a list of them.
    pub programs: Vec<PathBuf>,
    /// Folders to look for binaries in: `symbolsPath`, `additionalSOLibSearchPath`.
    pub folders: Vec<PathBuf>,
    /// Beginnings of source paths and what stands for them here: `sourceMap`, `sourceFileMap`.
    pub source_map: Vec<(String, String)>,
    /// What stands for other paths: `--path-map`.
    pub paths: PathMap,
    /// The folder that relative paths count from: `cwd`.
    cwd: PathBuf,
}

impl Launch {
    /// Reads the arguments of a request.
    pub fn read(arguments: &Value) -> Launch {
        let cwd = arguments["cwd"].as_str().map(|cwd| workspace(cwd, "")).unwrap_or_default();
        let in_text = |text: &str| workspace(text, &cwd);
        let path = |text: &str| Path::new(&cwd).join(in_text(text));
        let list = |name: &str| -> Vec<PathBuf> {
            match &arguments[name] {
                Value::String(text) => text.split(';').filter(|text| !text.is_empty()).map(path).collect(),
                Value::Array(list) => list.iter().filter_map(Value::as_str).map(path).collect(),
                _ => Vec::new(),
            }
        };
        let named = ["coreFile", "coreDumpPath", "core"].iter().find_map(|name| arguments[*name].as_str());
        let mut programs = list("program");
        let mut dump = named.map(path);
        for command in arguments["targetCreateCommands"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let (program, core) = target_create(command);
            programs.extend(program.map(path));
            dump = dump.or(core.map(path));
        }
        let folders = ["symbolsPath", "additionalSOLibSearchPath"].iter().flat_map(|name| list(name)).collect();
        let maps = ["sourceMap", "sourceFileMap"].iter().flat_map(|name| pairs(&arguments[*name]));
        let maps = maps.map(|(from, to)| (in_text(&from), in_text(&to))).collect();
        Launch { dump, programs, folders, source_map: maps, paths: PathMap::default(), cwd: cwd.into() }
    }

    /// The folder that relative paths count from.
    pub fn folder(&self) -> &Path {
        &self.cwd
    }

    /// A source path as it is here.
    pub fn source(&self, path: &str) -> String {
        // The longest beginning that fits is the one that was meant.
        let fits = self.source_map.iter().filter(|(from, _)| path.strip_prefix(from.as_str()).is_some_and(is_rest));
        match fits.max_by_key(|(from, _)| from.len()) {
            Some((from, to)) => format!("{to}{}", &path[from.len()..]),
            None => self.paths.apply(path).into_owned(),
        }
    }
}

/// Whether what follows a beginning is the rest of a path, and not of a name.
fn is_rest(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with(['/', '\\'])
}

/// A text in which the editor's folder is filled in.
fn workspace(text: &str, folder: &str) -> String {
    let folder = if folder.is_empty() { "." } else { folder };
    WORKSPACE.iter().fold(text.to_owned(), |text, name| text.replace(name, folder))
}

/// Program and dump of LLDB's `target create PROGRAM --core DUMP`, as CodeLLDB's users write it.
fn target_create(command: &str) -> (Option<&str>, Option<&str>) {
    let mut words = command.split_whitespace().map(|word| word.trim_matches(['"', '\'']));
    let (mut program, mut core) = (None, None);
    if !(words.next() == Some("target") && words.next() == Some("create")) {
        return (None, None);
    }
    while let Some(word) = words.next() {
        match word {
            "-c" | "--core" => core = words.next(),
            // Options that take a value we have no use for.
            "-a" | "--arch" | "-p" | "--platform" | "-s" | "--symfile" | "-d" | "--no-dependents" | "-b"
            | "--build" | "-r" | "--remote-file" | "-l" | "--label" => {
                words.next();
            }
            word if !word.starts_with('-') => program = Some(word),
            _ => {}
        }
    }
    (program, core)
}

/// Pairs as an object (`{"from": "to"}`, in cppdbg also `{"from": {"editorPath": "to"}}`), or as a list of lists
/// (`[["from", "to"]]`).
fn pairs(map: &Value) -> Vec<(String, String)> {
    let pair = |from: &str, to: &str| (from.trim_end_matches('/').to_owned(), to.trim_end_matches('/').to_owned());
    let target = |to: &'_ Value| to.as_str().or_else(|| to["editorPath"].as_str()).map(str::to_owned);
    match map {
        Value::Object(map) => map.iter().filter_map(|(from, to)| Some(pair(from, &target(to)?))).collect(),
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
    fn a_dump_is_named_as_in_lldbs_command() {
        for command in
            ["target create app.wasm --core /d/a.coredump", "target create -c \"/d/a.coredump\" --arch wasm32 app.wasm"]
        {
            let launch = Launch::read(&json!({"targetCreateCommands": [command], "cwd": "/app"}));
            assert_eq!(launch.dump, Some("/d/a.coredump".into()));
            assert_eq!(launch.programs, [PathBuf::from("/app/app.wasm")]);
        }
        assert_eq!(Launch::read(&json!({"targetCreateCommands": ["settings set x y", 3]})), Launch::default());
    }

    #[test]
    fn the_editors_folder_is_filled_in() {
        let launch = Launch::read(
            &json!({"cwd": "/app", "core": "${workspaceFolder}/a", "sourceMap": {"/ci": "${workspaceFolder}"}}),
        );
        assert_eq!(launch.dump, Some("/app/a".into()));
        assert_eq!(launch.source("/ci/main.c"), "/app/main.c");
        assert_eq!(Launch::read(&json!({"core": "${workspaceRoot}/a"})).dump, Some("./a".into()));
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
