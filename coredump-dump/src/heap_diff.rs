//! `--heap` of two dumps: what grew.

use std::collections::BTreeMap;

use coredump_core::cli::Exit;
use coredump_core::error::{ErrorKind, Result};
use coredump_core::heap::Count;

use crate::heap::{complain, memories, not_recognised};
use crate::heaps::Heaps;
use crate::inspection::Inspection;
use crate::objects;
use crate::table::Records;

/// The used blocks of one dump: by allocator, by size, by type.
type Used = [BTreeMap<String, Count>; 3];

/// The name for blocks of no known type.
const UNKNOWN: &str = "(unknown)";

/// Lists what the second dump has more or less of than the first, the most bytes first.
pub fn between(before: &Inspection<'_>, inspection: &Inspection<'_>) -> Result<Exit> {
    let mut outcome = Exit::Done;
    const COLUMNS: &[&str] = &[">memory", "", ">blocks", ">bytes", ">more blocks", ">more bytes"];
    let mut tables = [
        Records::new("Heaps", "heap", COLUMNS),
        Records::new("Sizes", "size", COLUMNS),
        Records::new("Types", "type", COLUMNS),
    ];
    let of_objects = objects_of(before, inspection);
    let memories = if of_objects.is_some() { inspection.memories()? } else { memories(inspection)? };
    for (index, _) in memories {
        if of_objects.is_some() && no_heap(inspection, index) && no_heap(before, index) {
            continue;
        }
        if before.dump.memories.get(index as usize).is_none() {
            return Err(before.error(ErrorKind::NotFound, format!("there is no memory {index}")));
        }
        let (Some(old), Some(new)) = (used(before, index, &mut outcome)?, used(inspection, index, &mut outcome)?)
        else {
            continue;
        };
        for (number, ((table, old), new)) in tables.iter_mut().zip(old).zip(new).enumerate() {
            let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
            names.sort();
            names.dedup();
            let of = |map: &BTreeMap<String, Count>, name: &String| map.get(name).copied().unwrap_or_default();
            let more = |now: u64, then: u64| i128::from(now) - i128::from(then);
            let mut rows: Vec<(i128, i128, &String, Count)> = Vec::new();
            for name in names {
                let (then, now) = (of(&old, name), of(&new, name));
                rows.push((more(now.bytes, then.bytes), more(now.blocks, then.blocks), name, now));
            }
            // Heaps are listed also where nothing changed.
            rows.retain(|row| number == 0 || row.0 != 0 || row.1 != 0);
            rows.sort_by_key(|row| (std::cmp::Reverse(row.0), std::cmp::Reverse(row.1)));
            for (bytes, blocks, name, now) in rows {
                table.row([
                    index.to_string(),
                    name.clone(),
                    now.blocks.to_string(),
                    now.bytes.to_string(),
                    format!("{blocks:+}"),
                    format!("{bytes:+}"),
                ]);
            }
        }
    }
    inspection.show(&tables.into_iter().chain(of_objects).collect::<Vec<_>>())?;
    Ok(outcome)
}

fn no_heap(inspection: &Inspection<'_>, index: u32) -> bool {
    inspection
        .dump
        .memories
        .get(index as usize)
        .is_none_or(|memory| Heaps::new(inspection, index, memory).heaps.is_empty())
}

/// The types of which there are more or fewer objects; none if neither dump holds any.
fn objects_of(before: &Inspection<'_>, inspection: &Inspection<'_>) -> Option<Records> {
    let counts = |inspection: &Inspection<'_>| objects::known(inspection).map(|(view, all)| objects::counts(view, all));
    let (then, now) = (counts(before), counts(inspection));
    if then.is_none() && now.is_none() {
        return None;
    }
    let (then, now) = (then.unwrap_or_default(), now.unwrap_or_default());
    const COLUMNS: &[&str] = &["kind", "type", ">objects", ">bytes", ">more objects", ">more bytes"];
    let mut table = Records::new("Object types", "object-type", COLUMNS);
    let mut rows = Vec::new();
    for key in then.keys().chain(now.keys()).collect::<std::collections::BTreeSet<_>>() {
        let of = |counts: &BTreeMap<_, [u64; 3]>| counts.get(key).copied().unwrap_or_default();
        let ([old_count, old_bytes, _], [count, bytes, _]) = (of(&then), of(&now));
        let more = |now: u64, then: u64| i128::from(now) - i128::from(then);
        rows.push((more(bytes, old_bytes), more(count, old_count), key, count, bytes));
    }
    rows.retain(|row| row.0 != 0 || row.1 != 0);
    rows.sort_by_key(|row| (std::cmp::Reverse(row.0), std::cmp::Reverse(row.1)));
    for (more_bytes, more_objects, (kind, name), count, bytes) in rows {
        table.row([
            (*kind).to_owned(),
            name.clone(),
            count.to_string(),
            bytes.to_string(),
            format!("{more_objects:+}"),
            format!("{more_bytes:+}"),
        ]);
    }
    Some(table)
}

/// Counts the used blocks of a memory; `None`, with a message, where no allocator is recognised.
fn used(inspection: &Inspection<'_>, index: u32, outcome: &mut Exit) -> Result<Option<Used>> {
    let Some(memory) = inspection.dump.memories.get(index as usize) else { return Ok(None) };
    let found = Heaps::new(inspection, index, memory);
    if found.heaps.is_empty() {
        *outcome = not_recognised(inspection, index);
        return Ok(None);
    }
    let mut used = Used::default();
    let (surveys, totals) = found.inventory(inspection, index)?;
    for (heap, survey) in found.heaps.iter().zip(surveys) {
        if complain(inspection, index, &survey.damage) {
            *outcome = Exit::Partial;
        }
        used[0].entry(heap.kind.name().to_owned()).or_default().join(survey.used);
        for class in survey.classes {
            used[1].entry(class.from.to_string()).or_default().join(class.used);
        }
    }
    used[2].extend(totals);
    // A lost block has no type: no typed pointer leads there.
    let sum = |counts: &BTreeMap<String, Count>| {
        counts.values().fold((0, 0), |sum, count| (sum.0 + count.blocks, sum.1 + count.bytes))
    };
    let (all, typed) = (sum(&used[0]), sum(&used[2]));
    let (blocks, bytes) = (all.0.saturating_sub(typed.0), all.1.saturating_sub(typed.1));
    if blocks > 0 {
        used[2].insert(UNKNOWN.to_owned(), Count { blocks, bytes });
    }
    Ok(Some(used))
}
