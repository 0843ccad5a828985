//! The header of a tokio task, to which its handles point, and the vtable that it refers to.

use crate::lang::Renderer;
use crate::regions::{Regions, Use};

/// The number of functions that a vtable has. Each is an index in the program's first table.
pub const FUNCTIONS: u64 = 7;
/// The end of a cell lies before this.
const MAX_CELL: u64 = 1 << 24;

/// The id of the task whose header is at an address.
pub fn id(renderer: &Renderer<'_, '_, '_>, header: u64) -> Option<u64> {
    let memory = renderer.frame.memory?;
    let table = word(renderer, header.checked_add(2 * memory.pointer_size())?)?;
    let offset = offsets(renderer, table)?.2;
    memory.uint(header.checked_add(offset)?, 8).ok()
}

/// The offsets in a cell of the trailer, the scheduler and the id, if a vtable is at the address.
pub fn offsets(renderer: &Renderer<'_, '_, '_>, table: u64) -> Option<(u64, u64, u64)> {
    let width = renderer.frame.memory?.pointer_size();
    let nth = |nth: u64| word(renderer, table.checked_add(nth * width)?);
    let (trailer, scheduler, id) = (nth(FUNCTIONS)?, nth(FUNCTIONS + 1)?, nth(FUNCTIONS + 2)?);
    // The header has three words, the owner's id of 8 bytes, aligned to 8, and an id for tracing if that is compiled
    // in. The scheduler follows it.
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

/// Returns true if an address is in a part of memory that is known to be no heap.
pub fn is_outside_of_heaps(regions: &Regions, address: u64) -> bool {
    let part = regions.at(address).map(|region| region.r#use);
    part.is_some_and(|part| matches!(part, Use::Stack | Use::FreeStack | Use::BssOrFreeStack | Use::Data))
}
