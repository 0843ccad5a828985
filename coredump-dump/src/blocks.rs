//! `--blocks`: every block of the heaps, one line each.

use std::io::{self, Write};

use coredump_core::cli::Exit;
use coredump_core::cli::text::escape;
use coredump_core::error::Result;
use coredump_core::heap::Block;

use crate::heap::{complain, memories, not_recognised};
use crate::heaps::Heaps;
use crate::inspection::Inspection;
use coredump_core::cli::paint::TextRole;

/// Lists the blocks: address, size, whether it is used, type or text, pointers to it, memory.
pub fn blocks(inspection: &Inspection<'_>) -> Result<Exit> {
    let mut out = inspection.output()?;
    let aligned = inspection.on_terminal();
    let paint = inspection.paint();
    let mut left = inspection.args.limit.unwrap_or(u64::MAX);
    let mut outcome = Exit::Done;
    for (index, memory) in memories(inspection)? {
        let ranges = inspection.ranges(index, memory)?;
        let found = Heaps::new(inspection, index, memory);
        if found.heaps.is_empty() {
            outcome = not_recognised(inspection, index);
            continue;
        }
        let graph = found.graph(inspection, index)?;
        let types = found.types(&graph);
        let pointers = graph.pointers(found.roots());
        for heap in &found.heaps {
            for block in heap.blocks(found.view()) {
                let block = match block {
                    Ok(block) => block,
                    Err(damage) => {
                        complain(inspection, index, [&damage]);
                        outcome = Exit::Partial;
                        continue;
                    }
                };
                if !ranges
                    .iter()
                    .any(|range| block.address < range.end && range.start < block.end().max(block.address + 1))
                {
                    continue;
                }
                let Some(rest) = left.checked_sub(1) else { break };
                left = rest;
                let what = found.what(&graph, &types, &block);
                let pointers = pointers.to(&block);
                let address = paint.paint(TextRole::Faint, format_args!("{:#010x}", block.address));
                let line = |out: &mut dyn Write| -> io::Result<()> {
                    let Block { size, state, .. } = block;
                    let (state, what) = (state.name(), escape(&what));
                    match aligned {
                        true => writeln!(out, "{address}  {size:>10}  {state:<7}  {pointers:>6}  {what}"),
                        false => writeln!(out, "{address}\t{size}\t{state}\t{what}\t{pointers}\t{index}"),
                    }
                };
                line(&mut out).map_err(|error| out.failed(error))?;
            }
        }
    }
    out.commit()?;
    Ok(outcome)
}
