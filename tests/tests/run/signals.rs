//! Signals: dump and end, dump and go on, wherever the guest is.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use coredump_tests::{Tool, scratch};

use crate::{frames, read, values};

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
    let program = folder.join("app.wat");
    std::fs::write(&program, guest(then)).unwrap();
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

fn send(signal: &str, child: &Child) {
    Tool::other("kill").arg(format!("-{signal}")).arg(child.id().to_string()).run().expect(0);
}

/// Checks the youngest frame's local. Where a signal hits the very entry of a function, the engine knows no locals: the
/// dump says so then, and not something else.
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
            assert_eq!(dump["reason"]["message"], format!("ended by SIG{signal}"));
            has_seven(&dump, &format!("{signal} while it {place}"));
        }
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
            let patience = Instant::now() + Duration::from_secs(60);
            while !path.exists() {
                assert!(Instant::now() < patience, "no snapshot {name}");
                std::thread::sleep(Duration::from_millis(5));
            }
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
fn a_read_goes_on_after_a_snapshot() {
    let folder = scratch();
    let mut child = start(folder.path(), READ);
    send("USR1", &child);
    while !folder.path().join("app.coredump").exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"x").unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
}
