//! A guest's core module: what a debugger asks of it, read lazily and tolerantly.
//!
//! Nothing is validated and nothing is parsed before it is asked for: opening a module reads section headers only, so
//! 100 MB open at once. Damage in one section leaves the others readable. All offsets are file offsets in the *core
//! module's* own bytes (for a module nested in a component, relative to its own first byte).

mod code;
mod items;
mod names;
mod sections;

use std::cell::OnceCell;
use std::collections::HashMap;

use sha2::{Digest, Sha256};
use wasmparser::{
    BinaryReader, CompositeInnerType, ElementItems, ElementKind, FromReader, FunctionBody, OperatorsReader,
    SectionLimited, TypeRef,
};

pub use code::Body;
pub use items::{
    Constant, DataSegment, ElementSegment, Export, GlobalDefinition, Import, ItemKind, MemoryDefinition, Signature,
    TableDefinition, ValueType,
};
pub use sections::{Preamble, RawSection, nested, preamble};

use crate::error::{Error, ErrorKind, Result};
use code::Bodies;
use names::Names;

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
}

/// Locals that [`Module::local_types`] lists at most; a body may declare 2^32 of them in six bytes.
const MAX_LOCALS: usize = 50_000;
/// Imports, exports, types and globals that are read at most: the limit engines set (Wasm JavaScript interface, 7.1).
const MAX_ITEMS: usize = 1_000_000;

/// A core module.
#[derive(Debug)]
pub struct Module<'s> {
    bytes: &'s [u8],
    sections: Vec<RawSection>,
    defect: Option<Error>,
    custom: OnceCell<Vec<(&'s str, &'s [u8])>>,
    bodies: OnceCell<Bodies>,
    names: OnceCell<Names<'s>>,
    imports: OnceCell<Vec<Import<'s>>>,
    imported_functions: OnceCell<Vec<u32>>,
    exports: OnceCell<Vec<Export<'s>>>,
    exported_functions: OnceCell<HashMap<u32, &'s str>>,
    signatures: OnceCell<Vec<Option<Signature>>>,
    functions: OnceCell<Vec<u32>>,
    globals: OnceCell<Vec<GlobalDefinition>>,
    elements: OnceCell<Vec<ElementSegment>>,
    sha256: OnceCell<String>,
}

impl<'s> Module<'s> {
    /// Opens a core module. Reads section headers only.
    ///
    /// Fails where `bytes` are no WebAssembly binary or a component (walk those with [`nested`]). A module that is cut
    /// off opens; [`Module::defect`] tells.
    pub fn parse(bytes: &'s [u8]) -> Result<Module<'s>> {
        if preamble(bytes)? == Preamble::Component {
            return Err(Error::new(ErrorKind::WrongFile, "a component, not a core module").at(0));
        }
        let (sections, defect) = sections::sections(bytes);
        Ok(Module {
            bytes,
            sections,
            defect,
            custom: OnceCell::new(),
            bodies: OnceCell::new(),
            names: OnceCell::new(),
            imports: OnceCell::new(),
            imported_functions: OnceCell::new(),
            exports: OnceCell::new(),
            exported_functions: OnceCell::new(),
            signatures: OnceCell::new(),
            functions: OnceCell::new(),
            globals: OnceCell::new(),
            elements: OnceCell::new(),
            sha256: OnceCell::new(),
        })
    }

    /// The module's own bytes.
    pub fn bytes(&self) -> &'s [u8] {
        self.bytes
    }

    /// Why the list of sections ends early, if it does.
    pub fn defect(&self) -> Option<&Error> {
        self.defect.as_ref()
    }

    /// SHA-256 of the module's bytes, lower-case hex. Computed once.
    pub fn sha256(&self) -> &str {
        self.sha256.get_or_init(|| hex(&Sha256::digest(self.bytes)))
    }

    /// SHA-256 of the module without its custom sections, lower-case hex: of each section its id, its size as eight bytes
    /// (little endian) and its contents. Stripping does not change it.
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

    /// Custom sections by name, in order.
    pub fn custom_sections(&self) -> &[(&'s str, &'s [u8])] {
        self.custom.get_or_init(|| {
            let custom = self.sections.iter().filter(|section| section.id == sections::CUSTOM);
            custom
                .filter_map(|section| {
                    let contents = &self.bytes[section.contents.clone()];
                    let (name, end) = sections::name_bytes(contents, 0)?;
                    Some((str::from_utf8(name).ok()?, &contents[end..]))
                })
                .collect()
        })
    }

    /// The contents of the first custom section of this name.
    pub fn custom_section(&self, name: &str) -> Option<&'s [u8]> {
        self.custom_sections().iter().find(|section| section.0 == name).map(|section| section.1)
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
            let types = self.imports().iter().filter_map(|import| match import.ty {
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

    /// File offset of the code section's size, between its id and its contents.
    pub fn code_section_size_field(&self) -> Option<u64> {
        let contents = self.section(id::CODE)?.contents.clone();
        let size = contents.len() as u32;
        // Linkers pad it to five bytes.
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

    /// The instructions of a function, behind its locals. Offsets are file offsets.
    pub fn operators(&self, function: u32) -> Option<OperatorsReader<'s>> {
        self.function_body(function)?.get_operators_reader().ok()
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
            types.resize(types.len() + count as usize, ty.into());
        }
        Some(types)
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
    pub fn signature_of_type(&self, index: u32) -> Option<&Signature> {
        let signatures = self.signatures.get_or_init(|| {
            let groups = self.items::<wasmparser::RecGroup>(id::TYPE);
            let types = groups.flat_map(|group| group.into_types().collect::<Vec<_>>());
            types
                .take(MAX_ITEMS)
                .map(|ty| match &ty.composite_type.inner {
                    CompositeInnerType::Func(function) => Some(Signature {
                        params: function.params().iter().map(|&ty| ty.into()).collect(),
                        results: function.results().iter().map(|&ty| ty.into()).collect(),
                    }),
                    _ => None,
                })
                .collect()
        });
        signatures.get(index as usize)?.as_ref()
    }

    // ---- imports, exports, names ----

    /// Imports, in order.
    pub fn imports(&self) -> &[Import<'s>] {
        self.imports.get_or_init(|| {
            let entries = self.items::<wasmparser::Imports<'s>>(id::IMPORT);
            entries.flat_map(imports_of).take(MAX_ITEMS).collect()
        })
    }

    fn imported(&self, kind: ItemKind) -> impl Iterator<Item = &Import<'s>> {
        self.imports().iter().filter(move |import| import.kind == kind)
    }

    /// Exports, in order.
    pub fn exports(&self) -> &[Export<'s>] {
        self.exports.get_or_init(|| {
            let exports = self.items::<wasmparser::Export<'s>>(id::EXPORT);
            exports
                .take(MAX_ITEMS)
                .map(|export| Export { name: export.name, kind: export.kind.into(), index: export.index })
                .collect()
        })
    }

    fn names(&self) -> &Names<'s> {
        self.names.get_or_init(|| self.custom_section("name").map(Names::parse).unwrap_or_default())
    }

    /// The module's own name in the name section.
    pub fn name(&self) -> Option<&'s str> {
        self.names().module
    }

    /// A function's name as it stands in the module: from the name section, else an export, else the import.
    pub fn function_name(&self, function: u32) -> Option<&'s str> {
        self.names().functions.get(function).or_else(|| {
            let exported = self.exported_functions.get_or_init(|| {
                let functions = self.exports().iter().rev().filter(|export| export.kind == ItemKind::Function);
                functions.map(|export| (export.index, export.name)).collect()
            });
            exported.get(&function).copied().or_else(|| self.import_name(ItemKind::Function, function))
        })
    }

    /// Whether the name section names any function.
    pub fn has_function_names(&self) -> bool {
        self.names().functions.iter().next().is_some()
    }

    /// All function names of the name section, with the function's index.
    pub fn function_names(&self) -> impl Iterator<Item = (u32, &'s str)> + '_ {
        self.names().functions.iter()
    }

    /// The name of a local in the name section; parameters come first.
    pub fn local_name(&self, function: u32, local: u32) -> Option<&'s str> {
        self.names().locals.get(function, local)
    }

    /// A global's name: name section, export or import.
    pub fn global_name(&self, index: u32) -> Option<&'s str> {
        self.names().globals.get(index).or_else(|| self.interface_name(ItemKind::Global, index))
    }

    /// A memory's name: name section, export or import.
    pub fn memory_name(&self, index: u32) -> Option<&'s str> {
        self.names().memories.get(index).or_else(|| self.interface_name(ItemKind::Memory, index))
    }

    /// A table's name: name section, export or import.
    pub fn table_name(&self, index: u32) -> Option<&'s str> {
        self.names().tables.get(index).or_else(|| self.interface_name(ItemKind::Table, index))
    }

    /// A tag's name: name section, export or import.
    pub fn tag_name(&self, index: u32) -> Option<&'s str> {
        self.names().tags.get(index).or_else(|| self.interface_name(ItemKind::Tag, index))
    }

    /// A type's name in the name section.
    pub fn type_name(&self, index: u32) -> Option<&'s str> {
        self.names().types.get(index)
    }

    /// A data segment's name in the name section.
    pub fn data_name(&self, index: u32) -> Option<&'s str> {
        self.names().data.get(index)
    }

    /// An element segment's name in the name section.
    pub fn element_name(&self, index: u32) -> Option<&'s str> {
        self.names().elements.get(index)
    }

    fn interface_name(&self, kind: ItemKind, index: u32) -> Option<&'s str> {
        let export = self.exports().iter().find(|export| export.kind == kind && export.index == index);
        export.map(|export| export.name).or_else(|| self.import_name(kind, index))
    }

    fn import_name(&self, kind: ItemKind, index: u32) -> Option<&'s str> {
        self.imported(kind).nth(index as usize).map(|import| import.name)
    }

    // ---- state ----

    /// Globals, imported ones first.
    pub fn globals(&self) -> &[GlobalDefinition] {
        self.globals.get_or_init(|| {
            let imported = self.imports().iter().filter_map(|import| match import.ty {
                TypeRef::Global(ty) => Some(GlobalDefinition {
                    ty: ty.content_type.into(),
                    mutable: ty.mutable,
                    imported: true,
                    init: None,
                }),
                _ => None,
            });
            let defined = self.items::<wasmparser::Global<'s>>(id::GLOBAL).map(|global| GlobalDefinition {
                ty: global.ty.content_type.into(),
                mutable: global.ty.mutable,
                imported: false,
                init: Constant::read(&global.init_expr),
            });
            imported.chain(defined).take(MAX_ITEMS).collect()
        })
    }

    /// Linear memories, imported ones first.
    pub fn memories(&self) -> Vec<MemoryDefinition> {
        let imported = self.imports().iter().filter_map(|import| match import.ty {
            TypeRef::Memory(ty) => Some(MemoryDefinition::new(ty, true)),
            _ => None,
        });
        imported.chain(self.items(id::MEMORY).map(|ty| MemoryDefinition::new(ty, false))).collect()
    }

    /// Tables, imported ones first.
    pub fn tables(&self) -> Vec<TableDefinition> {
        let imported = self.imports().iter().filter_map(|import| match import.ty {
            TypeRef::Table(ty) => Some(TableDefinition::new(ty, true)),
            _ => None,
        });
        let defined = self.items::<wasmparser::Table<'s>>(id::TABLE);
        imported.chain(defined.map(|table| TableDefinition::new(table.ty, false))).collect()
    }

    /// Data segments, in order.
    pub fn data_segments(&self) -> impl Iterator<Item = DataSegment<'s>> + use<'s> {
        self.items::<wasmparser::Data<'s>>(id::DATA).map(|data| match data.kind {
            wasmparser::DataKind::Passive => DataSegment { memory: None, offset: None, bytes: data.data },
            wasmparser::DataKind::Active { memory_index, offset_expr } => {
                DataSegment { memory: Some(memory_index), offset: Constant::read(&offset_expr), bytes: data.data }
            }
        })
    }

    /// Element segments, in order. Together they are the tables' initial contents (Wasm spec 4.5.4).
    pub fn element_segments(&self) -> impl Iterator<Item = ElementSegment> + use<'s> {
        self.items::<wasmparser::Element<'s>>(id::ELEMENT).map(|element| {
            let (table, offset) = match &element.kind {
                ElementKind::Active { table_index, offset_expr } => {
                    (Some(table_index.unwrap_or(0)), Constant::read(offset_expr))
                }
                ElementKind::Passive | ElementKind::Declared => (None, None),
            };
            let elements = match element.items {
                ElementItems::Functions(functions) => {
                    functions.into_iter().map_while(Result::ok).map(|index| Some(Constant::Function(index))).collect()
                }
                ElementItems::Expressions(_, expressions) => {
                    expressions.into_iter().map_while(Result::ok).map(|each| Constant::read(&each)).collect()
                }
            };
            ElementSegment { table, offset, elements }
        })
    }

    /// The function that active element segments put at `index` of `table` when the module is instantiated: the target
    /// of a function pointer, as long as the program did not change the table.
    pub fn table_function(&self, table: u32, index: u64) -> Option<u32> {
        let mut found = None;
        let segments = self.elements.get_or_init(|| self.element_segments().take(MAX_ITEMS).collect());
        for segment in segments.iter().filter(|segment| segment.table == Some(table)) {
            // An offset in a global (position-independent code) is not known here.
            let Some(start) = segment.offset.and_then(Constant::as_address) else { continue };
            let Some(element) = index.checked_sub(start).and_then(|at| segment.elements.get(usize::try_from(at).ok()?))
            else {
                continue;
            };
            found = *element;
        }
        match found? {
            Constant::Function(function) => Some(function),
            _ => None,
        }
    }
}

/// The imports one entry of the import section stands for: several in the compact-imports proposal.
fn imports_of<'s>(entry: wasmparser::Imports<'s>) -> impl Iterator<Item = Import<'s>> {
    entry.into_iter().map_while(Result::ok).map(|(_, import)| Import {
        module: import.module,
        name: import.name,
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

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
        (module $sample
          (import "env" "host" (func $host (param i32)))
          (import "env" "base" (global i32))
          (type $sum (func (param i32 i64) (result f64)))
          (memory $heap 2 4)
          (table $pointers 4 funcref)
          (global $counter (mut i64) (i64.const -3))
          (elem (i32.const 1) func $sum $host)
          (elem (table $pointers) (i32.const 3) funcref (ref.func $last))
          (data $greeting (i32.const 1024) "hi")
          (data (global.get 0) "relative")
          (func $sum (type $sum) (local $x v128) (local $y funcref) f64.const 0)
          (func (export "last function") nop)
          (func $last))"#;

    fn with_module(test: impl FnOnce(Module<'_>)) {
        let bytes = wat::parse_str(TEXT).unwrap();
        test(Module::parse(&bytes).unwrap());
    }

    #[test]
    fn functions_have_names_bodies_and_types() {
        with_module(|module| {
            assert_eq!(module.name(), Some("sample"));
            assert_eq!((module.imported_functions(), module.function_count()), (1, 4));
            let names: Vec<_> = (0..5).map(|index| module.function_name(index)).collect();
            assert_eq!(names, [Some("host"), Some("sum"), Some("last function"), Some("last"), None]);
            assert_eq!(module.body(0), None);
            let body = module.body(2).unwrap();
            assert_eq!(&module.bytes()[body.start as usize..body.end as usize], [0, 1, 0xb], "no locals, nop, end");
            assert_eq!(module.function_at(body.start), Some(2));
            let types = module.local_types(1).unwrap();
            assert_eq!(types, [ValueType::I32, ValueType::I64, ValueType::V128, ValueType::Ref]);
            assert_eq!(module.signature(1).unwrap().results, [ValueType::F64]);
            assert_eq!(module.local_name(1, 2), Some("x"));
        });
    }

    #[test]
    fn state_is_known_as_far_as_constants_tell() {
        with_module(|module| {
            let globals = module.globals();
            assert_eq!((globals[0].imported, globals[0].init), (true, None));
            assert_eq!((globals[1].mutable, globals[1].init), (true, Some(Constant::I64(-3))));
            assert_eq!(module.global_name(1), Some("counter"));
            assert_eq!(module.memories()[0].maximum_pages, Some(4));
            let data: Vec<_> = module.data_segments().collect();
            assert_eq!((data[0].offset, data[0].bytes), (Some(Constant::I32(1024)), &b"hi"[..]));
            assert_eq!(data[1].offset.unwrap().as_address(), None);
            let pointers: Vec<_> = (0..4).map(|index| module.table_function(0, index)).collect();
            assert_eq!(pointers, [None, Some(1), Some(0), Some(3)]);
            assert!(module.tables()[0].functions);
        });
    }

    #[test]
    fn a_module_cut_anywhere_still_opens_and_answers() {
        let bytes = wat::parse_str(TEXT).unwrap();
        for end in 8..bytes.len() {
            let module = Module::parse(&bytes[..end]).unwrap();
            for function in 0..module.function_count() {
                module.body(function);
                module.local_types(function);
                module.function_name(function);
            }
            let _ = (module.globals().len(), module.data_segments().count(), module.table_function(0, 1));
        }
    }

    #[test]
    fn identities_are_the_bytes_own() {
        let mut bytes = b"\0asm\x01\0\0\0".to_vec();
        // sha256sum of these eight bytes.
        let expected = "93a44bbb96c751218e4c00d479e4c14358122a389acca16205b1e4d0dc5f9476";
        assert_eq!(Module::parse(&bytes).unwrap().sha256(), expected);
        bytes.extend(b"\x00\x0d\x08build_id\x03\xab\x01\xff");
        assert_eq!(Module::parse(&bytes).unwrap().build_id().as_deref(), Some("ab01ff"));
    }

    #[test]
    fn content_is_the_same_before_and_after_stripping() {
        let bytes = wat::parse_str(TEXT).unwrap();
        let named = Module::parse(&bytes).unwrap();
        let names = named.sections.iter().position(|section| section.id == sections::CUSTOM).unwrap();
        let end = named.sections[names - 1].contents.end;
        let stripped = Module::parse(&bytes[..end]).unwrap();
        assert_eq!(stripped.name(), None);
        assert_eq!(stripped.content_sha256(), named.content_sha256());
        let other = Module::parse(&bytes[..end - 1]).unwrap();
        assert_ne!(other.content_sha256(), named.content_sha256());
    }

    #[test]
    fn a_component_is_no_core_module() {
        assert_eq!(Module::parse(b"\0asm\x0d\0\x01\0").unwrap_err().kind, ErrorKind::WrongFile);
    }
}
