//! The positions of pointers in values of each type of a program, beginning with the types of its variables. With these
//! shapes heap blocks can be walked without the debug information.

use std::collections::{HashMap, HashSet, VecDeque};

use super::inspector::Inspector;
use crate::binaries::{Binaries, Binary};
use crate::catalog::types::{Kind, Member, Offset, PointerKind, Struct};
use crate::catalog::units::{Die, Units};
use crate::lang::{Arrays, Chosen, Erased, ErasedBy, cpp, table, type_name};
use crate::location::frame::FrameContext;
use crate::location::statics::placed;
use crate::model::{CoreDump, Instance};
use crate::scope::VariableKind;
use crate::values::{Source, variable_value};

/// The most types that are read in all: debug info with more is hostile.
const MAX_SHAPES: usize = (1 << 16) - 1;
/// The most pointers in one value.
const MAX_POINTERS: usize = 4096;
/// The most levels of types that are nested in types.
const LEVELS: u32 = 32;
/// The most members and elements that are visited for one type, and for all types. Types may contain each other so
/// often that the number explodes.
const STEPS: usize = 1 << 16;
const ALL_STEPS: usize = 1 << 24;
/// Structures in structures in which parts that point to others of their type are looked for; how many such parts of
/// one structure and of all are.
const HOLDING: u32 = 4;
const MAX_LINKS: usize = 16;
const MAX_HOLDERS: usize = 4096;
/// The most variables that are read.
const MAX_ROOTS: usize = 1 << 20;

/// A type, with what a walk over heap blocks needs of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Its name as the language writes it.
    pub name: String,
    /// Its size in bytes, where it has one.
    pub size: Option<u64>,
    /// The pointers in it.
    pub parts: Parts,
    /// The array without a length at its end, if it has one: then a block holds one value, however large the block is.
    pub tail: Option<Tail>,
    /// True if it is the base of a container's nodes: any other type that is known for such a value says more.
    pub base: bool,
    /// True if a pointer to it leads to one value, which may be the beginning of a larger one: an object of a derived
    /// class.
    pub single: bool,
    /// For a type with `single`, the same type without it: an index into [`Shapes::all`].
    pub several: Option<usize>,
    /// True if it begins with the address of a vtable, which shows the class of the complete object
    /// ([`Shapes::vtables`]).
    pub object: bool,
    /// The larger node that a block may hold instead, of which this type is the first part.
    pub grown: Option<Grown>,
    /// Its members, where no debug information describes them but the program's runtime.
    pub members: Members,
}

/// The members of a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// Bytes of a value.
    pub size: u64,
    /// True if a block holds an array of such values.
    pub array: bool,
    /// For each member, in order, its offset in bytes from the value's start, and its name and type as they are shown.
    pub list: Vec<(u64, String)>,
}

/// The pointers in a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// The pointers.
    pub pointers: Vec<Pointer>,
    /// Parts whose pointers depend on a discriminant.
    pub choices: Vec<Choice>,
}

/// The inner node of a tree, which begins as a leaf does. A block is an inner node if its first child points back to
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grown {
    /// Its type: an index into [`Shapes::all`].
    pub shape: usize,
    /// Offset in bytes of a node's pointer to its parent.
    pub parent: u64,
    /// Offset in bytes of the pointer to the first child.
    pub child: u64,
}

/// An array without a length, which extends to the end of the block: C's flexible array member.
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
    /// The target.
    pub target: Target,
    /// For an element of an array that is filled only up to a count: the offset of the count, a number of 16 bits, and
    /// the number that it must exceed for the pointer to be there.
    pub filled: Option<(u64, u64)>,
}

/// The target of a pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Always the same type: an index into [`Shapes::all`].
    Shape(usize),
    /// The type of the vtable whose address is at this offset, for a Rust trait object.
    Vtable(u64),
    /// A value that ends in a trait object, as what an `Rc<dyn Shape>` points to.
    Tailed {
        /// Offset in bytes of the address of the trait object's vtable.
        vtable: u64,
        /// The type of the whole if the vtable is not known: an index into [`Shapes::all`].
        whole: usize,
        /// The types of the whole by vtable: an index into [`Shapes::tailed`].
        known: usize,
    },
    /// The control bytes of a hash table, one for each bucket; its entries lie before them, from the last to the first.
    Buckets {
        /// Offset in bytes of the number of buckets less one.
        mask: u64,
        /// The type of the entries: an index into [`Shapes::all`].
        entry: usize,
        /// The type that is shown for a block of buckets: an index into [`Shapes::all`].
        table: usize,
    },
    /// The states of a hash table's buckets, a byte each, preceded by a header with their number and the addresses of
    /// the arrays of keys and values: an index into [`Shapes::tables`].
    States(usize),
    /// A type-erased value, which lies here if there is room for it, and else where a pointer leads.
    Erased {
        /// Room for a value, in bytes.
        room: u64,
        /// The way to find out the type. Offsets are in bytes from the value's start.
        by: ErasedBy,
    },
    /// Several arrays, one for each member of some structures, that follow each other.
    Columns {
        /// Offset in bytes of the number of structures.
        len: u64,
        /// Offset in bytes of the capacity.
        capacity: u64,
        /// The arrays: an index into [`Shapes::tables`].
        table: usize,
    },
}

/// The type-erased value that a function is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handled {
    /// The type of the value: an index into [`Shapes::all`].
    pub shape: usize,
    /// True if a pointer leads to the value, false if the value itself is there; `None` if the function does not show
    /// it.
    pub outside: Option<bool>,
}

/// A block that consists of several arrays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockArrays {
    /// The type that is shown for such a block: an index into [`Shapes::all`].
    pub name: usize,
    /// Size of the header in bytes, and the offset of the number of buckets in it.
    pub header: (u64, u64),
    /// The arrays.
    pub arrays: Vec<TableArray>,
}

/// An array in a block of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableArray {
    /// The type of its elements: an index into [`Shapes::all`].
    pub shape: usize,
    /// Their size in bytes.
    pub size: u64,
    /// Offset in the header of the array's address, if there is a header.
    pub address: u64,
}

/// The inclusive ranges of discriminants that select a variant, and the pointers in it.
type Variant = (Vec<(u128, u128)>, Parts);

/// A part of a value with variants, such as a Rust enum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Offset in the value, and size, of the discriminant, both in bytes.
    pub discriminant: (u64, u64),
    /// The bits of the discriminant that count.
    pub mask: u128,
    /// For each variant its discriminant values, as inclusive ranges (no range stands for all other values), and its
    /// pointers.
    pub variants: Vec<Variant>,
}

/// A variable with a value of a known type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypedVariable {
    /// Its address in memory, or the bytes of its value.
    pub place: Result<u64, Vec<u8>>,
    /// Its type: an index into [`Shapes::all`].
    pub shape: usize,
}

/// The types of a program's variables, and all that these point to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shapes {
    /// The types.
    pub(crate) all: Vec<Shape>,
    /// The variables: statics, and those of the frames.
    pub(crate) roots: Vec<TypedVariable>,
    /// The types that vtables are for, by the address that pointers (Rust) or whole objects (C++) hold: indices into
    /// `all`.
    pub(crate) vtables: HashMap<u64, usize>,
    /// For each type that ends in a trait object, what it is with that object's type in its place, by the address of
    /// the object's vtable: indices into `all`.
    pub(crate) tailed: Vec<HashMap<u64, usize>>,
    /// Blocks whose types the program's runtime says, by address: indices into `all`.
    pub(crate) known: Vec<(u64, usize)>,
    /// Bytes that the values in such blocks cover, as far as that is known: what follows is room that rounding left.
    pub(crate) covered: HashMap<u64, u64>,
    /// The values that functions are for, by the functions' indices in the first table.
    pub(crate) handlers: HashMap<u64, Handled>,
    /// Structures with a part that lists link to, by the part's type: the index of the whole, and the offset of the
    /// part in it.
    pub(crate) holders: HashMap<usize, Vec<(usize, u64)>>,
    /// The blocks that consist of several arrays.
    pub(crate) tables: Vec<BlockArrays>,
}

impl Shapes {
    /// Reads the shapes from all debug information of the binaries in `having`, whose instances have the dump's memory
    /// with this index. With each binary comes a function that gives the values of its globals.
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
        // A block that no variable leads to may name its class itself.
        if builder.has_erased
            || having.iter().any(|(binary, _)| binary.with_catalog(|catalog| cpp::describes(catalog)) == Some(true))
        {
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
        having.iter().for_each(|(binary, _)| builder.holders(binary));
        builder.shapes
    }
}

#[derive(Default)]
struct Builder {
    shapes: Shapes,
    /// The index of each type in [`Shapes::all`], by binary and entry.
    known: HashMap<(usize, Die), usize>,
    /// For each type the index of the same type with `single`.
    singles: HashMap<usize, usize>,
    /// The index of each type that is only a name, by that name.
    only_named: HashMap<String, usize>,
    /// The index of each structure that leads to a block of several arrays in [`Shapes::tables`].
    tables: HashMap<(usize, Die), usize>,
    /// Rust's vtables: the binary, the address, and the name of the vtable's variable, which contains the type and the
    /// trait.
    named: Vec<(usize, u64, Vec<u8>)>,
    /// The types that end in a trait object, with their binary and index, and their place in [`Shapes::tailed`].
    ending: HashMap<(usize, Die), (usize, usize)>,
    /// The types that end in a trait object and were not yet completed by the vtables.
    unnamed: Vec<(usize, Die)>,
    /// The binaries whose data was searched for vtables.
    searched: HashSet<usize>,
    /// True if the program has type-erased values.
    has_erased: bool,
    /// The entries that were not read yet.
    left: VecDeque<(Die, usize)>,
    /// Steps taken for the current type, and for all previous ones.
    steps: (usize, usize),
}

/// The real target of the pointers in a structure, where their own type says less.
#[derive(Clone, Copy)]
enum Pointee {
    /// Pointers to bytes lead to values of this type.
    Element(Die),
    /// Pointers to a base of a container's nodes lead to whole nodes of this type.
    Node(Die),
    /// Pointers to this type lead to one value of it.
    One(Die),
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
                    self.shapes.roots.push(TypedVariable { place: Ok(address), shape });
                }
            }
            self.read(&units, key);
        });
    }

    fn frame(&mut self, inspector: &Inspector<'_>, thread: usize, frame: usize) {
        inspector.with_frame(thread, frame, |frame| {
            let key = frame.binary.module().bytes().as_ptr() as usize;
            for &(die, kind) in frame.active().iter().flat_map(|active| &active.variables) {
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
                    self.shapes.roots.push(TypedVariable { place, shape });
                }
            }
            self.read(&frame.units, key);
        });
    }

    /// Completes the types that end in a trait object, with the types of the known vtables in its place.
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

    /// Adds the C++ classes of which a module has vtables, so that their objects can be distinguished from those of
    /// their bases.
    fn classes(&mut self, frame: &FrameContext<'_, '_>) {
        let key = frame.binary.module().bytes().as_ptr() as usize;
        if self.searched.insert(key) {
            for (address, class) in cpp::vtables(frame) {
                if let Some(shape) = self.index(&frame.units, key, class) {
                    self.shapes.vtables.insert(address, shape);
                }
            }
            self.read(&frame.units, key);
            if self.has_erased {
                for (function, class, outside) in cpp::handlers(frame) {
                    if let Some(shape) = self.index(&frame.units, key, class) {
                        self.shapes.handlers.insert(function, Handled { shape, outside });
                    }
                }
                self.read(&frame.units, key);
            }
        }
    }

    /// Finds the structures with a member whose type points to its own type: an intrusive list that goes through such
    /// members leads to the middle of the structures that it links.
    fn holders(&mut self, binary: &Binary) {
        let own = binary.module().bytes().as_ptr() as usize;
        binary.with_catalog(|catalog| {
            let units = Units::new(catalog.clone());
            let mut links = Links { own: HashMap::new(), by_name: HashMap::new(), parts: HashMap::new() };
            for (&(_, die), &index) in self.known.iter().filter(|((key, _), _)| *key == own) {
                let shape = &self.shapes.all[index];
                let links_on = |pointer: &Pointer| match pointer.target {
                    Target::Shape(to) => self.shapes.all[to].several.unwrap_or(to) == index,
                    _ => false,
                };
                let is_link = shape.size.is_some() && !shape.base && shape.parts.pointers.iter().any(links_on);
                if let Some(name) = units.name(die).filter(|_| is_link) {
                    links.own.insert(die, index);
                    links.by_name.entry(name).or_default().push(index);
                }
            }
            if links.own.is_empty() {
                return;
            }
            let all = &self.shapes.all;
            let types = (0..units.len()).flat_map(|unit| units.all_types_of(unit));
            let parts = types.flat_map(|die| {
                links
                    .within(&units, all, die, HOLDING)
                    .iter()
                    .map(move |&(part, at)| (die, part, at))
                    .collect::<Vec<_>>()
            });
            for (die, part, at) in parts.take(MAX_HOLDERS).collect::<Vec<_>>() {
                let Some(whole) = self.index(&units, own, die) else { break };
                let all = &self.shapes.all;
                let (name, size) = (&all[whole].name, all[whole].size);
                let holders = self.shapes.holders.entry(part).or_default();
                let same =
                    |&(other, place): &(usize, u64)| place == at && all[other].name == *name && all[other].size == size;
                if size.is_some() && !holders.iter().any(same) {
                    holders.push((whole, at));
                }
            }
            self.read(&units, own);
        });
    }

    /// The index of a type, which is read later if it is new.
    fn index(&mut self, units: &Units<'_>, key: usize, die: Die) -> Option<usize> {
        let die = self.resolved(units, die)?;
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
        let single = base || units.name(die).is_some_and(|name| table(language).is_alone(units, die, name));
        self.shapes.all.push(Shape { name, size, base, single, ..Shape::default() });
        self.left.push_back((die, index));
        Some(index)
    }

    /// The index of a type for pointers that lead to one value of it.
    fn single(&mut self, units: &Units<'_>, key: usize, die: Die) -> Option<usize> {
        let several = self.index(units, key, die)?;
        let index = self.shapes.all.len();
        let Shape { name, size, single, .. } = &self.shapes.all[several];
        // A pointer to bytes may lead to a string.
        if *single || size.is_none_or(|size| size <= 1) || index >= MAX_SHAPES / 2 {
            return Some(several);
        }
        if let Some(&known) = self.singles.get(&several) {
            return Some(known);
        }
        let (name, size) = (name.clone(), *size);
        let die = self.resolved(units, die)?;
        self.singles.insert(several, index);
        self.shapes.all.push(Shape { name, size, single: true, several: Some(several), ..Shape::default() });
        self.left.push_back((die, index));
        Some(index)
    }

    /// The entry that describes a type, where there is any.
    fn resolved(&self, units: &Units<'_>, die: Die) -> Option<Die> {
        let (die, ty) = units.peeled(Some(die))?;
        Some(match &ty.kind {
            Kind::Struct(contents) if contents.declared => self.defined(units, die).unwrap_or(die),
            _ => die,
        })
    }

    /// The index of a type that is only a name, for blocks that consist of values of other types.
    fn only_named(&mut self, name: String) -> Option<usize> {
        if let Some(&known) = self.only_named.get(&name) {
            return Some(known);
        }
        let index = self.shapes.all.len();
        if index >= MAX_SHAPES {
            return None;
        }
        self.only_named.insert(name.clone(), index);
        self.shapes.all.push(Shape { name, ..Shape::default() });
        Some(index)
    }

    /// The index in [`Shapes::tables`] of the block of arrays that a structure points to.
    fn arrays(&mut self, units: &Units<'_>, key: usize, die: Die, arrays: &Arrays) -> Option<usize> {
        if let Some(&known) = self.tables.get(&(key, die)) {
            return Some(known);
        }
        let mut found = Vec::new();
        for &(ty, address) in &arrays.elements {
            let size = units.size_of(Some(ty)).unwrap_or(0);
            found.push(TableArray { shape: self.index(units, key, ty)?, size, address });
        }
        let name = self.only_named(arrays.name.clone())?;
        self.tables.insert((key, die), self.shapes.tables.len());
        self.shapes.tables.push(BlockArrays { name, header: arrays.header, arrays: found });
        Some(self.shapes.tables.len() - 1)
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

    /// Reads the types that were not read yet, and those that they point to.
    fn read(&mut self, units: &Units<'_>, key: usize) {
        while let Some((die, index)) = self.left.pop_front() {
            let mut found = Parts::default();
            self.steps = (0, self.steps.0 + self.steps.1);
            self.flatten(units, key, Some(die), 0, None, LEVELS, &mut found);
            self.shapes.all[index].parts = found;
            self.shapes.all[index].tail = self.tail(units, key, die);
            self.shapes.all[index].object = has_vtable(units, Some(die), LEVELS);
            self.shapes.all[index].single |= self.shapes.all[index].object;
            self.shapes.all[index].grown = self.grown(units, key, die);
        }
    }

    /// Counts steps; returns whether the limits allow them.
    fn spend(&mut self, steps: usize) -> bool {
        self.steps.0 = self.steps.0.saturating_add(steps);
        self.steps.0 <= STEPS && self.steps.1 <= ALL_STEPS
    }

    /// The larger node of which a node's type is the first part.
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
        let offset = offset_in_whole(last, 0)?;
        let of_slice = ty.name.is_some_and(|name| table(units.language(die.unit)).ends_in_slice(name));
        let element = match &units.peeled(last.ty)?.1.kind {
            _ if of_slice => last.ty?,
            Kind::Array(array) => {
                let without = matches!(array.dimensions.first(), None | Some(None | Some(0)));
                array.element.filter(|_| without)?
            }
            _ => return None,
        };
        Some(Tail { offset, element: self.index(units, key, element)? })
    }

    /// Collects the pointers in a value of type `ty` that lies `offset` bytes into the whole. `pointee` is what some
    /// pointers really point to.
    #[expect(clippy::too_many_arguments, reason = "one walk's state")]
    fn flatten(
        &mut self,
        units: &Units<'_>,
        key: usize,
        ty: Option<Die>,
        offset: u64,
        pointee: Option<Pointee>,
        levels: u32,
        found: &mut Parts,
    ) {
        let (Some((die, ty)), Some(levels)) = (units.peeled(ty), levels.checked_sub(1)) else { return };
        if found.pointers.len() >= MAX_POINTERS || found.choices.len() >= MAX_POINTERS || !self.spend(1) {
            return;
        }
        let lang = table(units.language(die.unit));
        match &ty.kind {
            Kind::Pointer(kind, Some(target)) => {
                let name = || units.peeled(Some(*target)).and_then(|(_, ty)| ty.name);
                let target = match pointee {
                    Some(Pointee::Element(element)) if name() == Some(b"u8") => element,
                    Some(Pointee::Node(node)) if name().is_some_and(|name| lang.is_node_base(name)) => node,
                    _ => *target,
                };
                let is_one = || match pointee {
                    Some(Pointee::One(one)) => {
                        units.peeled(Some(one)).map(|one| one.0) == units.peeled(Some(target)).map(|one| one.0)
                    }
                    _ => false,
                };
                let index = match *kind != PointerKind::Pointer || lang.is_reference(&ty) || is_one() {
                    true => self.single(units, key, target),
                    false => self.index(units, key, target),
                };
                if let Some(target) = index.map(Target::Shape) {
                    found.pointers.push(Pointer { offset, target, filled: None });
                }
            }
            Kind::Array(array) => {
                let Some(size) = array.stride.or_else(|| units.size_of(array.element)).filter(|&size| size > 0) else {
                    return;
                };
                let count = array.dimensions.iter().try_fold(1u64, |count, dimension| count.checked_mul((*dimension)?));
                let mut first = Parts::default();
                self.flatten(units, key, array.element, 0, pointee, levels, &mut first);
                let each = first.len();
                if each == 0 {
                    return;
                }
                for number in 0..count.unwrap_or(0).min(MAX_POINTERS as u64) {
                    if found.len() >= MAX_POINTERS || !self.spend(each) {
                        break;
                    }
                    found.join(first.moved_by(offset.saturating_add(number.saturating_mul(size))));
                }
            }
            Kind::Struct(contents) => {
                // Vtables are no values of the program.
                let members = || contents.members.iter().filter(|member| member.bits.is_none() && !is_vtable(member));
                if let Some(chosen) = lang.chosen(units, ty.name.unwrap_or_default(), contents) {
                    self.chosen(units, key, &chosen, offset, levels, found);
                    return;
                }
                // Nothing shows which member of any other union is active, unless only one member has a size.
                if contents.keyword == "union"
                    && members().filter(|member| units.size_of(member.ty) != Some(0)).count() > 1
                {
                    return;
                }
                if let Some(found_table) = ty.name.and_then(|name| lang.hash_table(units, name, contents)) {
                    let entry = self.index(units, key, found_table.entry);
                    let of_entries = |builder: &mut Self, entry: usize| {
                        builder.only_named(format!("buckets of {}", builder.shapes.all[entry].name))
                    };
                    if let Some((entry, table)) = entry.and_then(|entry| Some((entry, of_entries(self, entry)?))) {
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
                if let Some(Erased { at, room, by }) = ty.name.and_then(|name| lang.erased(units, name, contents)) {
                    self.has_erased = true;
                    let target = Target::Erased { room, by: by.moved_by(offset) };
                    found.pointers.push(Pointer { offset: offset.saturating_add(at), target, filled: None });
                }
                if let Some(arrays) = lang.arrays(units, die, contents) {
                    let Some(at) = offset.checked_add(arrays.pointer) else { return };
                    if let Some(table) = self.arrays(units, key, die, &arrays) {
                        let target = match arrays.counts {
                            None => Target::States(table),
                            Some([len, capacity]) => {
                                let [len, capacity] = [len, capacity].map(|at| offset.saturating_add(at));
                                Target::Columns { len, capacity, table }
                            }
                        };
                        found.pointers.push(Pointer { offset: at, target, filled: None });
                    }
                    return;
                }
                if let Some((pointer, vtable)) = lang.pointer_with_vtable(units, contents) {
                    let (Some(at), Some(vtable)) = (offset_in_whole(pointer, offset), offset_in_whole(vtable, offset))
                    else {
                        return;
                    };
                    found.pointers.push(Pointer { offset: at, target: Target::Vtable(vtable), filled: None });
                    return;
                }
                if let Some((pointer, vtable, whole)) = lang.pointer_to_tailed(units, contents) {
                    let (Some(at), Some(vtable)) = (offset_in_whole(pointer, offset), offset_in_whole(vtable, offset))
                    else {
                        return;
                    };
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
                    let node = || lang.node_type(units, die, name, contents).map(Pointee::Node);
                    element.or_else(node).or_else(|| lang.owned(units, name, contents).map(Pointee::One))
                };
                let pointee = ty.name.and_then(own).or(pointee);
                let filled = ty.name.and_then(|name| lang.filled(units, name, contents));
                for member in members() {
                    let Some(at) = offset_in_whole(member, offset) else { continue };
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

    /// Collects the pointers in parts of which a discriminant selects one.
    fn chosen(&mut self, units: &Units<'_>, key: usize, chosen: &Chosen, offset: u64, levels: u32, found: &mut Parts) {
        let mut variants = Vec::new();
        for part in &chosen.parts {
            let mut inside = Parts::default();
            self.flatten(units, key, part.ty, offset.saturating_add(part.at), None, levels, &mut inside);
            variants.push((part.values.clone(), inside));
        }
        let (at, size) = chosen.discriminant;
        found.choice(Choice { discriminant: (offset.saturating_add(at), size), mask: chosen.mask, variants });
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
        found: &mut Parts,
    ) {
        let Some(variants) = &contents.variants else { return };
        let each = |builder: &mut Builder, member: &Option<Member<'_>>| {
            let mut inside = Parts::default();
            if let Some(member) = member
                && let Some(at) = offset_in_whole(member, offset)
            {
                builder.flatten(units, key, member.ty, at, pointee, levels, &mut inside);
            }
            inside
        };
        let Some(discriminant) = &variants.discriminant else {
            // No discriminant is stored where only one variant can be.
            if let [only] = variants.list.as_slice() {
                found.join(each(self, &only.member));
            }
            return;
        };
        let size = units.size_of(discriminant.ty).unwrap_or(0);
        let Some(at) = offset_in_whole(discriminant, offset).filter(|_| (1..=16).contains(&size)) else { return };
        let mut choice = Choice { discriminant: (at, size), mask: u128::MAX, variants: Vec::new() };
        for variant in &variants.list {
            choice.variants.push((variant.values.clone(), each(self, &variant.member)));
        }
        found.choice(choice);
    }
}

/// Structures with pointers to their own type, such as nodes of intrusive lists.
struct Links<'s> {
    /// The index of each by its entry, and the indices by name.
    own: HashMap<Die, usize>,
    by_name: HashMap<&'s [u8], Vec<usize>>,
    /// For each structure that was looked at, such structures in it: their indices and offsets.
    parts: HashMap<Die, Vec<(usize, u64)>>,
}

impl<'s> Links<'s> {
    /// Returns such structures in a structure: their indices and offsets.
    fn within(&mut self, units: &Units<'s>, all: &[Shape], die: Die, levels: u32) -> &[(usize, u64)] {
        if !self.parts.contains_key(&die) {
            // This entry ends the recursion for a type that contains itself.
            self.parts.insert(die, Vec::new());
            let found = self.parts_of(units, all, die, levels).unwrap_or_default();
            self.parts.insert(die, found);
        }
        &self.parts[&die]
    }

    fn parts_of(&mut self, units: &Units<'s>, all: &[Shape], die: Die, levels: u32) -> Option<Vec<(usize, u64)>> {
        let levels = levels.checked_sub(1)?;
        let (_, ty) = units.peeled(Some(die))?;
        let Kind::Struct(contents) = &ty.kind else { return None };
        let mut found = Vec::new();
        for member in contents.members.iter().filter(|_| contents.keyword != "union") {
            let (Some(at), Some((die, ty))) = (offset_in_whole(member, 0), units.peeled(member.ty)) else { continue };
            let Kind::Struct(_) = &ty.kind else { continue };
            found.extend(self.links(units, all, die).into_iter().map(|link| (link, at)));
            for &(link, inner) in self.within(units, all, die, levels) {
                found.extend(at.checked_add(inner).map(|at| (link, at)));
            }
            if found.len() > MAX_LINKS {
                break;
            }
        }
        Some(found)
    }

    /// The indices of a type, if it is such a structure: each unit that uses it may have one.
    fn links(&self, units: &Units<'s>, all: &[Shape], die: Die) -> Vec<usize> {
        let own = self.own.get(&die);
        let Some(named) = units.name(die).and_then(|name| self.by_name.get(name)) else {
            return own.copied().into_iter().collect();
        };
        let name = type_name(units, Some(die), units.language(die.unit));
        let size = units.size_of(Some(die));
        let same = |index: &usize| Some(index) == own || all[*index].name == name && all[*index].size == size;
        named.iter().copied().filter(same).collect()
    }
}

impl Pointer {
    fn moved_by(self, offset: u64) -> Pointer {
        let target = match self.target {
            Target::Vtable(at) => Target::Vtable(at.saturating_add(offset)),
            Target::Tailed { vtable, whole, known } => {
                Target::Tailed { vtable: vtable.saturating_add(offset), whole, known }
            }
            Target::Buckets { mask, entry, table } => {
                Target::Buckets { mask: mask.saturating_add(offset), entry, table }
            }
            Target::Columns { len, capacity, table } => {
                Target::Columns { len: len.saturating_add(offset), capacity: capacity.saturating_add(offset), table }
            }
            Target::Erased { room, by } => Target::Erased { room, by: by.moved_by(offset) },
            Target::Shape(_) | Target::States(_) => self.target,
        };
        let filled = self.filled.map(|(at, least)| (at.saturating_add(offset), least));
        Pointer { offset: self.offset.saturating_add(offset), target, filled }
    }
}

impl Parts {
    /// Returns true if there are no pointers.
    pub fn is_empty(&self) -> bool {
        self.pointers.is_empty() && self.choices.is_empty()
    }

    /// Returns the number of pointers, including those in variants.
    fn len(&self) -> usize {
        self.choices
            .iter()
            .flat_map(|choice| &choice.variants)
            .fold(self.pointers.len(), |len, (_, parts)| len.saturating_add(parts.len()))
    }

    fn moved_by(&self, offset: u64) -> Parts {
        Parts {
            pointers: self.pointers.iter().map(|pointer| pointer.moved_by(offset)).collect(),
            choices: self.choices.iter().map(|choice| choice.moved_by(offset)).collect(),
        }
    }

    fn join(&mut self, other: Parts) {
        self.pointers.extend(other.pointers);
        self.choices.extend(other.choices);
    }

    /// Adds a choice, if any of its variants has pointers.
    fn choice(&mut self, choice: Choice) {
        if choice.variants.iter().any(|(_, parts)| !parts.is_empty()) {
            self.choices.push(choice);
        }
    }
}

impl Choice {
    fn moved_by(&self, offset: u64) -> Choice {
        let variants = self.variants.iter().map(|(values, parts)| (values.clone(), parts.moved_by(offset)));
        Choice {
            discriminant: (self.discriminant.0.saturating_add(offset), self.discriminant.1),
            mask: self.mask,
            variants: variants.collect(),
        }
    }

    /// The pointers in the variant that a discriminant selects.
    pub fn parts(&self, discriminant: u128) -> Option<&Parts> {
        let mask = if self.discriminant.1 >= 16 { u128::MAX } else { (1 << (8 * self.discriminant.1)) - 1 };
        let discriminant = discriminant & self.mask;
        let holds = |&(low, high): &(u128, u128)| {
            let (low, high) = (low & mask, high & mask);
            if low <= high { (low..=high).contains(&discriminant) } else { discriminant >= low || discriminant <= high }
        };
        let exact = self.variants.iter().find(|variant| variant.0.iter().any(holds));
        let found = exact.or_else(|| self.variants.iter().find(|variant| variant.0.is_empty()));
        found.map(|variant| &variant.1)
    }
}

/// Size in bytes of an array's elements.
fn element_size(units: &Units<'_>, array: Option<Die>) -> Option<u64> {
    let (_, ty) = units.peeled(array)?;
    let Kind::Array(array) = &ty.kind else { return None };
    array.stride.or_else(|| units.size_of(array.element)).filter(|&size| size > 0)
}

/// Returns true if a member is a vtable pointer.
fn is_vtable(member: &Member<'_>) -> bool {
    member.name.is_some_and(|name| name.starts_with(b"_vptr"))
}

/// Returns true if objects of a class may begin with a vtable pointer, their own or a base's. For a class that is only
/// declared, such as a base in a library without debug information, this is not known, and the result is true if the
/// language has base classes.
fn has_vtable(units: &Units<'_>, ty: Option<Die>, levels: u32) -> bool {
    let (Some((die, ty)), Some(levels)) = (units.peeled(ty), levels.checked_sub(1)) else { return false };
    let Kind::Struct(contents) = &ty.kind else { return false };
    if contents.declared {
        return table(units.language(die.unit)).has_bases();
    }
    let first = |member: &&Member<'_>| offset_in_whole(member, 0) == Some(0);
    contents
        .members
        .iter()
        .filter(first)
        .any(|member| is_vtable(member) || member.base && has_vtable(units, member.ty, levels))
}

/// Offset in bytes of a member in the whole, whose structure lies at `offset`.
fn offset_in_whole(member: &Member<'_>, offset: u64) -> Option<u64> {
    match member.offset {
        Offset::Bits(bits) if bits % 8 == 0 => offset.checked_add(bits / 8),
        _ => None,
    }
}
