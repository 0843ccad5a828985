//! `coredump-json --ndjson` over many dumps: lists, folders, workers, and dumps that cannot be read.

use coredump_tests::{Tool, binary, fixture, scratch, wasmtime_dump};
use serde_json::{Value, json};

fn tool() -> Tool {
    Tool::new("coredump-json").arg("--ndjson")
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a line is a document")).collect()
}

#[test]
fn a_bad_dump_is_one_line_and_the_rest_go_on() {
    let folder = scratch();
    let text = folder.path().join("text");
    std::fs::write(&text, "hello").unwrap();
    let outcome = tool().arg(wasmtime_dump("oob")).arg(&text).arg("/nonexistent").arg(wasmtime_dump("ab")).run();
    let outcome = outcome.expect(1);
    let lines = lines(outcome.text());
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[0]["version"], 1);
    let error =
        json!({"kind": "not-wasm", "message": "not a WebAssembly file", "offset": "0x0", "path": text, "hint": null});
    assert_eq!(lines[1]["error"], error);
    assert_eq!(lines[2]["error"]["kind"], "io");
    assert_eq!(lines[3]["version"], 1);
    assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
}

#[test]
fn lists_end_names_by_newline_or_nul() {
    let folder = scratch();
    let dumps = [wasmtime_dump("ab"), wasmtime_dump("oob")];
    let awkward = folder.path().join("two\nlines.coredump");
    std::fs::copy(&dumps[0], &awkward).unwrap();
    let newlines = format!("{}\n\n{}", dumps[0].display(), dumps[1].display());
    assert_eq!(lines(tool().args(["--files-from", "-"]).stdin(newlines.clone()).run().expect(0).text()).len(), 2);
    let nul = format!("{}\0{}\0", awkward.display(), dumps[1].display());
    let found = lines(tool().args(["--files-from=-"]).stdin(nul).run().expect(0).text());
    assert_eq!(found[0]["dump"]["path"], awkward.to_str().unwrap());
    let list = folder.path().join("list");
    std::fs::write(&list, newlines).unwrap();
    assert_eq!(lines(tool().arg("--files-from").arg(&list).run().expect(0).text()).len(), 2);
    let none = tool().args(["--files-from", "-"]).stdin("").run().expect(1);
    assert!(none.stderr.contains("no dump found"));
    let quiet = tool().args(["-q", "--files-from", "-"]).stdin("").run().expect(1);
    assert_eq!(quiet.stderr, "");
    tool().args(["--files-from", "-", "-"]).run().expect(64);
}

/// A list without an end of line is not gathered in memory, and costs none of the names after it.
#[test]
fn a_line_that_is_too_long_names_no_file() {
    let dump = wasmtime_dump("ab");
    for length in [4096, 4097, 64 << 20] {
        let long = "a".repeat(length);
        let list = format!("{}\n{long}\n{}\n", dump.display(), dump.display());
        let script = format!("ulimit -v 200000; exec {} --ndjson --files-from -", binary("coredump-json").display());
        let outcome = Tool::other("sh").args(["-c", &script]).stdin(list).run().expect(1);
        let lines = lines(outcome.text());
        assert_eq!(lines.len(), 3, "{length}");
        assert_eq!(lines[1]["error"]["kind"], "too-large", "{}", lines[1]);
        assert_eq!(lines[1]["error"]["message"], "a line of 4096 bytes or more names no file");
        assert_eq!(lines[2]["version"], 1);
    }
    let list = format!("{}\n{}", dump.display(), "a".repeat(4096));
    assert_eq!(lines(tool().args(["--files-from", "-"]).stdin(list).run().expect(1).text()).len(), 2);
}

#[test]
fn a_folder_stands_for_the_dumps_in_it() {
    let folder = scratch();
    let inner = folder.path().join("a/b");
    std::fs::create_dir_all(&inner).unwrap();
    std::fs::copy(wasmtime_dump("ab"), folder.path().join("ab.coredump")).unwrap();
    std::fs::copy(wasmtime_dump("oob"), inner.join("oob")).unwrap();
    std::fs::copy(fixture("modules/oob.wasm"), inner.join("oob.wasm")).unwrap();
    std::fs::write(folder.path().join("notes.txt"), "not a dump").unwrap();
    std::fs::write(folder.path().join("cut.coredump"), "").unwrap();
    let outcome = tool().arg(folder.path()).run().expect(1);
    let found = lines(outcome.text());
    let paths: Vec<&str> = found.iter().filter_map(|line| line["dump"]["path"].as_str()).collect();
    assert_eq!(paths.len(), 2, "{paths:?}");
    assert!(paths[0].ends_with("a/b/oob") && paths[1].ends_with("ab.coredump"));
    let errors: Vec<&Value> = found.iter().filter(|line| line.get("error").is_some()).collect();
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0]["error"]["kind"], "truncated");
    // The binary beside the dump was found.
    assert_eq!(found[0]["signature"], "checksum | main");
}

#[test]
fn workers_change_neither_order_nor_content() {
    let folder = scratch();
    for (index, name) in ["ab", "oob", "sum-O0", "trap", "recurse", "wat-div"].iter().cycle().take(120).enumerate() {
        std::fs::copy(wasmtime_dump(name), folder.path().join(format!("{index:03}.coredump"))).unwrap();
    }
    let run = |jobs: &str| {
        let options = ["-j", jobs, "--memory", "base64", "--symbols-path"];
        tool().args(options).arg(fixture("modules")).arg(folder.path()).run().expect(0).stdout
    };
    let one = run("1");
    assert_eq!(one.iter().filter(|&&byte| byte == b'\n').count(), 120);
    assert!(one == run("4"));
}
