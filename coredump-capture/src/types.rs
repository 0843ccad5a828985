//! Finds the type of an object: its module, and its index there.
//!
//! The engine does not say, but it says whether two types are the same. So a second module is compiled beside each of
//! the guest's: it has the same types, and imports one function for each struct and array type, with a parameter of
//! that type. The types of its imports are the guest's, by their indices.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};

use coredump_core::module::{Module as CoreModule, TypeKind};
use coredump_core::objects::{ObjectKind, ObjectType, Storage, Writer};
use wasm_encoder::Encode;
use wasmtime::{ArrayType, Engine, FieldType, HeapType, Module, StorageType, StructType, Tag, ValType};

use crate::binary::Binary;
use crate::catalog::Catalog;

/// The types that were met, and those that modules declare.
pub struct Types {
    met: HashMap<Key, Vec<Met>>,
    /// The struct's and the array's type that were met last: the next one is most often the same.
    last: [Option<Met>; 2],
    declared: Declared,
    tags: HashMap<u64, DumpType>,
    host: Option<u32>,
}

/// Types, each with its module and its index there.
type Declared = HashMap<Key, Vec<(EngineType, (u32, u32))>>;

/// A type that was met.
struct Met {
    ty: EngineType,
    known: DumpType,
}

/// A type as the dump records it.
#[derive(Clone)]
pub struct DumpType {
    /// Its index in the dump.
    pub index: u32,
    /// The encodings of its fields; for an array, that of its elements.
    pub fields: std::rc::Rc<[Storage]>,
    /// Bytes of all of them.
    pub size: u64,
}

impl DumpType {
    fn new(index: u32, fields: Vec<Storage>) -> DumpType {
        let size = fields.iter().map(|field| u64::from(field.size())).sum();
        DumpType { index, fields: fields.into(), size }
    }
}

/// Two types that are the same have the same. The hash of a type is that of its group, which may hold most types of a
/// program.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    group: u64,
    fields: usize,
}

/// A struct's or an array's type.
#[derive(Clone)]
enum EngineType {
    Struct(StructType),
    Array(ArrayType),
}

impl EngineType {
    fn key(&self) -> Key {
        let mut hasher = std::hash::DefaultHasher::new();
        match self {
            EngineType::Struct(ty) => {
                ty.hash(&mut hasher);
                Key { group: hasher.finish(), fields: ty.fields().len() }
            }
            EngineType::Array(ty) => {
                ty.hash(&mut hasher);
                Key { group: hasher.finish(), fields: usize::MAX }
            }
        }
    }

    fn is(&self, other: &EngineType) -> bool {
        match (self, other) {
            (EngineType::Struct(this), EngineType::Struct(other)) => StructType::eq(this, other),
            (EngineType::Array(this), EngineType::Array(other)) => ArrayType::eq(this, other),
            _ => false,
        }
    }

    fn fields(&self) -> Vec<Storage> {
        match self {
            EngineType::Struct(ty) => ty.fields().map(|field| storage(&field)).collect(),
            EngineType::Array(ty) => vec![storage(&ty.field_type())],
        }
    }
}

impl Types {
    /// No type yet; those that the modules of `catalog` declare are known. The types of a module whose bytes are not at
    /// hand are unknown.
    pub fn new(catalog: &Catalog, binary: &Binary, engine: &Engine) -> Types {
        let mut declared = Declared::new();
        for (number, module) in (0u32..).zip(&catalog.modules) {
            // These are the bytes that the engine runs: their types may be others than the program's, but have the same
            // indices.
            let bytes = module.debug_bytecode().or_else(|| binary.bytes_of(module));
            let types = bytes.and_then(|bytes| types_of(bytes, engine));
            for (index, ty) in types.into_iter().flatten() {
                declared.entry(ty.key()).or_default().push((ty, (number, index)));
            }
        }
        Types { met: HashMap::new(), last: [None, None], declared, tags: HashMap::new(), host: None }
    }

    /// A struct's type.
    pub fn of_struct(&mut self, ty: StructType, writer: &mut Writer) -> DumpType {
        self.known(EngineType::Struct(ty), ObjectKind::Struct, writer)
    }

    /// An array's type.
    pub fn of_array(&mut self, ty: ArrayType, writer: &mut Writer) -> DumpType {
        self.known(EngineType::Array(ty), ObjectKind::Array, writer)
    }

    fn known(&mut self, ty: EngineType, kind: ObjectKind, writer: &mut Writer) -> DumpType {
        let last = usize::from(kind == ObjectKind::Array);
        if let Some(met) = self.last[last].as_ref().filter(|met| met.ty.is(&ty)) {
            return met.known.clone();
        }
        let known = self.among_all(&ty, kind, writer);
        self.last[last] = Some(Met { ty, known: known.clone() });
        known
    }

    fn among_all(&mut self, ty: &EngineType, kind: ObjectKind, writer: &mut Writer) -> DumpType {
        let key = ty.key();
        let met = self.met.entry(key).or_default();
        if let Some(position) = met.iter().position(|met| met.ty.is(ty)) {
            // The types of most objects are few.
            if position > 0 {
                met.swap(position, position / 2);
            }
            return met[position / 2].known.clone();
        }
        let declared = self.declared.get(&key).into_iter().flatten();
        let places = declared.filter(|(declared, _)| declared.is(ty)).map(|(_, place)| *place).collect();
        let fields = ty.fields();
        let index = writer.add_type(&ObjectType::new(kind, places, fields.clone()));
        let known = DumpType::new(index, fields);
        met.push(Met { ty: ty.clone(), known: known.clone() });
        known
    }

    /// An exception's type: its tag.
    pub fn of_exception(
        &mut self,
        tag: &Tag,
        fields: Vec<Storage>,
        catalog: &Catalog,
        writer: &mut Writer,
    ) -> DumpType {
        let number = tag.debug_index_in_store();
        let known = self.tags.entry(number).or_insert_with(|| {
            let places = catalog.tag(number).into_iter().collect();
            let index = writer.add_type(&ObjectType::new(ObjectKind::Exception, places, fields.clone()));
            DumpType::new(index, fields)
        });
        known.clone()
    }

    /// The type of what the host owns.
    pub fn of_host(&mut self, writer: &mut Writer) -> u32 {
        *self.host.get_or_insert_with(|| writer.add_type(&ObjectType::new(ObjectKind::Extern, Vec::new(), Vec::new())))
    }
}

/// Returns the encoding of a field.
pub fn storage(field: &FieldType) -> Storage {
    match field.element_type() {
        StorageType::I8 => Storage::I8,
        StorageType::I16 => Storage::I16,
        StorageType::ValType(ty) => match ty {
            ValType::I32 => Storage::I32,
            ValType::I64 => Storage::I64,
            ValType::F32 => Storage::F32,
            ValType::F64 => Storage::F64,
            ValType::V128 => Storage::V128,
            ValType::Ref(_) => Storage::Ref,
        },
    }
}

/// The struct and array types of a module, with their indices.
fn types_of(module: &[u8], engine: &Engine) -> Option<Vec<(u32, EngineType)>> {
    let module = CoreModule::parse(module).ok()?;
    let kinds = module.type_kinds();
    let wanted: Vec<u32> = (0u32..)
        .zip(&kinds)
        .filter(|(_, kind)| matches!(kind, TypeKind::Struct | TypeKind::Array))
        .map(|(index, _)| index)
        .collect();
    let probe = probe(module.type_section()?, kinds.len(), &wanted)?;
    let probe = Module::new(engine, probe).ok()?;
    let parameter = |import: wasmtime::ImportType<'_>| {
        let parameter = import.ty().func()?.param(0)?;
        match parameter.as_ref()?.heap_type() {
            HeapType::ConcreteStruct(ty) => Some(EngineType::Struct(ty.clone())),
            HeapType::ConcreteArray(ty) => Some(EngineType::Array(ty.clone())),
            _ => None,
        }
    };
    Some(
        wanted
            .into_iter()
            .zip(probe.imports())
            .filter_map(|(index, import)| Some((index, parameter(import)?)))
            .collect(),
    )
}

/// A module with the types of another one, and one import for each of the `wanted`.
fn probe((entries, types): (u32, &[u8]), count: usize, wanted: &[u32]) -> Option<Vec<u8>> {
    if wanted.is_empty() {
        return None;
    }
    let mut section = Vec::new();
    (u64::from(entries) + wanted.len() as u64).encode(&mut section);
    section.extend(types);
    let mut imports = Vec::new();
    wanted.len().encode(&mut imports);
    for (number, index) in wanted.iter().enumerate() {
        // (func (param (ref null $index)))
        section.extend([0x60, 1, 0x63]);
        i64::from(*index).encode(&mut section);
        section.push(0);
        // Two empty names, a function.
        imports.extend([0, 0, 0]);
        (count + number).encode(&mut imports);
    }
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    for (id, contents) in [(1, section), (2, imports)] {
        module.push(id);
        contents.encode(&mut module);
    }
    Some(module)
}
