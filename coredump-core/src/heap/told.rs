//! The types that blocks show themselves, by a class id in front of them or a vtable at their start.

use std::collections::HashMap;

use super::block::Block;
use super::survey::Count;
use super::view::View;
use super::{Heap, vtable};

/// Counts of blocks by the types that they show. Most blocks show the same few types: each is put into words once.
pub struct Told<'h> {
    heaps: &'h [Heap],
    classes: HashMap<u32, Count>,
    /// The class for a block's first word; none if that is no vtable.
    tables: HashMap<u64, Option<(String, Count)>>,
}

/// Words that are remembered; beyond it, what looks like vtables is looked at each time.
const REMEMBERED: usize = 1 << 16;

impl<'h> Told<'h> {
    /// Nothing counted of the blocks of these heaps.
    pub fn new(heaps: &'h [Heap]) -> Self {
        Told { heaps, classes: HashMap::new(), tables: HashMap::new() }
    }

    /// Counts a block if it shows its type, and returns true then.
    pub fn count(&mut self, view: &View<'_>, block: &Block) -> bool {
        if let Some(class) = block.class {
            self.classes.entry(class).or_default().add(block);
            return true;
        }
        let Some(table) = view.word(block.address).filter(|&table| self.is_static(view, table)) else { return false };
        let known = match self.tables.get_mut(&table) {
            Some(known) => known,
            None => {
                let class = self.class(view, table).map(|name| (name, Count::default()));
                if class.is_none() && self.tables.len() >= REMEMBERED {
                    return false;
                }
                self.tables.entry(table).or_insert(class)
            }
        };
        known.as_mut().map(|(_, count)| count.add(block)).is_some()
    }

    /// Adds what was counted of other blocks of the same heaps.
    pub fn join(&mut self, other: Told<'_>) {
        for (class, count) in other.classes {
            self.classes.entry(class).or_default().join(count);
        }
        for (table, told) in other.tables {
            match (self.tables.get_mut(&table), told) {
                (Some(Some((_, own))), Some((_, count))) => own.join(count),
                (Some(_), _) => {}
                (None, told) => _ = self.tables.insert(table, told),
            }
        }
    }

    /// Returns the counts, by type.
    pub fn totals(self) -> HashMap<String, Count> {
        let mut totals: HashMap<String, Count> = HashMap::new();
        for (class, count) in self.classes {
            totals.entry(class_name(class)).or_default().join(count);
        }
        for (name, count) in self.tables.into_values().flatten() {
            totals.entry(name).or_default().join(count);
        }
        totals
    }

    /// The type that one block shows; `None` if it shows none.
    pub fn name(&self, view: &View<'_>, block: &Block) -> Option<String> {
        match block.class {
            Some(class) => Some(class_name(class)),
            None => self.class(view, view.word(block.address).filter(|&table| self.is_static(view, table))?),
        }
    }

    /// The class whose vtable is at this address.
    fn class(&self, view: &View<'_>, table: u64) -> Option<String> {
        vtable::class(view, table, |address| self.is_static(view, address))
    }

    #[inline]
    fn is_static(&self, view: &View<'_>, address: u64) -> bool {
        address >= 8 && address < view.memory().size && !self.heaps.iter().any(|heap| heap.holds(address))
    }
}

/// Names AssemblyScript's fixed class ids; the others differ from program to program.
fn class_name(class: u32) -> String {
    match class {
        0 => "Object".into(),
        1 => "ArrayBuffer".into(),
        2 => "String".into(),
        other => format!("class {other}"),
    }
}
