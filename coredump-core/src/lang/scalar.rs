//! Numbers, characters, truth values, enumerators.

use gimli::constants::*;

use super::renderer::{Renderer, Shown};
use super::text::quoted_char;
use super::{Lang, long_float};
use crate::catalog::types::{Enum, Kind, Type};
use crate::catalog::units::Die;
use crate::limits::{MAX_NAME, shorten};
use crate::location::Missing;
use crate::values::{Value, is_signed, sign_extend};

/// Size in bytes of the widest integer that is written in decimal.
const WIDEST: u64 = 128;

impl<'s> Renderer<'_, '_, 's> {
    /// A value of a base type (DWARF 5, 5.1). `declared` is that type as the program names it: C's wide characters are
    /// typedefs of integers.
    pub(super) fn scalar(&self, value: &Value, declared: Option<Die>, ty: &Type<'s>, encoding: gimli::DwAte) -> Shown {
        let size = ty.size.unwrap_or(0);
        if size == 0 {
            // Types of size 0: Rust's `()` and `!`.
            return Shown::text(String::from_utf8_lossy(ty.name.unwrap_or(b"()")));
        }
        match encoding {
            DW_ATE_complex_float => return self.complex(value, size / 2),
            encoding if is_integer_complex(ty, encoding) => return self.integer_complex(value, size / 2),
            encoding if !is_known(encoding) => return self.raw(value, size),
            _ => {}
        }
        if (17..=WIDEST).contains(&size) && matches!(encoding, DW_ATE_signed | DW_ATE_unsigned) {
            let width = self.odd_width(ty).filter(|&width| width < size * 8).unwrap_or(size * 8);
            return match value.read(self.frame, size) {
                Ok(bytes) => Shown::text(wide_integer(&bytes, width, encoding == DW_ATE_signed)),
                Err(missing) => missing.into(),
            };
        }
        let bits = match value.unsigned(self.frame, size) {
            Ok(bits) => bits,
            Err(missing) => return missing.into(),
        };
        let (bits, width) = match self.odd_width(ty).filter(|&width| width < size * 8) {
            // The bits above the type's width, such as those of a `u5`, mean nothing.
            Some(width) => (bits & ((1 << width) - 1), width),
            None => (bits, size * 8),
        };
        Shown::text(match encoding {
            DW_ATE_boolean => match bits {
                0 => "false".into(),
                1 => "true".into(),
                // No valid program stores another value in a boolean.
                other => format!("{other} (neither true nor false)"),
            },
            DW_ATE_float => match float(bits, size, self.lang) {
                Some(text) => text,
                None => return Missing::Malformed(format!("a floating-point number of {size} bytes")).into(),
            },
            DW_ATE_UTF if !self.lang.notation().character_numbers => {
                match u32::try_from(bits).ok().and_then(char::from_u32) {
                    Some(char) => quoted_char(char, self.lang),
                    None => format!("{bits:#x} (not a character)"),
                }
            }
            // A unit of UTF-8 is a character only in ASCII.
            DW_ATE_UTF if size == 1 => character(bits as i128, bits as u8, self.lang),
            DW_ATE_UTF | DW_ATE_signed | DW_ATE_unsigned => {
                let number = if encoding == DW_ATE_signed { sign_extend(bits, width) } else { bits as i128 };
                match self.lang.character(self, declared) {
                    Some((prefix, _)) => wide_character(number, prefix, self.lang),
                    None if encoding == DW_ATE_UTF => wide_character(number, "", self.lang),
                    None if encoding == DW_ATE_signed => number.to_string(),
                    None => bits.to_string(),
                }
            }
            DW_ATE_signed_char if size == 1 && is_plain_char(ty) => {
                character(sign_extend(bits, 8), bits as u8, self.lang)
            }
            DW_ATE_unsigned_char if size == 1 && is_plain_char(ty) => character(bits as i128, bits as u8, self.lang),
            DW_ATE_signed_char => sign_extend(bits, width).to_string(),
            DW_ATE_address => format!("{bits:#x}"),
            _ => bits.to_string(),
        })
    }

    /// A complex number of C: its parts lie one after the other.
    fn complex(&self, value: &Value, half: u64) -> Shown {
        let part = |offset| {
            let bits = Value { ty: None, source: value.source.moved_by(offset) }.unsigned(self.frame, half)?;
            let unknown = || Missing::Malformed(format!("a complex number of {} bytes", half * 2));
            float(bits, half, self.lang).ok_or_else(unknown)
        };
        match part(0).and_then(|re| Ok((re, part(half)?))) {
            Ok((re, im)) => Shown::text(complex_text(&re, &im)),
            Err(missing) => missing.into(),
        }
    }

    /// A complex integer, an extension of C. No compiler describes whether its parts are signed: where that makes a
    /// difference, both readings are written.
    fn integer_complex(&self, value: &Value, half: u64) -> Shown {
        let part = |offset| Value { ty: None, source: value.source.moved_by(offset) }.unsigned(self.frame, half);
        match part(0).and_then(|re| Ok((re, part(half)?))) {
            Ok((re, im)) => {
                let unsigned = complex_text(&re.to_string(), &im.to_string());
                let signed = |part| sign_extend(part, half * 8).to_string();
                let signed = complex_text(&signed(re), &signed(im));
                Shown::text(if signed == unsigned { signed } else { format!("{signed} (unsigned: {unsigned})") })
            }
            Err(missing) => missing.into(),
        }
    }

    /// The bytes of a number whose encoding is not known.
    fn raw(&self, value: &Value, size: u64) -> Shown {
        match value.read(self.frame, size.min(WIDEST)) {
            Ok(bytes) => {
                let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                Shown::text(format!("<unknown encoding: bytes {}>", bytes.join(" ")))
            }
            Err(missing) => missing.into(),
        }
    }

    fn odd_width(&self, ty: &Type<'s>) -> Option<u64> {
        self.lang.integer_bits(ty.name?)
    }

    /// An enumerator by name, or the number that has none.
    pub(super) fn enumerator(&self, value: &Value, list: &Enum<'s>) -> Shown {
        let Some(size) = self.frame.units.size_of(value.ty) else { return Shown::text("<incomplete type>") };
        let bits = match value.unsigned(self.frame, size) {
            Ok(bits) => bits,
            Err(missing) => return missing.into(),
        };
        // The bits above the width of the enumeration's integer type, such as `u2`, mean nothing either.
        let underlying = self.frame.units.peeled(list.underlying);
        let odd = underlying.and_then(|(_, ty)| self.odd_width(&ty));
        let width = odd.filter(|&width| width < size * 8).unwrap_or(size * 8);
        let mask = if width >= 128 { u128::MAX } else { (1 << width) - 1 };
        let bits = bits & mask;
        let found = list.enumerators.iter().find(|enumerator| enumerator.1 & mask == bits);
        Shown::text(match found {
            Some((name, _)) => self.lang.enumerator(name),
            None if is_signed(self.frame, value.ty) => {
                let number = sign_extend(bits, width);
                with_flags(number.to_string(), bits, list)
            }
            None => with_flags(bits.to_string(), bits, list),
        })
    }

    /// Returns true if a type is a character type of one byte: `char` or `char8_t`, not `signed char` or `unsigned
    /// char`.
    pub(super) fn is_char(&self, ty: Option<Die>) -> bool {
        let Some((_, ty)) = self.frame.units.peeled(ty) else { return false };
        let character = matches!(ty.kind, Kind::Base(DW_ATE_signed_char | DW_ATE_unsigned_char | DW_ATE_UTF));
        character && ty.size == Some(1) && is_plain_char(&ty)
    }
}

/// Returns true if a base type is one that this program knows how to read (DWARF 5, 7.8). Packed, edited and decimal
/// numbers do not occur in what compilers for Wasm write.
fn is_known(encoding: gimli::DwAte) -> bool {
    matches!(
        encoding,
        DW_ATE_address
            | DW_ATE_boolean
            | DW_ATE_complex_float
            | DW_ATE_float
            | DW_ATE_signed
            | DW_ATE_signed_char
            | DW_ATE_unsigned
            | DW_ATE_unsigned_char
            | DW_ATE_UTF
            | DW_ATE_UCS
            | DW_ATE_ASCII
    )
}

/// Returns true if a base type is C's complex integer: clang has an encoding of its own for it and calls it `complex`;
/// GCC names it.
fn is_integer_complex(ty: &Type<'_>, encoding: gimli::DwAte) -> bool {
    let complex = |name: &[u8]| name == b"complex" || name.starts_with(b"complex ") || name.starts_with(b"_Complex ");
    encoding == DW_ATE_lo_user
        && ty.name.is_some_and(complex)
        && ty.size.is_some_and(|size| size % 2 == 0 && size <= 32)
}

/// A complex number as it is written down: `1.5 - 2i`.
pub(super) fn complex_text(re: &str, im: &str) -> String {
    match im.strip_prefix('-') {
        Some(positive) => format!("{re} - {positive}i"),
        None => format!("{re} + {im}i"),
    }
}

/// A number without an enumerator of its own; if it is the union of enumerators of one bit each, these are named: `6
/// (READ | WRITE)`.
fn with_flags(number: String, bits: u128, list: &Enum<'_>) -> String {
    let mut left = bits;
    let mut names = Vec::new();
    for (name, value) in &list.enumerators {
        if value.is_power_of_two() && left & value != 0 {
            left &= !value;
            names.push(shorten(&String::from_utf8_lossy(name), MAX_NAME).into_owned());
        }
    }
    if left == 0 && names.len() > 1 { format!("{number} ({})", names.join(" | ")) } else { number }
}

/// An integer of any width in decimal.
fn wide_integer(bytes: &[u8], width: u64, signed: bool) -> String {
    let mut bits: Vec<bool> = (0..width).map(|at| bytes[(at / 8) as usize] >> (at % 8) & 1 == 1).collect();
    let negative = signed && bits.last() == Some(&true);
    if negative {
        // Negates a number in two's complement: the lowest bit that is set stays, and all bits above it flip.
        let lowest = bits.iter().position(|&bit| bit).unwrap_or(0);
        bits[lowest + 1..].iter_mut().for_each(|bit| *bit = !*bit);
    }
    const GROUP: u64 = 1_000_000_000;
    let mut groups = vec![0];
    for bit in bits.iter().rev() {
        let mut carry = u64::from(*bit);
        for group in &mut groups {
            let doubled = *group * 2 + carry;
            (*group, carry) = (doubled % GROUP, doubled / GROUP);
        }
        if carry > 0 {
            groups.push(carry);
        }
    }
    let first = groups.pop().unwrap_or(0);
    let rest: String = groups.iter().rev().map(|group| format!("{group:09}")).collect();
    format!("{}{first}{rest}", if negative { "-" } else { "" })
}

/// Returns true if a character type is for text: `char`, `char8_t` and Fortran's `character` are; `signed char` and
/// `unsigned char` are numbers (`int8_t`, `uint8_t`).
fn is_plain_char(ty: &Type<'_>) -> bool {
    matches!(ty.name, Some(b"char" | b"char8_t" | b"character"))
}

fn character(number: i128, byte: u8, lang: &dyn Lang) -> String {
    match byte {
        0 => "0".into(),
        0x80.. => number.to_string(),
        byte => format!("{number} {}", quoted_char(char::from(byte), lang)),
    }
}

/// A character of more than one byte as its number, and as a literal where it is a whole character.
fn wide_character(number: i128, prefix: &str, lang: &dyn Lang) -> String {
    match u32::try_from(number).ok().and_then(char::from_u32) {
        Some('\0') => "0".into(),
        Some(char) => format!("{number} {prefix}{}", quoted_char(char, lang)),
        None => number.to_string(),
    }
}

/// A floating-point number in the fewest digits that distinguish it from its neighbours.
fn float(bits: u128, size: u64, lang: &dyn Lang) -> Option<String> {
    Some(match size {
        2 => decimal(short_half(bits as u16), f64::from(half(bits as u16).abs()), lang),
        4 => decimal(f32::from_bits(bits as u32), f64::from(f32::from_bits(bits as u32).abs()), lang),
        8 => decimal(f64::from_bits(bits as u64), f64::from_bits(bits as u64).abs(), lang),
        10 => long_float::extended(bits, lang.notation())?,
        16 => long_float::quad(bits, lang.notation()),
        _ => return None,
    })
}

/// Returns the double that is nearest to a floating-point number of `size` bytes, and whether it is the same number;
/// `None` for another size, and for a number too small for a double.
pub fn nearest_double(bits: u128, size: u64) -> Option<(f64, bool)> {
    let (value, exact) = match size {
        2 => (f64::from(half(bits as u16)), true),
        4 => (f64::from(f32::from_bits(bits as u32)), true),
        8 => (f64::from_bits(bits as u64), true),
        10 => extended(bits)?,
        16 => quad(bits),
        _ => return None,
    };
    (exact || value != 0.0).then_some((value, exact))
}

/// Writes a float as the language's own debug notation does: plain digits near one, powers of ten far from it.
fn decimal<F: std::fmt::Display + std::fmt::LowerExp>(value: F, size: f64, lang: &dyn Lang) -> String {
    let notation = lang.notation();
    if size.is_nan() {
        return notation.nan.into();
    }
    if size.is_finite() && size != 0.0 && !(10f64.powi(notation.least_power)..1e16).contains(&size) {
        return format!("{value:e}");
    }
    let text = format!("{value}");
    if notation.point && size.is_finite() && !text.contains('.') { format!("{text}.0") } else { text }
}

/// Converts an IEEE 754 binary16 number.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f32::from(bits & 0x3ff);
    sign * match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f32.powi(exponent - 15),
    }
}

/// The number with the fewest digits that rounds to this IEEE 754 binary16; a whole number stays as it is.
fn short_half(bits: u16) -> f32 {
    let (exact, size) = (half(bits), bits & 0x7fff);
    if !exact.is_finite() || exact.fract() == 0.0 {
        return exact;
    }
    let middle = |other: u16| f64::midpoint(f64::from(half(size)), f64::from(half(other)));
    let nearest = middle(size - 1)..middle(size + 1);
    let short = (0..5).filter_map(|digits| format!("{exact:.digits$e}").parse::<f32>().ok());
    // A number midway between two binary16 numbers rounds to either.
    let tells = |short: f64| nearest.contains(&short) && short != nearest.start;
    short.into_iter().find(|short| tells(f64::from(short.abs()))).unwrap_or(exact)
}

/// The x87's 80 bits, Zig's `f80`: binary128's exponent, and 64 bits of which the first is the one before the point.
fn extended(bits: u128) -> Option<(f64, bool)> {
    let (top, mantissa) = (bits >> 64 & 0xffff, bits as u64);
    let normal = mantissa >> 63 == 1;
    if normal == (top & 0x7fff == 0) && mantissa != 0 {
        return None;
    }
    Some(quad(top << 112 | u128::from(mantissa << 1) << 48))
}

/// IEEE 754 binary128, `long double` of clang's Wasm: the nearest double, and whether it is the same number.
fn quad(bits: u128) -> (f64, bool) {
    let sign = ((bits >> 127) as u64) << 63;
    let exponent = (bits >> 112 & 0x7fff) as i32;
    let fraction = bits & ((1 << 112) - 1);
    let top = (fraction >> 60) as u64;
    let rest = fraction & ((1 << 60) - 1);
    match exponent {
        0 if fraction == 0 => (f64::from_bits(sign), true),
        0x7fff if fraction == 0 => (f64::from_bits(sign | 0x7ff << 52), true),
        0x7fff => (f64::NAN, true),
        _ => match exponent - 16383 + 1023 {
            narrow @ 1..=2046 => {
                const HALF: u128 = 1 << 59;
                // Rounds to nearest, ties to even; a carry into the exponent gives the right result.
                let up = rest > HALF || rest == HALF && top & 1 == 1;
                let nearest = ((narrow as u64) << 52 | top) + u64::from(up);
                (f64::from_bits(sign | nearest), rest == 0)
            }
            narrow if narrow > 2046 => (f64::from_bits(sign | 0x7ff << 52), false),
            _ => (f64::from_bits(sign), false),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Language;
    use crate::lang::table;

    #[test]
    fn floats_are_written_with_the_digits_that_matter() {
        assert_eq!(float(u128::from(3.25f64.to_bits()), 8, table(Language::C)).unwrap(), "3.25");
        assert_eq!(float(u128::from(0.1f32.to_bits()), 4, table(Language::C)).unwrap(), "0.1");
        assert_eq!(float(u128::from(2f64.to_bits()), 8, table(Language::Rust)).unwrap(), "2.0");
        assert_eq!(float(u128::from(1e300f64.to_bits()), 8, table(Language::C)).unwrap(), "1e300");
        assert_eq!(float(u128::from(1e-7f32.to_bits()), 4, table(Language::C)).unwrap(), "1e-7");
        assert_eq!(float(u128::from(f32::NEG_INFINITY.to_bits()), 4, table(Language::C)).unwrap(), "-inf");
        // Each width has its own shortest digits, even for a number that a narrower one could hold.
        assert_eq!(
            float(u128::from(f64::from(1e20f32).to_bits()), 8, table(Language::Rust)).unwrap(),
            "1.0000000200408773e20"
        );
        assert_eq!(
            float(u128::from(f64::EPSILON.to_bits()), 8, table(Language::Rust)).unwrap(),
            "2.220446049250313e-16"
        );
        assert_eq!(float(u128::from(5e-5f64.to_bits()), 8, table(Language::Rust)).unwrap(), "5e-5");
        assert_eq!(float(0x3c00, 2, table(Language::C)).unwrap(), "1");
        assert_eq!(float(0xc100, 2, table(Language::C)).unwrap(), "-2.5");
        // 0.333 and 65504 as Zig's `f16`, the least one, and one whose lower neighbour is half as far away as the upper one.
        assert_eq!(float(0x3554, 2, table(Language::Zig)).unwrap(), "0.333");
        assert_eq!(float(0x7bff, 2, table(Language::Zig)).unwrap(), "65504");
        assert_eq!(float(0x8001, 2, table(Language::C)).unwrap(), "-6e-8");
        assert_eq!(float(0x3400, 2, table(Language::C)).unwrap(), "0.25");
        assert_eq!(float(0x7c00, 2, table(Language::C)).unwrap(), "inf");
    }

    #[test]
    fn each_half_is_nearest_to_what_is_written_of_it() {
        for bits in 1..0x7c00u16 {
            let written = f64::from(short_half(bits));
            let away = |other: u16| (written - f64::from(half(other))).abs();
            assert!(away(bits) < away(bits - 1) && away(bits) < away(bits + 1), "{bits:#x}: {written}");
        }
    }

    #[test]
    fn integers_of_any_width_are_written_in_decimal() {
        let wide = |number: i128, width| {
            let mut bytes = number.to_le_bytes().to_vec();
            bytes.resize(32, if number < 0 { 0xff } else { 0 });
            wide_integer(&bytes, width, true)
        };
        for number in [0, 1, -1, i128::MAX, i128::MIN, 1_000_000_000, -999_999_999_999] {
            assert_eq!(wide(number, 256), number.to_string());
            assert_eq!(wide(number, 129), number.to_string());
        }
        let mut bytes = [0; 32];
        bytes[16] = 1;
        assert_eq!(wide_integer(&bytes, 129, false), "340282366920938463463374607431768211456");
        assert_eq!(wide_integer(&bytes, 129, true), "-340282366920938463463374607431768211456");
        bytes[17] = 0xaa;
        assert_eq!(
            wide_integer(&bytes, 129, false),
            "340282366920938463463374607431768211456",
            "padding means nothing"
        );
    }

    #[test]
    fn flags_are_named_only_where_they_are_the_whole_number() {
        let flags = Enum { underlying: None, enumerators: vec![(b"R", 1), (b"W", 2), (b"ALL", 7), (b"X", 4)] };
        assert_eq!(with_flags("5".into(), 5, &flags), "5 (R | X)");
        assert_eq!(with_flags("9".into(), 9, &flags), "9");
        assert_eq!(with_flags("8".into(), 8, &flags), "8");
        assert_eq!(with_flags("0".into(), 0, &flags), "0");
    }
}
