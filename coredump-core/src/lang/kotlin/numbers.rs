//! Numbers, characters and strings as Kotlin writes them.

use std::fmt::Write;

use crate::gc::meaning::{Part, Reading};
use crate::gc::plain::number;
use crate::objects::Field;
use crate::text::is_unsafe;

/// A number, a truth value or a character; none of a reference.
pub fn part_text(part: Part) -> Option<String> {
    let unsigned = |bits: u64| match part.reading {
        Reading::Truth if bits <= 1 => (bits == 1).to_string(),
        Reading::Character => u16::try_from(bits).map_or_else(|_| bits.to_string(), character),
        Reading::UnsignedByte => (bits as u8).to_string(),
        Reading::UnsignedShort => (bits as u16).to_string(),
        _ => bits.to_string(),
    };
    let integer = |signed: i64, bits: u64| match part.reading {
        Reading::Signed => signed.to_string(),
        // What reads alike either way is known all the same.
        Reading::Unknown if signed < 0 => format!("{bits:#x}"),
        _ => unsigned(bits),
    };
    Some(match part.field {
        Field::Ref(_) => return None,
        Field::I8(bits) => integer(i64::from(bits as i8), bits.into()),
        Field::I16(bits) => integer(i64::from(bits as i16), bits.into()),
        Field::I32(value) if part.reading == Reading::Unknown => value.to_string(),
        Field::I32(value) => integer(value.into(), (value as u32).into()),
        Field::I64(value) => integer(value, value as u64),
        Field::F32(bits) => float(f32::from_bits(bits)),
        Field::F64(bits) => double(f64::from_bits(bits)),
        field @ Field::V128(_) => number(field),
    })
}

/// A `Double` as `toString` of Kotlin/Wasm: the shortest digits that mean it, without an exponent from 1e-6 up to 1e21.
pub fn double(value: f64) -> String {
    written(&format!("{value:e}"), value)
}

/// A `Float`, likewise.
pub fn float(value: f32) -> String {
    written(&format!("{value:e}"), f64::from(value))
}

/// `scientific` is `-1.25e3`.
fn written(scientific: &str, value: f64) -> String {
    if !value.is_finite() {
        return match value {
            value if value.is_nan() => "NaN".to_owned(),
            value if value > 0.0 => "Infinity".to_owned(),
            _ => "-Infinity".to_owned(),
        };
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits = mantissa.replace('.', "");
    let count = digits.len() as i32;
    match exponent {
        21.. | ..-6 if digits != "0" => {
            let point = if count > 1 { "." } else { "" };
            let plus = if exponent > 0 { "+" } else { "" };
            format!("{sign}{}{point}{}e{plus}{exponent}", &digits[..1], &digits[1..])
        }
        ..0 => format!("{sign}0.{}{digits}", "0".repeat((-exponent - 1) as usize)),
        _ if count > exponent + 1 => {
            let (whole, part) = digits.split_at(exponent as usize + 1);
            format!("{sign}{whole}.{part}")
        }
        _ => format!("{sign}{digits}{}.0", "0".repeat((exponent + 1 - count) as usize)),
    }
}

/// A character in quotes.
pub fn character(unit: u16) -> String {
    let mut text = String::from("'");
    push(&mut text, &[unit], '\'');
    text + "'"
}

/// A text in quotes.
pub fn quoted(units: &[u16]) -> String {
    let mut text = String::from("\"");
    push(&mut text, units, '"');
    text + "\""
}

/// Adds characters as they stand in a program between these quotes.
fn push(text: &mut String, units: &[u16], quote: char) {
    for letter in char::decode_utf16(units.iter().copied()) {
        let _ = match letter {
            Ok('\n') => text.write_str("\\n"),
            Ok('\r') => text.write_str("\\r"),
            Ok('\t') => text.write_str("\\t"),
            Ok('\\') => text.write_str("\\\\"),
            Ok(letter) if letter == quote => write!(text, "\\{letter}"),
            Ok(letter) if is_unsafe(letter) => {
                letter.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(text, "\\u{unit:04X}"))
            }
            Ok(letter) => text.write_char(letter),
            Err(lone) => write!(text, "\\u{:04X}", lone.unpaired_surrogate()),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_kotlin_does() {
        // What a program of Kotlin 2.4.20 printed.
        for (value, text) in [
            (1e20, "100000000000000000000.0"),
            (1e21, "1e+21"),
            (1.5e21, "1.5e+21"),
            (123456789012345680000.0, "123456789012345680000.0"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (1.5e-7, "1.5e-7"),
            (0.001, "0.001"),
            (123.456, "123.456"),
            (1.7976931348623157e308, "1.7976931348623157e+308"),
            (-1e22, "-1e+22"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
            (1e6, "1000000.0"),
            (12345678.9, "12345678.9"),
            (1.0e16, "10000000000000000.0"),
            (5e-324, "5e-324"),
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (100.0, "100.0"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(double(value), text);
        }
        for (value, text) in [
            (1e10, "10000000000.0"),
            (3.4028235e38, "3.4028235e+38"),
            (1e-45, "1e-45"),
            (16777216.0, "16777216.0"),
            (0.1, "0.1"),
            (123456.79, "123456.79"),
            (0.33333334, "0.33333334"),
            (1e-6, "0.000001"),
        ] {
            assert_eq!(float(value), text);
        }
    }

    #[test]
    fn characters_stand_in_quotes() {
        assert_eq!(character(u16::from(b'x')), "'x'");
        assert_eq!(character(10), "'\\n'");
        assert_eq!(character(0xD83D), "'\\uD83D'");
        let text: Vec<u16> = "a \"b\"\n\u{1b}é\\".encode_utf16().collect();
        assert_eq!(quoted(&text), r#""a \"b\"\n\u001Bé\\""#);
        assert_eq!(character(u16::from(b'\'')), r"'\''");
    }
}
