//! Variables: every value a guest printed before it died (`fixtures/expected`), asked for by `coredump-dump --print` in
//! its frame, from dumps with locals, from wasmtime's own and from `coredump-run --fast`.
//!
//! A value may be missing where the compiler or the dump has none; it must never be another one.

use std::path::{Path, PathBuf};

use coredump_tests::{Tool, capture, fixture, scratch, wasmtime_dump};

/// What a guest said of one of its variables.
#[derive(Debug)]
struct Said {
    function: String,
    expression: String,
    value: String,
}

/// The lines `function expression = value` of a fixture that ask for a plain expression.
fn said(name: &str) -> Vec<Said> {
    let text = std::fs::read_to_string(fixture(&format!("expected/{name}.txt"))).unwrap();
    let lines = text.lines().filter_map(|line| {
        let (left, value) = line.split_once(" = ")?;
        let (function, expression) = left.split_once(' ')?;
        // Calls, keys of maps and shadowed variables are no expressions of a debugger.
        let asks_more = expression.contains(['#', '!'])
            || expression.contains("()")
            || [".size", ".use_count", "map[", "set[", "table[", "tuple[", "deque[", "bits["]
                .iter()
                .any(|word| expression.contains(word));
        (!asks_more && value != "<not in scope>").then(|| Said {
            function: function.to_owned(),
            expression: expression.to_owned(),
            value: value.to_owned(),
        })
    });
    lines.collect()
}

/// The physical frames of a dump by function name, those that nothing was inlined into.
fn frames(dump: &Path, module: &Path) -> Vec<(usize, String)> {
    let outcome = Tool::new("coredump-bt").args(["--no-fold", "--quiet"]).arg(dump).arg("-m").arg(module).run();
    let mut frames = Vec::new();
    let mut inlined = None;
    for line in outcome.text().lines().filter_map(|line| line.strip_prefix('#')) {
        let mut words = line.split_whitespace();
        let number: usize = words.next().unwrap().parse().unwrap();
        let function = words.nth(1).unwrap_or_default().split(['(', '<']).next().unwrap_or_default();
        if line.contains("[inlined]") {
            inlined = Some(number);
        } else if inlined != Some(number) {
            frames.push((number, function.to_owned()));
        }
    }
    frames
}

/// `--print` of one expression in a frame: the value, or `None` where there is none to tell.
fn print(dump: &Path, module: &Path, frame: usize, expression: &str) -> Option<String> {
    let outcome = Tool::new("coredump-dump")
        .arg(dump)
        .arg("-m")
        .arg(module)
        .args(["--frame", &frame.to_string(), "--print", expression])
        .run();
    let text = outcome.text().trim_end();
    let value = text.strip_prefix(expression)?.strip_prefix(" = ")?;
    (outcome.code() == 0 && !value.contains('<')).then(|| value.to_owned())
}

/// What a language prints and what a debugger shows of the same value differ in little: the number of a character, the
/// address before text, Zig's points.
fn plain(value: &str) -> String {
    let text = match value.split_once(" \"") {
        Some((address, text)) if address.starts_with("0x") => format!("\"{text}"),
        _ => value.to_owned(),
    };
    let text = match text.split_once(": ") {
        Some((address, text)) if address.starts_with("@0x") => text.to_owned(),
        _ => text,
    };
    let text = match text.split_once(" '") {
        Some((number, _)) if number.parse::<i32>().is_ok() => number.to_owned(),
        _ => text,
    };
    let bare = text.strip_prefix('.').unwrap_or(&text);
    bare.trim_matches('"').to_lowercase().replace(['{', '}', ' '], "")
}

fn same(shown: &str, said: &str) -> bool {
    let (mut shown, said) = (plain(shown), plain(said));
    // A guest in Zig prints the member that is alive, a debugger its name too.
    if let Some((_, alive)) = shown.split_once('=').filter(|(_, alive)| !alive.contains('=')) {
        shown = alive.to_owned();
    }
    match (shown.parse::<f64>(), said.parse::<f64>()) {
        (Ok(shown), Ok(said)) => shown == said || shown.is_nan() && said.is_nan(),
        // A bit-field or `int` that C prints as a number for a truth value.
        _ => shown == said || (shown == "true" && said == "1") || (shown == "false" && said == "0"),
    }
}

/// Checks all that the guest said; gives how many of its values were told.
fn check(name: &str, dump: &Path) -> usize {
    let module = fixture(&format!("modules/{name}.wasm"));
    let frames = frames(dump, &module);
    let mut told = 0;
    for said in said(name) {
        let is_it = |function: &str| {
            function == said.function
                || function.ends_with(&format!("::{}", said.function))
                || function.ends_with(&format!(".{}", said.function))
        };
        let mut of_function = frames.iter().filter(|(_, function)| is_it(function));
        let (Some(frame), None) = (of_function.next(), of_function.next()) else { continue };
        let Some(shown) = print(dump, &module, frame.0, &said.expression) else { continue };
        assert!(same(&shown, &said.value), "{name}: {said:?} is shown as {shown}");
        told += 1;
    }
    told
}

fn captured(folder: &Path, name: &str, options: &[&str]) -> PathBuf {
    let (dump, outcome) = capture(folder, name, options);
    assert!(dump.exists(), "{outcome:?}");
    dump
}

#[test]
fn a_plain_wasmtime_dump_of_unoptimised_code_tells_the_variables() {
    // What is missing are parameters and arrays of variable length that clang describes nowhere at this point.
    for (name, at_least) in
        [("vars-O0", 62), ("vars-O0-dwarf5", 62), ("cpp-vars-O0", 40), ("rust-vars-O0", 55), ("zig-vars-Debug", 18)]
    {
        let told = check(name, &wasmtime_dump(name));
        assert!(told >= at_least, "{name}: {told} of {}", said(name).len());
    }
}

#[test]
fn optimised_code_shows_no_wrong_value() {
    for (name, at_least) in [
        ("vars-O1", 20),
        ("vars-O2", 20),
        ("vars-O2-dwarf5", 20),
        ("cpp-vars-O2", 10),
        ("rust-vars-O3", 5),
        ("zig-vars-ReleaseSafe", 1),
    ] {
        let told = check(name, &wasmtime_dump(name));
        assert!(told >= at_least, "{name}: {told} of {}", said(name).len());
    }
}

#[test]
fn what_binaryen_rewrote_shows_no_wrong_value() {
    check("sum-binaryen", &wasmtime_dump("sum-binaryen"));
}

#[test]
fn a_dump_with_locals_and_one_without_never_disagree() {
    let folder = scratch();
    let (full, fast) = (folder.path().join("full"), folder.path().join("fast"));
    for sub in [&full, &fast] {
        std::fs::create_dir(sub).unwrap();
    }
    for name in ["vars-O0", "vars-O2", "cpp-vars-O2", "zig-vars-ReleaseSafe"] {
        let with_locals = check(name, &captured(&full, name, &[]));
        let without = check(name, &captured(&fast, name, &["--fast"]));
        assert!(with_locals >= without, "{name}: {with_locals} with locals, {without} without");
    }
}

#[test]
fn an_error_in_an_expression_points_at_the_character() {
    let outcome = Tool::new("coredump-dump")
        .arg(wasmtime_dump("vars-O0"))
        .arg("-m")
        .arg(fixture("modules/vars-O0.wasm"))
        .args(["--frame", "3", "--print", "rectangle->nope"])
        .run();
    assert_ne!(outcome.code(), 0);
    assert!(outcome.stderr.contains("`struct rectangle` has no member `nope` (column 12)"), "{}", outcome.stderr);
}
