//! What the unions in libc++'s classes hold, where bits beside them tell.

use crate::catalog::types::{Kind, Offset, Struct};
use crate::catalog::units::{Die, Units};
use crate::lang::Chosen;

/// Types in types that are looked through: wrappers differ between releases.
const LEVELS: u32 = 3;
/// Members that are looked at in each.
const MEMBERS: usize = 16;

/// A member of a structure or of what is in it: its type, and where it is in bits.
fn within(units: &Units<'_>, ty: Option<Die>, name: &[u8], levels: u32) -> Option<(Option<Die>, u64)> {
    let levels = levels.checked_sub(1)?;
    let (_, ty) = units.peeled(ty)?;
    let Kind::Struct(contents) = &ty.kind else { return None };
    contents.members.iter().take(MEMBERS).find_map(|member| {
        let Offset::Bits(at) = member.offset else { return None };
        if member.name == Some(name) {
            return Some((member.ty, at));
        }
        let (ty, inner) = within(units, member.ty, name, levels)?;
        Some((ty, at.checked_add(inner)?))
    })
}

/// The object in the block that `make_shared` and `allocate_shared` take: after the counts it is only bytes.
pub(super) fn shared(units: &Units<'_>, name: &[u8], contents: &Struct<'_>) -> Option<(Die, u64)> {
    let object = contents.arguments.first().filter(|_| name.starts_with(b"__shared_ptr_emplace<"))?.1?;
    let storage = contents.members.iter().find(|member| member.name == Some(b"__storage_"))?;
    let Offset::Bits(at) = storage.offset else { return None };
    // An allocator that has any bytes lies in front of the object.
    (units.size_of(storage.ty)? == units.size_of(Some(object))?).then_some((object, at / 8))
}

/// The characters of a long string, in the union that a string is: a pointer leads to them, and a bit says so. Before LLVM 15
/// that is a bit of the size's byte: the lowest where the byte comes first, the highest where it comes last (the layout of
/// libc++'s second ABI).
pub(super) fn long_string(contents: &Struct<'_>, units: &Units<'_>) -> Option<Chosen> {
    let named = |name: &[u8]| contents.members.iter().find(|member| member.name == Some(name));
    let (short, long) = (named(b"__s")?, named(b"__l")?);
    let (ty, at) = within(units, long.ty, b"__data_", LEVELS)?;
    let (flag, mask) = match within(units, short.ty, b"__is_long_", LEVELS) {
        Some((_, bit)) => (bit / 8, 1 << (bit % 8)),
        None => match within(units, short.ty, b"__size_", LEVELS)? {
            (_, 0) => (0, 1),
            (_, bit) => (bit / 8, 0x80),
        },
    };
    Some(Chosen { flag, mask, ty, at: at / 8 })
}

/// The value of an `optional`, if it has one.
pub(super) fn engaged(contents: &Struct<'_>, units: &Units<'_>) -> Option<Chosen> {
    let flag = contents.members.iter().find(|member| member.name == Some(b"__engaged_"))?;
    let Offset::Bits(flag) = flag.offset else { return None };
    let (ty, at) = contents.members.iter().find_map(|member| {
        let Offset::Bits(at) = member.offset else { return None };
        let (ty, inner) = within(units, member.ty, b"__val_", 1)?;
        Some((ty, at.checked_add(inner)?))
    })?;
    Some(Chosen { flag: flag / 8, mask: 1, ty, at: at / 8 })
}
