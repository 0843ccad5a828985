//! Ranges of addresses that have none in common.

use std::collections::BTreeMap;
use std::ops::Range;

/// Ranges, none of which overlaps another.
#[derive(Debug, Default)]
pub struct Apart {
    /// The end of each range, by its start.
    ends: BTreeMap<u64, u64>,
}

impl Apart {
    /// Adds a range if it overlaps none of the others. Returns true if it was added.
    pub fn add(&mut self, range: &Range<u64>) -> bool {
        let before = self.ends.range(..range.end).next_back();
        let apart = before.is_none_or(|(_, &end)| end <= range.start);
        if apart {
            self.ends.insert(range.start, range.end);
        }
        apart
    }
}

/// Returns true if one of these ranges holds an address. They are by address, and lie apart.
pub fn holds(ranges: &[Range<u64>], address: u64) -> bool {
    let next = ranges.partition_point(|range| range.end <= address);
    ranges.get(next).is_some_and(|range| range.start <= address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overlaps_is_told_from_what_touches() {
        let mut apart = Apart::default();
        assert!(apart.add(&(16..32)) && apart.add(&(64..80)) && apart.add(&(32..64)) && apart.add(&(0..16)));
        assert!(!apart.add(&(79..90)) && !apart.add(&(8..9)) && !apart.add(&(0..100)) && apart.add(&(80..90)));
    }

    #[test]
    fn an_address_is_held_by_the_range_around_it() {
        let ranges = [4..8, 8..12, 20..24];
        let held = |address| holds(&ranges, address);
        assert_eq!([3, 4, 7, 8, 11, 12, 19, 20, 23, 24].map(held).iter().filter(|held| **held).count(), 6);
        assert!(!held(3) && held(8) && !held(12) && !held(24) && !holds(&[], 0));
    }
}
