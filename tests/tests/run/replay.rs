//! A recorded run and its replay: the dump is that of an instrumented run, whatever the host answered.

use std::path::Path;

use coredump_tests::{Tool, fixture, scratch};
use serde_json::{Value, json};

use super::{Run, frames, memory, read, values};

/// Returns the program's state from a dump, without the parts in which two runs may differ.
pub fn state(dump: &Path) -> Value {
    let document = Tool::new("coredump-json").args(["--untrusted", "--memory", "base64"]).arg(dump).run().json();
    let keys = [
        "threads",
        "memories",
        "globals",
        "tables",
        "instances",
        "modules",
        "references",
        "reason",
        "signature",
        "place",
    ];
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

/// Other languages and runtimes: exceptions of C++ and Kotlin, objects that the engine collects, heaps, coroutines.
#[test]
fn programs_of_many_languages_are_replayed() {
    let programs: [(&str, &[&str], &[&str]); 14] = [
        ("as-trap", &[], &[]),
        ("cpp-coroutines-22-O0", &[], &[]),
        ("cpp-names", &[], &[]),
        ("exception-guard", &["--invoke", "run"], &["4"]),
        ("exception-rethrow", &[], &[]),
        ("heap-emscripten", &[], &[]),
        ("heap-zig", &[], &[]),
        ("kotlin-parked", &[], &[]),
        ("kotlin-shapes", &[], &[]),
        ("kotlin-trouble", &[], &["rethrow"]),
        ("moonbit-objects", &[], &[]),
        ("oom-rust", &[], &[]),
        ("rust-errors-O2", &[], &[]),
        ("wat-objects", &[], &[]),
    ];
    for (name, options, arguments) in programs {
        let program = fixture(&format!("modules/{name}.wasm"));
        let live = Run::new(&[&["--live"], options].concat(), &program, arguments).expect(134);
        let replayed = Run::new(options, &program, arguments).expect(134);
        assert_eq!(state(&replayed.dump), state(&live.dump), "{name}");
        assert_eq!(replayed.json()["process"]["replay"]["verified"], true, "{name}");
    }
}

/// tokio throws dice: no two runs have the same memory. Each task waits for the same, and the program died at the same
/// place.
#[test]
fn a_program_that_throws_dice_is_replayed_as_they_fell() {
    let program = fixture("modules/rust-tasks.wasm");
    let told = |options: &[&str]| {
        let run = Run::new(options, &program, &["panic"]).expect(134);
        let dump = run.json();
        let frames = super::places(&dump);
        let awaits = |task: &Value| {
            let mut awaited = vec![task["state"].clone(), task["waits_for"].clone()];
            let mut at = &task["awaits"][0];
            while at.is_object() {
                awaited.push(json!([at["function"], at["state"], at["line"]]));
                at = &at["awaits"][0];
            }
            awaited
        };
        let mut tasks: Vec<_> = dump["tasks"].as_array().unwrap().iter().map(awaits).collect();
        tasks.sort_by_key(|task| format!("{task:?}"));
        (frames, tasks, run)
    };
    let ((live, live_tasks, _), (frames, tasks, run)) = (told(&["--live"]), told(&[]));
    assert_eq!((frames, tasks), (live, live_tasks));
    assert_eq!(run.json()["process"]["replay"]["verified"], true);
    // Run again from its recording, it has the very same values.
    let folder = scratch();
    let again = folder.path().join("again.coredump");
    Tool::new("coredump-run").arg("-o").arg(&again).arg("--replay").arg(&run.dump).run().expect(134);
    assert_eq!(state(&again), state(&run.dump));
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

/// The compiler decides which of two NaNs an addition returns, and on x86 optimised code differs from instrumented
/// code: it adds to the value that was loaded last.
#[cfg(target_arch = "x86_64")]
#[test]
fn other_bits_of_a_nan_leave_the_first_dump_and_are_named() {
    let text = "(module (memory (export \"memory\") 1) (global $zero (mut f64) (f64.const 0))
        (func (export \"_start\") (local $mine f64)
            (f64.store (i32.const 8) (f64.div (global.get $zero) (global.get $zero)))
            (f64.store (i32.const 24) (global.get $zero))
            (local.set $mine (f64.reinterpret_i64 (i64.const 0x7ff8000000000000)))
            (f64.store (i32.const 16) (f64.add (f64.load (i32.const 8)) (local.get $mine)))
            (unreachable)))";
    let run = Run::wat(&[], text).expect(134);
    let why = "memory 0 differs in the 64 KiB at 0x0, only in the bits of NaNs, which are up to the compiler";
    assert!(run.outcome.stderr.contains(why), "{}", run.outcome.stderr);
    assert_eq!(run.json()["process"]["detail"], "none");
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
    let text = "(module (memory (export \"memory\") 1 1 shared) (func (export \"_start\") unreachable))";
    let run = Run::wat(&[], text).expect(134);
    assert!(run.outcome.stderr.contains("runs as with --live, because it has a shared memory"), "{:?}", run.outcome);
    let dump = run.json();
    assert_eq!(dump["process"]["detail"], "live");
    assert!(frames(&dump)[0]["locals"].is_array());
    // As a program for wasi-threads begins. It gets its memory; what starts a thread fails, as where there are too
    // many.
    let text = "(module (import \"env\" \"memory\" (memory 1 4 shared))
        (import \"wasi\" \"thread-spawn\" (func $spawn (param i32) (result i32)))
        (export \"memory\" (memory 0))
        (func (export \"wasi_thread_start\") (param i32 i32))
        (func (export \"_start\") (i32.atomic.store (i32.const 16) (i32.const 5))
            (i32.atomic.store (i32.const 20) (call $spawn (i32.const 7))) unreachable))";
    for (mode, said, detail) in [
        (&[][..], "the program runs as with --live, and can start no threads", "live"),
        (&["--live"], "the program can start no threads", "live"),
        (&["--fast"], "the program can start no threads", "none"),
    ] {
        let run = Run::wat(mode, text).expect(134);
        let lines = run.outcome.stderr.lines().filter(|line| line.contains("can start no threads"));
        assert!(lines.clone().count() == 1 && run.outcome.stderr.contains(said), "{mode:?}: {:?}", run.outcome);
        let dump = run.json();
        assert_eq!((&dump["process"]["detail"], &dump["reason"]["kind"]), (&json!(detail), &json!("unreachable")));
        // The error's number, EAGAIN, is 6 in WASI.
        assert_eq!(memory(&run.dump, 0, 16, 8), [5, 0, 0, 0, 0xfa, 0xff, 0xff, 0xff], "{mode:?}");
    }
    // With this it ends where it would start one.
    let run = Run::wat(&["--unknown-imports-trap"], text).expect(134);
    let said =
        run.outcome.stderr.lines().filter(|line| line.contains("runs as with --live, because it has a shared memory"));
    assert_eq!(said.count(), 1, "{:?}", run.outcome);
    let dump = run.json();
    assert_eq!((&dump["process"]["detail"], &dump["reason"]["kind"]), (&json!("live"), &json!("host-error")));
    assert_eq!(memory(&run.dump, 0, 16, 4), [5, 0, 0, 0]);
    let text = "(component (import \"wasi:http/types@0.2.0\" (instance))
        (core module $main (func (export \"run\") unreachable))
        (core instance $main (instantiate $main))
        (func (export \"run\") (canon lift (core func $main \"run\"))))";
    // The functions that the host offers are no unknown imports, and their answers are not recorded.
    for stand_in in [&[][..], &["--unknown-imports-trap"]] {
        let run = Run::wat(&[&["--invoke", "run()"], stand_in].concat(), text).expect(134);
        let why = "because it imports more than WASI 0.2 for command lines";
        assert!(run.outcome.stderr.contains(why), "{stand_in:?}: {:?}", run.outcome);
        assert_eq!(run.json()["process"]["detail"], "live", "{stand_in:?}");
    }
}

#[test]
fn a_component_is_replayed_as_a_module_is() {
    let programs: [(&str, &[&str]); 8] = [
        // It imports every function of WASI 0.2 for command lines.
        ("component-all-imports", &[]),
        ("component-composed", &["--invoke", "run(0)"]),
        ("component-exit3", &["--on", "exit"]),
        ("component-pic", &["--invoke", "run(2)"]),
        ("component-sum", &[]),
        ("component-two", &["--invoke", "go(2)"]),
        ("wat-foreign-abort", &["--invoke", "run()"]),
        ("wat-instances", &["--invoke", "run(1)"]),
    ];
    for (name, options) in programs {
        let live = Run::fixture(&[&["--live"], options].concat(), name);
        let replayed = Run::fixture(options, name);
        assert_eq!(state(&replayed.dump), state(&live.dump), "{name}");
        assert_eq!(replayed.outcome.status, live.outcome.status, "{name}");
        let process = &replayed.json()["process"];
        assert_eq!((&process["detail"], &process["replay"]["verified"]), (&json!("replayed"), &json!(true)), "{name}");
        // And again from the dump alone.
        let again = Tool::new("coredump-run").arg("--replay").arg(&replayed.dump).run();
        assert_eq!(again.status, live.outcome.status, "{name}: {}", again.stderr);
    }
}

/// Runs the component that asks for clocks, random numbers, its arguments, the environment, files and folders, reads
/// its input and sleeps.
pub fn curious(folder: &Path, options: &[&str]) -> coredump_tests::Outcome {
    std::fs::create_dir_all(folder.join("data")).unwrap();
    std::fs::write(folder.join("data/file.txt"), "0123456789abcdef").unwrap();
    let tool = Tool::new("coredump-run").args(["-o", "app.coredump", "--dir", "data::/data", "--env", "GREETING=hi"]);
    let program = fixture("modules/component-curious.wasm");
    tool.args(options).arg(program).arg("one").in_folder(folder).stdin("hello").run()
}

#[test]
fn whatever_the_host_answers_to_a_component_is_replayed() {
    let folder = scratch();
    let outcome = curious(folder.path(), &[]).expect(134);
    assert_eq!(outcome.stdout, b"hello", "what it prints appears once");
    let path = folder.path().join("app.coredump");
    let dump = read(&path);
    // The bytes of this dump are those of the replay; that they are the first run's was verified.
    assert_eq!(dump["process"]["replay"]["verified"], true, "{outcome:?}");
    assert!(dump["process"]["replay"]["host_calls"].as_u64().unwrap() > 40);
    assert_eq!(super::places(&dump)[..3], ["divide curious.c:23", "ask curious.c:56", "main curious.c:59"]);
    let evaluated = |expression: &str| {
        let tool = Tool::new("coredump-dump").args(["--print", expression]).arg(&path);
        tool.run().expect(0).text().trim().to_owned()
    };
    for (expression, value) in [
        ("answers.name", "\"one\""),
        ("answers.home", "\"hi\""),
        ("answers.text", "\"0123456789abcde\""),
        ("answers.input", "\"hello\""),
        ("answers.link", "\"newer.txt\""),
        ("answers.entries", "3"),
        ("answers.size", "16"),
        ("answers.missing", "44"),
    ] {
        assert_eq!(evaluated(expression), format!("{expression} = {value}"));
    }
    // Elsewhere, without the files of the first run.
    let elsewhere = scratch();
    let again = Tool::new("coredump-run").args(["-o", "again.coredump", "--replay"]).arg(&path);
    let again = again.in_folder(elsewhere.path()).run().expect(134);
    assert!(again.stderr.contains("it ended as in the dump"), "{}", again.stderr);
    assert_eq!(state(&elsewhere.path().join("again.coredump")), state(&path));
}

/// A dump with its modules holds the rest of the component, too.
#[test]
fn a_component_is_run_again_from_the_dump_alone() {
    let folder = scratch();
    let program = folder.path().join("app.wasm");
    std::fs::copy(fixture("modules/component-sum.wasm"), &program).unwrap();
    for (options, code) in [(&[][..], 125), (&["--embed-modules"][..], 134)] {
        let run = Run::new(options, &program, &[]).expect(134);
        std::fs::rename(&program, folder.path().join("away")).unwrap();
        let again = Tool::new("coredump-run").arg("--replay").arg(&run.dump).run().expect(code);
        std::fs::rename(folder.path().join("away"), &program).unwrap();
        let expected = if code == 125 { "coredump-run --replay DUMP PROGRAM" } else { "it ended as in the dump" };
        assert!(again.stderr.contains(expected), "{}", again.stderr);
    }
}

#[test]
fn a_component_in_a_call_or_in_a_loop_is_stopped_by_a_timeout() {
    let folder = scratch();
    let tool = Tool::new("coredump-run").args(["-o", "app.coredump", "--timeout", "3s", "--quiet"]);
    let mut command = tool.arg(fixture("modules/component-curious.wasm")).into_command();
    // Nobody writes to its standard input.
    let mut child = command.current_dir(folder.path()).stdin(std::process::Stdio::piped()).spawn().unwrap();
    let _open = child.stdin.take();
    assert_eq!(child.wait().unwrap().code(), Some(124));
    let dump = read(&folder.path().join("app.coredump"));
    assert_eq!(dump["reason"]["message"], "ended by --timeout");
    let last = dump["host_calls"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["name"], &last["result"]), (&json!("wasi:io/streams#input-stream.blocking-read"), &Value::Null));
    let text = "(component
        (core module $main (func $spin (export \"run\") (local $n i32) (local.set $n (i32.const 7)) (loop (br 0))))
        (core instance $main (instantiate $main))
        (func (export \"run\") (canon lift (core func $main \"run\"))))";
    let run = Run::wat(&["--timeout", "200ms", "--invoke", "run()"], text).expect(124);
    let dump = run.json();
    assert!(dump["reason"]["message"].as_str().unwrap().contains("those of a replay of it"), "{}", dump["reason"]);
    assert_eq!(values(&frames(&dump)[0]["locals"]), ["7"]);
}

#[test]
fn the_recording_of_a_component_is_refused_once_it_is_altered() {
    let folder = scratch();
    curious(folder.path(), &[]).expect(134);
    let path = folder.path().join("app.coredump");
    let bytes = std::fs::read(&path).unwrap();
    let section = read(&path)["sections"].as_array().unwrap().clone();
    let section = section.into_iter().find(|section| section["name"] == "coredump.recording").unwrap();
    let start = section["offset"].as_str().unwrap().trim_start_matches("0x");
    let start = usize::from_str_radix(start, 16).unwrap();
    let end = start + section["size"].as_u64().unwrap() as usize;
    let program = fixture("modules/component-curious.wasm");
    for back in [1, 40, 200] {
        let mut altered = bytes.clone();
        altered[end - back] ^= 1;
        std::fs::write(&path, &altered).unwrap();
        let again = Tool::new("coredump-run").arg("--replay").arg(&path).arg(&program).run().expect(125);
        assert!(again.stderr.contains("cut off or altered") && again.stderr.contains("offset 0x"), "{}", again.stderr);
    }
    // A component that is another one is not run.
    std::fs::write(&path, &bytes).unwrap();
    let other = fixture("modules/component-sum.wasm");
    let again = Tool::new("coredump-run").arg("--replay").arg(&path).arg(other).run().expect(125);
    assert!(again.stderr.contains("not the program that was recorded"), "{}", again.stderr);
}

#[test]
fn a_component_whose_stack_overflows_is_stopped_at_the_same_call() {
    let text = "(component
        (core module $main
            (func $deep (param $n i32) (result i32)
                (i32.add (call $deep (i32.add (local.get $n) (i32.const 1))) (i32.const 1)))
            (func (export \"run\") (result i32) (call $deep (i32.const 0))))
        (core instance $main (instantiate $main))
        (func (export \"run\") (result u32) (canon lift (core func $main \"run\"))))";
    let run = Run::wat(&["--invoke", "run()"], text).expect(134);
    let dump = run.json();
    assert_eq!(dump["process"]["replay"]["verified"], true, "{:?}", run.outcome);
    let depth = frames(&dump).len() - 1;
    assert_eq!(values(&frames(&dump)[0]["locals"]), [(depth - 1).to_string()]);
}

/// The function that overflows the stack is often a small one that was called all the time before: it is found without
/// a walk of the stack at each of its calls, by the globals, of which compilers keep one as the pointer of their own
/// stack.
#[test]
fn a_stack_that_overflows_in_a_busy_function_is_stopped_at_the_same_call() {
    let each = |write: fn(usize) -> String| (0..40).map(write).collect::<String>();
    let loads = each(|n| format!("(local.set {n} (i64.load (i32.const {})))", 8 * n));
    let stores = each(|n| format!("(i64.store (i32.const {}) (local.get {}))", 8 * n, 39 - n));
    let locals = "i64 ".repeat(40);
    let text = format!(
        "(module (memory (export \"memory\") 1) (global $depth (mut i32) (i32.const 0))
            (func $busy (local {locals}) {loads} {stores})
            (func $deep (param $n i32) (result i32)
                (global.set $depth (local.get $n))
                (call $busy)
                (i32.add (call $deep (i32.add (local.get $n) (i32.const 1))) (local.get $n)))
            (func (export \"_start\") (local $n i32)
                (loop $more
                    (call $busy)
                    (local.set $n (i32.add (local.get $n) (i32.const 1)))
                    (br_if $more (i32.lt_u (local.get $n) (i32.const 100000))))
                (drop (call $deep (i32.const 1)))))"
    );
    let run = Run::wat(&[], &text).expect(134);
    let dump = run.json();
    assert_eq!(dump["reason"]["kind"], "stack-overflow");
    assert_eq!(dump["process"]["replay"]["verified"], true, "{:?}", run.outcome);
    let frames = frames(&dump);
    assert_eq!(frames[0]["function"], "busy");
    assert_eq!(values(&frames[1]["locals"]), [(frames.len() - 2).to_string()]);
}

/// The host decides where a memory ends as well.
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
