//! All the state there is: memories of every kind, globals, tables, values the standard cannot hold.

use super::{Run, frames, memory};
use coredump_tests::{Tool, fixture};

#[test]
fn every_memory_is_there_to_the_last_byte() {
    let run = Run::fixture(&[], "wat-multi-memory").expect(134);
    let dump = run.json();
    let sizes: Vec<_> =
        dump["memories"].as_array().unwrap().iter().map(|memory| memory["size"].as_u64().unwrap()).collect();
    assert_eq!(sizes, [65536, 2 * 65536, 2 * 65536]);
    let captured = dump["memories"].as_array().unwrap();
    assert!(captured.iter().all(|memory| memory["captured_bytes"] == memory["size"]), "{captured:?}");
}

#[test]
fn odd_memories_are_no_exception() {
    let small = Run::fixture(&[], "wat-page-size").expect(134).json();
    assert_eq!(
        (small["memories"][0]["size"].as_u64(), small["memories"][0]["page_size"].as_u64()),
        (Some(100), Some(1))
    );

    let wide = Run::fixture(&[], "wat-memory64").expect(134).json();
    assert_eq!(wide["memories"][0]["memory64"], true);

    let shared = Run::fixture(&[], "wat-shared-memory").expect(134).json();
    assert_eq!(shared["memories"][0]["shared"], true);
    assert_eq!(shared["memories"][0]["captured_bytes"], shared["memories"][0]["size"]);
}

#[test]
fn pages_the_guest_never_wrote_keep_their_initial_contents() {
    let text = "(module (memory (export \"memory\") 40)
        (data (i32.const 2000000) \"far away\")
        (func (export \"_start\") (i32.store8 (i32.const 5) (i32.const 9)) unreachable))";
    let run = Run::wat(&[], text).expect(134);
    assert_eq!(memory(&run.dump, 0, 2_000_000, 8), b"far away");
    assert_eq!(memory(&run.dump, 0, 0, 8), [0, 0, 0, 0, 0, 9, 0, 0]);
}

#[test]
fn values_beyond_the_standard_survive_in_full() {
    let dump = Run::fixture(&[], "wat-values").expect(134).json();
    let locals = &frames(&dump)[0]["locals"];
    assert_eq!(locals[0]["value"], -1);
    assert_eq!(locals[1]["value"], "9223372036854775807");
    // Lanes 0xdeadbeef, 0, 1 and 0xffffffff, the first one lowest.
    assert_eq!(locals[4]["value"], "0xffffffff0000000100000000deadbeef");
    assert_eq!(locals[5]["value"]["function_index"], 0);
    assert_eq!(locals[6]["value"]["kind"], "null");
    assert_eq!(locals[7]["bits"], "0x7fc12345");
    assert_eq!(dump["globals"][4]["value"], "0x88776655443322110123456789abcdef");
    assert_eq!(dump["globals"][0]["value"], -2);
    assert_eq!(dump["globals"][1]["value"], "-9223372036854775808");
}

#[test]
fn tables_name_their_functions() {
    let run = Run::fixture(&[], "wat-tables").expect(134);
    let dump = run.json();
    let table = &dump["tables"][0];
    assert_eq!((table["type"].as_str(), table["size"].as_u64()), (Some("funcref"), Some(5)));
    let functions: Vec<_> =
        table["elements"].as_array().unwrap().iter().map(|element| element["function_index"].as_u64()).collect();
    assert_eq!(functions, [None, Some(0), Some(1), None, Some(0)], "element 3 was called and is null");
}

#[test]
fn contents_can_be_left_out_and_the_dump_says_so() {
    let none = Run::fixture(&["--memory", "none"], "vars-O0").expect(134).json();
    assert_eq!(none["memories"][0]["captured_bytes"], 0);
    assert!(none["warnings"].to_string().contains("--memory none"), "{}", none["warnings"]);

    let all = Run::fixture(&[], "vars-O0").expect(134).json();
    let stack = Run::fixture(&["--memory", "stack"], "vars-O0").expect(134);
    let some = stack.json()["memories"][0]["captured_bytes"].as_u64().unwrap();
    assert!(some > 0 && some < all["memories"][0]["captured_bytes"].as_u64().unwrap() / 2, "{some}");
    // Variables that live in the shadow stack are still there.
    let backtrace = Tool::new("coredump-bt").arg("--locals").arg(&stack.dump).run();
    let full = Run::fixture(&[], "vars-O0").expect(134);
    let expected = Tool::new("coredump-bt").arg("--locals").arg(&full.dump).run();
    // The text before the frames has the times of the run.
    let first_frame = |text: &str| text.split('#').nth(1).expect("a frame").to_owned();
    assert_eq!(first_frame(backtrace.text()), first_frame(expected.text()));
}

#[test]
fn embedded_modules_explain_a_dump_without_any_other_file() {
    let run = Run::fixture(&["--embed-modules"], "sum-O0").expect(134);
    let dump = std::fs::read(&run.dump).unwrap();
    let outcome = Tool::new("coredump-bt").arg("--untrusted").stdin(dump).run();
    assert!(outcome.text().contains("divide") && outcome.text().contains("sum.c:25"), "{outcome:?}");
}

#[test]
fn the_dump_tells_what_ran_and_where() {
    let program = fixture("modules/sum-O0.wasm");
    let run = Run::new(&["--argv0", "summer"], &program, &["--verbose", "x=y"]).expect(134);
    let dump = run.json();
    assert_eq!(dump["process"]["args"], serde_json::json!(["summer", "--verbose", "x=y"]));
    assert_eq!(dump["process"]["executable"], program.to_str().unwrap());
    assert_eq!(dump["process"]["runtime"], "wasmtime 48.0.8");
    assert!(dump["dump"]["producer"].as_str().unwrap().starts_with("coredump-run "));
    assert_eq!(dump["modules"][0]["path"], program.to_str().unwrap());
    let sum = Tool::other("sha256sum").arg(&program).run();
    assert_eq!(dump["modules"][0]["sha256"].as_str(), sum.text().split(' ').next());
}
