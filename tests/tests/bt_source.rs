//! `coredump-bt --source`: the lines around a place, from wherever the source is now.

use std::path::Path;

use coredump_tests::{Outcome, Tool, capture, fixture, scratch, wasmtime_dump};

/// Frame 0 of sum-O0, whose debug info names `src/c/sum.c`, line 25.
fn source(folder: &Path, options: &[&str]) -> Outcome {
    let tool = Tool::new("coredump-bt").arg(wasmtime_dump("sum-O0")).arg("-m").arg(fixture("modules/sum-O0.wasm"));
    tool.args(["--source", "--frame=0"]).args(options).in_folder(folder).run().expect(0)
}

fn put(path: &Path) {
    std::fs::create_dir_all(path.parent().expect("a folder")).unwrap();
    std::fs::copy(fixture("sources/c/sum.c"), path).unwrap();
}

/// Returns line 25 as the tools show it.
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

#[test]
fn what_the_debug_info_holds_of_a_source_is_shown_without_a_file() {
    let folder = scratch();
    let (dump, _) = capture(folder.path(), "sum-embedded", &["--fast"]);
    for options in [&[][..], &["--untrusted"]] {
        let tool = Tool::new("coredump-bt").arg(&dump).arg("-m").arg(fixture("modules/sum-embedded.wasm"));
        let outcome = tool.args(["--source", "--frame=0"]).args(options).in_folder(folder.path()).run().expect(0);
        assert!(outcome.text().contains(&line()), "{}", outcome.text());
        assert!(!outcome.stderr.contains("sum.c"), "{}", outcome.stderr);
    }
}

/// clang gives the file that `#line` names the text of the file in which the directive stands, and every file of a
/// preprocessed source that source's text.
#[test]
fn a_text_that_is_of_another_file_is_not_shown() {
    let folder = scratch();
    let shown = |module: &str, export: &str| {
        let (dump, _) = capture(folder.path(), module, &["--quiet", "--invoke", export]);
        let tool = Tool::new("coredump-bt").arg(&dump).args(["--source", "--frame=0"]);
        let outcome = tool.in_folder(folder.path()).run().expect(0);
        (outcome.text().contains("\n  > "), outcome.stderr)
    };
    let (any, said) = shown("grammar", "rule");
    assert!(!any && said.contains("source src/grammar.y not found\n"), "{said}");
    assert!(shown("grammar", "own").0, "grammar.h has its own text");
    let (any, said) = shown("grammar-preprocessed", "own");
    assert!(!any && said.contains("source src/c/grammar.h not found\n"), "{said}");
}

#[test]
fn a_source_map_may_hold_the_sources() {
    let folder = scratch();
    let text = std::fs::read_to_string(fixture("sources/assemblyscript/trap.ts")).unwrap();
    let module = fixture("modules/as-trap.wasm");
    let tool = Tool::new("coredump-bt").arg(wasmtime_dump("as-trap")).arg("-m").arg(module).args(["--source"]);
    let outcome = tool.in_folder(folder.path()).run().expect(0);
    let shown: Vec<(usize, &str)> = outcome
        .text()
        .lines()
        .filter_map(|line| line.strip_prefix("  > "))
        .map(|line| {
            let (number, line) = line.trim_start().split_once(' ').expect("a line has a number");
            (number.parse().expect("a number"), line)
        })
        .collect();
    let own: Vec<(usize, &str)> =
        shown.into_iter().filter(|(number, line)| text.lines().nth(number - 1) == Some(line)).collect();
    assert!(own.len() >= 3, "{own:?} of {}", outcome.text());
    assert!(!outcome.stderr.contains("trap.ts"), "{}", outcome.stderr);
}

/// DWARF 5 has the MD5 of each source.
#[test]
fn a_source_that_is_not_what_was_compiled_is_not_shown() {
    let folder = scratch();
    let module = fixture("modules/sum-O0-dwarf5.wasm");
    let show = || {
        let tool = Tool::new("coredump-bt").arg(wasmtime_dump("sum-O0-dwarf5")).arg("-m").arg(&module);
        tool.args(["--source", "--frame=0"]).in_folder(folder.path()).run().expect(0)
    };
    let near = folder.path().join("src/c/sum.c");
    put(&near);
    let mut changed = std::fs::read_to_string(&near).unwrap();
    changed.insert_str(0, "/* a line more */\n");
    std::fs::write(&near, changed).unwrap();
    let outcome = show();
    assert!(!outcome.text().contains("  >   25 "), "{}", outcome.text());
    let note = "source src/c/sum.c is not shown: it is not what was compiled, as the MD5 in the debug info says\n";
    assert!(outcome.stderr.contains(note), "{}", outcome.stderr);

    put(&folder.path().join("c/sum.c"));
    let outcome = show();
    assert!(outcome.text().contains(&line()), "{}", outcome.text());
    assert!(outcome.stderr.contains("source src/c/sum.c: read from c/sum.c\n"), "{}", outcome.stderr);
}
