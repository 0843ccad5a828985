//! Variables of static storage: which addresses they occupy.

use gimli::{AttributeValue, Operation, UnitRef};

use super::location::parse;
use super::units::{Bytes, Die, Units};
use crate::binaries::Binary;
use crate::symbols::demangle;

/// Statics read from one binary at most: beyond it, debug info is hostile.
const MAX_STATICS: usize = 1 << 20;

/// A variable with an address fixed at link time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Static {
    /// Its address in the module's first memory.
    pub address: u64,
    /// Its size in bytes, where the debug info tells it.
    pub size: Option<u64>,
    /// Its name, with namespaces and, of one in a function, that function.
    pub name: String,
}

/// The statics that a binary's debug info describes, by address. Reads all of its units.
///
/// Those of position-independent modules are left out: where they lie is decided when they are loaded.
pub fn statics(binary: &Binary) -> Vec<Static> {
    let relocated = binary.module().imports().any(|import| import.name == "__memory_base");
    if relocated {
        return Vec::new();
    }
    binary.with_catalog(|catalog| read_all(&Units::new(catalog.clone()))).unwrap_or_default()
}

fn read_all(units: &Units<'_>) -> Vec<Static> {
    let mut all: Vec<Static> = (0..units.len())
        .flat_map(|unit| units.statics_of(unit))
        .filter_map(|die| read(units, die))
        .take(MAX_STATICS)
        .collect();
    all.sort();
    all.dedup();
    all
}

/// The address of a static; `None` for what has none that is fixed.
pub(super) fn address_of(units: &Units<'_>, die: Die) -> Option<u64> {
    let AttributeValue::Exprloc(expression) = units.entry(die)?.attr_value(gimli::DW_AT_location)? else { return None };
    address(units.unit(die.unit)?, expression)
}

/// Whether a static had an address until the linker dropped it.
pub(super) fn is_dropped(units: &Units<'_>, die: Die) -> bool {
    let location = units.entry(die).and_then(|entry| entry.attr_value(gimli::DW_AT_location));
    let (Some(AttributeValue::Exprloc(expression)), Some(unit)) = (location, units.unit(die.unit)) else {
        return false;
    };
    let first = parse(&mut { expression.0 }, unit.encoding());
    let addressed = matches!(first, Ok(Operation::Address { .. } | Operation::AddressIndex { .. }));
    addressed && address(unit, expression).is_none()
}

fn read(units: &Units<'_>, die: Die) -> Option<Static> {
    let address = address_of(units, die)?;
    let size = units.size_of(units.type_of(die));
    Some(Static { address, size, name: name(units, die)? })
}

/// The address of `DW_OP_addr` or `DW_OP_addrx` (DWARF 5, 2.5.1.1), with a constant added or not. Anything else is not
/// fixed: a thread's own copy, a value that is nowhere.
fn address<'s>(unit: UnitRef<'_, Bytes<'s>>, expression: gimli::Expression<Bytes<'s>>) -> Option<u64> {
    let mut rest = expression.0;
    let mut next = || parse(&mut rest, unit.encoding()).ok();
    let base = match next()? {
        Operation::Address { address } => address,
        Operation::AddressIndex { index } => unit.address(index).ok()?,
        _ => return None,
    };
    // Where the linker dropped the variable it leaves nothing, or one of these (FORMAT: tombstones).
    if base == 0 || base >= u64::MAX - 1 || base == 0xffff_ffff || base == 0xffff_fffe {
        return None;
    }
    let address = match next() {
        Some(Operation::PlusConstant { value }) => base.checked_add(value)?,
        Some(_) => return None,
        None => base,
    };
    rest.is_empty().then_some(address)
}

fn name(units: &Units<'_>, die: Die) -> Option<String> {
    let linkage = units.inherited(die, gimli::DW_AT_linkage_name);
    if let Some(linkage) = linkage.and_then(|(unit, value)| units.text(unit, value))
        && let Ok(linkage) = str::from_utf8(linkage)
    {
        let plain = demangle(linkage);
        if plain != linkage {
            return Some(plain.into_owned());
        }
    }
    let mut path = units.path(die);
    path.push(units.name(die).filter(|name| !name.is_empty())?);
    let path: Vec<_> = path.into_iter().map(String::from_utf8_lossy).collect();
    Some(path.join("::"))
}
