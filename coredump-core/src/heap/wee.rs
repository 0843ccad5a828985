//! The Rust crate `wee_alloc` (0.4.5, with its size classes and without).
//!
//! A cell begins with two words: the address after its end, which is that of the next cell, and the address of the cell
//! before (0 in the first one). Below the first one are two bits: the cell is used, it is the last one. Cells of a piece of
//! memory follow each other from the start of a page to the end of one. Blocks of up to 256 words come from cells in a used
//! cell of at least 8 KiB, which follow each other in the same way.
//!
//! Each piece is found by its cells alone: all of them must agree with their neighbours.

use std::ops::Range;

use super::block::{Block, Damage, State};
use super::view::View;
use super::{Allocator, Blocks, FoundHeap, Kind};

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

/// The heap.
#[derive(Clone, Debug)]
pub struct Wee {
    width: u64,
    /// The pieces of memory, by address. One that is broken is believed to reach up to the next one.
    pieces: Vec<Range<u64>>,
}

/// The heap in a memory; pieces begin at `start` at the earliest.
pub fn find(view: &View<'_>, start: Option<u64>) -> Option<FoundHeap> {
    let width = view.width();
    let size = view.memory().size / PAGE * PAGE;
    let mut pieces: Vec<Range<u64>> = Vec::new();
    // Where a piece begins of which only the first cells agree.
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
    let heap = Wee { width, pieces };
    (sound > 0).then(|| FoundHeap {
        kind: Kind::WeeAlloc,
        ranges: heap.pieces.clone(),
        state: Vec::new(),
        allocator: Box::new(heap),
    })
}

/// A cell.
#[derive(Clone, Copy, Debug)]
struct Cell {
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
    /// Where the last cell ends, once it was seen.
    end: Option<u64>,
}

impl<'v> Cells<'v> {
    fn new(view: &'v View<'v>, range: Range<u64>) -> Self {
        Cells { view, next: Some(range.start), range, before: 0, end: None }
    }
}

impl Iterator for Cells<'_> {
    type Item = Result<Cell, Damage>;

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
        self.before = start;
        match head & LAST != 0 {
            true => self.end = Some(end),
            false => self.next = Some(end),
        }
        Some(Ok(Cell { start, end, used: head & USED != 0 }))
    }
}

impl Wee {
    /// The cells in a used cell, if it is divided into blocks of one size.
    fn divided<'v>(&self, view: &'v View<'v>, cell: &Cell) -> Option<Range<u64>> {
        let inside = cell.start + 2 * self.width..cell.end;
        if !cell.used || inside.end - inside.start < DIVIDED || view.word(inside.start + self.width) != Some(0) {
            return None;
        }
        // What is in a block by chance hardly has two cells that know of each other.
        (Cells::new(view, inside.clone()).take_while(Result::is_ok).take(2).count() == 2).then_some(inside)
    }
}

impl Allocator for Wee {
    fn blocks<'v>(&'v self, view: &'v View<'v>, strict: bool) -> Blocks<'v> {
        let _ = strict;
        let width = self.width;
        let block = move |cell: Cell| {
            let state = if cell.used { State::Used } else { State::Free };
            Block::new(cell.start + 2 * width, cell.end - cell.start - 2 * width, state)
        };
        // Each cell, or those inside of it; with a broken one comes the one before it.
        let behind = move |cells: Cells<'v>| {
            let mut before = None;
            cells.map(move |cell| match cell {
                Ok(cell) => {
                    before = Some(block(cell));
                    Ok(cell)
                }
                Err(damage) => Err(damage.behind(before)),
            })
        };
        let pieces = self.pieces.iter().flat_map(move |piece| behind(Cells::new(view, piece.clone())));
        Box::new(pieces.flat_map(move |cell| -> Blocks<'v> {
            let cell = match cell {
                Ok(cell) => cell,
                Err(damage) => return Box::new(std::iter::once(Err(damage))),
            };
            match self.divided(view, &cell) {
                Some(inside) => Box::new(behind(Cells::new(view, inside)).map(move |cell| cell.map(block))),
                None => Box::new(std::iter::once(Ok(block(cell)))),
            }
        }))
    }

    fn gap(&self) -> u64 {
        2 * self.width
    }

    fn alignment(&self) -> u64 {
        self.width
    }

    fn check(&self, _view: &View<'_>) -> Option<Damage> {
        None
    }
}
