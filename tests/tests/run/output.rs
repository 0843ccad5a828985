//! The places to which dumps are written, and what happens when they cannot be written there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use coredump_tests::{Outcome, Tool, binary, fixture, pipeline, scratch, wasmtime_dump};

use super::{Run, read};

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
    assert!(!refused.contains("--live"), "it does not run, so it is not said how: {refused}");
    let run = Run::fixture(&["--unknown-imports-trap"], "as-abort").expect(134);
    let dump = run.json();
    assert_eq!(dump["reason"]["kind"], "host-error");
    assert!(dump["reason"]["message"].as_str().unwrap().contains("env::abort"), "{}", dump["reason"]);
    assert!(super::frames(&dump)[1]["file"].as_str().unwrap().ends_with("abort.ts"), "{dump}");
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

/// Before the program runs again, its dump is held back in a temporary file, for which there may be no room.
#[test]
fn a_dump_for_a_pipe_arrives_without_a_folder_for_temporary_files() {
    let program = fixture("modules/sum-O0.wasm");
    let run = Tool::new("coredump-run").args(["-o", "-"]).arg(&program).env("TMPDIR", "/nonexistent");
    let [run, shown] = &pipeline([run, Tool::new("coredump-bt").args(["--color", "never"])])[..] else { panic!() };
    assert_eq!(run.status.code(), Some(134), "{}", run.stderr);
    let without = "warning: the dump has no locals and operand stacks: it could not be held back: ";
    assert!(run.stderr.contains(without), "{}", run.stderr);
    assert!(run.stderr.contains("cannot create a temporary file: No such file"), "{}", run.stderr);
    assert!(!run.stderr.contains("no core dump"), "{}", run.stderr);
    assert_eq!(shown.text().matches(" divide (").count(), 1, "one dump, and whole: {shown:?}");
    assert!(!shown.stderr.contains("incomplete") && shown.status.code() == Some(0), "{shown:?}");
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
fn dumps_written_at_the_same_time_all_stay() {
    let folder = scratch();
    let runs: Vec<_> = (0..6)
        .map(|_| {
            let program = fixture("modules/wat-div.wasm");
            let run = Tool::new("coredump-run").args(["-o", "%e.%p.coredump", "--keep", "6"]).arg(program);
            run.into_command().current_dir(folder.path()).stderr(std::process::Stdio::null()).spawn().unwrap()
        })
        .collect();
    runs.into_iter().for_each(|mut run| assert_eq!(run.wait().unwrap().code(), Some(134)));
    assert_eq!(files(folder.path()).len(), 6);
}

/// Each of the processes would remove the dumps of the others, and could lose its own to them between its two dumps.
#[test]
fn as_many_dumps_of_a_storm_stay_as_are_asked_for() {
    for (pattern, keep) in [("%e.%p.coredump", 1), ("%e.%p.coredump", 2), ("%e.coredump", 2)] {
        let folder = scratch();
        let runs: Vec<_> = (0..6)
            .map(|_| {
                let program = fixture("modules/wat-div.wasm");
                let run = Tool::new("coredump-run").args(["-o", pattern, "--keep", &keep.to_string()]).arg(program);
                run.into_command().current_dir(folder.path()).stderr(std::process::Stdio::null()).spawn().unwrap()
            })
            .collect();
        runs.into_iter().for_each(|mut run| assert_eq!(run.wait().unwrap().code(), Some(134)));
        let left = files(folder.path());
        assert_eq!(left.len(), keep, "{pattern}: {left:?}");
        for name in left {
            assert_eq!(read(&name)["process"]["detail"], "replayed", "{pattern}: {name:?}");
        }
    }
}

#[test]
fn a_long_name_and_many_dumps_are_no_obstacle() {
    let folder = scratch();
    let name = format!("{}.wasm", "n".repeat(248));
    fs::copy(fixture("modules/wat-div.wasm"), folder.path().join(&name)).unwrap();
    let run = || Tool::new("coredump-run").args(["-o", "%e.%p.coredump", "--keep", "1"]).arg(&name);
    for _ in 0..2 {
        let outcome = run().in_folder(folder.path()).run().expect(134);
        assert!(outcome.stderr.contains("core dumped: nnn"), "{}", outcome.stderr);
    }
    assert_eq!(files(folder.path()).len(), 2, "the program and one dump");

    let folder = scratch();
    for number in 0..1000 {
        let number = if number == 0 { String::new() } else { format!(".{number}") };
        fs::write(folder.path().join(format!("wat-div{number}.coredump")), "").unwrap();
    }
    let outcome = crash(folder.path(), &["-o", "%e.coredump"]);
    assert!(outcome.stderr.contains("core dumped: wat-div."), "{}", outcome.stderr);
}

#[test]
fn a_folder_can_be_given_to_read_only() {
    let folder = scratch();
    fs::write(folder.path().join("here"), "x").unwrap();
    let text = "(module
        (import \"wasi_snapshot_preview1\" \"path_open\"
            (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $exit (param i32)))
        (memory (export \"memory\") 1) (data (i32.const 0) \"new\")
        (func (export \"_start\") (call $exit (i32.ne (i32.const 0) (call $open (i32.const 3) (i32.const 0)
            (i32.const 0) (i32.const 3) (i32.const 1) (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 16))))))";
    let given = folder.path().to_str().unwrap();
    Run::wat(&["--dir", &format!("{given}::/data:ro")], text).expect(1);
    assert!(!folder.path().join("new").exists());
    Run::wat(&["--dir", &format!("{given}::/data")], text).expect(0);
    assert!(folder.path().join("new").exists());
}

/// Each function of WASI 0.1 that changes something; a link or a new name in another folder would give a way to it.
#[test]
fn nothing_changes_in_a_folder_to_read_only() {
    let calls = [
        ("path_create_directory", "i32 i32 i32", "3 8 4"),
        ("path_filestat_set_times", "i32 i32 i32 i32 i64 i64 i32", "3 0 0 4 0 0 5"),
        ("path_symlink", "i32 i32 i32 i32 i32", "0 4 3 16 4"),
        ("path_link", "i32 i32 i32 i32 i32 i32 i32", "3 0 0 4 4 24 4"),
        ("path_open", "i32 i32 i32 i32 i32 i64 i64 i32 i32", "3 0 0 4 8 64 0 0 64"),
        ("path_rename", "i32 i32 i32 i32 i32 i32", "3 0 4 4 0 4"),
        ("path_unlink_file", "i32 i32 i32", "3 16 4"),
        ("path_remove_directory", "i32 i32 i32", "3 8 4"),
    ];
    let mut text = String::new();
    for (name, types, _) in calls {
        text +=
            &format!("(import \"wasi_snapshot_preview1\" \"{name}\" (func ${name} (param {types}) (result i32)))\n");
    }
    text += "(import \"wasi_snapshot_preview1\" \"proc_exit\" (func $exit (param i32)))
        (memory (export \"memory\") 1) (data (i32.const 0) \"here\") (data (i32.const 8) \"made\")
        (data (i32.const 16) \"soft\") (data (i32.const 24) \"link\") (global $done (mut i32) (i32.const 0))
        (func (export \"_start\")\n";
    for (name, types, values) in calls {
        let values = types.split(' ').zip(values.split(' ')).map(|(ty, value)| format!("({ty}.const {value})"));
        let call = format!("(call ${name} {})", values.collect::<String>());
        text += &format!("(global.set $done (i32.add (global.get $done) (i32.eqz {call})))\n");
    }
    let text = format!("(module {text} (call $exit (global.get $done))))");
    for mode in ["--live", "--fast", "--record-limit=1m"] {
        let (folder, other) = (scratch(), scratch());
        fs::write(folder.path().join("here"), "x").unwrap();
        let modified = |name| fs::metadata(folder.path().join(name)).unwrap().modified().unwrap();
        let times = || ["", "here"].map(modified);
        let before = times();
        let given = format!("{}::/data", folder.path().display());
        let second = format!("{}::/other", other.path().display());
        let dirs = |given: &str| Run::wat(&[mode, "--dir", given, "--dir", &second], &text);
        dirs(&format!("{given}:ro")).expect(0);
        assert_eq!(fs::read(folder.path().join("here")).unwrap(), b"x", "{mode}");
        assert_eq!((files(folder.path()).len(), files(other.path()).len(), times()), (1, 0, before), "{mode}");
        // Nothing is wrong with the calls themselves.
        dirs(&given).expect(calls.len() as i32);
        assert_eq!((files(folder.path()).len(), files(other.path()).len()), (0, 2), "{mode}");
    }
}

#[test]
fn the_programs_name_is_its_files() {
    let folder = scratch();
    fs::copy(fixture("modules/args.wasm"), folder.path().join("a.wasm")).unwrap();
    let outcome = Tool::new("coredump-run").arg(folder.path().join("a.wasm")).run().expect(0);
    assert!(outcome.text().contains("a.wasm") && !outcome.text().contains("/a.wasm"), "{}", outcome.text());
}

#[test]
fn a_program_with_threads_gets_its_memory() {
    let text = "(module (import \"env\" \"memory\" (memory 1 2 shared))
        (import \"wasi\" \"thread-spawn\" (func $spawn (param i32) (result i32)))
        (export \"memory\" (memory 0))
        (func (export \"_start\") (i32.store (i32.const 8) (i32.const 5)) (drop (call $spawn (i32.const 1)))))";
    let dump = Run::wat(&["--unknown-imports-trap"], text).expect(134).json();
    assert!(dump["reason"]["message"].as_str().unwrap().contains("thread-spawn"), "{}", dump["reason"]);
    assert_eq!(dump["memories"][0]["shared"], true);
    // The host's functions find it.
    let asks = "(module
        (import \"wasi_snapshot_preview1\" \"clock_res_get\" (func $resolution (param i32 i32) (result i32)))
        (memory (export \"memory\") 1 1 shared)
        (func (export \"_start\")
            (if (call $resolution (i32.const 1) (i32.const 16)) (then (return)))
            (if (i64.gt_u (i64.load (i32.const 16)) (i64.const 0)) (then (unreachable)))))";
    for mode in [&[][..], &["--live"], &["--fast"]] {
        let run = Run::wat(mode, asks).expect(134);
        assert_eq!(run.json()["reason"]["kind"], "unreachable", "{mode:?}: {:?}", run.outcome);
    }
    let table = "(module (import \"env\" \"table\" (table 1 funcref)) (func (export \"_start\")))";
    let refused = Run::wat(&["--unknown-imports-trap"], table).expect(126).outcome.stderr;
    assert!(!refused.contains("hint: --unknown"), "{refused}");
}

#[test]
fn exceptions_of_before_the_standard_are_refused_with_a_remedy() {
    let module = legacy_module();
    let folder = scratch();
    fs::write(folder.path().join("old.wasm"), module).unwrap();
    let outcome = Tool::new("coredump-run").arg("old.wasm").in_folder(folder.path()).run().expect(126);
    assert!(outcome.stderr.contains("--emit-exnref"), "{}", outcome.stderr);
}

/// The compiler of wasmtime 48 panics where an `if` without `else` takes a subtype of what it gives.
#[test]
fn a_panic_of_the_compiler_is_a_program_that_cannot_be_run() {
    let text = r#"(module
        (type $wide (sub (struct (field i32))))
        (type $narrow (sub $wide (struct (field i32) (field i32))))
        (func (export "_start")
            (struct.new $narrow (i32.const 7) (i32.const 8))
            (i32.const 0)
            (if (param (ref $narrow)) (result (ref $wide)) (then))
            (drop)))"#;
    for options in [&[][..], &["--live"], &["--fast"], &["--timeout", "60s"], &["--no-cache"]] {
        let refused = Run::wat(options, text).expect(126).outcome.stderr;
        assert!(refused.contains("cannot compile: the engine's compiler panicked: "), "{options:?}: {refused}");
        assert!(refused.contains("(cranelift-codegen-"), "where it is in the compiler: {refused}");
        assert!(!refused.contains("backtrace") && refused.lines().count() < 3, "{refused}");
    }
}

/// A module with the old `try`: `(func try end)`.
fn legacy_module() -> Vec<u8> {
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    module.extend([1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0]);
    module.extend([10, 8, 1, 6, 0, 0x06, 0x40, 0x19, 0x0B, 0x0B]);
    module
}

#[test]
fn an_untrusted_program_does_not_choose_what_the_report_reads() {
    let told = Run::fixture(&[], "sum-external").expect(134).outcome.stderr;
    assert!(told.contains("sum.c:25"), "{told}");
    let told = Run::fixture(&["--untrusted"], "sum-external").expect(134).outcome.stderr;
    assert!(!told.contains("sum.c:25") && told.contains("#0 "), "{told}");
}

#[test]
fn sources_of_the_report_lie_where_they_are_said_to() {
    let told = Run::fixture(&["--path-map", "src/c=/home/me/app"], "sum-O0").expect(134).outcome.stderr;
    assert!(told.contains("divide at /home/me/app/sum.c:25:29"), "{told}");
    Run::fixture(&["--path-map", "nothing"], "sum-O0").expect(64);
}

#[test]
fn the_dump_is_reported_before_anything_is_looked_up() {
    let told = Run::fixture(&[], "sum-O0").expect(134).outcome.stderr;
    let (dump, frame) = (told.find("core dumped: "), told.find("  #0 "));
    assert!(dump.is_some() && dump < frame, "{told}");
}

/// A device may have no end.
#[test]
fn of_a_program_that_is_none_only_the_beginning_is_read() {
    let from_device = Tool::bounded("coredump-run", 2 << 20).arg("/dev/zero").run().expect(126);
    assert!(from_device.stderr.contains("/dev/zero: not a WebAssembly program"), "{}", from_device.stderr);
    let script = format!("exec {} - < /dev/zero", binary("coredump-run").display());
    let from_stdin = Tool::other("sh").args(["-c", &format!("ulimit -v 2000000; {script}")]).run().expect(126);
    assert!(from_stdin.stderr.contains("-: not a WebAssembly program"), "{}", from_stdin.stderr);
    // A dump that came that way is named as it can be read again.
    let dump = fs::read(wasmtime_dump("sum-O0")).unwrap();
    let told = Tool::new("coredump-run").arg("-").stdin(dump).run().expect(126).stderr;
    assert!(told.contains("hint: coredump-bt -\n"), "{told}");
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

/// Some guests take what a stream permits at once for all that it will ever take, and do not write the rest again (CPython in
/// components): so it permits as much as wasmtime's does, and a pipe that takes less gets the rest as its reader reads.
#[test]
fn what_a_component_writes_at_once_comes_out_whole() {
    let text = r#"(component
        (import "wasi:io/error@0.2.0" (instance $error (export "error" (type (sub resource)))))
        (alias export $error "error" (type $error))
        (import "wasi:io/streams@0.2.0" (instance $streams
            (export "output-stream" (type $stream (sub resource)))
            (alias outer 1 $error (type $outer))
            (export "error" (type $own (eq $outer)))
            (type $variant (variant (case "last-operation-failed" (own $own)) (case "closed")))
            (export "stream-error" (type $failed (eq $variant)))
            (export "[method]output-stream.check-write" (func
                (param "self" (borrow $stream)) (result (result u64 (error $failed)))))
            (export "[method]output-stream.write" (func
                (param "self" (borrow $stream)) (param "contents" (list u8)) (result (result (error $failed)))))))
        (alias export $streams "output-stream" (type $stream))
        (import "wasi:cli/stdout@0.2.0" (instance $stdout
            (alias outer 1 $stream (type $outer))
            (export "output-stream" (type $own (eq $outer)))
            (export "get-stdout" (func (result (own $own))))))
        (core module $memory (memory (export "memory") 2))
        (core instance $memory (instantiate $memory))
        (core func $get (canon lower (func $stdout "get-stdout")))
        (core func $check (canon lower (func $streams "[method]output-stream.check-write") (memory (core memory $memory "memory"))))
        (core func $write (canon lower (func $streams "[method]output-stream.write") (memory (core memory $memory "memory"))))
        (core module $main
            (import "memory" "memory" (memory 2))
            (import "host" "get" (func $get (result i32)))
            (import "host" "check" (func $check (param i32 i32)))
            (import "host" "write" (func $write (param i32 i32 i32 i32)))
            (func (export "run") (result i32) (local $out i32) (local $rounds i32)
                (local.set $out (call $get))
                (memory.fill (i32.const 1024) (i32.const 120) (i32.const 60000))
                (loop $more
                    (loop $wait
                        (call $check (local.get $out) (i32.const 8))
                        (br_if $wait (i64.eqz (i64.load (i32.const 16)))))
                    (if (i64.lt_u (i64.load (i32.const 16)) (i64.const 60000)) (then unreachable))
                    (call $write (local.get $out) (i32.const 1024) (i32.const 60000) (i32.const 8))
                    (local.set $rounds (i32.add (local.get $rounds) (i32.const 1)))
                    (br_if $more (i32.lt_u (local.get $rounds) (i32.const 3))))
                (local.get $rounds)))
        (core instance $main (instantiate $main
            (with "memory" (instance $memory))
            (with "host" (instance
                (export "get" (func $get)) (export "check" (func $check)) (export "write" (func $write))))))
        (func (export "run") (result u32) (canon lift (core func $main "run"))))"#;
    let folder = scratch();
    fs::write(folder.path().join("writes.wat"), text).unwrap();
    for mode in ["", "--live", "--fast"] {
        for reader in ["cat > out", "(sleep 0.3; cat) > out"] {
            let line = format!("\"$0\" {mode} --invoke 'run()' writes.wat | {reader}");
            let shell = Tool::other("sh").args(["-c", &line]).arg(coredump_tests::binary("coredump-run"));
            shell.in_folder(folder.path()).run().expect(0);
            let written = fs::read(folder.path().join("out")).unwrap();
            assert_eq!(written.iter().filter(|&&byte| byte == b'x').count(), 180_000, "{mode} {reader}");
        }
    }
}
