//! A core module, read lazily and tolerantly, as a debugger needs it.
//!
//! Nothing is validated, and nothing is parsed before it is asked for: opening a module reads section headers only, so
//! that 100 MB open in no time. Damage in one section leaves the others readable. All offsets are file offsets in the
//! *core module's* own bytes (for a module nested in a component, relative to its own first byte).

mod code;
mod items;
mod names;
mod rewrite;
mod sections;
mod state;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::OnceLock;

use sha2::{Digest, Sha256};
use wasmparser::{
    BinaryReader, CompositeInnerType, FromReader, FunctionBody, Operator, OperatorsReader, SectionLimited, TypeRef,
};

pub use code::Body;
use items::Subtype;
pub use items::{
    Constant, DataSegment, ElementSegment, Export, GlobalDefinition, Import, ItemKind, MemoryDefinition, Signature,
    TableDefinition, TypeKind, ValueType,
};
pub(crate) use items::{constant_bits, referred_to};
pub use sections::{Preamble, RawSection, nested, preamble};

use crate::error::{Error, ErrorKind, Result};
pub use crate::text::hex;
use code::Bodies;
use items::{ExportEntry, ImportEntry};
use names::NameSection;

/// Section ids (Wasm spec 5.5.2).
mod id {
    pub const TYPE: u8 = 1;
    pub const IMPORT: u8 = 2;
    pub const FUNCTION: u8 = 3;
    pub const TABLE: u8 = 4;
    pub const MEMORY: u8 = 5;
    pub const GLOBAL: u8 = 6;
    pub const EXPORT: u8 = 7;
    pub const ELEMENT: u8 = 9;
    pub const CODE: u8 = 10;
    pub const DATA: u8 = 11;
    pub const DATA_COUNT: u8 = 12;
}

/// Locals that [`Module::local_types`] lists at most; a body may declare 2^32 of them in six bytes.
const MAX_LOCALS: usize = 50_000;
/// Imports, exports, types and globals that are read at most: the limit engines set (Wasm JavaScript interface, 7.1).
const MAX_ITEMS: usize = 1_000_000;

/// A core module. It stores positions in its bytes instead of borrows, so that it can be shared together with the bytes
/// that it was parsed from.
#[derive(Debug)]
pub struct Module<'s> {
    bytes: &'s [u8],
    sections: Vec<RawSection>,
    defect: Option<Error>,
    custom: OnceLock<Vec<(Range<usize>, Range<usize>)>>,
    bodies: OnceLock<Bodies>,
    names: OnceLock<NameSection>,
    imports: OnceLock<Vec<ImportEntry>>,
    imported_functions: OnceLock<Vec<u32>>,
    exports: OnceLock<Vec<ExportEntry>>,
    exported_functions: OnceLock<HashMap<u32, Range<usize>>>,
    signatures: OnceLock<Vec<Option<Signature>>>,
    subtypes: OnceLock<Vec<Subtype>>,
    functions: OnceLock<Vec<u32>>,
    globals: OnceLock<Vec<GlobalDefinition>>,
    elements: OnceLock<Vec<ElementSegment>>,
    pointed: OnceLock<Vec<u32>>,
    sha256: OnceLock<String>,
}

/// SHA-256 of these bytes, lower-case hex.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

impl<'s> Module<'s> {
    /// Opens a core module. Reads section headers only.
    ///
    /// # Errors
    ///
    /// Fails where `bytes` are no WebAssembly binary, or a component ([`nested`] finds the core modules in it). A
    /// module that is cut off opens, and [`Module::defect`] reports it.
    pub fn parse(bytes: &'s [u8]) -> Result<Module<'s>> {
        if preamble(bytes)? == Preamble::Component {
            return Err(Error::new(ErrorKind::WrongFile, "a component, not a core module").at(0));
        }
        let (sections, defect) = sections::sections(bytes);
        Ok(Module {
            bytes,
            sections,
            defect,
            custom: OnceLock::new(),
            bodies: OnceLock::new(),
            names: OnceLock::new(),
            imports: OnceLock::new(),
            imported_functions: OnceLock::new(),
            exports: OnceLock::new(),
            exported_functions: OnceLock::new(),
            signatures: OnceLock::new(),
            subtypes: OnceLock::new(),
            functions: OnceLock::new(),
            globals: OnceLock::new(),
            elements: OnceLock::new(),
            pointed: OnceLock::new(),
            sha256: OnceLock::new(),
        })
    }

    /// The module's own bytes.
    pub fn bytes(&self) -> &'s [u8] {
        self.bytes
    }

    /// Returns the error that ended the list of sections early, if there was one.
    pub fn defect(&self) -> Option<&Error> {
        self.defect.as_ref()
    }

    /// SHA-256 of the module's bytes, lower-case hex. Computed once.
    pub fn sha256(&self) -> &str {
        self.sha256.get_or_init(|| sha256(self.bytes))
    }

    /// SHA-256 of the module without its custom sections, lower-case hex. It is computed over the id, the size (eight
    /// bytes, little endian) and the contents of each other section. Stripping does not change it.
    pub fn content_sha256(&self) -> String {
        let mut hash = Sha256::new();
        for section in self.sections.iter().filter(|section| section.id != sections::CUSTOM) {
            hash.update([section.id]);
            hash.update((section.contents.len() as u64).to_le_bytes());
            hash.update(&self.bytes[section.contents.clone()]);
        }
        hex(&hash.finalize())
    }

    // ---- sections ----

    /// Names and contents of the custom sections, in order.
    fn custom(&self) -> &[(Range<usize>, Range<usize>)] {
        self.custom.get_or_init(|| {
            let custom = self.sections.iter().filter(|section| section.id == sections::CUSTOM);
            custom
                .filter_map(|section| {
                    let Range { start, end } = section.contents;
                    let (name, size) = sections::name_bytes(&self.bytes[start..end], 0)?;
                    str::from_utf8(name).ok()?;
                    Some((start + size - name.len()..start + size, start + size..end))
                })
                .collect()
        })
    }

    /// Custom sections by name, in order.
    pub fn custom_sections(&self) -> impl Iterator<Item = (&'s str, &'s [u8])> {
        self.custom().iter().map(|(name, contents)| (self.text(name), &self.bytes[contents.clone()]))
    }

    /// The contents of the first custom section of this name.
    pub fn custom_section(&self, name: &str) -> Option<&'s [u8]> {
        let found = self.custom().iter().find(|section| &self.bytes[section.0.clone()] == name.as_bytes());
        found.map(|section| &self.bytes[section.1.clone()])
    }

    /// The text at a position that is known to hold UTF-8.
    fn text(&self, at: &Range<usize>) -> &'s str {
        str::from_utf8(&self.bytes[at.clone()]).unwrap_or_default()
    }

    /// Returns the range of a text that was read from the module's bytes.
    fn position(&self, text: &str) -> Range<usize> {
        let start = (text.as_ptr() as usize).wrapping_sub(self.bytes.as_ptr() as usize);
        let found = start..start.wrapping_add(text.len());
        if self.bytes.get(found.clone()).is_some() { found } else { 0..0 }
    }

    /// The single name a custom section holds (`external_debug_info`, `sourceMappingURL`).
    pub fn custom_name(&self, section: &str) -> Option<&'s str> {
        let (name, _) = sections::name_bytes(self.custom_section(section)?, 0)?;
        str::from_utf8(name).ok()
    }

    /// The `build_id` section's identifier, lower-case hex (tool-conventions `BuildId.md`: a length, then the bytes).
    pub fn build_id(&self) -> Option<String> {
        let section = self.custom_section("build_id")?;
        let id = match sections::name_bytes(section, 0) {
            Some((id, end)) if end == section.len() => id,
            _ => section,
        };
        (!id.is_empty() && id.len() <= 1024).then(|| hex(id))
    }

    fn section(&self, id: u8) -> Option<&RawSection> {
        self.sections.iter().find(|section| section.id == id)
    }

    /// The items of a section, up to the first that cannot be read.
    fn items<T: FromReader<'s>>(&self, id: u8) -> impl Iterator<Item = T> + use<'s, T> {
        let reader = self.section(id).and_then(|section| {
            let contents = &self.bytes[section.contents.clone()];
            SectionLimited::new(BinaryReader::new(contents, section.contents.start)).ok()
        });
        reader.into_iter().flatten().map_while(Result::ok)
    }

    // ---- functions ----

    fn bodies(&self) -> &Bodies {
        self.bodies.get_or_init(|| {
            let contents = self.section(id::CODE).map_or(0..0, |section| section.contents.clone());
            Bodies::parse(self.bytes, contents)
        })
    }

    /// The type index of each imported function.
    fn imported_function_types(&self) -> &[u32] {
        self.imported_functions.get_or_init(|| {
            let types = self.import_entries().iter().filter_map(|import| match import.ty {
                TypeRef::Func(index) | TypeRef::FuncExact(index) => Some(index),
                _ => None,
            });
            types.collect()
        })
    }

    /// Number of imported functions; they come first in the function index space.
    pub fn imported_functions(&self) -> u32 {
        self.imported_function_types().len() as u32
    }

    /// Number of functions, imported and defined.
    pub fn function_count(&self) -> u32 {
        self.imported_functions().saturating_add(self.bodies().len() as u32)
    }

    /// The body of a function; `None` for an imported one and beyond the last.
    pub fn body(&self, function: u32) -> Option<Body> {
        let defined = function.checked_sub(self.imported_functions())?;
        self.bodies().get(self.bytes, defined as usize)
    }

    /// The function whose body covers this file offset.
    pub fn function_at(&self, offset: u64) -> Option<u32> {
        let defined = u32::try_from(self.bodies().find(offset)?).ok()?;
        self.imported_functions().checked_add(defined)
    }

    /// File offset of the code section's contents (the function count): address 0 of DWARF.
    pub fn code_section_start(&self) -> Option<u64> {
        self.section(id::CODE).map(|_| self.bodies().section_start())
    }

    /// File offset of the code section's size field, between its id and its contents.
    pub fn code_section_size_field(&self) -> Option<u64> {
        let contents = self.section(id::CODE)?.contents.clone();
        let size = contents.len() as u32;
        // Linkers pad the size to five bytes.
        let fields = (1..=5).filter_map(|len| contents.start.checked_sub(len));
        fields
            .filter(|&field| sections::leb_u32(self.bytes, field) == Some((size, contents.start)))
            .find(|&field| field.checked_sub(1).and_then(|before| self.bytes.get(before)) == Some(&id::CODE))
            .map(|field| field as u64)
    }

    /// The code section's contents.
    pub fn code_section(&self) -> Option<&'s [u8]> {
        self.section(id::CODE).map(|section| &self.bytes[section.contents.clone()])
    }

    /// Size of the code section's contents: no DWARF address reaches beyond it.
    pub fn code_section_size(&self) -> u64 {
        self.bodies().section_size()
    }

    /// The instructions of a function, after its locals. Offsets are file offsets.
    pub(crate) fn operators(&self, function: u32) -> Option<OperatorsReader<'s>> {
        self.function_body(function)?.get_operators_reader().ok()
    }

    /// The instruction that begins at a file offset; `None` if it cannot be read. It is not checked if one
    /// begins there.
    pub(crate) fn operator_at(&self, offset: u64) -> Option<Operator<'s>> {
        let offset = usize::try_from(offset).ok()?;
        OperatorsReader::new(BinaryReader::new(self.bytes.get(offset..)?, offset)).read().ok()
    }

    fn function_body(&self, function: u32) -> Option<FunctionBody<'s>> {
        let body = self.body(function)?;
        let bytes = &self.bytes[body.start as usize..body.end as usize];
        Some(FunctionBody::new(BinaryReader::new(bytes, body.start as usize)))
    }

    /// The types of a function's locals, parameters first. `None` for imported functions, unreadable bodies and
    /// bodies of more than 50,000 locals (the limit of engines).
    pub fn local_types(&self, function: u32) -> Option<Vec<ValueType>> {
        let mut types = self.signature(function)?.params.clone();
        for group in self.function_body(function)?.get_locals_reader().ok()? {
            let (count, ty) = group.ok()?;
            if types.len().saturating_add(count as usize) > MAX_LOCALS {
                return None;
            }
            types.resize(types.len() + count as usize, ValueType::from_parser(ty));
        }
        Some(types)
    }

    /// The locals of a function, without its parameters, that have no value before they are assigned to, because they
    /// are non-nullable references. `None` as for [`Module::local_types`].
    pub(crate) fn locals_without_default(&self, function: u32) -> Option<Vec<u32>> {
        let mut next = u32::try_from(self.signature(function)?.params.len()).ok()?;
        let mut found = Vec::new();
        for group in self.function_body(function)?.get_locals_reader().ok()? {
            let (count, ty) = group.ok()?;
            let end = next.checked_add(count).filter(|end| *end as usize <= MAX_LOCALS)?;
            if !ty.is_defaultable() {
                found.extend(next..end);
            }
            next = end;
        }
        Some(found)
    }

    /// The index of a function's type.
    pub fn type_index(&self, function: u32) -> Option<u32> {
        let imported = self.imported_function_types();
        if let Some(&index) = imported.get(function as usize) {
            return Some(index);
        }
        let defined = function as usize - imported.len();
        self.functions.get_or_init(|| self.items(id::FUNCTION).collect()).get(defined).copied()
    }

    /// A function's type.
    pub fn signature(&self, function: u32) -> Option<&Signature> {
        self.signature_of_type(self.type_index(function)?)
    }

    /// The function type with this index in the type section.
    pub(crate) fn signature_of_type(&self, index: u32) -> Option<&Signature> {
        let signatures = self.signatures.get_or_init(|| {
            let groups = self.items::<wasmparser::RecGroup>(id::TYPE);
            let types = groups.flat_map(|group| group.into_types().collect::<Vec<_>>());
            types
                .take(MAX_ITEMS)
                .map(|ty| match &ty.composite_type.inner {
                    CompositeInnerType::Func(function) => Some(Signature {
                        params: function.params().iter().copied().map(ValueType::from_parser).collect(),
                        results: function.results().iter().copied().map(ValueType::from_parser).collect(),
                    }),
                    _ => None,
                })
                .collect()
        });
        signatures.get(index as usize)?.as_ref()
    }

    /// The type section: how many entries it has, and their bytes. An entry is a type, or several that refer to each
    /// other.
    pub fn type_section(&self) -> Option<(u32, &'s [u8])> {
        let contents = &self.bytes[self.section(id::TYPE)?.contents.clone()];
        let (count, start) = sections::leb_u32(contents, 0)?;
        Some((count, &contents[start..]))
    }

    /// The kind of each type of the type section, up to the first that cannot be read.
    pub fn type_kinds(&self) -> Vec<TypeKind> {
        self.subtypes().iter().map(|ty| ty.kind).collect()
    }

    /// The declared supertype of a type, as an index in the type section.
    pub(crate) fn supertype(&self, index: u32) -> Option<u32> {
        self.subtypes().get(index as usize)?.supertype
    }

    /// The size in bytes of an element of an array type; `None` if elements are references.
    pub(crate) fn element_size(&self, index: u32) -> Option<u8> {
        self.subtypes().get(index as usize)?.element_size
    }

    /// The number of fields of a struct type.
    pub(crate) fn field_count(&self, index: u32) -> Option<u32> {
        let fields = self.subtypes().get(index as usize)?.fields.as_ref()?;
        u32::try_from(fields.len()).ok()
    }

    /// The size in bytes of a field of a struct type; `None` for a reference.
    pub(crate) fn field_width(&self, index: u32, field: u32) -> Option<u8> {
        *self.subtypes().get(index as usize)?.fields.as_ref()?.get(field as usize)?
    }

    /// The type of the objects that a field of a struct type refers to.
    pub(crate) fn field_reference(&self, index: u32, field: u32) -> Option<u32> {
        *self.subtypes().get(index as usize)?.references.get(field as usize)?
    }

    /// The type of the objects that a function's parameter refers to; after the parameters come the results.
    pub(crate) fn parameter_reference(&self, function: u32, parameter: usize) -> Option<u32> {
        *self.subtypes().get(self.type_index(function)? as usize)?.references.get(parameter)?
    }

    /// The types of the objects that a function's locals refer to, parameters first. `None` as for [`Module::local_types`].
    pub(crate) fn local_references(&self, function: u32) -> Option<Vec<Option<u32>>> {
        let parameters = self.signature(function)?.params.len();
        let mut types: Vec<_> = (0..parameters).map(|index| self.parameter_reference(function, index)).collect();
        for group in self.function_body(function)?.get_locals_reader().ok()? {
            let (count, ty) = group.ok()?;
            let len = types.len().checked_add(count as usize).filter(|len| *len <= MAX_LOCALS)?;
            types.resize(len, referred_to(ty));
        }
        Some(types)
    }

    fn subtypes(&self) -> &[Subtype] {
        self.subtypes.get_or_init(|| {
            let groups = self.items::<wasmparser::RecGroup>(id::TYPE);
            let types = groups.flat_map(|group| group.into_types().collect::<Vec<_>>()).take(MAX_ITEMS);
            types.map(Subtype::from).collect()
        })
    }

    // ---- imports, exports, names ----

    fn import_entries(&self) -> &[ImportEntry] {
        self.imports.get_or_init(|| {
            let entries = self.items::<wasmparser::Imports<'s>>(id::IMPORT);
            entries.flat_map(|entry| self.imports_of(entry)).take(MAX_ITEMS).collect()
        })
    }

    /// The imports one entry of the import section stands for: several in the compact-imports proposal.
    fn imports_of(&self, entry: wasmparser::Imports<'s>) -> impl Iterator<Item = ImportEntry> {
        entry.into_iter().map_while(Result::ok).map(|(_, import)| ImportEntry {
            module: self.position(import.module),
            name: self.position(import.name),
            kind: match import.ty {
                TypeRef::Func(_) | TypeRef::FuncExact(_) => ItemKind::Function,
                TypeRef::Table(_) => ItemKind::Table,
                TypeRef::Memory(_) => ItemKind::Memory,
                TypeRef::Global(_) => ItemKind::Global,
                TypeRef::Tag(_) => ItemKind::Tag,
            },
            ty: import.ty,
        })
    }

    /// Imports, in order.
    pub fn imports(&self) -> impl ExactSizeIterator<Item = Import<'s>> {
        self.import_entries().iter().map(|entry| self.import(entry))
    }

    fn import(&self, entry: &ImportEntry) -> Import<'s> {
        Import { module: self.text(&entry.module), name: self.text(&entry.name), kind: entry.kind }
    }

    /// The index of the global that a position-independent module imports as the address of its data (`__memory_base`,
    /// tool-conventions `DynamicLinking.md`); `None` for other modules.
    pub fn memory_base(&self) -> Option<u32> {
        let globals = self.imports().filter(|import| import.kind == ItemKind::Global);
        globals.zip(0..).find(|(import, _)| import.name == "__memory_base").map(|(_, index)| index)
    }

    /// The import of the item with this index in the index space of its kind; `None` if that item is not imported.
    pub fn imported(&self, kind: ItemKind, index: u32) -> Option<Import<'s>> {
        let mut imported = self.import_entries().iter().filter(|import| import.kind == kind);
        imported.nth(index as usize).map(|entry| self.import(entry))
    }

    fn export_entries(&self) -> &[ExportEntry] {
        self.exports.get_or_init(|| {
            let exports = self.items::<wasmparser::Export<'s>>(id::EXPORT).take(MAX_ITEMS);
            let entry = |export: wasmparser::Export<'s>| ExportEntry {
                name: self.position(export.name),
                kind: ItemKind::from_parser(export.kind),
                index: export.index,
            };
            exports.map(entry).collect()
        })
    }

    /// Exports, in order.
    pub fn exports(&self) -> impl ExactSizeIterator<Item = Export<'s>> {
        let exports = self.export_entries().iter();
        exports.map(|entry| Export { name: self.text(&entry.name), kind: entry.kind, index: entry.index })
    }

    /// The name section, with the position of each name in it.
    fn names(&self) -> (&'s [u8], &NameSection) {
        let section = self.custom_section("name").unwrap_or_default();
        (section, self.names.get_or_init(|| NameSection::parse(section)))
    }

    /// The module's own name in the name section.
    pub fn name(&self) -> Option<&'s str> {
        let (section, names) = self.names();
        str::from_utf8(&section[names.module.clone()?]).ok()
    }

    /// A function's name, not demangled: from the name section, else of an export, else of the import.
    pub fn function_name(&self, function: u32) -> Option<&'s str> {
        let (section, names) = self.names();
        names.functions.get(section, function).or_else(|| {
            let exported = self.exported_functions.get_or_init(|| {
                let exports = self.export_entries().iter().rev();
                let functions = exports.filter(|export| export.kind == ItemKind::Function);
                functions.map(|export| (export.index, export.name.clone())).collect()
            });
            let exported = exported.get(&function).map(|name| self.text(name));
            exported.or_else(|| self.import_name(ItemKind::Function, function))
        })
    }

    /// Returns true if the name section names any function.
    pub(crate) fn has_function_names(&self) -> bool {
        self.function_names().next().is_some()
    }

    /// All function names of the name section, with the function's index.
    pub(crate) fn function_names(&self) -> impl Iterator<Item = (u32, &'s str)> {
        let (section, names) = self.names();
        names.functions.iter(section)
    }

    /// The name of a local in the name section; parameters come first.
    pub fn local_name(&self, function: u32, local: u32) -> Option<&'s str> {
        let (section, names) = self.names();
        names.locals.get(section, function, local)
    }

    /// A global's name: name section, export or import.
    pub fn global_name(&self, index: u32) -> Option<&'s str> {
        let (section, names) = self.names();
        names.globals.get(section, index).or_else(|| self.interface_name(ItemKind::Global, index))
    }

    /// A memory's name: name section, export or import.
    pub fn memory_name(&self, index: u32) -> Option<&'s str> {
        let (section, names) = self.names();
        names.memories.get(section, index).or_else(|| self.interface_name(ItemKind::Memory, index))
    }

    /// A table's name: name section, export or import.
    pub fn table_name(&self, index: u32) -> Option<&'s str> {
        let (section, names) = self.names();
        names.tables.get(section, index).or_else(|| self.interface_name(ItemKind::Table, index))
    }

    /// A tag's name: name section, export or import.
    pub fn tag_name(&self, index: u32) -> Option<&'s str> {
        let (section, names) = self.names();
        names.tags.get(section, index).or_else(|| self.interface_name(ItemKind::Tag, index))
    }

    /// A type's name in the name section.
    pub fn type_name(&self, index: u32) -> Option<&'s str> {
        let (section, names) = self.names();
        names.types.get(section, index)
    }

    /// The name of a struct type's field in the name section.
    pub fn field_name(&self, type_index: u32, field: u32) -> Option<&'s str> {
        let (section, names) = self.names();
        names.fields.get(section, type_index, field)
    }

    /// A data segment's name in the name section.
    pub fn data_name(&self, index: u32) -> Option<&'s str> {
        let (section, names) = self.names();
        names.data.get(section, index)
    }

    fn interface_name(&self, kind: ItemKind, index: u32) -> Option<&'s str> {
        let export = self.export_entries().iter().find(|export| export.kind == kind && export.index == index);
        export.map(|export| self.text(&export.name)).or_else(|| self.import_name(kind, index))
    }

    fn import_name(&self, kind: ItemKind, index: u32) -> Option<&'s str> {
        self.imported(kind, index).map(|import| import.name)
    }
}
