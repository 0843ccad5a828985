//! The tools choose the binary that ran among several files, and report the files that are not.

use std::path::Path;

use coredump_tests::dump_builder::{self as build, frame};
use coredump_tests::{Outcome, Tool, fixture, scratch, wasmtime_dump};

fn copy(from: &str, to: &Path) {
    std::fs::copy(fixture(from), to).unwrap();
}

fn bt(folder: &Path, dump: &Path) -> Outcome {
    Tool::new("coredump-bt").args(["--no-recorded-paths", "--symbols-path"]).arg(folder).arg(dump).run()
}

/// The same program stripped and not: no doubt which was meant, and the one with lines serves.
#[test]
fn of_the_same_code_the_file_with_symbols_is_taken() {
    let folder = scratch();
    copy("modules/sum-stripped.wasm", &folder.path().join("a.wasm"));
    copy("modules/sum-O0.wasm", &folder.path().join("b.wasm"));
    copy("modules/sum-names.wasm", &folder.path().join("c.wasm"));
    let outcome = bt(folder.path(), &wasmtime_dump("sum-stripped")).expect(0);
    assert!(outcome.stderr.contains("b.wasm (all frames fit its code), DWARF"), "{}", outcome.stderr);
    assert!(outcome.text().contains("sum.c:25"), "{}", outcome.text());
}

/// A dump of function 1, called by function 0 at offset 1 and beyond.
fn dump_of(call: u32) -> Vec<u8> {
    let frames = [frame(1, 1, &[]), frame(0, call, &[])];
    let instances = build::coreinstances(&[(0, &[], &[])]);
    build::module(&[build::core("app"), build::coremodules(&["app"]), instances, build::standard_stack(&frames)])
}

const TRAPS: &[u8] = &[0, 0, 0x0b];

#[test]
fn two_programs_that_fit_equally_are_both_refused() {
    let folder = scratch();
    let bodies: [&[u8]; 3] = [&[0, 0x10, 1, 0x0b], TRAPS, &[0, 1, 0x0b]];
    std::fs::write(folder.path().join("x.wasm"), build::wasm(&bodies[..2], &[])).unwrap();
    std::fs::write(folder.path().join("y.wasm"), build::wasm(&bodies, &[])).unwrap();
    let dump = folder.path().join("d");
    std::fs::write(&dump, dump_of(1)).unwrap();
    let outcome = bt(folder.path(), &dump).expect(1);
    assert!(outcome.stderr.contains("fits as well as"), "{}", outcome.stderr);
}

#[test]
fn a_binary_that_was_named_for_a_module_and_does_not_fit_is_told_even_if_another_does() {
    let folder = scratch();
    copy("modules/sum-O0.wasm", &folder.path().join("right.wasm"));
    copy("modules/trap.wasm", &folder.path().join("wrong.wasm"));
    let named = format!("0={}", folder.path().join("wrong.wasm").display());
    let outcome = Tool::new("coredump-bt")
        .args(["--no-recorded-paths", "-m", &named, "--symbols-path"])
        .arg(folder.path())
        .arg(wasmtime_dump("sum-O0"))
        .run()
        .expect(1);
    assert!(outcome.text().contains("sum.c:25"), "{}", outcome.text());
    assert!(outcome.stderr.contains("wrong.wasm: not used for"), "{}", outcome.stderr);
}

/// Every frame stands on a call, but on that of another function than the next frame's.
#[test]
fn a_call_of_another_function_tells_a_wrong_binary() {
    let folder = scratch();
    let dump = folder.path().join("d");
    std::fs::write(&dump, dump_of(1)).unwrap();
    let module = folder.path().join("m");
    let run = |bodies: &[&[u8]]| {
        std::fs::write(&module, build::wasm(bodies, &[(0, "caller")])).unwrap();
        Tool::new("coredump-bt").args(["--no-recorded-paths", "-m"]).arg(&module).arg(&dump).run()
    };
    let wrong = run(&[&[0, 0x10, 2, 0x0b], TRAPS, &[0, 1, 0x0b]]).expect(1);
    let reason =
        "frame 1 of thread 0: in function 0, it stands at a call of function 2, but the next frame is of function 1";
    assert!(wrong.stderr.contains(reason), "{}", wrong.stderr);
    assert!(!wrong.text().contains("caller"), "no name from a wrong binary: {}", wrong.text());
    // Function 2 hands its frame on by a tail call: then function 1 can be next.
    run(&[&[0, 0x10, 2, 0x0b], TRAPS, &[0, 0x12, 1, 0x0b]]).expect(0);
    run(&[&[0, 0x10, 1, 0x0b], TRAPS]).expect(0);
}

/// A stack overflow strikes before the first instruction: the youngest frame stands where its function begins.
#[test]
fn a_function_that_was_only_entered_has_a_place() {
    let folder = scratch();
    let dump = folder.path().join("d");
    std::fs::write(&dump, dump_of(1)).unwrap();
    let module = folder.path().join("m");
    // Function 1 declares one i32 in three bytes; the dump's offset 1 lies in them.
    let bytes = build::wasm(&[&[0, 0x10, 1, 0x0b], &[1, 1, 0x7f, 0, 0x0b]], &[]);
    std::fs::write(&module, &bytes).unwrap();
    let document = Tool::new("coredump-json").arg("-m").arg(&module).arg(&dump).run().expect(0).json();
    let first = bytes.windows(5).position(|body| body == [1, 1, 0x7f, 0, 0x0b]).unwrap() + 3;
    assert_eq!(document["threads"][0]["frames"][0]["module_offset"], format!("{first:#x}"));
}

/// The code is there, the debug info only in part: said, rather than left to be guessed from missing lines.
#[test]
fn a_binary_that_is_cut_off_is_said_to_be() {
    let folder = scratch();
    let whole = std::fs::read(fixture("modules/sum-O0.wasm")).unwrap();
    let module = folder.path().join("m");
    std::fs::write(&module, &whole[..40_000]).unwrap();
    let outcome = Tool::new("coredump-bt").arg("-m").arg(&module).arg(wasmtime_dump("sum-O0")).run().expect(0);
    assert!(outcome.stderr.contains("the binary is damaged: section 0 is cut off: "), "{}", outcome.stderr);
}

/// Only the beginning of a name of a megabyte is shown, with a mark.
#[test]
fn long_names_are_shown_in_part() {
    let folder = scratch();
    let dump = folder.path().join("d");
    std::fs::write(&dump, dump_of(1)).unwrap();
    let module = folder.path().join("m");
    let long = "n".repeat(1 << 20);
    std::fs::write(&module, build::wasm(&[&[0, 0x10, 1, 0x0b], TRAPS], &[(0, &long), (1, "short")])).unwrap();
    for tool in ["coredump-bt", "coredump-json"] {
        let outcome = Tool::new(tool).arg("-m").arg(&module).arg(&dump).run().expect(0);
        let longest = outcome.text().split(|letter| letter != 'n').map(str::len).max().unwrap();
        assert!(longest <= 65536, "{tool}: {longest}");
        assert!(outcome.text().contains("n…"), "{tool}");
        if tool == "coredump-bt" {
            assert_eq!(longest, 4096);
        }
    }
}

/// Debug information that the compiler's own tools cut off or out (`llvm-objcopy --only-keep-debug`) has neither code
/// nor build id. Its name speaks for it, and every range of it begins where a function of the module does.
#[test]
fn debug_info_that_was_cut_out_is_believed_if_it_fits() {
    let folder = scratch();
    let wasm = folder.path().join("app.wasm");
    copy("modules/sum-stripped.wasm", &wasm);
    let debug = folder.path().join("app.wasm.debug");
    let run = || Tool::new("coredump-bt").arg("-m").arg(&wasm).arg(wasmtime_dump("sum-stripped")).run().expect(0);
    std::fs::write(&debug, only_custom(&std::fs::read(fixture("modules/sum-O0.wasm")).unwrap())).unwrap();
    let found = run();
    assert!(found.text().contains("sum.c:25"), "{} {}", found.text(), found.stderr);
    std::fs::write(&debug, only_custom(&std::fs::read(fixture("modules/vars-O0.wasm")).unwrap())).unwrap();
    let other = run();
    assert!(other.stderr.contains("app.wasm.debug not used: nothing tells that it belongs"), "{}", other.stderr);
    assert!(!other.text().contains(".c:"), "{}", other.text());
}

/// A module without all that is not a custom section.
fn only_custom(bytes: &[u8]) -> Vec<u8> {
    let mut kept = bytes[..8].to_vec();
    for payload in wasmparser::Parser::new(0).parse_all(bytes) {
        if let wasmparser::Payload::CustomSection(section) = payload.unwrap() {
            kept.extend(build::custom(section.name(), section.data()));
        }
    }
    kept
}

/// A dump records which file ran, and what that looked like: until something is written to it, it need not be hashed.
#[test]
fn a_program_that_was_built_again_after_it_ran_is_not_taken_for_the_one_that_ran() {
    let folder = scratch();
    let (program, dump) = (folder.path().join("app.wasm"), folder.path().join("app.coredump"));
    copy("modules/sum-O0.wasm", &program);
    // Longer than the clock of a file system stands still: before, what is written leaves no trace.
    let wait = || std::thread::sleep(std::time::Duration::from_millis(40));
    wait();
    Tool::new("coredump-run").arg("-o").arg(&dump).arg(&program).run().expect(134);
    let bt = |status| Tool::new("coredump-bt").arg(&dump).run().expect(status);
    assert!(bt(0).stderr.contains("app.wasm (unchanged since it ran), DWARF"), "{}", bt(0).stderr);
    copy("modules/sum-O0.wasm", &program);
    assert!(bt(0).stderr.contains("app.wasm (BLAKE3 matches), DWARF"), "{}", bt(0).stderr);
    copy("modules/sum-O2.wasm", &program);
    assert!(bt(1).stderr.contains("another build"), "{}", bt(1).stderr);
    assert!(!bt(1).text().contains("sum.c"), "{}", bt(1).text());
}
