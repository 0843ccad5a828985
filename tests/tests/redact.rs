//! `coredump-json --redact` against dumps whose every field holds a secret, known to this version or not.

use coredump_tests::dump_builder::{self as build, Number, frame};
use coredump_tests::{Tool, fixture, wasmtime_dump};
use serde_json::{Value, json};

/// A number of a payment card: as text, and as part of every other text.
const SECRET: &str = "4111111111111111";

fn secret(text: &str) -> String {
    format!("{text}{SECRET}")
}

/// Each of the sections that `coredump-run` writes, and one that nobody knows yet, with a secret in every text, name of
/// a field included.
fn sections() -> Vec<Vec<u8>> {
    let process = json!({
        "executable": secret("/home/"), "args": [SECRET, secret("--card=")], "start_time": secret("2026"), "time": SECRET,
        "runtime": secret("wasmtime "), "producer": secret("coredump-run "), "pid": 7, "host": SECRET, "exit_code": 3,
        "detail": SECRET, "annotations": {SECRET: SECRET, "card": SECRET}, SECRET: SECRET,
        "replay": {"host_calls": 1, "verified": SECRET}, "host_calls": [{"name": SECRET, "args": [SECRET], "result": SECRET}],
    });
    let reason = json!({
        "kind": SECRET, "message": secret("wasm trap: unreachable "), "guest_stderr": stderr(), "instruction": SECRET,
        "exception": {"tag": SECRET, "type": SECRET, "message": SECRET}, "detail": SECRET,
        "memory_access": {"address": SECRET, "kind": SECRET},
    });
    let modules = json!([{
        "path": SECRET, "sha256": SECRET.repeat(9), "build_id": secret("x"), "content_sha256": secret("x"),
        "digest": secret("x"), "stamp": SECRET, "name": SECRET,
    }]);
    let memories = json!([{"captured": [[0, 10]], "missing": SECRET}]);
    let opaque = json!({"opaque": SECRET});
    let tables = json!({
        "tables": [{"element": "extern", "size": 2, "elements": [opaque, "null"]}], "instances": [[0]], "names": [SECRET],
    });
    let values = json!([
        {"slot": "local", "thread": 0, "frame": 0, "index": 1, "value": {"ref": {"kind": "extern", "target": opaque}}},
        {"slot": "global", "index": 0, "value": {"ref": {"kind": "extern", "target": opaque}}},
    ]);
    let threads = json!([{"truncated": false, "offsets": SECRET, "name": SECRET}]);
    let unknown = json!({SECRET: [SECRET, {"text": SECRET}]});
    let named = |name: &str, value: &Value| build::custom(name, value.to_string().as_bytes());
    vec![
        named("coredump.process", &process),
        named("coredump.reason", &reason),
        named("coredump.modules", &modules),
        named("coredump.memories", &memories),
        named("coredump.tables", &tables),
        named("coredump.values", &values),
        named("coredump.threads", &threads),
        named("coredump.host-calls", &unknown),
        named("coredump.heap", &unknown),
        named("coredump.objects", &unknown),
        named("coredump.recording", &unknown),
        named(&secret("coredump."), &unknown),
        build::custom(
            "producers",
            &[vec![1], build::name("processed-by"), vec![1], build::name(SECRET), build::name(SECRET)].concat(),
        ),
    ]
}

/// The text that a runtime prints when an assertion fails, with the program's own text before it on the same line.
fn stderr() -> String {
    format!("card {SECRET}: Assertion failed: {SECRET} != 0 (src/{SECRET}.c: pay: 6)\npanic: {SECRET}\n")
}

fn dump(module_name: &str) -> Vec<u8> {
    dump_of(module_name, sections())
}

fn dump_of(module_name: &str, sections: Vec<Vec<u8>>) -> Vec<u8> {
    let secret_number: i64 = SECRET.parse().unwrap();
    let frames = [
        frame(0, 1, &[Number::I64(secret_number), Number::Missing]),
        frame(9, 9, &[Number::F64(4_111_111_111_111_111.0)]),
    ];
    let data = build::data(&[(0, SECRET.as_bytes()), (100, &secret_number.to_le_bytes())]);
    let global = build::section(6, &[vec![1, 0x7e, 0, 0x42], build::signed_leb(secret_number), vec![0x0b]].concat());
    let own = [
        build::core(&secret("app")),
        build::coremodules(&[module_name]),
        build::coreinstances(&[(0, &[0], &[0])]),
        build::memory(1, None),
        global,
        data,
        build::custom("corestack", &[vec![0], build::name(SECRET), frames_of(&frames)].concat()),
    ];
    build::module(&[own.to_vec(), sections].concat())
}

/// The frames of a stack, after the thread's name.
fn frames_of(frames: &[build::FrameBytes]) -> Vec<u8> {
    let stack = build::standard_stack(frames);
    let name = build::name("main");
    let at = stack.windows(name.len()).position(|window| window == name).unwrap() + name.len();
    stack[at..].to_vec()
}

#[track_caller]
fn tells_nothing(dump: Vec<u8>, options: &[&str]) -> String {
    let outcome = Tool::new("coredump-json").arg("--redact").args(options).stdin(dump).run();
    assert!(matches!(outcome.code(), 0..=2), "{outcome:?}");
    let text = outcome.text().to_owned();
    for said in [&text, &outcome.stderr] {
        let digits: String = said.chars().filter(char::is_ascii_digit).collect();
        assert!(
            !said.contains(SECRET) && !digits.contains(SECRET) && !said.contains("4.111111"),
            "{options:?}: {said}"
        );
    }
    if outcome.code() == 0 && !options.contains(&"always") && !options.contains(&"--sentry") {
        coredump_tests::follows_schema(&serde_json::from_str(&text).unwrap());
    }
    text
}

#[test]
fn a_secret_in_any_field_of_any_section_is_in_no_redacted_document() {
    let secret_name = secret("module");
    let all = dump(&secret_name);
    // Without redaction it is there, in most of them: the test means something.
    let open = Tool::new("coredump-json").args(["--memory", "base64"]).stdin(all.clone()).run();
    assert!(open.text().matches(SECRET).count() > 20, "{}", open.text());
    let binary = fixture("modules/sum-O0.wasm");
    for options in [
        &[][..],
        &["--pretty"],
        &["--sentry"],
        &["--ndjson"],
        &["--locals", "--memory", "base64", "--color", "always"],
        &["-m", binary.to_str().unwrap(), "--locals"],
    ] {
        tells_nothing(all.clone(), options);
    }
}

/// Each section with a secret in every field that can hold a text, and each of them valid: [`sections`] has texts where
/// there should be numbers, which costs the rest of a section.
fn valid_sections() -> Vec<Vec<u8>> {
    let process = json!({
        "executable": SECRET, "args": [SECRET], "start_time": SECRET, "time": SECRET, "runtime": SECRET, "producer": SECRET,
        "pid": 7, "host": SECRET, "exit_code": 3, "memory_limit": 5, "detail": SECRET, "annotations": {SECRET: SECRET},
        "replay": {"host_calls": 1, "recorded_bytes": 2, "verified": true, "file": SECRET},
        "request": {"method": SECRET, "path": SECRET, "headers": [{"name": SECRET, "value": SECRET}], "peer": SECRET},
    });
    let calls = json!([
        {"name": SECRET, "args": [SECRET], "result": SECRET, "failed": true, "since_start_ms": 3},
        {"name": "fd_read", "args": [SECRET], "result": SECRET, "since_start_ms": 3},
    ]);
    let values = json!([{"type": SECRET, "bits": SECRET}, {"type": "i64", "bits": SECRET}]);
    let reason = json!({
        "kind": SECRET, "message": SECRET, "guest_stderr": stderr(),
        "exception": {"tag": SECRET, "values": values, "rethrown": 1, "last_only": true},
    });
    let modules = json!([{
        "path": SECRET, "sha256": SECRET, "content_sha256": SECRET, "digest": SECRET, "build_id": SECRET, "stamp": SECRET,
    }]);
    let opaque = json!({"opaque": SECRET});
    let tables = json!({
        "tables": [{"element": "extern", "size": 2, "elements": [opaque, "null"]}], "instances": [[0]],
    });
    let value = |slot: &str, index: u32| {
        let value = json!({"ref": {"kind": "extern", "target": opaque}});
        json!({"slot": slot, "thread": 0, "frame": 0, "index": index, "value": value})
    };
    let values = json!([value("local", 1), value("global", 0)]);
    let named = |name: &str, value: &Value| build::custom(name, value.to_string().as_bytes());
    let head =
        json!({"functions": [SECRET], "calls": 1, "invoke": SECRET, "sha256": SECRET, "file": SECRET}).to_string();
    let secret_bytes = [&[SECRET.len() as u8][..], SECRET.as_bytes()].concat();
    let call = [&[2, 0, 1, 2, 3, 4, 5, 1, 16][..], &secret_bytes].concat();
    // An array of bytes.
    let objects = [&[1, 0, 1, 1, 0, 1, 0x78, 0, 1, 0][..], &secret_bytes].concat();
    vec![
        named("coredump.process", &process),
        named("coredump.calls", &calls),
        named("coredump.reason", &reason),
        named("coredump.modules", &modules),
        named("coredump.memories", &json!([{"captured": [[0, 10]], "missing": SECRET}])),
        named("coredump.tables", &tables),
        named("coredump.values", &values),
        named("coredump.threads", &json!([{"truncated": false, "offsets": SECRET}])),
        build::custom("coredump.objects", &objects),
        build::custom("coredump.recording", &[build::leb(head.len() as u64), head.into_bytes(), call].concat()),
    ]
}

#[test]
fn a_secret_in_a_field_of_a_section_that_is_valid_is_in_no_redacted_document() {
    let all = dump_of(SECRET, valid_sections());
    let open = Tool::new("coredump-json").args(["--heap", "--memory", "base64"]).stdin(all.clone()).run().expect(0);
    assert!(open.text().matches(SECRET).count() > 30, "{}", open.text());
    // No section was dropped because it is not what it should be.
    let warnings = open.json()["warnings"].to_string();
    assert!(!warnings.contains("JSON") && !warnings.contains("coredump."), "{warnings}");
    for options in [&[][..], &["--sentry"], &["--ndjson"], &["--locals", "--heap", "--memory", "base64"]] {
        tells_nothing(all.clone(), options);
    }
}

#[test]
fn a_damaged_dump_does_not_tell_it_either() {
    let all = dump(SECRET);
    for length in (20..all.len()).step_by(97) {
        tells_nothing(all[..length].to_vec(), &["--ndjson"]);
    }
    for at in (8..all.len()).step_by(53) {
        let mut damaged = all.clone();
        damaged[at] ^= 0x04;
        let outcome = Tool::new("coredump-json").args(["--redact", "--ndjson"]).stdin(damaged).run();
        assert!(!outcome.text().contains(SECRET), "byte {at}: {}", outcome.text());
    }
}

#[test]
fn what_is_known_to_be_harmless_stays() {
    let dump = wasmtime_dump("sum-O0");
    let binary = fixture("modules/sum-O0.wasm");
    let run = |options: &[&str]| {
        let tool = Tool::new("coredump-json").args(options).arg("-m").arg(&binary);
        tool.arg(&dump).run().expect(0).json()
    };
    let (open, redacted) = (run(&[]), run(&["--redact"]));
    for path in [
        "/signature",
        "/place",
        "/reason/kind",
        "/reason/source",
        "/dump/layout",
        "/dump/producer",
        "/threads/0/frames/0/line",
    ] {
        assert_eq!(redacted.pointer(path), open.pointer(path), "{path}");
        assert_ne!(open.pointer(path), Some(&Value::Null), "{path}");
    }
    assert_eq!(redacted["modules"][0]["binary"], open["modules"][0]["binary"]);
    let (open, redacted) = (run(&["--sentry"]), run(&["--redact", "--sentry"]));
    let frames = "/exception/values/0/stacktrace/frames";
    let of = |event: &Value, field: &str| -> Vec<Value> {
        event.pointer(frames).and_then(Value::as_array).unwrap().iter().map(|frame| frame[field].clone()).collect()
    };
    for field in ["function", "filename", "lineno", "instruction_addr", "in_app"] {
        assert_eq!(of(&redacted, field), of(&open, field), "{field}");
    }
    assert_eq!(redacted["fingerprint"], open["fingerprint"]);
}

/// A dump whose program printed this before it ended.
fn printed(said: &str) -> Vec<u8> {
    let reason = json!({"kind": "unreachable", "message": "unreachable", "guest_stderr": said});
    let reason = build::custom("coredump.reason", reason.to_string().as_bytes());
    build::module(&[build::core("app"), reason, build::standard_stack(&[frame(0, 1, &[])])])
}

#[test]
fn what_a_script_printed_of_its_frames_is_told_nowhere() {
    let python = format!(
        "Traceback (most recent call last):\n  File \"/app/{SECRET}.py\", line 3, in pay_{SECRET}\n    pay({SECRET})\n\
         ValueError: {SECRET}\n"
    );
    let javascript = format!("Uncaught TypeError: {SECRET}\n    at pay_{SECRET} (/app/{SECRET}.js:3:7)\n");
    for said in [python, javascript] {
        let dump = printed(&said);
        let open = Tool::new("coredump-json").arg("--sentry").stdin(dump.clone()).run().expect(0).json();
        assert!(open["exception"].to_string().contains(SECRET), "{open}");
        for options in [&[][..], &["--sentry"], &["--locals", "--heap"]] {
            tells_nothing(dump.clone(), options);
        }
    }
}

#[test]
fn what_a_log_says_of_functions_is_told_nowhere() {
    let log = format!(
        "RuntimeError: unreachable {SECRET}\n    at pay_{SECRET} (wasm://wasm/app-0:wasm-function[3]:0x10)\n    \
         at card_{SECRET} (wasm://wasm/{SECRET}:wasm-function[4]:0x20)\n"
    );
    let open = Tool::new("coredump-json").arg("--trace").stdin(log.clone()).run();
    assert!(open.text().matches(SECRET).count() > 3, "{}", open.text());
    for options in [&[][..], &["--sentry"]] {
        let outcome = Tool::new("coredump-json").args(["--trace", "--redact"]).args(options).stdin(log.clone()).run();
        assert!(!outcome.text().contains(SECRET), "{options:?}: {}", outcome.text());
    }
}

/// Names of goroutines' functions stand in memory. Names that the binary has as well are shown.
#[test]
fn names_that_only_memory_has_are_told_nowhere() {
    let binary = fixture("modules/go-panic.wasm");
    let json = |dump: Vec<u8>, options: &[&str]| {
        Tool::new("coredump-json").args(options).arg("-m").arg(&binary).stdin(dump).run().expect(0).text().to_owned()
    };
    let dump = std::fs::read(wasmtime_dump("go-panic")).unwrap();
    let kept = json(dump.clone(), &["--redact"]);
    assert!(kept.contains("runtime.gopark") && kept.contains("main.withdraw | main.pay"), "{kept}");

    let (name, other) = (b"runtime.gopark\0", b"4111111.gopark\0");
    let at = dump.windows(name.len()).position(|window| window == name).expect("the name is in memory");
    let mut forged = dump;
    forged[at..at + name.len()].copy_from_slice(other);
    assert!(json(forged.clone(), &[]).contains("4111111.gopark"));
    for options in [&["--redact"][..], &["--redact", "--sentry"]] {
        let told = json(forged.clone(), options);
        assert!(!told.contains("4111111.gopark") && !told.contains("main.withdraw"), "{options:?}: {told}");
    }
}

/// Dumps of everything that languages keep in memory: what an open document says of values, interpreted frames and
/// messages is in no redacted one.
#[test]
fn what_is_read_from_memory_is_in_no_redacted_document() {
    for (dump, module) in [
        ("python-shop", None),
        ("python-tasks", None),
        ("js-quickjs-ng", Some("js-quickjs-ng")),
        ("rust-tasks", Some("rust-tasks")),
        ("cpp-coroutines-22-O0", Some("cpp-coroutines-22-O0")),
        ("rust-vars-O0", Some("rust-vars-O0")),
        ("wat-gc", Some("wat-gc")),
    ] {
        let run = |options: &[&str]| {
            let tool = Tool::new("coredump-json").args(["--locals", "--heap"]).args(options);
            let tool =
                module.iter().fold(tool, |tool, module| tool.arg("-m").arg(fixture(&format!("modules/{module}.wasm"))));
            let outcome = tool.arg(wasmtime_dump(dump)).run();
            assert!(matches!(outcome.code(), 0 | 1), "{dump}: {outcome:?}");
            outcome.json()
        };
        let mut secrets = Vec::new();
        collect(&run(&[]), false, &mut secrets);
        secrets.retain(|secret| is_telling(secret));
        assert!(!secrets.is_empty(), "{dump} tells nothing that could be left out");
        for options in [&["--redact"][..], &["--redact", "--memory", "base64"], &["--redact", "--sentry"]] {
            let mut told = Vec::new();
            collect(&run(options), true, &mut told);
            let leaked: Vec<_> = secrets.iter().filter(|secret| told.contains(secret)).collect();
            assert!(leaked.is_empty(), "{dump} {options:?}: {leaked:?}");
        }
    }
}

/// The texts of a document: all of them, or only those that say what the program worked on.
fn collect(value: &Value, all: bool, texts: &mut Vec<String>) {
    const OF_MEMORY: [&str; 10] = [
        "value",
        "note",
        "message",
        "text",
        "args",
        "result",
        "guest_stderr",
        "interpreted",
        "elements",
        "annotations",
    ];
    match value {
        // Shorter ones are in other words by chance.
        Value::String(text) if all && text.chars().count() > 5 => texts.push(text.clone()),
        Value::Array(list) => list.iter().for_each(|item| collect(item, all, texts)),
        Value::Object(fields) => {
            fields.iter().for_each(|(name, field)| collect(field, all || OF_MEMORY.contains(&name.as_str()), texts));
        }
        _ => {}
    }
}

/// Returns true if a text of memory gives something away: addresses and the words of the format do not.
fn is_telling(text: &str) -> bool {
    const WORDS: [&str; 5] = ["future", "function", "parameter", "string", "unreadable"];
    !text.starts_with("0x") && !WORDS.contains(&text)
}
