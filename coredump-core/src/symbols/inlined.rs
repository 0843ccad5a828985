//! Finds the calls that were inlined at an address.
//!
//! The range of a call lies inside that of the function or call into which it was inlined (DWARF 5, 3.3.8). Tools that
//! rewrite code violate this: where Binaryen has lost the end of a call, it writes 0x100000000, so that the rest of the
//! function would be in the call. Such a call is accepted only on other evidence: a sound call inside of it, or the
//! line at the address.

use gimli::{Abbreviation, AttributeValue, UnitOffset};

use super::functions::read;
use super::ranges::{Covered, RangeLists, Ranges};
use super::walk::Walk;
use super::work::Work;
use super::{Slice, UnitRef};

/// The most inlined calls at one address.
const MAX_INLINED: usize = 1024;
/// The number of entries that are followed from a call to the declaration of its function.
const MAX_HOPS: usize = 16;

/// A call that was inlined.
#[derive(Clone, Copy, Debug)]
pub(super) struct InlinedCall {
    /// Its `DW_TAG_inlined_subroutine`.
    pub entry: UnitOffset<usize>,
    pub call_file: Option<u64>,
    pub call_line: Option<u32>,
    pub call_column: Option<u32>,
}

/// The calls inlined at an address.
#[derive(Debug, Default)]
pub(super) struct Inlined {
    /// Outermost first.
    pub calls: Vec<InlinedCall>,
    /// Chains of calls, each of which may be nested in the innermost of `calls`: their ranges cover the address, but
    /// exceed those of the calls that they are in.
    pub doubtful: Vec<Vec<InlinedCall>>,
}

/// A call that covers the address.
struct Candidate {
    call: InlinedCall,
    /// Index of the enclosing call among the candidates.
    parent: Option<usize>,
    /// The number of candidates in which it is nested.
    level: usize,
    /// The beginning of its range that covers the address.
    begin: u64,
    /// True if that range lies within one of the parent's.
    fits: bool,
    /// True if it and all calls around it fit.
    certain: bool,
}

/// A call that encloses the current entry of the walk.
struct EnclosingCall {
    depth: isize,
    candidate: usize,
    ranges: Covered,
}

/// The calls inlined at `pc` in the function at `entry`. `None` if they are not known, so that the line at `pc` cannot
/// be assigned to a function.
pub(super) fn inlined_at(unit: UnitRef<'_, '_>, entry: UnitOffset<usize>, pc: u64, work: &Work) -> Option<Inlined> {
    let mut candidates = Vec::new();
    collect(unit, entry, pc, &mut candidates, work).ok()?;
    (!work.is_spent() && candidates.len() < MAX_INLINED).then(|| choose(&candidates))
}

fn collect(
    unit: UnitRef<'_, '_>,
    entry: UnitOffset<usize>,
    pc: u64,
    candidates: &mut Vec<Candidate>,
    work: &Work,
) -> gimli::Result<()> {
    let calls = |abbreviation: &Abbreviation| {
        matches!(abbreviation.tag(), gimli::DW_TAG_subprogram | gimli::DW_TAG_inlined_subroutine)
    };
    let mut own = Ranges::default();
    read(unit, entry, |attribute| own.note(attribute.name(), attribute.value()))?;
    let mut lists = RangeLists::default();
    let own = lists.covered(own, unit, || work.spend(1));
    let mut walk = Walk::entry(unit, entry, calls)?;
    // The enclosing calls that cover the address: deeper inlined calls can only be in the last of them.
    let mut open: Vec<EnclosingCall> = Vec::new();
    let mut skipped: Option<isize> = None;
    while !work.is_spent()
        && let Some(met) = walk.next()
    {
        work.spend(walk.take_passed());
        if met.depth == 0 {
            continue;
        }
        while let Some(ended) = open.pop_if(|open| met.lowest <= open.depth) {
            // Two sibling calls that fit cannot both cover the address.
            if candidates[ended.candidate].certain {
                return Ok(());
            }
        }
        if skipped.is_some_and(|outer| met.lowest > outer) {
            continue;
        }
        skipped = Some(met.depth);
        // A function nested in a function, as in a local class, has code of its own.
        if met.abbreviation.tag() == gimli::DW_TAG_subprogram {
            continue;
        }
        let mut ranges = Ranges::default();
        let mut call = InlinedCall { entry: met.offset, call_file: None, call_line: None, call_column: None };
        read(unit, met.offset, |attribute| match attribute.name() {
            gimli::DW_AT_call_file => {
                call.call_file = match attribute.value() {
                    AttributeValue::FileIndex(file) => Some(file),
                    value => value.udata_value(),
                }
            }
            gimli::DW_AT_call_line => call.call_line = small(attribute),
            gimli::DW_AT_call_column => call.call_column = small(attribute),
            name => ranges.note(name, attribute.value()),
        })?;
        let ranges = lists.covered(ranges, unit, || work.spend(1));
        let Some((begin, end)) = ranges.holding(pc) else { continue };
        if candidates.len() == MAX_INLINED {
            continue;
        }
        skipped = None;
        let parent = open.last().map(|open| open.candidate);
        let outer = open.last().map_or(&own, |open| &open.ranges);
        let fits = outer.encloses((begin, end));
        let certain = fits && parent.is_none_or(|parent| candidates[parent].certain);
        open.push(EnclosingCall { depth: met.depth, candidate: candidates.len(), ranges });
        candidates.push(Candidate { call, parent, level: open.len(), begin, fits, certain });
    }
    work.spend(walk.take_passed());
    Ok(())
}

/// Chooses the innermost call that fits, with those around it, and the doubtful calls that may be in it. Of several,
/// the one that begins last is chosen.
fn choose(candidates: &[Candidate]) -> Inlined {
    let fitting = candidates.iter().enumerate().filter(|(_, candidate)| candidate.fits);
    let innermost = fitting.max_by_key(|(_, candidate)| (candidate.certain, candidate.begin, candidate.level));
    let innermost = innermost.map(|(index, _)| index);
    let path = |from: Option<usize>, to: Option<usize>| {
        let up = std::iter::successors(from, |&index| candidates[index].parent);
        let mut path: Vec<_> = up.take_while(|&index| Some(index) != to).map(|index| candidates[index].call).collect();
        path.reverse();
        path
    };
    // Outer calls come before those nested in them.
    let mut extends = vec![false; candidates.len()];
    let mut doubtful = Vec::new();
    for (index, candidate) in candidates.iter().enumerate() {
        let follows = candidate.parent == innermost || candidate.parent.is_some_and(|parent| extends[parent]);
        extends[index] = !candidate.fits && follows;
        if extends[index] {
            doubtful.push(path(Some(index), innermost));
        }
    }
    Inlined { calls: path(innermost, None), doubtful }
}

/// The entry and its chain of origins in the same unit, all of which mean the same function.
pub(super) fn origins(unit: UnitRef<'_, '_>, entry: UnitOffset<usize>) -> Vec<UnitOffset<usize>> {
    let mut origins = vec![entry];
    let mut next = Some(entry);
    while let Some(entry) = next.take().filter(|_| origins.len() < MAX_HOPS) {
        let _ = read(unit, entry, |attribute| {
            if let (gimli::DW_AT_abstract_origin | gimli::DW_AT_specification, AttributeValue::UnitRef(other)) =
                (attribute.name(), attribute.value())
            {
                next = Some(other);
            }
        });
        origins.extend(next);
    }
    origins
}

/// The functions that are declared last before a line of a file: if the line is in a function, it is one of these.
/// `is_file` returns true if a file number means the file.
pub(super) fn declared_before(
    unit: UnitRef<'_, '_>,
    is_file: impl Fn(u64) -> bool,
    line: u32,
    work: &Work,
) -> Option<Vec<UnitOffset<usize>>> {
    let declared = |abbreviation: &Abbreviation| {
        let lines = |spec: &gimli::AttributeSpecification| spec.name() == gimli::DW_AT_decl_line;
        abbreviation.tag() == gimli::DW_TAG_subprogram && abbreviation.attributes().iter().any(lines)
    };
    let mut walk = Walk::unit(unit, declared).ok()?;
    let (mut last, mut found) = (0, Vec::new());
    while !work.is_spent()
        && let Some(met) = walk.next()
    {
        work.spend(walk.take_passed() + 1);
        let (mut file, mut at) = (None, None);
        let outcome = read(unit, met.offset, |attribute| match (attribute.name(), attribute.value()) {
            (gimli::DW_AT_decl_file, AttributeValue::FileIndex(index)) => file = Some(index),
            (gimli::DW_AT_decl_file, value) => file = value.udata_value(),
            (gimli::DW_AT_decl_line, _) => at = small(attribute),
            _ => {}
        });
        outcome.ok()?;
        let Some(at) = at.filter(|&at| last <= at && at <= line && file.is_some_and(&is_file)) else { continue };
        if at > last {
            found.clear();
        }
        last = at;
        found.push(met.offset);
    }
    (!work.is_spent()).then_some(found)
}

/// A line or column; `None` for 0, which stands for none.
fn small(attribute: &gimli::Attribute<Slice<'_>>) -> Option<u32> {
    attribute.udata_value().and_then(|value| u32::try_from(value).ok()).filter(|&value| value != 0)
}
