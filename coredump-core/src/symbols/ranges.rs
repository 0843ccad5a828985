//! Reads the addresses that an entry covers (DWARF 5, 2.17). Ranges that overflow the address space cover nothing.

use gimli::AttributeValue;

use super::{Slice, UnitRef};

/// The attributes of an entry that say which addresses it covers.
#[derive(Default)]
pub struct Ranges<'s> {
    low: Option<AttributeValue<Slice<'s>>>,
    high: Option<AttributeValue<Slice<'s>>>,
    ranges: Option<AttributeValue<Slice<'s>>>,
}

impl<'s> Ranges<'s> {
    /// Notes an attribute, if it is one of these.
    pub fn note(&mut self, name: gimli::DwAt, value: AttributeValue<Slice<'s>>) {
        match name {
            gimli::DW_AT_low_pc => self.low = Some(value),
            gimli::DW_AT_high_pc => self.high = Some(value),
            gimli::DW_AT_ranges => self.ranges = Some(value),
            _ => {}
        }
    }

    /// Calls `add` with each range; a list is read as long as `go_on` returns true.
    pub fn for_each(self, unit: UnitRef<'_, 's>, go_on: impl Fn() -> bool, mut add: impl FnMut(u64, u64)) {
        if let Some(value) = self.ranges {
            let Ok(Some(mut list)) = unit.attr_ranges(value) else { return };
            while let Ok(Some(range)) = list.next()
                && go_on()
            {
                add(range.begin, range.end);
            }
            return;
        }
        let Some(low) = self.low.and_then(|value| unit.attr_address(value).ok()?) else { return };
        let end = match self.high {
            Some(AttributeValue::Udata(size)) => low.checked_add(size),
            Some(value) => unit.attr_address(value).ok().flatten(),
            None => None,
        };
        // Tombstones (0xffffffff, 0xfffffffe and their sums) never meet a real address, and 0 never begins a body.
        if let Some(end) = end.filter(|&end| low < end) {
            add(low, end);
        }
    }

    /// All ranges, by address; those that touch are joined.
    pub fn all(self, unit: UnitRef<'_, 's>, go_on: impl Fn() -> bool) -> Vec<(u64, u64)> {
        let mut all = Vec::new();
        self.for_each(unit, go_on, |begin, end| all.push((begin, end)));
        if all.len() > 1 {
            all.sort_unstable();
            all.dedup_by(|next, last| {
                let joined = next.0 <= last.1;
                if joined {
                    last.1 = last.1.max(next.1);
                }
                joined
            });
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbols::written;

    fn covers(low: u64, high: AttributeValue<Slice<'static>>, pc: u64) -> bool {
        let (debug, _) = written::debug(4, Vec::new());
        let mut ranges = Ranges::default();
        ranges.note(gimli::DW_AT_low_pc, AttributeValue::Addr(low));
        ranges.note(gimli::DW_AT_high_pc, high);
        ranges.all(debug.unit_ref(0).unwrap(), || true).iter().any(|(begin, end)| (*begin..*end).contains(&pc))
    }

    #[test]
    fn a_range_ends_before_its_end_whether_that_is_told_as_an_address_or_a_size() {
        for high in [AttributeValue::Addr(20), AttributeValue::Udata(10)] {
            assert!(covers(10, high, 10) && covers(10, high, 19));
            assert!(!covers(10, high, 9) && !covers(10, high, 20));
        }
    }

    #[test]
    fn a_sum_that_leaves_the_address_space_covers_nothing() {
        assert!(!covers(u64::MAX - 1, AttributeValue::Udata(3), u64::MAX - 1));
        assert!(!covers(5, AttributeValue::Udata(u64::MAX), 5));
    }
}
