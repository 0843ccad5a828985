//! Finds the pointers in values of Zig's optionals, unions and containers, for the walk over all heap blocks.

use super::containers::{in_columns, is_zig_type};
use crate::catalog::types::{Kind, Member, Offset, Struct};
use crate::catalog::units::{Die, Units};
use crate::lang::{Arrays, Chosen, ChosenPart};

/// A member by its name, and its offset in bytes.
fn member<'m, 's>(contents: &'m Struct<'s>, name: &str) -> Option<(&'m Member<'s>, u64)> {
    let member = contents.members.iter().find(|member| member.name == Some(name.as_bytes()))?;
    let Offset::Bits(at) = member.offset else { return None };
    Some((member, at / 8))
}

/// The possible contents of an optional, an error union or a tagged union.
pub(super) fn chosen(units: &Units<'_>, name: &[u8], contents: &Struct<'_>) -> Option<Chosen> {
    let (payload, at) = member(contents, "payload")?;
    if let Some((_, some)) = member(contents, "some").filter(|_| name.starts_with(b"?")) {
        return Some(Chosen::flagged(some, u8::MAX, (payload.ty, at)));
    }
    if let Some((error, code)) = member(contents, "error").filter(|_| name.contains(&b'!')) {
        let parts = vec![ChosenPart { values: vec![(0, 0)], ty: payload.ty, at }];
        return Some(Chosen { discriminant: (code, units.size_of(error.ty)?), mask: u128::MAX, parts });
    }
    let (tag, number) = member(contents, "tag")?;
    let (_, ty) = units.peeled(tag.ty)?;
    let Kind::Enum(tags) = &ty.kind else { return None };
    let (_, union) = units.peeled(payload.ty)?;
    let Kind::Struct(union) = &union.kind else { return None };
    let parts = tags.enumerators.iter().filter_map(|&(name, value)| {
        let alive = union.members.iter().find(|member| member.name == Some(name))?;
        let Offset::Bits(inner) = alive.offset else { return None };
        Some(ChosenPart { values: vec![(value, value)], ty: alive.ty, at: at.checked_add(inner / 8)? })
    });
    let parts = parts.collect();
    Some(Chosen { discriminant: (number, units.size_of(tag.ty)?), mask: u128::MAX, parts })
}

/// A hash map's block.
pub(super) fn hash_map(units: &Units<'_>, die: Die, contents: &Struct<'_>) -> Option<Arrays> {
    if !is_zig_type(units, die, &["hash_map.Custom(", "hash_map.HashMapUnmanaged("]) {
        return None;
    }
    let (_, pointer) = member(contents, "metadata")?;
    let name = [units.name(die)?, b".Header"].concat();
    let header = *units.types_named(die.unit, &name).first()?;
    let ty = units.type_at(header)?;
    let Kind::Struct(members) = &ty.kind else { return None };
    let (_, capacity) = member(members, "capacity")?;
    let mut elements = Vec::new();
    let mut names = Vec::new();
    for array in ["keys", "values"] {
        // A type of zero bits is not described, and has no pointers.
        let Some((array, at)) = member(members, array) else { continue };
        let (_, ty) = units.peeled(array.ty)?;
        let Kind::Pointer(_, Some(element)) = ty.kind else { continue };
        names.push(String::from_utf8_lossy(units.name(element).unwrap_or_default()).into_owned());
        elements.push((element, at));
    }
    let name = format!("buckets of {}", names.join(", "));
    Some(Arrays { name, pointer, counts: None, header: (units.size_of(Some(header))?, capacity), elements })
}

/// The block of a `MultiArrayList`.
pub(super) fn columns(units: &Units<'_>, die: Die, contents: &Struct<'_>) -> Option<Arrays> {
    let (element, members) = in_columns(units, die)?;
    let [pointer, len, capacity] =
        [member(contents, "bytes")?.1, member(contents, "len")?.1, member(contents, "capacity")?.1];
    let elements = members.iter().map(|member| Some((member.ty?, 0))).collect::<Option<_>>()?;
    let name = format!("columns of {}", String::from_utf8_lossy(units.name(element)?));
    Some(Arrays { name, pointer, counts: Some([len, capacity]), header: (0, 0), elements })
}
