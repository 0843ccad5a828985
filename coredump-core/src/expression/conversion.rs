//! Casts of C++ between pointers or references to classes: the address moves to the base-class subobject, or to the
//! enclosing object, of the other class (C++20, 7.3.12 and 7.6.1).

use super::eval::Evaluator;
use super::tree::Conversion;
use crate::catalog::types::{Kind, PointerKind};
use crate::catalog::units::Die;
use crate::lang::cpp::CppValues;
use crate::lang::cpp::classes::Subobject;
use crate::lang::table;
use crate::values::{Source, Value, pointer_target};

impl Evaluator<'_, '_, '_, '_> {
    /// A pointer as one of type `ty`, where both point to classes; `None` for all others, whose address stays as it is.
    pub(super) fn moved_pointer(
        &self,
        pointer: &Value,
        ty: Option<Die>,
        conversion: Conversion,
    ) -> Result<Option<Value>, String> {
        let (from, to) = (pointer_target(self.frame, pointer.ty), pointer_target(self.frame, ty));
        let (Some((from, PointerKind::Pointer)), Some((to, PointerKind::Pointer))) = (from, to) else {
            return Ok(None);
        };
        let address = pointer.pointer(self.frame);
        let address = address.map_err(|missing| format!("its value is not known: {missing}"))?;
        // A null pointer points to no object: it stays null.
        if address == 0 {
            return Ok(None);
        }
        let object = Value::in_memory(from, address);
        let found = match (conversion, to) {
            (Conversion::Bits, _) => None,
            (Conversion::Dynamic, None) => return self.complete(&object, ty),
            (Conversion::Dynamic, Some(to)) => match self.turned_out(&object, to)? {
                Some(part) => Some(part),
                None => return Ok(Some(self.number_as_pointer(0, ty))),
            },
            (Conversion::Usual, Some(to)) => self.moved(&object, to)?,
            (Conversion::Usual, None) => None,
        };
        let address = match found.map(|found| found.source) {
            None => return Ok(None),
            Some(Source::Memory(address)) => address,
            Some(_) => return Err("this has no address".into()),
        };
        Ok(Some(self.number_as_pointer(address, ty)))
    }

    fn number_as_pointer(&self, address: u64, ty: Option<Die>) -> Value {
        let size = usize::from(self.frame.address_size());
        Value { ty, source: Source::bytes(address.to_le_bytes()[..size].to_vec()) }
    }

    /// The subobject of class `to` of an object, or the enclosing object of that class; `None` where the classes are
    /// unrelated, as far as the debug information says.
    pub(super) fn moved(&self, object: &Value, to: Die) -> Result<Option<Value>, String> {
        let units = &self.frame.units;
        let (Some((from, from_type)), Some((to, to_type))) = (units.class_of(object.ty), units.class_of(Some(to)))
        else {
            return Ok(None);
        };
        let name = |die| self.renderer.type_name(Some(die));
        match self.frame.part_of_class(object, to) {
            Subobject::None => {}
            Subobject::One(part) => return Ok(Some(part)),
            Subobject::Several => return Err(format!("`{}` is a base of `{}` more than once", name(to), name(from))),
            Subobject::Unknown(missing) => {
                return Err(format!("where its base `{}` lies is not known: {missing}", name(to)));
            }
        }
        match units.offset_of_part(to, from) {
            Subobject::None => {}
            Subobject::One(Some(offset)) => {
                let address = object.source.address().ok_or("this has no address")?;
                let whole = address.checked_sub(offset).ok_or("outside of the memory")?;
                return Ok(Some(Value::in_memory(Some(to), whole)));
            }
            // A virtual base: only the object itself says how far away it is.
            Subobject::One(None) => {
                let found = self.turned_out(object, to)?;
                return found.map(Some).ok_or_else(|| format!("the object is not a `{}`", name(to)));
            }
            Subobject::Several => return Err(format!("`{}` is a base of `{}` more than once", name(from), name(to))),
            Subobject::Unknown(missing) => {
                return Err(format!("where its base `{}` lies is not known: {missing}", name(from)));
            }
        }
        let declared = |kind: &Kind<'_>| matches!(kind, Kind::Struct(contents) if contents.declared);
        let unknown = if declared(&from_type.kind) { Some(from) } else { declared(&to_type.kind).then_some(to) };
        match unknown.filter(|die| table(units.language(die.unit)).has_bases()) {
            Some(die) => Err(format!("the debug information does not say which bases `{}` has", name(die))),
            None => Ok(None),
        }
    }

    /// The subobject of class `to` in the complete object around `object`, whose class is known by its vtable; `None`
    /// where it has no such subobject.
    fn turned_out(&self, object: &Value, to: Die) -> Result<Option<Value>, String> {
        let whole = CppValues(self.renderer).dynamic_object(object);
        let whole = whole.ok_or("of which class the object is, and where it begins, is not known for certain")?;
        match self.frame.part_of_class(&whole, to) {
            Subobject::None => Ok(None),
            Subobject::One(part) => Ok(Some(part)),
            Subobject::Several => {
                // The class has several such bases: the one that this object is a part of is meant.
                let from = object.ty.ok_or("this is not an object")?;
                match self.frame.units.offset_of_part(to, from) {
                    Subobject::One(Some(offset)) => {
                        let whole = object.source.address().and_then(|address| address.checked_sub(offset));
                        Ok(whole.map(|whole| Value::in_memory(Some(to), whole)))
                    }
                    _ => Err(format!("`{}` is a base of it more than once", self.renderer.type_name(Some(to)))),
                }
            }
            Subobject::Unknown(missing) => Err(format!("where the part lies is not known: {missing}")),
        }
    }

    /// `dynamic_cast<void *>`: the beginning of the whole object.
    fn complete(&self, object: &Value, ty: Option<Die>) -> Result<Option<Value>, String> {
        let whole = CppValues(self.renderer).dynamic_object(object).and_then(|whole| whole.source.address());
        let whole = whole.ok_or("of which class the object is, and where it begins, is not known for certain")?;
        Ok(Some(self.number_as_pointer(whole, ty)))
    }

    /// Two pointers as C++ compares them: one to a base and one to a class derived from it become pointers to the base.
    pub(super) fn alike(&self, one: Value, other: Value) -> Result<(Value, Value), String> {
        let class = |pointer: &Value| match pointer_target(self.frame, pointer.ty) {
            Some((target, PointerKind::Pointer)) => Some(self.frame.units.class_of(target)?.0),
            _ => None,
        };
        let (Some(first), Some(second)) = (class(&one), class(&other)) else { return Ok((one, other)) };
        let units = &self.frame.units;
        if units.is_same_class(first, second) {
            return Ok((one, other));
        }
        if !matches!(units.offset_of_part(second, first), Subobject::None) {
            let moved = self.moved_pointer(&other, one.ty, Conversion::Usual)?.unwrap_or(other);
            return Ok((one, moved));
        }
        if !matches!(units.offset_of_part(first, second), Subobject::None) {
            let moved = self.moved_pointer(&one, other.ty, Conversion::Usual)?.unwrap_or(one);
            return Ok((moved, other));
        }
        Ok((one, other))
    }
}
