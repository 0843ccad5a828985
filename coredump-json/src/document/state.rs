//! Modules, instances, globals, tables, sections.

use coredump_core::gc::ObjectView;
use coredump_core::model::{Global, Instance, ModuleRecord, Section, Table, Value};
use coredump_core::{Found, Refused, Slot, Verification};
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::memories::Base64;
use super::redact;
use super::text::{Each, Hex, written_as};
use super::values::{Bits, Content, Target};

/// A module that ran.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "module"))]
struct ModuleFields<'c> {
    /// Its index.
    index: usize,
    /// Its name in the dump.
    name: Option<&'c str>,
    /// The path of its binary when it ran.
    path: Option<&'c str>,
    /// SHA-256 of the core module, lower-case hex, as recorded.
    sha256: Option<&'c str>,
    /// SHA-256 of the core module without its custom sections, lower-case hex, as recorded. A stripped copy has the same.
    content_sha256: Option<&'c str>,
    /// BLAKE3 of the core module, lower-case hex, as recorded. It is quicker to check than SHA-256.
    digest: Option<&'c str>,
    /// The stamp of the file at `path` when it was read: inode, size, mtime and ctime, in nanoseconds since 1970, with `-` between. A file that still has this stamp is not hashed.
    stamp: Option<&'c str>,
    /// Its build id, lower-case hex, as recorded.
    build_id: Option<&'c str>,
    /// Size in bytes of the copy in the dump; null if there is none.
    embedded_size: Option<usize>,
    /// The copy in the dump, in base64; with `--memory base64`.
    #[serde(skip_serializing_if = "Option::is_none")]
    embedded: Option<Option<Base64<'c>>>,
    /// The kind of symbols from which functions and lines come; null if no binary was found.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["dwarf", "source-map", "names", "none", null])))]
    symbols: Option<&'static str>,
    /// True if the binary that was found was checked to be the one that ran; null if none was found.
    verified: Option<bool>,
    /// The binary that was found.
    binary: Option<BinaryEntry<'c>>,
    /// Files that were looked at and not used.
    refused: Each<'c, RefusedEntry<'c>>,
}

/// A module that the dump refers to, and the binary that was found for it.
pub struct ModuleEntry<'c> {
    pub index: usize,
    pub module: Option<&'c ModuleRecord<'c>>,
    pub slot: &'c Slot,
    /// True if the contents of the copy in the dump are to be written.
    pub contents: bool,
    /// The binaries that vouch for names in a redacted document; `None` if the document is not redacted.
    pub binaries: Option<&'c redact::Binaries<'c>>,
}

written_as! { ModuleEntry<'_> => ModuleFields<'static>; }

impl<'c> Serialize for ModuleEntry<'c> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let module = self.module;
        let found = self.slot.found.as_ref();
        let name = |name: Option<&'c str>| match self.binaries {
            Some(binaries) => name.and_then(|name| binaries.vouched(name)),
            None => name,
        };
        let vouched = |text: Option<&'c str>, check: fn(&'c str) -> Option<&'c str>| match self.binaries {
            Some(_) => text.and_then(check),
            None => text,
        };
        let hash = |hash| vouched(hash, redact::hash);
        let embedded = module.and_then(|module| module.embedded);
        let refused = &self.slot.refused;
        let fields = ModuleFields {
            index: self.index,
            name: name(module.and_then(|module| module.name.as_deref())),
            path: name(module.and_then(|module| module.path.as_deref())),
            sha256: hash(module.and_then(|module| module.sha256.as_deref())),
            content_sha256: hash(module.and_then(|module| module.content_sha256.as_deref())),
            digest: hash(module.and_then(|module| module.digest.as_deref())),
            stamp: module.and_then(|module| module.stamp.as_deref()),
            build_id: vouched(module.and_then(|module| module.build_id.as_deref()), redact::build_id),
            embedded_size: embedded.map(<[u8]>::len),
            embedded: self.contents.then_some(embedded.map(Base64)),
            symbols: found.map(|found| found.binary.symbols_kind().name()),
            verified: found.map(|found| found.verification.is_verified()),
            binary: found.map(BinaryEntry::new),
            refused: Each::new(move || refused.iter().map(RefusedEntry::new)),
        };
        fields.serialize(serializer)
    }
}

/// The file that was used for a module.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "binary"))]
struct BinaryEntry<'c> {
    /// Its path; null for the dump's own copy.
    path: Option<std::borrow::Cow<'c, str>>,
    /// Its index among the core modules of a component.
    nested: Option<usize>,
    /// The check that showed that it belongs to the dump.
    #[cfg_attr(feature = "schema", schemars(example = &"sha256", example = &"digest", example = &"stamp", example = &"content", example = &"build-id", example = &"frames", example = &"nothing"))]
    checked: &'static str,
    /// The source of its symbols, in words.
    symbols_from: &'c str,
}

impl<'c> BinaryEntry<'c> {
    fn new(found: &'c Found) -> Self {
        let binary = &found.binary;
        BinaryEntry {
            path: binary.path().map(|path| path.to_string_lossy()),
            nested: binary.nested(),
            checked: checked(found.verification),
            symbols_from: binary.symbols_origin(),
        }
    }
}

fn checked(verification: Verification) -> &'static str {
    match verification {
        Verification::Unchecked => "nothing",
        Verification::Frames => "frames",
        Verification::Content => "content",
        Verification::BuildId => "build-id",
        Verification::Sha256 => "sha256",
        Verification::Digest => "digest",
        Verification::Unchanged => "stamp",
    }
}

/// A file that was looked at and not used.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "refused"))]
struct RefusedEntry<'c> {
    /// Its path; null for the dump's own copy.
    path: Option<std::borrow::Cow<'c, str>>,
    /// A sentence that says why it was not used.
    reason: &'c str,
}

impl<'c> RefusedEntry<'c> {
    fn new(refused: &'c Refused) -> Self {
        RefusedEntry { path: refused.path.as_ref().map(|path| path.to_string_lossy()), reason: &refused.reason }
    }
}

/// An instance of a module.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "instance"))]
pub struct InstanceEntry<'d> {
    /// Its index.
    index: usize,
    /// Index into `modules`.
    module: Option<u32>,
    /// Indices into `memories`, in the module's order; null where the producer could not place one.
    memories: &'d [Option<u32>],
    /// Indices into `globals`, likewise.
    globals: &'d [Option<u32>],
    /// Indices into `tables`, likewise; null if none were recorded.
    tables: Option<&'d [Option<u32>]>,
}

impl<'d> InstanceEntry<'d> {
    pub fn new(index: usize, instance: &'d Instance) -> Self {
        InstanceEntry {
            index,
            module: instance.module,
            memories: &instance.memories,
            globals: &instance.globals,
            tables: instance.tables.as_deref(),
        }
    }
}

/// A global.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "global"))]
struct GlobalFields<'d> {
    /// Its index in the dump.
    index: usize,
    /// Its name in the module: name section, export or import.
    name: Option<&'d str>,
    /// Its type in the Wasm text format.
    r#type: &'d str,
    /// True if it can change.
    mutable: bool,
    /// Its value, as that of any [`value`](#/$defs/value).
    value: Content<'d>,
    /// All bits of a float, in hexadecimal. NaN payloads are only here.
    #[serde(skip_serializing_if = "Option::is_none")]
    bits: Option<Bits>,
}

/// A global.
pub struct GlobalEntry<'d> {
    pub index: usize,
    pub global: &'d Global,
    pub name: Option<&'d str>,
    pub objects: Option<&'d ObjectView<'d>>,
    /// True if its value is to be left out.
    pub hidden: bool,
}

written_as! { GlobalEntry<'_> => GlobalFields<'static>; }

impl Serialize for GlobalEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = if self.hidden { &Value::Missing } else { &self.global.value };
        let fields = GlobalFields {
            index: self.index,
            name: self.name,
            r#type: &self.global.ty,
            mutable: self.global.mutable,
            value: Content { value, objects: self.objects },
            bits: Bits::from_value(value),
        };
        fields.serialize(serializer)
    }
}

/// A table.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "table"))]
pub struct TableEntry<'d> {
    /// Its index in the dump.
    index: usize,
    /// The hierarchy of its elements.
    r#type: &'static str,
    /// Number of elements.
    size: u64,
    /// The first elements; fewer than `size` if the capture was bounded.
    elements: Each<'d, Target<'d>>,
}

impl<'d> TableEntry<'d> {
    pub fn new(index: usize, table: &'d Table, objects: Option<&'d ObjectView<'d>>) -> Self {
        let elements = move || table.elements.iter().map(move |target| Target { target, objects });
        TableEntry { index, r#type: table.element.name(), size: table.size, elements: Each::new(elements) }
    }
}

/// A section of the dump's file.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(rename = "section"))]
pub struct SectionEntry<'d> {
    /// Section id; 0 is custom.
    id: u8,
    /// Name of a custom section, else the standard's. Null in a redacted document, unless the standard or this project gives it.
    name: Option<&'d str>,
    /// The byte offset in the file at which its contents begin.
    offset: Hex,
    /// Size of its contents in bytes.
    size: u64,
}

impl<'d> SectionEntry<'d> {
    /// A section; with `redact`, without a name that is not known.
    pub fn new(section: &'d Section, redact: bool) -> Self {
        let known = |name: &&str| !redact || section.id != 0 || redact::section(name).is_some();
        SectionEntry {
            id: section.id,
            name: Some(&*section.name).filter(known),
            offset: Hex(section.offset),
            size: section.size,
        }
    }
}
