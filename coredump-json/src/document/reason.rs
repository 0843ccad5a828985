//! The reason why the program died.

use coredump_core::reason::{Panic, ScriptFrame};
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::Serialize;

use super::thrown::{AccessEntry, ExceptionEntry};
use super::{Document, redact};

/// The reason why the program died.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "reason"))]
pub struct ReasonEntry<'d> {
    /// A stable name.
    #[cfg_attr(feature = "schema", schemars(extend("examples" = ["unreachable", "integer-divide-by-zero", "integer-overflow", "invalid-conversion-to-integer", "memory-out-of-bounds", "table-out-of-bounds", "indirect-call-to-null", "indirect-call-type-mismatch", "indirect-call", "integer-division", "conversion-to-integer", "null-reference", "cast-failure", "stack-overflow", "exception", "host-call", "host-error", "exit", "signal", "timeout", "out-of-fuel"])))]
    pub kind: &'d str,
    /// The engine's message, or a description of the trap from the instruction.
    pub message: Option<&'d str>,
    /// A sentence with what the code and the dump prove in addition: the address of an access, the callee of an indirect call, an overflow of the shadow stack, the type and message of an exception or else its tag and values.
    pub detail: Option<&'d str>,
    /// `recorded` by the capturing program, or `inferred` from code and stack.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["recorded", "inferred"])))]
    pub source: &'static str,
    /// The program gave up by itself: a panic, a failed assertion, an abort.
    pub panic: Option<PanicEntry<'d>>,
    /// The end of what the guest wrote to its standard error.
    pub guest_stderr: Option<&'d str>,
    /// The instruction that trapped, in the Wasm text format, as `i32.load offset=8`.
    pub instruction: Option<&'d str>,
    /// The memory access with which that instruction left its memory.
    pub memory_access: Option<AccessEntry>,
    /// The uncaught exception.
    pub exception: Option<ExceptionEntry<'d>>,
    /// The request for memory in whose functions the program died, or after whose failure it gave up; absent where there is none, or its size is not known for certain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocation: Option<AllocationEntry<'d>>,
}

/// A request for memory.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "allocation"))]
pub struct AllocationEntry<'d> {
    /// The number of bytes that were asked for; null in a redacted document.
    pub bytes: Option<u64>,
    /// The allocating function.
    pub function: &'d str,
    /// Its thread: an index into `threads`.
    pub thread: usize,
    /// Its frame: an index into the frames of that thread.
    pub frame: usize,
}

/// The program gave up by itself: a panic, a failed assertion, an abort.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "panic"))]
pub struct PanicEntry<'d> {
    /// The language of the runtime that gave up.
    #[cfg_attr(feature = "schema", schemars(extend("examples" = ["rust", "c", "c++", "zig", "go", "nim", "assemblyscript", "python", "javascript"])))]
    pub language: &'static str,
    /// Its message.
    pub message: Option<&'d str>,
    /// The place in the source where the program gave up, as the runtime reports it.
    pub location: Option<&'d str>,
    /// The place where this was found: the guest's standard error, or functions on the stack.
    #[cfg_attr(feature = "schema", schemars(extend("examples" = ["guest-stderr", "stack"])))]
    pub source: &'static str,
    /// The functions of the traceback that an interpreted program (Python, JavaScript) printed, innermost first; absent without one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub frames: Vec<ScriptEntry<'d>>,
    /// The chain of Python's exceptions that led to it; absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<ChainedEntry<'d>>,
}

/// The cause or context of an exception.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "chained_exception"))]
pub struct ChainedEntry<'d> {
    /// Its type and message.
    pub message: &'d str,
    /// The relation of the later exception in the chain to this one: it was raised from this one, or while this one was handled.
    #[cfg_attr(feature = "schema", schemars(extend("examples" = ["cause", "context"])))]
    pub relation: &'static str,
}

/// A function in the traceback of an interpreted program.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "script_frame"))]
pub struct ScriptEntry<'d> {
    /// Its name.
    pub function: Option<&'d str>,
    /// The file of its source, as the interpreter saw it.
    pub file: &'d str,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: Option<u32>,
}

impl<'d> PanicEntry<'d> {
    fn new(panic: &'d Panic, redact: bool) -> Self {
        PanicEntry {
            language: panic.language,
            message: panic.message.as_deref().filter(|_| !redact),
            location: panic.location.as_deref().filter(|_| !redact),
            source: panic.source.name(),
            frames: panic
                .frames
                .iter()
                .map(|ScriptFrame { function, file, line, column }| ScriptEntry {
                    function: function.as_deref(),
                    file,
                    line: *line,
                    column: *column,
                })
                .collect(),
            chain: (panic.chain.iter().filter(|_| !redact))
                .map(|one| ChainedEntry {
                    message: &one.message,
                    relation: if one.is_cause { "cause" } else { "context" },
                })
                .collect(),
        }
    }
}

impl Document<'_> {
    pub(super) fn reason(&self) -> Option<ReasonEntry<'_>> {
        self.dump.crash().reason.as_ref().map(|reason| ReasonEntry {
            kind: if self.redact { redact::kind(&reason.kind) } else { &reason.kind },
            message: self.shown(reason.message.as_deref(), redact::message),
            detail: reason.detail.as_deref().filter(|_| !self.redact),
            source: reason.source.name(),
            panic: reason.panic.as_ref().map(|panic| PanicEntry::new(panic, self.redact)),
            guest_stderr: reason.guest_stderr.as_deref().filter(|_| !self.redact),
            instruction: reason.instruction.as_deref(),
            memory_access: reason.memory_access.map(|access| AccessEntry::new(access, self.redact)),
            exception: reason
                .exception
                .as_ref()
                .map(|exception| ExceptionEntry::new(exception, self.dump, &self.paths, self.redact)),
            allocation: reason.allocation.as_ref().filter(|_| !self.is_hearsay()).map(|allocation| AllocationEntry {
                bytes: (!self.redact).then_some(allocation.bytes),
                function: &allocation.function,
                thread: allocation.thread,
                frame: allocation.frame,
            }),
        })
    }
}
