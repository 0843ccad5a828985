//! The custom sections that `coredump-run` adds to the standard ones. Every known reader skips them.
//!
//! All but the embedded modules hold JSON, so that they can be read with any tool and grow fields without breaking a
//! reader: every field is optional, unknown ones are ignored. `docs/format.md` documents them.

use serde::{Deserialize, Serialize};

/// Section name: a component without the modules that the dump embeds, in pieces.
pub use crate::component::SECTION as COMPONENT;
use crate::model::{RefKind, RefTarget, Table};

/// The prefix of the names of all these sections.
pub(crate) const PREFIX: &str = "coredump.";
/// Section name: [`crate::model::Process`] as JSON.
pub const PROCESS: &str = "coredump.process";
/// Section name: [`crate::model::Reason`] as JSON.
pub const REASON: &str = "coredump.reason";
/// Section name: a list of `ModuleIdentity` as JSON, parallel to `coremodules`.
pub const MODULES: &str = "coredump.modules";
/// Section name: a list of `MemoryCoverage` as JSON, parallel to the memory section.
pub const MEMORIES: &str = "coredump.memories";
/// Section name: `Tables` as JSON.
pub const TABLES: &str = "coredump.tables";
/// Section name: a list of `FullValue` as JSON: values the standard's encoding cannot hold.
pub const VALUES: &str = "coredump.values";
/// Section name: a list of `ThreadDetail` as JSON, parallel to the `corestack` sections in file order.
pub const THREADS: &str = "coredump.threads";
/// Section name: a list of [`crate::model::HostCall`] as JSON, oldest first.
pub const CALLS: &str = "coredump.calls";
/// Section name: a module index (u32 LEB128), then that core module's own bytes, raw.
pub const EMBEDDED_MODULE: &str = "coredump.module";

/// The identity of the binary that a module was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ModuleIdentity {
    /// Path of the file that held it (of a component: the component's).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// SHA-256 of the core module's own bytes, lower-case hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Contents of its `build_id` section, lower-case hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_id: Option<String>,
    /// SHA-256 of the module without its custom sections ([`crate::module::Module::content_sha256`]), lower-case hex:
    /// the same before and after it is stripped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_sha256: Option<String>,
    /// BLAKE3 of the core module's own bytes: quicker to check than SHA-256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The stamp of the file at `path`, if the module is all that it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stamp: Option<String>,
}

/// The parts of a memory that were captured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct MemoryCoverage {
    /// `[start, end)` address ranges that were captured: bytes in them that no data segment covers were zero
    /// ([`crate::memory::Memory::known_zero`]). A data segment's own range need not be repeated.
    pub captured: Vec<(u64, u64)>,
    /// A sentence that says why the rest was not captured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}

/// All tables, and the tables of each instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Tables {
    /// The tables of the store.
    pub tables: Vec<Table>,
    /// For each instance its table indices, in the module's own index order; null where they are not known.
    pub instances: Vec<Option<Vec<Option<u32>>>>,
}

/// The list to which a [`FullValue`] belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ValueSlot {
    /// `index` counts the frame's locals.
    Local,
    /// `index` counts the frame's operand stack, bottom first.
    Stack,
    /// `index` counts the dump's globals; thread and frame mean nothing.
    Global,
}

/// A value that stands as "missing" (or null) in the standard's section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FullValue {
    /// The list to which it belongs.
    pub slot: ValueSlot,
    /// Index of the `corestack` section.
    #[serde(default)]
    pub thread: u32,
    /// Index of the frame, youngest 0.
    #[serde(default)]
    pub frame: u32,
    /// Index in the list.
    pub index: u32,
    /// The value.
    pub value: Special,
}

/// A value outside i32, i64, f32 and f64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Special {
    /// Not known. Only a global needs to say so: the standard makes it write a constant, which then means nothing.
    Missing,
    /// A vector: 32 hex digits, byte 0 (lowest address) first.
    V128(String),
    /// A reference.
    Ref {
        /// Its hierarchy.
        kind: RefKind,
        /// Its target.
        target: RefTarget,
    },
}

/// The properties of a thread for which the standard's `corestack` section has no field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ThreadDetail {
    /// Older frames were left out.
    pub truncated: bool,
    /// `[start, end)` ranges of frames whose locals and operand stack were recorded, so that an empty list there means
    /// that there were none (in the standard alone it means "unknown").
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recorded: Vec<(u32, u32)>,
    /// The layout that says what the code offsets mean ([`crate::model::Layout::name`]), if it is not the standard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offsets: Option<String>,
    /// `[start, end, module]`: the module of frames whose instance is not known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<(u32, u32, u32)>,
}
