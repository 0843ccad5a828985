//! Lists what is in the dump, which is done without options.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::ops::Range;

use coredump_core::cli::text;
use coredump_core::error::Result;
use coredump_core::memory::{Chunk, Count, Memory};

use crate::globals;
use crate::inspection::Inspection;
use crate::table::{RecordTable, TableStyle};

/// Known zeros between captured bytes get a line of their own only from this length on, in bytes.
const SHORT: u64 = 4096;
/// For how many memories the parts are listed, or drawn.
pub const MAX_PICTURED: usize = 1024;
/// The number of digits of a hash that are shown on a terminal.
const SHORT_HASH: usize = 12;
/// The number of records of each kind that are shown on a terminal.
const LINES: usize = 40;

/// Lists what is in the dump.
pub fn list(inspection: &Inspection<'_>) -> Result<()> {
    for warning in &inspection.dump.warnings {
        inspection.report.warning(inspection.input.name(), warning);
    }
    let form = inspection.form(LINES);
    inspection.write(|out| {
        process(inspection, out, form)?;
        threads(inspection, out, form)?;
        memories(inspection, out, form)?;
        ranges(inspection, out, form)?;
        regions(inspection, out, form)?;
        globals::table(inspection, out, form)?;
        tables(inspection, out, form)?;
        instances(inspection, out, form)?;
        modules(inspection, out, form)?;
        sections(inspection, out, form)
    })
}

fn process(inspection: &Inspection<'_>, out: &mut dyn Write, form: TableStyle) -> io::Result<()> {
    let dump = inspection.dump;
    let process = &dump.process;
    let mut table = RecordTable::new(out, form, "Process", "process", &["", ""]);
    let mut fact = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            table.row([name.to_owned(), value]);
        }
    };
    fact("dump", Some(inspection.input.name()));
    fact("size", Some(dump.size.to_string()));
    fact("layout", Some(dump.layout.name().to_owned()));
    fact("producer", dump.producer.clone());
    fact("executable", process.executable.clone().or_else(|| dump.executable.clone()));
    fact("arguments", process.args.as_ref().map(|args| args.join(" ")));
    fact("runtime", process.runtime.clone());
    fact("host", process.host.clone());
    fact("pid", process.pid.map(|pid| pid.to_string()));
    fact("started", process.start_time.clone());
    fact("dumped", process.time.clone());
    fact("exit code", process.exit_code.map(|code| code.to_string()));
    inspection.binaries();
    if let Some(reason) = inspection.opened.reason().cloned() {
        fact("reason", Some(reason.kind));
        fact("message", reason.message);
        fact("detail", reason.detail);
        fact("panic", reason.panic.and_then(|panic| panic.message));
        fact("told by", Some(reason.source.name().to_owned()));
    }
    table.finish()
}

fn threads(inspection: &Inspection<'_>, out: &mut dyn Write, form: TableStyle) -> io::Result<()> {
    let mut table = RecordTable::new(out, form, "Threads", "thread", &[">index", "name", ">frames", ""]);
    for (index, thread) in inspection.dump.threads.iter().enumerate() {
        let truncated = if thread.truncated { "older frames are missing" } else { "" };
        let frames = thread.frames.len().to_string();
        table.row([index.to_string(), thread.name.clone(), frames, truncated.to_owned()]);
    }
    table.finish()
}

fn memories(inspection: &Inspection<'_>, out: &mut dyn Write, form: TableStyle) -> io::Result<()> {
    const COLUMNS: &[&str] = &[">index", ">size", ">captured", ">zero", ">not captured", ">maximum", ">page", ""];
    let mut table = RecordTable::new(out, form, "Memories", "memory", COLUMNS);
    for (index, memory) in inspection.dump.memories.iter().enumerate() {
        let count = Count::in_range(memory, 0..memory.size);
        let mut kinds = Vec::new();
        kinds.extend(memory.memory64.then_some("64-bit"));
        kinds.extend(memory.shared.then_some("shared"));
        table.row([
            index.to_string(),
            memory.size.to_string(),
            count.captured.to_string(),
            count.zero.to_string(),
            count.missing.to_string(),
            memory.maximum.map(|maximum| maximum.to_string()).unwrap_or_default(),
            memory.page_size.to_string(),
            kinds.join(" "),
        ]);
    }
    table.finish()
}

fn ranges(inspection: &Inspection<'_>, out: &mut dyn Write, form: TableStyle) -> io::Result<()> {
    let mut table =
        RecordTable::new(out, form, "Ranges", "range", &[">memory", "start", "end", ">size", "contents", ">stored"]);
    for (index, memory) in inspection.dump.memories.iter().enumerate() {
        stretches(memory, |range, contents, stored| {
            table.row([
                index.to_string(),
                format!("{:#010x}", range.start),
                format!("{:#010x}", range.end),
                (range.end - range.start).to_string(),
                contents.to_owned(),
                stored.to_string(),
            ]);
        });
    }
    table.finish()
}

/// Divides the memory into few ranges: captured (including short known zeros), zero, and not captured; with how many
/// bytes of each the dump stores.
fn stretches(memory: &Memory<'_>, mut each: impl FnMut(Range<u64>, &'static str, u64)) {
    // The last two ranges, which the next one may join.
    let mut found: VecDeque<(Range<u64>, &'static str, u64)> = VecDeque::new();
    for chunk in memory.chunks(0..memory.size) {
        let range = chunk.range();
        let (contents, stored) = match chunk {
            Chunk::Captured(segment) => ("captured", segment.bytes.len() as u64),
            Chunk::Zero { .. } => ("zero", 0),
            Chunk::Hole { .. } => ("not captured", 0),
        };
        if let [before, zero] = &*found.make_contiguous()
            && (before.1, zero.1, contents) == ("captured", "zero", "captured")
            && zero.0.end - zero.0.start < SHORT
        {
            found.pop_back();
        }
        match found.back_mut() {
            Some(last) if last.1 == contents => {
                last.0.end = range.end;
                last.2 += stored;
            }
            _ => found.push_back((range, contents, stored)),
        }
        if found.len() > 2
            && let Some((range, contents, stored)) = found.pop_front()
        {
            each(range, contents, stored);
        }
    }
    found.into_iter().for_each(|(range, contents, stored)| each(range, contents, stored));
}

/// Writes the regions of each memory, as far as the binaries show them.
fn regions(inspection: &Inspection<'_>, out: &mut dyn Write, form: TableStyle) -> io::Result<()> {
    const COLUMNS: &[&str] =
        &[">memory", "start", "end", ">size", "use", "name", ">captured", ">zero", ">not captured"];
    let mut table = RecordTable::new(out, form, "Regions", "region", COLUMNS);
    for (index, memory) in (0..).zip(&inspection.dump.memories).take(MAX_PICTURED) {
        let regions = inspection.regions(index);
        for region in regions.iter().filter(|_| regions.is_known()) {
            let count = Count::in_range(memory, region.range.clone());
            table.row([
                index.to_string(),
                format!("{:#010x}", region.range.start),
                format!("{:#010x}", region.range.end),
                (region.range.end - region.range.start).to_string(),
                region.r#use.name().to_owned(),
                region.name.clone().unwrap_or_default(),
                count.captured.to_string(),
                count.zero.to_string(),
                count.missing.to_string(),
            ]);
        }
    }
    table.finish()
}

fn tables(inspection: &Inspection<'_>, out: &mut dyn Write, form: TableStyle) -> io::Result<()> {
    let mut table =
        RecordTable::new(out, form, "Tables", "table", &[">index", "type", ">elements", ">captured", ">not null"]);
    for (index, one) in inspection.dump.tables.iter().enumerate() {
        let set = one.elements.iter().filter(|element| **element != coredump_core::model::RefTarget::Null).count();
        table.row([
            index.to_string(),
            one.element.name().to_owned(),
            one.size.to_string(),
            one.elements.len().to_string(),
            set.to_string(),
        ]);
    }
    table.finish()
}

fn instances(inspection: &Inspection<'_>, out: &mut dyn Write, form: TableStyle) -> io::Result<()> {
    let mut table =
        RecordTable::new(out, form, "Instances", "instance", &[">index", ">module", "memories", "globals", "tables"]);
    let indices = |indices: &[Option<u32>]| {
        let each = indices.iter().map(|index| index.map_or("?".to_owned(), |index| index.to_string()));
        each.collect::<Vec<_>>().join(" ")
    };
    for (index, instance) in inspection.dump.instances.iter().enumerate() {
        table.row([
            index.to_string(),
            instance.module.map_or("?".to_owned(), |module| module.to_string()),
            indices(&instance.memories),
            indices(&instance.globals),
            instance.tables.as_deref().map(indices).unwrap_or_default(),
        ]);
    }
    table.finish()
}

fn modules(inspection: &Inspection<'_>, out: &mut dyn Write, form: TableStyle) -> io::Result<()> {
    const COLUMNS: &[&str] = &[">index", "name", "binary", "", "path", "sha256", "build id", ">embedded"];
    let mut table = RecordTable::new(out, form, "Modules", "module", COLUMNS);
    for (index, module) in (0..).zip(&inspection.dump.modules) {
        let (binary, verified) = match inspection.binaries().slot(index) {
            Some(slot) => match (&slot.found, slot.refused.first()) {
                (Some(found), _) => (found.binary.describe(), found.verification.describe().to_owned()),
                (None, Some(refused)) => {
                    let path = refused.path.as_ref().map(|path| text::path(path)).unwrap_or_default();
                    (path, format!("not used: {}", refused.reason))
                }
                (None, None) => (String::new(), "not found".to_owned()),
            },
            None => Default::default(),
        };
        table.row([
            index.to_string(),
            module.name.clone().unwrap_or_default(),
            binary,
            verified,
            module.path.clone().unwrap_or_default(),
            hash(module.sha256.as_deref(), inspection.on_terminal()),
            hash(module.build_id.as_deref(), inspection.on_terminal()),
            module.embedded.map(|bytes| bytes.len().to_string()).unwrap_or_default(),
        ]);
    }
    table.finish()
}

/// A hash; on a terminal, only as many digits as one needs to compare it.
fn hash(hash: Option<&str>, short: bool) -> String {
    let hash = hash.unwrap_or_default();
    match hash.char_indices().nth(SHORT_HASH) {
        Some((end, _)) if short => format!("{}…", &hash[..end]),
        _ => hash.to_owned(),
    }
}

fn sections(inspection: &Inspection<'_>, out: &mut dyn Write, form: TableStyle) -> io::Result<()> {
    let mut table = RecordTable::new(out, form, "Sections", "section", &[">id", "name", ">offset", ">size"]);
    for section in &inspection.dump.sections {
        table.row([
            section.id.to_string(),
            section.name.clone(),
            format!("{:#x}", section.offset),
            section.size.to_string(),
        ]);
    }
    table.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use coredump_core::memory::Segment;

    #[test]
    fn short_zeros_are_part_of_what_surrounds_them_and_holes_never() {
        let mut memory = Memory::new(0x5000);
        let segment = |address, bytes| Segment { address, bytes };
        let segments = vec![segment(0, b"aa"), segment(0x10, b"b"), segment(0x2000, b"c"), segment(0x4010, b"d")];
        memory.set_contents(segments, vec![0..0x4000, 0x4011..0x5000]);
        let mut found = Vec::new();
        stretches(&memory, |range, contents, stored| found.push((range, contents, stored)));
        assert_eq!(
            found,
            [
                (0..0x11, "captured", 3),
                (0x11..0x2000, "zero", 0),
                (0x2000..0x2001, "captured", 1),
                (0x2001..0x4000, "zero", 0),
                (0x4000..0x4010, "not captured", 0),
                (0x4010..0x4011, "captured", 1),
                (0x4011..0x5000, "zero", 0),
            ]
        );
    }
}
