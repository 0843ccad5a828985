//! `coredump-bt` says why a program died, in full and in one line.

use std::path::Path;

use coredump_tests::{Outcome, Tool, capture, fixture, scratch, wasmtime_dump};

/// Runs a fixture, then shows its dump.
fn shown(module: &str, run: &[&str], options: &[&str]) -> Outcome {
    let folder = scratch();
    let dump = folder.path().join("app.coredump");
    let binary = fixture(&format!("modules/{module}.wasm"));
    Tool::new("coredump-run").args(["--quiet", "-o"]).arg(&dump).args(run).arg(binary).run();
    Tool::new("coredump-bt").arg("-q").args(options).arg(dump).in_folder(folder.path()).run().expect(0)
}

fn brief(module: &str) -> String {
    let binary = fixture(&format!("modules/{module}.wasm"));
    let outcome = Tool::new("coredump-bt").args(["--brief", "-m"]).arg(binary).arg(wasmtime_dump(module)).run();
    outcome.expect(0).text().to_owned()
}

#[test]
fn what_is_known_of_a_trap_stands_in_the_reason() {
    // oob.c reads at 0xfffffff0.
    let text = shown("oob", &[], &[]).text().to_owned();
    let reason = "reason: memory-out-of-bounds: i32.load8_u of 1 byte at address 0xfffffff0 (null - 16), outside the memory of 131072 bytes\n";
    assert!(text.contains(reason), "{text}");
    let text = shown("shadow", &[], &["--brief"]).text().to_owned();
    assert!(text.contains(": memory-out-of-bounds: the shadow stack ran out of memory ("), "{text}");
}

#[test]
fn an_assertion_is_called_that() {
    // assert.c:6
    let text = shown("assert", &[], &["--brief"]).text().to_owned();
    assert!(text.contains(": unreachable: Assertion failed: part <= whole ("), "{text}");
    assert!(text.contains(" in percent at src/c/assert.c:6:5 [percent | main]"), "{text}");
}

#[test]
fn the_head_points_at_the_programs_own_frame_below_the_machinery() {
    let head = |text: &str| text.lines().find(|line| line.starts_with("where: ")).map(str::to_owned);
    let text = shown("assert", &[], &[]).text().to_owned();
    assert_eq!(head(&text).as_deref(), Some("where: #2 percent at src/c/assert.c:6:5"), "{text}");
    // Frame 0 itself is the program's own.
    assert_eq!(head(shown("sum-O0", &[], &[]).text()), None);
}

#[test]
fn one_line_quotes_a_programs_last_words_where_nothing_tells_more() {
    // abort.c prints why it gives up, exit3.c prints nothing.
    let text = shown("abort", &[], &["--brief"]).text().to_owned();
    assert!(text.contains(": unreachable: abort \"giving up: out of ideas (7)\" in give_up at "), "{text}");
    let text = shown("exit3", &["--on", "exit"], &["--brief"]).text().to_owned();
    assert!(text.contains(": exit: exited with code 3 in leave at "), "{text}");
    // An assertion's message was its last word.
    assert!(!shown("assert", &[], &["--brief"]).text().contains('"'));
}

#[test]
fn a_panic_whose_message_is_lost_is_still_a_panic() {
    // The line is in Go's own table: panic.go:14 calls `panic`.
    let line = ": unreachable: go panic in main.withdraw at ./panic.go:14 [";
    assert!(brief("go-panic").contains(line), "{}", brief("go-panic"));
}

#[test]
fn the_place_of_a_function_without_a_name_is_not_its_callers() {
    // wat-nameless has no name section; its `middle` is exported and calls function 1.
    assert!(brief("wat-nameless").contains(" in func[1] [func[1] | middle]"), "{}", brief("wat-nameless"));
}

#[test]
fn one_line_a_dump_is_not_accompanied_by_how_it_was_read() {
    let dump = fixture("dumps/wat-unreachable.xtuc-0.2.coredump");
    let module = fixture("modules/wat-unreachable.wasm");
    let run =
        |options: &[&str]| Tool::new("coredump-bt").args(options).arg("-m").arg(&module).arg(&dump).run().expect(0);
    assert!(run(&[]).stderr.contains("warning: "), "{}", run(&[]).stderr);
    assert_eq!(run(&["--brief"]).stderr, "");
}

#[test]
fn of_a_long_standard_error_the_panic_is_shown() {
    let text = shown("go-panic", &["--fast", "--env", "GOTRACEBACK=crash"], &[]).text().to_owned();
    let (_, said) = text.split_once("guest stderr:\n").expect("what the guest said");
    let lines: Vec<&str> = said.lines().take_while(|line| line.starts_with("    ")).collect();
    assert!(lines[..3].iter().any(|line| line.starts_with("    panic: ")), "{text}");
    // Behind it Go prints the state of every goroutine.
    let last = lines.last().expect("lines");
    assert!(last.starts_with("    … ") && last.ends_with(" later lines"), "{text}");
    assert!(lines.len() <= 22, "{text}");
}

#[test]
fn a_folder_that_is_not_there_is_called_that() {
    let folder = scratch();
    let into = Path::new("missing").join("bt.txt");
    let outcome =
        Tool::new("coredump-bt").arg(wasmtime_dump("ab")).arg("-o").arg(&into).in_folder(folder.path()).run().expect(2);
    assert!(outcome.stderr.contains("missing/bt.txt: cannot create: No such file or directory"), "{}", outcome.stderr);
}

#[test]
fn an_adapter_that_the_engine_made_is_no_missing_binary() {
    let folder = scratch();
    let dump = folder.path().join("app.coredump");
    let component = fixture("modules/component-composed.wasm");
    Tool::new("coredump-run")
        .args(["--quiet", "-o"])
        .arg(&dump)
        .args(["--invoke", "run(0)"])
        .arg(component)
        .run()
        .expect(134);
    let outcome = Tool::new("coredump-bt").arg(&dump).run().expect(0);
    assert!(outcome.text().contains("\nsignature: quotient | divide | average | run\n"), "{}", outcome.text());
    assert!(outcome.stderr.contains(": an adapter that the engine made between components"), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("hint:"), "{}", outcome.stderr);
}

#[test]
fn an_abort_of_another_module_is_of_the_language_that_calls_it() {
    // (foreign-abort.wat): four parameters, and texts of UTF-16 in the memory of the module that calls.
    let folder = scratch();
    let (dump, _) = capture(folder.path(), "wat-foreign-abort", &["--quiet", "--invoke", "run()"]);
    let document = Tool::new("coredump-json").arg(dump).run().json();
    let panic = &document["reason"]["panic"];
    assert_eq!(panic["language"], "assemblyscript");
    assert_eq!(panic["message"], "no milk (shop.ts:7:3)");
}

#[test]
fn an_error_that_nim_found_ends_by_an_exit_code_and_has_its_words() {
    let folder = scratch();
    let (dump, _) = capture(folder.path(), "nim-shop", &["--quiet", "--on", "exit"]);
    let document = Tool::new("coredump-json").arg(dump).run().json();
    assert_eq!(document["reason"]["panic"]["language"], "nim");
    assert_eq!(document["reason"]["panic"]["message"], "division by zero [DivByZeroDefect]");
    // The functions of Nim's library are not the program's, and the numbers of its symbols change with each build.
    assert_eq!(document["signature"], "share__shop | total__shop | NimMainModule");
    assert_eq!(
        (document["place"]["function"].as_str(), document["place"]["line"].as_u64()),
        (Some("share__shop_6"), Some(9))
    );
}

#[test]
fn what_clang_says_of_a_trap_is_the_reason_and_no_function() {
    let folder = scratch();
    let cases = [
        (
            "sanitized",
            "Undefined Behavior Sanitizer: signed integer addition overflow in 'limit + amount'",
            "add | sanitized",
            5,
        ),
        ("verbose", "Bank: no money left", "verbose", 14),
    ];
    for (export, message, signature, line) in cases {
        let (dump, _) = capture(folder.path(), "verbose", &["--quiet", "--invoke", export]);
        let document = Tool::new("coredump-json").arg(dump).run().expect(0).json();
        let panic = &document["reason"]["panic"];
        assert_eq!((panic["language"].as_str(), panic["message"].as_str()), (Some("c"), Some(message)));
        assert_eq!(document["signature"], signature);
        assert_eq!(document["place"]["line"], line);
    }
}
