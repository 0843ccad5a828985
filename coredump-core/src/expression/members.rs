//! Members of objects, by name: their own, those of bases and of anonymous members (C++20, 6.5.2), of variants.

use std::cell::Cell;

use super::ExpressionError;
use super::eval::Evaluator;
use super::lookup;
use super::tree::Node;
use crate::catalog::types::{Kind, Member};
use crate::lang::cpp::classes::Subobject;
use crate::values::{Source, Value};

/// The most levels of bases and anonymous members in which a member is looked for.
const NESTED: u32 = 16;
/// The most objects that are searched for one member.
const OBJECTS: u32 = 4096;

/// A member that was found, and the object whose own it is.
struct Owned {
    member: Value,
    owner: Value,
}

impl Evaluator<'_, '_, '_, '_> {
    pub(super) fn member(&self, column: usize, inner: &Node, path: &[String]) -> Result<Value, ExpressionError> {
        let fail = |message| ExpressionError::new(column, message);
        let mut value = self.value(inner)?;
        let Some((name, class)) = path.split_last() else { return Err(fail("a member without a name".into())) };
        // A pointer is followed, as `->` does, and so is a smart pointer.
        for _ in 0..4 {
            let found = match class {
                [] => self.find_member(&value, name),
                class => self.member_of_class(&value, &class.join("::"), name),
            };
            if let Some(found) = found.map_err(fail)? {
                return Ok(found);
            }
            // The object's dynamic class may have the member where its declared class has not.
            if class.is_empty()
                && let Some(whole) = self.renderer.lang.dynamic_object(self.renderer, &value)
                && let Some(found) = self.find_member(&whole, name).map_err(fail)?
            {
                return Ok(found);
            }
            let Some(pointee) = self.followed(&value) else { break };
            value = pointee;
        }
        // A smart pointer whose own value is not known cannot be followed.
        if let Source::Missing(missing) = &value.source {
            return Err(fail(format!("the value before `{}` is not known: {missing}", path.join("::"))));
        }
        let ty = self.renderer.type_name(value.ty);
        Err(fail(format!("`{ty}` has no member `{}`", path.join("::"))))
    }

    /// `object.Class::member`: the member of the object's part of that class.
    fn member_of_class(&self, object: &Value, class: &str, name: &str) -> Result<Option<Value>, String> {
        if self.frame.units.class_of(object.ty).is_none() {
            return Ok(None);
        }
        let wanted = lookup::type_named(self.frame, class).flatten().ok_or_else(|| format!("no type `{class}`"))?;
        match self.frame.part_of_class(object, wanted) {
            Subobject::None => Ok(None),
            Subobject::One(part) => self.find_member(&part, name),
            Subobject::Several => Err(format!("`{class}` is a base more than once")),
            Subobject::Unknown(missing) => Err(format!("where its base `{class}` lies is not known: {missing}")),
        }
    }

    /// A member of an object, or of a base of it; an error where C++ would not know which is meant.
    pub(super) fn find_member(&self, value: &Value, name: &str) -> Result<Option<Value>, String> {
        let found = self.find_within(value, name, (&Cell::new(OBJECTS), NESTED))?;
        Ok(found.map(|found| found.member))
    }

    fn find_within(
        &self,
        value: &Value,
        name: &str,
        (left, levels): (&Cell<u32>, u32),
    ) -> Result<Option<Owned>, String> {
        let Some((die, ty)) = self.frame.units.class_of(value.ty) else { return Ok(None) };
        let (Some(less), Some(levels)) = (left.get().checked_sub(1), levels.checked_sub(1)) else { return Ok(None) };
        left.set(less);
        let Kind::Struct(contents) = &ty.kind else { return Ok(None) };
        let value = value.with_type(Some(die));
        let is_it = |member: &Member<'_>| {
            member.name.is_some_and(|own| {
                // rustc names the members of a tuple `__0`, `__1`, and what a closure captured by reference
                // `_ref__name`.
                let plain = own.strip_prefix(b"_ref__").or_else(|| own.strip_prefix(b"__"));
                own == name.as_bytes() || plain == Some(name.as_bytes())
            })
        };
        if let Some(member) = contents.members.iter().find(|member| is_it(member)) {
            return Ok(Some(Owned { member: value.member(self.frame, member), owner: value }));
        }
        let inner = contents.members.iter().filter(|member| member.base || member.name.is_none());
        let mut found: Option<Owned> = None;
        for inner in inner.map(|member| value.member(self.frame, member)) {
            let Some(other) = self.find_within(&inner, name, (left, levels))? else { continue };
            found = Some(match found {
                None => other,
                Some(known) => self.visible(known, other).ok_or_else(|| {
                    let ty = self.renderer.type_name(value.ty);
                    format!("more than one base of `{ty}` has a member `{name}`: say whose, as `Base::{name}`")
                })?,
            });
        }
        if found.is_some() {
            return Ok(found);
        }
        match self.renderer.lang.active_part(self.renderer, &value, contents, name) {
            Some(part) => self.find_within(&part, name, (left, levels)),
            None => Ok(None),
        }
    }

    /// The member that C++ sees where two have one name, if it sees either. A class's own member hides those of its
    /// bases, and those of a virtual base that is reached in another way too. Two ways to one virtual base lead to the
    /// same member.
    fn visible(&self, one: Owned, other: Owned) -> Option<Owned> {
        let hides = |one: &Owned, other: &Owned| {
            let part = other.owner.ty.map(|class| self.frame.part_of_class(&one.owner, class));
            match part {
                Some(Subobject::One(part)) => part.source.address() == other.owner.source.address(),
                // The place of the object is not known, so neither is that of its subobjects: the member has no value,
                // whichever is meant.
                Some(Subobject::Unknown(_)) => matches!(other.owner.source, Source::Missing(_)),
                _ => false,
            }
        };
        if hides(&one, &other) { Some(one) } else { hides(&other, &one).then_some(other) }
    }
}
