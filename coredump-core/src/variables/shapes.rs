//! Where pointers are in values of the types of a program's variables, followed from type to type: what a walk over its
//! objects needs to know, without the debug information at hand.

use std::collections::{HashMap, HashSet, VecDeque};

use super::inspector::Inspector;
use crate::binaries::{Binaries, Binary};
use crate::catalog::types::{Kind, Member, Offset, Struct};
use crate::catalog::units::{Die, Units};
use crate::lang::{Chosen, cpp, table, type_name};
use crate::location::frame::Frame;
use crate::location::statics::placed;
use crate::model::{CoreDump, Instance};
use crate::scope::{self, VariableKind};
use crate::values::{Source, variable_value};

/// Types that are looked at in all: beyond it, debug info is hostile.
const MAX_SHAPES: usize = (1 << 16) - 1;
/// Pointers in one value.
const MAX_POINTERS: usize = 4096;
/// Types in types.
const LEVELS: u32 = 32;
/// Variables that are looked at.
const MAX_ROOTS: usize = 1 << 20;

/// A type, as far as a walk needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Its name as the language writes it.
    pub name: String,
    /// Its size in bytes, where it has one.
    pub size: Option<u64>,
    /// The pointers in it.
    pub pointers: Vec<Pointer>,
    /// Parts that hold other pointers by the value of a discriminant.
    pub choices: Vec<Choice>,
    /// The array without a length at its end: then a block holds it once, however large that is.
    pub tail: Option<Tail>,
    /// Whether it is the base of a container's nodes: whatever else is known of such a value says more.
    pub base: bool,
    /// Whether a pointer to it leads to one value, which may be the beginning of a larger one: of a derived class.
    pub single: bool,
    /// It begins with the address of a vtable, which tells the class of the whole ([`Shapes::vtables`]).
    pub object: bool,
    /// What a block may hold instead: a larger node of which this is the first part.
    pub grown: Option<Grown>,
}

/// A larger node: a block is one if the first of its children points back to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grown {
    /// Its type: an index into [`Shapes::all`].
    pub shape: usize,
    /// Where a node's pointer to its parent lies, in bytes from its start.
    pub parent: u64,
    /// Where the pointer to its first child lies, likewise.
    pub child: u64,
}

/// An array without a length, to the end of what holds it: C's flexible array member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    /// Bytes from the value's start.
    pub offset: u64,
    /// The type of its elements: an index into [`Shapes::all`].
    pub element: usize,
}

/// A pointer in a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// Bytes from the value's start.
    pub offset: u64,
    /// What it points to.
    pub target: Target,
    /// It is there only if the number of 16 bits at this offset is greater than this one: an element of an array that is filled so far.
    pub filled: Option<(u64, u64)>,
}

/// What a pointer points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Always the same type: an index into [`Shapes::all`].
    Shape(usize),
    /// The type that the vtable is for, whose address lies so many bytes from the value's start: a Rust trait object.
    Vtable(u64),
    /// A value that ends in a trait object, as what an `Rc<dyn Shape>` points to.
    Tailed {
        /// Where the address of the trait object's vtable lies, in bytes from the value's start.
        vtable: u64,
        /// The whole where the vtable is none that is known: an index into [`Shapes::all`].
        whole: usize,
        /// The whole by the vtable: an index into [`Shapes::tailed`].
        known: usize,
    },
    /// The control bytes of a hash table, one for each bucket; its entries lie before them, from the last to the first.
    Buckets {
        /// Where the number of buckets less one lies, in bytes from the value's start.
        mask: u64,
        /// The type of the entries: an index into [`Shapes::all`].
        entry: usize,
        /// The type name of a block of such buckets: an index into [`Shapes::all`].
        table: usize,
    },
}

/// The pointers of a variant, and the ranges of discriminants that select it.
type VariantPointers = (Vec<(u128, u128)>, Vec<Pointer>);

/// A part of a value with variants, as a Rust enum's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The discriminant's bytes from the value's start, and its size.
    pub discriminant: (u64, u64),
    /// The bits of it that count.
    pub mask: u128,
    /// The discriminant's values for a variant (ranges with both ends; none: all others), and the variant's pointers.
    pub variants: Vec<VariantPointers>,
}

/// A variable with a value of a known type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// Its value's place: an address in memory, or the bytes themselves.
    pub place: Result<u64, Vec<u8>>,
    /// Its type: an index into [`Shapes::all`].
    pub shape: usize,
}

/// The types of a program's variables, and all that these point to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shapes {
    /// The types.
    pub all: Vec<Shape>,
    /// The variables: statics, and those of the frames.
    pub roots: Vec<Root>,
    /// The types that vtables are for, by the address that pointers (Rust) or whole objects (C++) hold: indices into `all`.
    pub vtables: HashMap<u64, usize>,
    /// For each type that ends in a trait object, what it is with that object's type in its place, by the address of the
    /// object's vtable: indices into `all`.
    pub tailed: Vec<HashMap<u64, usize>>,
    /// Blocks whose types the program's runtime says, by address: indices into `all`.
    pub known: Vec<(u64, usize)>,
}

impl Shapes {
    /// What the debug information of the binaries `having` the dump's memory with this index says; all of it is read. With
    /// each binary comes what its globals hold.
    pub fn new<'b>(
        dump: &CoreDump<'_>,
        binaries: &Binaries,
        memory: u32,
        having: impl IntoIterator<Item = (&'b Binary, &'b dyn Fn(u32) -> Option<u64>)>,
    ) -> Shapes {
        let mut builder = Builder::default();
        let having: Vec<_> = having.into_iter().collect();
        having.iter().for_each(|(binary, global)| builder.statics(binary, global));
        let inspector = Inspector::new(dump, binaries);
        for (number, thread) in dump.threads.iter().enumerate() {
            for (index, frame) in thread.frames.iter().enumerate() {
                let instance = frame.instance.and_then(|instance| dump.instances.get(instance as usize));
                let own = match instance {
                    Some(instance) => instance.memories.first() == Some(&Some(memory)),
                    None => dump.memories.len() == 1,
                };
                if own {
                    builder.frame(&inspector, number, index);
                }
            }
        }
        having.iter().for_each(|(binary, _)| builder.tailed(binary));
        if builder.shapes.all.iter().any(|shape| shape.object) {
            let has_memory = |instance: &Instance| instance.memories.first() == Some(&Some(memory));
            for (number, instance) in dump.instances.iter().enumerate().filter(|(_, instance)| has_memory(instance)) {
                if let Some(module) = instance.module {
                    inspector.with_module(module, Some(number as u32), |frame| builder.classes(frame));
                }
            }
            if dump.instances.is_empty() && dump.memories.len() == 1 && dump.modules.len() == 1 {
                inspector.with_module(0, None, |frame| builder.classes(frame));
            }
        }
        builder.shapes
    }
}

#[derive(Default)]
struct Builder {
    shapes: Shapes,
    /// The index of each type of each binary.
    known: HashMap<(usize, Die), usize>,
    /// The index of the tables of entries of a type, by that type's index.
    tables: HashMap<usize, usize>,
    /// Rust's vtables: the binary, the address, the name of its variable, which has the type's and the trait's.
    named: Vec<(usize, u64, Vec<u8>)>,
    /// The types that end in a trait object, with their binary and index, and their place in [`Shapes::tailed`].
    ending: HashMap<(usize, Die), (usize, usize)>,
    /// The types that end in a trait object and were not yet completed by the vtables.
    unnamed: Vec<(usize, Die)>,
    /// The binaries whose data was searched for vtables.
    searched: HashSet<usize>,
    /// The entries that were not read yet.
    left: VecDeque<(Die, usize)>,
}

/// What pointers in a structure point to in truth, where their own type says less.
#[derive(Clone, Copy)]
enum Pointee {
    /// Pointers to bytes lead to values of this type.
    Element(Die),
    /// Pointers to a base of a container's nodes lead to whole nodes of this type.
    Node(Die),
}

/// The pointers found in a value so far.
#[derive(Default)]
struct Collected {
    pointers: Vec<Pointer>,
    choices: Vec<Choice>,
}

impl Builder {
    fn statics(&mut self, binary: &Binary, global: &dyn Fn(u32) -> Option<u64>) {
        let key = binary.module().bytes().as_ptr() as usize;
        binary.with_catalog(|catalog| {
            let units = Units::new(catalog.clone());
            for (die, address) in placed(&units, binary.module(), global).take(MAX_ROOTS) {
                let described = table(units.language(die.unit)).vtable_type(&units, die);
                if let Some(ty) = described.and_then(|ty| self.index(&units, key, ty)) {
                    self.shapes.vtables.insert(address, ty);
                    self.named.extend(units.name(die).map(|name| (key, address, name.to_vec())));
                } else if let Some(shape) = units.type_of(die).and_then(|ty| self.index(&units, key, ty)) {
                    self.shapes.roots.push(Root { place: Ok(address), shape });
                }
            }
            self.read(&units, key);
        });
    }

    fn frame(&mut self, inspector: &Inspector<'_>, thread: usize, frame: usize) {
        inspector.with_frame(thread, frame, |frame| {
            let Some(function) = frame.function else { return };
            let key = frame.binary.module().bytes().as_ptr() as usize;
            let active = scope::active(&frame.units, function, frame.pc);
            for (die, kind) in active.into_iter().flat_map(|active| active.variables) {
                if kind == VariableKind::Static || self.shapes.roots.len() >= MAX_ROOTS {
                    continue;
                }
                let (value, _) = variable_value(frame, die);
                let size = frame.units.size_of(value.ty).unwrap_or(0).min(1 << 12);
                let place = match &value.source {
                    Source::Memory(address) => Ok(*address),
                    Source::Bytes(..) => match value.read(frame, size) {
                        Ok(bytes) => Err(bytes.into_owned()),
                        Err(_) => continue,
                    },
                    Source::Missing(_) => continue,
                };
                if let Some(shape) = value.ty.and_then(|ty| self.index(&frame.units, key, ty)) {
                    self.shapes.roots.push(Root { place, shape });
                }
            }
            self.read(&frame.units, key);
        });
    }

    /// Finds what types that end in a trait object are with the types of the vtables in its place.
    fn tailed(&mut self, binary: &Binary) {
        let own = binary.module().bytes().as_ptr() as usize;
        binary.with_catalog(|catalog| {
            let units = Units::new(catalog.clone());
            while let Some(at) = self.unnamed.iter().position(|(key, _)| *key == own) {
                let (key, die) = self.unnamed.swap_remove(at);
                let (Some(name), Some(&(_, place))) = (units.name(die), self.ending.get(&(key, die))) else { continue };
                let lang = table(units.language(die.unit));
                let names: Vec<_> = self.named.iter().filter(|(of, ..)| *of == key).collect();
                let names =
                    names.into_iter().filter_map(|(_, table, vtable)| Some((*table, lang.tailed(name, vtable)?)));
                for (table, name) in names.collect::<Vec<_>>() {
                    let path = units.path(die);
                    let found = units.types_named(die.unit, &name).into_iter().find(|&found| units.path(found) == path);
                    if let Some(shape) = found.and_then(|found| self.index(&units, key, found)) {
                        self.shapes.tailed[place].insert(table, shape);
                    }
                }
                self.read(&units, key);
            }
        });
    }

    /// The place in [`Shapes::tailed`] of a type that ends in a trait object, and its index.
    fn ending(&mut self, units: &Units<'_>, key: usize, die: Die) -> Option<(usize, usize)> {
        let (die, _) = units.peeled(Some(die))?;
        if let Some(&known) = self.ending.get(&(key, die)) {
            return Some(known);
        }
        let found = (self.index(units, key, die)?, self.shapes.tailed.len());
        self.shapes.tailed.push(HashMap::new());
        self.ending.insert((key, die), found);
        self.unnamed.push((key, die));
        Some(found)
    }

    /// The classes of C++ of which a module has vtables: their objects can be distinguished from those of their bases.
    fn classes(&mut self, frame: &Frame<'_, '_>) {
        let key = frame.binary.module().bytes().as_ptr() as usize;
        if self.searched.insert(key) {
            for (address, class) in cpp::vtables(frame) {
                if let Some(shape) = self.index(&frame.units, key, class) {
                    self.shapes.vtables.insert(address, shape);
                }
            }
            self.read(&frame.units, key);
        }
    }

    /// The index of a type, which is read later if it is new.
    fn index(&mut self, units: &Units<'_>, key: usize, die: Die) -> Option<usize> {
        let (die, ty) = units.peeled(Some(die))?;
        let die = match &ty.kind {
            Kind::Struct(contents) if contents.declared => self.defined(units, die).unwrap_or(die),
            _ => die,
        };
        if let Some(&known) = self.known.get(&(key, die)) {
            return Some(known);
        }
        let index = self.shapes.all.len();
        if index >= MAX_SHAPES {
            return None;
        }
        self.known.insert((key, die), index);
        let language = units.language(die.unit);
        let name = type_name(units, Some(die), language);
        let size = units.size_of(Some(die)).filter(|_| !table(language).is_unsized(&name));
        let base = units.name(die).is_some_and(|name| table(language).is_node_base(name));
        self.shapes.all.push(Shape { name, size, base, single: base, ..Shape::default() });
        self.left.push_back((die, index));
        Some(index)
    }

    /// The index of a block of buckets with entries of the type with this index.
    fn table(&mut self, entry: usize) -> Option<usize> {
        let index = self.shapes.all.len();
        if let Some(&known) = self.tables.get(&entry) {
            return Some(known);
        }
        let name = format!("buckets of {}", self.shapes.all[entry].name);
        if index >= MAX_SHAPES {
            return None;
        }
        self.tables.insert(entry, index);
        self.shapes.all.push(Shape { name, ..Shape::default() });
        Some(index)
    }

    /// The definition of a type that is only declared at `die`, if there is one.
    fn defined(&self, units: &Units<'_>, die: Die) -> Option<Die> {
        let name = units.name(die)?;
        let path = units.path(die);
        units.types_named(die.unit, name).into_iter().find(|&found| {
            let declared = |found| {
                units.peeled(Some(found)).is_some_and(|(_, ty)| match &ty.kind {
                    Kind::Struct(contents) => contents.declared,
                    _ => true,
                })
            };
            units.path(found) == path && !declared(found)
        })
    }

    /// Reads the types that wait for it, and those that they point to.
    fn read(&mut self, units: &Units<'_>, key: usize) {
        while let Some((die, index)) = self.left.pop_front() {
            let mut found = Collected::default();
            self.flatten(units, key, Some(die), 0, None, LEVELS, &mut found);
            self.shapes.all[index].pointers = found.pointers;
            self.shapes.all[index].choices = found.choices;
            self.shapes.all[index].tail = self.tail(units, key, die);
            self.shapes.all[index].object = has_vtable(units, Some(die), LEVELS);
            self.shapes.all[index].single |= self.shapes.all[index].object;
            self.shapes.all[index].grown = self.grown(units, key, die);
        }
    }

    /// The larger nodes of which a node's type is the first part.
    fn grown(&mut self, units: &Units<'_>, key: usize, die: Die) -> Option<Grown> {
        let (die, ty) = units.peeled(Some(die))?;
        let Kind::Struct(contents) = &ty.kind else { return None };
        let larger = table(units.language(die.unit)).larger_node(units, ty.name?, contents)?;
        Some(Grown { shape: self.index(units, key, larger.ty)?, parent: larger.parent, child: larger.child })
    }

    /// The array without a length at the end of a struct.
    fn tail(&mut self, units: &Units<'_>, key: usize, die: Die) -> Option<Tail> {
        let (_, ty) = units.peeled(Some(die))?;
        let Kind::Struct(contents) = &ty.kind else { return None };
        let last = contents.members.last().filter(|_| contents.keyword != "union")?;
        let offset = place(last, 0)?;
        let (_, ty) = units.peeled(last.ty)?;
        let Kind::Array(array) = &ty.kind else { return None };
        let without = matches!(array.dimensions.first(), None | Some(None | Some(0)));
        let element = array.element.filter(|_| without)?;
        Some(Tail { offset, element: self.index(units, key, element)? })
    }

    /// Collects the pointers in a value of type `ty` that lies `offset` bytes into the whole. `pointee` is what some pointers
    /// point to in truth.
    #[expect(clippy::too_many_arguments, reason = "one walk's state")]
    fn flatten(
        &mut self,
        units: &Units<'_>,
        key: usize,
        ty: Option<Die>,
        offset: u64,
        pointee: Option<Pointee>,
        levels: u32,
        found: &mut Collected,
    ) {
        let (Some((die, ty)), Some(levels)) = (units.peeled(ty), levels.checked_sub(1)) else { return };
        if found.pointers.len() >= MAX_POINTERS {
            return;
        }
        let lang = table(units.language(die.unit));
        match &ty.kind {
            Kind::Pointer(_, Some(target)) => {
                let name = || units.peeled(Some(*target)).and_then(|(_, ty)| ty.name);
                let target = match pointee {
                    Some(Pointee::Element(element)) if name() == Some(b"u8") => element,
                    Some(Pointee::Node(node)) if name().is_some_and(|name| lang.is_node_base(name)) => node,
                    _ => *target,
                };
                if let Some(target) = self.index(units, key, target).map(Target::Shape) {
                    found.pointers.push(Pointer { offset, target, filled: None });
                }
            }
            Kind::Array(array) => {
                let Some(size) = array.stride.or_else(|| units.size_of(array.element)).filter(|&size| size > 0) else {
                    return;
                };
                let count = array.dimensions.iter().try_fold(1u64, |count, dimension| count.checked_mul((*dimension)?));
                let mut first = Collected::default();
                self.flatten(units, key, array.element, 0, pointee, levels, &mut first);
                if first.pointers.is_empty() && first.choices.is_empty() {
                    return;
                }
                for number in 0..count.unwrap_or(0).min(MAX_POINTERS as u64) {
                    let at = offset.saturating_add(number.saturating_mul(size));
                    found.pointers.extend(first.pointers.iter().map(|pointer| pointer.at(at)));
                    found.choices.extend(first.choices.iter().map(|choice| choice.at(at)));
                    if found.pointers.len() >= MAX_POINTERS || found.choices.len() >= MAX_POINTERS {
                        break;
                    }
                }
            }
            Kind::Struct(contents) => {
                // Tables of virtual functions are no objects of the program.
                let members = || contents.members.iter().filter(|member| member.bits.is_none() && !is_vtable(member));
                if let Some(chosen) = lang.chosen(units, contents) {
                    self.chosen(units, key, &chosen, offset, levels, found);
                }
                // Nothing says which member another union holds, unless only one member has any bytes.
                if contents.keyword == "union"
                    && members().filter(|member| units.size_of(member.ty) != Some(0)).count() > 1
                {
                    return;
                }
                if let Some(found_table) = ty.name.and_then(|name| lang.hash_table(units, name, contents)) {
                    let entry = self.index(units, key, found_table.entry);
                    if let Some((entry, table)) = entry.and_then(|entry| Some((entry, self.table(entry)?))) {
                        let [control, mask] =
                            [found_table.control, found_table.mask].map(|at| offset.saturating_add(at));
                        found.pointers.push(Pointer {
                            offset: control,
                            target: Target::Buckets { mask, entry, table },
                            filled: None,
                        });
                    }
                    return;
                }
                if let Some((pointer, vtable)) = lang.pointer_with_vtable(units, contents) {
                    let (Some(at), Some(vtable)) = (place(pointer, offset), place(vtable, offset)) else { return };
                    found.pointers.push(Pointer { offset: at, target: Target::Vtable(vtable), filled: None });
                    return;
                }
                if let Some((pointer, vtable, whole)) = lang.pointer_to_tailed(units, contents) {
                    let (Some(at), Some(vtable)) = (place(pointer, offset), place(vtable, offset)) else { return };
                    if let Some((whole, known)) = self.ending(units, key, whole) {
                        let target = Target::Tailed { vtable, whole, known };
                        found.pointers.push(Pointer { offset: at, target, filled: None });
                    }
                    return;
                }
                if let Some((ty, at)) = ty.name.and_then(|name| lang.stored(units, name, contents)) {
                    self.flatten(units, key, Some(ty), offset.saturating_add(at), None, levels, found);
                }
                let own = |name: &[u8]| {
                    let element = lang.buffer_element(name, contents).map(Pointee::Element);
                    element.or_else(|| lang.node_type(units, die, name, contents).map(Pointee::Node))
                };
                let pointee = ty.name.and_then(own).or(pointee);
                let filled = ty.name.and_then(|name| lang.filled(units, name, contents));
                for member in members() {
                    let Some(at) = place(member, offset) else { continue };
                    let before = found.pointers.len();
                    self.flatten(units, key, member.ty, at, pointee, levels, found);
                    let array = filled
                        .as_ref()
                        .and_then(|filled| filled.arrays.iter().find(|array| Some(array.0) == member.name));
                    if let (Some(filled), Some((_, more)), Some(size)) =
                        (&filled, array, element_size(units, member.ty))
                    {
                        for pointer in &mut found.pointers[before..] {
                            let least = ((pointer.offset - at) / size).checked_sub(*more);
                            pointer.filled = least.map(|least| (offset.saturating_add(filled.count), least));
                        }
                    }
                }
                self.variants(units, key, contents, offset, pointee, levels, found);
            }
            _ => {}
        }
    }

    /// Collects the pointers in a part whose presence the bits beside it give.
    fn chosen(
        &mut self,
        units: &Units<'_>,
        key: usize,
        chosen: &Chosen,
        offset: u64,
        levels: u32,
        found: &mut Collected,
    ) {
        let Chosen { flag, mask, ty, at } = *chosen;
        let mut inside = Collected::default();
        self.flatten(units, key, ty, offset.saturating_add(at), None, levels, &mut inside);
        if !inside.pointers.is_empty() {
            found.choices.push(Choice {
                discriminant: (offset.saturating_add(flag), 1),
                mask: mask.into(),
                variants: vec![(vec![(1, mask.into())], inside.pointers)],
            });
        }
    }

    /// Collects the pointers in the variants of a Rust enum.
    #[expect(clippy::too_many_arguments, reason = "one walk's state")]
    fn variants(
        &mut self,
        units: &Units<'_>,
        key: usize,
        contents: &Struct<'_>,
        offset: u64,
        pointee: Option<Pointee>,
        levels: u32,
        found: &mut Collected,
    ) {
        let Some(variants) = &contents.variants else { return };
        let each = |builder: &mut Builder, member: &Option<Member<'_>>| {
            let mut inside = Collected::default();
            if let Some(member) = member
                && let Some(at) = place(member, offset)
            {
                builder.flatten(units, key, member.ty, at, pointee, levels, &mut inside);
            }
            inside
        };
        let Some(discriminant) = &variants.discriminant else {
            // No discriminant is stored where only one variant can be.
            if let [only] = variants.list.as_slice() {
                let inside = each(self, &only.member);
                found.pointers.extend(inside.pointers);
                found.choices.extend(inside.choices);
            }
            return;
        };
        let size = units.size_of(discriminant.ty).unwrap_or(0);
        let Some(at) = place(discriminant, offset).filter(|_| (1..=16).contains(&size)) else { return };
        let mut choice = Choice { discriminant: (at, size), mask: u128::MAX, variants: Vec::new() };
        for variant in &variants.list {
            // Enums in enums are left to their own pointers.
            let inside = each(self, &variant.member);
            choice.variants.push((variant.values.clone(), inside.pointers));
        }
        if choice.variants.iter().any(|variant| !variant.1.is_empty()) {
            found.choices.push(choice);
        }
    }
}

impl Pointer {
    fn at(self, offset: u64) -> Pointer {
        let target = match self.target {
            Target::Vtable(at) => Target::Vtable(at.saturating_add(offset)),
            Target::Tailed { vtable, whole, known } => {
                Target::Tailed { vtable: vtable.saturating_add(offset), whole, known }
            }
            Target::Buckets { mask, entry, table } => {
                Target::Buckets { mask: mask.saturating_add(offset), entry, table }
            }
            shape => shape,
        };
        let filled = self.filled.map(|(at, least)| (at.saturating_add(offset), least));
        Pointer { offset: self.offset.saturating_add(offset), target, filled }
    }
}

impl Choice {
    fn at(&self, offset: u64) -> Choice {
        let variants = self
            .variants
            .iter()
            .map(|(values, pointers)| (values.clone(), pointers.iter().map(|pointer| pointer.at(offset)).collect()));
        Choice {
            discriminant: (self.discriminant.0.saturating_add(offset), self.discriminant.1),
            mask: self.mask,
            variants: variants.collect(),
        }
    }

    /// The pointers of the variant that this discriminant means.
    pub fn pointers(&self, discriminant: u128) -> &[Pointer] {
        let mask = if self.discriminant.1 >= 16 { u128::MAX } else { (1 << (8 * self.discriminant.1)) - 1 };
        let discriminant = discriminant & self.mask;
        let holds = |&(low, high): &(u128, u128)| {
            let (low, high) = (low & mask, high & mask);
            if low <= high { (low..=high).contains(&discriminant) } else { discriminant >= low || discriminant <= high }
        };
        let exact = self.variants.iter().find(|variant| variant.0.iter().any(holds));
        let found = exact.or_else(|| self.variants.iter().find(|variant| variant.0.is_empty()));
        found.map_or(&[], |variant| &variant.1)
    }
}

/// Bytes of an array's elements.
fn element_size(units: &Units<'_>, array: Option<Die>) -> Option<u64> {
    let (_, ty) = units.peeled(array)?;
    let Kind::Array(array) = &ty.kind else { return None };
    array.stride.or_else(|| units.size_of(array.element)).filter(|&size| size > 0)
}

/// Whether a member is the pointer to a table of virtual functions.
fn is_vtable(member: &Member<'_>) -> bool {
    member.name.is_some_and(|name| name.starts_with(b"_vptr"))
}

/// Whether objects of a class begin with the pointer to a table of virtual functions, their own or a base's. Of a class that is
/// only declared, as the base of a library without debug information, it is not known: then they may.
fn has_vtable(units: &Units<'_>, ty: Option<Die>, levels: u32) -> bool {
    let (Some((die, ty)), Some(levels)) = (units.peeled(ty), levels.checked_sub(1)) else { return false };
    let Kind::Struct(contents) = &ty.kind else { return false };
    if contents.declared {
        return table(units.language(die.unit)).has_bases();
    }
    let first = |member: &&Member<'_>| place(member, 0) == Some(0);
    contents
        .members
        .iter()
        .filter(first)
        .any(|member| is_vtable(member) || member.base && has_vtable(units, member.ty, levels))
}

/// Where a member lies, `offset` bytes into the whole with its structure.
fn place(member: &Member<'_>, offset: u64) -> Option<u64> {
    match member.offset {
        Offset::Bits(bits) if bits % 8 == 0 => offset.checked_add(bits / 8),
        _ => None,
    }
}
