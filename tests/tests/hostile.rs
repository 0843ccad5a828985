//! Dumps cut off and damaged, under the real tools: they say what they could read, and end as they should.

use std::ops::Range;
use std::path::Path;

use coredump_tests::dump_builder::{self as build, FrameBytes, frame};
use coredump_tests::{Outcome, Tool, fixture, scratch, section, wasmtime_dump};
use serde_json::Value;

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
    assert!(told.contains("the dump has 1000001 modules: binaries are searched for only 1000 of them"), "{told}");
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

/// A dump with these bytes laid over its memory: of two data segments at one place, the last counts.
fn laid_over(dump: &[u8], patches: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut contents = build::leb(patches.len() as u64);
    for (address, bytes) in patches {
        contents.extend([0, 0x41]);
        contents.extend(build::signed_leb(i64::from(*address as i32)));
        contents.push(0x0b);
        contents.extend(build::leb(bytes.len() as u64));
        contents.extend(bytes);
    }
    [dump, &[11], &build::leb(contents.len() as u64), &contents].concat()
}

/// A word of a dump's memory.
fn word(dump: &Path, address: u32) -> u32 {
    let range = format!("{address:#x}+4");
    let bytes = Tool::new("coredump-dump").args(["--raw", "--range", &range]).arg(dump).run().expect(0).stdout;
    u32::from_le_bytes(bytes.try_into().unwrap())
}

fn address(text: &Value) -> u32 {
    u32::from_str_radix(text.as_str().unwrap().strip_prefix("0x").unwrap(), 16).unwrap()
}

/// The variables of the youngest Python frame.
fn python_variables(document: &Value) -> Vec<Value> {
    document["threads"][0]["interpreted"][0]["variables"].as_array().unwrap().clone()
}

#[test]
fn frames_of_python_that_call_each_other_are_told_once() {
    let path = fixture("dumps/python-shop.wasmtime.coredump");
    // From `_PyRuntime` over the interpreter and its thread, by the offsets of CPython 3.14.0.
    let found = Tool::new("coredump-dump").args(["--find", "xdebugpy"]).arg(&path).run().expect(0);
    let runtime = address(&Value::from(found.text().split('\t').nth(1).unwrap()));
    let thread = word(&path, word(&path, runtime + 796) + 3704);
    let leaf = word(&path, thread + 52);
    let middle = word(&path, leaf + 4);
    let dump = laid_over(&std::fs::read(&path).unwrap(), &[(middle + 4, leaf.to_le_bytes().to_vec())]);
    let outcome = run("coredump-bt", &[], &dump);
    behaves(&outcome, "a circle of frames");
    assert_eq!(outcome.text().matches("   python ").count(), 2, "{}", outcome.text());
    let all = format!("{}{}", outcome.text(), outcome.stderr);
    assert!(all.contains("older frames of Python 3.14 are not known"), "{all}");
}

#[test]
fn python_objects_that_claim_two_billion_elements_are_unreadable() {
    let path = fixture("dumps/python-shop.wasmtime.coredump");
    let bytes = std::fs::read(&path).unwrap();
    let before = python_variables(&run("coredump-json", &["--locals"], &bytes).json());
    // The first word after the header: a length, or the sign and the number of digits.
    let sized = ["big", "negative", "text", "wide", "emoji", "raw", "items", "pair", "empty"];
    let is_sized = |variable: &Value| sized.contains(&variable["name"].as_str().unwrap());
    let patches = before.iter().filter(|variable| is_sized(variable));
    let patches: Vec<_> = patches.map(|one| (address(&one["address"]) + 8, vec![0xff, 0xff, 0xff, 0x7f])).collect();
    assert_eq!(patches.len(), sized.len());
    let outcome = run("coredump-json", &["--locals"], &laid_over(&bytes, &patches));
    behaves(&outcome, "lengths");
    for variable in python_variables(&outcome.json()).iter().filter(|variable| is_sized(variable)) {
        assert_eq!((&variable["status"], &variable["value"]), (&"unreadable".into(), &Value::Null), "{variable}");
    }
}

#[test]
fn a_python_tuple_of_sixteen_to_the_thirtieth_is_written_in_bounds() {
    let path = fixture("dumps/python-shop.wasmtime.coredump");
    let bytes = std::fs::read(&path).unwrap();
    let variables = python_variables(&run("coredump-json", &["--locals"], &bytes).json());
    let of = |name: &str| address(&variables.iter().find(|one| one["name"] == name).unwrap()["address"]);
    let (pair, kind) = (of("pair"), word(&path, of("pair") + 4));
    // Thirty tuples in memory that nothing else needs, each of sixteen times the next one: references, type, length,
    // hash, elements.
    let tuple = |nth: u32, next: u32| {
        let words = [1, kind, 16, 0].into_iter().chain([next; 16]);
        (0x400 + 128 * nth, words.flat_map(u32::to_le_bytes).collect::<Vec<u8>>())
    };
    let mut patches: Vec<_> = (0..30).map(|nth| tuple(nth, 0x400 + 128 * (nth + 1))).collect();
    patches[29] = tuple(29, of("items"));
    patches.push((pair + 16, 0x400u32.to_le_bytes().to_vec()));
    let options = ["--locals", "--depth", "64", "--elements", "100000"];
    let outcome = run("coredump-json", &options, &laid_over(&bytes, &patches));
    behaves(&outcome, "a tuple of tuples");
    let variables = python_variables(&outcome.json());
    let value = variables.iter().find(|one| one["name"] == "pair").unwrap()["value"].as_str().unwrap().to_owned();
    assert!(value.starts_with("((((((((") && value.len() < 1 << 20, "{} bytes", value.len());
    assert_eq!(variables.iter().find(|one| one["name"] == "ratio").unwrap()["value"], "2.5");
}

#[test]
fn a_memory_of_nothing_but_tasks_of_tokio_is_listed_in_bounds() {
    let folder = scratch();
    let module = fixture("modules/rust-tasks.wasm");
    let tool = Tool::new("coredump-run").args(["-q", "--fast", "-o", "d"]).arg(&module).arg("deadlock");
    tool.in_folder(folder.path()).run();
    let path = folder.path().join("d");
    let read =
        |dump: &[u8]| Tool::new("coredump-json").args(["--locals", "-m"]).arg(&module).arg("-").stdin(dump).run();
    let bytes = std::fs::read(&path).unwrap();
    let document = read(&bytes).json();
    let of_tokio = |document: &Value| -> Vec<Value> {
        let tasks = document["tasks"].as_array().unwrap().iter();
        tasks.filter(|task| task["executor"] == "tokio").cloned().collect()
    };
    let real = of_tokio(&document);
    let size = document["memories"][0]["size"].as_u64().unwrap() as u32;
    // The beginning of a cell, at each place where one may begin, up to the end of the memory.
    let cell = address(&real[0]["address"]);
    let cell: Vec<u8> = (0..16).flat_map(|nth| word(&path, cell + 4 * nth).to_le_bytes()).collect();
    let last = real.iter().map(|task| address(&task["address"])).max().unwrap();
    let start = (last + 0x1000).next_multiple_of(64);
    let count = ((size - start) / 64) as usize;
    assert!(count > 100, "{count}");
    let outcome = read(&laid_over(&bytes, &[(start, cell.repeat(count))]));
    behaves(&outcome, "cells");
    let tasks = of_tokio(&outcome.json());
    assert!(tasks.len() >= count && tasks.len() <= count + real.len() + 64, "{} of {count}", tasks.len());
    // The tasks that the program has are among them as they were.
    for task in &real {
        assert!(tasks.contains(task), "{task:#}");
    }
}

/// Address space that a reader may use for the dumps below, in kilobytes: a dump of a few megabytes takes no gigabytes.
const ROOM: u32 = 3 << 20;

/// The readers of heaps, objects, tasks and variables.
const MEANINGS: [(&str, &[&str]); 5] = [
    ("coredump-json", &["--locals"]),
    ("coredump-dump", &["--heap"]),
    ("coredump-dump", &["--leaks"]),
    ("coredump-dump", &["--check"]),
    ("coredump-bt", &["--locals"]),
];

/// Runs some of them on a damaged dump.
fn read_all_of(dump: &[u8], module: &Path, readers: &[(&str, &[&str])], what: &str) {
    for (tool, options) in readers {
        let outcome = Tool::bounded(tool, ROOM).args(*options).arg("-m").arg(module).arg("-").stdin(dump).run();
        behaves(&outcome, &format!("{tool} {options:?}, {what}"));
    }
}

/// Each page of its memory in turn is nothing but the same word: ones, a large length, an address in the page itself.
/// Among the pages are those of the runtime's lists of goroutines and of the goroutines.
#[test]
fn pages_of_go_that_are_nonsense_are_read_in_bounds() {
    let (path, module) = (fixture("dumps/go-panic.wasmtime.coredump"), fixture("modules/go-panic.wasm"));
    let bytes = std::fs::read(&path).unwrap();
    let size = run("coredump-json", &[], &bytes).json()["memories"][0]["size"].as_u64().unwrap() as u32;
    const PAGE: u32 = 0x10000;
    for (nth, start) in (0..size).step_by(PAGE as usize).enumerate() {
        let word = [u64::MAX, 0x7fff_ffff, u64::from(start) + 8][nth % 3];
        let page = word.to_le_bytes().repeat(PAGE as usize / 8);
        let dump = laid_over(&bytes, &[(start, page)]);
        read_all_of(&dump, &module, &MEANINGS[..2], &format!("page {start:#x} of {word:#x}"));
    }
}

/// Bytes of the section that holds them are changed, which are types, lengths, references and contents.
#[test]
fn damaged_objects_of_kotlin_are_read_in_bounds() {
    let folder = scratch();
    for name in ["kotlin-shapes", "kotlin-parked"] {
        let module = fixture(&format!("modules/{name}.wasm"));
        Tool::new("coredump-run").args(["-q", "-o", "d"]).arg(&module).in_folder(folder.path()).run().expect(134);
        let whole = std::fs::read(folder.path().join("d")).unwrap();
        let start = section(&whole, "coredump.objects").start;
        for nth in 0..24usize {
            // The beginning byte by byte, then further and further apart.
            let (from, value) = (start + nth + nth * nth * nth / 2, [0xff, 0x7f, 0x00][nth % 3]);
            let mut damaged = whole.clone();
            let Some(bytes) = damaged.get_mut(from..from + 1 + nth % 4) else { break };
            bytes.fill(value);
            read_all_of(&damaged, &module, &MEANINGS, &format!("{name}, byte {from:#x}"));
        }
    }
}

/// Words among their contents are changed to another reference, another number or an extreme one: circles, wrong types,
/// lengths of billions.
#[test]
fn objects_of_kotlin_that_refer_to_anything_are_read_in_bounds() {
    const OBJECTS: [(&str, &[&str]); 5] = [
        ("coredump-bt", &["--locals"]),
        ("coredump-json", &["--heap"]),
        ("coredump-dump", &["--heap"]),
        ("coredump-dump", &["--objects"]),
        ("coredump-dump", &["--path-to", "#900"]),
    ];
    let (folder, module) = (scratch(), fixture("modules/kotlin-shapes.wasm"));
    Tool::new("coredump-run").args(["-q", "-o", "d"]).arg(&module).in_folder(folder.path()).run().expect(134);
    let whole = std::fs::read(folder.path().join("d")).unwrap();
    let Range { start, end } = section(&whole, "coredump.objects");
    assert!(end - start > 1 << 12, "there are objects: {start:#x}..{end:#x}");
    // The types come first: without them nothing is read.
    let start = start + (end - start) / 4;
    let mut seed = 11u64;
    let mut roll = |below: usize| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as usize % below
    };
    for round in 0..8 {
        let mut damaged = whole.clone();
        for _ in 0..4 << round {
            let (from, to) = (start + roll(end - start - 4), start + roll(end - start - 4));
            let word = match roll(3) {
                0 => damaged[from..from + 4].try_into().unwrap(),
                1 => ((1 + roll(4000) as u32) << 2).to_le_bytes(),
                _ => [u32::MAX, i32::MAX as u32, i32::MIN as u32, 0][roll(4)].to_le_bytes(),
            };
            damaged[to..to + 4].copy_from_slice(&word);
        }
        read_all_of(&damaged, &module, &OBJECTS, &format!("round {round}"));
    }
}

/// Units that share a line table of very many files, with names of no letters: each unit has a list of them.
#[test]
fn units_that_share_a_table_of_many_files_are_read_in_bounds() {
    const FILES: usize = 200_000;
    const UNITS: usize = 40;
    // A unit with a name, a line table and addresses.
    let abbreviations = [1, 0x11, 0, 0x03, 0x08, 0x10, 0x17, 0x11, 0x01, 0x12, 0x06, 0, 0, 0];
    let entry = [&[1][..], b"a.c\0", &[0; 8], &100u32.to_le_bytes()].concat();
    let unit = [&(entry.len() as u32 + 7).to_le_bytes()[..], &[4, 0], &[0; 4], &[4], &entry].concat();
    let opcodes = [1, 1, 1, 0xfb, 14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1];
    // One folder, and the files: all that is said of each is a path, a text.
    let files = [&[1, 1, 8, 1, b'd', 0, 1, 1, 8][..], &build::leb(FILES as u64), &[0; FILES]].concat();
    let head = [&opcodes[..], &files].concat();
    // A sequence of two bytes, in line 1.
    let rows = [0, 5, 2, 0, 0, 0, 0, 1, 2, 16, 0, 1, 1];
    let table = [&[5, 0, 4, 0][..], &(head.len() as u32).to_le_bytes(), &head, &rows].concat();
    let table = [&(table.len() as u32).to_le_bytes()[..], &table].concat();
    let program = [
        build::wasm(&[&[0, 0, 0x0b]], &[(0, "f")]),
        build::custom(".debug_abbrev", &abbreviations),
        build::custom(".debug_info", &unit.repeat(UNITS)),
        build::custom(".debug_line", &table),
    ];
    let dump = build::module(&[
        build::core("app"),
        build::coremodules(&["f.wasm"]),
        build::custom("coredump.module", &[build::leb(0), program.concat()].concat()),
        build::coreinstances(&[(0, &[], &[])]),
        build::standard_stack(&[frame(0, 1, &[])]),
    ]);
    let outcome = Tool::bounded("coredump-bt", 500_000).arg("--locals").stdin(dump).run();
    behaves(&outcome, "many files");
    assert!(outcome.text().contains("#0 ") && outcome.stderr.contains("DWARF"), "{outcome:?}");
}
