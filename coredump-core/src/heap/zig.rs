//! Zig's allocator for WebAssembly, `std.heap.BrkAllocator` (0.17; `wasm_allocator`, `page_allocator`), and the malloc
//! that the C library of `zig cc` builds on it.
//!
//! Slots are powers of two; each class takes 64 KiB at a time by `memory.grow`, and larger blocks take a power of two
//! of such pages. A free slot holds the address of the next one in its last word; nothing else is kept about a slot, so
//! that of a full page of a Zig program neither class nor blocks are known. malloc keeps alignment and size of each
//! block in 8 bytes in front of it: then the first slot of a page shows its class.
//!
//! The state is found as a row of words, each a possible address for its place; the pages must agree with it.

use std::collections::HashMap;
use std::ops::Range;

use super::bits::Bits;
use super::block::{Block, Damage, State};
use super::hints::Hints;
use super::view::View;
use super::zig_debug::{Bucket, Large, LargeTable};
use super::{Allocator, AllocatorKind, Blocks, FoundHeap};

/// Bytes of a page of slots.
const PAGE: u64 = 65536;
/// malloc's alignment and the room in front of its blocks, unless they ask for more.
const HEADER: u64 = 16;
/// States that are tried, and those that may be believed at first.
const STATES: usize = 128;
const BELIEVED: usize = 16;
/// The greatest alignment that is looked for in front of the first slot of a page.
const MAX_ALIGNMENT: u64 = 1 << 20;

/// The addresses of the words of a state.
#[derive(Clone, Copy, Debug)]
struct StateLayout {
    state: u64,
    width: u64,
    /// Classes of slots; class `i` has slots of `smallest << i` bytes.
    classes: u64,
    smallest: u64,
    /// Classes of runs of pages.
    runs: u64,
}

impl StateLayout {
    fn at(state: u64, width: u64) -> StateLayout {
        let (classes, smallest, runs) = if width == 8 { (12, 16, 48) } else { (13, 8, 16) };
        StateLayout { state, width, classes, smallest, runs }
    }

    fn slot(&self, class: u64) -> u64 {
        self.smallest << class
    }

    /// The next slot of a class that was never used.
    fn next(&self, view: &View<'_>, class: u64) -> Option<u64> {
        view.word(self.state + self.width * class)
    }

    /// The first free slot of a class.
    fn free(&self, view: &View<'_>, class: u64) -> Option<u64> {
        view.word(self.state + self.width * (self.classes + class))
    }

    /// The first free run of `1 << class` pages.
    fn free_run(&self, view: &View<'_>, class: u64) -> Option<u64> {
        view.word(self.state + self.width * (2 * self.classes + class))
    }

    fn len(&self) -> u64 {
        self.width * (2 * self.classes + self.runs + 1)
    }
}

/// The heap.
#[derive(Debug)]
pub struct Zig {
    layout: StateLayout,
    /// malloc's headers are in front of all blocks.
    malloc: bool,
    /// All pages that the allocator can have.
    pages: Range<u64>,
    /// The free slots and runs, by address.
    free: Bits,
    /// The class of each page, or that it begins a free run.
    known: Vec<PageState>,
    /// Free lists that lead to where no free slot can be.
    broken: Vec<Damage>,
    /// The general-purpose allocator's larger blocks, by address.
    large: HashMap<u64, Large>,
    /// The addresses at which the tables of these begin, and their sizes in bytes: they are no blocks of the program.
    tables: HashMap<u64, u64>,
}

/// The state of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PageState {
    Unknown,
    Slots(u8),
    FreeRun(u8),
}

/// The heap whose state has a name, or lies in one of `places`. Pages are taken from the end of the memory on that the
/// program began with.
pub fn find(view: &View<'_>, hints: &Hints, places: &[Range<u64>]) -> Option<FoundHeap> {
    let start = hints.initial;
    if let Some(state) = hints.zig
        && let Some(heap) = Zig::at(view, state, start, true)
    {
        return Some(heap.into_heap());
    }
    let mut states: Vec<u64> = Vec::new();
    let width = view.width();
    for place in places {
        // Pages hold no state.
        let place = place.start..place.end.min(start.unwrap_or(place.end));
        view.words(place.clone(), |at, value| {
            // The first word that is not zero may be of any class.
            if value % (2 * width) == 0 && value >= 1024 {
                let before = (0..StateLayout::at(0, width).classes).filter_map(|class| at.checked_sub(class * width));
                let before = before.take_while(|state| place.contains(state));
                states.extend(before.filter(|&state| plausible(view, StateLayout::at(state, width), start, false)));
            }
            states.len() < STATES
        });
    }
    states.sort_unstable();
    states.dedup();
    let mut found: Vec<Zig> =
        states.into_iter().filter_map(|state| Zig::at(view, state, start, hints.uses_zig)).take(BELIEVED).collect();
    // A state may look like one again some words further on, but not when malloc's headers or lists of free slots of
    // its classes disagree.
    if found.len() > 1 {
        let malloc = found.iter().any(|heap| heap.malloc);
        found.retain(|heap| heap.malloc || !malloc && heap.broken.is_empty());
    }
    let heap = if found.len() == 1 { found.pop() } else { None };
    heap.map(Zig::into_heap)
}

/// Returns true if the words at `layout` may be a state.
fn plausible(view: &View<'_>, layout: StateLayout, start: Option<u64>, named: bool) -> bool {
    let size = view.memory().size;
    let low = start.unwrap_or(PAGE);
    let address = |value: Option<u64>, multiple: u64| {
        value.is_some_and(|value| value == 0 || value % multiple == 0 && (low..=size).contains(&value))
    };
    // A program whose blocks are all large has no slots.
    let mut any = named;
    for class in 0..layout.classes {
        let (next, free) = (layout.next(view, class), layout.free(view, class));
        if !address(next, layout.slot(class)) || !address(free, layout.slot(class)) || free > Some(0) && next == Some(0)
        {
            return false;
        }
        any |= next > Some(0);
    }
    // The last word is for systems that have a break: none of WebAssembly.
    let unused = view.word(layout.state + layout.len() - layout.width) == Some(0);
    any && unused && (0..layout.runs).all(|class| address(layout.free_run(view, class), PAGE))
}

impl Zig {
    /// The heap with its state at `state`. Without malloc's headers it is only believed by its `named` symbol.
    fn at(view: &View<'_>, state: u64, start: Option<u64>, named: bool) -> Option<Zig> {
        let layout = StateLayout::at(state, view.width());
        if !plausible(view, layout, start, named) {
            return None;
        }
        let nexts =
            (0..layout.classes).filter_map(|class| Some((class, layout.next(view, class).filter(|&next| next > 0)?)));
        // The page that a class takes slots from, or took them from until it was full.
        let current: Vec<(u64, Range<u64>)> =
            nexts.map(|(class, next)| (class, (next - 1) / PAGE * PAGE..next)).collect();
        let lowest = current.iter().map(|(_, used)| used.start).min().or(start)?;
        let pages = start.filter(|&start| start <= lowest).unwrap_or(lowest).next_multiple_of(PAGE)
            ..view.memory().size / PAGE * PAGE;
        if state + layout.len() > pages.start {
            return None;
        }
        let mut heap = Zig {
            layout,
            malloc: false,
            free: Bits::new(pages.clone(), 3)?,
            known: vec![PageState::Unknown; ((pages.end.saturating_sub(pages.start)) / PAGE) as usize],
            pages,
            broken: Vec::new(),
            large: HashMap::new(),
            tables: HashMap::new(),
        };
        for (class, used) in &current {
            let page = heap.page_mut(used.start)?;
            if *page != PageState::Unknown {
                return None;
            }
            *page = PageState::Slots(*class as u8);
        }
        let twice = heap.read_free_lists(view);
        // Every slot that was ever used has a header, if any of them has.
        let mut slots = 0;
        let mut headers = 0;
        // The number of headers that need a slot of just this size. A false state, a few words away, sees the same
        // headers in slots of other sizes.
        let mut exact = 0;
        for (class, used) in &current {
            let slot = layout.slot(*class);
            for at in used.clone().step_by(slot as usize) {
                slots += 1;
                let found = header(view, at, slot);
                headers += u64::from(found.is_some());
                exact +=
                    u64::from(found.is_some_and(|(alignment, requested)| {
                        extent_of(requested, alignment, layout.width) == Some(slot)
                    }));
            }
        }
        heap.malloc = headers == slots && slots > 0;
        // A single slot without a header among many was written over.
        heap.malloc |= headers > 4 && headers + 1 + headers / 64 >= slots;
        heap.malloc &= 2 * exact >= headers;
        if !heap.malloc {
            heap.read_tables(view);
        }
        let header = if heap.malloc { HEADER } else { 0 };
        heap.broken.extend(twice.into_iter().map(|(damage, slot)| damage.about(slot + header)));
        (heap.malloc || named).then_some(heap)
    }

    /// Collects what the general-purpose allocator says of its larger blocks.
    fn read_tables(&mut self, view: &View<'_>) {
        let mut work = view.memory().size;
        let pages = self.pages.clone().step_by(PAGE as usize);
        // A table without a block could be any table of a program that does not use that allocator.
        let in_use =
            pages.filter(|&page| self.page(page) == PageState::Unknown).any(|page| Bucket::at(view, page).is_some());
        for page in self.pages.clone().step_by(PAGE as usize) {
            let (slot, end) = match self.page(page) {
                PageState::Slots(class) => (self.layout.slot(u64::from(class)), page + PAGE),
                PageState::Unknown => (self.pages.end - page, self.pages.end),
                PageState::FreeRun(_) => continue,
            };
            if slot < LargeTable::smallest(self.layout.width) {
                continue;
            }
            for at in (page..end).step_by(slot as usize).filter(|at| !self.free.contains(*at)) {
                if let Some(table) = LargeTable::at(view, at, at + slot, in_use, &mut work) {
                    self.large.extend(table.blocks.into_iter().map(|block| (block.address, block)));
                    self.tables.insert(at, table.len);
                }
            }
        }
    }

    /// Bytes of the slot or run of one of the general-purpose allocator's larger blocks, or of a table of these.
    fn large_extent(&self, at: u64) -> Option<u64> {
        let len = self.large.get(&at).map(|block| block.len).or_else(|| self.tables.get(&at).copied())?;
        extent_of(len, 0, self.layout.width)
    }

    fn into_heap(self) -> FoundHeap {
        FoundHeap {
            kind: if self.malloc { AllocatorKind::ZigMalloc } else { AllocatorKind::Zig },
            ranges: std::iter::once(self.pages.clone()).collect(),
            state: std::iter::once(self.layout.state..self.layout.state + self.layout.len()).collect(),
            allocator: Box::new(self),
        }
    }

    fn page_mut(&mut self, address: u64) -> Option<&mut PageState> {
        let index = address.checked_sub(self.pages.start)? / PAGE;
        self.known.get_mut(index as usize)
    }

    fn page(&self, address: u64) -> PageState {
        let index = address.checked_sub(self.pages.start).map(|offset| (offset / PAGE) as usize);
        index.and_then(|index| self.known.get(index)).copied().unwrap_or(PageState::Unknown)
    }

    /// Collects the free slots and runs. A list ends where it leaves its pages or comes back; the slots and runs that
    /// one comes back to.
    fn read_free_lists(&mut self, view: &View<'_>) -> Vec<(Damage, u64)> {
        let mut twice = Vec::new();
        let layout = self.layout;
        let slots = (0..layout.classes)
            .map(|class| (layout.free(view, class), layout.slot(class), PageState::Slots(class as u8)));
        let runs = (0..layout.runs).map(|class| {
            (layout.free_run(view, class), PAGE.checked_shl(class as u32).unwrap_or(0), PageState::FreeRun(class as u8))
        });
        for (index, (first, size, page)) in slots.chain(runs).enumerate() {
            let mut record = layout.state + layout.width * (layout.classes + index as u64);
            let mut at = first;
            while let Some(free) = at.filter(|&free| free != 0) {
                let end = free.checked_add(size).filter(|&end| self.pages.contains(&free) && end <= self.pages.end);
                let known = self.page(free);
                let fits =
                    end.is_some() && free % size.min(PAGE) == 0 && (known == page || known == PageState::Unknown);
                if !fits {
                    let message =
                        format!("a list of free blocks of {size} bytes leads to {free:#x}, where none can be");
                    self.broken.push(Damage::new(record, message));
                    break;
                }
                if !self.free.insert(free) {
                    let message =
                        format!("a list of free blocks of {size} bytes comes back to {free:#x}: it was freed twice");
                    twice.push((Damage::new(record, message), free));
                    break;
                }
                if let Some(known) = self.page_mut(free) {
                    *known = page;
                }
                record = free + size - layout.width;
                at = view.word(record);
                if at.is_none() {
                    self.broken.push(Damage::missing(record));
                }
            }
        }
        twice
    }

    /// The block in a slot, or in a run of pages.
    fn block(&self, view: &View<'_>, at: u64, size: u64, state: State) -> Result<Block, Damage> {
        if !self.malloc {
            let large = self.large.get(&at).filter(|_| state == State::Used);
            let state = if large.is_some_and(|block| block.freed) { State::Free } else { state };
            let requested = large.map(|block| block.len).filter(|_| state == State::Used);
            return Ok(Block { requested, ..Block::new(at, size - self.layout.width, state) });
        }
        let room = size - HEADER - self.layout.width;
        if state == State::Free {
            return Ok(Block::new(at + HEADER, room, state));
        }
        match header(view, at, size) {
            // The header of an earlier block with another alignment stays: which one counts is not known then.
            Some((alignment, _)) if has_other_header(view, at, size, alignment) => {
                Ok(Block::new(at + HEADER, room, state))
            }
            Some((alignment, requested)) => {
                Ok(Block { requested: Some(requested), ..Block::new(at + alignment, requested, state) })
            }
            None => {
                let at = at + HEADER;
                let message = format!("the header in front of the block does not fit a slot of {size} bytes");
                Err(Damage::new(at - 8, message).about(at))
            }
        }
    }

    /// Returns what begins at a page: slots of a class, or a run of pages of that many bytes that is used or free.
    fn extent(&self, view: &View<'_>, page: u64) -> PageExtent {
        match self.page(page) {
            PageState::Slots(class) => PageExtent::Slots(self.layout.slot(u64::from(class))),
            PageState::FreeRun(class) => PageExtent::Run(PAGE << class, State::Free),
            PageState::Unknown if !self.malloc => match Bucket::at(view, page) {
                Some(bucket) => PageExtent::Bucket(bucket),
                // Two of the largest slots share a page.
                None => match [page, page + PAGE / 2].map(|at| self.large_extent(at)) {
                    [Some(run), _] if run >= PAGE && page + run <= self.pages.end => PageExtent::Run(run, State::Used),
                    [Some(slot), _] | [_, Some(slot)] if slot < PAGE => PageExtent::Slots(slot),
                    _ => PageExtent::Unknown,
                },
            },
            PageState::Unknown => match page_slot(view, page) {
                Some(slot) if slot < PAGE => PageExtent::Slots(slot),
                Some(run) if page + run <= self.pages.end => PageExtent::Run(run, State::Used),
                _ => PageExtent::Unknown,
            },
        }
    }
}

enum PageExtent {
    Slots(u64),
    Bucket(Bucket),
    Run(u64, State),
    Unknown,
}

/// Alignment and size in malloc's header, if it is one that fits a slot or run of `slot` bytes at `at`. A block that
/// was made smaller in its place may be smaller than those of the slot.
fn header(view: &View<'_>, at: u64, slot: u64) -> Option<(u64, u64)> {
    let mut alignment = HEADER;
    while alignment < slot && alignment <= MAX_ALIGNMENT {
        let word = view.u64(at + alignment - 8)?;
        let (log, requested) = (word & 31, word >> 5);
        let fits = || extent_of(requested, alignment, view.width()).is_some_and(|extent| extent <= slot);
        if 1 << log == alignment && fits() {
            return Some((alignment, requested));
        }
        alignment *= 2;
    }
    None
}

/// Returns true if a slot with a header for one alignment has another one too, for a greater alignment and this very
/// slot.
fn has_other_header(view: &View<'_>, at: u64, slot: u64, alignment: u64) -> bool {
    let alignments = std::iter::successors(Some(2 * alignment), |alignment| Some(2 * alignment));
    let mut alignments = alignments.take_while(|&alignment| alignment < slot && alignment <= MAX_ALIGNMENT);
    alignments.any(|alignment| {
        let word = view.u64(at + alignment - 8).unwrap_or(0);
        1u64.checked_shl((word & 31) as u32) == Some(alignment)
            && extent_of(word >> 5, alignment, view.width()) == Some(slot)
    })
}

/// Bytes of the slots in a page, or of the run that begins with it.
fn page_slot(view: &View<'_>, page: u64) -> Option<u64> {
    // The first block may have been made smaller in its place: then what is between two slots is taken for one.
    const LOOKED_AT: u64 = 8;
    let first = first_header(view, page)?;
    let fits = |slot: &u64| {
        let count = (PAGE / slot).min(LOOKED_AT);
        let sound = (0..count).filter(|index| header(view, page + index * slot, *slot).is_some()).count() as u64;
        2 * sound > count
    };
    let mut slots = std::iter::successors(Some(first), |slot| Some(2 * slot)).take_while(|&slot| slot < PAGE);
    Some(slots.find(fits).unwrap_or(first))
}

/// The slot or run that the first header in a page asks for.
fn first_header(view: &View<'_>, page: u64) -> Option<u64> {
    let mut alignment = HEADER;
    while alignment <= MAX_ALIGNMENT {
        let word = view.u64(page + alignment - 8)?;
        if 1u64.checked_shl((word & 31) as u32) == Some(alignment) {
            return extent_of(word >> 5, alignment, view.width());
        }
        alignment *= 2;
    }
    None
}

/// Bytes of the slot or run for a block: the next power of two, of pages where it is more than a page.
fn extent_of(requested: u64, alignment: u64, width: u64) -> Option<u64> {
    let len = requested.checked_add(alignment)?.checked_add(width)?;
    let slot = len.checked_next_power_of_two()?;
    if slot < PAGE {
        return Some(slot);
    }
    // The library adds the room for its link once more.
    (len.checked_add(PAGE + width - 1)? / PAGE).checked_next_power_of_two()?.checked_mul(PAGE)
}

impl Allocator for Zig {
    fn may_lose_pages(&self) -> bool {
        true
    }

    fn blocks<'v>(&'v self, view: &'v View<'v>, strict: bool) -> Blocks<'v> {
        let _ = strict;
        Box::new(SlotWalk {
            heap: self,
            view,
            page: self.pages.start,
            bucket: None,
            slots: 0..0,
            slot: 0,
            before: None,
            broken: self.broken.iter(),
        })
    }

    fn gap(&self) -> u64 {
        if self.malloc { HEADER } else { self.layout.width }
    }

    fn check(&self, _view: &View<'_>) -> Option<Damage> {
        None
    }
}

struct SlotWalk<'v> {
    heap: &'v Zig,
    view: &'v View<'v>,
    page: u64,
    /// The general-purpose allocator's slots in the page before, and how many of them were seen.
    bucket: Option<(Bucket, u64)>,
    /// The slots that are left of the page before, and their size.
    slots: Range<u64>,
    slot: u64,
    /// The block in the slot before.
    before: Option<Block>,
    broken: std::slice::Iter<'v, Damage>,
}

impl Iterator for SlotWalk<'_> {
    type Item = Result<Block, Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(damage) = self.broken.next() {
            return Some(Err(damage.clone()));
        }
        loop {
            if let Some((bucket, slot)) = &mut self.bucket {
                *slot += 1;
                match bucket.block(self.view, *slot - 1) {
                    Some(block) => return Some(Ok(block)),
                    None => self.bucket = None,
                }
            }
            if self.slots.start < self.slots.end {
                let at = self.slots.start;
                self.slots.start += self.slot;
                if self.heap.tables.contains_key(&at) {
                    continue;
                }
                let state = if self.heap.free.contains(at) { State::Free } else { State::Used };
                let block = self.heap.block(self.view, at, self.slot, state);
                let before = std::mem::replace(&mut self.before, block.as_ref().ok().copied());
                return Some(block.map_err(|damage| damage.behind(before)));
            }
            self.before = None;
            let page = self.page;
            if page >= self.heap.pages.end {
                return None;
            }
            match self.heap.extent(self.view, page) {
                PageExtent::Slots(slot) => {
                    // Slots from the next one on were never used: they are no blocks yet, and one free block together.
                    let class = (slot / self.heap.layout.smallest).ilog2();
                    let next = self.heap.layout.next(self.view, u64::from(class)).unwrap_or(0);
                    let end = if (page..page + PAGE).contains(&next) { next } else { page + PAGE };
                    (self.slots, self.slot, self.page) = (page..end, slot, page + PAGE);
                }
                PageExtent::Bucket(bucket) => {
                    // With the link of the allocator below it takes a page more.
                    (self.bucket, self.page) = (Some((bucket, 0)), page + 2 * PAGE);
                }
                PageExtent::Run(len, _) if self.heap.tables.contains_key(&page) => self.page = page + len,
                PageExtent::Run(len, state) => {
                    self.page = page + len;
                    return Some(self.heap.block(self.view, page, len, state));
                }
                PageExtent::Unknown => {
                    self.page = page + PAGE;
                    return Some(Ok(Block::new(page, PAGE, State::Unknown)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::extent_of;

    #[test]
    fn slots_and_runs_are_as_large_as_the_library_makes_them() {
        // Seen: malloc(100) in a slot of 128; of a Zig program 65,533 bytes took 128 KiB and 1 MiB took 2.
        assert_eq!(extent_of(100, 16, 4), Some(128));
        assert_eq!(extent_of(12, 16, 4), Some(32));
        assert_eq!(extent_of(65_533 - 16, 16, 4), Some(128 << 10));
        assert_eq!(extent_of(1 << 20, 16, 4), Some(2 << 20));
        assert_eq!(extent_of(u64::MAX, 16, 4), None);
    }
}
