//! Tests inputs that no tool can use: the exit code, and the line that says what is wrong with which file, and where.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use coredump_tests::{Outcome, Tool, fixture, scratch, wasmtime_dump};

const READERS: [&str; 3] = ["coredump-bt", "coredump-json", "coredump-dump"];

/// Checks the exit code and the first line of standard error, `TOOL: FILE: message`. Nothing but hints may follow.
#[track_caller]
fn fails(tool: &str, file: &Path, code: i32, message: &str) -> Outcome {
    let outcome = Tool::new(tool).arg(file).run().expect(code);
    let lines: Vec<&str> = outcome.stderr.lines().collect();
    assert_eq!(lines[0], format!("{tool}: {}: {message}", file.display()));
    assert!(lines[1..].iter().all(|line| line.starts_with("hint: ")), "{}", outcome.stderr);
    assert_eq!(outcome.stdout, b"", "nothing but an error");
    outcome
}

fn file(folder: &Path, name: &str, contents: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, contents).unwrap();
    path
}

#[test]
fn readers_name_what_is_not_a_dump() {
    let folder = scratch();
    let there = |name: &str, contents: &[u8]| file(folder.path(), name, contents);
    for tool in READERS {
        fails(tool, &folder.path().join("missing"), 2, "cannot open: No such file or directory");
        fails(tool, &there("empty", b""), 2, "the file is empty (offset 0x0)");
        fails(tool, &there("text", b"hello world"), 2, "not a WebAssembly file (offset 0x0)");
        fails(tool, &there("header", b"\0asm\x01\0"), 2, "the file ends inside the WebAssembly header (offset 0x6)");
        fails(tool, folder.path(), 2, "is a directory");
        let module = fixture("modules/wat-div.wasm");
        let outcome = fails(tool, &module, 2, "an ordinary WebAssembly module, not a core dump");
        assert!(outcome.stderr.contains("hint: name the dump; a module is given with -m"));
        let component = fixture("modules/component-sum.wasm");
        fails(tool, &component, 2, "a WebAssembly component, not a core dump (offset 0x4)");
        let gzip = there("dump.gz", b"\x1f\x8b\x08\0\0\0\0\0");
        fails(tool, &gzip, 2, "cannot be unpacked as gzip: unexpected end of file (offset 0x0)");
    }
}

/// An endless device costs no more than its first bytes; one that begins as WebAssembly is read while it lasts.
#[test]
fn devices_and_pipes_are_read_no_further_than_they_need_be() {
    for tool in READERS {
        fails(tool, Path::new("/dev/zero"), 2, "not a WebAssembly file (offset 0x0)");
        fails(tool, Path::new("/dev/null"), 2, "the file is empty (offset 0x0)");
        let dump = std::fs::read(wasmtime_dump("wat-div")).unwrap();
        let outcome = Tool::new(tool).arg("/dev/stdin").stdin(dump).run();
        assert!(matches!(outcome.code(), 0 | 1), "{outcome:?}");
        assert_ne!(outcome.stdout, b"", "{tool}");
    }
}

#[test]
fn a_dump_is_no_program() {
    let dump = wasmtime_dump("sum-O0");
    let outcome = fails("coredump-run", &dump, 126, "a core dump, not a program");
    assert!(outcome.stderr.contains("hint: coredump-bt "), "{}", outcome.stderr);
}

#[test]
fn a_truncated_dump_is_told_once_with_the_offset() {
    let folder = scratch();
    let whole = std::fs::read(wasmtime_dump("wat-div")).unwrap();
    let cut = file(folder.path(), "cut", &whole[..100]);
    for tool in READERS {
        let outcome = Tool::new(tool).arg(&cut).run().expect(1);
        let expected = "the file ends inside section corestack: 1 of 19 bytes are here (offset 0x64)";
        assert_eq!(outcome.stderr.matches("offset 0x64").count(), 1, "{tool}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(expected), "{tool}: {}", outcome.stderr);
        assert_ne!(outcome.stdout, b"", "{tool} shows what could be read");
    }
}

/// Root may read anything: then there is nothing to see.
#[test]
fn an_unreadable_file_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let folder = scratch();
    let closed = file(folder.path(), "closed", b"\0asm");
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o000)).unwrap();
    if std::fs::read(&closed).is_ok() {
        return;
    }
    for tool in READERS {
        fails(tool, &closed, 2, "cannot open: Permission denied");
    }
}

#[test]
fn a_wrong_binary_is_refused_with_the_frame_that_does_not_fit() {
    let other = fixture("modules/wat-overflow.wasm");
    let outcome = Tool::new("coredump-bt").arg("-m").arg(&other).arg(wasmtime_dump("abort")).run().expect(1);
    assert!(
        outcome.stderr.contains("wat-overflow.wasm: frame 0 of thread 0: function 7 does not exist (the module has 2)"),
        "{}",
        outcome.stderr
    );
    assert!(!outcome.text().contains(".wat:"), "no line from a wrong binary: {}", outcome.text());
}

#[test]
fn a_full_disk_is_an_error_and_a_closed_pipe_is_not() {
    for tool in READERS {
        let mut command = Tool::new(tool).arg(wasmtime_dump("wat-div")).into_command();
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = command.stdin(Stdio::null()).stdout(full).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{tool}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains("cannot write: No space left on device"), "{tool}: {stderr}");

        // A pipe whose reader is gone before the tool starts to write.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Tool::new(tool).arg("-m").arg(fixture("modules/wat-div.wasm")).into_command();
        command.arg(wasmtime_dump("wat-div"));
        if tool == "coredump-dump" {
            command = Tool::new(tool).arg(wasmtime_dump("wat-div")).into_command();
        }
        let output = command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{tool}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn an_output_that_cannot_be_written_is_named() {
    let folder = scratch();
    let target = folder.path().join("no/such/folder/out.json");
    let outcome = Tool::new("coredump-json").arg("-o").arg(&target).arg(wasmtime_dump("wat-div")).run().expect(2);
    assert!(outcome.stderr.contains("no/such/folder"), "{}", outcome.stderr);
}

#[test]
fn standard_input_is_named_too() {
    for tool in READERS {
        let outcome = Tool::new(tool).arg("-").stdin("hello").run().expect(2);
        assert_eq!(
            outcome.stderr.lines().next().unwrap(),
            format!("{tool}: <stdin>: not a WebAssembly file (offset 0x0)")
        );
    }
}

#[test]
fn coredump_run_tells_a_missing_program_from_one_that_cannot_run() {
    let folder = scratch();
    let run = "coredump-run";
    fails(run, &folder.path().join("missing"), 127, "cannot read: No such file or directory");
    fails(run, folder.path(), 126, "cannot read: Is a directory");
    for (name, contents) in [("empty", &b""[..]), ("text", b"hello world"), ("cut", b"\0asm\x01\0\0\0\x0a\x7f")] {
        let outcome = Tool::new(run).arg(file(folder.path(), name, contents)).run().expect(126);
        assert!(outcome.stderr.starts_with("coredump-run: ") && outcome.stderr.contains(name), "{}", outcome.stderr);
        assert!(!outcome.stderr.contains("panicked"));
    }
}

/// A message that quotes the user's own words is not taken for advice to read the help.
#[test]
fn wrong_usage_is_told_in_any_words() {
    for arg in ["--no-such", "--memory=--help me"] {
        let outcome = Tool::new("coredump-dump").arg(arg).run().expect(64);
        let first = outcome.stderr.lines().next().unwrap();
        assert!(first.len() > "coredump-dump: ".len(), "{arg}: {:?}", outcome.stderr);
    }
}
