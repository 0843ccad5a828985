//! A module that does the same as another, but in which every reference may be null.
//!
//! A function that hands a local on as a reference that cannot be null is valid with one that may be only if whatever
//! takes the reference takes null, too. So that is changed in all of the module at once: parameters, results, fields,
//! elements, globals, tables, blocks, locals. No null gets anywhere that did not before. An instruction's effect
//! depends on these types only in casts and in calls by type, and there only on which types are the same. So types that
//! differ must still differ, except for those of functions that neither casts nor such calls name. All offsets stay as
//! they are.

use std::collections::HashMap;
use std::ops::Range;

use wasmparser::types::{EntityType, Types, TypesRef};
use wasmparser::{
    BinaryReader, BlockType, CompositeInnerType, ElementItems, FieldType, FunctionBody, HeapType, Operator, Parser,
    Payload, RefType, StorageType, ValType, Validator, WasmFeatures,
};

/// The first bytes of the types of references that can and cannot be null (Wasm 3.0, 5.3.5, reference types).
pub const REF_NULL: u8 = 0x63;
/// See [`REF_NULL`].
pub const REF: u8 = 0x64;

/// The bit of a branch on a cast that says that what is cast may be null (Wasm 3.0, 5.4.3, `castflags`).
const SOURCE_NULL: u8 = 1;
/// The longest number of 32 bits, in bytes.
const NUMBER: usize = 5;

/// Returns the same module with references that may all be null; `None` if it would not be the same program, or if its
/// imports or exports have references of the module's own types or references that cannot be null, since other modules
/// rely on these.
pub fn with_nulls_everywhere(module: &[u8]) -> Option<Vec<u8>> {
    let before = validated(module)?;
    if !has_simple_borders(module, before.as_ref())? {
        return None;
    }
    let mut changes = Changes { module, types: before.as_ref(), changed: module.to_vec(), asks_for_functions: false };
    for payload in Parser::new(0).parse_all(module) {
        changes.section(payload.ok()?)?;
    }
    let after = validated(&changes.changed)?;
    let same = |types: &Types| same_types(types.as_ref(), changes.asks_for_functions);
    (same(&before) == same(&after)).then_some(changes.changed)
}

fn validated(module: &[u8]) -> Option<Types> {
    Validator::new_with_features(WasmFeatures::all()).validate_all(module).ok()
}

/// For each type of a module, the first type that is the same; those of functions only if they count.
fn same_types(types: TypesRef<'_>, with_functions: bool) -> Vec<Option<u32>> {
    let mut first = HashMap::new();
    let same = (0..types.core_type_count_in_module()).map(|index| {
        let counts = with_functions || !is_function(types, index);
        counts.then(|| *first.entry(types.core_type_at_in_module(index)).or_insert(index))
    });
    same.collect()
}

fn is_function(types: TypesRef<'_>, index: u32) -> bool {
    let known = index < types.core_type_count_in_module();
    let ty = known.then(|| types.get(types.core_type_at_in_module(index))).flatten();
    ty.is_some_and(|ty| matches!(ty.composite_type.inner, CompositeInnerType::Func(_)))
}

/// Returns true if every reference in the types of imports and exports may be null and is of an abstract type, as
/// `funcref`. Returns `None` if a section cannot be read.
fn has_simple_borders(module: &[u8], types: TypesRef<'_>) -> Option<bool> {
    let is_simple = |reference: RefType| reference.is_nullable() && !reference.is_concrete_type_ref();
    let is_simple_value = |ty: &ValType| !matches!(ty, ValType::Ref(reference) if !is_simple(*reference));
    let is_simple_item = |item: EntityType| match item {
        EntityType::Func(id) | EntityType::FuncExact(id) | EntityType::Tag(id) => {
            types.get(id).is_some_and(|ty| match &ty.composite_type.inner {
                CompositeInnerType::Func(ty) => ty.params().iter().chain(ty.results()).all(is_simple_value),
                _ => false,
            })
        }
        EntityType::Global(global) => is_simple_value(&global.content_type),
        EntityType::Table(table) => is_simple(table.element_type),
        EntityType::Memory(_) => true,
    };
    let mut simple = true;
    for payload in Parser::new(0).parse_all(module) {
        match payload.ok()? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    simple &= types.entity_type_from_import(&import.ok()?).is_some_and(is_simple_item);
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    simple &= types.entity_type_from_export(&export.ok()?).is_some_and(is_simple_item);
                }
            }
            _ => {}
        }
    }
    Some(simple)
}

/// A module that is being changed. Any of its functions returns `None` if something is encoded in a way that is not
/// known here.
struct Changes<'m> {
    module: &'m [u8],
    types: TypesRef<'m>,
    changed: Vec<u8>,
    /// True if the code depends on which types of functions are the same.
    asks_for_functions: bool,
}

impl<'m> Changes<'m> {
    fn section(&mut self, payload: Payload<'m>) -> Option<()> {
        match payload {
            Payload::TypeSection(types) => self.types(types.range()),
            Payload::TableSection(tables) => {
                for table in tables.into_iter_with_offsets() {
                    let (offset, table) = table.ok()?;
                    // A table with a first value begins with two bytes more (Wasm 3.0, 5.5.7).
                    let start = if self.module.get(offset) == Some(&0x40) { offset + 2 } else { offset };
                    self.reference(start, table.ty.element_type)?;
                }
                Some(())
            }
            Payload::GlobalSection(globals) => {
                for global in globals.into_iter_with_offsets() {
                    let (offset, global) = global.ok()?;
                    self.value(offset, global.ty.content_type)?;
                }
                Some(())
            }
            Payload::ElementSection(elements) => {
                for element in elements {
                    if let ElementItems::Expressions(reference, items) = element.ok()?.items {
                        self.before(items.range().start, reference)?;
                    }
                }
                Some(())
            }
            Payload::CodeSectionEntry(body) => self.body(&body),
            _ => Some(()),
        }
    }

    /// The type of a reference that begins at an offset.
    fn reference(&mut self, offset: usize, ty: RefType) -> Option<()> {
        if ty.is_nullable() {
            return Some(());
        }
        let byte = self.changed.get_mut(offset).filter(|byte| **byte == REF)?;
        *byte = REF_NULL;
        Some(())
    }

    fn value(&mut self, offset: usize, ty: ValType) -> Option<()> {
        match ty {
            ValType::Ref(reference) => self.reference(offset, reference),
            _ => Some(()),
        }
    }

    /// Changes the type of a reference that ends before an offset. The heap type that it ends with is a number of at
    /// least one byte (LEB128): the last byte is at most 0x7f, all before it are greater. The byte in front of the
    /// number, which is to be changed, is at most 0x7f again.
    fn before(&mut self, end: usize, ty: RefType) -> Option<()> {
        if ty.is_nullable() {
            return Some(());
        }
        let start = (2..=NUMBER + 1).filter_map(|len| end.checked_sub(len)).find(|start| self.module[*start] < 0x80)?;
        self.reference(start, ty)
    }

    /// The type section: its number of entries, each a type or a group of such (Wasm 3.0, 5.3.8 to 5.3.12).
    fn types(&mut self, range: Range<usize>) -> Option<()> {
        let mut reader = BinaryReader::new(self.module.get(range.clone())?, range.start);
        for _ in 0..reader.read_var_u32().ok()? {
            if self.module.get(reader.original_position()) == Some(&0x4e) {
                reader.read_u8().ok()?;
                for _ in 0..reader.read_var_u32().ok()? {
                    self.ty(&mut reader)?;
                }
            } else {
                self.ty(&mut reader)?;
            }
        }
        reader.eof().then_some(())
    }

    fn ty(&mut self, reader: &mut BinaryReader<'_>) -> Option<()> {
        let mut form = reader.read_u8().ok()?;
        if matches!(form, 0x4f | 0x50) {
            for _ in 0..reader.read_var_u32().ok()? {
                reader.read_var_u32().ok()?;
            }
            form = reader.read_u8().ok()?;
        }
        match form {
            0x60 => {
                for _ in 0..2 {
                    for _ in 0..reader.read_var_u32().ok()? {
                        let offset = reader.original_position();
                        let ty = reader.read().ok()?;
                        self.value(offset, ty)?;
                    }
                }
            }
            0x5e => self.field(reader)?,
            0x5f => {
                for _ in 0..reader.read_var_u32().ok()? {
                    self.field(reader)?;
                }
            }
            _ => return None,
        }
        Some(())
    }

    fn field(&mut self, reader: &mut BinaryReader<'_>) -> Option<()> {
        let offset = reader.original_position();
        let field: FieldType = reader.read().ok()?;
        match field.element_type {
            StorageType::Val(ty) => self.value(offset, ty),
            StorageType::I8 | StorageType::I16 => Some(()),
        }
    }

    fn body(&mut self, body: &FunctionBody<'_>) -> Option<()> {
        empty_locals(body).into_iter().for_each(|place| self.changed[place] = REF_NULL);
        let mut operators = body.get_operators_reader().ok()?;
        while !operators.eof() {
            let offset = operators.original_position();
            let operator = operators.read().ok()?;
            self.asks_for_functions |= match operator {
                Operator::CallIndirect { .. } | Operator::ReturnCallIndirect { .. } => true,
                Operator::RefTestNonNull { hty }
                | Operator::RefTestNullable { hty }
                | Operator::RefCastNonNull { hty }
                | Operator::RefCastNullable { hty } => self.is_function(hty),
                Operator::BrOnCast { to_ref_type, .. } | Operator::BrOnCastFail { to_ref_type, .. } => {
                    self.is_function(to_ref_type.heap_type())
                }
                _ => false,
            };
            match operator {
                Operator::Block { blockty }
                | Operator::Loop { blockty }
                | Operator::If { blockty }
                | Operator::Try { blockty } => self.block(offset, blockty)?,
                Operator::TryTable { try_table } => self.block(offset, try_table.ty)?,
                // One type, whose count of one takes a byte.
                Operator::TypedSelect { ty } => self.value(offset + 2, ty)?,
                Operator::BrOnCast { from_ref_type, .. } | Operator::BrOnCastFail { from_ref_type, .. }
                    if !from_ref_type.is_nullable() =>
                {
                    let known = matches!(self.module.get(offset..offset + 2)?, [0xfb, 0x18 | 0x19]);
                    *self.changed.get_mut(offset + 2).filter(|_| known)? |= SOURCE_NULL;
                }
                _ => {}
            }
        }
        Some(())
    }

    /// Returns true if a type is a function's that the module declares.
    fn is_function(&self, ty: HeapType) -> bool {
        match ty {
            HeapType::Concrete(index) | HeapType::Exact(index) => {
                index.as_module_index().is_none_or(|index| is_function(self.types, index))
            }
            HeapType::Abstract { .. } => false,
        }
    }

    /// The type of a block, which follows the instruction's first byte.
    fn block(&mut self, offset: usize, ty: BlockType) -> Option<()> {
        match ty {
            BlockType::Type(ty) => self.value(offset + 1, ty),
            BlockType::Empty | BlockType::FuncType(_) => Some(()),
        }
    }
}

/// Returns the offsets of the types of a function's locals that hold nothing at first: references that cannot be null.
pub fn empty_locals(body: &FunctionBody<'_>) -> Vec<usize> {
    let mut places = Vec::new();
    let Ok(mut locals) = body.get_locals_reader() else { return places };
    let (start, bytes) = (body.range().start, body.as_bytes());
    for _ in 0..locals.get_count() {
        let group = locals.original_position() - start;
        let Ok((_, ty)) = locals.read() else { break };
        // The type follows the number of its locals, whose last byte is the first one below 0x80.
        let count = bytes.get(group..).and_then(|bytes| bytes.iter().position(|byte| *byte < 0x80));
        let place = count.map(|count| group + count + 1);
        if let (ValType::Ref(reference), Some(place)) = (ty, place)
            && !reference.is_nullable()
            && bytes.get(place) == Some(&REF)
        {
            places.push(start + place);
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the number of bytes that differ, in a module that is valid with the change.
    fn changes(text: &str) -> Option<usize> {
        let module = wat::parse_str(text).unwrap();
        Validator::new_with_features(WasmFeatures::all()).validate_all(&module).unwrap();
        let changed = with_nulls_everywhere(&module)?;
        assert_eq!(module.len(), changed.len());
        assert_eq!(with_nulls_everywhere(&changed).as_ref(), Some(&changed));
        Some(module.iter().zip(&changed).filter(|(old, new)| old != new).count())
    }

    #[test]
    fn all_references_may_be_null_wherever_they_are() {
        let text = r#"(module
            (type $bytes (array (mut i8)))
            (rec
                (type $base (sub (struct (field (ref $bytes)))))
                (type $leaf (sub $base (struct (field (ref $bytes)) (field (mut (ref null $base)))))))
            (type $list (array (mut (ref $base))))
            (type $makes (func (param (ref $bytes)) (result (ref $base))))
            (tag $thrown (param (ref $base)))
            (global $empty (ref $bytes) (array.new_fixed $bytes 0))
            (table $table 1 (ref $bytes) (array.new_fixed $bytes 0))
            (elem $bases (ref $makes) (ref.func $make))
            (func $make (type $makes) (struct.new $base (local.get 0)))
            (func (export "run") (result i32) (local $held (ref $base))
                (local.set $held (call_ref $makes (table.get $table (i32.const 0)) (ref.func $make)))
                (drop (array.new_fixed $list 1 (local.get $held)))
                (drop (block $is_leaf (result (ref $leaf))
                    (br_on_cast $is_leaf (ref $base) (ref $leaf) (local.get $held))
                    drop unreachable))
                (drop (block $is_none (result (ref $base))
                    (br_on_cast_fail $is_none (ref $base) (ref $leaf) (local.get $held))
                    drop unreachable))
                (drop (select (result (ref $base)) (local.get $held) (local.get $held) (i32.const 1)))
                (ref.is_null (ref.cast (ref $base) (local.get $held)))))"#;
        // These are two fields, an element, a parameter, a result, and another parameter; a global, a table, a segment;
        // a local, two blocks, two branches and a choice. A branch that casts to a type that cannot be null stays.
        assert_eq!(changes(text), Some(6 + 3 + 6));
    }

    #[test]
    fn types_that_would_be_the_same_stay_as_they_are() {
        let text = r#"(module
            (type $bytes (array (mut i8)))
            (type $one (struct (field (ref $bytes))))
            (type $other (struct (field (ref null $bytes)))))"#;
        assert_eq!(changes(text), None);
        let functions = |code: &str| {
            format!(
                r#"(module
                (type $bytes (array (mut i8)))
                (type $one (func (param (ref $bytes))))
                (type $other (func (param (ref null $bytes))))
                (table 1 funcref)
                (func (param funcref) {code}))"#
            )
        };
        assert_eq!(changes(&functions("")), Some(1));
        for code in [
            "(call_indirect (type $one) (array.new_fixed $bytes 0) (i32.const 0))",
            "(drop (ref.test (ref $other) (local.get 0)))",
            "(drop (ref.cast (ref null $one) (local.get 0)))",
        ] {
            assert_eq!(changes(&functions(code)), None, "{code}");
        }
        assert_eq!(changes(&functions("(drop (ref.test (ref $bytes) (ref.null any)))")), Some(1));
    }

    #[test]
    fn what_others_know_stays_as_it_is() {
        let taken = |ty: &str| {
            format!(r#"(module (type $s (struct)) (func (param (ref $s))) (func (export "f") (param {ty})))"#)
        };
        assert_eq!(changes(&taken("externref")), Some(1));
        for ty in ["(ref extern)", "(ref $s)", "(ref null $s)"] {
            assert_eq!(changes(&taken(ty)), None, "{ty}");
            let module =
                format!(r#"(module (type $s (struct)) (import "" "f" (func (param {ty}))) (func (param (ref $s))))"#);
            assert_eq!(changes(&module), None, "{ty}");
        }
    }
}
