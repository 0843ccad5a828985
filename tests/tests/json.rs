//! `coredump-json`, end to end: what the documents say, and that every one of them follows the published schema.

use std::path::{Path, PathBuf};

use coredump_tests::{Tool, capture, fixture, follows_schema, scratch, wasmtime_dump};
use serde_json::{Value, json};

fn tool() -> Tool {
    Tool::new("coredump-json")
}

/// The document of wasmtime's dump of a module.
fn document(module: &str, options: &[&str]) -> Value {
    let binary = fixture(&format!("modules/{module}.wasm"));
    let output = tool().args(options).arg("-m").arg(binary).arg(wasmtime_dump(module)).run().expect(0);
    valid(output.json())
}

/// The same value, once it is checked against the published schema, which is the one that `--schema` prints.
fn valid(value: Value) -> Value {
    follows_schema(&value);
    value
}

fn dumps() -> Vec<PathBuf> {
    let entries = fixture("dumps").read_dir().expect("the fixtures can be listed");
    let mut dumps: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    dumps.retain(|path| path.extension().is_some_and(|extension| extension == "coredump"));
    dumps.sort();
    assert!(dumps.len() > 50);
    dumps
}

#[test]
fn the_published_schema_is_the_one_the_tool_prints() {
    let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/coredump.schema.json");
    let published = std::fs::read_to_string(published).expect("docs/coredump.schema.json");
    assert_eq!(tool().arg("--schema").run().expect(0).text(), published);
}

#[test]
fn documents_of_all_dumps_follow_the_schema_and_it_covers_every_field() {
    let schema = tool().arg("--schema").run().expect(0).text().to_owned();
    let output = tool().args(["--ndjson", "--locals", "--memory", "base64", "--symbols-path"]);
    let output = output.arg(fixture("modules")).args(dumps()).run().expect(0);
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).expect("the schema is sound");
    let mut documents = 0;
    for line in output.text().lines() {
        let document: Value = serde_json::from_str(line).expect("a line is a document");
        if let Err(error) = validator.validate(&document) {
            panic!("{}: {}: {error}", document["dump"]["path"], error.instance_path());
        }
        each_name(&document, &mut |name| assert!(schema.contains(&format!("\"{name}\"")), "{name} is not documented"));
        documents += 1;
    }
    assert_eq!(documents, dumps().len());
}

fn each_name(value: &Value, see: &mut impl FnMut(&str)) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                see(name);
                each_name(value, see);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| each_name(item, see)),
        _ => {}
    }
}

#[test]
fn frames_have_their_functions_lines_and_inlined_calls() {
    // sum.c: the division is in `divide`, line 25, inlined into `share` (33), inlined into `sum` (46).
    let frame = &document("sum-O2", &[])["threads"][0]["frames"][0];
    let places = |value: &Value| json!([value["function"], value["line"]]);
    assert_eq!(places(&frame["inlines"][0]), json!(["divide", 25]));
    assert_eq!(places(&frame["inlines"][1]), json!(["share", 33]));
    assert_eq!(places(frame), json!(["sum", 46]));
    assert_eq!(frame["file"].as_str().and_then(|file| file.rsplit('/').next()), Some("sum.c"));
}

#[test]
fn what_a_producer_did_not_record_is_null_not_zero() {
    let document = document("sum-O0", &[]);
    let frame = &document["threads"][0]["frames"][0];
    for unknown in [&frame["locals"], &frame["stack"], &frame["variables"], &document["process"]["time"]] {
        assert_eq!(*unknown, Value::Null);
    }
    assert_eq!(document["reason"]["source"], "inferred");
    assert_eq!(document["modules"][0]["sha256"], Value::Null);
}

#[test]
fn without_its_binary_a_frame_has_indices_and_offsets_only() {
    let folder = scratch();
    let dump = folder.path().join("alone.coredump");
    std::fs::copy(wasmtime_dump("sum-O0"), &dump).expect("the dump can be copied");
    let document = valid(tool().arg("--untrusted").arg(&dump).run().expect(0).json());
    let frame = &document["threads"][0]["frames"][0];
    assert_eq!((&frame["function"], &frame["line"]), (&Value::Null, &Value::Null));
    assert_eq!((&frame["function_index"], &frame["code_offset"]), (&json!(12), &json!("0x36")));
    assert_eq!(document["modules"][0]["symbols"], Value::Null);
    assert!(document["reason"].is_null());
}

#[test]
fn globals_keep_every_bit() {
    // values.wat declares these.
    let document = document("wat-values", &[]);
    let values: Vec<&Value> = document["globals"].as_array().unwrap().iter().map(|global| &global["value"]).collect();
    assert_eq!(values[0], &json!(-2));
    assert_eq!(values[1], &json!("-9223372036854775808"));
    assert_eq!(document["globals"][2]["bits"], "0x3dcccccd");
    assert_eq!(document["globals"][3]["bits"], "0x8000000000000000");
    assert_eq!(values[4], &json!("0x88776655443322110123456789abcdef"));
    // Wasmtime writes every reference as null: that says nothing.
    assert_eq!(values[5], &Value::Null);
}

#[test]
fn variables_come_with_locals() {
    let document = document("sum-O0", &["--locals"]);
    let variables = document["threads"][0]["frames"][0]["variables"].as_array().expect("a list").clone();
    let value = |name: &str| variables.iter().find(|variable| variable["name"] == name).map(|it| it["value"].clone());
    assert_eq!((value("dividend"), value("divisor")), (Some(json!("600")), Some(json!("0"))));
}

#[test]
fn a_limit_bounds_the_variables_of_a_document_and_says_what_it_left_out() {
    let with = |options: &[&str]| document("sum-O0", &[&["--locals"], options].concat());
    let frames = |document: &Value| document["threads"][0]["frames"].as_array().expect("frames").clone();
    let all = frames(&with(&[]));
    assert!(all.iter().all(|frame| frame["variables"].is_array() && frame["variables_omitted"].is_null()));
    let count = |frame: &Value| frame["variables"].as_array().map_or(0, Vec::len);
    let (first, second) = (count(&all[0]), count(&all[1]));
    assert!(first > 1 && second > 0, "{first} {second}");
    // A frame is listed whole as long as there is room when its turn comes.
    for (limit, listed) in [(0, 0), (1, 1), (first, 1), (first + 1, 2), (1_000_000, all.len())] {
        let document = with(&["--limit", &limit.to_string()]);
        let limited = frames(&document);
        assert_eq!(limited[..listed], all[..listed], "{limit}");
        assert!(limited[listed..].iter().all(|frame| frame["variables"].is_null()), "{limit}");
        assert!(limited[listed..].iter().all(|frame| frame["variables_omitted"] == true), "{limit}");
        let left = all.len() - listed;
        let said = format!("the variables of {left} frames are left out: see --limit");
        assert_eq!(document["warnings"].as_array().unwrap().contains(&json!(said)), left > 0, "{limit}");
    }
    tool().args(["--locals", "--limit", "-1"]).arg(wasmtime_dump("sum-O0")).run().expect(64);
}

#[test]
fn memory_comes_as_sizes_ranges_or_bytes() {
    use std::fmt::Write;
    let memory = |detail: &str| document("wat-unreachable", &["--memory", detail])["memories"][0].clone();
    assert_eq!(memory("none")["captured"], Value::Null);
    assert_eq!(memory("ranges")["captured"], json!([{"address": "0x0", "size": 65536}]));
    // unreachable.wat stores 0x12345678 at address 16.
    let mut bytes = String::new();
    for range in memory("base64")["captured"].as_array().unwrap() {
        let _ =
            write!(bytes, "{}={} ", range["address"].as_str().unwrap(), range.get("data").unwrap_or(&range["zero"]));
    }
    assert!(bytes.contains("0x10=\"eFY0Eg==\""), "{bytes}");
}

#[test]
fn names_that_steer_a_terminal_are_escaped_in_the_text() {
    let output =
        tool().arg("-m").arg(fixture("modules/wat-evil-names.wasm")).arg(wasmtime_dump("wat-evil-names")).run();
    let text = output.expect(0).text().to_owned();
    assert!(!text.trim_end().chars().any(|letter| letter.is_control() || ('\u{202a}'..='\u{202e}').contains(&letter)));
    let document: Value = serde_json::from_str(&text).unwrap();
    assert!(document["threads"][0]["frames"][0]["raw_name"].as_str().unwrap().contains('\u{1b}'));
}

#[test]
fn standard_input_output_files_and_layouts_agree() {
    let bytes = std::fs::read(wasmtime_dump("sum-O0")).unwrap();
    let piped = tool().stdin(bytes.clone()).run().expect(0).json();
    let dashed = tool().arg("-").stdin(bytes).run().expect(0).json();
    assert_eq!(piped, dashed);
    assert_eq!(piped["dump"]["path"], Value::Null);
    let folder = scratch();
    let file = folder.path().join("out.json");
    tool().args(["--pretty", "--untrusted", "-o"]).arg(&file).arg(wasmtime_dump("sum-O0")).run().expect(0);
    let pretty = std::fs::read_to_string(&file).unwrap();
    assert!(pretty.lines().count() > 50);
    assert_eq!(serde_json::from_str::<Value>(&pretty).unwrap()["threads"], piped["threads"]);
}

#[test]
fn bad_inputs_end_in_one_clear_line_and_the_right_code() {
    let folder = scratch();
    let path = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let module = fixture("modules/sum-O0.wasm");
    let cases = [
        (folder.path().join("missing"), "cannot open"),
        (folder.path().to_owned(), "directory"),
        (path("empty", b""), "empty"),
        (path("text", b"hello"), "not a WebAssembly file"),
        (path("short", b"\0asm"), "(offset 0x4)"),
        (module, "not a core dump"),
    ];
    for (path, message) in cases {
        let outcome = tool().arg(&path).run().expect(2);
        let first = outcome.stderr.lines().next().unwrap_or_default();
        assert!(first.starts_with("coredump-json: ") && first.contains(message), "{}", outcome.stderr);
        assert!(outcome.stdout.is_empty());
    }
    let whole = std::fs::read(wasmtime_dump("sum-O0")).unwrap();
    let cut = path("cut", &whole[..whole.len() - 10]);
    let outcome = tool().arg(cut).run().expect(1);
    assert!(!valid(outcome.json())["dump"]["incomplete"]["offset"].is_null());
    tool().arg("--nope").run().expect(64);
    tool().args(["--ndjson", "--pretty"]).arg(wasmtime_dump("sum-O0")).run().expect(64);
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let mut command = tool().args(["--ndjson", "--memory", "base64"]).args(dumps()).into_command();
    let mut child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]));
}

#[test]
fn wasm_locals_have_the_names_of_the_name_section() {
    // (unreachable.wat): what `inner` has.
    let folder = scratch();
    let (dump, _) = capture(folder.path(), "wat-unreachable", &["--quiet"]);
    let document = Tool::new("coredump-json").arg(dump).run().json();
    let locals = document["threads"][0]["frames"][0]["locals"].as_array().unwrap().clone();
    let named: Vec<_> =
        locals.iter().map(|local| (local["name"].as_str().unwrap_or("?"), local["value"].clone())).collect();
    let wanted: [(&str, Value); 3] = [("x", 7.into()), ("y", "-1000000000000".into()), ("sum", "-999999999993".into())];
    assert_eq!(named, wanted);
}

#[test]
fn a_variable_that_an_inner_one_hides_is_listed_and_says_so() {
    // (vars.c): `scopes` printed both before it died.
    let dump = wasmtime_dump("vars-O0");
    let document = Tool::new("coredump-json")
        .arg("--locals")
        .arg(dump)
        .arg("-m")
        .arg(fixture("modules/vars-O0.wasm"))
        .run()
        .json();
    let frames = document["threads"][0]["frames"].as_array().unwrap().clone();
    let scopes = frames.iter().find(|frame| frame["function"] == "scopes").unwrap();
    let shadows = scopes["variables"].as_array().unwrap().iter().filter(|variable| variable["name"] == "shadow");
    let told: Vec<_> = shadows
        .map(|variable| (variable["value"].as_str().unwrap_or("?").to_owned(), variable["hidden"].clone()))
        .collect();
    let [(outer, hides), (inner, shown)] = told.as_slice() else { panic!("{told:?}") };
    assert!(inner.ends_with("\"inner\"") && shown.is_null(), "{told:?}");
    assert!(outer == "1" && *hides == true, "{told:?}");
}

#[test]
fn a_file_may_have_any_time() {
    let folder = scratch();
    let dump = folder.path().join("old.coredump");
    std::fs::copy(wasmtime_dump("wat-div"), &dump).unwrap();
    let file = std::fs::File::options().write(true).open(&dump).unwrap();
    file.set_modified(std::time::UNIX_EPOCH - std::time::Duration::from_secs(86400)).unwrap();
    let document = Tool::new("coredump-json").arg(&dump).run().expect(0).json();
    assert!(document["dump"]["modified"].is_null(), "{}", document["dump"]);
}

/// Wasmtime writes 0 as the place of a trap in a call that it inlined, of each frame of code that it compiled without
/// addresses, and of a function that was only entered. The last alone is a place, once the binary says where the
/// function begins.
#[test]
fn a_place_that_the_engine_does_not_know_is_null() {
    let places = |name: &str, options: &[&str]| {
        let outcome = tool().args(options).arg(wasmtime_dump(name)).run();
        let frame = outcome.expect(0).json()["threads"][0]["frames"][0].clone();
        (frame["code_offset"].clone(), frame["module_offset"].clone())
    };
    let binary = |name: &str| fixture(&format!("modules/{name}.wasm")).display().to_string();
    assert_eq!(places("wat-inlined", &["-m", &binary("wat-inlined")]), (Value::Null, Value::Null));
    assert_eq!(places("wat-unmapped", &["-m", &binary("wat-div")]), (Value::Null, Value::Null));
    assert_eq!(places("wat-overflow", &["--no-recorded-paths"]), (Value::Null, Value::Null));
    assert_eq!(places("wat-overflow", &["-m", &binary("wat-overflow")]), (json!("0x0"), json!("0x2b")));
}
