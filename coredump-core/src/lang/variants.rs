//! Structures with variant parts, as Rust's enums are: which variant is active (DWARF 5, 5.7.10), by a tag or by a
//! niche in the contents.

use super::renderer::{Renderer, Shown};
use super::type_budget::TypeBudget;
use crate::catalog::types::{Kind, Struct, Variant};
use crate::catalog::units::Die;
use crate::location::Missing;
use crate::values::Value;

/// The levels of types that are checked for being uninhabited.
const LEVELS: u32 = 8;

impl<'s> Renderer<'_, '_, 's> {
    /// The contents of an enum's active variant, as a structure.
    pub fn active_variant(&self, value: &Value, contents: &Struct<'s>) -> Option<Value> {
        self.find_variant(value, contents)?.ok().flatten()
    }

    /// The name and the contents of an enum's active variant.
    pub fn named_variant(&self, value: &Value) -> Option<(String, Value)> {
        let (_, ty) = self.frame.units.peeled(value.ty)?;
        let Kind::Struct(contents) = &ty.kind else { return None };
        let variant = self.active_variant(value, contents)?;
        let name = self.frame.units.name(variant.ty?)?;
        let name = String::from_utf8_lossy(name).into_owned();
        Some((name[..name.find('<').unwrap_or(name.len())].to_owned(), variant))
    }

    /// The active variant as a structure: `None` for a type that is no enum, `Ok(None)` for an enum without variants.
    fn find_variant(&self, value: &Value, contents: &Struct<'s>) -> Option<Result<Option<Value>, Missing>> {
        contents.variants.as_ref()?;
        let found = self.chosen_variant(value, contents).transpose();
        let member = |variant: &Variant<'s>| Some(value.member(self.frame, variant.member.as_ref()?));
        Some(found.map(|found| found.and_then(member)))
    }

    /// An enum's active variant; `None` for a type that is no enum, and for an enum without variants.
    pub fn chosen_variant<'c>(
        &self,
        value: &Value,
        contents: &'c Struct<'s>,
    ) -> Option<Result<&'c Variant<'s>, Missing>> {
        let variants = contents.variants.as_ref()?;
        match &variants.discriminant {
            // No discriminant is stored where only one variant can be.
            None => match variants.list.as_slice() {
                [only] => Some(Ok(only)),
                several => several.iter().find(|variant| self.can_be(variant)).map(Ok),
            },
            Some(discriminant) => {
                let member = value.member(self.frame, discriminant);
                let size = self.frame.units.size_of(member.ty).unwrap_or(0).min(16);
                let bits = match member.unsigned(self.frame, size) {
                    Ok(bits) => bits,
                    Err(missing) => return Some(Err(missing)),
                };
                let mask = if size >= 16 { u128::MAX } else { (1 << (size * 8)) - 1 };
                let holds = |&(low, high): &(u128, u128)| {
                    let (low, high) = (low & mask, high & mask);
                    if low <= high { (low..=high).contains(&bits) } else { bits >= low || bits <= high }
                };
                let exact = variants.list.iter().find(|variant| variant.values.iter().any(holds));
                // With a niche, every other value selects the variant whose contents occupy the place.
                let found = exact.or_else(|| variants.list.iter().find(|variant| variant.values.is_empty()));
                let none = || Missing::Malformed(format!("no variant has discriminant {bits}"));
                Some(found.ok_or_else(none))
            }
        }
    }

    /// The enum inside of nested structures that each have one member.
    pub fn with_variants(&self, value: &Value) -> Option<Value> {
        let mut value = value.clone();
        for _ in 0..LEVELS {
            let (die, ty) = self.frame.units.peeled(value.ty)?;
            let Kind::Struct(contents) = &ty.kind else { return None };
            value = value.with_type(Some(die));
            if contents.variants.is_some() {
                return Some(value);
            }
            let mut sized = contents.members.iter().filter(|member| self.frame.units.size_of(member.ty) != Some(0));
            let (only, None) = (sized.next()?, sized.next()) else { return None };
            value = value.member(self.frame, only);
        }
        None
    }

    /// Returns true if a variant can exist: it cannot if it holds a value of an uninhabited type.
    fn can_be(&self, variant: &Variant<'_>) -> bool {
        variant
            .member
            .as_ref()
            .is_none_or(|member| TypeBudget::of_types(LEVELS, |budget| self.has_values(member.ty, budget)))
    }

    fn has_values(&self, ty: Option<Die>, budget: TypeBudget<'_>) -> bool {
        let (Some((_, ty)), Some(budget)) = (self.frame.units.peeled(ty), budget.deeper(1)) else { return true };
        match &ty.kind {
            Kind::Base(_) => ty.name != Some(b"!"),
            Kind::Struct(contents) => {
                contents.keyword == "union"
                    || contents.members.iter().all(|member| self.has_values(member.ty, budget))
                        && contents.variants.as_ref().is_none_or(|variants| {
                            let of = |variant: &Variant<'_>| {
                                variant.member.as_ref().is_none_or(|member| self.has_values(member.ty, budget))
                            };
                            variants.list.iter().any(of)
                        })
            }
            _ => true,
        }
    }

    pub(super) fn variant(&self, value: &Value, contents: &Struct<'s>, depth: u32) -> Shown {
        match self.find_variant(value, contents) {
            Some(Ok(Some(variant))) => match self.frame.units.peeled(variant.ty) {
                Some((die, ty)) => match &ty.kind {
                    // The variant's structure has the members of the variant only, so it is shown by its members.
                    Kind::Struct(contents) => self.members(&variant.with_type(Some(die)), die, contents, depth),
                    _ => self.show(&variant, depth),
                },
                None => Missing::Malformed("a variant without a type".into()).into(),
            },
            Some(Err(missing)) => missing.into(),
            Some(Ok(None)) | None => Missing::Malformed("an enum without variants".into()).into(),
        }
    }
}
