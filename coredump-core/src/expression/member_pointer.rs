//! Pointers to members of C++ (Itanium C++ ABI, 2.3): `object.*pointer` applies one to an object, `&Class::member`
//! makes one, and a cast makes one a pointer to members of a base or of a derived class.

use super::ExpressionError;
use super::eval::Evaluator;
use super::lookup;
use super::tree::{Conversion, Node, NodeKind};
use crate::catalog::types::{Kind, Member, Offset};
use crate::catalog::units::Die;
use crate::lang::cpp::classes::Subobject;
use crate::lang::table;
use crate::values::{Source, Value};

/// The most levels of bases and anonymous members in which a member is looked for.
const NESTED: u32 = 16;

/// The most pointers that are followed to the object.
const FOLLOWED: u32 = 4;

impl<'s> Evaluator<'_, '_, '_, 's> {
    pub(super) fn through(&self, object: &Node, pointer: &Node) -> Result<Value, ExpressionError> {
        let units = &self.frame.units;
        let fail = |message: String| ExpressionError::new(pointer.column, message);
        let (object, pointer) = (self.value(object)?, self.value(pointer)?);
        let peeled = units.peeled(pointer.ty);
        let Some(Kind::MemberPointer(target, class)) = peeled.as_ref().map(|(_, ty)| &ty.kind) else {
            let name = self.renderer.type_name(pointer.ty);
            return Err(fail(format!("`{name}` is not a pointer to a member")));
        };
        if units.peeled(*target).is_some_and(|(_, ty)| matches!(ty.kind, Kind::Function(..))) {
            return Err(fail("a method has no value".into()));
        }
        let size = self.frame.address_size();
        let offset = pointer.unsigned(self.frame, u64::from(size));
        let offset = offset.map_err(|missing| fail(format!("its value is not known: {missing}")))? as u64;
        if offset == if size == 8 { u64::MAX } else { u64::from(u32::MAX) } {
            return Err(fail("it points to no member".into()));
        }
        let mut object = object;
        for _ in 0..FOLLOWED {
            match class.map_or(Subobject::None, |class| self.frame.part_of_class(&object, class)) {
                Subobject::None => {}
                Subobject::One(part) => return Ok(Value { ty: *target, source: part.source.moved_by(offset) }),
                Subobject::Several => {
                    return Err(fail("the class whose members it points to is a base more than once".into()));
                }
                Subobject::Unknown(missing) => {
                    return Err(fail(format!("where the object lies is not known: {missing}")));
                }
            }
            let Some(pointee) = self.followed(&object) else { break };
            object = pointee;
        }
        let name = self.renderer.type_name(object.ty);
        Err(fail(format!("`{name}` is not of the class whose members it points to")))
    }

    /// `&Class::member`: a pointer to a member, whose class is the one that declares it; `None` where the name means no
    /// member of a class.
    pub(super) fn pointer_to_member(&self, node: &Node) -> Result<Option<Value>, String> {
        let NodeKind::Name(path) = &node.kind else { return Ok(None) };
        let Some((name, class @ [_, ..])) = path.split_last() else { return Ok(None) };
        let class = lookup::type_named(self.frame, &class.join("::")).flatten();
        let Some((class, _)) = self.frame.units.class_of(class) else { return Ok(None) };
        let Some((class, member, offset)) = self.declared(class, name, NESTED)? else { return Ok(None) };
        if member.bits.is_some() {
            return Err("nothing points to a bit-field".into());
        }
        let size = self.frame.address_size();
        let ty = self.frame.units.member_pointer_to(member.ty, class, u64::from(size));
        let bytes = offset.to_le_bytes()[..usize::from(size)].to_vec();
        Ok(Some(Value { ty: Some(ty), source: Source::bytes(bytes) }))
    }

    /// The member of that name in a class or its bases, the class that declares it, and its offset there in bytes.
    fn declared(&self, class: Die, name: &str, levels: u32) -> Result<Option<(Die, Member<'s>, u64)>, String> {
        let units = &self.frame.units;
        let (Some(levels), Some((class, ty))) = (levels.checked_sub(1), units.class_of(Some(class))) else {
            return Ok(None);
        };
        let Kind::Struct(contents) = &ty.kind else { return Ok(None) };
        let at = |member: &Member<'s>| match member.offset {
            Offset::Bits(bits) => Ok(bits / 8),
            _ => Err(format!("where `{name}` lies is not the same in all objects")),
        };
        let is_it = |member: &&Member<'s>| !member.base && member.name == Some(name.as_bytes());
        if let Some(own) = contents.members.iter().find(is_it) {
            return Ok(Some((class, own.clone(), at(own)?)));
        }
        let mut found: Option<(Die, Member<'s>, u64)> = None;
        for inner in contents.members.iter().filter(|member| member.base || member.name.is_none()) {
            let Some(ty) = inner.ty else { continue };
            let Some((owner, member, offset)) = self.declared(ty, name, levels)? else { continue };
            // The members of an anonymous member belong to the class itself.
            let other = match inner.base {
                true => (owner, member, offset),
                false => (class, member, offset.saturating_add(at(inner)?)),
            };
            if found.as_ref().is_some_and(|known| !units.is_same_class(known.0, other.0)) {
                return Err(format!("more than one base has a member `{name}`: say whose, as `&Base::{name}`"));
            }
            found = found.or(Some(other));
        }
        Ok(found)
    }

    /// Converts a pointer to a member to one of another class: the offset of the one class in the other is added to it.
    pub(super) fn moved_member(&self, pointer: &Value, to: Option<Die>, how: Conversion) -> Result<Value, String> {
        let units = &self.frame.units;
        let name = |ty| self.renderer.type_name(ty);
        let kind = |ty| match units.peeled(ty)?.1.kind {
            Kind::MemberPointer(target, class) => {
                let method = units.peeled(target).is_some_and(|(_, ty)| matches!(ty.kind, Kind::Function(..)));
                Some((method, class))
            }
            _ => None,
        };
        let (Some((method, from)), Some((other, class))) = (kind(pointer.ty), kind(to)) else {
            return Err(format!("`{}` is not a pointer to a member", name(pointer.ty)));
        };
        if method != other || how == Conversion::Dynamic {
            return Err("this conversion of a pointer to a member is not computed".into());
        }
        let (Some(from), Some(class)) = (from, class) else { return Err("of which class is not known".into()) };
        let moved = if how == Conversion::Bits { 0 } else { self.distance(from, class)? };
        let size = usize::from(self.frame.address_size());
        let words = if method { 2 } else { 1 };
        let known = |missing| format!("its value is not known: {missing}");
        let mut bytes = pointer.read(self.frame, (size * words) as u64).map_err(known)?.into_owned();
        let word = |bytes: &[u8], nth: usize| {
            let mut wide = [0; 8];
            wide[..size].copy_from_slice(&bytes[nth * size..][..size]);
            u64::from_le_bytes(wide)
        };
        // A null pointer stays null. The second word of a pointer to a method holds twice the adjustment of the
        // object's address.
        let null = match method {
            true => word(&bytes, 0) == 0 && word(&bytes, 1) & 1 == 0,
            false => word(&bytes, 0) == u64::MAX >> (64 - size * 8),
        };
        if !null {
            let (nth, added) = if method { (1, moved.wrapping_mul(2)) } else { (0, moved) };
            let sum = word(&bytes, nth).wrapping_add_signed(added);
            bytes[nth * size..][..size].copy_from_slice(&sum.to_le_bytes()[..size]);
        }
        Ok(Value { ty: to, source: Source::bytes(bytes) })
    }

    /// The offset in bytes of class `from` in class `to`; negative if `to` is a base of `from`, 0 where neither is a
    /// base of the other.
    fn distance(&self, from: Die, to: Die) -> Result<i64, String> {
        let units = &self.frame.units;
        let name = |class| self.renderer.type_name(Some(class));
        for (whole, part, forwards) in [(to, from, true), (from, to, false)] {
            let offset = match units.offset_of_part(whole, part) {
                Subobject::None => continue,
                Subobject::One(Some(offset)) => {
                    i64::try_from(offset).map_err(|_| "the offset is too large".to_owned())?
                }
                Subobject::One(None) => return Err(format!("`{}` is a virtual base of `{}`", name(part), name(whole))),
                Subobject::Several => {
                    return Err(format!("`{}` is a base of `{}` more than once", name(part), name(whole)));
                }
                Subobject::Unknown(missing) => {
                    return Err(format!("where its base `{}` lies is not known: {missing}", name(part)));
                }
            };
            return Ok(if forwards { offset } else { -offset });
        }
        let declared = |die: &&Die| {
            let ty = units.class_of(Some(**die));
            ty.is_some_and(|(_, ty)| matches!(&ty.kind, Kind::Struct(contents) if contents.declared))
        };
        match [from, to].iter().find(declared).filter(|die| table(units.language(die.unit)).has_bases()) {
            Some(&die) => Err(format!("the debug information does not say which bases `{}` has", name(die))),
            None => Ok(0),
        }
    }

    /// Returns true if two pointers to members mean the same member; `None` if either value is not a pointer to a
    /// member.
    pub(super) fn same_member(&self, one: &Value, other: &Value) -> Result<Option<bool>, String> {
        let class = |value: &Value| match self.frame.units.peeled(value.ty)?.1.kind {
            Kind::MemberPointer(target, class) => {
                let method =
                    self.frame.units.peeled(target).is_some_and(|(_, ty)| matches!(ty.kind, Kind::Function(..)));
                Some((class?, method))
            }
            _ => None,
        };
        let (Some((first, method)), Some((second, _))) = (class(one), class(other)) else { return Ok(None) };
        // A member of a base is also a member of the derived class.
        let derived = matches!(self.frame.units.offset_of_part(first, second), Subobject::One(_));
        let (one, other) = match derived {
            true => (one.clone(), self.moved_member(other, one.ty, Conversion::Usual)?),
            false => (self.moved_member(one, other.ty, Conversion::Usual)?, other.clone()),
        };
        let size = u64::from(self.frame.address_size()) * if method { 2 } else { 1 };
        let read = |value: &Value| {
            let bytes = value.read(self.frame, size).map(std::borrow::Cow::into_owned);
            bytes.map_err(|missing| format!("its value is not known: {missing}"))
        };
        Ok(Some(read(&one)? == read(&other)?))
    }
}
