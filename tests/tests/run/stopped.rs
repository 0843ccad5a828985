//! Programs that a signal or a timeout stopped: their dumps run again to the same place.

use std::path::Path;

use coredump_tests::{Outcome, Tool, scratch};
use serde_json::json;

use super::signals::{await_signal_handler, send, until};
use super::{Run, frames, memory, read, values};

/// Counts up in a local and in memory, without an end and without a call of the host.
const COUNTS: &str = "(module (memory (export \"memory\") 1)
    (func $next (param $n i64) (result i64) (i64.add (local.get $n) (i64.const 1)))
    (func $count (local $n i64)
        (loop $more
            (local.set $n (call $next (local.get $n)))
            (i64.store (i32.const 16) (local.get $n))
            (br $more)))
    (func (export \"_start\") (call $count)))";

fn replay(dump: &Path, options: &[&str]) -> Outcome {
    Tool::new("coredump-run").arg("--replay").arg(dump).args(options).run()
}

/// Runs a dump's program again, and compares the two.
fn same_again(dump: &Path, code: i32) {
    let folder = scratch();
    let again = folder.path().join("again.coredump");
    let outcome = replay(dump, &["-o", again.to_str().unwrap()]).expect(code);
    assert!(outcome.stderr.contains("it ended as in the dump"), "{}", outcome.stderr);
    let (first, second) = (read(dump), read(&again));
    for key in ["threads", "memories", "globals", "tables", "signature", "reason", "host_calls"] {
        assert_eq!(first[key], second[key], "{key}");
    }
    // Now there was something to compare with.
    let verified = |dump: &serde_json::Value| dump["process"]["replay"]["verified"].clone();
    assert_eq!((verified(&first), verified(&second)), (json!(false), json!(true)));
}

#[test]
fn code_that_a_timeout_stopped_is_stopped_there_again() {
    let run = Run::wat(&["--timeout", "300ms"], COUNTS).expect(124);
    let dump = run.json();
    let youngest = frames(&dump)[0]["function"].as_str().unwrap();
    assert!(["count", "next"].contains(&youngest), "{youngest}");
    let counted = u64::from_le_bytes(memory(&run.dump, 0, 16, 8).try_into().unwrap());
    assert!(counted > 100_000, "{counted}");
    // The local is the one that is stored, or the next one.
    let count = frames(&dump).iter().find(|frame| frame["function"] == "count").unwrap();
    let local: u64 = values(&count["locals"])[0].parse().unwrap();
    assert!(local == counted || local == counted + 1, "{local} {counted}");
    same_again(&run.dump, 124);
    // Each instruction that it executed counts, so the last write is the one that is still there.
    let text = replay(&run.dump, &["--last-write", "16+8"]).expect(0).text().to_owned();
    let bytes: Vec<_> = counted.to_le_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(text.contains("#0 count") && text.ends_with(&format!("after:  {}\n", bytes.join(" "))), "{text}");
}

#[test]
fn a_wait_that_a_timeout_or_a_signal_ended_is_run_again() {
    let run = Run::fixture(&["--timeout", "200ms"], "sleep").expect(124);
    same_again(&run.dump, 124);
}

#[test]
fn what_a_signal_stopped_or_a_snapshot_shows_is_run_again() {
    for signal in ["TERM", "USR1"] {
        let folder = scratch();
        std::fs::write(folder.path().join("app.wat"), COUNTS).unwrap();
        let command = Tool::new("coredump-run").args(["-q", "-o", "app.coredump", "app.wat"]).into_command();
        let mut command = { command };
        let mut child = command.current_dir(folder.path()).spawn().unwrap();
        await_signal_handler(&child);
        std::thread::sleep(std::time::Duration::from_millis(300));
        send(signal, &child);
        let dump = folder.path().join("app.coredump");
        until("dump", || dump.exists());
        let code = if signal == "TERM" { 143 } else { 0 };
        if signal == "USR1" {
            send("KILL", &child);
        }
        child.wait().unwrap();
        same_again(&dump, code);
    }
}
