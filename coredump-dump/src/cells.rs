//! A memory cut into cells, for a picture: what each is for and what it holds.

use std::ops::Range;
use std::rc::Rc;

use coredump_core::memory::{Count, Memory};
use coredump_core::regions::{Region, Regions, Use};

use crate::content::{Content, content};
use crate::session::Session;

/// A memory cut into cells of equal size.
pub struct Map {
    /// Index of the memory.
    pub index: u32,
    /// Its size in bytes.
    pub size: u64,
    /// Bytes a cell.
    pub cell: u64,
    /// Cells a row.
    pub columns: usize,
    /// The cells.
    pub cells: Vec<Cell>,
    /// Which part is what.
    pub regions: Rc<Regions>,
    /// How much of it is known.
    pub count: Count,
}

/// One cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// What most of it is for.
    pub r#use: Use,
    /// What it holds.
    pub content: Content,
}

impl Map {
    /// Cuts a memory into at most `rows` rows of `columns` cells.
    pub fn new(session: &Session<'_>, index: u32, memory: &Memory<'_>, columns: usize, rows: usize) -> Map {
        let regions = session.regions(index);
        let cells = (columns * rows) as u64;
        // A power of two, so that rows begin at round addresses.
        let cell = memory.size.div_ceil(cells).max(16).checked_next_power_of_two().unwrap_or(1 << 63);
        let ranges = (0..memory.size.div_ceil(cell)).map(|number| {
            let start = number * cell;
            start..start.saturating_add(cell).min(memory.size)
        });
        let cells =
            ranges.map(|range| Cell { r#use: most(&regions, &range), content: content(memory, range) }).collect();
        let count = Count::of(memory, 0..memory.size);
        Map { index, size: memory.size, cell, columns, cells, regions, count }
    }

    /// The rows: address of the first cell, the cells.
    pub fn rows(&self) -> impl Iterator<Item = (u64, &[Cell])> {
        let row = self.cell * self.columns as u64;
        self.cells.chunks(self.columns).enumerate().map(move |(number, cells)| (number as u64 * row, cells))
    }

    /// The named parts that begin in a row.
    pub fn beginning(&self, start: u64) -> impl Iterator<Item = &Region> {
        let row = start..start.saturating_add(self.cell * self.columns as u64);
        self.regions.iter().filter(move |region| row.contains(&region.range.start) && region.r#use != Use::Unknown)
    }

    /// The uses that appear, with the bytes of each.
    pub fn uses(&self) -> Vec<(Use, u64)> {
        let mut uses: Vec<(Use, u64)> = Vec::new();
        for region in self.regions.iter() {
            let len = region.range.end - region.range.start;
            match uses.iter_mut().find(|(known, _)| *known == region.r#use) {
                Some((_, sum)) => *sum += len,
                None => uses.push((region.r#use, len)),
            }
        }
        uses
    }
}

/// What most of a range is for; a small part that is known wins over what is not.
fn most(regions: &Regions, range: &Range<u64>) -> Use {
    let overlap = |region: &Range<u64>| region.end.min(range.end).saturating_sub(region.start.max(range.start));
    regions
        .within(range.clone())
        .max_by_key(|region| (region.r#use != Use::Unknown, overlap(&region.range)))
        .map_or(Use::Unknown, |region| region.r#use)
}
