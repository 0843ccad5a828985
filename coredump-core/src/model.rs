//! A core dump as plain data: the reader makes it, the writer and the tools use it.
//!
//! "Unknown" is `None` everywhere: never zero, never an empty list. Indices are the dump's own (its memory section, its
//! `coremodules`, …) unless a field says otherwise. Format: WebAssembly tool-conventions, `Coredump.md`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::component::Component;
use crate::memory::Memory;
use crate::objects::Objects;

/// Everything one dump holds. Memory contents and embedded modules borrow from the file's bytes.
#[derive(Debug, Default)]
pub struct CoreDump<'a> {
    /// The encoding that the file uses, by its producer.
    pub layout: Layout,
    /// The layout that says what code offsets mean, if it differs from `layout`: in a dump that was read in one layout
    /// and written in the standard one.
    pub offsets: Option<Layout>,
    /// Other ways to read the stacks, which give different frames; one of them is right if these frames do not agree
    /// with the modules.
    pub alternatives: Vec<Reading>,
    /// The name in the `core` section: a path, a URL or any identifier.
    pub executable: Option<String>,
    /// The program that wrote the dump, from the `producers` section or our own, as `name version`.
    pub producer: Option<String>,
    /// The process: the program and the time (our own section).
    pub process: Process,
    /// The reason why it died, as the capturing program recorded it.
    pub reason: Option<Reason>,
    /// The `coremodules` section, completed by our own record of each module's identity.
    pub modules: Vec<ModuleRecord<'a>>,
    /// The `coreinstances` section.
    pub instances: Vec<Instance>,
    /// The threads: one for each `corestack` section.
    pub threads: Vec<Thread>,
    /// The memory section with the contents of the data section.
    pub memories: Vec<Memory<'a>>,
    /// The global section.
    pub globals: Vec<Global>,
    /// Tables (our own section: the standard has none).
    pub tables: Vec<Table>,
    /// The objects of a garbage-collected program (our own section).
    pub objects: Option<Objects<'a>>,
    /// The last calls of the host, oldest first (our own section).
    pub host_calls: Vec<HostCall>,
    /// The contents of the section `coredump.recording`: what the host answered to the program.
    pub recording: Option<Recorded<'a>>,
    /// The component that ran, without the modules that the dump embeds (our own section).
    pub component: Option<Component<'a>>,
    /// Every section of the file, in order.
    pub sections: Vec<Section>,
    /// Size of the file in bytes.
    pub size: u64,
    /// For a stack trace that was found in text, the line of its first frame, counted from 1.
    pub trace_line: Option<u64>,
    /// For a stack trace, the functions' names as it printed them, by thread and frame.
    pub printed: HashMap<(usize, usize), Arc<str>>,
    /// Sentences that say what was repaired, skipped or doubted while reading.
    pub warnings: Vec<Warning>,
    /// The first failure that made part of the file unreadable. All that was read before it is in the other fields.
    pub incomplete: Option<Warning>,
}

/// The encoding that a dump uses. All of them have the same version byte, 0, so the layout is found by trying.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// tool-conventions `Coredump.md`: Wasmtime, Extism, recent WasmEdge, coredump-run.
    #[default]
    Standard,
    /// xtuc wasm-coredump-rewriter 0.2, asc-coredump.
    Xtuc02,
    /// xtuc 0.1.11 to 0.1.24, in three encodings: no instance index.
    Xtuc01,
    /// Wasmer `--coredump-on-trap`.
    Wasmer,
    /// WasmEdge before it followed the standard.
    WasmEdge,
}

/// A way to read the stacks of a dump: a layout, and which of its encodings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reading {
    /// The layout.
    pub layout: Layout,
    /// The encoding, for a person.
    pub name: &'static str,
}

impl Layout {
    /// All layouts.
    const ALL: [Layout; 5] = [Layout::Standard, Layout::Xtuc02, Layout::Xtuc01, Layout::Wasmer, Layout::WasmEdge];

    /// The layout of that name.
    pub fn named(name: &str) -> Option<Layout> {
        Layout::ALL.into_iter().find(|layout| layout.name() == name)
    }

    /// The stable name, as it appears in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Layout::Standard => "standard",
            Layout::Xtuc02 => "xtuc-0.2",
            Layout::Xtuc01 => "xtuc-0.1",
            Layout::Wasmer => "wasmer",
            Layout::WasmEdge => "wasmedge",
        }
    }
}

impl CoreDump<'_> {
    /// The index of the thread that crashed: the first that has frames. `None` if no thread has any.
    pub fn crashed_thread(&self) -> Option<usize> {
        self.threads.iter().position(|thread| !thread.frames.is_empty())
    }
}

/// The recording of a dump, not yet read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded<'a> {
    /// The bytes of the section before the log; the whole section, if it was read from a file.
    pub head: &'a [u8],
    /// The log, as far as it is not part of `head`.
    pub log: &'a [u8],
    /// File offset of `head`.
    pub offset: u64,
}

/// Something that the reader repaired, skipped or doubts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warning {
    /// One line for a person.
    pub message: String,
    /// Byte offset in the dump, where it has one.
    pub offset: Option<u64>,
}

/// A section of the dump file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Section {
    /// Section id (0 is custom).
    pub id: u8,
    /// Name of a custom section, else the standard's name of the id.
    pub name: String,
    /// File offset of the section's contents (of a custom section: after its name).
    pub offset: u64,
    /// Size of the contents in bytes.
    pub size: u64,
}

/// The process. Stored as JSON in the custom section `coredump.process`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Process {
    /// Path of the program as it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executable: Option<String>,
    /// Arguments, the program's own name first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<String>>,
    /// Start of the program, RFC 3339, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<String>,
    /// Time of the dump, RFC 3339, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Engine and version, as `wasmtime 48.0.8`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// The capturing program and version, as `coredump-run 0.1.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub producer: Option<String>,
    /// Host process id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Host name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Exit code the capturing program ended with (or would: a snapshot has none).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The limit in bytes on all memories, tables and garbage-collected objects together (`--max-memory`); `None`
    /// without such a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<u64>,
    /// The source of the locals and operand stacks: `live` (the program ran instrumented), `replayed` (it was run again
    /// with the host's recorded answers) or `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The recording from which the program was replayed, if the dump is from a replay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,
    /// Annotations from the host: a version, a deployment, a request.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "none_if_null")]
    pub annotations: BTreeMap<String, String>,
    /// The request that was being answered when the program died, in a server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
}

/// An HTTP request, without its body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Request {
    /// `GET`, `POST`, ….
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The target as it was sent: path and query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The headers, in no particular order; bytes that are not UTF-8 are replaced.
    #[serde(deserialize_with = "none_if_null")]
    pub headers: Vec<Header>,
    /// The client's address and port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
}

/// A header of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Header {
    /// The name in lower case.
    pub name: String,
    /// The value as it was sent.
    pub value: String,
}

/// Reads null as the default value: redacted documents have null for what they leave out.
fn none_if_null<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(value: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(value)?.unwrap_or_default())
}

/// The recording that a dump was replayed from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Replay {
    /// Calls of the host that were answered from the recording.
    pub host_calls: u64,
    /// Size of the recording's log in bytes.
    pub recorded_bytes: u64,
    /// True if the replay ended at the same place for the same reason as the first run, with equal memories and
    /// globals.
    pub verified: bool,
    /// The name of the file in the dump's folder that holds the recording, if the dump itself does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// A call of a host function. The last calls are stored as a JSON list in the custom section `coredump.calls`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostCall {
    /// The function: the name alone in WASI 0.1, else `module.name` or `interface#name`.
    pub name: String,
    /// The arguments in order, as `name=value`: numbers decimal, addresses hexadecimal, texts quoted.
    #[serde(deserialize_with = "none_if_null")]
    pub args: Vec<String>,
    /// The result; absent if the call did not return. In WASI 0.1 it is the error's name, or `success` with the value
    /// that was returned through a pointer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// True if it returned an error, or ended the program.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
    /// The time of the call, in milliseconds since the start of the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since_start_ms: Option<u64>,
}

/// The reason why the program died. Stored as JSON in the custom section `coredump.reason`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reason {
    /// A stable kebab-case name: `integer-divide-by-zero`, `unreachable`, `stack-overflow`, `exit`, `signal`, ….
    pub kind: String,
    /// The engine's or host's message, one or more lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The tail of what the guest wrote to its standard error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guest_stderr: Option<String>,
    /// The exception that nothing caught.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exception: Option<Thrown>,
}

/// A Wasm exception, and what is known of how it was thrown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Thrown {
    /// The name of its tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Its values, in the tag's order.
    pub values: Vec<ThrownValue>,
    /// The number of times that it was thrown again, by clean-ups and by handlers that passed it on. The frames, and
    /// the shadow stacks in memory, are those of the first throw; other contents of memories, and globals, are those of
    /// the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rethrown: Option<u64>,
    /// True if the frames are those of the last throw, which may be a clean-up's, because the engine does not say where
    /// it was thrown first.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub last_only: bool,
}

/// A value that an exception carries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ThrownValue {
    /// The type's name in the Wasm text format.
    #[serde(rename = "type")]
    pub ty: String,
    /// A number's bits, in hexadecimal with `0x`; absent for anything else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bits: Option<String>,
    /// The target of a reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<RefTarget>,
}

impl ThrownValue {
    /// A number of type `ty`.
    pub fn number(ty: &str, bits: u64) -> ThrownValue {
        ThrownValue { ty: ty.to_owned(), bits: Some(format!("{bits:#x}")), reference: None }
    }

    /// A number's bits.
    pub fn to_bits(&self) -> Option<u64> {
        u64::from_str_radix(self.bits.as_deref()?.strip_prefix("0x")?, 16).ok()
    }

    /// The value as text: `i32 13` for a number, the type alone for anything else.
    pub fn text(&self) -> String {
        let ty = &self.ty;
        match (ty.as_str(), self.to_bits()) {
            ("i32", Some(bits)) => format!("i32 {}", bits as i32),
            ("i64", Some(bits)) => format!("i64 {}", bits as i64),
            ("f32", Some(bits)) => format!("f32 {}", f32::from_bits(bits as u32)),
            ("f64", Some(bits)) => format!("f64 {}", f64::from_bits(bits)),
            _ => ty.clone(),
        }
    }
}

/// A module the dump refers to: its name from `coremodules`, its identity from our section `coredump.modules`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModuleRecord<'a> {
    /// The name in `coremodules`; Wasmtime writes the module's own name or `<anonymous-module-N>`.
    pub name: Option<String>,
    /// The path of the binary (the module, or the component that holds it) when it ran.
    pub path: Option<String>,
    /// SHA-256 of the core module's own bytes, lower-case hex.
    pub sha256: Option<String>,
    /// The `build_id` section's contents, lower-case hex.
    pub build_id: Option<String>,
    /// SHA-256 of the module without its custom sections, lower-case hex: the same before and after it is stripped.
    pub content_sha256: Option<String>,
    /// BLAKE3 of the core module's own bytes.
    pub digest: Option<String>,
    /// The stamp (inode, size, times) of the file at `path` when it was read, if the module is all that the file holds:
    /// as long as the file has the same stamp, it is unchanged.
    pub stamp: Option<String>,
    /// The core module's own bytes, where the dump embeds them.
    pub embedded: Option<&'a [u8]>,
}

impl ModuleRecord<'_> {
    /// A module of which only the name is known; an empty name counts as none.
    pub fn named(name: String) -> Self {
        ModuleRecord { name: (!name.is_empty()).then_some(name), ..ModuleRecord::default() }
    }
}

/// An instance: a module with its state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instance {
    /// Index into [`CoreDump::modules`].
    pub module: Option<u32>,
    /// Indices into [`CoreDump::memories`], in the module's own index order; `None` where the producer could not place one.
    pub memories: Vec<Option<u32>>,
    /// Indices into [`CoreDump::globals`], likewise.
    pub globals: Vec<Option<u32>>,
    /// Indices into [`CoreDump::tables`], likewise; `None` when the dump says nothing of tables.
    pub tables: Option<Vec<Option<u32>>>,
}

/// A thread of execution, youngest frame first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Thread {
    /// The name in `corestack`.
    pub name: String,
    /// Frames, youngest first.
    pub frames: Vec<Frame>,
    /// True if older frames are known or believed to be missing.
    pub truncated: bool,
}

/// The number of calls that fit into the stack of any engine: the smallest default is half a megabyte, which leaves 2.6
/// kB for each.
const FEW: usize = 200;

/// The number of the youngest frames that are searched for calls of the youngest function.
const LOOKED_AT: usize = 64;

impl Thread {
    /// Returns true if its stack may have run out: it is deep, and its youngest function was called by itself.
    pub(crate) fn recurses_deeply(&self) -> bool {
        let Some((youngest, callers)) = self.frames.split_first() else { return false };
        let same = |frame: &&Frame| {
            (frame.function, frame.instance, frame.module) == (youngest.function, youngest.instance, youngest.module)
        };
        (self.truncated || self.frames.len() >= FEW)
            && youngest.function.is_some()
            && callers.iter().take(LOOKED_AT).filter(same).count() >= 2
    }
}

/// One activation of a Wasm function.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    /// Index into [`CoreDump::instances`].
    pub instance: Option<u32>,
    /// Index into [`CoreDump::modules`], where the producer knows the module and not which of its instances it was.
    pub module: Option<u32>,
    /// Function index in the module's index space: imports count.
    pub function: Option<u32>,
    /// Code offset in bytes, as the producer wrote it. From which byte it counts differs by producer (see
    /// `docs/producers.md`).
    pub code_offset: Option<u32>,
    /// Wasm locals, parameters first; `None` when the producer did not record them.
    pub locals: Option<Box<[Value]>>,
    /// Operand stack, bottom first; `None` when the producer did not record it.
    pub stack: Option<Box<[Value]>>,
}

/// A Wasm value. Floats are kept as bits, so that NaN payloads survive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// The producer did not know the value.
    Missing,
    /// A 32-bit integer.
    I32(i32),
    /// A 64-bit integer.
    I64(i64),
    /// Bits of a 32-bit float.
    F32(u32),
    /// Bits of a 64-bit float.
    F64(u64),
    /// A vector, in memory order (little endian).
    V128([u8; 16]),
    /// A reference.
    Ref(Reference),
}

impl Value {
    /// The type's name in the Wasm text format; `None` for a missing value.
    pub fn type_name(&self) -> Option<&'static str> {
        Some(match self {
            Value::Missing => return None,
            Value::I32(_) => "i32",
            Value::I64(_) => "i64",
            Value::F32(_) => "f32",
            Value::F64(_) => "f64",
            Value::V128(_) => "v128",
            Value::Ref(reference) => reference.kind.name(),
        })
    }
}

/// The hierarchy a reference belongs to (its top type).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RefKind {
    /// `funcref`
    Func,
    /// `externref`
    Extern,
    /// `anyref`: garbage-collected objects and `i31`.
    Any,
    /// `exnref`
    Exn,
    /// `contref`
    Cont,
}

impl RefKind {
    /// The type's name in the Wasm text format.
    pub fn name(self) -> &'static str {
        match self {
            RefKind::Func => "funcref",
            RefKind::Extern => "externref",
            RefKind::Any => "anyref",
            RefKind::Exn => "exnref",
            RefKind::Cont => "contref",
        }
    }
}

/// A reference and what is known of its target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Its hierarchy.
    pub kind: RefKind,
    /// Its target.
    pub target: RefTarget,
}

/// The target of a reference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RefTarget {
    /// A null reference.
    Null,
    /// A function: instance (index into [`CoreDump::instances`], if known) and index in its module's function space.
    Function {
        /// Index into [`CoreDump::instances`].
        instance: Option<u32>,
        /// Function index, imports counted.
        index: u32,
    },
    /// An unboxed 31-bit integer.
    I31(i32),
    /// The object with this id in [`CoreDump::objects`]. If the list has no such id, nothing else is known of it.
    Object(u32),
    /// Something that is not null, of which nothing is known but perhaps this description.
    Opaque(Option<String>),
}

impl RefTarget {
    /// A description in a few words.
    pub fn describe(&self) -> String {
        match self {
            RefTarget::Null => "null".to_owned(),
            RefTarget::Function { instance: Some(instance), index } => format!("func[{index}] of instance {instance}"),
            RefTarget::Function { instance: None, index } => format!("func[{index}]"),
            RefTarget::I31(value) => format!("i31 {value}"),
            RefTarget::Object(id) => format!("#{id}"),
            RefTarget::Opaque(Some(text)) => text.clone(),
            RefTarget::Opaque(None) => "not null".to_owned(),
        }
    }
}

/// A global.
#[derive(Clone, Debug, PartialEq)]
pub struct Global {
    /// Type name in the Wasm text format.
    pub ty: String,
    /// True if it can change.
    pub mutable: bool,
    /// Its value; [`Value::Missing`] when the dump does not hold it.
    pub value: Value,
}

/// A table. Stored as JSON in the custom section `coredump.tables`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// The hierarchy of its elements.
    pub element: RefKind,
    /// Number of elements.
    pub size: u64,
    /// The first elements; fewer than `size` when the capture was bounded.
    pub elements: Vec<RefTarget>,
}
