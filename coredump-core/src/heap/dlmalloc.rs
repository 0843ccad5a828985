//! Doug Lea's malloc 2.8.6: in C (wasi-libc, emscripten) and as the Rust crate `dlmalloc` (wasm32-unknown-unknown).
//!
//! A chunk at `c` has its size in its second word, with two bits below it: the chunk before is used, this one is used.
//! Its first word belongs to the chunk before, unless that is free: then it holds that one's size. The program's block
//! begins after both. All chunks of a segment follow each other; in the newest segment the last one is `top`.
//!
//! The state is found by its small bins. A bin is the head of a circular list; one that is empty links to itself, and
//! the first two always are, for no chunk is that small. Around the bins lie, in the order of the compiler, `top` with
//! its size, and the newest segment; all three must agree.

use std::cell::Cell;
use std::ops::Range;

use super::apart::{self, Apart};
use super::block::{Block, Damage, State};
use super::links::{BrokenLink, Link, Lists, broken_link, with_faults};
use super::resume::resumes;
use super::view::View;
use super::{Allocator, AllocatorKind, Blocks, FoundHeap};

/// The lowest bits of a chunk's size: the chunk before is used, this one is used, a flag that the program may set.
const PREVIOUS_USED: u64 = 1;
const USED: u64 = 2;
const FLAGS: u64 = 7;
/// Places in a free chunk at which one may have begun that was joined with it.
const JOINED: usize = 1 << 14;
/// Bytes of the smallest chunk that is kept in a tree when it is free.
const IN_TREES: u64 = 256;
/// Words of the small bins: two for each of 32, and two more.
const BIN_WORDS: u64 = 66;
/// Words on either side of the small bins that may belong to the state: the tree's bins are 32, all others 20.
const AROUND: u64 = 64;
/// Segments of one heap: each but the first takes a growth of memory by somebody else in between.
const MAX_SEGMENTS: usize = 1 << 16;
/// Heaps in one memory.
const MAX_HEAPS: usize = 16;
/// Bytes of a segment that it pays to go over in two halves; places where the second may begin that are looked at, and
/// chunks from there on that must agree.
const WORTH_HALVING: u64 = 32 << 20;
const LOOKED_FOR: usize = 1 << 16;
const AGREEING: usize = 256;
/// Chunks before a broken one whose sizes may be what is wrong.
const BEFORE: usize = 8;
/// Records of segments that are looked at in search of the heaps.
const LOOKED_AT: usize = 1 << 22;

/// An order in which a compiler lays out the fields of the Rust crate's state, in bytes from its start.
struct Order {
    /// Bytes in an address.
    width: u64,
    /// The small bins.
    bins: u64,
    /// `top`, in front of which are `dv` and the size of `top`.
    top: u64,
    /// The newest segment.
    segment: u64,
    /// The bitmap of the small bins.
    map: u64,
    /// Bytes of the whole state.
    size: u64,
}

/// The orders that are known: rustc 1.95, 1.63, and 1.97 for 64-bit memories.
const ORDERS: [Order; 3] = [
    Order { width: 4, bins: 144, top: 428, segment: 128, map: 408, size: 452 },
    Order { width: 4, bins: 8, top: 412, segment: 424, map: 0, size: 452 },
    Order { width: 8, bins: 288, top: 840, segment: 256, map: 888, size: 896 },
];

/// One heap.
#[derive(Clone, Debug)]
pub struct Dlmalloc {
    /// Bytes in an address.
    width: u64,
    /// The alignment of blocks, in bytes.
    alignment: u64,
    /// The small bins, which lie within the state.
    bins: u64,
    /// The address of the bitmap of the small bins. Bins whose bit is not set hold stale links.
    small_map: Option<u64>,
    /// The words around the bins that may belong to the state.
    around: Range<u64>,
    /// The chunk at the end of the newest segment, and its size.
    top: u64,
    top_size: u64,
    /// The newest first.
    segments: Vec<HeapSegment>,
    /// The address ranges of the segments, and the records of all but the newest, both by address.
    ranges: Vec<Range<u64>>,
    records: Vec<u64>,
}

#[derive(Clone, Copy, Debug)]
struct HeapSegment {
    base: u64,
    end: u64,
    /// Its record, which lies in a chunk of its own if it is not the newest segment's.
    record: u64,
}

/// The heaps whose state lies in one of `places`.
pub fn find(view: &View<'_>, places: &[Range<u64>]) -> Vec<FoundHeap> {
    let width = view.width();
    let left = Cell::new(LOOKED_AT);
    let mut found: Vec<FoundHeap> = Vec::new();
    for place in places {
        let mut bins = Vec::new();
        view.words(place.clone(), |at, value| {
            // The first bin's forward link is its third word and points to its first.
            if value == at.wrapping_sub(2 * width) && view.word(at + width) == Some(value) {
                // Only the first one of a row of empty bins is wanted; bin 1 directly follows bin 0.
                let previous = at.wrapping_sub(2 * width);
                let first = view.word(previous) != Some(previous.wrapping_sub(2 * width));
                if first && view.word(at + 2 * width) == Some(at) {
                    bins.push(value);
                }
            }
            bins.len() < 4096
        });
        // After a bin that is not empty the next row of empty ones begins: it belongs to the bins that were found.
        let mut inside = 0;
        for bins in bins {
            if found.len() < MAX_HEAPS
                && bins >= inside
                && let Some(heap) = Dlmalloc::at(view, bins, &left)
            {
                found.push(heap);
                inside = bins + BIN_WORDS * width;
            }
        }
    }
    found
}

impl Dlmalloc {
    /// The heap with its small bins at `bins`.
    fn at(view: &View<'_>, bins: u64, left: &Cell<usize>) -> Option<FoundHeap> {
        let width = view.width();
        let around = bins.saturating_sub(AROUND * width)..bins + (BIN_WORDS + AROUND) * width;
        let mut words = Vec::new();
        view.words(around.clone(), |at, value| {
            words.push((at, value));
            true
        });
        words.retain(|(at, _)| !(bins..bins + BIN_WORDS * width).contains(at));
        let size = view.memory().size;
        // `top`: its head holds a size that is in the state too, and at its end stands what is left for a segment's
        // record.
        let top_of = |top: u64, top_size: u64| {
            let foot = view.word(top.checked_add(top_size)?.checked_add(width)?)?;
            let alignment = [16, 8].into_iter().find(|&alignment| foot == foot_size(width, alignment))?;
            let aligned = (top + 2 * width).is_multiple_of(alignment) && top_size.is_multiple_of(alignment);
            Some((top, top_size, alignment, top + top_size + foot)).filter(|top| aligned && top.3 <= size)
        };
        let tops = words.iter().filter_map(|&(_, top)| {
            let head = view.word(top.checked_add(width)?)?;
            let top_size = head & !FLAGS;
            let known = head & FLAGS == PREVIOUS_USED && words.iter().any(|&(_, value)| value == top_size);
            if known { top_of(top, top_size) } else { None }
        });
        // Its head is what the last block writes over. In an order that is known the state alone says where it is.
        let places = orders(width, bins).filter_map(|[top, top_size, _]| {
            let (top, top_size) = (view.word(top)?, view.word(top_size)?);
            top_of(top, top_size)
        });
        for (by_order, (top, top_size, alignment, end)) in
            tops.map(|top| (false, top)).chain(places.map(|top| (true, top)))
        {
            let mut heap = Dlmalloc {
                width,
                alignment,
                bins,
                small_map: None,
                around: around.clone(),
                top,
                top_size,
                segments: Vec::new(),
                ranges: Vec::new(),
                records: Vec::new(),
            };
            // The newest segment begins before top and ends after it, and leads to the older ones. Numbers that count
            // bytes may look like it: what is where some compiler has put the segment comes first, then what begins
            // with a chunk.
            let newest = words.windows(2).filter_map(|pair| {
                let &[(record, base), (behind, len)] = pair else { return None };
                let fits = behind == record + width && base <= top && base.checked_add(len) == Some(end);
                let fits = fits && (!by_order || heap.expects(record));
                let newest = HeapSegment { base, end, record };
                let segments = fits.then(|| heap.segments(view, newest, left)).flatten()?;
                let doubt = if heap.expects(record) { 0 } else { 2 - u8::from(heap.begins(view, &newest)) };
                Some((doubt, record, segments))
            });
            let Some((_, record, segments)) = newest.min_by_key(|(doubt, ..)| *doubt) else { continue };
            heap.ranges = segments.iter().map(|segment| segment.base..segment.end).collect();
            heap.ranges.sort_by_key(|range| range.start);
            heap.records = segments.iter().skip(1).map(|segment| segment.record).collect();
            heap.records.sort_unstable();
            heap.segments = segments;
            // The magic number that C keeps and Rust does not lies before the bins; it makes the order C's.
            let magic = view.word(bins.checked_sub(width)?).filter(|magic| magic & 15 == 8);
            let in_c = magic.is_some() && view.word(bins - 4 * width) == Some(top) && record > bins;
            let state = match in_c {
                true => (bins - 8 - 8 * width..record + 6 * width, Some(0)),
                false => rust_state(view, bins, top, record),
            };
            let (state, map) = state;
            heap.small_map = map.map(|map| state.start + map);
            return Some(FoundHeap {
                kind: if in_c { AllocatorKind::Dlmalloc } else { AllocatorKind::RustDlmalloc },
                ranges: heap.ranges.clone(),
                state: vec![state],
                allocator: Box::new(heap),
            });
        }
        None
    }

    /// All segments, from the newest on.
    fn segments(&self, view: &View<'_>, newest: HeapSegment, left: &Cell<usize>) -> Option<Vec<HeapSegment>> {
        let mut apart = Apart::default();
        apart.add(&(newest.base..newest.end));
        let mut segments = vec![newest];
        let mut record = newest.record;
        while segments.len() < MAX_SEGMENTS {
            let next = view.word(record.checked_add(2 * self.width)?)?;
            if next == 0 {
                return Some(segments);
            }
            left.set(left.get().checked_sub(1)?);
            let (base, len) = (view.word(next)?, view.word(next.checked_add(self.width)?)?);
            let end = base.checked_add(len).filter(|&end| end <= view.memory().size)?;
            // Its record lies in itself.
            if !(base..end).contains(&next) || !apart.add(&(base..end)) {
                return None;
            }
            segments.push(HeapSegment { base, end, record: next });
            record = next;
        }
        None
    }

    /// Returns true if the record of the newest segment lies there in a state of C, or in one of Rust whose order is
    /// known.
    fn expects(&self, record: u64) -> bool {
        orders(self.width, self.bins).any(|[_, _, segment]| segment == record)
    }

    /// Returns true if a segment begins with a chunk.
    fn begins(&self, view: &View<'_>, segment: &HeapSegment) -> bool {
        let first = self.first(segment);
        let Some(head) = view.word(first + self.width) else { return false };
        let size = head & !FLAGS;
        let fits = size >= 4 * self.width && size.is_multiple_of(self.alignment);
        head & PREVIOUS_USED != 0 && fits && first.checked_add(size).is_some_and(|next| next <= self.top)
    }

    /// The first chunk of a segment.
    fn first(&self, segment: &HeapSegment) -> u64 {
        (segment.base + 2 * self.width).next_multiple_of(self.alignment) - 2 * self.width
    }

    fn in_segment(&self, address: u64) -> bool {
        apart::holds(&self.ranges, address)
    }

    fn walk<'v>(&'v self, view: &'v View<'v>, strict: bool) -> ChunkWalk<'v> {
        let (next, before) = (self.segments.len(), ([None; BEFORE], 0));
        ChunkWalk { heap: self, view, strict, next, chunk: None, before, free_before: None, until: None }
    }

    /// The block of a chunk.
    fn block(&self, chunk: u64, size: u64, state: State) -> Block {
        Block::new(chunk + 2 * self.width, size - self.width, state)
    }

    /// The first link of a free chunk that is broken: each neighbour must link back.
    fn broken_link(&self, view: &View<'_>, chunk: u64) -> Option<Damage> {
        let width = self.width;
        let bins = self.bins..self.bins + BIN_WORDS * width;
        // A bin that is not in the map holds what is left over in it.
        let map = self.small_map.and_then(|at| view.u32(at)).unwrap_or(u32::MAX);
        let in_use = |bin: u64| bin.is_multiple_of(2 * width) && map >> (bin / (2 * width)).min(31) & 1 == 1;
        let links = [(2, 3, "next"), (3, 2, "previous")];
        let links = links.map(|(at, back, to)| Link { at: at * width, back: back * width, to, end: None });
        let lists = Lists {
            header: 2 * width,
            is_head: |at| bins.contains(&at) && in_use(at - bins.start),
            inside: |at| self.in_segment(at),
            is_free: |at| self.is_free(view, at),
            // A larger one may be the only one of its size in a tree, which names the one above it.
            may_be_alone: |at| self.is_in_tree(view, at),
        };
        let broken = match broken_link(view, chunk, links, lists)? {
            BrokenLink::Wrong(damage) => damage,
            BrokenLink::FreedTwice { at, block } => self.freed_twice(view, at, block),
        };
        // The designated victim, a free chunk that the state names, is in no list.
        let mut named = false;
        view.words(self.around.clone(), |at, value| {
            named = value == chunk
                && !bins.contains(&at)
                && view.word(chunk + width).is_some_and(|head| self.names_size(view, head));
            !named
        });
        (!named).then(|| self.wrong_victim(view, chunk).unwrap_or(broken))
    }

    /// The fault of the state's word that names the designated victim, if that is no free chunk of the size which the
    /// state has of it, while this one is, and is in no list.
    fn wrong_victim(&self, view: &View<'_>, chunk: u64) -> Option<Damage> {
        let width = self.width;
        let top = orders(width, self.bins)
            .find(|[top, size, _]| view.word(*top) == Some(self.top) && view.word(*size) == Some(self.top_size));
        let [top, top_size, _] = top?;
        let (victim, size) = (top.checked_sub(width)?, view.word(top_size.checked_sub(width)?)?);
        let is_one = |chunk: u64| {
            let head = chunk.checked_add(width).and_then(|at| view.word(at));
            self.in_segment(chunk) && head.is_some_and(|head| head & !FLAGS == size) && self.is_free(view, chunk)
        };
        let named = view.word(victim).filter(|&named| named != chunk && !is_one(named) && is_one(chunk))?;
        // Whoever is in a list has a neighbour that knows it.
        let is_known = [(2, 3), (3, 2)].into_iter().any(|(there, back)| {
            let neighbour = view.word(chunk + there * width);
            neighbour.and_then(|at| view.word(at.checked_add(back * width)?)) == Some(chunk)
        });
        (!is_known).then(|| {
            let message = format!(
                "the state names {named:#x} as the free block that is divided next, of {size:#x} bytes; that is {:#x}",
                chunk + 2 * width
            );
            Damage::new(victim, message)
        })
    }

    /// Returns true if a chunk is free by its header and by its size at its end.
    fn is_free(&self, view: &View<'_>, chunk: u64) -> bool {
        let head = chunk.checked_add(self.width).and_then(|at| view.word(at)).unwrap_or(0);
        let size = head & !FLAGS;
        head & USED == 0
            && size >= 4 * self.width
            && chunk.checked_add(size).is_some_and(|next| view.word(next) == Some(size))
    }

    /// The link at `at` leads back to `block`, which its list had already. Where a block was joined with a free one in
    /// front of it, and is freed again, it is that one which comes into a list twice: then both are named.
    fn freed_twice(&self, view: &View<'_>, at: u64, block: u64) -> Damage {
        let chunk = block - 2 * self.width;
        let head = |at: u64| view.word(at + self.width).unwrap_or(0);
        let end = chunk.saturating_add(head(chunk) & !FLAGS);
        // It has the size of the one in front of it, as that was, and says that this one is free and that itself is
        // used.
        let was_joined = |at: &u64| {
            let says = head(*at) & (USED | PREVIOUS_USED) == USED && at.saturating_add(head(*at) & !FLAGS) <= end;
            says && view.word(*at) == Some(at - chunk)
        };
        let mut places = (chunk + 4 * self.width..end).step_by(self.alignment as usize).take(JOINED);
        match places.find(was_joined).map(|at| at + 2 * self.width) {
            Some(joined) => {
                let which = format!("it, or {joined:#x}, which was joined with it, was freed twice");
                Damage::new(at, format!("a list of free blocks comes back to {block:#x}: {which}")).about(block)
            }
            None => Damage::freed_twice(at, block),
        }
    }

    /// Returns true if a free chunk is a node of a tree: others of its size link to it and to each other.
    fn is_in_tree(&self, view: &View<'_>, chunk: u64) -> bool {
        let word = |index: u64| view.word(chunk.checked_add(index * self.width)?);
        word(1).is_some_and(|head| head & !FLAGS >= IN_TREES) && word(6) != Some(0)
    }

    /// The free block that lies at the end of another free one, which ends at `end`, if there is one: it was freed
    /// again after the two were joined.
    fn freed_after_join(&self, view: &View<'_>, outer: u64, end: u64) -> Option<Damage> {
        let chunk = end.checked_sub(view.word(end)?).filter(|&chunk| chunk > outer)?;
        let size = view.word(chunk + self.width)? & !FLAGS;
        let twice = chunk.checked_add(size) == Some(end) && self.is_free(view, chunk);
        twice.then(|| Damage::freed_after_join(end, chunk + 2 * self.width))
    }

    /// Returns true if the state holds this chunk's size, as it holds that of the designated victim.
    fn names_size(&self, view: &View<'_>, head: u64) -> bool {
        let mut found = false;
        view.words(self.around.clone(), |_, value| {
            found = value == head & !FLAGS;
            !found
        });
        found
    }
}

/// Returns the addresses of `top`, of its size and of the newest segment, in each order that is known: that of C, and
/// those of the Rust crate.
fn orders(width: u64, bins: u64) -> impl Iterator<Item = [u64; 3]> {
    let c = bins.checked_sub(7 * width).map(|size| [bins - 4 * width, size, bins + 102 * width]);
    let crates = ORDERS.iter().filter(move |order| order.width == width).filter_map(move |order| {
        let start = bins.checked_sub(order.bins)?;
        Some([start + order.top, (start + order.top).checked_sub(2 * width)?, start + order.segment])
    });
    c.into_iter().chain(crates)
}

/// The state of the Rust crate. The order of its fields is the compiler's: of one that is not known here, only the bins
/// are sure to belong to it. With it comes the offset of the bitmap of the small bins.
fn rust_state(view: &View<'_>, bins: u64, top: u64, segment: u64) -> (Range<u64>, Option<u64>) {
    let mut orders = ORDERS.iter().filter(|order| order.width == view.width());
    let known = orders.find_map(|order| {
        let start = bins.checked_sub(order.bins)?;
        let agrees = view.word(start + order.top) == Some(top) && start + order.segment == segment;
        agrees.then_some((start, order))
    });
    match known {
        Some((start, order)) => (start..start + order.size, Some(order.map)),
        None => (bins..bins + BIN_WORDS * view.width(), None),
    }
}

/// The room after `top` in which the record of its segment will be kept: what stands in the head at its end.
fn foot_size(width: u64, alignment: u64) -> u64 {
    let offset = (alignment - 2 * width % alignment) % alignment;
    let record = (4 * width + width).next_multiple_of(alignment);
    let smallest = (4 * width).next_multiple_of(alignment);
    offset + record + smallest
}

impl Allocator for Dlmalloc {
    fn blocks<'v>(&'v self, view: &'v View<'v>, strict: bool) -> Blocks<'v> {
        let walk = self.walk(view, strict);
        if !strict {
            return Box::new(walk);
        }
        // Chunks that are left at the end are in no list.
        with_faults(walk, move |block| {
            let chunk = block.address - 2 * self.width;
            // What does not end as it begins is no free chunk, or a broken one: the walk sees that next.
            let listed = block.state == State::Free && chunk != self.top && self.is_free(view, chunk);
            if listed { self.broken_link(view, chunk) } else { None }
        })
    }

    fn middle(&self, view: &View<'_>) -> Option<u64> {
        let newest = self.segments.first()?;
        let first = self.first(newest);
        let size = self.top.checked_sub(first).filter(|&size| size >= WORTH_HALVING)?;
        let from = first + (size / 2).next_multiple_of(self.alignment);
        let begins = |chunk: &u64| {
            let (mut at, mut used_before) = (*chunk, true);
            for _ in 0..AGREEING {
                let head = view.word(at + self.width).unwrap_or(0);
                let size = head & !FLAGS;
                if (head & PREVIOUS_USED != 0) != used_before
                    || size < 4 * self.width
                    || !size.is_multiple_of(self.alignment)
                    || size > self.top - at
                {
                    return false;
                }
                (at, used_before) = (at + size, head & USED != 0);
                if at == self.top {
                    break;
                }
            }
            true
        };
        let chunk = (from..self.top).step_by(self.alignment as usize).take(LOOKED_FOR).find(begins)?;
        Some(chunk + 2 * self.width)
    }

    fn half<'v>(&'v self, view: &'v View<'v>, middle: u64, second: bool) -> Blocks<'v> {
        let chunk = middle - 2 * self.width;
        let walk = self.walk(view, false);
        Box::new(match second {
            false => ChunkWalk { until: Some(chunk), ..walk },
            true => ChunkWalk { next: 0, chunk: Some(chunk), ..walk },
        })
    }

    fn gap(&self) -> u64 {
        self.width
    }

    fn alignment(&self) -> u64 {
        self.alignment
    }

    fn is_dense(&self) -> bool {
        true
    }

    fn check(&self, view: &View<'_>) -> Option<Damage> {
        // Each list that is not empty begins with a chunk that links back to its bin.
        let map = view.u32(self.small_map?)?;
        (0..32).filter(|index| map >> index & 1 == 1).find_map(|index| {
            let bin = self.bins + 2 * self.width * index;
            let at = bin + 2 * self.width;
            let first = view.word(at)?;
            let back = first.checked_add(3 * self.width).and_then(|at| view.word(at));
            let good = self.in_segment(first) && back == Some(bin);
            (!good).then(|| {
                let message =
                    format!("the list of free blocks begins with {first:#x}, which is no block that links back");
                Damage::new(at, message).leading_to(first.saturating_add(2 * self.width))
            })
        })
    }
}

/// Goes over the chunks, the oldest segment first.
struct ChunkWalk<'v> {
    heap: &'v Dlmalloc,
    view: &'v View<'v>,
    strict: bool,
    /// The number of segments that are left.
    next: usize,
    chunk: Option<u64>,
    /// The chunks of the blocks before, in a circle, and the number of them: [`ChunkWalk::before`] gives each.
    before: ([Option<u64>; BEFORE], usize),
    /// The size of the chunk before, if that is free. `None` at a segment's start too.
    free_before: Option<u64>,
    /// A chunk of the newest segment, at which or after which the walk ends.
    until: Option<u64>,
}

impl Iterator for ChunkWalk<'_> {
    type Item = Result<Block, Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some(chunk) = self.chunk else {
                self.next = self.next.checked_sub(1)?;
                self.chunk = Some(self.heap.first(&self.heap.segments[self.next]));
                (self.before, self.free_before) = (([None; BEFORE], 0), None);
                continue;
            };
            if self.next == 0 && self.until.is_some_and(|until| chunk >= until) {
                return None;
            }
            match self.step(chunk) {
                Ok(Some(block)) => {
                    let (chunks, count) = &mut self.before;
                    chunks[*count % BEFORE] = Some(chunk);
                    *count += 1;
                    // A chunk that holds the record of its segment is the allocator's own.
                    let own = self.heap.records.binary_search(&block.address).is_ok();
                    if !own {
                        return Some(Ok(block));
                    }
                }
                Ok(None) => self.chunk = None,
                Err(damage) => {
                    self.chunk = None;
                    let wrong = if self.strict { self.wrong_size(chunk) } else { None };
                    return Some(Err(wrong.unwrap_or_else(|| match self.block_before(0) {
                        // Nothing was written beyond the end of a block that others lie in.
                        Some(before) if damage.block.is_some_and(|block| block < before.end()) => damage,
                        before => damage.behind(before).led_by("size", self.header_before()),
                    })));
                }
            }
        }
    }
}

impl ChunkWalk<'_> {
    /// Returns the address at which the blocks of the segment end.
    fn limit(&self) -> u64 {
        if self.next == 0 { self.heap.top } else { self.heap.segments[self.next].end }
    }

    /// The chunk of the block before, or of one of those before that, as far as it is known.
    fn before(&self, number: usize) -> Option<u64> {
        let (chunks, count) = &self.before;
        chunks[count.checked_sub(number + 1).filter(|_| number < BEFORE)? % BEFORE]
    }

    /// The header of the block before.
    fn header_before(&self) -> Option<u64> {
        Some(self.before(0)? + self.heap.width)
    }

    /// A block before, by its number ([`ChunkWalk::before`]).
    fn block_before(&self, number: usize) -> Option<Block> {
        let chunk = self.before(number)?;
        let head = self.view.word(chunk + self.heap.width)?;
        let state = if head & USED != 0 { State::Used } else { State::Free };
        Some(self.heap.block(chunk, head & !FLAGS, state))
    }

    /// The header of one of the blocks before, whose size led to where no block begins, and so to `chunk` at last,
    /// while blocks go on elsewhere.
    fn wrong_size(&self, chunk: u64) -> Option<Damage> {
        let nearest = self.before(0)?;
        // The size of a free block stands at its end, too.
        if self.free_before.is_some_and(|size| self.view.word(chunk) == Some(size)) {
            return None;
        }
        let by_foot = self.free_before.and_then(|_| self.start_by_foot(nearest, chunk));
        let (number, next) = (0..BEFORE).take_while(|number| self.before(*number).is_some()).find_map(|number| {
            let next = by_foot.filter(|&start| self.before(number).is_some_and(|before| before < start));
            Some((number, next.or_else(|| self.goes_on(number, chunk))?))
        })?;
        let Dlmalloc { width, .. } = *self.heap;
        let wrong = self.before(number)?;
        let head = self.view.word(wrong + width)?;
        let message =
            format!("the block's header holds {head:#x}, but its size is {:#x}, by where blocks go on", next - wrong);
        Some(Damage::new(wrong + width, message).about(wrong + 2 * width).behind(self.block_before(number + 1)))
    }

    /// The beginning of the free chunk that ends at `end` by the size there, if that is in front of `chunk`, to which
    /// the sizes of the blocks before have led.
    fn start_by_foot(&self, chunk: u64, end: u64) -> Option<u64> {
        let width = self.heap.width;
        let start = end.checked_sub(self.view.word(end)?).filter(|&start| start < chunk)?;
        let head = self.view.word(start.checked_add(width)?)?;
        let is_free = head & USED == 0 && head & PREVIOUS_USED != 0 && start.checked_add(head & !FLAGS) == Some(end);
        let oldest = (0..BEFORE).map_while(|number| self.before(number)).last()?;
        (is_free && start > oldest + 2 * width).then_some(start)
    }

    /// Returns the address in the block before with this number at which blocks go on, but not where its size says, if
    /// they lead on past `chunk`.
    fn goes_on(&self, number: usize, chunk: u64) -> Option<u64> {
        let Dlmalloc { width, alignment, .. } = *self.heap;
        let wrong = self.before(number)?;
        let sound = |chunk: u64| {
            // Of those further away not many are looked at.
            let head = Some(chunk.checked_add(width)?).filter(|_| number == 0 || self.view.may_follow());
            let head = self.view.word(head?)?;
            if head == width | USED | PREVIOUS_USED {
                return Some(self.limit());
            }
            let size = head & !FLAGS;
            let next = chunk.checked_add(size).filter(|_| size >= 4 * width && size.is_multiple_of(alignment))?;
            let says_used = self.view.word(next.checked_add(width)?)? & PREVIOUS_USED != 0;
            (says_used == (head & USED != 0)).then_some(next)
        };
        let said = number.checked_sub(1).map_or(Some(chunk), |number| self.before(number))?;
        let next = resumes(wrong + 4 * width, chunk, alignment, self.limit(), sound).filter(|&next| next < said)?;
        // In a free block, headers of before are left over: the right size stands at its end.
        let is_free = self.view.word(wrong + width)? & USED == 0;
        (!is_free || self.view.word(next) == Some(next - wrong)).then_some(next)
    }

    /// The block at `chunk`, and on to the next one; `None` at a segment's end.
    fn step(&mut self, chunk: u64) -> Result<Option<Block>, Damage> {
        let Dlmalloc { width, alignment, top, top_size, .. } = *self.heap;
        let newest = self.next == 0;
        let at = chunk + width;
        let block = chunk + 2 * width;
        let fail = |message: String| Err(Damage::new(at, message).about(block));
        let Some(head) = self.view.word(at) else { return Err(Damage::missing(at).about(block)) };
        let size = head & !FLAGS;
        if newest && chunk == top {
            self.chunk = None;
            if size != top_size || head & USED != 0 {
                return fail(format!("the header of the last, free block holds {head:#x}; its size is {top_size:#x}"));
            }
            return Ok((top_size > 0).then(|| self.heap.block(chunk, size, State::Free)));
        }
        if !newest && head == width | USED | PREVIOUS_USED {
            return Ok(None);
        }
        let limit = self.limit();
        // The alignment is a power of two: a division would take as long as all the rest.
        if size < 4 * width || size & (alignment - 1) != 0 || chunk.checked_add(size).is_none_or(|next| next > limit) {
            return fail(format!("the block's header holds {head:#x}, which is no size of a block here"));
        }
        let state = if head & USED != 0 { State::Used } else { State::Free };
        if (head & PREVIOUS_USED == 0) != self.free_before.is_some() {
            let (says, is) = if head & PREVIOUS_USED == 0 { ("free", "used") } else { ("used", "free") };
            return fail(format!("the block's header holds {head:#x}: the block before is {says}, but it is {is}"));
        }
        if let Some(free) = self.free_before {
            match self.view.word(chunk) {
                Some(foot) if foot == free => {}
                Some(foot) => {
                    let message =
                        format!("the size at the end of a free block is {foot:#x}, in its header it is {free:#x}");
                    let twice = self.heap.freed_after_join(self.view, chunk - free, chunk);
                    // The word is the free block's own.
                    let owner = self.before(0).map_or(block, |before| before + 2 * width);
                    return Err(twice.unwrap_or_else(|| Damage::new(chunk, message).about(owner)));
                }
                None => return Err(Damage::missing(chunk).about(block)),
            }
        }
        if state == State::Free && self.free_before.is_some() {
            return fail(format!("the block's header holds {head:#x}: two free blocks follow each other"));
        }
        self.free_before = (state == State::Free).then_some(size);
        self.chunk = Some(chunk + size);
        Ok(Some(self.heap.block(chunk, size, state)))
    }
}

#[cfg(test)]
mod tests {
    use super::foot_size;

    #[test]
    fn the_room_behind_top_is_what_the_libraries_keep() {
        // Seen in dumps: wasi-libc, emscripten and Rust's crate on wasm32; computed as in the C source for 64 bits.
        assert_eq!(
            [(4, 16), (4, 8), (8, 16), (8, 8)].map(|(width, alignment)| foot_size(width, alignment)),
            [0x38, 0x28, 0x50, 0x48]
        );
    }
}
