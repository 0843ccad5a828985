//! Base-class subobjects of C++: which part of an object is of a class, and where it lies (Itanium C++ ABI, 2.4).

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use crate::catalog::types::{Kind, Member, Offset, Struct, Type};
use crate::catalog::units::{Die, Units};
use crate::lang::cpp::template_names;
use crate::location::Missing;
use crate::location::frame::FrameContext;
use crate::values::{Source, Value};

/// The levels to which bases may be nested.
const NESTED: u32 = 32;
/// The number of direct and indirect bases of one class that are looked at: each path to one counts.
const BASES: u32 = 4096;

/// The subobject of some class within an object.
#[derive(Clone, Debug)]
pub enum Subobject<P> {
    /// The class is neither that of the object nor a base of it.
    None,
    /// The only subobject of that class.
    One(P),
    /// The class is a base more than once.
    Several,
    /// There is such a base, and its place is not known.
    Unknown(Missing),
}

impl<'s> Units<'s> {
    /// The complete type of the same name as the declaration at `die`.
    pub fn completed(&self, die: Die) -> Option<(Die, Arc<Type<'s>>)> {
        let name = self.name(die)?;
        let instance = |die: Die| {
            let arguments = if name.contains(&b'<') { None } else { template_names::arguments(self, die) };
            (self.path(die), arguments)
        };
        let instances = self.instances(die.unit, name, |found| {
            let mut instances: HashMap<_, Vec<Die>> = HashMap::new();
            found.into_iter().for_each(|die| instances.entry(instance(die)).or_default().push(die));
            instances
        });
        let same = instances.get(&instance(die))?;
        let found = *same.iter().find(|found| found.unit == die.unit).or(same.first())?;
        let ty = self.type_at(found)?;
        matches!(&ty.kind, Kind::Struct(contents) if !contents.declared).then_some((found, ty))
    }

    /// The structure or class that a type is, complete where any unit describes it.
    pub fn class_of(&self, ty: Option<Die>) -> Option<(Die, Arc<Type<'s>>)> {
        let (die, ty) = self.peeled(ty)?;
        match &ty.kind {
            Kind::Struct(contents) if contents.declared => Some(self.completed(die).unwrap_or((die, ty))),
            Kind::Struct(_) => Some((die, ty)),
            _ => None,
        }
    }

    /// Returns true if two entries describe one class: each unit that uses it has one.
    pub fn is_same_class(&self, one: Die, other: Die) -> bool {
        let named = || self.name(one).is_some() && self.name(one) == self.name(other);
        let visible = || !self.is_internal(one) && !self.is_internal(other);
        let same = || named() && self.path(one) == self.path(other) && self.has_same_arguments(one, other);
        one == other || one.unit != other.unit && same() && visible()
    }

    /// Returns true if two classes of one name are the same instance of a template: the name may leave its arguments
    /// out.
    fn has_same_arguments(&self, one: Die, other: Die) -> bool {
        let told = |die: Die| self.name(die).is_some_and(|name| name.contains(&b'<'));
        told(one) || template_names::arguments(self, one) == template_names::arguments(self, other)
    }

    /// Returns true if a type is local to its unit, because it is in an anonymous namespace.
    fn is_internal(&self, die: Die) -> bool {
        let mut at = die;
        for _ in 0..NESTED {
            let Some(parent) = self.parent(at) else { return false };
            let namespace = self.entry(parent).is_some_and(|entry| entry.tag == gimli::DW_TAG_namespace);
            if namespace && self.name(parent).is_none_or(<[u8]>::is_empty) {
                return true;
            }
            at = parent;
        }
        true
    }

    /// Calls `met` with each place at which `wanted` is a subobject of an object of `class` at `at`; `step` goes from a
    /// class to a base. Returns false when there are too many bases to look at.
    fn walk_bases<P>(
        &self,
        class: Die,
        at: P,
        wanted: Die,
        step: &dyn Fn(Die, &P, &Member<'s>) -> P,
        met: &mut dyn FnMut(P),
    ) -> bool {
        let left = Cell::new(BASES);
        self.walk_within(class, at, wanted, (step, &left, NESTED), met)
    }

    #[expect(clippy::type_complexity, reason = "the three go together from level to level")]
    fn walk_within<P>(
        &self,
        class: Die,
        at: P,
        wanted: Die,
        (step, left, levels): (&dyn Fn(Die, &P, &Member<'s>) -> P, &Cell<u32>, u32),
        met: &mut dyn FnMut(P),
    ) -> bool {
        let (Some(less), Some(levels)) = (left.get().checked_sub(1), levels.checked_sub(1)) else { return false };
        left.set(less);
        let Some((class, ty)) = self.class_of(Some(class)) else { return true };
        if self.is_same_class(class, wanted) {
            met(at);
            return true;
        }
        let Kind::Struct(contents) = &ty.kind else { return true };
        bases(contents).all(|base| match base.ty {
            Some(ty) => self.walk_within(ty, step(class, &at, base), wanted, (step, left, levels), met),
            None => true,
        })
    }

    /// The offset in bytes of the subobject of class `wanted` in an object of `class`; `None` within `Part::One` where
    /// a virtual base makes it differ from object to object.
    pub fn offset_of_part(&self, class: Die, wanted: Die) -> Subobject<Option<u64>> {
        let mut found = Vec::new();
        let step = |_, at: &Option<Option<u64>>, base: &Member<'s>| match base.offset {
            Offset::Bits(bits) => at.map(|at| at.and_then(|at| at.checked_add(bits / 8))),
            Offset::Expression(_) => Some(None),
            Offset::Unknown => None,
        };
        let whole = self.walk_bases(class, Some(Some(0)), wanted, &step, &mut |at| found.push(at));
        // A virtual base is there once, however many paths lead to it.
        found.dedup();
        match found.as_slice() {
            _ if !whole => Subobject::Unknown(too_many()),
            [] => Subobject::None,
            [Some(at)] => Subobject::One(*at),
            [None] => Subobject::Unknown(Missing::Malformed("a base without an offset".into())),
            _ => Subobject::Several,
        }
    }

    /// Returns true if objects of a class begin with the address of a vtable.
    pub fn is_polymorphic(&self, class: Die) -> bool {
        self.is_polymorphic_within(class, &Cell::new(BASES), NESTED)
    }

    fn is_polymorphic_within(&self, class: Die, left: &Cell<u32>, levels: u32) -> bool {
        let (Some(less), Some(levels)) = (left.get().checked_sub(1), levels.checked_sub(1)) else { return false };
        left.set(less);
        let Some((_, ty)) = self.class_of(Some(class)) else { return false };
        let Kind::Struct(contents) = &ty.kind else { return false };
        // A class that is only declared may have a vtable in a unit without debug information.
        contents.declared
            || contents.members.iter().any(|member| match member.base {
                true => member.ty.is_some_and(|base| self.is_polymorphic_within(base, left, levels)),
                false => member.name.is_some_and(is_vptr),
            })
    }
}

impl<'s> FrameContext<'_, 's> {
    /// The subobject of class `wanted`: the object itself, or a base of it.
    pub fn part_of_class(&self, object: &Value, wanted: Die) -> Subobject<Value> {
        let Some((mut found, whole)) = self.parts_of_class(object, wanted) else { return Subobject::None };
        if !whole {
            return Subobject::Unknown(too_many());
        }
        let missing = found.iter().find_map(|part| match &part.source {
            Source::Missing(missing) => Some(missing.clone()),
            _ => None,
        });
        match (missing, found.len()) {
            (Some(missing), _) => Subobject::Unknown(missing),
            (None, 0) => Subobject::None,
            (None, 1) => found.pop().map_or(Subobject::None, Subobject::One),
            (None, _) => Subobject::Several,
        }
    }

    /// Returns true if an object has a subobject of class `wanted` at an address.
    pub fn has_part_at(&self, object: &Value, wanted: Die, address: u64) -> bool {
        let parts = self.parts_of_class(object, wanted).map_or(Vec::new(), |parts| parts.0);
        parts.iter().any(|part| part.source.address() == Some(address))
    }

    /// The parts of an object that are of class `wanted`, and whether these are all.
    fn parts_of_class(&self, object: &Value, wanted: Die) -> Option<(Vec<Value>, bool)> {
        let units = &self.units;
        let (class, wanted) = (units.class_of(object.ty)?.0, units.class_of(Some(wanted))?.0);
        let mut found: Vec<Value> = Vec::new();
        let step = |class, at: &Value, base: &Member<'s>| at.with_type(Some(class)).member(self, base);
        let whole = units.walk_bases(class, object.clone(), wanted, &step, &mut |at: Value| {
            // Distinct objects of one class have distinct addresses: two paths to one address lead to the same virtual
            // base.
            let known = |other: &Value| at.source.address().is_some() && other.source.address() == at.source.address();
            if !found.iter().any(known) {
                found.push(at.with_type(Some(wanted)));
            }
        });
        Some((found, whole))
    }
}

/// The bases of a class.
pub fn bases<'c, 's>(contents: &'c Struct<'s>) -> impl Iterator<Item = &'c Member<'s>> {
    contents.members.iter().filter(|member| member.base)
}

/// Returns true if a member is the address of a vtable, as clang and gcc name it.
pub fn is_vptr(name: &[u8]) -> bool {
    name.starts_with(b"_vptr$") || name.starts_with(b"_vptr.")
}

fn too_many() -> Missing {
    Missing::Malformed("a class of too many bases".into())
}
