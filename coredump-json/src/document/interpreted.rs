//! Frames of a program that an interpreter runs.

use coredump_core::Thread;
use coredump_core::runtimes::{InterpretedFrame, InterpretedVariable};
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::Serialize;

use super::Document;
use super::text::{Each, Hex};

/// The frames of an interpreted program that a frame of the engine runs; without a frame, those for which it is not
/// certain which frame runs them. `None` if there are none.
pub fn interpreted<'d>(
    thread: &Thread,
    frame: Option<usize>,
    document: &'d Document<'_>,
) -> Option<Each<'d, InterpretedEntry<'d>>> {
    let program = document.interpreted.as_ref().filter(|_| thread.is_crashed())?;
    let (locals, hidden) = (document.locals, document.redact);
    let frames = move || {
        let frames = program.frames().filter(move |(placed, _)| *placed == frame);
        frames.map(move |(_, frame)| InterpretedEntry::new(frame, locals, hidden))
    };
    frames().next().is_some().then(|| Each::new(frames))
}

/// A frame of a program that an interpreter runs.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "interpreted"))]
pub struct InterpretedEntry<'d> {
    /// Its function's qualified name.
    function: &'d str,
    /// Its source file, as the interpreter names it.
    file: Option<&'d str>,
    /// Line, from 1.
    line: Option<u32>,
    /// Column in bytes of UTF-8, from 1.
    column: Option<u32>,
    /// Its local variables that have a value; null unless they are asked for.
    variables: Option<Each<'d, InterpretedVariableEntry<'d>>>,
}

impl<'d> InterpretedEntry<'d> {
    /// A frame, with variables if `locals` asks for them; their values are left out if `hidden`.
    pub fn new(frame: &'d InterpretedFrame, locals: bool, hidden: bool) -> Self {
        let entry = move |variable| InterpretedVariableEntry::new(variable, hidden);
        InterpretedEntry {
            function: &frame.function,
            file: frame.file.as_deref(),
            line: frame.line,
            column: frame.column,
            variables: locals.then(|| Each::new(move || frame.variables.iter().map(entry))),
        }
    }
}

/// A variable of an interpreted function.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "interpreted_variable"))]
struct InterpretedVariableEntry<'d> {
    /// Its name.
    name: &'d str,
    /// The name of its value's type.
    r#type: &'d str,
    /// Parameter or local.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["parameter", "local"])))]
    kind: &'static str,
    /// Its value as the language writes it; null where it cannot be read or is left out.
    value: Option<&'d str>,
    /// Its address in linear memory.
    address: Hex,
    /// This says whether the value could be read.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["ok", "unreadable"])))]
    status: &'static str,
}

impl<'d> InterpretedVariableEntry<'d> {
    fn new(variable: &'d InterpretedVariable, hidden: bool) -> Self {
        InterpretedVariableEntry {
            name: &variable.name,
            r#type: &variable.type_name,
            kind: if variable.is_parameter { "parameter" } else { "local" },
            value: variable.value.as_deref().filter(|_| !hidden),
            address: Hex(variable.address),
            status: if variable.value.is_some() { "ok" } else { "unreadable" },
        }
    }
}
