//! Variables of static storage, and the addresses that they occupy.

use std::sync::Arc;

use gimli::{AttributeValue, Operation};

use crate::binaries::Binary;
use crate::catalog::units::{Catalog, Die, Units};
use crate::location::parse;
use crate::module::Module;
use crate::symbols::demangle;
use crate::unwind::stack_pointer::global_named;

/// Statics read from one binary at most: beyond it, debug info is hostile.
const MAX_STATICS: usize = 1 << 20;

/// A variable with an address fixed at link time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Static {
    /// Its address in the module's first memory.
    pub address: u64,
    /// Its size in bytes, where the debug info has it.
    pub size: Option<u64>,
    /// Its name with namespaces; for a static in a function, with that function's name.
    pub name: String,
}

/// Reads the statics that a binary's debug info describes, by address. Reads all of its units. `global` returns the
/// value of a global of the module: statics of position-independent modules and of threads lie relative to one.
pub fn statics(binary: &Binary, global: impl Fn(u32) -> Option<u64>) -> Vec<Static> {
    let read = |catalog: &Arc<Catalog<'_>>| read_all(&Units::new(catalog.clone()), binary.module(), &global);
    binary.with_catalog(read).unwrap_or_default()
}

fn read_all(units: &Units<'_>, module: &Module<'_>, global: &dyn Fn(u32) -> Option<u64>) -> Vec<Static> {
    let read = |(die, address)| {
        let size = units.size_of(units.type_of(die));
        Some(Static { address, size, name: name(units, die)? })
    };
    let mut all: Vec<Static> = placed(units, module, global).filter_map(read).take(MAX_STATICS).collect();
    all.sort();
    all.dedup();
    all
}

/// Returns the statics that have an address, and the address; see [`statics`].
pub fn placed<'u>(
    units: &'u Units<'_>,
    module: &'u Module<'_>,
    global: &'u dyn Fn(u32) -> Option<u64>,
) -> impl Iterator<Item = (Die, u64)> + 'u {
    let memory_base = match module.memory_base() {
        Some(index) => global(index),
        None => Some(0),
    };
    let shared = module.memories().first().is_none_or(|memory| memory.shared);
    let base_of = move |base| match base {
        Base::Nothing => memory_base,
        // See `Frame::global`: where threads have storage of their own, this global is not the base of that.
        Base::Dropped if shared && global_named(module, "__tls_base").is_none() => None,
        Base::Unnamed if shared => None,
        Base::Dropped | Base::Unnamed => memory_base,
        Base::Global(index) => global(index),
    };
    let relocated = module.memory_base().is_some();
    let dies = (0..units.len()).flat_map(|unit| units.statics_of(unit));
    dies.filter_map(move |die| {
        let fixed = written(units, die).filter(|fixed| !fixed.is_dropped(relocated))?;
        if global_of(units, module, die, fixed).is_some() {
            return None;
        }
        Some((die, base_of(fixed.base)?.checked_add(fixed.offset)?.checked_add(fixed.inside)?))
    })
}

/// The global in which a static is. Clang writes its number as if it was an address (`address_space(1)`,
/// `findings/clang-globals-have-their-number-as-address.sh`): it is one where the global has the static's name.
pub fn in_global(units: &Units<'_>, module: &Module<'_>, die: Die) -> Option<u32> {
    global_of(units, module, die, written(units, die)?)
}

/// As [`in_global`], of a static with this address.
fn global_of(units: &Units<'_>, module: &Module<'_>, die: Die, fixed: Fixed) -> Option<u32> {
    if fixed.base != Base::Nothing || fixed.inside != 0 {
        return None;
    }
    let index = u32::try_from(fixed.offset).ok()?;
    let global = module.global_name(index)?.as_bytes();
    let linkage = units.inherited(die, gimli::DW_AT_linkage_name);
    let linkage = linkage.and_then(|(unit, value)| units.text(unit, value));
    (linkage.or_else(|| units.name(die)) == Some(global)).then_some(index)
}

/// The base that is added to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Base {
    Nothing,
    Global(u32),
    /// A global that the linker dropped.
    Dropped,
    /// A global of a split unit: its number is not that of the module (see [`Units::is_split`]).
    Unnamed,
}

/// An address as debug info writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fixed {
    base: Base,
    offset: u64,
    /// The constant that is added: the offset in an object that the linker placed.
    inside: u64,
}

impl Fixed {
    /// Returns the address, if no global is added to it and the linker did not drop the variable.
    pub fn address(&self) -> Option<u64> {
        if self.base != Base::Nothing || self.is_dropped(false) { None } else { self.offset.checked_add(self.inside) }
    }

    /// Returns true if the linker dropped the variable: in place of its address it leaves one of the highest addresses,
    /// or zero. `relocated` says that the module is position-independent.
    pub fn is_dropped(&self, relocated: bool) -> bool {
        let nothing = self.offset == 0 && !relocated && matches!(self.base, Base::Nothing | Base::Dropped);
        nothing || self.offset >= u64::MAX - 1 || self.offset == 0xffff_ffff || self.offset == 0xffff_fffe
    }
}

/// Returns the address of a static as it is written; `None` for a static without a fixed one.
///
/// The address is `DW_OP_addr` or `DW_OP_addrx` (DWARF 5, 2.5.1.1), in position-independent code and for thread-locals
/// added to a global (`DW_OP_WASM_location`), with a constant added or not.
pub fn written(units: &Units<'_>, die: Die) -> Option<Fixed> {
    let AttributeValue::Exprloc(expression) = units.entry(die)?.attr_value(gimli::DW_AT_location)? else { return None };
    let unit = units.unit(die.unit)?;
    let mut rest = expression.0;
    let mut next = || parse(&mut rest, unit.encoding()).ok();
    let (base, first) = match next()? {
        Operation::WasmGlobal { .. } if units.is_split(die.unit) => (Base::Unnamed, next()?),
        Operation::WasmGlobal { index: u32::MAX } => (Base::Dropped, next()?),
        Operation::WasmGlobal { index } => (Base::Global(index), next()?),
        first => (Base::Nothing, first),
    };
    let offset = match first {
        Operation::Address { address } => address,
        Operation::AddressIndex { index } => unit.address(index).ok()?,
        _ => return None,
    };
    if base != Base::Nothing && next()? != Operation::Plus {
        return None;
    }
    let inside = match next() {
        Some(Operation::PlusConstant { value }) => value,
        Some(_) => return None,
        None => 0,
    };
    rest.is_empty().then_some(Fixed { base, offset, inside })
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
