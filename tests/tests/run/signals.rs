//! Signals: dump and end, dump and go on, wherever the guest is.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use coredump_tests::{Tool, scratch};

use super::{frames, read, values};

/// A guest that says "ready" and then does what `then` says; `$seven` is called on the way.
fn guest(then: &str) -> String {
    format!(
        "(module
            (import \"wasi_snapshot_preview1\" \"fd_write\" (func $write (param i32 i32 i32 i32) (result i32)))
            (import \"wasi_snapshot_preview1\" \"fd_read\" (func $read (param i32 i32 i32 i32) (result i32)))
            (import \"wasi_snapshot_preview1\" \"poll_oneoff\" (func $poll (param i32 i32 i32 i32) (result i32)))
            (memory (export \"memory\") 1)
            (data (i32.const 100) \"ready\\n\")
            (func $seven (param $n i32) {then})
            (func (export \"_start\")
                (i32.store (i32.const 0) (i32.const 100)) (i32.store (i32.const 4) (i32.const 6))
                (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 200)))
                (call $seven (i32.const 7))))"
    )
}

const SPIN: &str = "(loop (br 0))";
const SLEEP: &str = "(i64.store (i32.const 328) (i64.const 60000000000)) (i32.store (i32.const 320) (i32.const 1))
    (drop (call $poll (i32.const 304) (i32.const 400) (i32.const 1) (i32.const 500)))";
const READ: &str = "(i32.store (i32.const 4) (i32.const 1))
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 200)))";

/// Starts a guest and waits until it is where it should be.
fn start(folder: &Path, then: &str) -> Child {
    start_text(folder, &guest(then))
}

/// Starts a guest with this text and waits until it has said "ready".
fn start_text(folder: &Path, text: &str) -> Child {
    let program = folder.join("app.wat");
    std::fs::write(&program, text).unwrap();
    let mut command: Command = Tool::new("coredump-run").args(["-o", "%e.coredump"]).arg(program).into_command();
    let mut child = command
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    child
}

/// Sends a signal.
pub fn send(signal: &str, child: &Child) {
    Tool::other("kill").arg(format!("-{signal}")).arg(child.id().to_string()).run().expect(0);
}

/// Waits until something is so.
#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < patience, "no {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until SIGUSR1 does not kill the process any more (Linux, proc_pid_status(5): `SigCgt` is a mask of the signals
/// that are caught).
pub fn await_signal_handler(child: &Child) {
    until("signal handler", || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        u64::from_str_radix(mask.trim(), 16).unwrap() >> (10 - 1) & 1 == 1
    });
}

/// Checks the youngest frame's local. If a signal hits the very entry of a function, the engine knows no locals: the
/// dump says so then, and gives no other value.
fn has_seven(dump: &serde_json::Value, when: &str) {
    let youngest = &frames(dump)[0];
    assert_eq!(youngest["function"], "seven", "{when}");
    if youngest["code_offset"] == "0x0" && youngest["locals"].is_null() {
        return;
    }
    assert_eq!(values(&youngest["locals"]), ["7"], "{when}");
}

#[test]
fn an_ending_signal_dumps_wherever_the_guest_is() {
    for (then, place) in [(SPIN, "runs"), (SLEEP, "sleeps"), (READ, "reads")] {
        for (signal, code) in [("INT", 130), ("TERM", 143), ("QUIT", 131)] {
            let folder = scratch();
            let mut child = start(folder.path(), then);
            let _open = child.stdin.take();
            send(signal, &child);
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(code), "{signal} while it {place}: {output:?}");
            let dump = read(&folder.path().join("app.coredump"));
            assert_eq!(dump["reason"]["kind"], "signal");
            // Code that runs is not stopped where it is, but in a replay, and that is said: also of a guest that was
            // only about to wait when the signal came.
            let ended = format!("ended by SIG{signal}");
            let message = dump["reason"]["message"].as_str().unwrap();
            let stopped =
                message.strip_prefix(&format!("{ended}; frames and values are those of a replay of it, stopped "));
            let said = stopped.and_then(|at| at.strip_suffix("after its call 1 of the host, not at that very moment"));
            match said {
                Some(ran) => assert_eq!(ran.ends_with("million instructions "), then == SPIN, "{message}"),
                None => assert!(then != SPIN && message == ended, "{message}"),
            }
            // The terminal says what the dump says.
            let words = String::from_utf8(output.stderr).unwrap();
            assert!(words.lines().any(|line| line.ends_with(message)), "{message}: {words}");
            has_seven(&dump, &format!("{signal} while it {place}"));
        }
    }
}

/// The guest sleeps for so long that a repeated run goes on for longer than it has to after it is ready: the signal
/// comes when it is about to return, and is to no effect.
#[test]
fn a_guest_that_ends_by_itself_as_a_signal_comes_has_its_own_exit_code() {
    let roots = "(f64.sqrt ".repeat(10);
    let spin = format!(
        "(local $left i32) (local $root f64) (local.set $left (i32.const 5000000))
        (loop (local.set $root {roots} (local.get $root) {})
            (br_if 0 (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))",
        ")".repeat(10)
    );
    let ready = "(i32.store (i32.const 0) (i32.const 100))";
    let sleep = SLEEP.replace("60000000000", "2000000000");
    let text = guest(&spin).replacen(ready, &format!("{sleep} {ready}"), 1);
    for signal in ["TERM", "HUP"] {
        let folder = scratch();
        let child = start_text(folder.path(), &text);
        send(signal, &child);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "SIG{signal}: {output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "SIG{signal}");
        assert!(!folder.path().join("app.coredump").exists());
    }
}

#[test]
fn a_snapshot_lets_the_guest_go_on() {
    for then in [SPIN, SLEEP, READ] {
        let folder = scratch();
        let mut child = start(folder.path(), then);
        let _open = child.stdin.take();
        for name in ["app.coredump", "app.1.coredump"] {
            send("USR1", &child);
            let path = folder.path().join(name);
            until(name, || path.exists());
            let dump = read(&path);
            assert_eq!(dump["reason"]["kind"], "snapshot");
            assert!(dump["process"]["exit_code"].is_null());
            has_seven(&dump, name);
        }
        send("TERM", &child);
        assert_eq!(child.wait_with_output().unwrap().status.code(), Some(143));
        assert_eq!(read(&folder.path().join("app.2.coredump"))["reason"]["kind"], "signal");
    }
}

#[test]
fn a_hangup_leaves_a_dump_and_an_ignored_one_does_not() {
    let folder = scratch();
    let program = folder.path().join("app.wat");
    std::fs::write(&program, guest(SLEEP)).unwrap();
    // The process that runs the tests may ignore the signal, as `nohup` does: so each run begins by deciding it.
    let start = |dump: &str, prefix: &[&str]| {
        let run = Tool::new("coredump-run").args(["-o", dump]).arg(&program).into_command();
        let mut child = Command::new(prefix[0])
            .args(&prefix[1..])
            .arg(run.get_program())
            .args(run.get_args())
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        child
    };
    let mut child = start("app.coredump", &["env", "--default-signal=HUP"]);
    send("HUP", &child);
    assert_eq!(child.wait().unwrap().code(), Some(129));
    assert_eq!(read(&folder.path().join("app.coredump"))["reason"]["message"], "ended by SIGHUP");

    let mut child = start("nohup.coredump", &["sh", "-c", "trap '' HUP; exec \"$@\"", "sh"]);
    send("HUP", &child);
    send("TERM", &child);
    assert_eq!(child.wait().unwrap().code(), Some(143), "the hangup was ignored");
}

#[test]
fn a_request_for_a_snapshot_never_kills() {
    for options in [&["--fast"][..], &["--on", "trap"]] {
        let folder = scratch();
        let program = folder.path().join("app.wat");
        std::fs::write(&program, guest(READ)).unwrap();
        let mut run = Tool::new("coredump-run").args(options).arg(&program).into_command();
        let mut child = run
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut String::new()).unwrap();
        send("USR1", &child);
        let mut told = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut told).unwrap();
        assert!(told.contains("no core dump"), "{options:?}: {told}");
        drop(child.stdin.take());
        assert_eq!(child.wait().unwrap().code(), Some(0), "{options:?}");
    }
}

#[test]
fn a_read_goes_on_after_a_snapshot() {
    let folder = scratch();
    let mut child = start(folder.path(), READ);
    send("USR1", &child);
    until("a snapshot", || folder.path().join("app.coredump").exists());
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"x").unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
}

#[test]
fn a_guest_that_waits_for_its_reader_is_interrupted() {
    // More than a pipe holds, to a reader that does not read.
    let write = "(i32.store (i32.const 4) (i32.const 60000))
        (loop (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 200))) (br 0))";
    let folder = scratch();
    let program = folder.path().join("app.wat");
    std::fs::write(&program, guest(write)).unwrap();
    let mut run = Tool::new("coredump-run").args(["-o", "app.coredump"]).arg(&program).into_command();
    let run = run.current_dir(folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = run.spawn().unwrap();
    await_signal_handler(&child);
    // It writes for as long as there is room, which is not for long.
    std::thread::sleep(Duration::from_millis(300));
    send("TERM", &child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(143), "{output:?}");
    has_seven(&read(&folder.path().join("app.coredump")), "it writes");
}

/// A program that takes some seconds when it runs again.
const LONG: &str = "(module (memory (export \"memory\") 1)
    (func (export \"_start\") (local $n i64)
        (loop $more
            (local.set $n (i64.add (local.get $n) (i64.const 1)))
            (br_if $more (i64.lt_u (local.get $n) (i64.const 3000000000))))
        unreachable))";

/// Ctrl-C while the program runs again, which takes some seconds: what the first run left is there, and no more is
/// waited for.
#[test]
fn a_signal_during_the_replay_leaves_the_first_dump() {
    let folder = scratch();
    std::fs::write(folder.path().join("app.wat"), LONG).unwrap();
    let mut run = Tool::new("coredump-run").args(["-o", "app.coredump", "app.wat"]).into_command();
    let child = run.current_dir(folder.path()).stderr(Stdio::piped()).spawn().unwrap();
    let dump = folder.path().join("app.coredump");
    until("the first dump", || dump.exists());
    send("INT", &child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(134), "the program's own end: {output:?}");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("core dumped: app.coredump"), "{told}");
    assert!(told.contains("warning: the dump has no locals and operand stacks: the replay was interrupted"), "{told}");
    let dump = read(&dump);
    assert_eq!((&dump["process"]["detail"], &dump["reason"]["kind"]), (&"none".into(), &"unreachable".into()));
    assert_eq!(frames(&dump)[0]["function"], "_start");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left behind");
}

/// A program that traps with 256 MiB to write.
const LARGE: &str = "(module (memory (export \"memory\") 4096)
    (func (export \"_start\") (memory.fill (i32.const 0) (i32.const 7) (i32.const 268435456)) unreachable))";

/// Returns true if a process has a file open in `folder` that is not the program: the dump, which has no name yet.
fn writes_in(child: &Child, folder: &Path) -> bool {
    let Ok(open) = std::fs::read_dir(format!("/proc/{}/fd", child.id())) else { return false };
    let targets = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    targets.into_iter().any(|target| target.starts_with(folder) && target != folder && !target.ends_with("app.wat"))
}

#[test]
fn a_signal_in_mid_dump_ends_at_once_and_leaves_no_file() {
    for options in [&[][..], &["--live"], &["--fast"]] {
        ends_in_mid_dump(options);
    }
}

fn ends_in_mid_dump(options: &[&str]) {
    let folder = scratch();
    let program = folder.path().join("app.wat");
    std::fs::write(&program, LARGE).unwrap();
    let left = || std::fs::read_dir(folder.path()).unwrap().count() - 1;
    let dump = folder.path().join("app.coredump");
    // The process is stopped as soon as its file appears. It may be done by then.
    for _ in 0..100 {
        let tool = Tool::new("coredump-run").args(["-o", "app.coredump"]).args(options);
        let mut run = tool.arg(&program).into_command();
        let mut child = run.current_dir(folder.path()).stderr(Stdio::piped()).spawn().unwrap();
        let patience = Instant::now() + Duration::from_secs(60);
        while !writes_in(&child, folder.path()) && !dump.exists() && Instant::now() < patience {}
        send("STOP", &child);
        // The guest is dead: there is nothing to wait for.
        send("TERM", &child);
        send("CONT", &child);
        let status = child.wait().unwrap();
        if !dump.exists() {
            assert_eq!(left(), 0, "{options:?}");
            assert_eq!(status.signal(), Some(15), "{options:?}: {status}");
            return;
        }
        assert!(read(&dump)["dump"]["incomplete"].is_null());
        std::fs::remove_file(&dump).unwrap();
    }
    panic!("no signal came in time");
}

#[test]
fn a_second_signal_ends_a_dump_that_nobody_reads() {
    for options in [&[][..], &["--live"], &["--fast"]] {
        let folder = scratch();
        let program = folder.path().join("app.wat");
        std::fs::write(&program, LARGE).unwrap();
        Tool::other("mkfifo").arg("pipe").in_folder(folder.path()).run().expect(0);
        let mut run = Tool::new("coredump-run").args(["-o", "pipe"]).args(options).arg(&program).into_command();
        let mut child = run.current_dir(folder.path()).stderr(Stdio::piped()).spawn().unwrap();
        // Once the first bytes are there it is in the middle of a write that never ends.
        let mut pipe = std::fs::File::open(folder.path().join("pipe")).unwrap();
        std::io::Read::read_exact(&mut pipe, &mut [0; 8]).unwrap();
        send("INT", &child);
        send("TERM", &child);
        let status = child.wait().unwrap();
        assert!(matches!(status.signal(), Some(2 | 15)), "{options:?}: {status}");
    }
}

/// A dump that goes to a pipe is held back while the program runs again; a signal sends it on.
#[test]
fn a_signal_during_the_replay_sends_the_first_dump_through_the_pipe() {
    let folder = scratch();
    std::fs::write(folder.path().join("app.wat"), LONG).unwrap();
    Tool::other("mkfifo").arg("pipe").in_folder(folder.path()).run().expect(0);
    let mut run = Tool::new("coredump-run").args(["-o", "pipe", "app.wat"]).into_command();
    let child = run.current_dir(folder.path()).stderr(Stdio::piped()).spawn().unwrap();
    let descriptors = format!("/proc/{}/fd", child.id());
    until("dump that is held back", || {
        let mut open = std::fs::read_dir(&descriptors).into_iter().flatten().flatten();
        let held = |file: std::fs::DirEntry| {
            let target = std::fs::read_link(file.path()).unwrap_or_default();
            let target = target.to_string_lossy();
            let is_temporary = target.ends_with("(deleted)") && !target.starts_with("/memfd:");
            is_temporary && std::fs::metadata(file.path()).is_ok_and(|found| found.len() > 0)
        };
        open.any(held)
    });
    // A moment later the program runs again, which takes much longer.
    std::thread::sleep(Duration::from_millis(500));
    send("INT", &child);
    let dump = folder.path().join("sent.coredump");
    std::fs::write(&dump, std::fs::read(folder.path().join("pipe")).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(134), "{output:?}");
    let dump = read(&dump);
    assert_eq!((&dump["process"]["detail"], &dump["reason"]["kind"]), (&"none".into(), &"unreachable".into()));
}

#[test]
fn signals_are_seen_to_before_the_program_runs() {
    // It waits for the program itself.
    let start = || {
        let mut run = Tool::new("coredump-run").args(["--no-cache", "-"]).into_command();
        let child = run.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        await_signal_handler(&child);
        child
    };
    let mut child = start();
    send("USR1", &child);
    let mut told = String::new();
    BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut told).unwrap();
    assert!(told.contains("no core dump: the program has not started"), "{told}");
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"(module (func (export \"_start\")))").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));

    for (signal, number) in [("TERM", 15), ("INT", 2), ("QUIT", 3)] {
        let mut child = start();
        // Otherwise its input ends before it is waited for.
        let _open = child.stdin.take();
        send(signal, &child);
        assert_eq!(child.wait().unwrap().signal(), Some(number), "nothing is there to be dumped");
    }
}

#[test]
fn a_dump_that_is_replayed_takes_no_snapshot_and_ends_at_once() {
    let folder = scratch();
    std::fs::write(folder.path().join("app.wat"), LONG.replace("3000000000", "300000000")).unwrap();
    Tool::new("coredump-run").args(["-q", "-o", "app.coredump", "app.wat"]).in_folder(folder.path()).run().expect(134);
    let mut again = Tool::new("coredump-run").args(["--replay", "app.coredump"]).into_command();
    let mut child = again.current_dir(folder.path()).stderr(Stdio::piped()).spawn().unwrap();
    await_signal_handler(&child);
    send("USR1", &child);
    let mut told = String::new();
    BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut told).unwrap();
    // It may come before the dump is looked at.
    assert!(told.contains("no core dump: "), "{told}");
    send("TERM", &child);
    assert_eq!(child.wait().unwrap().signal(), Some(15));
}

#[test]
fn a_standard_error_that_nobody_reads_keeps_no_signal_waiting() {
    let folder = scratch();
    let program = folder.path().join("app.wat");
    std::fs::write(&program, guest(SPIN)).unwrap();
    // A pipe with as much in it as Linux lets it hold.
    let (_reader, mut full) = std::io::pipe().unwrap();
    std::io::Write::write_all(&mut full, &[b'x'; 65536]).unwrap();
    let mut run = Tool::new("coredump-run").arg("--fast").arg(&program).into_command();
    let mut child = run.current_dir(folder.path()).stdout(Stdio::piped()).stderr(full).spawn().unwrap();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
    // The message about this one cannot be written.
    send("USR1", &child);
    send("TERM", &child);
    assert_eq!(child.wait().unwrap().signal(), Some(15));
}
