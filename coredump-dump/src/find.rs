//! Implements `--find`, `--find-value`, `--regex` and `--refs`, which search memory.

use std::ops::Range;

use coredump_core::cli::Exit;
use coredump_core::cli::text::{escape, escape_bytes};
use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::memory::Memory;
use coredump_core::objects::{ObjectKind, Storage};
use coredump_core::search::{Bytes, Expression, Hit, Pattern, Words, search};

use crate::address::{Range as AddressRange, RangeExtent};
use crate::ahead::ahead;
use crate::args::Args;
use crate::hits::Hits;
use crate::inspection::Inspection;
use crate::objects;
use crate::value::Value;

/// The number of bytes of a hit that are shown.
const SHOWN: u64 = 48;

/// Searches the memories for what the arguments name.
pub fn find(inspection: &Inspection<'_>) -> Result<Exit> {
    let what = What::from_args(inspection.args)?;
    let expression = match &what {
        What::Expression(text) => Some(Expression::new(text)?),
        _ => None,
    };
    let mut hits = Hits::new(inspection)?;
    'memories: for (index, memory) in inspection.memories()? {
        let needle = what.bytes(inspection, index, memory)?;
        let words;
        let bytes;
        let pattern: &dyn Pattern = match (&expression, &what) {
            (Some(expression), _) => expression,
            (None, What::References(range)) => {
                words = Words::new(object(inspection, index, range)?, memory.pointer_size());
                &words
            }
            (None, _) => {
                let align = if matches!(what, What::Value(_)) { needle.len() as u64 } else { 1 };
                bytes = Bytes::new(&needle, align);
                &bytes
            }
        };
        for range in inspection.ranges(index, memory)? {
            let hit = |hit: Hit| hits.add(index, hit.address, || preview(inspection, &what, index, memory, hit));
            if ahead(memory, range.clone(), || search(memory, range, pattern, hit)).is_break() {
                break 'memories;
            }
        }
    }
    if let (What::Bytes(needle), true) = (&what, inspection.args.range.is_empty() && inspection.args.memory.is_none()) {
        in_objects(inspection, needle, &mut hits);
    }
    hits.finish()
}

/// Searches arrays for text: as it is in arrays of 8 bits, as UTF-16 in those of 16.
fn in_objects(inspection: &Inspection<'_>, needle: &[u8], hits: &mut Hits<'_, '_>) {
    let Some((view, objects)) = objects::known(inspection) else { return };
    let wide: Option<Vec<u8>> =
        str::from_utf8(needle).ok().map(|text| text.encode_utf16().flat_map(u16::to_le_bytes).collect());
    for object in objects.iter().filter(|object| object.kind() == ObjectKind::Array) {
        let (needle, width) = match (object.storage(0), &wide) {
            (Some(Storage::I8), _) => (needle, 1),
            (Some(Storage::I16), Some(wide)) => (&wide[..], 2),
            _ => continue,
        };
        let bytes = object.bytes();
        let at = |at: &usize| bytes[*at..].starts_with(needle);
        let last = bytes.len().checked_sub(needle.len()).map_or(0, |last| last + 1);
        for found in (0..last).step_by(width).filter(at) {
            let preview = || {
                let shown = &bytes[found..bytes.len().min(found + SHOWN as usize)];
                let units = shown.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
                let text =
                    if width == 2 { String::from_utf16_lossy(&units.collect::<Vec<_>>()) } else { String::new() };
                if width == 2 { escape(&text).into_owned() } else { escape_bytes(shown) }
            };
            let ty = view.label_of(&object);
            if hits.add_in_object(object.id, &ty, found / width, preview).is_break() {
                return;
            }
        }
    }
}

/// The target of a search.
enum What<'a> {
    Bytes(Vec<u8>),
    Value(&'a Value),
    Expression(&'a str),
    References(&'a AddressRange),
}

impl<'a> What<'a> {
    fn from_args(args: &'a Args) -> Result<What<'a>> {
        if let Some(text) = &args.find {
            return Ok(What::Bytes(needle(text)?));
        }
        if let Some(value) = &args.find_value {
            return Ok(What::Value(value));
        }
        if let Some(text) = &args.regex {
            return Ok(What::Expression(text));
        }
        match &args.refs {
            Some(range) => Ok(What::References(range)),
            None => Err(Error::new(ErrorKind::Usage, "nothing to look for")),
        }
    }

    /// The bytes to search for.
    fn bytes(&self, inspection: &Inspection<'_>, index: u32, memory: &Memory<'_>) -> Result<Vec<u8>> {
        match self {
            What::Bytes(bytes) => Ok(bytes.clone()),
            What::Value(Value::Bytes(bytes)) => Ok(bytes.clone()),
            What::Value(Value::Pointer(address)) => {
                let address = inspection.address(index, address)?;
                Ok(address.to_le_bytes()[..memory.pointer_size() as usize].to_vec())
            }
            What::Expression(_) | What::References(_) => Ok(Vec::new()),
        }
    }
}

/// The bytes of text as it is; after `0x`, bytes in the order in which they are written.
fn needle(text: &str) -> Result<Vec<u8>> {
    let Some(digits) = text.strip_prefix("0x") else {
        if text.is_empty() {
            return Err(Error::new(ErrorKind::Usage, "--find needs something to look for"));
        }
        return Ok(text.as_bytes().to_vec());
    };
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let bytes: Option<Vec<u8>> = pairs
        .iter()
        .map(|pair| Some((char::from(pair[0]).to_digit(16)? * 16 + char::from(pair[1]).to_digit(16)?) as u8))
        .collect();
    bytes.filter(|bytes| !bytes.is_empty() && rest.is_empty()).ok_or_else(|| {
        Error::new(ErrorKind::Usage, format!("{text:?} is not a sequence of bytes: two hex digits each"))
            .hint("numbers are found with --find-value i32=…, text that begins 0x with --regex")
    })
}

/// The object that an address or a range names: for an address inside a static, the whole static.
fn object(inspection: &Inspection<'_>, index: u32, range: &AddressRange) -> Result<Range<u64>> {
    let start = inspection.address(index, &range.start)?;
    let end = match &range.extent {
        RangeExtent::Length(len) => start.saturating_add(*len),
        RangeExtent::Until(end) => inspection.address(index, end)?,
        RangeExtent::Open => {
            let symbols = inspection.symbols(index);
            let (symbol, _) = match symbols.at(start) {
                Some(found) if found.0.size.is_some() => found,
                _ => return Ok(start..start.saturating_add(1)),
            };
            return Ok(symbol.address..symbol.address.saturating_add(symbol.size.unwrap_or(1).max(1)));
        }
    };
    Ok(start..end.max(start))
}

/// The preview of a hit: bytes as text, words as values.
fn preview(inspection: &Inspection<'_>, what: &What<'_>, index: u32, memory: &Memory<'_>, hit: Hit) -> String {
    let bytes = memory.bytes(hit.address, hit.len.min(SHOWN)).unwrap_or_default();
    match what {
        What::References(_) | What::Value(Value::Pointer(_)) => {
            let mut wide = [0; 8];
            wide[..bytes.len()].copy_from_slice(&bytes);
            let target = u64::from_le_bytes(wide);
            let symbol = inspection.symbol(index, target).map(|symbol| format!(" {symbol}")).unwrap_or_default();
            format!("-> {target:#x}{symbol}")
        }
        What::Value(Value::Bytes(_)) => bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" "),
        What::Bytes(_) | What::Expression(_) => {
            let more = if hit.len > SHOWN { "…" } else { "" };
            escape_bytes(&bytes) + more
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stand_in_the_order_they_are_written() {
        assert_eq!(needle("0xDEADbeef").unwrap(), [0xde, 0xad, 0xbe, 0xef]);
        assert_eq!(needle("0x").unwrap_err().kind, ErrorKind::Usage);
        assert_eq!(needle("0xabc").unwrap_err().kind, ErrorKind::Usage);
        assert_eq!(needle("0xzz").unwrap_err().kind, ErrorKind::Usage);
        assert_eq!(needle("häl").unwrap(), "häl".as_bytes());
    }
}
