//! `--path-to`: who keeps a block alive.

use coredump_core::cli::Exit;
use coredump_core::error::{ErrorKind, Result};
use coredump_core::heap::{Graph, Heap, Roots, Step, View};
use coredump_core::regions::global_names;

use crate::heap::{complain, not_recognised, show};
use crate::session::Session;
use crate::table::Records;

/// Shows a shortest chain of pointers from a root to a block.
pub fn path_to(session: &Session<'_>) -> Result<Exit> {
    let (index, memory) = session.memory()?;
    let Some(address) = &session.args.path_to else { return Ok(Exit::Done) };
    let address = session.address(index, address)?;
    let view = View::new(memory);
    let regions = session.regions(index);
    let heaps = Heap::find(session.dump, session.binaries(), index, &regions);
    let names = global_names(session.dump, session.binaries());
    let roots = Roots::of(session.dump, index, &regions, &heaps, &names);
    let Some(mut graph) = Graph::new(&heaps, &view) else {
        return Ok(not_recognised(session, index));
    };
    complain(session, index, &graph.damage);
    if !heaps.iter().any(|heap| heap.holds(address)) {
        return Err(session.error(ErrorKind::NotFound, format!("{address:#x} lies in no heap of memory {index}")));
    }
    let Some(steps) = graph.path_to(&roots, address) else {
        let name = session.input.name();
        session.report.say(format_args!("{name}: no chain of pointers from a root leads to {address:#x}"));
        if !roots.missing.is_empty() {
            session.report.hint(format_args!("the dump does not hold {}", roots.missing.join(", ")));
        }
        return Ok(Exit::Partial);
    };
    let mut table = Records::new("Path", "step", &["", "place", "points to"]);
    for step in steps {
        let (kind, place, value) = match step {
            Step::Memory { address, value } => {
                let symbol = session.symbol(index, address);
                let region = regions.at(address).map(|region| region.label().to_owned());
                let place = symbol.or(region).unwrap_or_default();
                ("memory", format!("{address:#010x} {place}"), value)
            }
            Step::Value { place, value } => ("value", place, value),
            Step::Block { block, offset, value } => ("block", format!("{block:#010x}+{offset:#x}"), value),
        };
        table.row([kind.to_owned(), place.trim_end().to_owned(), format!("{value:#010x}")]);
    }
    show(session, &[table])?;
    Ok(Exit::Done)
}
