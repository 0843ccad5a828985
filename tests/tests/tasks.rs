//! Asynchronous tasks. The tools must say the same of the tasks as the programs print before they die.

use coredump_tests::{Outcome, Tool, fixture, scratch};
use serde_json::Value;

/// A program that has died: what it printed, and the document of its dump.
struct Died {
    printed: Vec<String>,
    document: Value,
    folder: tempfile::TempDir,
}

/// Runs a fixture to its end.
fn run(module: &str, options: &[&str], arguments: &[&str]) -> Died {
    let folder = scratch();
    let module = fixture(&format!("modules/{module}.wasm"));
    let command = Tool::new("coredump-run").args(["-q", "-o", "d"]).args(options).arg(&module).args(arguments);
    let outcome = command.in_folder(folder.path()).run();
    assert!(folder.path().join("d").exists(), "{outcome:?}");
    let json = Tool::new("coredump-json").args(["--locals", "-m"]).arg(&module).arg("d");
    let document = json.in_folder(folder.path()).run().expect(0).json();
    Died { printed: outcome.text().lines().map(str::to_owned).collect(), document, folder }
}

impl Died {
    fn tasks(&self) -> &[Value] {
        self.document["tasks"].as_array().map_or(&[], Vec::as_slice)
    }

    fn backtrace(&self, module: &str, options: &[&str]) -> Outcome {
        let tool = Tool::new("coredump-bt").args(["-q", "-m"]).arg(fixture(&format!("modules/{module}.wasm")));
        tool.args(options).arg("d").in_folder(self.folder.path()).run().expect(0)
    }
}

/// All that a task awaits, the outermost first.
fn chain(task: &Value) -> Vec<&Value> {
    let mut found = Vec::new();
    let mut left: Vec<&Value> = task["awaits"].as_array().unwrap().iter().rev().collect();
    while let Some(next) = left.pop() {
        found.push(next);
        left.extend(next["awaits"].as_array().unwrap().iter().rev());
    }
    found
}

/// `name=value` of every variable, in order.
fn variables(task: &Value) -> Vec<String> {
    let all = chain(task).into_iter().flat_map(|one| one["variables"].as_array().unwrap());
    let all = all.filter(|variable| variable["status"] == "ok");
    all.map(|variable| format!("{}={}", variable["name"].as_str().unwrap(), variable["value"].as_str().unwrap()))
        .collect()
}

/// The words of a line that the program printed, without its spaces in quotes.
fn words(line: &str) -> Vec<String> {
    let mut quoted = false;
    let parts = line.split(|c: char| {
        quoted ^= c == '"';
        c == ' ' && !quoted
    });
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// The line of a source that ends in the comment `FUNCTION waits`.
fn marked(source: &str, mark: &str) -> u64 {
    let text = std::fs::read_to_string(fixture(&format!("sources/{source}"))).unwrap();
    let mut lines = (1..).zip(text.lines()).filter(|(_, line)| {
        let comment = line.split_once("// ").or(line.split_once("/* ")).map(|(_, comment)| comment);
        comment.is_some_and(|comment| comment.trim_end_matches([' ', '*', '/', '{']) == mark)
    });
    lines.next().unwrap_or_else(|| panic!("no line is marked {mark:?}")).0
}

fn in_order(printed: &[String], shown: &[String]) -> bool {
    let mut shown = shown.iter();
    printed.iter().all(|word| shown.any(|variable| variable == word))
}

fn compare_rust(died: &Died) {
    let printed: Vec<_> = died.printed.iter().map(|line| words(line)).filter(|words| words.len() > 1).collect();
    let tasks: Vec<_> = died.tasks().iter().filter(|task| task["executor"] == "tokio").collect();
    assert_eq!(tasks.len(), printed.len(), "each task once: {tasks:#?}");
    for words in printed {
        let (name, id) = (&words[0], words[1].parse::<u64>().unwrap());
        let task = tasks.iter().find(|task| task["id"] == id).unwrap_or_else(|| panic!("no task {id}"));
        let chain = chain(task);
        let function = chain[0]["function"].as_str().unwrap();
        assert!(
            function == format!("tasks::{name}") || function == format!("tasks::{name}::{{async block#0}}"),
            "{function}"
        );
        assert!(in_order(&words[2..], &variables(task)), "{name}: {words:?}, {:?}", variables(task));
        let state = match &**name {
            "ready" => "complete",
            "crasher" => "running",
            _ => "idle",
        };
        assert_eq!(task["state"], state, "{name}");
        // Every function of the program waits at the line that says so.
        for one in chain.iter().filter(|one| one["state"] == "suspended") {
            let own = one["function"].as_str().unwrap().strip_prefix("tasks::");
            let Some(own) = own.map(|own| own.split("::").next().unwrap()) else { continue };
            match own {
                // Macros: the line is the function's, and the note says so.
                "joined" | "selected" => assert!(one["note"].as_str().unwrap().contains("in a macro"), "{one:#}"),
                own => assert_eq!(one["line"], marked("rust-async/src/bin/tasks.rs", &format!("{own} waits")), "{own}"),
            }
        }
    }
}

fn waits_for(died: &Died, function: &str) -> Vec<String> {
    let task = died.tasks().iter().find(|task| chain(task)[0]["function"] == function);
    let waits = task.unwrap_or_else(|| panic!("no task is {function}"))["waits_for"].as_array().unwrap().iter();
    waits.map(|leaf| leaf.as_str().unwrap().to_owned()).collect()
}

#[test]
fn tasks_of_tokio_are_those_that_the_program_printed() {
    for options in [&[][..], &["--live"], &["--fast"]] {
        let died = run("rust-tasks", options, &["panic"]);
        compare_rust(&died);
        let sleep = "tokio::time::sleep::Sleep";
        assert_eq!(waits_for(&died, "tasks::sleeper"), [sleep]);
        assert_eq!(waits_for(&died, "tasks::joined"), [sleep, sleep]);
        assert_eq!(waits_for(&died, "tasks::selected"), [sleep, "tokio::sync::notify::Notified"]);
        assert_eq!(waits_for(&died, "tasks::receiver"), ["tokio::sync::oneshot::Receiver<u32>"]);
        assert_eq!(
            waits_for(&died, "tasks::reader"),
            ["tokio::sync::mpsc::bounded::Receiver<alloc::string::String>::recv"]
        );
        assert_eq!(waits_for(&died, "tasks::locker"), ["tokio::sync::batch_semaphore::Acquire"]);
        assert_eq!(waits_for(&died, "tasks::boxed::{async block#0}"), [sleep]);
        // The note of a task that waits for another has the other's number: `nap` is the second.
        let follower = died.tasks().iter().find(|task| chain(task)[0]["function"] == "tasks::follower").unwrap();
        assert_eq!(chain(follower).last().unwrap()["task"], 2);
    }
}

#[test]
fn what_was_moved_away_is_not_shown_as_a_variable() {
    let died = run("rust-tasks", &["--fast"], &["panic"]);
    let of = |function: &str| {
        let task = died.tasks().iter().find(|task| chain(task)[0]["function"] == function).unwrap();
        let variables = chain(task)[0]["variables"].as_array().unwrap().clone();
        variables.iter().map(|variable| variable["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    // `rx` was moved into what is awaited; `weight` is the argument as it was given.
    assert_eq!(of("tasks::receiver"), ["doubled", "weight"]);
    assert_eq!(of("tasks::follower"), [""; 0]);
    assert_eq!(of("tasks::reader"), ["rx", "total"]);
}

#[test]
fn a_task_that_is_polled_stands_where_its_frames_do() {
    for options in [&["--live"][..], &["--fast"]] {
        let died = run("rust-tasks", options, &["panic"]);
        let crasher =
            died.tasks().iter().find(|task| task["state"] == "running" && task["executor"] == "tokio").unwrap();
        let chain = chain(crasher);
        let functions: Vec<_> = chain.iter().map(|one| one["function"].as_str().unwrap()).collect();
        assert_eq!(functions, ["tasks::crasher", "tasks::explode"]);
        assert_eq!(chain[0]["line"], marked("rust-async/src/bin/tasks.rs", "crasher runs"));
        assert_eq!(chain[1]["line"], marked("rust-async/src/bin/tasks.rs", "explode panics"));
        for one in chain {
            assert_eq!(one["state"], "running");
            let frame = &died.document["threads"][0]["frames"][one["frame"].as_u64().unwrap() as usize];
            let calls = frame["inlines"].as_array().unwrap().iter().chain([frame]);
            let lines: Vec<_> = calls.map(|call| call["line"].clone()).collect();
            assert!(lines.contains(&one["line"]), "{lines:?}");
        }
        // The future that polls the tasks is the program's own.
        let main = died.tasks().iter().find(|task| task["executor"].is_null()).unwrap();
        assert_eq!(main["state"], "running");
    }
}

#[test]
fn a_deadlock_shows_all_tasks_unasked() {
    let died = run("rust-tasks", &["--fast"], &["deadlock"]);
    compare_rust(&died);
    let text = died.backtrace("rust-tasks", &[]).text().to_owned();
    assert!(text.contains("condvar wait not supported"), "{text}");
    assert!(text.contains("\ntask 1 of tokio [idle], waits for tokio::sync::oneshot::Receiver<u32>\n"), "{text}");
    let line = marked("rust-async/src/bin/tasks.rs", "receiver waits");
    assert!(text.contains(&format!("\n    tasks::receiver at src/rust-async/src/bin/tasks.rs:{line}\n")), "{text}");
    assert!(!text.contains("doubled"), "variables are shown with --locals only: {text}");
    let text = died.backtrace("rust-tasks", &["--async", "--locals"]).text().to_owned();
    assert!(text.contains("\n        doubled: u64 = 42\n"), "{text}");
}

#[test]
fn futures_in_a_pool_and_in_each_other_are_found() {
    for options in [&["--live"][..], &["--fast"]] {
        let died = run("rust-pool", options, &["panic"]);
        let tasks: Vec<_> = died.tasks().iter().filter(|task| task["executor"] == "futures").collect();
        let named = |name: &str| {
            let is_it = |task: &&&Value| chain(task).iter().any(|one| one["function"] == format!("pool::{name}"));
            *tasks.iter().find(is_it).unwrap_or_else(|| panic!("no task is {name}: {tasks:#?}"))
        };
        assert_eq!(tasks.len(), 3, "the fourth is polled: {tasks:#?}");
        assert_eq!(named("wait")["waits_for"], serde_json::json!(["futures_channel::oneshot::Receiver<u32>"]));
        let steps = |name: &str| {
            let all = chain(named(name)).into_iter();
            let steps = all.filter(|one| one["function"] == "pool::step");
            let line = marked("rust-async/src/bin/pool.rs", "step waits");
            let own = steps.map(|step| {
                assert_eq!(step["line"], line);
                let mine = step["variables"].as_array().unwrap().iter().find(|variable| variable["name"] == "mine");
                mine.unwrap()["value"].as_str().unwrap().to_owned()
            });
            own.collect::<Vec<_>>()
        };
        // The length of each one's name.
        assert_eq!(steps("pair"), ["4", "5"]);
        let mut gathered = steps("gather");
        gathered.sort();
        assert_eq!(gathered, ["3", "5", "7"]);
    }
}

#[test]
fn tasks_of_async_task_are_those_that_the_program_printed() {
    for options in [&["--live"][..], &["--fast"]] {
        let died = run("rust-executor", options, &[]);
        let tasks: Vec<_> = died.tasks().iter().filter(|task| task["executor"] == "async-task").collect();
        let functions = |task: &Value| -> Vec<String> {
            let all = chain(task).into_iter().filter_map(|one| one["function"].as_str());
            all.map(str::to_owned).collect()
        };
        let named = |name: &str| {
            let is_it = |task: &&&Value| {
                functions(task)
                    .iter()
                    .any(|one| one.trim_end_matches("::{async block#0}") == format!("executor::{name}"))
            };
            *tasks.iter().find(is_it).unwrap_or_else(|| panic!("no task is {name}: {tasks:#?}"))
        };
        let printed: Vec<_> = died.printed.iter().map(|line| words(line)).collect();
        assert_eq!(printed.len(), 5);
        for words in printed.iter().filter(|words| words[0] != "ready") {
            let task = named(&words[0]);
            assert_eq!(task["state"], "idle", "{}", words[0]);
            let shown = variables(task);
            assert!(words[1..].iter().all(|word| shown.contains(word)), "{words:?}, {shown:?}");
            for one in chain(task).iter().filter(|one| one["state"] == "suspended") {
                let own = one["function"].as_str().unwrap().strip_prefix("executor::").unwrap();
                let own = own.split("::").next().unwrap();
                let line = marked("rust-async/src/bin/executor.rs", &format!("{own} waits"));
                assert_eq!(one["line"], line, "{own}");
            }
        }
        assert_eq!(named("walker")["waits_for"], serde_json::json!(["futures_channel::oneshot::Receiver<u32>"]));
        // The note of a task that waits for another has the other's address.
        let followed = chain(named("follower")).last().unwrap()["note"].as_str().unwrap().to_owned();
        assert_eq!(followed, format!("waits for the task at {}", named("consumer")["address"].as_str().unwrap()));
        let crasher = named("crasher");
        assert_eq!(crasher["state"], "running");
        let polled = *chain(crasher).last().unwrap();
        assert_eq!(polled["line"], marked("rust-async/src/bin/executor.rs", "crasher panics"), "{crasher:#}");
        let frame = &died.document["threads"][0]["frames"][polled["frame"].as_u64().unwrap() as usize];
        let mut calls = frame["inlines"].as_array().unwrap().iter().chain([frame]);
        assert!(calls.any(|call| call["line"] == polled["line"]), "{frame:#}");
        // The executor is no part of where it crashed.
        assert_eq!(died.document["signature"], "executor::crasher::{closure}");
        let ended: Vec<_> = tasks.iter().filter(|task| task["state"] == "complete").collect();
        assert_eq!((tasks.len(), ended.len()), (6, 1));
    }
}

#[test]
fn a_state_that_makes_no_sense_is_said_and_not_followed() {
    let died = run("rust-tasks", &["--fast"], &["deadlock"]);
    let receiver = died.tasks().iter().find(|task| chain(task)[0]["function"] == "tasks::receiver").unwrap();
    let address = chain(receiver)[0]["address"].as_str().unwrap();
    let address = u64::from_str_radix(&address[2..], 16).unwrap();
    let mut bytes = std::fs::read(died.folder.path().join("d")).unwrap();
    let needle = died_bytes(&died, address, 32);
    let places: Vec<_> = bytes.windows(needle.len()).enumerate().filter(|(_, window)| *window == needle).collect();
    assert_eq!(places.len(), 1, "the state is in the file once");
    let place = places[0].0;
    bytes[place..place + 32].fill(0xee);
    std::fs::write(died.folder.path().join("d"), bytes).unwrap();
    let json = Tool::new("coredump-json").args(["--locals", "-m"]).arg(fixture("modules/rust-tasks.wasm")).arg("d");
    let document = json.in_folder(died.folder.path()).run().json();
    let task = document["tasks"].as_array().unwrap().iter().find(|task| task["id"] == receiver["id"]).unwrap();
    let function = &task["awaits"][0];
    assert_eq!(function["state"], "unknown", "{task:#}");
    assert!(function["note"].as_str().unwrap().contains("makes no sense"), "{function:#}");
    assert_eq!(function["variables"], serde_json::json!([]));
    assert_eq!(function["awaits"], serde_json::json!([]));
}

/// Bytes of the program's memory.
fn died_bytes(died: &Died, address: u64, length: u64) -> Vec<u8> {
    let dump = Tool::new("coredump-dump").args(["--raw", "--range", &format!("{address:#x}+{length}"), "d"]);
    let dump = dump.in_folder(died.folder.path()).run().expect(0);
    dump.stdout
}

/// Compares the coroutines of a C++ program with what it printed, as far as its debug information goes.
fn compare_cpp(module: &str, lines: bool, locals: bool) {
    let died = run(module, &["--fast"], &[]);
    let all: Vec<_> = died.tasks().iter().flat_map(chain).collect();
    for words in died
        .printed
        .iter()
        .map(|line| words(line))
        .filter(|words| words.get(1).is_some_and(|one| one.starts_with("0x")))
    {
        let found = all.iter().find(|one| one["address"] == *words[1]);
        if words[0] == "ended" {
            assert!(found.is_none(), "one that has ended does not wait: {found:#?}");
            continue;
        }
        let found = found.unwrap_or_else(|| panic!("{module}: no coroutine at {}", words[1]));
        let function = found["function"].as_str().unwrap();
        assert!(function.starts_with(&format!("{}(", words[0])), "{function}");
        let shown: Vec<_> = found["variables"].as_array().unwrap().iter().collect();
        for (name, value) in words[2..].iter().filter_map(|word| word.split_once('=')) {
            match shown.iter().find(|variable| variable["name"] == name) {
                Some(variable) => assert_eq!(variable["value"], value, "{module}: {name}"),
                None => assert!(!locals, "{module}: {name} is not shown: {shown:#?}"),
            }
        }
    }
    // Each coroutine waits for the one that it called.
    let top = died.tasks().iter().find(|task| task["awaits"][0]["function"] == "top()").unwrap();
    let functions: Vec<_> = chain(top).iter().map(|one| one["function"].as_str().unwrap()).collect();
    assert_eq!(functions, ["top()", "middle(int)", "leaf(int, char const*)"], "{module}");
    if lines {
        let at = |mark: &str| marked("cpp/coroutines.cpp", mark);
        let places: Vec<_> = chain(top).iter().map(|one| one["line"].as_u64().unwrap()).collect();
        assert_eq!(places, [at("top waits"), at("middle waits"), at("leaf waits")]);
        let other = all.iter().find(|one| one["line"] == at("other waits"));
        assert!(other.is_some(), "{all:#?}");
        let unstarted: Vec<_> = all.iter().filter(|one| one["state"] == "not-started").collect();
        assert_eq!(unstarted.len(), 1);
        assert_eq!(unstarted[0]["function"], "middle(int)");
    }
}

#[test]
fn coroutines_of_cpp_are_those_that_the_program_printed() {
    compare_cpp("cpp-coroutines-22-O0", true, true);
    compare_cpp("cpp-coroutines-22-O2", false, false);
    compare_cpp("cpp-coroutines-19-O0", false, false);
    compare_cpp("cpp-coroutines-14-O0", false, false);
    compare_cpp("cpp-coroutines-14-O2", false, false);
}

#[test]
fn a_program_without_tasks_says_so() {
    let tool = Tool::new("coredump-bt").args(["-q", "--async", "-m"]).arg(fixture("modules/sum-O0.wasm"));
    let text = tool.arg(fixture("dumps/sum-O0.wasmtime.coredump")).run().expect(0).text().to_owned();
    assert!(text.ends_with("\nno asynchronous task was found\n"), "{text}");
    // Without debug information nobody can tell, which is another answer.
    let tool = Tool::new("coredump-bt").args(["-q", "--async", "-m"]).arg(fixture("modules/sum-stripped.wasm"));
    let text = tool.arg(fixture("dumps/sum-stripped.wasmtime.coredump")).run().text().to_owned();
    assert!(text.contains("known by debug information only, and there is none of modules/sum-stripped.wasm"), "{text}");
}

/// The document of a Python program's dump, whose modules are not kept.
fn python(name: &str) -> Value {
    let dump = fixture(&format!("dumps/{name}.wasmtime.coredump"));
    Tool::new("coredump-json").args(["--locals", "--no-recorded-paths"]).arg(dump).run().json()
}

#[test]
fn tasks_of_asyncio_are_those_that_the_program_printed() {
    let document = python("python-tasks");
    let tasks = document["tasks"].as_array().unwrap();
    let printed = std::fs::read_to_string(fixture("expected/python-tasks.txt")).unwrap();
    for words in printed.lines().map(words) {
        let task =
            tasks.iter().find(|task| task["name"] == *words[0]).unwrap_or_else(|| panic!("no task {}", words[0]));
        assert_eq!(task["address"], *words[1]);
        assert_eq!((&task["executor"], &task["state"]), (&"asyncio".into(), &"idle".into()));
        // As `get_stack()` gives the outermost function: `['sleeper:35']`.
        let first = &task["awaits"][0];
        assert_eq!(format!("['{}:{}']", first["function"].as_str().unwrap(), first["line"]), words[2]);
    }
    let of = |name: &str| {
        let task = tasks.iter().find(|task| task["name"] == name).unwrap();
        chain(task).iter().map(|one| one["function"].as_str().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(of("sleeper"), ["sleeper", "nap", "sleep", "Future"]);
    assert_eq!(of("getter"), ["getter", "Queue.get", "Future"]);
    assert_eq!(of("opener"), ["opener", "Event.wait", "Future"]);
    assert_eq!(of("gatherer"), ["gatherer", "_GatheringFuture"]);
    assert_eq!(of("locker"), ["locker", "_ContextManagerMixin.__aenter__", "Lock.acquire", "Future"]);
    let sleeper = tasks.iter().find(|task| task["name"] == "sleeper").unwrap();
    assert!(
        in_order(
            &["number=1".into(), "label='sleeper 1'".into(), "number=6".into(), "before=60".into()],
            &variables(sleeper)
        ),
        "{:?}",
        variables(sleeper)
    );
    // The running task runs the others, and those of `gather`, which nobody named.
    let running: Vec<_> = tasks.iter().filter(|task| task["state"] == "running").collect();
    assert_eq!(running.len(), 1);
    assert_eq!((&running[0]["name"], &running[0]["awaits"][0]["function"]), (&"Task-1".into(), &"main".into()));
    assert_eq!(tasks.len(), 8);
}

#[test]
fn an_exception_that_nothing_caught_is_found_in_memory() {
    // Nothing of what the program printed is in the dump, and an exception that was caught lives still. Without its
    // modules a dump does not tell that the program gave up: it is added to the dump.
    let folder = scratch();
    let dump = fixture("dumps/python-raise.wasmtime.coredump");
    let whole = Tool::new("coredump-json").args(["--memory", "base64", "--no-recorded-paths"]).arg(dump).run();
    let mut document: Value = serde_json::from_slice(&whole.stdout).unwrap();
    assert!(document["reason"].is_null());
    document["reason"] = serde_json::json!({"kind": "unreachable", "source": "recorded"});
    let encode = Tool::new("coredump-json").args(["--encode", "-o", "d"]).stdin(document.to_string());
    encode.in_folder(folder.path()).run().expect(0);
    let json = Tool::new("coredump-json").args(["--no-recorded-paths", "d"]).in_folder(folder.path());
    let document = json.run().json();
    let panic = &document["reason"]["panic"];
    let printed = std::fs::read_to_string(fixture("expected/python-raise.txt")).unwrap();
    let message = printed.lines().last().unwrap().strip_prefix("app.").unwrap();
    assert_eq!(panic["message"], message);
    assert_eq!((&panic["language"], &panic["source"]), (&"python".into(), &"stack".into()));
    let frames: Vec<_> = panic["frames"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|frame| {
            format!(
                "  File {}, line {}, in {}",
                frame["file"],
                frame["line"],
                frame["function"].as_str().unwrap().rsplit('.').next().unwrap()
            )
        })
        .collect();
    let last = printed.rsplit_once("Traceback (most recent call last):\n").unwrap().1;
    assert_eq!(frames, last.lines().filter(|line| line.starts_with("  File")).collect::<Vec<_>>());
    assert_eq!((&document["place"]["function"], &document["place"]["line"]), (&"quote".into(), &97.into()));
    assert_eq!(document["signature"], "quote | WitWorld.go");
}
