//! Modules, instances, globals, tables, sections.

use coredump_core::model::{Global, Instance, ModuleRecord, Section, Table};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::text::{Each, Hex};
use super::values::{self, Target};

/// A module that the dump refers to.
pub struct ModuleEntry<'d> {
    pub index: usize,
    pub module: &'d ModuleRecord<'d>,
}

impl Serialize for ModuleEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("index", &self.index)?;
        map.serialize_entry("name", &self.module.name)?;
        map.serialize_entry("path", &self.module.path)?;
        map.serialize_entry("sha256", &self.module.sha256)?;
        map.serialize_entry("build_id", &self.module.build_id)?;
        map.serialize_entry("embedded_size", &self.module.embedded.map(<[u8]>::len))?;
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
}

impl Serialize for GlobalEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("index", &self.index)?;
        map.serialize_entry("name", &None::<&str>)?;
        map.serialize_entry("type", &self.global.ty)?;
        map.serialize_entry("mutable", &self.global.mutable)?;
        values::entries(&mut map, &self.global.value)?;
        map.end()
    }
}

/// A table.
pub struct TableEntry<'d> {
    pub index: usize,
    pub table: &'d Table,
}

impl Serialize for TableEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("index", &self.index)?;
        map.serialize_entry("type", self.table.element.name())?;
        map.serialize_entry("size", &self.table.size)?;
        map.serialize_entry("elements", &Each(|| self.table.elements.iter().map(Target)))?;
        map.end()
    }
}

/// A section of the dump's file.
pub struct SectionEntry<'d>(pub &'d Section);

impl Serialize for SectionEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.0.id)?;
        map.serialize_entry("name", &self.0.name)?;
        map.serialize_entry("offset", &Hex(self.0.offset))?;
        map.serialize_entry("size", &self.0.size)?;
        map.end()
    }
}
