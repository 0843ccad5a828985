//! The roots of a program: the values and parts of memory from which it can reach blocks.

use std::ops::Range;

use super::Heap;
use super::graph::Roots;
use crate::binaries::Binaries;
use crate::model::{CoreDump, Thread, Value};
use crate::regions::{Regions, STACK_POINTER, Use, unchanged_constants};
use crate::unwind::stack_pointer::{RED_ZONE, global_named, may_use_below};

impl Roots {
    /// The roots of a memory's heaps: all of the memory that is in no heap, no constant and not unused stack, globals,
    /// and what the frames hold. `names` are those of the dump's globals.
    pub fn new(
        dump: &CoreDump<'_>,
        binaries: &Binaries,
        memory: u32,
        regions: &Regions,
        heaps: &[Heap],
        names: &[Vec<String>],
    ) -> Roots {
        let below =
            if dump.threads.iter().all(|thread| uses_nothing_below(dump, binaries, thread)) { 0 } else { RED_ZONE };
        let size = dump.memories.get(memory as usize).map_or(0, |memory| memory.size);
        let unused = regions.iter().filter(|region| region.r#use == Use::FreeStack);
        let unused = unused.map(|region| region.range.start..region.range.end.saturating_sub(below));
        // Bytes that have not changed since the start cannot point to blocks that the program allocated later.
        let constant = unchanged_constants(dump, binaries, memory, regions);
        let unused = unused.chain(constant);
        let own = heaps.iter().flat_map(|heap| heap.ranges.iter().chain(&heap.state)).cloned();
        let ranges = outside(own.chain(unused).collect(), size);
        let mut roots = Roots { ranges, ..Roots::default() };
        for (index, global) in dump.globals.iter().enumerate() {
            let name = names.get(index).and_then(|names| names.first());
            let place = || name.map_or_else(|| format!("global {index}"), |name| format!("global ${name}"));
            add(&mut roots, &global.value, place);
        }
        for (number, thread) in dump.threads.iter().enumerate() {
            frames(&mut roots, number, thread);
        }
        if let Some(contents) = dump.memories.get(memory as usize) {
            let captured: u64 = contents.captured().iter().map(|range| range.end - range.start).sum();
            if captured < size {
                roots.missing.push(format!("{} bytes of the memory", size - captured));
            }
        }
        roots
    }
}

/// Returns true if it is known of a thread's youngest function that it uses nothing below the stack pointer.
fn uses_nothing_below(dump: &CoreDump<'_>, binaries: &Binaries, thread: &Thread) -> bool {
    let may_use = thread.frames.first().and_then(|frame| {
        let found = binaries.found(binaries.module_of(dump, frame)?)?;
        let module = Some(found.binary.module()).filter(|_| found.verification.is_verified())?;
        may_use_below(module, frame.function?, global_named(module, STACK_POINTER)?)
    });
    may_use == Some(false)
}

/// The values of a thread's frames.
fn frames(roots: &mut Roots, number: usize, thread: &Thread) {
    let mut unknown = 0;
    for (index, frame) in thread.frames.iter().enumerate() {
        let place = |what: &str, at: usize| format!("{what} {at} of frame {index}, thread {number}");
        let lists = [("local", &frame.locals), ("operand", &frame.stack)];
        for (what, values) in lists {
            for (at, value) in values.iter().flat_map(|values| values.iter().enumerate()) {
                add(roots, value, || place(what, at));
            }
        }
        unknown += usize::from(frame.locals.is_none());
    }
    if unknown > 0 {
        roots.missing.push(format!("the locals of {unknown} frames of thread {number}"));
    }
    if thread.truncated {
        roots.missing.push(format!("the older frames of thread {number}"));
    }
}

/// Adds what may be an address in a value: all of it, and its halves or quarters.
fn add(roots: &mut Roots, value: &Value, place: impl Fn() -> String) {
    let bits: u128 = match *value {
        Value::I32(value) => u128::from(value as u32),
        Value::I64(value) => u128::from(value as u64),
        Value::F64(bits) => u128::from(bits),
        Value::V128(bytes) => u128::from_le_bytes(bytes),
        Value::F32(_) | Value::Missing | Value::Ref(_) => return,
    };
    let quarters = (0..4).map(|index| (bits >> (32 * index)) as u32).map(u64::from);
    let mut found: Vec<u64> = quarters.chain([bits as u64, (bits >> 64) as u64]).filter(|&value| value != 0).collect();
    found.sort_unstable();
    found.dedup();
    roots.values.extend(found.into_iter().map(|value| (value, place())));
}

/// Returns `0..size` without `parts`.
fn outside(mut parts: Vec<Range<u64>>, size: u64) -> Vec<Range<u64>> {
    parts.sort_by_key(|part| part.start);
    let mut rest = Vec::new();
    let mut at = 0;
    for part in parts {
        if at < part.start {
            rest.push(at..part.start.min(size));
        }
        at = at.max(part.end);
    }
    if at < size {
        rest.push(at..size);
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::outside;

    #[test]
    fn what_is_in_no_part_is_left() {
        assert_eq!(outside(vec![20..30, 5..10, 8..12, 90..120], 100), [0..5, 12..20, 30..90]);
        assert_eq!(outside(vec![], 100), [0..100]);
    }
}
