//! Divides a memory into cells for a picture: the use and the contents of each.

use std::ops::Range;
use std::rc::Rc;

use coredump_core::heap::{Block, Graph, State};
use coredump_core::memory::{Count, Memory};
use coredump_core::regions::{Region, Regions, Use};

use crate::content::{Content, content};
use crate::heaps::Heaps;
use crate::inspection::Inspection;

/// A memory divided into cells of equal size.
pub struct Map {
    /// Index of the memory.
    pub index: u32,
    /// Size of the memory in bytes.
    pub size: u64,
    /// Bytes per cell.
    pub cell: u64,
    /// Cells per row.
    pub columns: usize,
    /// The cells.
    pub cells: Vec<Cell>,
    /// The regions of the memory.
    pub regions: Rc<Regions>,
    /// The bytes of the memory that are known.
    pub count: Count,
    /// The number of bytes of heap blocks that are used, free and leaked.
    blocks: [u64; 3],
}

/// The use of a part of a memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapPart {
    /// A region of the program's layout.
    Region(Use),
    /// Used blocks of a heap.
    Used,
    /// Free blocks of a heap.
    Free,
    /// Used blocks that nothing reachable points to.
    Leaked,
}

impl MapPart {
    /// The name of the part.
    pub fn name(self) -> &'static str {
        match self {
            MapPart::Region(r#use) => r#use.name(),
            MapPart::Used => "used",
            MapPart::Free => "free",
            MapPart::Leaked => "leaked",
        }
    }
}

/// The parts that heaps consist of.
const OF_HEAPS: [MapPart; 3] = [MapPart::Used, MapPart::Free, MapPart::Leaked];
/// Bytes of heaps in which leaks are looked for.
const SEARCHED: u64 = 256 << 20;

/// One cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The use of most of the cell.
    pub part: MapPart,
    /// The contents of the cell.
    pub content: Content,
}

impl Map {
    /// Divides a memory into at most `rows` rows of `columns` cells.
    pub fn new(inspection: &Inspection<'_>, index: u32, memory: &Memory<'_>, columns: usize, rows: usize) -> Map {
        let regions = inspection.regions(index);
        let cells = (columns * rows) as u64;
        // A power of two, so that rows begin at round addresses.
        let cell = memory.size.div_ceil(cells).max(16).checked_next_power_of_two().unwrap_or(1 << 63);
        let ranges = (0..memory.size.div_ceil(cell)).map(|number| {
            let start = number * cell;
            start..start.saturating_add(cell).min(memory.size)
        });
        let heaps = heaps(inspection, index, memory, cell);
        let cells = ranges.enumerate().map(|(number, range)| {
            let part = heaps.get(number).and_then(|bytes| most_of_heaps(bytes, range.end - range.start));
            let part = part.unwrap_or_else(|| MapPart::Region(most(&regions, &range)));
            Cell { part, content: content(memory, range) }
        });
        let cells = cells.collect();
        let count = Count::in_range(memory, 0..memory.size);
        let blocks = [0, 1, 2].map(|part| heaps.iter().map(|bytes| bytes[part]).sum());
        Map { index, size: memory.size, cell, columns, cells, regions, count, blocks }
    }

    /// The rows: the address of the first cell, and the cells.
    pub fn rows(&self) -> impl Iterator<Item = (u64, &[Cell])> {
        let row = self.cell * self.columns as u64;
        self.cells.chunks(self.columns).enumerate().map(move |(number, cells)| (number as u64 * row, cells))
    }

    /// The named parts that begin in a row.
    pub fn beginning(&self, start: u64) -> impl Iterator<Item = &Region> {
        let row = start..start.saturating_add(self.cell * self.columns as u64);
        self.regions.iter().filter(move |region| row.contains(&region.range.start) && region.r#use != Use::Unknown)
    }

    /// The parts that appear, with the size of each in bytes; those of heaps are counted in their regions as well.
    pub fn parts(&self) -> Vec<(MapPart, u64)> {
        let mut parts: Vec<(MapPart, u64)> = Vec::new();
        for region in self.regions.iter() {
            let len = region.range.end - region.range.start;
            let part = MapPart::Region(region.r#use);
            match parts.iter_mut().find(|(known, _)| *known == part) {
                Some((_, sum)) => *sum += len,
                None => parts.push((part, len)),
            }
        }
        parts.extend(OF_HEAPS.into_iter().zip(self.blocks).filter(|(_, bytes)| *bytes > 0));
        parts
    }
}

/// For each cell, the number of bytes in used, free and leaked blocks. If roots are missing or records are broken, no
/// block counts as leaked.
fn heaps(inspection: &Inspection<'_>, index: u32, memory: &Memory<'_>, cell: u64) -> Vec<[u64; 3]> {
    let Some(memory) = inspection.dump.memories.get(index as usize).filter(|known| known.size == memory.size) else {
        return Vec::new();
    };
    let found = Heaps::new(inspection, index, memory);
    let count = memory.size.div_ceil(cell) as usize;
    let mut cells = if found.heaps.is_empty() { Vec::new() } else { vec![[0; 3]; count] };
    let mut add = |block: &Block, part: usize| {
        let mut at = block.address;
        while at < block.end()
            && let Some(bytes) = cells.get_mut((at / cell) as usize)
        {
            let end = block.end().min((at / cell + 1).saturating_mul(cell));
            bytes[part] += end - at;
            if part == 2 {
                // A leaked block was counted as used.
                bytes[0] = bytes[0].saturating_sub(end - at);
            }
            at = end;
        }
    };
    let blocks = found.heaps.iter().flat_map(|heap| heap.blocks(found.view())).filter_map(Result::ok);
    for block in blocks {
        match block.state {
            State::Used | State::Several => add(&block, 0),
            State::Free => add(&block, 1),
            State::Unknown => {}
        }
    }
    let ranges = found.heaps.iter().flat_map(|heap| &heap.ranges);
    let size: u64 = ranges.map(|range| range.end - range.start).sum();
    if found.roots().missing.is_empty()
        && size <= SEARCHED
        && let Some(mut graph) = Graph::new(&found.heaps, found.view())
        && graph.damage().next().is_none()
    {
        graph.leaks(found.roots(), |block| add(block, 2));
    }
    cells
}

/// The state of most of a cell of which heaps have at least half.
fn most_of_heaps(bytes: &[u64; 3], size: u64) -> Option<MapPart> {
    let (part, _) = OF_HEAPS.into_iter().zip(bytes).max_by_key(|(_, bytes)| **bytes)?;
    (bytes.iter().sum::<u64>() * 2 >= size).then_some(part)
}

/// The use of most of a range; a known use, however small its part, has precedence over unknown ones.
fn most(regions: &Regions, range: &Range<u64>) -> Use {
    let overlap = |region: &Range<u64>| region.end.min(range.end).saturating_sub(region.start.max(range.start));
    regions
        .within(range.clone())
        .max_by_key(|region| (region.r#use != Use::Unknown, overlap(&region.range)))
        .map_or(Use::Unknown, |region| region.r#use)
}
