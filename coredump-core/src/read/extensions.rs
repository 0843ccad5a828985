//! Reads our own sections (see [`crate::extension`]). A section that cannot be read leaves a warning.

use std::ops::Range;

use serde::de::DeserializeOwned;

use crate::component::{self, Component};
use crate::extension::{self, FullValue, MemoryCoverage, ModuleIdentity, Special, Tables, ThreadDetail, ValueSlot};
use crate::limits::MAX_JSON;
use crate::model::{CoreDump, Frame, Layout, ModuleRecord, Recorded, Reference, Value, Warning};
use crate::objects::{self, Objects};
use crate::recording;

use crate::sections::RawSection;

/// For each memory the ranges that were captured, as `coredump.memories` lists them.
#[derive(Debug, Default)]
pub struct Coverage {
    /// By memory index.
    pub captured: Vec<Vec<Range<u64>>>,
    /// By memory index: why the rest is missing.
    pub missing: Vec<Option<String>>,
}

/// Reads which parts of each memory were captured; `None` if the dump does not say.
pub fn coverage(sections: &[RawSection<'_>], dump: &mut CoreDump<'_>) -> Option<Coverage> {
    let memories: Vec<MemoryCoverage> = json(sections, extension::MEMORIES, dump)?;
    for (index, memory) in memories.iter().enumerate() {
        if let Some(missing) = &memory.missing {
            dump.warnings.push(Warning { message: format!("memory {index}: {missing}"), offset: None });
        }
    }
    let ranges = |memory: &MemoryCoverage| memory.captured.iter().map(|&(start, end)| start..end).collect();
    let captured = memories.iter().map(ranges).collect();
    Some(Coverage { captured, missing: memories.into_iter().map(|memory| memory.missing).collect() })
}

/// Adds the contents of our other sections to the dump.
pub fn apply<'a>(sections: &[RawSection<'a>], dump: &mut CoreDump<'a>) {
    if let Some(process) = json(sections, extension::PROCESS, dump) {
        dump.process = process;
        if dump.process.producer.is_some() {
            dump.producer = dump.process.producer.clone();
        }
    }
    dump.reason = json(sections, extension::REASON, dump);
    dump.host_calls = json(sections, extension::CALLS, dump).unwrap_or_default();
    if let Some(identities) = json::<Vec<ModuleIdentity>>(sections, extension::MODULES, dump) {
        for (index, identity) in identities.into_iter().enumerate() {
            let Some(module) = dump.modules.get_mut(index) else { break };
            module.path = identity.path;
            module.sha256 = identity.sha256;
            module.build_id = identity.build_id;
            module.content_sha256 = identity.content_sha256;
            module.digest = identity.digest;
            module.stamp = identity.stamp;
        }
    }
    if let Some(tables) = json::<Tables>(sections, extension::TABLES, dump) {
        dump.tables = tables.tables;
        for (instance, tables) in dump.instances.iter_mut().zip(tables.instances) {
            instance.tables = tables;
        }
    }
    if let Some(details) = json::<Vec<ThreadDetail>>(sections, extension::THREADS, dump) {
        for (thread, detail) in dump.threads.iter_mut().zip(details) {
            thread.truncated |= detail.truncated;
            dump.offsets = dump.offsets.or_else(|| Layout::named(detail.offsets.as_deref()?));
            let recorded = detail.recorded.into_iter().map(|(start, end)| (start, end, ()));
            paint(&mut thread.frames, recorded, |frame, ()| {
                frame.locals.get_or_insert_default();
                frame.stack.get_or_insert_default();
            });
            paint(&mut thread.frames, detail.modules.into_iter(), |frame, module| {
                if frame.instance.is_none() {
                    frame.module = Some(module);
                }
            });
        }
    }
    for full in json::<Vec<FullValue>>(sections, extension::VALUES, dump).unwrap_or_default() {
        if let Some(slot) = slot(dump, &full)
            && let Some(value) = full_value(full.value)
        {
            *slot = value;
        }
    }
    for section in sections.iter().filter(|section| section.id == 0 && section.name == extension::EMBEDDED_MODULE) {
        embedded(section, dump);
    }
    if let Some(section) = sections.iter().find(|section| section.id == 0 && section.name == component::SECTION) {
        match Component::read(section.bytes, section.offset) {
            Ok(component) => dump.component = Some(component),
            Err(error) => dump.warnings.push(Warning { message: error.message, offset: error.offset }),
        }
    }
    let objects = sections.iter().find(|section| section.id == 0 && section.name == objects::SECTION);
    dump.objects = objects.map(|section| Objects::new(section.bytes, section.offset));
    let recording = sections.iter().find(|section| section.id == 0 && section.name == recording::SECTION);
    dump.recording = recording.map(|section| Recorded { head: section.bytes, log: &[], offset: section.offset });
}

/// Sets a value of each frame from the last of the `[start, end)` ranges that contain it. However the ranges overlap,
/// this takes one pass over the ranges and one over the frames, not their product.
fn paint<T: Copy>(
    frames: &mut [Frame],
    ranges: impl DoubleEndedIterator<Item = (u32, u32, T)>,
    mut set: impl FnMut(&mut Frame, T),
) {
    // For each frame whose value is set, a later frame whose value may not be. The links are shortened whenever they
    // are followed (union-find).
    let mut next: Vec<usize> = (0..=frames.len()).collect();
    let mut unset = |mut frame: usize, is_set: Option<usize>| {
        if let Some(after) = is_set {
            next[frame] = after;
        }
        while next[frame] != frame {
            next[frame] = next[next[frame]];
            frame = next[frame];
        }
        frame
    };
    for (start, end, value) in ranges.rev() {
        let mut index = unset((start as usize).min(frames.len()), None);
        while index < frames.len().min(end as usize) {
            set(&mut frames[index], value);
            index = unset(index, Some(index + 1));
        }
    }
}

fn embedded<'a>(section: &RawSection<'a>, dump: &mut CoreDump<'a>) {
    let mut reader = section.reader();
    let index = reader.read_var_u32().unwrap_or(u32::MAX);
    let bytes = reader.read_bytes(reader.bytes_remaining()).unwrap_or_default();
    let module: Option<&mut ModuleRecord<'a>> = dump.modules.get_mut(index as usize);
    match module {
        Some(module) if section.cut_off().is_none() => module.embedded = Some(bytes),
        _ => {
            let message = format!("an embedded module is cut off or belongs to no module ({index}): skipped");
            dump.warnings.push(Warning { message, offset: Some(section.offset) });
        }
    }
}

/// The value in the dump that a full value replaces, if the standard's section left it out.
fn slot<'d>(dump: &'d mut CoreDump<'_>, full: &FullValue) -> Option<&'d mut Value> {
    let index = full.index as usize;
    if full.slot == ValueSlot::Global {
        return Some(&mut dump.globals.get_mut(index)?.value);
    }
    let frame = dump.threads.get_mut(full.thread as usize)?.frames.get_mut(full.frame as usize)?;
    let values = if full.slot == ValueSlot::Local { &mut frame.locals } else { &mut frame.stack };
    values.as_mut()?.get_mut(index).filter(|value| **value == Value::Missing)
}

fn full_value(special: Special) -> Option<Value> {
    Some(match special {
        Special::Missing => Value::Missing,
        Special::V128(hex) => Value::V128(u128::from_str_radix(&hex, 16).ok()?.to_be_bytes()),
        Special::Ref { kind, target } => Value::Ref(Reference { kind, target }),
    })
}

fn json<T: DeserializeOwned>(sections: &[RawSection<'_>], name: &str, dump: &mut CoreDump<'_>) -> Option<T> {
    let section = sections.iter().find(|section| section.id == 0 && section.name == name)?;
    if section.bytes.len() > MAX_JSON {
        let message = format!("section {name} is longer than {MAX_JSON} bytes: not read");
        dump.warnings.push(Warning { message, offset: Some(section.offset) });
        return None;
    }
    match serde_json::from_slice(section.bytes) {
        Ok(value) => Some(value),
        Err(error) => {
            let message = format!("section {name} is not the JSON it should be: {error}");
            dump.warnings.push(Warning { message, offset: Some(section.offset) });
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_frame_gets_what_the_last_range_that_holds_it_says(
            frames in 0usize..40,
            ranges in proptest::collection::vec((0u32..50, 0u32..50, any::<u32>()), 0..30),
        ) {
            let mut painted = vec![Frame::default(); frames];
            paint(&mut painted, ranges.iter().copied(), |frame, module| frame.module = Some(module));
            let expected = |index: u32| {
                let holds = |range: &&(u32, u32, u32)| (range.0..range.1).contains(&index);
                ranges.iter().rfind(holds).map(|range| range.2)
            };
            for (index, frame) in (0..).zip(&painted) {
                prop_assert_eq!(frame.module, expected(index), "frame {}", index);
            }
        }
    }
}
