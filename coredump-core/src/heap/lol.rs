//! The free list of the Rust crate `lol_alloc` (0.4.1).
//!
//! Free stretches of memory are in one list from the highest address to the lowest: each begins with the address of the
//! next one (all bits set in the last one) and its size. Used blocks have no record at all: between two free stretches
//! lie used blocks, and where one of them ends is not kept. Memory that others have grown cannot be distinguished from
//! them.

use std::ops::Range;

use super::block::{Block, Damage, State};
use super::hints::Hints;
use super::view::View;
use super::{Allocator, AllocatorKind, Blocks, FoundHeap};
use crate::memory::Memory;

/// Bytes of a page of memory: the heap begins with one.
const PAGE: u64 = 65536;
/// The end of the list.
const END: u64 = u32::MAX as u64;
/// Sizes and addresses are multiples of it.
const UNIT: u64 = 8;
/// Stretches of which a list is made that no name speaks for.
const ENOUGH: usize = 3;
/// Stretches that are looked at in search of the list.
const LOOKED_AT: usize = 1 << 24;

/// The heap.
#[derive(Clone, Debug)]
pub struct Lol {
    range: Range<u64>,
    /// The free stretches, by address.
    free: Vec<Range<u64>>,
    /// The fault of the link that leads to no free stretch.
    broken: Option<Damage>,
}

/// The heap whose list begins in one of `places`. `before` is the memory as the program began with it.
pub fn find(view: &View<'_>, hints: &Hints, places: &[Range<u64>], before: Option<&Memory<'_>>) -> Option<FoundHeap> {
    if view.width() != 4 {
        return None;
    }
    let start = hints.initial?.next_multiple_of(PAGE);
    // The list is empty at first, which hardly another variable that now points to the heap is by a word of these bits.
    let before = before.filter(|_| hints.uses_lol).map(View::new);
    let is_head = |at| before.as_ref().is_some_and(|before| before.u32(at).map(u64::from) == Some(END));
    let mut best: Option<(u64, Lol)> = None;
    let mut left = LOOKED_AT;
    for place in places {
        view.words(place.clone(), |at, value| {
            let heap = (value >= start && value % UNIT == 0).then(|| Lol::at(view, at, value, start));
            left = left.saturating_sub(heap.as_ref().map_or(0, |heap| heap.free.len()));
            // A list that ends well is believed by its name, or if it is long. A variable that points into a list sees
            // the rest of it.
            let heap = heap.filter(|heap| match heap.broken {
                None => hints.uses_lol && !heap.free.is_empty() || heap.free.len() >= ENOUGH,
                Some(_) => is_head(at) || hints.uses_lol && heap.free.len() >= ENOUGH,
            });
            let rank = |at: u64, heap: &Lol| (is_head(at), heap.free.len());
            let longer = |heap: &Lol| best.as_ref().is_none_or(|(best, found)| rank(*best, found) < rank(at, heap));
            if let Some(heap) = heap.filter(longer) {
                best = Some((at, heap));
            }
            left > 0
        });
    }
    let (at, heap) = best?;
    Some(FoundHeap {
        kind: AllocatorKind::LolAlloc,
        ranges: std::iter::once(heap.range.clone()).collect(),
        state: std::iter::once(at..at + 4).collect(),
        allocator: Box::new(heap),
    })
}

impl Lol {
    /// The heap whose list begins with the word `first` at `at`.
    fn at(view: &View<'_>, at: u64, first: u64, start: u64) -> Lol {
        let end = view.memory().size;
        let (mut free, mut broken) = (Vec::new(), None);
        let (mut record, mut next, mut below) = (at, first, end + 1);
        while next != END {
            let stretch = || {
                let size = u64::from(view.u32(next.checked_add(4)?)?);
                let good = next >= start && next % UNIT == 0 && size % UNIT == 0 && size > 0;
                // Free neighbours are made into one.
                (good && next + size < below && next + size <= end).then(|| next..next + size)
            };
            let Some(stretch) = stretch() else {
                // If one could be there, its size is wrong.
                let size = next.checked_add(4).and_then(|at| view.u32(at)).unwrap_or(0);
                let placed = next >= start && next % UNIT == 0 && next + UNIT < below;
                broken = Some(if placed {
                    let message = format!("a free block has the size {size:#x}, for which there is no room");
                    let damage = Damage::new(next + 4, message).about(next);
                    // If the list goes on from there, it is a free block; else the link that leads there may be wrong.
                    let onward = view.u32(next).map_or(0, u64::from);
                    let goes_on =
                        onward == END || onward >= start && onward.is_multiple_of(UNIT) && onward + UNIT < next;
                    if goes_on { damage } else { damage.led_by("link", Some(record)) }
                } else if free.iter().any(|free: &Range<u64>| free.start == next) {
                    let message = format!("the list of free blocks comes back to {next:#x}: it was freed twice");
                    Damage::new(record, message).about(next)
                } else {
                    Damage::new(record, format!("the list of free blocks leads to {next:#x}, where none can be"))
                });
                break;
            };
            (record, below) = (next, next);
            free.push(stretch);
            // Its size, which comes after it, was read.
            next = view.u32(next).map_or(END, u64::from);
        }
        free.reverse();
        Lol { range: start..end, free, broken }
    }
}

impl Allocator for Lol {
    fn blocks<'v>(&'v self, _view: &'v View<'v>, strict: bool) -> Blocks<'v> {
        let _ = strict;
        // Below a broken link nothing is known.
        let known =
            if self.broken.is_some() { self.free.first().map_or(0, |free| free.start) } else { self.range.start };
        let mut at = known;
        let ends = std::iter::once(self.range.end..self.range.end);
        let stretches = self.free.iter().cloned().chain(ends).flat_map(move |free| {
            let used = (at < free.start).then(|| Block::new(at, free.start - at, State::Several));
            at = free.end;
            let free = (free.start < free.end).then(|| Block::new(free.start, free.end - free.start, State::Free));
            used.into_iter().chain(free)
        });
        Box::new(self.broken.clone().into_iter().map(Err).chain(stretches.map(Ok)))
    }

    fn gap(&self) -> u64 {
        0
    }

    fn check(&self, _view: &View<'_>) -> Option<Damage> {
        None
    }
}
