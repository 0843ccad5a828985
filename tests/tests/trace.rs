//! Traces that real engines printed (`fixtures/traces`), resolved by `coredump-bt --trace`. The lines are those of the
//! same crash's dump: `llvm-symbolizer`'s and `wasm-tools addr2line`'s.

use std::path::PathBuf;

use coredump_tests::dump_builder as build;
use coredump_tests::{Outcome, Tool, fixture, scratch};

fn module(name: &str) -> PathBuf {
    fixture(&format!("modules/{name}.wasm"))
}

fn text(name: &str) -> String {
    std::fs::read_to_string(fixture(&format!("traces/{name}.txt"))).unwrap()
}

fn resolve(text: impl Into<Vec<u8>>, name: &str) -> Outcome {
    Tool::new("coredump-bt").args(["--trace", "-m"]).arg(module(name)).stdin(text).run()
}

/// Returns the frames that were inserted into the text, in order.
fn resolved(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.split_once("=> ")).map(|(_, frame)| frame).collect()
}

const SUM: [&str; 6] = [
    "divide at src/c/sum.c:25:29",
    "share at src/c/sum.c:33:12",
    "sum at src/c/sum.c:46:16",
    "sum at src/c/sum.c:47:21",
    "sum at src/c/sum.c:47:21",
    "main at src/c/sum.c:70:14",
];

#[test]
fn frames_of_every_engine_get_their_lines() {
    let traces = [
        "wasmtime-36.0.9",
        "wasmtime-45.0.2",
        "wasmtime-48.0.2",
        "wasmtime-49.0.4",
        "wasmtime-stripped",
        "wasmtime-py-50.0.1",
        "node-20",
        "node-24",
        "node-24-stripped",
        "node-20-source-map-support",
        "deno-2.9.8",
        "deno-2.9.8-colours",
        "deno-2.9.8-fetched",
        "wasmer-sdk-0.5.0",
        "wasmer-sdk-0.5.0-stripped",
        "wasm3-0.5.0",
        "wasm3-0.5.0-stripped",
        "wazero-1.12.0",
    ];
    for name in traces {
        let outcome = resolve(text(name), "sum-O0").expect(0);
        assert_eq!(resolved(outcome.text())[..6], SUM, "{name}");
    }
}

/// Of an exception that the program throws, Node prints no other trace.
#[test]
fn what_node_says_of_where_something_was_thrown_gets_its_lines() {
    let text = text("node-20-trace-uncaught");
    let thrown = &text[text.find("Thrown at:").unwrap()..];
    assert_eq!(resolved(resolve(thrown.to_owned(), "sum-O0").expect(0).text())[..6], SUM);
}

#[test]
fn a_plugin_of_a_server_gets_its_lines() {
    let expected =
        ["share at src/c/plugin.c:4:18", "split at src/c/plugin.c:8:17", "proxy_on_vm_start at src/c/plugin.c:13:12"];
    for name in ["envoy-1.40.0-plugin", "workerd-2026-11-17-plugin"] {
        assert_eq!(resolved(resolve(text(name), "plugin").expect(0).text()), expected, "{name}");
    }
}

/// jco takes the modules out of a component: a trace of the core module that was run by itself, and the component it
/// was in.
#[test]
fn a_module_that_was_taken_out_of_a_component_is_found_in_it() {
    for name in ["node-24", "wasmer-sdk-0.5.0"] {
        assert_eq!(resolved(resolve(text(name), "component-sum").expect(0).text())[..6], SUM, "{name}");
    }
    // It is one of the component's other modules, or none.
    let other = text("node-24").replace("wasm-function[", "wasm-function[1");
    assert_eq!(resolved(resolve(other, "component-sum").text()), [""; 0]);
}

/// The stack of the bad access has one frame, the stacks of blocks have all.
#[test]
fn the_stacks_of_a_sanitizers_report_are_traces() {
    let outcome = resolve(text("emscripten-3.1.6-asan"), "asan").expect(0);
    assert_eq!(resolved(outcome.text()), ["use", "malloc", "middle", "main"]);
    let tool = Tool::new("coredump-json").args(["--trace", "--ndjson", "-m"]).arg(module("asan"));
    let outcome = tool.arg(fixture("traces/emscripten-3.1.6-asan.txt")).run().expect(0);
    let documents: Vec<serde_json::Value> =
        outcome.text().lines().map(|line| serde_json::from_str(line).expect("a document")).collect();
    let producers: Vec<_> = documents.iter().map(|document| &document["dump"]["producer"]).collect();
    assert_eq!(producers, ["sanitizer"; 2], "the access, the allocation");
    assert_eq!(documents[0]["threads"][0]["frames"].as_array().unwrap().len(), 1);
    assert_eq!(documents[1]["signature"], "middle | main");
}

#[test]
fn a_trace_without_offsets_gives_functions_and_where_they_are_declared() {
    // Named in the trace, or by their indices.
    let traces = [
        "javascriptcore-2.50.6",
        "javascriptcore-2.50.6-stripped",
        "wamr-2020-12",
        "wamr-2020-12-stripped",
        "wazero-1.12.0-stripped",
    ];
    let line = |function: &str| {
        let source = std::fs::read_to_string(fixture("sources/c/sum.c")).unwrap();
        let declares =
            |line: &str| line.contains(&format!(" {function}(")) && line.ends_with(')') && !line.starts_with(' ');
        source.lines().position(declares).expect(function) + 1
    };
    let declared = |function: &str| format!("{function} (declared at src/c/sum.c:{})", line(function));
    for name in traces {
        let outcome = resolve(text(name), "sum-O0").expect(0);
        let expected = ["divide", "share", "sum", "sum", "sum", "main"].map(declared);
        assert_eq!(resolved(outcome.text())[..6], expected, "{name}");
        // Nothing that could be taken for the line of the crash.
        assert!(!outcome.text().contains("=> divide at"), "{name}");
        let log = format!("{}\n", serde_json::json!({"msg": text(name)}));
        let outcome = resolve(log, "sum-O0").expect(0);
        let line: serde_json::Value = serde_json::from_str(outcome.text()).expect("a line of JSON");
        assert_eq!(resolved(line["msg"].as_str().unwrap())[..6], expected, "{name}, in JSON");
        let json = |options: &[&str]| {
            let tool = Tool::new("coredump-json").arg("--trace").args(options).arg("-m").arg(module("sum-O0"));
            tool.arg(fixture(&format!("traces/{name}.txt"))).run().expect(0).json()
        };
        let document = json(&["--path-map", "src=/home/me"]);
        let frame = &document["threads"][0]["frames"][0];
        assert_eq!((&frame["function"], &frame["line"]), (&"divide".into(), &serde_json::Value::Null));
        let place = serde_json::json!({"file": "/home/me/c/sum.c", "line": line_number(&expected[0])});
        assert_eq!(frame["declared"], place);
        assert_eq!(document["place"]["line"], serde_json::Value::Null);
        assert_eq!(document["signature"], "divide | share | sum | main");
        assert_eq!(json(&["--redact"])["threads"][0]["frames"][0]["declared"]["line"], place["line"]);
    }
}

fn line_number(place: &str) -> u64 {
    place.trim_end_matches(')').rsplit(':').next().unwrap().parse().unwrap()
}

/// Go 1.27.3 on wasmtime 48: `main.outer` called `main.middle`, which waited and called `main.inner`, which died.
const AFTER_A_WAIT: &str = "Error: error while executing at wasm backtrace:
    0: 0x128eb7 - <unknown>!runtime.abort
    1:  0x9c71c - <unknown>!runtime.goPanicIndex
    2: 0x137a7c - <unknown>!main.inner
    3: 0x12b262 - <unknown>!wasm_pc_f_loop
    4: 0x12b31e - <unknown>!_rt0_wasm_wasip1
";

#[test]
fn a_trace_of_go_says_that_calls_before_a_wait_may_be_missing() {
    let warning = "the calls before main.inner may be missing";
    let cut = Tool::new("coredump-bt").arg("--trace").stdin(AFTER_A_WAIT).run();
    assert!(cut.stderr.contains(warning), "{}", cut.stderr);
    let json = Tool::new("coredump-json").arg("--trace").stdin(AFTER_A_WAIT).run().json();
    assert!(json["warnings"].to_string().contains(warning), "{json}");
    // Nothing called before the main goroutine's own function.
    let whole = AFTER_A_WAIT.replace("goPanicIndex", "main");
    let whole = Tool::new("coredump-bt").arg("--trace").stdin(whole.replace("main.inner", "runtime.main")).run();
    assert!(!whole.stderr.contains("may be missing"), "{}", whole.stderr);
}

/// Python 3.14 in a component of componentize-py 0.25.1, as wasmtime 50 for Python prints it.
const PYTHON: &str = "Traceback (most recent call last):
  File \"/0/app.py\", line 3, in quote
  File \"/0/app.py\", line 7, in lookup
KeyError: 'gift'

thread '<unnamed>' (1) panicked at runtime/src/lib.rs:1280:25:
Python function threw an unexpected exception
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
error while executing at wasm backtrace:
    0: 0xaa4f26 - libc.so!abort
    1: 0x112b9e2 - componentize_py_runtime.wasm!std::sys::pal::wasi::abort_internal
    2: 0x110bd2f - componentize_py_runtime.wasm!wit_dylib_export_call
    3: 0x115234b - <unknown>!quote

Caused by:
    wasm trap: wasm `unreachable` instruction executed
";

#[test]
fn a_traceback_of_python_before_a_trace_is_its_reason() {
    let document = Tool::new("coredump-json").arg("--trace").stdin(PYTHON).run().json();
    let panic = &document["reason"]["panic"];
    assert_eq!((&panic["language"], &panic["message"]), (&"python".into(), &"KeyError: 'gift'".into()));
    assert_eq!((&document["place"]["function"], &document["place"]["line"]), (&"lookup".into(), &7.into()));
    assert_eq!(document["signature"], "lookup | quote");
}

/// Another program's trace, of which nothing is said but the trap.
fn other(trap: &str) -> String {
    format!(
        "error while executing at wasm backtrace:\n    0: 0x10 - other.wasm!other\n    1: 0x20 - other.wasm!main\n\nCaused by:\n    wasm trap: {trap}\n"
    )
}

fn reasons(text: &str) -> Vec<(String, String)> {
    let documents = Tool::new("coredump-json").args(["--trace", "--ndjson"]).stdin(text).run().expect(0);
    let documents = documents.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>();
    let reason = |document: &serde_json::Value| {
        let panic = &document["reason"]["panic"]["message"];
        (document["signature"].as_str().unwrap().to_owned(), panic.as_str().unwrap_or("none").to_owned())
    };
    documents.iter().map(reason).collect()
}

#[test]
fn last_words_are_about_the_first_trace_after_them() {
    let unreachable = "wasm `unreachable` instruction executed";
    let plain = ("other | main".to_owned(), "none".to_owned());
    let python = ("lookup | quote".to_owned(), "KeyError: 'gift'".to_owned());
    assert_eq!(reasons(&format!("{PYTHON}{}", other(unreachable))), [python.clone(), plain.clone()]);
    assert_eq!(reasons(&format!("{}{PYTHON}", other(unreachable))), [plain.clone(), python]);
    let panic = "thread 'main' panicked at src/main.rs:3:5:\nno more seats\nnote: run with `RUST_BACKTRACE=1`\n";
    let (one, prefixed) = (other(unreachable), |text: &str| text.replace('\n', "\napp 7 | "));
    let said = ("other | main".to_owned(), "no more seats".to_owned());
    assert_eq!(reasons(&format!("{panic}{one}{one}")), [said.clone(), plain.clone()]);
    assert_eq!(reasons(&prefixed(&format!("\n{panic}{one}{one}"))), [said, plain]);
}

#[test]
fn last_words_in_json_are_read() {
    let python = [("lookup | quote".to_owned(), "KeyError: 'gift'".to_owned())];
    let whole = serde_json::json!({"level": "error", "message": format!("{PYTHON}\nmore")}).to_string();
    assert_eq!(reasons(&whole), python);
    // As Docker keeps what a container prints.
    let entry = |(number, line): (usize, &str)| serde_json::json!({"log": format!("{line}\n"), "stream": "stderr", "time": format!("10:00:{number:02}")});
    let logged = |text: &str| text.lines().enumerate().map(|line| format!("{}\n", entry(line))).collect::<String>();
    assert_eq!(reasons(&logged(PYTHON)), python);
    // Other goroutines come between.
    let waits = "goroutine 2 [select]:\nmain.wait()\n\t/src/main.go:9 +0x2\n\n".repeat(200);
    let go = format!("panic: boom\n\ngoroutine 1 [running]:\nmain.sell()\n\t/src/main.go:7 +0x2\n\n{waits}");
    let go = logged(&format!("{go}{}", other("wasm `unreachable` instruction executed")));
    assert_eq!(reasons(&go), [("main.sell".to_owned(), "boom".to_owned())]);
}

#[test]
fn a_message_is_that_of_one_trace() {
    let text = format!("{}{}", other("integer divide by zero"), other("out of bounds memory access"));
    let documents = Tool::new("coredump-json").args(["--trace", "--ndjson"]).stdin(text).run().expect(0);
    let kinds = documents.text().lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let kinds: Vec<_> = kinds.map(|document| document["reason"]["kind"].clone()).collect();
    assert_eq!(kinds, ["integer-divide-by-zero", "memory-out-of-bounds"]);
}

#[test]
fn a_stack_of_javascript_before_a_trace_is_its_reason() {
    // What StarlingMonkey in a component of componentize-js 0.19.3 prints, in place of Python's words.
    let words = "no such item: gift\nStack:\n  lookup@shop.js:4:11\n  quote@shop.js:8:45\n\nRedirecting call to abort() to mozalloc_abort\n\n";
    let trace = &PYTHON[PYTHON.find("error while executing").unwrap()..];
    let document = Tool::new("coredump-json").arg("--trace").stdin(format!("{words}{trace}")).run().json();
    let panic = &document["reason"]["panic"];
    assert_eq!((&panic["language"], &panic["message"]), (&"javascript".into(), &"no such item: gift".into()));
    assert_eq!((&document["place"]["function"], &document["place"]["line"]), (&"lookup".into(), &4.into()));
    assert_eq!(document["signature"], "lookup | quote");
}

#[test]
fn a_name_that_several_functions_have_is_said_to_be_one() {
    let folder = scratch();
    let path = folder.path().join("app.wasm");
    let body = [0, 0, 0x0b];
    std::fs::write(&path, build::wasm(&[&body, &body, &body], &[(0, "twin"), (1, "twin"), (2, "only")])).unwrap();
    let trace = "Error: wasm error: unreachable\nwasm stack trace:\n\t.twin()\n\t.only()\n";
    let outcome = Tool::new("coredump-bt").args(["--trace", "-m"]).arg(&path).stdin(trace).run().expect(0);
    assert_eq!(resolved(outcome.text()), ["twin", "only"], "a name, and no place");
    let said = "line 3: frame 0: 2 functions are called twin, and nothing tells which";
    assert!(outcome.stderr.contains(said), "{}", outcome.stderr);
}

#[test]
fn traces_that_only_numbers_tell_apart_are_said_to_be_mixed() {
    let text = text("wasmtime-48.0.2");
    let frames: Vec<&str> = text.lines().filter(|line| line.contains(" - ")).collect();
    let mixed: String = frames.iter().flat_map(|line| [line, line]).map(|line| format!("{line}\n")).collect();
    let outcome = resolve(format!("wasm backtrace:\n{mixed}"), "sum-O0").expect(0);
    assert!(outcome.stderr.contains("only their numbers tell them apart"), "{}", outcome.stderr);
}

#[test]
fn texts_of_other_systems_are_read() {
    let trace = text("node-24");
    let units: Vec<u16> = format!("\u{feff}{}", trace.replace('\n', "\r\n")).encode_utf16().collect();
    let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    let returns = trace.replace('\n', "\r").into_bytes();
    for (text, form) in [(little, "UTF-16, as PowerShell writes it"), (big, "UTF-16"), (returns, "carriage returns")] {
        let outcome = resolve(text, "sum-O0").expect(0);
        assert_eq!(resolved(outcome.text())[..6], SUM, "{form}");
        let rest: String = outcome.text().split_inclusive('\n').filter(|line| !line.contains("=> ")).collect();
        assert_eq!(rest.replace("\r\n", "\n"), trace, "{form}: the text is printed in UTF-8");
    }
}

#[test]
fn a_line_without_an_end_takes_no_more_memory_than_any_other() {
    // As long as the memory that there is, from a pipe, once of nothing and once of beginnings of frames.
    for (word, count) in [("x", 80), ("0x1 - ", 8), ("at wasm-function[1]:", 8), ("\\n0: 0x1 - a!b", 8)] {
        let script = format!(
            "ulimit -v 131072; yes '{word}' | tr -d '\\n' | head -c {count}000000 | exec {} --trace -m {} > /dev/null",
            coredump_tests::binary("coredump-bt").display(),
            module("sum-O0").display()
        );
        let outcome = Tool::other("bash").args(["-c", &script]).run();
        assert!(matches!(outcome.code(), 0 | 1), "{word}: {outcome:?}");
    }
}

#[test]
fn inlined_functions_are_shown_and_the_text_stays() {
    let trace = text("node-20-optimised");
    let outcome = resolve(trace.clone(), "sum-O2").expect(0);
    let expected = [
        "divide [inlined] at src/c/sum.c:25:29",
        "share [inlined] at src/c/sum.c:33:12",
        "sum at src/c/sum.c:46:16",
        "sum at src/c/sum.c:47:21",
    ];
    assert_eq!(resolved(outcome.text())[..4], expected);
    let rest: String = outcome.text().split_inclusive('\n').filter(|line| !line.contains("=> ")).collect();
    assert_eq!(rest, trace);
}

#[test]
fn offsets_in_a_component_lead_to_its_core_modules() {
    let outcome = resolve(text("wasmtime-component"), "component-sum").expect(0);
    assert_eq!(resolved(outcome.text())[..6], SUM);
    assert!(outcome.stderr.contains("core module 0 of"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("core module 1 of"), "{}", outcome.stderr);
}

#[test]
fn a_frame_without_an_offset_has_its_function() {
    let outcome = resolve(text("wasmtime-overflow"), "wat-overflow").expect(0);
    assert_eq!(resolved(outcome.text())[0], "down");
    assert_eq!(resolved(outcome.text()).len(), text("wasmtime-overflow").matches("overflow!down").count());
}

#[test]
fn mangled_and_demangled_names_lead_to_the_same_frames() {
    for name in ["wasmtime-rust", "node-24-rust"] {
        let outcome = resolve(text(name), "trap").expect(0);
        let own: Vec<_> = resolved(outcome.text()).into_iter().filter(|line| line.contains("trap.rs")).collect();
        let expected = [
            "trap::baz at rust/trap.rs:16:5",
            "trap::bar at rust/trap.rs:12:5",
            "trap::foo at rust/trap.rs:8:5",
            "trap::main at rust/trap.rs:4:5",
        ];
        assert_eq!(own.len(), 4, "{name}: {own:?}");
        for (own, expected) in own.iter().zip(expected) {
            let (function, place) = expected.split_once(" at ").unwrap();
            assert!(own.starts_with(function) && own.contains(place.split(':').nth(1).unwrap()), "{name}: {own}");
        }
    }
}

#[test]
fn another_programs_binary_is_refused() {
    for (trace, other) in
        [("node-24", "sum-O2"), ("wasmtime-stripped", "sum-O2"), ("wasm3-0.5.0", "trap"), ("node-24-oob", "sum-O0")]
    {
        let outcome = resolve(text(trace), other).expect(1);
        assert!(resolved(outcome.text()).is_empty(), "{trace}: {}", outcome.text());
        assert_eq!(outcome.text(), text(trace), "the text stays as it is");
        assert!(outcome.stderr.contains("not used:"), "{}", outcome.stderr);
    }
}

#[test]
fn the_binary_is_found_in_a_folder_by_the_size_that_v8_prints() {
    let folder = scratch();
    for name in ["sum-O0", "sum-O2", "oob", "trap"] {
        std::fs::copy(module(name), folder.path().join(format!("{name}.wasm"))).unwrap();
    }
    let tool = Tool::new("coredump-bt").args(["--trace", "--symbols-path"]).arg(folder.path());
    let outcome = tool.stdin(text("node-20")).run().expect(0);
    assert_eq!(resolved(outcome.text())[..6], SUM);
    // Built from the same source with another version of DWARF: the same code but for one instruction's encoding would
    // not matter, other code does.
    std::fs::copy(module("sum-names"), folder.path().join("names.wasm")).unwrap();
    let tool = Tool::new("coredump-bt").args(["--trace", "--symbols-path"]).arg(folder.path());
    assert_eq!(resolved(tool.stdin(text("node-20")).run().expect(0).text())[..6], SUM, "the one with lines");
}

#[test]
fn a_log_of_json_stays_one() {
    let message = text("node-24");
    let log = format!("{}\n", serde_json::json!({"time": "2026-11-28T12:00:00Z", "msg": message, "n": 1}));
    let outcome = resolve(log, "sum-O0").expect(0);
    let line: serde_json::Value = serde_json::from_str(outcome.text()).expect("a line of JSON");
    assert_eq!(resolved(line["msg"].as_str().unwrap())[..6], SUM);
    // As a container's runtime keeps it: a string in a string.
    let nested = serde_json::json!({"log": format!("{}\n", serde_json::json!({"msg": message})), "stream": "stderr"});
    let outcome = resolve(format!("{nested}\n"), "sum-O0").expect(0);
    let line: serde_json::Value = serde_json::from_str(outcome.text()).expect("a line of JSON");
    let inner: serde_json::Value = serde_json::from_str(line["log"].as_str().unwrap()).expect("JSON in it");
    assert_eq!(resolved(inner["msg"].as_str().unwrap())[..6], SUM);
    // A line of the log for each line of the trace.
    let lines: String = message.lines().map(|line| format!("{}\n", serde_json::json!({"msg": line}))).collect();
    let outcome = resolve(lines, "sum-O0").expect(0);
    let lines = outcome.text().lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let all: Vec<String> = lines.map(|line| line["msg"].as_str().unwrap().to_owned()).collect();
    assert_eq!(resolved(&all.join("\n"))[..6], SUM);
}

#[test]
fn traces_of_several_programs_are_told_apart_by_what_stands_before_their_lines() {
    let prefixed = |prefix: &str, name: &str| -> Vec<String> {
        let text = text(name);
        text.lines()
            .enumerate()
            .map(|(number, line)| format!("2026-11-28T12:00:{number:02}Z {prefix} | {line}\n"))
            .collect()
    };
    let (one, other) = (prefixed("web-1", "wasmtime-48.0.2"), prefixed("worker", "node-24"));
    let longest = one.len().max(other.len());
    let lines = (0..longest).flat_map(|at| [one.get(at), other.get(at)]).flatten();
    let outcome = resolve(lines.cloned().collect::<String>(), "sum-O0").expect(0);
    for program in ["web-1 |", "worker |"] {
        let own: String =
            outcome.text().lines().filter(|line| line.contains(program)).map(|line| format!("{line}\n")).collect();
        assert_eq!(resolved(&own)[..6], SUM, "{program}");
    }
}

#[test]
fn a_trace_in_brief_is_its_crash_on_one_line() {
    let brief = |name: &str, binary: &str| {
        let tool = Tool::new("coredump-bt").args(["--trace", "--brief", "-m"]).arg(module(binary));
        tool.stdin(text(name)).run().expect(0).text().to_owned()
    };
    let expected = "integer-divide-by-zero: wasm trap: integer divide by zero in divide at src/c/sum.c:25:29 [divide | share | sum | main]\n";
    let line = brief("wasmtime-49.0.4", "sum-O0");
    assert!(line.starts_with("<stdin>:"), "{line}");
    assert!(line.ends_with(expected), "{line}");
    assert!(
        brief("node-24-stripped", "sum-O0").ends_with("in divide at src/c/sum.c:25:29 [divide | share | sum | main]\n")
    );
}

#[test]
fn a_trace_and_a_dump_of_one_crash_are_the_same_document_to_a_reader() {
    let crash = |document: &serde_json::Value| {
        let kept = |frame: &serde_json::Value| {
            ["function", "file", "line", "module_offset", "inlines"].map(|key| frame[key].clone())
        };
        let frames = document["threads"][0]["frames"].as_array().unwrap().iter().map(kept).collect::<Vec<_>>();
        // A dump without a recorded reason knows of optimised code only that a division failed; the engine said how.
        let kind = document["reason"]["kind"]
            .as_str()
            .map(|kind| kind.split("-by-").next().unwrap().replace("divide", "division"));
        (document["signature"].clone(), kind, document["place"]["line"].clone(), frames)
    };
    let json = |args: &[&str], file: PathBuf, name: &str| {
        Tool::new("coredump-json").args(args).arg("-m").arg(module(name)).arg(file).run().expect(0).json()
    };
    let same = [
        ("wasmtime-48.0.2", "sum-O0"),
        ("node-24-stripped", "sum-O0"),
        ("node-20-optimised", "sum-O2"),
        ("node-24-oob", "oob"),
    ];
    for (trace, name) in same {
        let of_trace = json(&["--trace"], fixture(&format!("traces/{trace}.txt")), name);
        let of_dump = json(&[], fixture(&format!("dumps/{name}.wasmtime.coredump")), name);
        assert_eq!(crash(&of_trace), crash(&of_dump), "{trace}");
        assert_eq!((&of_trace["dump"]["kind"], &of_dump["dump"]["kind"]), (&"trace".into(), &"core-dump".into()));
        assert!(of_trace["dump"]["line"].is_u64());
    }
    let rust = json(&["--trace"], fixture("traces/wasmtime-rust.txt"), "trap");
    assert_eq!(rust["signature"], "trap::baz | trap::bar | trap::foo | trap::main");
    assert_eq!(rust["reason"]["panic"]["location"], "rust/trap.rs:16:5");
    assert_eq!(rust["reason"]["panic"]["message"], "assertion failed: x != 42");
}

#[test]
fn many_texts_give_a_line_for_each_trace() {
    let outcome = Tool::new("coredump-json")
        .args(["--trace", "--ndjson", "--symbols-path"])
        .arg(fixture("modules"))
        .arg(fixture("traces"))
        .run()
        .expect(0);
    let documents: Vec<serde_json::Value> =
        outcome.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let texts = std::fs::read_dir(fixture("traces")).unwrap().count();
    assert!(documents.len() >= texts, "{} traces", documents.len());
    documents.iter().for_each(coredump_tests::follows_schema);
    let divisions = documents.iter().filter(|document| document["signature"] == "divide | share | sum | main").count();
    assert!(divisions >= 15, "{divisions}");
    let without = Tool::new("coredump-json").args(["--trace"]).stdin("nothing").run().expect(1);
    assert!(without.stderr.contains("no stack trace found"), "{}", without.stderr);
    Tool::new("coredump-json").args(["--trace", "--locals"]).stdin("x").run().expect(64);
}

#[test]
fn an_event_for_sentry_has_its_frames_oldest_first() {
    let event = |args: &[&str], file: PathBuf, name: &str| {
        let tool = Tool::new("coredump-json").arg("--sentry").args(args).arg("-m").arg(module(name)).arg(file);
        serde_json::from_slice::<serde_json::Value>(&tool.run().expect(0).stdout).unwrap()
    };
    let event = event(&["--trace"], fixture("traces/node-20-optimised.txt"), "sum-O2");
    let exception = &event["exception"]["values"][0];
    assert_eq!(
        (&exception["type"], &exception["value"]),
        (&"integer-divide-by-zero".into(), &"RuntimeError: divide by zero".into())
    );
    assert_eq!(event["fingerprint"], serde_json::json!(["divide | share | sum | main"]));
    let frames = exception["stacktrace"]["frames"].as_array().unwrap();
    let short = |frame: &serde_json::Value| {
        (
            frame["function"].as_str().unwrap().to_owned(),
            frame["lineno"].as_u64(),
            frame["instruction_addr"].as_str().unwrap().to_owned(),
        )
    };
    let last: Vec<_> = frames[frames.len() - 4..].iter().map(short).collect();
    let expected = [("sum", 47, "0x3c5"), ("sum", 46, "0x3b3"), ("share", 33, "0x3b3"), ("divide", 25, "0x3b3")];
    assert_eq!(last, expected.map(|(name, line, address)| (name.to_owned(), Some(line), address.to_owned())));
    assert!(frames.iter().all(|frame| frame["addr_mode"] == "rel:0"));
    assert_eq!(frames.last().unwrap()["in_app"], true);
    assert_eq!(frames[0]["in_app"], false, "{}", frames[0]);
    assert_eq!(event["event_id"].as_str().unwrap().len(), 32);
    assert_eq!(event["debug_meta"]["images"][0]["type"], "wasm");
    assert_eq!(event["debug_meta"]["images"][0]["debug_id"], "00000000-0000-0000-0000-000000000000", "no build id");
}

#[test]
fn a_text_without_traces_is_copied_and_exit_1_tells() {
    let outcome = resolve("nothing\nto see\n", "sum-O0").expect(1);
    assert_eq!(outcome.text(), "nothing\nto see\n");
    assert!(outcome.stderr.contains("no stack trace found"), "{}", outcome.stderr);
    let outcome = Tool::new("coredump-bt").args(["--trace", "--locals"]).stdin("x").run().expect(64);
    assert!(outcome.stderr.contains("--locals needs a core dump"), "{}", outcome.stderr);
}

#[test]
fn control_characters_of_a_text_do_not_reach_a_terminal() {
    let outcome = resolve("a\x1b[31mred\x1b[0m\x1b]0;title\x07\u{202e}\t\u{fc}\r\n", "sum-O0").expect(1);
    assert_eq!(outcome.text(), "ared\\x1b]0;title\\x07\\u{202e}\t\u{fc}\r\n");
    let colored =
        Tool::new("coredump-bt").args(["--trace", "--color", "always"]).stdin("a\x1b[31mred\x1b[0m\n").run().expect(1);
    assert_eq!(colored.text(), "a\x1b[31mred\x1b[0m\n");
}

#[test]
fn a_trace_that_is_cut_is_resolved_as_far_as_it_goes() {
    let trace = text("node-24");
    for end in (0..trace.len()).step_by(7).filter(|&end| trace.is_char_boundary(end)) {
        let outcome = resolve(&trace[..end], "sum-O0");
        assert!(matches!(outcome.code(), 0 | 1), "{outcome:?}");
        let found = resolved(outcome.text());
        let most = found.len().min(6);
        assert_eq!(found[..most], SUM[..most]);
    }
    let middle = trace.find("    at sum").unwrap();
    assert_eq!(resolved(resolve(&trace[middle..], "sum-O0").expect(0).text())[..4], SUM[2..]);
}
