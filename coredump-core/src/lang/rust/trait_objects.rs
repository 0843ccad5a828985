//! Pointers to trait objects: the value pointed to, with the type that the vtable is for.

use super::RustValues;
use crate::catalog::types::{Kind, Member, Struct};
use crate::catalog::units::{Die, Units};
use crate::lang::Shown;
use crate::location::{Missing, Place};
use crate::values::Value;

/// The two words of a pointer to a trait object.
#[derive(Clone, Copy)]
pub struct TraitObject {
    /// Address of the value.
    pub address: u64,
    /// Address of the vtable.
    pub vtable: u64,
}

impl<'s> RustValues<'_, '_, '_, 's> {
    /// The words of a pointer to a trait object; `None` for another type, and for a pointer to a structure that only
    /// ends in one (`&RefCell<dyn Shape>`), whose vtable is for that end.
    pub fn trait_object_parts(&self, value: &Value, die: Die) -> Option<Result<TraitObject, Missing>> {
        if !is_object(self.pointer_name(die)?) {
            return None;
        }
        let (pointer, vtable) = (self.field(value, "pointer")?, self.field(value, "vtable")?);
        let address = pointer.pointer(self.frame);
        Some(address.and_then(|address| Ok(TraitObject { address, vtable: vtable.pointer(self.frame)? })))
    }

    /// The value to which a trait object points; `None` if the debug information does not know the vtable.
    pub(super) fn trait_object(&self, object: &TraitObject) -> Option<Value> {
        let known = self.vtable_type(object.vtable).map(|ty| Value::in_memory(Some(ty), object.address));
        known.or_else(|| self.error_text(object))
    }

    pub(super) fn dynamic(&self, object: Result<TraitObject, Missing>, depth: u32) -> Shown {
        let object = match object {
            Ok(object) => object,
            Err(missing) => return missing.into(),
        };
        let TraitObject { address, vtable } = object;
        let Some(value) = self.trait_object(&object) else {
            // The names of the vtable's functions still show the type.
            let of = self.vtable_functions(vtable).map(|name| format!(" of {name}")).unwrap_or_default();
            return Shown::text(format!("{address:#x} (vtable {vtable:#x}{of})"));
        };
        let Some(deeper) = depth.checked_sub(1) else {
            return Shown::text(format!("{address:#x} ({})", self.type_name(value.ty)));
        };
        self.standing_for(self.part("*", &value, deeper), Vec::new())
    }

    /// The alignment in bytes in a vtable, its third word.
    pub(super) fn vtable_alignment(&self, vtable: u64) -> Result<u64, Missing> {
        let width = u64::from(self.frame.address_size());
        let at = vtable.checked_add(2 * width).ok_or(Missing::Unreadable(vtable))?;
        let alignment = Value::in_memory(None, at).unsigned(self.frame, width)? as u64;
        match alignment.is_power_of_two() && alignment <= 1 << 29 {
            true => Ok(alignment),
            false => Err(Missing::Malformed(format!("alignment {alignment} in the vtable at {vtable:#x}"))),
        }
    }

    /// The name of a vtable's first method, in the words after drop, size and alignment.
    pub fn vtable_functions(&self, vtable: u64) -> Option<String> {
        let width = u64::from(self.frame.address_size());
        self.vtable_alignment(vtable).ok()?;
        let method = Value::in_memory(None, vtable.checked_add(3 * width)?).unsigned(self.frame, width).ok()?;
        self.function_in_table(method as u64)
    }

    /// The type that a vtable is for.
    pub fn vtable_type(&self, address: u64) -> Option<Die> {
        let units = &self.frame.units;
        let first = self.frame.function.map_or(0, |function| function.unit);
        let described = |unit| units.vtables_of(unit).into_iter().filter_map(|die| self.described_vtable(die));
        let mut tables = units.mentioning(first, address).into_iter().flat_map(described);
        tables.find(|&(at, _)| at == address).map(|(_, ty)| ty)
    }

    /// The address of the vtable that a variable is, and the type that it is for.
    pub fn described_vtable(&self, variable: Die) -> Option<(u64, Die)> {
        let (location, _) = self.frame.locate(variable)?;
        match location.pieces.as_slice() {
            [piece] => match piece.place {
                Place::Memory(address) => Some((address, described_type(&self.frame.units, variable)?)),
                _ => None,
            },
            _ => None,
        }
    }
}

/// The type whose vtable a variable is: rustc describes each vtable as a variable, whose type refers to that type
/// (`DW_AT_containing_type`).
pub(super) fn described_type(units: &Units<'_>, variable: Die) -> Option<Die> {
    match &units.peeled(units.type_of(variable))?.1.kind {
        Kind::Struct(contents) => contents.containing,
        _ => None,
    }
}

/// The data and vtable words of a pointer to a trait object; `None` for a pointer to a structure that only ends in one
/// (`&RefCell<dyn Shape>`).
pub(super) fn words<'m, 's>(units: &Units<'s>, contents: &'m Struct<'s>) -> Option<(&'m Member<'s>, &'m Member<'s>)> {
    let (pointer, vtable, target) = two_words(units, contents)?;
    is_object(units.peeled(Some(target))?.1.name?).then_some((pointer, vtable))
}

/// The data and vtable words of a pointer to a structure that ends in a trait object, and the structure's type, whose
/// name contains the object's.
pub(super) fn tailed_words<'m, 's>(
    units: &Units<'s>,
    contents: &'m Struct<'s>,
) -> Option<(&'m Member<'s>, &'m Member<'s>, Die)> {
    let (pointer, vtable, target) = two_words(units, contents)?;
    let name = units.peeled(Some(target))?.1.name?;
    let ends = !is_object(name) && name.windows(4).any(|part| part == b"dyn ");
    ends.then_some((pointer, vtable, target))
}

fn two_words<'m, 's>(units: &Units<'s>, contents: &'m Struct<'s>) -> Option<(&'m Member<'s>, &'m Member<'s>, Die)> {
    let [one, two] = contents.members.as_slice() else { return None };
    let named = |name: &[u8]| [one, two].into_iter().find(|member| member.name == Some(name));
    let (pointer, vtable) = (named(b"pointer")?, named(b"vtable")?);
    let Kind::Pointer(_, Some(target)) = &units.peeled(pointer.ty)?.1.kind else { return None };
    Some((pointer, vtable, *target))
}

/// The name of the type `whole`, which ends in a trait object, with the concrete type of a vtable in the object's
/// place: `RcInner<dyn Shape>` with the vtable `<Circle as Shape>::{vtable}` gives `RcInner<Circle>`.
pub(super) fn with_type(whole: &str, vtable: &str) -> Option<String> {
    let (ty, object) = vtable.strip_prefix('<')?.strip_suffix(">::{vtable}")?.rsplit_once(" as ")?;
    let at = whole.find("dyn ")?;
    let rest = whole.get(at + "dyn ".len()..)?.strip_prefix(object)?;
    let (before, rest) = match whole.get(..at)?.strip_suffix('(') {
        // Auto traits may follow the trait.
        Some(before) if rest.starts_with([')', ' ']) => (before, rest.split_once(')')?.1),
        None if rest.starts_with(['>', ',']) => (whole.get(..at)?, rest),
        _ => return None,
    };
    Some(format!("{before}{ty}{rest}"))
}

/// Returns true if a type's name is that of a trait object.
pub(super) fn is_object(name: &[u8]) -> bool {
    name.starts_with(b"dyn ") || name.starts_with(b"(dyn ")
}

#[cfg(test)]
mod tests {
    use super::{is_object, with_type};

    #[test]
    fn what_ends_in_a_trait_object_is_named_by_its_vtable() {
        let named = |whole| with_type(whole, "<app::Circle as app::Shape>::{vtable}");
        assert_eq!(named("RcInner<dyn app::Shape>").as_deref(), Some("RcInner<app::Circle>"));
        assert_eq!(named("RcInner<(dyn app::Shape + core::marker::Send)>").as_deref(), Some("RcInner<app::Circle>"));
        assert_eq!(
            named("Pair<u8, core::cell::RefCell<dyn app::Shape>>").as_deref(),
            Some("Pair<u8, core::cell::RefCell<app::Circle>>")
        );
        for other in [
            "RcInner<dyn app::Shapes>",
            "RcInner<dyn app::Shape<u8>>",
            "RcInner<app::Shape>",
            "RcInner<(dyn app::Shape",
            "",
        ] {
            assert_eq!(named(other), None, "{other}");
        }
        assert_eq!(with_type("RcInner<dyn app::Shape>", "vtable"), None);
    }

    #[test]
    fn what_only_ends_in_a_trait_object_is_none() {
        assert!(is_object(b"dyn core::fmt::Debug") && is_object(b"(dyn core::error::Error + core::marker::Send)"));
        // The vtable in a pointer to one of these is for its last member only.
        for name in [&b"core::cell::RefCell<dyn shapes::Shape>"[..], b"Tail<dyn core::fmt::Debug>", b"dynamic::Type"] {
            assert!(!is_object(name));
        }
    }
}
