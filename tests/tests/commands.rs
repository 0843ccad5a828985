//! Command lines with what they print, as files: `tests/commands/NAME.test`. `COREDUMP_UPDATE=1` writes anew what they
//! print.
//!
//! ```text
//! # A comment, to the end of the file's head.
//! @ app.coredump = dumps/oob.wasmtime.coredump
//! % coredump-bt --store symbols app.coredump
//! $ coredump-bt --brief app.coredump
//! what it prints on standard output, then on standard error, each line of that with `! ` in front
//! ? 1
//! ```
//!
//! `?` is the exit code, unless that is 0. The current folder is `tests/fixtures`, which commands must not write to;
//! with lines that begin with `@` in the head it is a folder of their own, in which these are copies of fixtures, and
//! where the commands after `%` ran first. `PID` stands for a process id or a time in a file's name, `TIME` for a time
//! of its own. They are a shell's, because half of the documented ones are pipes: that is why no library for
//! command-line tests is used here.
//!
//! Every example of the README, of `docs` and of `--help` is such a command, letter for letter.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use coredump_tests::{Outcome, Tool, binary, scratch};

const TOOLS: [&str; 5] = ["coredump-run", "coredump-bt", "coredump-json", "coredump-dump", "coredump-serve"];

/// Examples that are no case of their own, by a text in them, and where they are tested instead.
const ELSEWHERE: &[(&str, &str)] = &[
    ("coredump-serve --", "it serves until it is told to stop: tests/tests/gdb.rs, lldb.rs and serve.rs, tests/dap"),
    ("coredump-run --serve", "it serves until it is told to stop: tests/tests/run/serve"),
    ("coredump-json --schema", "it prints a file that is in docs: tests of coredump-json"),
];

/// The pages whose documented commands are tested elsewhere, all of them together, and the test that does so.
const PAGES: &[(&str, &str)] = &[("cookbook-jq.md", "tests/tests/cookbook.rs")];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn shell(command: &str, folder: &Path) -> Outcome {
    let tools = binary(TOOLS[0]).parent().unwrap();
    let path = std::env::join_paths(
        std::iter::once(tools.to_owned()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    );
    Tool::other("bash")
        .args(["-o", "pipefail", "-c", command])
        .env("PATH", path.unwrap())
        .env("LC_ALL", "C.UTF-8")
        .env("XDG_CACHE_HOME", std::path::absolute(tools.join("cache")).unwrap())
        .in_folder(folder)
        .run()
}

/// Runs one command and gives what is written down of it.
fn run(command: &str, folder: &Path) -> String {
    let outcome = shell(command, folder);
    let is_text = |text: &&str| !text.chars().any(|letter| letter.is_control() && !matches!(letter, '\n' | '\t'));
    let written = std::str::from_utf8(&outcome.stdout).ok().filter(is_text).map(str::to_owned);
    // Output that is no text is replaced by its size.
    let mut text = written.unwrap_or_else(|| format!("({} bytes)", outcome.stdout.len()));
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for line in outcome.stderr.lines() {
        let _ = writeln!(text, "! {line}");
    }
    if outcome.code() != 0 {
        let _ = writeln!(text, "? {}", outcome.code());
    }
    let folder = format!("{}/", folder.display());
    let lines = text.lines().map(|line| format!("{}\n", masked(&line.replace(&folder, ""))));
    format!("$ {command}\n{}", lines.collect::<String>())
}

/// A line in which `PID` stands for a number between dots in a dump's name, and `TIME` for a time of RFC 3339.
fn masked(line: &str) -> String {
    let is_time = |word: &str| word.len() == 20 && word.ends_with('Z') && word.as_bytes()[10] == b'T';
    let words = line.split(' ').map(|word| if is_time(word) { "TIME" } else { word });
    let line = words.collect::<Vec<_>>().join(" ");
    let parts: Vec<&str> = line.split('.').collect();
    let masked = parts.iter().enumerate().map(|(index, part)| {
        let in_name = parts[index + 1..].iter().any(|next| next.starts_with("coredump"));
        let is_number = part.len() > 1 && part.bytes().all(|byte| byte.is_ascii_digit());
        if in_name && is_number { "PID" } else { part }
    });
    masked.collect::<Vec<_>>().join(".")
}

/// The files of cases, with what they say.
fn cases() -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("commands");
    let files = folder.read_dir().expect("tests/commands is there").map(|entry| entry.unwrap().path());
    let mut cases: Vec<_> = files.map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect();
    cases.sort();
    cases
}

/// Fills a folder as the head of a file of cases asks for.
fn furnish(head: &[&str], folder: &Path) {
    for line in head {
        if let Some((copy, original)) =
            line.strip_prefix("@ ").map(|line| line.split_once(" = ").expect("@ COPY = FIXTURE"))
        {
            let copy = folder.join(copy);
            std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
            std::fs::copy(fixtures().join(original), copy).expect(original);
        } else if let Some(command) = line.strip_prefix("% ") {
            let outcome = shell(command, folder);
            assert!(!outcome.stderr.contains("not found"), "{command}: {outcome:?}");
        }
    }
}

#[test]
fn commands_print_what_is_written_down() {
    let mut differing = Vec::new();
    for (case, written) in cases() {
        let head: Vec<&str> = written.lines().take_while(|line| !line.starts_with("$ ")).collect();
        let own = head.iter().any(|line| line.starts_with("@ ")).then(scratch);
        let folder = own.as_ref().map_or_else(fixtures, |own| own.path().to_owned());
        furnish(&head, &folder);
        let mut text: String = head.iter().map(|line| format!("{line}\n")).collect();
        for command in written.lines().filter_map(|line| line.strip_prefix("$ ")) {
            text.push_str(&run(command, &folder));
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

/// The command of a line of an example, without a prompt and what is said of it.
fn example(line: &str) -> Option<&str> {
    let command = line.trim().trim_start_matches("$ ");
    let tool = command.split_once(' ').map(|(tool, _)| tool)?;
    if !TOOLS.contains(&tool) {
        return None;
    }
    // A comment stands after a space and outside of quotes.
    let comment = command.match_indices(" # ").find(|(at, _)| command[..*at].matches('\'').count().is_multiple_of(2));
    Some(comment.map_or(command, |(at, _)| &command[..at]).trim())
}

/// The examples in the blocks of code of a page.
fn examples(page: &str) -> Vec<&str> {
    let mut fenced = None;
    let mut examples = Vec::new();
    for line in page.lines() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            fenced = if fenced.is_some() { None } else { Some(language) };
            continue;
        }
        // In a session, what has no prompt is what was printed.
        let is_code = match fenced {
            Some("console") => line.starts_with("$ "),
            Some(_) => true,
            None => line.starts_with("    coredump-"),
        };
        examples.extend(example(line).filter(|_| is_code));
    }
    examples
}

#[test]
fn every_documented_command_is_a_case() {
    let pages = root().join("docs").read_dir().unwrap().map(|entry| entry.unwrap().path());
    let pages = pages.chain([root().join("README.md")]).filter(|path| path.extension().is_some_and(|end| end == "md"));
    let mut documented = BTreeSet::new();
    for page in pages {
        let name = page.file_name().unwrap().to_str().unwrap().to_owned();
        if PAGES.iter().any(|(page, _)| name == *page) || name == "architecture.md" {
            continue;
        }
        let text = std::fs::read_to_string(&page).unwrap();
        documented.extend(examples(&text).into_iter().map(|command| (name.clone(), command.to_owned())));
    }
    for tool in TOOLS {
        let help = Tool::new(tool).arg("--help").run().expect(0);
        let examples = help.text().lines().filter(|line| line.starts_with("  coredump-")).filter_map(example);
        documented.extend(examples.map(|command| (format!("{tool} --help"), command.to_owned())));
    }
    assert!(documented.len() > 80, "{documented:#?}");
    let tested: BTreeSet<String> = cases()
        .iter()
        .flat_map(|(_, text)| {
            text.lines().filter_map(|line| line.strip_prefix("$ ")).map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    let elsewhere = |command: &str| ELSEWHERE.iter().any(|(text, _)| command.contains(text));
    let missing: Vec<_> =
        documented.iter().filter(|(_, command)| !tested.contains(command) && !elsewhere(command)).collect();
    assert!(missing.is_empty(), "no case in tests/commands: {missing:#?}");
}
