//! `--memory stack`: the shadow stack, and what the frames and it point to. The heap at large stays private.

use std::ops::Range;

use coredump_core::model::{CoreDump, Global, Instance, Value};
use coredump_core::module::{Constant, Module};

/// Bytes below the stack pointer: a leaf function uses some without moving it.
const RED_ZONE: u64 = 1024;

/// Greatest stretch of shadow stack that is taken, in bytes.
const LONGEST_STACK: u64 = 8 << 20;

/// Bytes around the target of a pointer: most of a structure or a string.
const BEFORE: u64 = 64;
const BEHIND: u64 = 1024;

/// Values below are small numbers, not pointers: toolchains leave the first page alone.
const FIRST_POINTER: u64 = 1024;

/// The ranges of memory `index` to take, ascending and disjoint.
pub fn reached(dump: &CoreDump<'_>, index: u32, bytes: &[u8], memory64: bool) -> Vec<Range<u64>> {
    let size = bytes.len() as u64;
    let width = if memory64 { 8 } else { 4 };
    let mut ranges = Vec::new();
    let uses = |instance: &Instance| instance.memories.first() == Some(&Some(index));
    for instance in dump.instances.iter().filter(|instance| uses(instance)) {
        let Some(stack) = shadow_stack(dump, instance, size) else { continue };
        let words = bytes[stack.start as usize..stack.end as usize].chunks_exact(width);
        for word in words {
            let mut wide = [0; 8];
            wide[..width].copy_from_slice(word);
            ranges.extend(around(u64::from_le_bytes(wide), size));
        }
        ranges.push(stack);
    }
    for frame in dump.threads.iter().flat_map(|thread| &thread.frames) {
        let instance = frame.instance.and_then(|instance| dump.instances.get(instance as usize));
        // If the instance is not known, any memory may be meant.
        if instance.is_some_and(|instance| !uses(instance)) {
            continue;
        }
        let values = [&frame.locals, &frame.stack].into_iter().flatten().flat_map(|list| list.iter());
        ranges.extend(values.filter_map(address).flat_map(|address| around(address, size)));
    }
    merge(ranges)
}

/// A value as an address.
pub fn address(value: &Value) -> Option<u64> {
    match *value {
        Value::I32(value) => Some(u64::from(value as u32)),
        Value::I64(value) => Some(value as u64),
        _ => None,
    }
}

fn around(address: u64, size: u64) -> Option<Range<u64>> {
    (FIRST_POINTER..size).contains(&address).then(|| address - BEFORE..address.saturating_add(BEHIND).min(size))
}

/// Position and initial value of a module's stack pointer: LLVM-based toolchains keep it in the first mutable global,
/// which begins at the high end of the stack (tool-conventions, `BasicCABI.md`).
pub fn stack_pointer(module: &Module<'_>) -> Option<(usize, u64)> {
    let position = module.globals().iter().position(|global| global.mutable && global.init.is_some())?;
    match module.globals()[position].init? {
        init @ (Constant::I32(_) | Constant::I64(_)) => Some((position, init.as_address()?)),
        _ => None,
    }
}

/// The used part of a stack that begins at `top` and whose pointer is at `pointer`, in a memory of `size` bytes.
pub fn used_stack(pointer: u64, top: u64, size: u64) -> Option<Range<u64>> {
    let end = top.min(size);
    let start = pointer.saturating_sub(RED_ZONE).max(end.saturating_sub(LONGEST_STACK));
    (pointer <= top && start < end).then_some(start..end)
}

/// From the stack pointer to where it began.
fn shadow_stack(dump: &CoreDump<'_>, instance: &Instance, size: u64) -> Option<Range<u64>> {
    let module = dump.modules.get(instance.module? as usize)?;
    let (position, top) = stack_pointer(&Module::parse(module.embedded?).ok()?)?;
    let global: &Global = dump.globals.get((*instance.globals.get(position)?)? as usize)?;
    used_stack(address(&global.value)?, top, size)
}

fn merge(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}
