//! Finds the variable of static storage that an address belongs to.

use super::layout::owners;
use crate::binaries::Binaries;
use crate::model::CoreDump;
use crate::variables::{Shapes, Static, statics};

/// A variable of static storage, at a fixed address.
pub type Symbol = Static;

/// The variables of static storage in one memory, by address.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    all: Vec<Symbol>,
    /// For each symbol the greatest end of all symbols up to it, which limits how far back a search must go.
    reach: Vec<u64>,
}

/// The types of the variables in the dump's memory with this index, and of what these point to. Reads the whole debug
/// info of all instances that have it.
pub fn shapes(dump: &CoreDump<'_>, binaries: &Binaries, memory: u32) -> Shapes {
    let owners = owners(dump, binaries, memory);
    let owners: Vec<_> = owners.into_iter().filter(|owner| owner.memory == 0).collect();
    let globals: Vec<_> = owners.iter().map(|owner| (owner.binary, |index| owner.global_value(dump, index))).collect();
    Shapes::new(
        dump,
        binaries,
        memory,
        globals.iter().map(|(binary, global)| (*binary, global as &dyn Fn(u32) -> Option<u64>)),
    )
}

impl Symbols {
    /// The statics of all instances that have the dump's memory with this index. Reads their whole debug info.
    pub fn new(dump: &CoreDump<'_>, binaries: &Binaries, memory: u32) -> Symbols {
        let owners = owners(dump, binaries, memory);
        // The address of a static is one in the module's first memory.
        let owners = owners.into_iter().filter(|owner| owner.memory == 0);
        Symbols::sorted(
            owners.flat_map(|owner| statics(owner.binary, |index| owner.global_value(dump, index))).collect(),
        )
    }

    fn sorted(mut all: Vec<Symbol>) -> Symbols {
        all.sort();
        all.dedup();
        let mut reach = 0;
        let ends = all.iter().map(|symbol| {
            reach = symbol.address.saturating_add(symbol.size.unwrap_or(0)).max(reach);
            reach
        });
        let reach = ends.collect();
        Symbols { all, reach }
    }

    /// The innermost symbol that covers `address`, and the offset of the address in it. A symbol of unknown size covers
    /// only its first byte.
    pub fn at(&self, address: u64) -> Option<(&Symbol, u64)> {
        let behind = self.all.partition_point(|symbol| symbol.address <= address);
        let candidates = self.all[..behind].iter().zip(&self.reach).rev();
        for (symbol, &reach) in candidates {
            let offset = address - symbol.address;
            if offset < symbol.size.unwrap_or(1).max(1) {
                return Some((symbol, offset));
            }
            if reach <= address {
                return None;
            }
        }
        None
    }

    /// The symbols of this name. A name without namespaces matches in any namespace.
    pub fn named(&self, name: &str) -> Vec<&Symbol> {
        let exact: Vec<_> = self.all.iter().filter(|symbol| symbol.name == name).collect();
        if !exact.is_empty() {
            return exact;
        }
        let ends = |symbol: &&Symbol| symbol.name.strip_suffix(name).is_some_and(|path| path.ends_with("::"));
        self.all.iter().filter(ends).collect()
    }

    /// All of them, by address.
    pub fn iter(&self) -> impl Iterator<Item = &Symbol> {
        self.all.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbols() -> Symbols {
        let symbol = |address, size, name: &str| Symbol { address, size, name: name.to_owned() };
        Symbols::sorted(vec![
            symbol(100, Some(50), "app::table"),
            symbol(110, Some(4), "app::table_head"),
            symbol(200, None, "end"),
            symbol(300, Some(4), "a::count"),
            symbol(400, Some(4), "b::count"),
        ])
    }

    #[test]
    fn the_innermost_symbol_that_covers_an_address_is_found() {
        let symbols = symbols();
        let at = |address| symbols.at(address).map(|(symbol, offset)| (symbol.name.as_str(), offset));
        assert_eq!(at(99), None);
        assert_eq!(at(111), Some(("app::table_head", 1)));
        assert_eq!(at(120), Some(("app::table", 20)));
        assert_eq!(at(150), None);
        assert_eq!(at(200), Some(("end", 0)));
        assert_eq!(at(201), None);
    }

    #[test]
    fn a_name_may_leave_out_its_namespaces() {
        let symbols = symbols();
        let named = |name| symbols.named(name).len();
        assert_eq!((named("table"), named("app::table"), named("count"), named("able")), (1, 1, 2, 0));
    }
}
