//! The Rust crate `wee_alloc` (0.4.5, with its size classes and without).
//!
//! A cell begins with two words: the address after its end, which is that of the next cell, and the address of the cell
//! before (0 in the first one). Below the first one are two bits: the cell is used, it is the last one. Cells of a
//! piece of memory follow each other from the start of a page to the end of one. Blocks of up to 256 words come from
//! cells in a used cell of at least 8 KiB, which follow each other in the same way.
//!
//! Each piece is found by its cells alone: all of them must agree with their neighbours.

use std::cell::OnceCell;
use std::ops::Range;

use super::apart;
use super::bits::Bits;
use super::block::{Block, Damage, State};
use super::links::with_faults;
use super::view::View;
use super::{Allocator, AllocatorKind, Blocks, FoundHeap};

/// Bytes of a page of memory, of which pieces are made.
const PAGE: u64 = 65536;
/// Bits of a cell's first word.
const USED: u64 = 1;
const LAST: u64 = 2;
const BITS: u64 = 3;
/// Bytes of the smallest cell that is divided into blocks of one size.
const DIVIDED: u64 = 8192;
/// Cells that agree, of a piece that is broken further on.
const AGREEING: usize = 2;
/// Words of the largest cell of one that is divided, and words from its start on at which they are looked for if the
/// first are broken.
const LARGEST: u64 = 256 + 2;
const SEARCHED: usize = 4096;

/// Words that are taken for heads of lists: there is one for each number of words, and one for larger blocks.
const MOST_HEADS: usize = 257;

/// The heap.
#[derive(Clone, Debug)]
pub struct Wee {
    width: u64,
    /// The pieces of memory, by address. One that is broken is believed to reach up to the next one.
    pieces: Vec<Range<u64>>,
    /// The words where lists of free cells begin.
    heads: Vec<Range<u64>>,
}

/// The heap in a memory; pieces begin at `start` at the earliest, and the heads of its lists lie in some of `places`.
pub fn find(view: &View<'_>, start: Option<u64>, places: &[Range<u64>]) -> Option<FoundHeap> {
    let width = view.width();
    let size = view.memory().size / PAGE * PAGE;
    let mut pieces: Vec<Range<u64>> = Vec::new();
    // The address at which a piece begins of which only the first cells agree.
    let mut broken: Option<u64> = None;
    let (mut sound, mut page) = (0, start.unwrap_or(PAGE).next_multiple_of(PAGE));
    while page < size {
        let mut cells = Cells::new(view, page..size);
        let agreeing = cells.by_ref().take_while(Result::is_ok).count();
        match cells.end.filter(|end| end.is_multiple_of(PAGE)) {
            Some(end) => {
                pieces.extend(broken.take().map(|start| start..page));
                pieces.push(page..end);
                sound += usize::from(agreeing > 1);
                page = end;
            }
            None => {
                if agreeing >= AGREEING && broken.is_none() {
                    broken = Some(page);
                }
                page += PAGE;
            }
        }
    }
    pieces.extend(broken.map(|start| start..size));
    if sound > 0 {
        let others = headless(view, &pieces, start.unwrap_or(PAGE).next_multiple_of(PAGE), size);
        pieces.extend(others);
        pieces.sort_by_key(|piece| piece.start);
    }
    (sound > 0).then(|| {
        let mut heap = Wee { width, pieces, heads: Vec::new() };
        heap.heads = heap.heads(view, places);
        FoundHeap {
            kind: AllocatorKind::WeeAlloc,
            ranges: heap.pieces.clone(),
            state: heap.heads.clone(),
            allocator: Box::new(heap),
        }
    })
}

/// The pieces between those that are known whose first cell is broken: the second one still refers to it, from the same
/// page, and is followed by others.
fn headless(view: &View<'_>, known: &[Range<u64>], start: u64, size: u64) -> Vec<Range<u64>> {
    let width = view.width();
    let mut found = Vec::new();
    let mut at = start;
    for piece in known.iter().cloned().chain(std::iter::once(size..size)) {
        while at < piece.start {
            let page = at;
            let mut end = None;
            view.words(page..(page + PAGE).min(piece.start), |place, value| {
                let second = place - width;
                if value == page && second > page + 2 * width {
                    let mut cells = Cells { before: page, ..Cells::new(view, second..piece.start) };
                    let agreeing = cells.by_ref().take_while(Result::is_ok).count();
                    let whole = cells.end.filter(|end| end.is_multiple_of(PAGE));
                    end = whole.or((agreeing >= AGREEING).then_some(piece.start));
                }
                end.is_none()
            });
            found.extend(end.map(|end| page..end));
            at = end.unwrap_or(page + PAGE);
        }
        at = piece.end;
    }
    found
}

/// A cell.
#[derive(Clone, Copy, Debug)]
struct WeeCell {
    start: u64,
    end: u64,
    used: bool,
}

/// Goes over the cells that follow each other from the start of a range on.
struct Cells<'v> {
    view: &'v View<'v>,
    range: Range<u64>,
    next: Option<u64>,
    before: u64,
    /// True if the range is a cell that is divided.
    divided: bool,
    /// The address at which the last cell ends, once it was seen.
    end: Option<u64>,
}

impl<'v> Cells<'v> {
    fn new(view: &'v View<'v>, range: Range<u64>) -> Self {
        Cells { view, next: Some(range.start), range, before: 0, divided: false, end: None }
    }

    fn divided(view: &'v View<'v>, range: Range<u64>) -> Self {
        Cells { divided: true, ..Cells::new(view, range) }
    }
}

impl Iterator for Cells<'_> {
    type Item = Result<WeeCell, Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.next.take()?;
        let width = self.view.width();
        let block = start + 2 * width;
        let (Some(head), Some(before)) = (self.view.word(start), self.view.word(start + width)) else {
            return Some(Err(Damage::missing(start).about(block)));
        };
        let end = head & !BITS;
        if end <= block || end > self.range.end || !end.is_multiple_of(width) {
            let message = format!("the block's header holds {head:#x}, which is no end of a block here");
            return Some(Err(Damage::new(start, message).about(block)));
        }
        if before != self.before {
            let is = self.before;
            let message = format!("the block's header says that the block before is at {before:#x}; it is at {is:#x}");
            return Some(Err(Damage::new(start + width, message).about(block)));
        }
        // The last one in a cell that was made to be divided ends there, unless a larger cell was taken for that;
        // others end with a page.
        let others = match self.divided {
            true => self.range.end - self.range.start == DIVIDED && end < self.range.end,
            false => !end.is_multiple_of(PAGE),
        };
        if head & LAST != 0 && others {
            let message = format!("the block's header holds {head:#x}: it is the last one, but others come after it");
            return Some(Err(Damage::new(start, message).about(block)));
        }
        self.before = start;
        match head & LAST != 0 {
            true => self.end = Some(end),
            false => self.next = Some(end),
        }
        Some(Ok(WeeCell { start, end, used: head & USED != 0 }))
    }
}

impl Wee {
    /// The cells in a used cell, if it is divided into blocks of one size.
    fn divided<'v>(&self, view: &'v View<'v>, cell: &WeeCell) -> Option<Range<u64>> {
        let width = self.width;
        let inside = cell.start + 2 * width..cell.end;
        if !cell.used || inside.end - inside.start < DIVIDED {
            return None;
        }
        // Contents of a block hardly look by chance like two cells that know of each other.
        if view.word(inside.start + width) == Some(0)
            && Cells::divided(view, inside.clone()).take_while(Result::is_ok).take(2).count() == 2
        {
            return Some(inside);
        }
        // The second one may be what a program wrote over from the first: it still knows that one. Of two cells,
        // nothing else does.
        let first = Cells::divided(view, inside.clone()).next().and_then(Result::ok);
        if first.is_some_and(|first| view.word(first.end.saturating_add(width)) == Some(first.start)) {
            return Some(inside);
        }
        // The first ones may be what a program wrote over. Others of one size, up to one that says that it is the last
        // and ends there, are left over in no block: cells as small as these are made in divided ones only, which stay
        // what they are.
        let divided = (inside.start..inside.end).step_by(width as usize).take(SEARCHED).any(|start| {
            let Some(before) = view.word(start + width).filter(|&before| inside.start <= before && before < start)
            else {
                return false;
            };
            let size = start - before;
            let mut cells = Cells { before, ..Cells::divided(view, start..inside.end) };
            let equal = |cell: &Result<WeeCell, Damage>| cell.as_ref().is_ok_and(|cell| cell.end - cell.start == size);
            let count = cells.by_ref().take_while(equal).count();
            // The last one has what is left over, and ends the row.
            size <= LARGEST * width && count > 0 && cells.end.is_some_and(|end| inside.end - end < 2 * size)
        });
        divided.then_some(inside)
    }

    /// The fault of a cell's header, whose end leads to no cell that refers to it, if another cell further on does, as
    /// the one after it must.
    fn wrong_end(&self, view: &View<'_>, cell: &WeeCell, limit: u64) -> Option<Damage> {
        let width = self.width;
        if cell.end.checked_add(width).and_then(|at| view.word(at)) == Some(cell.start) {
            return None;
        }
        let mut next = None;
        view.words(cell.start + 3 * width..limit, |place, value| {
            let at = place - width;
            if value == cell.start && at > cell.start + 2 * width {
                let end = view.word(at).map(|head| head & !BITS).filter(|&end| end > at + 2 * width && end <= limit);
                let is_last = view.word(at).is_some_and(|head| head & LAST != 0);
                let agrees = end.is_some_and(|end| is_last || view.word(end + width) == Some(at));
                next = agrees.then_some(at);
            }
            next.is_none() && view.may_follow()
        });
        let (head, next) = (view.word(cell.start)?, next?);
        let message = format!("the block's header holds {head:#x}, but the one after it, at {next:#x}, refers to it");
        Some(Damage::new(cell.start, message).about(cell.start + 2 * width))
    }

    /// Returns true if a free cell begins there and the one after it refers to it.
    fn is_free(&self, view: &View<'_>, start: u64) -> bool {
        let inside = start.is_multiple_of(self.width) && apart::holds(&self.pieces, start);
        let Some(head) = view.word(start).filter(|head| inside && head & USED == 0) else { return false };
        let end = head & !BITS;
        let room = end > start + 2 * self.width && apart::holds(&self.pieces, end - 1);
        room && (head & LAST != 0 || view.word(end + self.width) == Some(start))
    }

    /// Returns the heads of lists of free cells: words that hold the address at which such a cell begins, as no pointer
    /// of a program does. That is also the end of the block in front, so that they would pass for pointers to that one.
    fn heads(&self, view: &View<'_>, places: &[Range<u64>]) -> Vec<Range<u64>> {
        let mut heads = Vec::new();
        for place in places {
            view.words(place.clone(), |at, value| {
                if self.is_free(view, value) {
                    heads.push(at..at + self.width);
                }
                heads.len() < MOST_HEADS
            });
        }
        heads
    }

    /// The next cell in the list of a free one, which the first word of its block gives. The lowest bits of that word
    /// have another use.
    fn next(&self, view: &View<'_>, start: u64) -> Option<u64> {
        let link = view.word(start.checked_add(2 * self.width)?)? & !BITS;
        (link != 0 && self.is_free(view, link)).then_some(link)
    }

    /// The free cells that are in lists, and the first to which its own list comes back: a program that frees a block
    /// twice makes such a list. The allocator forgets cells: in sound heaps, too, there are free ones in no list, whose
    /// links mean nothing.
    fn listed(&self, view: &View<'_>) -> Option<(Bits, Option<u64>)> {
        let whole = self.pieces.first()?.start..self.pieces.last()?.end;
        let shift = self.width.trailing_zeros();
        // The cells on the way so far, and those from which every list is known to end.
        let (mut reached, mut ending) = (Bits::new(whole.clone(), shift)?, Bits::new(whole, shift)?);
        let mut again = None;
        let firsts = self.heads.iter().filter_map(|head| view.word(head.start));
        for first in firsts.filter(|&cell| self.is_free(view, cell)) {
            let mut cell = first;
            while reached.insert(cell) {
                let Some(next) = self.next(view, cell) else { break };
                cell = next;
                if reached.contains(cell) && !ending.contains(cell) {
                    again = again.or(Some(cell));
                }
            }
            let mut at = Some(first);
            while let Some(cell) = at.filter(|&cell| ending.insert(cell)) {
                at = self.next(view, cell);
            }
        }
        Some((reached, again))
    }

    /// The link of a cell that is in a list to no free cell, if all cells are sound: else one that is broken may be
    /// meant.
    fn astray(&self, view: &View<'_>, listed: &Bits) -> Option<Damage> {
        let whole = self.pieces.first()?.start..self.pieces.last()?.end;
        let mut free = Bits::new(whole, self.width.trailing_zeros())?;
        for block in self.blocks(view, false) {
            let block = block.ok()?;
            if block.state == State::Free {
                free.insert(block.address - 2 * self.width);
            }
        }
        let blocks = self.blocks(view, false).filter_map(Result::ok).filter(|block| block.state == State::Free);
        let blocks = blocks.filter(|block| listed.contains(block.address - 2 * self.width));
        blocks.filter(|block| self.broken_link(view, block.address, true).is_none()).find_map(|block| {
            let link = view.word(block.address)? & !BITS;
            let message = || format!("the link of a free block to the next one, {link:#x}, leads to no free block");
            (link != 0 && !free.contains(link)).then(|| Damage::new(block.address, message()).about(block.address))
        })
    }

    /// The link of a free cell to the next one of its list, if it leads to where no cell can be. Of a cell that is in no
    /// list, nothing but a bit of its header says that it is free.
    fn broken_link(&self, view: &View<'_>, block: u64, is_listed: bool) -> Option<Damage> {
        let link = view.word(block)? & !BITS;
        // A piece whose first cell is broken is none of those that are known.
        let first = self.pieces.first().map_or(0, |piece| piece.start);
        let broken = link != 0 && !(link.is_multiple_of(self.width) && (first..view.memory().size).contains(&link));
        broken.then(|| {
            let mut message = format!("the link of a free block to the next one, {link:#x}, leads out of the heap");
            if !is_listed {
                let header = block - 2 * self.width;
                message += &format!(
                    "; the block is in no list, so that it may be in use, and the header at {header:#x}, by which it \
                     is free, written over"
                );
            }
            Damage::new(block, message).about(block)
        })
    }
}

impl Allocator for Wee {
    fn blocks<'v>(&'v self, view: &'v View<'v>, strict: bool) -> Blocks<'v> {
        let width = self.width;
        let block = move |cell: WeeCell| {
            let state = if cell.used { State::Used } else { State::Free };
            Block::new(cell.start + 2 * width, cell.end - cell.start - 2 * width, state)
        };
        // The last one in a cell that is divided is next to what comes after that.
        let last = move |cell: WeeCell| match self.divided(view, &cell) {
            Some(inside) => Cells::divided(view, inside).map_while(Result::ok).last(),
            None => Some(cell),
        };
        // Each cell, or those inside of it; with a broken one comes the one before it.
        let behind = move |cells: Cells<'v>| {
            let (mut before, end) = ([None; 2], cells.range.end);
            cells.map(move |cell| match cell {
                Ok(cell) => {
                    before = [Some(cell), before[0]];
                    Ok(cell)
                }
                Err(damage) => {
                    let [nearest, other] = before.map(|cell| cell.and_then(last).map(block));
                    let wrong = before[0].filter(|_| strict).and_then(|cell| self.wrong_end(view, &cell, end));
                    Err(match wrong {
                        Some(wrong) => wrong.behind(other),
                        None => damage.behind(nearest).led_by("size", before[0].map(|cell: WeeCell| cell.start)),
                    })
                }
            })
        };
        let pieces = self.pieces.iter().flat_map(move |piece| behind(Cells::new(view, piece.clone())));
        let blocks = pieces.flat_map(move |cell| -> Blocks<'v> {
            let cell = match cell {
                Ok(cell) => cell,
                Err(damage) => return Box::new(std::iter::once(Err(damage))),
            };
            match self.divided(view, &cell) {
                Some(inside) => Box::new(behind(Cells::divided(view, inside)).map(move |cell| cell.map(block))),
                None => Box::new(std::iter::once(Ok(block(cell)))),
            }
        });
        if !strict {
            return Box::new(blocks);
        }
        // Lists are gone over only if a link is broken.
        let listed = OnceCell::new();
        let is_listed = move |cell: u64| {
            let listed = listed.get_or_init(|| self.listed(view));
            listed.as_ref().is_none_or(|(listed, _)| listed.contains(cell))
        };
        with_faults(blocks, move |block| {
            let broken = |is_listed| self.broken_link(view, block.address, is_listed);
            let is_free = block.state == State::Free && broken(true).is_some();
            is_free.then(|| broken(is_listed(block.address - 2 * width))).flatten()
        })
    }

    fn gap(&self) -> u64 {
        2 * self.width
    }

    fn alignment(&self) -> u64 {
        self.width
    }

    fn check(&self, view: &View<'_>) -> Option<Damage> {
        let (listed, again) = self.listed(view)?;
        let circle = again.map(|cell| {
            let block = cell + 2 * self.width;
            Damage::freed_twice(block, block)
        });
        circle.or_else(|| self.astray(view, &listed))
    }
}
