//! Overflow of the shadow stack.
//!
//! LLVM keeps what must have an address (arrays, structures, variables whose address is taken) on a stack of its own in
//! linear memory, which grows downwards and has no guard. If the stack comes first in memory, the access below address
//! 0 traps as out of bounds. If static data lies below it (wasm-ld without `--stack-first`), that is overwritten, and
//! the program dies of it sooner or later, anywhere.

use std::fmt;

use super::layout::{Marks, STACK_POINTER, data, definer, owners};
use super::symbols::Symbols;
use crate::binaries::Binaries;
use crate::model::CoreDump;
use crate::variables::Inspector;

/// The number of data segments that are looked at: linkers write one for each section.
const SEGMENTS: usize = 64;

/// Bytes of a shadow stack below which nobody looks for statics in it: what wasm-ld makes by default. Others are
/// larger.
const SMALLEST: u64 = 65536;

/// An overflow of the shadow stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overrun {
    /// Below address 0: the stack pointer wrapped around.
    BelowMemory {
        /// The stack pointer.
        pointer: u64,
    },
    /// Into the static data below it.
    IntoData {
        /// The stack pointer.
        pointer: u64,
        /// The address at which static data ends.
        end: u64,
    },
}

/// The overflow of the shadow stack in the dump's memory with this index; `None` if there was none, or if that is not
/// known.
pub fn overrun(dump: &CoreDump<'_>, binaries: &Binaries, memory: u32) -> Option<Overrun> {
    let size = dump.memories.get(memory as usize)?.size;
    let owners = owners(dump, binaries, memory);
    let owner = definer(&owners)?;
    let pointer = owner.mark(dump, STACK_POINTER)?;
    let high = Marks::new(dump, owner, &[]).stack_high.filter(|&high| high > 0)?;
    let end = data(dump, owner).take(SEGMENTS).map(|segment| segment.range.end).max();
    judge(pointer, high, end, size).or_else(|| {
        // Debug information is read only if static data lies below the stack.
        end.filter(|&end| end <= high)?;
        into_statics(dump, binaries, memory, pointer, high)
    })
}

/// The overflow of a stack that began at `high` into a variable that starts as zero. A stack of a thread or a coroutine
/// may lie in such a variable as well: it is one only if the frames lie one after the other from above the variable on.
fn into_statics(dump: &CoreDump<'_>, binaries: &Binaries, memory: u32, pointer: u64, high: u64) -> Option<Overrun> {
    high.checked_sub(pointer).filter(|used| *used >= SMALLEST)?;
    let statics = Symbols::new(dump, binaries, memory);
    let ends = statics.iter().map(|symbol| symbol.address.saturating_add(symbol.size.unwrap_or(0)));
    let end = ends.filter(|end| (pointer + 1..=high).contains(end)).max()?;
    let inspector = Inspector::new(dump, binaries);
    let is_one = (0..dump.threads.len()).any(|thread| inspector.reaches_up_to(thread, pointer, end));
    is_one.then_some(Overrun::IntoData { pointer, end })
}

/// The stack pointer of the program whose shadow stack is in the dump's memory with this index.
pub fn stack_pointer(dump: &CoreDump<'_>, binaries: &Binaries, memory: u32) -> Option<u64> {
    definer(&owners(dump, binaries, memory))?.mark(dump, STACK_POINTER)
}

/// `pointer` started at `high` and grows downwards; initialised data ends at `data_end`, the memory at `size`.
fn judge(pointer: u64, high: u64, data_end: Option<u64>, size: u64) -> Option<Overrun> {
    // A pointer inside of the memory and above the stack's start is that of another stack, on the heap: a thread's or a
    // coroutine's.
    if pointer > size.max(high) {
        return Some(Overrun::BelowMemory { pointer });
    }
    // Such a stack may also lie in zero-initialised static data, but not in initialised data.
    let end = data_end.filter(|&end| end <= high)?;
    (pointer < end).then_some(Overrun::IntoData { pointer, end })
}

impl fmt::Display for Overrun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Overrun::BelowMemory { pointer } => {
                write!(f, "the shadow stack ran out of memory ($__stack_pointer is {pointer:#x})")
            }
            Overrun::IntoData { pointer, end } => {
                write!(
                    f,
                    "the shadow stack ran into static data ($__stack_pointer is {pointer:#x}, data ends at {end:#x})"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 0x20000;

    #[test]
    fn a_stack_above_data_runs_into_it_and_then_below_the_memory() {
        let ran = |pointer| judge(pointer, 0x11000, Some(0x1000), SIZE);
        assert_eq!(ran(0x1000), None);
        assert_eq!(ran(0xff0), Some(Overrun::IntoData { pointer: 0xff0, end: 0x1000 }));
        assert_eq!(ran(0xffff_fff0), Some(Overrun::BelowMemory { pointer: 0xffff_fff0 }));
    }

    #[test]
    fn a_stack_that_comes_first_runs_below_the_memory() {
        let ran = |pointer| judge(pointer, 0x10000, Some(0x11000), SIZE);
        assert_eq!(ran(0), None);
        assert_eq!(ran(0xffff_fff0), Some(Overrun::BelowMemory { pointer: 0xffff_fff0 }));
    }

    #[test]
    fn a_stack_of_a_thread_on_the_heap_is_no_overrun() {
        assert_eq!(judge(0x18000, 0x11000, Some(0x1000), SIZE), None);
        assert_eq!(judge(0x18000, 0x11000, None, SIZE), None);
    }
}
