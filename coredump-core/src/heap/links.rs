//! Free blocks in a list with links to both sides: each neighbour must link back.

use super::Blocks;
use super::block::{Block, Damage};
use super::view::View;

/// Blocks, and in front of each what is wrong with what it keeps of itself, by `fault`: they go on after it. The block
/// before is no culprit, for the header between them is in order.
pub fn with_faults<'v>(
    blocks: impl Iterator<Item = Result<Block, Damage>> + 'v,
    fault: impl Fn(&Block) -> Option<Damage> + 'v,
) -> Blocks<'v> {
    Box::new(blocks.flat_map(move |block| {
        let damage = block.as_ref().ok().and_then(&fault);
        damage.map(Err).into_iter().chain(std::iter::once(block))
    }))
}

/// A link of a free block, as offsets in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Its offset in the block's record, in bytes.
    pub at: u64,
    /// The offset of the link back in the neighbour's record, in bytes.
    pub back: u64,
    /// The neighbour to which it leads, in words.
    pub to: &'static str,
    /// The link at the end of the list; `None` where the list has none.
    pub end: Option<u64>,
}

/// Answers whether a link of a free block of an allocator may lead to an address.
pub struct Lists<H, I, F, A> {
    /// Bytes from a free block's record to the address that a program would have of it.
    pub header: u64,
    /// Returns true if the head of a list is at the address.
    pub is_head: H,
    /// Returns true if the record of a block may be at the address.
    pub inside: I,
    /// Returns true if the record of a free block is at the address.
    pub is_free: F,
    /// Returns true if the free block whose record is at the address may link to itself, as the only one of its list.
    pub may_be_alone: A,
}

/// A fault in the links of a free block.
#[derive(Clone, Debug)]
pub enum BrokenLink {
    /// A link leads where it should not, or is not in the dump.
    Wrong(Damage),
    /// The link at an address leads back to a block that its list had already.
    FreedTwice {
        /// The address of the link.
        at: u64,
        /// The block, as the program has it.
        block: u64,
    },
}

impl From<BrokenLink> for Damage {
    fn from(broken: BrokenLink) -> Damage {
        match broken {
            BrokenLink::Wrong(damage) => damage,
            BrokenLink::FreedTwice { at, block } => Damage::freed_twice(at, block),
        }
    }
}

/// The first of these links of the free block at `record` that leads out of the heap or to what does not link back. If
/// the neighbour is a head or a free block whose own link back is part of no pair, the neighbour's link is the broken
/// one. If the list leads back to the neighbour without coming to its head, or a block links to itself, that one was
/// freed twice.
pub fn broken_link(
    view: &View<'_>,
    record: u64,
    links: [Link; 2],
    lists: Lists<impl Fn(u64) -> bool, impl Fn(u64) -> bool, impl Fn(u64) -> bool, impl Fn(u64) -> bool>,
) -> Option<BrokenLink> {
    let Lists { header, is_head, .. } = &lists;
    let inside = |at: u64| is_head(at) || (lists.inside)(at);
    let is_free = |at: u64| is_head(at) || (lists.is_free)(at);
    let ends = links.map(|link| link.end);
    let about = |record: u64, damage: Damage| {
        BrokenLink::Wrong(if is_head(record) { damage } else { damage.about(record + header) })
    };
    links.into_iter().zip([links[1].to, links[0].to]).find_map(
        |(Link { at: offset, back: reverse, to, end }, other)| {
            let at = record.checked_add(offset)?;
            let Some(link) = view.word(at) else { return Some(about(record, Damage::missing(at))) };
            if end == Some(link) {
                return None;
            }
            let wrong = |record, at, to, link, what| {
                let message = format!("the link of a free block to the {to} one, {link:#x}, {what}");
                let damage = Damage::new(at, message);
                let to_a_block = !is_head(link) && (lists.inside)(link);
                Some(about(record, if to_a_block { damage.leading_to(link + header) } else { damage }))
            };
            let leads_out = "leads out of the heap";
            let one_way = "leads to a block that does not link back";
            let elsewhere =
                "leads to a block that is elsewhere in the lists: it was freed twice, or the link was written over";
            // In lists that have an end no link to the next one leads to a head.
            if !inside(link) || end.is_some() && is_head(link) {
                return wrong(record, at, to, link, leads_out);
            }
            let may_not_be_alone = |at: u64| !is_head(at) && !(lists.may_be_alone)(at);
            let freed_twice = BrokenLink::FreedTwice { at, block: link.saturating_add(*header) };
            if link == record && may_not_be_alone(link) {
                return Some(freed_twice);
            }
            let returned = link.saturating_add(reverse);
            match view.word(returned) {
                Some(back) if back == record => None,
                Some(back) => {
                    let is_pair = inside(back) && back.checked_add(offset).and_then(|at| view.word(at)) == Some(link);
                    // Whoever comes after it in the list may know it, where its header is broken as well.
                    let onward = link.checked_add(offset).and_then(|at| view.word(at)).filter(|&onward| inside(onward));
                    let is_known = onward.and_then(|onward| view.word(onward.checked_add(reverse)?)) == Some(link);
                    // What was freed again is the first of its list now, or in no pair with any block but itself.
                    let is_first = is_pair || ends.contains(&Some(back));
                    let is_end = |at| is_head(at) || ends.contains(&Some(at));
                    let returns = |way, to| comes_back(view, link, way, to, is_end);
                    let twice = back == link && may_not_be_alone(link)
                        || is_first && !is_head(link) && (returns(offset, record) || returns(reverse, link));
                    // The head of a list that has none says so.
                    let is_empty = is_head(link) && ends.contains(&Some(back));
                    match (is_known || is_free(link)) && !is_pair && !is_empty {
                        _ if twice => Some(freed_twice),
                        true => wrong(link, returned, other, back, if inside(back) { one_way } else { leads_out }),
                        false => wrong(record, at, to, link, if is_pair { elsewhere } else { one_way }),
                    }
                }
                None => Some(about(link, Damage::missing(returned))),
            }
        },
    )
}

/// Returns true if the links at this offset lead from one free block to another one, or back to itself, and to no end
/// or head of a list in between: all lists come back over their head. Of all lists of a memory only so many links are
/// followed.
fn comes_back(view: &View<'_>, from: u64, offset: u64, to: u64, is_end: impl Fn(u64) -> bool) -> bool {
    let next = |record: &u64| view.word(record.checked_add(offset)?).filter(|next| !is_end(*next));
    std::iter::successors(next(&from), next).take_while(|_| view.may_follow()).any(|record| record == to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Memory, Segment};

    #[test]
    fn of_lists_that_never_come_back_so_many_links_are_followed() {
        // Eight bytes that lead to each other, and a word that leads to itself.
        let mut memory = Memory::new(64);
        memory.set_contents(
            vec![Segment { address: 0, bytes: &[4, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0] }],
            Default::default(),
        );
        let view = View::new(&memory);
        let is_end = |at: u64| at == 12;
        assert!(comes_back(&view, 0, 0, 4, is_end));
        assert!(!comes_back(&view, 8, 0, 4, is_end));
        // That took all that may be followed.
        assert!(!comes_back(&view, 0, 0, 4, is_end));
    }
}
