//! AssemblyScript's runtime: the allocator TLSF, and on it the garbage collectors `incremental` (itcms) and `minimal`
//! (tcms).
//!
//! A block at `b` has its size in its first word, with two bits below it: it is free, the one before is free. The next
//! block is that many bytes and one word further on. A managed object has four words of the collector's in front of it:
//! links to the next and to the previous object of one of the collector's lists, a class id, and its size. Blocks of
//! `heap.alloc` and of unmanaged classes have none: what is managed is known by links that agree.
//!
//! The root, 1572 bytes, is the first thing in the heap: two levels of bitmaps, a list head for each of their bits, and
//! the address of the last block, which is empty. All of these must agree.

use std::ops::Range;

use super::block::{Block, Damage, State};
use super::links::{Link, Lists, broken_link, with_faults};
use super::resume::resumes;
use super::view::View;
use super::{Allocator, AllocatorKind, Blocks, FoundHeap};

/// First levels, and second levels of each.
const FIRST: u64 = 23;
const SECOND: u64 = 16;
/// Offsets in the root.
const MAPS: u64 = 4;
const HEADS: u64 = 96;
const TAIL: u64 = HEADS + 4 * FIRST * SECOND;
const ROOT: u64 = TAIL + 4;
/// Bits in a block's size.
const FREE: u64 = 1;
const BEFORE_FREE: u64 = 2;
/// Bytes of the collector's words in front of an object.
const OBJECT: u64 = 16;

/// The heap.
#[derive(Clone, Copy, Debug)]
pub struct Tlsf {
    root: u64,
    tail: u64,
    /// The number of the colour that is white, 0 or 1; the other one is black.
    white: Option<u32>,
}

/// The heap whose root lies at `root` or in one of `places`; `white` is what the collector's global of that name holds.
pub fn find(view: &View<'_>, root: Option<u64>, places: &[Range<u64>], white: Option<u32>) -> Option<FoundHeap> {
    if view.width() != 4 {
        return None;
    }
    let heap = root.and_then(|root| Tlsf::at(view, root, white)).or_else(|| {
        // If only the allocator grew the memory, the last block is the memory's last word.
        let tail = view.memory().size.checked_sub(4)?;
        places.iter().find_map(|place| {
            let mut found = None;
            view.words(place.clone(), |at, value| {
                if value == tail && at % 16 == TAIL % 16 {
                    found = at.checked_sub(TAIL).and_then(|root| Tlsf::at(view, root, white));
                }
                found.is_none()
            });
            found
        })
    })?;
    Some(FoundHeap {
        kind: AllocatorKind::AssemblyScript,
        ranges: std::iter::once(heap.root..heap.tail + 4).collect(),
        state: Vec::new(),
        allocator: Box::new(heap),
    })
}

impl Tlsf {
    /// The heap with its root at `root`, if all of that agrees.
    fn at(view: &View<'_>, root: u64, white: Option<u32>) -> Option<Tlsf> {
        let tail = u64::from(view.u32(root.checked_add(TAIL)?)?);
        let first = first(root);
        if !root.is_multiple_of(16) || tail % 16 != 12 || tail <= first || tail >= view.memory().size {
            return None;
        }
        let map = view.u32(root)?;
        if map >> FIRST != 0 {
            return None;
        }
        for level in 0..FIRST {
            let second = view.u32(root + MAPS + 4 * level)?;
            if second >> SECOND != 0 || (second != 0) != (map >> level & 1 == 1) {
                return None;
            }
            for index in 0..SECOND {
                let head = u64::from(view.u32(root + HEADS + 4 * (level * SECOND + index))?);
                if (head != 0) != (second >> index & 1 == 1) || head != 0 && !(first..tail).contains(&head) {
                    return None;
                }
            }
        }
        // The last block is empty and not free.
        let last = u64::from(view.u32(tail)?);
        (last & !BEFORE_FREE == 0).then_some(Tlsf { root, tail, white })
    }

    /// The name of a colour.
    fn color(&self, bits: u32) -> Option<&'static str> {
        match (bits, self.white) {
            (2, _) => Some("gray"),
            (3, _) => Some("pinned"),
            (bits, Some(white)) => Some(if bits == white { "white" } else { "black" }),
            _ => None,
        }
    }

    /// The block at `at`, with `size` bytes.
    fn block(&self, view: &View<'_>, at: u64, size: u64, state: State) -> Block {
        let plain = Block::new(at + 4, size, state);
        if state == State::Free || size < OBJECT {
            return plain;
        }
        let object = || {
            let (next, previous) = (view.u32(at + 4)?, u64::from(view.u32(at + 8)?));
            let (color, next) = (next & 3, u64::from(next & !3));
            let back = u64::from(view.u32(next.checked_add(8)?)?);
            let forth = u64::from(view.u32(previous.checked_add(4)?)? & !3);
            let used = u64::from(view.u32(at + 16)?);
            if next == 0 || back != at || forth != at || used > size - OBJECT {
                return None;
            }
            Some(Block {
                requested: Some(used),
                class: Some(view.u32(at + 12)?),
                color: self.color(color),
                ..Block::new(at + 4 + OBJECT, size - OBJECT, state)
            })
        };
        object().unwrap_or(plain)
    }

    /// Reports a word of the collector's in front of an object that does not agree with the other ones: each object is
    /// in a list, whose links agree in both directions, and its bytes are in its block.
    fn broken_object(&self, view: &View<'_>, at: u64, size: u64) -> Option<Damage> {
        let next = u64::from(view.u32(at + 4)? & !3);
        let previous = u64::from(view.u32(at + 8)?);
        let back = next.checked_add(8).and_then(|at| view.u32(at)).map(u64::from) == Some(at);
        let forth = previous.checked_add(4).and_then(|at| view.u32(at)).map(|link| u64::from(link & !3)) == Some(at);
        let used = view.u32(at + 16)?;
        // If the block after next knows this neighbour, the neighbour is in the list: then its own link is broken, and
        // is reported there.
        let onward = |object: u64, link: u64, reverse: u64| {
            let onward = u64::from(view.u32(object.checked_add(link)?)? & !3);
            Some(u64::from(view.u32(onward.checked_add(reverse)?)? & !3) == object)
        };
        let (back, forth) = (next != 0 && back, previous != 0 && forth);
        if !back && onward(next, 4, 8) == Some(true) || !forth && onward(previous, 8, 4) == Some(true) {
            return None;
        }
        let (record, message) = match (back, forth) {
            (true, true) if u64::from(used) > size - OBJECT => {
                (at + 16, format!("an object has the size {used:#x}, more than its block"))
            }
            (true, false) => {
                (at + 8, format!("the link of an object to the previous one, {previous:#x}, is not returned"))
            }
            (false, true) => (at + 4, format!("the link of an object to the next one, {next:#x}, is not returned")),
            _ => return None,
        };
        Some(Damage::new(record, message).about(at + 4 + OBJECT))
    }

    /// Reports a link of a free block that leads out of the heap or is not returned, or an end that does not name the
    /// block.
    fn broken_link(&self, view: &View<'_>, at: u64, size: u64) -> Option<Damage> {
        let inside = |link: u64| (first(self.root)..self.tail).contains(&link);
        let links = [(4, 8, "previous"), (8, 4, "next")].map(|(at, back, to)| Link { at, back, to, end: Some(0) });
        // The last word of a free block.
        let end_of = |link: u64| {
            let info = view.u32(link).map(u64::from).filter(|info| info & FREE != 0);
            info.and_then(|info| link.checked_add(info & !3))
        };
        let is_free = |link: u64| end_of(link).and_then(|end| view.u32(end)).map(u64::from) == Some(link);
        // The heads of the lists link to blocks, but no block links back to them.
        let lists = Lists { header: 4, is_head: |_| false, inside, is_free: &is_free, may_be_alone: |_| false };
        let broken = broken_link(view, at, links, lists).map(Damage::from);
        let foot = at + size;
        broken.or_else(|| match view.u32(foot).map(u64::from) {
            None => Some(Damage::missing(foot).about(at + 4)),
            Some(back) if back == at => None,
            // A block that was joined with the one in front of it, and freed again.
            Some(inner) if inner > at && inner < foot && is_free(inner) && end_of(inner) == Some(foot) => {
                Some(Damage::freed_after_join(foot, inner + 4))
            }
            Some(back) => {
                let message = format!("a free block ends with {back:#x} instead of its own address");
                Some(Damage::new(foot, message).about(at + 4))
            }
        })
    }
}

/// The first block, directly after the root.
fn first(root: u64) -> u64 {
    (root + ROOT + 4).next_multiple_of(16) - 4
}

impl Allocator for Tlsf {
    fn blocks<'v>(&'v self, view: &'v View<'v>, strict: bool) -> Blocks<'v> {
        let at = Some(first(self.root));
        let walk = BlockWalk { heap: self, view, strict, at, header: None, before: [None; 2], free: false };
        if !strict {
            return Box::new(walk);
        }
        with_faults(walk, move |block| {
            let words = if block.class.is_some() { OBJECT } else { 0 };
            let at = block.address - words - 4;
            let size = u64::from(view.u32(at)?) & !3;
            match block.state {
                State::Free => self.broken_link(view, at, size),
                _ if size >= OBJECT => self.broken_object(view, at, size),
                _ => None,
            }
        })
    }

    fn gap(&self) -> u64 {
        4
    }

    fn collected(&self) -> bool {
        true
    }

    fn check(&self, view: &View<'_>) -> Option<Damage> {
        (0..FIRST * SECOND).find_map(|index| {
            let at = self.root + HEADS + 4 * index;
            let head = u64::from(view.u32(at)?);
            let good = head == 0
                || view.u32(head).is_some_and(|info| u64::from(info) & FREE == FREE) && view.u32(head + 4) == Some(0);
            (!good).then(|| {
                let message = format!("a list of free blocks begins with {head:#x}, which is not the first one of any");
                Damage::new(at, message).leading_to(head + 4)
            })
        })
    }
}

struct BlockWalk<'v> {
    heap: &'v Tlsf,
    view: &'v View<'v>,
    strict: bool,
    at: Option<u64>,
    /// The header of the block before.
    header: Option<u64>,
    /// The two blocks before, the nearer one first.
    before: [Option<Block>; 2],
    /// True if the block before is free.
    free: bool,
}

impl Iterator for BlockWalk<'_> {
    type Item = Result<Block, Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at.take().filter(|&at| at != self.heap.tail)?;
        let before = self.before[0];
        let fail = |damage: Damage| {
            let wrong = if self.strict { self.wrong_size(at) } else { None };
            Some(Err(wrong.unwrap_or_else(|| damage.about(at + 4).behind(before).led_by("size", self.header))))
        };
        let Some(info) = self.view.u32(at).map(u64::from) else { return fail(Damage::missing(at)) };
        let size = info & !3;
        let next = at + 4 + size;
        // The size is such that blocks stand at 12 mod 16.
        if next % 16 != 12 || next > self.heap.tail {
            return fail(Damage::new(
                at,
                format!("the block's header holds {info:#x}, which is no size of a block here"),
            ));
        }
        if (info & BEFORE_FREE != 0) != self.free {
            let (says, is) = if self.free { ("used", "free") } else { ("free", "used") };
            let message = format!("the block's header holds {info:#x}: the block before is {says}, but it is {is}");
            return fail(Damage::new(at, message));
        }
        let state = if info & FREE != 0 { State::Free } else { State::Used };
        let block = self.heap.block(self.view, at, size, state);
        self.free = state == State::Free;
        (self.header, self.before, self.at) = (Some(at), [Some(block), before], Some(next));
        Some(Ok(block))
    }
}

impl BlockWalk<'_> {
    /// The header of the block before, whose size led to `at` and not to where blocks go on.
    fn wrong_size(&self, at: u64) -> Option<Damage> {
        let wrong = self.header?;
        // A free block ends with its own address.
        if self.free && self.view.u32(at - 4).map(u64::from) == Some(wrong) {
            return None;
        }
        let tail = self.heap.tail;
        let sound = |at: u64| {
            let info = u64::from(self.view.u32(at)?);
            let next = (at + 4 + (info & !3)).min(tail + 1);
            let says_free = u64::from(self.view.u32(next)?) & BEFORE_FREE != 0;
            (next % 16 == 12 && says_free == (info & FREE != 0)).then_some(next)
        };
        let next = resumes(wrong + 16, at, 16, tail, sound)?;
        let info = self.view.u32(wrong)?;
        let size = next - wrong - 4;
        let message = format!("the block's header holds {info:#x}, but its size is {size:#x}, by where blocks go on");
        Some(Damage::new(wrong, message).about(wrong + 4).behind(self.before[1]))
    }
}
