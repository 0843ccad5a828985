//! `--find`, `--find-value`, `--regex`, `--refs`: where something is in memory.

use std::ops::{ControlFlow, Range};

use argh::FromArgValue;
use coredump_core::cli::Exit;
use coredump_core::cli::text::escape_bytes;
use coredump_core::error::{Error, ErrorKind, Result};
use coredump_core::memory::Memory;
use coredump_core::search::{Bytes, Expression, Hit, Pattern, Words, search};

use crate::address::{Address, Extent, Range as AddressRange};
use crate::args::Args;
use crate::hits::Hits;
use crate::session::Session;

/// Bytes of a hit that are shown.
const SHOWN: u64 = 48;

/// Searches the memories for what the arguments name.
pub fn find(session: &Session<'_>) -> Result<Exit> {
    let what = What::of(session.args)?;
    let mut out = session.output()?;
    let mut hits = Hits::new(session);
    for (index, memory) in session.memories()? {
        let needle = what.bytes(session, index, memory)?;
        let pattern: Box<dyn Pattern> = match &what {
            What::Expression(text) => Box::new(Expression::new(text)?),
            What::References(range) => {
                let object = object(session, index, range)?;
                Box::new(Words::new(object, memory.pointer_size()))
            }
            What::Bytes(_) => Box::new(Bytes::new(&needle, 1)),
            What::Value(_) => Box::new(Bytes::new(&needle, needle.len() as u64)),
        };
        for range in session.ranges(index, memory)? {
            let mut failure = None;
            let flow = search(memory, range, &*pattern, |hit| {
                let preview = || preview(session, &what, index, memory, hit);
                match hits.add(&mut out, index, hit.address, preview) {
                    Ok(flow) => flow,
                    Err(error) => {
                        failure = Some(error);
                        ControlFlow::Break(())
                    }
                }
            });
            if let Some(error) = failure {
                return Err(out.failed(error));
            }
            if flow.is_break() {
                return hits.finish(out);
            }
        }
    }
    hits.finish(out)
}

/// What to look for.
enum What<'a> {
    Bytes(Vec<u8>),
    Value(&'a Value),
    Expression(&'a str),
    References(&'a AddressRange),
}

impl<'a> What<'a> {
    fn of(args: &'a Args) -> Result<What<'a>> {
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

    /// The bytes to look for, where it is bytes.
    fn bytes(&self, session: &Session<'_>, index: u32, memory: &Memory<'_>) -> Result<Vec<u8>> {
        match self {
            What::Bytes(bytes) => Ok(bytes.clone()),
            What::Value(Value::Bytes(bytes)) => Ok(bytes.clone()),
            What::Value(Value::Pointer(address)) => {
                let address = session.address(index, address)?;
                Ok(address.to_le_bytes()[..memory.pointer_size() as usize].to_vec())
            }
            What::Expression(_) | What::References(_) => Ok(Vec::new()),
        }
    }
}

/// Text as it is; behind `0x`, bytes in the order they are written.
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

/// The object that an address or a range means: of an address inside of a static, all of that.
fn object(session: &Session<'_>, index: u32, range: &AddressRange) -> Result<Range<u64>> {
    let start = session.address(index, &range.start)?;
    let end = match &range.extent {
        Extent::Length(len) => start.saturating_add(*len),
        Extent::Until(end) => session.address(index, end)?,
        Extent::Open => {
            let symbols = session.symbols(index);
            let (symbol, _) = match symbols.at(start) {
                Some(found) if found.0.size.is_some() => found,
                _ => return Ok(start..start.saturating_add(1)),
            };
            return Ok(symbol.address..symbol.address.saturating_add(symbol.size.unwrap_or(1).max(1)));
        }
    };
    Ok(start..end.max(start))
}

/// What a hit looks like: text of bytes, for words their value.
fn preview(session: &Session<'_>, what: &What<'_>, index: u32, memory: &Memory<'_>, hit: Hit) -> String {
    let bytes = memory.bytes(hit.address, hit.len.min(SHOWN)).unwrap_or_default();
    match what {
        What::References(_) | What::Value(Value::Pointer(_)) => {
            let mut wide = [0; 8];
            wide[..bytes.len()].copy_from_slice(&bytes);
            let target = u64::from_le_bytes(wide);
            let symbol = session.symbol(index, target).map(|symbol| format!(" {symbol}")).unwrap_or_default();
            format!("-> {target:#x}{symbol}")
        }
        What::Value(Value::Bytes(_)) => bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" "),
        What::Bytes(_) | What::Expression(_) => {
            let more = if hit.len > SHOWN { "…" } else { "" };
            escape_bytes(&bytes) + more
        }
    }
}

/// The value of `--find-value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number's bytes.
    Bytes(Vec<u8>),
    /// A pointer to this.
    Pointer(Address),
}

impl FromArgValue for Value {
    fn from_arg_value(text: &str) -> Result<Self, String> {
        let Some((ty, value)) = text.split_once('=') else {
            return Err(format!("{text:?} is not TYPE=VALUE, as i32=42, f64=2.5 or ptr=&x"));
        };
        let wrong = || format!("{value:?} is no {ty}");
        let float = || value.parse::<f64>().map_err(|_| wrong());
        let bytes = match ty {
            "i8" => integer(value, i8::MIN.into(), i8::MAX.into(), 1),
            "u8" => integer(value, 0, u8::MAX.into(), 1),
            "i16" => integer(value, i16::MIN.into(), i16::MAX.into(), 2),
            "u16" => integer(value, 0, u16::MAX.into(), 2),
            // A hexadecimal number is a bit pattern, whatever the sign: both halves of the range are meant.
            "i32" => integer(value, i32::MIN.into(), if is_hex(value) { u32::MAX.into() } else { i32::MAX.into() }, 4),
            "u32" => integer(value, 0, u32::MAX.into(), 4),
            "i64" => integer(value, i64::MIN.into(), if is_hex(value) { u64::MAX.into() } else { i64::MAX.into() }, 8),
            "u64" => integer(value, 0, u64::MAX.into(), 8),
            "f32" => Some((float()? as f32).to_le_bytes().to_vec()),
            "f64" => Some(float()?.to_le_bytes().to_vec()),
            "ptr" => return Address::from_arg_value(value).map(Value::Pointer),
            _ => return Err(format!("{ty:?} is none of i8 u8 i16 u16 i32 u32 i64 u64 f32 f64 ptr")),
        };
        bytes.map(Value::Bytes).ok_or_else(wrong)
    }
}

fn is_hex(value: &str) -> bool {
    value.trim_start_matches('-').starts_with("0x")
}

fn integer(text: &str, min: i128, max: i128, size: usize) -> Option<Vec<u8>> {
    let value = match text.strip_prefix('-') {
        Some(positive) => -i128::from(crate::address::number(positive)?),
        None => i128::from(crate::address::number(text)?),
    };
    (min..=max).contains(&value).then(|| value.to_le_bytes()[..size].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Base;

    #[test]
    fn bytes_stand_in_the_order_they_are_written() {
        assert_eq!(needle("0xDEADbeef").unwrap(), [0xde, 0xad, 0xbe, 0xef]);
        assert_eq!(needle("0x").unwrap_err().kind, ErrorKind::Usage);
        assert_eq!(needle("0xabc").unwrap_err().kind, ErrorKind::Usage);
        assert_eq!(needle("0xzz").unwrap_err().kind, ErrorKind::Usage);
        assert_eq!(needle("häl").unwrap(), "häl".as_bytes());
    }

    #[test]
    fn values_are_little_endian_and_must_fit() {
        let bytes = |text| match Value::from_arg_value(text) {
            Ok(Value::Bytes(bytes)) => bytes,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(bytes("i32=-2"), [0xfe, 0xff, 0xff, 0xff]);
        assert_eq!(bytes("u16=0x1234"), [0x34, 0x12]);
        assert_eq!(bytes("i32=0xffffffff"), [0xff; 4]);
        assert_eq!(bytes("f64=2.5"), 2.5f64.to_le_bytes());
        assert_eq!(bytes("f32=-0.0"), [0, 0, 0, 0x80]);
        assert_eq!(bytes("i64=-9223372036854775808"), i64::MIN.to_le_bytes());
        for wrong in ["i8=128", "u8=-1", "u32=4294967296", "i32=2147483648", "f64=x", "i32=", "x=1", "42"] {
            assert!(Value::from_arg_value(wrong).is_err(), "{wrong}");
        }
        let Ok(Value::Pointer(address)) = Value::from_arg_value("ptr=&x+4") else { panic!() };
        assert_eq!(address, Address { base: Base::Symbol("x".into()), offset: 4 });
    }
}
