//! Parses an editor's `launch` or `attach` request, with the fields of lldb-dap, CodeLLDB, cppdbg and Delve.

use std::path::{Path, PathBuf};

use coredump_core::cli::path_map::PathMap;
use serde_json::Value;

/// The variables for the folder that an editor has open, which some editors leave for the adapter to replace.
const WORKSPACE: [&str; 2] = ["${workspaceFolder}", "${workspaceRoot}"];

/// The fields that are lists of LLDB's commands.
const LLDB_COMMANDS: [&str; 6] = [
    "initCommands",
    "targetCreateCommands",
    "preRunCommands",
    "attachCommands",
    "launchCommands",
    "processCreateCommands",
];
/// The fields that are lists of GDB's commands, each in an object with a `text`.
const GDB_COMMANDS: [&str; 3] = ["setupCommands", "customLaunchSetupCommands", "postRemoteConnectCommands"];

/// The fields that name the dump.
const DUMPS: [&str; 5] = ["coreFile", "coreDumpPath", "dumpPath", "coreFilePath", "core"];

/// A parsed request.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Launch {
    /// The dump: from one of the fields `DUMPS`, or from the commands.
    pub dump: Option<PathBuf>,
    /// The binaries: from `program`, a path or a list of paths, and from the commands.
    pub programs: Vec<PathBuf>,
    /// The folders to search for binaries: from `symbolsPath`, `symbolSearchPath`, `additionalSOLibSearchPath`.
    pub folders: Vec<PathBuf>,
    /// Prefixes of source paths, and their replacements on this machine: from `sourceMap`, `sourceFileMap`,
    /// `substitutePath`, `sourcePath`.
    pub source_map: Vec<(String, String)>,
    /// The replacements of other paths: from `--path-map`.
    pub paths: PathMap,
    /// The folder that relative paths start from: `cwd`.
    cwd: PathBuf,
    /// The folder that relative paths of sources start from: `relativePathBase`, `debuggerRoot`, or else `cwd`.
    sources: PathBuf,
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
        let first = |names: &[&str]| names.iter().find_map(|name| arguments[*name].as_str()).map(path);
        let commands = Commands::read(arguments);
        let mut programs = list("program");
        programs.extend(commands.programs.iter().map(|program| path(program)));
        let folders = ["symbolsPath", "symbolSearchPath", "additionalSOLibSearchPath"];
        let mut maps: Vec<_> =
            ["sourceMap", "sourceFileMap"].iter().flat_map(|name| pairs(&arguments[*name])).collect();
        // Delve's pairs have the path on this machine first, then that in the program.
        let substituted = arguments["substitutePath"].as_array().into_iter().flatten();
        maps.extend(substituted.filter_map(|map| Some(pair(map["to"].as_str()?, map["from"].as_str()?))));
        maps.extend(commands.source_map);
        // LLDB's adapter uses `sourcePath` as the prefix of relative paths, unless there is a map.
        let source_path = arguments["sourcePath"].as_str().filter(|_| maps.is_empty());
        maps.extend(source_path.map(|to| (".".to_owned(), to.to_owned())));
        Launch {
            dump: first(&DUMPS).or(commands.dump.as_deref().map(path)),
            programs,
            folders: folders.iter().flat_map(|name| list(name)).collect(),
            source_map: maps.into_iter().map(|(from, to)| (in_text(&from), in_text(&to))).collect(),
            paths: PathMap::default(),
            sources: first(&["relativePathBase", "debuggerRoot"]).unwrap_or_else(|| cwd.clone().into()),
            cwd: cwd.into(),
        }
    }

    /// The folder that relative paths of sources start from.
    pub fn folder(&self) -> &Path {
        &self.sources
    }

    /// A source path as it is on this machine.
    pub fn source(&self, path: &str) -> String {
        // The longest matching prefix is the one that was meant.
        let fits = self.source_map.iter().filter(|(from, _)| path.strip_prefix(from.as_str()).is_some_and(is_rest));
        match fits.max_by_key(|(from, _)| from.len()) {
            Some((from, to)) => format!("{to}{}", &path[from.len()..]),
            None => self.paths.apply(path).into_owned(),
        }
    }
}

/// Returns true if the text after a prefix is the rest of a path, and not of a file name.
fn is_rest(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with(['/', '\\'])
}

/// Replaces the variables for the editor's folder in a text.
fn workspace(text: &str, folder: &str) -> String {
    let folder = if folder.is_empty() { "." } else { folder };
    WORKSPACE.iter().fold(text.to_owned(), |text, name| text.replace(name, folder))
}

/// The files that the LLDB and GDB commands in a request name.
#[derive(Default)]
struct Commands {
    dump: Option<String>,
    programs: Vec<String>,
    source_map: Vec<(String, String)>,
}

impl Commands {
    fn read(arguments: &Value) -> Commands {
        let mut commands = Commands::default();
        let list = |name: &str| arguments[name].as_array().into_iter().flatten();
        for command in LLDB_COMMANDS.iter().flat_map(|name| list(name)).filter_map(Value::as_str) {
            // The adapter of LLDB interprets these marks itself.
            commands.lldb(&words(command.trim_start_matches(['?', '!', '`'])));
        }
        for command in GDB_COMMANDS.iter().flat_map(|name| list(name)) {
            commands.gdb(&words(command["text"].as_str().or(command.as_str()).unwrap_or_default()));
        }
        commands
    }

    fn lldb(&mut self, words: &[String]) {
        let plain: Vec<&str> = words.iter().map(String::as_str).collect();
        match &plain[..] {
            ["target", "create", rest @ ..] => self.target_create(rest),
            ["target", "symbols", "add", .., file] => self.programs.push((*file).to_owned()),
            ["settings", "set" | "append" | "insert-after" | "insert-before", rest @ ..] => {
                let rest =
                    rest.iter().position(|word| *word == "target.source-map").map_or(&[][..], |at| &rest[at + 1..]);
                let pairs = rest.as_chunks::<2>().0.iter();
                self.source_map.extend(pairs.map(|[from, to]| pair(from, to)));
            }
            _ => {}
        }
    }

    /// Parses LLDB's `target create PROGRAM --core DUMP`.
    fn target_create(&mut self, words: &[&str]) {
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "-c" | "--core" => self.dump = words.next().map(|word| (*word).to_owned()),
                // These options take a value that is not needed here.
                "-a" | "--arch" | "-p" | "--platform" | "-s" | "--symfile" | "-d" | "--no-dependents" | "-b"
                | "--build" | "-r" | "--remote-file" | "-l" | "--label" => {
                    words.next();
                }
                word => match word.strip_prefix("--core=") {
                    Some(dump) => self.dump = Some(dump.to_owned()),
                    None if !word.starts_with('-') => self.programs.push(word.to_owned()),
                    None => {}
                },
            }
        }
    }

    fn gdb(&mut self, words: &[String]) {
        match words {
            [set, name, from, to] if set == "set" && name == "substitute-path" => self.source_map.push(pair(from, to)),
            [core, file] if core == "core-file" || core == "core" => self.dump = Some(file.clone()),
            [command, file] if matches!(&**command, "file" | "exec-file" | "symbol-file") => {
                self.programs.push(file.clone());
            }
            _ => {}
        }
    }
}

/// Splits a command into words: quotes may contain spaces, and a backslash makes the next character literal.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = command.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            (letter, Some(open)) if letter == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(letters.next()),
            (letter, None) if letter.is_whitespace() => words.extend(word.take()),
            (letter, _) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

/// A prefix of a path, and its replacement.
fn pair(from: &str, to: &str) -> (String, String) {
    (from.trim_end_matches('/').to_owned(), to.trim_end_matches('/').to_owned())
}

/// Parses pairs from an object (`{"from": "to"}`, in cppdbg also `{"from": {"editorPath": "to"}}`), or from a list of
/// lists (`[["from", "to"]]`).
fn pairs(map: &Value) -> Vec<(String, String)> {
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
        for name in DUMPS {
            let launch = Launch::read(&json!({name: "a.coredump", "cwd": "/app", "program": "a.wasm"}));
            assert_eq!(launch.dump, Some("/app/a.coredump".into()));
            assert_eq!(launch.programs, [PathBuf::from("/app/a.wasm")]);
        }
        assert_eq!(Launch::read(&json!([1])), Launch::default());
    }

    #[test]
    fn a_dump_is_named_as_in_lldbs_command() {
        for (field, command) in [
            ("targetCreateCommands", "target create app.wasm --core '/d/my dumps/a.coredump'"),
            ("initCommands", "target create -c \"/d/my dumps/a.coredump\" --arch wasm32 app.wasm"),
            ("attachCommands", "?target create --core=/d/my\\ dumps/a.coredump app.wasm"),
        ] {
            let launch = Launch::read(&json!({field: [command], "cwd": "/app"}));
            assert_eq!(launch.dump, Some("/d/my dumps/a.coredump".into()), "{command}");
            assert_eq!(launch.programs, [PathBuf::from("/app/app.wasm")]);
        }
        assert_eq!(
            Launch::read(&json!({"targetCreateCommands": ["settings set x y", 3, "target create -c"]})),
            Launch::default()
        );
    }

    #[test]
    fn sources_are_mapped_by_commands_and_as_delve_does() {
        for map in [
            json!({"preRunCommands": ["settings set target.source-map /build/ \"${workspaceFolder}\" /std /lib/rust"]}),
            json!({"substitutePath": [{"from": "${workspaceFolder}/", "to": "/build"}, {"from": "/lib/rust", "to": "/std"}, 7]}),
            json!({"initCommands": ["!settings append target.source-map /build ${workspaceFolder}", "settings append target.source-map /std /lib/rust"]}),
            json!({"setupCommands": [{"text": "set substitute-path /build ${workspaceFolder}/"}, {"text": "set substitute-path /std /lib/rust"}]}),
        ] {
            let mut arguments = map.clone();
            arguments["cwd"] = json!("/my app");
            let launch = Launch::read(&arguments);
            assert_eq!(launch.source("/build/a.c"), "/my app/a.c", "{map}");
            assert_eq!(launch.source("/std/vec.rs"), "/lib/rust/vec.rs", "{map}");
        }
    }

    #[test]
    fn relative_sources_count_from_where_each_debugger_says() {
        let launch = Launch::read(&json!({"cwd": "/run", "relativePathBase": "${workspaceFolder}/src"}));
        assert_eq!(launch.folder(), Path::new("/run/src"));
        assert_eq!(Launch::read(&json!({"cwd": "/run", "debuggerRoot": "/src"})).folder(), Path::new("/src"));
        assert_eq!(Launch::read(&json!({"cwd": "/run"})).folder(), Path::new("/run"));
        assert_eq!(Launch::read(&json!({"sourcePath": "/src"})).source("./a.c"), "/src/a.c");
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
