//! Stacks that two layouts use up to the last byte, as different frames: the module decides, in whatever company the
//! stack stands; without one that decides, the answer is said to be in doubt.

use std::path::Path;

use coredump_tests::dump_builder as build;
use coredump_tests::{Tool, scratch};
use serde_json::{Value, json};

/// Function and offset of each frame.
type Places = [(u32, &'static str); 2];

/// In the standard: function 1 at offset 1 with a local, function 2 at offset 2 with an operand.
/// In xtuc's 0.2: function 1 at offset 1, function 0 at offset 2, with locals that are missing.
const STANDARD_OR_XTUC_0_2: &[u8] = &[0, 0, 1, 1, 1, 0x7f, 1, 0, 0, 0, 2, 2, 0, 1, 1];
const AS_STANDARD: Places = [(1, "0x1"), (2, "0x2")];
const AS_XTUC_0_2: Places = [(1, "0x1"), (0, "0x2")];

/// The bodies of functions 0, 1 and 2. Function 1 traps at its first instruction and is called by one of the others,
/// where that has its call at offset 2: in the standard from the body's start, in xtuc's 0.2 from the first
/// instruction.
const PLAIN: &[u8] = &[0, 1, 1, 1, 1, 0x0b];
const TRAPS: &[u8] = &[0, 0, 0x0b];
const CALLS_FROM_BODY: &[u8] = &[0, 1, 0x10, 1, 0x0b];
const CALLS_FROM_FIRST: &[u8] = &[0, 1, 1, 0x10, 1, 0x0b];

/// The stack among the sections that the standard's producers write.
fn in_standard_company(stack: Vec<u8>) -> Vec<u8> {
    let instances = build::coreinstances(&[(0, &[], &[])]);
    build::module(&[build::core("app"), build::coremodules(&["app"]), instances, stack])
}

/// The stack among those that xtuc's rewriter writes.
fn in_rewriters_company(stack: Vec<u8>) -> Vec<u8> {
    build::module(&[stack, build::core(""), build::memory(1, None)])
}

fn read(folder: &Path, dump: &[u8], module: Option<&[u8]>) -> Value {
    let file = folder.join("dump");
    std::fs::write(&file, dump).unwrap();
    let mut tool = Tool::new("coredump-json");
    if let Some(module) = module {
        let path = folder.join("module");
        std::fs::write(&path, module).unwrap();
        tool = tool.arg("-m").arg(path);
    }
    tool.arg(file).run().expect(0).json()
}

#[track_caller]
fn check(document: &Value, layout: &str, places: Places, words: &str) {
    assert_eq!(document["dump"]["layout"], layout, "{document:#}");
    let frames = document["threads"][0]["frames"].as_array().unwrap();
    let seen: Vec<_> = frames.iter().map(|frame| json!([frame["function_index"], frame["code_offset"]])).collect();
    assert_eq!(seen, places.map(|(function, offset)| json!([function, offset])));
    let warnings = document["warnings"].to_string();
    assert!(warnings.contains(words), "{words:?} is not told: {warnings}");
}

#[test]
fn the_module_decides_in_any_company() {
    let stack = build::corestack(vec![2], STANDARD_OR_XTUC_0_2.to_vec());
    let fits_standard = build::wasm(&[PLAIN, TRAPS, CALLS_FROM_BODY], &[]);
    let fits_xtuc = build::wasm(&[CALLS_FROM_FIRST, TRAPS, PLAIN], &[]);
    let folder = scratch();
    for dump in [in_standard_company(stack.clone()), in_rewriters_company(stack.clone())] {
        let decided = "its frames agree with the module, read as";
        check(&read(folder.path(), &dump, Some(&fits_standard)), "standard", AS_STANDARD, decided);
        check(&read(folder.path(), &dump, Some(&fits_xtuc)), "xtuc-0.2", AS_XTUC_0_2, decided);
    }
}

#[test]
fn without_a_module_that_decides_the_layout_is_in_doubt() {
    let stack = build::corestack(vec![2], STANDARD_OR_XTUC_0_2.to_vec());
    let fits_both = build::wasm(&[CALLS_FROM_FIRST, TRAPS, CALLS_FROM_BODY], &[]);
    let folder = scratch();
    for (dump, layout, places, other) in [
        (in_standard_company(stack.clone()), "standard", AS_STANDARD, "xtuc-0.2"),
        (in_rewriters_company(stack.clone()), "xtuc-0.2", AS_XTUC_0_2, "standard"),
    ] {
        let doubt = format!("layout in doubt: read as {layout}, but as {other} the frames would differ");
        check(&read(folder.path(), &dump, None), layout, places, &doubt);
        check(&read(folder.path(), &dump, Some(&fits_both)), layout, places, &doubt);
        // On the terminal, too.
        let text = Tool::new("coredump-bt").arg("-").stdin(dump).run();
        assert!(text.stderr.contains(&doubt), "{}", text.stderr);
    }
}

/// Other pairs of layouts that meet on the same bytes: which of them is taken is told to be a guess.
#[test]
fn no_guess_goes_untold() {
    let stacks: [&[u8]; 5] = [
        // xtuc-0.2: (1, 1), (1, 1). wasmedge: (3, 1), (1, 1).
        &[0, 3, 1, 1, 0, 1, 0, 1, 1, 1, 1, 1, 1],
        // standard: (0, 0), (3, 1). wasmedge: (2, 0), (0, 127).
        &[0, 2, 0, 0, 0, 0, 0, 0x7f, 3, 1, 1, 1, 1, 1],
        // xtuc-0.2: (1, 0), (3, 2). xtuc-0.1: (0, 1), (0, 1).
        &[0, 0, 1, 0, 0, 0, 0, 1, 3, 2, 1, 1, 1],
        // standard: (0, 2), (3, 2). xtuc-0.1: (3, 0), (0, 3).
        &[0, 3, 0, 2, 0, 1, 1, 0, 0, 3, 2, 0, 1, 1],
        // standard: (0, 1), (0, 0). xtuc-0.1: (127, 0), (0, 0).
        &[0, 0x7f, 0, 1, 1, 0x7f, 2, 0, 0, 3, 0, 0, 0, 1, 0x7f, 1],
    ];
    for stack in stacks {
        let dump = build::module(&[build::core("app"), build::corestack(vec![2], stack.to_vec())]);
        let document = Tool::new("coredump-json").stdin(dump).run().expect(0).json();
        assert!(document["warnings"].to_string().contains("layout in doubt"), "{stack:?}: {document:#}");
    }
}

/// A stack that fits no layout is read in the one that gets furthest.
#[test]
fn a_damaged_stack_is_read_as_far_as_it_goes() {
    use build::Number::I32;
    let frames = [build::frame(7, 0x1a, &[I32(-7)]), build::frame(300, 0x13, &[I32(i32::MIN)])];
    let whole = build::standard_stack(&frames);
    // The number of frames stands after the section's size, its name, the version and the thread's name.
    let count = whole.windows(4).position(|bytes| bytes == b"main").unwrap() + 4;
    let mut damaged = whole.clone();
    damaged[count] = 9;
    let dump = build::module(&[build::core("app"), damaged]);
    let outcome = Tool::new("coredump-json").stdin(dump).run().expect(1);
    let document = outcome.json();
    assert_eq!(document["dump"]["layout"], "standard");
    assert_eq!(document["threads"][0]["frames"].as_array().unwrap().len(), 2);
    assert_eq!(document["threads"][0]["truncated"], true);
    assert!(outcome.stderr.contains("a frame is cut off (offset 0x"), "{}", outcome.stderr);
}
