//! `object.*pointer` of C++: the member of an object that a pointer to a member means (Itanium C++ ABI, 2.3).

use super::ExpressionError;
use super::eval::Evaluation;
use super::parser::Node;
use crate::variables::types::Kind;
use crate::variables::units::Die;
use crate::variables::value::Value;

/// Bases within each other that a class is looked for in.
const BASES: u32 = 16;
/// Pointers that are followed to the object.
const FOLLOWED: u32 = 4;

impl Evaluation<'_, '_, '_, '_> {
    pub(super) fn through(&self, object: &Node, pointer: &Node) -> Result<Value, ExpressionError> {
        let units = &self.frame.units;
        let fail = |message: String| ExpressionError::new(pointer.column, message);
        let (object, pointer) = (self.value(object)?, self.value(pointer)?);
        let peeled = units.peeled(pointer.ty);
        let Some(Kind::MemberPointer(target, class)) = peeled.as_ref().map(|(_, ty)| &ty.kind) else {
            let name = self.renderer.type_name(pointer.ty);
            return Err(fail(format!("`{name}` is no pointer to a member")));
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
            if let Some(part) = class.and_then(|class| self.part_of_class(&object, class, BASES)) {
                return Ok(Value { ty: *target, source: part.source.at(offset) });
            }
            let Some(pointee) = self.followed(&object) else { break };
            object = pointee;
        }
        let name = self.renderer.type_name(object.ty);
        Err(fail(format!("`{name}` is not of the class whose members it points to")))
    }

    /// An object of a class, or the base of it that is.
    fn part_of_class(&self, object: &Value, class: Die, levels: u32) -> Option<Value> {
        let levels = levels.checked_sub(1)?;
        let units = &self.frame.units;
        let complete = |die: Die| match &units.type_at(die)?.kind {
            Kind::Struct(contents) if contents.declared => Some(self.renderer.completed(die)?.0),
            Kind::Struct(_) => Some(die),
            _ => None,
        };
        let die = complete(units.peeled(object.ty)?.0)?;
        let object = object.with_type(Some(die));
        if complete(units.peeled(Some(class))?.0)? == die {
            return Some(object);
        }
        let ty = units.type_at(die)?;
        let Kind::Struct(contents) = &ty.kind else { return None };
        let mut bases = contents.members.iter().filter(|member| member.base);
        bases.find_map(|base| self.part_of_class(&object.member(self.frame, base), class, levels))
    }
}
