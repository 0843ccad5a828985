//! Walks the entries of a unit and yields only those that are wanted.
//!
//! A unit has dozens of entries for each one that is wanted. The size of an abbreviation's entries (DWARF 5, 7.5.3 and
//! 7.5.6) is worked out once, so that unwanted entries are skipped in a few instructions, without decoding attributes.

use gimli::{Abbreviation, UnitOffset};

use super::UnitRef;
use super::leb128::leb;
use super::step::{AttributeStep, Quick, pass};

/// The number of abbreviation codes that have their shape kept. Compilers number abbreviations from 1; greater codes
/// are looked up each time.
const MAX_KEPT: usize = 1 << 14;

/// The number of codes that take one byte, as nearly all do.
const SHORT_CODES: usize = 0x80;

/// A walk over entries. `wanted` is called once for each abbreviation.
pub struct Walk<'u, 's, W> {
    unit: UnitRef<'u, 's>,
    wanted: W,
    bytes: &'s [u8],
    /// Offset of `bytes` in the unit.
    base: usize,
    at: usize,
    depth: isize,
    /// The walk ends after the last entry deeper than this.
    floor: isize,
    quick: [Quick; SHORT_CODES],
    shapes: Vec<Option<SkipPlan>>,
    steps: Vec<AttributeStep>,
    passed: usize,
    lowest: isize,
}

/// An entry that is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Met<'u> {
    /// Its offset in the unit.
    pub offset: UnitOffset<usize>,
    /// The number of levels that it lies below the entry at which the walk began.
    pub depth: isize,
    /// The least depth of all entries since the previous wanted one, this one included: every enclosing entry at that
    /// depth or deeper has ended.
    pub lowest: isize,
    /// Its tag and its attributes.
    pub abbreviation: &'u Abbreviation,
}

/// A plan for skipping an entry: a number of bytes, then step by step.
#[derive(Clone, Copy, Debug)]
struct SkipPlan {
    wanted: bool,
    children: bool,
    /// True if it has an attribute whose form is in the entries (`DW_FORM_indirect`).
    opaque: bool,
    fixed: u32,
    /// The indices of its first step and of the step after its last.
    steps: (u32, u32),
}

impl<'u, 's, W: FnMut(&Abbreviation) -> bool> Walk<'u, 's, W> {
    /// A walk over the whole unit.
    pub fn unit(unit: UnitRef<'u, 's>, wanted: W) -> gimli::Result<Self> {
        Walk::new(unit, unit.header.root_offset(), isize::MIN, wanted)
    }

    /// A walk over the entry at `entry` and those in it.
    pub fn entry(unit: UnitRef<'u, 's>, entry: UnitOffset<usize>, wanted: W) -> gimli::Result<Self> {
        Walk::new(unit, entry, 0, wanted)
    }

    fn new(unit: UnitRef<'u, 's>, from: UnitOffset<usize>, floor: isize, wanted: W) -> gimli::Result<Self> {
        let bytes = unit.header.range_from(from..)?.slice();
        let (shapes, steps) = (Vec::new(), Vec::new());
        let mut quick = [Quick::NONE; SHORT_CODES];
        quick[0] = Quick::END;
        Ok(Walk {
            unit,
            wanted,
            bytes,
            base: from.0,
            at: 0,
            depth: 0,
            floor,
            quick,
            shapes,
            steps,
            passed: 0,
            lowest: isize::MAX,
        })
    }

    /// The number of entries that the walk passed since the last call.
    pub fn take_passed(&mut self) -> usize {
        std::mem::take(&mut self.passed)
    }

    fn steps_of(&self, shape: SkipPlan) -> &[AttributeStep] {
        &self.steps[shape.steps.0 as usize..shape.steps.1 as usize]
    }

    #[cold]
    fn new_shape(&mut self, code: u64) -> Option<SkipPlan> {
        let abbreviation = self.unit.abbreviations.get(code)?;
        let first = self.steps.len();
        let mut steps = std::mem::take(&mut self.steps);
        let opaque = !self.read_steps(abbreviation, &mut steps);
        self.steps = steps;
        let fixed = match self.steps.get(first) {
            Some(AttributeStep::Bytes(bytes)) => *bytes,
            _ => 0,
        };
        let after = first + usize::from(fixed > 0);
        let shape = SkipPlan {
            wanted: (self.wanted)(abbreviation),
            children: abbreviation.has_children(),
            opaque,
            fixed: u32::try_from(fixed).ok()?,
            steps: (after as u32, self.steps.len() as u32),
        };
        let code = code as usize;
        if let Some(entry) = self.quick.get_mut(code)
            && !(shape.wanted || shape.opaque)
            && let Some(quick) = Quick::new(fixed, &self.steps[after..], shape.children)
        {
            *entry = quick;
        }
        if code < MAX_KEPT {
            if self.shapes.len() <= code {
                self.shapes.resize(code + 1, None);
            }
            self.shapes[code] = Some(shape);
        }
        Some(shape)
    }

    /// Works out how to skip entries of an abbreviation; `false` if only the entries themselves show it.
    fn read_steps(&self, abbreviation: &Abbreviation, steps: &mut Vec<AttributeStep>) -> bool {
        let first = steps.len();
        for attribute in abbreviation.attributes() {
            let step = match attribute.size(&self.unit.header) {
                Some(size) => AttributeStep::Bytes(size),
                None => match attribute.form() {
                    gimli::DW_FORM_block1 => AttributeStep::Block(1),
                    gimli::DW_FORM_block2 => AttributeStep::Block(2),
                    gimli::DW_FORM_block4 => AttributeStep::Block(4),
                    gimli::DW_FORM_block | gimli::DW_FORM_exprloc => AttributeStep::LebBlock,
                    gimli::DW_FORM_string => AttributeStep::Text,
                    gimli::DW_FORM_udata
                    | gimli::DW_FORM_sdata
                    | gimli::DW_FORM_ref_udata
                    | gimli::DW_FORM_strx
                    | gimli::DW_FORM_GNU_str_index
                    | gimli::DW_FORM_addrx
                    | gimli::DW_FORM_GNU_addr_index
                    | gimli::DW_FORM_loclistx
                    | gimli::DW_FORM_rnglistx => AttributeStep::Leb,
                    _ => return false,
                },
            };
            match (steps[first..].last_mut(), step) {
                (Some(AttributeStep::Bytes(before)), AttributeStep::Bytes(size)) => *before += size,
                _ => steps.push(step),
            }
        }
        true
    }

    #[cold]
    fn pass_opaque(&self, start: usize) -> Option<usize> {
        let mut entries = self.unit.entries_raw(Some(UnitOffset(self.base + start))).ok()?;
        let abbreviation = entries.read_abbreviation().ok()??;
        entries.skip_attributes(abbreviation.attributes()).ok()?;
        Some(entries.next_offset().0 - self.base)
    }
}

/// Yields the wanted entries in order. At damage the walk ends.
impl<'u, W: FnMut(&Abbreviation) -> bool> Iterator for Walk<'u, '_, W> {
    type Item = Met<'u>;

    fn next(&mut self) -> Option<Met<'u>> {
        let bytes = self.bytes;
        // Locals stay in registers: this is the innermost loop of every lookup.
        let (mut at, mut depth, mut lowest, mut passed) = (self.at, self.depth, self.lowest, 0);
        loop {
            let start = at;
            lowest = lowest.min(depth);
            if let Some(&code) = bytes.get(at)
                && let Some(quick) = self.quick.get(usize::from(code))
                && quick.size > 0
            {
                passed += 1;
                let Some(behind) = quick.pass(bytes, at) else { break };
                at = behind;
                depth += isize::from(quick.deeper);
                if depth <= self.floor {
                    break;
                }
                continue;
            }
            let Ok(code) = leb(bytes, &mut at) else { break };
            passed += 1;
            let kept = self.shapes.get(code as usize).copied().flatten();
            let Some(shape) = kept.or_else(|| self.new_shape(code)) else { break };
            let behind = match shape.opaque {
                false => pass(bytes, at + shape.fixed as usize, self.steps_of(shape)),
                true => self.pass_opaque(start),
            };
            let Some(behind) = behind.filter(|&behind| behind <= bytes.len()) else { break };
            at = behind;
            let here = depth;
            depth += isize::from(shape.children);
            if depth <= self.floor {
                at = bytes.len();
            }
            if shape.wanted {
                (self.at, self.depth, self.lowest) = (at, depth, isize::MAX);
                self.passed += passed;
                let abbreviation = self.unit.abbreviations.get(code)?;
                return Some(Met { offset: UnitOffset(self.base + start), depth: here, lowest, abbreviation });
            }
        }
        self.at = bytes.len();
        self.passed += passed;
        None
    }
}

#[cfg(test)]
mod tests {
    use gimli::{DwTag, UnitOffset};

    use super::*;
    use crate::symbols::real::units;

    /// Offset, depth and tag of all entries of a unit from `from` on, as gimli's own reader finds them.
    fn entries(unit: UnitRef<'_, '_>) -> Vec<(usize, isize, DwTag)> {
        let mut found = Vec::new();
        let mut entries = unit.entries_raw(None).unwrap();
        while !entries.is_empty() {
            let (offset, depth) = (entries.next_offset().0, entries.next_depth());
            if let Some(abbreviation) = entries.read_abbreviation().unwrap() {
                found.push((offset, depth, abbreviation.tag()));
                entries.skip_attributes(abbreviation.attributes()).unwrap();
            }
        }
        found
    }

    #[test]
    fn every_wanted_entry_is_met_where_it_is() {
        let mut count = 0;
        units(|_, unit| {
            for wanted in [gimli::DW_TAG_subprogram, gimli::DW_TAG_inlined_subroutine, gimli::DW_TAG_variable] {
                let expected: Vec<_> = entries(unit).into_iter().filter(|entry| entry.2 == wanted).collect();
                let walk = Walk::unit(unit, |abbreviation| abbreviation.tag() == wanted).unwrap();
                let met: Vec<_> = walk.map(|met| (met.offset.0, met.depth, met.abbreviation.tag())).collect();
                assert_eq!(met, expected);
                count += met.len();
            }
        });
        assert!(count > 1000, "{count}");
    }

    #[test]
    fn a_walk_from_an_entry_ends_with_it_and_tells_what_ended_on_the_way() {
        units(|_, unit| {
            let all = entries(unit);
            for (index, &(offset, depth, tag)) in all.iter().enumerate() {
                if tag != gimli::DW_TAG_subprogram {
                    continue;
                }
                let inside = all[index + 1..].iter().take_while(|entry| entry.1 > depth).count();
                let inside = &all[index..=index + inside];
                let calls = |tag| tag == gimli::DW_TAG_inlined_subroutine;
                let mut expected = Vec::new();
                let mut lowest = isize::MAX;
                for &(offset, at, tag) in inside {
                    lowest = lowest.min(at - depth);
                    if calls(tag) {
                        expected.push((offset, at - depth, std::mem::replace(&mut lowest, isize::MAX)));
                    }
                }
                let mut walk = Walk::entry(unit, UnitOffset(offset), |abbreviation| calls(abbreviation.tag())).unwrap();
                let met: Vec<_> = walk.by_ref().map(|met| (met.offset.0, met.depth, met.lowest)).collect();
                assert_eq!(met, expected);
                assert!(walk.take_passed() >= inside.len());
            }
        });
    }
}
