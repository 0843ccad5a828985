//! Finds out which files of a crate use which others, from their text.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The path of a module in its crate.
pub type Module = Vec<String>;

/// The files of a crate.
pub struct Crate {
    /// The modules that the file of each module uses.
    uses: BTreeMap<Module, BTreeSet<Module>>,
}

/// All files of a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("it can be listed").path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// A file without comments and without its tests.
pub fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).expect("the file can be read");
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

impl Crate {
    /// Reads the files below a folder. The data of rules is no code, and test files are of the tests.
    pub fn read(root: &Path) -> Crate {
        let is_code = |path: &PathBuf| path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs");
        let read = files(root).into_iter().filter(is_code).map(|path| {
            let name = path.strip_prefix(root).expect("it is inside").with_extension("");
            let mut module: Module = name.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            if module.last().is_some_and(|name| name == "mod") || module == ["lib"] || module == ["main"] {
                module.pop();
            }
            (module, Paths::from_code(&code(&path)))
        });
        let files: BTreeMap<Module, Paths> = read.collect();
        let used = |module: &Module, paths: &Paths| {
            let used = paths.used.iter().filter_map(|path| owner(&files, module, path, 0));
            used.filter(|used| used != module).collect()
        };
        Crate { uses: files.iter().map(|(module, paths)| (module.clone(), used(module, paths))).collect() }
    }

    /// Its modules.
    pub fn modules(&self) -> impl Iterator<Item = &Module> {
        self.uses.keys()
    }

    /// The modules whose files define what the file of `module` names.
    pub fn uses(&self, module: &Module) -> &BTreeSet<Module> {
        &self.uses[module]
    }
}

/// The paths in a file.
struct Paths {
    /// The paths that it uses, as written.
    used: Vec<String>,
    /// The full paths of the names that its `use` lines bring in.
    named: BTreeMap<String, String>,
}

impl Paths {
    fn from_code(code: &str) -> Paths {
        let (mut used, mut named) = (Vec::new(), BTreeMap::new());
        let mut rest = String::new();
        let mut from = 0;
        for (at, _) in code.match_indices("use ") {
            let line = &code[code[..at].rfind('\n').map_or(0, |end| end + 1)..at];
            let is_use = line.trim().is_empty() || line.trim_start().starts_with("pub");
            let Some(end) = code[at..].find(';').filter(|_| is_use && at >= from) else { continue };
            rest.push_str(&code[from..at]);
            from = at + end;
            expand("", &code[at + "use ".len()..from], &mut |path, name| {
                named.insert(name.to_owned(), path.to_owned());
                used.push(path.to_owned());
            });
        }
        rest.push_str(&code[from..]);
        // Paths in the code itself; `pub(in path)` and the like hide a name and use none.
        let is_path = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | ':');
        let words = rest.split(|letter| !is_path(letter)).map(|word| word.trim_matches(':'));
        used.extend(words.filter(|word| word.contains("::")).map(str::to_owned));
        Paths { used, named }
    }
}

/// Says each path in a tree of `use`, and the name that it gets.
fn expand(before: &str, tree: &str, each: &mut impl FnMut(&str, &str)) {
    let tree = tree.trim();
    if let Some((path, list)) = tree.split_once('{') {
        let list = list.rsplit_once('}').map_or(list, |(list, _)| list);
        let (mut depth, mut start) = (0, 0);
        for (at, letter) in list.char_indices().chain([(list.len(), ',')]) {
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    let part = list.get(start..at).unwrap_or_default().trim();
                    if !part.is_empty() {
                        expand(&format!("{before}{}", path.trim()), part, each);
                    }
                    start = at + 1;
                }
                _ => {}
            }
        }
        return;
    }
    let (path, name) = tree.split_once(" as ").unwrap_or((tree, ""));
    let whole = format!("{before}{path}");
    let whole = whole.strip_suffix("::self").unwrap_or(&whole);
    let last = whole.rsplit("::").next().unwrap_or(whole);
    each(whole, if name.is_empty() { last } else { name.trim() });
}

/// The module whose file defines what a path means in a file of `module`; `None` for what is of another crate.
fn owner(files: &BTreeMap<Module, Paths>, module: &Module, path: &str, depth: u32) -> Option<Module> {
    let mut parts = path.split("::").peekable();
    let mut at = module.clone();
    match *parts.peek()? {
        "crate" => {
            at.clear();
            parts.next();
        }
        "self" => drop(parts.next()),
        "super" => {
            while parts.next_if_eq(&"super").is_some() {
                at.pop();
            }
        }
        first => {
            let child: Module = at.iter().cloned().chain([first.to_owned()]).collect();
            if !files.contains_key(&child) {
                // A name that a `use` line brought in was looked at there.
                return None;
            }
        }
    }
    while let Some(part) = parts.next() {
        at.push(part.to_owned());
        if files.contains_key(&at) {
            continue;
        }
        at.pop();
        // It may be there under another name: what it means is defined elsewhere.
        if let Some(meant) = files[&at].named.get(part).filter(|_| depth < 8) {
            let rest: Vec<&str> = std::iter::once(&**meant).chain(parts).collect();
            return owner(files, &at, &rest.join("::"), depth + 1);
        }
        break;
    }
    files.contains_key(&at).then_some(at)
}
