//! Implements a client of a debug adapter, which exchanges messages of the Debug Adapter Protocol over the adapter's
//! standard input and output.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, ExitStatus, Stdio};

use serde_json::{Value, json};

use crate::Tool;

/// An editor that speaks with the adapter.
pub struct Editor {
    adapter: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    sequence: u64,
    /// The events that were received.
    pub events: Vec<Value>,
}

impl Editor {
    /// Starts an adapter.
    pub fn new(adapter: Tool) -> Editor {
        let mut command = adapter.into_command();
        let mut adapter = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the adapter starts");
        let (input, output) = (adapter.stdin.take().unwrap(), BufReader::new(adapter.stdout.take().unwrap()));
        Editor { adapter, input, output, sequence: 100, events: Vec::new() }
    }

    /// Writes a message as it is, with its length.
    pub fn write(&mut self, text: &str) {
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

    /// Writes bytes as they are.
    pub fn write_raw(&mut self, bytes: &[u8]) {
        self.input.write_all(bytes).unwrap();
    }

    /// The response to the last request; events are kept.
    pub fn response(&mut self) -> Value {
        loop {
            let message = self.read();
            if message["type"] == "response" {
                return message;
            }
            self.events.push(message);
        }
    }

    /// Reads until an event of that name has come.
    pub fn wait_for(&mut self, event: &str) {
        while !self.events.iter().any(|known| known["event"] == event) {
            let message = self.read();
            self.events.push(message);
        }
    }

    /// Sends a request; returns the body of the response, or the message of the error.
    pub fn ask(&mut self, command: &str, arguments: Value) -> Result<Value, String> {
        self.sequence += 1;
        let request = json!({"seq": self.sequence, "type": "request", "command": command, "arguments": arguments});
        self.write(&request.to_string());
        let response = self.response();
        assert_eq!((&response["request_seq"], &response["command"]), (&json!(self.sequence), &json!(command)));
        match response["success"].as_bool().unwrap() {
            true => Ok(response["body"].clone()),
            false => Err(response["message"].as_str().map_or_else(|| response.to_string(), str::to_owned)),
        }
    }

    /// Some frames of the first thread; all of them if `levels` is 0.
    pub fn frames(&mut self, start: u64, levels: u64) -> Vec<Value> {
        let arguments = json!({"threadId": 1, "startFrame": start, "levels": levels});
        self.ask("stackTrace", arguments).unwrap()["stackFrames"].as_array().unwrap().clone()
    }

    /// The rows below a reference, by name.
    pub fn rows(&mut self, reference: &Value) -> Vec<(String, Value)> {
        let body = self.ask("variables", json!({"variablesReference": reference})).unwrap();
        let rows = body["variables"].as_array().unwrap().iter();
        rows.map(|row| (row["name"].as_str().unwrap().to_owned(), row.clone())).collect()
    }
}

impl Editor {
    /// Waits until the adapter ends.
    pub fn wait(&mut self) -> ExitStatus {
        self.adapter.wait().unwrap()
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        let _ = self.adapter.kill();
        let _ = self.adapter.wait();
    }
}
