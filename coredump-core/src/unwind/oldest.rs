//! Frames' stack pointers, counted from the oldest frame on.

use std::sync::Arc;

use super::{Position, Recovered, Unwinder, instance_global};
use crate::model::{CoreDump, Frame};
use crate::module::ItemKind;
use crate::unwind::stack_pointer::wrap;

/// Fills in what could not be derived from the younger end, from the oldest frame on: a WASI command's `_start` is
/// called once, on a fresh instance (WASI application ABI), so its stack pointer at entry is the global's initial
/// value.
pub fn from_the_base<'m, 's: 'm>(
    unwinder: &Unwinder,
    dump: &CoreDump<'_>,
    frames: &[Frame],
    position: &impl Fn(usize) -> Option<Position<'m, 's>>,
    all: &mut [Recovered],
) {
    let Some(last) = all.len().checked_sub(1) else { return };
    let start = || {
        let oldest = position(last)?;
        oldest.module.exports().find(|export| {
            export.kind == ItemKind::Function && export.name == "_start" && export.index == oldest.function
        })?;
        let pointer = all[last].stack_pointer_global?;
        let initial = oldest.module.globals().get(pointer as usize)?.init?.as_address()?;
        Some((instance_global(dump, &frames[last], pointer)?, initial))
    };
    let Some((global, mut entry)) = start() else { return };
    let mut found = Vec::new();
    for index in (0..=last).rev() {
        let (frame, known) = (&frames[index], &all[index]);
        // A frame that is not known might be any.
        let Some(at) = position(index) else { break };
        let Some(pointer) = known.stack_pointer_global else { continue };
        match instance_global(dump, frame, pointer) {
            Some(other) if other == global => {}
            Some(_) => continue,
            None => break,
        }
        // The address of an aligned frame follows only from the stack pointer at the function's entry.
        let aligned = match known.moved() {
            Some(_) => None,
            None => unwinder.aligned(at, pointer, entry).map(Arc::new),
        };
        let moved = match &aligned {
            Some(state) => Recovered { state: Some(state.clone()), ..Recovered::default() }.moved(),
            None => known.moved(),
        };
        let now = match moved {
            Some(moved) => Some(wrap(at.module, pointer, entry.wrapping_add(moved))),
            None => known.stack_pointer,
        };
        // If both ends give a value, they must agree: else the program moved its stack.
        let differs = |one: Option<u64>, other: Option<u64>| one.zip(other).is_some_and(|(one, other)| one != other);
        if differs(known.stack_pointer, now) || differs(known.entry_stack_pointer, Some(entry)) {
            return;
        }
        found.push((index, entry, now, aligned));
        let Some(now) = now else { break };
        entry = now;
    }
    for (index, entry, now, aligned) in found {
        all[index].entry_stack_pointer = Some(entry);
        all[index].stack_pointer = now;
        if aligned.is_some() {
            all[index].state = aligned;
        }
    }
}
