//! Go's spans, as its compiler for WebAssembly lays them out (1.21 to 1.27, wasip1).
//!
//! The runtime's data is found from its table of functions, whose magic number is in no other place: the module data
//! holds its address, and where the variables are. Among those is a slice of all spans. A span is some pages of objects
//! of one size; objects before its index of the next free one are allocated, later ones where their bit says so.
//! Pointers are 64 bits wide, in a memory of 32. Objects have no header. The layout of spans changes between versions:
//! it is believed when every span of the slice agrees with it, and each has a record of its own. Three numbers of the
//! runtime's statistics may look like a slice of anything, even of zeros, which are records that were never used.

use std::ops::Range;

use super::apart::Apart;
use super::block::{Block, Damage, State};
use super::go_types::{GoTypeReader, ObjectRoom};
use super::view::View;
use super::{Allocator, AllocatorKind, Blocks, FoundHeap};
use crate::variables::Shapes;

/// The first words of the table of functions.
const MAGIC: (u64, u32) = (0xffff_fff1, 0x0801_0000);
/// Offsets in the module data.
const DATA: (u64, u64) = (208, 216);
const BSS: (u64, u64) = (224, 232);
const NO_POINTER_BSS: (u64, u64) = (240, 248);
/// Offsets in a span.
const START: u64 = 24;
const PAGES: u64 = 32;
const FREE_INDEX: u64 = 48;
/// The fields after those, which depend on the version.
#[derive(Debug)]
struct SpanLayout {
    count: u64,
    allocated: u64,
    class: u64,
    state: u64,
    size: u64,
    /// Bytes of a span's record that are read.
    record: u64,
    /// True if larger objects say their type.
    typed: bool,
}
const LAYOUTS: [SpanLayout; 2] = [
    SpanLayout { count: 50, allocated: 64, class: 98, state: 99, size: 104, record: 112, typed: true },
    // 1.21: the numbers of objects have 64 bits.
    SpanLayout { count: 56, allocated: 72, class: 106, state: 107, size: 112, record: 120, typed: false },
];
/// The beginning of the table of all sizes of objects, and its first word.
const SIZES: [u16; 8] = [0, 8, 16, 24, 32, 48, 64, 80];
const SIZES_BEGIN: u64 = 8 << 16;
/// Bytes of a page.
const PAGE: u64 = 8192;
/// The number of spans that may be shared at most; of as many spans, at most one may be broken.
const FEW: u64 = 16;
/// Spans of one heap: as many as pages fit a memory.
const MAX_SPANS: u64 = 1 << 19;
/// Spans that are looked at in search of the slice.
const LOOKED_AT: u64 = 1 << 22;

/// The heap.
#[derive(Clone, Copy, Debug)]
pub struct Go {
    layout: &'static SpanLayout,
    /// Address of the module data.
    data: u64,
    /// Address and length of the slice of spans.
    spans: (u64, u64),
}

/// A span.
#[derive(Clone, Copy, Debug)]
struct Span {
    record: u64,
    start: u64,
    end: u64,
    /// In use for objects.
    objects: bool,
    free_index: u64,
    count: u64,
    bits: u64,
    size: u64,
    /// Twice the number of the size among all sizes, and 1 if the objects hold no pointers.
    class: u8,
}

/// The heap of a program in Go whose data lies in one of `places`.
pub fn find(view: &View<'_>, places: &[Range<u64>]) -> Option<FoundHeap> {
    if view.width() != 4 {
        return None;
    }
    let table = first(view, places, |at, value| value == MAGIC.0 && view.u32(at + 4) == Some(MAGIC.1))?;
    let data = first(view, places, |at, value| value == table && view.u32(at + 4) == Some(0) && at % 8 == 0)?;
    let bound = |offset: u64| view.u64(data.checked_add(offset)?).filter(|&at| at <= view.memory().size);
    let mut left = LOOKED_AT;
    // Parts of the list, as caches of spans are, look like it: all spans are more than any of them.
    let mut most: Option<(u64, Go)> = None;
    for ((start, end), layout) in LAYOUTS.iter().flat_map(|layout| [BSS, NO_POINTER_BSS].map(|place| (place, layout))) {
        view.words(bound(start)?..bound(end)?, |at, value| {
            if at % 8 == 0
                && let Some((used, heap)) = Go::at(view, layout, data, at, value, &mut left)
                && most.is_none_or(|most| most.0 < used)
            {
                most = Some((used, heap));
            }
            left > 0
        });
    }
    let (_, heap) = most?;
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for span in (0..heap.spans.1).filter_map(|index| heap.span(view, index)).filter(|span| span.objects) {
        ranges.push(span.start..span.end);
    }
    ranges.sort_by_key(|range| range.start);
    ranges.dedup_by(|next, last| {
        let touches = next.start <= last.end;
        last.end = if touches { last.end.max(next.end) } else { last.end };
        touches
    });
    Some(FoundHeap { kind: AllocatorKind::Go, ranges, state: Vec::new(), allocator: Box::new(heap) })
}

fn word_of(view: &View<'_>, at: u64, offset: u64) -> Option<u64> {
    view.u64(at.checked_add(offset)?)
}

/// The first place of a word that `is` one.
fn first(view: &View<'_>, places: &[Range<u64>], is: impl Fn(u64, u64) -> bool) -> Option<u64> {
    places.iter().find_map(|place| {
        let mut found = None;
        view.words(place.clone(), |at, value| {
            found = is(at, value).then_some(at);
            found.is_none()
        });
        found
    })
}

impl Go {
    /// The heap whose slice of spans is the variable at `at`, if it is one: every element is a sound span. With it, how
    /// many of them hold objects.
    fn at(
        view: &View<'_>,
        layout: &'static SpanLayout,
        data: u64,
        at: u64,
        array: u64,
        left: &mut u64,
    ) -> Option<(u64, Go)> {
        let (high, len, capacity) = (view.u32(at + 4)?, view.u64(at + 8)?, view.u64(at + 16)?);
        if high != 0 || !array.is_multiple_of(8) || len < 4 || len > capacity || len > MAX_SPANS {
            return None;
        }
        if array.checked_add(len * 8)? > view.memory().size {
            return None;
        }
        let heap = Go { layout, data, spans: (array, len) };
        // Each element leads to another record, and each page belongs to one span.
        let (mut used, mut broken, mut shared) = (0, 0, 0);
        let (mut records, mut pages) = (Apart::default(), Apart::default());
        for index in 0..len {
            *left = left.checked_sub(1)?;
            match heap.span(view, index).filter(|span| records.add(&(span.record..span.record + layout.record))) {
                Some(span) if span.objects && !pages.add(&(span.start..span.end)) => {
                    (broken, shared) = (broken + 1, shared + 1)
                }
                Some(span) => used += u64::from(span.objects),
                None => broken += 1,
            }
            // A few spans may be what the program wrote over.
            if broken * FEW > len || shared > FEW {
                return None;
            }
        }
        (used > broken).then_some((used, heap))
    }

    /// The span with this index; `None` if what is there is none.
    fn span(&self, view: &View<'_>, index: u64) -> Option<Span> {
        let record = view.u64(self.spans.0 + 8 * index)?;
        let (layout, size) = (self.layout, view.memory().size);
        if record == 0 || record % 8 != 0 || record.checked_add(layout.record)? > size {
            return None;
        }
        let field = |offset: u64| view.u64(record + offset);
        let (start, pages, state) = (field(START)?, field(PAGES)?, view.u8(record + layout.state)?);
        let end = start.checked_add(pages.checked_mul(PAGE)?)?;
        if state > 2 || start % PAGE != 0 || end > size {
            return None;
        }
        let none = Span { record, start, end, objects: false, free_index: 0, count: 0, bits: 0, size: 0, class: 0 };
        // A span that is not in use has the pages of its last use, or none.
        if state == 0 {
            return Some(none);
        }
        if start == 0 || pages == 0 {
            return None;
        }
        if state == 2 {
            return Some(none);
        }
        let (free_index, count) =
            (u64::from(view.u16(record + FREE_INDEX)?), u64::from(view.u16(record + layout.count)?));
        let (element, bits, class) = (field(layout.size)?, field(layout.allocated)?, view.u8(record + layout.class)?);
        let room = end - start;
        // Class 0 is one object of its own; the two bits of class and of no pointers make it 0 or 1.
        let fits = match class {
            0 | 1 => count == 1 && element <= room,
            _ => {
                element >= 8
                    && element % 8 == 0
                    && count > 0
                    && count.checked_mul(element)? <= room
                    && room / element - count <= 128
            }
        };
        let sound = fits && free_index <= count && bits.checked_add(count.div_ceil(8))? <= size;
        sound.then_some(Span { objects: true, free_index, count, bits, size: element, class, ..none })
    }
}

impl Span {
    /// Returns used if the object with this index is in use, else free.
    fn state(&self, view: &View<'_>, index: u64) -> Result<State, Damage> {
        let byte = self.bits + index / 8;
        match (index < self.free_index, view.u8(byte).map(|byte| byte >> (index % 8) & 1 == 1)) {
            (true, _) | (_, Some(true)) => Ok(State::Used),
            (false, Some(false)) => Ok(State::Free),
            (false, None) => Err(Damage::missing(byte)),
        }
    }

    /// The room of the object with this index, if that is in use. `sizes` is where the table of all sizes is.
    fn room(&self, view: &View<'_>, typed: bool, sizes: u64, index: u64) -> Option<ObjectRoom> {
        self.state(view, index).ok().filter(|state| *state == State::Used && index < self.count)?;
        let start = self.start + index * self.size;
        let smaller = match u64::from(self.class >> 1) {
            0 => self.size.saturating_sub(PAGE),
            number => u64::from(view.u16(sizes + 2 * (number - 1))?),
        };
        let scanned = self.class & 1 == 0;
        Some(ObjectRoom { start, end: start + self.size, smaller, scanned, typed, record: self.record })
    }
}

impl Allocator for Go {
    fn types(&self, view: &View<'_>) -> Option<Shapes> {
        let bound = |offset: u64| word_of(view, self.data, offset).filter(|&at| at <= view.memory().size);
        let statics = bound(DATA.0)?..bound(BSS.1)?;
        let starts = |at: u64| SIZES.iter().zip(0..).all(|(size, index)| view.u16(at + 2 * index) == Some(*size));
        let sizes = first(view, &[0..statics.end], |at, value| value == SIZES_BEGIN && starts(at))?;
        let mut spans: Vec<Span> = (0..self.spans.1).filter_map(|index| self.span(view, index)).collect();
        spans.retain(|span| span.objects);
        spans.sort_by_key(|span| span.start);
        let typed = self.layout.typed;
        let room = |at: u64| {
            let span = spans[..spans.partition_point(|span| span.start <= at)].last()?;
            span.room(view, typed, sizes, (at - span.start).checked_div(span.size)?)
        };
        let mut reader = GoTypeReader::new(view, self.data, room)?;
        let rooms =
            || spans.iter().flat_map(|span| (0..span.count).filter_map(|index| span.room(view, typed, sizes, index)));
        rooms().for_each(|room| reader.says(&room));
        for (start, end) in [DATA, BSS] {
            reader.interfaces(bound(start)?..bound(end)?);
        }
        rooms().for_each(|room| reader.holds(&room));
        Some(reader.shapes())
    }

    fn blocks<'v>(&'v self, view: &'v View<'v>, strict: bool) -> Blocks<'v> {
        let _ = strict;
        let broken = (0..self.spans.1).filter(move |&index| self.span(view, index).is_none()).map(move |index| {
            let link = self.spans.0 + 8 * index;
            let sound = |record: &u64| *record != 0 && record.is_multiple_of(8) && *record < view.memory().size;
            let record = view.u64(link).filter(sound);
            let message = match record {
                Some(_) => "the record of a span, the pages of objects of one size, contradicts itself".to_owned(),
                None => "the list of all spans leads to where none can be".to_owned(),
            };
            Err(Damage::new(record.unwrap_or(link), message))
        });
        let spans = (0..self.spans.1).filter_map(move |index| self.span(view, index)).filter(|span| span.objects);
        let blocks = spans.flat_map(move |span| {
            (0..span.count).map(move |index| {
                let state = span.state(view, index)?;
                Ok(Block::new(span.start + index * span.size, span.size, state))
            })
        });
        Box::new(broken.chain(blocks))
    }

    fn gap(&self) -> u64 {
        0
    }

    fn collected(&self) -> bool {
        true
    }

    fn check(&self, _view: &View<'_>) -> Option<Damage> {
        None
    }
}
