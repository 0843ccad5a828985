//! `coredump-json`, `coredump-bt` and `coredump-dump` say the same of a dump, whoever wrote it.

use std::path::Path;

use coredump_tests::{Tool, capture, fixture, scratch, wasmtime_dump};
use serde_json::Value;

fn agree(dump: &Path, module: &str) {
    let binary = fixture(&format!("modules/{module}.wasm"));
    let document = Tool::new("coredump-json").arg("-m").arg(&binary).arg(dump).run().expect(0).json();
    let backtrace = Tool::new("coredump-bt").arg("-m").arg(&binary).arg(dump).run().expect(0);
    // Behind the header, which tells the reason and the signature.
    let mut rest = backtrace.text().split_once("#0").expect("a frame").1;
    for frame in document["threads"][0]["frames"].as_array().expect("a list") {
        let inlined = frame["inlines"].as_array().expect("a list").iter();
        for place in inlined.chain([frame]) {
            let function = place["function"].as_str().expect("a name");
            let at = rest.find(function).unwrap_or_else(|| panic!("{function} is not in, or not there:\n{rest}"));
            rest = &rest[at + function.len()..];
            let end = rest.find('\n').unwrap_or(rest.len());
            if let Some(line) = place["line"].as_u64() {
                assert!(rest[..end].contains(&format!(":{line}")), "{function}: line {line}: {}", &rest[..end]);
            }
            rest = &rest[end..];
        }
    }
    let raw = Tool::new("coredump-dump").args(["--range", "0x400+16", "--raw"]).arg(dump).run().expect(0).stdout;
    let contents = Tool::new("coredump-json").args(["--memory", "base64"]).arg(dump).run().expect(0).json();
    let ranges = contents["memories"][0]["captured"].as_array().expect("a list").clone();
    let hex = |value: &Value| u64::from_str_radix(&value.as_str().expect("hex")[2..], 16).expect("hex");
    let held = ranges.iter().find(|range| {
        let start = hex(&range["address"]);
        (start..start + range["size"].as_u64().expect("a size")).contains(&0x400)
    });
    let held = held.expect("address 0x400 is captured");
    // The first byte of the range at hand, in base64 as in raw bytes.
    if hex(&held["address"]) == 0x400 && held["data"].is_string() {
        const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let first = held["data"].as_str().and_then(|data| data.chars().next()).and_then(|digit| DIGITS.find(digit));
        assert_eq!(first, Some(usize::from(raw[0] >> 2)));
    }
}

#[test]
fn on_a_dump_that_wasmtime_wrote() {
    agree(&wasmtime_dump("sum-O2"), "sum-O2");
    agree(&wasmtime_dump("sum-O0"), "sum-O0");
}

#[test]
fn on_a_dump_of_ours() {
    let folder = scratch();
    let (dump, outcome) = capture(folder.path(), "sum-O2", &["--quiet"]);
    outcome.expect(134);
    agree(&dump, "sum-O2");
    let document = Tool::new("coredump-json").arg(&dump).run().expect(0).json();
    assert_eq!(document["reason"]["source"], "recorded");
    assert_eq!(document["reason"]["kind"], "integer-divide-by-zero");
    assert!(document["modules"][0]["sha256"].is_string());
}
