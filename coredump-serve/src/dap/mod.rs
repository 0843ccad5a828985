//! Implements the Debug Adapter Protocol: a core dump appears as a program that has stopped and cannot go on.
//! Specification: https://microsoft.github.io/debug-adapter-protocol/specification

mod completions;
mod console;
mod disassembly;
mod heaps;
mod launch;
mod memory;
mod opened;
mod opening;
mod sources;
mod stack;
mod tasks;
mod values;
mod variables;
mod wire;

use std::io::{self, BufRead, Write};

use coredump_core::Limits;
use coredump_core::text::escape_lines;
use serde_json::{Value, json};

use crate::args::Args;
use crate::words::ENDED;
use launch::Launch;
use opened::Opened;
use wire::Incoming;

/// The limits on a value that is sent at once: deeper parts are sent when the editor opens them.
const LIMITS: Limits = Limits { depth: 3, elements: 100, text_only: false };

/// A session with one client.
pub struct Session<'a> {
    args: &'a Args,
    sequence: u64,
    opened: Option<Opened>,
}

/// The answer to a request: its body, or a sentence that says why there is none.
type DapAnswer = Result<Value, String>;

impl<'a> Session<'a> {
    /// Begins a session.
    pub fn new(args: &'a Args) -> Self {
        Session { args, sequence: 0, opened: None }
    }

    /// Answers requests until the client leaves. Fails if the connection breaks, or if the client violates the
    /// protocol.
    pub fn serve(mut self, mut input: impl BufRead, mut output: impl Write) -> io::Result<()> {
        loop {
            let request = match wire::read(&mut input) {
                Ok(Incoming::End) => return Ok(()),
                Ok(Incoming::Message(request)) => request,
                // Nothing that follows could be understood, but the client gets the reason.
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    let _ = self.respond(&mut output, &Value::Null, Err(error.to_string()));
                    return Err(error);
                }
                Err(error) => return Err(error),
                Ok(Incoming::Malformed(why)) => {
                    self.respond(&mut output, &Value::Null, Err(why))?;
                    continue;
                }
            };
            match request["type"].as_str() {
                Some("request") => {}
                // A client may also send events, and responses to requests of the adapter, which sends none.
                Some("response" | "event") => continue,
                _ => {
                    let why = "the message is no request: its type is missing or unknown";
                    self.respond(&mut output, &request, Err(why.into()))?;
                    continue;
                }
            }
            let command = request["command"].as_str().unwrap_or_default();
            let answer = self.answer(command, &request["arguments"]);
            let done = answer.is_ok();
            self.respond(&mut output, &request, answer)?;
            match command {
                // The client sends breakpoints and ends its configuration once it gets this event.
                "launch" | "attach" if done => self.event(&mut output, "initialized", json!({}))?,
                "configurationDone" if done => self.stopped(&mut output)?,
                "disconnect" | "terminate" => {
                    self.event(&mut output, "terminated", json!({}))?;
                    if command == "disconnect" {
                        return Ok(());
                    }
                }
                _ => {}
            }
        }
    }

    fn respond(&mut self, output: &mut impl Write, request: &Value, answer: DapAnswer) -> io::Result<()> {
        self.sequence += 1;
        let mut response = json!({
            "seq": self.sequence,
            "type": "response",
            "request_seq": request["seq"].as_u64().unwrap_or(0),
            "command": request["command"].as_str().unwrap_or_default(),
            "success": answer.is_ok(),
        });
        match answer {
            Ok(Value::Null) => {}
            Ok(body) => response["body"] = body,
            Err(why) => {
                // The sentence may contain names from the dump.
                let why = escape_lines(&why);
                response["message"] = json!(why);
                // Braces would be taken for the names of variables.
                let format = why.replace(['{', '}'], "");
                response["body"] = json!({"error": {"id": 1, "format": format, "showUser": true}});
            }
        }
        wire::write(output, &response)
    }

    fn event(&mut self, output: &mut impl Write, event: &str, body: Value) -> io::Result<()> {
        self.sequence += 1;
        wire::write(output, &json!({"seq": self.sequence, "type": "event", "event": event, "body": body}))
    }

    /// Sends the events with the place where the program stopped, and its last output.
    fn stopped(&mut self, output: &mut impl Write) -> io::Result<()> {
        let Some(opened) = &self.opened else { return Ok(()) };
        let (said, stopped) = (opened.last_words(), opened.stopped());
        if let Some(text) = said {
            self.event(output, "output", json!({"category": "stderr", "output": text}))?;
        }
        self.event(output, "stopped", stopped)
    }

    fn answer(&mut self, command: &str, arguments: &Value) -> DapAnswer {
        match command {
            "initialize" => Ok(capabilities()),
            "launch" | "attach" => {
                self.opened = Some(Opened::open(self.args, Launch::read(arguments))?);
                Ok(Value::Null)
            }
            "configurationDone" | "disconnect" | "terminate" | "cancel" => Ok(Value::Null),
            "setBreakpoints"
            | "setFunctionBreakpoints"
            | "setInstructionBreakpoints"
            | "setExceptionBreakpoints"
            | "setDataBreakpoints" => Ok(breakpoints(arguments)),
            "breakpointLocations" => Ok(json!({"breakpoints": []})),
            "dataBreakpointInfo" => Ok(json!({"dataId": null, "description": ENDED})),
            "stepInTargets" | "gotoTargets" => Ok(json!({"targets": []})),
            "continue" | "next" | "stepIn" | "stepOut" | "stepBack" | "reverseContinue" | "goto" | "pause"
            | "restart" | "restartFrame" | "setVariable" | "setExpression" | "writeMemory" | "terminateThreads" => {
                Err(ENDED.to_owned())
            }
            _ => {
                let opened = self.opened.as_mut().ok_or("no dump is open yet: launch or attach comes first")?;
                match command {
                    "threads" => Ok(opened.threads()),
                    "stackTrace" => opened.stack_trace(arguments),
                    "scopes" => opened.scopes(arguments),
                    "variables" => opened.variables(arguments),
                    "evaluate" => opened.evaluate(arguments),
                    "completions" => opened.completions(arguments),
                    "exceptionInfo" => opened.exception_info(arguments),
                    "readMemory" => opened.read_memory(arguments),
                    "disassemble" => opened.disassemble(arguments),
                    "source" => opened.source(arguments),
                    "modules" => Ok(opened.modules(arguments)),
                    "loadedSources" => Ok(opened.loaded_sources()),
                    _ => Err(format!("the request {command:?} is not known")),
                }
            }
        }
    }
}

fn capabilities() -> Value {
    json!({
        "supportsConfigurationDoneRequest": true,
        "supportsEvaluateForHovers": true,
        "supportsExceptionInfoRequest": true,
        "supportsReadMemoryRequest": true,
        "supportsDisassembleRequest": true,
        "supportsModulesRequest": true,
        "supportsLoadedSourcesRequest": true,
        "supportsDelayedStackTraceLoading": true,
        "supportsCompletionsRequest": true,
        "completionTriggerCharacters": [".", ">"],
        "supportsTerminateRequest": true,
    })
}

/// A dump has no breakpoints: the answer lists each requested one as not set.
fn breakpoints(arguments: &Value) -> Value {
    let asked = arguments["breakpoints"].as_array().map_or(0, |list| list.len().min(10_000));
    let none = json!({"verified": false, "message": "a core dump does not run, so no breakpoint can be reached"});
    json!({"breakpoints": vec![none; asked]})
}
