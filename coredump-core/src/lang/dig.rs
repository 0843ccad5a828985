//! Finds members by name, through the wrappers in the standard libraries' own types.

use super::renderer::Renderer;
use super::type_budget::TypeBudget;
use crate::catalog::types::{Kind, Struct};
use crate::catalog::units::Die;
use crate::location::Missing;
use crate::values::{Value, pointer_target};

/// The levels to which wrappers may be nested.
const LEVELS: u32 = 8;

impl<'s> Renderer<'_, '_, 's> {
    /// A direct member, or one of a base.
    pub fn field(&self, value: &Value, name: &str) -> Option<Value> {
        TypeBudget::of_types(LEVELS, |budget| self.field_within(value, name, budget))
    }

    /// The first of these members that exists: releases of a library name the same member differently.
    pub fn first_field(&self, value: &Value, names: &[&str]) -> Option<Value> {
        names.iter().find_map(|name| self.field(value, name))
    }

    fn field_within(&self, value: &Value, name: &str, budget: TypeBudget<'_>) -> Option<Value> {
        let (mut die, mut ty) = self.frame.units.peeled(value.ty)?;
        if matches!(&ty.kind, Kind::Struct(contents) if contents.declared) {
            (die, ty) = self.frame.units.completed(die)?;
        }
        let Kind::Struct(contents) = &ty.kind else { return None };
        let value = value.with_type(Some(die));
        if let Some(member) = contents.members.iter().find(|member| member.name == Some(name.as_bytes())) {
            return Some(value.member(self.frame, member));
        }
        let budget = budget.deeper(1)?;
        let unnamed = contents.members.iter().filter(|member| member.base || member.name.is_none());
        unnamed.take(32).find_map(|base| self.field_within(&value.member(self.frame, base), name, budget))
    }

    /// The first member of that name, searched for in the members of members too.
    pub fn dig(&self, value: &Value, name: &str) -> Option<Value> {
        TypeBudget::of_types(LEVELS, |budget| self.dig_within(value, name, budget))
    }

    fn dig_within(&self, value: &Value, name: &str, budget: TypeBudget<'_>) -> Option<Value> {
        if let Some(found) = self.field_within(value, name, budget.again(LEVELS)) {
            return Some(found);
        }
        let budget = budget.deeper(1)?;
        let (die, ty) = self.frame.units.peeled(value.ty)?;
        let Kind::Struct(contents) = &ty.kind else { return None };
        let value = value.with_type(Some(die));
        contents
            .members
            .iter()
            .take(16)
            .find_map(|member| self.dig_within(&value.member(self.frame, member), name, budget))
    }

    /// The scalar inside of nested structures that each have one non-empty member.
    pub fn unwrapped(&self, value: &Value) -> Option<Value> {
        TypeBudget::of_types(LEVELS, |budget| {
            let mut value = value.clone();
            for _ in 0..LEVELS {
                let (die, ty) = self.frame.units.peeled(value.ty)?;
                let Kind::Struct(contents) = &ty.kind else { return Some(value.with_type(Some(die))) };
                let mut sized = contents.members.iter().filter(|member| !self.is_empty(member.ty, budget));
                let (only, None) = (sized.next()?, sized.next()) else { return None };
                value = value.with_type(Some(die)).member(self.frame, only);
            }
            None
        })
    }

    /// Returns true if a type holds nothing: C++ gives such a class a size of one byte all the same.
    fn is_empty(&self, ty: Option<Die>, budget: TypeBudget<'_>) -> bool {
        let Some((_, ty)) = self.frame.units.peeled(ty) else { return false };
        let Some(budget) = budget.deeper(1) else { return false };
        match &ty.kind {
            _ if ty.size == Some(0) => true,
            Kind::Struct(contents) if !contents.declared && contents.variants.is_none() => {
                contents.members.len() <= 16 && contents.members.iter().all(|member| self.is_empty(member.ty, budget))
            }
            _ => false,
        }
    }

    /// An unsigned number in a member, however wrapped.
    pub fn count(&self, value: &Value, name: &str) -> Option<Result<u64, Missing>> {
        let found = self.unwrapped(&self.dig(value, name)?)?;
        Some(found.number(self.frame, false).map(|number| number as u64))
    }

    /// The address in a pointer, however wrapped, and the type it points to.
    pub fn address_in(&self, value: &Value) -> Option<Result<(u64, Option<Die>), Missing>> {
        let found = self.unwrapped(value)?;
        let (target, _) = pointer_target(self.frame, found.ty)?;
        Some(found.pointer(self.frame).map(|address| (address, target)))
    }

    /// A template or generic argument that is a type.
    pub(super) fn argument(&self, contents: &Struct<'s>, index: usize) -> Option<Die> {
        contents.arguments.get(index)?.1
    }

    /// The arguments of a type.
    pub(super) fn argument_of(&self, ty: Option<Die>, index: usize) -> Option<Die> {
        match &self.frame.units.peeled(ty)?.1.kind {
            Kind::Struct(contents) => self.argument(contents, index),
            _ => None,
        }
    }
}
