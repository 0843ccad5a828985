//! Which variables are in scope at a code address: those of the function, of the blocks that hold the address, and of
//! the functions inlined there (DWARF 5, 3.3 to 3.5).

use gimli::AttributeValue;
use gimli::constants::*;

use super::VariableKind;
use super::units::{Die, Entry, UnitRef, Units, is_static};

/// Entries of one function that are looked at.
const ENTRIES: usize = 1_000_000;

/// The variables of one function that is active at the address, inlined or not.
#[derive(Debug)]
pub struct Function {
    /// The function's entry.
    pub die: Die,
    /// It was inlined into the next.
    pub inlined: bool,
    /// Its parameters, then its variables, outer blocks first; what an inner one hides is left out.
    pub variables: Vec<(Die, VariableKind)>,
}

/// The functions active at `pc` within `function`, innermost first: the last is `function` itself.
pub fn active(units: &Units<'_>, function: Die, pc: u64) -> Vec<Function> {
    let mut found = vec![Function { die: function, inlined: false, variables: Vec::new() }];
    let Some(unit) = units.unit(function.unit) else { return found };
    let Ok(mut entries) = unit.entries_raw(Some(gimli::UnitOffset(function.offset))) else { return found };
    let mut entry = Entry::null();
    if !matches!(entries.read_entry(&mut entry), Ok(true)) || !entry.has_children {
        return found;
    }
    // Entries deeper than this stand in a block that does not hold the address.
    let mut inside = 1;
    // The functions around the current entry: the depth of their own entries' children, and their place in `found`.
    let mut owners = vec![(1, 0)];
    for _ in 0..ENTRIES {
        let depth = entries.next_depth();
        if entries.is_empty() || depth <= 0 {
            break;
        }
        inside = inside.min(depth);
        owners.retain(|owner| owner.0 <= depth);
        match entries.read_entry(&mut entry) {
            Ok(true) => {}
            Ok(false) => continue,
            Err(_) => break,
        }
        if depth > inside {
            continue;
        }
        let die = Die { unit: function.unit, offset: entry.offset.0 };
        let owner = owners.last().map_or(0, |owner| owner.1);
        let mut add = |kind| found[owner].variables.push((die, kind));
        match entry.tag {
            DW_TAG_lexical_block | DW_TAG_try_block | DW_TAG_catch_block | DW_TAG_with_stmt
                if holds(unit, &entry, pc) =>
            {
                inside = depth + 1;
            }
            DW_TAG_inlined_subroutine if holds(unit, &entry, pc) => {
                inside = depth + 1;
                owners.push((inside, found.len()));
                found.push(Function { die, inlined: true, variables: Vec::new() });
            }
            DW_TAG_formal_parameter => add(VariableKind::Parameter),
            DW_TAG_variable if is_static(&entry) => add(VariableKind::Static),
            DW_TAG_variable => add(VariableKind::Local),
            _ => {}
        }
    }
    for function in &mut found {
        keep_innermost(units, &mut function.variables);
    }
    found.reverse();
    found
}

fn holds<'s>(unit: UnitRef<'_, 's>, entry: &Entry<'s>, pc: u64) -> bool {
    // gimli adds up beginning and size unchecked.
    if let Some(AttributeValue::Udata(size)) = entry.attr_value(DW_AT_high_pc)
        && let Some(Ok(Some(begin))) = entry.attr_value(DW_AT_low_pc).map(|low| unit.attr_address(low))
        && begin.checked_add(size).is_none()
    {
        return false;
    }
    let Ok(mut ranges) = unit.die_ranges(entry) else { return false };
    while let Ok(Some(range)) = ranges.next() {
        if (range.begin..range.end).contains(&pc) {
            return true;
        }
    }
    false
}

/// Of variables that share a name, leaves the last: the one of the innermost block.
fn keep_innermost(units: &Units<'_>, variables: &mut Vec<(Die, VariableKind)>) {
    let mut seen = std::collections::HashSet::new();
    let mut kept: Vec<_> = variables
        .drain(..)
        .rev()
        .filter(|(die, _)| units.name(*die).is_none_or(|name| name.is_empty() || seen.insert(name)))
        .collect();
    kept.reverse();
    kept.sort_by_key(|(_, kind)| *kind != VariableKind::Parameter);
    *variables = kept;
}
