//! Microsoft's mimalloc (1.8.4 to 1.9, 2.0 to 2.4, 3.0 to 3.4): the Rust crate `mimalloc`, emscripten's
//! `-sMALLOC=mimalloc`.
//!
//! Blocks of one size are in a page: the record of a page says where they begin, how many there are, and where the
//! lists of free ones begin. The free ones of the blocks that were ever handed out are in these lists, and all others
//! are used. Blocks have no header. Each thread has a table of queues of its pages, one for each size and one for pages
//! that are full: the row of 73 sizes in it is what the allocator is found by. From version 3 on, full pages may be in
//! no queue: they have the address of the arena that they lie in, and all arenas have that of one static.
//!
//! Before 2.1.4, a page does not say where its blocks begin: that follows from the place of its record among those in
//! its segment. The place where the records begin differs between releases; it is found by the lists of free blocks,
//! which must lead to blocks.
//!
//! If the program was built with checks (`MI_DEBUG`, `MI_SECURE`), links are encoded with two keys of the page, and the
//! eight bytes after each block hold a canary and the number of bytes before it that were not asked for.

use std::collections::HashSet;
use std::ops::Range;

use super::apart;
use super::block::{Block, Damage, State};
use super::view::View;
use super::{Allocator, AllocatorKind, Blocks, FoundHeap};

/// Queues of a thread: for blocks of one size each, for huge blocks, for full pages.
const SIZES: u64 = 73;
const QUEUES: u64 = SIZES + 2;
/// Tables of queues: one for each thread.
const MAX_TABLES: usize = 4096;
/// Tables in static data that are tried.
const TRIED: usize = 64;
/// Bytes of the smallest page.
const PAGE: u64 = 4096;
/// Arenas that are checked against what only looks like one.
const MAX_ARENAS: usize = 1 << 16;
/// Bytes in which the records of a segment's pages lie.
const RECORDS: u64 = 32 << 10;
/// Bytes that a program with checks has after each block: the canary and the length of what is before.
const PADDING: u64 = 8;
/// The padding byte after the bytes that were asked for, and how many of these bytes the library fills.
const FILL: u8 = 0xde;
const FILLED: u64 = 16;

/// The place where the blocks of a page begin, according to the page's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BlocksStart {
    /// At this address.
    Address(u64),
    /// So many words after the record.
    Words(u64),
    /// In the slice of the segment that has the number of the record. The records begin so many bytes into the segment.
    Slice(u64, Skipped),
}

/// The room that is left free at the beginning of a page of small blocks, so that pages differ in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Skipped {
    /// 128 bytes (2.0).
    Guarantee,
    /// A few blocks (2.1).
    Blocks,
}

impl Skipped {
    fn bytes(self, size: u64, width: u64) -> u64 {
        match self {
            Skipped::Guarantee if (width..=1024).contains(&size) => 128,
            Skipped::Blocks if (width..=64).contains(&size) => 3 * size,
            Skipped::Blocks if (width..=512).contains(&size) => size,
            _ => 0,
        }
    }
}

/// Bytes of a segment and of its slices in a 32-bit memory, before 2.1.4, and where in a segment the records of the
/// slices may begin.
const SEGMENT: u64 = 4 << 20;
const SLICE: u64 = 32 << 10;
const RECORDS_FROM: Range<u64> = 32..512;
/// Pages by which it is found out how an older release lays out its records.
const TELLING: usize = 64;

/// Offsets of fields in the record of a page, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PageLayout {
    /// Words of a queue.
    queue: u64,
    used: u64,
    capacity: u64,
    reserved: u64,
    /// The lists of free blocks; the last one is of those that other threads freed, with bits below the address.
    lists: [u64; 3],
    block_size: u64,
    start: BlocksStart,
    /// Two keys, if links are encoded.
    keys: Option<u64>,
    /// True if a canary stands after each block.
    padded: bool,
    next: u64,
    previous: u64,
    /// From version 3 on: the arena that it lies in.
    arena: Option<u64>,
    len: u64,
}

/// The alignment of arenas, in bytes.
const ARENA: u64 = 4096;

/// Returns the offset in the record of an arena at which the address stands of the static that all arenas belong to.
fn owner_in_arena(width: u64) -> u64 {
    (2 * width).max(12) + 8
}

impl PageLayout {
    /// All that are known, for addresses of `width` bytes.
    fn all(width: u64) -> Vec<PageLayout> {
        let word = |words: u64, bytes: u64| words * width + bytes;
        // Version 1: a count of 16 bits and flags, words, and the counts in front.
        let one = PageLayout {
            queue: 3,
            used: word(2, 8),
            capacity: 2,
            reserved: 4,
            lists: [8, word(1, 8), word(4, 8) + width],
            block_size: word(3, 8),
            start: BlocksStart::Address(word(4, 8)),
            keys: None,
            padded: false,
            next: word(7, 8),
            previous: word(8, 8),
            arena: None,
            len: word(9, 8),
        };
        let two = PageLayout {
            used: one.used + 8,
            capacity: 10,
            reserved: 12,
            lists: one.lists.map(|list| list + 8),
            block_size: one.block_size + 8,
            start: BlocksStart::Address(word(4, 16)),
            next: one.next + 8,
            previous: one.previous + 8,
            len: one.len + 8,
            ..one
        };
        // Version 3: counts in 8 bytes after two words.
        let three = PageLayout {
            queue: 4,
            used: word(2, 0),
            capacity: word(2, 2),
            reserved: word(2, 4),
            lists: [word(1, 0), word(2, 8), word(3, 8)],
            block_size: word(4, 8),
            start: BlocksStart::Address(word(5, 8)),
            keys: None,
            padded: false,
            next: word(8, 8),
            previous: word(9, 8),
            arena: Some(word(11, 8)),
            len: word(11, 8) + owner_in_arena(width),
        };
        // Since 3.4: two numbers of 32 bits for the start and what is committed.
        let four = PageLayout {
            start: BlocksStart::Words(word(5, 8)),
            next: word(7, 16),
            previous: word(8, 16),
            arena: Some(word(9, 16)),
            len: word(9, 16) + owner_in_arena(width),
            ..three
        };
        let keyed = |layout: &PageLayout, keys: u64| {
            let behind = |at: u64| if at >= keys { at + 2 * width } else { at };
            PageLayout {
                keys: Some(keys),
                padded: true,
                lists: layout.lists.map(behind),
                next: behind(layout.next),
                previous: behind(layout.previous),
                arena: layout.arena.map(behind),
                len: behind(layout.len),
                ..*layout
            }
        };
        let plain = [(two, word(5, 16)), (three, word(6, 8)), (four, word(5, 16)), (one, word(5, 8))];
        plain.iter().flat_map(|(layout, keys)| [*layout, keyed(layout, *keys)]).collect()
    }

    /// The layouts of 2.0 to 2.1.2 in a 32-bit memory; `records` is where the records of pages begin in a segment.
    fn older(records: u64) -> Vec<PageLayout> {
        let plain = |skipped| PageLayout {
            queue: 3,
            used: 20,
            capacity: 10,
            reserved: 12,
            lists: [16, 28, 32],
            block_size: 24,
            start: BlocksStart::Slice(records, skipped),
            keys: None,
            padded: false,
            next: 40,
            previous: 44,
            arena: None,
            len: 48,
        };
        let keyed = |layout: PageLayout, keys: u64| {
            let behind = |at: u64| if at >= keys { at + 8 } else { at };
            PageLayout {
                used: behind(layout.used),
                block_size: behind(layout.block_size),
                lists: layout.lists.map(behind),
                keys: Some(keys),
                next: behind(layout.next),
                previous: behind(layout.previous),
                len: behind(layout.len),
                ..layout
            }
        };
        let [first, then] = [Skipped::Guarantee, Skipped::Blocks].map(plain);
        let layouts = [first, then, keyed(first, 20), keyed(then, 32)];
        // Links may be encoded without canaries.
        let padded = |layout: PageLayout| layout.keys.map(|_| PageLayout { padded: true, ..layout });
        layouts.into_iter().flat_map(|layout| [Some(layout), padded(layout)]).flatten().collect()
    }
}

/// Bytes of the blocks in the queue with this index.
fn size_of(queue: u64, width: u64) -> u64 {
    let words = match queue {
        0..=8 => queue.max(1),
        _ => {
            let (step, index) = ((queue - 9) / 4, (queue - 9) % 4);
            (8 << step) + (2 << step) * (index + 1)
        }
    };
    words * width
}

/// Returns true if a table of queues with this many words each begins at an address.
fn is_table(view: &View<'_>, table: u64, words: u64) -> bool {
    let width = view.width();
    (0..SIZES).all(|queue| view.word(table + (queue * words + words - 1) * width) == Some(size_of(queue, width)))
}

/// The tables of queues in a part of the memory, with the words of a queue of theirs.
fn tables(view: &View<'_>, place: Range<u64>, mut each: impl FnMut(u64, u64), mut word: impl FnMut(u64, u64)) {
    let width = view.width();
    view.words(place, |at, value| {
        // The size in the first queue, and the same in the next one.
        if value == width {
            for words in [3, 4] {
                if view.word(at + words * width) == Some(width)
                    && let Some(table) = at.checked_sub((words - 1) * width)
                    && is_table(view, table, words)
                {
                    each(table, words);
                }
            }
        }
        word(at, value);
        true
    });
}

/// A page of blocks.
#[derive(Clone, Copy, Debug)]
struct Page {
    record: u64,
    start: u64,
    size: u64,
    /// Blocks that were ever handed out, those that fit, and those that are used.
    capacity: u64,
    reserved: u64,
    used: u64,
}

impl Page {
    /// The page whose record lies at an address, if it may be one.
    fn at(view: &View<'_>, layout: &PageLayout, record: u64) -> Option<Page> {
        let width = view.width();
        let count = |offset: u64| view.u16(record.checked_add(offset)?).map(u64::from);
        let (used, capacity, reserved) = (count(layout.used)?, count(layout.capacity)?, count(layout.reserved)?);
        let size = view.word(record + layout.block_size)?;
        let start = match layout.start {
            BlocksStart::Address(at) => view.word(record + at)?,
            BlocksStart::Words(at) => record + u64::from(view.u32(record + at)?) * width,
            BlocksStart::Slice(records, skipped) => {
                let segment = record / SEGMENT * SEGMENT;
                let index =
                    record.checked_sub(segment + records).filter(|at| at.is_multiple_of(layout.len))? / layout.len;
                segment + index * SLICE + skipped.bytes(size, width)
            }
        };
        let fits = record.is_multiple_of(width)
            && start.is_multiple_of(width)
            && size.is_multiple_of(width)
            && size >= width
            && used <= capacity
            && capacity <= reserved
            && reserved > 0
            && start > record;
        let end = start.checked_add(reserved.checked_mul(size)?)?;
        (fits && end <= view.memory().size).then_some(Page { record, start, size, capacity, reserved, used })
    }

    fn end(&self) -> u64 {
        self.start + self.reserved * self.size
    }

    /// Returns the range of the blocks that were ever handed out.
    fn blocks(&self) -> Range<u64> {
        self.start..self.start + self.capacity * self.size
    }

    /// Returns a bit for each block, which is set if the block is free, and the first fault of the lists of free
    /// blocks.
    fn free(&self, view: &View<'_>, layout: &PageLayout) -> (Vec<u64>, Option<Damage>) {
        let mut free = vec![0u64; (self.capacity as usize).div_ceil(64)];
        let mut count = [0; 3];
        let mut lasts = Vec::new();
        let width = view.width();
        for (count, list) in count.iter_mut().zip(layout.lists) {
            let mut link = self.record + list;
            let Some(mut block) = view.word(link) else { return (free, Some(Damage::missing(link))) };
            if list == layout.lists[2] {
                block &= !(width - 1);
            }
            while block != 0 {
                let offset = block.wrapping_sub(self.start);
                if !self.blocks().contains(&block) || !offset.is_multiple_of(self.size) {
                    let message =
                        format!("a list of free blocks leads to {block:#x}, which is no block of {} bytes", self.size);
                    return (free, Some(self.broken(link, message)));
                }
                let index = offset / self.size;
                let (word, bit) = (&mut free[(index / 64) as usize], 1 << (index % 64));
                if *word & bit != 0 {
                    return (free, Some(Damage::freed_twice(link, block)));
                }
                *word |= bit;
                *count += 1;
                link = block;
                let Some(next) = self.link(view, layout, block) else { return (free, Some(Damage::missing(link))) };
                block = next;
            }
            lasts.extend((*count > 0).then_some(link));
        }
        // Blocks that other threads freed still count as used.
        let [free_now, freed, _] = count;
        let is = self.capacity - free_now - freed;
        let damage = (is != self.used).then(|| {
            let cut = self.cut(view, layout, &free, &lasts, is.wrapping_sub(self.used));
            if let Some(([last], rest)) = cut.as_ref().map(|(lasts, rest)| (&lasts[..], rest)) {
                let message =
                    format!("a list of free blocks leaves out others, which follow each other from {rest:#x} on");
                return self.broken(*last, message);
            }
            let mut message = format!(
                "the page's record says that {} blocks are used, but {is} are in no list of free ones",
                self.used
            );
            if let Some((lasts, rest)) = cut.filter(|(lasts, _)| !lasts.is_empty()) {
                let lasts: Vec<String> = lasts.iter().map(|last| format!("{last:#x}")).collect();
                message += &format!(
                    "; those that follow each other from {rest:#x} on are the rest of a list that ends too soon, at {}",
                    lasts.join(" or ")
                );
            }
            Damage::new(self.record + layout.used, message)
        });
        (free, damage)
    }

    /// The block whose link leaves out so many that are in no list, but follow each other up to the end of one or to a
    /// block in one, and the first of these. There are several that may be it if it is not known which of the lists,
    /// which end with `lasts`, they are the rest of. `None` if it is not the only row of blocks that is like that.
    fn cut(
        &self,
        view: &View<'_>,
        layout: &PageLayout,
        free: &[u64],
        lasts: &[u64],
        count: u64,
    ) -> Option<(Vec<u64>, u64)> {
        let index_of = |at: u64| {
            let offset = at.wrapping_sub(self.start);
            let inside = self.blocks().contains(&at) && offset.is_multiple_of(self.size);
            inside.then_some((offset / self.size) as usize)
        };
        let is_free = |index: usize| free[index / 64] >> (index % 64) & 1 == 1;
        let others = || (0..self.capacity as usize).filter(|index| !is_free(*index));
        let address = |index: usize| self.start + index as u64 * self.size;
        let next = |index: usize| self.link(view, layout, address(index));
        let mut led_to = vec![false; self.capacity as usize];
        others().filter_map(|index| index_of(next(index)?)).for_each(|index| led_to[index] = true);
        // Each block is gone over once: rows that meet are none.
        let mut seen = vec![false; self.capacity as usize];
        let mut end_of = |first: usize| {
            let (mut at, mut len) = (first, 0);
            loop {
                len += u64::from(!std::mem::replace(&mut seen[at], true));
                let link = next(at)?;
                match index_of(link) {
                    Some(next) if !is_free(next) && !seen[next] => at = next,
                    Some(next) if is_free(next) => return (len == count).then_some(link),
                    _ => return (link == 0 && len == count).then_some(0),
                }
            }
        };
        let mut rows = others().filter(|index| !led_to[*index]).filter_map(|first| Some((first, end_of(first)?)));
        let (first, end) = rows.next().filter(|_| rows.next().is_none())?;
        let first = address(first);
        let from = match end {
            // Blocks that were never used follow each other by address.
            0 => match lasts.iter().find(|last| *last + self.size == first) {
                Some(last) => vec![*last],
                None => lasts.to_vec(),
            },
            end => {
                let free = (0..self.capacity as usize).filter(|index| is_free(*index));
                free.filter(|index| next(*index) == Some(end)).map(address).take(1).collect()
            }
        };
        Some((from, first))
    }

    /// The block after a free one in its list; 0 after the last one.
    fn link(&self, view: &View<'_>, layout: &PageLayout, block: u64) -> Option<u64> {
        let link = view.word(block)?;
        let Some(keys) = layout.keys else { return Some(link) };
        let [first, second] = [view.word(self.record + keys)?, view.word(self.record + keys + view.width())?];
        let bits = 8 * view.width() as u32;
        let turned = match bits {
            32 => u64::from((link as u32).wrapping_sub(first as u32).rotate_right(first as u32 % bits)),
            _ => link.wrapping_sub(first).rotate_right((first % u64::from(bits)) as u32),
        };
        // The end of a list is the page's own record.
        Some(Some(turned ^ second).filter(|&next| next != self.record).unwrap_or(0))
    }

    /// The record at `link`, in a free block or in the page's record, is broken.
    fn broken(&self, link: u64, message: String) -> Damage {
        let damage = Damage::new(link, message);
        if !self.blocks().contains(&link) {
            return damage;
        }
        let before = link.checked_sub(self.size).filter(|&before| before >= self.start);
        // Its state does not matter to whoever asks which one was written beyond its end.
        damage.about(link).behind(before.map(|at| Block::new(at, self.size, State::Used)))
    }

    /// The block at an address in this page.
    fn block(&self, view: &View<'_>, layout: &PageLayout, at: u64, state: State) -> Block {
        if !layout.padded {
            return Block::new(at, self.size, state);
        }
        let room = self.size.saturating_sub(PADDING);
        let requested = view.u32(at + room + 4).and_then(|unasked| room.checked_sub(u64::from(unasked)));
        Block { requested: requested.filter(|_| state == State::Used), ..Block::new(at, room, state) }
    }

    /// Returns the fault after a used block, where the program was built with checks.
    fn written_beyond(&self, view: &View<'_>, layout: &PageLayout, block: &Block) -> Option<Damage> {
        let keys = layout.keys.filter(|_| layout.padded)?;
        let (first, second) = (view.word(self.record + keys)?, view.word(self.record + keys + view.width())?);
        let turned = match view.width() {
            4 => {
                let turned = (block.address as u32 ^ second as u32).rotate_left(first as u32 % 32);
                turned.wrapping_add(first as u32)
            }
            _ => (block.address ^ second).rotate_left((first % 64) as u32).wrapping_add(first) as u32,
        };
        let end = block.end();
        let unasked = u64::from(view.u32(end + 4)?);
        let beyond =
            |at: u64, message: String| Some(Damage::new(at, message).about(block.address).behind(Some(*block)));
        // The lowest byte is zero in some versions.
        if view.u32(end)? >> 8 != turned >> 8 || unasked > block.size {
            return beyond(end, "the canary after the block was written over".into());
        }
        let start = end - unasked;
        (start..end.min(start + FILLED)).find(|&at| view.u8(at).is_some_and(|byte| byte != FILL)).and_then(|at| {
            beyond(at, format!("the block of {} bytes was written beyond its end", block.size - unasked))
        })
    }
}

/// The heap.
#[derive(Clone, Debug)]
pub struct Mimalloc {
    layout: PageLayout,
    width: u64,
    /// By address.
    pages: Vec<Page>,
    /// The faults of queues that lead to no page.
    broken: Vec<Damage>,
}

/// The heap of a program whose first thread has its table of queues in one of `places`.
pub fn find(view: &View<'_>, places: &[Range<u64>]) -> Option<FoundHeap> {
    let width = view.width();
    let mut found = Vec::new();
    for place in places {
        tables(view, place.clone(), |table, words| found.push((table, words)), |_, _| {});
    }
    // Templates of tables have no pages.
    let first = |table: u64, words: u64| {
        (0..QUEUES).filter_map(move |queue| view.word(table + queue * words * width)).find(|&page| page != 0)
    };
    found.retain(|&(table, words)| first(table, words).is_some());
    found.truncate(TRIED);
    let (layout, heap) = found.iter().find_map(|&(table, words)| {
        let layouts = PageLayout::all(width).into_iter().filter(|layout| layout.queue == words);
        let heaps = layouts.map(|layout| (layout, Mimalloc::read(view, layout, [table].into_iter(), usize::MAX)));
        // The right layout has no broken page, or else the fewest of all.
        let sound = heaps.filter(|(_, heap)| heap.pages.len() > heap.broken.len());
        let best = sound.min_by_key(|(_, heap)| {
            heap.broken.len() + heap.pages.iter().filter(|page| !heap.is_sound(view, page)).count()
        });
        let best = best.filter(|(_, heap)| heap.pages.iter().any(|page| heap.is_sound(view, page)));
        best.or_else(|| older(view, table).filter(|_| words == 3))
    })?;
    // Other threads' tables lie in memory of the allocator's own, and so do arenas that have no page in any queue.
    let arena_of = |record: u64| layout.arena.and_then(|at| view.word(record + at)).filter(|&arena| arena != 0);
    let owner_of = |arena: u64| view.word(arena.checked_add(owner_in_arena(width))?);
    let is_static = |at: &u64| places.iter().any(|place| place.contains(at));
    let owner = heap.pages.iter().find_map(|page| owner_of(arena_of(page.record)?).filter(is_static));
    let (mut tables_of_all, mut arenas) = (Vec::new(), HashSet::new());
    let all = |table: u64, words: u64| {
        if words == layout.queue && tables_of_all.len() < MAX_TABLES && first(table, words).is_some() {
            tables_of_all.push(table);
        }
    };
    tables(view, 0..view.memory().size, all, |at, value| {
        if Some(value) == owner
            && let Some(arena) = at.checked_sub(owner_in_arena(width)).filter(|arena| arena.is_multiple_of(ARENA))
            && arenas.len() < MAX_ARENAS
        {
            arenas.insert(arena);
        }
    });
    let mut heap = Mimalloc::read(view, layout, tables_of_all.into_iter(), usize::MAX);
    if let Some(offset) = layout.arena.filter(|_| !arenas.is_empty()) {
        let mut loose = Vec::new();
        view.words(0..view.memory().size, |at, value| {
            if value.is_multiple_of(ARENA)
                && arenas.contains(&value)
                && let Some(record) = at.checked_sub(offset)
            {
                loose.extend(Page::at(view, &layout, record));
            }
            (loose.len() as u64) < view.memory().size / PAGE
        });
        heap.add(view, loose);
    }
    let (ranges, state) = heap.places(view);
    Some(FoundHeap { kind: AllocatorKind::Mimalloc, ranges, state, allocator: Box::new(heap) })
}

/// The heap of an older release with its table of queues at an address.
fn older(view: &View<'_>, table: u64) -> Option<(PageLayout, Mimalloc)> {
    let read = |layout: PageLayout, most: usize| Mimalloc::read(view, layout, [table].into_iter(), most);
    let layouts = RECORDS_FROM.step_by(4).flat_map(PageLayout::older).filter(|_| view.width() == 4);
    let doubts = layouts.filter_map(|layout| {
        let heap = read(layout, TELLING);
        // Only lists show it: they must lead to blocks of the page that they are of.
        let telling = |page: &&Page| page.used < page.capacity && heap.is_sound(view, page);
        let telling = heap.pages.iter().filter(telling).count();
        let unsound = heap.broken.len() + heap.pages.iter().filter(|page| !heap.is_sound(view, page)).count();
        // Canaries after some blocks, or none after any.
        let (canaries, blocks) = heap.canaries(view);
        let padding = if layout.padded { blocks - canaries } else { 0 };
        (telling > unsound).then_some((unsound + padding, std::cmp::Reverse(canaries), layout))
    });
    let (.., layout) = doubts.min_by_key(|(doubt, canaries, _)| (*doubt, *canaries))?;
    Some((layout, read(layout, usize::MAX)))
}

impl Mimalloc {
    /// Returns the number of used blocks of the pages that have an unbroken canary after them, and the number that were
    /// looked at.
    fn canaries(&self, view: &View<'_>) -> (usize, usize) {
        let mut counts = (0, 0);
        for page in self.pages.iter().filter(|_| self.layout.padded) {
            let (free, _) = page.free(view, &self.layout);
            for index in (0..page.capacity.min(TELLING as u64))
                .filter(|index| free[(index / 64) as usize] >> (index % 64) & 1 == 0)
            {
                let block = page.block(view, &self.layout, page.start + index * page.size, State::Used);
                counts.0 += usize::from(page.written_beyond(view, &self.layout, &block).is_none());
                counts.1 += 1;
            }
        }
        counts
    }

    /// The pages in the queues of these tables, up to so many.
    fn read(view: &View<'_>, layout: PageLayout, tables: impl Iterator<Item = u64>, most: usize) -> Mimalloc {
        let width = view.width();
        let mut heap = Mimalloc { layout, width, pages: Vec::new(), broken: Vec::new() };
        let mut seen = HashSet::new();
        // Pages lie beside each other: more than the memory holds are none.
        let mut room = view.memory().size;
        for table in tables {
            for queue in 0..QUEUES {
                let mut link = table + queue * layout.queue * width;
                let mut before = 0;
                while let Some(record) = view.word(link).filter(|&record| record != 0 && heap.pages.len() < most) {
                    let page = Page::at(view, &layout, record)
                        .filter(|page| queue >= SIZES || page.size == size_of(queue, width))
                        .filter(|_| view.word(record + layout.previous) == Some(before) && seen.insert(record))
                        .filter(|page| (page.end() - page.start).max(PAGE) <= room);
                    let Some(page) = page else {
                        let message = format!("a queue of pages leads to {record:#x}, where no page's record is");
                        heap.broken.push(Damage::new(link, message));
                        break;
                    };
                    room -= (page.end() - page.start).max(PAGE);
                    heap.pages.push(page);
                    (before, link) = (record, record + layout.next);
                }
            }
        }
        heap.pages.sort_by_key(|page| page.start);
        heap
    }

    /// Returns true if the lists of a page agree with its counts.
    fn is_sound(&self, view: &View<'_>, page: &Page) -> bool {
        page.free(view, &self.layout).1.is_none()
    }

    /// Adds pages that are in no queue: full ones, and those of threads that ended. The records of pages that were
    /// given back stay as well, but nothing is used in these.
    fn add(&mut self, view: &View<'_>, mut loose: Vec<Page>) {
        // Lists are gone over as far as there can be links.
        let mut left = 2 * view.memory().size;
        loose.retain(|page| {
            left = left.saturating_sub(page.capacity * self.width);
            page.used > 0 && left > 0 && self.is_sound(view, page)
        });
        loose.sort_by_key(|page| page.start);
        let known = self.pages.clone();
        let overlaps = |page: &Page| {
            let next = known.partition_point(|known| known.end() <= page.start);
            known.get(next).is_some_and(|known| known.start < page.end())
        };
        let mut end = 0;
        for page in loose.into_iter().filter(|page| !overlaps(page)) {
            // A program wrote the bytes within a page that look like a record.
            if page.start >= end {
                end = page.end();
                self.pages.push(page);
            }
        }
        self.pages.sort_by_key(|page| page.start);
    }

    /// The parts of the memory that are the allocator's: arenas, segments, or single pages. And those that records of
    /// pages are in, as far as they are outside.
    fn places(&self, view: &View<'_>) -> (Vec<Range<u64>>, Vec<Range<u64>>) {
        let mut ranges: Vec<Range<u64>> = Vec::new();
        let mut add = |range: Range<u64>| match ranges.last_mut().filter(|last| last.end >= range.start) {
            Some(last) => (last.start, last.end) = (last.start.min(range.start), last.end.max(range.end)),
            None => ranges.push(range),
        };
        for page in &self.pages {
            let own = page.start..page.end();
            let around = self.arena(view, page).or_else(|| self.segment(view, page));
            // Its free parts may still hold words that look like pointers.
            add(around.filter(|around| around.start <= own.start && own.end <= around.end).unwrap_or(own));
        }
        let outside = |record: u64| !apart::holds(&ranges, record);
        let records = self.pages.iter().map(|page| page.record).filter(|&record| outside(record));
        let state = records.map(|record| record..record + self.layout.len).collect();
        (ranges, state)
    }

    /// The arena that a page lies in: it begins with where it got its memory from, an address and a size.
    fn arena(&self, view: &View<'_>, page: &Page) -> Option<Range<u64>> {
        let arena = view.word(page.record + self.layout.arena?)?;
        let (base, size) = (view.word(arena)?, view.word(arena.checked_add(self.width)?)?);
        let end = base.checked_add(size).filter(|&end| end <= view.memory().size)?;
        (base <= arena && arena < end).then_some(base..end)
    }

    /// The segment that a page of version 2 lies in. Its size is the library's usual one: how many slices that makes
    /// must stand in front of the records.
    fn segment(&self, view: &View<'_>, page: &Page) -> Option<Range<u64>> {
        let (size, slices) = if self.width == 4 { (4 << 20, 128) } else { (32 << 20, 512) };
        let start = page.record / size * size;
        let mut says = false;
        if self.layout.queue == 3 && self.layout.capacity == 10 && page.record - start < RECORDS {
            view.words(start..page.record, |_, word| {
                says = word == slices;
                !says
            });
        }
        (says && start + size <= view.memory().size).then_some(start..start + size)
    }
}

impl Allocator for Mimalloc {
    fn blocks<'v>(&'v self, view: &'v View<'v>, strict: bool) -> Blocks<'v> {
        let pages = self.pages.iter().flat_map(move |page| {
            let (free, damage) = page.free(view, &self.layout);
            // Behind a broken link there may be more.
            let rest = if damage.is_some() { State::Unknown } else { State::Used };
            let is_known = damage.is_none();
            let blocks = (0..page.capacity).map(move |index| {
                let is_free = free[(index / 64) as usize] >> (index % 64) & 1 == 1;
                let state = if is_free { State::Free } else { rest };
                let block = page.block(view, &self.layout, page.start + index * page.size, state);
                let beyond =
                    (strict && is_known && !is_free).then(|| page.written_beyond(view, &self.layout, &block)).flatten();
                beyond.map_or(Ok(block), Err)
            });
            damage.into_iter().map(Err).chain(blocks)
        });
        Box::new(self.broken.iter().cloned().map(Err).chain(pages))
    }

    fn gap(&self) -> u64 {
        if self.layout.padded { PADDING } else { 0 }
    }

    fn alignment(&self) -> u64 {
        self.width
    }

    fn check(&self, _view: &View<'_>) -> Option<Damage> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_laid_out_as_the_compiler_does() {
        // By clang's -fdump-record-layouts for wasm32 and wasm64: used, capacity, lists, block size, start, next.
        let facts = |width: u64, index: usize| {
            let layout = PageLayout::all(width)[2 * index];
            let (BlocksStart::Address(start) | BlocksStart::Words(start) | BlocksStart::Slice(start, _)) = layout.start;
            let [free, local, thread] = layout.lists;
            [layout.used, layout.capacity, free, local, thread, layout.block_size, start, layout.next, layout.previous]
        };
        assert_eq!(facts(4, 0), [24, 10, 16, 20, 36, 28, 32, 44, 48], "2.1.4 to 2.4");
        assert_eq!(facts(8, 0), [32, 10, 16, 24, 56, 40, 48, 72, 80], "2.1.4 to 2.4");
        assert_eq!(facts(4, 1), [8, 10, 4, 16, 20, 24, 28, 40, 44], "3.0 to 3.3");
        assert_eq!(facts(8, 1), [16, 18, 8, 24, 32, 40, 48, 72, 80], "3.0 to 3.3");
        assert_eq!(facts(4, 2), [8, 10, 4, 16, 20, 24, 28, 44, 48], "3.4");
        assert_eq!(facts(8, 2), [16, 18, 8, 24, 32, 40, 48, 72, 80], "3.4");
        let arenas = [4, 8].map(|width| [2, 4].map(|index| PageLayout::all(width)[index].arena));
        assert_eq!(arenas, [[Some(52), Some(52)], [Some(96), Some(88)]]);
        assert_eq!(facts(4, 3), [16, 2, 8, 12, 28, 20, 24, 36, 40], "1.8.4 to 1.9");
        assert_eq!(facts(8, 3), [24, 2, 8, 16, 48, 32, 40, 64, 72], "1.8.4 to 1.9");
        for width in [4, 8] {
            for layout in PageLayout::all(width).chunks(2) {
                assert_eq!(layout[1].len, layout[0].len + 2 * width);
                assert_eq!(layout[1].next, layout[0].next + 2 * width);
            }
        }
    }

    #[test]
    fn sizes_are_those_of_the_library() {
        let sizes = [0, 1, 8, 9, 12, 13, 24, 72].map(|queue| size_of(queue, 4) / 4);
        assert_eq!(sizes, [1, 1, 8, 10, 16, 20, 128, 524_288]);
    }
}
