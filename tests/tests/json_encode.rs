//! `coredump-json --encode` and `--redact`: from a document back to a dump.

use std::path::Path;

use coredump_tests::{Tool, fixture, scratch, wasmtime_dump};
use serde_json::{Value, json};

fn tool() -> Tool {
    Tool::new("coredump-json")
}

fn whole(dump: &Path) -> Value {
    tool().args(["--untrusted", "--memory", "base64"]).arg(dump).run().expect(0).json()
}

/// Returns the contents of a dump, without the fields that only say how its file was read.
fn contents(mut document: Value) -> Value {
    let map = document.as_object_mut().expect("an object");
    for how in ["dump", "sections", "reason", "signature", "warnings"] {
        map.remove(how);
    }
    for module in map["modules"].as_array_mut().expect("a list") {
        module.as_object_mut().expect("an object").remove("refused");
    }
    document
}

#[test]
fn every_dump_comes_back_as_it_was() {
    let folder = scratch();
    let again = folder.path().join("again.coredump");
    for entry in fixture("dumps").read_dir().unwrap() {
        let dump = entry.unwrap().path();
        let document = whole(&dump);
        tool().args(["--encode", "-o"]).arg(&again).stdin(document.to_string()).run().expect(0);
        assert_eq!(contents(whole(&again)), contents(document), "{}", dump.display());
    }
}

#[test]
fn a_document_by_hand_makes_a_dump_and_memory_may_lie_in_a_file_beside_it() {
    let folder = scratch();
    std::fs::write(folder.path().join("memory.bin"), b"..hello").unwrap();
    let document = json!({
        "version": 1,
        "dump": {"executable": "by-hand"},
        "reason": {"kind": "unreachable", "source": "recorded"},
        "modules": [{"name": "m"}],
        "instances": [{"module": 0, "memories": [0], "globals": [0]}],
        "threads": [{"name": "main", "frames": [{
            "instance": 0, "function_index": 3, "code_offset": "0x7",
            "locals": [{"type": "i64", "value": "-5"}, {"type": "f32", "value": "NaN", "bits": "0x7fc0beef"},
                       {"type": null, "value": null}],
            "stack": []}]}],
        "memories": [{"size": 65536, "captured": [
            {"address": "0x10", "size": 5, "file": "memory.bin", "offset": 2},
            {"address": "0x20", "size": 3, "data": "AQID"}]}],
        "globals": [{"type": "i32", "mutable": true, "value": -1}],
    });
    let input = folder.path().join("document.json");
    std::fs::write(&input, document.to_string()).unwrap();
    let dump = folder.path().join("by-hand.coredump");
    tool().args(["--encode", "-o"]).arg(&dump).arg(&input).run().expect(0);
    let read = whole(&dump);
    assert_eq!(read["dump"]["executable"], "by-hand");
    assert_eq!(read["reason"]["kind"], "unreachable");
    assert_eq!(read["threads"][0]["frames"][0]["locals"], document["threads"][0]["frames"][0]["locals"]);
    assert_eq!(read["globals"][0]["value"], -1);
    let captured =
        json!([{"address": "0x10", "size": 5, "data": "aGVsbG8="}, {"address": "0x20", "size": 3, "data": "AQID"}]);
    assert_eq!(read["memories"][0]["captured"], captured);
}

#[test]
fn what_is_no_document_is_refused_with_the_reason() {
    let cases = [
        ("hello", "not a document"),
        ("{}", "\"version\": 1"),
        (r#"{"version": 1, "globals": [{"type": "i32", "value": "x"}]}"#, "global 0: \"x\" is no i32"),
        (
            r#"{"version": 1, "memories": [{"size": 4, "captured": [{"address": "0x2", "size": 3, "zero": true}]}]}"#,
            "leaves the memory",
        ),
        (
            r#"{"version": 1, "memories": [{"size": 4, "captured": [{"address": "0x0", "size": 3, "data": "AQ=="}]}]}"#,
            "1 bytes long",
        ),
        // It would never end.
        (
            r#"{"version": 1, "memories": [{"size": 4, "captured": [{"address": "0x0", "size": 3, "file": "/dev/zero"}]}]}"#,
            "/dev/zero: not a regular file",
        ),
    ];
    for (document, message) in cases {
        let outcome = tool().arg("--encode").stdin(document).run().expect(2);
        assert!(outcome.stderr.contains(message), "{document}: {}", outcome.stderr);
    }
}

#[test]
fn a_document_that_is_not_trusted_names_no_file_outside_its_folder() {
    let folder = scratch();
    let inner = folder.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    std::fs::write(folder.path().join("secret"), "abc").unwrap();
    std::fs::write(inner.join("memory.bin"), "abc").unwrap();
    let document = inner.join("app.json");
    let encode = |file: &Path, options: &[&str]| {
        let range = json!({"address": "0x0", "size": 3, "file": file});
        let memories = json!([{"size": 65536, "captured": [range]}]);
        std::fs::write(&document, json!({"version": 1, "memories": memories}).to_string()).unwrap();
        tool().args(options).arg("--encode").arg(&document).run()
    };
    for outside in [Path::new("../secret"), &folder.path().join("secret")] {
        encode(outside, &[]).expect(0);
        for option in ["--untrusted", "--no-recorded-paths"] {
            let refused = encode(outside, &[option]).expect(2);
            assert!(refused.stderr.contains("is not in the document's folder"), "{}", refused.stderr);
            encode(Path::new("memory.bin"), &[option]).expect(0);
        }
    }
}

/// The encoder writes the standard layout; the meaning of code offsets stays as the producer had it.
#[test]
fn code_offsets_keep_their_meaning() {
    let module = fixture("modules/wat-unreachable.wasm");
    let trace = |dump: Vec<u8>| {
        let outcome = Tool::new("coredump-bt").arg("-m").arg(&module).stdin(dump).run().expect(0);
        let frames = outcome.text().lines().filter(|line| line.starts_with('#')).map(str::to_owned);
        frames.collect::<Vec<_>>()
    };
    for layout in ["xtuc-0.2", "xtuc-0.1.24", "xtuc-0.1.14"] {
        let dump = fixture(&format!("dumps/wat-unreachable.{layout}.coredump"));
        let document = tool().args(["--memory", "base64"]).arg(&dump).run().expect(0).stdout;
        let again = tool().arg("--encode").stdin(document).run().expect(0).stdout;
        assert_eq!(trace(again.clone()), trace(std::fs::read(&dump).unwrap()), "{layout}");
        let document = tool().stdin(again).run().expect(0).json();
        assert_eq!(document["dump"]["layout"], "standard");
        assert_eq!(document["dump"]["offsets"], &layout[..8]);
    }
}

#[test]
fn a_redacted_document_keeps_frames_and_types_and_tells_no_values() {
    let binary = fixture("modules/vars-O0.wasm");
    let run = |options: &[&str]| {
        let outcome = tool().args(options).args(["--locals", "-m"]).arg(&binary).arg(wasmtime_dump("vars-O0")).run();
        outcome.expect(0).json()
    };
    let (open, redacted) = (run(&[]), run(&["--redact", "--memory", "base64"]));
    let frame = |document: &Value| document["threads"][0]["frames"][0].clone();
    assert_eq!(frame(&redacted)["function"], frame(&open)["function"]);
    assert_eq!(frame(&redacted)["line"], frame(&open)["line"]);
    assert_eq!(redacted["signature"], open["signature"]);
    assert_eq!(redacted["memories"][0]["redacted"], true);
    assert_eq!(redacted["memories"][0]["captured"], Value::Null);
    assert_eq!(redacted["globals"][0]["value"], Value::Null);
    let variables = |document: &Value| frame(document)["variables"].as_array().expect("a list").clone();
    assert!(variables(&open).iter().any(|variable| !variable["value"].is_null()));
    assert!(variables(&redacted).iter().all(|variable| variable["value"].is_null() && variable["type"].is_string()));
    let dump = tool().arg("--encode").stdin(redacted.to_string()).run().expect(0).stdout;
    let again = tool().arg("-m").arg(&binary).stdin(dump).run().expect(0).json();
    assert_eq!(again["signature"], open["signature"]);
    assert_eq!(again["memories"][0]["captured_bytes"], 0);
}
