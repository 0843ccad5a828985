//! `--path-to`: who keeps a block alive.

use coredump_core::cli::Exit;
use coredump_core::error::{ErrorKind, Result};
use coredump_core::heap::ChainStep;

use crate::address::{Address, Base};
use crate::args::KeptTarget;
use crate::heap::{complain, not_recognised};
use crate::heaps::Heaps;
use crate::inspection::Inspection;
use crate::objects;
use crate::table::Records;

/// Shows a shortest chain of pointers from a root to a block.
pub fn path_to(inspection: &Inspection<'_>) -> Result<Exit> {
    let address = match &inspection.args.path_to {
        None => return Ok(Exit::Done),
        Some(KeptTarget::Object(id)) => return objects::path_to(inspection, *id),
        Some(KeptTarget::Address(address)) => address,
    };
    // Addresses are written with 0x nearly always.
    if let Address { base: Base::Number(number), offset: 0 } = address
        && let Some((_, objects)) = objects::known(inspection)
        && let Some(id) = u32::try_from(*number).ok().filter(|id| objects.get(*id).is_some())
    {
        return objects::path_to(inspection, id);
    }
    let (index, memory) = inspection.memory()?;
    let address = inspection.address(index, address)?;
    let regions = inspection.regions(index);
    let found = Heaps::new(inspection, index, memory);
    if found.heaps.is_empty() {
        return Ok(not_recognised(inspection, index));
    }
    let roots = found.roots();
    let mut graph = found.graph(inspection, index)?;
    complain(inspection, index, graph.damage());
    if !found.heaps.iter().any(|heap| heap.holds(address)) {
        return Err(inspection.error(ErrorKind::NotFound, format!("{address:#x} lies in no heap of memory {index}")));
    }
    let Some(steps) = graph.path_to(roots, address) else {
        let name = inspection.input.name();
        inspection.report.say(format_args!("{name}: no chain of pointers from a root leads to {address:#x}"));
        if !roots.missing.is_empty() {
            inspection.report.hint(format_args!("the dump does not hold {}", roots.missing.join(", ")));
        }
        return Ok(Exit::Partial);
    };
    let mut table = Records::new("Path", "step", &["", "place", "points to"]);
    let types = found.types(&graph);
    let block_at = |address: u64| {
        let mut blocks =
            found.heaps.iter().flat_map(|heap| heap.blocks(found.view()).filter_map(std::result::Result::ok));
        blocks.find(|block| block.address == address)
    };
    for step in steps {
        let (kind, place, value) = match step {
            ChainStep::Memory { address, value } => {
                let symbol = inspection.symbol(index, address);
                let region = regions.at(address).map(|region| region.label().to_owned());
                let place = symbol.or(region).unwrap_or_default();
                ("memory", format!("{address:#010x} {place}"), value)
            }
            ChainStep::Value { place, value } => ("value", place, value),
            ChainStep::Block { block, offset, value } => {
                let ty = block_at(block).and_then(|block| types.name(&graph, &block));
                let ty = ty.map(|ty| format!(" {ty}")).unwrap_or_default();
                ("block", format!("{block:#010x}+{offset:#x}{ty}"), value)
            }
        };
        table.row([kind.to_owned(), place.trim_end().to_owned(), format!("{value:#010x}")]);
    }
    inspection.show(&[table])?;
    Ok(Exit::Done)
}
