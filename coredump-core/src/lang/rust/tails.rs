//! Structures that end in a trait object, as `RefCell<dyn Shape>` does. The vtable in the pointer to the whole tells
//! the object's offset and type.

use gimli::DW_AT_alignment;

use super::RustValues;
use super::trait_objects::{TraitObject, is_object};
use crate::catalog::types::{Kind, Member, Offset};
use crate::catalog::units::Die;
use crate::lang::aggregate::joined;
use crate::lang::{Shown, cut, explain};
use crate::values::{Status, Value, Variable};

/// The levels to which structures may be nested.
const LEVELS: u32 = 8;

impl<'s> RustValues<'_, '_, '_, 's> {
    /// A pointer to such a structure; `None` for another type.
    pub(super) fn pointer_to_tailed(&self, value: &Value, die: Die, depth: u32) -> Option<Shown> {
        self.pointer_name(die)?;
        let (pointer, vtable) = (self.field(value, "pointer")?, self.field(value, "vtable")?);
        let (address, target) = self.address_in(&pointer)?.ok()?;
        self.tailed(target, address, vtable.pointer(self.frame).ok()?, depth)
    }

    /// The structure of type `ty` at `address`, with the concrete type of the vtable at its end; `None` where that is
    /// not known.
    pub(super) fn tailed(&self, ty: Option<Die>, address: u64, vtable: u64, depth: u32) -> Option<Shown> {
        let (die, whole) = self.frame.units.peeled(ty)?;
        let name = String::from_utf8_lossy(self.frame.units.name(die)?).into_owned();
        if is_object(name.as_bytes()) {
            return Some(self.show(&self.trait_object(&TraitObject { address, vtable })?, depth));
        }
        let Kind::Struct(contents) = &whole.kind else { return None };
        let (last, members) = contents.members.split_last()?;
        let at = address.checked_add(self.tail_offset(last, vtable, LEVELS)?)?;
        let name = &name[..name.find('<').unwrap_or(name.len())];
        if matches!(name, "UnsafeCell" | "SyncUnsafeCell") && members.is_empty() {
            return self.tailed(last.ty, at, vtable, depth);
        }
        let Some(deeper) = depth.checked_sub(1) else { return Some(Shown::text(format!("{name} {{...}}"))) };
        let whole = Value::in_memory(Some(die), address);
        let own = |member: &Member<'s>| String::from_utf8_lossy(member.name.unwrap_or_default()).into_owned();
        let mut children: Vec<Variable> = members
            .iter()
            .take(LEVELS as usize)
            .map(|member| self.part(own(member), &whole.member(self.frame, member), deeper))
            .collect();
        let shown = self.tailed(last.ty, at, vtable, deeper)?;
        let mut tail = self.noted(&own(last), &Value::in_memory(last.ty, at), "");
        tail.children = shown.children;
        match shown.text {
            Ok(text) => (tail.status, tail.value) = (Status::Ok, Some(text)),
            Err(missing) => (tail.value, (tail.status, tail.note)) = (None, explain(missing)),
        }
        children.push(tail);
        // A cell is written by its contents, as a cell of a sized type is.
        let told = if name == "RefCell" { &children[children.len() - 1..] } else { &children[..] };
        let texts: Vec<_> = told.iter().map(|part| format!("{}: {}", part.name, part.text())).collect();
        Some(Shown { text: Ok(cut(joined(&format!("{name} {{ "), " }", &texts))), children })
    }

    /// The alignment in bytes of a type that ends in a trait object.
    pub(super) fn tailed_alignment(&self, ty: Option<Die>, vtable: u64) -> Option<u64> {
        self.alignment_within(ty, vtable, LEVELS)
    }

    fn alignment_within(&self, ty: Option<Die>, vtable: u64, levels: u32) -> Option<u64> {
        let levels = levels.checked_sub(1)?;
        let (die, whole) = self.frame.units.peeled(ty)?;
        let of_tail = self.vtable_alignment(vtable).ok()?;
        if is_object(self.frame.units.name(die)?) {
            return Some(of_tail);
        }
        let Kind::Struct(contents) = &whole.kind else { return None };
        let own = self.frame.units.entry(die)?.attr_value(DW_AT_alignment)?.udata_value()?;
        let own = own.is_power_of_two().then_some(own).filter(|&own| own <= 1 << 29)?;
        Some(own.max(self.alignment_within(contents.members.last()?.ty, vtable, levels)?))
    }

    /// The offset in bytes of the last member: the debug information gives the offset that it would have with an
    /// alignment of 1.
    fn tail_offset(&self, last: &Member<'s>, vtable: u64, levels: u32) -> Option<u64> {
        let Offset::Bits(bits) = last.offset else { return None };
        (bits / 8).checked_next_multiple_of(self.alignment_within(last.ty, vtable, levels)?)
    }
}
