//! The dump's file, what ran, and what it asked of its host.

use std::collections::BTreeMap;
use std::time::SystemTime;

use coredump_core::model::HostCall;
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::Serialize;

use super::text::{Hex, Shown};
use super::{Document, redact};

/// The dump's file, or the text that a trace was found in.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "file"))]
pub struct File<'d> {
    /// The kind of document: `trace` is a stack trace that an engine printed.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["core-dump", "trace"])))]
    pub kind: &'static str,
    /// Its path; null if it came through a pipe.
    pub path: Option<String>,
    /// The line of a trace's first frame in the text, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Its size in bytes; null for a trace.
    pub size: Option<u64>,
    /// The time at which the file was last written to (RFC 3339, UTC). That is the time of the crash where `process.time` is null, unless the file was copied.
    pub modified: Option<Shown<humantime::Rfc3339Timestamp>>,
    /// The encoding of the dump, by the producer that introduced it; null for a trace.
    #[cfg_attr(feature = "schema", schemars(extend("examples" = ["standard", "xtuc-0.2", "xtuc-0.1", "wasmer", "wasmedge"])))]
    pub layout: Option<&'static str>,
    /// The layout that says what code offsets mean, if it differs from `layout`, because `--encode` wrote the dump anew.
    pub offsets: Option<&'static str>,
    /// The name in its `core` section: a path, a URL or any identifier.
    pub executable: Option<&'d str>,
    /// The program that wrote it, as `name version`; followed by `(inferred)` if it is known by the dump's layout only.
    pub producer: Option<&'d str>,
    /// This says why part of the file could not be read.
    pub incomplete: Option<Incomplete<'d>>,
}

/// The place where reading had to stop, and why.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "incomplete"))]
pub struct Incomplete<'d> {
    /// A sentence that says what went wrong.
    pub message: &'d str,
    /// Byte offset in the dump.
    pub offset: Option<Hex>,
}

/// The process that died, as the capturing program recorded it.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "process"))]
pub struct Process<'d> {
    /// The program.
    pub executable: Option<&'d str>,
    /// Its arguments, its own name first.
    pub args: Option<&'d [String]>,
    /// Its start, RFC 3339, UTC.
    pub start_time: Option<&'d str>,
    /// The time of the dump, RFC 3339, UTC.
    pub time: Option<&'d str>,
    /// The engine, as `wasmtime 48.0.8`.
    pub runtime: Option<&'d str>,
    /// The capturing program, as `name version`.
    pub producer: Option<&'d str>,
    /// Host process id.
    pub pid: Option<u32>,
    /// Host name.
    pub host: Option<&'d str>,
    /// Exit code of the capturing program.
    pub exit_code: Option<i32>,
    /// The limit in bytes on all memories, tables and garbage-collected objects together (`--max-memory`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<u64>,
    /// The source of locals and operand stacks: `live` if the program ran instrumented, `replayed` if it was run again with the recorded answers of its host, `none` if they were not captured. Null if the dump does not say.
    #[cfg_attr(feature = "schema", schemars(extend("examples" = ["live", "replayed", "none"])))]
    pub detail: Option<&'d str>,
    /// The recording from which the program was replayed; present in a replayed dump only.
    pub replay: Option<ReplayEntry>,
    /// Annotations of the run from the host, as `--annotate` gives them.
    pub annotations: BTreeMap<&'d str, &'d str>,
    /// The request that was being answered when a server's program died, without its body.
    pub request: Option<RequestEntry<'d>>,
}

/// The recording from which a program was replayed.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "replay"))]
pub struct ReplayEntry {
    /// Calls of the host that were answered from the recording.
    pub host_calls: u64,
    /// Size of the recording's log in bytes.
    pub recorded_bytes: u64,
    /// True if the replay ended at the same place for the same reason as the first run, with equal memories and globals.
    pub verified: bool,
    /// The name of the file in the dump's folder that holds the recording, if the dump itself does not.
    pub file: Option<String>,
}

/// A header of a request.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "header"))]
pub struct HeaderEntry<'d> {
    /// The name in lower case.
    pub name: &'d str,
    /// The value as it was sent; bytes that are not UTF-8 are replaced.
    pub value: &'d str,
}

/// The request that was being answered when a server's program died.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "request"))]
pub struct RequestEntry<'d> {
    /// `GET`, `POST` and so on.
    pub method: Option<&'d str>,
    /// The target as it was sent: path and query.
    pub path: Option<&'d str>,
    /// The headers, in no particular order.
    pub headers: Vec<HeaderEntry<'d>>,
    /// The client's address and port.
    pub peer: Option<&'d str>,
}

/// A call of a host function.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "call"))]
pub struct CallEntry<'d> {
    /// The function: the name alone in WASI 0.1, else `module.name` or `interface#name`.
    pub name: Option<&'d str>,
    /// The arguments in order, as `name=value`: numbers decimal, addresses hexadecimal, texts quoted.
    pub args: &'d [String],
    /// The values that it returned; null if it did not return. In WASI 0.1 this is the error's name, or `success` with the value that was returned through a pointer.
    pub result: Option<&'d str>,
    /// True if it returned an error, or ended the program.
    pub failed: bool,
    /// The time of the call in milliseconds since the start of the program, by a clock with a resolution of some milliseconds.
    pub since_start_ms: Option<u64>,
}

impl<'d> CallEntry<'d> {
    pub fn new(call: &'d HostCall, redact: bool) -> Self {
        CallEntry {
            name: Some(&*call.name).filter(|name| !redact || redact::function(name)),
            args: if redact { &[] } else { &call.args },
            result: call.result.as_deref().filter(|_| !redact),
            failed: call.failed,
            since_start_ms: call.since_start_ms,
        }
    }
}

impl<'d> Document<'d> {
    /// The name or path of a program.
    fn program<'t>(&self, name: Option<&'t str>) -> Option<&'t str> {
        self.shown(name, |name| redact::Binaries::new(self.dump.binaries().slots()).vouched(name))
    }

    pub(super) fn file(&self) -> File<'d> {
        let trace = self.recorded().trace_line;
        File {
            path: self.path.map(|path| path.to_string_lossy().into_owned()),
            kind: if trace.is_some() { "trace" } else { "core-dump" },
            line: trace,
            size: trace.is_none().then_some(self.recorded().size),
            modified: self.modified.filter(has_four_digits).map(|time| Shown(humantime::format_rfc3339_seconds(time))),
            layout: trace.is_none().then(|| self.recorded().layout.name()),
            offsets: self.recorded().offsets.map(|layout| layout.name()),
            executable: self.program(self.recorded().executable.as_deref()),
            producer: self.shown(self.recorded().producer.as_deref(), redact::producer),
            incomplete: self
                .recorded()
                .incomplete
                .as_ref()
                .map(|incomplete| Incomplete { message: &incomplete.message, offset: incomplete.offset.map(Hex) }),
        }
    }

    pub(super) fn process(&self) -> Process<'d> {
        let process = &self.recorded().process;
        let named = self.recorded().executable.as_deref().filter(|name| !name.is_empty());
        let executable = process.executable.as_deref().or(named);
        let kept = !self.redact;
        Process {
            executable: self.program(executable),
            args: process.args.as_deref().filter(|_| kept),
            start_time: self.shown(process.start_time.as_deref(), redact::time),
            time: self.shown(process.time.as_deref(), redact::time),
            runtime: self.shown(process.runtime.as_deref(), redact::producer),
            producer: self.shown(process.producer.as_deref(), redact::producer),
            pid: process.pid,
            host: process.host.as_deref().filter(|_| kept),
            exit_code: process.exit_code,
            memory_limit: process.memory_limit,
            detail: self.shown(process.detail.as_deref(), redact::detail),
            replay: process.replay.as_ref().map(|replay| ReplayEntry {
                host_calls: replay.host_calls,
                recorded_bytes: replay.recorded_bytes,
                verified: replay.verified,
                file: replay.file.clone().filter(|_| kept),
            }),
            annotations: process.annotations.iter().filter(|_| kept).map(|(key, value)| (&**key, &**value)).collect(),
            request: process.request.as_ref().map(|request| RequestEntry {
                method: self.shown(request.method.as_deref(), redact::method),
                path: request.path.as_deref().filter(|_| kept),
                headers: request
                    .headers
                    .iter()
                    .filter(|_| kept)
                    .map(|header| HeaderEntry { name: &header.name, value: &header.value })
                    .collect(),
                peer: request.peer.as_deref().filter(|_| kept),
            }),
        }
    }
}

/// Returns true if a time is in one of the years that RFC 3339 can write, 1970 to 9999: a file may have any.
pub fn has_four_digits(time: &SystemTime) -> bool {
    const YEAR_10000: u64 = 253_402_300_800;
    time.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|since| since.as_secs() < YEAR_10000)
}
