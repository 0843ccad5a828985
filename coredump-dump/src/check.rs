//! Implements `--check`, which verifies the allocators' records, the shadow stack and constant data.

use std::ops::Range;

use coredump_core::cli::Exit;
use coredump_core::cli::text::shell;
use coredump_core::error::Result;
use coredump_core::heap::{Block, Damage, Heap, Roots, View};
use coredump_core::memory::Memory;
use coredump_core::regions::{Changed, changed_constants, overrun};

use crate::heap::{memories, not_recognised};
use crate::inspection::Inspection;
use crate::table::Records;

/// The number of bytes of a broken record that are shown.
const SHOWN: u64 = 32;
/// For how many broken places the pointers to them are shown: each requires a search of the whole memory.
const TRACED: usize = 4;
/// The number of pointers to a block that are shown.
const POINTERS: usize = 5;

/// Verifies each memory; [`Exit::Partial`] if anything is broken or cannot be verified.
pub fn check(inspection: &Inspection<'_>) -> Result<Exit> {
    let mut outcome = Exit::Done;
    let mut tables = Vec::new();
    for (index, memory) in memories(inspection)? {
        let view = View::new(memory);
        if let Some(overrun) = overrun(inspection.dump, inspection.binaries(), index) {
            let mut table = Records::new("Broken", "broken", &["", ""]);
            table.row(["memory".to_owned(), index.to_string()]);
            table.row(["what".to_owned(), overrun.to_string()]);
            tables.push(table);
            outcome = Exit::Partial;
        }
        let regions = inspection.regions(index);
        for changed in changed_constants(inspection.dump, inspection.binaries(), index, &regions) {
            tables.push(overwritten(inspection, index, memory, &changed));
            outcome = Exit::Partial;
        }
        let heaps = Heap::find(inspection.dump, inspection.binaries(), index, &regions);
        if heaps.is_empty() {
            outcome = not_recognised(inspection, index);
        }
        let names = inspection.global_names();
        let roots = Roots::new(inspection.dump, inspection.binaries(), index, &regions, &heaps, &names);
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
            for (number, one) in damage.iter().enumerate() {
                let roots = (number < TRACED).then_some(&roots);
                tables.push(broken(inspection, index, &view, one, roots));
                outcome = Exit::Partial;
            }
        }
    }
    inspection.show(&tables)?;
    Ok(outcome)
}

/// Describes one broken place; with `roots`, also the pointers to the blocks there.
fn broken(inspection: &Inspection<'_>, index: u32, view: &View<'_>, damage: &Damage, roots: Option<&Roots>) -> Records {
    let mut table = Records::new("Broken", "broken", &["", ""]);
    let mut fact = |name: &str, value: String| table.row([name.to_owned(), value]);
    fact("memory", index.to_string());
    fact("address", format!("{:#x}", damage.address));
    fact("what", damage.message.clone());
    if let Some(block) = damage.block {
        fact("block", format!("{block:#x}"));
    }
    let pointers =
        |block: Range<u64>| roots.map_or(Vec::new(), |roots| pointers(inspection, index, view, block, roots));
    if let Some(Block { address, size, state, .. }) = damage.before.as_deref().copied() {
        fact("block before", format!("{address:#x}, {size} bytes, {}", state.name()));
        if let Some(symbol) = inspection.symbol(index, address) {
            fact("symbol", symbol);
        }
        // Links of free lists may point to its last word, where the next chunk begins.
        for place in pointers(address..(address + size).saturating_sub(view.width()).max(address + 1)) {
            fact("pointer to the block before", place);
        }
    }
    let to_the_block = damage.block.map(|block| pointers(block..block + 1));
    to_the_block.unwrap_or_default().into_iter().for_each(|place| fact("pointer to the block", place));
    if let Some(bytes) = shown(view.memory(), damage.address) {
        fact("bytes there", bytes);
    }
    if let Some(value) = last_write(inspection, index, damage.address) {
        fact("who wrote it", value);
    }
    // If the size that led to the place is wrong, the place itself may be right.
    if let Some((what, at)) = damage.led_by {
        fact(&format!("{what} that leads there"), format!("{at:#x}"));
        if let Ok(bytes) = view.memory().bytes(at, view.width()) {
            fact(&format!("bytes of that {what}"), hex_and_text(&bytes));
        }
        if let Some(value) = last_write(inspection, index, at) {
            fact(&format!("who wrote that {what}"), value);
        }
    }
    table
}

/// Describes constant data that was overwritten.
fn overwritten(inspection: &Inspection<'_>, index: u32, memory: &Memory<'_>, changed: &Changed) -> Records {
    let mut table = Records::new("Broken", "broken", &["", ""]);
    let mut fact = |name: &str, value: String| table.row([name.to_owned(), value]);
    let Changed { changed, bytes, was, .. } = changed;
    fact("memory", index.to_string());
    fact("address", format!("{:#x}", changed.start));
    let last = changed.end - 1;
    fact("what", format!("constant data was written over: {bytes} bytes differ from the module's, up to {last:#x}"));
    if let Some(symbol) = inspection.symbol(index, changed.start) {
        fact("symbol", symbol);
    }
    if let Some(bytes) = shown(memory, changed.start) {
        fact("bytes there", bytes);
    }
    fact("bytes in the module", hex_and_text(was));
    if let Some(value) = last_write(inspection, index, changed.start) {
        fact("who wrote it", value);
    }
    table
}

/// The command that finds what wrote to an address, if the dump has a recording.
fn last_write(inspection: &Inspection<'_>, index: u32, address: u64) -> Option<String> {
    inspection.dump.recording.as_ref().filter(|_| index == 0)?;
    let name = shell(inspection.input.path()?.as_os_str());
    Some(format!("coredump-run --replay {name} --last-write {address:#x}"))
}

/// The pointers into a range: words of memory, and values of globals and frames.
fn pointers(inspection: &Inspection<'_>, index: u32, view: &View<'_>, block: Range<u64>, roots: &Roots) -> Vec<String> {
    let mut places = Vec::new();
    let into = |value: u64| match value - block.start {
        0 => String::new(),
        offset => format!(" ({offset:#x} bytes into it)"),
    };
    for (value, place) in roots.values.iter().filter(|(value, _)| block.contains(value)) {
        places.push(format!("{place}{}", into(*value)));
    }
    let regions = inspection.regions(index);
    view.words(0..view.memory().size, |at, value| {
        if block.contains(&value) {
            let symbol = inspection.symbol(index, at);
            let place = symbol.or_else(|| Some(regions.at(at)?.label().to_owned())).unwrap_or_default();
            places.push(format!("{at:#x} {place}{}", into(value)));
        }
        places.len() < POINTERS
    });
    places.truncate(POINTERS);
    places
}

/// The bytes at an address, as numbers and as text.
fn shown(memory: &Memory<'_>, address: u64) -> Option<String> {
    let bytes = memory.bytes(address, SHOWN.min(memory.size.saturating_sub(address))).ok()?;
    Some(hex_and_text(&bytes))
}

fn hex_and_text(bytes: &[u8]) -> String {
    let text: String =
        bytes.iter().map(|&byte| if (b' '..=b'~').contains(&byte) { byte as char } else { '.' }).collect();
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}  {text}", hex.join(" "))
}
