//! Source locations: of frames, of functions inlined there, of the crash.

use std::borrow::Cow;

use coredump_core::cli::path_map::PathMap;
use coredump_core::crash::CrashPlace;
use coredump_core::{InlinedFrame, Location};
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::text::written_as;

/// A source location.
#[derive(Default, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Spot<'d> {
    /// Path of the source file, as the debug info says it.
    file: Option<Cow<'d, str>>,
    /// Line, from 1.
    line: Option<u32>,
    /// Column, from 1.
    column: Option<u32>,
}

impl<'d> Spot<'d> {
    pub fn new(location: Option<&'d Location>, paths: &PathMap) -> Self {
        Spot {
            file: location.map(|location| paths.apply(&location.file)),
            line: location.map(|location| location.line),
            column: location.and_then(|location| location.column),
        }
    }
}

/// The place in the program's own code where it died. If the crash happened in a panic's machinery or the standard library, this is the place from which these were called.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "place"))]
struct PlaceFields<'d> {
    /// Index of the thread.
    thread: usize,
    /// Index of the frame in it.
    frame: usize,
    /// The function, which may be inlined in the frame; `func[N]` for a Wasm function without a name.
    function: &'d str,
    #[serde(flatten)]
    spot: Spot<'d>,
}

/// A place in the program's own code.
pub struct PlaceEntry<'d> {
    pub place: Cow<'d, CrashPlace>,
    pub paths: &'d PathMap,
}

impl Serialize for PlaceEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let CrashPlace { thread, frame, function, location } = &*self.place;
        let spot = Spot::new(location.as_ref(), self.paths);
        PlaceFields { thread: *thread, frame: *frame, function, spot }.serialize(serializer)
    }
}

written_as! {
    PlaceEntry<'_> => PlaceFields<'static>;
}

/// The place where the source declares a function.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "declared"))]
pub struct Declared<'d> {
    /// Path of the source file, as the debug info says it.
    pub file: Cow<'d, str>,
    /// The line of the function's name, from 1.
    pub line: u32,
}

/// A function inlined where a frame stood.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "inline"))]
pub struct InlineEntry<'d> {
    /// Its name, demangled.
    function: Option<&'d str>,
    #[serde(flatten)]
    spot: Spot<'d>,
}

impl<'d> InlineEntry<'d> {
    pub fn new(inline: &'d InlinedFrame, paths: &PathMap) -> Self {
        InlineEntry { function: inline.function.as_deref(), spot: Spot::new(inline.location.as_ref(), paths) }
    }
}
