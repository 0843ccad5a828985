//! A recorded run and its replay: the dump is that of an instrumented run, whatever the host answered.

use std::path::Path;

use coredump_tests::{Tool, fixture, scratch};
use serde_json::{Value, json};

use crate::{Run, frames, memory, read, values};

/// What a dump holds of the program's state, without what two runs may differ in.
fn state(dump: &Path) -> Value {
    let document = Tool::new("coredump-json").args(["--untrusted", "--memory", "base64"]).arg(dump).run().json();
    let keys = ["threads", "memories", "globals", "tables", "instances", "modules", "reason", "signature", "place"];
    keys.iter().map(|key| ((*key).to_owned(), document[key].clone())).collect::<serde_json::Map<_, _>>().into()
}

/// Programs that the host tells nothing that differs from one run to the next.
#[test]
fn a_replayed_dump_is_that_of_an_instrumented_run() {
    let names = [
        "abort",
        "ab-ubsan",
        "assert",
        "cpp-classes",
        "deep",
        "grow",
        "indirect",
        "oob",
        "places-O2-dwarf5",
        "rust-inline-O2",
        "shadow",
        "sum-O0",
        "sum-O2",
        "trap-std",
        "vars-O2",
        "wat-catch",
        "wat-gc",
        "wat-memory64",
        "wat-multi-memory",
        "wat-mutual",
        "wat-page-size",
        "wat-segment",
        "wat-start",
        "wat-tables",
        "wat-tail-call",
        "wat-throw",
        "wat-unreachable",
        "wat-values",
        "zig-vars-Debug",
    ];
    for name in names {
        let live = Run::fixture(&["--live"], name).expect(134);
        let replayed = Run::fixture(&[], name).expect(134);
        assert_eq!(state(&replayed.dump), state(&live.dump), "{name}");
        assert_eq!(replayed.outcome.stdout, live.outcome.stdout, "{name}: what it prints appears once");
        let process = &replayed.json()["process"];
        assert_eq!((&process["detail"], &process["replay"]["verified"]), (&json!("replayed"), &json!(true)), "{name}");
        assert_eq!(live.json()["process"]["detail"], "live");
    }
}

/// A program that asks the host for everything that differs from run to run, reads its input, and traps.
const CURIOUS: &str = r#"(module
    (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_get" (func $environ (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_prestat_dir_name" (func $name (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_readdir" (func $readdir (param i32 i32 i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_filestat_get" (func $stat (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_filestat_get" (func $path_stat (param i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 8) "file.txt")
    (func $no_errno (param $errno i32) (if (local.get $errno) (then (unreachable))))
    (func $crash (param $random i64) (result i32) (i32.div_u (i32.const 1) (i32.wrap_i64 (i64.const 0))))
    (func (export "_start")
        (call $no_errno (call $args_sizes (i32.const 100) (i32.const 104)))
        (call $no_errno (call $args (i32.const 200) (i32.const 300)))
        (call $no_errno (call $environ_sizes (i32.const 108) (i32.const 112)))
        (call $no_errno (call $environ (i32.const 400) (i32.const 450)))
        (call $no_errno (call $clock (i32.const 0) (i64.const 1) (i32.const 504)))
        (call $no_errno (call $random (i32.const 512) (i32.const 100)))
        (call $no_errno (call $name (i32.const 3) (i32.const 640) (i32.const 1)))
        (call $no_errno (call $open (i32.const 3) (i32.const 0) (i32.const 8) (i32.const 8) (i32.const 0)
            (i64.const 0x600006) (i64.const 0) (i32.const 0) (i32.const 700)))
        ;; Two buffers; of the second read the first one is empty.
        (i32.store (i32.const 720) (i32.const 1000)) (i32.store (i32.const 724) (i32.const 10))
        (i32.store (i32.const 728) (i32.const 1100)) (i32.store (i32.const 732) (i32.const 10))
        (call $no_errno (call $read (i32.load (i32.const 700)) (i32.const 720) (i32.const 2) (i32.const 740)))
        (i32.store (i32.const 724) (i32.const 0))
        (call $no_errno (call $read (i32.const 0) (i32.const 720) (i32.const 2) (i32.const 744)))
        (call $no_errno (call $write (i32.const 1) (i32.const 728) (i32.const 1) (i32.const 748)))
        (call $no_errno (call $readdir (i32.const 3) (i32.const 2000) (i32.const 1000) (i64.const 0) (i32.const 752)))
        (call $no_errno (call $stat (i32.load (i32.const 700)) (i32.const 800)))
        (call $no_errno (call $path_stat (i32.const 3) (i32.const 0) (i32.const 8) (i32.const 8) (i32.const 864)))
        ;; A clock, relative, 1 ms.
        (i64.store (i32.const 3016) (i64.const 1)) (i64.store (i32.const 3024) (i64.const 1000000))
        (call $no_errno (call $poll (i32.const 3000) (i32.const 3104) (i32.const 1) (i32.const 756)))
        ;; A failed call is an answer, too.
        (drop (call $stat (i32.const 99) (i32.const 928)))
        (drop (call $crash (i64.load (i32.const 512))))))"#;

#[test]
fn whatever_the_host_answers_is_replayed() {
    let folder = scratch();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("app.wat"), CURIOUS).unwrap();
    std::fs::create_dir(path("data")).unwrap();
    std::fs::write(path("data/file.txt"), "0123456789abcdef").unwrap();
    let tool =
        Tool::new("coredump-run").args(["-o", "app.coredump", "--dir", "data::/", "--env", "A=b", "app.wat", "x"]);
    let outcome = tool.in_folder(folder.path()).stdin("hello").run().expect(134);
    assert!(outcome.stdout.starts_with(b"hello"), "{outcome:?}");
    let dump = read(&path("app.coredump"));
    // The bytes of this dump are those of the replay; that they are the first run's was verified.
    assert_eq!(dump["process"]["detail"], "replayed", "{outcome:?}");
    assert_eq!(dump["process"]["replay"]["host_calls"], 16);
    assert_eq!(memory(&path("app.coredump"), 0, 1000, 10), b"0123456789");
    assert_eq!(memory(&path("app.coredump"), 0, 1100, 5), b"hello");
    let random = memory(&path("app.coredump"), 0, 512, 8);
    let random = i64::from_le_bytes(random.try_into().unwrap());
    assert_eq!(values(&frames(&dump)[0]["locals"]), [random.to_string()]);
}

#[test]
fn beyond_its_limit_nothing_is_replayed() {
    let run = Run::fixture(&["--record-limit", "10"], "sum-O0").expect(134);
    assert!(run.outcome.stderr.contains("--record-limit"), "{}", run.outcome.stderr);
    let dump = run.json();
    assert_eq!((&dump["process"]["detail"], &dump["process"]["replay"]), (&json!("none"), &Value::Null));
    assert!(frames(&dump)[0]["locals"].is_null());
    assert_eq!(frames(&dump)[0]["function"], "divide");
}

#[test]
fn the_recording_is_in_the_dump_unless_it_is_left_out() {
    let has_recording = |run: &Run| {
        let sections = run.json()["sections"].as_array().unwrap().clone();
        sections.iter().any(|section| section["name"] == "coredump.recording")
    };
    assert!(has_recording(&Run::fixture(&[], "sum-O0").expect(134)));
    assert!(!has_recording(&Run::fixture(&["--no-recording"], "sum-O0").expect(134)));
}

#[test]
fn a_dump_that_goes_to_a_pipe_comes_once_and_replayed() {
    let program = fixture("modules/wat-div.wasm");
    let outcome = Tool::new("coredump-run").args(["-o", "-"]).arg(&program).run().expect(134);
    let folder = scratch();
    let dump = folder.path().join("piped.coredump");
    std::fs::write(&dump, &outcome.stdout).unwrap();
    assert_eq!(read(&dump)["process"]["detail"], "replayed");
}

#[test]
fn what_cannot_be_recorded_runs_instrumented_and_says_so() {
    let run = Run::fixture(&[], "component-sum").expect(134);
    assert!(run.outcome.stderr.contains("runs as with --live"), "{}", run.outcome.stderr);
    let dump = run.json();
    assert_eq!(dump["process"]["detail"], "live");
    assert!(frames(&dump)[0]["locals"].is_array());
}

/// Where a memory ends is the host's decision as well.
#[test]
fn a_memory_that_may_not_grow_is_replayed() {
    let text = "(module (memory (export \"memory\") 1 3)
        (func $grow (param $pages i32) (result i32) (memory.grow (local.get $pages)))
        (func (export \"_start\")
            (i32.store (i32.const 16) (call $grow (i32.const 1)))
            (i32.store (i32.const 20) (call $grow (i32.const 5)))
            (i32.store (i32.const 24) (call $grow (i32.const 1)))
            unreachable))";
    let run = Run::wat(&[], text).expect(134);
    assert_eq!(run.json()["process"]["replay"]["verified"], true);
    assert_eq!(memory(&run.dump, 0, 16, 12), [1i32, -1, 2].map(i32::to_le_bytes).concat());
}

#[test]
fn a_timeout_says_where_code_that_runs_was_stopped() {
    let run = Run::fixture(&["--timeout", "200ms"], "spin").expect(124);
    let dump = run.json();
    let message = dump["reason"]["message"].as_str().unwrap();
    assert!(message.starts_with("ended by --timeout; frames and values are those of a replay of it, "), "{message}");
    assert_eq!(dump["process"]["replay"]["verified"], false);
    assert!(frames(&dump)[0]["locals"].is_array());
    // In a call of the host it is stopped exactly there.
    let run = Run::fixture(&["--timeout", "200ms"], "sleep").expect(124);
    assert_eq!(run.json()["reason"]["message"], "ended by --timeout");
}
