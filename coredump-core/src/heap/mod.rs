//! The heaps in a memory: which allocator keeps them, and every block of them.
//!
//! Each allocator's file says how its records look in memory and how they are found: by structure, for most programs
//! have no names for them. A heap is believed only when records in several places agree; whatever is not recognised is
//! left alone. Memory may be corrupt, which is why somebody looks: no length or link is trusted before it is checked.

mod apart;
mod bits;
mod block;
mod dlmalloc;
mod emmalloc;
mod go;
mod go_types;
mod graph;
mod halves;
mod hints;
mod links;
mod lol;
mod mimalloc;
mod preview;
mod resume;
mod roots;
mod starts;
mod stub;
mod survey;
mod talc;
mod talc4;
mod tlsf;
mod told;
mod types;
mod view;
mod vtable;
mod wee;
mod zig;
mod zig_debug;

use std::collections::HashSet;
use std::ops::Range;

pub use block::{Block, Damage, State};
pub use graph::{ChainStep, Graph, Pointers, Roots};
pub use preview::preview;
pub use survey::{Class, Count, Survey};
pub use types::{RuntimeMember, Totals, Types, inventory};
pub use view::View;

use hints::Hints;

use crate::binaries::Binaries;
use crate::memory::Chunk;
use crate::model::{CoreDump, Value};
use crate::regions::{self, Region, Regions, Use, initial};
use crate::variables::Shapes;

/// The number of bytes that are searched for allocators' states at the beginning of a memory whose parts are not known.
const LOOKED_AT: u64 = 64 << 20;

/// Bytes of the largest memory that is gone over page by page in search of an allocator: no engine gives more.
const MOST_PAGED: u64 = 64 << 30;

/// Globals that are looked at.
const MAX_GLOBALS: usize = 4096;

/// An allocator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllocatorKind {
    /// Doug Lea's malloc in C: wasi-libc, emscripten.
    Dlmalloc,
    /// The Rust crate `dlmalloc`: wasm32-unknown-unknown.
    RustDlmalloc,
    /// emscripten's small allocator.
    Emmalloc,
    /// Zig's `std.heap.BrkAllocator`.
    Zig,
    /// The malloc of the C library of `zig cc`, on `std.heap.BrkAllocator`.
    ZigMalloc,
    /// AssemblyScript's TLSF with one of its collectors.
    AssemblyScript,
    /// AssemblyScript's runtime that gives back nothing.
    AssemblyScriptStub,
    /// Go's spans.
    Go,
    /// The Rust crate `talc`, versions 4 and 5.
    Talc,
    /// The Rust crate `wee_alloc`.
    WeeAlloc,
    /// The Rust crate `lol_alloc`.
    LolAlloc,
    /// Microsoft's mimalloc: the Rust crate, emscripten.
    Mimalloc,
}

impl AllocatorKind {
    /// The stable name, as it appears in JSON.
    pub fn name(self) -> &'static str {
        match self {
            AllocatorKind::Dlmalloc => "dlmalloc",
            AllocatorKind::RustDlmalloc => "dlmalloc-rs",
            AllocatorKind::Emmalloc => "emmalloc",
            AllocatorKind::Zig => "zig",
            AllocatorKind::ZigMalloc => "zig-malloc",
            AllocatorKind::AssemblyScript => "assemblyscript",
            AllocatorKind::AssemblyScriptStub => "assemblyscript-stub",
            AllocatorKind::Go => "go",
            AllocatorKind::Talc => "talc",
            AllocatorKind::WeeAlloc => "wee_alloc",
            AllocatorKind::LolAlloc => "lol_alloc",
            AllocatorKind::Mimalloc => "mimalloc",
        }
    }

    /// Returns true if a request is served from any free block that is large enough: other allocators keep blocks for
    /// requests of about their size.
    pub fn serves_from_any(self) -> bool {
        match self {
            AllocatorKind::Dlmalloc | AllocatorKind::RustDlmalloc | AllocatorKind::Emmalloc => true,
            AllocatorKind::AssemblyScript | AllocatorKind::Talc | AllocatorKind::LolAlloc => true,
            AllocatorKind::Zig
            | AllocatorKind::ZigMalloc
            | AllocatorKind::Go
            | AllocatorKind::WeeAlloc
            | AllocatorKind::Mimalloc
            | AllocatorKind::AssemblyScriptStub => false,
        }
    }
}

/// The blocks of a heap, by address as far as the allocator keeps them so. After a [`Damage`] it goes on where other
/// records allow it.
pub type Blocks<'v> = Box<dyn Iterator<Item = Result<Block, Damage>> + 'v>;

/// The interface of an allocator's file.
trait Allocator: Sync {
    /// The blocks; `strict` also checks what only `--check` needs.
    fn blocks<'v>(&'v self, view: &'v View<'v>, strict: bool) -> Blocks<'v>;

    /// The address of a block somewhere in the middle of many, where one seems to begin: the walk up to there tells
    /// whether one does. `None` where blocks are few, or can only be gone over in one go.
    fn middle(&self, _view: &View<'_>) -> Option<u64> {
        None
    }

    /// The blocks in front of that address, or those from it on.
    fn half<'v>(&'v self, view: &'v View<'v>, middle: u64, second: bool) -> Blocks<'v> {
        Box::new(self.blocks(view, false).filter(move |block| {
            let address = block.as_ref().map_or_else(|damage| damage.address, |block| block.address);
            (address >= middle) == second
        }))
    }

    /// Bytes of the allocator's own in front of each block's address.
    fn gap(&self) -> u64;

    /// Returns true if blocks of which it is not known whether they are used are whole pages, which nothing else has a
    /// part of.
    fn may_lose_pages(&self) -> bool {
        false
    }

    /// Returns the alignment of blocks, in bytes.
    fn alignment(&self) -> u64 {
        8
    }

    /// Returns true if a used block has all bytes up to the gap before the next block, and no more is known of its
    /// size.
    fn is_dense(&self) -> bool {
        false
    }

    /// Returns true if a garbage collector frees blocks that nothing points to, so that such a block is no leak.
    fn collected(&self) -> bool {
        false
    }

    /// The types of the blocks, where the program's runtime describes them.
    fn types(&self, _view: &View<'_>) -> Option<Shapes> {
        None
    }

    /// The first fault in the allocator's state, apart from the blocks.
    fn check(&self, view: &View<'_>) -> Option<Damage>;
}

/// A heap as an allocator's file found it.
struct FoundHeap {
    kind: AllocatorKind,
    ranges: Vec<Range<u64>>,
    state: Vec<Range<u64>>,
    allocator: Box<dyn Allocator>,
}

impl FoundHeap {
    fn sort(&mut self) {
        self.ranges.sort_by_key(|range| range.start);
    }
}

/// A heap: what one allocator keeps in one memory.
pub struct Heap {
    /// The allocator.
    pub kind: AllocatorKind,
    /// The parts of the memory that the allocator hands out blocks of, by address.
    pub ranges: Vec<Range<u64>>,
    /// The ranges of the allocator's own state, as far as they are outside of `ranges`.
    pub state: Vec<Range<u64>>,
    allocator: Box<dyn Allocator>,
}

impl Heap {
    /// The heaps in the dump's memory with this index, whose parts are `regions`.
    pub fn find(dump: &CoreDump<'_>, binaries: &Binaries, memory: u32, regions: &Regions) -> Vec<Heap> {
        let Some(contents) = dump.memories.get(memory as usize) else { return Vec::new() };
        let view = View::new(contents);
        let places = statics(regions);
        let hints = Hints::new(dump, binaries, memory, regions);
        let mut found = dlmalloc::find(&view, &places);
        found.extend(emmalloc::find(&view, &places));
        if let Some(heap) = mimalloc::find(&view, &places) {
            // In emscripten it takes its memory from emmalloc.
            found.retain(|other| !overlap(&heap.ranges, &other.ranges));
            found.push(heap);
        }
        // A Rust program's own allocator may be beside the C library's.
        found.iter_mut().for_each(FoundHeap::sort);
        // These are looked for page by page.
        let crates = (contents.size <= MOST_PAGED).then(|| {
            [
                wee::find(&view, hints.initial, &places),
                talc4::find(&view, hints.heap_base, &places),
                talc::find(&view, &places),
            ]
        });
        for heap in crates.into_iter().flatten().flatten() {
            let apart = |other: &FoundHeap| !overlap(&other.ranges, &heap.ranges);
            if found.iter().all(apart) {
                found.push(heap);
            }
        }
        if found.is_empty() {
            // The whole heap is a place for what keeps its state there.
            let low = std::iter::once(0..contents.size.min(LOOKED_AT)).collect::<Vec<_>>();
            found.extend(tlsf::find(&view, hints.heap_base.map(|base| base.next_multiple_of(16)), &low, hints.white));
            found.extend(go::find(&view, &low));
        }
        if found.is_empty() {
            found.extend(zig::find(&view, &hints, &places));
        }
        if found.is_empty() {
            let globals = dump.globals.iter().filter_map(|global| match global.value {
                Value::I32(value) => Some(u64::from(value as u32)),
                _ => None,
            });
            let globals: Vec<u64> = globals.take(MAX_GLOBALS).collect();
            found.extend(stub::find(&view, hints.heap_base, &globals));
            let before = if hints.uses_lol { initial(dump, binaries, memory) } else { None };
            found.extend(lol::find(&view, &hints, &places, before.as_ref()));
        }
        found.iter_mut().for_each(FoundHeap::sort);
        let heap = |FoundHeap { kind, ranges, state, allocator }| Heap { kind, ranges, state, allocator };
        found.into_iter().map(heap).collect()
    }

    /// Returns true if an address lies in a range from which the allocator hands out blocks.
    pub fn holds(&self, address: u64) -> bool {
        apart::holds(&self.ranges, address)
    }

    /// All blocks; where the records are broken, a [`Damage`], and what follows as far as it can be found.
    pub fn blocks<'v>(&'v self, view: &'v View<'v>) -> Blocks<'v> {
        self.allocator.blocks(view, false)
    }

    /// All places where the records are broken; more is checked than [`Heap::blocks`] does.
    pub fn damage(&self, view: &View<'_>) -> Vec<Damage> {
        // More than a person reads of.
        const MOST: usize = 100;
        let blocks = self.allocator.blocks(view, true).filter_map(Result::err);
        let mut all: Vec<Damage> = blocks.chain(self.allocator.check(view)).take(MOST).collect();
        // A link to a block whose own record is broken may be right.
        let records = all.iter().filter(|damage| damage.leads_to.is_none());
        let mut broken: HashSet<u64> = records.filter_map(|damage| damage.block).collect();
        all.retain(|damage| {
            let wrong = damage.leads_to.is_none_or(|block| !broken.contains(&block));
            broken.extend(damage.block.filter(|_| wrong));
            wrong
        });
        all
    }
}

/// The types that are known of the blocks of these heaps, of the dump's memory with this index: what the program's
/// runtime describes, else what its debug information does.
pub fn shapes(dump: &CoreDump<'_>, binaries: &Binaries, memory: u32, heaps: &[Heap]) -> Shapes {
    let contents = dump.memories.get(memory as usize);
    let described = contents.map(View::new).and_then(|view| heaps.iter().find_map(|heap| heap.allocator.types(&view)));
    described.unwrap_or_else(|| regions::shapes(dump, binaries, memory))
}

/// Bytes of the pages that the program wrote to beyond its static data, as far as they are in none of its `heaps`: if
/// they are many, they are of an allocator that is not recognised. 0 where it is not known where static data ends.
pub fn unclaimed(heaps: &[Heap], view: &View<'_>, regions: &Regions) -> u64 {
    const PAGE: u64 = 65536;
    let mut claimed: Vec<&Range<u64>> = heaps.iter().flat_map(|heap| heap.ranges.iter().chain(&heap.state)).collect();
    claimed.sort_by_key(|range| range.start);
    let mut bytes = 0;
    let mut count = |gap: Range<u64>| {
        for chunk in view.memory().chunks(gap).filter(|chunk| matches!(chunk, Chunk::Captured(_))) {
            let Range { start: mut at, end } = chunk.range();
            while at < end {
                let next = (at / PAGE + 1).saturating_mul(PAGE).min(end);
                let mut written = false;
                view.words(at..next, |_, _| {
                    written = true;
                    false
                });
                bytes += if written { next - at } else { 0 };
                at = next;
            }
        }
    };
    for region in regions.iter().filter(|region| region.r#use == Use::Heap) {
        let mut at = region.range.start;
        for range in &claimed {
            count(at..range.start.min(region.range.end));
            at = at.max(range.end);
        }
        count(at..region.range.end);
    }
    bytes
}

/// Returns true if the two lists of ranges, each by address, have an address in common.
fn overlap(some: &[Range<u64>], others: &[Range<u64>]) -> bool {
    others.iter().any(|other| {
        let next = some.partition_point(|range| range.end <= other.start);
        some.get(next).is_some_and(|range| range.start < other.end)
    })
}

/// Returns the ranges in which static data may lie.
fn statics(regions: &Regions) -> Vec<Range<u64>> {
    let holds = |r#use| matches!(r#use, Use::Data | Use::Bss | Use::BssOrFreeStack | Use::BssOrHeap | Use::Unknown);
    let mut places: Vec<Range<u64>> = Vec::new();
    // Where the binary does not say where zeroed data ends, the stack pointer may be in it: of an overflow, or of a
    // stack that lies there.
    let mut open_end = None;
    let is_place = |region: &&Region| {
        let follows = region.r#use == Use::Stack && open_end == Some(region.range.start);
        open_end = (region.r#use == Use::BssOrFreeStack).then_some(region.range.end);
        holds(region.r#use) || follows
    };
    for region in regions.iter().filter(is_place) {
        let end = region.range.end;
        let end = if matches!(region.r#use, Use::BssOrHeap | Use::Unknown) { end.min(LOOKED_AT) } else { end };
        match places.last_mut() {
            Some(last) if last.end == region.range.start => last.end = end.max(last.end),
            _ if region.range.start < end => places.push(region.range.start..end),
            _ => {}
        }
    }
    places
}
