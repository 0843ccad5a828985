//! `coredump-serve --gdb` as LLDB sees it, with its plugin for WebAssembly: what it shows of a dump is what our own
//! tools show. It is another reader of the same debug info, written by others.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use coredump_tests::{Editor, Served, Tool, capture, fixture, scratch, wasmtime_dump};
use serde_json::{Value, json};

/// The program, which few systems have in a version that can: 22 is the first.
fn program() -> Option<&'static str> {
    let version = |name: &str| {
        let output = Command::new(name).arg("--version").output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        text.split_once("lldb version ")?.1.split('.').next()?.parse::<u32>().ok()
    };
    let found = ["lldb-22", "lldb"].into_iter().find(|name| version(name).is_some_and(|version| version >= 22));
    if found.is_none() {
        coredump_tests::skip_everywhere("needs LLDB 22 or newer");
    }
    found
}

/// Returns the text that LLDB prints for each of the commands; `None` if it is not installed.
fn lldb(dump: &Path, module: &Path, commands: &[String]) -> Option<Vec<String>> {
    let program = program()?;
    let served = Served::new(dump, module);
    let connect = format!("process connect --plugin wasm connect://{}", served.address);
    let folder = scratch();
    let script = folder.path().join("commands");
    // If the language of a frame is not C or C++, LLDB takes an expression for Objective-C, which ends it.
    let language = "settings set target.language c++";
    std::fs::write(&script, format!("{language}\n{connect}\n{}\n", commands.join("\n"))).unwrap();
    // A command that fails, or that lets the program go on, does not end it.
    let source = format!("command source -e false -c false {}", script.display());
    let outcome = Tool::other(program).arg("--no-lldbinit").arg("--batch").arg("-o").arg(source).run();
    let text = format!("{}\n{}", outcome.text(), outcome.stderr);
    let mut answers = Vec::new();
    for (number, command) in commands.iter().enumerate() {
        let line = format!("(lldb) {command}\n");
        let rest = text.split(&line).nth(1 + commands[..number].iter().filter(|other| *other == command).count());
        let rest = rest.unwrap_or_else(|| panic!("{command}: {text}"));
        answers.push(rest.split("\n(lldb) ").next().unwrap().to_owned());
    }
    Some(answers)
}

/// A function in a stack: an inlined call is one of its own.
#[derive(Debug, PartialEq)]
struct Line {
    /// Its names: the one in the debug info, and the one that a person reads.
    functions: Vec<String>,
    place: Option<String>,
}

/// The last part of a path, with line and column.
fn place(file: &str, line: u64, column: u64) -> String {
    let file = file.rsplit('/').next().unwrap();
    if column == 0 { format!("{file}:{line}") } else { format!("{file}:{line}:{column}") }
}

/// Our own frames, from the JSON.
fn ours(document: &Value) -> Vec<(Line, Value)> {
    let mut lines = Vec::new();
    for frame in document["threads"][0]["frames"].as_array().unwrap() {
        for call in frame["inlines"].as_array().unwrap().iter().chain([frame]) {
            let known = call["file"].as_str();
            let place =
                known.map(|file| place(file, call["line"].as_u64().unwrap(), call["column"].as_u64().unwrap_or(0)));
            let functions = ["raw_name", "function"].iter().filter_map(|name| call[*name].as_str().map(str::to_owned));
            let name = call["function"].as_str().unwrap_or("?");
            let variables = frame["variables"].as_array().into_iter().flatten();
            let variables: Vec<_> = variables.filter(|one| one["function"] == name).cloned().collect();
            lines.push((Line { functions: functions.collect(), place }, Value::Array(variables)));
        }
    }
    lines
}

/// The frames of LLDB's `bt`.
fn theirs(text: &str) -> Vec<Line> {
    let frames = text.lines().filter_map(|line| line.trim_start_matches(['*', ' ']).strip_prefix("frame #"));
    let frames = frames.map(|line| {
        let (_, rest) = line.split_once('`').unwrap_or((line, line));
        let rest = rest.trim_end_matches(" [inlined]");
        let (named, place) = match rest.rsplit_once(" at ") {
            Some((named, place)) => (named, Some(place.to_owned())),
            None => (rest.rsplit_once(" + ").map_or(rest, |(named, _)| named), None),
        };
        Line { functions: vec![named.to_owned()], place }
    });
    frames.collect()
}

/// LLDB's `frame variable`: the values that are plain numbers or pointers, by name. A name that several blocks use is
/// none.
fn numbers(text: &str) -> HashMap<String, Option<i128>> {
    let mut found = HashMap::new();
    for line in text.lines().filter(|line| line.starts_with('(')) {
        let Some((named, value)) = line.split_once(" = ") else { continue };
        let Some((_, name)) = named.rsplit_once(") ") else { continue };
        let value = number(value);
        found.entry(name.to_owned()).and_modify(|known| *known = None).or_insert(value);
    }
    found
}

fn number(text: &str) -> Option<i128> {
    let word = text.split_whitespace().next()?;
    match word {
        "true" => Some(1),
        "false" => Some(0),
        "nullptr" | "NULL" => Some(0),
        word => match word.strip_prefix("0x") {
            Some(digits) => i128::from_str_radix(digits, 16).ok(),
            None => word.parse().ok(),
        },
    }
}

/// Compares all that LLDB shows with what `coredump-json` says; how many values were the same.
fn compare(dump: &Path, module: &Path) -> Option<usize> {
    let document = Tool::new("coredump-json").arg("--locals").arg("-m").arg(module).arg(dump).run().expect(0).json();
    let ours = ours(&document);
    let mut commands = vec!["bt".to_owned()];
    for index in 0..ours.len() {
        commands.extend([format!("frame select {index}"), "frame variable".to_owned()]);
    }
    let answers = lldb(dump, module, &commands)?;
    let theirs = theirs(&answers[0]);
    assert_eq!(theirs.len(), ours.len(), "{}", answers[0]);
    let mut same = 0;
    let mut seen: Vec<&Line> = Vec::new();
    for (index, ((own, variables), other)) in ours.iter().zip(&theirs).enumerate() {
        assert_eq!(own.place, other.place, "frame {index}: {}", answers[0]);
        // LLDB writes names in other ways where they are mangled, and parameters after them.
        let plain = |name: &String| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if own.functions.iter().all(plain) && !own.functions.iter().any(|name| name.starts_with("_Z")) {
            let named = other.functions[0].split('(').next().unwrap();
            // Clang gives this name to a `main` that takes arguments.
            let named = if named == "__main_argc_argv" { "main" } else { named };
            assert!(own.functions.iter().any(|name| name == named), "frame {index}: {own:?}, LLDB {named}");
        }
        // LLDB 22 shows in all frames of a recursion the values of the youngest.
        if seen.iter().any(|younger| younger.functions == own.functions) {
            continue;
        }
        seen.push(own);
        let shown = numbers(&answers[2 + 2 * index]);
        for variable in variables.as_array().unwrap() {
            let name = variable["name"].as_str().unwrap();
            let same_name = variables.as_array().unwrap().iter().filter(|other| other["name"] == name).count();
            // A name twice may be either.
            if variable["status"] != "ok" || same_name > 1 {
                continue;
            }
            let Some(value) = variable["value"].as_str().and_then(number) else { continue };
            let Some(Some(known)) = shown.get(name) else { continue };
            let bits = |number: i128| number as u128 as u64;
            let same_bits = bits(*known) == bits(value) || bits(*known) as u32 == bits(value) as u32 && value < 0;
            // A value of the moment of the call may be none of this moment.
            assert!(same_bits || variable["at"] == "entry", "frame {index}, {name}: we say {value}, LLDB {known}");
            same += usize::from(same_bits);
        }
    }
    eprintln!("{}: {same} values are the same in {} frames", dump.display(), ours.len());
    Some(same)
}

fn compare_fixtures(names: &[(&str, usize)]) {
    for (name, least) in names {
        let Some(same) = compare(&wasmtime_dump(name), &fixture(&format!("modules/{name}.wasm"))) else { return };
        assert!(same >= *least, "{name}: only {same} values could be compared");
    }
}

#[test]
fn lldb_shows_the_frames_and_values_of_c() {
    compare_fixtures(&[
        ("sum-O0", 15),
        ("sum-O0-dwarf5", 15),
        ("vars-O0", 33),
        ("sum-O2", 0),
        ("vars-O2", 18),
        ("vars-zigcc-O2-dwarf5", 18),
    ]);
}

#[test]
fn lldb_shows_the_frames_and_values_of_cpp() {
    compare_fixtures(&[("cpp-classes", 9), ("cpp-classes-O2", 1), ("cpp-vars-O0", 12), ("cpp-vars-O2", 4)]);
}

#[test]
fn lldb_shows_the_frames_and_values_of_rust() {
    compare_fixtures(&[("rust-vars-O0", 24), ("rust-inline-O2", 1), ("rust-vars-O3", 19)]);
}

#[test]
fn with_all_locals_lldb_shows_the_values_of_optimised_code() {
    let folder = scratch();
    for (name, least) in [("sum-O2", 2), ("vars-O2", 19), ("cpp-vars-O2", 7), ("rust-vars-O3", 21)] {
        let (dump, _) = capture(folder.path(), name, &[]);
        let Some(same) = compare(&dump, &fixture(&format!("modules/{name}.wasm"))) else { return };
        assert!(same >= least, "{name}: only {same} values could be compared");
    }
}

#[test]
fn lldb_reads_memory_and_statics_and_finds_lines() {
    let (dump, module) = (wasmtime_dump("sum-O0"), fixture("modules/sum-O0.wasm"));
    let commands = [
        "memory read --size 1 --format x --count 64 0x400",
        "target variable visited limit",
        "image lookup -a `$pc`",
        "memory read 0x7fff0000",
        "continue",
    ];
    let Some(answers) = lldb(&dump, &module, &commands.map(str::to_owned)) else { return };
    let raw = Tool::new("coredump-dump").args(["--range", "0x400+64"]).arg(&dump).run().expect(0).stdout;
    assert_eq!(bytes(&answers[0]), raw);
    // A static that the program has changed since it was loaded.
    assert!(answers[1].contains("visited = 3") && answers[1].contains("limit = 16"), "{}", answers[1]);
    assert!(answers[2].contains("at sum.c:25:29"), "{}", answers[2]);
    assert!(answers[3].contains("error"), "{}", answers[3]);
    assert!(answers[4].contains("this is a core dump"), "{}", answers[4]);
}

/// The bytes of `memory read --size 1 --format x`.
fn bytes(answer: &str) -> Vec<u8> {
    let words = answer.lines().filter_map(|line| line.split_once(": ")).flat_map(|(_, rest)| rest.split_whitespace());
    words.map(|byte| u8::from_str_radix(byte.strip_prefix("0x").unwrap(), 16).unwrap()).collect()
}

/// Compares the memory of variables, the lines of code addresses, and expressions; how many of each were compared.
fn compare_places(name: &str) -> Option<[usize; 3]> {
    let (dump, module) = (wasmtime_dump(name), fixture(&format!("modules/{name}.wasm")));
    let document = Tool::new("coredump-json").arg("--locals").arg("-m").arg(&module).arg(&dump).run().expect(0).json();
    let hexadecimal = |value: &Value| u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok();
    let frames = document["threads"][0]["frames"].as_array().unwrap();
    // LLDB counts inlined calls as frames.
    let mut commands = Vec::new();
    let mut wanted = Vec::new();
    let mut index = 0;
    for frame in frames {
        let inlined = frame["inlines"].as_array().unwrap();
        if let Some(offset) = hexadecimal(&frame["module_offset"]) {
            let call = inlined.first().unwrap_or(frame);
            let file = call["file"].as_str().map(|file| file.rsplit('/').next().unwrap());
            if let (Some(file), Some(line)) = (file, call["line"].as_u64()) {
                commands.push(format!("image lookup -a {:#x}", 0x4000_0000_0000_0000 | offset));
                wanted.push((0, format!(" at {file}:{line}")));
            }
        }
        let variables = frame["variables"].as_array().into_iter().flatten();
        let variables: Vec<_> = variables.filter(|one| one["status"] == "ok" && one["at"] != "entry").collect();
        for variable in &variables {
            if let Some(address) = hexadecimal(&variable["address"]) {
                commands.push(format!("memory read --size 1 --format x --count 8 {address:#x}"));
                wanted.push((1, format!("{address:#x}+8")));
            }
        }
        // In the frame itself, whose names are all its own.
        let function = &frame["function"];
        let own = variables.iter().find(|one| {
            let same = variables.iter().filter(|other| other["name"] == one["name"]);
            one["function"] == *function && same.count() == 1 && one["value"].as_str().and_then(number).is_some()
        });
        // LLDB 22 takes a recursive function's variables from its youngest frame.
        let is_first = frames.iter().position(|other| other["function"] == *function).unwrap()
            == frame["index"].as_u64().unwrap() as usize;
        if let Some(variable) = own.filter(|_| is_first && inlined.is_empty()) {
            commands.push(format!("frame select {index}"));
            wanted.push((3, String::new()));
            commands.push(format!("expression -- {}", variable["name"].as_str().unwrap()));
            wanted.push((2, variable["value"].as_str().unwrap().to_owned()));
        }
        index += 1 + inlined.len();
    }
    let answers = lldb(&dump, &module, &commands)?;
    let mut compared = [0; 3];
    for ((command, answer), (kind, wanted)) in commands.iter().zip(&answers).zip(&wanted) {
        match kind {
            0 => assert!(answer.contains(wanted), "{name}: {command}: not{wanted}: {answer}"),
            1 => {
                let raw = Tool::new("coredump-dump").args(["--range", wanted]).arg(&dump).run().expect(0).stdout;
                assert_eq!(bytes(answer), raw, "{name}: {command}");
            }
            2 => {
                // An expression of what is not in memory, or of a language that LLDB does not speak, has none.
                let Some((_, value)) = answer.rsplit_once(" = ").filter(|_| !answer.contains("error:")) else {
                    continue;
                };
                let Some(value) = number(value) else { continue };
                let ours = number(wanted).unwrap();
                assert!(value == ours || value as u32 == ours as u32, "{name}: {command}: {wanted}, LLDB {answer}");
            }
            _ => continue,
        }
        compared[*kind] += 1;
    }
    eprintln!("{name}: lines, memory, expressions: {compared:?}");
    Some(compared)
}

#[test]
fn lldb_reads_the_memory_of_variables_and_finds_the_lines_of_every_frame() {
    // Lines, places in memory, and expressions that at least were the same.
    for (name, least) in [
        ("vars-O0", [8, 50, 5]),
        ("vars-O2", [8, 5, 3]),
        ("vars-zigcc-O2-dwarf5", [7, 5, 4]),
        ("cpp-vars-O0", [8, 50, 6]),
        // One structure that is passed by value is shown as it was passed.
        ("cpp-vars-O2", [8, 13, 3]),
        ("rust-vars-O0", [11, 80, 6]),
        ("rust-vars-O3", [9, 70, 3]),
        ("rust-inline-O2", [4, 4, 0]),
    ] {
        let Some(compared) = compare_places(name) else { return };
        assert!(compared.iter().zip(least).all(|(found, least)| *found >= least), "{name}: {compared:?}");
    }
}

#[test]
fn lldbs_own_debug_adapter_shows_the_frames_that_ours_shows() {
    // No function is in this stack twice: of a recursion, `lldb-dap` 22 gives every frame the line of the youngest.
    let Some(program) = program() else { return };
    let adapter = program.replace("lldb", "lldb-dap");
    let (dump, module) = (wasmtime_dump("vars-O2"), fixture("modules/vars-O2.wasm"));
    let served = Served::new(&dump, &module);
    let connect = format!("process connect --plugin wasm connect://{}", served.address);
    let mut theirs = Editor::new(Tool::other(adapter));
    theirs.ask("initialize", json!({"adapterID": "lldb-dap"})).unwrap();
    // It answers when its configuration is done, and lets the program go on: it hears that this cannot be.
    let attach = json!({"seq": 2, "type": "request", "command": "attach", "arguments": {"attachCommands": [connect]}});
    theirs.write(&attach.to_string());
    theirs.write(&json!({"seq": 3, "type": "request", "command": "configurationDone"}).to_string());
    for _ in 0..2 {
        let response = theirs.response();
        assert_eq!(response["success"], true, "{response}");
    }
    theirs.wait_for("stopped");
    let thread = theirs.ask("threads", json!({})).unwrap()["threads"][0]["id"].clone();
    let stack = theirs.ask("stackTrace", json!({"threadId": thread, "levels": 20})).unwrap();
    let mut ours = Editor::new(Tool::new("coredump-serve").arg("--dap"));
    ours.ask("attach", json!({"coreFile": dump, "program": module})).unwrap();
    let lines = |frames: &[Value]| -> Vec<(u64, String)> {
        let known = frames
            .iter()
            .filter_map(|frame| Some((frame["line"].as_u64()?, frame["source"]["name"].as_str()?.to_owned())));
        known.filter(|(_, file)| file == "vars.c").collect()
    };
    let stack = lines(stack["stackFrames"].as_array().unwrap());
    assert_eq!(stack, lines(&ours.frames(0, 0)));
    assert!(stack.len() >= 6, "{stack:?}");
}
