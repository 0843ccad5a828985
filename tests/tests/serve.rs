//! `coredump-serve --dap`: what an editor asks of a debug adapter, over its standard input and output.

use coredump_tests::{Editor, Tool, capture, dump_builder as build, fixture, scratch, wasmtime_dump};
use serde_json::{Value, json};

/// Opens a dump as an editor does, and leaves it stopped.
fn open(dump: &str, module: &str) -> Editor {
    let mut editor = start();
    let arguments = json!({
        "coreFile": wasmtime_dump(dump),
        "program": fixture(&format!("modules/{module}.wasm")),
        "sourceMap": [["src", "/home/me/src"]],
    });
    editor.ask("attach", arguments).unwrap();
    editor.ask("setBreakpoints", json!({"source": {"path": "sum.c"}, "breakpoints": [{"line": 1}]})).unwrap();
    editor.ask("configurationDone", json!({})).unwrap();
    editor
}

/// An editor that has said who it is.
fn start() -> Editor {
    let mut editor = Editor::new(Tool::new("coredump-serve").arg("--dap"));
    let capabilities = editor.ask("initialize", json!({"adapterID": "wasm-coredump"})).unwrap();
    assert_eq!(capabilities["supportsReadMemoryRequest"], true);
    editor
}

fn row(rows: &[(String, Value)], name: &str) -> Value {
    rows.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("{name}: {rows:?}")).1.clone()
}

#[test]
fn a_dump_opens_as_a_stopped_program() {
    let mut editor = open("sum-O0", "sum-O0");
    let frames = editor.frames(0, 3);
    let lines: Vec<_> = frames.iter().map(|frame| (frame["name"].as_str().unwrap(), frame["line"].as_u64())).collect();
    assert_eq!(lines, [("divide", Some(25)), ("share", Some(33)), ("sum", Some(46))]);
    assert_eq!(frames[0]["source"]["path"], "/home/me/src/c/sum.c");
    let kinds: Vec<_> = editor.events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["initialized", "stopped"]);
    let stopped = &editor.events[1]["body"];
    assert_eq!((&stopped["reason"], &stopped["threadId"]), (&json!("exception"), &json!(1)));
    let exception = editor.ask("exceptionInfo", json!({"threadId": 1})).unwrap();
    assert_eq!(exception["exceptionId"], "integer-divide-by-zero");
    assert_eq!(editor.ask("threads", json!({})).unwrap()["threads"][0]["name"], "main");
}

#[test]
fn frames_are_paged_and_inlined_calls_are_frames() {
    let mut editor = open("sum-O2", "sum-O2");
    let all = editor.frames(0, 0);
    let names: Vec<_> = all.iter().map(|frame| frame["name"].as_str().unwrap()).collect();
    assert_eq!(names[..3], ["divide", "share", "sum"]);
    assert_eq!(editor.frames(1, 2), all[1..3]);
    assert!(editor.frames(1000, 20).is_empty());
    let ids: std::collections::BTreeSet<_> = all.iter().map(|frame| frame["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), all.len());
}

#[test]
fn variables_open_to_what_the_program_printed() {
    let mut editor = open("sum-O0", "sum-O0");
    let frame = editor.frames(2, 1)[0]["id"].clone();
    let scopes = editor.ask("scopes", json!({"frameId": frame})).unwrap()["scopes"].as_array().unwrap().clone();
    let named = |name: &str| scopes.iter().find(|scope| scope["name"] == name).unwrap()["variablesReference"].clone();
    let arguments = editor.rows(&named("Arguments"));
    assert_eq!(row(&arguments, "depth")["value"], "3");
    // The pointer opens to the structure, the structure to its members.
    let node = editor.rows(&row(&arguments, "node")["variablesReference"]);
    let members = editor.rows(&row(&node, "*")["variablesReference"]);
    assert_eq!(row(&members, "value")["value"], "30");
    assert_eq!(row(&members, "weight")["value"], "0");
    assert_eq!(row(&editor.rows(&named("Locals")), "before")["value"], "30");
    assert_eq!(row(&editor.rows(&named("Statics")), "visited")["value"], "3");
    // The expression that an editor gets for a row gives the same value.
    let expression = row(&members, "value")["evaluateName"].clone();
    let again =
        editor.ask("evaluate", json!({"expression": expression, "frameId": frame, "context": "hover"})).unwrap();
    assert_eq!(again["result"], "30");
    let wrong = editor.ask("evaluate", json!({"expression": "nowhere + 1", "frameId": frame})).unwrap_err();
    assert!(wrong.starts_with("column 1: ") && wrong.contains("nowhere"), "{wrong}");
}

/// All rows that can be opened from these on, two levels deep.
fn opened(editor: &mut Editor, reference: &Value, levels: u32) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for (name, row) in editor.rows(reference) {
        if levels > 0 && row["variablesReference"] != 0 {
            all.extend(opened(editor, &row["variablesReference"], levels - 1));
        }
        all.push((name, row));
    }
    all
}

#[test]
fn what_is_offered_to_be_watched_has_a_value() {
    for name in ["cpp-classes", "vars-O2"] {
        let mut editor = open(name, name);
        let mut sides = Vec::new();
        for frame in editor.frames(0, 0) {
            let scopes = editor.ask("scopes", json!({"frameId": frame["id"]})).unwrap();
            let scopes = scopes["scopes"].as_array().unwrap().clone();
            for scope in scopes.iter().filter(|scope| scope["expensive"] == false) {
                for (row_name, row) in opened(&mut editor, &scope["variablesReference"], 2) {
                    let Some(expression) = row["evaluateName"].as_str() else { continue };
                    let asked = json!({"expression": expression, "frameId": frame["id"], "context": "watch"});
                    let value = editor.ask("evaluate", asked).unwrap_or_else(|why| panic!("{expression}: {why}"));
                    if row_name == "sides" {
                        sides.push((expression.to_owned(), value["result"].clone()));
                    }
                }
            }
        }
        // A member of a base class is one of the object's own.
        let own = ("(square).sides".to_owned(), json!("4"));
        assert_eq!(sides.contains(&own), name == "cpp-classes", "{sides:?}");
    }
}

#[test]
fn elements_open_a_hundred_at_a_time() {
    let folder = scratch();
    let (dump, _) = capture(folder.path(), "zig-containers", &["--fast"]);
    let mut editor = start();
    editor.ask("attach", json!({"core": dump})).unwrap();
    let frame = editor.frames(0, 1)[0]["id"].clone();
    let ask = |editor: &mut Editor, expression: &str| {
        editor.ask("evaluate", json!({"expression": expression, "frameId": frame, "context": "watch"})).unwrap()
    };
    // A buffer of more than 300 bytes.
    let room = ask(&mut editor, "room");
    let mut rows = editor.rows(&room["variablesReference"]);
    for first in [0, 100, 200] {
        assert_eq!((rows[0].0.clone(), rows[99].0.clone()), (format!("[{first}]"), format!("[{}]", first + 99)));
        assert_eq!(rows[7].1["evaluateName"], format!("(room)[{}]", first + 7));
        let (name, rest) = rows[100].clone();
        assert_eq!(name, format!("[{}..{}]", first + 100, first + 200));
        ask(&mut editor, rest["evaluateName"].as_str().unwrap());
        rows = editor.rows(&rest["variablesReference"]);
    }
}

#[test]
fn memory_is_read_as_far_as_the_dump_holds_it() {
    let mut editor = open("sum-O0", "sum-O0");
    let frame = editor.frames(2, 1)[0]["id"].clone();
    let node = editor.ask("evaluate", json!({"expression": "*node", "frameId": frame})).unwrap();
    let read = |editor: &mut Editor, reference: &Value, count: u64| {
        editor.ask("readMemory", json!({"memoryReference": reference, "count": count})).unwrap()
    };
    // value 30, weight 0: eight bytes.
    assert_eq!(read(&mut editor, &node["memoryReference"], 8)["data"], "HgAAAAAAAAA=");
    let below = editor.ask("readMemory", json!({"memoryReference": "0x0", "offset": -1, "count": 10}));
    assert_eq!(below.unwrap_err(), "there is no memory below address 0");
    let outside = read(&mut editor, &json!("0xfffffff0"), 16);
    assert_eq!((&outside["data"], &outside["unreadableBytes"]), (&json!(""), &json!(16)));
}

#[test]
fn what_a_dump_cannot_do_is_said_in_one_sentence() {
    let mut editor = open("sum-O0", "sum-O0");
    for command in ["continue", "next", "stepIn", "stepOut", "pause", "setVariable"] {
        let why = editor.ask(command, json!({"threadId": 1})).unwrap_err();
        assert_eq!(why, "this is a core dump: the program has ended, and nothing in it can run or change");
    }
    assert!(editor.ask("fly", json!({})).unwrap_err().contains("not known"));
    for (command, arguments) in [("stackTrace", json!({"threadId": 9})), ("scopes", json!({"frameId": 99}))] {
        assert!(editor.ask(command, arguments).unwrap_err().starts_with("there is no "));
    }
    editor.ask("disconnect", json!({})).unwrap();
    assert!(editor.wait().success());
}

#[test]
fn a_message_that_makes_no_sense_is_answered() {
    let mut editor = Editor::new(Tool::new("coredump-serve").arg("--dap"));
    editor.write("{no json");
    let response = editor.response();
    assert_eq!(response["success"], false);
    for no_request in ["[]", "null", r#"{"seq":"one"}"#, r#"{"seq":7,"type":"order"}"#] {
        editor.write(no_request);
        let response = editor.response();
        assert_eq!(response["success"], false, "{no_request}");
        assert!(response["message"].as_str().unwrap().contains("no request"), "{no_request}: {response}");
    }
    assert!(editor.ask("threads", json!({})).unwrap_err().contains("launch or attach comes first"));
    assert!(editor.ask("launch", json!({"coreFile": 7})).unwrap_err().contains("coreFile"));
    let missing = editor.ask("launch", json!({"coreFile": "no-such.coredump", "cwd": "/nowhere"})).unwrap_err();
    assert!(missing.contains("/nowhere/no-such.coredump"), "{missing}");
    // A file without an end is not opened.
    assert!(editor.ask("launch", json!({"coreFile": "/dev/zero"})).unwrap_err().contains("/dev/zero"));
    assert!(editor.ask("initialize", json!([1, {"deep": []}])).is_ok());
}

#[test]
fn the_frames_of_a_python_program_have_their_variables() {
    let mut editor = start();
    editor.ask("attach", json!({"coreFile": wasmtime_dump("python-shop")})).unwrap();
    editor.ask("configurationDone", json!({})).unwrap();
    let frames = editor.frames(0, 0);
    let leaf = frames.iter().find(|frame| frame["name"] == "leaf").expect("Python's frames are shown");
    assert_eq!((&leaf["line"], &leaf["source"]["path"]), (&json!(46), &json!("/0/app.py")));
    let scopes = editor.ask("scopes", json!({"frameId": leaf["id"]})).unwrap();
    let rows = editor.rows(&scopes["scopes"][0]["variablesReference"]);
    assert_eq!(row(&rows, "pair")["value"], "(7, 'seven')");
}

#[test]
fn instructions_are_shown_with_their_offsets_and_lines() {
    let mut editor = open("sum-O0", "sum-O0");
    let here = editor.frames(0, 1)[0]["instructionPointerReference"].clone();
    let ask = |editor: &mut Editor, from: i64, count: u64| {
        let arguments = json!({"memoryReference": here, "instructionOffset": from, "instructionCount": count});
        editor.ask("disassemble", arguments).unwrap()["instructions"].as_array().unwrap().clone()
    };
    let around = ask(&mut editor, -2, 4);
    // As wasm-objdump shows the body of `divide`.
    let text: Vec<_> =
        around.iter().map(|one| (one["address"].as_str().unwrap(), one["instruction"].as_str().unwrap())).collect();
    assert_eq!(
        text,
        [
            ("0x40000000000007be", "local.get 5"),
            ("0x40000000000007c0", "local.get 6"),
            ("0x40000000000007c2", "i32.div_s"),
            ("0x40000000000007c3", "local.set 7"),
        ]
    );
    assert_eq!((&around[0]["instructionBytes"], &around[2]["instructionBytes"]), (&json!("20 05"), &json!("6d")));
    let line = around.iter().find(|one| !one["line"].is_null()).unwrap();
    assert_eq!((&line["line"], &line["location"]["name"]), (&json!(25), &json!("sum.c")));
    // As many as were asked for come, also from outside of the function.
    let all = ask(&mut editor, -10_000, 10_000);
    assert_eq!(all.len(), 10_000);
    assert_eq!(all[0]["presentationHint"], "invalid");
    let first = all.iter().find(|one| one["presentationHint"].is_null()).unwrap();
    assert_eq!((&first["symbol"], &first["instruction"]), (&json!("divide"), &json!("global.get $__stack_pointer")));
    // Code is memory that can be read, and what is no code cannot be disassembled.
    let bytes = editor.ask("readMemory", json!({"memoryReference": here, "count": 1})).unwrap();
    assert_eq!(bytes["data"], "bQ==");
    for reference in ["0x400", "0x4000000000000002", "0x40000009000007c2", "nothing"] {
        let wrong =
            editor.ask("disassemble", json!({"memoryReference": reference, "instructionCount": 1})).unwrap_err();
        assert!(wrong.contains("code") || wrong.contains("binary") || wrong.contains("address"), "{wrong}");
    }
}

#[test]
fn each_of_several_memories_can_be_read() {
    let mut editor = open("wat-multi-memory", "wat-multi-memory");
    let read = |editor: &mut Editor, reference: &str| {
        let read = editor.ask("readMemory", json!({"memoryReference": reference, "count": 6})).unwrap();
        read["data"].as_str().unwrap().to_owned()
    };
    // "in the"
    for reference in ["256", "0x100", "0:0x100", "1:0x1000", "2:0x10000"] {
        assert_eq!(read(&mut editor, reference), "aW4gdGhl", "{reference}");
    }
    let wrong = editor.ask("readMemory", json!({"memoryReference": "3:0", "count": 6})).unwrap_err();
    assert_eq!(wrong, "there is no memory 3: the dump holds 3, counted from 0");
    let text = editor.ask("evaluate", json!({"expression": "memory 2:0x10000 19", "context": "repl"})).unwrap();
    assert!(text["result"].as_str().unwrap().contains("|in the third mem|"), "{text}");
}

#[test]
fn sources_that_the_debug_info_holds_need_no_file() {
    let folder = scratch();
    let (dump, _) = capture(folder.path(), "sum-embedded", &["--quiet"]);
    let mut editor = start();
    editor.ask("attach", json!({"core": dump})).unwrap();
    let source = editor.frames(0, 1)[0]["source"].clone();
    let text = editor.ask("source", json!({"source": source, "sourceReference": source["sourceReference"]})).unwrap();
    assert_eq!(text["content"].as_str().unwrap(), std::fs::read_to_string(fixture("sources/c/sum.c")).unwrap());
    // A file of that name with other contents is not what was compiled; one with the same contents is.
    for (contents, path) in
        [("", Value::Null), (text["content"].as_str().unwrap(), json!(folder.path().join("c/sum.c")))]
    {
        std::fs::create_dir_all(folder.path().join("c")).unwrap();
        std::fs::write(folder.path().join("c/sum.c"), contents).unwrap();
        let mut editor = start();
        editor.ask("attach", json!({"core": dump, "cwd": folder.path()})).unwrap();
        let source = editor.frames(0, 1)[0]["source"].clone();
        match path.is_null() {
            true => assert!(source["sourceReference"].is_u64(), "{source}"),
            false => assert_eq!((&source["path"], &source["sourceReference"]), (&path, &Value::Null)),
        }
    }
    assert!(editor.ask("source", json!({"sourceReference": 99})).unwrap_err().contains("no source 99"));
    // The editor asks for a file that it looked for and did not find.
    let missing = editor.ask("source", json!({"source": {"path": "src/c/sum.c"}, "sourceReference": 0})).unwrap_err();
    assert_eq!(missing, "src/c/sum.c is not here: sourceMap says where sources lie");
    // A source map may hold its sources, too.
    let mut editor = open("as-trap", "as-trap");
    let source = editor.frames(0, 1)[0]["source"].clone();
    let text = editor.ask("source", json!({"sourceReference": source["sourceReference"]})).unwrap();
    let own = fixture("sources/assemblyscript/trap.ts");
    assert_eq!(text["content"].as_str().unwrap(), std::fs::read_to_string(own).unwrap());
}

#[test]
fn a_source_that_lies_here_is_opened_by_its_path() {
    let folder = scratch();
    let mut editor = start();
    let path = folder.path().join("src/c/sum.c");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "").unwrap();
    let arguments =
        json!({"core": wasmtime_dump("sum-O0"), "program": fixture("modules/sum-O0.wasm"), "cwd": folder.path()});
    editor.ask("launch", arguments.clone()).unwrap();
    assert_eq!(editor.frames(0, 1)[0]["source"]["path"], path.to_str().unwrap());
    // With a dump from somebody else, no file is looked for that only the dump names.
    let mut editor = Editor::new(Tool::new("coredump-serve").args(["--dap", "--untrusted"]));
    editor.ask("launch", arguments).unwrap();
    assert_eq!(editor.frames(0, 1)[0]["source"], json!({"name": "sum.c"}));
}

#[test]
fn a_text_with_stack_traces_opens_as_well() {
    let mut editor = start();
    let trace = fixture("traces/node-24.txt");
    editor.ask("launch", json!({"program": [trace, fixture("modules/sum-O0.wasm")]})).unwrap();
    editor.ask("configurationDone", json!({})).unwrap();
    let threads = editor.ask("threads", json!({})).unwrap();
    assert_eq!(editor.events.last().unwrap()["body"]["threadId"], 1);
    assert_eq!(threads["threads"][0]["name"], "line 18: integer-divide-by-zero: RuntimeError: divide by zero");
    let frames = editor.frames(0, 3);
    let lines: Vec<_> = frames.iter().map(|frame| (frame["name"].as_str().unwrap(), frame["line"].as_u64())).collect();
    assert_eq!(lines, [("divide", Some(25)), ("share", Some(33)), ("sum", Some(46))]);
    // A trace says nothing of what was in memory.
    let scopes = editor.ask("scopes", json!({"frameId": frames[0]["id"]})).unwrap()["scopes"].clone();
    for scope in scopes.as_array().unwrap() {
        for (name, row) in editor.rows(&scope["variablesReference"]) {
            assert!(row["value"].as_str().unwrap().starts_with('<'), "{name}: {row}");
        }
    }
    let memory = editor.ask("readMemory", json!({"memoryReference": "0x400", "count": 4})).unwrap_err();
    assert_eq!(memory, "the dump holds no memory");
    let neither = editor.ask("launch", json!({"program": fixture("sources/c/sum.c")})).unwrap_err();
    assert!(neither.ends_with("neither a core dump nor a text with a stack trace"), "{neither}");
}

#[test]
fn the_console_has_words_of_its_own() {
    let mut editor = open("sum-O0", "sum-O0");
    let frame = editor.frames(2, 1)[0]["id"].clone();
    let mut say = |text: &str| {
        let arguments = json!({"expression": text, "frameId": frame, "context": "repl"});
        editor.ask("evaluate", arguments).map(|body| body["result"].as_str().unwrap().to_owned())
    };
    assert_eq!(say("node.value").unwrap(), "30");
    let memory = say("memory node 8").unwrap();
    assert!(memory.starts_with("0x00011550  1e 00 00 00 00 00 00 00 "), "{memory}");
    assert_eq!(say("memory 0x11550 8").unwrap(), memory, "a pointer leads where it points");
    let what = say("whatis &visited").unwrap();
    assert!(what.contains("\nsymbol: visited at "), "{what}");
    assert!(say("help").unwrap().contains("whatis PLACE"));
    // Three nodes, and what the C library allocated.
    let heap = say("heap").unwrap();
    assert!(heap.starts_with("memory 0, dlmalloc: ") && heap.contains(" used blocks of "), "{heap}");
    assert!(say("whatis node").unwrap().contains("\nblock: 0x11550, 12 bytes, used\ntype: struct node"));
    assert_eq!(say("leaks").unwrap(), "memory 0: 0 blocks of 0 bytes are lost");
    assert_eq!(say("tasks").unwrap_err(), "no asynchronous task was found");
    assert_eq!(say("whatis").unwrap_err(), "whatis needs an address or an expression");
    assert!(say("memory nowhere").unwrap_err().contains("nowhere"));
    assert!(say("memory 0xffffff00").unwrap_err().contains("outside the memory"));
    // Elsewhere they are expressions, and no variable has such a name.
    assert!(editor.ask("evaluate", json!({"expression": "help", "frameId": frame, "context": "hover"})).is_err());
}

#[test]
fn names_and_members_are_completed() {
    let mut editor = open("sum-O0", "sum-O0");
    let frame = editor.frames(2, 1)[0]["id"].clone();
    let mut complete = |text: &str| -> Vec<String> {
        let arguments = json!({"text": text, "column": text.len() + 1, "frameId": frame});
        let body = editor.ask("completions", arguments).unwrap();
        body["targets"].as_array().unwrap().iter().map(|one| one["label"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(complete("n"), ["node"]);
    assert_eq!(complete("1 + node->"), ["next", "value", "weight"]);
    assert_eq!(complete("stats.last.v"), ["value"]);
    assert_eq!(complete("wh"), ["whatis"]);
    assert!(complete("nowhere.").is_empty());
}

#[test]
fn machinery_is_faint_and_the_programs_own_code_is_not() {
    let mut editor = open("rust-inline-O2", "rust-inline-O2");
    let frames = editor.frames(0, 0);
    let faint = |name: &str| {
        let frame = frames.iter().find(|frame| frame["name"] == name).unwrap_or_else(|| panic!("{name}"));
        frame["presentationHint"] == "subtle"
    };
    assert!(faint("std::process::abort") && faint("std::rt::lang_start_internal"));
    assert!(!faint("inline::refuse") && !faint("inline::main"));
}

#[test]
fn an_inlined_functions_variables_are_not_its_callers() {
    let mut editor = open("rust-inline-O2", "rust-inline-O2");
    let frames = editor.frames(0, 0);
    let id = |name: &str| frames.iter().find(|frame| frame["name"] == name).unwrap()["id"].clone();
    let mut value = |name: &str| {
        let arguments = json!({"expression": "amount", "frameId": id(name)});
        editor.ask("evaluate", arguments).map(|body| body["result"].as_str().unwrap().to_owned())
    };
    // Both have a parameter of that name, of which only the inner one's value is known; `pay` has none.
    assert_eq!(value("inline::refuse").unwrap(), "1000");
    assert_eq!(value("inline::withdraw").unwrap(), "<not captured>");
    assert!(value("inline::pay").is_err());
}

#[test]
fn only_the_thread_that_crashed_has_an_exception() {
    let mut editor = open("sum-O0", "sum-O0");
    assert_eq!(editor.ask("exceptionInfo", json!({"threadId": 2})).unwrap_err(), "there is no thread 2");
    assert_eq!(editor.ask("exceptionInfo", json!({})).unwrap_err(), "there is no thread 0");
    assert!(editor.ask("exceptionInfo", json!({"threadId": 1})).is_ok());
}

#[test]
fn what_is_no_protocol_gets_a_word_before_the_end() {
    for bytes in [&b"{\"seq\": 1}\n"[..], b"GET / HTTP/1.1\r\n\r\n", b"Content-Length: x\r\n\r\n"] {
        let mut editor = Editor::new(Tool::new("coredump-serve").arg("--dap"));
        editor.write_raw(bytes);
        let response = editor.response();
        assert_eq!(response["success"], false);
        assert!(response["message"].as_str().unwrap().len() > 20, "{response}");
        assert_eq!(editor.wait().code(), Some(2));
    }
}

/// The threads by name, and the numbers by which they are asked for.
fn threads(editor: &mut Editor) -> Vec<(u64, String)> {
    let threads = editor.ask("threads", json!({})).unwrap()["threads"].as_array().unwrap().clone();
    threads.iter().map(|one| (one["id"].as_u64().unwrap(), one["name"].as_str().unwrap().to_owned())).collect()
}

/// The stack of a thread whose name begins so.
fn stack(editor: &mut Editor, name: &str) -> Vec<Value> {
    let found = threads(editor);
    let (id, _) = found.iter().find(|(_, own)| own.starts_with(name)).unwrap_or_else(|| panic!("{name}: {found:?}"));
    editor.ask("stackTrace", json!({"threadId": id})).unwrap()["stackFrames"].as_array().unwrap().clone()
}

/// The variables of the first scope of a frame.
fn first_scope(editor: &mut Editor, frame: &Value) -> Vec<(String, Value)> {
    let scopes = editor.ask("scopes", json!({"frameId": frame["id"]})).unwrap();
    editor.rows(&scopes["scopes"][0]["variablesReference"])
}

#[test]
fn asynchronous_tasks_are_threads_whose_stack_is_what_they_await() {
    let mut editor = open("rust-tasks", "rust-tasks");
    let frames = stack(&mut editor, "task 3 of tokio [idle], waits for tokio::sync::batch_semaphore::Acquire");
    let lines: Vec<_> = frames.iter().map(|frame| (frame["name"].as_str().unwrap(), frame["line"].as_u64())).collect();
    assert_eq!(lines[1], ("(waits for permits: 1)", Some(0)));
    assert_eq!(frames[1]["presentationHint"], "label");
    assert_eq!(*lines.last().unwrap(), ("tasks::locker", Some(44)));
    // The program printed this value of the task that it woke before.
    let frames = stack(&mut editor, "task 1 of tokio");
    let variables = first_scope(&mut editor, frames.last().unwrap());
    assert_eq!(row(&variables, "doubled")["value"], "42");
    let named = json!({"expression": "doubled", "frameId": frames.last().unwrap()["id"], "context": "hover"});
    assert_eq!(editor.ask("evaluate", named).unwrap()["result"], "42");
    let said = editor.ask("evaluate", json!({"expression": "tasks", "context": "repl"})).unwrap();
    assert!(said["result"].as_str().unwrap().contains("    tasks::locker at src/rust-async/"), "{said}");
    // Coroutines of C++ and tasks of asyncio likewise.
    let mut editor = open("cpp-coroutines-22-O0", "cpp-coroutines-22-O0");
    let names: Vec<_> =
        stack(&mut editor, "task [idle], waits for leaf").iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, ["leaf(int, char const*)", "middle(int)", "top()"]);
    let mut editor = start();
    editor.ask("attach", json!({"coreFile": wasmtime_dump("python-tasks")})).unwrap();
    let frames = stack(&mut editor, "task \"sleeper\" of asyncio [idle], waits for Future");
    let nap = frames.iter().find(|frame| frame["name"] == "nap").unwrap();
    assert_eq!(row(&first_scope(&mut editor, nap), "before")["value"], "60");
}

#[test]
fn objects_of_a_garbage_collected_program_open_as_deep_as_they_are() {
    let folder = scratch();
    let (dump, _) = capture(folder.path(), "kotlin-basket", &[]);
    let mut editor = start();
    editor.ask("attach", json!({"core": dump})).unwrap();
    let share = editor.frames(1, 1)[0].clone();
    assert_eq!(share["name"], "share");
    let mut row_at = first_scope(&mut editor, &share);
    let orders = row(&editor.rows(&row(&row_at, "basket")["variablesReference"]), "orders");
    assert_eq!(orders["indexedVariables"], 2);
    row_at = editor.rows(&orders["variablesReference"]);
    for (name, value) in [("[0]", "price"), ("label", "text"), ("color", "name")] {
        row_at = editor.rows(&row(&row_at, name)["variablesReference"]);
        assert!(row_at.iter().any(|(name, _)| name == value), "{name}: {row_at:?}");
    }
    assert_eq!(row(&row_at, "name")["value"], "\"GREEN\"");
    // Objects that the engine's own locals refer to open too, and some elements can be asked for.
    let ask = |editor: &mut Editor, expression: &str| {
        editor.ask("evaluate", json!({"expression": expression, "frameId": share["id"]})).unwrap()["result"].clone()
    };
    assert!(ask(&mut editor, "$local0").as_str().unwrap().starts_with("Basket(owner=\"Ada\""));
    assert_eq!(ask(&mut editor, "basket.orders[1..2]"), "[Order(id=2, price=1.25, label=null, urgent=true)]");
    // The module has a section that counts its data, and the caller's place is a call.
    let code = json!({"memoryReference": share["instructionPointerReference"], "instructionCount": 1});
    let instructions = editor.ask("disassemble", code).unwrap();
    assert!(instructions["instructions"][0]["instruction"].as_str().unwrap().starts_with("call "), "{instructions}");
    let heap = editor.ask("evaluate", json!({"expression": "heap", "context": "repl"})).unwrap();
    assert!(heap["result"].as_str().unwrap().contains(" bytes in      237  kotlin.String\n"), "{heap}");
}

/// The texts in an answer that would control a terminal. Paths stay as they are, since they name files.
fn controlling(answer: &Value) -> Vec<String> {
    let controls = |text: &str| text.contains(|letter: char| letter.is_control() || letter == '\u{202e}');
    match answer {
        Value::String(text) if controls(text) => vec![text.clone()],
        Value::Array(list) => list.iter().flat_map(controlling).collect(),
        Value::Object(map) => map.values().flat_map(controlling).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn names_in_a_dump_control_no_terminal() {
    let folder = scratch();
    let dump = folder.path().join("app.coredump");
    let evil = "\x1b[31mred\u{202e}\r";
    let reason = json!({"kind": evil, "message": evil, "guest_stderr": evil});
    let mut bytes = std::fs::read(wasmtime_dump("wat-evil-names")).unwrap();
    bytes.extend(build::custom("coredump.reason", reason.to_string().as_bytes()));
    std::fs::write(&dump, bytes).unwrap();
    let mut editor = start();
    let module = fixture("modules/wat-evil-names.wasm");
    editor.ask("attach", json!({"coreFile": dump, "program": module})).unwrap();
    editor.ask("configurationDone", json!({})).unwrap();
    let mut answers = vec![editor.ask("threads", json!({})).unwrap()];
    for frame in editor.frames(0, 0) {
        let function = json!({
            "memoryReference": frame["instructionPointerReference"], "instructionOffset": -3, "instructionCount": 6,
        });
        answers.push(editor.ask("disassemble", function).unwrap());
        answers.push(frame);
    }
    answers.push(editor.ask("exceptionInfo", json!({"threadId": 1})).unwrap());
    answers.push(json!(editor.ask("evaluate", json!({"expression": evil, "frameId": 1})).unwrap_err()));
    answers.push(json!(editor.events));
    let text = json!(answers).to_string();
    // They are there, in a form that can be read.
    for shown in ["symbol", "stopped", "exceptionId", r"\\x1b[31mred\\u{202e}\\r", r"\\x1b[31mtext"] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
    assert_eq!(controlling(&json!(answers)), Vec::<String>::new());
}
