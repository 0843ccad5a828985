//! Numbers, characters and strings as Kotlin writes them.

use std::fmt::Write;

use crate::gc::meaning::{FieldReading, Reading};
use crate::gc::plain::number;
use crate::objects::Field;
use crate::text::is_unsafe;

/// A number, a boolean or a character as text; `None` for a reference.
pub fn part_text(part: FieldReading) -> Option<String> {
    let integer = |signed: i64, bits: u64| match part.reading {
        Reading::Signed => signed.to_string(),
        Reading::UnsignedByte => (bits as u8).to_string(),
        Reading::UnsignedShort => (bits as u16).to_string(),
        // Code may branch on a number as well, and compare it with a character.
        Reading::Truth if bits <= 1 => (bits == 1).to_string(),
        Reading::Character if bits <= u16::MAX.into() => character(bits as u16),
        Reading::Number | Reading::Truth | Reading::Character if signed < 0 => format!("{signed} or {bits}"),
        Reading::Unknown if signed < 0 => match part.field {
            Field::I16(unit) => format!("{signed} or {bits} or {}", character(unit)),
            // No truth value is so great.
            _ => format!("{signed} or {bits}"),
        },
        Reading::Unknown => match (part.field, bits) {
            (Field::I8(_), 0 | 1) => format!("{bits} or {}", bits == 1),
            (Field::I16(bits), _) => format!("{bits} or {}", character(bits)),
            // A number that is the same signed and unsigned is known all the same.
            _ => bits.to_string(),
        },
        _ => bits.to_string(),
    };
    Some(match part.field {
        Field::Ref(_) => return None,
        Field::I8(bits) => integer(i64::from(bits as i8), bits.into()),
        Field::I16(bits) => integer(i64::from(bits as i16), bits.into()),
        Field::I32(value) => integer(value.into(), (value as u32).into()),
        Field::I64(value) if part.reading == Reading::Duration => duration(value),
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

/// Writes a float as Kotlin does; `scientific` is the same number as Rust writes it, as `-1.25e3`.
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

/// A `kotlin.time.Duration` as its `toString`. The lowest bit of its only field says that the others count
/// milliseconds, else nanoseconds.
pub fn duration(raw: i64) -> String {
    const LONGEST: i64 = i64::MAX / 2;
    let (count, is_millis) = (raw >> 1, raw & 1 == 1);
    match (count, is_millis) {
        (0, _) => return "0s".to_owned(),
        (LONGEST, true) => return "Infinity".to_owned(),
        (count, true) if count == -LONGEST => return "-Infinity".to_owned(),
        _ => {}
    }
    let unit: u128 = if is_millis { 1_000_000 } else { 1 };
    let nanoseconds = u128::from(count.unsigned_abs()) * unit;
    let (seconds, rest) = (nanoseconds / 1_000_000_000, (nanoseconds % 1_000_000_000) as u64);
    let (days, hours, minutes, seconds) =
        (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, (seconds % 60) as u64);
    let has_seconds = seconds != 0 || rest != 0;
    let mut parts = Vec::new();
    if days != 0 {
        parts.push(format!("{days}d"));
    }
    if hours != 0 || days != 0 && (minutes != 0 || has_seconds) {
        parts.push(format!("{hours}h"));
    }
    if minutes != 0 || has_seconds && (hours != 0 || days != 0) {
        parts.push(format!("{minutes}m"));
    }
    if has_seconds {
        parts.push(match rest {
            _ if seconds != 0 || !parts.is_empty() => with_fraction(seconds, rest, 9, "s"),
            1_000_000.. => with_fraction(rest / 1_000_000, rest % 1_000_000, 6, "ms"),
            1_000.. => with_fraction(rest / 1_000, rest % 1_000, 3, "us"),
            _ => format!("{rest}ns"),
        });
    }
    match (raw < 0, parts.len()) {
        (false, _) => parts.join(" "),
        (true, 1) => format!("-{}", parts[0]),
        (true, _) => format!("-({})", parts.join(" ")),
    }
}

/// A number with a fraction of so many digits: of more than two, groups of three are shown.
fn with_fraction(whole: u64, fraction: u64, digits: usize, unit: &str) -> String {
    if fraction == 0 {
        return format!("{whole}{unit}");
    }
    let all = format!("{fraction:0digits$}");
    let significant = all.trim_end_matches('0').len();
    let shown = if significant < 3 { significant } else { significant.next_multiple_of(3) };
    format!("{whole}.{}{unit}", &all[..shown])
}

/// A `kotlin.time.Instant` as its `toString`, in the years that have four digits.
pub fn instant(seconds: i64, nanoseconds: i32) -> Option<String> {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Years begin in March, so that the leap day is the last one of a year (Howard Hinnant, "chrono-compatible
    // low-level date algorithms").
    let days = days.checked_add(719_468)?;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let of_era = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * of_era + of_era / 4 - of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let (day, month) = (of_year - (153 * from_march + 2) / 5 + 1, (from_march + 2) % 12 + 1);
    let year = era * 400 + of_era + i64::from(month <= 2);
    let fraction = match u32::try_from(nanoseconds).ok()? {
        0 => String::new(),
        1_000_000_000.. => return None,
        nanoseconds if nanoseconds % 1_000_000 == 0 => format!(".{:03}", nanoseconds / 1_000_000),
        nanoseconds if nanoseconds % 1_000 == 0 => format!(".{:06}", nanoseconds / 1_000),
        nanoseconds => format!(".{nanoseconds:09}"),
    };
    let time = format!("{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60);
    (0..=9_999).contains(&year).then(|| format!("{year:04}-{month:02}-{day:02}T{time}{fraction}Z"))
}

/// A `kotlin.uuid.Uuid` as its `toString`.
pub fn uuid(high: u64, low: u64) -> String {
    let (time, middle, version) = (high >> 32, high >> 16 & 0xffff, high & 0xffff);
    format!("{time:08x}-{middle:04x}-{version:04x}-{:04x}-{:012x}", low >> 48, low & 0xffff_ffff_ffff)
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

/// Appends characters, escaped as in a literal between these quotes.
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
    fn what_may_be_a_truth_value_or_a_character_is_both() {
        let text = |field| part_text(FieldReading { field, reading: Reading::Unknown }).unwrap();
        assert_eq!([text(Field::I8(1)), text(Field::I8(0))], ["1 or true", "0 or false"]);
        assert_eq!([text(Field::I8(2)), text(Field::I8(0xff))], ["2", "-1 or 255"]);
        assert_eq!([text(Field::I16(35)), text(Field::I16(0x80fd))], ["35 or '#'", "-32515 or 33021 or '能'"]);
        assert_eq!([text(Field::I32(1)), text(Field::I64(7))], ["1", "7"]);
    }

    #[test]
    fn what_may_have_a_sign_is_both() {
        let text = |field, reading| part_text(FieldReading { field, reading }).unwrap();
        for reading in [Reading::Number, Reading::Unknown] {
            assert_eq!(text(Field::I32(-1), reading), "-1 or 4294967295");
            assert_eq!(text(Field::I64(-2), reading), "-2 or 18446744073709551614");
            assert_eq!(text(Field::I32(7), reading), "7");
        }
        assert_eq!(text(Field::I16(0xfff0), Reading::Number), "-16 or 65520");
        assert_eq!(text(Field::I8(200), Reading::Number), "-56 or 200");
        // Code may branch on a number.
        assert_eq!(text(Field::I32(-5), Reading::Truth), "-5 or 4294967291");
        assert_eq!(text(Field::I32(5), Reading::Truth), "5");
        assert_eq!(text(Field::I32(0x10000), Reading::Character), "65536");
    }

    #[test]
    fn numbers_are_written_as_kotlin_does() {
        // A program of Kotlin 2.4.20 printed these.
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
    fn durations_and_instants_are_written_as_kotlin_does() {
        // The program of the fixture `kotlin-quantities` printed these; others follow Kotlin's documentation.
        const SECOND: i64 = 1_000_000_000 << 1;
        for (raw, text) in [
            (7 * SECOND, "7s"),
            (90 * SECOND, "1m 30s"),
            (1_500_000_000 << 1, "1.5s"),
            (12 << 1, "12ns"),
            (125 * 60 * SECOND, "2h 5m"),
            (69_141_600_000_000_000, "400d 3h"),
            (-5_000_000_000, "-2.5s"),
            (-90 * SECOND, "-(1m 30s)"),
            (0, "0s"),
            (i64::MAX, "Infinity"),
            (2_469_135_780, "1.234567890s"),
            (1_500_000 << 1, "1.5ms"),
            (2_050 << 1, "2.05us"),
            ((86_400_000 * 365 * 200) << 1 | 1, "73000d"),
            (24 * 3_600 * SECOND + SECOND, "1d 0h 0m 1s"),
        ] {
            assert_eq!(duration(raw), text, "{raw}");
        }
        for raw in [i64::MIN, i64::MIN + 1, i64::MIN + 2, i64::MAX - 1, 1, -1] {
            assert!(!duration(raw).is_empty());
        }
        for (seconds, nanoseconds, text) in [
            (1_700_000_000, 5_000_000, Some("2023-11-14T22:13:20.005Z")),
            (0, 0, Some("1970-01-01T00:00:00Z")),
            (-1, 1, Some("1969-12-31T23:59:59.000000001Z")),
            (951_782_400, 120_000, Some("2000-02-29T00:00:00.000120Z")),
            (-62_167_219_200, 0, Some("0000-01-01T00:00:00Z")),
            (253_402_300_800, 0, None),
            (i64::MAX, 0, None),
            (i64::MIN, 0, None),
            (0, 1_000_000_000, None),
        ] {
            assert_eq!(instant(seconds, nanoseconds).as_deref(), text, "{seconds} {nanoseconds}");
        }
        assert_eq!(uuid(6128981282234515924, -6406858213580079104i64 as u64), "550e8400-e29b-41d4-a716-446655440000");
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
