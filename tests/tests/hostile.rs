//! Dumps cut off and damaged, under the real tools: they say what they could read, and end as they should.

use coredump_tests::dump_builder::{self as build, FrameBytes, frame};
use coredump_tests::{Outcome, Tool, fixture, wasmtime_dump};

const READERS: [(&str, &[&str]); 4] =
    [("coredump-bt", &[]), ("coredump-bt", &["--brief"]), ("coredump-json", &[]), ("coredump-dump", &[])];

fn run(tool: &str, options: &[&str], dump: &[u8]) -> Outcome {
    Tool::new(tool).args(options).arg("--no-recorded-paths").arg("-").stdin(dump).run()
}

/// As [`run`], for the tools that take no binary.
fn plain(tool: &str, options: &[&str], dump: &[u8]) -> Outcome {
    match tool {
        "coredump-bt" => run(tool, options, dump),
        _ => Tool::new(tool).args(options).arg("-").stdin(dump).run(),
    }
}

/// An exit code a reader may end with on such input, no panic, nothing raw on the terminal.
#[track_caller]
fn behaves(outcome: &Outcome, what: &str) {
    assert!(matches!(outcome.code(), 0..=2), "{what}: {outcome:?}");
    assert!(!outcome.stderr.contains("panicked"), "{what}: {outcome:?}");
    assert!(!outcome.stderr.chars().any(|letter| letter.is_control() && letter != '\n'), "{what}: {outcome:?}");
    if outcome.code() != 0 {
        assert!(!outcome.stderr.is_empty(), "{what}: says nothing");
    }
}

#[test]
fn a_dump_cut_off_anywhere_tells_what_came_before() {
    let whole = std::fs::read(wasmtime_dump("wat-values")).unwrap();
    for len in (0..whole.len()).step_by(whole.len() / 24) {
        for (tool, options) in READERS {
            let outcome = plain(tool, options, &whole[..len]);
            behaves(&outcome, &format!("{tool} {options:?}, {len} bytes"));
            if outcome.code() == 1 && tool == "coredump-json" {
                assert!(outcome.stderr.contains("(offset 0x"), "{len}: {}", outcome.stderr);
                outcome.json();
            }
        }
    }
}

#[test]
fn a_dump_with_any_byte_changed_is_survived() {
    for dump in [wasmtime_dump("wat-values"), fixture("dumps/wat-unreachable.xtuc-0.2.coredump")] {
        let mut whole = std::fs::read(dump).unwrap();
        whole.truncate(2000);
        for at in (8..whole.len().min(300)).step_by(11) {
            for flip in [0x01, 0x80] {
                let mut damaged = whole.clone();
                damaged[at] ^= flip;
                for (tool, options) in READERS {
                    behaves(&plain(tool, options, &damaged), &format!("{tool} {options:?}, byte {at} ^ {flip:#x}"));
                }
            }
        }
    }
}

/// Each module asks the file system for many names: a dump of two megabytes must not ask ten million times.
#[test]
fn of_a_million_modules_a_thousand_are_looked_for() {
    let frames: Vec<_> = (0..3000).map(|instance| FrameBytes { instance, ..frame(1, 1, &[]) }).collect();
    let instances: Vec<(u32, &[u32], &[u32])> =
        (0..3000).map(|module| (1_000_000 - module, &[][..], &[][..])).collect();
    let modules = build::custom("coremodules", &[build::leb(1_000_001), b"\0\0".repeat(1_000_001)].concat());
    let stack = build::standard_stack(&frames);
    let dump = build::module(&[build::core("app"), modules, build::coreinstances(&instances), stack]);
    for tool in ["coredump-bt", "coredump-json", "coredump-dump"] {
        let outcome = run(tool, &[], &dump);
        assert!(matches!(outcome.code(), 0 | 1), "{tool}: {}", outcome.stderr);
        assert!(outcome.stderr.lines().count() < 200, "{tool}: {} lines", outcome.stderr.lines().count());
    }
    let told = run("coredump-bt", &[], &dump).stderr;
    assert!(told.contains("of 1000001 modules the binaries of 1000 are looked for"), "{told}");
    assert!(told.contains("other modules have no binary either"), "{told}");
}

#[test]
fn names_made_to_steer_a_terminal_do_not() {
    let evil = "\u{1b}]0;owned\u{7}\u{202e}\n\u{9b}2J";
    let name = [vec![evil.len() as u8], evil.as_bytes().to_vec()].concat();
    let section = |kind: &str, contents: Vec<u8>| {
        let body = [vec![kind.len() as u8], kind.as_bytes().to_vec(), contents].concat();
        [vec![0, body.len() as u8], body].concat()
    };
    let dump = [
        b"\0asm\x01\0\0\0".to_vec(),
        section("core", [vec![0], name.clone()].concat()),
        section("coremodules", [vec![1, 0], name.clone()].concat()),
        section("corestack", [vec![0], name.clone(), vec![1, 0, 0, 1, 2, 0, 0]].concat()),
        section(evil, vec![]),
    ]
    .concat();
    for (tool, options) in READERS {
        let outcome = plain(tool, options, &dump);
        behaves(&outcome, tool);
        let unsafe_letter =
            |letter: char| letter.is_control() && letter != '\n' && letter != '\t' || letter == '\u{202e}';
        let text = outcome.text().to_owned() + &outcome.stderr;
        assert!(!text.chars().any(unsafe_letter), "{tool} {options:?}: {text:?}");
    }
}
