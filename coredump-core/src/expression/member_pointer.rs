//! `object.*pointer` of C++: the member of an object that a pointer to a member means (Itanium C++ ABI, 2.3).

use super::ExpressionError;
use super::eval::Evaluation;
use super::tree::Node;
use crate::catalog::types::Kind;
use crate::lang::cpp::classes::Part;
use crate::values::Value;

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
            match class.map_or(Part::None, |class| self.frame.part_of_class(&object, class)) {
                Part::None => {}
                Part::One(part) => return Ok(Value { ty: *target, source: part.source.at(offset) }),
                Part::Several => {
                    return Err(fail("the class whose members it points to is a base more than once".into()));
                }
                Part::Unknown(missing) => return Err(fail(format!("where the object lies is not known: {missing}"))),
            }
            let Some(pointee) = self.followed(&object) else { break };
            object = pointee;
        }
        let name = self.renderer.type_name(object.ty);
        Err(fail(format!("`{name}` is not of the class whose members it points to")))
    }
}
