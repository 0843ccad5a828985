//! `--whatis`: what an address belongs to.

use coredump_core::error::{ErrorKind, Result};
use coredump_core::memory::Chunk;
use coredump_core::regions::Use;

use crate::session::Session;
use crate::table::Table;

/// Tells what is known of each address.
pub fn whatis(session: &Session<'_>) -> Result<()> {
    let (index, memory) = session.memory()?;
    let mut tables = Vec::new();
    for address in &session.args.whatis {
        let at = session.address(index, address)?;
        let Some(chunk) = memory.chunks(at..memory.size).next() else {
            let size = memory.size;
            return Err(
                session.error(ErrorKind::NotFound, format!("{at:#x} lies outside the memory, which ends at {size:#x}"))
            );
        };
        let mut table = Table::new("Address", "address", &["", ""]);
        let mut fact = |name: &str, value: String| table.row([name.to_owned(), value]);
        fact("address", format!("{at:#x} in memory {index}"));
        fact(
            "contents",
            match chunk {
                Chunk::Captured(segment) => {
                    let bytes = segment.bytes.iter().take(16).map(|byte| format!("{byte:02x}"));
                    bytes.collect::<Vec<_>>().join(" ")
                }
                Chunk::Zero { len, .. } => format!("zero, up to {:#x}", at + len),
                Chunk::Hole { len, .. } => format!("not captured, up to {:#x}", at + len),
            },
        );
        let regions = session.regions(index);
        if let Some(region) = regions.at(at) {
            let (start, end) = (region.range.start, region.range.end);
            let name = region.name.as_deref().map(|name| format!(" {name}")).unwrap_or_default();
            fact("region", format!("{}{name}, {start:#x}..{end:#x}", region.r#use));
            if region.r#use == Use::Unknown && !regions.is_known() {
                fact("", "the program's binary tells more: -m FILE".to_owned());
            }
        }
        if let Some((symbol, offset)) = session.symbols(index).at(at) {
            let size = symbol.size.map_or("of unknown size".to_owned(), |size| format!("of {size} bytes"));
            let start = symbol.address;
            let place = if offset == 0 { "at its start".to_owned() } else { format!("{offset:#x} bytes into it") };
            fact("symbol", format!("{} ({size} at {start:#x}): {place}", symbol.name));
        }
        tables.push(table);
    }
    session.write(|out| {
        tables.iter().try_for_each(|table| match session.on_terminal() {
            true => table.write_aligned(out, session.paint(), usize::MAX),
            false => table.write_plain(out),
        })
    })
}
