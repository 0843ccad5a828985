//! However a program ends: the reason, the exit code, and the frames with their values.

use crate::{Run, frames, memory, values};

/// The reason's kind.
fn kind(run: &Run) -> String {
    run.json()["reason"]["kind"].as_str().unwrap().to_owned()
}

#[test]
fn a_trap_leaves_all_frames_with_their_locals_and_operands() {
    let run = Run::fixture(&[], "wat-unreachable").expect(134);
    let dump = run.json();
    assert_eq!(dump["reason"]["kind"], "unreachable");
    assert_eq!(dump["process"]["exit_code"], 134);
    let frames = frames(&dump);
    assert_eq!(frames.len(), 3);
    assert_eq!(values(&frames[0]["locals"]), ["7", "-1000000000000", "-999999999993"]);
    assert_eq!(values(&frames[1]["locals"]), ["2.25", "0.5"]);
    assert_eq!(values(&frames[1]["stack"]), ["77", "7", "-1000000000000"]);
    // Recorded, and there are none: not the same as unknown.
    assert_eq!(values(&frames[2]["locals"]), [""; 0]);
    assert_eq!(dump["globals"][0]["value"], 42);
    assert_eq!(memory(&run.dump, 0, 16, 4), 0x1234_5678u32.to_le_bytes());
}

#[test]
fn a_division_by_zero_shows_what_was_below_its_operands() {
    let run = Run::fixture(&[], "wat-div").expect(134);
    let dump = run.json();
    assert_eq!(dump["reason"]["kind"], "integer-divide-by-zero");
    assert_eq!(values(&frames(&dump)[0]["locals"]), ["6", "0"]);
    assert_eq!(values(&frames(&dump)[0]["stack"]), ["77"]);
}

#[test]
fn traps_are_told_apart() {
    for (module, expected) in [
        ("wat-memory64", "memory-out-of-bounds"),
        ("wat-tables", "indirect-call-to-null"),
        ("indirect", "indirect-call-type-mismatch"),
        ("wat-gc", "null-reference"),
        ("abort", "unreachable"),
    ] {
        let run = Run::fixture(&[], module).expect(134);
        assert_eq!(kind(&run), expected, "{module}");
    }
}

#[test]
fn a_stack_overflow_keeps_its_thousands_of_frames() {
    let text = "(module
        (func $down (param $n i32) (result i32)
            (i32.add (call $down (i32.add (local.get $n) (i32.const 1))) (i32.const 1)))
        (func (export \"_start\") (drop (call $down (i32.const 0)))))";
    let run = Run::wat(&[], text).expect(134);
    let dump = run.json();
    assert_eq!(dump["reason"]["kind"], "stack-overflow");
    let frames = frames(&dump);
    assert!(frames.len() > 1000, "{} frames", frames.len());
    assert_eq!(frames[0]["instance"], 0);
    let depth = frames.len() - 1;
    // The caller of the n-th frame from the outside was called with n.
    for index in [0, 1, 2, 500, depth - 1] {
        assert_eq!(values(&frames[index]["locals"]), [(depth - 1 - index).to_string()], "frame {index}");
    }
    assert_eq!(frames[depth]["function_index"], 1);
}

#[test]
fn a_trap_in_the_start_function_is_dumped_as_well() {
    let run = Run::fixture(&[], "wat-start").expect(134);
    let dump = run.json();
    let locals: Vec<_> = frames(&dump)[..3].iter().map(|frame| values(&frame["locals"])).collect();
    assert_eq!(locals, [["0"], ["1"], ["2"]]);
}

#[test]
fn a_trap_in_an_active_segment_has_no_frames_but_a_dump() {
    let run = Run::fixture(&[], "wat-segment").expect(134);
    let dump = run.json();
    assert_eq!(dump["reason"]["kind"], "memory-out-of-bounds");
    assert_eq!(frames(&dump).len(), 0);
}

#[test]
fn an_uncaught_exception_is_dumped_where_it_was_thrown() {
    let run = Run::fixture(&[], "wat-throw").expect(134);
    let dump = run.json();
    assert_eq!(dump["reason"]["kind"], "exception");
    assert_eq!(dump["reason"]["message"], "uncaught exception (i32 13, i64 5000000000)");
    let frames = frames(&dump);
    assert_eq!(frames.len(), 3);
    assert_eq!(values(&frames[0]["locals"]), ["13"]);
}

#[test]
fn a_caught_exception_leaves_no_trace() {
    let run = Run::fixture(&[], "wat-catch").expect(134);
    assert_eq!(kind(&run), "integer-divide-by-zero");
}

#[test]
fn an_exit_is_dumped_only_when_asked_for() {
    let quiet = Run::fixture(&[], "exit3").expect(3);
    assert!(!quiet.dump.exists());
    assert_eq!(quiet.outcome.stderr, "");

    let asked = Run::fixture(&["--on", "exit"], "exit3").expect(3);
    let dump = asked.json();
    assert_eq!(dump["reason"]["kind"], "exit");
    assert_eq!(dump["process"]["exit_code"], 3);
    assert!(frames(&dump).len() > 3, "the frames are live");
}

#[test]
fn the_guests_exit_code_survives_whatever_it_is() {
    for code in [0, 1, 125, 126, 200, 255] {
        let text = format!(
            "(module (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $exit (param i32)))
                (memory (export \"memory\") 1)
                (func (export \"_start\") (call $exit (i32.const {code}))))"
        );
        Run::wat(&[], &text).expect(code);
    }
}

#[test]
fn a_timeout_ends_code_that_runs_and_code_that_waits() {
    for options in [&["--timeout", "300ms"][..], &["--timeout", "300ms", "--fast"]] {
        for module in ["spin", "sleep"] {
            let run = Run::fixture(options, module).expect(124);
            let dump = run.json();
            assert_eq!(dump["reason"]["kind"], "timeout", "{module}");
            assert!(frames(&dump).len() >= 2, "{module}");
        }
    }
}

#[test]
fn fuel_runs_out() {
    let run = Run::fixture(&["--fuel", "100000"], "spin").expect(134);
    assert_eq!(kind(&run), "out-of-fuel");
}

#[test]
fn a_memory_beyond_its_limit_is_an_ending() {
    let text = "(module (memory 1)
        (func $grow (param $pages i32) (drop (memory.grow (local.get $pages))))
        (func (export \"_start\") (call $grow (i32.const 10)) (call $grow (i32.const 20))))";
    let run = Run::wat(&["--max-memory", "1m"], text).expect(134);
    let dump = run.json();
    assert_eq!(dump["reason"]["kind"], "memory-limit");
    assert_eq!(values(&frames(&dump)[0]["locals"]), ["20"]);
    assert_eq!(dump["memories"][0]["size"], 11 * 65536);
}

#[test]
fn what_leaves_a_dump_can_be_chosen() {
    let run = Run::fixture(&["--on", "exit"], "wat-div").expect(134);
    assert!(!run.dump.exists());
    let run = Run::fixture(&["--on", "none"], "wat-div").expect(134);
    assert!(!run.dump.exists() && run.outcome.stderr.contains("integer divide by zero"), "{}", run.outcome.stderr);
}

#[test]
fn the_last_words_are_in_the_dump() {
    let run = Run::fixture(&[], "assert").expect(134);
    let words = run.json()["reason"]["guest_stderr"].as_str().unwrap().to_owned();
    assert!(words.contains("ssertion"), "{words}");
    assert!(run.outcome.stderr.starts_with(&words), "they are passed through: {}", run.outcome.stderr);
}
