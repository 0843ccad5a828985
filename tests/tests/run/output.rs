//! Where dumps go, and what happens when they cannot go there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use coredump_tests::{Outcome, Tool, fixture, pipeline, scratch};

use crate::Run;

fn crash(folder: &Path, options: &[&str]) -> Outcome {
    let program = fixture("modules/wat-div.wasm");
    Tool::new("coredump-run").args(options).arg(program).in_folder(folder).run().expect(134)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn the_name_follows_the_pattern_and_is_told() {
    let folder = scratch();
    let outcome = crash(folder.path(), &[]);
    let [file] = &files(folder.path())[..] else { panic!("{:?}", files(folder.path())) };
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("wat-div.") && name.ends_with(".coredump"), "{name}");
    assert!(outcome.stderr.contains(&format!("core dumped: {name}")), "{}", outcome.stderr);
    assert!(outcome.stderr.contains(&format!("hint: coredump-bt --locals {name}")), "{}", outcome.stderr);
    assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn the_reason_and_the_backtrace_are_on_standard_error() {
    let folder = scratch();
    let outcome = crash(folder.path(), &[]);
    assert!(outcome.stderr.contains("integer divide by zero"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("#0 ") && outcome.stderr.contains("#1 "), "{}", outcome.stderr);
    assert_eq!(crash(folder.path(), &["--quiet"]).stderr, "");
}

#[test]
fn a_recursion_is_told_in_few_lines() {
    let told = Run::fixture(&[], "overflow").expect(134).outcome.stderr;
    assert!(told.contains("descend") && told.contains(" times more\n"), "{told}");
    assert!(told.lines().count() < 30, "{told}");
}

#[test]
fn the_programs_own_words_are_the_reason_told() {
    let told = Run::fixture(&[], "assert").expect(134).outcome.stderr;
    let line = told.lines().find(|line| line.starts_with("coredump-run: ")).unwrap();
    assert!(line.contains("part <= whole") && line.contains("assert.c"), "{line}");
}

#[test]
fn a_program_from_standard_input_is_in_its_dump() {
    let folder = scratch();
    let program = fs::read(fixture("modules/sum-O0.wasm")).unwrap();
    let tool = Tool::new("coredump-run").args(["-o", "%e.coredump", "-", "word"]).stdin(program);
    let outcome = tool.in_folder(folder.path()).run().expect(134);
    assert!(outcome.stderr.contains("divide at src/c/sum.c:25:29"), "{}", outcome.stderr);
    let dump = fs::read(folder.path().join("stdin.coredump")).unwrap();
    let told = Tool::new("coredump-bt").arg("--untrusted").stdin(dump).run();
    assert!(told.text().contains("sum.c:25"), "{told:?}");
}

#[test]
fn an_import_that_nobody_offers_is_a_crash_only_when_called() {
    let refused = Run::fixture(&[], "as-abort").expect(126).outcome.stderr;
    assert!(refused.contains("env::abort") && refused.contains("--unknown-imports-trap"), "{refused}");
    let run = Run::fixture(&["--unknown-imports-trap"], "as-abort").expect(134);
    let dump = run.json();
    assert_eq!(dump["reason"]["kind"], "host-error");
    assert!(dump["reason"]["message"].as_str().unwrap().contains("env::abort"), "{}", dump["reason"]);
    assert!(crate::frames(&dump)[1]["file"].as_str().unwrap().ends_with("abort.ts"), "{dump}");
    // The report finds the source map, too.
    assert!(run.outcome.stderr.contains("abort.ts:3:10"), "{}", run.outcome.stderr);
}

#[test]
fn a_dump_on_standard_output_feeds_the_next_tool() {
    let program = fixture("modules/sum-O0.wasm");
    let run = Tool::new("coredump-run").args(["-o", "-"]).arg(program);
    let outcomes = pipeline([run, Tool::new("coredump-bt")]);
    assert_eq!(outcomes[0].status.code(), Some(134));
    assert!(outcomes[1].text().contains("divide"), "{outcomes:?}");
}

#[test]
fn a_dump_that_cannot_be_written_changes_nothing_else() {
    let folder = scratch();
    for (target, told) in [("missing/dir/x", "No such file"), (".", "is a directory"), ("/dev/full", "No space left")] {
        let outcome = crash(folder.path(), &["-o", target]);
        assert!(outcome.stderr.contains("no core dump"), "{target}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(told), "{target}: {}", outcome.stderr);
        assert!(files(folder.path()).is_empty(), "{:?}", files(folder.path()));
    }
}

#[test]
fn only_the_newest_dumps_of_this_program_stay() {
    let folder = scratch();
    fs::write(folder.path().join("wat-div.0.coredump"), "somebody's notes").unwrap();
    for _ in 0..4 {
        crash(folder.path(), &["--keep", "2"]);
    }
    assert_eq!(files(folder.path()).len(), 3, "two dumps and the notes");
}

#[test]
fn what_cannot_be_run_says_so_by_its_exit_code() {
    let folder = scratch();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("empty.wasm"), "").unwrap();
    fs::write(path("text.txt"), "no program").unwrap();
    fs::write(path("cut.wasm"), &fs::read(fixture("modules/sum-O0.wasm")).unwrap()[..500]).unwrap();
    for (program, code) in [("missing.wasm", 127), ("text.txt", 126), ("cut.wasm", 126), (".", 126)] {
        let outcome = Tool::new("coredump-run").arg(program).in_folder(folder.path()).run().expect(code);
        assert!(outcome.stderr.starts_with(&format!("coredump-run: {program}: ")), "{}", outcome.stderr);
        assert_eq!(outcome.stderr.lines().next().map(|line| line.contains("panicked")), Some(false));
    }
    let unknown = fixture("modules/as-abort.wasm");
    let outcome = Tool::new("coredump-run").arg(unknown).in_folder(folder.path()).run().expect(126);
    assert!(outcome.stderr.contains("env"), "{}", outcome.stderr);
    Tool::new("coredump-run").arg("--nonsense").run().expect(64);
}

#[test]
fn options_behind_the_program_are_the_guests() {
    let folder = scratch();
    let outcome = Tool::new("coredump-run")
        .args(["--env", "GREETING=hello world"])
        .arg(fixture("modules/args.wasm"))
        .args(["--quiet", "-o", "x", "--", "y"])
        .in_folder(folder.path())
        .run()
        .expect(0);
    for word in ["--quiet", "-o", "GREETING=hello world"] {
        assert!(outcome.text().contains(word), "{word}: {}", outcome.text());
    }
}

#[test]
fn a_limit_of_the_file_size_does_not_kill_the_run() {
    let folder = scratch();
    let program = fixture("modules/sum-O0.wasm");
    let run = Tool::new("coredump-run").args(["-o", "app.coredump"]).arg(program).into_command();
    let mut words = vec![run.get_program().to_owned()];
    words.extend(run.get_args().map(ToOwned::to_owned));
    let shell = Tool::other("sh").args(["-c", "ulimit -f 1; exec \"$@\"", "sh"]).args(words);
    let outcome = shell.in_folder(folder.path()).run().expect(134);
    assert!(outcome.stderr.contains("no core dump: app.coredump: cannot write: File too large"), "{}", outcome.stderr);
    assert!(files(folder.path()).is_empty());
}
