//! Reads the addresses that an entry covers (DWARF 5, 2.17). Ranges that overflow the address space cover nothing.

use std::collections::HashMap;
use std::rc::Rc;

use gimli::AttributeValue;

use super::{Slice, UnitRef};
use crate::limits::Overlap;

/// The attributes of an entry that say which addresses it covers.
#[derive(Clone, Copy, Default)]
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

    /// The list that they are in; `None` if there is no list.
    fn list(&self, unit: UnitRef<'_, 's>) -> Option<usize> {
        unit.attr_ranges_offset(self.ranges?).ok()?.map(|offset| offset.0)
    }

    /// The only range, of an entry that has no list.
    fn single(self, unit: UnitRef<'_, 's>) -> Option<(u64, u64)> {
        let low = self.low.and_then(|value| unit.attr_address(value).ok()?)?;
        let end = match self.high? {
            AttributeValue::Udata(size) => low.checked_add(size)?,
            value => unit.attr_address(value).ok()??,
        };
        // Tombstones (0xffffffff, 0xfffffffe and their sums) never meet a real address, and 0 never begins a body.
        (low < end).then_some((low, end))
    }
}

/// The addresses that an entry covers: ranges by address; those that touch are joined.
#[derive(Clone, Debug)]
pub struct Covered(Rc<[(u64, u64)]>);

impl Covered {
    /// The range that holds an address.
    pub fn holding(&self, pc: u64) -> Option<(u64, u64)> {
        let before = self.0.partition_point(|range| range.0 <= pc);
        self.0[..before].last().copied().filter(|range| pc < range.1)
    }

    /// Returns true if a range lies within one of these.
    pub fn encloses(&self, range: (u64, u64)) -> bool {
        let before = self.0.partition_point(|own| own.0 <= range.0);
        self.0[..before].last().is_some_and(|own| range.1 <= own.1)
    }

    /// Identifies the list that it was read from, as long as that is known.
    fn identity(&self) -> usize {
        self.0.as_ptr() as usize
    }
}

/// The lists of ranges that the entries of one unit refer to: many may share one, or refer to parts of one.
#[derive(Default)]
pub struct RangeLists {
    known: HashMap<usize, Covered>,
    overlap: Overlap,
    /// True if all ranges of one list lie within those of another.
    within: HashMap<(usize, usize), bool>,
}

impl RangeLists {
    /// The addresses that an entry of `unit` covers. A list is read as long as `go_on` returns true.
    pub fn covered<'s>(&mut self, ranges: Ranges<'s>, unit: UnitRef<'_, 's>, go_on: impl Fn() -> bool) -> Covered {
        if ranges.ranges.is_none() {
            return Covered(ranges.single(unit).into_iter().collect());
        }
        let Some(offset) = ranges.list(unit) else { return Covered(Rc::default()) };
        if let Some(known) = self.known.get(&offset) {
            return known.clone();
        }
        let mut all = Vec::new();
        self.read(offset, unit, go_on, |begin, end| all.push((begin, end)));
        all.sort_unstable();
        all.dedup_by(|next, last| {
            let joined = next.0 <= last.1;
            if joined {
                last.1 = last.1.max(next.1);
            }
            joined
        });
        let covered = Covered(all.into());
        self.known.insert(offset, covered.clone());
        covered
    }

    /// Calls `add` with each range of an entry of `unit`, unless they are in a list that was read before. A list is
    /// read as long as `go_on` returns true.
    pub fn each_new<'s>(
        &mut self,
        ranges: Ranges<'s>,
        unit: UnitRef<'_, 's>,
        go_on: impl Fn() -> bool,
        mut add: impl FnMut(u64, u64),
    ) {
        match ranges.list(unit) {
            Some(offset) if !self.known.contains_key(&offset) => {
                self.known.insert(offset, Covered(Rc::default()));
                self.read(offset, unit, go_on, add);
            }
            Some(_) => {}
            None if ranges.ranges.is_some() => {}
            None => ranges.single(unit).into_iter().for_each(|(begin, end)| add(begin, end)),
        }
    }

    fn read(&mut self, offset: usize, unit: UnitRef<'_, '_>, go_on: impl Fn() -> bool, add: impl FnMut(u64, u64)) {
        let Ok(list) = unit.ranges(gimli::RangeListsOffset(offset)) else { return };
        let room = self.overlap.room(offset);
        self.overlap.spend(each_range(list, room, go_on, add));
    }

    /// Returns true if each range of `inner` lies within one of `outer`.
    pub fn lie_within(&mut self, inner: &Covered, outer: &Covered) -> bool {
        match (&*inner.0, &*outer.0) {
            ([], _) => true,
            (_, []) => false,
            ([only], _) => outer.encloses(*only),
            ([first, .., last], [only]) => only.0 <= first.0 && last.1 <= only.1,
            // Both are of lists, which stay where they are.
            (all, _) => *self
                .within
                .entry((inner.identity(), outer.identity()))
                .or_insert_with(|| all.iter().all(|range| outer.encloses(*range))),
        }
    }
}

/// Calls `add` with the ranges in at most `room` entries of a list, as long as `go_on` returns true. Returns how many
/// entries were read; those without a range count too.
pub(super) fn each_range(
    mut list: gimli::RngListIter<Slice<'_>>,
    room: usize,
    go_on: impl Fn() -> bool,
    mut add: impl FnMut(u64, u64),
) -> usize {
    let mut read = 0;
    while read < room
        && let Ok(Some(entry)) = list.next_raw()
        && let Ok(range) = list.convert_raw(entry)
        && go_on()
    {
        read += 1;
        range.into_iter().for_each(|range| add(range.begin, range.end));
    }
    read
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
        RangeLists::default().covered(ranges, debug.unit_ref(0).unwrap(), || true).holding(pc).is_some()
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

    #[test]
    fn ranges_lie_within_others_wherever_these_are_joined() {
        let of = |ranges: &[(u64, u64)]| Covered(ranges.into());
        let (inner, outer) = (of(&[(1, 3), (5, 7)]), of(&[(0, 4), (5, 9)]));
        let mut lists = RangeLists::default();
        for _ in 0..2 {
            assert!(lists.lie_within(&inner, &outer));
            assert!(!lists.lie_within(&outer, &inner));
        }
        assert!(lists.lie_within(&inner, &of(&[(1, 7)])) && !lists.lie_within(&inner, &of(&[(1, 6)])));
        assert!(lists.lie_within(&of(&[]), &of(&[])) && !lists.lie_within(&inner, &of(&[])));
        assert_eq!([0, 1, 2, 3, 5, 7].map(|pc| inner.holding(pc).is_some()), [false, true, true, false, true, false]);
    }
}
