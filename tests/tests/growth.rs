//! What a reader costs grows as its input does: for every list in every section, twice the entries take about twice the
//! instructions. Counted by callgrind, so that a busy machine changes nothing. And what it takes of memory is bounded.

use std::path::Path;

use coredump_tests::dump_builder::{self as build, FrameBytes, Number, frame};
use coredump_tests::{Tool, binary, scratch};
use serde_json::{Value, json};

/// Entries of the shorter list.
const COUNT: usize = 1000;
/// Twice the entries may take this many times the instructions that the entries themselves take.
const GROWTH: f64 = 2.5;
/// Instructions in which two runs of the same may differ.
const SLACK: f64 = 1e6;

/// A list of a dump: the sections that have so many entries of it.
type List = (&'static str, fn(usize) -> Vec<Vec<u8>>);

fn custom(name: &str, value: &Value) -> Vec<u8> {
    build::custom(name, value.to_string().as_bytes())
}

fn vector(count: usize, entry: &[u8]) -> Vec<u8> {
    [build::leb(count as u64), entry.repeat(count)].concat()
}

/// The youngest frame stands on the `unreachable` of the module of [`module`].
fn stack(count: usize) -> Vec<u8> {
    build::standard_stack(&vec![frame(0, 1, &[]); count.max(1)])
}

fn instances(count: usize, memories: &[u32], globals: &[u32]) -> Vec<u8> {
    build::coreinstances(&vec![(0, memories, globals); count])
}

/// Ranges that each hold all of `count` frames.
fn all_of(count: usize) -> Vec<(usize, usize)> {
    (0..count).map(|start| (start % 7, count)).collect()
}

const LISTS: &[List] = &[
    ("modules", |count| vec![build::custom("coremodules", &vector(count, &[0, 1, b'm'])), stack(1)]),
    ("identities of modules", |count| {
        let modules = build::custom("coremodules", &vector(count, &[0, 1, b'm']));
        vec![
            modules,
            custom("coredump.modules", &json!(vec![json!({"path": "/nowhere/app.wasm", "build_id": "00ff"}); count])),
        ]
    }),
    ("instances", |count| vec![instances(count, &[0], &[0]), stack(1)]),
    ("instances with a memory each", |count| {
        let all: Vec<[u32; 1]> = (0..count as u32).map(|index| [index]).collect();
        let each: Vec<(u32, &[u32], &[u32])> = all.iter().map(|own| (0, &own[..], &[][..])).collect();
        vec![build::coreinstances(&each), build::section(5, &vector(count, &[0, 1])), stack(1)]
    }),
    ("memories of an instance", |count| {
        let all: Vec<u32> = (0..count as u32).collect();
        vec![instances(1, &all, &[]), build::section(5, &vector(count, &[0, 1])), stack(1)]
    }),
    ("globals of an instance", |count| {
        let all: Vec<u32> = (0..count as u32).collect();
        vec![instances(1, &[], &all), build::section(6, &vector(count, &[0x7f, 1, 0x41, 1, 0x0b])), stack(1)]
    }),
    ("threads", |count| vec![stack(1); count]),
    ("frames", |count| vec![stack(count)]),
    ("frames of different places", |count| {
        let frames: Vec<_> = (0..count as u32).map(|index| frame(index, index, &[])).collect();
        vec![build::standard_stack(&frames)]
    }),
    ("locals", |count| vec![build::standard_stack(&[frame(0, 1, &vec![Number::I32(7); count])])]),
    ("operands", |count| {
        let stack = vec![Number::F64(1.5); count];
        vec![build::standard_stack(&[FrameBytes { function: 0, offset: 1, stack, ..FrameBytes::default() }])]
    }),
    ("memories", |count| vec![build::section(5, &vector(count, &[0, 1])), stack(1)]),
    ("segments", |count| {
        let all: Vec<(u32, &[u8])> = (0..count as u32).map(|index| (index * 16, &b"text"[..])).collect();
        vec![build::memory(16, None), build::data(&all), stack(1)]
    }),
    ("segments that overlap, last first", |count| {
        let all: Vec<(u32, &[u8])> = (0..count as u32).rev().map(|index| (index * 2, &b"texts"[..])).collect();
        vec![build::memory(16, None), build::data(&all), stack(1)]
    }),
    ("globals", |count| vec![build::section(6, &vector(count, &[0x7f, 1, 0x41, 1, 0x0b])), stack(1)]),
    ("tables", |count| {
        vec![custom(
            "coredump.tables",
            &json!({"tables": vec![json!({"element": "func", "size": 1, "elements": []}); count]}),
        )]
    }),
    ("elements of a table", |count| {
        let elements = vec![json!({"function": {"instance": 0, "index": 0}}); count];
        vec![custom("coredump.tables", &json!({"tables": [{"element": "func", "size": count, "elements": elements}]}))]
    }),
    ("tables of instances", |count| {
        vec![
            instances(count, &[], &[]),
            custom("coredump.tables", &json!({"tables": [], "instances": vec![json!([0, null]); count]})),
        ]
    }),
    ("captured ranges", |count| {
        let captured: Vec<_> = (0..count).map(|index| (index * 32, index * 32 + 9)).collect();
        vec![build::memory(16, None), custom("coredump.memories", &json!([{"captured": captured}])), stack(1)]
    }),
    ("captured ranges that overlap", |count| {
        vec![build::memory(16, None), custom("coredump.memories", &json!([{"captured": all_of(count)}])), stack(1)]
    }),
    ("coverage of memories", |count| {
        vec![
            build::section(5, &vector(count, &[0, 1])),
            custom("coredump.memories", &json!(vec![json!({"missing": "text"}); count])),
        ]
    }),
    ("recorded frames", |count| vec![stack(count), custom("coredump.threads", &json!([{"recorded": all_of(count)}]))]),
    ("modules of frames", |count| {
        let ranges: Vec<_> = all_of(count).into_iter().map(|(start, end)| (start, end, 0)).collect();
        vec![stack(count), custom("coredump.threads", &json!([{"modules": ranges}]))]
    }),
    ("details of threads", |count| {
        vec![custom("coredump.threads", &json!(vec![json!({"recorded": [[0, 9]]}); count])), stack(1)]
    }),
    ("full values", |count| {
        let locals = build::standard_stack(&[frame(0, 1, &vec![Number::Missing; count])]);
        let value = json!({"v128": "00".repeat(16)});
        let values: Vec<_> = (0..count).map(|index| json!({"slot": "local", "index": index, "value": value})).collect();
        vec![locals, custom("coredump.values", &json!(values))]
    }),
    ("arguments", |count| vec![custom("coredump.process", &json!({"args": vec!["argument"; count]})), stack(1)]),
    ("lines of standard error", |count| {
        vec![
            custom("coredump.reason", &json!({"kind": "unreachable", "guest_stderr": "panic: again\n".repeat(count)})),
            stack(1),
        ]
    }),
    ("sections", |count| vec![build::custom("x", b""); count]),
    ("repeated sections", |count| vec![build::custom("coremodules", &[0]); count]),
    ("embedded modules", |count| {
        let modules = build::custom("coremodules", &vector(count, &[0, 1, b'm']));
        let embedded =
            (0..count as u64).map(|index| build::custom("coredump.module", &[build::leb(index), module()].concat()));
        std::iter::once(modules).chain(embedded).collect()
    }),
];

/// A module of one function that is `unreachable`.
fn module() -> Vec<u8> {
    build::wasm(&[&[0, 0, 0x0b]], &[(0, "fail")])
}

/// Tools, and the lists that are worth their while: words that are in the names of these.
const COMMANDS: &[(&[&str], &str)] = &[
    (&["coredump-json"], ""),
    (&["coredump-dump"], ""),
    (&["coredump-bt", "--color", "never"], "frames"),
    (&["coredump-dump", "--find", "texts"], "memor"),
    (&["coredump-dump", "--regex", "t[ex]*ts"], "segments"),
];

/// Instructions that a tool takes for a dump of these sections.
fn count(command: &[&str], folder: &Path, sections: &[Vec<u8>]) -> f64 {
    let dump = folder.join("dump");
    std::fs::write(&dump, build::module(&[&[build::core("app")], sections].concat())).unwrap();
    let tool = Tool::other("valgrind").args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    let tool = tool.arg(binary(command[0])).args(&command[1..]).arg("-m").arg(folder.join("app.wasm")).arg(&dump);
    let outcome = tool.in_folder(folder).run();
    assert!(matches!(outcome.code(), 0 | 1), "{command:?}: {outcome:?}");
    let counted = outcome.stderr.lines().find_map(|line| line.split_once("Collected : ")).expect("callgrind counts");
    counted.1.trim().parse().unwrap()
}

#[test]
fn twice_the_entries_take_twice_the_instructions() {
    if std::process::Command::new("valgrind").arg("--version").output().is_err() {
        return coredump_tests::skip("valgrind counts the instructions");
    }
    // One thread a processor takes every so many lists.
    let workers = std::thread::available_parallelism().map_or(1, |count| count.get());
    let failures = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let failures = &failures;
            scope.spawn(move || {
                let folder = scratch();
                std::fs::write(folder.path().join("app.wasm"), module()).unwrap();
                for (command, part) in COMMANDS {
                    let nothing = count(command, folder.path(), &[stack(1)]);
                    let lists = LISTS.iter().filter(|(name, _)| name.contains(part));
                    for (name, sections) in lists.skip(worker).step_by(workers) {
                        let [one, two] = [COUNT, 2 * COUNT]
                            .map(|entries| count(command, folder.path(), &sections(entries)) - nothing);
                        if two > GROWTH * one.max(0.0) + SLACK {
                            failures
                                .lock()
                                .unwrap()
                                .push(format!("{command:?}, {name}: {one:.2e} instructions, twice as long {two:.2e}"));
                        }
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{failures:#?}");
}

/// A tool that may use so many kilobytes of address space.
fn bounded(tool: &str, kilobytes: u32) -> Tool {
    let script = format!("ulimit -v {kilobytes}; exec {} \"$@\"", binary(tool).display());
    Tool::other("sh").args(["-c", &script, "sh"])
}

#[test]
fn a_million_memories_take_no_more_than_a_gigabyte() {
    let folder = scratch();
    let dump = folder.path().join("dump");
    let memories = build::section(5, &vector(1_000_000, &[0, 1]));
    std::fs::write(&dump, build::module(&[build::core("app"), memories, stack(1)])).unwrap();
    for (tool, options) in [
        ("coredump-dump", &[][..]),
        ("coredump-dump", &["--map"]),
        ("coredump-dump", &["--find", "text"]),
        ("coredump-json", &["--memory", "base64"]),
        ("coredump-bt", &[]),
    ] {
        let outcome = bounded(tool, 1 << 20).args(options).arg(&dump).run();
        assert!(matches!(outcome.code(), 0 | 1), "{tool} {options:?}: {:?} {}", outcome.status, outcome.stderr);
    }
}

#[test]
fn twenty_megabytes_of_standard_error_are_read_at_their_end() {
    let folder = scratch();
    let command = ["coredump-bt", "--color", "never"];
    std::fs::write(folder.path().join("app.wasm"), module()).unwrap();
    let dump = |lines: usize| {
        let reason = json!({"kind": "unreachable", "guest_stderr": "panicked at nothing, aborted\n".repeat(lines)});
        build::module(&[build::core("app"), custom("coredump.reason", &reason), stack(1)])
    };
    let path = folder.path().join("large");
    std::fs::write(&path, dump(700_000)).unwrap();
    let outcome = bounded(command[0], 1 << 20).arg("-m").arg(folder.path().join("app.wasm")).arg(&path).run();
    assert!(outcome.expect(0).text().contains("#0 "));
}
