//! `--leaks`: used blocks that the program cannot reach any more.

use std::collections::BTreeMap;

use coredump_core::cli::Exit;
use coredump_core::error::{ErrorKind, Result};
use coredump_core::heap::{Block, State};

use crate::ahead::ahead;
use crate::heap::{complain, memories, not_recognised};
use crate::heaps::Heaps;
use crate::inspection::Inspection;
use crate::table::Records;

/// Blocks of a group that are listed for a person.
const LISTED: usize = 10;
/// Groups that are distinguished; blocks beyond them are counted by size only.
const MAX_GROUPS: usize = 1 << 16;

/// Lists the blocks that are lost, in groups, the most bytes first.
pub fn leaks(inspection: &Inspection<'_>) -> Result<Exit> {
    let mut groups = Records::new("Leaks", "leaks", &[">memory", ">bytes", ">blocks", ">size", "type or contents", ""]);
    let mut blocks = Records::new("Blocks", "leak", &[">memory", "address", ">size", "type or contents", ""]);
    let mut outcome = Exit::Done;
    let mut left = inspection.args.limit.unwrap_or(u64::MAX);
    for (index, memory) in memories(inspection)? {
        let heaps = Heaps::new(inspection, index, memory);
        if heaps.heaps.is_empty() {
            outcome = not_recognised(inspection, index);
            continue;
        }
        if heaps.complain_of_others(inspection) {
            outcome = Exit::Partial;
        }
        let roots = heaps.roots();
        let mut graph = ahead(memory, 0..memory.size, || heaps.graph(inspection, index))?;
        if complain(inspection, index, graph.damage()) {
            let message = "blocks after the broken place are not known, so that what they point to would look lost";
            return Err(inspection.error(ErrorKind::Malformed, message).hint("--check tells more of what is broken"));
        }
        // Of pages that are lost as a whole, the allocator does not keep which blocks they were.
        let certainty = |block: &Block| match block.state {
            State::Used if roots.missing.is_empty() => "certain",
            _ => "possible",
        };
        let mut found: BTreeMap<(u64, String, &str), (u64, u64)> = BTreeMap::new();
        let mut lost: Vec<Block> = Vec::new();
        graph.leaks(roots, |block: &Block| lost.push(*block));
        if lost.is_empty() {
            continue;
        }
        let types = heaps.types_of_lost(&graph, &lost);
        for block in &lost {
            let what = heaps.what(&graph, &types, block);
            let certain = certainty(block);
            let of_group = if found.len() < MAX_GROUPS { what.clone() } else { String::new() };
            let group = found.entry((block.size, of_group, certain)).or_default();
            *group = (group.0 + 1, group.1.saturating_add(block.size));
            if left > 0 && (!inspection.on_terminal() || blocks.rows.len() < LISTED) {
                left -= 1;
                let address = format!("{:#010x}", block.address);
                blocks.row([index.to_string(), address, block.size.to_string(), what, certain.to_owned()]);
            }
        }
        if !roots.missing.is_empty() {
            inspection.report.say(format_args!(
                "{}: memory {index}: the dump does not hold {}: blocks that only these point to are listed too",
                inspection.input.name(),
                roots.missing.join(", ")
            ));
            outcome = Exit::Partial;
        }
        let mut found: Vec<_> = found.into_iter().collect();
        found.sort_by_key(|(_, (_, bytes))| std::cmp::Reverse(*bytes));
        for ((size, what, certain), (count, bytes)) in found {
            groups.row([
                index.to_string(),
                bytes.to_string(),
                count.to_string(),
                size.to_string(),
                what,
                certain.to_owned(),
            ]);
        }
    }
    inspection.show(&[groups, blocks])?;
    Ok(outcome)
}
