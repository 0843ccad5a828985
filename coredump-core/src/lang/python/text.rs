//! Numbers and texts as Python's `repr()` writes them.

/// An integer in decimal, from 30-bit digits, lowest first; `None` where a digit has more bits.
pub fn decimal(digits: &[u64]) -> Option<String> {
    const BASE: u64 = 1_000_000_000;
    // The number in groups of nine decimal digits, lowest first.
    let mut parts: Vec<u64> = vec![0];
    for &digit in digits.iter().rev() {
        let mut carry = (digit < 1 << 30).then_some(digit)?;
        for part in &mut parts {
            let value = (*part << 30) + carry;
            *part = value % BASE;
            carry = value / BASE;
        }
        while carry > 0 {
            parts.push(carry % BASE);
            carry /= BASE;
        }
    }
    let (first, rest) = parts.split_last()?;
    Some(rest.iter().rev().fold(first.to_string(), |text, part| format!("{text}{part:09}")))
}

/// A float in the shortest digits that round-trip, with an exponent from 1e16 on and below 1e-4.
pub fn float(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e16).contains(&size) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    let text = format!("{value}");
    if text.contains('.') { text } else { format!("{text}.0") }
}

/// A complex number as Python writes it.
pub fn complex(real: f64, imaginary: f64) -> String {
    let number = |value: f64| {
        let text = float(value);
        text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
    };
    if real == 0.0 && real.is_sign_positive() {
        return format!("{}j", number(imaginary));
    }
    let sign = if imaginary.is_sign_negative() && !imaginary.is_nan() { "" } else { "+" };
    format!("({}{sign}{}j)", number(real), number(imaginary))
}

/// A number of the module `decimal`, from its digits and the power of ten of the last one: `to-scientific-string` of
/// the General Decimal Arithmetic Specification.
pub fn scientific(digits: &str, exponent: i64) -> String {
    let count = digits.len() as i64;
    let adjusted = exponent + count - 1;
    if exponent > 0 || adjusted < -6 {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        return format!("{first}{point}{rest}E{adjusted:+}");
    }
    match count + exponent {
        _ if exponent == 0 => digits.to_owned(),
        whole if whole > 0 => format!("{}.{}", &digits[..whole as usize], &digits[whole as usize..]),
        missing => format!("0.{}{digits}", "0".repeat(missing.unsigned_abs() as usize)),
    }
}

/// A string in quotes: single ones, unless it contains single quotes and no double ones. Characters that do not print
/// are escaped, lone surrogates too.
pub fn quote(text: &[u32]) -> String {
    let holds = |quote: char| text.contains(&u32::from(quote));
    let quote = if holds('\'') && !holds('"') { '"' } else { '\'' };
    let mut quoted = String::from(quote);
    for &code in text {
        match char::from_u32(code) {
            Some('\n') => quoted.push_str("\\n"),
            Some('\r') => quoted.push_str("\\r"),
            Some('\t') => quoted.push_str("\\t"),
            Some('\\') => quoted.push_str("\\\\"),
            Some(c) if c == quote => quoted.extend(['\\', c]),
            Some(c) if is_printable(c) => quoted.push(c),
            _ if code < 0x100 => quoted.push_str(&format!("\\x{code:02x}")),
            _ if code < 0x1_0000 => quoted.push_str(&format!("\\u{code:04x}")),
            _ => quoted.push_str(&format!("\\U{code:08x}")),
        }
    }
    quoted.push(quote);
    quoted
}

/// Returns true if a character is printable in Python's terms: it is in none of the categories Cc, Cf, Cs, Co, Cn, Zl,
/// Zp, and in Zs only if it is the space. Rust's `escape_debug` agrees; the letter in front is there because it escapes
/// a combining character at the beginning of a text.
fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~') || ['a', c].iter().collect::<String>().escape_debug().nth(1) == Some(c)
}

/// Bytes in quotes. In those of a `bytearray` each single quote is escaped, whichever quotes are around them.
pub fn quote_bytes(bytes: &[u8], is_array: bool) -> String {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { '"' } else { '\'' };
    let mut quoted = format!("b{quote}");
    for &byte in bytes {
        match byte {
            b'\n' => quoted.push_str("\\n"),
            b'\r' => quoted.push_str("\\r"),
            b'\t' => quoted.push_str("\\t"),
            b'\\' => quoted.push_str("\\\\"),
            b'\'' if is_array => quoted.push_str("\\'"),
            byte if char::from(byte) == quote => quoted.extend(['\\', quote]),
            b' '..=b'~' => quoted.push(char::from(byte)),
            byte => quoted.push_str(&format!("\\x{byte:02x}")),
        }
    }
    quoted.push(quote);
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_integers_are_decimal() {
        assert_eq!(decimal(&[5]).unwrap(), "5");
        // 2**70 is 2**10 in the third digit of 30 bits.
        assert_eq!(decimal(&[0, 0, 1 << 10]).unwrap(), "1180591620717411303424");
        assert_eq!(decimal(&[1 << 30]), None);
    }

    #[test]
    fn floats_are_as_repr_writes_them() {
        let cases = [
            (2.5, "2.5"),
            (3.0, "3.0"),
            (-0.0, "-0.0"),
            (1e16, "1e+16"),
            (123456789012345680.0, "1.2345678901234568e+17"),
            (1e15, "1000000000000000.0"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (f64::INFINITY, "inf"),
        ];
        for (value, text) in cases {
            assert_eq!(float(value), text);
        }
    }

    #[test]
    fn quotes_are_chosen_as_repr_chooses_them() {
        let quote = |text: &str| quote(&text.chars().map(u32::from).collect::<Vec<_>>());
        assert_eq!(quote("it's"), "\"it's\"");
        assert_eq!(quote("both ' and \""), "'both \\' and \"'");
        assert_eq!(quote("a\nb\u{1b}"), "'a\\nb\\x1b'");
        assert_eq!(quote_bytes(b"\0a'\xff", false), "b\"\\x00a'\\xff\"");
        assert_eq!(quote_bytes(b"a'", true), "b\"a\\'\"");
    }

    #[test]
    fn what_does_not_print_is_escaped_as_repr_escapes_it() {
        let cases = [
            ("\u{7f}\u{80}\u{a0}\u{ad}", r"'\x7f\x80\xa0\xad'"),
            ("\u{200b}\u{2028}", r"'\u200b\u2028'"),
            ("\u{e0001}\u{378}", r"'\U000e0001\u0378'"),
            ("e\u{301}żółw 🐢", "'e\u{301}żółw 🐢'"),
        ];
        for (text, written) in cases {
            assert_eq!(quote(&text.chars().map(u32::from).collect::<Vec<_>>()), written);
        }
        assert_eq!(quote(&[0xd800, 0x61]), r"'\ud800a'");
    }

    #[test]
    fn decimals_are_as_their_specification_writes_them() {
        let cases = [
            ("110", -2, "1.10"),
            ("5", 0, "5"),
            ("123", 3, "1.23E+5"),
            ("1", -6, "0.000001"),
            ("1", -7, "1E-7"),
            ("0", -2, "0.00"),
            ("0", 2, "0E+2"),
            ("12345", -5, "0.12345"),
        ];
        for (digits, exponent, text) in cases {
            assert_eq!(scientific(digits, exponent), text);
        }
    }
}
