//! The walk along a goroutine's stack: each frame's size is in the table of functions, and above it stands the return
//! address. Source: Go's `runtime/traceback.go`.

use std::ops::Range;

use crate::metered::Metered;
use crate::runtimes::TaskFrame;

use super::Registers;
use super::pclntab::Pclntab;

/// Functions at which a stack ends.
const ENDS: [&str; 4] = ["runtime.goexit", "runtime.mstart", "runtime.rt0_go", "runtime.mcall"];

/// Returns the place where the frames of the goroutine that ran begin: the code address to which its youngest function
/// returns, and the stack pointer there; `None` if it is not certain.
///
/// The youngest function's place is not known in Go's own terms, so neither is the size of its frame. Of the sizes that
/// it can have, one must lead to a return address in the function of the next WebAssembly frame.
pub fn start_of_running(
    memory: &Metered<'_, '_>,
    table: &Pclntab<'_, '_>,
    registers: &Registers,
) -> Option<(u64, u64)> {
    let stack_pointer = registers.stack_pointer?;
    let youngest = table.function(table.entry_of((*registers.frames.first()?)?)?)?;
    let caller = (*registers.frames.get(1)?)?;
    let mut found = None;
    for size in table.frame_sizes(youngest) {
        let Some(place) = stack_pointer.checked_add(size) else { continue };
        let Ok(pc) = memory.uint(place, 8) else { continue };
        // If the runtime's scheduling loop called the youngest function, any function may be the caller.
        let calls = table.function_index(pc) == Some(caller) || table.entry_of(caller).is_none();
        if calls && table.function(pc).is_some_and(|function| pc > function.entry) {
            if found.is_some() {
                return None;
            }
            found = Some((pc, place + 8));
        }
    }
    found
}

/// The frames from a code address and a stack pointer on, and why the walk ended before the stack's end.
pub fn walk(
    memory: &Metered<'_, '_>,
    table: &Pclntab<'_, '_>,
    start: (u64, u64),
    stack: &Range<u64>,
    limit: usize,
) -> (Vec<TaskFrame>, Option<String>) {
    let mut frames = Vec::new();
    let (mut pc, mut stack_pointer) = start;
    let mut broken = None;
    while frames.len() < limit {
        let known = table.function(pc).and_then(|function| Some((function, table.name(function)?, table.frames(pc)?)));
        let Some((function, name, here)) = known else {
            broken = (pc != 0).then(|| format!("{pc:#x} is in no function of the program"));
            break;
        };
        if ENDS.contains(&&*name) {
            break;
        }
        frames.extend(here.iter().cloned());
        let above = table.frame_size(function, pc).and_then(|size| stack_pointer.checked_add(size));
        let above = above.filter(|above| stack.contains(above));
        let Some((above, next)) = above.and_then(|above| Some((above, memory.uint(above, 8).ok()?))) else {
            broken = Some(format!("the stack at {stack_pointer:#x} cannot be read further"));
            break;
        };
        (pc, stack_pointer) = (next, above + 8);
    }
    (frames, broken)
}
