//! Tests the dependencies between the files. The modules of the library and of the runner have the order of the lists
//! in `docs/architecture.md`: each uses only modules above it. In no crate do files use each other in a circle. The
//! public names of the library are those that `FACE` lists, and the tools that read dumps use no others.

mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sources::{Crate, code, files};

/// The folder of all crates.
fn workspace() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The files and folders of the list below a title of the page, from the bottom up, as paths of modules. A row may have
/// several.
fn listed(title: &str) -> Vec<Vec<String>> {
    let page = std::fs::read_to_string(workspace().join("docs/architecture.md")).expect("the page is there");
    let (_, part) = page.split_once(&format!("\n## {title}\n")).expect("the title is there");
    let part = part.split("\n## ").next().unwrap_or_default();
    let rows = part.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let names =
        rows.flat_map(|row| row.split('`').step_by(2)).filter(|name| name.ends_with('/') || name.ends_with(".rs"));
    names
        .map(|name| name.trim_end_matches(".rs").trim_end_matches('/').split('/').map(str::to_owned).collect())
        .collect()
}

/// The violations in a crate of the order of the list below a title.
fn against_the_order(root: &str, title: &str) -> Vec<String> {
    let listed = listed(title);
    // The most specific row for a module: that of its file, or else that of the nearest folder around it.
    let rank = |module: &[String]| {
        let rows = listed.iter().enumerate().filter(|(_, row)| module.starts_with(row));
        rows.max_by_key(|(_, row)| row.len()).map(|(at, _)| at)
    };
    let all = Crate::read(&workspace().join(root).join("src"));
    let mut wrong = Vec::new();
    // The crate's root and what shows the library's insides use all.
    for module in all.modules().filter(|module| !module.is_empty() && module[0] != "internals") {
        let Some(here) = rank(module) else {
            wrong.push(format!("docs/architecture.md does not list {}", module.join("/")));
            continue;
        };
        for used in all.uses(module) {
            // A folder's own file says what its files are there for, and they use what it says.
            let around = module.starts_with(used) || used.starts_with(module);
            if !around && rank(used).is_some_and(|used| used > here) {
                wrong.push(format!("{} uses {}", module.join("/"), used.join("/")));
            }
        }
    }
    wrong
}

#[test]
fn each_module_uses_only_those_above_it_in_the_list() {
    let crates =
        [("coredump-core", "The library, from the bottom up"), ("coredump-run", "The runner, from the bottom up")];
    for (root, title) in crates {
        let wrong = against_the_order(root, title);
        assert!(wrong.is_empty(), "against the order of {root} in docs/architecture.md:\n{}", wrong.join("\n"));
    }
}

/// The crates of the workspace.
const CRATES: [&str; 7] = [
    "coredump-bt",
    "coredump-capture",
    "coredump-core",
    "coredump-dump",
    "coredump-json",
    "coredump-run",
    "coredump-serve",
];

#[test]
fn no_files_of_a_folder_use_each_other_in_a_circle() {
    let mut wrong = Vec::new();
    for root in CRATES {
        let all = Crate::read(&workspace().join(root).join("src"));
        let folders: BTreeSet<&[String]> = all.modules().filter_map(|module| Some(module.split_last()?.1)).collect();
        for folder in folders {
            // The neighbours that each file or folder in it uses. The folder's own file belongs to all of them.
            let mut left: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
            for module in all.modules().filter(|module| module.len() > folder.len() && module.starts_with(folder)) {
                let used = all.uses(module).iter().filter(|used| used.len() > folder.len() && used.starts_with(folder));
                let own = &module[folder.len()];
                let others = used.map(|used| &used[folder.len()]).filter(|used| *used != own);
                left.entry(own).or_default().extend(others.map(String::as_str));
            }
            if root == "coredump-core" && folder.is_empty() {
                // Here folders are of several rows of the list, and their order was looked at above.
                continue;
            }
            // A file that uses nothing that is left comes next; if there is none, there is a circle.
            while let Some(free) = left.iter().find(|(_, uses)| uses.iter().all(|used| !left.contains_key(used))) {
                let free = *free.0;
                left.remove(free);
            }
            if !left.is_empty() {
                wrong.push(format!("{root}/src/{}: {left:?}", folder.join("/")));
            }
        }
    }
    assert!(wrong.is_empty(), "these use each other in a circle, or something that does:\n{}", wrong.join("\n"));
}

/// The public interface of the library: modules, then names. An addition here is a promise to all users.
const FACE: &str = "
    cli compressed crash error extension fold gc heap interpreted memory model module objects reason regions runtimes search
    tasks text trace write
    Binaries Binary Bytes Call Component CoreDump Crash CrashReason Draft Dump EmbeddedSource Error ErrorKind
    ExpressionError Found Frame InlinedFrame Limits Location Mapping Memory Options Refused Register ResolvedFrame Result
    Scope Shapes Slot SourceFrame Status Store SymbolsKind Thread Variable VariableKind Verification When
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
    for tool in ["coredump-bt", "coredump-dump", "coredump-json", "coredump-serve"] {
        for file in files(&workspace().join(tool).join("src")) {
            // The compiler keeps it from the rest.
            assert!(!code(&file).contains("internals"), "{} looks behind the door", file.display());
        }
    }
}

/// The languages that debug information describes, as the code calls them, and the folder of each.
const LANGUAGES: [(&str, &str); 5] =
    [("C", "lang/c/"), ("Cpp", "lang/cpp/"), ("D", "lang/d/"), ("Rust", "lang/rust/"), ("Zig", "lang/zig/")];

/// Returns true if the code names one of them.
fn chooses_by_language(code: &str) -> bool {
    LANGUAGES.iter().any(|(name, _)| code.contains(&format!("Language::{name}")))
}

#[test]
fn what_a_language_does_otherwise_is_decided_in_its_own_folder() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    // The two tables: one of the codes of languages, one of their types.
    let allowed = ["catalog/entries.rs", "lang/mod.rs"];
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
