//! Tasks of wit-bindgen, which implements a component's asynchronous exports (WASI 0.3) with futures.
//!
//! Each task is a `Pin<Box<dyn Future>>`: the address of a used heap block, and that of a vtable. rustc describes each
//! vtable as a variable, whose type names the future. The futures of exports and of `spawn_local` are recognised by the
//! functions that create them. Seen with wit-bindgen 0.63.0 in wasip3 0.10.0.

use std::collections::HashMap;

use super::header::word;
use crate::catalog::units::Die;
use crate::heap::{Heap, State, View};
use crate::lang::Renderer;
use crate::lang::rust::RustValues;
use crate::values::Value;

/// The number of vtables, blocks and tasks that are looked at.
const MAX_TABLES: usize = 1 << 14;
const MAX_BLOCKS: usize = 1 << 22;
const MAX_TASKS: usize = 1 << 14;
/// By how many bytes, at most, a block is larger than the request, except where an allocator rounds up to powers of
/// two.
const ROUNDING: u64 = 64;

/// The end of the name of a future's vtable.
const OF_FUTURE: &[u8] = b" as core::future::future::Future>::{vtable}";

/// The futures that are tasks, in the memory of the renderer's module.
pub fn tasks(renderer: &Renderer<'_, '_, '_>, heaps: impl FnOnce() -> Vec<Heap>) -> Vec<Value> {
    let tables = tables(renderer);
    let Some(memory) = renderer.frame.memory.filter(|_| !tables.is_empty()) else { return Vec::new() };
    let (heaps, view) = (heaps(), View::new(memory));
    let blocks = heaps.iter().flat_map(|heap| heap.blocks(&view)).filter_map(Result::ok).take(MAX_BLOCKS);
    let used: HashMap<u64, u64> = blocks
        .filter(|block| block.state == State::Used)
        .map(|block| (block.address, block.requested.unwrap_or(block.size)))
        .collect();
    let mut found = HashMap::new();
    let width = memory.pointer_size();
    for (&start, &size) in &used {
        let end = start.saturating_add(size);
        let mut at = start.next_multiple_of(width);
        while at.saturating_add(2 * width) <= end && found.len() < MAX_TASKS {
            let read = || {
                let ty = *tables.get(&word(renderer, at + width)?)?;
                let address = word(renderer, at)?;
                let (room, size) = (*used.get(&address)?, renderer.frame.units.size_of(Some(ty))?);
                let fits = size > 0 && size <= room && room < (2 * size).max(size + ROUNDING);
                fits.then_some((address, ty))
            };
            found.extend(read());
            at += width;
        }
    }
    let mut found: Vec<_> = found.into_iter().collect();
    found.sort_unstable_by_key(|&(address, _)| address);
    found.into_iter().map(|(address, ty)| Value::in_memory(Some(ty), address)).collect()
}

/// The vtables of such tasks, and which future each is for.
fn tables(renderer: &Renderer<'_, '_, '_>) -> HashMap<u64, Die> {
    let units = &renderer.frame.units;
    let tables = (0..units.len()).flat_map(|unit| units.vtables_of(unit));
    let tables = tables.filter(|die| units.name(*die).is_some_and(|name| name.ends_with(OF_FUTURE)));
    let tables = tables.take(MAX_TABLES).filter_map(|table| RustValues(renderer).described_vtable(table));
    tables.filter(|&(_, ty)| is_task(&units.path(ty))).collect()
}

/// Returns true if a future with this path is created where wit-bindgen creates tasks: in its own code, or in an
/// export's function.
fn is_task(path: &[&[u8]]) -> bool {
    let is_own =
        matches!(path, [b"wit_bindgen", b"rt", b"async_support", ..] | [b"wit_bindgen_rt", b"async_support", ..]);
    is_own || path.last().is_some_and(|name| name.starts_with(b"_export_") && name.ends_with(b"_cabi"))
}

#[cfg(test)]
mod tests {
    use super::is_task;

    #[test]
    fn tasks_are_known_by_who_makes_them() {
        assert!(is_task(&[b"wit_bindgen", b"rt", b"async_support", b"spawn", b"spawn_local"]));
        assert!(is_task(&[b"shop", b"exports", b"orders", b"_export_handle_cabi"]));
        assert!(!is_task(&[b"shop", b"handle"]));
        assert!(!is_task(&[]));
    }
}
