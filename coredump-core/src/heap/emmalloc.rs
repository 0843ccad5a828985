//! emscripten's emmalloc.
//!
//! A region has its size in its first word and again in its last one, where bit 0 says that it is free; the program's
//! block lies between. Regions of one piece of memory follow each other from the piece's first region, which holds where
//! the next piece and where the end of this one is. Free regions are linked from 64 sentinels in static data, of which
//! the unused ones link to themselves: by those it is found. All numbers are 32 bits wide.

use std::ops::Range;

use super::apart::{self, Apart};
use super::block::{Block, Damage, State};
use super::links::{Link, Lists, broken_link, with_faults};
use super::resume::resumes;
use super::view::View;
use super::{Allocator, AllocatorKind, Blocks, FoundHeap};

/// Sentinels, and bytes of each.
const SENTINELS: u64 = 64;
const SENTINEL: u64 = 16;
/// Sentinels that must link to themselves: a program hardly has free blocks of all sizes.
const UNUSED: u64 = 16;
/// Bytes of a region besides its block.
const OVERHEAD: u64 = 8;
/// Bytes of the smallest region: the last of each piece.
const SMALLEST: u64 = 16;
/// Pieces of one heap, and those that are looked at in search of it.
const MAX_PIECES: usize = 1 << 16;
const LOOKED_AT: usize = 1 << 22;

/// The heap.
#[derive(Clone, Debug)]
pub struct Emmalloc {
    sentinels: u64,
    /// First region and end of each piece, the newest first, and by address.
    pieces: Vec<Range<u64>>,
    sorted: Vec<Range<u64>>,
}

/// The heap whose state lies in one of `places`.
pub fn find(view: &View<'_>, places: &[Range<u64>]) -> Option<FoundHeap> {
    if view.width() != 4 {
        return None;
    }
    let own = |at: u64| view.u32(at + 4).map(u64::from) == Some(at) && view.u32(at + 8).map(u64::from) == Some(at);
    let sentinels = places.iter().find_map(|place| {
        let mut found = None;
        view.words(place.clone(), |at, value| {
            // The link to the one before is the second word of a sentinel.
            if at >= 4 && value == at - 4 && own(value) {
                found = first_sentinel(view, value, &own);
            }
            found.is_none()
        });
        found
    })?;
    // The variable that points to the newest piece is somewhere in the same data; what points to an older one sees less.
    let (mut best, mut left): (Vec<Range<u64>>, usize) = (Vec::new(), LOOKED_AT);
    for place in places {
        view.words(place.clone(), |_, value| {
            let len = |pieces: &[Range<u64>]| pieces.iter().map(|piece| piece.end - piece.start).sum::<u64>();
            if let Some(found) = pieces(view, value, &mut left).filter(|found| len(found) > len(&best)) {
                best = found;
            }
            left > 0
        });
    }
    let pieces = Some(best).filter(|best| !best.is_empty())?;
    let mut sorted = pieces.clone();
    sorted.sort_by_key(|piece| piece.start);
    let heap = Emmalloc { sentinels, pieces, sorted };
    Some(FoundHeap {
        kind: AllocatorKind::Emmalloc,
        ranges: heap.pieces.clone(),
        state: std::iter::once(sentinels..sentinels + SENTINELS * SENTINEL).collect(),
        allocator: Box::new(heap),
    })
}

/// The first of 64 sentinels, of which `unused` is one that links to itself, and the first such one.
fn first_sentinel(view: &View<'_>, unused: u64, own: &impl Fn(u64) -> bool) -> Option<u64> {
    // The others are in use, and link to free regions: even the list of one that is broken begins with an address.
    let linked = |at: u64| {
        let (previous, next) = (view.u32(at.checked_add(4)?)?, view.u32(at.checked_add(8)?)?);
        let address = |link: u32| link > 0 && link.is_multiple_of(4) && u64::from(link) < view.memory().size;
        (address(previous) && address(next)).then_some(())
    };
    let mut first = unused;
    while let Some(before) = first.checked_sub(SENTINEL).filter(|&before| own(before) || linked(before).is_some()) {
        first = before;
        if (unused - first) / SENTINEL >= SENTINELS {
            return None;
        }
    }
    let all = (0..SENTINELS).map(|index| first + index * SENTINEL);
    let sound = all.clone().all(|at| own(at) || linked(at).is_some());
    (sound && all.filter(|&at| own(at)).count() as u64 >= UNUSED).then_some(first)
}

/// The pieces from the newest on, if there is one at `newest` and all of them are sound.
fn pieces(view: &View<'_>, newest: u64, left: &mut usize) -> Option<Vec<Range<u64>>> {
    let (mut pieces, mut apart) = (Vec::new(), Apart::default());
    let mut at = newest;
    while at != 0 {
        let size = u64::from(view.u32(at)?);
        let (next, end) = (u64::from(view.u32(at + 4)?), u64::from(view.u32(at + 8)?));
        // The first region holds two words of its own, and what was cut off where a block was aligned: if that is much, another
        // region must follow.
        let follows = |region: u64| {
            let size = u64::from(view.u32(region)?);
            let fits = size % 4 == 0 && size >= SMALLEST && region.checked_add(size)? <= end;
            (fits && u64::from(view.u32(region + size - 4)?) & !1 == size).then_some(())
        };
        let first = at.is_multiple_of(4) && size % 4 == 0 && size >= SMALLEST;
        if !first || end <= at + size + SMALLEST || end % 4 != 0 || end > view.memory().size {
            return None;
        }
        if size > 64 {
            follows(at + size)?;
        }
        // The last region may be what a program wrote over.
        if u64::from(view.u32(at + size - 4)?) != size {
            return None;
        }
        *left = left.checked_sub(1)?;
        if pieces.len() >= MAX_PIECES || !apart.add(&(at..end)) {
            return None;
        }
        pieces.push(at..end);
        at = next;
    }
    (!pieces.is_empty()).then_some(pieces)
}

impl Emmalloc {
    /// Returns the fault in the links of a free region, if there is one.
    fn broken_link(&self, view: &View<'_>, region: u64) -> Option<Damage> {
        let sentinels = self.sentinels..self.sentinels + SENTINELS * SENTINEL;
        let is_free = |at: u64| {
            let size = view.u32(at).filter(|&size| u64::from(size) >= SMALLEST);
            let again = size.and_then(|size| view.u32(at.checked_add(u64::from(size) - 4)?));
            size.is_some_and(|size| again == Some(size | 1))
        };
        let lists = Lists {
            header: 4,
            is_head: |at| sentinels.contains(&at),
            inside: |at| apart::holds(&self.sorted, at),
            is_free,
        };
        let links = [(4, 8, "previous"), (8, 4, "next")].map(|(at, back, to)| Link { at, back, to, end: None });
        broken_link(view, region, links, lists)
    }
}

impl Allocator for Emmalloc {
    fn blocks<'v>(&'v self, view: &'v View<'v>, strict: bool) -> Blocks<'v> {
        let walks = self.pieces.iter().rev().flat_map(move |piece| {
            let first = piece.start + view.u32(piece.start).map_or(0, u64::from);
            RegionWalk { view, strict, at: Some(first), end: piece.end, before: None }
        });
        if !strict {
            return Box::new(walks);
        }
        with_faults(walks, move |block| match block.state {
            State::Free => self.broken_link(view, block.address - 4),
            _ => None,
        })
    }

    fn gap(&self) -> u64 {
        OVERHEAD
    }

    fn is_dense(&self) -> bool {
        true
    }

    fn check(&self, _view: &View<'_>) -> Option<Damage> {
        None
    }
}

/// Goes over the regions of one piece, without its first and its last one.
struct RegionWalk<'v> {
    view: &'v View<'v>,
    strict: bool,
    at: Option<u64>,
    end: u64,
    before: Option<Block>,
}

impl Iterator for RegionWalk<'_> {
    type Item = Result<Block, Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at.take()?;
        let block = at + 4;
        // The header of the block before, or of this one for what is wrong at its end.
        let led_by = |fault: u64| if fault > at { Some(at) } else { Some(self.before?.address - 4) };
        let fail = |fault, message| {
            Some(Err(Damage::new(fault, message).about(block).behind(self.before).led_by(led_by(fault))))
        };
        let Some(size) = self.view.u32(at).map(u64::from) else {
            return Some(Err(Damage::missing(at).about(block).behind(self.before)));
        };
        let next = at + size;
        if size % 4 != 0 || size < SMALLEST || next > self.end {
            return fail(at, format!("the block's header holds {size:#x}, which is no size of a block here"));
        }
        let Some(again) = self.view.u32(next - 4).map(u64::from) else {
            return Some(Err(Damage::missing(next - 4).about(block).behind(self.before)));
        };
        if next == self.end && again == size {
            return None;
        }
        if again & !1 != size {
            // The regions that follow show which of the two sizes is wrong.
            if let Some(end) = self.strict.then(|| self.real_end(at, next)).flatten() {
                let message = format!("the block's header holds {size:#x}, but its end says {:#x}", end - at);
                return fail(at, message);
            }
            return fail(
                next - 4,
                format!("the size at the end of the block is {again:#x}, in its header it is {size:#x}"),
            );
        }
        let state = if again & 1 == 1 { State::Free } else { State::Used };
        let block = Block::new(block, size - OVERHEAD, state);
        (self.before, self.at) = (Some(block), Some(next));
        Some(Ok(block))
    }
}

impl RegionWalk<'_> {
    /// Returns the address at which the region at `at` ends by the sizes at its own end and of the regions after it, if
    /// its header, which says `end`, is wrong.
    fn real_end(&self, at: u64, end: u64) -> Option<u64> {
        let sound = |region: u64| {
            let size = self.view.u32(region).map(u64::from)?;
            let next = region.checked_add(size).filter(|_| size % 4 == 0 && size >= SMALLEST)?;
            (u64::from(self.view.u32(next - 4)?) & !1 == size).then_some(next)
        };
        let next = resumes(at + SMALLEST, end, 4, self.end, sound)?;
        (u64::from(self.view.u32(next - 4)?) & !1 == next - at).then_some(next)
    }
}
