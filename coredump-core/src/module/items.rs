//! The imports, exports and definitions of a module, as this project's own types: wasmparser's change with each of its
//! versions, so they stay inside this crate.

use std::ops::Range;

use wasmparser::{CompositeInnerType, ConstExpr, ExternalKind, HeapType, Operator, TypeRef};

/// The sort of an import or export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemKind {
    /// A function.
    Function,
    /// A table.
    Table,
    /// A linear memory.
    Memory,
    /// A global.
    Global,
    /// An exception tag.
    Tag,
}

impl ItemKind {
    pub(super) fn from_parser(kind: ExternalKind) -> Self {
        match kind {
            ExternalKind::Func | ExternalKind::FuncExact => ItemKind::Function,
            ExternalKind::Table => ItemKind::Table,
            ExternalKind::Memory => ItemKind::Memory,
            ExternalKind::Global => ItemKind::Global,
            ExternalKind::Tag => ItemKind::Tag,
        }
    }
}

/// An import.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Import<'s> {
    /// The module it comes from.
    pub module: &'s str,
    /// Its name there.
    pub name: &'s str,
    /// Its sort.
    pub kind: ItemKind,
}

/// An import as [`super::Module`] keeps it, with the positions of names in the module's bytes.
#[derive(Debug)]
pub(super) struct ImportEntry {
    pub module: Range<usize>,
    pub name: Range<usize>,
    pub kind: ItemKind,
    pub ty: TypeRef,
}

/// An export as [`super::Module`] keeps it.
#[derive(Debug)]
pub(super) struct ExportEntry {
    pub name: Range<usize>,
    pub kind: ItemKind,
    pub index: u32,
}

/// An export.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Export<'s> {
    /// Its name.
    pub name: &'s str,
    /// Its sort.
    pub kind: ItemKind,
    /// Index in the index space of that sort.
    pub index: u32,
}

/// A value type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// 32-bit integer.
    I32,
    /// 64-bit integer.
    I64,
    /// 32-bit float.
    F32,
    /// 64-bit float.
    F64,
    /// 128-bit vector.
    V128,
    /// Some reference.
    Ref,
}

impl ValueType {
    /// The type's name in the Wasm text format (`ref` for any reference).
    pub fn name(self) -> &'static str {
        match self {
            ValueType::I32 => "i32",
            ValueType::I64 => "i64",
            ValueType::F32 => "f32",
            ValueType::F64 => "f64",
            ValueType::V128 => "v128",
            ValueType::Ref => "ref",
        }
    }
}

impl ValueType {
    pub(super) fn from_parser(ty: wasmparser::ValType) -> Self {
        match ty {
            wasmparser::ValType::I32 => ValueType::I32,
            wasmparser::ValType::I64 => ValueType::I64,
            wasmparser::ValType::F32 => ValueType::F32,
            wasmparser::ValType::F64 => ValueType::F64,
            wasmparser::ValType::V128 => ValueType::V128,
            wasmparser::ValType::Ref(_) => ValueType::Ref,
        }
    }
}

/// The kind of a type in the type section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypeKind {
    /// A function's type.
    Function,
    /// A struct's.
    Struct,
    /// An array's.
    Array,
    /// A continuation's.
    Continuation,
}

/// A type of the type section, with what is needed to read objects of it.
#[derive(Clone, Debug)]
pub(super) struct Subtype {
    pub kind: TypeKind,
    pub supertype: Option<u32>,
    /// Size in bytes of an array's elements; `None` if they are references.
    pub element_size: Option<u8>,
    /// For each field of a struct its size in bytes; `None` for a reference.
    pub fields: Option<Box<[Option<u8>]>>,
    /// The index of the type that each field of a struct refers to, or each parameter and then each result of a function.
    pub references: Box<[Option<u32>]>,
}

impl From<wasmparser::SubType> for Subtype {
    fn from(ty: wasmparser::SubType) -> Self {
        let (kind, element_size) = match &ty.composite_type.inner {
            CompositeInnerType::Func(_) => (TypeKind::Function, None),
            CompositeInnerType::Struct(_) => (TypeKind::Struct, None),
            CompositeInnerType::Array(array) => (TypeKind::Array, size_of(array.0.element_type)),
            CompositeInnerType::Cont(_) => (TypeKind::Continuation, None),
        };
        let fields = match &ty.composite_type.inner {
            CompositeInnerType::Struct(structure) => {
                Some(structure.fields.iter().map(|field| size_of(field.element_type)).collect())
            }
            _ => None,
        };
        let references = match &ty.composite_type.inner {
            CompositeInnerType::Struct(structure) => {
                structure.fields.iter().map(|field| referred_to(field.element_type.unpack())).collect()
            }
            CompositeInnerType::Func(function) => {
                function.params().iter().chain(function.results()).map(|ty| referred_to(*ty)).collect()
            }
            _ => Box::default(),
        };
        let supertype = ty.supertype_idx.and_then(|index| index.as_module_index());
        Subtype { kind, supertype, element_size, fields, references }
    }
}

/// The index of the type that references of a value type refer to, if that is one of the module.
pub fn referred_to(ty: wasmparser::ValType) -> Option<u32> {
    match ty {
        wasmparser::ValType::Ref(reference) => reference.type_index()?.as_module_index(),
        _ => None,
    }
}

fn size_of(storage: wasmparser::StorageType) -> Option<u8> {
    use wasmparser::{StorageType, ValType};
    Some(match storage {
        StorageType::I8 => 1,
        StorageType::I16 => 2,
        StorageType::Val(ValType::I32 | ValType::F32) => 4,
        StorageType::Val(ValType::I64 | ValType::F64) => 8,
        StorageType::Val(ValType::V128) => 16,
        StorageType::Val(ValType::Ref(_)) => return None,
    })
}

/// A function's type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signature {
    /// Parameters.
    pub params: Vec<ValueType>,
    /// Results.
    pub results: Vec<ValueType>,
}

/// The value of an initialiser that needs no instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constant {
    /// `i32.const`.
    I32(i32),
    /// `i64.const`.
    I64(i64),
    /// `f32.const`, as bits.
    F32(u32),
    /// `f64.const`, as bits.
    F64(u64),
    /// `v128.const`, in memory order.
    V128([u8; 16]),
    /// `ref.null`.
    Null,
    /// `ref.func`.
    Function(u32),
    /// `global.get`: the value that the global with this index has when the module is instantiated.
    Global(u32),
}

/// The bits that a constant instruction pushes; `None` for any other instruction (Wasm 3.0, 5.4.9, numeric
/// instructions).
pub(crate) fn constant_bits(operator: &Operator<'_>) -> Option<u64> {
    match *operator {
        Operator::I32Const { value } => Some(u64::from(value as u32)),
        Operator::I64Const { value } => Some(value as u64),
        Operator::F32Const { value } => Some(u64::from(value.bits())),
        Operator::F64Const { value } => Some(value.bits()),
        _ => None,
    }
}

impl Constant {
    /// Reads an initialiser of a single instruction; `None` for anything longer.
    pub(super) fn read(expression: &ConstExpr<'_>) -> Option<Constant> {
        let mut operators = expression.get_operators_reader();
        let constant = match operators.read().ok()? {
            Operator::I32Const { value } => Constant::I32(value),
            Operator::I64Const { value } => Constant::I64(value),
            Operator::F32Const { value } => Constant::F32(value.bits()),
            Operator::F64Const { value } => Constant::F64(value.bits()),
            Operator::V128Const { value } => Constant::V128(*value.bytes()),
            Operator::RefNull { .. } => Constant::Null,
            Operator::RefFunc { function_index } => Constant::Function(function_index),
            Operator::GlobalGet { global_index } => Constant::Global(global_index),
            _ => return None,
        };
        matches!(operators.read().ok()?, Operator::End).then_some(constant)
    }

    /// An address or table index: `i32.const` read as unsigned, or `i64.const`.
    pub fn as_address(self) -> Option<u64> {
        match self {
            Constant::I32(value) => Some(u64::from(value as u32)),
            Constant::I64(value) => Some(value as u64),
            _ => None,
        }
    }
}

/// A global of a module, imported or defined.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GlobalDefinition {
    /// Its type.
    pub ty: ValueType,
    /// True if it can change.
    pub mutable: bool,
    /// True if it is imported.
    pub imported: bool,
    /// Its initial value where a single constant gives it.
    pub init: Option<Constant>,
}

/// A linear memory of a module, imported or defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryDefinition {
    /// True if addresses are 64 bits wide.
    pub memory64: bool,
    /// True if it is shared between threads.
    pub shared: bool,
    /// True if it is imported.
    pub imported: bool,
    /// Initial size in pages.
    pub initial_pages: u64,
    /// Greatest size in pages.
    pub maximum_pages: Option<u64>,
    /// Bytes of a page.
    pub page_size: u64,
}

impl MemoryDefinition {
    pub(super) fn new(ty: wasmparser::MemoryType, imported: bool) -> Self {
        MemoryDefinition {
            memory64: ty.memory64,
            shared: ty.shared,
            imported,
            initial_pages: ty.initial,
            maximum_pages: ty.maximum,
            // The proposal allows 2^0 and 2^16; anything up to 2^16 is understood.
            page_size: 1 << ty.page_size_log2.unwrap_or(16).min(16),
        }
    }
}

/// A data segment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DataSegment<'s> {
    /// The memory an active segment fills; `None` for a passive one.
    pub memory: Option<u32>,
    /// The address in that memory at which it is placed.
    pub offset: Option<Constant>,
    /// The bytes.
    pub bytes: &'s [u8],
}

/// An element segment: initial contents of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ElementSegment {
    /// The table an active segment fills; `None` for a passive or declared one.
    pub table: Option<u32>,
    /// The index in that table at which it is placed.
    pub offset: Option<Constant>,
    /// The elements; `None` where the initialiser is not a single instruction.
    pub elements: Vec<Option<Constant>>,
}

/// A table of a module, imported or defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableDefinition {
    /// True if it is imported.
    pub imported: bool,
    /// True if its elements are functions.
    pub functions: bool,
    /// Initial number of elements.
    pub initial: u64,
    /// Greatest number of elements.
    pub maximum: Option<u64>,
}

impl TableDefinition {
    pub(super) fn new(ty: wasmparser::TableType, imported: bool) -> Self {
        let functions = match ty.element_type.heap_type() {
            HeapType::Abstract { ty, .. } => {
                matches!(ty, wasmparser::AbstractHeapType::Func | wasmparser::AbstractHeapType::NoFunc)
            }
            _ => false,
        };
        TableDefinition { imported, functions, initial: ty.initial, maximum: ty.maximum }
    }
}
