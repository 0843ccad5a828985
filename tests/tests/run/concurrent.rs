//! Commands of WASI 0.3, whose tasks wait outside of their functions.

use coredump_tests::{Tool, scratch};

use super::signals::{await_signal_handler, send, until};
use super::{Run, frames, read, values};

/// A command that waits for so many nanoseconds and then divides by zero in the callback.
fn command(nanoseconds: u64) -> String {
    format!(
        "(component
          (import \"wasi:clocks/monotonic-clock@0.3.0\" (instance $clock
            (export \"wait-for\" (func async (param \"how-long\" u64)))))
          (core module $libc (memory (export \"memory\") 1))
          (core instance $libc (instantiate $libc))
          (core func $wait (canon lower (func $clock \"wait-for\") async (memory (core memory $libc \"memory\"))))
          (core func $return (canon task.return (result (result))))
          (core func $set.new (canon waitable-set.new))
          (core func $join (canon waitable.join))
          (core module $main
            (import \"host\" \"wait-for\" (func $wait (param i64) (result i32)))
            (import \"host\" \"task.return\" (func $return (param i32)))
            (import \"host\" \"waitable-set.new\" (func $set.new (result i32)))
            (import \"host\" \"waitable.join\" (func $join (param i32 i32)))
            (global $waited (mut i32) (i32.const 0))
            (func $divide (param $dividend i32) (param $divisor i32) (result i32)
              local.get $dividend local.get $divisor i32.div_s)
            (func $run (export \"run\") (result i32)
              (local $subtask i32) (local $set i32)
              (local.set $subtask (call $wait (i64.const {nanoseconds})))
              ;; The low four bits are the subtask's state, the others its handle.
              (local.set $subtask (i32.shr_u (local.get $subtask) (i32.const 4)))
              (local.set $set (call $set.new))
              (call $join (local.get $subtask) (local.get $set))
              ;; Wait for that set.
              (i32.or (i32.const 2) (i32.shl (local.get $set) (i32.const 4))))
            (func $resume (export \"callback\") (param $event i32) (param $first i32) (param $second i32) (result i32)
              (global.set $waited (i32.add (global.get $waited) (i32.const 1)))
              (drop (call $divide (i32.const 600) (i32.sub (global.get $waited) (i32.const 1))))
              (call $return (i32.const 0))
              (i32.const 0)))
          (core instance $main (instantiate $main (with \"host\" (instance
            (export \"wait-for\" (func $wait))
            (export \"task.return\" (func $return))
            (export \"waitable-set.new\" (func $set.new))
            (export \"waitable.join\" (func $join))))))
          (func $run async (result (result)) (canon lift (core func $main \"run\") async (callback (core func $main \"callback\"))))
          (instance $command (export \"run\" (func $run)))
          (export \"wasi:cli/run@0.3.0\" (instance $command)))"
    )
}

#[test]
fn a_trap_behind_a_wait_is_dumped_with_its_frames() {
    for options in [&[][..], &["--fast"]] {
        let run = Run::wat(options, &command(1_000_000)).expect(134);
        let dump = run.json();
        assert_eq!(dump["reason"]["kind"], "integer-divide-by-zero");
        let names: Vec<_> = frames(&dump).iter().map(|frame| frame["function"].as_str().unwrap()).collect();
        assert_eq!(names, ["divide", "resume"]);
        if options.is_empty() {
            assert_eq!(values(&frames(&dump)[0]["locals"]), ["600", "0"]);
        }
        assert!(dump["globals"].as_array().unwrap().iter().any(|global| global["value"] == 1), "it waited once");
    }
}

#[test]
fn a_task_that_waits_has_a_state_and_no_frames() {
    for fast in [&[][..], &["--fast"]] {
        let run = Run::wat(&[&["--timeout", "200ms"], fast].concat(), &command(60_000_000_000)).expect(124);
        let dump = run.json();
        assert_eq!(dump["reason"]["kind"], "timeout", "{fast:?}");
        let message = dump["reason"]["message"].as_str().unwrap();
        assert!(message.contains("no frames are known"), "{message}");
        assert!(frames(&dump).is_empty());
        assert_eq!(dump["memories"][0]["captured_bytes"], 65536, "{fast:?}");
    }
}

#[test]
fn a_task_that_waits_is_told_of_signals() {
    let folder = scratch();
    let program = folder.path().join("app.wat");
    std::fs::write(&program, command(60_000_000_000)).unwrap();
    let mut run = Tool::new("coredump-run").args(["-o", "%e.coredump"]).arg(&program).into_command();
    let mut child = run.current_dir(folder.path()).spawn().unwrap();
    await_signal_handler(&child);
    // Signals are seen to before the program runs, when there is nothing to take a snapshot of.
    let snapshot = folder.path().join("app.coredump");
    until("a snapshot", || {
        send("USR1", &child);
        std::thread::sleep(std::time::Duration::from_millis(300));
        snapshot.exists()
    });
    assert_eq!(read(&snapshot)["reason"]["kind"], "snapshot");
    send("TERM", &child);
    assert_eq!(child.wait().unwrap().code(), Some(143));
    let dumps = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let dumps = dumps.filter(|path| path.extension().is_some_and(|it| it == "coredump"));
    let kinds: Vec<String> = dumps.map(|dump| read(&dump)["reason"]["kind"].to_string()).collect();
    assert_eq!(kinds.iter().filter(|kind| *kind == "\"signal\"").count(), 1, "{kinds:?}");
}
