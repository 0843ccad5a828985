//! The cost of a reader grows as its input does: for every list in every section, twice the entries take about twice
//! the instructions. Counted by valgrind, so that a busy machine changes nothing. The memory that it takes is bounded,
//! too.

use std::path::Path;

use coredump_tests::dump_builder::{self as build, FrameBytes, Number, frame};
use coredump_tests::{Tool, binary, fixture, scratch, section, wasmtime_dump};
use serde_json::{Value, json};

/// Entries of the shorter list.
const COUNT: usize = 1000;
/// Twice the entries may take this many times the instructions that the entries themselves take.
const GROWTH: f64 = 2.5;
/// Instructions in which two runs of the same may differ.
const SLACK: f64 = 1e6;

/// A list of a dump: the sections that have so many entries of it.
type List = (&'static str, fn(usize) -> Vec<Vec<u8>>);
/// A text with so many of something, of which a trace may be made, and how many are counted: a trace costs more than a
/// word.
type Text = (&'static str, usize, fn(usize) -> String);

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

fn identities(count: usize) -> Vec<Vec<u8>> {
    vec![
        build::custom("coremodules", &vector(count, &[0, 1, b'm'])),
        custom("coredump.modules", &json!(vec![json!({"path": "/nowhere/app.wasm", "build_id": "00ff"}); count])),
    ]
}

const LISTS: &[List] = &[
    ("modules", |count| vec![build::custom("coremodules", &vector(count, &[0, 1, b'm'])), stack(1)]),
    ("identities of modules", identities),
    ("identities, four times as many", |count| identities(4 * count)),
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
    ("annotations", |count| {
        let annotations: serde_json::Map<_, _> =
            (0..count).map(|index| (format!("key {index}"), json!("value"))).collect();
        vec![custom("coredump.process", &json!({"annotations": annotations})), stack(1)]
    }),
    ("values of an exception", |count| {
        let exception = json!({"tag": "t", "values": vec![json!({"type": "i32", "value": "7"}); count]});
        vec![custom("coredump.reason", &json!({"kind": "exception", "exception": exception})), stack(1)]
    }),
    ("calls of a recording", |count| {
        let call = [1, 0, 0, 0, 0, 0, 0];
        let written = [&[2, 1, 0, 0, 0, 0, 5, 1, 16, 4][..], b"text"].concat();
        let start =
            json!({"functions": ["wasi_snapshot_preview1.fd_write", "wasi_snapshot_preview1.fd_read"]}).to_string();
        let head = [build::leb(start.len() as u64), start.into_bytes()].concat();
        vec![
            build::custom("coredump.recording", &[head, [&call[..], &written].concat().repeat(count)].concat()),
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

/// A module whose first function is `unreachable`, and two of whose others have one name.
fn module() -> Vec<u8> {
    build::wasm(&[&[0, 0, 0x0b], &[0, 0x0b], &[0, 0x0b]], &[(0, "fail"), (1, "same"), (2, "same")])
}

/// Tools, and the lists that are worth their while: words that are in the names of these.
const COMMANDS: &[(&[&str], &[&str])] = &[
    (&["coredump-json"], &[""]),
    (&["coredump-dump"], &[""]),
    (&["coredump-bt", "--color", "never"], &["frames"]),
    (&["coredump-dump", "--find", "texts"], &["memor"]),
    (&["coredump-dump", "--regex", "t[ex]*ts"], &["segments"]),
    (&["coredump-dump", "--map"], &["memor", "segments", "captured ranges"]),
    (&["coredump-dump", "--heap"], &["memor", "segments"]),
    (&["coredump-json", "--locals", "--heap"], &["frames", "threads", "instances", "segments"]),
    (&["coredump-json", "--redact"], &["frames", "threads", "four times", "instances", "values"]),
    (&["coredump-json", "--sentry"], &["frames", "threads", "modules", "annotations"]),
];

/// Texts for `--trace`, in which the module of [`module`] is `app.wasm`. Up to 64 traces are open at once, and each
/// looks at each line: so more than those are counted.
const TEXTS: &[Text] = &[
    ("frames of a trace", 100, |count| format!("RuntimeError: unreachable\n{}", frame_of_v8().repeat(count))),
    ("frames of different places", 100, |count| {
        let frames =
            (0..count).map(|index| format!("    at wasm://wasm/app.wasm-0:wasm-function[{index}]:0x{index:x}\n"));
        format!("RuntimeError: unreachable\n{}", frames.collect::<String>())
    }),
    ("frames without offsets", 100, |count| "fail@app.wasm:wasm-function[0]\n".repeat(count)),
    ("frames by one name of several", 100, |count| format!("wasm stack trace:\n{}", "\t.same()\n".repeat(count))),
    ("frames of many modules", 20, |count| (0..count).map(|index| format!("{index}: 0x10 - m{index}!f\n")).collect()),
    ("traces", 200, |count| format!("RuntimeError: unreachable\n{}other\n\n\n\n\n\n\n", frame_of_v8()).repeat(count)),
    ("traces that are printed in turns", 200, |count| {
        (0..count).map(|index| format!("p{} | {}: 0x10 - app.wasm!fail\n", index % 100, index / 100)).collect()
    }),
    ("traces that nothing tells apart", 400, |count| "0: 0x10 - app.wasm!fail\n".repeat(count)),
    ("lines behind a trace", 1000, |count| {
        format!("{}{}", frame_of_v8(), "unreachable error: no trace, 0x10\n".repeat(count))
    }),
    ("escaped lines of a string", 300, |count| {
        let frame = r"    at wasm://wasm/app.wasm-0:wasm-function[0]:0x10\n";
        format!("{{\"time\":1,\"message\":\"{}\"}}\n", frame.repeat(count))
    }),
    ("strings of a line", 600, |count| format!("{{{}}}\n", r#""key":"0x1 at f","#.repeat(count))),
    ("strings in strings", 600, |count| format!("{{{}}}\n", r#""a":"{\\"b\\":\\"0x1\\"}","#.repeat(count))),
    ("headlines of a line", 300, |count| format!("{{\"m\":\"{}\"}}\n", r"wasm backtrace:\n".repeat(count))),
    ("colours of a line", 1000, |count| format!("0x1 {}\n", "\x1b[31m".repeat(count))),
    ("callers of a line", 1000, |count| format!("calling stack:{}\n", "module[0]:0, ".repeat(count))),
    ("hyphens of a line", 1000, |count| format!("0x1 {}\n", "0x1 - ".repeat(count))),
    ("parentheses of a line", 1000, |count| format!("wasm stack trace:\n\t{}\n", "f(i32".repeat(count))),
    ("places of a line", 1000, |count| format!("{}\n", " at f (wasm-function[1]:0x1".repeat(count))),
    ("addresses of a line", 1000, |count| format!("{}\n", "@a:wasm-function[1]:0x1]:0x1".repeat(count))),
    ("numbers of a line", 1000, |count| format!("wasm backtrace:\n{}\n", "0: ".repeat(count))),
    ("hashes of a line", 1000, |count| format!("{}\n", "#00 $f1 ".repeat(count))),
    ("backslashes of a line", 1000, |count| format!("0x1 {}\n", "\\\\n\\t".repeat(count))),
];

/// The frame that stands on the `unreachable` of the module.
fn frame_of_v8() -> String {
    let module = module();
    let body = module.windows(3).position(|bytes| bytes == [0, 0, 0x0b]).expect("the body of the function");
    format!("    at fail (wasm://wasm/app.wasm-0:wasm-function[0]:{:#x})\n", body + 1)
}

/// The binary of a tool without its debug info, in a folder: valgrind would read all of that at each start.
fn stripped(tool: &str, folder: &Path) -> std::path::PathBuf {
    let path = folder.join(tool);
    if !path.exists() {
        Tool::other("strip").arg("-o").arg(&path).arg(binary(tool)).run().expect(0);
    }
    path
}

/// Instructions that a command takes, with the module of [`module`], or another one, and a file of these bytes. Of
/// valgrind's tools the counter of basic blocks counts them in the least time.
fn count(command: &[&str], folder: &Path, binary_of: &Path, bytes: &[u8]) -> f64 {
    let file = folder.join("input");
    std::fs::write(&file, bytes).unwrap();
    let tool = Tool::other("valgrind").args(["--tool=exp-bbv", "--instr-count-only=yes", "--bb-out-file=/dev/null"]);
    let tool = tool.arg(stripped(command[0], folder)).args(&command[1..]).arg("-m").arg(binary_of).arg(&file);
    let outcome = tool.in_folder(folder).run();
    // A list without an entry may leave nothing to look into.
    let empty = outcome.stderr.contains("the dump holds no memory");
    assert!(empty || matches!(outcome.code(), 0 | 1), "{command:?}: {outcome:?}");
    let of_threads = outcome.stderr.lines().filter_map(|line| line.split_once("Total instructions:"));
    let counted: Vec<f64> = of_threads.map(|(_, number)| number.trim().parse().unwrap()).collect();
    assert!(!counted.is_empty(), "valgrind counts no instructions: {outcome:?}");
    counted.iter().sum()
}

/// A case of which instructions are counted: a name for people, the entries of the shorter list, a command, and the
/// bytes of a file with so many entries.
type Case<'c> = (String, usize, &'c [&'c str], Box<dyn Fn(usize) -> Vec<u8> + Sync + 'c>);

/// Checks that twice the entries take about twice the instructions that the entries themselves take.
#[track_caller]
fn grow_as_their_input(binary_of: Option<&Path>, cases: &[Case<'_>]) {
    if std::process::Command::new("valgrind").arg("--version").output().is_err() {
        return coredump_tests::skip("valgrind counts the instructions");
    }
    // There is a thread for each processor, and it takes every so many cases.
    let workers = std::thread::available_parallelism().map_or(1, |count| count.get());
    let failures = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let failures = &failures;
            scope.spawn(move || {
                let folder = scratch();
                let own = folder.path().join("app.wasm");
                std::fs::write(&own, module()).unwrap();
                let mut nothing = std::collections::HashMap::new();
                for (name, entries, command, bytes) in cases.iter().skip(worker).step_by(workers) {
                    let count = |entries| count(command, folder.path(), binary_of.unwrap_or(&own), &bytes(entries));
                    let nothing = *nothing.entry(*command).or_insert_with(|| count(0));
                    let two = count(2 * entries) - nothing;
                    // If pairs of entries cost so much that the comparison shows it, this costs more than the
                    // allowance: then no second run is needed.
                    if two < GROWTH * SLACK {
                        continue;
                    }
                    let one = count(*entries) - nothing;
                    if two > GROWTH * one.max(0.0) + SLACK {
                        let told = format!("{command:?}, {name}: {one:.2e} instructions, twice as long {two:.2e}");
                        failures.lock().unwrap().push(told);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{failures:#?}");
}

fn dump(sections: Vec<Vec<u8>>) -> Vec<u8> {
    build::module(&[vec![build::core("app")], sections].concat())
}

#[test]
fn twice_the_entries_take_twice_the_instructions() {
    let mut cases: Vec<Case<'_>> = Vec::new();
    for (command, parts) in COMMANDS {
        let worth = |name: &str| parts.iter().any(|part| name.contains(part));
        for (name, sections) in LISTS.iter().filter(|(name, _)| worth(name)) {
            cases.push((name.to_string(), COUNT, command, Box::new(|entries| dump(sections(entries)))));
        }
    }
    grow_as_their_input(None, &cases);
}

#[test]
fn twice_the_text_takes_twice_the_instructions() {
    let commands: [&[&str]; 2] =
        [&["coredump-bt", "--trace", "--color", "never"], &["coredump-json", "--trace", "--ndjson"]];
    let mut cases: Vec<Case<'_>> = Vec::new();
    for command in commands {
        // Both find traces in the same way: what a line holds need not be looked at twice.
        let worth = |name: &str| command[0] == "coredump-bt" || name.contains("trace");
        for (name, entries, text) in TEXTS.iter().filter(|(name, ..)| worth(name)) {
            cases.push((name.to_string(), *entries, command, Box::new(|entries| text(entries).into_bytes())));
        }
    }
    grow_as_their_input(None, &cases);
}

#[test]
fn twice_the_threads_take_twice_the_instructions_for_their_variables() {
    // The stack of a program with variables of every sort, over and over.
    let program = fixture("modules/vars-O0.wasm");
    let dump = std::fs::read(wasmtime_dump("vars-O0")).unwrap();
    let stack = build::custom("corestack", &dump[section(&dump, "corestack")]);
    let backtrace =
        Tool::new("coredump-bt").arg("--locals").arg("-m").arg(&program).arg(wasmtime_dump("vars-O0")).run();
    assert!(backtrace.text().lines().filter(|line| line.contains(" = ")).count() > 50, "{}", backtrace.text());
    let threads = |count: usize| [&dump[..], &stack.repeat(count)].concat();
    let commands: [&[&str]; 3] = [
        &["coredump-json", "--locals"],
        &["coredump-json", "--locals", "--limit", "100"],
        &["coredump-bt", "--locals", "--color", "never"],
    ];
    let cases: Vec<Case<'_>> =
        commands.into_iter().map(|command| ("threads".to_owned(), 20, command, Box::new(threads) as Box<_>)).collect();
    grow_as_their_input(Some(&program), &cases);
}

/// A program that died in a function with so many variables, and its DWARF in the dump. The variables' names are the
/// ends of one text, of so many letters besides. Their type is an integer, or a function with so many parameters of
/// which each is such a function, five times.
fn described(count: usize, letters: usize, parameters: usize) -> Vec<u8> {
    // A unit and a function with addresses; a variable with name, type and place; a base type.
    const ABBREVIATIONS: &[u8] = &[
        1, 0x11, 1, 0x03, 0x08, 0x11, 0x01, 0x12, 0x06, 0, 0, //
        2, 0x2e, 1, 0x03, 0x08, 0x11, 0x01, 0x12, 0x06, 0, 0, //
        3, 0x34, 0, 0x03, 0x0e, 0x49, 0x13, 0x02, 0x18, 0, 0, //
        4, 0x24, 0, 0x03, 0x08, 0x3e, 0x0b, 0x0b, 0x0b, 0, 0, //
        5, 0x15, 1, 0, 0, //
        6, 0x05, 0, 0x49, 0x13, 0, 0, 0,
    ];
    let addresses = [1u32.to_le_bytes(), 5u32.to_le_bytes()].concat();
    let mut entries = [&[1][..], b"a.c\0", &addresses].concat();
    let integer = 11 + entries.len() as u32;
    entries.extend([&[4][..], b"int\0", &[5, 4]].concat());
    let mut ty = integer;
    for _ in 0..if parameters > 0 { 5 } else { 0 } {
        let parameter = [&[6][..], &ty.to_le_bytes()].concat();
        ty = 11 + entries.len() as u32;
        entries.extend([&[5][..], &parameter.repeat(parameters), &[0]].concat());
    }
    entries.extend([&[2][..], b"f\0", &addresses].concat());
    for at in 0..count as u32 {
        let place = [5, 3, 16, 0, 0, 0];
        entries.extend([&[3][..], &at.to_le_bytes(), &ty.to_le_bytes(), &place].concat());
    }
    entries.extend([0, 0]);
    with_debug_info(ABBREVIATIONS, entries, &[vec![b'v'; count + letters], vec![0]].concat())
}

/// A program that died in a function, and its DWARF in the dump. It has a variable of an enum of Rust of which nothing
/// says which variant is there. Each variant holds a structure of so many members, which are such structures, seven
/// times.
fn nested(members: usize) -> Vec<u8> {
    // A unit with a language and addresses, a function with addresses; a variable with name, type and place; a base
    // type; a structure, a member, variants, a variant.
    const ABBREVIATIONS: &[u8] = &[
        1, 0x11, 1, 0x03, 0x08, 0x13, 0x0b, 0x11, 0x01, 0x12, 0x06, 0, 0, //
        2, 0x2e, 1, 0x03, 0x08, 0x11, 0x01, 0x12, 0x06, 0, 0, //
        3, 0x34, 0, 0x03, 0x08, 0x49, 0x13, 0x02, 0x18, 0, 0, //
        4, 0x24, 0, 0x03, 0x08, 0x3e, 0x0b, 0x0b, 0x0b, 0, 0, //
        5, 0x13, 1, 0x03, 0x08, 0x0b, 0x0b, 0, 0, //
        6, 0x0d, 0, 0x03, 0x08, 0x49, 0x13, 0x38, 0x0b, 0, 0, //
        7, 0x33, 1, 0, 0, //
        8, 0x19, 1, 0, 0, 0,
    ];
    const RUST: u8 = 0x1c;
    let addresses = [1u32.to_le_bytes(), 5u32.to_le_bytes()].concat();
    let mut entries = [&[1][..], b"a.rs\0", &[RUST], &addresses].concat();
    let mut ty = 11 + entries.len() as u32;
    entries.extend([&[4][..], b"i32\0", &[5, 4]].concat());
    let member = |ty: u32| [&[6][..], b"m\0", &ty.to_le_bytes(), &[0]].concat();
    for _ in 0..7 {
        let next = 11 + entries.len() as u32;
        entries.extend([&[5][..], b"S\0", &[4], &member(ty).repeat(members), &[0]].concat());
        ty = next;
    }
    let variant = [&[8][..], &member(ty), &[0]].concat();
    let chosen = 11 + entries.len() as u32;
    entries.extend([&[5][..], b"E\0", &[4, 7], &variant.repeat(2), &[0, 0]].concat());
    entries.extend([&[2][..], b"f\0", &addresses].concat());
    entries.extend([&[3][..], b"v\0", &chosen.to_le_bytes(), &[5, 3, 16, 0, 0, 0]].concat());
    entries.extend([0, 0]);
    with_debug_info(ABBREVIATIONS, entries, &[])
}

/// A program that died in its function at address 3 of the code section, and this DWARF of one unit.
fn with_debug_info(abbreviations: &[u8], entries: Vec<u8>, texts: &[u8]) -> Vec<u8> {
    with_sections(&[(".debug_abbrev", abbreviations), (".debug_info", &unit(&entries)), (".debug_str", texts)])
}

/// A unit with these entries.
fn unit(entries: &[u8]) -> Vec<u8> {
    [&(entries.len() as u32 + 7).to_le_bytes()[..], &[4, 0], &[0; 4], &[4], entries].concat()
}

/// A program that died in its function at address 3 of the code section, and these sections of it.
fn with_sections(sections: &[(&str, &[u8])]) -> Vec<u8> {
    const FRAME: u32 = 2;
    let sections = sections.iter().map(|(name, contents)| build::custom(name, contents));
    let program: Vec<Vec<u8>> =
        std::iter::once(build::wasm(&[&[0, 1, 0, 0x0b]], &[(0, "f")])).chain(sections).collect();
    dump(vec![
        build::coremodules(&["f.wasm"]),
        build::custom("coredump.module", &[build::leb(0), program.concat()].concat()),
        instances(1, &[0], &[]),
        build::memory(1, None),
        build::data(&[(0, &[7; 64])]),
        build::standard_stack(&[frame(0, FRAME, &[])]),
    ])
}

#[test]
fn twice_the_variables_take_twice_the_instructions() {
    let folder = scratch();
    let path = folder.path().join("dump");
    std::fs::write(&path, described(3, 0, 0)).unwrap();
    let listed = Tool::new("coredump-bt").arg("--locals").arg(&path).run().expect(0);
    assert!(listed.text().contains("    vvv: int = 117901063"), "{}", listed.text());
    std::fs::write(&path, described(1, 100_000, 0)).unwrap();
    let listed = Tool::new("coredump-bt").arg("--locals").arg(&path).run().expect(0);
    assert!(listed.text().contains(&format!(" {}…: int = ", "v".repeat(4096))), "a name is shown by its beginning");

    let locals: &[&str] = &["coredump-json", "--locals"];
    std::fs::write(&path, nested(1)).unwrap();
    let listed = Tool::new("coredump-bt").arg("--locals").arg(&path).run().expect(0);
    assert!(listed.text().contains("    v: E = "), "{}", listed.text());

    let cases: [Case<'_>; 5] = [
        ("members of members".into(), 8, locals, Box::new(nested)),
        ("variables".into(), 10_000, &["coredump-bt", "--color", "never"], Box::new(|count| described(count, 0, 0))),
        ("parameters of parameters".into(), 7, locals, Box::new(|count| described(1, 0, count))),
        ("names of one text".into(), 500, locals, Box::new(|count| described(count, 160 * count, 0))),
        (
            "names that are searched".into(),
            2000,
            &["coredump-dump", "--refs", "0x10"],
            Box::new(|count| described(count, 40 * count, 0)),
        ),
    ];
    grow_as_their_input(None, &cases);
}

/// The part of the input that many entries of [`sharing`] share.
#[derive(Clone, Copy, Debug)]
enum Shared {
    /// Variables a list of locations, none of which holds where the program died, or the last of which does.
    Locations { holds: bool },
    /// Variables parts of one list of locations, each an entry less than the one before.
    PartsOfLocations,
    /// Blocks, calls that were inlined, or functions, of the tag, a list of ranges.
    Ranges { tag: u8 },
    /// They share parts of one list of ranges.
    PartsOfRanges { tag: u8 },
    /// Units a list of ranges.
    Units,
    /// Variables a type: a function with two parameters of which each is such a function, and so on.
    Function,
    /// Variables a class that is only declared, and as many others have its name and other arguments.
    Template,
    /// Parameters that are nowhere.
    Parameters,
    /// Variables of one name.
    Name,
    /// Functions an abbreviation with as many attributes, none of which takes a byte of them.
    Abbreviation,
    /// Type units a table with as many abbreviations.
    Table,
    /// Blocks, each in the one before and with a variable that is a number, the function.
    Blocks,
}

/// A program that died in a function, and its DWARF, in which so many entries share something.
fn sharing(shared: Shared, count: usize) -> Vec<u8> {
    // A unit with a language and addresses, a function with addresses; a variable with name, type and place; a base
    // type; a function type, a parameter of one; a variable with a list of locations; a parameter without a place.
    let mut abbreviations = vec![
        1, 0x11, 1, 0x03, 0x08, 0x13, 0x0b, 0x11, 0x01, 0x12, 0x06, 0, 0, //
        2, 0x2e, 1, 0x03, 0x08, 0x11, 0x01, 0x12, 0x06, 0, 0, //
        3, 0x34, 0, 0x03, 0x08, 0x49, 0x13, 0x02, 0x18, 0, 0, //
        4, 0x24, 0, 0x03, 0x08, 0x3e, 0x0b, 0x0b, 0x0b, 0, 0, //
        5, 0x15, 1, 0, 0, //
        6, 0x05, 0, 0x49, 0x13, 0, 0, //
        7, 0x34, 0, 0x03, 0x08, 0x49, 0x13, 0x02, 0x17, 0, 0, //
        8, 0x05, 0, 0x03, 0x08, 0x49, 0x13, 0, 0, //
    ];
    // A class that is only declared, one with a size, its argument; something with a list of ranges, a unit with one.
    let tag = match shared {
        Shared::Ranges { tag } | Shared::PartsOfRanges { tag } => tag,
        _ => 0x0b,
    };
    abbreviations.extend([9, 0x02, 1, 0x03, 0x08, 0x3c, 0x19, 0, 0, 10, 0x02, 1, 0x03, 0x08, 0x0b, 0x0b, 0, 0]);
    abbreviations.extend([11, 0x2f, 0, 0x49, 0x13, 0, 0, 12, tag, 0, 0x55, 0x17, 0, 0, 13, 0x11, 0, 0x55, 0x17, 0, 0]);
    // A function with nothing but flags; a type unit; a block; and a table of some length.
    let count_of = |other: bool| if other { count } else { 0 };
    abbreviations.extend([14, 0x2e, 0]);
    abbreviations.extend([0x3f, 0x19].repeat(count_of(matches!(shared, Shared::Abbreviation))));
    abbreviations.extend([0, 0, 15, 0x41, 0, 0, 0, 16, 0x0b, 1, 0x11, 0x01, 0x12, 0x06, 0, 0]);
    for code in (17..).take(count_of(matches!(shared, Shared::Table))) {
        abbreviations.extend([&build::leb(code)[..], &[0x24, 0, 0, 0]].concat());
    }
    abbreviations.push(0);
    const CPP: u8 = 4;
    const C99: u8 = 12;
    let place: &[u8] = &[5, 3, 16, 0, 0, 0];
    let addresses = [1u32.to_le_bytes(), 5u32.to_le_bytes()].concat();
    let language = if matches!(shared, Shared::Template) { CPP } else { C99 };
    let mut entries = [&[1][..], b"a.c\0", &[language], &addresses].concat();
    let integer = (11 + entries.len() as u32).to_le_bytes();
    entries.extend([&[4][..], b"int\0", &[5, 4]].concat());
    let mut ty = integer;
    if matches!(shared, Shared::Function) {
        for _ in 0..24 {
            let parameter = [&[6][..], &ty].concat();
            ty = (11 + entries.len() as u32).to_le_bytes();
            entries.extend([&[5][..], &parameter, &parameter, &[0]].concat());
        }
    }
    let mut types = vec![ty; count];
    if matches!(shared, Shared::Template) {
        let other = (11 + entries.len() as u32).to_le_bytes();
        entries.extend(b"\x0aOther\0\x04\0");
        for _ in 0..count {
            entries.extend([&b"\x0aX\0\x04\x0b"[..], &integer, &[0]].concat());
        }
        for ty in &mut types {
            *ty = (11 + entries.len() as u32).to_le_bytes();
            entries.extend([&b"\x09X\0\x0b"[..], &other, &[0]].concat());
        }
    }
    if let Shared::Ranges { tag: 0x2e } | Shared::PartsOfRanges { tag: 0x2e } = shared {
        (0..count as u32).for_each(|nth| entries.extend([&[12][..], &offset(shared, nth)].concat()));
    }
    entries.extend([&[2][..], b"f\0", &addresses].concat());
    for (nth, ty) in (0..count as u32).zip(&types) {
        let name = format!("v{nth}\0");
        let name = if matches!(shared, Shared::Name) { b"v\0" } else { name.as_bytes() };
        entries.extend(match shared {
            Shared::Locations { .. } | Shared::PartsOfLocations => [&[7][..], name, ty, &offset(shared, nth)].concat(),
            Shared::Ranges { tag: 0x2e } | Shared::PartsOfRanges { tag: 0x2e } | Shared::Units => Vec::new(),
            Shared::Ranges { .. } | Shared::PartsOfRanges { .. } => [&[12][..], &offset(shared, nth)].concat(),
            Shared::Parameters => [&[8][..], name, ty].concat(),
            Shared::Abbreviation => vec![14],
            Shared::Table => Vec::new(),
            // The number 1.
            Shared::Blocks => [&[16][..], &addresses, &[3], name, ty, &[2, 0x31, 0x9f]].concat(),
            Shared::Function | Shared::Template | Shared::Name => [&[3][..], name, ty, place].concat(),
        });
    }
    entries.extend(vec![0; count_of(matches!(shared, Shared::Blocks))]);
    entries.extend([0, 0]);
    let mut info = unit(&entries);
    // The length, the version, and after the signature where the type is.
    let type_unit = [&[20, 0, 0, 0, 4, 0, 0, 0, 0, 0, 4][..], &[7; 8], &[23, 0, 0, 0, 15]].concat();
    let types = type_unit.repeat(count_of(matches!(shared, Shared::Table)));
    if matches!(shared, Shared::Units) {
        (0..count).for_each(|_| info.extend(unit(&[13, 0, 0, 0, 0])));
    }
    // The value of the first local.
    let description = [4, 0, 0xed, 0, 0, 0x9f];
    let (mut locations, mut ranges) = (Vec::new(), Vec::new());
    for at in (100..).take(count) {
        let (from, to) = (u32::to_le_bytes(2 * at), u32::to_le_bytes(2 * at + 1));
        locations.extend([&from[..], &to, &description].concat());
        ranges.extend([from, to].concat());
    }
    if let Shared::Locations { holds: true } = shared {
        locations.extend([&1u32.to_le_bytes()[..], &9u32.to_le_bytes(), &description].concat());
    }
    let ranges = [ranges, vec![0; 8]].concat();
    with_sections(&[
        (".debug_abbrev", &abbreviations),
        (".debug_info", &info),
        (".debug_types", &types),
        (".debug_loc", &[locations, vec![0; 8]].concat()),
        (".debug_ranges", &ranges),
    ])
}

/// Returns the offset at which the list begins that an entry refers to.
fn offset(shared: Shared, nth: u32) -> [u8; 4] {
    u32::to_le_bytes(match shared {
        Shared::PartsOfLocations => 14 * nth,
        Shared::PartsOfRanges { .. } => 8 * nth,
        _ => 0,
    })
}

#[test]
fn what_many_entries_share_is_read_once() {
    const BLOCK: u8 = 0x0b;
    const INLINED: u8 = 0x1d;
    const FUNCTION: u8 = 0x2e;
    let folder = scratch();
    let path = folder.path().join("dump");
    for (shared, shown) in [
        (Shared::Locations { holds: true }, "    v2: int = "),
        (Shared::Parameters, "    v2: int = "),
        (Shared::Template, "    v2: X<Other> = "),
        (Shared::Function, "    v2: void(void("),
        (Shared::Blocks, "    v2: int = "),
    ] {
        std::fs::write(&path, sharing(shared, 3)).unwrap();
        let listed = Tool::new("coredump-bt").arg("--locals").arg(&path).run().expect(0);
        assert!(listed.text().contains(shown), "{shared:?}: {}", listed.text());
    }
    let bt: &[&str] = &["coredump-bt", "--locals", "--color", "never"];
    let cases: Vec<Case<'_>> = [
        (Shared::Locations { holds: true }, 500),
        (Shared::Locations { holds: false }, 500),
        (Shared::PartsOfLocations, 2500),
        (Shared::Ranges { tag: BLOCK }, 1000),
        (Shared::PartsOfRanges { tag: BLOCK }, 2500),
        (Shared::Ranges { tag: INLINED }, 1000),
        (Shared::PartsOfRanges { tag: INLINED }, 2500),
        (Shared::Ranges { tag: FUNCTION }, 1000),
        (Shared::PartsOfRanges { tag: FUNCTION }, 2500),
        (Shared::Units, 1000),
        (Shared::Template, 300),
        (Shared::Parameters, 300),
        (Shared::Name, 1000),
        (Shared::Abbreviation, 1000),
        (Shared::Table, 1000),
        (Shared::Blocks, 500),
    ]
    .into_iter()
    .map(|(shared, count)| (format!("{shared:?}"), count, bt, Box::new(move |count| sharing(shared, count)) as Box<_>))
    .collect();
    grow_as_their_input(None, &cases);
}

/// A dump of a program with so many names of functions, in one section or each in one of its own.
fn named(count: usize, sections: bool) -> Vec<u8> {
    let names = |numbers: std::ops::Range<usize>| {
        let named = numbers.clone().map(|at| [build::leb(at as u64), build::name(&format!("f{at}"))].concat());
        let list = [build::leb(numbers.len() as u64), named.collect::<Vec<_>>().concat()].concat();
        [&[1][..], &build::leb(list.len() as u64), &list].concat()
    };
    let each = if sections { 1 } else { count.max(1) };
    let all: Vec<Vec<u8>> = (0..count).step_by(each).map(|at| names(at..at + each)).collect();
    with_sections(&all.iter().map(|names| ("name", &names[..])).collect::<Vec<_>>())
}

/// A dump of a program whose source map, which it holds itself, has so many mappings, sources, or maps of sections.
fn mapped(what: &str, count: usize) -> Vec<u8> {
    let plain = |mappings: &str, sources: usize| json!({"version": 3, "sources": vec!["a.ts"; sources], "names": [], "mappings": mappings});
    let map = match what {
        // Each begins a byte and a line after the one before.
        "mappings" => plain(&format!("AAAA{}", ",CACA".repeat(count)), 1),
        "sources" => plain("AAAA", count + 1),
        _ => {
            let section = |at| json!({"offset": {"line": 0, "column": at}, "map": plain("AAAA", 1)});
            json!({"version": 3, "sections": (0..=count).map(section).collect::<Vec<_>>()})
        }
    };
    let url = build::name(&format!("data:application/json,{map}"));
    with_sections(&[("sourceMappingURL", &url)])
}

#[test]
fn twice_the_names_and_mappings_take_twice_the_instructions() {
    let folder = scratch();
    let path = folder.path().join("dump");
    std::fs::write(&path, mapped("mappings", 100)).unwrap();
    let shown = Tool::new("coredump-bt").arg(&path).run().expect(0);
    assert!(shown.text().contains("a.ts:"), "{}", shown.text());
    let bt: &[&str] = &["coredump-bt", "--color", "never"];
    let mut cases: Vec<Case<'_>> = vec![
        ("names".into(), 5000, bt, Box::new(|count| named(count, false))),
        ("sections of names".into(), 2000, bt, Box::new(|count| named(count, true))),
    ];
    for what in ["mappings", "sources", "maps of sections"] {
        cases.push((what.into(), 2000, bt, Box::new(move |count| mapped(what, count))));
    }
    grow_as_their_input(None, &cases);
}

/// A type of a few entries whose name is long is written once for all variables of a frame.
#[test]
fn a_long_name_of_a_type_is_written_once() {
    let folder = scratch();
    let own = folder.path().join("app.wasm");
    std::fs::write(&own, module()).unwrap();
    let count = |shared, variables| {
        count(&["coredump-bt", "--color", "never"], folder.path(), &own, &sharing(shared, variables))
    };
    let long = count(Shared::Function, 101) - count(Shared::Function, 1);
    let short = count(Shared::Name, 101) - count(Shared::Name, 1);
    assert!(long < 20.0 * short + SLACK, "{long:.2e} instructions, {short:.2e} for a short name");
}

/// A heap of dlmalloc as the crate for Rust lays it out, with so many segments and as many blocks in the newest of
/// them.
fn heap(count: usize) -> Vec<u8> {
    const BINS: u32 = 0x1000;
    const BASE: u32 = 0x10000;
    let (mut words, count) = (std::collections::BTreeMap::new(), count as u32);
    let mut put = |at: u32, word: u32| {
        words.insert(at, word);
    };
    // Bins that are empty link to themselves.
    for bin in (0..32).map(|nth| BINS + 8 * nth) {
        put(bin + 8, bin);
        put(bin + 12, bin);
    }
    // Chunks of 16 bytes in use, then the last, free one of 64, and after it the room for a record.
    let first = BASE + 8;
    (0..count).for_each(|nth| put(first + 16 * nth + 4, 16 | 3));
    let top = first + 16 * count;
    put(top + 4, 64 | 1);
    put(top + 64 + 4, 0x38);
    let end = top + 64 + 0x38;
    // The state: the last chunk with its size, and the newest segment, which leads to the others.
    let state = BINS + 66 * 4;
    put(state + 16, top);
    put(state + 20, 64);
    let mut record = state + 32;
    put(record, BASE);
    put(record + 4, end - BASE);
    for segment in (0..count).map(|nth| end.next_multiple_of(4096) + 64 * nth) {
        put(record + 8, segment + 32);
        record = segment + 32;
        put(record, segment);
        put(record + 4, 64);
        put(segment + 8 + 4, 4 | 3);
    }
    // All of the statics and of the heap is captured; what was not put there is zero.
    let run = |range: std::ops::Range<u32>| -> (u32, Vec<u8>) {
        let words = range.clone().step_by(4).map(|at| words.get(&at).copied().unwrap_or(0));
        (range.start, words.flat_map(u32::to_le_bytes).collect())
    };
    let runs = [run(BINS - 64..state + 64), run(BASE..record + 64)];
    let runs = runs.each_ref().map(|(at, bytes)| (*at, &bytes[..]));
    dump(vec![build::memory(record / 65536 + 2, None), build::data(&runs), stack(1)])
}

#[test]
fn twice_the_segments_of_a_heap_take_twice_the_instructions() {
    let folder = scratch();
    let path = folder.path().join("dump");
    std::fs::write(&path, heap(10)).unwrap();
    let listed = Tool::new("coredump-dump").arg("--heap").arg(&path).run().expect(0);
    assert!(listed.text().contains("dlmalloc-rs"), "{}", listed.text());
    let commands: [&[&str]; 2] = [&["coredump-dump", "--heap"], &["coredump-dump", "--check"]];
    let cases: Vec<Case<'_>> =
        commands.iter().map(|command| ("segments".to_owned(), 8000, *command, Box::new(heap) as Box<_>)).collect();
    grow_as_their_input(None, &cases);
}

/// A chain of so many objects, each with an array of its own.
const CHAIN: &str = "(module
    (type $numbers (array (mut i32)))
    (type $node (struct (field (mut (ref null $node))) (field (ref $numbers))))
    (global $first (mut (ref null $node)) (ref.null $node))
    (func (export \"_start\") (local $made i32)
        (loop $more
            (global.set $first
                (struct.new $node (global.get $first) (array.new $numbers (local.get $made) (i32.const 3))))
            (br_if $more (i32.lt_u (local.tee $made (i32.add (local.get $made) (i32.const 1))) (i32.const COUNT))))
        unreachable))";

/// The dump of a program that dies with such a chain.
fn chain(count: usize) -> Vec<u8> {
    let folder = scratch();
    std::fs::write(folder.path().join("chain.wat"), CHAIN.replace("COUNT", &count.to_string())).unwrap();
    let run = Tool::new("coredump-run").args(["-q", "--fast", "-o", "dump", "chain.wat"]).in_folder(folder.path());
    run.run().expect(134);
    std::fs::read(folder.path().join("dump")).unwrap()
}

#[test]
fn twice_the_objects_take_twice_the_instructions() {
    let commands: [&[&str]; 6] = [
        &["coredump-dump", "--heap"],
        &["coredump-dump", "--objects"],
        &["coredump-dump", "--path-to", "7"],
        &["coredump-dump", "--heapsnapshot"],
        &["coredump-json", "--heap"],
        &["coredump-bt", "--color", "never", "--locals"],
    ];
    let cases: Vec<Case<'_>> =
        commands.iter().map(|command| ("objects".to_owned(), 2000, *command, Box::new(chain) as Box<_>)).collect();
    grow_as_their_input(None, &cases);
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
        let outcome = Tool::bounded(tool, 1 << 20).args(options).arg(&dump).run();
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
    let outcome = Tool::bounded(command[0], 1 << 20).arg("-m").arg(folder.path().join("app.wasm")).arg(&path).run();
    assert!(outcome.expect(0).text().contains("#0 "));
}

/// Four coroutines of which each waits for all others, and one that waits for the first: there are more ways through
/// them than any tool could go.
#[test]
fn coroutines_that_wait_for_each_other_are_told_once() {
    let folder = scratch();
    let program = fixture("modules/cpp-coroutines-22-O0.wasm");
    let tasks = |dump: &Path| {
        let script = format!("ulimit -v {}; ulimit -t 60; exec {} \"$@\"", 1 << 20, binary("coredump-json").display());
        let outcome = Tool::other("sh").args(["-c", &script, "sh", "-m"]).arg(&program).arg(dump).run().expect(0);
        outcome.json()["tasks"].clone()
    };
    let original = wasmtime_dump("cpp-coroutines-22-O0");
    let mut addresses = Vec::new();
    each_awaited(&tasks(&original), &mut |one| addresses.push(one["address"].as_str().unwrap().to_owned()));
    let addresses: Vec<u32> = addresses.iter().map(|address| u32::from_str_radix(&address[2..], 16).unwrap()).collect();
    let &[root, a, b, c, d] = addresses.as_slice() else { panic!("{addresses:?}") };

    let mut dump = std::fs::read(&original).unwrap();
    let mut put = |address: u32, value: u32| {
        let at = place_of(&std::fs::read(&original).unwrap(), address);
        dump[at..at + 4].copy_from_slice(&value.to_le_bytes());
    };
    // A promise is three words after the two functions; what else refers to a coroutine may be anywhere in the frame.
    for (coroutine, others) in [(root, [0, 0, 0]), (a, [root, b, c]), (b, [a, c, d]), (c, [a, b, d]), (d, [b, c, a])] {
        for (nth, other) in (0..).zip(others) {
            put(coroutine + 8 + 4 * nth, other);
        }
    }
    put(root + 28, a);
    let path = folder.path().join("dump");
    std::fs::write(&path, dump).unwrap();
    let (mut told, mut repeated) = (0, 0);
    each_awaited(&tasks(&path), &mut |one| match one["note"].as_str() {
        Some(note) if note.starts_with("it was met before") => repeated += 1,
        _ => told += 1,
    });
    assert_eq!(told, 5);
    assert!((1..20).contains(&repeated), "{repeated}");
}

fn each_awaited(value: &Value, each: &mut impl FnMut(&Value)) {
    for one in value.as_array().into_iter().flatten() {
        if one["kind"] == "function" {
            each(one);
        }
        each_awaited(&one["awaits"], each);
    }
}

/// Returns the position in a dump's file of the byte at an address of its memory.
fn place_of(dump: &[u8], address: u32) -> usize {
    for payload in wasmparser::Parser::new(0).parse_all(dump) {
        let wasmparser::Payload::DataSection(segments) = payload.unwrap() else { continue };
        for segment in segments {
            let segment = segment.unwrap();
            let wasmparser::DataKind::Active { offset_expr, .. } = segment.kind else { continue };
            let Ok(wasmparser::Operator::I32Const { value }) = offset_expr.get_operators_reader().read() else {
                continue;
            };
            let range = value as u32..value as u32 + segment.data.len() as u32;
            if range.contains(&address) {
                return segment.range.end - segment.data.len() + (address - range.start) as usize;
            }
        }
    }
    panic!("{address:#x} is not captured")
}
