//! Reads of single items, whose errors say what was read and at which offset.

use wasmparser::{BinaryReader, BinaryReaderError};

use crate::error::{Error, ErrorKind, Result};
use crate::limits::MAX_NAME;

/// Turns an error of wasmparser into ours; `what` names the item that was being read.
pub fn failed(what: &str) -> impl Fn(BinaryReaderError) -> Error {
    move |error| {
        let offset = error.offset() as u64;
        // wasmparser gives this one message for every read past the end.
        if error.message().starts_with("unexpected end") {
            Error::truncated(offset, format!("{what} is cut off"))
        } else {
            Error::malformed(offset, format!("{what}: {}", error.message()))
        }
    }
}

/// Reads a name: a length and as many bytes. Bytes that are not UTF-8 are replaced, since a dump's names are for
/// people.
pub fn name(reader: &mut BinaryReader<'_>, what: &str) -> Result<String> {
    let len = reader.read_var_u32().map_err(failed(what))?;
    let bytes = reader.read_bytes(len as usize).map_err(failed(what))?;
    Ok(shortened(bytes))
}

/// Text for a person: bytes that are not UTF-8 are replaced, and only the beginning of an overlong text is kept.
pub fn shortened(bytes: &[u8]) -> String {
    match bytes.get(..MAX_NAME) {
        Some(start) if bytes.len() > MAX_NAME => format!("{}…", String::from_utf8_lossy(start)),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// Fails if `count` exceeds `limit`; `what` names the items.
pub fn within(count: usize, limit: usize, what: &str, reader: &BinaryReader<'_>) -> Result<()> {
    if count < limit {
        return Ok(());
    }
    let message = format!("more than {limit} {what}: the rest is not read");
    Err(Error::new(ErrorKind::TooLarge, message).at(reader.original_position() as u64))
}

/// Fails if bytes are left after the items that a section declares: its count is wrong, or it is not fully understood.
pub fn used_up(reader: &BinaryReader<'_>, section: &str) -> Result<()> {
    let extra = reader.bytes_remaining();
    if extra == 0 {
        return Ok(());
    }
    let message = format!("{extra} bytes follow what the {section} section declares");
    Err(Error::malformed(reader.original_position() as u64, message))
}

/// Returns the number of items to reserve room for, of `count` with at least `least` bytes each: never more than the
/// remaining bytes can hold.
pub fn capacity(reader: &BinaryReader<'_>, count: u32, least: usize) -> usize {
    (count as usize).min(reader.bytes_remaining() / least)
}

/// An index; `None` for `u32::MAX`, with which a producer says that it does not know the index.
pub fn index(raw: u32) -> Option<u32> {
    (raw != u32::MAX).then_some(raw)
}

/// Reads the version byte, always 0, that the standard has before each item.
pub fn version(reader: &mut BinaryReader<'_>, what: &str) -> Result<()> {
    let start = reader.original_position() as u64;
    match reader.read_u8().map_err(failed(what))? {
        0 => Ok(()),
        other => Err(Error::malformed(start, format!("{what}: version byte {other:#04x}, expected 0x00"))),
    }
}
