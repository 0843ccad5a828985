//! `--raw`: bytes as they are.

use std::io::Write;

use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::memory::Chunk;

use crate::address::Extent;
use crate::session::{Session, write_fill};

/// Writes the ranges one after the other.
///
/// A byte that the dump does not hold is an error, found before anything is written, unless `--fill` says what to write
/// in its place.
pub fn raw(session: &Session<'_>) -> Result<()> {
    refuse_terminal(session)?;
    let (index, memory) = session.memory()?;
    for range in &session.args.range {
        let start = session.address(index, &range.start)?;
        if range.extent == Extent::Open && session.object_end(index, range, start).is_none() {
            let error = Error::new(ErrorKind::Usage, "--raw needs to know where a range ends");
            return Err(error.hint(format!("as in {start:#x}+64")));
        }
    }
    let ranges = session.ranges(index, memory)?;
    if session.args.fill.is_none() {
        for range in &ranges {
            session.check_captured(memory, range.clone())?;
        }
    }
    session.write(|out| {
        for range in ranges {
            for chunk in memory.chunks(range) {
                match chunk {
                    Chunk::Captured(segment) => out.write_all(segment.bytes)?,
                    Chunk::Zero { len, .. } => write_fill(out, 0, len)?,
                    Chunk::Hole { len, .. } => write_fill(out, session.args.fill.unwrap_or(0), len)?,
                }
            }
        }
        Ok(())
    })
}

/// Raw bytes are not written to a terminal.
pub fn refuse_terminal(session: &Session<'_>) -> Result<()> {
    if !session.on_terminal() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Usage, "raw bytes are not written to a terminal")
        .hint("-o FILE or a pipe takes them; --hex shows them"))
}
