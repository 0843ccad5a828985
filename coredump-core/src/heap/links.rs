//! Free blocks in a list with links to both sides: each neighbour must link back.

use super::block::Damage;
use super::view::View;

/// A link of a free block, as offsets in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Where the block has it.
    pub at: u64,
    /// Where the neighbour has the link back.
    pub back: u64,
    /// Which neighbour it leads to.
    pub to: &'static str,
    /// What the link is at the end of the list; `None` where the list has none.
    pub end: Option<u64>,
}

/// The first of these links of the free block at `record` that leads out of where links may lead (`inside`) or to what does
/// not link back.
pub fn broken_link(view: &View<'_>, record: u64, links: [Link; 2], inside: impl Fn(u64) -> bool) -> Option<Damage> {
    links.into_iter().find_map(|Link { at, back, to, end }| {
        let at = record.checked_add(at)?;
        let Some(link) = view.word(at) else { return Some(Damage::missing(at)) };
        if end == Some(link) {
            return None;
        }
        let wrong =
            |what| Some(Damage::new(at, format!("the link of a free block to the {to} one, {link:#x}, {what}")));
        if !inside(link) {
            return wrong("leads out of the heap");
        }
        let returned = link.saturating_add(back);
        match view.word(returned) {
            Some(back) if back == record => None,
            Some(_) => wrong("leads to a block that does not link back"),
            None => Some(Damage::missing(returned)),
        }
    })
}
