//! The units of one binary's debug information, found by code address or name. Each is scanned once, when something in
//! it is first asked for.
//!
//! DWARF addresses of code count from the start of the code section's contents; offsets of entries count from the start
//! of their unit.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::{Deref, Range};
use std::sync::{Arc, OnceLock};

use gimli::constants::*;
use gimli::{AttributeValue, Section, UnitOffset};

pub use super::entries::{Attr, Bytes, Die, Entry, Language, UnitRef, is_of_old_llvm, is_static};
use super::entries::{language, origin_name, signature};
use super::outline::{ByName, Memo, Outline, outline};
use super::split_types::SplitTypes;
use super::types::Type;
use crate::locked::Locked;
use crate::module::Module;
use crate::symbols::{DebugInfo, LineRow, Location, attribute_text, demangle};

/// The most links of a chain of `DW_AT_abstract_origin` and `DW_AT_specification` that are followed: real chains have
/// two.
const ORIGIN_LINKS: u32 = 16;

/// The most entries for which the template arguments are remembered.
const ARGUMENTS: usize = 1 << 12;

/// Types of one name, by the path to them and by their template arguments where the name leaves these out.
pub type Instances<'s> = HashMap<(Vec<&'s [u8]>, Option<String>), Vec<Die>>;

/// All units of a binary: those of `.debug_info` (for a split unit, the one in its `.dwo` file), then those of
/// `.debug_types`. What was read of them is shared by all dumps and threads.
pub struct Catalog<'s> {
    debug: Arc<DebugInfo<'s>>,
    type_units: Vec<gimli::Unit<Bytes<'s>>>,
    split_types: SplitTypes<'s>,
    signatures: OnceLock<HashMap<u64, Die>>,
    /// True if types may be in type units, with an entry in their place that has only the signature.
    stubs: bool,
    memos: Vec<Memo<'s>>,
    types: Locked<HashMap<Die, Arc<Type<'s>>>>,
    cpp_vtables: OnceLock<Vec<(u64, Die)>>,
    /// The units that have a type of a name.
    types_in: UnitsByName<'s>,
    /// The units that have a static of a name.
    statics_in: UnitsByName<'s>,
    /// The units that have, of a name, what has no place.
    nowhere_in: UnitsByName<'s>,
    /// The memo of [`Catalog::instances`], with the unit where that decides which there are.
    instances: Locked<HashMap<InstanceKey<'s>, Arc<Instances<'s>>>>,
    /// The memo of [`Catalog::arguments`].
    arguments: Locked<HashMap<Die, Arc<Option<String>>>>,
    asynchronous: OnceLock<bool>,
}

/// The numbers of the units that have something of a name, once these were looked up.
type UnitsByName<'s> = OnceLock<HashMap<&'s [u8], Vec<u32>>>;

/// A name of types, with the unit where that decides which there are.
type InstanceKey<'s> = (Option<u32>, &'s [u8]);

/// The units of a binary, with the types that no entry describes and that the work on one frame needed.
pub struct Units<'s> {
    catalog: Arc<Catalog<'s>>,
    made: RefCell<Vec<Arc<Type<'s>>>>,
}

impl<'s> Units<'s> {
    /// The units of `catalog`.
    pub fn new(catalog: Arc<Catalog<'s>>) -> Units<'s> {
        Units { catalog, made: RefCell::default() }
    }

    /// The units of debug info that is not shared.
    #[cfg(test)]
    pub fn from_debug(debug: Arc<DebugInfo<'s>>) -> Units<'s> {
        Units::new(Arc::new(Catalog::new(debug)))
    }

    /// The types that no entry describes.
    pub(super) fn made(&self) -> &RefCell<Vec<Arc<Type<'s>>>> {
        &self.made
    }
}

impl<'s> Deref for Units<'s> {
    type Target = Catalog<'s>;

    fn deref(&self) -> &Catalog<'s> {
        &self.catalog
    }
}

impl<'s> Catalog<'s> {
    /// The units of `debug`; none of `.debug_info` is read yet.
    pub fn new(debug: Arc<DebugInfo<'s>>) -> Self {
        let mut type_units = Vec::new();
        let mut headers = debug.dwarf().type_units();
        while let Ok(Some(header)) = headers.next() {
            type_units.extend(debug.read(header));
        }
        let mut memos = Vec::new();
        memos.resize_with(debug.unit_count() as usize + type_units.len(), Memo::default);
        let abbreviations = debug.dwarf().debug_abbrev.reader().slice();
        let stub = [DW_AT_signature.0 as u8, DW_FORM_ref_sig8.0 as u8];
        let stubs = memchr::memmem::find(abbreviations, &stub).is_some();
        let split_types = SplitTypes::new(debug.unit_count(), memos.len() as u32);
        Catalog {
            debug,
            type_units,
            split_types,
            signatures: OnceLock::new(),
            stubs,
            memos,
            types: Locked::default(),
            cpp_vtables: OnceLock::new(),
            types_in: OnceLock::new(),
            statics_in: OnceLock::new(),
            nowhere_in: OnceLock::new(),
            instances: Locked::default(),
            arguments: Locked::default(),
            asynchronous: OnceLock::new(),
        }
    }

    /// The number of units, without the type units in `.dwo` files, which are read only on demand.
    pub fn len(&self) -> u32 {
        u32::try_from(self.memos.len()).unwrap_or(u32::MAX)
    }

    fn memo(&self, number: u32) -> Option<&Memo<'s>> {
        self.memos.get(number as usize).or_else(|| self.split_types.memo(number))
    }

    /// The cache of types already read.
    pub(super) fn types(&self) -> &Locked<HashMap<Die, Arc<Type<'s>>>> {
        &self.types
    }

    /// The unit of that number; `None` when it is damaged.
    pub fn unit(&self, number: u32) -> Option<UnitRef<'_, 's>> {
        match number.checked_sub(self.debug.unit_count()) {
            None => self.debug.unit_ref(number),
            Some(own) => match self.type_units.get(own as usize) {
                Some(unit) => Some(unit.unit_ref(self.debug.dwarf())),
                None => self.split_types.unit(&self.debug, number),
            },
        }
    }

    /// Returns true if a unit is in a `.dwo` file. The linker does not relocate these: where LLVM (19 to 22,
    /// `DwarfCompileUnit`) adds a global to an address there, the global's index is 1 for `__memory_base` and
    /// `__tls_base` alike, and 0 for the stack pointer.
    pub fn is_split(&self, number: u32) -> bool {
        self.unit(number).is_some_and(|unit| unit.dwarf.file_type == gimli::DwarfFileType::Dwo)
    }

    /// The language of a unit's source.
    pub fn language(&self, number: u32) -> Language {
        let Some(memo) = self.memo(number) else { return Language::default() };
        *memo.language.get_or_init(|| self.unit(number).map(language).unwrap_or_default())
    }

    /// The entry of a function of `module`.
    pub fn function(&self, module: &Module<'_>, function: u32) -> Option<Die> {
        let (unit, offset) = self.debug.function_entry(module, function)?;
        Some(Die { unit, offset: offset.0 })
    }

    /// The entries of the calls inlined at an address of a function, outermost first.
    pub fn inlined(&self, function: Die, pc: u64) -> Arc<[UnitOffset]> {
        self.debug.inlined(function.unit, UnitOffset(function.offset), pc)
    }

    /// Returns true if something of the debug info was left out because there was too much to read.
    pub fn gave_up(&self) -> bool {
        self.debug.gave_up()
    }

    /// The address at which the prologue of a function with this code ends.
    pub fn prologue_end(&self, unit: u32, code: &Range<u64>) -> Option<u64> {
        self.debug.prologue_end(unit, code)
    }

    /// The rows of a unit's line table for a function's code, by address; `None` if the table has none for it.
    pub fn rows(&self, unit: u32, code: &Range<u64>) -> Option<Vec<LineRow>> {
        self.debug.rows(unit, code)
    }

    /// Returns true if the debug info describes states of asynchronous functions of Rust, whose types have names like
    /// `{async_fn_env#0}`.
    pub fn has_asynchronous(&self) -> bool {
        *self.asynchronous.get_or_init(|| self.mentions(b"{async_"))
    }

    /// Returns true if `.debug_str`, the strings that units share, contains a text.
    fn mentions(&self, text: &[u8]) -> bool {
        memchr::memmem::find(self.debug.dwarf().debug_str.reader().slice(), text).is_some()
    }

    /// The source location that an entry of a unit gives as a file number and a line.
    pub fn declared_at(&self, unit: u32, (file, line): (u64, u32)) -> Option<Location> {
        self.debug.declared_at(unit, file, line)
    }

    /// The name of a function as backtraces have it: its linkage name, else its plain one, demangled.
    pub fn function_name(&self, die: Die) -> Option<String> {
        let name = self.debug.entry_name(self.unit(die.unit)?, UnitOffset(die.offset))?;
        Some(demangle(&name).into_owned())
    }

    /// The entry at `die`.
    pub fn entry(&self, die: Die) -> Option<Entry<'s>> {
        self.unit(die.unit)?.entry(UnitOffset(die.offset)).ok()
    }

    /// The entry that a reference attribute of an entry in `unit` points to.
    pub fn target(&self, unit: u32, attribute: &Attr<'s>) -> Option<Die> {
        let target = match *attribute {
            AttributeValue::UnitRef(offset) => Die { unit, offset: offset.0 },
            AttributeValue::DebugInfoRef(offset) => self.at_info_offset(unit, offset.0)?,
            AttributeValue::DebugTypesRef(signature) => self.type_unit(unit, signature)?,
            _ => return None,
        };
        Some(self.behind_stub(target).unwrap_or(target))
    }

    /// The type in a type unit that an entry with only a signature stands for (DWARF 5, 5.7.1 and 7.32).
    fn behind_stub(&self, stub: Die) -> Option<Die> {
        if !self.stubs && !self.is_split(stub.unit) {
            return None;
        }
        match self.entry(stub)?.attr_value(DW_AT_signature)? {
            AttributeValue::DebugTypesRef(signature) => self.type_unit(stub.unit, signature),
            _ => None,
        }
    }

    /// The entry at an offset of the `.debug_info` section that holds `unit`.
    pub fn at_info_offset(&self, unit: u32, offset: usize) -> Option<Die> {
        let offset = gimli::DebugInfoOffset(offset);
        let from = self.unit(unit)?;
        if from.dwarf.file_type == gimli::DwarfFileType::Dwo {
            // A unit in a `.dwo` file has that file's section for itself and can refer only to itself.
            return Some(Die { unit, offset: offset.to_unit_offset(&from.header)?.0 });
        }
        let unit = self.debug.unit_containing(offset)?;
        Some(Die { unit, offset: offset.to_unit_offset(&self.unit(unit)?.header)?.0 })
    }

    /// The type with a signature that an entry in the unit `from` refers to.
    fn type_unit(&self, from: u32, wanted: gimli::DebugTypeSignature) -> Option<Die> {
        if self.is_split(from) {
            // A split unit's types are in its own file.
            return self.split_types.find(&self.debug, from, wanted);
        }
        let signatures = self.signatures.get_or_init(|| {
            let headers = (0..self.len()).filter_map(|number| Some((number, self.unit(number)?.header)));
            headers.filter_map(|(unit, header)| signature(unit, &header)).collect()
        });
        signatures.get(&wanted.0).copied()
    }

    /// An attribute of an entry, or of the entries it completes (DWARF 5, 2.13 and 3.3.8).
    pub fn inherited(&self, die: Die, name: gimli::DwAt) -> Option<(u32, Attr<'s>)> {
        let mut at = die;
        for _ in 0..ORIGIN_LINKS {
            let entry = self.entry(at)?;
            if let Some(value) = entry.attr_value(name) {
                return Some((at.unit, value));
            }
            at = self.origin(at.unit, &entry)?;
        }
        None
    }

    /// The entry that `entry` is an instance or the definition of.
    pub fn origin(&self, unit: u32, entry: &Entry<'s>) -> Option<Die> {
        let link = entry.attr_value(DW_AT_abstract_origin).or_else(|| entry.attr_value(DW_AT_specification))?;
        self.target(unit, &link)
    }

    /// The entry's name, its own or inherited.
    pub fn name(&self, die: Die) -> Option<&'s [u8]> {
        let (unit, value) = self.inherited(die, DW_AT_name)?;
        self.text(unit, value)
    }

    /// The bytes of a string attribute.
    pub fn text(&self, unit: u32, value: Attr<'s>) -> Option<&'s [u8]> {
        attribute_text(self.unit(unit)?, value).map(|text| text.slice())
    }

    /// The entry that encloses the type, function or namespace at `die`.
    pub fn parent(&self, die: Die) -> Option<Die> {
        let parents = &self.outline(die.unit)?.parents;
        let at = parents.binary_search_by_key(&die.offset, |parent| parent.0).ok()?;
        Some(Die { unit: die.unit, offset: parents[at].1 })
    }

    /// The names of the namespaces, types and functions around `die`, outermost first.
    pub fn path(&self, die: Die) -> Vec<&'s [u8]> {
        self.around(die).into_iter().map(|(name, _)| name).collect()
    }

    /// The names around `die` that a program writes: inline namespaces such as `std::__1` are left out.
    pub fn written_path(&self, die: Die) -> Vec<&'s [u8]> {
        let around = self.around(die).into_iter();
        around.filter(|(name, inline)| !inline && !name.starts_with(b"__")).map(|(name, _)| name).collect()
    }

    /// The names around `die`, outermost first, and whether each is an inline namespace.
    fn around(&self, die: Die) -> Vec<(&'s [u8], bool)> {
        let mut path = Vec::new();
        // A definition outside of its class is named by its declaration there.
        let declared = |die: Die| self.entry(die).and_then(|entry| self.origin(die.unit, &entry)).unwrap_or(die);
        let mut at = declared(die);
        while let Some(parent) = self.parent(at)
            && path.len() < 64
        {
            if let Some(name) = self.name(parent).filter(|name| !name.is_empty()) {
                let inline = self.entry(parent).is_some_and(|entry| entry.has_attr(DW_AT_export_symbols));
                path.push((name, inline));
            }
            at = declared(parent);
        }
        path.reverse();
        path
    }

    /// Complete types of that name (without namespaces); those of the unit `first` come before all others.
    pub fn types_named(&self, first: u32, name: &[u8]) -> Vec<Die> {
        self.named(first, name, &self.types_in, Catalog::types_of)
    }

    /// Variables of static storage of that name; those of the unit `first` come before all others.
    pub fn statics_named(&self, first: u32, name: &[u8]) -> Vec<Die> {
        self.named(first, name, &self.statics_in, Catalog::statics_by_name)
    }

    /// Variables outside of functions, of that name, for which the debug information has no location; those of `first`
    /// come before all others.
    pub fn nowhere_named(&self, first: u32, name: &[u8]) -> Vec<Die> {
        self.named(first, name, &self.nowhere_in, Catalog::nowhere_of)
    }

    /// Complete types of one unit whose name ends in `.` and this name, after a path of identifiers: Zig's `file.Type`.
    pub fn types_behind_points(&self, number: u32, name: &[u8]) -> Vec<Die> {
        let Some(types) = self.types_of(number) else { return Vec::new() };
        let path = |path: &[u8]| {
            let path = path.strip_suffix(b".").unwrap_or_default();
            !path.is_empty() && path.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'))
        };
        let types = types.iter().filter(|(own, _)| own.strip_suffix(name).is_some_and(path));
        let mut offsets: Vec<usize> = types.flat_map(|(_, offsets)| offsets).copied().collect();
        offsets.sort_unstable();
        offsets.into_iter().map(|offset| Die { unit: number, offset }).collect()
    }

    fn named<'m>(
        &'m self,
        first: u32,
        name: &[u8],
        having: &UnitsByName<'s>,
        of: impl Fn(&'m Self, u32) -> Option<&'m ByName<'s>>,
    ) -> Vec<Die> {
        let having = having.get_or_init(|| {
            let mut having: HashMap<&'s [u8], Vec<u32>> = HashMap::new();
            for number in 0..self.len() {
                let names = of(self, number).into_iter().flat_map(|names| names.keys());
                names.for_each(|name| having.entry(name).or_default().push(number));
            }
            having
        });
        let split = self.split_types.around(&self.debug, first);
        let others = having.get(name).into_iter().flatten().copied().chain(split).filter(|&unit| unit != first);
        let mut found = Vec::new();
        for number in std::iter::once(first).chain(others) {
            if let Some(offsets) = of(self, number).and_then(|names| names.get(name)) {
                found.extend(offsets.iter().map(|&offset| Die { unit: number, offset }));
            }
        }
        found
    }

    /// The complete types of that name, as `sort` puts them in order on the first call; those in the files of split
    /// debug info only for units that are in one.
    pub fn instances(
        &self,
        first: u32,
        name: &'s [u8],
        sort: impl FnOnce(Vec<Die>) -> Instances<'s>,
    ) -> Arc<Instances<'s>> {
        let key = (self.is_split(first).then_some(first), name);
        if let Some(known) = self.instances.lock().get(&key) {
            return known.clone();
        }
        let sorted = Arc::new(sort(self.types_named(first, name)));
        self.instances.lock().insert(key, sorted.clone());
        sorted
    }

    /// The template arguments of a type, as `write` writes them on the first call.
    pub fn arguments(&self, die: Die, write: impl FnOnce() -> Option<String>) -> Arc<Option<String>> {
        if let Some(known) = self.arguments.lock().get(&die) {
            return known.clone();
        }
        let written = Arc::new(write());
        let mut arguments = self.arguments.lock();
        if arguments.len() >= ARGUMENTS {
            arguments.clear();
        }
        arguments.insert(die, written.clone());
        written
    }

    /// The vtables of C++ classes by address; `find` looks for them on the first call. Empty where the debug
    /// information names no vtable.
    pub fn cpp_vtables(&self, find: impl FnOnce() -> Vec<(u64, Die)>) -> &[(u64, Die)] {
        self.cpp_vtables.get_or_init(|| if self.mentions(b"_ZTV") { find() } else { Vec::new() })
    }

    /// Complete types of one unit that have a name.
    pub fn all_types_of(&self, number: u32) -> Vec<Die> {
        let outline = self.outline(number);
        let offsets = outline.into_iter().flat_map(|outline| &outline.types);
        offsets.map(|&offset| Die { unit: number, offset }).collect()
    }

    /// The vtables that a unit describes: rustc names each `<T as Trait>::{vtable}`.
    pub fn vtables_of(&self, number: u32) -> Vec<Die> {
        let Some(statics) = self.statics_by_name(number) else { return Vec::new() };
        let vtables = statics.iter().filter(|(name, _)| name.ends_with(b"{vtable}"));
        vtables.flat_map(|(_, offsets)| offsets).map(|&offset| Die { unit: number, offset }).collect()
    }

    /// The units that may describe a variable at this memory address, `first` before the others: those whose bytes hold
    /// the address (`DW_OP_addr`), or all where addresses are in `.debug_addr`.
    pub fn mentioning(&self, first: u32, address: u64) -> Vec<u32> {
        let dwarf = self.debug.dwarf();
        let others = || (0..self.len()).filter(|&unit| unit != first);
        let size = self.unit(first).map_or(4, |unit| unit.encoding().address_size);
        if !dwarf.debug_addr.reader().is_empty() || !self.type_units.is_empty() || !matches!(size, 4 | 8) {
            return std::iter::once(first).chain(others()).collect();
        }
        let mut wanted = vec![DW_OP_addr.0];
        wanted.extend_from_slice(&address.to_le_bytes()[..usize::from(size)]);
        let info = dwarf.debug_info.reader().slice();
        let hits = memchr::memmem::find_iter(info, &wanted);
        let mut units: Vec<u32> =
            hits.filter_map(|at| self.debug.unit_containing(gimli::DebugInfoOffset(at))).collect();
        units.dedup();
        units.sort_by_key(|&unit| (unit != first, unit));
        units
    }

    /// The statics of one unit, in the order of their entries.
    pub fn statics_of(&self, number: u32) -> Vec<Die> {
        let Some(statics) = self.statics_by_name(number) else { return Vec::new() };
        let mut offsets: Vec<usize> = statics.values().flatten().copied().collect();
        offsets.sort_unstable();
        offsets.into_iter().map(|offset| Die { unit: number, offset }).collect()
    }

    fn outline(&self, number: u32) -> Option<&Outline> {
        let memo = self.memo(number)?;
        Some(memo.outline.get_or_init(|| self.unit(number).and_then(|unit| outline(unit).ok()).unwrap_or_default()))
    }

    fn types_of(&self, number: u32) -> Option<&ByName<'s>> {
        let outline = self.outline(number)?;
        let unit = self.unit(number)?;
        Some(self.memo(number)?.types.get_or_init(|| by_name(unit, &outline.types)))
    }

    fn nowhere_of(&self, number: u32) -> Option<&ByName<'s>> {
        let outline = self.outline(number)?;
        let unit = self.unit(number)?;
        Some(self.memo(number)?.nowhere.get_or_init(|| by_name(unit, &outline.nowhere)))
    }

    fn statics_by_name(&self, number: u32) -> Option<&ByName<'s>> {
        let outline = self.outline(number)?;
        let unit = self.unit(number)?;
        Some(self.memo(number)?.statics.get_or_init(|| {
            let mut names = ByName::default();
            for &(offset, local) in &outline.variables {
                let Ok(entry) = unit.entry(UnitOffset(offset)) else { continue };
                if local && !is_static(&entry) {
                    continue;
                }
                let name = match entry.attr_value(DW_AT_name) {
                    Some(name) => attribute_text(unit, name).map(|name| name.slice()),
                    None => origin_name(unit, &entry),
                };
                if let Some(name) = name {
                    names.entry(name).or_default().push(offset);
                }
            }
            names
        }))
    }
}

/// The entries of a unit at these offsets, by the name that each has itself.
fn by_name<'s>(unit: UnitRef<'_, 's>, offsets: &[usize]) -> ByName<'s> {
    let mut names = ByName::default();
    for &offset in offsets {
        if let Ok(entry) = unit.entry(UnitOffset(offset))
            && let Some(name) = entry.attr_value(DW_AT_name)
            && let Some(name) = attribute_text(unit, name)
        {
            names.entry(name.slice()).or_default().push(offset);
        }
    }
    names
}
