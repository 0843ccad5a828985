//! The walls of the library. Its modules are in the order that `docs/architecture.md` lists, each uses those above it and none
//! below; what others see of it is what `FACE` lists; and the tools that read dumps see no more.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The modules of the list, from the bottom up.
fn listed() -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/architecture.md");
    let page = std::fs::read_to_string(page).expect("the page is there");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    rows.filter(|name| *name != "file")
        .map(|name| name.trim_end_matches(".rs").trim_end_matches('/').to_owned())
        .collect()
}

/// All source files of a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("it can be listed").path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// A file without comments and without its tests.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).expect("the file can be read");
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The first names of the paths after each `root`, as in `root::{a, b::C}` or `root::a::B`.
fn uses(code: &str, root: &str) -> Vec<String> {
    let first = |path: &str| {
        let name: String = path.trim_start().chars().take_while(|it| it.is_alphanumeric() || *it == '_').collect();
        name
    };
    let mut found = Vec::new();
    for (at, _) in code.match_indices(root) {
        // A longer path that ends like this one: `super::super::`.
        if code[..at].ends_with("::") || code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_')
        {
            continue;
        }
        let rest = &code[at + root.len()..];
        let Some(list) = rest.strip_prefix('{') else {
            found.push(first(rest));
            continue;
        };
        let (mut depth, mut start) = (0, 0);
        for (position, letter) in list.char_indices() {
            match letter {
                '{' => depth += 1,
                ',' | '}' if depth == 0 => {
                    found.push(first(&list[start..position]));
                    start = position + 1;
                    if letter == '}' {
                        break;
                    }
                }
                '}' => depth -= 1,
                _ => {}
            }
        }
    }
    found
}

#[test]
fn each_module_uses_only_those_above_it_in_the_list() {
    let listed = listed();
    let rank = |name: &str| listed.iter().position(|listed| listed == name);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut wrong, mut unlisted) = (Vec::new(), Vec::new());
    for file in files(&root) {
        let relative = file.strip_prefix(&root).expect("it is inside");
        let own = relative.iter().next().expect("it has a name").to_string_lossy();
        let own = own.trim_end_matches(".rs");
        // Test files are of the tests; the data of rules is no code; the crate's root and what shows its insides use all.
        if matches!(own, "lib" | "internals")
            || relative.extension().is_none_or(|extension| extension != "rs")
            || relative.ends_with("tests.rs")
        {
            continue;
        }
        let Some(here) = rank(own) else {
            unlisted.push(own.to_owned());
            continue;
        };
        for used in uses(&code(&file), "crate::") {
            if rank(&used).is_some_and(|used| used > here) {
                wrong.push(format!("{} uses {used}", relative.display()));
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    unlisted.dedup();
    assert!(unlisted.is_empty(), "docs/architecture.md does not list {unlisted:?}");
    assert!(wrong.is_empty(), "against the order of docs/architecture.md:\n{}", wrong.join("\n"));
}

#[test]
fn the_files_of_the_symbols_use_each_other_in_one_direction() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/symbols");
    let name = |path: &Path| path.file_stem().expect("it has a name").to_string_lossy().into_owned();
    let files = files(&root).into_iter().filter(|path| name(path) != "mod");
    let mut left: BTreeMap<String, Vec<String>> =
        files.map(|path| (name(&path), uses(&code(&path), "super::"))).collect();
    // What uses nothing that is left comes next; where nothing comes next, there is a circle.
    while !left.is_empty() {
        let free: Vec<_> = left
            .iter()
            .filter(|(_, uses)| uses.iter().all(|it| !left.contains_key(it)))
            .map(|it| it.0.clone())
            .collect();
        assert!(!free.is_empty(), "these use each other in a circle, or one that does: {left:?}");
        free.iter().for_each(|name| drop(left.remove(name)));
    }
}

/// What a program that uses the library sees: modules, then names. What is added here is promised to all users.
const FACE: &str = "
    cli component compressed crash error extension fold gc heap interpreted memory model module objects reason regions runtimes search
    tasks text trace write
    Binaries Binary Bytes Call CoreDump Crash CrashReason Draft Dump EmbeddedSource Error ErrorKind ExpressionError Found Frame
    InlinedFrame Limits Location Memory Options Refused Register ResolvedFrame Result Scope Shapes Slot Status Store Thread
    Variable VariableKind Verification When
";

/// The root of the library.
fn root() -> String {
    code(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs"))
}

/// The names in a list of words.
fn words(list: &str) -> BTreeSet<String> {
    list.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn the_face_of_the_library_is_what_is_listed() {
    let root = root();
    let modules = root.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    // Without its feature nobody sees it.
    let modules = modules.filter(|name| *name != "internals");
    let mut face: BTreeSet<String> = modules.map(str::to_owned).collect();
    for list in root.split("\npub use ").skip(1) {
        let list = list.split(';').next().unwrap_or_default();
        let names = list.split_once("::").map_or(list, |(_, names)| names);
        face.extend(
            names.split(|letter: char| !letter.is_alphanumeric()).filter(|it| !it.is_empty()).map(str::to_owned),
        );
    }
    assert_eq!(face, words(FACE));
}

#[test]
fn the_tools_that_read_dumps_use_the_door_and_nothing_behind_it() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for tool in ["coredump-bt", "coredump-dump", "coredump-json", "coredump-serve"] {
        for file in files(&crates.join(tool).join("src")) {
            // The compiler keeps it from the rest.
            assert!(!code(&file).contains("internals"), "{} looks behind the door", file.display());
        }
    }
}

/// The languages that debug information describes, as the code calls them, and the folder of each.
const LANGUAGES: [(&str, &str); 4] =
    [("C", "lang/c/"), ("Cpp", "lang/cpp/"), ("Rust", "lang/rust/"), ("Zig", "lang/zig/")];

/// Whether the code names one of them.
fn chooses_by_language(code: &str) -> bool {
    LANGUAGES.iter().any(|(name, _)| code.contains(&format!("Language::{name}")))
}

#[test]
fn what_a_language_does_otherwise_is_decided_in_its_own_folder() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    // What a unit's language is, and what each says: the two tables. Tasks are found by each language's own runtime.
    let allowed = ["catalog/entries.rs", "lang/mod.rs", "tasks/"];
    let folders = LANGUAGES.map(|(_, folder)| folder);
    let mut wrong = Vec::new();
    for file in files(&root).into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "rs")) {
        let name = file.strip_prefix(&root).expect("it is inside").to_string_lossy().into_owned();
        let is_own = allowed.iter().chain(&folders).any(|start| name.starts_with(start));
        if !is_own && chooses_by_language(&code(&file)) {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "these choose by the language of a value, which `lang::Lang` is for: {wrong:?}");
}
