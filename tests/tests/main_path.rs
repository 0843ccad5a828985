//! The main job, end to end: a real program runs, dies, is dumped, and its backtrace is read from the dump. The
//! expected backtrace is wasmtime's own of the same program, committed beside the fixture.

use coredump_tests::{Tool, capture, fixture, pipeline, scratch};

/// Module offsets of wasmtime's backtrace, youngest first: lines as `  12:    0xaa4 - trap.wasm!trap::baz::h7628`.
fn wasmtimes_offsets(module: &str) -> Vec<u64> {
    let text = std::fs::read_to_string(fixture(&format!("expected/{module}.backtrace"))).expect("it is text");
    let offsets = text.lines().filter_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (offset, _) = rest.trim_start().strip_prefix("0x")?.split_once(" - ")?;
        u64::from_str_radix(offset, 16).ok()
    });
    offsets.collect()
}

/// Module offsets of a JSON document's first thread.
fn json_offsets(document: &serde_json::Value) -> Vec<u64> {
    let frames = document["threads"][0]["frames"].as_array().expect("there are frames");
    let offset = |frame: &serde_json::Value| {
        let hex = frame["module_offset"].as_str()?.strip_prefix("0x")?;
        u64::from_str_radix(hex, 16).ok()
    };
    frames.iter().map(|frame| offset(frame).unwrap_or_else(|| panic!("{frame} has no module offset"))).collect()
}

#[test]
fn the_page_program_shows_every_frame_that_wasmtime_shows() {
    let folder = scratch();
    let (dump, outcome) = capture(folder.path(), "trap", &[]);
    let outcome = outcome.expect(134);
    assert!(outcome.stderr.contains("assertion failed: x != 42"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("core dumped: "), "{}", outcome.stderr);

    let document = Tool::new("coredump-json").arg(&dump).run().expect(0).json();
    assert_eq!(json_offsets(&document), wasmtimes_offsets("trap"));
    let frames = document["threads"][0]["frames"].as_array().expect("there are frames");
    let lines: Vec<_> = frames
        .iter()
        .filter(|frame| frame["file"].as_str().is_some_and(|file| file.ends_with("rust/trap.rs")))
        .map(|frame| (frame["function"].as_str().expect("a name"), frame["line"].as_u64().expect("a line")))
        .collect();
    assert_eq!(lines, [("trap::baz", 16), ("trap::bar", 12), ("trap::foo", 8), ("trap::main", 4)]);
}

#[test]
fn a_dump_goes_through_a_pipe_and_needs_no_other_file_if_it_embeds_its_module() {
    let guest = || fixture("modules/sum-O2.wasm");
    let run = Tool::new("coredump-run").args(["--embed-modules", "--quiet", "-o", "-"]).arg(guest());
    let outcomes = pipeline([run, Tool::new("coredump-bt").args(["--no-recorded-paths", "-q"])]);
    assert_eq!(outcomes[0].code(), 134, "{:?}", outcomes[0]);
    assert_eq!(outcomes[1].code(), 0, "{:?}", outcomes[1]);
    let text = outcomes[1].text();
    assert!(text.contains("divide (") && text.contains("[inlined]") && text.contains("src/c/sum.c:25:29"), "{text}");
}

#[test]
fn wasmtimes_dump_and_ours_show_the_same_frames() {
    let folder = scratch();
    for module in ["sum-O0", "sum-O2", "rust-inline-O2", "cpp-vars-O2", "component-sum"] {
        let (ours, _) = capture(folder.path(), module, &[]);
        let theirs = fixture(&format!("dumps/{module}.wasmtime.coredump"));
        let frames = |dump: &std::path::Path| {
            let json = Tool::new("coredump-json").arg("-m").arg(fixture(&format!("modules/{module}.wasm"))).arg(dump);
            let document = json.run().expect(0).json();
            let frames = document["threads"][0]["frames"].as_array().expect("there are frames").clone();
            let told = |frame: &serde_json::Value| {
                ["function", "file", "line", "column", "module_offset", "inlines"].map(|field| frame[field].clone())
            };
            frames.iter().map(told).collect::<Vec<_>>()
        };
        assert_eq!(frames(&ours), frames(&theirs), "{module}");
    }
}
