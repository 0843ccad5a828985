//! An index of the compilation units by address, without parsing the units themselves.
//!
//! It is built in one pass over unit headers and root entries; `.debug_aranges` is used for units whose root has no
//! ranges. A unit takes a few bytes here, while a parsed one takes its abbreviations and line table header.

use std::collections::{HashMap, HashSet};

use gimli::{AttributeValue, DebugAbbrevOffset, DebugInfoOffset, Reader, Section, UnitHeader, UnitType};

use super::abbreviations;
use super::heads::{Heads, UnitHead};
use super::ranges::each_range;
use super::work::Work;
use super::{Dwarf, Neighbours, Slice};
use crate::limits::Overlap;

/// Units and ranges that are indexed at most: beyond it a file is hostile.
const MAX_ENTRIES: usize = 20_000_000;
/// The most ranges that are searched for one address; in sound debug info the closest one covers it.
const MAX_SEARCHED: usize = 1 << 16;
/// The most units that are tried for one address; in sound debug info there is one.
const MAX_TRIED: usize = 32;

/// The index.
#[derive(Debug, Default)]
pub(super) struct UnitIndex {
    /// Offset of each unit in `.debug_info`, ascending.
    pub offsets: Vec<usize>,
    ranges: Vec<UnitRange>,
    /// Units that do not say which addresses they cover.
    rangeless: Vec<u32>,
    /// The offset in `.debug_info` from which on nothing was read, because no header of a unit can be there.
    pub damaged_from: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
struct UnitRange {
    begin: u32,
    end: u32,
    /// Greatest `end` of all ranges up to this one: how far back a search must go.
    reach: u32,
    unit: u32,
}

impl UnitIndex {
    /// Reads the roots of all units. `code_size` is the size of the code section: ranges beyond it belong to functions
    /// the linker dropped. Damage ends the walk; what was read before it counts.
    pub fn build<'s>(dwarf: &Dwarf<'s>, code_size: u64, work: &Work, neighbours: &Neighbours<'s>) -> UnitIndex {
        let mut index = UnitIndex::default();
        let mut abbreviations = RootAbbreviations::default();
        let mut heads = Heads::new(dwarf, neighbours);
        let mut lists = Lists::default();
        while let Some(UnitHead { offset, header, cut }) = heads.next() {
            if index.offsets.len() + index.ranges.len() > MAX_ENTRIES || !work.spend(8) {
                break;
            }
            let unit = index.offsets.len() as u32;
            index.offsets.push(offset);
            if matches!(header.type_(), UnitType::Type { .. } | UnitType::SplitType { .. } | UnitType::Partial) {
                continue;
            }
            let before = index.ranges.len();
            let mut read = |header: &UnitHeader<Slice<'_>>| {
                let known = abbreviations.declare_root(dwarf, header, work)?;
                root_ranges(dwarf, header, known, (work, &mut lists), |begin, end| {
                    index.add(begin, end, unit, code_size)
                })
            };
            let mut stated = read(&header);
            // The root entry was not read to its end.
            if stated.is_none() && cut {
                stated = heads.whole(offset).and_then(|header| read(&header));
            }
            if stated != Some(true) && index.ranges.len() == before {
                index.rangeless.push(unit);
            }
        }
        index.damaged_from = heads.damaged_from();
        index.add_aranges(dwarf, code_size, work);
        index.ranges.sort_unstable_by_key(|range| (range.begin, range.unit));
        let mut reach = 0;
        for range in &mut index.ranges {
            reach = reach.max(range.end);
            range.reach = reach;
        }
        index
    }

    fn add(&mut self, begin: u64, end: u64, unit: u32, code_size: u64) {
        if begin < end && begin < code_size && self.ranges.len() < MAX_ENTRIES {
            let end = end.min(code_size) as u32;
            match self.ranges.last_mut() {
                Some(last) if last.unit == unit && u64::from(last.end) == begin => last.end = end,
                _ => self.ranges.push(UnitRange { begin: begin as u32, end, reach: 0, unit }),
            }
        }
    }

    /// Fills in the units whose root has no ranges (DWARF 6.1.2).
    fn add_aranges(&mut self, dwarf: &Dwarf<'_>, code_size: u64, work: &Work) {
        if self.rangeless.is_empty() {
            return;
        }
        let mut headers = dwarf.debug_aranges.headers();
        let mut found = HashSet::new();
        while let Ok(Some(header)) = headers.next() {
            let Ok(unit) = self.offsets.binary_search(&header.debug_info_offset().0) else { continue };
            let unit = unit as u32;
            if self.rangeless.binary_search(&unit).is_err() {
                continue;
            }
            let mut entries = header.entries();
            while let Ok(Some(entry)) = entries.next() {
                if !work.spend(1) {
                    return;
                }
                self.add(entry.address(), entry.address().saturating_add(entry.length()), unit, code_size);
                found.insert(unit);
            }
        }
        self.rangeless.retain(|unit| !found.contains(unit));
    }

    /// Up to `count` first addresses of ranges, spread over all of them. Ranges at 0 are left out: linkers put those of
    /// dropped functions there.
    pub fn sample(&self, count: usize) -> impl Iterator<Item = u64> {
        let step = (self.ranges.len() / count).max(1);
        let ranges = self.ranges.iter().filter(|range| range.begin > 0).step_by(step);
        ranges.map(|range| u64::from(range.begin)).take(count)
    }

    /// Returns true if all ranges belong to functions that the linker dropped.
    pub fn is_dead(&self, code_size: u64) -> bool {
        // A range from 0 to the end is from an assembler, which describes the section as a whole.
        let live = |range: &UnitRange| range.begin > 0 || u64::from(range.end) == code_size;
        !self.ranges.is_empty() && !self.ranges.iter().any(live)
    }

    /// The units that may cover `pc`: by range, the closest first, then those without ranges.
    pub fn covering(&self, pc: u64) -> Vec<u32> {
        let mut units = Vec::new();
        let behind = self.ranges.partition_point(|range| u64::from(range.begin) <= pc);
        for range in self.ranges[..behind].iter().rev().take(MAX_SEARCHED) {
            if u64::from(range.reach) <= pc || units.len() == MAX_TRIED {
                break;
            }
            if pc < u64::from(range.end) && !units.contains(&range.unit) {
                units.push(range.unit);
            }
        }
        units.extend(self.rangeless.iter().take(MAX_TRIED));
        units
    }

    /// The unit that holds this offset of `.debug_info`.
    pub fn containing(&self, offset: DebugInfoOffset<usize>) -> Option<u32> {
        let behind = self.offsets.partition_point(|&unit| unit <= offset.0);
        Some(behind.checked_sub(1)? as u32)
    }
}

/// Calls `add` with the address ranges of a unit's root entry; returns whether the entry has any attribute for them.
fn root_ranges(
    dwarf: &Dwarf<'_>,
    header: &UnitHeader<Slice<'_>>,
    abbreviations: &gimli::Abbreviations,
    (work, lists): (&Work, &mut Lists),
    mut add: impl FnMut(u64, u64),
) -> Option<bool> {
    let mut entries = header.entries_raw(abbreviations, None).ok()?;
    let root = entries.read_abbreviation().ok()??;
    let (mut low, mut high, mut ranges) = (None, None, None);
    let (mut addr_base, mut rnglists_base) = (gimli::DebugAddrBase(0), None);
    for &spec in root.attributes() {
        let attribute = entries.read_attribute(spec).ok()?;
        match (attribute.name(), attribute.value()) {
            (gimli::DW_AT_low_pc, value) => low = Some(value),
            (gimli::DW_AT_high_pc, value) => high = Some(value),
            (gimli::DW_AT_ranges, value) => ranges = Some(value),
            (gimli::DW_AT_addr_base | gimli::DW_AT_GNU_addr_base, AttributeValue::DebugAddrBase(base)) => {
                addr_base = base;
            }
            (gimli::DW_AT_rnglists_base, AttributeValue::DebugRngListsBase(base)) => rnglists_base = Some(base),
            _ => {}
        }
    }
    let address = |value| match value {
        AttributeValue::Addr(address) => Some(address),
        AttributeValue::DebugAddrIndex(index) => {
            dwarf.debug_addr.get_address(header.address_size(), addr_base, index).ok()
        }
        _ => None,
    };
    let low = low.and_then(address);
    if let Some(value) = ranges {
        let encoding = header.encoding();
        let offset = match value {
            AttributeValue::RangeListsRef(offset) => gimli::RangeListsOffset(offset.0),
            AttributeValue::SecOffset(offset) => gimli::RangeListsOffset(offset),
            AttributeValue::DebugRngListsIndex(index) => {
                dwarf.ranges.get_offset(encoding, rnglists_base?, index).ok()?
            }
            _ => return None,
        };
        let list = dwarf.ranges.ranges(offset, encoding, low.unwrap_or(0), &dwarf.debug_addr, addr_base).ok()?;
        let room = lists.room(offset.0, low.unwrap_or(0));
        lists.overlap.spend(each_range(list, room, || work.spend(1), add));
        return Some(true);
    }
    let low = low?;
    let end = match high? {
        AttributeValue::Udata(size) => low.checked_add(size)?,
        value => address(value)?,
    };
    add(low, end);
    Some(true)
}

/// The lists of ranges that roots refer to.
#[derive(Default)]
struct Lists {
    overlap: Overlap,
    /// The number of units that share a list, by its offset and the address from which its addresses count.
    shared: HashMap<(usize, u64), usize>,
}

impl Lists {
    /// Returns the number of ranges to read of the list at an offset, whose addresses count from `base`. It is 0 if
    /// [`MAX_TRIED`] units share the list already, since no more units than these are tried for an address.
    fn room(&mut self, offset: usize, base: u64) -> usize {
        let shared = self.shared.entry((offset, base)).or_default();
        *shared += 1;
        if *shared > MAX_TRIED { 0 } else { self.overlap.room(offset) }
    }
}

/// The abbreviations of root entries. Compilers declare the root's abbreviation first, so usually only that declaration
/// is read: reading whole tables would cost more than the rest of this index.
#[derive(Default)]
struct RootAbbreviations {
    offset: Option<usize>,
    complete: bool,
    table: gimli::Abbreviations,
}

impl RootAbbreviations {
    fn declare_root(
        &mut self,
        dwarf: &Dwarf<'_>,
        header: &UnitHeader<Slice<'_>>,
        work: &Work,
    ) -> Option<&gimli::Abbreviations> {
        let offset = header.debug_abbrev_offset().0;
        if self.offset != Some(offset) {
            let section = dwarf.debug_abbrev.reader().slice();
            let first = section.get(offset..).and_then(abbreviations::first_declaration);
            let table = first.and_then(|bytes| {
                let declaration = gimli::DebugAbbrev::new(&bytes, gimli::LittleEndian);
                declaration.abbreviations(DebugAbbrevOffset(0)).ok()
            });
            *self =
                RootAbbreviations { offset: Some(offset), complete: table.is_none(), table: table.unwrap_or_default() };
            if self.complete {
                self.table = abbreviations::read(dwarf, header, work)?;
            }
        }
        let mut root = header.range_from(header.root_offset()..).ok()?;
        let code = root.read_uleb128().ok()?;
        if self.table.get(code).is_none() && !self.complete {
            self.complete = true;
            self.table = abbreviations::read(dwarf, header, work)?;
        }
        Some(&self.table)
    }
}
