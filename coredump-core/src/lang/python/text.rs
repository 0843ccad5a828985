//! Numbers and texts as Python's `repr()` writes them.

/// An integer from digits of 30 bits, lowest first; `None` where one has more bits.
pub fn decimal(digits: &[u64]) -> Option<String> {
    const BASE: u64 = 1_000_000_000;
    // In digits of nine decimal places, lowest first.
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

/// A float: the shortest digits that give it back, with an exponent from 1e16 on and below 1e-4.
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

/// A text in quotes: single ones, unless it holds such and no double ones.
pub fn quote(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut quoted = String::from(quote);
    for c in text.chars() {
        match c {
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\\' => quoted.push_str("\\\\"),
            c if c == quote => quoted.extend(['\\', c]),
            c if c.is_control() && c < '\u{100}' => quoted.push_str(&format!("\\x{:02x}", c as u32)),
            c => quoted.push(c),
        }
    }
    quoted.push(quote);
    quoted
}

/// Bytes in quotes.
pub fn quote_bytes(bytes: &[u8]) -> String {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { '"' } else { '\'' };
    let mut quoted = format!("b{quote}");
    for &byte in bytes {
        match byte {
            b'\n' => quoted.push_str("\\n"),
            b'\r' => quoted.push_str("\\r"),
            b'\t' => quoted.push_str("\\t"),
            b'\\' => quoted.push_str("\\\\"),
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
        assert_eq!(quote("it's"), "\"it's\"");
        assert_eq!(quote("both ' and \""), "'both \\' and \"'");
        assert_eq!(quote("a\nb\u{1b}"), "'a\\nb\\x1b'");
        assert_eq!(quote_bytes(b"\0a'\xff"), "b\"\\x00a'\\xff\"");
    }
}
