//! The header of a task of tokio, which its handles point to, and the table of functions that it names.

use crate::lang::Renderer;
use crate::regions::{Regions, Use};

/// Functions of a table, of which each is a number in the program's table of functions.
pub const FUNCTIONS: u64 = 7;
/// The end of a cell lies before this.
const MAX_CELL: u64 = 1 << 24;

/// The number of the task whose header is at an address.
pub fn id(renderer: &Renderer<'_, '_, '_>, header: u64) -> Option<u64> {
    let memory = renderer.frame.memory?;
    let table = word(renderer, header.checked_add(2 * memory.pointer_size())?)?;
    let offset = offsets(renderer, table)?.2;
    memory.uint(header.checked_add(offset)?, 8).ok()
}

/// The offsets of the trailer, the scheduler and the number, where there is such a table.
pub fn offsets(renderer: &Renderer<'_, '_, '_>, table: u64) -> Option<(u64, u64, u64)> {
    let width = renderer.frame.memory?.pointer_size();
    let nth = |nth: u64| word(renderer, table.checked_add(nth * width)?);
    let (trailer, scheduler, id) = (nth(FUNCTIONS)?, nth(FUNCTIONS + 1)?, nth(FUNCTIONS + 2)?);
    // The header: three words, the owner's number of 8 bytes at a multiple of these, and where it is compiled in, an
    // identity for tracing; after it the scheduler.
    let header = (3 * width).next_multiple_of(8);
    let sensible = (header..header + 64).contains(&scheduler)
        && scheduler % width == 0
        && id % 8 == 0
        && (scheduler..scheduler + 64).contains(&id)
        && (id + 8..MAX_CELL).contains(&trailer)
        && trailer % width == 0;
    sensible.then_some((trailer, scheduler, id))
}

/// A word of the memory of the renderer's module.
pub fn word(renderer: &Renderer<'_, '_, '_>, address: u64) -> Option<u64> {
    renderer.frame.memory?.pointer(address).ok()
}

/// Whether an address is one of a part of memory that is known to be no heap.
pub fn is_outside_of_heaps(regions: &Regions, address: u64) -> bool {
    let part = regions.at(address).map(|region| region.r#use);
    part.is_some_and(|part| matches!(part, Use::Stack | Use::FreeStack | Use::BssOrFreeStack | Use::Data))
}
