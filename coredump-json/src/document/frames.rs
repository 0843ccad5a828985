//! Threads, their frames, and the variables in them.

use std::borrow::Cow;

use coredump_core::cli::path_map::PathMap;
use coredump_core::crash::CrashPlace;
use coredump_core::model::Value;
use coredump_core::runtimes::Runtime;
use coredump_core::{Frame, InlinedFrame, Location, Scope, Thread, Variable, When};
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::Document;
use super::inner::{InterpretedEntry, MemoryFrame, TaskEntry};
use super::text::{Each, Hex, written_as};
use super::values::ValueEntry;

/// A place in the source.
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

/// Where it died in the program's own code: below a panic's machinery and the standard library, if the crash happened there.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "place"))]
struct PlaceFields<'d> {
    /// Index of the thread.
    thread: usize,
    /// Index of the frame in it.
    frame: usize,
    /// The function, or the one inlined there; `func[N]` if it has no name.
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
    ThreadEntry<'_> => ThreadFields<'static>;
    FrameEntry<'_> => FrameFields<'static>;
    EitherFrame<'_> => FrameFields<'static>;
    VariableEntry<'_> => VariableFields<'static>;
}

/// A thread.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "thread"))]
pub struct ThreadFields<'d> {
    /// Its index.
    pub index: usize,
    /// Its name in the dump.
    pub name: Option<&'d str>,
    /// Older frames are known or believed to be missing.
    pub truncated: bool,
    /// What the language's runtime knows of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskEntry<'d>>,
    /// Its frames, youngest first.
    pub frames: Each<'d, EitherFrame<'d>>,
    /// Frames of the program that an interpreter ran on this thread, innermost first, where it is not certain which frames ran them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interpreted: Option<Each<'d, InterpretedEntry<'d>>>,
}

/// A thread.
pub struct ThreadEntry<'d> {
    pub thread: Thread,
    pub document: &'d Document<'d>,
}

impl Serialize for ThreadEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ThreadEntry { thread, document } = self;
        let runtime = thread.runtime();
        let continued: Vec<_> = thread.continued().collect();
        let language = runtime.map_or("", |runtime| runtime.language);
        let named = document.tells_runtime();
        let in_memory = |frame| EitherFrame::InMemory(MemoryFrame { frame, language, paths: &document.paths, named });
        let frames = || {
            let recorded = thread.frames().map(|frame| EitherFrame::Recorded(FrameEntry { frame, document }));
            recorded.chain(continued.iter().map(in_memory))
        };
        let fields = ThreadFields {
            index: thread.index(),
            name: Some(thread.name()),
            truncated: thread.is_truncated(),
            task: runtime.and_then(Runtime::current).map(TaskEntry::new),
            frames: Each::new(frames),
            interpreted: interpreted(thread, None, document),
        };
        fields.serialize(serializer)
    }
}

/// The frames of an interpreter's program that a frame of the engine runs; with no frame, those of which that is not certain.
/// `None` if there are none.
fn interpreted<'d>(
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

/// A frame of the engine, or of a language's runtime.
#[derive(Serialize)]
#[serde(untagged)]
pub enum EitherFrame<'d> {
    Recorded(FrameEntry<'d>),
    InMemory(MemoryFrame<'d>),
}

/// An activation of a Wasm function. Its own function, file, line and column are those of that function, and where execution stood in its source; what was inlined there is in `inlines`. The crash site is `.inlines[0] // .` of frame 0.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "frame"))]
pub struct FrameFields<'d> {
    /// 0 is the youngest.
    pub index: usize,
    /// Index into `instances`.
    pub instance: Option<u32>,
    /// Index into `modules`.
    pub module: Option<u32>,
    /// Its index in the module; imports count.
    pub function_index: Option<u32>,
    /// Offset as the producer wrote it: in most, from the start of the function's body.
    pub code_offset: Option<Hex>,
    /// Offset in the core module's file, as engines print it; of a caller that of its call.
    pub module_offset: Option<Hex>,
    /// The same from the start of the code section's contents, as DWARF counts.
    pub dwarf_pc: Option<Hex>,
    /// Its name, demangled.
    pub function: Option<&'d str>,
    /// Its name as it stands in the module.
    pub raw_name: Option<&'d str>,
    #[serde(flatten)]
    pub spot: Spot<'d>,
    /// The function was only entered: an interruption or the end of the engine's stack stopped it before its first instruction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entered: Option<bool>,
    /// Where the source declares the function, where the dump or the trace does not tell where in it execution stood.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub declared: Option<Declared<'d>>,
    /// Functions inlined where it stood, innermost first.
    pub inlines: Each<'d, InlineEntry<'d>>,
    /// Wasm locals, parameters first; null if they were not recorded.
    pub locals: Option<Each<'d, ValueEntry<'d>>>,
    /// Operand stack, bottom first; null if it was not recorded.
    pub stack: Option<Each<'d, ValueEntry<'d>>>,
    /// Variables, with `--locals`; null without it, and where `variables_omitted` is true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variables: Option<Option<Each<'d, VariableEntry<'d>>>>,
    /// The document has as many variables as `--limit` allows: this frame's are not in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variables_omitted: Option<bool>,
    /// The language whose runtime knows this frame: `go` where it keeps the frame in linear memory, `python` or `javascript` where the frame runs `interpreted` ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<&'static str>,
    /// The engine knows nothing of this frame: a language's runtime keeps it in linear memory. It has no code offset, locals or operands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_memory: Option<bool>,
    /// Frames of the program that this frame of an interpreter runs, innermost first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interpreted: Option<Each<'d, InterpretedEntry<'d>>>,
}

impl FrameFields<'_> {
    /// Of a frame of which nothing is known.
    pub fn unknown() -> Self {
        FrameFields {
            index: 0,
            instance: None,
            module: None,
            function_index: None,
            code_offset: None,
            module_offset: None,
            dwarf_pc: None,
            function: None,
            raw_name: None,
            spot: Spot::default(),
            entered: None,
            declared: None,
            inlines: Each::new(|| None),
            locals: None,
            stack: None,
            variables: None,
            variables_omitted: None,
            language: None,
            in_memory: None,
            interpreted: None,
        }
    }
}

/// A frame.
pub struct FrameEntry<'d> {
    frame: Frame,
    document: &'d Document<'d>,
}

impl Serialize for FrameEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let document = self.document;
        let frame = self.frame.recorded();
        let resolved = self.frame.resolved();
        let paths = &document.paths;
        let named = document.tells(&self.frame);
        let inlines: &[InlinedFrame] = if named { &resolved.inlines } else { &[] };
        let module = document.dump.binaries().module_of(document.recorded(), frame);
        let module = module.and_then(|module| document.dump.binaries().binary(module));
        let name = |local: usize| module?.module().local_name(frame.function?, u32::try_from(local).ok()?);
        let scopes = document.variables(&self.frame);
        let variables =
            |scopes| Each::new(move || <[Scope]>::iter(scopes).flat_map(|scope| variables_of(scope, document.redact)));
        let inner = interpreted(self.frame.thread(), Some(self.frame.index()), document);
        let fields = FrameFields {
            index: self.frame.index(),
            instance: frame.instance,
            module: resolved.module,
            function_index: frame.function,
            code_offset: frame.code_offset.map(|offset| Hex(offset.into())),
            module_offset: resolved.module_offset.map(Hex),
            dwarf_pc: resolved.dwarf_pc.map(Hex),
            function: resolved.function.as_deref().filter(|_| named),
            raw_name: resolved.raw_name.as_deref().filter(|_| named),
            spot: Spot::new(resolved.location.as_ref().filter(|_| named), paths),
            entered: resolved.entered.then_some(true),
            declared: resolved
                .declared
                .as_ref()
                .filter(|_| named)
                .map(|declared| Declared { file: paths.apply(&declared.file), line: declared.line }),
            inlines: Each::new(|| inlines.iter().map(|inline| InlineEntry::new(inline, paths))),
            locals: values(&frame.locals, &name, document),
            stack: values(&frame.stack, &|_| None, document),
            variables: Some(scopes.as_deref().map(variables)),
            variables_omitted: (document.locals && scopes.is_none()).then_some(true),
            language: inner.is_some().then(|| document.interpreted.as_ref().map(|program| program.language)).flatten(),
            interpreted: inner,
            in_memory: None,
        };
        fields.serialize(serializer)
    }
}

/// Where a function is declared.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "declared"))]
pub struct Declared<'d> {
    /// Path of the source file, as the debug info says it.
    file: Cow<'d, str>,
    /// The line of the function's name, from 1.
    line: u32,
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

/// Values with the names that the module's name section has for them. Null if the producer did not record them.
fn values<'v>(
    values: &'v Option<Box<[Value]>>,
    name: &'v dyn Fn(usize) -> Option<&'v str>,
    document: &'v Document<'_>,
) -> Option<Each<'v, ValueEntry<'v>>> {
    let values = values.as_deref()?;
    let entry = move |(index, value)| ValueEntry {
        name: name(index),
        value,
        objects: Some(document.dump.objects()),
        hidden: document.redact,
    };
    Some(Each::new(move || values.iter().enumerate().map(entry)))
}

fn variables_of(scope: &Scope, hidden: bool) -> impl Iterator<Item = VariableEntry<'_>> {
    scope.variables.iter().map(move |variable| VariableEntry { variable, scope: Some(scope), hidden })
}

/// A variable, or a part of one.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "variable"))]
struct VariableFields<'d> {
    /// Its name; of a part the member, `[3]`, or `*` for what a pointer points to.
    name: &'d str,
    /// Its type, as the language writes it.
    r#type: &'d str,
    /// The function it belongs to: the frame's or an inlined one. Not of parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<Option<&'d str>>,
    /// That function was inlined. Not of parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    inlined: Option<bool>,
    /// Not of parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("examples" = ["parameter", "local", "static"])))]
    kind: Option<&'static str>,
    /// A variable of an inner block has its name, and is what the name means. Only with true.
    #[serde(skip_serializing_if = "Option::is_none")]
    hidden: Option<bool>,
    /// Where the debug info says it is, for a person.
    location: &'d str,
    /// Its value in one line, as the language writes it; null unless its status is `ok`.
    value: Option<&'d str>,
    /// `entry`: the value is that of the function's entry; what the parameter is now is not known. Absent where it is what it is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["entry"])))]
    at: Option<&'static str>,
    /// Its address in linear memory, where it has one.
    address: Option<Hex>,
    /// Whether its value is known.
    #[cfg_attr(feature = "schema", schemars(extend("examples" = ["ok", "optimized-out", "not-captured", "unreadable"])))]
    status: &'static str,
    /// Why not, or what is wrong with it.
    note: Option<&'d str>,
    /// Members, elements, what it points to.
    children: Each<'d, VariableEntry<'d>>,
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
        let VariableEntry { variable, scope, hidden } = *self;
        let child = move |variable| VariableEntry { variable, scope: None, hidden };
        let fields = VariableFields {
            name: &variable.name,
            r#type: &variable.type_name,
            function: scope.map(|scope| scope.function.as_deref()),
            inlined: scope.map(|scope| scope.inlined),
            kind: scope.map(|_| variable.kind.name()),
            hidden: (scope.is_some() && variable.hidden).then_some(true),
            location: &variable.location,
            value: variable.value.as_deref().filter(|_| !hidden),
            at: (variable.at == When::Entry).then_some("entry"),
            address: variable.address.map(Hex),
            status: variable.status.name(),
            note: variable.note.as_deref().filter(|_| !hidden),
            children: Each::new(move || variable.children.iter().map(child)),
        };
        fields.serialize(serializer)
    }
}
