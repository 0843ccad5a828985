//! The Rust crate `talc`, version 4.
//!
//! The last word of a used chunk is its tag: the address of its first byte, with two bits below it: it is used, the
//! chunk above it is free. A free chunk begins with two links and its size, and ends with its size (the same word in
//! the smallest one). So chunks are gone over from the end of a heap downwards. A heap begins with a tag without an
//! address, and ends, as far as it was grown by the crate itself, with a page of memory. In the first one lie the heads
//! of the lists of free chunks, in a chunk of their own.
//!
//! That chunk is what the state is found by: a static holds the address of the heads, around which lie two tags.

use std::ops::Range;

use super::block::{Block, Damage, State};
use super::links::{Link, Lists, broken_link, with_faults};
use super::view::View;
use super::{Allocator, AllocatorKind, Blocks, FoundHeap};

/// Bytes of a page of memory.
const PAGE: u64 = 65536;
/// Bits of a tag.
const USED: u64 = 1;
const ABOVE_FREE: u64 = 2;
/// Chunks that agree, of a heap that is broken further down.
const AGREEING: usize = 2;
/// Chunks that follow each other below one whose tag is broken.
const ENOUGH: usize = 4;
/// Chunks above one whose tag is broken whose own tags may be what is wrong.
const WRONG_TAGS: usize = 8;
/// Bytes below the place where a chunk may begin in which a free one is looked for.
const FREE_SEARCH: u64 = 1 << 20;

/// The heap.
#[derive(Clone, Debug)]
pub struct Talc4 {
    width: u64,
    /// The heads of the lists.
    heads: Range<u64>,
    /// By address.
    pieces: Vec<ChunkPiece>,
}

/// Memory that chunks follow each other in.
#[derive(Clone, Debug)]
struct ChunkPiece {
    range: Range<u64>,
    /// The ends of the chunks, from the highest on, in words after the piece's start.
    ends: Vec<u32>,
    /// The fault that ends the walk early.
    broken: Option<Damage>,
}

/// The heaps whose state lies in one of `places`; `heap_base` is where static data ends, if that is known.
pub fn find(view: &View<'_>, heap_base: Option<u64>, places: &[Range<u64>]) -> Option<FoundHeap> {
    let width = view.width();
    let first = places.iter().find_map(|place| {
        let mut first = None;
        view.pointers(place.clone(), |_, heads| {
            first = is_first(view, heads).then_some(heads);
            first.is_none()
        });
        first
    })?;
    let heads = first..first + width * lists(width);
    let base = heads.start - width;
    let mut pieces: Vec<ChunkPiece> = Vec::new();
    let mut end = view.memory().size / PAGE * PAGE;
    // The first heap may be an array of the program's, with others behind all statics.
    let arena = heap_base.filter(|heap_base| heads.end < *heap_base);
    while end > arena.unwrap_or(base) {
        match piece(view, base, heads.end + width, end, AGREEING) {
            Some(piece) => {
                end = piece.range.start / PAGE * PAGE;
                pieces.push(piece);
            }
            None => end -= PAGE,
        }
    }
    // The place of the first heap is certain. An array of the program's ends anywhere; else, if no chunks lead there, those
    // at the memory's end are broken.
    let first = heads.end + width;
    let highest = pieces.last().map_or(view.memory().size / PAGE * PAGE, |piece| piece.range.start / PAGE * PAGE);
    if let Some(limit) = arena {
        pieces.extend(upwards(view, base, first, limit).or_else(|| downwards(view, base, first, limit)));
    } else if pieces.iter().all(|piece| piece.broken.is_none() && piece.range.start > base) {
        pieces.extend(piece(view, base, first, highest, 0));
    }
    pieces.reverse();
    let heap = Talc4 { width, heads, pieces };
    (!heap.pieces.is_empty()).then(|| FoundHeap {
        kind: AllocatorKind::Talc,
        ranges: heap.pieces.iter().map(|piece| piece.range.clone()).collect(),
        state: Vec::new(),
        allocator: Box::new(heap),
    })
}

/// The first heap, if it is sound and ends below `limit`: from its first chunk on, each is followed by one whose tag or
/// size names its start. No list of free chunks leads to where it ends, or beyond.
fn upwards(view: &View<'_>, base: u64, first: u64, limit: u64) -> Option<ChunkPiece> {
    let width = view.width();
    let mut end = first;
    while let Some(next) = after(view, base, end, limit) {
        end = next;
    }
    let mut heads = (base + width..first - width).step_by(width as usize);
    let goes_on = heads.any(|head| view.word(head).is_none_or(|chunk| chunk >= end));
    let is_whole = |piece: &ChunkPiece| !goes_on && piece.broken.is_none() && piece.range.start == base;
    piece(view, base, first, end, 0).filter(is_whole)
}

/// The first heap, if it is broken and ends below `limit`: up to the last chunks that agree.
fn downwards(view: &View<'_>, base: u64, first: u64, limit: u64) -> Option<ChunkPiece> {
    let width = view.width();
    let highest = limit / width * width;
    let mut ends = (0..=highest.checked_sub(first)? / width).map(|words| highest - words * width);
    ends.find_map(|end| piece(view, base, first, end, AGREEING))
}

/// The end of the chunk that begins at an address: of a free one by its size, of a used one by the first tag that names
/// its start.
fn after(view: &View<'_>, base: u64, start: u64, limit: u64) -> Option<u64> {
    let width = view.width();
    let size = start.checked_add(2 * width).and_then(|at| view.word(at)).filter(|size| *size >= 3 * width);
    let free = size.and_then(|size| start.checked_add(size)).filter(|end| *end <= limit && end.is_multiple_of(width));
    let is_free = |end: &u64| matches!(chunk(view, base, *end, None), Ok(Some((at, State::Free))) if at == start);
    free.filter(is_free).or_else(|| {
        let mut end = None;
        view.words(start.saturating_add(2 * width)..limit, |at, word| {
            end = (word & !ABOVE_FREE == start | USED).then_some(at + width);
            end.is_none()
        });
        end
    })
}

/// Lists of free chunks: two words of bits say which of them have any.
fn lists(width: u64) -> u64 {
    2 * 8 * width
}

/// Returns true if the heads of the lists begin at an address, with the tags around them.
fn is_first(view: &View<'_>, heads: u64) -> bool {
    let width = view.width();
    let check = || {
        let base = heads.checked_sub(width).filter(|base| *base > 0 && base.is_multiple_of(width))?;
        let end = heads.checked_add(width * lists(width))?;
        // Most words fail here, so that nothing else is read.
        if view.word(base)? & !ABOVE_FREE != USED || view.word(end)? & !ABOVE_FREE != base | USED {
            return None;
        }
        let free = |at: u64| -> Option<bool> {
            let chunk = view.word(at)?;
            let size = view.word(chunk.checked_add(2 * width)?)?;
            let foot = view.word(chunk.checked_add(size)?.checked_sub(width)?)?;
            Some(view.word(chunk + width)? == at && size >= 3 * width && foot == size)
        };
        let heads = (0..lists(width)).map(|list| heads + list * width).filter(|&at| view.word(at) != Some(0));
        let (sound, all) = heads.fold((0, 0), |(sound, all), at| (sound + u32::from(free(at) == Some(true)), all + 1));
        (2 * sound >= all).then_some(())
    };
    check().is_some()
}

/// Returns true if a list of free chunks begins with one there. The heads of the lists lie at `base`, after a tag.
fn is_first_of_a_list(view: &View<'_>, base: u64, chunk: u64) -> bool {
    let width = view.width();
    (1..=lists(width)).any(|word| base.checked_add(word * width).and_then(|at| view.word(at)) == Some(chunk))
}

/// The memory that ends at `end`, as far down as a heap's start or a break after `least` chunks; `None` if none ends
/// there. `base` is the first heap's start, and `first` where its chunks begin.
fn piece(view: &View<'_>, base: u64, first: u64, end: u64, least: usize) -> Option<ChunkPiece> {
    let width = view.width();
    let mut ends = Vec::new();
    let (mut at, mut above) = (end, None);
    let (start, broken) = loop {
        if at == first {
            break (base, None);
        }
        match chunk(view, base, at, above) {
            Ok(None) => break (at - width, None),
            Ok(Some((start, state))) => {
                ends.push(at);
                (at, above) = (start, Some(state));
            }
            Err(damage) => match wrong_tag(view, base, first, &ends, at) {
                Some((number, damage)) => {
                    at = ends[number];
                    ends.truncate(number);
                    break (at, Some(damage));
                }
                None => {
                    let led_by = ends.last().map(|end| end - width);
                    break (at, Some(damage.led_by("tag", led_by)));
                }
            },
        }
    };
    if end <= first || broken.is_some() && ends.len() < least {
        return None;
    }
    let broken = broken.map(|damage| match damage.block {
        None if !damage.missing => {
            start_of(view, base, first, start).map_or(damage.clone(), |block| damage.about(block))
        }
        _ => damage,
    });
    let ends = ends.into_iter().map(|end| u32::try_from((end - start) / width).ok()).collect::<Option<_>>()?;
    Some(ChunkPiece { range: start..end, ends, broken })
}

/// The fault of a tag that led to `broken`, where no chunk ends, while chunks go on from elsewhere in the one above it,
/// and the number of that one's end in `ends`.
fn wrong_tag(view: &View<'_>, base: u64, first: u64, ends: &[u64], broken: u64) -> Option<(usize, Damage)> {
    let width = view.width();
    let goes_on = |start: u64| {
        let (mut at, mut above, mut sound) = (start, Some(State::Used), 0);
        while at != broken && at != first && (at > broken || sound < ENOUGH) {
            match chunk(view, base, at, above).ok()?.filter(|_| view.may_follow()) {
                Some((start, state)) => (at, above, sound) = (start, Some(state), sound + 1),
                None => return (at < broken).then_some(start),
            }
        }
        (at < broken).then_some(start)
    };
    (0..ends.len()).rev().take(WRONG_TAGS).find_map(|number| {
        let (end, start) = (ends[number], ends.get(number + 1).copied().unwrap_or(broken));
        let tag = view.word(end - width).filter(|tag| tag & USED != 0)?;
        let least = start + width;
        let places = (0..=(end.checked_sub(3 * width)?).checked_sub(least)? / width).map(|words| least + words * width);
        let start = places.take_while(|_| view.may_follow()).find_map(goes_on)?;
        let message =
            format!("the tag at the end of a block is {tag:#x}, but it begins at {start:#x}, by where others end");
        Some((number, Damage::new(end - width, message).about(start)))
    })
}

/// The start of the chunk that ends at `end`, if its tag does not tell: that of a free chunk, which is in a list and also
/// has its size at its start, or else the highest address below it at which others end that follow each other. A free
/// chunk may hold such chunks from when it was in use, so a start of it is looked for a little further down.
fn start_of(view: &View<'_>, base: u64, first: u64, end: u64) -> Option<u64> {
    let width = view.width();
    let highest = end.checked_sub(3 * width)?;
    let others_end = |at: &u64| {
        let (mut at, mut above) = (*at, None);
        for _ in 0..ENOUGH {
            if at == first {
                break;
            }
            match chunk(view, base, at, above) {
                Ok(Some((start, state))) => (at, above) = (start, Some(state)),
                Ok(None) => break,
                Err(_) => return false,
            }
        }
        true
    };
    let is_free = |at: u64| {
        let below = at.checked_sub(width).and_then(|tag| view.word(tag));
        below.is_some_and(|tag| tag & (USED | ABOVE_FREE) == USED | ABOVE_FREE)
            && view.word(at + 2 * width) == Some(end - at)
            && view.word(at + width).and_then(|link| view.word(link)) == Some(at)
    };
    let places = (0..=highest.checked_sub(first)? / width).map(|words| highest - words * width);
    let mut nearest = None;
    for at in places.take_while(|_| view.may_follow()) {
        if is_free(at) && others_end(&at) {
            return Some(at);
        }
        match nearest {
            None if others_end(&at) => nearest = Some(at),
            Some(nearest) if nearest - at >= FREE_SEARCH => break,
            _ => {}
        }
    }
    nearest
}

/// Start and state of the chunk that ends at `end`, above which lies one with the state `above`; `None` where a heap
/// begins.
fn chunk(view: &View<'_>, base: u64, end: u64, above: Option<State>) -> Result<Option<(u64, State)>, Damage> {
    let width = view.width();
    let at = end - width;
    let Some(word) = view.word(at) else { return Err(Damage::missing(at)) };
    let bits = width - 1;
    let above_free = above == Some(State::Free);
    let says_free = word & ABOVE_FREE != 0;
    if word & USED == 0 {
        let start = end.checked_sub(word).filter(|start| *start > base && word >= 3 * width && word & bits == 0);
        let again = start.and_then(|start| view.word(start + 2 * width));
        // The tag below a free chunk says that it is free: then its end is right and its start wrong, over which more
        // is written.
        let below = start.map(|start| chunk(view, base, start, Some(State::Free)));
        let says_so = matches!(below, Some(Ok(Some((_, State::Used)))));
        return match start.filter(|_| !above_free) {
            Some(start) if again == Some(word) => Ok(Some((start, State::Free))),
            Some(start) if says_so => {
                let size = again.unwrap_or(0);
                let message = format!("a free block begins with the size {size:#x}, and ends with {word:#x}");
                Err(Damage::new(start + 2 * width, message).about(start))
            }
            Some(start) if is_first_of_a_list(view, base, start) => {
                let message = format!("a free block of {word:#x} bytes is written over at its start, and before it");
                Err(Damage::new(start, message).about(start))
            }
            _ => Err(Damage::new(at, format!("a block ends with {word:#x}, which is neither a tag nor a size here"))),
        };
    }
    if above.is_some() && says_free != above_free {
        let (says, is) = if says_free { ("free", "used") } else { ("used", "free") };
        let message = format!("the tag at the end of a block is {word:#x}: the next one is {says}, but it is {is}");
        return Err(Damage::new(at, message));
    }
    match word & !bits {
        0 if above.is_some() => Ok(None),
        start if start > base && end >= start + 3 * width && word & bits & !(USED | ABOVE_FREE) == 0 => {
            Ok(Some((start, State::Used)))
        }
        _ => Err(Damage::new(at, format!("the tag at the end of a block is {word:#x}, which is no start of one here"))),
    }
}

impl Talc4 {
    /// The first link of a free chunk that is broken: each neighbour must link back.
    fn broken_link(&self, view: &View<'_>, chunk: u64) -> Option<Damage> {
        // Below what is broken lie blocks, too.
        let inside = |at: u64| {
            let next = self.pieces.partition_point(|piece| piece.range.end <= at);
            let piece = self.pieces.get(next).filter(|_| at >= self.heads.start);
            piece.is_some_and(|piece| piece.range.start <= at || piece.broken.is_some())
        };
        let links = [
            Link { at: 0, back: self.width, to: "next", end: Some(0) },
            Link { at: self.width, back: 0, to: "previous", end: None },
        ];
        let is_free = |at: u64| {
            let size = at.checked_add(2 * self.width).and_then(|at| view.word(at));
            let foot = size.and_then(|size| view.word(at.checked_add(size)?.checked_sub(self.width)?));
            size.is_some() && foot == size
        };
        let is_head = |at: u64| self.heads.contains(&at) && (at - self.heads.start).is_multiple_of(self.width);
        let lists = Lists { header: 0, is_head, inside, is_free, may_be_alone: |_| false };
        broken_link(view, chunk, links, lists).map(Damage::from)
    }
}

impl Allocator for Talc4 {
    fn blocks<'v>(&'v self, view: &'v View<'v>, strict: bool) -> Blocks<'v> {
        let width = self.width;
        let blocks = self.pieces.iter().flat_map(move |piece| {
            let mut start = match (&piece.broken, self.heads.end + width) {
                (Some(_), _) => piece.range.start,
                (None, first) if piece.range.contains(&first) => first,
                (None, _) => piece.range.start + width,
            };
            let chunks = piece.ends.iter().rev().map(move |end| {
                let end = piece.range.start + u64::from(*end) * width;
                let used = view.word(end - width).is_some_and(|word| word & USED != 0);
                let state = if used { State::Used } else { State::Free };
                let block = Block::new(start, end - width - start, state);
                start = end;
                Ok(block)
            });
            piece.broken.clone().into_iter().map(Err).chain(chunks)
        });
        if !strict {
            return Box::new(blocks);
        }
        with_faults(blocks, move |block| match block.state {
            State::Free => self.broken_link(view, block.address),
            _ => None,
        })
    }

    fn gap(&self) -> u64 {
        self.width
    }

    fn alignment(&self) -> u64 {
        self.width
    }

    fn check(&self, view: &View<'_>) -> Option<Damage> {
        let mut heads = self.heads.clone().step_by(self.width as usize);
        heads.find_map(|at| {
            let chunk = view.word(at).filter(|&chunk| chunk != 0)?;
            // Nothing is known of what lies below a broken chunk.
            let mut broken = self.pieces.iter().filter(|piece| piece.broken.is_some());
            if chunk > self.heads.end && broken.any(|piece| chunk < piece.range.start) {
                return None;
            }
            let good = view.word(chunk.checked_add(self.width)?) == Some(at);
            (!good).then(|| {
                let message =
                    format!("a list of free blocks begins with {chunk:#x}, which is no block that links back");
                Damage::new(at, message).leading_to(chunk)
            })
        })
    }
}
