//! A module's state before anything runs: globals, memories, tables, data and elements.

use wasmparser::{ElementItems, ElementKind, OperatorsReader, TypeRef};

use super::items::{
    Constant, DataSegment, ElementSegment, GlobalDefinition, MemoryDefinition, TableDefinition, ValueType,
};
use super::{MAX_ITEMS, Module, id};

impl<'s> Module<'s> {
    /// Globals, imported ones first.
    pub fn globals(&self) -> &[GlobalDefinition] {
        self.globals.get_or_init(|| {
            let imported = self.import_entries().iter().filter_map(|import| match import.ty {
                TypeRef::Global(ty) => Some(GlobalDefinition {
                    ty: ValueType::from_parser(ty.content_type),
                    mutable: ty.mutable,
                    imported: true,
                    init: None,
                }),
                _ => None,
            });
            let defined = self.items::<wasmparser::Global<'s>>(id::GLOBAL).map(|global| GlobalDefinition {
                ty: ValueType::from_parser(global.ty.content_type),
                mutable: global.ty.mutable,
                imported: false,
                init: Constant::read(&global.init_expr),
            });
            imported.chain(defined).take(MAX_ITEMS).collect()
        })
    }

    /// The initialisers of the defined globals, as code.
    pub(crate) fn global_initialisers(&self) -> impl Iterator<Item = OperatorsReader<'s>> {
        let globals = self.items::<wasmparser::Global<'s>>(id::GLOBAL).take(MAX_ITEMS);
        globals.map(|global| global.init_expr.get_operators_reader())
    }

    /// Linear memories, imported ones first.
    pub fn memories(&self) -> Vec<MemoryDefinition> {
        let imported = self.import_entries().iter().filter_map(|import| match import.ty {
            TypeRef::Memory(ty) => Some(MemoryDefinition::new(ty, true)),
            _ => None,
        });
        imported.chain(self.items(id::MEMORY).map(|ty| MemoryDefinition::new(ty, false))).collect()
    }

    /// Tables, imported ones first.
    pub fn tables(&self) -> Vec<TableDefinition> {
        let imported = self.import_entries().iter().filter_map(|import| match import.ty {
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

    /// The element segments, read once.
    fn elements(&self) -> &[ElementSegment] {
        self.elements.get_or_init(|| self.element_segments().take(MAX_ITEMS).collect())
    }

    /// The function that active element segments put at `index` of `table` when the module is instantiated: the target
    /// of a function pointer, as long as the program did not change the table.
    pub fn table_function(&self, table: u32, index: u64) -> Option<u32> {
        let mut found = None;
        for segment in self.elements().iter().filter(|segment| segment.table == Some(table)) {
            // The value of an offset in a global (position-independent code) is not known here.
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

    /// The number of elements of a table up to the end of its last active element segment.
    pub fn table_end(&self, table: u32) -> u64 {
        let segments = self.elements().iter().filter(|segment| segment.table == Some(table));
        let ends = segments.filter_map(|segment| {
            let start = segment.offset.and_then(Constant::as_address)?;
            start.checked_add(segment.elements.len() as u64)
        });
        ends.max().unwrap_or(0)
    }

    /// Returns true if the program may have a pointer to a function, because an element segment names it.
    pub(crate) fn has_pointer_to(&self, function: u32) -> bool {
        let find = || {
            let named =
                self.elements().iter().flat_map(|segment| &segment.elements).filter_map(|element| match element {
                    Some(Constant::Function(function)) => Some(*function),
                    _ => None,
                });
            let mut named: Vec<u32> = named.collect();
            named.sort_unstable();
            named.dedup();
            named
        };
        self.pointed.get_or_init(find).binary_search(&function).is_ok()
    }
}
