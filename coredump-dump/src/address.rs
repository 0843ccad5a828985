//! Parses addresses as users write them (`0x100`, `256`, `total`, `&total`, `$sp`, `buf+16`), and ranges of addresses.

use argh::FromArgValue;

/// An address as it was written: a base and an offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The base.
    pub base: Base,
    /// Number of bytes to add (or, if negative, to subtract).
    pub offset: i128,
}

/// The base of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Base {
    /// A number.
    Number(u64),
    /// `$sp` or `$NAME`: the value of a global.
    Global(String),
    /// A name of the program: the address of the static with that name.
    Symbol(String),
}

/// A range as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first address.
    pub start: Address,
    /// The end of the range.
    pub extent: RangeExtent,
}

/// The extent of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangeExtent {
    /// `ADDR+LEN`: a length in bytes.
    Length(u64),
    /// `ADDR..ADDR`: the address after the last byte.
    Until(Address),
    /// `ADDR`: to the end of the object at this address.
    Open,
}

/// Parses a number: decimal, or hexadecimal after `0x`.
pub fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) if hex.starts_with('+') => None,
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None if text.starts_with('+') => None,
        None => text.parse().ok(),
    }
}

impl FromArgValue for Address {
    fn from_arg_value(text: &str) -> Result<Self, String> {
        let (name, offset) = split_offsets(text);
        let base = match name.strip_prefix('$') {
            Some("") => return Err(format!("{text:?}: a name must follow the $")),
            Some(name) => Base::Global(name.to_owned()),
            None => {
                let name = name.strip_prefix('&').unwrap_or(name).trim();
                match number(name) {
                    Some(number) => Base::Number(number),
                    None if name.is_empty() => return Err(format!("{text:?} is not an address")),
                    None if name.starts_with(|first: char| first.is_ascii_digit()) => {
                        return Err(format!("{text:?} is neither a decimal nor a 0x hexadecimal address"));
                    }
                    None => Base::Symbol(name.to_owned()),
                }
            }
        };
        Ok(Address { base, offset })
    }
}

impl FromArgValue for Range {
    fn from_arg_value(text: &str) -> Result<Self, String> {
        if let Some((start, end)) = text.split_once("..") {
            let start = Address::from_arg_value(start.trim())?;
            return Ok(Range { start, extent: RangeExtent::Until(Address::from_arg_value(end.trim())?) });
        }
        // The last number of `buf+16+8` is the length.
        if let Some((start, len)) = text.rsplit_once('+')
            && let Some(len) = number(len.trim())
            && !start.trim().is_empty()
        {
            return Ok(Range { start: Address::from_arg_value(start.trim())?, extent: RangeExtent::Length(len) });
        }
        Ok(Range { start: Address::from_arg_value(text.trim())?, extent: RangeExtent::Open })
    }
}

/// Splits `name+16-4` into the name and 12. Text that does not end in such a number (`operator+`) is wholly the name.
fn split_offsets(text: &str) -> (&str, i128) {
    let mut name = text.trim();
    let mut offset = 0i128;
    while let Some(at) = name.rfind(['+', '-']) {
        let Some(value) = number(name[at + 1..].trim()) else { break };
        if name[..at].trim().is_empty() {
            break;
        }
        offset += if name.as_bytes()[at] == b'+' { i128::from(value) } else { -i128::from(value) };
        name = name[..at].trim_end();
    }
    (name, offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Range {
        Range::from_arg_value(text).unwrap()
    }

    fn at(number: u64) -> Address {
        Address { base: Base::Number(number), offset: 0 }
    }

    #[test]
    fn a_range_is_a_length_or_two_ends() {
        assert_eq!(range("0x100+64"), Range { start: at(256), extent: RangeExtent::Length(64) });
        assert_eq!(range("256..0x140"), Range { start: at(256), extent: RangeExtent::Until(at(320)) });
        assert_eq!(range("0x100"), Range { start: at(256), extent: RangeExtent::Open });
        assert_eq!(
            range("16+0x10+4"),
            Range { start: Address { offset: 16, ..at(16) }, extent: RangeExtent::Length(4) }
        );
    }

    #[test]
    fn names_and_globals_may_have_offsets() {
        let address = |text| Address::from_arg_value(text).unwrap();
        let buf = |offset| Address { base: Base::Symbol("buf".into()), offset };
        assert_eq!(address("&buf"), buf(0));
        assert_eq!(address("buf+16 - 0x4"), buf(12));
        assert_eq!(address("$sp-8"), Address { base: Base::Global("sp".into()), offset: -8 });
        assert_eq!(address("operator+").base, Base::Symbol("operator+".into()));
        assert_eq!(address("std::v::X").base, Base::Symbol("std::v::X".into()));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "&", "$", "0xzz", "12ab", "..", "5..", "-5"] {
            assert!(Range::from_arg_value(text).is_err() || text == "-5", "{text}");
        }
        assert_eq!(number("+5"), None);
        assert_eq!(number("0x+5"), None);
        assert_eq!(number("0x1_0000_0000_0000_0000"), None);
    }
}
