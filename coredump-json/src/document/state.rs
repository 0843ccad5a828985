//! Modules, instances, globals, tables, sections.

use coredump_core::binaries::{Found, Refused, Slot, Verification};
use coredump_core::gc::View;
use coredump_core::model::{Global, Instance, ModuleRecord, Section, Table, Value};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::memories::base64;
use super::redact;
use super::text::{Each, Hex};
use super::values::{self, Target};

/// A module that the dump refers to, and the binary that was found for it.
pub struct ModuleEntry<'c> {
    pub index: usize,
    pub module: Option<&'c ModuleRecord<'c>>,
    pub slot: &'c Slot,
    /// Whether to write out the copy in the dump.
    pub contents: bool,
    /// All modules.
    pub slots: &'c [Slot],
    /// Whether only what is vouched for is written.
    pub redact: bool,
}

impl<'c> Serialize for ModuleEntry<'c> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let module = self.module;
        let found = self.slot.found.as_ref();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("index", &self.index)?;
        let name = |name: Option<&'c str>| match self.redact {
            true => name.and_then(|name| redact::binary(name, self.slots)),
            false => name,
        };
        let hash = |hash: Option<&'c str>| if self.redact { hash.and_then(redact::hash) } else { hash };
        map.serialize_entry("name", &name(module.and_then(|module| module.name.as_deref())))?;
        map.serialize_entry("path", &name(module.and_then(|module| module.path.as_deref())))?;
        map.serialize_entry("sha256", &hash(module.and_then(|module| module.sha256.as_deref())))?;
        map.serialize_entry("content_sha256", &hash(module.and_then(|module| module.content_sha256.as_deref())))?;
        map.serialize_entry("digest", &hash(module.and_then(|module| module.digest.as_deref())))?;
        map.serialize_entry("stamp", &module.and_then(|module| module.stamp.as_deref()))?;
        map.serialize_entry("build_id", &hash(module.and_then(|module| module.build_id.as_deref())))?;
        map.serialize_entry("embedded_size", &module.and_then(|module| module.embedded).map(<[u8]>::len))?;
        if self.contents {
            let embedded = module.and_then(|module| module.embedded);
            map.serialize_entry("embedded", &embedded.map(base64))?;
        }
        map.serialize_entry("symbols", &found.map(|found| found.binary.symbols_kind().name()))?;
        map.serialize_entry("verified", &found.map(|found| found.verification.is_verified()))?;
        map.serialize_entry("binary", &found.map(BinaryEntry))?;
        map.serialize_entry("refused", &Each(|| self.slot.refused.iter().map(RefusedEntry)))?;
        map.end()
    }
}

/// The file that was used for a module.
struct BinaryEntry<'c>(&'c Found);

impl Serialize for BinaryEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let binary = &self.0.binary;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("path", &binary.path().map(|path| path.to_string_lossy()))?;
        map.serialize_entry("nested", &binary.nested())?;
        map.serialize_entry("checked", checked(self.0.verification))?;
        map.serialize_entry("symbols_from", binary.symbols_origin())?;
        map.end()
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
struct RefusedEntry<'c>(&'c Refused);

impl Serialize for RefusedEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("path", &self.0.path.as_ref().map(|path| path.to_string_lossy()))?;
        map.serialize_entry("reason", &self.0.reason)?;
        map.end()
    }
}

/// An instance of a module.
pub struct InstanceEntry<'d> {
    pub index: usize,
    pub instance: &'d Instance,
}

impl Serialize for InstanceEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("index", &self.index)?;
        map.serialize_entry("module", &self.instance.module)?;
        map.serialize_entry("memories", &self.instance.memories)?;
        map.serialize_entry("globals", &self.instance.globals)?;
        map.serialize_entry("tables", &self.instance.tables)?;
        map.end()
    }
}

/// A global.
pub struct GlobalEntry<'d> {
    pub index: usize,
    pub global: &'d Global,
    pub name: Option<&'d str>,
    pub objects: Option<&'d View<'d>>,
    /// Whether to leave its value out.
    pub hidden: bool,
}

impl Serialize for GlobalEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("index", &self.index)?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("type", &self.global.ty)?;
        map.serialize_entry("mutable", &self.global.mutable)?;
        values::entries(&mut map, if self.hidden { &Value::Missing } else { &self.global.value }, self.objects)?;
        map.end()
    }
}

/// A table.
pub struct TableEntry<'d> {
    pub index: usize,
    pub table: &'d Table,
    pub objects: Option<&'d View<'d>>,
}

impl Serialize for TableEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("index", &self.index)?;
        map.serialize_entry("type", self.table.element.name())?;
        map.serialize_entry("size", &self.table.size)?;
        map.serialize_entry(
            "elements",
            &Each(|| self.table.elements.iter().map(|target| Target { target, objects: self.objects })),
        )?;
        map.end()
    }
}

/// A section of the dump's file.
pub struct SectionEntry<'d> {
    pub section: &'d Section,
    /// Whether only names that are known are written.
    pub redact: bool,
}

impl Serialize for SectionEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let section = self.section;
        let name =
            Some(&*section.name).filter(|name| !self.redact || section.id != 0 || redact::section(name).is_some());
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &section.id)?;
        map.serialize_entry("name", &name)?;
        map.serialize_entry("offset", &Hex(section.offset))?;
        map.serialize_entry("size", &section.size)?;
        map.end()
    }
}
