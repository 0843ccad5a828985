//! AssemblyScript's runtime `stub`, which gives back nothing but the last block.
//!
//! A block has its size in its first word, and blocks follow each other up to the address in a global, where the next one
//! will begin. An object's block has four words more in front of it: two that are 0, the class id, the object's size. Whether
//! the program still has a block is kept nowhere.

use super::block::{Block, Damage, State};
use super::view::View;
use super::{Allocator, Blocks, Found, Kind};

/// Bytes of the words in front of an object.
const OBJECT: u64 = 16;
/// Blocks that follow each other up to a global's value by more than chance.
const ENOUGH: u64 = 4;
/// Globals that are tried as the start.
const STARTS: usize = 64;

/// The heap.
#[derive(Clone, Copy, Debug)]
pub struct Stub {
    start: u64,
    /// Where the next block will begin.
    end: u64,
}

/// The heap that begins at `base`, or where a global says, and ends where another one says. `globals` are the values of all.
pub fn find(view: &View<'_>, base: Option<u64>, globals: &[u64]) -> Option<Found> {
    if view.width() != 4 {
        return None;
    }
    let base = base.map(|base| (base + 4).next_multiple_of(16) - 4);
    let starts = base.into_iter().chain(globals.iter().copied().filter(|value| value % 16 == 12).take(STARTS));
    let heap = starts.into_iter().find_map(|start| {
        let (mut end, mut count) = (start, 0);
        while let Some(next) = next(view, end) {
            (end, count) = (next, count + 1);
        }
        (count >= ENOUGH && globals.contains(&end)).then_some(Stub { start, end })
    })?;
    Some(Found {
        kind: Kind::AssemblyScriptStub,
        ranges: std::iter::once(heap.start..heap.end).collect(),
        state: Vec::new(),
        allocator: Box::new(heap),
    })
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
        Box::new(std::iter::from_fn(move || {
            if at >= self.end {
                return None;
            }
            let start = at;
            let Some(end) = next(view, start).filter(|&end| end <= self.end) else {
                at = self.end;
                let message = "the block's header holds no size of a block here";
                return Some(Err(Damage::new(start, message).about(start + 4)));
            };
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
            Some(Ok(object().unwrap_or(plain)))
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
