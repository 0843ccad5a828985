//! libc++'s types that are a number or a few bits: complex numbers, durations, bit sets, the results of comparisons.

use super::{CppValues, template_names};
use crate::catalog::types::Struct;
use crate::catalog::units::Die;
use crate::lang::scalar::complex_text;
use crate::lang::{Shown, cut};
use crate::location::Missing;
use crate::values::Value;

/// The number of bits of a `bitset` that are shown.
const BITS: u64 = 1024;

impl<'s> CppValues<'_, '_, '_, 's> {
    /// A template argument that is a number: read from the type's name, or where that leaves the arguments out, from
    /// their entries.
    pub(super) fn number_argument(&self, die: Die, index: usize) -> Option<i128> {
        let name = String::from_utf8_lossy(self.frame.units.name(die)?).into_owned();
        let Some((_, list)) = name.split_once('<') else {
            return template_names::number(&self.frame.units, die, index);
        };
        let mut depth = 0;
        let argument = list.strip_suffix('>')?.split(|char| {
            depth += i32::from(char == '<') - i32::from(char == '>');
            char == ',' && depth == 0
        });
        let argument = argument.into_iter().nth(index)?.trim();
        argument.trim_end_matches(['U', 'L', 'u', 'l']).parse().ok()
    }

    /// `complex`: as C's complex numbers are written.
    pub(super) fn complex(&self, value: &Value, depth: u32) -> Option<Shown> {
        let (re, im) = (self.field(value, "__re_")?, self.field(value, "__im_")?);
        let text = self.show(&re, depth).text.and_then(|re| Ok(complex_text(&re, &self.show(&im, depth).text?)));
        Some(Shown { text, children: vec![self.part("real", &re, depth), self.part("imag", &im, depth)] })
    }

    /// `chrono::duration`: its count and its unit.
    pub(super) fn duration(&self, value: &Value, contents: &Struct<'s>, depth: u32) -> Option<Shown> {
        let (_, period) = (self.argument(contents, 0)?, self.argument(contents, 1)?);
        let (period, _) = self.frame.units.peeled(Some(period))?;
        let unit = match (self.number_argument(period, 0)?, self.number_argument(period, 1).unwrap_or(1)) {
            (1, 1_000_000_000) => "ns".into(),
            (1, 1_000_000) => "us".into(),
            (1, 1_000) => "ms".into(),
            (1, 1) => "s".into(),
            (60, 1) => "min".into(),
            (3600, 1) => "h".into(),
            (86_400, 1) => "d".into(),
            (number, 1) => format!("[{number}]s"),
            (number, denominator) => format!("[{number}/{denominator}]s"),
        };
        let shown = self.show(&self.field(value, "__rep_")?, depth);
        Some(Shown { text: shown.text.map(|count| format!("{count}{unit}")), children: shown.children })
    }

    /// `bitset`: its bits, the highest first.
    pub(super) fn bitset(&self, value: &Value, die: Die) -> Option<Result<Shown, Missing>> {
        let len = u64::try_from(self.number_argument(die, 0)?).ok()?;
        let words = Value { ty: None, source: self.dig(value, "__first_")?.source };
        let shown = len.min(BITS);
        Some(words.read(self.frame, shown.div_ceil(8)).map(|bytes| {
            let bit = |index: u64| bytes.get((index / 8) as usize).is_some_and(|byte| byte >> (index % 8) & 1 == 1);
            let bits: String = (0..shown).rev().map(|index| if bit(index) { '1' } else { '0' }).collect();
            let more = if shown < len { "... " } else { "" };
            Shown::text(cut(format!("0b{more}{bits}")))
        }))
    }

    /// The result of a comparison (`<=>`).
    pub(super) fn ordering(&self, value: &Value, name: &str) -> Option<Shown> {
        Some(match self.field(value, "__value_")?.number(self.frame, true) {
            Ok(-1) => Shown::text("less"),
            Ok(0) if name == "strong_ordering" => Shown::text("equal"),
            Ok(0) => Shown::text("equivalent"),
            Ok(1) => Shown::text("greater"),
            Ok(-127) if name == "partial_ordering" => Shown::text("unordered"),
            Ok(_) => return None,
            Err(missing) => missing.into(),
        })
    }
}
