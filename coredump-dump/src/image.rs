//! Implements `--image` and `--all`, which write whole memories to files, and globals and tables as JSON.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use coredump_core::cli::input::read_in_parts;
use coredump_core::cli::output::Output;
use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::memory::{Chunk, Memory, Segment};
use coredump_core::model::Value;
use serde_json::{Map, json};

use crate::inspection::{Inspection, write_fill};
use crate::raw::refuse_terminal;

/// The smallest segment that is copied from file to file, in bytes.
const COPIED: usize = 1 << 20;

/// Writes a whole memory: to a file sparsely (only the bytes that the dump stores take space), to a pipe as `--raw`
/// does.
pub fn image(inspection: &Inspection<'_>) -> Result<()> {
    refuse_terminal(inspection)?;
    let (index, memory) = inspection.memory()?;
    let mut out = inspection.output()?;
    if can_be_sparse(&mut out)? {
        tell_missing(inspection, index, memory);
        write_sparse(&mut out, memory, inspection)?;
        return out.commit();
    }
    if inspection.args.fill.is_none() {
        inspection.check_captured(memory, 0..memory.size)?;
    }
    write_stream(&mut out, memory, inspection.args.fill.unwrap_or(0)).map_err(|error| out.failed(error))?;
    out.commit()
}

/// Writes `memory-N.bin` for each memory, `memories.json` (which says what in them is captured), `globals.json` and
/// `tables.json` into the folder that `-o` names.
pub fn all(inspection: &Inspection<'_>) -> Result<()> {
    let Some(folder) = &inspection.args.output else {
        return Err(Error::new(ErrorKind::Usage, "--all needs a folder to write to").hint("-o FOLDER names it"));
    };
    let folder = folder.path();
    fs::create_dir_all(folder).map_err(|error| Error::io("cannot create", error).in_file(folder))?;
    for (index, memory) in inspection.memories()? {
        tell_missing(inspection, index, memory);
        let mut out = Output::in_folder(folder, &format!("memory-{index}.bin"))?;
        write_sparse(&mut out, memory, inspection)?;
        out.commit()?;
    }
    write_json(folder, "memories.json", &memories(inspection))?;
    write_json(folder, "globals.json", &globals(inspection))?;
    write_json(folder, "tables.json", &json!(inspection.dump.tables))
}

/// Returns true if the destination is an empty regular file.
fn can_be_sparse(out: &mut Output) -> Result<bool> {
    if out.is_whole_file() {
        return Ok(true);
    }
    let mut file = out.as_file()?;
    // A file that is opened for appending is written only at its end.
    if rustix::fs::fcntl_getfl(file).is_ok_and(|flags| flags.contains(rustix::fs::OFlags::APPEND)) {
        return Ok(false);
    }
    let empty = file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0);
    Ok(empty && file.stream_position().is_ok_and(|position| position == 0))
}

fn write_sparse(out: &mut Output, memory: &Memory<'_>, inspection: &Inspection<'_>) -> Result<()> {
    if i64::try_from(memory.size).is_err() {
        let message = format!("a memory of {:#x} bytes is larger than any file", memory.size);
        return Err(Error::new(ErrorKind::TooLarge, message).hint("--range takes a part of it"));
    }
    let write = |file: &File| -> io::Result<()> {
        file.set_len(memory.size)?;
        for segment in memory.segments() {
            if segment.bytes.len() < COPIED || !copy(inspection, segment, file)? {
                file.write_all_at(segment.bytes, segment.address)?;
            }
        }
        // Another program that continues with the same open file then writes after the image.
        (&mut &*file).seek(SeekFrom::Start(memory.size))?;
        let Some(fill @ 1..) = inspection.args.fill else { return Ok(()) };
        let block = [fill; 65536];
        for chunk in memory.chunks(0..memory.size) {
            if let Chunk::Hole { address, len } = chunk {
                for at in (address..address + len).step_by(block.len()) {
                    let now = (address + len - at).min(block.len() as u64);
                    file.write_all_at(&block[..now as usize], at)?;
                }
            }
        }
        Ok(())
    };
    let outcome = write(out.as_file()?);
    outcome.map_err(|error| out.failed(error))
}

/// Copies a segment from the dump's file to its place in `file`, without mapping its pages: the buffer stays in the
/// processor's cache. (Letting the system copy takes longer: a segment is not aligned to pages, so each page of `file`
/// would be assembled from two.) Returns `false` if the segment is not in a file.
fn copy(inspection: &Inspection<'_>, segment: &Segment<'_>, file: &File) -> io::Result<bool> {
    let Some((from, offset)) = inspection.file.zip(inspection.bytes.offset_of(segment.bytes)) else { return Ok(false) };
    let range = offset as u64..(offset + segment.bytes.len()) as u64;
    let copied = read_in_parts(from, range, |at, part| file.write_all_at(part, segment.address + at));
    copied.map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => io::Error::new(error.kind(), "the core dump was cut off meanwhile"),
        _ => error,
    })?;
    Ok(true)
}

fn write_stream(out: &mut Output, memory: &Memory<'_>, fill: u8) -> io::Result<()> {
    for chunk in memory.chunks(0..memory.size) {
        match chunk {
            Chunk::Captured(segment) => out.write_all(segment.bytes)?,
            Chunk::Zero { len, .. } => write_fill(out, 0, len)?,
            Chunk::Hole { len, .. } => write_fill(out, fill, len)?,
        }
    }
    Ok(())
}

/// Reports that missing bytes read as zero in the file.
fn tell_missing(inspection: &Inspection<'_>, index: u32, memory: &Memory<'_>) {
    let holes = memory.chunks(0..memory.size).filter(|chunk| matches!(chunk, Chunk::Hole { .. }));
    let missing: u64 = holes.map(|hole| hole.range().end - hole.range().start).sum();
    if missing > 0 && inspection.args.fill.is_none() {
        inspection.report.say(format_args!(
            "{}: memory {index}: {missing} of {} bytes are not captured: holes in the file, which read as zero",
            inspection.input.name(),
            memory.size
        ));
    }
}

fn memories(inspection: &Inspection<'_>) -> serde_json::Value {
    let of = |(index, memory): (usize, &Memory<'_>)| {
        let captured: Vec<_> = memory
            .captured()
            .into_iter()
            .map(|range| json!({"address": hex(range.start), "size": range.end - range.start}))
            .collect();
        json!({
            "index": index,
            "size": memory.size,
            "page_size": memory.page_size,
            "memory64": memory.memory64,
            "shared": memory.shared,
            "captured": captured,
        })
    };
    inspection.dump.memories.iter().enumerate().map(of).collect()
}

fn globals(inspection: &Inspection<'_>) -> serde_json::Value {
    let names = inspection.global_names();
    let of = |((index, global), names): ((usize, &coredump_core::model::Global), _)| {
        json!({
            "index": index,
            "names": names,
            "type": global.ty,
            "mutable": global.mutable,
            "value": value(&global.value),
        })
    };
    inspection.dump.globals.iter().enumerate().zip(names).map(of).collect()
}

/// A value in a form from which no JSON reader loses a bit: i64 as a decimal string, floats as decimal with their bits
/// beside them.
fn value(value: &Value) -> serde_json::Value {
    let bits = |value: f64, bits: String| {
        let mut float = Map::new();
        float.insert("value".into(), json!(value.to_string()));
        float.insert("bits".into(), json!(bits));
        float.into()
    };
    match value {
        Value::Missing => serde_json::Value::Null,
        Value::I32(value) => json!(value),
        Value::I64(value) => json!(value.to_string()),
        Value::F32(float) => bits(f32::from_bits(*float).into(), format!("{float:#010x}")),
        Value::F64(float) => bits(f64::from_bits(*float), format!("{float:#018x}")),
        Value::V128(bytes) => json!(hex(u128::from_le_bytes(*bytes))),
        Value::Ref(reference) => json!(reference),
    }
}

fn hex(number: impl std::fmt::LowerHex) -> String {
    format!("{number:#x}")
}

fn write_json(folder: &Path, name: &str, value: &serde_json::Value) -> Result<()> {
    let mut out = Output::in_folder(folder, name)?;
    writeln!(out, "{value:#}").map_err(|error| out.failed(error))?;
    out.commit()
}
