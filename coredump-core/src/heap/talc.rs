//! The Rust crate `talc`, version 5.
//!
//! A free chunk begins with two links, the number of its list and its size, and ends with its size. The word at the end
//! of a used one says only that it is used and whether the chunk above it is free: its size is the program's to know.
//! So the free blocks are known, and between two of them lie used ones, of which nothing shows where one ends.
//!
//! The heads of the lists lie at the start of the first heap; a static holds their address, and beside it which of them
//! are not empty. Each list must have what its number and the bits say.

use std::ops::Range;

use super::apart;
use super::block::{Block, Damage, State};
use super::links::{Link, Lists, broken_link};
use super::view::View;
use super::{Allocator, AllocatorKind, Blocks, FoundHeap};

/// Bytes of a page of memory.
const PAGE: u64 = 65536;
/// Bits of the word at the end of a used chunk; the last one of a free chunk's size too.
const USED: u64 = 1;
const ABOVE_FREE: u64 = 2;
const HEAP_BASE: u64 = 4;
const HEAP_END: u64 = 8;
/// Lists that there are at least, and at most.
const LISTS: Range<u64> = 16..1024;
/// Bytes at the start of a memory where linkers put nothing.
const NOTHING: u64 = 1024;
/// Words that are read in search of the heads: many places may look like the beginning of them.
const LOOKED_AT: u64 = 1 << 22;
/// Bytes of a free chunk whose end is looked for.
const LARGEST_ENDING: u64 = 1 << 20;
/// Words of the state on either side of the address of the heads.
const AROUND: u64 = 8;

/// The heap.
#[derive(Clone, Debug)]
pub struct Talc {
    width: u64,
    heads: Range<u64>,
    /// The pieces of memory that the heap has, by address.
    pieces: Vec<Range<u64>>,
    /// The free chunks, by address.
    free: Vec<Range<u64>>,
    broken: Vec<Damage>,
}

/// The heaps whose state lies in one of `places`.
pub fn find(view: &View<'_>, places: &[Range<u64>]) -> Option<FoundHeap> {
    let mut left = LOOKED_AT;
    let heap = places.iter().find_map(|place| {
        let mut heap = None;
        view.pointers(place.clone(), |at, heads| {
            heap = Talc::at(view, at, heads, &mut left);
            heap.is_none() && left > 0
        });
        heap
    })?;
    Some(FoundHeap {
        kind: AllocatorKind::Talc,
        ranges: heap.pieces.clone(),
        state: std::iter::once(heap.heads.clone()).collect(),
        allocator: Box::new(heap),
    })
}

/// Start and end of a free chunk that is in the list with this number, and that `link` leads to.
fn free(view: &View<'_>, chunk: u64, list: u64, link: u64) -> Option<Range<u64>> {
    let width = view.width();
    let unit = 4 * width;
    // The number of the list has 32 bits also where addresses have 64.
    let number = u64::from(view.u32(chunk.checked_add(2 * width)?)?);
    let size = view.word(chunk + 3 * width)? & !HEAP_END;
    let end =
        chunk.checked_add(size).filter(|_| chunk.is_multiple_of(unit) && size.is_multiple_of(unit) && size >= unit)?;
    let foot = view.word(end - width)? & !HEAP_END;
    (number == list && foot == size && view.word(chunk + width)? == link).then_some(chunk..end)
}

/// Returns true if the size of a free chunk of a list is in front of its contents and at its end: no more of its start
/// need be right.
fn ends_as_free(view: &View<'_>, chunk: u64, list: u64) -> bool {
    let (width, unit) = (view.width(), 4 * view.width());
    let size = chunk.checked_add(3 * width).and_then(|at| view.word(at)).map(|size| size & !HEAP_END);
    let size = size.filter(|&size| chunk.is_multiple_of(unit) && size.is_multiple_of(unit) && size >= unit);
    let foot = size.and_then(|size| view.word(chunk.checked_add(size)? - width)).map(|foot| foot & !HEAP_END);
    // In the smallest one both are the same word, before which the number of the list is.
    let numbered = || view.u32(chunk + 2 * width).map(u64::from) == Some(list);
    size.is_some() && foot == size && (size != Some(unit) || numbered())
}

impl Talc {
    /// The heap with the heads of its lists at `heads`, whose address the state holds at `at`. `left` words may be
    /// read.
    fn at(view: &View<'_>, at: u64, heads: u64, left: &mut u64) -> Option<Talc> {
        let width = view.width();
        if !heads.is_multiple_of(width) || heads < NOTHING || heads >= view.memory().size {
            return None;
        }
        // After the heads, up to the word before the first chunk, is nothing.
        let mut used: Vec<u64> = Vec::new();
        let (mut count, mut sound) = (0, 0);
        let tag = loop {
            let slot = heads + count * width;
            let head = view.word(slot)?;
            if head != 0 {
                // The start of a free chunk, or all of it, is what a program writes over that still has a pointer to
                // it.
                sound += usize::from(free(view, head, count, slot).is_some());
                if !head.is_multiple_of(4 * width) || head < heads || head >= view.memory().size {
                    break slot;
                }
                used.push(count);
            }
            count += 1;
            *left = left.saturating_sub(1);
            if count >= LISTS.end || *left == 0 {
                return None;
            }
        };
        let start = tag + width;
        let is_tag = view.word(tag)? & !ABOVE_FREE == USED && start.is_multiple_of(4 * width);
        if !is_tag || count < LISTS.start || sound == 0 {
            return None;
        }
        // A bit for each list that is not empty is in the words beside the address.
        let bits = 8 * width;
        let states: Vec<u64> =
            (1..=AROUND).flat_map(|by| [at.checked_sub(by * width), at.checked_add(by * width)]).flatten().collect();
        for word in 0..count.div_ceil(bits) {
            let expected =
                used.iter().filter(|list| *list / bits == word).fold(0, |all, list| all | 1 << (list % bits));
            if expected != 0 && !states.iter().any(|&state| view.word(state) == Some(expected)) {
                return None;
            }
        }
        let mut heap = Talc { width, heads: heads..tag, pieces: Vec::new(), free: Vec::new(), broken: Vec::new() };
        heap.read_lists(view, &used);
        heap.find_pieces(view, start);
        Some(heap)
    }

    /// Collects the free chunks. A list ends where it leads to none.
    fn read_lists(&mut self, view: &View<'_>, used: &[u64]) {
        // More than there can be: then a list comes back to itself.
        let most = view.memory().size / (4 * self.width);
        for &list in used {
            let mut link = self.heads.start + list * self.width;
            while let Some(chunk) = view.word(link).filter(|&chunk| chunk != 0) {
                let Some(chunk) = free(view, chunk, list, link).filter(|_| (self.free.len() as u64) < most) else {
                    self.broken.push(if ends_as_free(view, chunk, list) && !self.is_elsewhere(view, chunk, link) {
                        let (at, what) = match view.word(chunk + self.width) == Some(link) {
                            true => (chunk + 2 * self.width, "the number of its list"),
                            false => (chunk + self.width, "the link to the previous one"),
                        };
                        let holds = view.word(at).unwrap_or(0);
                        Damage::new(at, format!("{what} in a free block is {holds:#x}")).about(chunk)
                    } else {
                        self.unsound(view, chunk, link)
                    });
                    break;
                };
                link = chunk.start;
                self.free.push(chunk);
            }
        }
        self.free.sort_by_key(|free| free.start);
        let mut end = 0;
        self.free.retain(|free| {
            let apart = free.start >= end;
            end = end.max(free.end);
            if !apart {
                let message = "a free block begins within another one";
                self.broken.push(Damage::new(free.start, message).about(free.start));
            }
            apart
        });
    }

    /// The fault of a free chunk to which `link` leads, and which is not as it should be; of the link, if nothing else
    /// says that there is one.
    fn unsound(&self, view: &View<'_>, chunk: u64, link: u64) -> Damage {
        let word = |index: u64| view.word(chunk.checked_add(index * self.width)?);
        let tag = chunk.checked_sub(self.width).and_then(|tag| view.word(tag)).map(|tag| tag & !HEAP_BASE);
        let is_one = chunk.is_multiple_of(4 * self.width) && chunk > self.heads.end;
        let is_elsewhere = self.is_elsewhere(view, chunk, link);
        match (word(1) == Some(link), tag == Some(USED | ABOVE_FREE)) {
            (true, _) if is_one => {
                let size = word(3).unwrap_or(0) & !HEAP_END;
                let end = chunk.checked_add(size).filter(|end| size > 0 && end.is_multiple_of(4 * self.width));
                let foot = end.map(|end| end - self.width).filter(|&foot| view.word(foot).is_some());
                let message = format!("a free block begins with the size {size:#x}, which is not at its end");
                Damage::new(foot.unwrap_or(chunk + 3 * self.width), message).about(chunk)
            }
            (false, is_tagged) if is_one && !is_elsewhere && (is_tagged || self.ends(view, chunk)) => {
                let message = "the links and the size of a free block are written over";
                Damage::new(chunk, message).about(chunk)
            }
            _ => {
                let message = format!("a list of free blocks leads to {chunk:#x}, which is none that links back");
                Damage::new(link, message)
            }
        }
    }

    /// Returns true if another link than this one leads to a chunk by what the chunk itself says.
    fn is_elsewhere(&self, view: &View<'_>, chunk: u64, link: u64) -> bool {
        let back = chunk.checked_add(self.width).and_then(|at| view.word(at)).filter(|&back| back != link);
        back.and_then(|back| view.word(back)) == Some(chunk)
    }

    /// Returns true if some word after the start of a chunk says how far that is, as the last one of a free chunk does.
    fn ends(&self, view: &View<'_>, chunk: u64) -> bool {
        let mut found = false;
        let Some(links_end) = chunk.checked_add(4 * self.width) else { return false };
        view.words(links_end..chunk.saturating_add(LARGEST_ENDING), |at, word| {
            let size = word & !HEAP_END;
            found = size.is_multiple_of(4 * self.width) && chunk.checked_add(size) == Some(at + self.width);
            !found && view.may_follow()
        });
        found
    }

    /// Finds where the heaps begin and end: the first one at `start`, others in a page of memory that begins with a
    /// tag.
    fn find_pieces(&mut self, view: &View<'_>, start: u64) {
        let unit = 4 * self.width;
        let size = view.memory().size / PAGE * PAGE;
        let tag = |end: u64| view.word(end - self.width);
        let begins = |page: &u64| {
            let base = page + unit;
            match tag(base) {
                Some(word) if word == USED | HEAP_BASE => tag(*page).is_some_and(|word| word & !HEAP_END == USED),
                Some(word) if word == USED | HEAP_BASE | ABOVE_FREE => self.starts(base),
                _ => false,
            }
        };
        let pages = (start.next_multiple_of(PAGE)..size).step_by(PAGE as usize).filter(begins).map(|page| page + unit);
        let mut starts: Vec<u64> = std::iter::once(start).chain(pages).collect();
        starts.push(size + unit);
        for (start, next) in starts.iter().zip(&starts[1..]) {
            let limit = next - unit;
            let ends_used = tag(limit).is_some_and(|word| word & !HEAP_END == USED);
            let inside = self.free.partition_point(|free| free.end <= limit);
            let last = inside.checked_sub(1).map(|last| self.free[last].end).filter(|end| end > start);
            // If the memory does not end with a chunk of this heap, it is not known what lies after the last free one.
            let end = if ends_used { Some(limit) } else { last };
            self.pieces.extend(end.map(|end| *start..end));
        }
    }

    fn starts(&self, address: u64) -> bool {
        self.free.binary_search_by_key(&address, |free| free.start).is_ok()
    }

    /// Returns the fault of a free chunk, if there is one: in its links, or in the word in front of it.
    fn broken(&self, view: &View<'_>, chunk: u64) -> Option<Damage> {
        let lists = Lists {
            header: 0,
            is_head: |at| self.heads.contains(&at) && (at - self.heads.start).is_multiple_of(self.width),
            inside: |at| apart::holds(&self.pieces, at),
            is_free: |at| self.starts(at),
            may_be_alone: |_| false,
        };
        let links = [
            Link { at: 0, back: self.width, to: "next", end: Some(0) },
            Link { at: self.width, back: 0, to: "previous", end: None },
        ];
        broken_link(view, chunk, links, lists).map(Damage::from)
    }
}

impl Allocator for Talc {
    fn blocks<'v>(&'v self, view: &'v View<'v>, strict: bool) -> Blocks<'v> {
        let width = self.width;
        let pieces = self.pieces.iter().flat_map(move |piece| {
            let first = self.free.partition_point(|free| free.start < piece.start);
            let free = self.free[first..].iter().take_while(|free| free.end <= piece.end).cloned();
            let mut at = piece.start;
            free.chain(std::iter::once(piece.end..piece.end)).flat_map(move |free| {
                let run = (at < free.start).then(|| Block::new(at, free.start - at - width, State::Several));
                at = free.end;
                let block =
                    (!free.is_empty()).then(|| Block::new(free.start, free.end - free.start - width, State::Free));
                // The word at the end of the used block in front says that this one is free.
                let tag = free.start - width;
                let wrong = view.word(tag).filter(|word| block.is_some() && word & !HEAP_BASE != USED | ABOVE_FREE);
                let damage = wrong.map(|word| {
                    let message = format!("the tag in front of a free block is {word:#x}");
                    Damage::new(tag, message).about(free.start).behind(run)
                });
                let damage = damage.or_else(|| self.broken(view, free.start).filter(|_| strict && block.is_some()));
                run.map(Ok).into_iter().chain(damage.map(Err)).chain(block.map(Ok))
            })
        });
        Box::new(self.broken.iter().cloned().map(Err).chain(pieces))
    }

    fn gap(&self) -> u64 {
        self.width
    }

    fn alignment(&self) -> u64 {
        4 * self.width
    }

    fn check(&self, _view: &View<'_>) -> Option<Damage> {
        None
    }
}
