//! `coredump-bt` as a user meets it. Lines come from the sources, `llvm-symbolizer` and `wasm-tools addr2line`
//! (`fixtures/expected`), values from what the guests printed.

use std::path::{Path, PathBuf};

use coredump_tests::dump_builder::{self as build, FrameBytes, frame};
use coredump_tests::{Outcome, Tool, binary, fixture, scratch, wasmtime_dump};

fn bt() -> Tool {
    Tool::new("coredump-bt")
}

fn module(name: &str) -> PathBuf {
    fixture(&format!("modules/{name}.wasm"))
}

/// The backtrace of wasmtime's dump of a fixture, with its module named.
fn backtrace(name: &str, options: &[&str]) -> Outcome {
    bt().arg(wasmtime_dump(name)).arg("-m").arg(module(name)).args(options).run()
}

/// The frames without their arguments: what the line tables alone tell.
fn frames(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| line.starts_with('#'));
    let bare = lines.map(|line| match (line.find(" ("), line.rfind(')')) {
        (Some(start), Some(end)) if start < end => format!("{}{}", &line[..start], &line[end + 1..]),
        _ => line.to_owned(),
    });
    bare.collect()
}

fn copy(from: &Path, to: &Path) {
    std::fs::copy(from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
}

const SUM: [&str; 7] = [
    "#0 0x07c2 divide at src/c/sum.c:25:29",
    "#1 0x0761 share at src/c/sum.c:33:12",
    "#2 0x0661 sum at src/c/sum.c:46:16",
    "#3 0x06a7 sum at src/c/sum.c:47:21",
    "#4 0x06a7 sum at src/c/sum.c:47:21",
    "#5 0x03af main at src/c/sum.c:70:14",
    "#6 0x2c2f __main_void",
];

#[test]
fn frames_have_functions_files_and_lines() {
    let outcome = backtrace("sum-O0", &[]).expect(0);
    assert_eq!(frames(outcome.text())[..7], SUM);
    let head = "core dump of sum-O0.wasm";
    assert!(outcome.text().starts_with(head), "{}", outcome.text());
    assert!(outcome.text().contains("\nthread 0 \"main\"\n#0 "), "{}", outcome.text());
}

#[test]
fn standard_error_tells_which_binary_and_symbols_were_used() {
    let outcome = backtrace("sum-O0", &[]).expect(0);
    assert!(outcome.stderr.contains("sum-O0.wasm (all frames fit its code), DWARF\n"), "{}", outcome.stderr);
    assert_eq!(outcome.stderr.lines().count(), 1);
    assert_eq!(backtrace("sum-O0", &["--quiet"]).expect(0).stderr, "");
}

#[test]
fn inlined_functions_share_the_number_of_their_frame() {
    let outcome = backtrace("sum-O2", &[]).expect(0);
    // `divide` and `share` are inlined in `sum` (llvm-dwarfdump: DW_TAG_inlined_subroutine at 0x3b3).
    let mut lines = frames(outcome.text()).into_iter();
    assert_eq!(lines.next().as_deref(), Some("#0 0x03b3 divide [inlined] at src/c/sum.c:25:29"));
    assert_eq!(lines.next().as_deref(), Some("#0 0x03b3 share [inlined] at src/c/sum.c:33:12"));
    assert_eq!(lines.next().as_deref(), Some("#0 0x03b3 sum at src/c/sum.c:46:16"));
    assert_eq!(lines.next().as_deref(), Some("#1 0x03c5 sum at src/c/sum.c:47:21"));
}

#[test]
fn wasmtimes_own_page_program_shows_all_frames() {
    let outcome = backtrace("trap", &[]).expect(0);
    let lines = frames(outcome.text());
    assert_eq!(lines.len(), 31, "{}", outcome.text());
    let own: Vec<_> = lines.iter().filter(|line| line.contains("src/rust/trap.rs")).map(|line| &line[..]).collect();
    assert_eq!(
        own,
        [
            "#12 0x00aa4 trap::baz at src/rust/trap.rs:16:5",
            "#13 0x00a59 trap::bar at src/rust/trap.rs:12:5",
            "#14 0x00ad9 trap::foo at src/rust/trap.rs:8:5",
            "#15 0x00af0 trap::main at src/rust/trap.rs:4:5",
        ]
    );
    assert!(lines[30].contains(" _start"), "{}", lines[30]);
    assert!(lines[9].contains(" __rustc::rust_begin_unwind"), "{}", lines[9]);
}

/// The names of modules come from the dump: what a hint says of them is the name, also to a shell.
#[test]
fn a_hint_names_a_module_in_a_way_that_is_understood() {
    let folder = scratch();
    for name in ["-evil", "--html", "it's $HOME", "a\nb", "=b", "a=b", "two words"] {
        let frames = [frame(0, 1, &[])];
        let sections = [
            build::core("app"),
            build::coremodules(&["first", name]),
            build::coreinstances(&[(0, &[], &[]), (1, &[], &[])]),
            build::standard_stack(&frames.map(|frame| FrameBytes { instance: 1, ..frame })),
        ];
        let dump = folder.path().join("dump");
        std::fs::write(&dump, build::module(&sections)).unwrap();
        let missing = bt().arg(&dump).run().expect(1);
        let hint = missing.stderr.lines().find_map(|line| line.strip_prefix("hint: name it: ")).unwrap();
        let file = folder.path().join("FILE");
        std::fs::write(&file, build::wasm(&[&[0, 0, 0x0b]], &[(0, "found")])).unwrap();
        let script = format!("exec \"$0\" --color never {hint} dump");
        let pasted = Tool::other("bash").args(["-c", &script]).arg(binary("coredump-bt")).in_folder(folder.path());
        let pasted = pasted.run().expect(0);
        assert!(pasted.text().contains("found"), "{hint}: {pasted:?}");
        std::fs::remove_file(&file).unwrap();
    }
}

#[test]
fn the_binary_is_found_beside_the_dump() {
    let folder = scratch();
    copy(&wasmtime_dump("sum-O0"), &folder.path().join("sum-O0.coredump"));
    let missing = bt().arg("sum-O0.coredump").in_folder(folder.path()).run().expect(1);
    assert!(missing.text().contains("#0 func["), "{}", missing.text());
    assert!(missing.stderr.contains("no binary found, so no names and no lines"), "{}", missing.stderr);
    assert!(missing.stderr.contains("hint: name it: -m FILE"), "{}", missing.stderr);

    copy(&module("sum-O0"), &folder.path().join("sum-O0.wasm"));
    let outcome = bt().arg("sum-O0.coredump").in_folder(folder.path()).run().expect(0);
    assert_eq!(frames(outcome.text())[..7], SUM);
    // Through a pipe the dump has no folder, but the recorded path is good here.
    let dump = std::fs::read(wasmtime_dump("sum-O0")).unwrap();
    let elsewhere = bt().stdin(dump.clone()).arg("--symbols-path").arg(folder.path()).run().expect(0);
    assert_eq!(frames(elsewhere.text())[..7], SUM);
}

#[test]
fn a_wrong_binary_is_refused_with_the_frame_that_does_not_fit() {
    for wrong in ["sum-O2", "ab", "trap", "wat-unreachable"] {
        let folder = scratch();
        let dump = folder.path().join("x.coredump");
        copy(&wasmtime_dump("sum-O0"), &dump);
        let outcome = bt().arg(&dump).arg("-m").arg(module(wrong)).run().expect(1);
        assert!(!outcome.text().contains(".c:") && !outcome.text().contains(".rs:"), "{}", outcome.text());
        assert!(outcome.stderr.contains(&format!("{wrong}.wasm: frame ")), "{wrong}: {}", outcome.stderr);
    }
}

#[test]
fn of_several_candidates_the_one_that_fits_is_taken() {
    let folder = scratch();
    for name in ["sum-O2", "ab", "sum-O0", "trap"] {
        // Under names that tell nothing.
        copy(&module(name), &folder.path().join(format!("{}.wasm", name.len() * 7 + name.as_bytes()[0] as usize)));
    }
    copy(&module("sum-O0"), &folder.path().join("candidate.wasm"));
    copy(&module("sum-O2"), &folder.path().join("another.wasm"));
    let dump = std::fs::read(wasmtime_dump("sum-O0")).unwrap();
    let outcome = bt().stdin(dump).arg("--symbols-path").arg(folder.path()).run().expect(0);
    assert_eq!(frames(outcome.text())[..7], SUM);
}

#[test]
fn names_are_shown_where_there_is_nothing_more() {
    let outcome = backtrace("sum-names", &[]).expect(0);
    let expected = SUM.map(|line| line.split(" at ").next().unwrap());
    assert_eq!(frames(outcome.text())[..7], expected);
    assert!(outcome.stderr.contains("function names only"), "{}", outcome.stderr);
}

#[test]
fn without_any_symbols_functions_have_their_index() {
    let outcome = backtrace("sum-stripped", &[]).expect(0);
    let lines = frames(outcome.text());
    assert!(lines[0].starts_with("#0 0x07c2 func["), "{lines:?}");
    assert!(lines[9].ends_with(" _start"), "the export's name: {lines:?}");
}

#[test]
fn debug_info_that_describes_other_code_is_not_used() {
    let outcome = backtrace("sum-stale", &[]).expect(0);
    assert!(!outcome.text().contains(".c:"), "{}", outcome.text());
    assert!(outcome.stderr.contains("its debug info does not fit its code"), "{}", outcome.stderr);
    // Binaryen carried these over; llvm-symbolizer agrees on them.
    let kept = backtrace("sum-binaryen", &[]).expect(0);
    assert!(frames(kept.text())[0].contains("divide [inlined] at src/c/sum.c:25"), "{}", kept.text());
}

#[test]
fn debug_info_is_found_outside_of_the_module() {
    for name in ["sum-external", "sum-split4", "sum-split5", "sum-buildid"] {
        let outcome = backtrace(name, &[]).expect(0);
        assert_eq!(frames(outcome.text())[..6], SUM[..6], "{name}");
    }
    assert!(backtrace("sum-external", &[]).stderr.contains("DWARF in "));
    assert!(backtrace("sum-buildid", &[]).stderr.contains("sum-buildid.debug.wasm"));
}

#[test]
fn external_debug_info_that_is_missing_is_named() {
    let folder = scratch();
    let wasm = folder.path().join("sum-external.wasm");
    copy(&module("sum-external"), &wasm);
    let alone = bt().arg(wasmtime_dump("sum-external")).arg("-m").arg(&wasm).run().expect(0);
    assert!(!alone.text().contains(".c:"), "{}", alone.text());
    assert!(alone.stderr.contains("external debug info sum-external.debug.wasm not found"), "{}", alone.stderr);
    // A file of that name with other code is refused.
    copy(&module("sum-O2"), &folder.path().join("sum-external.debug.wasm"));
    let wrong = bt().arg(wasmtime_dump("sum-external")).arg("-m").arg(&wasm).run().expect(0);
    assert!(!wrong.text().contains(".c:"), "{}", wrong.text());
    assert!(wrong.stderr.contains("its code is not that of the module"), "{}", wrong.stderr);
    std::fs::remove_file(folder.path().join("sum-external.debug.wasm")).unwrap();
    let symbols = fixture("modules");
    let found = bt().arg(wasmtime_dump("sum-external")).arg("-m").arg(&wasm).arg("--symbols-path").arg(symbols).run();
    assert_eq!(frames(found.expect(0).text())[..6], SUM[..6]);
}

#[test]
fn a_debug_twin_is_found_by_its_build_id() {
    let folder = scratch();
    let wasm = folder.path().join("app.wasm");
    copy(&module("sum-buildid"), &wasm);
    let id = build_id(&std::fs::read(&wasm).unwrap());
    let symbols = folder.path().join("symbols").join(&id[..2]);
    std::fs::create_dir_all(&symbols).unwrap();
    copy(&fixture("modules/sum-buildid.debug.wasm"), &symbols.join(format!("{}.debug", &id[2..])));
    let outcome = bt()
        .arg(wasmtime_dump("sum-buildid"))
        .arg("-m")
        .arg(&wasm)
        .arg("--symbols-path")
        .arg(symbols.parent().unwrap());
    assert_eq!(frames(outcome.run().expect(0).text())[..6], SUM[..6]);
}

/// Nothing but the build id, or the code, leads to it.
#[test]
fn a_debug_twin_may_have_any_name() {
    let folder = scratch();
    let symbols = folder.path().join("symbols");
    std::fs::create_dir(&symbols).unwrap();
    for (name, twin) in [("sum-buildid", "sum-buildid.debug"), ("sum-stripped", "sum-O0")] {
        let wasm = folder.path().join("app.wasm");
        copy(&module(name), &wasm);
        copy(&module("sum-O2"), &symbols.join("aaa.wasm"));
        copy(&module(twin), &symbols.join("zzz.wasm"));
        let run = || {
            bt().arg(wasmtime_dump(name)).arg("-m").arg(&wasm).arg("--untrusted").arg("--symbols-path").arg(&symbols)
        };
        assert_eq!(frames(run().run().expect(0).text())[..6], SUM[..6]);
        std::fs::remove_file(symbols.join("zzz.wasm")).unwrap();
        assert!(!run().run().expect(0).text().contains(".c:"), "another program's lines are not taken");
    }
}

/// The contents of a `build_id` section as hex: a length, then so many bytes (tool-conventions `BuildId.md`).
fn build_id(wasm: &[u8]) -> String {
    let name = b"\x08build_id";
    let at = wasm.windows(name.len()).position(|bytes| bytes == name).expect("there is a build_id section");
    let id = &wasm[at + name.len()..];
    id[1..=usize::from(id[0])].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn split_debug_info_works_packed_and_beside_the_module() {
    for name in ["sum-split4", "sum-split5"] {
        let folder = scratch();
        let wasm = folder.path().join(format!("{name}.wasm"));
        copy(&module(name), &wasm);
        let run = || bt().arg(wasmtime_dump(name)).arg("-m").arg(&wasm).run().expect(0);
        // The lines are in the module, the functions are not; names come from the name section.
        let alone = run();
        assert_eq!(frames(alone.text())[0], SUM[0], "{name}");
        assert!(alone.stderr.contains("split debug info"), "{name}: {}", alone.stderr);
        let dwo = std::fs::read_dir(fixture("modules")).unwrap().map(|entry| entry.unwrap().path());
        for dwo in dwo.filter(|path| path.extension().is_some_and(|extension| extension == "dwo")) {
            copy(&dwo, &folder.path().join(dwo.file_name().unwrap()));
        }
        let with_dwo = run();
        assert!(
            with_dwo.text().contains("divide (dividend=600, divisor=0) at src/c/sum.c:25:29"),
            "{}",
            with_dwo.text()
        );
    }
}

#[test]
fn source_maps_give_lines() {
    let outcome = backtrace("as-trap", &[]).expect(0);
    let lines: Vec<_> = outcome.text().lines().filter_map(|line| line.split_once("/trap.ts:")).collect();
    let lines: Vec<_> = lines.iter().map(|(_, line)| *line).collect();
    assert_eq!(lines, ["7:10", "12:12", "14:23", "14:23", "14:23", "19:10"]);
    assert!(outcome.stderr.contains("source map"), "{}", outcome.stderr);
}

#[test]
fn modules_of_a_component_are_told_apart() {
    let outcome = backtrace("component-sum", &[]).expect(0);
    let lines = frames(outcome.text());
    assert_eq!(lines[0], "#0  0x07c2 component-sum.wasm[0]!divide at src/c/sum.c:25:29");
    assert!(lines.last().unwrap().contains("wit-component:adapter:wasi_snapshot_preview1!"), "{lines:?}");
}

#[test]
fn recursion_folds_into_one_line() {
    let outcome = backtrace("recurse", &[]).expect(0);
    let lines = frames(outcome.text());
    assert_eq!(lines[0], "#0  0x0156 descend at src/c/recurse.c:7:22");
    assert_eq!(lines[1], "#1  0x0177 descend at src/c/recurse.c:8:12");
    assert_eq!(lines[2], "#2 to #29: the same frame, 28 times more");
    let mutual = backtrace("wat-mutual", &[]).expect(0);
    assert!(mutual.text().contains("the same 2 frames, 19 times more"), "{}", mutual.text());
    let whole = backtrace("wat-mutual", &["--no-fold"]).expect(0);
    assert_eq!(frames(whole.text()).len(), 42, "{}", whole.text());
}

#[test]
fn frames_can_be_chosen() {
    let one = backtrace("sum-O0", &["--frame", "2"]).expect(0);
    assert_eq!(frames(one.text()), [SUM[2]]);
    let few = backtrace("sum-O0", &["--limit=2"]).expect(0);
    assert_eq!(frames(few.text()), SUM[..2]);
    assert!(few.text().ends_with("8 older frames not shown\n"), "{}", few.text());
    let none = backtrace("sum-O0", &["--frame", "99"]).expect(2);
    assert!(none.stderr.contains("there is no frame 99"), "{}", none.stderr);
    let thread = backtrace("sum-O0", &["--thread", "1"]).expect(2);
    assert!(thread.stderr.contains("there is no thread 1"), "{}", thread.stderr);
}

#[test]
fn locals_have_types_and_values() {
    let outcome = backtrace("sum-O0", &["--locals", "--frame", "0"]).expect(0);
    // fixtures/expected/sum-O0.txt
    assert!(outcome.text().contains("\n    dividend: int = 600\n    divisor: int = 0\n"), "{}", outcome.text());
}

#[test]
fn raw_shows_what_the_machine_had() {
    let dump = fixture("dumps/wat-unreachable.xtuc-0.2.coredump");
    let outcome = bt().arg(dump).arg("-m").arg(module("wat-unreachable")).arg("--raw").run().expect(0);
    assert!(outcome.text().contains("    local[0]"), "{}", outcome.text());
    let standard = backtrace("wat-unreachable", &["--raw"]).expect(0);
    assert!(standard.text().contains("    local: not recorded\n    stack: not recorded\n"), "{}", standard.text());
}

#[test]
fn names_cannot_steer_the_terminal() {
    let outcome = backtrace("wat-evil-names", &["--color=never"]).expect(0);
    let raw = outcome.text().chars().any(|letter| letter.is_control() && letter != '\n' || letter == '\u{202e}');
    assert!(!raw, "{:?}", outcome.text());
    assert!(outcome.text().contains("red\\x1b[31mtext\\x07"), "{}", outcome.text());
}

#[test]
fn colours_are_used_on_request_only() {
    assert!(!backtrace("sum-O0", &[]).text().contains('\x1b'));
    assert!(backtrace("sum-O0", &["--color", "always"]).text().contains("\x1b[33mdivide\x1b[0m"));
}

#[test]
fn brief_is_one_line_a_dump() {
    let dumps = ["sum-O0", "trap", "as-trap"].map(wasmtime_dump);
    let modules = ["sum-O0", "trap", "as-trap"].map(|name| ["-m".into(), module(name)]);
    let outcome = bt().arg("--brief").args(&dumps).args(modules.iter().flatten()).run();
    let lines: Vec<_> = outcome.text().lines().collect();
    assert_eq!(lines.len(), 3, "{}", outcome.text());
    assert!(lines[0].contains("sum-O0.wasm") && lines[0].contains("divide at src/c/sum.c:25:29"), "{}", lines[0]);
}

#[test]
fn one_bad_dump_does_not_hide_the_others() {
    let folder = scratch();
    let bad = folder.path().join("bad.coredump");
    std::fs::write(&bad, b"not a dump").unwrap();
    let outcome = bt().arg(&bad).arg(wasmtime_dump("sum-O0")).arg("-m").arg(module("sum-O0")).run().expect(1);
    assert_eq!(frames(outcome.text())[..7], SUM);
    assert!(outcome.stderr.contains("bad.coredump: "), "{}", outcome.stderr);
    bt().arg(&bad).run().expect(2);
    bt().arg("--no-such-option").run().expect(64);
}

#[test]
fn a_dump_cut_anywhere_shows_what_is_left() {
    let whole = std::fs::read(wasmtime_dump("sum-O0")).unwrap();
    let lines = frames(backtrace("sum-O0", &[]).text());
    for end in (8..whole.len().min(4000)).step_by(97) {
        let outcome = bt().stdin(&whole[..end]).arg("-m").arg(module("sum-O0")).run();
        assert!(matches!(outcome.code(), 1 | 2), "cut at {end}: {outcome:?}");
        let shown = frames(outcome.text());
        assert!(shown.iter().zip(&lines).all(|(cut, whole)| cut.split(' ').next() == whole.split(' ').next()));
    }
}

#[test]
fn older_layouts_are_placed_in_the_module_before_rewriting() {
    for layout in ["xtuc-0.2", "xtuc-0.1.14", "xtuc-0.1.11"] {
        let dump = fixture(&format!("dumps/wat-unreachable.{layout}.coredump"));
        let outcome = bt().arg(dump).arg("-m").arg(module("wat-unreachable")).run();
        let lines = frames(outcome.text());
        assert!(lines[0].contains(" inner") && lines[1].contains(" outer"), "{layout}: {lines:?} {}", outcome.stderr);
    }
}

#[test]
fn the_head_tells_why_and_groups() {
    let outcome = backtrace("sum-O2", &[]).expect(0);
    let head: Vec<_> = outcome.text().lines().take(3).collect();
    // Its operands are in locals, which wasmtime does not write: the least integer by -1 traps too.
    assert!(head[1].starts_with("reason: integer-division: i32.div_s by zero, or "), "{head:?}");
    assert_eq!(head[2], "signature: divide | share | sum | main");
    let trap = backtrace("trap", &["--brief"]).expect(0);
    assert!(trap.text().contains(": unreachable: assertion failed: x != 42"), "{}", trap.text());
    let place = " in trap::baz at src/rust/trap.rs:16:5 [trap::baz | trap::bar | trap::foo | trap::main]\n";
    assert!(trap.text().ends_with(place), "{}", trap.text());
}

#[test]
fn a_module_can_be_named() {
    let named = |name: &str| {
        let mut value = std::ffi::OsString::from(format!("{name}="));
        value.push(module("component-sum"));
        bt().arg(wasmtime_dump("component-sum")).arg("-m").arg(value).run()
    };
    // Only the adapter is given, so the program itself has no names.
    let adapter = named("wit-component:adapter:wasi_snapshot_preview1").expect(1);
    let lines = frames(adapter.text());
    assert!(lines[0].contains("func["), "{lines:?}");
    assert!(lines.last().unwrap().contains("wasi:cli/run@"), "{lines:?}");
    assert!(adapter.stderr.contains("hint: name it: -m "), "{}", adapter.stderr);
    assert_eq!(named("nobody").expect(1).text().matches(".c:").count(), 0);
}
