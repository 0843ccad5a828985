//! Variables: every value a guest printed before it died (`fixtures/expected`), asked for by `coredump-dump --print` in
//! its frame, from dumps with locals, from wasmtime's own and from `coredump-run --fast`.
//!
//! A value may be missing where the compiler or the dump has none; it must never be another one.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use coredump_tests::{Tool, capture, fixture, scratch, wasmtime_dump};

/// The value of one of a guest's variables, as the guest printed it.
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
        // Calls, keys without quotes and shadowed variables are no expressions of a debugger.
        let asks_more = expression.contains(['#', '!'])
            || expression.contains("()")
            || [".size", ".use_count", "map[", "set[", "tuple["].iter().any(|word| expression.contains(word));
        (!asks_more && value != "<not in scope>").then(|| Said {
            function: function.to_owned(),
            expression: expression.to_owned(),
            value: value.to_owned(),
        })
    });
    lines.collect()
}

/// A function that was active in a frame, inlined or not.
struct Active {
    frame: usize,
    function: String,
    /// Nothing was inlined into it at this point: a name in an expression can only mean its own.
    innermost: bool,
    /// Its variables' values; `None` where there is none to tell.
    variables: HashMap<String, Option<String>>,
}

/// The active functions of a dump, the oldest first: the order in which they said what they hold.
fn active(dump: &Path, module: &Path) -> Vec<Active> {
    let document = Tool::new("coredump-json").args(["--locals", "-m"]).arg(module).arg(dump).run().json();
    let mut all = Vec::new();
    for (number, frame) in document["threads"][0]["frames"].as_array().unwrap().iter().enumerate() {
        let inlines = frame["inlines"].as_array().unwrap();
        let shown = frame["variables"].as_array().into_iter().flatten();
        let mut variables = shown.filter(|variable| variable["hidden"] != true).peekable();
        for (nth, function) in inlines.iter().chain([frame]).enumerate() {
            let name = function["function"].as_str().unwrap_or_default();
            let mut own = HashMap::new();
            // A function that is inlined into itself has its variables one after the other: names begin again.
            while let Some(variable) = variables.peek()
                && base(variable["function"].as_str().unwrap_or_default()) == base(name)
                && variable["inlined"] == (nth < inlines.len())
                && !own.contains_key(variable["name"].as_str().unwrap())
            {
                // The value at entry says nothing of the present one.
                let now = variable["value"].as_str().filter(|_| variable["at"] != "entry");
                own.insert(variable["name"].as_str().unwrap().to_owned(), now.map(str::to_owned));
                variables.next();
            }
            all.push(Active { frame: number, function: base(name).to_owned(), innermost: nth == 0, variables: own });
        }
        assert!(variables.next().is_none(), "variables of a function that is not in frame {number}");
    }
    all.reverse();
    all
}

/// A function's name without parameters and arguments, as backtraces shorten it.
fn base(name: &str) -> &str {
    let name = name.split_once(" [").map_or(name, |(name, _)| name);
    if name.contains("}::operator()") {
        return "operator()";
    }
    let end = name.find(['(', '<']).unwrap_or(name.len());
    let name = name[..end].trim_end_matches("::");
    name.rsplit([' ']).next().unwrap_or(name)
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
    (outcome.code() == 0).then(|| value.to_owned())
}

fn is_known(value: &str) -> bool {
    !["<optimized out", "<not captured", "<unreadable", "<incomplete", "<unknown"]
        .iter()
        .any(|word| value.contains(word))
}

/// Removes the small differences between the value that a language prints and the one that a debugger shows: the number
/// of a character, the address before text, Zig's points.
fn plain(value: &str) -> String {
    let text = match value.split_once(" \"") {
        Some((address, text)) if address.starts_with("0x") => format!("\"{text}"),
        _ => value.to_owned(),
    };
    let text = match text.split_once(": ") {
        Some((address, text)) if address.starts_with("@0x") => text.to_owned(),
        _ => text,
    };
    // A function pointer is said by its function's name.
    let text = match text.split_once(" <").zip(text.strip_suffix('>')) {
        Some(((index, name), _)) if index.starts_with("0x") => base(name.trim_end_matches('>')).to_owned(),
        _ => text,
    };
    let text = match text.split_once(" '") {
        Some((number, _)) if number.parse::<i32>().is_ok() => number.to_owned(),
        _ => text,
    };
    // C prints the sign of an imaginary part after the plus.
    let text = text.replace(" + -", " - ");
    let bare = text.strip_prefix('.').unwrap_or(&text);
    bare.trim_matches('"').to_lowercase().replace(['{', '}', ' '], "")
}

fn same(shown: &str, said: &str) -> bool {
    let (mut shown, said) = (plain(shown), plain(said));
    if shown == said {
        return true;
    }
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
    let active = active(dump, &module);
    let all = said(name);
    let mut told = 0;
    for (nth, said) in all.iter().enumerate() {
        let is_it = |active: &&Active| {
            let function = &active.function;
            function == &said.function
                || function.ends_with(&format!("::{}", said.function))
                || function.ends_with(&format!(".{}", said.function))
        };
        let of_function: Vec<&Active> = active.iter().filter(is_it).collect();
        // A function that was called many times said it as often; what returned since said it first.
        let again = |other: &&Said| other.function == said.function && other.expression == said.expression;
        let (before, times) = (all[..nth].iter().filter(again).count(), all.iter().filter(again).count());
        let Some(gone) = times.checked_sub(of_function.len()) else { continue };
        let Some(active) = before.checked_sub(gone).and_then(|at| of_function.get(at)) else { continue };
        let shown = match active.variables.get(&said.expression) {
            Some(value) => value.clone(),
            None if active.innermost => print(dump, &module, active.frame, &said.expression),
            None => None,
        };
        let Some(shown) = shown.filter(|shown| is_known(shown)) else { continue };
        assert!(same(&shown, &said.value), "{name}: frame {}: {said:?} is shown as {shown}", active.frame);
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
    // Only parameters and arrays of variable length are missing that clang describes nowhere at this point.
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
fn what_a_compiler_described_inexactly_is_not_told() {
    // Turns of an unrolled loop, a call that was moved past the next turn, a parameter that is said to be in another's
    // place, the next value of one that changes after the call.
    let programs = [("globals", [1, 0]), ("ledger", [3, 0]), ("pointers", [5, 0]), ("switches", [5, 0])];
    for (program, at_least) in programs {
        let name = &format!("inexact-{program}")[..];
        for ((_folder, dump), at_least) in full_and_fast(name).iter().zip(at_least) {
            let told = check(name, dump);
            assert!(told >= at_least, "{name}: {told} of {}", said(name).len());
        }
    }
}

#[test]
fn what_binaryen_rewrote_shows_no_wrong_value() {
    check("sum-binaryen", &wasmtime_dump("sum-binaryen"));
    // `grid` takes an array of variable length from its stack: a local that was the frame's base is another's now.
    for (_folder, dump) in full_and_fast("places-binaryen") {
        check("places-binaryen", &dump);
    }
    // Its variables are in frames, which are where they were; locals, and with them the frame bases, are others.
    for (_folder, dump) in full_and_fast("vars-binaryen") {
        let (known, all) = (check("vars-binaryen", &dump), said("vars-binaryen").len());
        assert!(known * 10 >= all * 7, "{known} of {all}");
    }
}

/// Binaryen lets some blocks end beyond their function (blocks.c). That one is meant is certain where a block in it is.
#[test]
fn a_name_is_not_anothers_where_a_tool_lost_the_end_of_a_block() {
    let module = fixture("modules/blocks-binaryen.wasm");
    for options in [&["--invoke", "run"][..], &["--fast", "--invoke", "run"]] {
        let folder = scratch();
        let dump = captured(folder.path(), "blocks-binaryen", options);
        let seen = ["x", "y", "z"].map(|name| print(&dump, &module, 1, name));
        assert_eq!(seen.each_ref().map(Option::as_deref), [Some("2.75"), Some("200"), Some("204")], "{options:?}");
        let text =
            Tool::new("coredump-bt").args(["-q", "--locals", "--frame", "2"]).arg(&dump).arg("-m").arg(&module).run();
        assert!(text.text().contains("x: int = <not captured: another of this name may be meant"), "{text:?}");
    }
}

/// gdb's `name@entry`: what a parameter was given, where the compiler keeps it no more.
#[test]
fn a_parameter_that_is_gone_is_told_as_it_was_at_entry() {
    let folder = scratch();
    let dump = captured(folder.path(), "sum-O2", &[]);
    let text = Tool::new("coredump-bt").arg("-q").arg(&dump).run().expect(0).text().to_owned();
    let depths: Vec<_> = text.lines().filter_map(|line| line.split_once("depth@entry=")?.1.split(')').next()).collect();
    assert_eq!(depths, ["3", "2", "1"], "sum.c counts its calls: {text}");
    let document = Tool::new("coredump-json").arg("--locals").arg(&dump).run().expect(0).json();
    let variables = document["threads"][0]["frames"][0]["variables"].as_array().unwrap();
    let depth = variables.iter().find(|variable| variable["name"] == "depth").unwrap();
    assert_eq!((&depth["at"], &depth["value"], &depth["kind"]), (&"entry".into(), &"3".into(), &"parameter".into()));
    // An expression means what is there now, unless it says otherwise.
    let module = fixture("modules/sum-O2.wasm");
    let ask = |expression| print(&dump, &module, 0, expression);
    assert_eq!(ask("depth"), None);
    assert_eq!([ask("depth@entry"), ask("depth@entry * 2")], [Some("3".into()), Some("6".into())]);
    for (expression, message) in
        [("before@entry", "`before` is not a parameter"), ("nope@entry", "no parameter `nope`")]
    {
        let refused = Tool::new("coredump-dump").args(["-p", expression, "-m"]).arg(&module).arg(&dump).run();
        assert!(refused.code() != 0 && refused.stderr.contains(message), "{refused:?}");
    }
}

/// Variables that clang 14 describes up to the branch behind which the program dies, and no further: `op` in the next
/// line, `top` also on the way round the loop, where it began as a constant.
#[test]
fn a_variable_that_was_told_last_just_before_says_so() {
    let folder = scratch();
    let dump = captured(folder.path(), "inexact-switches", &[]);
    let said = said("inexact-switches");
    let document = Tool::new("coredump-json").arg("--locals").arg(&dump).run().expect(0).json();
    let variables = document["threads"][0]["frames"][1]["variables"].as_array().unwrap();
    let module = fixture("modules/inexact-switches.wasm");
    for name in ["op", "operand", "top"] {
        let value = &said.iter().find(|said| said.function == "run" && said.expression == name).unwrap().value;
        let variable = variables.iter().find(|variable| variable["name"] == name).unwrap();
        assert_eq!((&variable["at"], variable["value"].as_str()), (&"earlier".into(), Some(value.as_str())), "{name}");
        // An expression means what is there now.
        assert_eq!(print(&dump, &module, 1, name), None, "{name}");
    }
    let text = Tool::new("coredump-bt").args(["-q", "--locals"]).arg(&dump).run().expect(0).text().to_owned();
    assert!(text.contains("top@earlier: int = 2"), "{text}");
    // `seen` is 3: where it is described last it was 0, and a loop is between.
    let dump = captured(folder.path(), "inexact-ledger", &[]);
    let document = Tool::new("coredump-json").arg("--locals").arg(&dump).run().expect(0).json();
    let frames = document["threads"][0]["frames"].as_array().unwrap();
    let variables = frames.iter().flat_map(|frame| frame["variables"].as_array().unwrap());
    let seen = variables.into_iter().find(|variable| variable["name"] == "seen").unwrap();
    assert!(seen["value"].is_null(), "{seen}");
}

/// A counter of a loop (nested.c) that is described only where it is counted, but is in its local all the time. In the
/// callers it was assigned before the call, by code after it: in the local is the value before that.
#[test]
fn a_variable_that_the_code_goes_on_to_read_is_told_from_its_local() {
    for name in ["nested", "nested-22"] {
        let folder = scratch();
        let module = fixture(&format!("modules/{name}.wasm"));
        let dump = captured(folder.path(), name, &["--invoke", "run"]);
        let document = Tool::new("coredump-json").args(["--locals", "-m"]).arg(&module).arg(&dump).run().json();
        let told = |frame: usize, variable: &str| {
            let variables = document["threads"][0]["frames"][frame]["variables"].as_array().unwrap();
            let found = variables.iter().find(|found| found["name"] == variable).unwrap();
            (found["value"].as_str().map(str::to_owned), found["at"].as_str().map(str::to_owned))
        };
        // `depth * 10`; the same program without optimisation has 30, 23 and 13.
        assert_eq!(told(1, "lists"), (Some("30".to_owned()), Some("earlier".to_owned())), "{name}");
        assert_eq!([told(2, "lists").0, told(3, "lists").0], [None, None], "{name}");
    }
}

/// Parameters that clang 14 describes nowhere (passed.c): the calling convention says where they were.
#[test]
fn what_c_passes_and_does_not_describe_is_told_as_it_was_at_entry() {
    let module = fixture("modules/passed.wasm");
    for (options, of_caller) in [(&["--invoke", "run"][..], true), (&["--fast", "--invoke", "run"], false)] {
        let folder = scratch();
        let dump = captured(folder.path(), "passed", options);
        let document = Tool::new("coredump-json").args(["--locals", "-m"]).arg(&module).arg(&dump).run().json();
        let told = |frame: usize, name: &str| {
            let variables = document["threads"][0]["frames"][frame]["variables"].as_array().unwrap();
            let variable = variables.iter().find(|variable| variable["name"] == name).unwrap();
            (variable["at"] == "entry").then(|| variable["value"].as_str().unwrap().to_owned())
        };
        assert_eq!(told(1, "a").as_deref(), Some("{x = 18, y = 9}"), "{options:?}");
        assert_eq!(told(1, "b").as_deref(), Some("{x = 65193, y = 18}"), "{options:?}");
        // It is passed the one member that it uses.
        assert_eq!([told(2, "list"), told(2, "at")], [None, None], "{options:?}");
        let line = r#"{from = {x = 11, y = 12}, to = {x = 13, y = 77}, width = 2.75, name = 0x400 "edge"}"#;
        assert_eq!(told(3, "line").as_deref(), Some(line), "{options:?}");
        assert_eq!(told(3, "changed").as_deref(), Some("{x = <optimized out>, y = 9}"), "{options:?}");
        if of_caller {
            assert_eq!([told(3, "low"), told(3, "high")].map(Option::unwrap), ["-7", "65001"]);
        }
        let ask = |frame, expression| print(&dump, &module, frame, expression);
        assert_eq!(ask(1, "a@entry.x + b@entry.y").as_deref(), Some("36"));
        // A division that trapped proves what it divided by.
        assert_eq!(ask(0, "by").as_deref(), Some("0"), "{options:?}");
    }
}

/// Structures with pointers in them (byvalue.c): what is read of `line` cannot be what its `name` points to, what is
/// read of `list` can be what its `first` points to.
#[test]
fn a_structure_with_pointers_is_told_where_no_pointer_can_have_been_passed_instead() {
    for name in ["byvalue", "byvalue-19"] {
        let module = fixture(&format!("modules/{name}.wasm"));
        let folder = scratch();
        let dump = captured(folder.path(), name, &["--invoke", "run"]);
        let ask = |frame, expression: &str| print(&dump, &module, frame, expression).filter(|value| is_known(value));
        let members = ["from.x", "from.y", "to.x", "to.y", "width", "name[0]"].map(|member| {
            let value = ask(1, &format!("line@entry.{member}"));
            value.unwrap_or_else(|| panic!("{name}: {member}"))
        });
        assert_eq!(members, ["11", "12", "13", "77", "2.75", "101 'e'"], "{name}");
        assert_eq!(ask(2, "list@entry"), None, "{name}: it is passed the one member that it uses");
    }
}

/// clang 14 says that `clipped` is in a local that holds `n`, or what an address was made of (clipped.c). It is 2.
#[test]
fn a_local_that_never_was_a_variables_place_has_no_value_of_it() {
    let module = fixture("modules/clipped.wasm");
    for options in [&["--invoke", "run"][..], &["--fast", "--invoke", "run"]] {
        let folder = scratch();
        let dump = captured(folder.path(), "clipped", options);
        let clipped = print(&dump, &module, 1, "clipped").filter(|value| is_known(value));
        assert!(clipped.as_deref().is_none_or(|clipped| clipped == "2"), "{options:?}: {clipped:?}");
        if !options.contains(&"--fast") {
            assert_eq!(print(&dump, &module, 1, "right").as_deref(), Some("2"));
        }
    }
}

/// The values that LLVM gives to counters and to parameters that change without a trace (counters.c). `said` is the
/// counter where the program says it; `turn` is 1 to 4, and 5 is said of it.
#[test]
fn what_changes_without_a_trace_has_no_value_of_another_time() {
    for name in ["counters", "counters-22"] {
        let module = fixture(&format!("modules/{name}.wasm"));
        for limit in ["1", "2", "4", "6", "9", "12", "14", "18"] {
            for mode in [None, Some("--fast")] {
                let folder = scratch();
                let options: Vec<&str> = mode.into_iter().chain(["--invoke", "run"]).collect();
                let dump = folder.path().join("core");
                let run = Tool::new("coredump-run")
                    .args(["-q", "-o"])
                    .arg(&dump)
                    .args(&options)
                    .arg(&module)
                    .args([limit])
                    .run();
                assert!(dump.exists(), "{run:?}");
                let document = Tool::new("coredump-json").args(["--locals", "-m"]).arg(&module).arg(&dump).run().json();
                let frames = document["threads"][0]["frames"].as_array().unwrap();
                let variables: Vec<_> =
                    frames.iter().filter_map(|frame| frame["variables"].as_array()).flatten().collect();
                let counters = ["turn", "other", "at", "each", "nth"];
                for counter in variables.iter().filter(|one| counters.iter().any(|name| one["name"] == *name)) {
                    let said = print(&dump, &module, 0, "said").unwrap();
                    let value = counter["value"].as_str();
                    let turn = || counter["name"] != "turn" && counter["name"] != "each" && value == Some(&said[..]);
                    assert!(value.is_none() || turn(), "{name} {limit} {mode:?}: {said} {counter}");
                }
                if limit == "18" {
                    // They are 99 and another number by now: what is shown was passed.
                    let given = variables.iter().find(|one| one["name"] == "given").unwrap();
                    assert!(given["value"].is_null() || given["at"] == "entry" && given["value"] == "49", "{given}");
                    let own = variables.iter().find(|one| one["name"] == "own").unwrap();
                    assert!(own["value"].is_null() || own["at"] == "entry", "{own}");
                }
            }
        }
    }
}

/// LLVM moves computations down past calls, and goes on to say of what was there before that it is the variable
/// (turns.c, sunk.c). `made` and `before` are what the program itself keeps.
#[test]
fn what_is_computed_later_than_the_source_has_it_hides_no_assignment() {
    // The last column is the variable whose value is known in each check.
    for (name, limits, known) in [
        ("turns", &[2, 8, 13, 14, 15, 16, 17][..], "kept"),
        ("turns-22", &[2, 8, 13, 14, 15, 16, 17], "kept"),
        ("sunk", &[1, 2, 3, 4], "product"),
        ("sunk-22", &[1, 2, 3, 4], "product"),
    ] {
        let module = fixture(&format!("modules/{name}.wasm"));
        for &limit in limits {
            for mode in [None, Some("--fast")] {
                let folder = scratch();
                let dump = folder.path().join("core");
                let options = mode.into_iter().chain(["--invoke", "run"]);
                let run = Tool::new("coredump-run").args(["-q", "-o"]).arg(&dump).args(options).arg(&module);
                run.arg(limit.to_string()).run().expect(134);
                let ask = |frame, expression: &str| print(&dump, &module, frame, expression);
                for (variable, truth) in [("sum", "made"), ("product", "made"), ("kept", "before")] {
                    let value = ask(1, variable).filter(|value| is_known(value));
                    assert!(value.is_none() || value == ask(0, truth), "{name} {limit} {mode:?}: {variable} {value:?}");
                }
                // The value from before the loop, and the one of a variable that nothing was assigned to yet, must be
                // known.
                if mode.is_none() && (limit > 12 || name.starts_with("sunk") && limit == 1) {
                    let truth = if known == "kept" { "before" } else { "made" };
                    assert_eq!(ask(1, known), ask(0, truth), "{name} {limit}");
                }
            }
        }
    }
}

/// LLVM moves what computes a variable's new value down past a call, into the local of the old one (late.c): until that
/// is written, nothing follows in the list. And it leaves out the stores of elements that nothing reads, also where a
/// computed index is used later.
#[test]
fn what_is_assigned_late_or_never_is_not_shown_as_it_was_before() {
    for name in ["late", "late-22"] {
        let module = fixture(&format!("modules/{name}.wasm"));
        for (limit, options) in (1..=5).flat_map(|limit| [(limit, None), (limit, Some("--fast"))]) {
            let folder = scratch();
            let dump = folder.path().join("core");
            let options = options.into_iter().chain(["--invoke", "run"]);
            let run = Tool::new("coredump-run").args(["-q", "-o"]).arg(&dump).args(options).arg(&module);
            run.arg(limit.to_string()).run().expect(134);
            let ask = |expression: &str| print(&dump, &module, 1, expression).filter(|value| is_known(value));
            if limit < 4 {
                let flag = ask("flag");
                assert!(
                    flag.is_none() || flag.as_deref() == Some(["false", "true", "true"][limit - 1]),
                    "{name} {limit}"
                );
            } else {
                for (nth, truth) in ["10", "15", "10", "7"].into_iter().enumerate() {
                    let value = ask(&format!("row[{nth}]"));
                    assert!(value.is_none() || value.as_deref() == Some(truth), "{name} {limit}: {nth} {value:?}");
                }
            }
        }
    }
}

/// LLVM makes one block of the end of a turn, where a `for` counts on, and of the check before (ahead.c), and says of
/// the sum that it is the counter where the check fails. A counter that is tested and counted at once, before the
/// check, is what it says.
#[test]
fn a_counter_is_not_shown_as_it_is_in_the_next_turn() {
    let module = fixture("modules/ahead-22.wasm");
    for (limit, mode) in (1..=5).flat_map(|limit| [(limit, None), (limit, Some("--fast"))]) {
        let folder = scratch();
        let dump = folder.path().join("core");
        let options = mode.into_iter().chain(["--invoke", "run"]);
        let run = Tool::new("coredump-run").args(["-q", "-o"]).arg(&dump).args(options).arg(&module);
        run.arg(limit.to_string()).run().expect(134);
        let (counter, truth) = [("turn", "1"), ("turn", "2"), ("turn", "3"), ("left", "1"), ("left", "0")][limit - 1];
        let value = print(&dump, &module, 0, counter).filter(|value| is_known(value));
        assert!(value.as_deref().is_none_or(|value| value == truth), "{limit}: {counter} {value:?}");
        assert!(value.is_some() || mode.is_some() || counter != "left", "{limit}: what precedes the check is shown");
    }
}

/// Debug information gives what a variable was before, or is to become (before.c). The truth is what the same program has
/// without optimisation.
#[test]
fn a_variable_is_not_shown_as_it_was_before_a_loop_or_will_be_after_a_call() {
    let heaviest = &[("first.heaviest", "9"), ("first.flags", "1")];
    for (name, argument, frame, cases) in [
        ("before-22-O1", "1", 0, &heaviest[..]),
        ("before-22-O2", "1", 0, heaviest),
        ("before-22-O2", "100", 0, &[("sum", "12"), ("last", "20"), ("good", "2"), ("i", "2")]),
        ("before-O1", "2", 1, &[("wide", "7")]),
        ("before-O1", "3", 1, &[("wide", "894")]),
        ("before-22-O1", "5", 1, &[("turn", "1")]),
        ("before-22-O1", "6", 1, &[("turn", "2")]),
        ("before-22-Oz", "1000", 0, &[("turn", "1")]),
    ] {
        let module = fixture(&format!("modules/{name}.wasm"));
        let folder = scratch();
        let dump = folder.path().join("core");
        let run = Tool::new("coredump-run").args(["-q", "--invoke", "run", "-o"]).arg(&dump).arg(&module);
        run.arg(argument).run().expect(134);
        let ask = |variable: &str| print(&dump, &module, frame, variable).filter(|value| is_known(value));
        for (variable, truth) in cases {
            let value = ask(variable);
            assert!(value.as_deref().is_none_or(|value| value == *truth), "{name} {argument}: {variable} {value:?}");
        }
        if argument == "1" {
            assert_eq!(ask("count").as_deref(), Some("3"), "{name}: what does not change is shown");
        }
    }
}

/// LLVM writes the discriminant -5 as one byte, and 251 as two.
#[test]
fn discriminants_with_a_sign_select_their_variants() {
    let module = fixture("modules/rust-signs.wasm");
    let folder = scratch();
    let dump = folder.path().join("core");
    Tool::new("coredump-run").args(["-q", "--invoke", "run", "-o"]).arg(&dump).arg(&module).run().expect(134);
    let shown = |expression| print(&dump, &module, 1, expression).unwrap();
    assert_eq!(shown("codes"), "[Minus(1), Plus(2), Far(3), Near(4), Least(5)]");
    assert_eq!(shown("wides"), "[Minus(6), Plus(7), Large(8)]");
    assert_eq!(shown("narrows"), "[Minus(9), Plus(10)]");
}

/// Clang writes the number of a global as an address in memory.
#[test]
fn variables_in_globals_are_not_read_from_memory() {
    let module = fixture("modules/globals-22.wasm");
    let folder = scratch();
    let dump = folder.path().join("core");
    let run = Tool::new("coredump-run").args(["-q", "--invoke", "run", "-o"]).arg(&dump).arg(&module);
    run.arg("7").run().expect(134);
    let shown = |expression| print(&dump, &module, 1, expression);
    let values = ["counter", "wide", "ratio", "kept"].map(|name| shown(name).unwrap());
    assert_eq!(values, ["7", "-7", "7.5", "4"]);
    assert_eq!(shown("&counter"), None);
    let what = Tool::new("coredump-dump").args(["--whatis", "1", "-m"]).arg(&module).arg(&dump).run().expect(0);
    assert!(!what.text().contains("counter"), "{what:?}");
}

/// Of the iterator of a loop that is unrolled, LLVM says in each turn what it was in the one before; of a structure and
/// its changed copy, it says of both what was assigned to one (later.rs). The numbers are those of the source: `[1, 2,
/// 3, 4, 5, 6]` doubled and added to 2, and the points (5, 2) and (4, 4).
#[test]
fn rusts_unrolled_iterators_and_merged_copies_are_not_shown_as_they_were_before() {
    for name in ["rust-later-O1", "rust-later-O2"] {
        let module = fixture(&format!("modules/{name}.wasm"));
        for (limit, mode) in (3..=10).flat_map(|limit| [(limit, None), (limit, Some("--fast"))]) {
            let folder = scratch();
            let dump = folder.path().join("core");
            let options = mode.into_iter().chain(["--invoke", "run"]);
            let run = Tool::new("coredump-run").args(["-q", "-o"]).arg(&dump).args(options).arg(&module);
            run.arg(limit.to_string()).run().expect(134);
            let right = |expression: &str, truth: &str| {
                let value = print(&dump, &module, 1, expression).filter(|value| is_known(value));
                assert!(value.as_deref().is_none_or(|value| value == truth), "{name} {limit}: {expression} {value:?}");
                value.is_some()
            };
            if limit < 9 {
                let turn = limit - 2;
                right("iter", &format!("Iter({:?})", (turn + 1..=6).collect::<Vec<_>>()));
                let known = right("acc", &(1..=turn).fold(2, |sum, item| sum + item * 2).to_string());
                assert!(
                    known || mode.is_some() || name != "rust-later-O1",
                    "{limit}: what is not described by parts has its value"
                );
            } else {
                let (y, changed) = ("-2", if limit == 9 { "-2" } else { "5" });
                for (part, truth) in [("c.x", "9"), ("c.y", y), ("d.x", "9"), ("d.y", changed)] {
                    right(part, truth);
                }
            }
        }
    }
}

/// Clang keeps only some elements of the arrays (gaps.c): those that a computed index can reach.
#[test]
fn what_a_function_never_writes_to_its_frame_is_optimised_out() {
    for name in ["gaps", "gaps-19"] {
        let module = fixture(&format!("modules/{name}.wasm"));
        for options in [&["--invoke", "run"][..], &["--fast", "--invoke", "run"]] {
            let folder = scratch();
            let dump = captured(folder.path(), name, options);
            let ask = |expression: &str| print(&dump, &module, 1, expression).filter(|value| is_known(value));
            assert_eq!([0, 1, 2].map(|nth| ask(&format!("items[{nth}].price")).unwrap()), ["15", "30", "45"], "{name}");
            assert_eq!([0, 1, 2].map(|nth| ask(&format!("items[{nth}].tag"))), [const { None }; 3], "{name}");
            assert_eq!(ask("known").as_deref(), Some("{31, 42}"), "{name}");
            assert_eq!(ask("(int)grid[1][1][1]").as_deref(), Some("22"), "{name}");
            let first = ask("(int)grid[0][0][0]");
            assert_eq!(first.as_deref(), (name == "gaps").then_some("1"), "clang 19 leaves it out: {options:?}");
        }
    }
}

/// Clang keeps a member in a local as long as the loop runs (promoted.c), and has zero in memory, where it says that the
/// structure is.
#[test]
fn what_a_loop_writes_to_memory_when_it_ends_has_no_value_before() {
    let module = fixture("modules/promoted.wasm");
    for options in [&["--invoke", "run"][..], &["--fast", "--invoke", "run"]] {
        let folder = scratch();
        let dump = captured(folder.path(), "promoted", options);
        let ask = |expression: &str| print(&dump, &module, 1, expression).filter(|value| is_known(value));
        // The same program without optimisation has 96326.
        assert_eq!(ask("bill.seen"), None, "{options:?}");
        assert_eq!(ask("bill.rows").as_deref(), Some("4"), "{options:?}");
        assert_eq!(ask("bill.marks").as_deref(), Some("{3, 7, 7, 9}"), "{options:?}");
    }
}

/// Members that a loop keeps in locals in other ways (kept.c). Without optimisation, the members are 96326, 96326, 1047683 and 3695110.
#[test]
fn what_a_loop_keeps_in_locals_has_no_value_in_memory() {
    let module = fixture("modules/kept.wasm");
    for (which, member, others) in [
        ("0", "bill.seen", [("bill.rows", "4"), ("bill.marks", "{3, 7, 7, 9}")]),
        ("1", "bill.seen", [("bill.rows", "4"), ("bill.marks", "{3, 7, 7, 9}")]),
        ("2", "bill.seen", [("bill.rows", "4"), ("bill.marks", "{5, 5, 7, 9}")]),
        ("3", "pair.y", [("pair.x", "6"), ("pair.x * 2", "12")]),
    ] {
        let folder = scratch();
        let dump = folder.path().join("core");
        let run = Tool::new("coredump-run").args(["-q", "--invoke", "run", "-o"]).arg(&dump).arg(&module);
        run.arg(which).run().expect(134);
        let frame = usize::from(which != "0");
        assert_eq!(print(&dump, &module, frame, member).filter(|value| is_known(value)), None, "{which}");
        for (expression, value) in others {
            assert_eq!(print(&dump, &module, frame, expression).as_deref(), Some(value), "{which}");
        }
    }
}

/// Variables that nothing reads (dead.c), which clang keeps as expressions: the values are those that C gives them.
#[test]
fn what_is_computed_from_other_values_has_its_own_size_and_sign() {
    let (n, u, s, l) = (-40i32, 4_000_000_000u32, -7i16, -5_000_000_000i64);
    let expected = [
        ("wide", i64::from(n).to_string()),
        ("more", i64::from(n + 3).to_string()),
        ("times", (i64::from(n) * 1_000_000).to_string()),
        ("less", i64::from(s).to_string()),
        ("half", i64::from(n >> 1).to_string()),
        ("plain", u64::from(u).to_string()),
        ("over", u64::from(u.wrapping_add(500_000_000)).to_string()),
        ("all", (i64::from(s) as u64).to_string()),
        ("fixed", 1_000_000_000_000i64.to_string()),
        ("sum", (l + 7).to_string()),
        ("part", (l >> 3).to_string()),
        ("low", (l as i32).to_string()),
        ("rest", (n % 7).to_string()),
        ("share", (n / 7).to_string()),
        ("below", i32::from(n < -5).to_string()),
        ("above", i32::from(u > 5).to_string()),
        ("shifted", (n >> 2).to_string()),
        ("high", (u >> 4).to_string()),
        ("tiny", ((n + 300) as i8).to_string()),
        ("real", "0.1".to_owned()),
    ];
    for name in ["dead-dwarf4", "dead-dwarf5"] {
        let module = fixture(&format!("modules/{name}.wasm"));
        let folder = scratch();
        let dump = captured(folder.path(), name, &["--invoke", "run"]);
        let mut told = 0;
        for (variable, value) in &expected {
            let shown = print(&dump, &module, 0, variable).filter(|value| is_known(value));
            told += usize::from(shown.is_some());
            let shown = shown.as_deref().map(|shown| shown.split(' ').next().unwrap());
            assert!(shown.is_none_or(|shown| shown == value), "{name}: {variable} is {value}, shown: {shown:?}");
        }
        assert!(told >= 18, "{name}: {told} of {}", expected.len());
    }
}

/// In `calls` the values at entry are among those that the guest printed when each call began.
#[test]
fn what_a_caller_recorded_for_its_call_is_what_was_passed() {
    let folder = scratch();
    let dump = captured(folder.path(), "calls-O2-dwarf5", &[]);
    let document = Tool::new("coredump-json").arg("--locals").arg(&dump).run().expect(0).json();
    let (mut told, said) = (0, said("calls-O2-dwarf5"));
    for frame in document["threads"][0]["frames"].as_array().unwrap() {
        let variables = frame["variables"].as_array().into_iter().flatten();
        for variable in variables.filter(|variable| variable["at"] == "entry") {
            let (function, name, value) = (&variable["function"], &variable["name"], &variable["value"]);
            let is_it = |said: &&Said| *function == said.function[..] && *name == said.expression[..];
            let mut printed = said.iter().filter(is_it).peekable();
            assert!(printed.peek().is_none() || printed.any(|said| *value == said.value[..]), "{variable}");
            told += 1;
        }
    }
    assert!(told >= 10, "{told}");
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
fn values_of_d_are_written_as_d_has_them() {
    // Of a parameter by reference LDC's unoptimised code has no place.
    for (name, at_least) in [("d-vars-O0", [30, 30]), ("d-vars-O2", [12, 12])] {
        for ((_folder, dump), at_least) in full_and_fast(name).iter().zip(at_least) {
            let told = check(name, dump);
            assert!(told >= at_least, "{name}: {told} of {}", said(name).len());
        }
    }
    let [(_folder, dump), _] = full_and_fast("d-vars-O0");
    let text = Tool::new("coredump-bt").args(["--locals", "--frame", "1"]).arg(dump).run().text().to_owned();
    for line in
        ["slice: int[] = [20, 30]", "grid: int[2][3] = [[1, 2], [3, 4], [5, 6]]", "number: ref int = <optimized out>"]
    {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[test]
fn ds_methods_and_closures_have_their_own_values_not_the_addresses_of_these() {
    // LDC describes `this` as the structure, with the type of a pointer, and what is kept in a closure's frame on the heap
    // as its address. Without locals nothing leads to that frame; optimised code allocates it in other ways.
    for (name, at_least) in [("d-frames-O0", [15, 7]), ("d-frames-O1", [3, 1])] {
        for ((_folder, dump), at_least) in full_and_fast(name).iter().zip(at_least) {
            let told = check(name, dump);
            assert!(told >= at_least, "{name}: {told} of {}", said(name).len());
        }
    }
}

/// gdb 13 shows the same values of the same program by the same compiler on x86-64, nested the same way; of `flat`,
/// whose length the compiler keeps in a variable that is gone, it shows none either.
#[test]
fn arrays_of_fortran_have_the_shape_that_their_descriptors_say() {
    for (_folder, dump) in full_and_fast("fortran-grid") {
        let text = Tool::new("coredump-bt").arg("--locals").arg(&dump).run().text().to_owned();
        for line in [
            "row: integer[] = {101, 102, 103, 104, 105}",
            "every: integer[] = {101, 103, 105}",
            "table: integer[][] = {{11, 21}, {12, 22}, {13, 23}}",
            "flat: integer[][2] = {...}",
            "none: integer[] = <not associated>",
            "cube: integer(kind=2)[2][3][2] = {{{111, 211}, {121, 221}, {131, 231}}, {{112, 212}, {122, 222}, {132, 232}}}",
            "here: struct station = {name = \"harbor\", heights = {{11, 21}, {12, 22}}, samples = {102, 103, 104}, \
             note = \"at dusk\", none = <not allocated>}",
            "table: integer[3][2] = {{11, 21}, {12, 22}, {13, 23}}",
            "z: complex(kind=8) = 1.5 - 2i",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        assert!(!text.contains("._QM"), "the compiler's own variable: {text}");
        for (frame, expression, value) in [
            ("0", "every[2]", "105"),
            ("0", "every[1..3]", "{103, 105}"),
            ("0", "table[2][1]", "23"),
            ("1", "here.samples[1]", "103"),
        ] {
            let run = Tool::new("coredump-dump").args(["--frame", frame, "--print", expression]).arg(&dump).run();
            assert_eq!(run.text(), format!("{expression} = {value}\n"));
        }
        let nothing = Tool::new("coredump-dump").args(["--print", "none[0]"]).arg(&dump).run();
        assert!(nothing.stderr.contains("the array is not associated"), "{}", nothing.stderr);
    }
}

/// Dumps of a guest with its locals and without.
fn full_and_fast(name: &str) -> [(tempfile::TempDir, PathBuf); 2] {
    [&[][..], &["--fast"]].map(|options| {
        let folder = scratch();
        let dump = captured(folder.path(), name, options);
        (folder, dump)
    })
}

#[test]
fn every_activation_of_a_recursive_function_has_its_own_values() {
    for (name, at_least) in [("calls-O0", [36, 36]), ("calls-O2-dwarf5", [8, 3])] {
        for ((_folder, dump), at_least) in full_and_fast(name).iter().zip(at_least) {
            let told = check(name, dump);
            assert!(told >= at_least, "{name}: {told} of {}", said(name).len());
        }
    }
}

#[test]
fn variables_in_odd_places_are_found() {
    // Without locals nobody knows where the array of variable length is that `grid` took from its stack. The arguments
    // that are passed to it are numbers: optimised code has them as they were at entry.
    for (name, at_least) in [("places-O0", [26, 24]), ("places-O2-dwarf5", [5, 4])] {
        for ((_folder, dump), at_least) in full_and_fast(name).iter().zip(at_least) {
            let told = check(name, dump);
            assert!(told >= at_least, "{name}: {told} of {}", said(name).len());
        }
    }
}

#[test]
fn the_standard_library_of_before_llvm_15_is_understood() {
    // In the second one the names of templates leave their arguments out.
    for name in ["cpp-library", "cpp-library-simple"] {
        for (_folder, dump) in full_and_fast(name) {
            assert_eq!(check(name, &dump), said(name).len());
        }
    }
}

#[test]
fn a_sum_with_a_point_is_not_shown_as_it_began() {
    // (sums.cpp): clang goes on to describe it by 0.0, to which the first turn added 4.
    let module = fixture("modules/cpp-sums-O2.wasm");
    for options in [&["--invoke", "run"][..], &["--fast", "--invoke", "run"]] {
        let folder = scratch();
        let dump = captured(folder.path(), "cpp-sums-O2", options);
        let area = print(&dump, &module, 2, "area").filter(|value| is_known(value));
        assert!(area.as_deref().is_none_or(|value| value == "4"), "{options:?}: {area:?}");
        let text = Tool::new("coredump-bt").args(["-q", "--frame", "2"]).arg(&dump).arg("-m").arg(&module).run();
        assert!(text.text().contains(" total("), "{text:?}");
    }
}

#[test]
fn a_vector_that_a_call_fills_is_not_shown_as_it_began() {
    // (filled.cpp): clang describes it by the zeros that it has before it is filled.
    for (_folder, dump) in full_and_fast("cpp-filled-22-Os") {
        let module = fixture("modules/cpp-filled-22-Os.wasm");
        let pairs = print(&dump, &module, 1, "pairs").filter(|value| is_known(value));
        assert!(pairs.as_deref().is_none_or(|value| value == r#"{{first = 7, second = "one"}}"#), "{pairs:?}");
        assert_eq!(print(&dump, &module, 1, "none").as_deref(), Some("{}"));
    }
}

#[test]
fn a_name_means_what_it_means_where_the_frame_is() {
    for (_folder, dump) in full_and_fast("cpp-names") {
        assert_eq!(check("cpp-names", &dump), said("cpp-names").len());
    }
    let [(_folder, dump), _] = full_and_fast("cpp-names");
    let module = fixture("modules/cpp-names.wasm");
    let ask = |expression| print(&dump, &module, 4, expression);
    // `main` has to say `outer::inner::` to reach it; there is one of that name only.
    assert_eq!(ask("versioned").as_deref(), Some("3"));
    assert_eq!(ask("only_here").as_deref(), Some("8"));
    assert_eq!(ask("early::n").as_deref(), Some("6"));
    // Three are called so in namespaces, none of them where `main` could mean it.
    assert_eq!(ask("inner::shared"), None);
}

#[test]
fn a_value_computed_from_constants_is_not_believed_before_it_is_assigned() {
    // (folded.c): `given` is 7 until the last statement before the return.
    let module = fixture("modules/folded-22.wasm");
    for mode in [&[][..], &["--live"], &["--fast"]] {
        let folder = scratch();
        let dump = folder.path().join("core");
        let run =
            Tool::new("coredump-run").args(["-q", "-o"]).arg(&dump).args(mode).args(["--invoke", "run"]).arg(&module);
        run.arg("7").run().expect(134);
        let given = print(&dump, &module, 1, "given").filter(|value| is_known(value));
        assert!(given.as_deref().is_none_or(|value| value == "7"), "{mode:?}: {given:?}");
    }
}

#[test]
fn operators_of_c_compute_what_gdb_prints_of_the_same_program() {
    // (vars.c): gdb 13 printed these of it as a native program, but for the sizes of what holds pointers; the guest
    // prints one of those itself, as `size`.
    let [(_folder, dump), _] = full_and_fast("vars-O0");
    let module = fixture("modules/vars-O0.wasm");
    let computed: [(usize, &[(&str, &str)]); 3] = [
        (
            2,
            &[
                ("null_pointer && null_pointer[0] == 1", "false"),
                ("tree->left && tree->left->key == 3", "true"),
                ("!null_pointer", "true"),
            ],
        ),
        (
            3,
            &[
                ("rectangle->fill == BLUE", "true"),
                ("color::NEGATIVE == chosen", "true"),
                ("chosen != RED && rectangle->visible", "true"),
                ("!rectangle->visible || !rectangle->label", "false"),
                ("number.bits & 0xff000000", "1056964608"),
                ("(number.bits >> 23) - 127", "0"),
                ("flags.mode ^ 3 | 8", "14"),
                ("(flags.serial >> 32 & 15) == 2", "true"),
                ("1 << flags.mode", "32"),
                ("sizeof(struct rectangle)", "48"),
                ("sizeof(struct flags) + sizeof grid[0]", "28"),
                ("sizeof path / sizeof *path", "3"),
            ],
        ),
        (
            4,
            &[
                ("yes || no", "true"),
                ("tiny >> 4", "-19"),
                ("size == sizeof(struct rectangle)", "true"),
                ("(int)f64", "-2"),
                ("(unsigned char)f32", "3"),
                ("(double)f32", "3.5"),
                ("(float)f64", "-2.25"),
                ("(long long)(float)i64", "-9223372036854775808"),
            ],
        ),
    ];
    for (frame, expressions) in computed {
        for (expression, value) in expressions {
            assert_eq!(print(&dump, &module, frame, expression).as_deref(), Some(*value), "{expression}");
        }
    }
    // A number that does not fit becomes another number in Rust than in C, where it is undefined.
    for expression in ["(unsigned)f64", "(int)infinite", "(int)not_a_number"] {
        assert_eq!(print(&dump, &module, 4, expression), None, "{expression}");
    }
    // The languages differ about these, or nothing is meant.
    for expression in
        ["flags.mode & 1 == 1", "!flags.mode", "flags.mode || 0", "flags.mode == BLUE", "1 << 200", "sizeof(void)"]
    {
        assert_eq!(print(&dump, &module, 3, expression), None, "{expression}");
    }
}

#[test]
fn wide_and_narrow_numbers_and_characters_are_written_whole() {
    // (numbers.c): what is expected is what the program assigns. gdb writes wide characters in the same way.
    let module = fixture("modules/numbers-22.wasm");
    let known: [&[(&str, &str)]; 3] = [
        &[
            ("wide", "252 L'ü'"),
            ("two", "8364 u'€'"),
            ("four", "128512 U'😀'"),
            ("line", r"10 L'\n'"),
            ("none", "0"),
            ("less", "-1"),
            ("half", "55357"),
            ("text", "L\"wide\""),
            ("text[1]", "105 L'i'"),
            ("pair", "u\"😀\""),
            ("long_text[0]", "8364 U'€'"),
            ("byte", "98"),
        ],
        &[
            ("third", "0.3333333333333333333333333333333333"),
            ("far", "-1e4000"),
            // 2^-16494, the least number that there is.
            ("near", "6e-4966"),
            ("plain", "-1234.5"),
            ("infinite", "-inf"),
            ("none", "nan"),
            ("two", "{0.1, 3e-1000}"),
            ("both", "0.1 + 2.5i"),
        ],
        &[
            ("seven", "-64"),
            ("more", "8589934591"),
            ("beyond", "-18446744073709551616"),
            ("hundred", "633825300114114700748351615033"),
            ("list", "{-2048, 2047, -1}"),
            ("narrow.five", "-16"),
            ("narrow.seventeen", "131071"),
            ("narrow.seventy", "-590295810358705651712"),
            ("narrow.first", "31"),
            ("narrow.second", "-3"),
            ("narrow.sign", "MINUS"),
            ("narrow.byte", "HIGH"),
            ("byte", "HIGH"),
            ("wide", "ALL"),
            ("other", "-7"),
        ],
    ];
    for options in [&["--invoke", "run"][..], &["--fast", "--invoke", "run"]] {
        let folder = scratch();
        let dump = captured(folder.path(), "numbers-22", options);
        for (frame, variables) in known.iter().enumerate() {
            for (name, value) in *variables {
                assert_eq!(print(&dump, &module, frame + 1, name).as_deref(), Some(*value), "{options:?}: {name}");
            }
        }
    }
}

#[test]
fn thread_locals_of_a_program_without_threads_are_where_statics_are() {
    let module = fixture("modules/threadlocal.wasm");
    for options in [&["--invoke", "run"][..], &["--fast", "--invoke", "run"]] {
        let folder = scratch();
        let dump = captured(folder.path(), "threadlocal", options);
        let ask = |expression| print(&dump, &module, 0, expression).unwrap();
        assert_eq!(["own", "table", "calls"].map(ask), ["13", "{1, 10, 3}", "41"], "{options:?}");
    }
}

#[test]
fn a_structure_passed_by_value_is_found_where_old_dwarf_only_says_which_local() {
    // (by-value.c)
    for name in ["by-value-dwarf2", "by-value-dwarf3"] {
        let module = fixture(&format!("modules/{name}.wasm"));
        for options in [&["--invoke", "run"][..], &["--fast", "--invoke", "run"]] {
            let folder = scratch();
            let dump = captured(folder.path(), name, options);
            let ask = |expression| print(&dump, &module, 0, expression).unwrap();
            assert_eq!(ask("large"), r#"{tag = -2, number = 77777, text = "large"}"#, "{name}");
            assert_eq!(ask("either.real"), "2.5", "{name}");
            assert_eq!(ask("fields"), r#"{sign = MINUS, rest = -300000, more = "more"}"#, "{name}");
            assert_eq!(ask("one"), "{number = 7}", "passed as its only member: {name}");
            // Four bytes might be the structure or its address.
            assert_eq!(print(&dump, &module, 0, "small").filter(|value| is_known(value)), None, "{name}");
        }
    }
}

#[test]
fn an_array_of_variable_length_is_told_without_optimisation() {
    // (vla-room.c): element by element what `fill` wrote; the fixed array has a value in one of its four.
    let module = fixture("modules/vla-room.wasm");
    for options in [&[][..], &["--live"], &["--fast"]] {
        let folder = scratch();
        let dump = captured(folder.path(), "vla-room", options);
        let ask = |expression| print(&dump, &module, 1, expression).unwrap();
        assert_eq!(["room", "some[1]"].map(ask), ["{0, 7, 14, 21, 28}", "7"], "{options:?}");
    }
}

#[test]
fn each_instance_of_a_module_has_statics_of_its_own() {
    // (node.c): the second instance's `setup` was called with 2, the first's with 1; both then added what they were
    // given.
    let module = fixture("modules/component-two.wasm");
    let told = |options: &[&str]| {
        let folder = scratch();
        let dump = captured(folder.path(), "component-two", options);
        let ask = |frame, expression| print(&dump, &module, frame, expression).filter(|value| is_known(value));
        [1, 2].map(|frame| ["total", "label", "n", "local"].map(|expression| ask(frame, expression)))
    };
    let [young, old] = told(&["--invoke", "go(2)"]);
    let text = |values: [Option<String>; 4]| values.map(|value| plain(&value.unwrap()));
    assert_eq!(text(young), ["201", "second", "1", "1,10"]);
    assert_eq!(text(old), ["102", "first", "2", "2,20"]);
    // Without a debugger's word nobody knows which instance a frame ran in, and so which memory is its own.
    assert_eq!(told(&["--fast", "--invoke", "go(2)"]), [const { [const { None }; 4] }; 2]);
}

#[test]
fn what_the_linker_dropped_is_optimised_out() {
    let [(_folder, dump), _] = full_and_fast("places-O0");
    let module = fixture("modules/places-O0.wasm");
    let shown =
        Tool::new("coredump-dump").arg(&dump).arg("-m").arg(module).args(["--frame", "4", "-p", "dropped"]).run();
    assert_eq!(shown.text().trim_end(), "dropped = <optimized out>");
}

#[test]
fn a_frame_base_that_is_not_in_the_dump_is_said_to_be_recovered() {
    let location = |dump: &Path| {
        let module = fixture("modules/places-O0.wasm");
        let document = Tool::new("coredump-json").args(["--locals", "-m"]).arg(module).arg(dump).run().json();
        let side = document["threads"][0]["frames"][1]["variables"][0].clone();
        assert_eq!(side["name"], "side");
        side["location"].as_str().unwrap().to_owned()
    };
    let [(_full_folder, full), (_fast_folder, fast)] = full_and_fast("places-O0");
    assert!(location(&full).starts_with("frame base + 0x"), "{}", location(&full));
    assert!(location(&fast).starts_with("recovered frame base + 0x"), "{}", location(&fast));
    let note = "stack pointers recovered from the code";
    let told = |dump: &Path| {
        let module = fixture("modules/places-O0.wasm");
        Tool::new("coredump-bt").args(["--locals", "-m"]).arg(module).arg(dump).run().stderr.contains(note)
    };
    assert!(!told(&full) && told(&fast));
}

/// The youngest call of a recursion without an end found no room: its parameter is in Wasm's, and not yet where the
/// debug information says.
#[test]
fn a_parameter_that_is_not_in_its_place_yet_is_what_was_passed() {
    for (options, is_known) in [(&[][..], true), (&["--live"], true), (&["--fast"], false)] {
        let folder = scratch();
        let dump = captured(folder.path(), "deep", options);
        let module = fixture("modules/deep.wasm");
        let document = Tool::new("coredump-json").args(["--locals", "-m"]).arg(module).arg(dump).run().json();
        let depth = |frame: usize| document["threads"][0]["frames"][frame]["variables"][0].clone();
        assert_eq!(depth(0)["name"], "depth");
        assert_eq!(depth(0)["status"], if is_known { "ok" } else { "not-captured" }, "{options:?}");
        let number = |frame| depth(frame)["value"].as_str().unwrap().parse::<u32>().unwrap();
        assert_eq!(number(1), number(2) + 1);
        assert!(number(1) > 100);
        assert!(!is_known || number(0) == number(1) + 1, "{options:?}");
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

#[test]
fn an_entry_of_a_map_is_named_by_its_key_and_shows_its_value_alone() {
    let (module, dump) = (fixture("modules/cpp-vars-O0.wasm"), wasmtime_dump("cpp-vars-O0"));
    let document = Tool::new("coredump-json").args(["--locals", "-m"]).arg(module).arg(dump).run().json();
    let frames = document["threads"][0]["frames"].as_array().unwrap();
    let variables = frames.iter().flat_map(|frame| frame["variables"].as_array().into_iter().flatten());
    let map = variables.into_iter().find(|variable| variable["name"] == "map").expect("vars.cpp:168");
    assert_eq!(map["value"], r#"{"one" = 1, "three" = 3, "two" = 2}"#);
    let entries = map["children"].as_array().unwrap().iter();
    let entries: Vec<_> = entries.map(|entry| (entry["name"].as_str().unwrap(), entry["value"].as_str())).collect();
    assert_eq!(entries, [(r#"["one"]"#, Some("1")), (r#"["three"]"#, Some("3")), (r#"["two"]"#, Some("2"))]);
}

/// The values that `coredump-dump --print` must give for each expression in the youngest frame, by the source
/// (type-units.cpp).
#[test]
fn types_in_units_of_their_own_are_found_by_their_signatures() {
    let expected = [
        ("given.color", "Green"),
        ("given.head", "{value = 1, weight = 2.5, next = 0x0}"),
        ("given.word.number", "1094861636"),
        ("given.bits", "-3"),
        ("pair", "{first = 11, second = 22}"),
        ("local.value", "42"),
        ("*local.next", "{value = 1, weight = 2.5, next = 0x0}"),
        ("color", "Red"),
        ("box.head.weight", "2.5"),
    ];
    for name in ["type-units-dwarf4", "type-units-dwarf5", "type-units-split4", "type-units-split5"] {
        let folder = scratch();
        let dump = captured(folder.path(), name, &["--fast"]);
        for (expression, value) in expected {
            let outcome = Tool::new("coredump-dump").args(["--print", expression]).arg(&dump).run().expect(0);
            assert_eq!(outcome.text(), format!("{expression} = {value}\n"), "{name}");
        }
        let backtrace = Tool::new("coredump-bt").arg("--locals").arg(&dump).run().expect(0);
        assert!(backtrace.text().contains("    pair: app::Pair<long> = "), "{}", backtrace.text());
    }
}

#[test]
fn complex_integers_have_two_parts_and_no_known_sign() {
    // (int-complex.c): clang writes the same for `int _Complex` and `unsigned _Complex`.
    let folder = scratch();
    let dump = captured(folder.path(), "int-complex", &["--invoke", "run"]);
    let module = fixture("modules/int-complex.wasm");
    let ask = |expression| print(&dump, &module, 0, expression).unwrap();
    assert_eq!(ask("whole"), "7 - 9i (unsigned: 7 + 4294967287i)");
    assert_eq!(ask("wide"), "-1 + 2i (unsigned: 18446744073709551615 + 2i)");
    assert_eq!(ask("narrow"), "3 - 56i (unsigned: 3 + 200i)");
    assert_eq!(ask("local"), "8 - 9i (unsigned: 8 + 4294967287i)");
    // Two numbers are no integer: nothing is computed with them.
    for expression in ["whole+1", "-whole", "whole*2", "narrow+0", "(double)wide"] {
        let outcome = Tool::new("coredump-dump").args(["--print", expression, "-m"]).arg(&module).arg(&dump).run();
        assert!(outcome.text().is_empty() && outcome.code() != 0, "{expression}: {outcome:?}");
    }
}

#[test]
fn a_static_is_written_as_its_own_language_does_whichever_frame_asks() {
    // (mixed.zig, mixed.c): frame 0 is a function of C's.
    let folder = scratch();
    let dump = captured(folder.path(), "mixed", &["--invoke", "run"]);
    let module = fixture("modules/mixed.wasm");
    let ask = |frame, expression| print(&dump, &module, frame, expression);
    for frame in [0, 1] {
        assert_eq!(ask(frame, "entries[0].state").as_deref(), Some(".idle"));
        assert_eq!(ask(frame, "*chosen"), ask(frame, "entries[1]"));
        assert_eq!(ask(frame, "both").as_deref(), Some("{9, 4}"));
    }
    // C's own notation of what cannot be printed: compiled, it is the same bytes again.
    let text = ask(0, "text").unwrap();
    assert_eq!(text.split_once(' ').unwrap().1, r#""\004bell\a\0331\377""#);
    assert_eq!(ask(0, "after_zero").as_deref(), Some(r#""a\0001""#));
    // A variable that is in scope and nowhere is not the same as one that is not there.
    let said = |name| Tool::new("coredump-dump").arg(&dump).arg("-m").arg(&module).args(["-p", name]).run();
    assert_eq!(said("scale").text().trim_end(), "scale = <optimized out>");
    assert!(said("scales").stderr.contains("no variable `scales` is in scope"));
}

#[test]
fn a_type_without_a_name_of_its_own_can_stand_in_a_cast() {
    // (vars.rs): rustc calls a closure's type `{closure_env#1}`; it counts the calls of itself.
    let dump = wasmtime_dump("rust-vars-O0");
    let module = fixture("modules/rust-vars-O0.wasm");
    let document = Tool::new("coredump-json").args(["--locals", "-m"]).arg(&module).arg(&dump).run().json();
    let frames = document["threads"][0]["frames"].as_array().unwrap();
    let of_closures =
        |frame: &&serde_json::Value| frame["raw_name"].as_str().is_some_and(|name| name.contains("closures"));
    let frame = frames.iter().find(of_closures).unwrap()["index"].as_u64().unwrap() as usize;
    let ask = |expression| print(&dump, &module, frame, expression).unwrap();
    assert_eq!(ask("count"), "{closure#1} { calls: 6, factor: 3 }");
    assert_eq!(ask("*(vars::closures::{closure_env#1} *)&count"), ask("count"));
    assert_eq!(ask("*(&count as *const vars::closures::{closure_env#1})"), ask("count"));
    assert_eq!(ask("((vars::closures::{closure_env#1} *)&count).calls"), "6");
}
