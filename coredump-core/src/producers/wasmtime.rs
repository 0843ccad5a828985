//! Wasmtime. It follows the standard. All that it leaves out, or counts in its own way, is repaired here.

use std::collections::{BTreeSet, HashMap};

use crate::model::{CoreDump, Warning};
use crate::module::MemoryDefinition;
use crate::sections::{self, RawSection};

use super::{follow, references_written_as_null, warn};

/// The order of its sections.
const ORDER: [&str; 7] = ["core", "memory", "global", "data", "coremodules", "coreinstances", "corestack"];

/// The number of the youngest frames that it writes by default.
const FRAMES: usize = 20;

/// For how many modules the same warning is given.
const MAX_REPORTED: usize = 16;

/// Size in bytes of the pieces in which it writes a memory; a smaller rest at the end is lost.
const CHUNK: u64 = 4096;

/// The page size of a memory that declares none.
const PAGE: u64 = 65536;

/// Returns true if it wrote these sections: the standard's and the state in its order, each at most once. It has never
/// written another encoding than the standard's, so what does not fit is damage.
pub fn wrote(sections: &[RawSection<'_>]) -> bool {
    let mut order = ORDER.iter();
    let names: Vec<String> = sections.iter().take(8).map(|section| section.describe().name).collect();
    sections::position(sections, "coreinstances").is_some()
        && names.first().is_some_and(|first| first == "core")
        && sections.iter().any(|section| section.id != 0)
        && names.iter().all(|name| order.any(|next| next == name))
}

/// Returns true if a dump that was read is laid out as its dumps are, and lacks the same values.
pub fn laid_out(dump: &CoreDump<'_>) -> bool {
    let mut frames = dump.threads.iter().flat_map(|thread| &thread.frames);
    follow(&dump.sections, ORDER) && frames.all(|frame| frame.locals.is_none() && frame.stack.is_none())
}

/// Corrects what the dump alone shows to be wrong.
pub fn repair(dump: &mut CoreDump<'_>) {
    older_frames_left_out(dump);
    instances_of_one_module(dump);
    references_written_as_null(dump);
}

/// Notes that older frames may be missing, which it leaves out without a mark.
fn older_frames_left_out(dump: &mut CoreDump<'_>) {
    let mut cut = false;
    for thread in dump.threads.iter_mut().filter(|thread| thread.frames.len() == FRAMES && !thread.truncated) {
        thread.truncated = true;
        cut = true;
    }
    if cut {
        let message = "exactly 20 frames, as many as Wasmtime keeps by default: older ones are probably missing \
                       (wasmtime -D max-backtrace=N keeps more)";
        warn(dump, message);
    }
}

/// Warns of modules with several instances, since it names the last one for every frame.
fn instances_of_one_module(dump: &mut CoreDump<'_>) {
    let mut instances: HashMap<u32, usize> = HashMap::new();
    for module in dump.instances.iter().filter_map(|instance| instance.module) {
        *instances.entry(module).or_default() += 1;
    }
    let frames = dump.threads.iter().flat_map(|thread| &thread.frames);
    let named = frames.filter_map(|frame| dump.instances.get(frame.instance? as usize)?.module);
    let doubtful: BTreeSet<u32> =
        named.filter(|module| instances.get(module).is_some_and(|&count| count > 1)).collect();
    for module in doubtful.into_iter().take(MAX_REPORTED) {
        let count = instances.get(&module).copied().unwrap_or_default();
        let message = format!(
            "module {module} has {count} instances, and this producer names the last one for every frame: the memory and \
             the globals of these frames may be another's"
        );
        warn(dump, &message);
    }
}

/// Puts the memories of an instance back to their indices: it leaves shared memories out and closes the gaps.
pub fn shared_memories(dump: &mut CoreDump<'_>, instance: usize, definitions: &[MemoryDefinition]) {
    let listed = &dump.instances[instance].memories;
    let unshared = definitions.iter().filter(|definition| !definition.shared).count();
    if unshared == definitions.len() || listed.len() != unshared {
        return;
    }
    let mut listed = listed.iter();
    let memories = definitions
        .iter()
        .map(|definition| if definition.shared { None } else { listed.next().copied().flatten() })
        .collect();
    dump.instances[instance].memories = memories;
    let message = format!("instance {instance}: its shared memories are not in the dump; the others are renumbered");
    dump.warnings.push(Warning { message, offset: None });
}

/// Corrects the sizes of memories: it counts in the module's own page size, but declares pages of 64 KiB.
pub fn page_sizes(dump: &mut CoreDump<'_>, instance: usize, definitions: &[MemoryDefinition]) {
    for (number, definition) in definitions.iter().enumerate() {
        let index = dump.instances[instance].memories.get(number).copied().flatten();
        let Some(index) = index else { continue };
        let Some(memory) = dump.memories.get_mut(index as usize) else { continue };
        let end = memory.segments().last().map_or(0, |segment| segment.end());
        let size = memory.size / memory.page_size * definition.page_size;
        if memory.page_size != PAGE || definition.page_size == PAGE || end > size {
            continue;
        }
        memory.correct_page_size(definition.page_size, CHUNK);
        let size = memory.size;
        let message = format!("memory {index} has pages of {} bytes: its size is {size:#x}", definition.page_size);
        dump.warnings.push(Warning { message, offset: None });
    }
}
