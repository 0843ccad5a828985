//! Stacks that the engine does not know: goroutines, and the frames of a Python program. The tools must say the same as
//! Go's own traceback and as the text that the Python program printed.

use std::collections::BTreeMap;

use coredump_tests::{Tool, fixture, scratch};
use serde_json::Value;

/// Frames of a goroutine: function, file and line, inlined calls first.
type Frames = Vec<(String, String, u64)>;

/// A goroutine: why it waits or what it does, which goroutine started it in which function, and its frames.
#[derive(Debug, PartialEq)]
struct Goroutine {
    state: String,
    created: Option<(String, u64)>,
    frames: Frames,
}

/// Runs `go-tasks` to its end and returns the document of its dump.
fn run(options: &[&str], argument: &str) -> Value {
    let folder = scratch();
    let dump = folder.path().join("d");
    let command = Tool::new("coredump-run").args(["-q", "--env", "GOTRACEBACK=crash", "-o"]).arg(&dump).args(options);
    let outcome = command.arg(fixture("modules/go-tasks.wasm")).arg(argument).in_folder(folder.path()).run();
    assert!(dump.exists(), "{outcome:?}");
    let json = Tool::new("coredump-json").arg("-m").arg(fixture("modules/go-tasks.wasm")).arg(&dump);
    json.run().expect(0).json()
}

/// The goroutines in the traceback that Go itself printed.
fn printed(document: &Value) -> BTreeMap<u64, Goroutine> {
    let text = document["reason"]["guest_stderr"].as_str().expect("Go prints a traceback");
    let mut all = BTreeMap::new();
    let mut current = 0;
    let mut function = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("goroutine ") {
            current = rest.split(' ').next().unwrap().parse().unwrap();
            let state = rest.split_once('[').unwrap().1.split([',', ']']).next().unwrap().to_owned();
            all.insert(current, Goroutine { state, created: None, frames: Vec::new() });
        } else if let Some(rest) = line.strip_prefix("created by ") {
            let (by, parent) = rest.split_once(" in goroutine ").unwrap();
            all.get_mut(&current).unwrap().created = Some((by.to_owned(), parent.parse().unwrap()));
            function.clear();
        } else if let Some((place, _)) =
            line.strip_prefix('\t').map(|place| place.split_once(' ').unwrap_or((place, "")))
        {
            let (file, number) = place.rsplit_once(':').unwrap();
            // The frame in which every goroutine begins is no call of the program's.
            if !function.is_empty() && function != "runtime.goexit" {
                let frame = (function.clone(), file.to_owned(), number.parse().unwrap());
                all.get_mut(&current).unwrap().frames.push(frame);
            }
        } else if let Some((name, _)) = line.rsplit_once('(') {
            // Go prints `panic` for this function.
            function = if name == "panic" { "runtime.gopanic".into() } else { name.to_owned() };
        }
    }
    all
}

/// The goroutines in a document.
fn shown(document: &Value) -> BTreeMap<u64, Goroutine> {
    let threads = document["threads"].as_array().unwrap();
    let goroutines = threads.iter().map(|thread| {
        let task = &thread["task"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut frames = Frames::new();
        for frame in thread["frames"].as_array().unwrap() {
            for call in frame["inlines"].as_array().unwrap().iter().chain([frame]) {
                if let Some(line) = call["line"].as_u64() {
                    frames.push((text(&call["function"]), text(&call["file"]), line));
                }
            }
        }
        let state = task["wait_reason"].as_str().or(task["status"].as_str()).unwrap_or_default().to_owned();
        // The first has neither.
        let by = task["created_by"]["function"].as_str();
        let created = by.map(|by| (by.to_owned(), task["parent"].as_u64().unwrap_or_default()));
        (task["id"].as_u64().expect("every thread is a goroutine"), Goroutine { state, created, frames })
    });
    goroutines.collect()
}

fn compare(document: &Value) {
    let (printed, mut shown) = (printed(document), shown(document));
    assert!(printed.len() >= 10, "{printed:?}");
    // The functions that end a program after it has printed.
    for goroutine in shown.values_mut() {
        goroutine.frames.retain(|(function, ..)| !matches!(&**function, "runtime.crash" | "runtime.fatalpanic"));
    }
    assert_eq!(shown, printed);
}

#[test]
fn goroutines_are_those_of_gos_own_traceback() {
    for options in [&["--live"][..], &["--fast"]] {
        compare(&run(options, "here"));
        compare(&run(options, "elsewhere"));
    }
}

#[test]
fn the_place_of_a_panic_is_the_programs_own_line_although_nothing_has_a_name() {
    let document = run(&["--fast"], "elsewhere");
    assert_eq!(document["place"]["function"], "main.price");
    assert_eq!(document["place"]["line"], 18);
    assert_eq!(document["signature"], "main.price | main.total | main.receive | main.main.gowrap1");
}

/// What wasmtime prints of the youngest thread.
fn backtrace(document: &Value) -> String {
    let frames = document["threads"][0]["frames"].as_array().unwrap().iter();
    // The callers that are only in memory have no offset.
    let known = frames.filter_map(|frame| Some((frame["module_offset"].as_str()?, frame["function_index"].as_u64()?)));
    let lines = known
        .enumerate()
        .map(|(number, (offset, function))| format!("{number:5}: {offset} - <unknown>!<wasm function {function}>\n"));
    let trap = "wasm trap: wasm `unreachable` instruction executed";
    format!("error while executing at wasm backtrace:\n{}\nCaused by:\n    {trap}\n", lines.collect::<String>())
}

#[test]
fn a_text_with_gos_own_traceback_is_grouped_with_dumps() {
    for argument in ["here", "elsewhere"] {
        let dump = run(&["--fast"], argument);
        let said = dump["reason"]["guest_stderr"].as_str().unwrap();
        let text = format!("{said}{}", backtrace(&dump));
        let trace = Tool::new("coredump-json").args(["--trace", "-m"]).arg(fixture("modules/go-tasks.wasm"));
        let trace = trace.stdin(text).run().expect(0).json();
        for part in ["signature", "place"] {
            let without_frame = |place: &Value| {
                let mut place = place.clone();
                place.as_object_mut().map(|place| place.remove("frame"));
                place
            };
            assert_eq!(without_frame(&trace[part]), without_frame(&dump[part]), "{argument}: {part}");
        }
        assert_eq!(trace["reason"]["panic"]["message"], dump["reason"]["panic"]["message"]);
    }
}

#[test]
fn a_goroutine_names_what_it_waits_for() {
    let document = run(&["--fast"], "elsewhere");
    let waits = |reason: &str| -> Vec<Value> {
        let threads = document["threads"].as_array().unwrap().iter();
        threads
            .filter(|thread| thread["task"]["wait_reason"] == reason)
            .map(|thread| thread["task"]["waits_for"].clone())
            .collect()
    };
    // Both receivers that are left wait for the same channel, the choice for two others.
    let receivers = waits("chan receive");
    assert_eq!(receivers.len(), 2);
    assert_eq!(receivers[0], receivers[1]);
    assert_eq!(receivers[0].as_array().unwrap().len(), 1);
    let choice = waits("select")[0].as_array().unwrap().clone();
    assert!(choice.len() == 2 && choice[0] != choice[1] && !choice.contains(&receivers[0][0]), "{choice:?}");
    assert_eq!(waits("sync.Mutex.Lock")[0].as_array().unwrap().len(), 1);
    assert_eq!(waits("sleep")[0].as_array().unwrap().len(), 0);
}

#[test]
fn a_program_that_exits_has_its_stack_too() {
    let document = run(&["--live", "--on", "all"], "asleep");
    assert_eq!(document["place"]["function"], "main.main");
    let frames = document["threads"][0]["frames"].as_array().unwrap();
    let oldest = frames.last().unwrap();
    assert_eq!((&oldest["function"], &oldest["in_memory"]), (&"runtime.main".into(), &true.into()));
}

#[test]
fn goroutines_alike_are_printed_once() {
    let folder = scratch();
    let module = fixture("modules/go-tasks.wasm");
    let run = Tool::new("coredump-run").args(["-q", "--fast", "--env", "GOTRACEBACK=crash", "-o", "d"]).arg(&module);
    run.arg("elsewhere").in_folder(folder.path()).run();
    let text =
        Tool::new("coredump-bt").args(["-q", "-m"]).arg(&module).arg("d").in_folder(folder.path()).run().expect(0);
    let text = text.text();
    assert!(text.contains("thread 0 \"main\", goroutine 6 [running]\n"), "{text}");
    assert!(text.contains("\ngoroutines 7, 8 [chan receive] on 0x"), "{text}");
    assert!(text.contains("#7 main.total [inlined] at example.test/tasks/tasks.go:24\n"), "{text}");
}

#[test]
fn a_document_with_goroutines_is_encoded_without_them() {
    let document = run(&["--fast"], "elsewhere");
    let folder = scratch();
    std::fs::write(folder.path().join("d.json"), document.to_string()).unwrap();
    Tool::new("coredump-json").args(["--encode", "d.json", "-o", "again"]).in_folder(folder.path()).run().expect(0);
    let again = Tool::new("coredump-json").args(["--no-recorded-paths", "again"]).in_folder(folder.path()).run();
    let again = again.json();
    assert_eq!(again["threads"].as_array().unwrap().len(), 1);
    let engine = document["threads"][0]["frames"].as_array().unwrap().iter().filter(|frame| frame["in_memory"] != true);
    assert_eq!(again["threads"][0]["frames"].as_array().unwrap().len(), engine.count());
}

#[test]
fn python_variables_are_those_that_the_program_printed() {
    let dump = fixture("dumps/python-shop.wasmtime.coredump");
    let document = Tool::new("coredump-json").args(["--locals", "--no-recorded-paths"]).arg(&dump).run().json();
    let frames = document["threads"][0]["interpreted"].as_array().expect("no module says which frame runs them");
    let variables = frames[0]["variables"].as_array().unwrap();
    let printed = shop_values();
    for (name, value) in &printed {
        let found = variables.iter().find(|variable| variable["name"] == **name);
        assert_eq!(found.unwrap_or_else(|| panic!("{name} is missing"))["value"], **value, "{name}");
    }
    assert_eq!(printed.len(), 16);
    let value = |name: &str| variables.iter().find(|variable| variable["name"] == name).unwrap()["value"].clone();
    // Attributes as they were set: `__init__` sets three, the last one came later; the other class has slots.
    assert_eq!(value("order"), "<Order number=17 label='gift' price=2.25 extra='late'>");
    assert_eq!(value("point"), "<Point x=3 y=-4>");
}

/// The values that `leaf` of shop.py printed, which are the same in all versions.
fn shop_values() -> Vec<(String, String)> {
    let expected = std::fs::read_to_string(fixture("expected/python-shop.txt")).unwrap();
    let lines = expected.lines().filter_map(|line| line.strip_prefix("leaf ")?.split_once(" = "));
    lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn python_of_every_version_shows_the_same_program() {
    // Pyodide, whose functions have no names. 3.11 and 3.12 keep no table for readers from outside.
    for minor in [11, 12, 13, 15] {
        let dump = fixture(&format!("dumps/python-shop-3.{minor}.node.coredump"));
        let json = Tool::new("coredump-json").args(["--locals", "--no-recorded-paths"]).arg(&dump).run();
        let document = json.json();
        let frames =
            document["threads"][0]["interpreted"].as_array().unwrap_or_else(|| panic!("3.{minor}: {document}"));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let places: Vec<_> =
            frames.iter().map(|frame| (text(&frame["function"]), frame["line"].as_u64().unwrap())).collect();
        // Until 3.11 a list's expression is a function of its own.
        let list = (minor == 11).then_some(("middle.<locals>.<listcomp>", 59));
        let calls = [("leaf", 46)].into_iter().chain(list);
        let calls = calls.chain([("middle", 59), ("middle", 58), ("middle", 58), ("WitWorld.go", 65)]);
        let calls: Vec<_> = calls.map(|(function, line)| (function.to_owned(), line)).collect();
        assert_eq!(places[..calls.len()], calls, "3.{minor}");
        let value = |name: &str| {
            let variables = frames[0]["variables"].as_array().unwrap();
            let found = variables.iter().find(|variable| variable["name"] == name);
            text(&found.unwrap_or_else(|| panic!("3.{minor}: {name} is missing"))["value"])
        };
        for (name, printed) in shop_values() {
            assert_eq!(value(&name), printed, "3.{minor} {name}");
        }
        assert_eq!(value("order"), "<Order number=17 label='gift' price=2.25 extra='late'>", "3.{minor}");
        assert_eq!(value("point"), "<Point x=3 y=-4>", "3.{minor}");
        assert!(text(&document["signature"]).starts_with("leaf | middle"), "{}", document["signature"]);
        // A generator that waits, and what it delegates to, with the variables that live across.
        let outer = document["tasks"].as_array().unwrap_or_else(|| panic!("3.{minor}: no generator")).iter();
        let outer = outer.map(|task| &task["awaits"][0]).find(|one| one["function"] == "clock").expect("clock waits");
        let inner = &outer["awaits"][0];
        assert_eq!((&inner["function"], &inner["line"], &outer["line"]), (&"ticks".into(), &10.into(), &15.into()));
        assert_eq!(
            (&inner["variables"][1]["value"], &outer["variables"][1]["value"]),
            (&"21".into(), &"'clock'".into())
        );
    }
}

#[test]
fn python_frames_have_their_lines_and_make_the_signature() {
    let dump = fixture("dumps/python-shop.wasmtime.coredump");
    let document = Tool::new("coredump-json").arg("--no-recorded-paths").arg(&dump).run().json();
    let frames = document["threads"][0]["interpreted"].as_array().unwrap();
    let places: Vec<_> =
        frames.iter().map(|frame| (frame["function"].as_str().unwrap(), frame["line"].as_u64())).collect();
    // The lines of the source: `os.abort()`, the list that calls `leaf`, two recursive calls, the entry.
    let calls = [("leaf", 46), ("middle", 59), ("middle", 58), ("middle", 58), ("WitWorld.go", 65)];
    assert_eq!(places, calls.map(|(function, line)| (function, Some(line))));
    assert_eq!(document["signature"], "leaf | middle | WitWorld.go");
    assert_eq!(document["place"]["file"], "/0/app.py");
    let source = std::fs::read_to_string(fixture("sources/python/shop.py")).unwrap();
    assert_eq!(source.lines().nth(46 - 1).unwrap().trim(), "os.abort()");
}

#[test]
fn redaction_hides_the_values_of_an_interpreted_program() {
    let dump = fixture("dumps/python-shop.wasmtime.coredump");
    let redacted = Tool::new("coredump-json").args(["--locals", "--redact", "--no-recorded-paths"]).arg(&dump).run();
    let text = redacted.text();
    // Its names stand in memory alone.
    assert!(!text.contains("\"leaf\"") && !text.contains("123456789012345678901234567890"), "{text}");
}

#[test]
fn javascript_frames_are_those_of_the_programs_own_stack() {
    // With names and without any; quickjs-ng has columns.
    for (name, columns) in [("js-quickjs-ng", true), ("js-quickjs-2021", false)] {
        for options in [&["--live"][..], &["--fast"]] {
            let folder = scratch();
            let module = fixture(&format!("modules/{name}.wasm"));
            let run = Tool::new("coredump-run").args(["-q", "-o", "d"]).args(options).arg(&module);
            let printed = run.in_folder(folder.path()).run().text().to_owned();
            let json = Tool::new("coredump-json").arg("-m").arg(&module).arg("d").in_folder(folder.path());
            let document = json.run().expect(0).json();
            let thread = &document["threads"][0];
            let placed = thread["frames"].as_array().unwrap().iter().filter(|frame| frame["interpreted"].is_array());
            let placed = placed.inspect(|frame| assert_eq!(frame["language"], "javascript"));
            let all: Vec<&Value> = match thread["interpreted"].as_array() {
                Some(unplaced) => unplaced.iter().collect(),
                None => placed.flat_map(|frame| frame["interpreted"].as_array().unwrap()).collect(),
            };
            let shown: Vec<_> = all
                .iter()
                .map(|frame| {
                    format!(
                        "{} {}:{}",
                        frame["function"].as_str().unwrap(),
                        frame["file"].as_str().unwrap(),
                        frame["line"]
                    )
                })
                .collect();
            // `    at total (shop.js:12:20)`, and `    at forEach (native)`, whose frames are the engine's.
            let lines =
                printed.lines().filter_map(|line| line.strip_prefix("    at ")?.strip_suffix(')')?.split_once(" ("));
            let wanted: Vec<_> = lines
                .filter(|(_, place)| *place != "native")
                .map(|(function, place)| {
                    let mut parts = place.split(':');
                    let (file, line) = (parts.next().unwrap(), parts.next().unwrap());
                    (format!("{function} {file}:{line}"), parts.next().map(|column| column.parse::<u64>().unwrap()))
                })
                .collect();
            assert_eq!(shown, wanted.iter().map(|(place, _)| place.clone()).collect::<Vec<_>>(), "{name} {options:?}");
            assert_eq!(shown.len(), 5);
            // The youngest went on in its line: it printed its stack before it died.
            for (frame, (_, column)) in all.iter().zip(&wanted).skip(1) {
                assert_eq!(frame["column"].as_u64(), *column, "{name}");
                assert_eq!(column.is_some(), columns);
            }
            assert_eq!(document["signature"], "stop | <anonymous> | total | main | <eval>");
            assert_eq!(document["place"]["function"], "stop");
        }
    }
}

/// Compares the frames of a dump, whose module is not here and where nothing has a name, with the stack that the script
/// printed of itself: but for the column of the youngest, which went on in its line, and the functions of the engine.
fn compare_script(name: &str, count: usize) -> Value {
    let dump = fixture(&format!("dumps/{name}.node.coredump"));
    let document = Tool::new("coredump-json").arg(&dump).run().json();
    let frames = document["threads"][0]["interpreted"].as_array().expect("JavaScript's frames are shown");
    let place = |frame: &Value| {
        format!("{} {}:{}", frame["function"].as_str().unwrap(), frame["file"].as_str().unwrap(), frame["line"])
    };
    let shown: Vec<_> = frames.iter().map(place).collect();
    let printed = std::fs::read_to_string(fixture(&format!("expected/{name}.txt"))).unwrap();
    let lines = printed.lines().filter_map(|line| line.trim().strip_prefix("at ")?.strip_suffix(')')?.split_once(" ("));
    let lines: Vec<_> = lines.filter(|(_, place)| *place != "native").collect();
    assert_eq!(lines.len(), count);
    let wanted = lines.iter().map(|(name, place)| format!("{name} {}", place.rsplit_once(':').unwrap().0));
    assert_eq!(shown, wanted.collect::<Vec<_>>());
    for (frame, (_, place)) in frames.iter().zip(&lines).skip(1) {
        assert_eq!(frame["column"].to_string(), place.rsplit_once(':').unwrap().1, "{frame}");
    }
    document
}

#[test]
fn methods_getters_and_callbacks_have_their_names() {
    let document = compare_script("quickjs-emscripten", 8);
    assert_eq!(document["signature"], "price | <anonymous> | get total | main | <eval>");
}

#[test]
fn of_several_runtimes_the_stack_is_that_of_the_one_that_runs() {
    // A plugin of Javy holds the runtime with which it was made, too. Nothing of it has a name, and its module is not
    // here.
    let dump = fixture("dumps/javy-shop.node.coredump");
    let document = Tool::new("coredump-json").arg(&dump).run().json();
    let frames = document["threads"][0]["interpreted"].as_array().expect("JavaScript's frames are shown");
    let place = |frame: &Value| {
        format!("{} {}:{}", frame["function"].as_str().unwrap(), frame["file"].as_str().unwrap(), frame["line"])
    };
    let shown: Vec<_> = frames.iter().map(place).collect();
    // The stack that the script printed itself, except for the column and the functions of the engine.
    let printed = std::fs::read_to_string(fixture("expected/javy-shop.txt")).unwrap();
    let lines = printed.lines().filter_map(|line| line.trim().strip_prefix("at ")?.strip_suffix(')')?.split_once(" ("));
    let lines = lines.filter(|(_, place)| *place != "native");
    let wanted: Vec<_> = lines.map(|(name, place)| format!("{name} {}", place.rsplit_once(':').unwrap().0)).collect();
    assert_eq!(wanted.len(), 6);
    // The engine prints this name for the script itself, which has another one in memory.
    let wanted: Vec<_> = wanted.into_iter().map(|line| line.replace("<anonymous>", "<eval>")).collect();
    assert_eq!(shown, wanted);
    let text = Tool::new("coredump-bt").args(["-q"]).arg(&dump).run().text().to_owned();
    assert!(text.contains("\nwhere: spin at function.mjs:11:"), "{text}");
}
