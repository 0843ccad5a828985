//! `--check`: whether allocators' records, shadow stack and constant data are in order.

use coredump_core::cli::Exit;
use coredump_core::error::Result;
use coredump_core::heap::{Block, Damage, Heap, View};
use coredump_core::memory::Memory;
use coredump_core::regions::overrun;

use crate::heap::{memories, not_recognised, show};
use crate::session::Session;
use crate::table::Records;

/// Bytes of a broken record that are shown.
const SHOWN: u64 = 32;

/// Verifies each memory; [`Exit::Partial`] if anything is broken or cannot be verified.
pub fn check(session: &Session<'_>) -> Result<Exit> {
    let mut outcome = Exit::Done;
    let mut tables = Vec::new();
    for (index, memory) in memories(session)? {
        let view = View::new(memory);
        if let Some(overrun) = overrun(session.dump, session.binaries(), index) {
            let mut table = Records::new("Broken", "broken", &["", ""]);
            table.row(["memory".to_owned(), index.to_string()]);
            table.row(["what".to_owned(), overrun.to_string()]);
            tables.push(table);
            outcome = Exit::Partial;
        }
        let heaps = Heap::find(session.dump, session.binaries(), index, &session.regions(index));
        if heaps.is_empty() {
            outcome = not_recognised(session, index);
        }
        for heap in &heaps {
            let damage = heap.damage(&view);
            let mut table = Records::new("Checked", "checked", &["", ""]);
            table.row(["memory".to_owned(), index.to_string()]);
            table.row(["allocator".to_owned(), heap.kind.name().to_owned()]);
            let verdict = match damage.len() {
                0 => "in order".to_owned(),
                1 => "broken in one place".to_owned(),
                places => format!("broken in {places} places"),
            };
            table.row(["records".to_owned(), verdict]);
            tables.push(table);
            for one in &damage {
                tables.push(broken(session, index, memory, one));
                outcome = Exit::Partial;
            }
        }
    }
    show(session, &tables)?;
    Ok(outcome)
}

/// One broken place.
fn broken(session: &Session<'_>, index: u32, memory: &Memory<'_>, damage: &Damage) -> Records {
    let mut table = Records::new("Broken", "broken", &["", ""]);
    let mut fact = |name: &str, value: String| table.row([name.to_owned(), value]);
    fact("memory", index.to_string());
    fact("address", format!("{:#x}", damage.address));
    fact("what", damage.message.clone());
    if let Some(block) = damage.block {
        fact("block", format!("{block:#x}"));
    }
    if let Some(Block { address, size, state, .. }) = damage.before {
        fact("block before", format!("{address:#x}, {size} bytes, {}", state.name()));
        if let Some(symbol) = session.symbol(index, address) {
            fact("symbol", symbol);
        }
    }
    if let Ok(bytes) = memory.bytes(damage.address, SHOWN.min(memory.size.saturating_sub(damage.address))) {
        let text: String =
            bytes.iter().map(|&byte| if (b' '..=b'~').contains(&byte) { byte as char } else { '.' }).collect();
        let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        fact("bytes there", format!("{}  {text}", hex.join(" ")));
    }
    table
}
