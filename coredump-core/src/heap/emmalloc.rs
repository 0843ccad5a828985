//! emscripten's emmalloc.
//!
//! A region has its size in its first word and again in its last one, where bit 0 says that it is free; the program's
//! block lies between. Regions of one piece of memory follow each other from the piece's first region, which holds
//! where the next piece and where the end of this one is. Free regions are linked from 64 sentinels in static data, of
//! which the unused ones link to themselves: by those it is found. All numbers have the width of an address.

use std::ops::Range;

use super::apart::{self, Apart};
use super::block::{Block, Damage, State};
use super::links::{Link, Lists, broken_link, with_faults};
use super::resume::resumes;
use super::view::View;
use super::{Allocator, AllocatorKind, Blocks, FoundHeap};

/// Sentinels, and words of each.
const SENTINELS: u64 = 64;
const SENTINEL_WORDS: u64 = 4;
/// Sentinels that must link to themselves: a program hardly has free blocks of all sizes.
const UNUSED: u64 = 16;
/// Words of a region besides its block.
const OVERHEAD_WORDS: u64 = 2;
/// Words of the smallest region: the last of each piece.
const SMALLEST_WORDS: u64 = 4;
/// Words of a piece's first region that is as small as most are.
const FIRST_WORDS: u64 = 16;
/// Pieces of one heap, and those that are looked at in search of it.
const MAX_PIECES: usize = 1 << 16;
const LOOKED_AT: usize = 1 << 22;

/// The heap.
#[derive(Clone, Debug)]
pub struct Emmalloc {
    /// Bytes of a word.
    width: u64,
    sentinels: u64,
    /// First region and end of each piece, the newest first, and by address.
    pieces: Vec<Range<u64>>,
    sorted: Vec<Range<u64>>,
}

/// The heap whose state lies in one of `places`.
pub fn find(view: &View<'_>, places: &[Range<u64>]) -> Option<FoundHeap> {
    let width = view.width();
    let own = |at: u64| [1, 2].iter().all(|word| word_of(view, at, *word) == Some(at));
    let sentinels = places.iter().find_map(|place| {
        let mut found = None;
        view.words(place.clone(), |at, value| {
            // The link to the one before is the second word of a sentinel.
            if at.checked_sub(width) == Some(value) && own(value) {
                found = first_sentinel(view, value, &own);
            }
            found.is_none()
        });
        found
    })?;
    // The variable that points to the newest piece is somewhere in the same data; what points to an older one sees
    // less.
    let (mut best, mut left): (Vec<Range<u64>>, usize) = (Vec::new(), LOOKED_AT);
    for place in places {
        view.pointers(place.clone(), |_, value| {
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
    let heap = Emmalloc { width, sentinels, pieces, sorted };
    Some(FoundHeap {
        kind: AllocatorKind::Emmalloc,
        ranges: heap.pieces.clone(),
        state: std::iter::once(heap.sentinels()).collect(),
        allocator: Box::new(heap),
    })
}

/// The word with this index from an address on.
fn word_of(view: &View<'_>, at: u64, index: u64) -> Option<u64> {
    view.word(at.checked_add(index * view.width())?)
}

/// The size in the last word of the region between two addresses, with its lowest bit.
fn size_at_end(view: &View<'_>, end: u64) -> Option<u64> {
    view.word(end.checked_sub(view.width())?)
}

/// The address after a region whose size stands at its beginning and at its end, and which ends at `end` at the latest.
fn sound_end(view: &View<'_>, region: u64, end: u64) -> Option<u64> {
    let (size, width) = (view.word(region)?, view.width());
    let fits = size.is_multiple_of(width) && size >= SMALLEST_WORDS * width;
    let next = region.checked_add(size).filter(|&next| fits && next <= end)?;
    (size_at_end(view, next)? & !1 == size).then_some(next)
}

/// The first of 64 sentinels, of which `unused` is one that links to itself, and the first such one.
fn first_sentinel(view: &View<'_>, unused: u64, own: &impl Fn(u64) -> bool) -> Option<u64> {
    let (width, sentinel) = (view.width(), SENTINEL_WORDS * view.width());
    // The others are in use, and link to free regions: even the list of one that is broken begins with an address.
    let linked = |at: u64| {
        let address = |link: u64| link > 0 && link.is_multiple_of(width) && link < view.memory().size;
        [1, 2].iter().all(|word| word_of(view, at, *word).is_some_and(address))
    };
    let mut first = unused;
    while let Some(before) = first.checked_sub(sentinel).filter(|&before| own(before) || linked(before)) {
        first = before;
        if (unused - first) / sentinel >= SENTINELS {
            return None;
        }
    }
    first.checked_add(SENTINELS * sentinel)?;
    let all = (0..SENTINELS).map(|index| first + index * sentinel);
    let sound = all.clone().all(|at| own(at) || linked(at));
    (sound && all.filter(|&at| own(at)).count() as u64 >= UNUSED).then_some(first)
}

/// The pieces from the newest on, if there is one at `newest` and all of them are sound.
fn pieces(view: &View<'_>, newest: u64, left: &mut usize) -> Option<Vec<Range<u64>>> {
    let width = view.width();
    let (mut pieces, mut apart) = (Vec::new(), Apart::default());
    let mut at = newest;
    while at != 0 {
        let (size, next, end) = (view.word(at)?, word_of(view, at, 1)?, word_of(view, at, 2)?);
        let first = at.checked_add(size).filter(|_| size.is_multiple_of(width) && size >= SMALLEST_WORDS * width)?;
        let room = end.checked_sub(first).is_some_and(|room| room > SMALLEST_WORDS * width);
        if !at.is_multiple_of(width) || !room || !end.is_multiple_of(width) || end > view.memory().size {
            return None;
        }
        // The first region holds two words of its own, and what was cut off where a block was aligned: if that is much,
        // another region must follow.
        if size > FIRST_WORDS * width {
            sound_end(view, first, end)?;
        }
        // The last region may be what a program wrote over.
        if size_at_end(view, first)? != size {
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
    /// The addresses of the sentinels.
    fn sentinels(&self) -> Range<u64> {
        self.sentinels..self.sentinels + SENTINELS * SENTINEL_WORDS * self.width
    }

    /// Returns the fault in the links of a free region, if there is one.
    fn broken_link(&self, view: &View<'_>, region: u64) -> Option<Damage> {
        let (width, sentinels) = (self.width, self.sentinels());
        let is_free = |at: u64| {
            let end = sound_end(view, at, view.memory().size);
            end.and_then(|end| size_at_end(view, end)).is_some_and(|size| size & 1 == 1)
        };
        let lists = Lists {
            header: width,
            is_head: |at| sentinels.contains(&at) && (at - sentinels.start).is_multiple_of(SENTINEL_WORDS * width),
            inside: |at| apart::holds(&self.sorted, at),
            is_free,
            may_be_alone: |_| false,
        };
        let links = [(width, 2 * width, "previous"), (2 * width, width, "next")].map(|(at, back, to)| Link {
            at,
            back,
            to,
            end: None,
        });
        broken_link(view, region, links, lists).map(Damage::from)
    }
}

impl Allocator for Emmalloc {
    fn blocks<'v>(&'v self, view: &'v View<'v>, strict: bool) -> Blocks<'v> {
        let walks = self.pieces.iter().rev().flat_map(move |piece| {
            let first = piece.start.saturating_add(view.word(piece.start).unwrap_or(0));
            RegionWalk { view, strict, at: Some(first), end: piece.end, before: None }
        });
        if !strict {
            return Box::new(walks);
        }
        with_faults(walks, move |block| match block.state {
            State::Free => self.broken_link(view, block.address - self.width),
            _ => None,
        })
    }

    fn gap(&self) -> u64 {
        OVERHEAD_WORDS * self.width
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
        let width = self.view.width();
        let block = at + width;
        // The header of the block before, or of this one for what is wrong at its end.
        let led_by = |fault: u64| if fault > at { Some(at) } else { Some(self.before?.address - width) };
        let fail = |fault, message| {
            let damage = Damage::new(fault, message).about(block).led_by("size", led_by(fault));
            // In front of what is wrong at its end lies the block itself.
            let state = if self.is_linked(at) { State::Free } else { State::Used };
            let own = fault.checked_sub(block).map(|size| Block::new(block, size, state));
            Some(Err(damage.behind(own.or(self.before))))
        };
        let Some(size) = self.view.word(at) else {
            return Some(Err(Damage::missing(at).about(block).behind(self.before)));
        };
        let fits = size.is_multiple_of(width) && size >= SMALLEST_WORDS * width;
        let Some(next) = at.checked_add(size).filter(|&next| fits && next <= self.end) else {
            return fail(at, format!("the block's header holds {size:#x}, which is no size of a block here"));
        };
        let Some(again) = size_at_end(self.view, next) else {
            return Some(Err(Damage::missing(next - width).about(block).behind(self.before)));
        };
        if next == self.end && again == size {
            return None;
        }
        if again & !1 != size {
            if let Some(damage) = self.freed_after_join(at, next, again).filter(|_| self.strict) {
                return Some(Err(damage));
            }
            // The regions that follow show which of the two sizes is wrong.
            if let Some(end) = self.strict.then(|| self.real_end(at, next)).flatten() {
                let message = format!("the block's header holds {size:#x}, but its end says {:#x}", end - at);
                return fail(at, message);
            }
            return fail(
                next - width,
                format!("the size at the end of the block is {again:#x}, in its header it is {size:#x}"),
            );
        }
        let state = if again & 1 == 1 { State::Free } else { State::Used };
        let block = Block::new(block, size - OVERHEAD_WORDS * width, state);
        (self.before, self.at) = (Some(block), Some(next));
        Some(Ok(block))
    }
}

impl RegionWalk<'_> {
    /// The free block that lies at the end of another free one, which is between the two addresses and in a list: it
    /// was freed again after the two were joined. `again` is the size at the end.
    fn freed_after_join(&self, at: u64, next: u64, again: u64) -> Option<Damage> {
        let (view, width) = (self.view, self.view.width());
        let inner = next.checked_sub(again & !1).filter(|&inner| again & 1 == 1 && inner > at)?;
        let twice = sound_end(view, inner, next) == Some(next) && self.is_linked(at);
        twice.then(|| Damage::freed_after_join(next - width, inner + width))
    }

    /// Returns true if the region at `at` has links to both sides that are returned, as free ones have.
    fn is_linked(&self, at: u64) -> bool {
        let linked = |there: u64, back: u64| Some(word_of(self.view, word_of(self.view, at, there)?, back)? == at);
        linked(1, 2) == Some(true) && linked(2, 1) == Some(true)
    }

    /// Returns the address at which the region at `at` ends by the sizes at its own end and of the regions after it, if
    /// its header, which says `end`, is wrong.
    fn real_end(&self, at: u64, end: u64) -> Option<u64> {
        let width = self.view.width();
        let sound = |region: u64| sound_end(self.view, region, self.end);
        let next = resumes(at + SMALLEST_WORDS * width, end, width, self.end, sound)?;
        (size_at_end(self.view, next)? & !1 == next - at).then_some(next)
    }
}
