//! Values of Rust's standard library and of Zig: what a guest prints about itself and what the tools say of its dump
//! are the same, character for character in Rust. The truth comes from the same run: see `fixtures/sources`.

use std::path::Path;

use coredump_tests::{Tool, capture, fixture, scratch};
use serde_json::Value;

/// `function expression = value`, as the guest printed it.
struct Said<'t> {
    function: &'t str,
    expression: &'t str,
    value: &'t str,
}

fn said(text: &str) -> Vec<Said<'_>> {
    let lines = text.lines().filter_map(|line| {
        let (left, value) = line.split_once(" = ")?;
        let (function, expression) = left.split_once(' ')?;
        let word = !function.is_empty() && function.chars().all(|char| char.is_alphanumeric() || char == '_');
        word.then_some(Said { function, expression, value })
    });
    lines.collect()
}

/// A variable of the frame whose function has that name; `None` where it is not listed.
fn variable<'d>(document: &'d Value, function: &str, name: &str) -> Option<&'d Value> {
    let frames = document["threads"][0]["frames"].as_array().unwrap();
    let variables = frames.iter().filter_map(|frame| frame["variables"].as_array()).flatten();
    let mut found = variables.filter(|variable| variable["name"] == name);
    found.find(|variable| is_it(variable["function"].as_str().unwrap_or_default(), function))
}

fn is_it(own: &str, function: &str) -> bool {
    own.strip_suffix(function).is_some_and(|path| path.ends_with("::") || path.ends_with('.'))
}

/// The number of the frame of that function, or of the one it is inlined in.
fn frame(document: &Value, function: &str) -> usize {
    let frames = document["threads"][0]["frames"].as_array().unwrap();
    let of = |value: &Value| is_it(value["function"].as_str().unwrap_or_default(), function);
    let found = frames.iter().position(|frame| of(frame) || frame["inlines"].as_array().unwrap().iter().any(of));
    found.unwrap_or_else(|| panic!("no frame of {function}"))
}

fn printed(dump: &Path, module: &Path, frame: usize, expression: &str) -> String {
    let tool = Tool::new("coredump-dump").arg(dump).arg("-m").arg(module).args(["--depth", "12"]);
    let outcome = tool.args(["--frame", &frame.to_string(), "--print", expression]).run();
    match outcome.text().trim_end().strip_prefix(&format!("{expression} = ")) {
        Some(value) => value.to_owned(),
        None => panic!("{expression}: {outcome:?}"),
    }
}

/// Compares all that a guest said; gives how many of its values were told.
fn check(name: &str, options: &[&str], same: impl Fn(&str, &str) -> bool) -> (usize, usize) {
    let folder = scratch();
    let module = fixture(&format!("modules/{name}.wasm"));
    let (dump, outcome) = capture(folder.path(), name, options);
    let tool = Tool::new("coredump-json").args(["--locals", "--depth", "12", "-m"]).arg(&module);
    let document = tool.arg(&dump).run().json();
    let text = format!("{}\n{}", outcome.text(), outcome.stderr);
    let (mut told, mut all) = (0, 0);
    for Said { function, expression, value } in said(&text) {
        all += 1;
        let shown = match variable(&document, function, expression) {
            Some(variable) if variable["status"] == "ok" => variable["value"].as_str().unwrap().to_owned(),
            Some(_) => continue,
            None => printed(&dump, &module, frame(&document, function), expression),
        };
        assert!(same(&shown, value), "{name}: {function} {expression} is {value}, and is shown as {shown}");
        told += 1;
    }
    (told, all)
}

#[test]
fn rusts_own_types_are_written_as_the_program_writes_them() {
    for name in ["rust-std-O0", "rust-std-O2-dwarf5"] {
        for options in [&[][..], &["--fast"]] {
            let (told, all) = check(name, options, |shown, said| shown == said);
            assert!(all >= 79, "the guest said {all}");
            assert_eq!(told, all, "{name} {options:?}");
        }
    }
}

#[test]
fn what_older_libraries_of_rust_hold_is_written_as_the_program_writes_it() {
    for options in [&[][..], &["--fast"]] {
        assert_eq!(check("rust-1.63-library", options, |shown, said| shown == said), (6, 6), "{options:?}");
    }
}

#[test]
fn rusts_errors_thread_locals_and_over_aligned_frames_are_told_in_optimised_code() {
    for options in [&[][..], &["--fast"]] {
        assert_eq!(check("rust-errors-O2", options, |shown, said| shown == said), (23, 23), "{options:?}");
    }
    // A thread-local that nothing has asked for is not made.
    let folder = scratch();
    let (dump, _) = capture(folder.path(), "rust-errors-O2", &[]);
    let module = fixture("modules/rust-errors-O2.wasm");
    let document = Tool::new("coredump-json").arg("-m").arg(&module).arg(&dump).run().json();
    let print = |expression: &str| printed(&dump, &module, frame(&document, "last"), expression);
    assert_eq!((print("NEVER"), print("errors::LATER")), ("<uninit>".into(), "RefCell { value: [1, 2] }".into()));
}

#[test]
fn zigs_containers_vectors_and_odd_integers_are_told() {
    for options in [&[][..], &["--fast"]] {
        assert_eq!(check("zig-containers", options, |shown, said| shown == said), (28, 28), "{options:?}");
    }
}

#[test]
fn zigs_optionals_errors_and_unions_are_told_in_each_of_their_layouts() {
    // Structures are written in one way in `{any}` and in another in source.
    let plain = |text: &str| text.replace([' ', '.'], "");
    for options in [&[][..], &["--fast"]] {
        let (told, all) = check("zig-types", options, |shown, said| plain(shown) == plain(said));
        assert!(all >= 22, "the guest said {all}");
        assert_eq!(told, all, "{options:?}");
    }
}

#[test]
fn a_counted_pointer_tells_its_counts_and_a_cell_who_borrowed_it() {
    let folder = scratch();
    let (dump, _) = capture(folder.path(), "rust-std-O0", &[]);
    let module = fixture("modules/rust-std-O0.wasm");
    let outcome = Tool::new("coredump-bt").args(["--locals", "-q", "-m"]).arg(&module).arg(&dump).run();
    let text = outcome.text();
    let leaf = text.split("    leaf: ").nth(1).unwrap();
    let lines: Vec<_> = leaf.lines().map(str::trim).collect();
    let counts: Vec<_> = lines.iter().filter(|line| line.starts_with("strong") || line.starts_with("weak")).collect();
    assert_eq!(counts[..2], [&"strong: usize = 2", &"weak: usize = 0"], "{text}");
    assert!(text.contains("RefCell { value: 7, borrow: mutable }"), "{text}");
}

#[test]
fn a_panic_of_zig_has_its_own_arguments_behind_the_hidden_one() {
    let folder = scratch();
    let (dump, _) = capture(folder.path(), "zig-types", &[]);
    let outcome = Tool::new("coredump-json").arg("-m").arg(fixture("modules/zig-types.wasm")).arg(dump).run();
    assert_eq!(outcome.json()["reason"]["panic"]["message"], "index out of bounds: index 8, len 5");
}

#[test]
fn expressions_in_the_notation_of_each_language() {
    let folder = scratch();
    let (dump, _) = capture(folder.path(), "rust-std-O0", &[]);
    let module = fixture("modules/rust-std-O0.wasm");
    let document = Tool::new("coredump-json").arg("-m").arg(&module).arg(&dump).run().json();
    let print = |function: &str, expression: &str| printed(&dump, &module, frame(&document, function), expression);
    let address = print("sequences", "&numbers[0]");
    for (expression, value) in [
        (format!("{address} as *const u16 + 1"), print("sequences", "&numbers[1]")),
        (format!("*((u16 *){address} + 2)"), "30".into()),
        (format!("(*({address} as *const [u16; 3]))[1]"), "20".into()),
        ("&numbers[2] - &numbers[0]".into(), "2".into()),
        ("map[\"answer\"] % 5 == 2".into(), "true".into()),
        ("numbers[0..2]".into(), "[10, 20]".into()),
        ("inclusive.end".into(), "4".into()),
        ("list[1]".into(), "\"m\"".into()),
        ("set[2]".into(), "3".into()),
        ("os_string[0]".into(), u32::from(b'o').to_string()),
    ] {
        assert_eq!(print("sequences", &expression), value, "{expression}");
    }
    assert_eq!(print("layouts", "number.?"), "9");
    assert_eq!(print("cells", "*shared"), "Mutex { data: [1], poisoned: false, .. }");
    assert_eq!(print("objects", "one.0"), "1.0", "the member of the type behind the trait object");
}

#[test]
fn an_error_in_an_expression_is_marked_below_it() {
    let folder = scratch();
    let (dump, _) = capture(folder.path(), "rust-std-O0", &[]);
    for (expression, mark) in
        [("ring[9]", "         ^"), ("numbers.nope", "            ^"), ("map[\"nope\"]", "        ^")]
    {
        let tool = Tool::new("coredump-dump").arg(&dump).arg("-m").arg(fixture("modules/rust-std-O0.wasm"));
        let document =
            Tool::new("coredump-json").arg("-m").arg(fixture("modules/rust-std-O0.wasm")).arg(&dump).run().json();
        let number = frame(&document, "sequences").to_string();
        let outcome = tool.args(["--frame", &number, "--print", expression]).run();
        assert!(outcome.stderr.contains(&format!("    {expression}\n{mark}\n")), "{}", outcome.stderr);
    }
}

#[test]
fn a_long_sum_takes_no_longer_than_its_length() {
    let folder = scratch();
    let (dump, _) = capture(folder.path(), "rust-std-O0", &[]);
    let sum = vec!["1"; 45].join(" + ");
    assert_eq!(printed(&dump, &fixture("modules/rust-std-O0.wasm"), 0, &sum), "45");
}

#[test]
fn depth_and_elements_are_as_deep_and_as_many_as_asked() {
    let folder = scratch();
    let (dump, _) = capture(folder.path(), "rust-std-O0", &[]);
    let module = fixture("modules/rust-std-O0.wasm");
    let document = Tool::new("coredump-json").arg("-m").arg(&module).arg(&dump).run().json();
    let number = frame(&document, "sequences").to_string();
    let tool = Tool::new("coredump-dump").arg(&dump).arg("-m").arg(&module).args(["--frame", &number]);
    let text = tool.args(["--print", "numbers", "--elements", "2"]).run().text().to_owned();
    assert_eq!(text.trim_end(), "numbers = [10, 20, ... (1 more)]");
    let tool = Tool::new("coredump-json").args(["--locals", "--depth", "1", "-m"]).arg(&module).arg(&dump);
    let shallow = tool.run().json();
    assert_eq!(variable(&shallow, "cells", "ref_cell").unwrap()["value"], "RefCell { value: [...] }");
}

/// `std::expected` (expected.cpp): the values that its source gives.
#[test]
fn an_expected_is_its_value_or_its_error() {
    let module = fixture("modules/cpp-expected.wasm");
    let folder = scratch();
    let (dump, _) = capture(folder.path(), "cpp-expected", &["--unknown-imports-trap", "--invoke", "run"]);
    let ask = |expression: &str| {
        let asked = Tool::new("coredump-dump").args(["-p", expression, "-m"]).arg(&module).arg(&dump).run().expect(0);
        asked.text().trim_end().rsplit_once(" = @").map_or_else(
            || asked.text().trim_end().strip_prefix(expression).unwrap().strip_prefix(" = ").unwrap().to_owned(),
            |(_, referred)| referred.split_once(": ").unwrap().1.to_owned(),
        )
    };
    for (expression, value) in [
        ("value", "42"),
        ("*value", "42"),
        ("error", "unexpected({code = 4, line = nullopt})"),
        ("nothing", "{}"),
        ("wrong", "unexpected(8)"),
        ("nested", "unexpected(high)"),
        ("*pointer", "{code = 5, line = 12}"),
        ("(*pointer)->code", "5"),
    ] {
        assert_eq!(ask(expression), value, "{expression}");
    }
}
