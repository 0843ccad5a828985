//! Parses the argument of `--find-value`: a type and the value to search for.

use argh::FromArgValue;

use crate::address::{Address, number};

/// The value to search for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// The bytes of a number.
    Bytes(Vec<u8>),
    /// A pointer to this address.
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
            // A hexadecimal number is a bit pattern, so the whole unsigned range is allowed.
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
        Some(positive) => -i128::from(number(positive)?),
        None => i128::from(number(text)?),
    };
    (min..=max).contains(&value).then(|| value.to_le_bytes()[..size].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Base;

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
