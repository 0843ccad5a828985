//! AssemblyScript's runtime `stub`, which gives back nothing but the last block.
//!
//! A block has its size in its first word, and blocks follow each other up to the address in a global, where the next
//! one will begin. An object's block has four words more in front of it: two that are 0, the class id, the object's
//! size. No record says whether the program still has a block.

use super::block::{Block, Damage, State};
use super::view::View;
use super::{Allocator, AllocatorKind, Blocks, FoundHeap};

/// Bytes of the words in front of an object.
const OBJECT: u64 = 16;
/// Blocks that follow each other up to a global's value by more than chance.
const ENOUGH: u64 = 4;
/// Globals that are tried as the start, or as the end.
const STARTS: usize = 64;
/// Headers that are looked at after a broken one.
const MOST: u64 = 1 << 20;

/// The heap.
#[derive(Clone, Copy, Debug)]
pub struct Stub {
    start: u64,
    /// The address at which the next block will begin.
    end: u64,
}

/// The heap that begins at `base`, or where a global says, and ends where another one says. `globals` are the values of
/// all.
pub fn find(view: &View<'_>, base: Option<u64>, globals: &[u64]) -> Option<FoundHeap> {
    if view.width() != 4 {
        return None;
    }
    let base = base.map(|base| (base + 4).next_multiple_of(16) - 4);
    let starts = base.into_iter().chain(globals.iter().copied().filter(|value| value % 16 == 12).take(STARTS));
    let mut left = MOST;
    let heap = starts.into_iter().find_map(|start| {
        let (mut end, mut count) = (start, 0);
        while let Some(next) = next(view, end) {
            (end, count) = (next, count + 1);
        }
        if count < ENOUGH || globals.contains(&end) {
            return (count >= ENOUGH).then_some(Stub { start, end });
        }
        // A header that was written over ends the row too soon: then blocks go on somewhere after it, up to a global's
        // value.
        let ends = globals.iter().copied().filter(|&last| last > end && last % 16 == 12 && last <= view.memory().size);
        ends.take(STARTS).find_map(|last| goes_on(view, end, end, last, &mut left).map(|_| Stub { start, end: last }))
    })?;
    Some(FoundHeap {
        kind: AllocatorKind::AssemblyScriptStub,
        ranges: std::iter::once(heap.start..heap.end).collect(),
        state: Vec::new(),
        allocator: Box::new(heap),
    })
}

/// Returns the address behind `from` at which blocks go on, if they lead to `last` and not to the broken header at
/// `broken`. `left` headers may be looked at.
fn goes_on(view: &View<'_>, from: u64, broken: u64, last: u64, left: &mut u64) -> Option<u64> {
    let mut start = from + 16;
    while start < last && *left > 0 {
        let (mut end, mut count) = (start, 0);
        while let Some(next) = next(view, end).filter(|&next| next <= last && next != broken && *left > 0) {
            (end, count) = (next, count + 1);
            *left -= 1;
        }
        if end == last && count >= ENOUGH {
            return Some(start);
        }
        start += 16;
        *left = left.saturating_sub(1);
    }
    None
}

/// The end of the block at an address; `None` where there is none.
fn next(view: &View<'_>, at: u64) -> Option<u64> {
    let size = u64::from(view.u32(at)?);
    (size >= 12 && size % 16 == 12).then_some(at + 4 + size).filter(|&end| end <= view.memory().size)
}

impl Allocator for Stub {
    fn blocks<'v>(&'v self, view: &'v View<'v>, strict: bool) -> Blocks<'v> {
        let _ = strict;
        let mut at = self.start;
        let (mut before, mut header, mut left) = ([None; 2], None, MOST);
        Box::new(std::iter::from_fn(move || {
            if at >= self.end {
                return None;
            }
            let start = at;
            let Some(end) = next(view, start).filter(|&end| end <= self.end) else {
                // Blocks go on in the one before, if its size is what is wrong.
                let inside = header.and_then(|header| goes_on(view, header, start, self.end, &mut left));
                if let (Some(header), Some(next)) = (header, inside.filter(|&next| next < start)) {
                    at = next;
                    let holds = view.u32(header)?;
                    let size = next - header - 4;
                    let message = format!(
                        "the block's header holds {holds:#x}, but its size is {size:#x}, by where blocks go on"
                    );
                    return Some(Err(Damage::new(header, message).about(header + 4).behind(before[1])));
                }
                at = goes_on(view, start, start, self.end, &mut left).unwrap_or(self.end);
                let message = "the block's header holds no size of a block here";
                return Some(Err(Damage::new(start, message)
                    .about(start + 4)
                    .behind(before[0])
                    .led_by("size", header)));
            };
            header = Some(start);
            at = end;
            let plain = Block::new(start + 4, end - start - 4, State::Unknown);
            let object = || {
                let words = [4, 8, 12, 16].map(|offset| view.u32(start + offset));
                let [Some(0), Some(0), Some(class), Some(used)] = words else { return None };
                let used = u64::from(used);
                // Two words of 0 more would be the beginning of a block of zeros.
                let fits = (used + OBJECT + 4).next_multiple_of(16) - 4 == plain.size && (class, used) != (0, 0);
                fits.then(|| Block {
                    requested: Some(used),
                    class: Some(class),
                    ..Block::new(plain.address + OBJECT, plain.size - OBJECT, State::Unknown)
                })
            };
            let block = object().unwrap_or(plain);
            before = [Some(block), before[0]];
            Some(Ok(block))
        }))
    }

    fn gap(&self) -> u64 {
        4
    }

    fn alignment(&self) -> u64 {
        16
    }

    fn check(&self, _view: &View<'_>) -> Option<Damage> {
        None
    }
}
