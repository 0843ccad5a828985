//! Dumps of every producer FORMAT knows: by the producers themselves where they can be had, else byte by byte as they
//! write them. Expected values come from the guests' sources.

use std::path::Path;

use coredump_tests::dump_builder::{self as build, FrameBytes, Number, frame};
use coredump_tests::{Tool, fixture, wasmtime_dump};
use serde_json::{Value, json};

fn read(dump: impl Into<Vec<u8>>) -> Value {
    Tool::new("coredump-json").stdin(dump).run().expect(0).json()
}

fn read_file(path: &Path) -> Value {
    Tool::new("coredump-json").arg(path).run().expect(0).json()
}

/// `[function_index, code_offset]` of every frame of the first thread.
fn places(document: &Value) -> Vec<Value> {
    let frames = document["threads"][0]["frames"].as_array().expect("there are frames");
    frames.iter().map(|frame| json!([frame["function_index"], frame["code_offset"]])).collect()
}

/// The locals of a frame as `[type, value]`.
fn locals(document: &Value, frame: usize) -> Value {
    let locals = &document["threads"][0]["frames"][frame]["locals"];
    match locals.as_array() {
        Some(locals) => locals.iter().map(|local| json!([local["type"], local["value"]])).collect(),
        None => locals.clone(),
    }
}

#[track_caller]
fn warned(document: &Value, words: &str) {
    let warnings = document["warnings"].as_array().expect("there are warnings");
    let found = warnings.iter().any(|warning| warning.as_str().is_some_and(|text| text.contains(words)));
    assert!(found, "no warning says {words:?}: {warnings:?}");
}

/// 2 pages with a string in each.
fn contents() -> Vec<u8> {
    let mut memory = vec![0; 2 * 65536];
    memory[0x4000..0x4005].copy_from_slice(b"hello");
    memory[0x1fff0..0x1fff5].copy_from_slice(b"there");
    memory
}

/// A frame with a value of each type, a caller, and an entry without locals.
fn frames() -> Vec<FrameBytes> {
    use Number::*;
    vec![
        frame(7, 0x1a, &[I32(-7), I64(-1_000_000_000_000), F32(0.5), F64(2.25)]),
        frame(300, 0x13, &[I32(i32::MIN), I64(i64::MAX)]),
        frame(2, 0x9, &[]),
    ]
}

/// Checks the facts of [`frames`] and [`contents`] that all of xtuc's layouts record.
fn check_rewriter(document: &Value, layout: &str) {
    assert_eq!(document["dump"]["layout"], layout);
    assert_eq!(places(document), [json!([7, "0x1a"]), json!([300, "0x13"]), json!([2, "0x9"])]);
    let values = json!([["i32", -7], ["i64", "-1000000000000"], ["f32", 0.5], ["f64", 2.25]]);
    assert_eq!(locals(document, 0), values);
    assert_eq!(locals(document, 1), json!([["i32", i32::MIN], ["i64", i64::MAX.to_string()]]));
    assert_eq!(locals(document, 2), Value::Null, "no locals are not known to be none");
    assert_eq!(document["memories"][0]["size"], 2 * 65536);
    warned(document, "declared empty");
}

#[test]
fn xtuc_0_2_byte_by_byte() {
    check_rewriter(&read(build::xtuc_0_2(&frames(), &contents())), "xtuc-0.2");
}

#[test]
fn xtuc_0_1_14_byte_by_byte() {
    check_rewriter(&read(build::xtuc_0_1_14(&frames(), &contents())), "xtuc-0.1");
}

#[test]
fn xtuc_of_may_2023_byte_by_byte() {
    check_rewriter(&read(build::xtuc_2023_05(&frames(), &contents())), "xtuc-0.1");
}

#[test]
fn xtuc_0_1_11_byte_by_byte() {
    check_rewriter(&read(build::xtuc_0_1_11(&frames(), &contents())), "xtuc-0.1");
}

#[test]
fn xtuc_0_2_names_the_instance() {
    let frames = [FrameBytes { instance: 3, ..frame(7, 1, &[Number::I32(1)]) }];
    let document = read(build::xtuc_0_2(&frames, &contents()));
    assert_eq!(document["threads"][0]["frames"][0]["instance"], 3);
}

#[test]
fn the_memory_of_a_rewritten_guest_is_there_but_for_what_the_dump_covers() {
    let dump = build::xtuc_0_2(&frames(), &contents());
    let range = |range: &str| Tool::new("coredump-dump").stdin(dump.clone()).args(["--raw", "--range", range]).run();
    assert_eq!(range("0x4000+5").expect(0).stdout, b"hello");
    assert_eq!(range("0x1fff0+16").expect(0).stdout, b"there\0\0\0\0\0\0\0\0\0\0\0");
    let covered = range("0+16");
    assert_ne!(covered.code(), 0, "the guest's own first bytes are lost: {covered:?}");
}

#[test]
fn placeholders_of_the_rewriter_are_not_values() {
    let frames = [
        frame(0, 0x1a, &[Number::I32(669), Number::I32(670)]),
        frame(1, 0x13, &[Number::I32(669), Number::I32(670), Number::I32(671), Number::I32(5), Number::I32(672)]),
    ];
    let document = read(build::xtuc_0_2(&frames, &contents()));
    assert_eq!(locals(&document, 0), json!([["i32", 669], ["i32", 670]]), "the youngest frame's are real in 0.2");
    let caller = locals(&document, 1);
    assert_eq!(caller[2][1], Value::Null);
    assert_eq!((&caller[3], &caller[4]), (&json!(["i32", 5]), &json!(["i32", 672])));
    warned(&document, "5 parameters are placeholders".replace('5', "3").as_str());
    let document = read(build::xtuc_0_1_14(&frames, &contents()));
    assert_eq!(locals(&document, 0)[1][1], Value::Null);
    warned(&document, "5 parameters are placeholders");
}

#[test]
fn offsets_that_were_never_written_are_unknown() {
    let frames = [frame(5, 0, &[Number::I32(1)]), frame(6, 0, &[])];
    let document = read(build::xtuc_0_1_14(&frames, &contents()));
    assert_eq!(places(&document), [json!([5, null]), json!([6, null])]);
    warned(&document, "no code offsets");
}

#[test]
fn wasmer_byte_by_byte() {
    let frames = [frame(12, 0xffff_ffff, &[]), frame(3, 0x80, &[]), frame(40, 0x2, &[])];
    let document = read(build::wasmer("app.wasm", &frames));
    assert_eq!(document["dump"]["layout"], "wasmer");
    assert_eq!(document["process"]["executable"], "app.wasm");
    assert_eq!(places(&document), [json!([12, null]), json!([3, "0x80"]), json!([40, "0x2"])]);
    assert_eq!(document["memories"], json!([]), "a memory of 0 pages that was never captured is no memory");
    warned(&document, "captures no memory");
}

#[test]
fn old_wasmedge_byte_by_byte() {
    for for_wasmgdb in [false, true] {
        let mut frames = [frame(12, 0x4c, &[Number::I32(-1), Number::F32(0.5)]), frame(3, 0x80, &[]), frame(0, 0, &[])];
        frames[1].stack = vec![Number::I32(77)];
        let document = read(build::wasmedge_old(&frames, 2, "app", for_wasmgdb));
        assert_eq!(document["dump"]["layout"], "wasmedge", "{document:#}");
        assert_eq!(document["modules"][0]["name"], "app");
        assert_eq!(places(&document), [json!([12, "0x4c"]), json!([3, "0x80"]), json!([null, "0x0"])]);
        assert_eq!(locals(&document, 0), json!([["i32", -1], ["i32", 0x3f00_0000]]));
        let stack = &document["threads"][0]["frames"][1]["stack"];
        assert_eq!(stack[0]["value"], if for_wasmgdb { Value::Null } else { json!(77) });
        assert_eq!(document["globals"][0]["value"], Value::Null, "its initialiser is empty");
        assert_eq!(document["memories"][0]["size"], 2 * 65536);
        assert_eq!(document["memories"][0]["captured_bytes"], 0);
        warned(&document, "declares 5 frames and has 3");
        warned(&document, "low 32 bits");
    }
}

/// The list of modules without lengths tells this producer, whether there is a list of instances or not.
#[test]
fn old_wasmedge_without_instances_is_no_rewriters() {
    let frames = [frame(12, 0x4c, &[Number::I32(-1)]), frame(3, 0x80, &[])];
    let names = [b"\x01\0app.wasm".to_vec(), [b"\x01\0".to_vec(), build::name("app.wasm")].concat()];
    for names in names {
        let whole = build::wasmedge_old(&frames, 0, "app", true);
        let stack = &whole[8 + 2 + 5 + 2..];
        let stack = &stack[..2 + usize::from(stack[1])];
        let sections = [build::core("app"), build::custom("coremodules", &names), stack.to_vec()];
        let document = read(build::module(&sections));
        assert_eq!(document["dump"]["layout"], "wasmedge", "{document:#}");
        assert_eq!(document["modules"][0]["name"], "app.wasm");
        assert_eq!(places(&document), [json!([12, "0x4c"]), json!([3, "0x80"])]);
    }
}

#[test]
fn new_wasmedge_follows_the_standard() {
    let frames = [FrameBytes { stack: vec![Number::Missing], ..frame(1, 4, &[Number::I64(1 << 40)]) }];
    let dump = build::module(&[
        build::memory(1, None),
        build::data(&[(0x1000, b"page one"), (0x3ffe, b"xy")]),
        build::core("app"),
        build::coremodules(&["app"]),
        build::coreinstances(&[(0, &[0], &[])]),
        build::standard_stack(&frames),
    ]);
    let document = read(dump);
    assert_eq!(document["dump"]["layout"], "standard");
    assert_eq!(document["dump"]["producer"], "wasmedge (inferred)");
    assert_eq!(locals(&document, 0), json!([["i64", (1u64 << 40).to_string()]]));
    let captured = &document["memories"][0]["captured"];
    assert_eq!(captured[0]["size"], 65536, "what it trims are zeros: {captured}");
}

#[test]
fn a_frame_without_values_reads_the_same_in_the_standard_and_in_xtuc_0_2() {
    let frames = [frame(1, 4, &[]), frame(2, 5, &[])];
    let plain = build::module(&[build::core("app"), build::standard_stack(&frames)]);
    assert_eq!(read(plain)["dump"]["layout"], "standard");
    assert_eq!(read(build::xtuc_0_2(&frames, &contents()))["dump"]["layout"], "xtuc-0.2");
}

/// `unreachable.wat`: `$inner` (7, -1000000000000) with `$sum` below `$outer` (2.25) with `$half` below `$start`.
#[test]
fn dumps_by_the_rewriters_themselves() {
    for (version, layout) in
        [("0.2", "xtuc-0.2"), ("0.1.24", "xtuc-0.1"), ("0.1.14", "xtuc-0.1"), ("0.1.11", "xtuc-0.1")]
    {
        let document = read_file(&fixture(&format!("dumps/wat-unreachable.xtuc-{version}.coredump")));
        assert_eq!(document["dump"]["layout"], layout);
        let functions: Vec<_> = places(&document).iter().map(|place| place[0].clone()).collect();
        assert_eq!(functions, [0, 1, 2], "{version}");
        let inner = locals(&document, 0);
        let sum = &inner[2];
        match version {
            "0.2" | "0.1.24" => {
                assert_eq!(inner, json!([["i32", 7], ["i64", "-1000000000000"], ["i64", "-999999999993"]]));
            }
            _ => {
                assert_eq!((&inner[0][1], &inner[1][1]), (&Value::Null, &Value::Null), "{version}");
                assert_eq!(sum, &json!(["i64", "-999999999993"]));
                assert_eq!(document["threads"][0]["frames"][0]["code_offset"], Value::Null);
            }
        }
        let outer = locals(&document, 1);
        assert_eq!((&outer[0][1], &outer[1]), (&Value::Null, &json!(["f32", 0.5])), "{version}");
        // $inner stored 0x12345678 at 16, but the dump lies over it; the memory ends at its page.
        assert_eq!(document["memories"][0]["size"], 65536);
    }
}

#[test]
fn wasmtime_is_standard_and_its_limit_of_frames_is_told() {
    let document = read_file(&wasmtime_dump("recurse-20"));
    assert_eq!(document["dump"]["layout"], "standard");
    assert_eq!(document["threads"][0]["truncated"], true);
    warned(&document, "exactly 20 frames");
    let document = read_file(&wasmtime_dump("recurse"));
    assert_eq!(document["threads"][0]["truncated"], false);
}

/// The memory of 100 bytes is declared as 100 pages of 64 KiB, and nothing of it is written.
#[test]
fn wasmtimes_page_sizes_are_taken_from_the_module() {
    let dump = wasmtime_dump("wat-page-size");
    assert_eq!(read_file(&dump)["memories"][0]["size"], 100 * 65536, "the dump alone can't tell");
    let document = with_module(&dump, "wat-page-size");
    assert_eq!(document["memories"][0]["size"], 100);
    assert_eq!(document["memories"][0]["page_size"], 1);
    assert_eq!(document["memories"][0]["captured_bytes"], 0, "the last part of 4 KiB is lost");
    warned(&document, "pages of 1 bytes");
    let listing = Tool::new("coredump-dump").arg("-m").arg(fixture("modules/wat-page-size.wasm")).arg(&dump);
    let listing = listing.run().expect(0);
    let memory = listing.text().lines().find(|line| line.starts_with("memory\t0\t")).expect("the memory is listed");
    assert_eq!(memory.split('\t').nth(2), Some("100"), "{memory}");
}

/// With the module, the low 32 bits of a value are right for an i32 and an f32, and unknown for the rest.
#[test]
fn old_wasmedges_values_get_the_types_of_the_module() {
    use Number::*;
    // i32, i64, i64 at `unreachable`; f64, f32 at the call of it; what the host called: by this producer, function 0.
    let inner = [2, 1, 0x7f, 2, 0x7e, 0x00, 0x0b];
    let outer = [2, 1, 0x7c, 1, 0x7d, 0x10, 1, 0x0b];
    let frames = [frame(1, 0, &[I32(7), I64(-5), I64(9)]), frame(2, 0, &[F64(2.25), F32(0.5)]), frame(0, 99, &[])];
    let folder = coredump_tests::scratch();
    let (dump, module) = (folder.path().join("dump"), folder.path().join("app.wasm"));
    let names = [(1, "inner"), (2, "outer")];
    std::fs::write(&module, build::wasm(&[&[0, 0x0b], &inner, &outer], &names)).unwrap();
    std::fs::write(&dump, build::wasmedge_old(&frames, 0, "app.wasm", false)).unwrap();
    let document = Tool::new("coredump-json").arg(&dump).run().expect(0).json();
    let functions: Vec<_> = (0..3).map(|index| &document["threads"][0]["frames"][index]["function"]).collect();
    assert_eq!(functions, [&json!("inner"), &json!("outer"), &Value::Null], "{}", document["modules"]);
    let unknown = json!([null, null]);
    assert_eq!(locals(&document, 0), json!([["i32", 7], unknown, unknown]));
    assert_eq!(locals(&document, 1), json!([unknown, ["f32", 0.5]]));
}

/// Memory 0 is shared and left out; memory 1 is the only one in the dump.
#[test]
fn shared_memories_that_wasmtime_leaves_out_do_not_shift_the_others() {
    let document = with_module(&wasmtime_dump("wat-shared-memory"), "wat-shared-memory");
    assert_eq!(document["instances"][0]["memories"], json!([null, 0]));
    warned(&document, "shared memories are not in the dump");
}

/// The rewriter's offsets count from the first instruction in 0.2, from the code section's size in 0.1.24.
#[test]
fn offsets_of_the_rewriter_lead_to_the_instruction() {
    let expected = std::fs::read_to_string(fixture("expected/wat-unreachable.backtrace")).unwrap();
    for version in ["0.2", "0.1.24"] {
        let dump = fixture(&format!("dumps/wat-unreachable.xtuc-{version}.coredump"));
        let document = with_module(&dump, "wat-unreachable");
        let frames = document["threads"][0]["frames"].as_array().unwrap();
        assert_eq!(frames.len(), 3);
        for (frame, line) in frames.iter().zip(expected.lines()) {
            // `    0:     0x62 - unreachable!inner`
            let offset = line.split_whitespace().nth(1).unwrap();
            assert_eq!(frame["module_offset"], offset, "{version}: {line}");
        }
    }
}

fn with_module(dump: &Path, module: &str) -> Value {
    let module = fixture(&format!("modules/{module}.wasm"));
    Tool::new("coredump-json").arg("-m").arg(module).arg(dump).run().expect(0).json()
}
