//! Finds a function's entry and its line sequence by searching for the bytes that they must contain.
//!
//! Reading all entries of a unit, or all rows of its line table, up to those of one function takes most of the time of
//! a backtrace; a byte search is ten times faster. A match is checked as far as possible by itself. If there is no
//! match, the function may still be there in another form: then everything is read.

use gimli::{Abbreviation, AttributeValue, DwForm, Section, UnitOffset};
use memchr::arch::all::packedpair::HeuristicFrequencyRank;
use memchr::memmem;
use wasm_encoder::Encode;

use super::extent::CodeExtent;
use super::functions::FunctionRange;
use super::line_program::{LineProgram, Sequence};
use super::work::Work;
use super::{UnitRef, attribute_text};

/// The number of abbreviations of a unit that are looked at. Compilers number them from 1.
const MAX_ABBREVIATIONS: u64 = 1 << 12;
/// The number of addresses that are tried at which a function may begin: from its size field to its first instruction.
const MAX_BEGINNINGS: usize = 8;
/// The number of matches of the bytes that are looked at.
const MAX_MATCHES: usize = 16;
/// The number of searched bytes that count as one step of work.
const BYTES_A_STEP: usize = 16;
/// The most bytes from the beginning of a line sequence to the instruction that sets its address.
const MAX_OPENING: usize = 64;

/// The number of functions that are sought in one unit: beyond it, reading all of the unit costs less.
pub(super) const MAX_SEEKS: usize = 16;

/// The beginning of the entries of an abbreviation: its code, `prefix` bytes, then the function's addresses.
struct Opening {
    code: Vec<u8>,
    prefix: usize,
    low: DwForm,
    high: DwForm,
}

/// The entry of the function of this extent.
pub(super) fn function(unit: UnitRef<'_, '_>, extent: &CodeExtent, work: &Work) -> Option<FunctionRange> {
    let root = unit.header.root_offset();
    let bytes = unit.header.range_from(root..).ok()?.slice();
    let openings = openings(unit, work);
    let mut forms: Vec<(DwForm, DwForm)> = openings.iter().map(|opening| (opening.low, opening.high)).collect();
    forms.sort_unstable_by_key(|(low, high)| (low.0, high.0));
    forms.dedup();
    for (low, high) in forms {
        for (begin, low_bytes) in beginnings(unit, extent, low, work) {
            for end in [extent.end, extent.end - 1] {
                let Some(high_bytes) = end_bytes(unit, begin, end, high) else { continue };
                let wanted = [&low_bytes[..], &high_bytes].concat();
                if !work.spend(bytes.len() / BYTES_A_STEP) {
                    return None;
                }
                for at in finder(&wanted).find_iter(bytes).take(MAX_MATCHES) {
                    let fitting = openings.iter().filter(|opening| (opening.low, opening.high) == (low, high));
                    let mut entries = fitting.filter_map(|opening| {
                        let before = bytes[..at].len().checked_sub(opening.prefix)?;
                        bytes[..before]
                            .ends_with(&opening.code)
                            .then(|| UnitOffset(root.0 + before - opening.code.len()))
                    });
                    if let Some(entry) = entries.find(|&entry| is_function(unit, entry, work)) {
                        return Some(FunctionRange { begin, end, entry });
                    }
                }
            }
        }
    }
    None
}

/// Returns the beginnings of entries of functions, for the abbreviations with attributes of fixed size before the
/// addresses.
fn openings(unit: UnitRef<'_, '_>, work: &Work) -> Vec<Opening> {
    let abbreviations = (1..MAX_ABBREVIATIONS).map_while(|code| unit.abbreviations.get(code));
    let paid = abbreviations.take_while(|abbreviation| work.spend(1 + abbreviation.attributes().len() / BYTES_A_STEP));
    let functions = paid.filter(|abbreviation| abbreviation.tag() == gimli::DW_TAG_subprogram);
    functions.filter_map(|abbreviation| opening(unit, abbreviation)).collect()
}

fn opening(unit: UnitRef<'_, '_>, abbreviation: &Abbreviation) -> Option<Opening> {
    let attributes = abbreviation.attributes();
    let low = attributes.iter().position(|attribute| attribute.name() == gimli::DW_AT_low_pc)?;
    let high = attributes.get(low + 1).filter(|attribute| attribute.name() == gimli::DW_AT_high_pc)?;
    let prefix = attributes[..low].iter().map(|attribute| attribute.size(&unit.header)).sum::<Option<usize>>()?;
    Some(Opening { code: leb(abbreviation.code()), prefix, low: attributes[low].form(), high: high.form() })
}

/// The addresses at which the function may begin, each with the bytes that stand for it in this unit.
fn beginnings(unit: UnitRef<'_, '_>, extent: &CodeExtent, form: DwForm, work: &Work) -> Vec<(u64, Vec<u8>)> {
    let width = match form {
        gimli::DW_FORM_addr => {
            let size = unit.header.address_size();
            // Most compilers let a function begin at its locals, so that address comes first.
            let others = (extent.header..=extent.first).filter(|&at| at != extent.body);
            let all = std::iter::once(extent.body).chain(others).take(MAX_BEGINNINGS);
            return all.filter_map(|begin| Some((begin, fixed(begin, size)?))).collect();
        }
        gimli::DW_FORM_addrx | gimli::DW_FORM_GNU_addr_index => None,
        gimli::DW_FORM_addrx1 => Some(1),
        gimli::DW_FORM_addrx2 => Some(2),
        gimli::DW_FORM_addrx4 => Some(4),
        _ => return Vec::new(),
    };
    let write = |index: usize| width.map_or_else(|| Some(leb(index as u64)), |width| fixed(index as u64, width));
    let Ok(header) = u32::try_from(extent.header) else { return Vec::new() };
    let is_inside = |address: &[u8; 4]| {
        u64::from(u32::from_le_bytes(*address).wrapping_sub(header)) <= extent.first - extent.header
    };
    // Blocks of the table without a candidate are skipped as a whole.
    let blocks = addresses(unit, work).unwrap_or_default().chunks(64).enumerate();
    let near = blocks.filter(|(_, block)| block.iter().fold(false, |found, address| found | is_inside(address)));
    let inside = near.flat_map(|(number, block)| {
        let inside = (64 * number..).zip(block).filter(|(_, address)| is_inside(address));
        inside.map(|(index, address)| (index, u64::from(u32::from_le_bytes(*address))))
    });
    inside.take(MAX_BEGINNINGS).filter_map(|(index, begin)| Some((begin, write(index)?))).collect()
}

/// The unit's part of `.debug_addr` (DWARF 5, 7.27), if its addresses have four bytes. `None` before DWARF 5, where no
/// header gives its size.
fn addresses<'s>(unit: UnitRef<'_, 's>, work: &Work) -> Option<&'s [[u8; 4]]> {
    let base = unit.addr_base.0;
    let section = unit.dwarf.debug_addr.reader().slice();
    let header: &[u8; 8] = section.get(base.checked_sub(8)?..base)?.first_chunk()?;
    let &[a, b, c, d, version, 0, 4, 0] = header else { return None };
    (version == 5).then_some(())?;
    let size = (u32::from_le_bytes([a, b, c, d]) as usize).checked_sub(4)?;
    let (addresses, _) = section.get(base..base.checked_add(size)?)?.as_chunks();
    work.spend(addresses.len() / 4).then_some(addresses)
}

/// The bytes that stand for a function's end in this unit.
fn end_bytes(unit: UnitRef<'_, '_>, begin: u64, end: u64, form: DwForm) -> Option<Vec<u8>> {
    let size = end.checked_sub(begin)?;
    match form {
        gimli::DW_FORM_addr => fixed(end, unit.header.address_size()),
        gimli::DW_FORM_data1 => fixed(size, 1),
        gimli::DW_FORM_data2 => fixed(size, 2),
        gimli::DW_FORM_data4 => fixed(size, 4),
        gimli::DW_FORM_data8 => fixed(size, 8),
        gimli::DW_FORM_udata => Some(leb(size)),
        _ => None,
    }
}

/// Returns true if a function's entry is at this offset: everything in it can be read, and it has a name or an origin.
fn is_function(unit: UnitRef<'_, '_>, entry: UnitOffset<usize>, work: &Work) -> bool {
    let named = || -> gimli::Result<bool> {
        let mut entries = unit.entries_raw(Some(entry))?;
        let Some(abbreviation) = entries.read_abbreviation()? else { return Ok(false) };
        let mut named = false;
        for &spec in abbreviation.attributes().iter().take_while(|_| work.spend(1)) {
            let attribute = entries.read_attribute(spec)?;
            match attribute.name() {
                gimli::DW_AT_name | gimli::DW_AT_linkage_name | gimli::DW_AT_MIPS_linkage_name => {
                    let Some(name) = attribute_text(unit, attribute.value()) else { return Ok(false) };
                    let name = name.slice();
                    let paid = work.spend(name.len() / BYTES_A_STEP);
                    if !paid || name.is_empty() || str::from_utf8(name).is_err() {
                        return Ok(false);
                    }
                    named = true;
                }
                gimli::DW_AT_specification | gimli::DW_AT_abstract_origin => {
                    if let AttributeValue::UnitRef(other) = attribute.value() {
                        let mut other = unit.entries_raw(Some(other))?;
                        let tag = other.read_abbreviation()?.map(Abbreviation::tag);
                        if tag != Some(gimli::DW_TAG_subprogram) {
                            return Ok(false);
                        }
                    }
                    named = true;
                }
                _ => {}
            }
        }
        Ok(named)
    };
    named().unwrap_or(false)
}

/// The sequence whose rows begin at an address.
pub(super) fn sequence(program: &LineProgram<'_>, begin: u64, work: &Work) -> Option<Sequence> {
    let bytes = program.bytes();
    work.spend(bytes.len() / BYTES_A_STEP).then_some(())?;
    let address = fixed(begin, program.address_size())?;
    let set_address = [&[0, 1 + program.address_size(), gimli::DW_LNE_set_address.0][..], &address].concat();
    finder(&set_address).find_iter(bytes).take(MAX_MATCHES).find_map(|at| {
        let at = beginning(program, at).filter(|_| !work.is_spent())?;
        let (mut found, mut run) = (None, bytes.len() - at);
        let outcome = program.sequences(at, |begin, end, behind| {
            (found, run) = (Some(Sequence { begin, end, at }), behind - at);
            false
        });
        let paid = work.spend(run);
        found.filter(|sequence| paid && outcome.is_ok() && sequence.begin == begin)
    })
}

/// Returns the offset at which the sequence begins that sets its address at `at`: after the end of the previous one. No
/// instruction in between may make a row.
fn beginning(program: &LineProgram<'_>, at: usize) -> Option<usize> {
    let from = at.saturating_sub(MAX_OPENING);
    let end = [0, 1, gimli::DW_LNE_end_sequence.0];
    let begin = match memmem::rfind(&program.bytes()[from..at], &end) {
        Some(ended) => from + ended + end.len(),
        None if from == 0 => 0,
        None => return None,
    };
    let mut setting = begin;
    while setting < at {
        setting = program.pass_setting(setting)?;
    }
    (setting == at).then_some(begin)
}

/// A finder for bytes in debug info, where zeros are by far the most common, and small numbers more common than large
/// ones.
fn finder(wanted: &[u8]) -> memmem::Finder<'_> {
    struct Ranks;
    impl HeuristicFrequencyRank for Ranks {
        fn rank(&self, byte: u8) -> u8 {
            u8::MAX - byte
        }
    }
    memmem::FinderBuilder::new().build_forward_with_ranker(Ranks, wanted)
}

/// A number in `size` bytes, if it fits.
fn fixed(number: u64, size: u8) -> Option<Vec<u8>> {
    let bytes = number.to_le_bytes();
    let (kept, rest) = bytes.split_at_checked(usize::from(size))?;
    rest.iter().all(|&byte| byte == 0).then(|| kept.to_vec())
}

/// A number in the shortest form of LEB128.
fn leb(number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    number.encode(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::symbols::functions::functions;
    use crate::symbols::line_program::tests::leaked;
    use crate::symbols::real::units;

    #[test]
    fn a_function_is_found_where_reading_everything_finds_it() {
        let (mut found, mut all) = (0, 0);
        units(|module, unit| {
            let work = Work::new(1 << 30);
            let read = functions(unit, &work);
            for index in 0..module.function_count() {
                let Some(extent) = CodeExtent::from_function(module, index) else { continue };
                let agreeing = read.iter().filter(|function| extent.agrees(function.begin, function.end));
                let expected: Vec<_> = agreeing.map(|it| (it.begin, it.end, it.entry)).collect();
                let sought = function(unit, &extent, &work).map(|it| (it.begin, it.end, it.entry));
                assert!(sought.is_none_or(|sought| expected.contains(&sought)), "{index}: {sought:x?} {expected:x?}");
                found += usize::from(sought.is_some());
                all += usize::from(!expected.is_empty());
            }
        });
        assert!(all > 1000 && found * 100 >= all * 99, "{found} of {all}");
    }

    #[test]
    fn a_sequence_is_found_where_reading_everything_finds_it() {
        let (mut found, mut all) = (0, 0);
        units(|_, unit| {
            let Some(program) = unit.line_program.as_ref().and_then(|lines| LineProgram::new(lines.header())) else {
                return;
            };
            let work = Work::new(1 << 30);
            // A sequence that the linker dropped has no rows.
            let rows = |at| {
                let mut rows = Vec::new();
                let outcome = program.run(at, |row, last, _| {
                    rows.push((*row, last));
                    !last
                });
                assert!(outcome.is_ok());
                rows
            };
            let (mut expected, mut at) = (Vec::new(), 0);
            let outcome = program.sequences(0, |begin, _, behind| {
                expected.push((begin, rows(at)));
                at = behind;
                true
            });
            assert!(outcome.is_ok());
            for begin in expected.iter().map(|sequence| sequence.0).collect::<HashSet<_>>() {
                let sought = sequence(&program, begin, &work).map(|it| (it.begin, rows(it.at)));
                found += usize::from(sought.is_some());
                all += usize::from(begin > 0);
                assert!(sought.is_none_or(|sought| expected.contains(&sought)), "{begin:x}");
            }
        });
        assert!(all > 1000 && found * 100 >= all * 99, "{found} of {all}");
    }

    #[test]
    fn a_sequence_begins_behind_the_end_of_another_or_not_at_all() {
        // The program: file 2; address 0x10; copy; 4 bytes further; end.
        let sequence_of = |before: &[u8]| [before, &[4, 2, 0, 5, 2, 0x10, 0, 0, 0, 1, 2, 4, 0, 1, 1]].concat();
        let seek = |program: &[u8]| {
            let found = sequence(&leaked(program), 0x10, &Work::new(1 << 20));
            found.map(|found| (found.begin, found.end, found.at))
        };
        assert_eq!(seek(&sequence_of(&[])), Some((0x10, 0x14, 0)));
        assert_eq!(seek(&sequence_of(&[0, 5, 2, 8, 0, 0, 0, 1, 0, 1, 1])), Some((0x10, 0x14, 11)));
        // After a row, or another address, the sequence began earlier, with register values that are not known.
        assert_eq!(seek(&sequence_of(&[3, 7, 1])), None);
        assert_eq!(seek(&sequence_of(&[0, 5, 2, 8, 0, 0, 0, 1])), None);
    }
}
