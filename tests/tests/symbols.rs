//! Debug information is believed only of code that it fits: after optimisers and engines moved the code, of libraries
//! and threads that count addresses from a base, and beside URLs.

use std::path::Path;

use coredump_tests::dump_builder::{core, coreinstances, coremodules, custom, frame, module, name, standard_stack};
use coredump_tests::{Outcome, Tool, capture, fixture, scratch};

fn bt(dump: &Path) -> Outcome {
    Tool::new("coredump-bt").arg("-q").arg(dump).run().expect(0)
}

/// The lines of a backtrace that are frames, without their offsets.
fn frames(outcome: &Outcome) -> Vec<String> {
    let frames = outcome.text().lines().filter(|line| line.starts_with('#'));
    frames.map(|line| line.split_once(" 0x").unwrap().1.split_once(' ').unwrap().1.to_owned()).collect()
}

/// Binaryen 108 says that the addresses in the line table of a 64-bit program have four bytes, and writes eight; the rows
/// are those that `llvm-dwarfdump` shows.
#[test]
fn addresses_in_line_tables_may_be_longer_than_they_say() {
    let folder = scratch();
    let dump = folder.path().join("dump");
    let run = Tool::new("coredump-run").args(["-q", "--invoke", "run", "-o"]).arg(&dump);
    run.arg(fixture("modules/far-binaryen.wasm")).run().expect(134);
    let shown = frames(&bt(&dump));
    assert!(shown[0].ends_with(" at src/c/far.c:3:16") && shown[1].ends_with(" at src/c/far.c:8:12"), "{shown:?}");
}

/// In `--fast`, Cranelift blames the branch for the `unreachable` that it leads to.
#[test]
fn a_trap_at_a_branch_to_unreachable_is_at_the_unreachable() {
    let folder = scratch();
    for module in ["branch-O0", "branch-O2"] {
        let (dump, _) = capture(folder.path(), module, &["--fast"]);
        let shown = bt(&dump);
        let youngest = &frames(&shown)[0];
        assert!(youngest.starts_with("checked (") && youngest.ends_with(" at src/c/branch.c:6:9"), "{youngest}");
    }
}

/// The same in all shapes: where the instrumented run stands, which tells it exactly.
#[test]
fn every_kind_of_branch_leads_to_its_unreachable() {
    let folder = scratch();
    let module = fixture("modules/wat-branches.wasm");
    let place = |export: &str, options: &[&str]| {
        let dump = folder.path().join("dump");
        let run = Tool::new("coredump-run").args(["-q", "--invoke", export]).args(options);
        run.arg("-o").arg(&dump).arg(&module).arg("1").run().expect(134);
        let document = Tool::new("coredump-json").arg(&dump).run().expect(0).json();
        assert_eq!(document["reason"]["kind"], "unreachable", "{export}");
        document["threads"][0]["frames"][0]["module_offset"].as_str().unwrap().to_owned()
    };
    for export in
        ["br_if_falls", "br_if_target", "br_if_ends", "if_then", "if_else", "if_end", "computes", "br_table", "both"]
    {
        assert_eq!(place(export, &["--fast"]), place(export, &[]), "{export}");
    }
}

/// Binaryen lets an inlined call end at 0x100000000 where it cannot place its last instruction.
#[test]
fn an_inlined_call_that_ends_beyond_its_caller_swallows_nothing() {
    let folder = scratch();
    let (dump, _) = capture(folder.path(), "shop-binaryen", &[]);
    let shown = bt(&dump);
    let expected = [
        "price_of (…) [inlined] at src/c/shop.c:15:17",
        "refill (…) [inlined] at src/c/shop.c:31:17",
        "order (…) at src/c/shop.c:37:12",
        "main (…) at src/c/shop.c:45:12",
    ];
    assert_eq!(frames(&shown)[..4], expected, "{}", shown.text());
    assert!(shown.text().contains("signature: price_of | refill | order | main\n"), "{}", shown.text());
}

fn print(dump: &Path, expressions: &[&str]) -> String {
    let expressions = expressions.iter().flat_map(|expression| ["--print", expression]);
    Tool::new("coredump-dump").args(expressions).arg(dump).run().expect(0).text().to_owned()
}

/// An address of 0 that counts from a base is that of the first object there.
#[test]
fn the_first_thread_local_has_its_value() {
    let folder = scratch();
    let (dump, _) = capture(folder.path(), "tls", &[]);
    // tls.c: 1 + 2, 5 + 1, the total of 9 + 6.
    let values = print(&dump, &["first", "second", "third", "total"]);
    assert_eq!(values, "first = 3\nsecond = 6\nthird = 15\ntotal = 15\n");
    let whatis = |address: &str| {
        Tool::new("coredump-dump").args(["--whatis", address]).arg(&dump).run().expect(0).text().to_owned()
    };
    let address = print(&dump, &["&second"]).trim().rsplit(' ').next().unwrap().to_owned();
    assert!(whatis(&address).contains("second (of 4 bytes"), "{}", whatis(&address));
}

/// A `.dwo` file calls whichever global a variable counts from 1.
#[test]
fn split_debug_info_names_no_global() {
    let folder = scratch();
    let (dump, _) = capture(folder.path(), "threadlocal-split", &["--invoke", "run"]);
    assert_eq!(print(&dump, &["own", "table", "calls"]), "own = 13\ntable = {1, 10, 3}\ncalls = 41\n");
    // With threads it may be that of the program's statics, or that of the thread's.
    let (dump, _) = capture(folder.path(), "tls-split", &[]);
    let unknown = Tool::new("coredump-dump").args(["--print", "first", "--print", "total"]).arg(&dump).run().expect(1);
    let lines: Vec<&str> = unknown.text().lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines.iter().all(|line| line.contains("which global")), "{lines:?}");
    let known = print(&dump, &["divisor"]);
    assert_eq!(known, "divisor = 1\n");
}

/// LLVM 19 adds `__memory_base` in the debug info of position-independent code; LLVM 14 leaves that to the reader.
#[test]
fn statics_of_position_independent_libraries_are_where_they_were_loaded() {
    for module in ["component-pic", "component-pic-llvm14"] {
        let folder = scratch();
        let (path, _) = capture(folder.path(), module, &["--invoke", "run(2)"]);
        let dump = |args: &[&str]| Tool::new("coredump-dump").args(args).arg(&path).run().expect(0).text().to_owned();
        // pic-main.c: 40 and 1; pic-lib.c: 5 for each lookup.
        assert_eq!(dump(&["--frame", "2", "--print", "calls"]), "calls = 41\n", "{module}");
        assert_eq!(dump(&["--frame", "1", "--print", "library_version"]), "library_version = 307\n", "{module}");
        let statics = dump(&["--frame", "1", "--print", "lookups", "--print", "entries[1].value"]);
        assert_eq!(statics, "lookups = 5\nentries[1].value = 22\n", "{module}");
        let address = dump(&["--frame", "1", "--print", "&lookups"]).trim().rsplit(' ').next().unwrap().to_owned();
        assert!(dump(&["--whatis", &address]).contains("lookups (of 4 bytes"), "{module}");
        assert!(dump(&["--range", "lookups", "--format", "i32"]).ends_with("\t5\n"), "{module}");
        assert!(dump(&["--refs", "entries"]).contains("entries+0x10"), "{module}: the stack points at entries[2]");
        // A dump as the engine writes it does not say whose a global is.
        let (path, _) = capture(folder.path(), module, &["--fast", "--invoke", "run(2)"]);
        let outcome = Tool::new("coredump-dump").args(["--range", "lookups"]).arg(&path).run();
        assert!(outcome.stderr.contains("hint: where statics of position-independent code are,"), "{}", outcome.stderr);
    }
}

/// The module without the custom sections of a name.
pub fn without(bytes: &[u8], unwanted: &str) -> Vec<u8> {
    let mut kept = bytes[..8].to_vec();
    let mut rest = 8;
    for payload in wasmparser::Parser::new(0).parse_all(bytes) {
        let payload = payload.unwrap();
        let Some((_, range)) = payload.as_section() else { continue };
        let drop = matches!(&payload, wasmparser::Payload::CustomSection(section) if section.name() == unwanted);
        if !drop {
            kept.extend(&bytes[rest..range.end]);
        }
        rest = range.end;
    }
    kept
}

/// `external_debug_info` and `sourceMappingURL` hold URLs: what is on the network is looked for here by its last part.
#[test]
fn a_url_means_the_file_of_its_last_part_here() {
    let stripped = std::fs::read(fixture("modules/sum-stripped.wasm")).unwrap();
    let script = without(&std::fs::read(fixture("modules/as-trap.wasm")).unwrap(), "sourceMappingURL");
    let debug = "modules/sum-O0.wasm";
    let map = "modules/as-trap.wasm.map";
    // The fields are named where the cases are taken apart.
    type Case<'a> = (&'a str, &'a [u8], &'a str, &'a str, &'a str, &'a str);
    let cases: [Case<'_>; 8] = [
        ("external_debug_info", &stripped, debug, "https://x.example/sym/app.debug.wasm", "app.debug.wasm", "sum.c:25"),
        ("external_debug_info", &stripped, debug, "app.sym?v=3", "app.sym", "sum.c:25"),
        ("external_debug_info", &stripped, debug, "my%20symbols.wasm#x", "my symbols.wasm", "sum.c:25"),
        // Not found by its name, but beside the module under one that is looked for anyway.
        ("external_debug_info", &stripped, debug, "https://x.example/other.wasm", "app.debug.wasm", "sum.c:25"),
        ("sourceMappingURL", &script, map, "http://localhost:4444/app.wasm.map", "app.wasm.map", "trap.ts:7"),
        ("sourceMappingURL", &script, map, "app.wasm.map?hash=ab12", "app.wasm.map", "trap.ts:7"),
        ("sourceMappingURL", &script, map, "my%20app.wasm.map", "my app.wasm.map", "trap.ts:7"),
        ("sourceMappingURL", &script, map, "./app.wasm.map", "app.wasm.map", "trap.ts:7"),
    ];
    for (section, module, from, url, file, expected) in cases {
        let folder = scratch();
        let (program, dump) = (folder.path().join("app.wasm"), folder.path().join("dump"));
        std::fs::write(&program, [module, &custom(section, &name(url))].concat()).unwrap();
        Tool::new("coredump-run").arg("-q").arg("-o").arg(&dump).arg(&program).run().expect(134);
        let show = || Tool::new("coredump-bt").arg(&dump).run().expect(0);
        let before = show();
        assert!(before.stderr.contains("not found"), "{url}: {}", before.stderr);
        assert!(!before.text().contains(expected), "{url}");
        std::fs::copy(fixture(from), folder.path().join(file)).unwrap();
        let after = show();
        assert!(after.text().contains(expected), "{url}: {} {}", after.text(), after.stderr);
    }
}

/// wasm-opt keeps the build id of the code that it rewrites.
#[test]
fn a_build_id_does_not_speak_for_other_code() {
    let folder = scratch();
    let (dump, _) = capture(folder.path(), "sum-buildid-opt", &[]);
    let symbols = folder.path().join("symbols");
    std::fs::create_dir(&symbols).unwrap();
    std::fs::copy(fixture("modules/sum-buildid.debug.wasm"), symbols.join("sum.wasm")).unwrap();
    let bt = || Tool::new("coredump-bt").args(["--symbols-path"]).arg(&symbols);
    // As the binary.
    let shown = bt().arg("--no-recorded-paths").arg("-m").arg(symbols.join("sum.wasm")).arg(&dump).run().expect(1);
    assert!(shown.stderr.contains("the same build id, but other code"), "{}", shown.stderr);
    assert!(!shown.text().contains("sum.c"), "{}", shown.text());
    // Found without being named: it says that it is the one.
    let shown = bt().arg("--no-recorded-paths").arg(&dump).run();
    assert!(shown.stderr.contains("sum.wasm") && shown.stderr.contains("the same build id"), "{}", shown.stderr);
    assert!(!shown.text().contains("sum.c"), "{}", shown.text());
    // As its debug info.
    let shown = bt().arg(&dump).run().expect(0);
    assert!(!shown.text().contains("sum.c"), "{}", shown.text());
}

/// walrus counts addresses from before the number of functions: every row stands after the first byte of its
/// instruction.
#[test]
fn lines_of_what_walrus_wrote_are_those_of_its_instructions() {
    let folder = scratch();
    let shown = |module: &str| {
        let (dump, _) = capture(folder.path(), module, &[]);
        frames(&bt(&dump)).into_iter().map(|frame| frame.split_once(" at ").map(|at| at.1.to_owned())).collect()
    };
    let (original, again): (Vec<_>, Vec<_>) = (shown("branch-O2"), shown("branch-walrus"));
    assert_eq!(original[0].as_deref(), Some("src/c/branch.c:6:9"));
    assert_eq!(original, again);
}

/// The crate `wast` counts addresses from after the number of functions: every row stands before its instruction.
#[test]
fn lines_of_a_text_module_are_those_of_its_instructions() {
    let folder = scratch();
    let (dump, _) = capture(folder.path(), "wat-div-g", &[]);
    assert_eq!(frames(&bt(&dump)), ["divide (…) at wat/div.wat:5:6", "wasm-function[1] at wat/div.wat:9:12"]);
}

/// A function of stale debug info may have the size of the code by chance; then its rows do not begin at instructions.
#[test]
fn stale_debug_info_of_equal_size_is_not_believed() {
    let folder = scratch();
    let original = std::fs::read(fixture("modules/sum-O0.wasm")).unwrap();
    // The instructions of `divide` in the opposite order have the same bytes in all.
    let parser = || wasmparser::Parser::new(0).parse_all(&original);
    let imports = parser().find_map(|payload| match payload.unwrap() {
        wasmparser::Payload::ImportSection(imports) => Some(imports.into_imports().count()),
        _ => None,
    });
    let mut bodies = parser().filter_map(|payload| match payload.unwrap() {
        wasmparser::Payload::CodeSectionEntry(body) => Some(body),
        _ => None,
    });
    // All of its imports are functions.
    let body = bodies.nth(divide_index() - imports.unwrap()).unwrap();
    let (range, first) = (body.range(), body.get_operators_reader().unwrap().original_position());
    let mut starts = Vec::new();
    let mut reader = body.get_operators_reader().unwrap();
    while !reader.eof() {
        starts.push(reader.original_position());
        reader.read().unwrap();
    }
    let last = *starts.last().unwrap();
    let instructions: Vec<_> = starts.windows(2).map(|pair| &original[pair[0]..pair[1]]).collect();
    let turned: Vec<u8> = instructions.into_iter().rev().flatten().copied().collect();
    let other = [&original[..first], &turned, &original[last..]].concat();
    assert_eq!(other.len(), original.len());
    let offset = (first - range.start) as u32;
    let dump = module(&[
        core("app"),
        coremodules(&["app"]),
        coreinstances(&[(0, &[], &[])]),
        standard_stack(&[frame(divide_index() as u32, offset, &[])]),
    ]);
    let path = folder.path().join("dump");
    std::fs::write(&path, dump).unwrap();
    let show = |bytes: &[u8]| {
        let program = folder.path().join("app.wasm");
        std::fs::write(&program, bytes).unwrap();
        Tool::new("coredump-bt").arg("-m").arg(&program).arg(&path).run().expect(0)
    };
    let right = show(&original);
    assert!(right.text().contains("divide (") && right.text().contains("src/c/sum.c:"), "{}", right.text());
    let stale = show(&other);
    assert!(stale.text().contains("divide") && !stale.text().contains("sum.c"), "{}", stale.text());
    assert!(stale.stderr.contains("its debug info does not fit its code"), "{}", stale.stderr);
}

/// The index of `divide` in sum-O0, as the dump that wasmtime made of it has it.
fn divide_index() -> usize {
    let outcome = Tool::new("coredump-json").arg(coredump_tests::wasmtime_dump("sum-O0")).run();
    let document = outcome.json();
    document["threads"][0]["frames"][0]["function_index"].as_u64().unwrap() as usize
}
