//! The values that a lambda or a callable reference captured. Kotlin 2.4 makes one class for all that capture values of
//! the same kinds, and puts a letter for each value into its name: `Function1_bound3_ZUIA` takes one parameter and
//! holds a `Boolean`, a `UInt` and an object.

use crate::gc::meaning::Reading;

/// A part of the name of such a class.
pub const BOUND: &str = "_bound";
/// The most values that a class name stands for.
const MOST: usize = 64;
/// The most steps that are tried to read a name.
const TRIES: usize = 1 << 12;

/// Returns the readings of the values that a lambda class's objects captured, in order; `None` for a value that is no
/// number. `values` are the names of the program's value classes, each with the reading of its values. The result is
/// `None` if the class is no such class, or its name can be read in several ways.
pub fn readings(class: &str, values: &[(&str, Reading)]) -> Option<Vec<Option<Reading>>> {
    let (_, shape) = class.rsplit('.').next()?.split_once("Function")?;
    let (arity, shape) = shape.split_once(BOUND)?;
    let (count, letters) = shape.split_once('_')?;
    let count: usize = count.parse().ok().filter(|count| (1..=MOST).contains(count))?;
    if arity.is_empty() || !arity.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let mut spellings = Spellings { values, tries: 0, so_far: Vec::new(), found: Vec::new() };
    spellings.read(letters, count);
    let found = spellings.found.pop().filter(|_| spellings.tries < TRIES)?;
    spellings.found.iter().all(|other| *other == found).then_some(found)
}

/// The ways to read the letters of a class's name as values.
struct Spellings<'v> {
    /// The value classes by name.
    values: &'v [(&'v str, Reading)],
    /// The number of steps taken so far, at most [`TRIES`].
    tries: usize,
    /// The values that were read on the way to this step.
    so_far: Vec<Option<Reading>>,
    /// The ways that used up all letters.
    found: Vec<Vec<Option<Reading>>>,
}

impl Spellings<'_> {
    /// Finds all ways to read `letters` as so many values.
    fn read(&mut self, letters: &str, count: usize) {
        self.tries += 1;
        if self.tries >= TRIES {
            return;
        }
        if count == 0 || letters.is_empty() {
            if count == 0 && letters.is_empty() {
                self.found.push(self.so_far.clone());
            }
            return;
        }
        let one = |letters: &str| {
            Some(match letters.as_bytes() {
                [b'Z', ..] => (Some(Reading::Truth), 1),
                [b'C', ..] => (Some(Reading::Character), 1),
                [b'B' | b'S' | b'I' | b'J', ..] => (Some(Reading::Signed), 1),
                [b'A' | b'F' | b'D', ..] => (None, 1),
                [b'U', b'B', ..] => (Some(Reading::UnsignedByte), 2),
                [b'U', b'S', ..] => (Some(Reading::UnsignedShort), 2),
                [b'U', b'I' | b'J', ..] => (Some(Reading::Unsigned), 2),
                _ => return None,
            })
        };
        let mut ways: Vec<(Option<Reading>, usize)> = one(letters).into_iter().collect();
        if let Some(rest) = letters.strip_prefix('V') {
            let named = self.values.iter().filter(|(name, _)| rest.starts_with(name));
            ways.extend(named.map(|(name, reading)| (Some(*reading), 1 + name.len())));
        }
        for (reading, len) in ways {
            self.so_far.push(reading);
            self.read(&letters[len..], count - 1);
            self.so_far.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Reading = Reading::Value { module: 0, ty: 7 };
    const IDEA: Reading = Reading::Value { module: 0, ty: 8 };

    #[test]
    fn a_class_of_lambdas_is_named_by_what_they_hold() {
        let values = [("Id", ID), ("IdA", IDEA), ("On", IDEA)];
        for (class, expected) in [
            (
                "Function1_bound5_ZCBIA",
                Some(vec![
                    Some(Reading::Truth),
                    Some(Reading::Character),
                    Some(Reading::Signed),
                    Some(Reading::Signed),
                    None,
                ]),
            ),
            ("kotlin.text.Function2_bound2_AZ", Some(vec![None, Some(Reading::Truth)])),
            ("SuspendFunction0_bound1_UB", Some(vec![Some(Reading::UnsignedByte)])),
            ("Function0_bound2_UJF", Some(vec![Some(Reading::Unsigned), None])),
            ("Function0_bound2_VIdVOn", Some(vec![Some(ID), Some(IDEA)])),
            // The number of values decides: `IdA` and `Z` would be two.
            ("Function0_bound3_VIdAZ", Some(vec![Some(ID), None, Some(Reading::Truth)])),
            ("Function0_bound2_VIdAZ", Some(vec![Some(IDEA), Some(Reading::Truth)])),
            ("Function0_bound2_Z", None),
            ("Function0_bound1_ZZ", None),
            ("Function0_bound1_VOther", None),
            ("Function0_bound1_X", None),
            ("Function_bound1_Z", None),
            ("Function0_bound0_", None),
            ("Function0", None),
        ] {
            assert_eq!(readings(class, &values), expected, "{class}");
        }
    }

    #[test]
    fn a_name_that_can_be_read_in_more_ways_tells_nothing() {
        let values = [("A", ID), ("AZ", IDEA), ("", ID)];
        assert_eq!(
            readings("Function0_bound2_VAZ", &[("A", ID), ("AZ", IDEA)]),
            Some(vec![Some(ID), Some(Reading::Truth)])
        );
        assert_eq!(readings("Function0_bound1_VAZ", &[("A", ID), ("AZ", IDEA)]), Some(vec![Some(IDEA)]));
        assert_eq!(readings("Function0_bound1_VAZ", &[("AZ", ID), ("AZ", IDEA)]), None);
        assert_eq!(readings(&format!("Function0_bound40_{}", "VA".repeat(30)), &values), None);
    }
}
