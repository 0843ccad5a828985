//! The last calls of the host, in the dumps of programs that ran recorded or instrumented.

use std::fs;

use coredump_tests::{Tool, fixture};
use serde_json::Value;

use super::Run;

/// A program that opens a file that is there and one that is not, asks for the time 80 times, and exits with 3.
const GUEST: &str = r#"(module
    (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (data (i32.const 100) "here.txt") (data (i32.const 120) "a\nb.txt")
    (data (i32.const 200) "\80\01\00\00\05\00\00\00")
    (func $times (param $n i32)
        (loop
            (drop (call $time (i32.const 1) (i64.const 0) (i32.const 64)))
            (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (func (export "_start")
        (call $times (i32.const 80))
        (drop (call $open (i32.const 3) (i32.const 0) (i32.const 100) (i32.const 8) (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 80)))
        (drop (call $read (i32.load (i32.const 80)) (i32.const 200) (i32.const 1) (i32.const 84)))
        (drop (call $open (i32.const 3) (i32.const 0) (i32.const 120) (i32.const 7) (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 80)))
        (drop (call $write (i32.const 9) (i32.const 200) (i32.const 1) (i32.const 84)))
        (call $exit (i32.const 3))))"#;

fn ran(options: &[&str]) -> (Run, Vec<Value>) {
    let folder = coredump_tests::scratch();
    fs::write(folder.path().join("here.txt"), "hello").unwrap();
    let given = format!("{}::/", folder.path().display());
    let run = Run::wat(&[options, &["--on", "exit", "--dir", &given]].concat(), GUEST).expect(3);
    let calls = run.json()["host_calls"].as_array().unwrap().clone();
    (run, calls)
}

/// A call as one line, without its time.
fn line(call: &Value) -> String {
    let args: Vec<&str> = call["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()).collect();
    let mark = if call["failed"] == true { "!" } else { "" };
    format!("{mark}{}({}) = {}", call["name"].as_str().unwrap(), args.join(" "), call["result"].as_str().unwrap_or("?"))
}

#[test]
fn the_last_calls_are_told_with_arguments_and_results() {
    for options in [&[][..], &["--live"]] {
        let (run, calls) = ran(options);
        assert_eq!(calls.len(), 64, "only the last ones are kept");
        let lines: Vec<String> = calls.iter().map(line).collect();
        assert_eq!(lines[0], "clock_time_get(id=1 precision=0 out=0x40) = success");
        let expected = [
            r#"path_open(fd=3 flags=0 path="here.txt" how=0 rights=2 inheriting=0 more=0 out=0x50) = success, 4"#,
            "fd_read(fd=4 list=0xc8 len=1 count=0x54) = success, 5",
            r#"!path_open(fd=3 flags=0 path="a\nb.txt" how=0 rights=2 inheriting=0 more=0 out=0x50) = noent"#,
            "!fd_write(fd=9 list=0xc8 len=1 count=0x54) = badf",
        ];
        assert_eq!(lines[59..63], expected, "{options:?}");
        assert!(lines[63].starts_with("!proc_exit(code=3) = "), "{}", lines[63]);
        let times: Vec<u64> = calls.iter().map(|call| call["since_start_ms"].as_u64().unwrap()).collect();
        assert!(times.is_sorted() && times[63] < 60_000, "{times:?}");

        let text = Tool::new("coredump-bt").arg(&run.dump).run().expect(0);
        assert!(text.text().contains("last host calls:\n    … 48 earlier calls\n"), "{}", text.text());
        let marked = text.text().lines().filter(|line| line.starts_with("  ! ")).count();
        assert_eq!(marked, 3, "{}", text.text());
        let frame = Tool::new("coredump-bt").args(["--frame", "0"]).arg(&run.dump).run().expect(0);
        assert!(!frame.text().contains("last host calls"), "{}", frame.text());
        let redacted = Tool::new("coredump-json").arg("--redact").arg(&run.dump).run().expect(0);
        assert!(!redacted.text().contains("txt"), "{}", redacted.text());
        assert_eq!(redacted.json()["host_calls"][60]["name"], "fd_read");
        // And through the document back into a dump.
        let document = Tool::new("coredump-json").args(["--memory", "base64"]).arg(&run.dump).run().expect(0);
        let folder = coredump_tests::scratch();
        let again = folder.path().join("again.coredump");
        Tool::new("coredump-json").args(["--encode", "-", "-o"]).arg(&again).stdin(document.stdout).run().expect(0);
        let again = Tool::new("coredump-json").arg(&again).run().expect(0).json();
        assert_eq!(again["host_calls"].as_array().unwrap(), &calls);
    }
}

#[test]
fn fast_notes_nothing() {
    let run = Run::fixture(&["--fast"], "abort").expect(134);
    assert_eq!(run.json()["host_calls"], serde_json::json!([]));
}

#[test]
fn a_call_that_did_not_return_has_no_result() {
    let folder = coredump_tests::scratch();
    let tool = Tool::new("coredump-run").args(["-o", "%e.coredump", "--timeout", "700ms"]);
    let outcome = tool.arg(fixture("modules/sleep.wasm")).in_folder(folder.path()).run();
    assert_eq!(outcome.status.code(), Some(124), "{}", outcome.stderr);
    let dump = super::read(&folder.path().join("sleep.coredump"));
    let calls = dump["host_calls"].as_array().unwrap();
    let last = calls.last().unwrap();
    assert_eq!((&last["name"], &last["result"], &last["failed"]), (&"poll_oneoff".into(), &Value::Null, &false.into()));
}

/// A component names the interface with the function; paths are texts, what is read and written is counted.
#[test]
fn the_calls_of_a_component_are_told_as_its_interfaces_have_them() {
    for options in [&[][..], &["--live"]] {
        let folder = coredump_tests::scratch();
        fs::create_dir(folder.path().join("data")).unwrap();
        fs::write(folder.path().join("data/file.txt"), "0123456789abcdef").unwrap();
        let tool = Tool::new("coredump-run").args(["-o", "app.coredump", "--dir", "data::/data"]).args(options);
        let tool = tool.arg(fixture("modules/component-curious.wasm")).in_folder(folder.path());
        tool.stdin("hello").run().expect(134);
        let dump = folder.path().join("app.coredump");
        let calls = super::read(&dump)["host_calls"].as_array().unwrap().clone();
        let redacted = Tool::new("coredump-json").arg("--redact").arg(&dump).run().expect(0).json();
        let names = |calls: &[Value]| calls.iter().map(|call| call["name"].clone()).collect::<Vec<_>>();
        assert_eq!(names(redacted["host_calls"].as_array().unwrap()), names(&calls));
        let lines: Vec<String> = calls.iter().map(line).collect();
        let has = |wanted: &str| assert!(lines.iter().any(|line| line.contains(wanted)), "{wanted}: {lines:#?}");
        has("path=\"missing\" open-flags={} flags={read}) = no-entry");
        has("old-path=\"new.txt\"");
        has("#output-stream.blocking-write-and-flush(this=");
        has("contents=5 bytes) = success");
        has("wasi:clocks/monotonic-clock#subscribe-duration(when=2000000) = ");
        has("#[resource-drop]descriptor(this=");
        assert!(
            lines.iter().any(|line| line.starts_with("!wasi:filesystem/types#descriptor.open-at(this=")),
            "{lines:#?}"
        );
    }
}
