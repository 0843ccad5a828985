//! Command lines with what they print, as files: `tests/commands/NAME.test`. `COREDUMP_UPDATE=1` writes anew what they print.
//!
//! ```text
//! # A comment, to the end of the file's head.
//! $ coredump-bt --brief dumps/oob.wasmtime.coredump
//! what it prints on standard output, then on standard error, each line of that with `! ` in front
//! ? 1
//! ```
//!
//! `?` is the exit code, unless that is 0. The current folder is `tests/fixtures`, which commands must not write to. They are a
//! shell's, because half of the documented ones are pipes: that is why no library for command-line tests is used here.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use coredump_tests::{Tool, binary};

const TOOLS: [&str; 3] = ["coredump-bt", "coredump-json", "coredump-dump"];

/// Runs one command and gives what is written down of it.
fn run(command: &str, folder: &Path) -> String {
    let tools = binary(TOOLS[0]).parent().unwrap();
    let path = std::env::join_paths(
        std::iter::once(tools.to_owned()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    );
    let outcome = Tool::other("bash")
        .args(["-o", "pipefail", "-c", command])
        .env("PATH", path.unwrap())
        .env("LC_ALL", "C.UTF-8")
        .in_folder(folder)
        .run();
    let mut text = format!("$ {command}\n{}", outcome.text());
    if !text.ends_with('\n') {
        text.push('\n');
    }
    for line in outcome.stderr.lines() {
        let _ = writeln!(text, "! {line}");
    }
    if outcome.code() != 0 {
        let _ = writeln!(text, "? {}", outcome.code());
    }
    text
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("commands");
    let mut cases: Vec<_> =
        folder.read_dir().expect("tests/commands is there").map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

#[test]
fn commands_print_what_is_written_down() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut differing = Vec::new();
    for case in cases() {
        let written = std::fs::read_to_string(&case).unwrap();
        let head = written.lines().take_while(|line| !line.starts_with("$ "));
        let mut text: String = head.map(|line| format!("{line}\n")).collect();
        for command in written.lines().filter_map(|line| line.strip_prefix("$ ")) {
            text.push_str(&run(command, &fixtures));
        }
        if text == written {
            continue;
        }
        if std::env::var_os("COREDUMP_UPDATE").is_some() {
            std::fs::write(&case, &text).unwrap();
        }
        let first = text.lines().zip(written.lines()).position(|(now, then)| now != then);
        let at = first.unwrap_or_else(|| text.lines().count().min(written.lines().count()));
        let line = |text: &str| text.lines().nth(at).unwrap_or("(nothing)").to_owned();
        differing.push(format!(
            "{}:{}\n  expected: {}\n  printed:  {}",
            case.display(),
            at + 1,
            line(&written),
            line(&text)
        ));
    }
    assert!(std::env::var_os("COREDUMP_UPDATE").is_some() || differing.is_empty(), "{}", differing.join("\n"));
}
