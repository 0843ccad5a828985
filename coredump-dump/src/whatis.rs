//! Implements `--whatis`, which says what an address belongs to.

use coredump_core::error::{ErrorKind, Result};
use coredump_core::heap::{Block, Heap, RuntimeMember};
use coredump_core::memory::{Chunk, Memory};
use coredump_core::regions::Use;
use coredump_core::{Limits, Thread, Variable};

use crate::heaps::Heaps;
use crate::inspection::Inspection;
use crate::table::RecordTable;

/// Frames of one thread that are asked for the program they are in.
const FRAMES: usize = 64;

/// Prints what is known of each address.
pub fn whatis(inspection: &Inspection<'_>) -> Result<()> {
    let (index, memory) = inspection.memory()?;
    inspection.binaries();
    let mut addresses = Vec::new();
    for address in &inspection.args.whatis {
        let at = inspection.address(index, address)?;
        let Some(chunk) = memory.chunks(at..memory.size).next() else {
            let size = memory.size;
            return Err(inspection
                .error(ErrorKind::NotFound, format!("{at:#x} lies outside the memory, which ends at {size:#x}")));
        };
        let mut facts = Vec::new();
        let mut fact = |name: &str, value: String| facts.push([name.to_owned(), value]);
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
        let regions = inspection.regions(index);
        if let Some(region) = regions.at(at) {
            let (start, end) = (region.range.start, region.range.end);
            let name = region.name.as_deref().map(|name| format!(" {name}")).unwrap_or_default();
            fact("region", format!("{}{name}, {start:#x}..{end:#x}", region.r#use));
            if region.r#use == Use::Unknown && !regions.is_known() {
                fact("", "the program's binary tells more: -m FILE".to_owned());
            }
        }
        if let Some((symbol, offset)) = inspection.symbols(index).at(at) {
            let size = symbol.size.map_or("of unknown size".to_owned(), |size| format!("of {size} bytes"));
            let start = symbol.address;
            let place = if offset == 0 { "at its start".to_owned() } else { format!("{offset:#x} bytes into it") };
            fact("symbol", format!("{} ({size} at {start:#x}): {place}", symbol.name));
        } else if let Some(name) = vtable(inspection, index, at) {
            fact("symbol", name);
        }
        for (name, value) in block(inspection, index, memory, at)? {
            facts.push([name.to_owned(), value]);
        }
        if regions.at(at).is_some_and(|region| matches!(region.r#use, Use::Stack | Use::Unknown)) {
            for (name, value) in frames(inspection, index, at) {
                facts.push([name.to_owned(), value]);
            }
        }
        addresses.push(facts);
    }
    inspection.write(|out| {
        addresses.into_iter().try_for_each(|facts| {
            let mut table = RecordTable::new(out, inspection.form(usize::MAX), "Address", "address", &["", ""]);
            facts.into_iter().for_each(|fact| table.row(fact));
            table.finish()
        })
    })
}

/// The C++ vtable that an address is in, if a program whose frames use that memory knows it.
fn vtable(inspection: &Inspection<'_>, memory: u32, at: u64) -> Option<String> {
    inspection.opened.threads().find_map(|thread| {
        let mut frames =
            thread.frames().take(FRAMES).filter(|frame| in_memory(inspection, &thread, frame.index(), memory));
        frames.find_map(|frame| frame.vtable_name(at))
    })
}

/// The heap block that contains an address: its size and state, its type, and the member at the address.
fn block<'a>(
    inspection: &Inspection<'a>,
    index: u32,
    memory: &'a Memory<'a>,
    at: u64,
) -> Result<Vec<(&'static str, String)>> {
    // Debug information is read only if the address is in a heap.
    let heaps = Heap::find(inspection.dump, inspection.binaries(), index, &inspection.regions(index));
    if !heaps.iter().any(|heap| heap.holds(at)) {
        return Ok(Vec::new());
    }
    let found = Heaps::new(inspection, index, memory);
    let mut facts = Vec::new();
    for heap in &found.heaps {
        facts.extend(heap.holds(at).then(|| ("allocator", heap.kind.name().to_owned())));
        let mut blocks = heap.blocks(found.view()).filter_map(std::result::Result::ok);
        let mut before: Option<Block> = None;
        let range = heap.ranges.iter().find(|range| range.contains(&at));
        let holds = |block: &Block| {
            let is_before = block.end() <= at && range.is_some_and(|range| range.contains(&block.address));
            if is_before && before.is_none_or(|before| before.address < block.address) {
                before = Some(*block);
            }
            (block.address..block.end()).contains(&at)
        };
        let Some(block) = blocks.find(holds) else {
            // The address is in padding, or in the allocator's own record.
            if let Some(before) = before {
                let (address, size, state) = (before.address, before.size, before.state.name());
                let beyond = at - before.end();
                facts.push((
                    "block before",
                    format!("{address:#x}, {size} bytes, {state}: {beyond:#x} bytes beyond its end"),
                ));
            }
            continue;
        };
        let offset = at - block.address;
        let (address, size, state) = (block.address, block.size, block.state.name());
        let place = if offset == 0 { "at its start".to_owned() } else { format!("{offset:#x} bytes into it") };
        facts.push(("block", format!("{address:#x}, {size} bytes, {state}: {place}")));
        let graph = found.graph(inspection, index)?;
        let types = found.types(&graph);
        let what = found.what(&graph, &types, &block);
        facts.extend((!what.is_empty()).then_some(("type", what)));
        let beyond = || "none that is known: it lies beyond the type".to_owned();
        let known = match (types.described(&graph, &block, at), types.element(&graph, &block, at)) {
            (RuntimeMember::Member(member), _) => Some(member),
            (RuntimeMember::Beyond, _) => Some(beyond()),
            (RuntimeMember::Nothing, Some((name, element))) if element.contains(&at) => {
                member(inspection, &name, element.start, at)
            }
            (RuntimeMember::Nothing, Some(_)) => Some(beyond()),
            (RuntimeMember::Nothing, None) => None,
        };
        facts.extend(known.map(|member| ("member", member)));
    }
    Ok(facts)
}

/// The member at an address in a value of that type, found by evaluating an expression in some frame.
fn member(inspection: &Inspection<'_>, ty: &str, start: u64, at: u64) -> Option<String> {
    let limits = Limits { depth: 2, elements: 64, ..Limits::default() };
    let thread = inspection.opened.thread(0)?;
    let expression = format!("*({ty} *){start:#x}");
    let value = thread.frames().take(16).find_map(|frame| frame.evaluate_within(&expression, limits).ok())?;
    let members = value.children.iter().filter(|member| member.address.is_some_and(|address| address <= at));
    let member = members.max_by_key(|member| member.address)?;
    Some(format!("{} ({}) = {}", member.name, member.type_name, member.text()))
}

/// The frames of the shadow stack that contain an address, and the variables at it.
fn frames(inspection: &Inspection<'_>, memory: u32, at: u64) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    for thread in inspection.opened.threads() {
        let number = thread.index();
        // A frame extends from its own stack pointer up to that of its caller.
        let pointers = thread.stack_pointers();
        let holds = |frame: &usize| match pointers.get(*frame..*frame + 2) {
            Some([Some(low), Some(high)]) => (*low..*high).contains(&at),
            _ => false,
        };
        let mut held =
            (0..thread.frames().len()).filter(|frame| in_memory(inspection, &thread, *frame, memory) && holds(frame));
        let Some(frame) = held.next().and_then(|frame| thread.frame(frame)) else { continue };
        let function = frame.function().unwrap_or("a function without a name");
        facts.push(("frame", format!("#{} of thread {number}: {function}", frame.index())));
        for scope in frame.variables(Limits { depth: 2, elements: 1024, ..Limits::default() }) {
            for variable in scope.variables.iter().filter(|variable| covers(variable, at)) {
                let ty = &variable.type_name;
                facts.push(("variable", format!("{} ({ty}) = {}", variable.name, variable.text())));
            }
        }
    }
    facts
}

fn in_memory(inspection: &Inspection<'_>, thread: &Thread, frame: usize, memory: u32) -> bool {
    let instance = thread.recorded().frames.get(frame).and_then(|frame| frame.instance);
    match instance.and_then(|instance| inspection.dump.instances.get(instance as usize)) {
        Some(instance) => instance.memories.first() == Some(&Some(memory)),
        None => inspection.dump.memories.len() == 1,
    }
}

/// Returns true if an address is that of a variable, or lies between it and the address of the variable's last part.
fn covers(variable: &Variable, at: u64) -> bool {
    let Some(start) = variable.address else { return false };
    let parts = variable.children.iter().filter(|part| part.name != "*").filter_map(|part| part.address);
    (start..=parts.fold(start, u64::max)).contains(&at)
}
