//! The line that stands for a dump that could not be read.

use coredump_core::error::Error;
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::Serialize;

use super::text::Hex;

/// With `--ndjson`, the line that stands for a dump that could not be read.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "failure"))]
pub struct Failure<'e> {
    /// The error that says why.
    error: Description<'e>,
}

/// An error: it says why a dump could not be read.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "error"))]
struct Description<'e> {
    /// A stable name.
    #[cfg_attr(feature = "schema", schemars(example = &"io", example = &"not-wasm", example = &"wrong-file", example = &"truncated", example = &"malformed", example = &"too-large", example = &"mismatch", example = &"not-found"))]
    kind: &'static str,
    /// A sentence that says what went wrong.
    message: &'e str,
    /// Byte offset in the dump.
    offset: Option<Hex>,
    /// The dump.
    path: Option<String>,
    /// A sentence that says what can be tried, if anything.
    hint: Option<&'e str>,
}

impl<'e> Failure<'e> {
    /// Describes `error`.
    pub fn new(error: &'e Error) -> Self {
        Failure {
            error: Description {
                kind: error.kind.name(),
                message: &error.message,
                offset: error.offset.map(Hex),
                path: error.path.as_ref().map(|path| path.to_string_lossy().into_owned()),
                hint: error.hint.as_deref(),
            },
        }
    }
}
