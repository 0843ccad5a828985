//! The line that stands for a dump that could not be read.

use coredump_core::error::Error;
use serde::Serialize;

use super::text::Hex;

/// `{"error": …}`.
#[derive(Serialize)]
pub struct Failure<'e> {
    error: Description<'e>,
}

#[derive(Serialize)]
struct Description<'e> {
    kind: &'static str,
    message: &'e str,
    offset: Option<Hex>,
    path: Option<String>,
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
