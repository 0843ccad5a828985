//! Writes our own sections, for what the standard has no place for. See [`crate::extension`] and `docs/format.md`.

use std::io::Write;

use serde::Serialize;

use super::memories::Plan;
use super::{Result, Sections};
use crate::error::{Error, ErrorKind};
use crate::extension::{self, FullValue, MemoryCoverage, ModuleIdentity, Special, Tables, ThreadDetail, ValueSlot};
use crate::model::{CoreDump, Frame, Layout, Thread, Value};

/// Writes the sections that are not empty, and always [`extension::PROCESS`]: a section of ours shows a reader that the
/// file follows the standard, so that it need not be distinguished from other layouts by its contents.
pub(super) fn write<W: Write>(dump: &CoreDump<'_>, data: &Plan<'_, '_>, sections: &mut Sections<W>) -> Result<()> {
    json(extension::PROCESS, &dump.process, sections)?;
    if let Some(reason) = &dump.reason {
        json(extension::REASON, reason, sections)?;
    }
    if !dump.host_calls.is_empty() {
        json(extension::CALLS, &dump.host_calls, sections)?;
    }
    let identities: Vec<ModuleIdentity> = dump
        .modules
        .iter()
        .map(|module| ModuleIdentity {
            path: module.path.clone(),
            sha256: module.sha256.clone(),
            build_id: module.build_id.clone(),
            content_sha256: module.content_sha256.clone(),
            digest: module.digest.clone(),
            stamp: module.stamp.clone(),
        })
        .collect();
    if identities.iter().any(|identity| *identity != ModuleIdentity::default()) {
        json(extension::MODULES, &identities, sections)?;
    }
    let coverage: Vec<MemoryCoverage> = (0..dump.memories.len())
        .map(|index| MemoryCoverage {
            captured: data.known_zero(index).into_iter().map(|range| (range.start, range.end)).collect(),
            missing: data.missing(index),
        })
        .collect();
    if coverage.iter().any(|memory| *memory != MemoryCoverage::default()) {
        json(extension::MEMORIES, &coverage, sections)?;
    }
    let listed = dump.instances.iter().any(|instance| instance.tables.is_some());
    if listed || !dump.tables.is_empty() {
        let instances = dump.instances.iter().filter(|_| listed).map(|instance| instance.tables.clone()).collect();
        json(extension::TABLES, &Tables { tables: dump.tables.clone(), instances }, sections)?;
    }
    let values = full_values(dump);
    if !values.is_empty() {
        json(extension::VALUES, &values, sections)?;
    }
    let threads: Vec<ThreadDetail> = dump.threads.iter().map(|thread| detail(dump, thread)).collect();
    if threads.iter().any(|thread| *thread != ThreadDetail::default()) {
        json(extension::THREADS, &threads, sections)?;
    }
    Ok(())
}

fn json<W: Write>(name: &str, value: &impl Serialize, sections: &mut Sections<W>) -> Result<()> {
    let text = serde_json::to_vec(value)
        .map_err(|error| Error::new(ErrorKind::Malformed, format!("cannot write the section {name}: {error}")))?;
    sections.custom(name, &text)
}

fn detail(dump: &CoreDump<'_>, thread: &Thread) -> ThreadDetail {
    let mut recorded: Vec<(u32, u32)> = Vec::new();
    let known = |frame: &Frame| frame.locals.is_some() && frame.stack.is_some();
    for (index, _) in thread.frames.iter().enumerate().filter(|(_, frame)| known(frame)) {
        let index = index as u32;
        match recorded.last_mut() {
            Some((_, end)) if *end == index => *end += 1,
            _ => recorded.push((index, index + 1)),
        }
    }
    let offsets = dump.offsets.filter(|layout| *layout != Layout::Standard).map(|layout| layout.name().to_owned());
    ThreadDetail { truncated: thread.truncated, recorded, offsets, modules: modules(thread) }
}

fn modules(thread: &Thread) -> Vec<(u32, u32, u32)> {
    let mut modules: Vec<(u32, u32, u32)> = Vec::new();
    for (index, frame) in (0u32..).zip(&thread.frames) {
        let Some(module) = frame.module.filter(|_| frame.instance.is_none()) else { continue };
        match modules.last_mut() {
            Some((_, end, same)) if (*end, *same) == (index, module) => *end += 1,
            _ => modules.push((index, index + 1, module)),
        }
    }
    modules
}

fn full_values(dump: &CoreDump<'_>) -> Vec<FullValue> {
    let mut values = Vec::new();
    for (thread_index, thread) in dump.threads.iter().enumerate() {
        for (frame_index, frame) in thread.frames.iter().enumerate() {
            for (slot, list) in [(ValueSlot::Local, &frame.locals), (ValueSlot::Stack, &frame.stack)] {
                for (index, value) in list.iter().flat_map(|list| list.iter()).enumerate() {
                    if let Some(value) = special(value) {
                        let (thread, frame) = (thread_index as u32, frame_index as u32);
                        values.push(FullValue { slot, thread, frame, index: index as u32, value });
                    }
                }
            }
        }
    }
    for (index, global) in dump.globals.iter().enumerate() {
        let value = match global.value {
            Value::Missing => Some(Special::Missing),
            ref value => special(value),
        };
        if let Some(value) = value {
            values.push(FullValue { slot: ValueSlot::Global, thread: 0, frame: 0, index: index as u32, value });
        }
    }
    values
}

fn special(value: &Value) -> Option<Special> {
    Some(match value {
        Value::V128(bytes) => Special::V128(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        Value::Ref(reference) => Special::Ref { kind: reference.kind, target: reference.target.clone() },
        _ => return None,
    })
}
