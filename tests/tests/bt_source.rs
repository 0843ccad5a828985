//! `coredump-bt --source`: the lines around a place, from wherever the source is now.

use std::path::Path;

use coredump_tests::{Outcome, Tool, fixture, scratch, wasmtime_dump};

/// Frame 0 of sum-O0, whose debug info names `src/c/sum.c`, line 25.
fn source(folder: &Path, options: &[&str]) -> Outcome {
    let tool = Tool::new("coredump-bt").arg(wasmtime_dump("sum-O0")).arg("-m").arg(fixture("modules/sum-O0.wasm"));
    tool.args(["--source", "--frame=0"]).args(options).in_folder(folder).run().expect(0)
}

fn put(path: &Path) {
    std::fs::create_dir_all(path.parent().expect("a folder")).unwrap();
    std::fs::copy(fixture("sources/c/sum.c"), path).unwrap();
}

/// How line 25 is shown.
fn line() -> String {
    let text = std::fs::read_to_string(fixture("sources/c/sum.c")).unwrap();
    format!("\n  >   25 {}\n", text.lines().nth(24).unwrap())
}

#[test]
fn lines_are_read_unless_the_dump_is_untrusted() {
    let folder = scratch();
    put(&folder.path().join("src/c/sum.c"));
    let outcome = source(folder.path(), &[]);
    assert!(outcome.text().contains(&line()), "{}", outcome.text());
    assert!(!outcome.stderr.contains("read from"), "{}", outcome.stderr);
    assert!(!source(folder.path(), &["--untrusted"]).text().contains(&line()));
}

#[test]
fn moved_sources_are_found_by_the_end_of_their_path_and_a_note_tells() {
    let folder = scratch();
    put(&folder.path().join("c/sum.c"));
    let outcome = source(folder.path(), &[]);
    assert!(outcome.text().contains(&line()), "{}", outcome.text());
    assert!(outcome.stderr.contains("source src/c/sum.c: read from c/sum.c\n"), "{}", outcome.stderr);
}

#[test]
fn a_bare_file_name_is_believed_only_in_a_named_folder() {
    let folder = scratch();
    put(&folder.path().join("elsewhere/sum.c"));
    put(&folder.path().join("sum.c"));
    let outcome = source(folder.path(), &[]);
    assert!(!outcome.text().contains(&line()), "{}", outcome.text());
    assert!(outcome.stderr.contains("source src/c/sum.c not found\n"), "{}", outcome.stderr);
    let outcome = source(folder.path(), &["--symbols-path", "elsewhere"]);
    assert!(outcome.text().contains(&line()), "{}", outcome.text());
}
