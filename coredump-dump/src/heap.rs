//! `--heap`, `--check`: what the heaps hold, and whether their records are in order.

use coredump_core::CrashReason;
use coredump_core::cli::Exit;
use coredump_core::error::{ErrorKind, Result};
use coredump_core::heap::{Damage, Heap, Survey};
use coredump_core::memory::Memory;

use crate::ahead::ahead;
use crate::heaps::Heaps;
use crate::inspection::Inspection;
use crate::objects;
use crate::table::Records;

/// The columns of the table of heaps.
const HEAP_COLUMNS: &[&str] = &[
    ">memory",
    "allocator",
    ">bytes",
    ">used blocks",
    ">used bytes",
    ">free blocks",
    ">free bytes",
    ">largest free",
    ">blocks not known to be used",
    ">bytes",
    ">% outside of largest free",
];

/// Prints the contents of the heaps of the memories.
pub fn heap(inspection: &Inspection<'_>) -> Result<Exit> {
    let mut heaps = Records::new("Heaps", "heap", HEAP_COLUMNS);
    let mut limits = Records::new("Limits", "limit", &[">memory", ">bytes", ">may have", ">may grow by"]);
    let mut sizes = Records::new(
        "Sizes",
        "size",
        &[">memory", ">from", ">used blocks", ">used bytes", ">free blocks", ">free bytes"],
    );
    let mut types = Records::new("Types", "type", &[">memory", "type", ">used blocks", ">used bytes"]);
    let mut outcome = Exit::Done;
    let mut largest = Vec::new();
    // A program with objects needs no allocator.
    let objects = objects::types(inspection);
    let memories = if objects.is_some() { inspection.memories()? } else { memories(inspection)? };
    for (index, memory) in memories {
        let found = Heaps::new(inspection, index, memory);
        if found.heaps.is_empty() {
            if objects.is_none() {
                outcome = not_recognised(inspection, index);
            }
            continue;
        }
        if found.complain_of_others(inspection) {
            outcome = Exit::Partial;
        }
        let (surveys, totals) = ahead(memory, 0..memory.size, || found.inventory(inspection, index))?;
        for (heap, survey) in found.heaps.iter().zip(&surveys) {
            heaps.row(heap_row(index, heap, survey));
            for class in &survey.classes {
                sizes.row([
                    index.to_string(),
                    class.from.to_string(),
                    class.used.blocks.to_string(),
                    class.used.bytes.to_string(),
                    class.free.blocks.to_string(),
                    class.free.bytes.to_string(),
                ]);
            }
            if complain(inspection, index, &survey.damage) {
                outcome = Exit::Partial;
            }
        }
        let most = most(inspection, memory);
        limits.row([
            index.to_string(),
            memory.size.to_string(),
            most.map(|most| most.to_string()).unwrap_or_default(),
            most.map(|most| most.saturating_sub(memory.size).to_string()).unwrap_or_default(),
        ]);
        let any = found.heaps.iter().map(|heap| heap.kind.serves_from_any());
        largest.extend(surveys.iter().map(|survey| survey.largest_free).zip(any));
        for (name, count) in totals {
            types.row([index.to_string(), name, count.blocks.to_string(), count.bytes.to_string()]);
        }
    }
    let mut tables = vec![heaps, limits, request(inspection, &largest), sizes, types];
    tables.extend(objects);
    inspection.show(&tables)?;
    Ok(outcome)
}

/// The row of a heap of memory `index`, with a field for each of [`HEAP_COLUMNS`].
fn heap_row(index: u32, heap: &Heap, survey: &Survey) -> [String; HEAP_COLUMNS.len()] {
    [
        index.to_string(),
        heap.kind.name().to_owned(),
        heap.ranges.iter().map(|range| range.end - range.start).sum::<u64>().to_string(),
        survey.blocks_used().map(|blocks| blocks.to_string()).unwrap_or_default(),
        survey.bytes_used().to_string(),
        survey.free.blocks.to_string(),
        survey.free.bytes.to_string(),
        survey.largest_free.to_string(),
        nonzero(survey.unknown.blocks),
        nonzero(survey.unknown.bytes),
        survey.fragmentation().map(|percent| percent.to_string()).unwrap_or_default(),
    ]
}

/// The bytes that a memory may have: what it declares, and no more than `--max-memory` left to it beside the other
/// memories. Tables and objects count there too, so it may be less.
fn most(inspection: &Inspection<'_>, memory: &Memory<'_>) -> Option<u64> {
    let recorded = inspection.dump;
    let left = recorded.process.memory_limit.map(|limit| {
        let all = recorded.memories.iter().fold(0u64, |all, memory| all.saturating_add(memory.size));
        let left = limit.saturating_sub(all).saturating_add(memory.size);
        (left - left % memory.page_size.max(1)).max(memory.size)
    });
    [memory.most(), left].into_iter().flatten().min()
}

/// The allocation that the program died in, or after the failure of which it gave up. `largest` are the largest free
/// blocks of all heaps, and whether any request that is no larger may have them. If the program says that there was no
/// memory, but no frame has the size of what it asked for, the row says just that.
fn request(inspection: &Inspection<'_>, largest: &[(u64, bool)]) -> Records {
    let mut table =
        Records::new("Allocation under way", "request", &[">bytes", "function", ">frame", ">thread", "free block"]);
    if let Some(request) = inspection.opened.allocation() {
        // If there are several heaps, nothing says which one was asked.
        let fits = match largest {
            [(largest, _)] if *largest < request.bytes => "none is as large",
            [(_, true)] => "one is as large",
            [(_, false)] => "one is as large; it may be kept for other sizes",
            _ => "",
        };
        let (frame, thread) = (request.frame.to_string(), request.thread.to_string());
        table.row([request.bytes.to_string(), request.function, frame, thread, fits.to_owned()]);
    } else if inspection.opened.reason().is_some_and(says_no_memory) {
        let unknown = || String::new();
        table.row([unknown(), unknown(), unknown(), unknown(), "no frame has the number of bytes".to_owned()]);
    }
    table
}

/// Returns true if the program said when it gave up that there was no memory, in a panic or an exception.
fn says_no_memory(reason: &CrashReason) -> bool {
    const SAID: [&str; 4] = ["out of memory", "outofmemory", "bad_alloc", "memory allocation"];
    let panic = reason.panic.as_ref().and_then(|panic| panic.message.as_deref());
    let exception = reason.exception.as_ref().and(reason.detail.as_deref());
    let said = |text: &str| text == "OOM" || SAID.iter().any(|said| text.to_ascii_lowercase().contains(said));
    [panic, exception].into_iter().flatten().any(said)
}

/// The memories to look for heaps in; an error if there are none.
pub fn memories<'a>(inspection: &Inspection<'a>) -> Result<Vec<(u32, &'a Memory<'a>)>> {
    let memories = inspection.memories()?;
    match memories.is_empty() {
        true => Err(inspection.error(ErrorKind::NotFound, "the dump holds no memory")),
        false => Ok(memories),
    }
}

/// A number, or nothing for 0: a column that nobody needs is left out.
fn nonzero(number: u64) -> String {
    if number == 0 { String::new() } else { number.to_string() }
}

/// Says that no allocator was recognised in a memory.
pub fn not_recognised(inspection: &Inspection<'_>, memory: u32) -> Exit {
    inspection.report.say(format_args!("{}: memory {memory}: no allocator was recognised", inspection.input.name()));
    if inspection.dump.objects.is_some() {
        inspection.report.hint("the program has garbage-collected objects: --heap counts them, --objects lists them");
    } else if inspection.binaries().is_empty() || !inspection.regions(memory).is_known() {
        inspection.report.hint("the program's binary tells where its static data lies: -m FILE");
    }
    Exit::Partial
}

/// Reports where the records are broken. Returns whether there was anything to report.
pub fn complain<'d>(inspection: &Inspection<'_>, memory: u32, damage: impl IntoIterator<Item = &'d Damage>) -> bool {
    let mut any = false;
    for one in damage {
        any = true;
        let name = inspection.input.name();
        let behind = one
            .before
            .as_ref()
            .map(|block| format!(", after the block at {:#x} of {} bytes", block.address, block.size));
        let behind = behind.unwrap_or_default();
        inspection.report.say(match one.missing {
            true => {
                format!("{name}: memory {memory}: the heap's record at {:#x}{behind} is not in the dump", one.address)
            }
            false => {
                format!("{name}: memory {memory}: the heap is damaged at {:#x}{behind}: {}", one.address, one.message)
            }
        });
    }
    any
}
