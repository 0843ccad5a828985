//! Floating-point numbers that are wider than a double, in decimal: the fewest digits that distinguish a number from its
//! neighbours, by the algorithm of Steele and White ("How to Print Floating-Point Numbers Accurately", 1990), with
//! integers of any size: binary128 has numbers of up to 16,384 bits before the point, and 16,494 after it.

use std::cmp::Ordering;

use super::Notation;

/// Bits of one digit of an integer of any size.
const LIMB: u32 = 32;

/// A finite number that is not zero: `mantissa * 2^exponent`.
struct Number {
    mantissa: u128,
    exponent: i32,
    /// True if the number below is half as far away as the one above.
    is_power: bool,
}

/// IEEE 754 binary128, `long double` of clang's Wasm and Zig's `f128`.
pub fn quad(bits: u128, notation: &Notation) -> String {
    let fraction = bits & ((1 << 112) - 1);
    written(bits >> 127 == 1, (bits >> 112 & 0x7fff) as i32, fraction, 112, notation)
}

/// The x87's 80 bits, Zig's `f80`: binary128's exponent, and 64 bits of which the first is the one before the point.
/// `None` for what is no number of that format.
pub fn extended(bits: u128, notation: &Notation) -> Option<String> {
    let (top, mantissa) = (bits >> 64 & 0xffff, bits as u64);
    let normal = mantissa >> 63 == 1;
    if normal == (top & 0x7fff == 0) && mantissa != 0 {
        return None;
    }
    Some(written(top >> 15 == 1, (top & 0x7fff) as i32, u128::from(mantissa << 1 >> 1), 63, notation))
}

/// A number by its parts: the fraction has `width` bits.
fn written(negative: bool, exponent: i32, fraction: u128, width: i32, notation: &Notation) -> String {
    let sign = if negative { "-" } else { "" };
    match exponent {
        0x7fff if fraction == 0 => format!("{sign}inf"),
        0x7fff => notation.nan.into(),
        0 if fraction == 0 => format!("{sign}0{}", if notation.point { ".0" } else { "" }),
        _ => {
            let number = Number {
                mantissa: if exponent == 0 { fraction } else { fraction | 1 << width },
                exponent: exponent.max(1) - 16383 - width,
                is_power: fraction == 0 && exponent > 1,
            };
            let (digits, point) = shortest(&number);
            format!("{sign}{}", placed(&digits, point, notation))
        }
    }
}

/// Digits with the point behind the first `point` of them: plain near one, with a power of ten far from it.
fn placed(digits: &str, point: i32, notation: &Notation) -> String {
    let len = digits.len() as i32;
    match point - 1 {
        power if !(notation.least_power..16).contains(&power) => {
            let (first, rest) = digits.split_at(1);
            let rest = if rest.is_empty() { String::new() } else { format!(".{rest}") };
            format!("{first}{rest}e{power}")
        }
        _ if point <= 0 => format!("0.{}{digits}", "0".repeat(point.unsigned_abs() as usize)),
        _ if point >= len => {
            let end = if notation.point { ".0" } else { "" };
            format!("{digits}{}{end}", "0".repeat((point - len) as usize))
        }
        _ => format!("{}.{}", &digits[..point as usize], &digits[point as usize..]),
    }
}

/// The fewest digits that are nearer to a number than to its neighbours, and how many of them are before the point.
fn shortest(number: &Number) -> (String, i32) {
    // All four are multiples of one unit: the number, what makes a one before the point, and half of the distances to
    // the neighbours above and below.
    let extra = 1 + i32::from(number.is_power);
    let (up, down) = (number.exponent.max(0) as u32, (-number.exponent).max(0) as u32);
    let mut value = Big::from(number.mantissa).shifted(up + extra as u32);
    let mut one = Big::from(1).shifted(down + extra as u32);
    let mut above = Big::from(1).shifted(up + extra as u32 - 1);
    let mut below = Big::from(1).shifted(up);
    let bits = 127 - number.mantissa.leading_zeros() as i32 + number.exponent;
    // One too few at most.
    let mut point = (f64::from(bits) * std::f64::consts::LOG10_2 - 1e-9).ceil() as i32;
    let scale = Big::ten_to(point.unsigned_abs());
    if point >= 0 {
        one = one.times(&scale);
    } else {
        (value, above, below) = (value.times(&scale), above.times(&scale), below.times(&scale));
    }
    // A number that is midway is read as the neighbour whose mantissa is even.
    let even = number.mantissa & 1 == 0;
    let reaches = |order: Ordering| order == Ordering::Greater || even && order == Ordering::Equal;
    if reaches(value.plus(&above).cmp(&one)) {
        point += 1;
    } else {
        [&mut value, &mut above, &mut below].into_iter().for_each(Big::ten_times);
    }
    let mut digits = String::new();
    loop {
        let mut digit = b'0';
        while value.cmp(&one) != Ordering::Less {
            value.subtract(&one);
            digit += 1;
        }
        let low = reaches(below.cmp(&value));
        let high = reaches(value.plus(&above).cmp(&one));
        if low || high {
            let nearer_up = value.plus(&value).cmp(&one) != Ordering::Less;
            digits.push(char::from(digit + u8::from(high && (!low || nearer_up))));
            return (digits, point);
        }
        digits.push(char::from(digit));
        [&mut value, &mut above, &mut below].into_iter().for_each(Big::ten_times);
    }
}

/// A natural number: its digits in base 2^32, the lowest first, without zeros at the end.
#[derive(Clone)]
struct Big(Vec<u32>);

impl Big {
    fn from(mut number: u128) -> Self {
        let mut limbs = Vec::new();
        while number > 0 {
            limbs.push(number as u32);
            number >>= LIMB;
        }
        Self(limbs)
    }

    fn ten_to(power: u32) -> Self {
        let (mut result, mut square) = (Self::from(1), Self::from(10));
        for bit in 0..u32::BITS - power.leading_zeros() {
            if bit > 0 {
                square = square.times(&square);
            }
            if power >> bit & 1 == 1 {
                result = result.times(&square);
            }
        }
        result
    }

    fn shifted(&self, bits: u32) -> Self {
        let mut limbs = vec![0; (bits / LIMB) as usize];
        let mut carry = 0;
        for &limb in &self.0 {
            let wide = u64::from(limb) << (bits % LIMB) | carry;
            limbs.push(wide as u32);
            carry = wide >> LIMB;
        }
        limbs.push(carry as u32);
        Self::trimmed(limbs)
    }

    fn times(&self, other: &Self) -> Self {
        let mut limbs = vec![0u32; self.0.len() + other.0.len()];
        for (at, &left) in self.0.iter().enumerate() {
            let mut carry = 0;
            for (place, &right) in limbs[at..].iter_mut().zip(other.0.iter().chain([&0])) {
                let wide = u64::from(left) * u64::from(right) + u64::from(*place) + carry;
                *place = wide as u32;
                carry = wide >> LIMB;
            }
        }
        Self::trimmed(limbs)
    }

    fn ten_times(&mut self) {
        let mut carry = 0;
        for limb in &mut self.0 {
            let wide = u64::from(*limb) * 10 + carry;
            *limb = wide as u32;
            carry = wide >> LIMB;
        }
        if carry > 0 {
            self.0.push(carry as u32);
        }
    }

    fn plus(&self, other: &Self) -> Self {
        let len = self.0.len().max(other.0.len());
        let limb = |number: &Self, at: usize| u64::from(number.0.get(at).copied().unwrap_or(0));
        let mut carry = 0;
        let sum = (0..=len).map(|at| {
            let wide = limb(self, at) + limb(other, at) + carry;
            carry = wide >> LIMB;
            wide as u32
        });
        Self::trimmed(sum.collect())
    }

    /// Takes a number off that is not larger.
    fn subtract(&mut self, other: &Self) {
        let mut borrow = false;
        for (at, limb) in self.0.iter_mut().enumerate() {
            let (less, under) = limb.overflowing_sub(other.0.get(at).copied().unwrap_or(0));
            let (less, under_again) = less.overflowing_sub(u32::from(borrow));
            (*limb, borrow) = (less, under || under_again);
        }
        self.trim();
    }

    fn cmp(&self, other: &Self) -> Ordering {
        let len = self.0.len().cmp(&other.0.len());
        len.then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }

    fn trimmed(limbs: Vec<u32>) -> Self {
        let mut number = Self(limbs);
        number.trim();
        number
    }

    fn trim(&mut self) {
        let len = self.0.iter().rposition(|&limb| limb != 0).map_or(0, |last| last + 1);
        self.0.truncate(len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Language;
    use crate::lang::table;

    fn c() -> &'static Notation {
        table(Language::C).notation()
    }

    /// A double as binary128: the same number.
    fn widened(double: f64) -> u128 {
        let bits = u128::from(double.to_bits());
        let exponent = (bits >> 52 & 0x7ff) + 16383 - 1023;
        bits >> 63 << 127 | exponent << 112 | (bits & ((1 << 52) - 1)) << 60
    }

    #[test]
    fn a_long_double_has_the_fewest_digits_that_tell_it_from_its_neighbours() {
        // The bits are those that clang 14 writes for the literals.
        assert_eq!(quad(0x3ffb_9999_9999_9999_9999_9999_9999_999a, c()), "0.1");
        assert_eq!(quad(0x3ffd_5555_5555_5555_5555_5555_5555_5555, c()), "0.3333333333333333333333333333333333");
        assert_eq!(quad(0x73e6_a375_0647_fcab_18c2_1ab9_0545_0cc3, c()), "1e4000");
        assert_eq!(quad(0x3fff_8000 << 96, c()), "1.5");
        assert_eq!(quad(0xbfff << 112, c()), "-1");
        // The largest number, the least normal one, and the least of all.
        assert_eq!(quad((0x7fff << 112) - 1, c()), "1.189731495357231765085759326628007e4932");
        assert_eq!(quad(1 << 112, c()), "3.3621031431120935062626778173217526e-4932");
        assert_eq!(quad(1, c()), "6e-4966");
        assert_eq!(quad(1 << 127, c()), "-0");
        assert_eq!(quad(0x7fff << 112, c()), "inf");
        assert_eq!(quad(0x7fff << 112 | 1, c()), "nan");
    }

    #[test]
    fn zigs_80_bits_have_digits_of_their_own() {
        assert_eq!(extended(0x3ffd_aaaa_aaaa_aaaa_aaab, c()).unwrap(), "0.33333333333333333334");
        assert_eq!(extended(0x4000_9000_0000_0000_0000, c()).unwrap(), "2.25");
        assert_eq!(extended(0xbfff_8000_0000_0000_0000, c()).unwrap(), "-1");
        assert_eq!(extended(0, c()).unwrap(), "0");
        assert_eq!(extended(1, c()).unwrap(), "4e-4951");
        assert_eq!(extended(0x4000_1000_0000_0000_0000, c()), None, "no number the format has");
    }

    #[test]
    fn what_is_written_is_nearer_to_the_number_than_to_its_neighbours() {
        // Doubles have exact decimal expansions, to which binary128's shortest digits come as near as 34 digits can.
        let mut state = 1u64;
        for _ in 0..2000 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let double = f64::from_bits(state);
            if !double.is_normal() {
                continue;
            }
            let text = quad(widened(double), c());
            assert_eq!(text.parse::<f64>(), Ok(double), "{text}");
            let digits = text.trim_start_matches('-').split('e').next().unwrap().replace('.', "");
            assert!(digits.trim_start_matches('0').len() <= 36, "{text}");
        }
    }

    #[test]
    fn whole_numbers_and_halves_are_exact() {
        assert_eq!(quad(widened(1e15), c()), "1000000000000000");
        assert_eq!(quad(widened(123.5), c()), "123.5");
        // The double that is nearest to this number is another one in binary128.
        assert_eq!(quad(widened(1e-5), c()), "0.000010000000000000000818030539140313095");
        assert_eq!(quad(widened(2.0), table(Language::Rust).notation()), "2.0");
        assert_eq!(quad(widened(1e16), c()), "1e16");
        assert_eq!(quad(widened(12345678.0), c()), "12345678");
    }
}
