//! Threads, their frames, and the variables in them.

use std::borrow::Cow;

use coredump_core::backtrace::{InlinedFrame, Location};
use coredump_core::cli::path_map::PathMap;
use coredump_core::crash::Place;
use coredump_core::interpreted::Interpreted;
use coredump_core::model::Value;
use coredump_core::runtimes::Runtime;
use coredump_core::variables::{Scope, Variable, When};
use coredump_core::{Frame, Thread};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::Document;
use super::inner::{InterpretedEntry, MemoryFrame, TaskEntry};
use super::text::{Each, Hex};
use super::values::{NamedValue, TypedValue};

/// Where in the program's own code it died.
pub struct PlaceEntry<'d>(pub &'d Place, pub &'d PathMap);

impl Serialize for PlaceEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("thread", &self.0.thread)?;
        map.serialize_entry("frame", &self.0.frame)?;
        map.serialize_entry("function", &*self.0.function)?;
        place(&mut map, self.0.location.as_ref(), self.1)?;
        map.end()
    }
}

/// A thread.
pub struct ThreadEntry<'c, 'd> {
    pub thread: Thread,
    pub document: &'c Document<'d>,
}

impl Serialize for ThreadEntry<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let thread = &self.thread;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("index", &thread.index())?;
        map.serialize_entry("name", thread.name())?;
        map.serialize_entry("truncated", &thread.is_truncated())?;
        let runtime = thread.runtime();
        if let Some(task) = runtime.and_then(Runtime::current) {
            map.serialize_entry("task", &TaskEntry(task))?;
        }
        let continued: Vec<_> = thread.continued().collect();
        let language = runtime.map_or("", |runtime| runtime.language);
        let frames = || {
            let recorded =
                thread.frames().map(|frame| EitherFrame::Recorded(FrameEntry { frame, document: self.document }));
            recorded.chain(
                continued
                    .iter()
                    .map(|frame| EitherFrame::InMemory(MemoryFrame { frame, language, paths: &self.document.paths })),
            )
        };
        map.serialize_entry("frames", &Each(frames))?;
        if let Some(program) = self.document.interpreted.as_ref().filter(|_| thread.is_crashed()) {
            let unplaced = || interpreted(program, None, self.document);
            if unplaced().next().is_some() {
                map.serialize_entry("interpreted", &Each(unplaced))?;
            }
        }
        map.end()
    }
}

/// The frames of an interpreter's program that a frame of the engine runs; with `None`, those of which that is not certain.
fn interpreted<'d>(
    program: &'d Interpreted,
    frame: Option<usize>,
    document: &Document<'_>,
) -> impl Iterator<Item = InterpretedEntry<'d>> + use<'d> {
    let (locals, hidden) = (document.locals, document.redact);
    let frames = program.frames().filter(move |(placed, _)| *placed == frame);
    frames.map(move |(_, frame)| InterpretedEntry { frame, locals, hidden })
}

/// A frame of the engine, or of a language's runtime.
#[derive(Serialize)]
#[serde(untagged)]
enum EitherFrame<'c, 'd> {
    Recorded(FrameEntry<'c, 'd>),
    InMemory(MemoryFrame<'c>),
}

/// A frame.
struct FrameEntry<'c, 'd> {
    frame: Frame,
    document: &'c Document<'d>,
}

impl Serialize for FrameEntry<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let document = self.document;
        let frame = self.frame.recorded();
        let resolved = self.frame.resolved();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("index", &self.frame.index())?;
        map.serialize_entry("instance", &frame.instance)?;
        map.serialize_entry("module", &resolved.module)?;
        map.serialize_entry("function_index", &frame.function)?;
        map.serialize_entry("code_offset", &frame.code_offset.map(|offset| Hex(offset.into())))?;
        map.serialize_entry("module_offset", &resolved.module_offset.map(Hex))?;
        map.serialize_entry("dwarf_pc", &resolved.dwarf_pc.map(Hex))?;
        map.serialize_entry("function", &resolved.function.as_deref())?;
        map.serialize_entry("raw_name", &resolved.raw_name.as_deref())?;
        let paths = &document.paths;
        place(&mut map, resolved.location.as_ref(), paths)?;
        if resolved.entered {
            map.serialize_entry("entered", &true)?;
        }
        if let Some(declared) = &resolved.declared {
            map.serialize_entry("declared", &Declared { file: paths.apply(&declared.file), line: declared.line })?;
        }
        let inlines = || resolved.inlines.iter().map(|inline| InlineEntry(inline, paths));
        map.serialize_entry("inlines", &Each(inlines))?;
        let module = document.dump.binaries().module_of(document.recorded(), frame);
        let module = module.and_then(|module| document.dump.binaries().binary(module));
        let name = |local: usize| module?.module().local_name(frame.function?, u32::try_from(local).ok()?);
        map.serialize_entry("locals", &locals(&frame.locals, &name, document))?;
        map.serialize_entry("stack", &values(&frame.stack, document))?;
        let scopes = document.variables(&self.frame);
        let variables = scopes
            .as_ref()
            .map(|scopes| Each(move || scopes.iter().flat_map(|scope| variables_of(scope, document.redact))));
        map.serialize_entry("variables", &variables)?;
        if document.locals && scopes.is_none() {
            map.serialize_entry("variables_omitted", &true)?;
        }
        let program = document.interpreted.as_ref().filter(|_| self.frame.thread().is_crashed());
        if let Some(program) = program {
            let frames = || interpreted(program, Some(self.frame.index()), document);
            if frames().next().is_some() {
                map.serialize_entry("language", program.language)?;
                map.serialize_entry("interpreted", &Each(frames))?;
            }
        }
        map.end()
    }
}

/// Where a function is declared.
#[derive(Serialize)]
struct Declared<'d> {
    file: Cow<'d, str>,
    line: u32,
}

/// Adds `file`, `line` and `column`.
pub fn place<M: SerializeMap>(map: &mut M, location: Option<&Location>, paths: &PathMap) -> Result<(), M::Error> {
    map.serialize_entry("file", &location.map(|location| paths.apply(&location.file)))?;
    map.serialize_entry("line", &location.map(|location| location.line))?;
    map.serialize_entry("column", &location.and_then(|location| location.column))
}

/// A function inlined where a frame stood.
pub struct InlineEntry<'d>(pub &'d InlinedFrame, pub &'d PathMap);

impl Serialize for InlineEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("function", &self.0.function.as_deref())?;
        place(&mut map, self.0.location.as_ref(), self.1)?;
        map.end()
    }
}

/// Null if the producer did not record them.
fn values<'v>(values: &'v Option<Box<[Value]>>, document: &'v Document<'_>) -> Option<impl Serialize + 'v> {
    values.as_deref().map(|values| Each(move || values.iter().map(move |value| typed(value, document))))
}

fn typed<'v>(value: &'v Value, document: &'v Document<'_>) -> TypedValue<'v> {
    TypedValue { value, objects: Some(document.dump.objects()), hidden: document.redact }
}

/// The same of locals, each with the name that the module's name section has for it.
fn locals<'v>(
    values: &'v Option<Box<[Value]>>,
    name: &'v dyn Fn(usize) -> Option<&'v str>,
    document: &'v Document<'_>,
) -> Option<impl Serialize + 'v> {
    let named = move |(index, value)| NamedValue { name: name(index), value: typed(value, document) };
    values.as_deref().map(|values| Each(move || values.iter().enumerate().map(named)))
}

fn variables_of(scope: &Scope, hidden: bool) -> impl Iterator<Item = VariableEntry<'_>> {
    scope.variables.iter().map(move |variable| VariableEntry { variable, scope: Some(scope), hidden })
}

/// A variable, or (without a scope) a part of one.
pub struct VariableEntry<'d> {
    pub variable: &'d Variable,
    pub scope: Option<&'d Scope>,
    /// Whether to leave its value out.
    pub hidden: bool,
}

impl Serialize for VariableEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let variable = self.variable;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &variable.name)?;
        map.serialize_entry("type", &variable.type_name)?;
        if let Some(scope) = self.scope {
            map.serialize_entry("function", &scope.function)?;
            map.serialize_entry("inlined", &scope.inlined)?;
            map.serialize_entry("kind", variable.kind.name())?;
            if variable.hidden {
                map.serialize_entry("hidden", &true)?;
            }
        }
        map.serialize_entry("location", &variable.location)?;
        map.serialize_entry("value", &variable.value.as_ref().filter(|_| !self.hidden))?;
        if variable.at == When::Entry {
            map.serialize_entry("at", "entry")?;
        }
        map.serialize_entry("address", &variable.address.map(Hex))?;
        map.serialize_entry("status", variable.status.name())?;
        map.serialize_entry("note", &variable.note.as_ref().filter(|_| !self.hidden))?;
        let child = |variable| VariableEntry { variable, scope: None, hidden: self.hidden };
        let children = || variable.children.iter().map(child);
        map.serialize_entry("children", &Each(children))?;
        map.end()
    }
}
