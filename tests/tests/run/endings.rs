//! However a program ends: the reason, the exit code, and the frames with their values.

use coredump_tests::{Tool, fixture};

use super::{Run, frames, memory, places, values};

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
    let told = "exception: uncaught exception $error (i32 13, i64 5000000000)\n";
    assert!(run.outcome.stderr.contains(told), "{}", run.outcome.stderr);
    let text = Tool::new("coredump-bt").arg(&run.dump).run().expect(0).text().to_owned();
    assert!(text.contains(&format!("\nreason: {told}")), "{text}");
    let redacted = Tool::new("coredump-json").arg("--redact").arg(&run.dump).run().expect(0).json();
    assert_eq!(redacted["reason"]["detail"], serde_json::Value::Null, "values of the program");
}

#[test]
fn a_tag_has_its_name_from_an_export_or_the_file_before_it_was_stripped() {
    let detail = |dump: &serde_json::Value| dump["reason"]["detail"].clone();
    let exported = Run::wat(
        &[],
        "(module (tag (export \"out\\nof memory\") (param f64 externref)) \
         (func (export \"_start\") (throw 0 (f64.const 0.5) (ref.null extern))))",
    );
    let dump = exported.expect(134).json();
    assert_eq!(detail(&dump), "uncaught exception $out\\nof memory (f64 0.5, null)");
    let stripped = Run::wat(&[], "(module (tag) (func (export \"_start\") (throw 0)))").expect(134);
    assert_eq!(detail(&stripped.json()), serde_json::Value::Null);
    let named = wat::parse_str("(module (tag $broken) (func (export \"_start\") (throw 0)))").unwrap();
    let path = stripped.dump.with_file_name("named.wasm");
    std::fs::write(&path, named).unwrap();
    let dump = Tool::new("coredump-json").arg("-m").arg(path).arg(&stripped.dump).run().expect(0).json();
    assert_eq!(detail(&dump), "uncaught exception $broken");
    assert_eq!(dump["reason"]["exception"]["tag"], "broken");
}

#[test]
fn an_exception_that_is_thrown_again_shows_where_it_was_thrown_first() {
    // Every frame has an object whose destructor runs, after which the exception is thrown again.
    let program = fixture("modules/exception-guard.wasm");
    let run = Run::new(&["--invoke", "run"], &program, &["4"]).expect(134);
    let dump = run.json();
    let told = places(&dump);
    assert_eq!(
        told,
        ["parse(int) exception-guard.cpp:14", "load(int) exception-guard.cpp:21", "run exception-guard.cpp:25"]
    );
    assert_eq!(dump["reason"]["exception"]["rethrown"], 3);
    let thrown_at = &dump["reason"]["exception"]["thrown_at"];
    assert_eq!((thrown_at[0]["function"].as_str(), thrown_at[0]["line"].as_u64()), (Some("parse(int)"), Some(14)));
    // The clean-ups ran over the stack in memory, and the dump has it as it was at the throw.
    let locals = Tool::new("coredump-bt").arg("--locals").arg(&run.dump).run().expect(0);
    for value in ["guard: Guard = {id = 1}", "guard: Guard = {id = 2}", "doubled: int = 8", "guard: Guard = {id = 3}"] {
        assert!(locals.text().contains(value), "{value}: {}", locals.text());
    }
    // An uninstrumented engine knows the last throw alone, and the dump says so.
    let fast = Run::new(&["--fast", "--invoke", "run"], &program, &["4"]).expect(134).json();
    assert_eq!(fast["reason"]["exception"]["last_only"], true);
    assert!(fast["reason"]["exception"]["thrown_at"].is_null());
    assert_eq!(fast["reason"]["exception"]["values"], dump["reason"]["exception"]["values"]);
}

#[test]
fn a_cpp_exception_that_a_handler_throws_again_has_its_first_throw_its_type_and_its_text() {
    // Three more of the same type were thrown and caught before; their memory is used again.
    let run = Run::fixture(&[], "exception-rethrow").expect(134);
    let dump = run.json();
    let functions: Vec<_> = frames(&dump).iter().map(|frame| frame["function"].as_str().unwrap()).collect();
    assert_eq!(functions[1..5], ["__cxa_throw", "parse(int)", "retry(int)", "main"], "{functions:?}");
    let exception = &dump["reason"]["exception"];
    assert_eq!(exception["type"], "TooLong");
    assert_eq!(exception["message"], "too long");
    assert_eq!(exception["language"], "c++");
    assert_eq!(dump["reason"]["panic"]["message"], "TooLong: too long");
    let brief = Tool::new("coredump-bt").arg("--brief").arg(&run.dump).run().expect(0);
    assert!(brief.text().contains("exception: TooLong: too long in parse"), "{}", brief.text());
    let hidden = Tool::new("coredump-json").arg("--redact").arg(&run.dump).run().json();
    assert!(!hidden.to_string().contains("too long"), "{hidden}");
}

#[test]
fn an_object_that_is_thrown_again_is_the_same_exception() {
    // Languages with garbage collection do this: the handler takes the object out and throws it with another exception.
    let text = "(module
        (type $error (struct (field i32)))
        (tag $e (param (ref $error)))
        (func $first (param i32) (throw $e (struct.new $error (local.get 0))))
        (func $again (block $caught (result (ref $error))
            (try_table (catch $e $caught) (call $first (i32.const 7)))
            (unreachable)) (throw $e))
        (func $other (block $caught (result (ref $error))
            (try_table (catch $e $caught) (call $first (i32.const 6)))
            (unreachable)) drop)
        (func (export \"_start\") (call $other) (call $again)))";
    let dump = Run::wat(&[], text).expect(134).json();
    let functions: Vec<_> = frames(&dump).iter().map(|frame| frame["function"].as_str().unwrap()).collect();
    assert_eq!(functions[..2], ["first", "again"], "{functions:?}");
    assert_eq!(values(&frames(&dump)[0]["locals"]), ["7"]);
    assert_eq!(dump["reason"]["exception"]["tag"], "e");
}

#[test]
fn a_failed_host_call_is_called_by_its_own_message_at_full_speed_too() {
    let text = "(module (import \"env\" \"f\" (func $f)) (func (export \"_start\") (call $f)))";
    for options in [&["--unknown-imports-trap"][..], &["--unknown-imports-trap", "--fast"]] {
        let dump = Run::wat(options, text).expect(134).json();
        assert_eq!(dump["reason"]["message"], "unknown import: `env::f` has not been defined");
    }
}

#[test]
fn a_trap_has_its_instruction_and_its_access() {
    let run = Run::fixture(&[], "oob").expect(134);
    assert!(run.outcome.stderr.contains("of 1 byte at address 0xfffffff0 (null - 16)"), "{}", run.outcome.stderr);
    let reason = run.json()["reason"].clone();
    assert!(reason["instruction"].as_str().unwrap().starts_with("i32.load8_"), "{reason}");
    let access = &reason["memory_access"];
    assert_eq!((access["size"].as_u64(), access["kind"].as_str()), (Some(1), Some("read")));
    assert_eq!(access["address"], "0xfffffff0");
    assert_eq!(access["from_null"], -16);
    let told = Tool::new("coredump-bt").arg("--brief").arg(&run.dump).run().expect(0);
    assert!(told.text().contains("at address 0xfffffff0 (null - 16)"), "{}", told.text());
    let hidden = Tool::new("coredump-json").arg("--redact").arg(&run.dump).run().json();
    assert!(hidden["reason"]["memory_access"]["address"].is_null());

    let division = Run::fixture(&[], "wat-div").expect(134).json();
    assert_eq!(division["reason"]["instruction"], "i32.div_s");
    assert!(division["reason"]["memory_access"].is_null());
}

#[test]
fn what_the_user_says_of_a_run_is_in_its_dump() {
    let run = Run::fixture(&["--annotate", "version=1.4.2", "--annotate", "note=a=b"], "wat-div").expect(134);
    let annotations = run.json()["process"]["annotations"].clone();
    assert_eq!(annotations, serde_json::json!({"version": "1.4.2", "note": "a=b"}));
    let told = Tool::new("coredump-bt").arg(&run.dump).run().expect(0);
    assert!(told.text().contains("version: 1.4.2"), "{}", told.text());
    Run::fixture(&["--annotate", "version"], "wat-div").expect(64);

    let event = |annotations: &[&str]| -> serde_json::Value {
        let options: Vec<&str> = annotations.iter().flat_map(|said| ["--annotate", said]).collect();
        let run = Run::fixture(&options, "wat-div").expect(134);
        let event = Tool::new("coredump-json").arg("--sentry").arg(&run.dump).run().expect(0);
        serde_json::from_slice(&event.stdout).unwrap()
    };
    let sent = event(&["version=1.4.2", "environment=staging", "dist=a"]);
    assert_eq!([&sent["release"], &sent["environment"], &sent["dist"]], ["1.4.2", "staging", "a"]);
    assert_eq!(event(&["version=1.4.2", "release=app@1.4.2"])["release"], "app@1.4.2");
    assert!(event(&["note=x"]).get("release").is_none());
}

#[test]
fn code_that_hangs_has_the_values_of_its_youngest_frame() {
    let text = "(module (func $spin (param $n i32) (local $step i64)
        (i32.const 77) (loop (local.set $step (i64.const 5)) (br 0)) (drop))
        (func (export \"_start\") (call $spin (i32.const 9))))";
    let dump = Run::wat(&["--timeout", "300ms"], text).expect(124).json();
    let youngest = &frames(&dump)[0];
    assert_eq!(youngest["function"], "spin");
    assert_eq!(values(&youngest["locals"])[0], "9");
    assert_eq!(values(&youngest["stack"])[0], "77");
}

#[test]
fn the_time_covers_compiling() {
    let functions: String = (0..20_000)
        .map(|n| format!("(func (result i32) (i32.add (i32.const {n}) (i32.mul (i32.const 3) (i32.const {n}))))"))
        .collect();
    let run = Run::wat(&["--timeout", "1ms"], &format!("(module {functions} (func (export \"_start\")))")).expect(124);
    assert!(run.outcome.stderr.contains("ended by --timeout"), "{}", run.outcome.stderr);
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
    assert_eq!(dump["process"]["memory_limit"], 1 << 20);

    // All memories and tables count together.
    let two = "(module (memory 7) (memory 7) (table 1 funcref) (func (export \"_start\")
        (drop (table.grow (ref.null func) (i32.const 40000)))))";
    let run = Run::wat(&["--max-memory", "1m"], two).expect(134);
    assert_eq!(kind(&run), "memory-limit");
    Run::wat(&["--max-memory", "2m"], two).expect(0);
}

#[test]
fn a_program_that_is_too_large_to_start_has_no_dump_and_no_hint_that_would_not_help() {
    for declared in ["(memory 100)", "(table 1000000 funcref)"] {
        for mode in [&[][..], &["--fast"], &["--live"]] {
            let text = format!("(module {declared} (func (export \"_start\") unreachable))");
            let run = Run::wat(&[&["--max-memory", "1m"], mode].concat(), &text).expect(134);
            let told = &run.outcome.stderr;
            assert!(told.contains("no core dump: the program has not started"), "{mode:?}: {told}");
            assert!(!told.contains("hint"), "{mode:?}: {told}");
        }
    }
}

/// A request that the engine refuses by itself costs nothing, and gives nothing back either: each such request used to
/// make room for the growth before it.
#[test]
fn refused_requests_make_no_room_under_a_limit() {
    let guest = |declared: &str, more: &str, too_much: &str| {
        format!(
            "(module {declared} (func (export \"_start\") (local $left i32)
                (local.set $left (i32.const 40))
                (loop $again
                    {more} (if (i32.eq (i32.const -1)) (then (unreachable)))
                    {too_much} (if (i32.ne (i32.const -1)) (then (unreachable)))
                    (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))))"
        )
    };
    let memory =
        guest("(table 4 funcref) (memory 1 100)", "(memory.grow (i32.const 1))", "(memory.grow (i32.const 100))");
    let table = guest(
        "(memory 4) (table 1 10000000 funcref)",
        "(table.grow (ref.null func) (i32.const 8192))",
        "(table.grow (ref.null func) (i32.const 10000000))",
    );
    for (text, asked) in [(memory, 16 * 65536 + 4 * 8), (table, 16 * 65536 + 8)] {
        for mode in [&[][..], &["--live"], &["--fast"]] {
            let run = Run::wat(&[&["--max-memory", "1m"], mode].concat(), &text).expect(134);
            let message = format!("memory would grow to {asked} bytes, and --max-memory is 1048576");
            assert_eq!(run.json()["reason"]["message"], message, "{mode:?}");
        }
    }
}

#[test]
fn the_heap_of_garbage_collected_objects_counts_with_memories_and_tables() {
    // A list of arrays that is reachable to its end, beside 1 MiB each of memory and table.
    let module = |others: &str| {
        format!(
            "(module {others}
                (type $bytes (array (mut i8)))
                (type $list (struct (field (ref null $list)) (field (ref null $bytes))))
                (global $head (mut (ref null $list)) (ref.null $list))
                (func (export \"_start\") (local $left i32)
                    (local.set $left (i32.const 16))
                    (loop $again
                        (global.set $head (struct.new $list
                            (global.get $head) (array.new_default $bytes (i32.const 65536))))
                        (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))))"
        )
    };
    let (alone, together) = (module(""), module("(memory 16) (table 131072 funcref)"));
    for mode in [&[][..], &["--live"], &["--fast"]] {
        let limited = |limit| [&["--max-memory", limit][..], mode].concat();
        Run::wat(&limited("2500k"), &alone).expect(0);
        Run::wat(&limited("8m"), &together).expect(0);
        let run = Run::wat(&limited("2500k"), &together).expect(134);
        assert_eq!(kind(&run), "memory-limit", "{mode:?}: {}", run.outcome.stderr);
    }
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
