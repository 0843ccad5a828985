//! Implements `--raw`, which writes bytes as they are.

use std::io::Write;

use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::memory::Chunk;

use crate::address::RangeExtent;
use crate::inspection::{Inspection, write_fill};

/// Writes the ranges one after the other.
///
/// Fails, before anything is written, if the dump does not hold a byte, unless `--fill` says what to write in its
/// place.
pub fn raw(inspection: &Inspection<'_>) -> Result<()> {
    refuse_terminal(inspection)?;
    let (index, memory) = inspection.memory()?;
    for range in &inspection.args.range {
        let start = inspection.address(index, &range.start)?;
        if range.extent == RangeExtent::Open && inspection.object_end(index, range, start).is_none() {
            let error = Error::new(ErrorKind::Usage, "--raw needs to know where a range ends");
            return Err(error.hint(format!("as in {start:#x}+64")));
        }
    }
    let ranges = inspection.ranges(index, memory)?;
    if inspection.args.fill.is_none() {
        for range in &ranges {
            inspection.check_captured(memory, range.clone())?;
        }
    }
    inspection.write(|out| {
        for range in ranges {
            for chunk in memory.chunks(range) {
                match chunk {
                    Chunk::Captured(segment) => out.write_all(segment.bytes)?,
                    Chunk::Zero { len, .. } => write_fill(out, 0, len)?,
                    Chunk::Hole { len, .. } => write_fill(out, inspection.args.fill.unwrap_or(0), len)?,
                }
            }
        }
        Ok(())
    })
}

/// Refuses to write raw bytes to a terminal, which may interpret them as commands.
pub fn refuse_terminal(inspection: &Inspection<'_>) -> Result<()> {
    if !inspection.on_terminal() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Usage, "raw bytes are not written to a terminal")
        .hint("-o FILE or a pipe takes them; --hex shows them"))
}
