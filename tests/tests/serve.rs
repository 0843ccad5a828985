//! `coredump-serve --dap`: what an editor asks of a debug adapter, over its standard input and output.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use coredump_tests::{Tool, fixture, wasmtime_dump};
use serde_json::{Value, json};

/// An editor that speaks with the adapter.
struct Editor {
    adapter: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    sequence: u64,
    events: Vec<Value>,
}

impl Editor {
    fn new() -> Editor {
        let mut command = Tool::new("coredump-serve").arg("--dap").into_command();
        let mut adapter = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the adapter starts");
        let (input, output) = (adapter.stdin.take().unwrap(), BufReader::new(adapter.stdout.take().unwrap()));
        Editor { adapter, input, output, sequence: 0, events: Vec::new() }
    }

    /// Opens a dump as an editor does, and leaves it stopped.
    fn open(dump: &str, module: &str) -> Editor {
        let mut editor = Editor::new();
        let capabilities = editor.ask("initialize", json!({"adapterID": "wasm-coredump"})).unwrap();
        assert_eq!(capabilities["supportsReadMemoryRequest"], true);
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

    fn write(&mut self, text: &str) {
        write!(self.input, "Content-Length: {}\r\n\r\n{text}", text.len()).unwrap();
    }

    fn read(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "the adapter ended");
            match line.trim_end().strip_prefix("Content-Length: ") {
                Some(value) => length = value.parse().unwrap(),
                None => break,
            }
        }
        let mut bytes = vec![0; length];
        self.output.read_exact(&mut bytes).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    /// The response to what was sent last; events are kept.
    fn response(&mut self) -> Value {
        loop {
            let message = self.read();
            if message["type"] == "response" {
                return message;
            }
            self.events.push(message);
        }
    }

    /// A request's body, or its error's words.
    fn ask(&mut self, command: &str, arguments: Value) -> Result<Value, String> {
        self.sequence += 1;
        let request = json!({"seq": self.sequence, "type": "request", "command": command, "arguments": arguments});
        self.write(&request.to_string());
        let response = self.response();
        assert_eq!(response["request_seq"], self.sequence);
        assert_eq!(response["command"], command);
        match response["success"].as_bool().unwrap() {
            true => Ok(response["body"].clone()),
            false => Err(response["message"].as_str().unwrap().to_owned()),
        }
    }

    fn frames(&mut self, start: u64, levels: u64) -> Vec<Value> {
        let arguments = json!({"threadId": 1, "startFrame": start, "levels": levels});
        self.ask("stackTrace", arguments).unwrap()["stackFrames"].as_array().unwrap().clone()
    }

    /// The rows below a reference, by name.
    fn rows(&mut self, reference: &Value) -> Vec<(String, Value)> {
        let body = self.ask("variables", json!({"variablesReference": reference})).unwrap();
        let rows = body["variables"].as_array().unwrap().iter();
        rows.map(|row| (row["name"].as_str().unwrap().to_owned(), row.clone())).collect()
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        let _ = self.adapter.kill();
        let _ = self.adapter.wait();
    }
}

fn row(rows: &[(String, Value)], name: &str) -> Value {
    rows.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("{name}: {rows:?}")).1.clone()
}

#[test]
fn a_dump_opens_as_a_stopped_program() {
    let mut editor = Editor::open("sum-O0", "sum-O0");
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
    let mut editor = Editor::open("sum-O2", "sum-O2");
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
    let mut editor = Editor::open("sum-O0", "sum-O0");
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
    // What an editor offers for a row is an expression that gives the same value.
    let expression = row(&members, "value")["evaluateName"].clone();
    let again =
        editor.ask("evaluate", json!({"expression": expression, "frameId": frame, "context": "hover"})).unwrap();
    assert_eq!(again["result"], "30");
    let wrong = editor.ask("evaluate", json!({"expression": "nowhere + 1", "frameId": frame})).unwrap_err();
    assert!(wrong.starts_with("column 1: ") && wrong.contains("nowhere"), "{wrong}");
}

#[test]
fn memory_is_read_as_far_as_the_dump_holds_it() {
    let mut editor = Editor::open("sum-O0", "sum-O0");
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
    let mut editor = Editor::open("sum-O0", "sum-O0");
    for command in ["continue", "next", "stepIn", "stepOut", "pause", "setVariable"] {
        let why = editor.ask(command, json!({"threadId": 1})).unwrap_err();
        assert_eq!(why, "this is a core dump: the program has ended, and nothing in it can run or change");
    }
    assert!(editor.ask("fly", json!({})).unwrap_err().contains("not known"));
    for (command, arguments) in [("stackTrace", json!({"threadId": 9})), ("scopes", json!({"frameId": 99}))] {
        assert!(editor.ask(command, arguments).unwrap_err().starts_with("there is no "));
    }
    editor.ask("disconnect", json!({})).unwrap();
    assert!(editor.adapter.wait().unwrap().success());
}

#[test]
fn a_message_that_makes_no_sense_is_answered() {
    let mut editor = Editor::new();
    editor.write("{no json");
    let response = editor.response();
    assert_eq!(response["success"], false);
    assert!(editor.ask("threads", json!({})).unwrap_err().contains("launch or attach comes first"));
    assert!(editor.ask("launch", json!({"coreFile": 7})).unwrap_err().contains("coreFile"));
    let missing = editor.ask("launch", json!({"coreFile": "no-such.coredump", "cwd": "/nowhere"})).unwrap_err();
    assert!(missing.contains("/nowhere/no-such.coredump"), "{missing}");
    // What has no end is not opened.
    assert!(editor.ask("launch", json!({"coreFile": "/dev/zero"})).unwrap_err().contains("/dev/zero"));
    assert!(editor.ask("initialize", json!([1, {"deep": []}])).is_ok());
}

#[test]
fn the_frames_of_a_python_program_have_their_variables() {
    let mut editor = Editor::new();
    editor.ask("initialize", json!({})).unwrap();
    editor.ask("attach", json!({"coreFile": wasmtime_dump("python-shop")})).unwrap();
    editor.ask("configurationDone", json!({})).unwrap();
    let frames = editor.frames(0, 0);
    let leaf = frames.iter().find(|frame| frame["name"] == "leaf").expect("Python's frames are shown");
    assert_eq!((&leaf["line"], &leaf["source"]["path"]), (&json!(46), &json!("/0/app.py")));
    let scopes = editor.ask("scopes", json!({"frameId": leaf["id"]})).unwrap();
    let rows = editor.rows(&scopes["scopes"][0]["variablesReference"]);
    assert_eq!(row(&rows, "pair")["value"], "(7, 'seven')");
}
