//! Frames: of the engine, and those that a language's runtime keeps in linear memory.

use coredump_core::cli::path_map::PathMap;
use coredump_core::model::Value;
use coredump_core::{Frame, InlinedFrame, ResolvedFrame, Scope};
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::Document;
use super::interpreted::{InterpretedEntry, interpreted};
use super::places::{Declared, InlineEntry, Spot};
use super::text::{Each, Hex, written_as};
use super::values::ValueEntry;
use super::variables::{VariableEntry, variables_of};

written_as! {
    FrameEntry<'_> => FrameFields<'static>;
    MemoryFrame<'_> => FrameFields<'static>;
    EitherFrame<'_> => FrameFields<'static>;
}

/// A frame of the engine, or of a language's runtime.
#[derive(Serialize)]
#[serde(untagged)]
pub enum EitherFrame<'d> {
    Recorded(FrameEntry<'d>),
    InMemory(MemoryFrame<'d>),
}

/// An activation of a Wasm function. `function` is that function; `file`, `line` and `column` are where execution stood in its own source. Calls inlined there are in `inlines`. The crash site is `.inlines[0] // .` of frame 0.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "frame"))]
struct FrameFields<'d> {
    /// 0 is the youngest.
    index: usize,
    /// Index into `instances`.
    instance: Option<u32>,
    /// Index into `modules`.
    module: Option<u32>,
    /// Its index in the module; imports count.
    function_index: Option<u32>,
    /// Code offset in bytes, as the producer wrote it: most count from the start of the function's body. Null where the producer does not know the place, for which Wasmtime writes 0.
    code_offset: Option<Hex>,
    /// Byte offset in the core module's file, as engines print it; in a caller, that of its call.
    module_offset: Option<Hex>,
    /// The same place as a DWARF address: a byte offset in the code section's contents.
    dwarf_pc: Option<Hex>,
    /// Its name, demangled.
    function: Option<&'d str>,
    /// Its name as it stands in the module.
    raw_name: Option<&'d str>,
    #[serde(flatten)]
    spot: Spot<'d>,
    /// The function had only been entered: an interruption or a stack overflow stopped it before its first instruction.
    #[serde(skip_serializing_if = "Option::is_none")]
    entered: Option<bool>,
    /// The place where the source declares the function; it is present only if the line at which execution stood is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    declared: Option<Declared<'d>>,
    /// Functions that were inlined where it stood, innermost first.
    inlines: Each<'d, InlineEntry<'d>>,
    /// Wasm locals, parameters first; null if they were not recorded.
    locals: Option<Each<'d, ValueEntry<'d>>>,
    /// Operand stack, bottom first; null if it was not recorded.
    stack: Option<Each<'d, ValueEntry<'d>>>,
    /// Variables, with `--locals`; null without it, and where `variables_omitted` is true.
    #[serde(skip_serializing_if = "Option::is_none")]
    variables: Option<Option<Each<'d, VariableEntry<'d>>>>,
    /// The document had as many variables as `--limit` allows, so this frame's were left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    variables_omitted: Option<bool>,
    /// The language whose runtime knows this frame: `go` where it keeps the frame in linear memory, `python` or `javascript` where the frame runs `interpreted` ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'static str>,
    /// The frame is not the engine's: a language's runtime keeps it in linear memory. It has no code offset, locals or operands.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_memory: Option<bool>,
    /// Frames of the program that this frame of an interpreter runs, innermost first.
    #[serde(skip_serializing_if = "Option::is_none")]
    interpreted: Option<Each<'d, InterpretedEntry<'d>>>,
}

impl FrameFields<'_> {
    /// The fields of a frame of which nothing is known.
    fn unknown() -> Self {
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
    pub frame: Frame,
    pub document: &'d Document<'d>,
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
            code_offset: resolved.code_offset.map(|offset| Hex(offset.into())),
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

/// A frame that a runtime keeps in linear memory.
pub struct MemoryFrame<'d> {
    pub frame: &'d ResolvedFrame,
    pub language: &'static str,
    pub paths: &'d PathMap,
    /// True if names of functions and files may be shown.
    pub named: bool,
}

impl Serialize for MemoryFrame<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let MemoryFrame { frame, language, paths, named } = *self;
        let inlines: &[InlinedFrame] = if named { &frame.inlines } else { &[] };
        let fields = FrameFields {
            index: frame.index,
            module: frame.module,
            function_index: frame.function_index,
            function: frame.function.as_deref().filter(|_| named),
            spot: Spot::new(frame.location.as_ref().filter(|_| named), paths),
            inlines: Each::new(move || inlines.iter().map(move |inline| InlineEntry::new(inline, paths))),
            language: Some(language),
            in_memory: Some(true),
            ..FrameFields::unknown()
        };
        fields.serialize(serializer)
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
