//! Finds the active member of the unions in libc++'s classes, if a flag or an index beside them says which it is.

use crate::catalog::types::{Kind, Offset, Struct};
use crate::catalog::units::{Die, Units};
use crate::lang::{Chosen, ChosenPart, Erased, ErasedBy};

/// The levels of members in which a member is searched for: the wrappers differ between releases.
const LEVELS: u32 = 3;
/// The greatest length of the chain of base classes of a `variant` or an `expected`.
const BASES: u32 = 12;
/// The number of members of each type that are looked at.
const MEMBERS: usize = 16;

/// A member of a structure or of its members: its type, and its offset in bits.
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

/// The object in the control block that `make_shared` and `allocate_shared` allocate: its type and its offset in bytes.
/// The block's own type describes it as bytes after the counts.
pub(super) fn shared(units: &Units<'_>, name: &[u8], contents: &Struct<'_>) -> Option<(Die, u64)> {
    let object = contents.arguments.first().filter(|_| name.starts_with(b"__shared_ptr_emplace<"))?.1?;
    let storage = contents.members.iter().find(|member| member.name == Some(b"__storage_"))?;
    let Offset::Bits(at) = storage.offset else { return None };
    // The storage must have the object's size: an allocator that is not empty lies in front of the object.
    (units.size_of(storage.ty)? == units.size_of(Some(object))?).then_some((object, at / 8))
}

/// The characters of a long string, in the union that a string is: a flag says whether the string is long and a pointer
/// leads to them. Before LLVM 15 the flag is a bit of the size's byte: the lowest where that byte comes first, the
/// highest where it comes last (the layout of libc++'s second ABI).
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
    Some(Chosen::flagged(flag, mask, (ty, at / 8)))
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
    Some(Chosen::flagged(flag / 8, 1, (ty, at / 8)))
}

/// The alternative that a `variant` holds, by its index.
pub(super) fn alternative(name: &[u8], contents: &Struct<'_>, units: &Units<'_>) -> Option<Chosen> {
    let whole = contents
        .members
        .iter()
        .find(|member| member.name == Some(b"__impl_" as &[u8]) || member.name == Some(b"__impl"));
    let whole = whole.filter(|_| name.starts_with(b"variant<"))?;
    let (ty, index) = within(units, whole.ty, b"__index", BASES)?;
    let (_, data) = within(units, whole.ty, b"__data", BASES)?;
    let Offset::Bits(start) = whole.offset else { return None };
    let (index, data) = (start.checked_add(index)? / 8, start.checked_add(data)? / 8);
    let size = units.size_of(ty)?;
    let parts = contents.arguments.iter().zip(0..).map(|(&(_, ty), number)| {
        // Alternatives all lie at the start of the union that they are in.
        ChosenPart { values: vec![(number, number)], ty, at: data }
    });
    Some(Chosen { discriminant: (index, size), mask: u128::MAX, parts: parts.collect() })
}

/// The value of an `expected`, or its error.
pub(super) fn expected(name: &[u8], contents: &Struct<'_>, units: &Units<'_>) -> Option<Chosen> {
    if !name.starts_with(b"expected<") {
        return None;
    }
    let search = |name: &[u8]| {
        contents.members.iter().take(MEMBERS).find_map(|member| {
            let Offset::Bits(start) = member.offset else { return None };
            let (ty, at) = match member.name == Some(name) {
                true => (member.ty, 0),
                false => within(units, member.ty, name, BASES)?,
            };
            Some((ty, start.checked_add(at)? / 8))
        })
    };
    let (_, flag) = search(b"__has_val_")?;
    let part = |name: &[u8], value| search(name).map(|(ty, at)| ChosenPart { values: vec![(value, value)], ty, at });
    let parts = [part(b"__val_", 1), part(b"__unex_", 0)];
    Some(Chosen { discriminant: (flag, 1), mask: 1, parts: parts.into_iter().flatten().collect() })
}

/// Describes the erased value in a `function` or an `any`.
pub(super) fn erased(units: &Units<'_>, name: &[u8], contents: &Struct<'_>) -> Option<Erased> {
    // Member names end in an underscore in some releases.
    let member = |contents: &Struct<'_>, name: &str| {
        let named = |own: &[u8]| own.strip_suffix(b"_").unwrap_or(own) == name.as_bytes();
        let member = contents.members.iter().find(|member| member.name.is_some_and(named))?;
        let Offset::Bits(at) = member.offset else { return None };
        Some((member.ty, at / 8))
    };
    let within = |ty: Option<Die>, name: &str| {
        let (_, ty) = units.peeled(ty)?;
        let Kind::Struct(contents) = &ty.kind else { return None };
        member(contents, name)
    };
    let [function, any, policy] =
        ["__value_func<", "any", "__policy_func<"].map(|known| match known.strip_suffix('<') {
            Some(_) => name.starts_with(known.as_bytes()),
            None => name == known.as_bytes(),
        });
    if function {
        let ((buffer, at), (_, pointer)) = (member(contents, "__buf")?, member(contents, "__f")?);
        return Some(Erased { at, room: units.size_of(buffer)?, by: ErasedBy::Pointer(pointer) });
    }
    if any {
        let ((_, handler), (storage, at)) = (member(contents, "__h")?, member(contents, "__s")?);
        let (buffer, _) = within(storage, "__buf")?;
        return Some(Erased { at, room: units.size_of(buffer)?, by: ErasedBy::Function(handler) });
    }
    if policy {
        let ((storage, at), (policy, record)) = (member(contents, "__buf")?, member(contents, "__policy")?);
        let function = match member(contents, "__func") {
            Some((_, function)) => function,
            None => {
                let (invoker, at) = member(contents, "__invoker")?;
                at.checked_add(within(invoker, "__call")?.1)?
            }
        };
        let (_, policy) = units.peeled(policy)?;
        let Kind::Pointer(_, target) = policy.kind else { return None };
        let (_, outside) = within(target, "__clone")?;
        return Some(Erased { at, room: units.size_of(storage)?, by: ErasedBy::Record { function, record, outside } });
    }
    None
}
