//! Finds the variables in scope at a code address: those of the function, of the lexical blocks around the address, and
//! of the functions inlined there (DWARF 5, 3.3 to 3.5).

#![expect(non_upper_case_globals, reason = "DWARF names its constants so")]

use std::collections::{HashMap, HashSet};

use gimli::constants::*;

use crate::catalog::units::{Die, Entry, UnitRef, Units, is_static};
use crate::limits::Steps;
use crate::symbols::{Covered, RangeLists, Ranges};

/// The number of entries of one function that are looked at.
const ENTRIES: usize = 1_000_000;

/// The kind of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VariableKind {
    /// A parameter of its function.
    Parameter,
    /// A variable of its function.
    Local,
    /// A variable of static storage: a global, or a static of a file or function.
    Static,
}

impl VariableKind {
    /// The stable name, as it appears in JSON.
    pub fn name(self) -> &'static str {
        match self {
            VariableKind::Parameter => "parameter",
            VariableKind::Local => "local",
            VariableKind::Static => "static",
        }
    }
}

/// The variables of one function that is active at the address, inlined or not.
#[derive(Debug)]
pub struct Function {
    /// The function's entry.
    pub die: Die,
    /// True if it was inlined into the next.
    pub inlined: bool,
    /// Its parameters, then its variables, outer blocks first, without those that an inner one hides.
    pub variables: Vec<(Die, VariableKind)>,
    /// Variables of outer blocks that one of the same name in an inner block hides.
    pub hidden: Vec<(Die, VariableKind)>,
    /// Variables in the lists above that another one of the same name may hide: the other's block has impossible
    /// addresses, a mistake of a tool that rewrote the code, so it is not known whether the address is in it.
    pub doubtful: HashSet<Die>,
}

impl Function {
    fn new(die: Die, inlined: bool) -> Self {
        Function { die, inlined, variables: Vec::new(), hidden: Vec::new(), doubtful: HashSet::new() }
    }
}

/// A block with impossible addresses. The address is in the block if it is in a nested block with possible addresses.
struct Unsure {
    /// The depth of the entries in it.
    depth: isize,
    /// The function that it is a block of, and how many of that function's variables were found before it.
    owner: usize,
    before: usize,
}

/// The functions active at `pc` within `function`, innermost first: the last is `function` itself. Each entry that is
/// looked at is one of the `steps`.
pub fn active(units: &Units<'_>, function: Die, pc: u64, steps: &Steps) -> Vec<Function> {
    let mut found = vec![Function::new(function, false)];
    let Some(unit) = units.unit(function.unit) else { return found };
    let Ok(mut entries) = unit.entries_raw(Some(gimli::UnitOffset(function.offset))) else { return found };
    let mut entry = Entry::null();
    let mut lists = RangeLists::default();
    let inlined = units.inlined(function, pc);
    if !matches!(entries.read_entry(&mut entry), Ok(true)) || !entry.has_children {
        return found;
    }
    // Entries deeper than this are in a block that does not contain the address.
    let mut inside = 1;
    // The blocks and functions around the current entry: the depth of the entries in each, and its addresses.
    let mut around = vec![(1, ranges(unit, &entry, &mut lists))];
    // The functions around the current entry: the depth of the entries in each, and its index in `found`.
    let mut owners = vec![(1, 0)];
    let mut unsure: Vec<Unsure> = Vec::new();
    // Variables of blocks that may contain the address, by function.
    let mut possible: HashMap<usize, Vec<Die>> = HashMap::new();
    for _ in 0..ENTRIES {
        if !steps.spend(1) {
            break;
        }
        let depth = entries.next_depth();
        if entries.is_empty() || depth <= 0 {
            break;
        }
        inside = inside.min(depth);
        while let Some(block) = unsure.pop_if(|block| block.depth > depth) {
            let inside = found[block.owner].variables.drain(block.before..);
            possible.entry(block.owner).or_default().extend(inside.map(|(die, _)| die));
        }
        while owners.pop_if(|owner| owner.0 > depth).is_some() {}
        while around.pop_if(|outer| outer.0 > depth).is_some() {}
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
        let innermost = owner + 1 == found.len();
        let mut add = |kind| found[owner].variables.push((die, kind));
        match entry.tag {
            DW_TAG_lexical_block | DW_TAG_try_block | DW_TAG_catch_block | DW_TAG_with_stmt => {
                let own = ranges(unit, &entry, &mut lists);
                let outer = around.last().map(|(_, outer)| outer);
                if own.holding(pc).is_some_and(|range| outer.is_none_or(|outer| outer.encloses(range))) {
                    inside = depth + 1;
                    around.push((inside, own));
                    unsure.clear();
                } else if outer.is_some_and(|outer| !lists.lie_within(&own, outer)) {
                    inside = depth + 1;
                    unsure.push(Unsure { depth: inside, owner, before: found[owner].variables.len() });
                }
            }
            // Only the inlined calls that backtraces show are entered: a tool that rewrote the code may have made
            // ranges overlap.
            DW_TAG_inlined_subroutine if innermost && inlined.contains(&entry.offset) => {
                inside = depth + 1;
                owners.push((inside, found.len()));
                around.push((inside, ranges(unit, &entry, &mut lists)));
                found.push(Function::new(die, true));
                unsure.clear();
            }
            DW_TAG_formal_parameter => add(VariableKind::Parameter),
            DW_TAG_variable if is_static(&entry) => add(VariableKind::Static),
            DW_TAG_variable => add(VariableKind::Local),
            _ => {}
        }
    }
    for block in unsure.into_iter().rev() {
        let inside = found[block.owner].variables.drain(block.before..);
        possible.entry(block.owner).or_default().extend(inside.map(|(die, _)| die));
    }
    for (owner, function) in found.iter_mut().enumerate() {
        function.hidden = take_hidden(units, &mut function.variables);
        if let Some(possible) = possible.get(&owner) {
            let names: HashSet<_> = possible.iter().filter_map(|die| units.name(*die)).collect();
            let shown = function.variables.iter().map(|(die, _)| *die);
            function.doubtful = shown.filter(|die| units.name(*die).is_some_and(|name| names.contains(name))).collect();
        }
    }
    found.reverse();
    found
}

/// The addresses of an entry.
fn ranges<'s>(unit: UnitRef<'_, 's>, entry: &Entry<'s>, lists: &mut RangeLists) -> Covered {
    let mut ranges = Ranges::default();
    for attribute in entry.attrs() {
        ranges.note(attribute.name(), attribute.value());
    }
    lists.covered(ranges, unit, || true)
}

/// Removes the variables that another of the same name hides from the list, and returns them. The last one of a name,
/// from the innermost block, stays.
fn take_hidden(units: &Units<'_>, variables: &mut Vec<(Die, VariableKind)>) -> Vec<(Die, VariableKind)> {
    let mut seen = HashSet::new();
    let visible =
        |(die, _): &(Die, VariableKind)| units.name(*die).is_none_or(|name| name.is_empty() || seen.insert(name));
    let (mut kept, hidden): (Vec<_>, Vec<_>) = variables.drain(..).rev().partition(visible);
    kept.reverse();
    kept.sort_by_key(|(_, kind)| *kind != VariableKind::Parameter);
    *variables = kept;
    hidden
}

impl Function {
    /// Returns true if it is one of its parameters that no variable hides.
    pub fn has_parameter(&self, die: Die) -> bool {
        let end = self.variables.partition_point(|(_, kind)| *kind == VariableKind::Parameter);
        // They stand in the order in which they were read.
        self.variables[..end].binary_search_by_key(&die.offset, |(own, _)| own.offset).is_ok()
            && die.unit == self.die.unit
    }

    /// All of its variables, each with whether it is hidden: parameters first, then variables, outer blocks first.
    pub fn all(&self) -> Vec<(Die, VariableKind, bool)> {
        let visible = self.variables.iter().map(|&(die, kind)| (die, kind, false));
        let mut all: Vec<_> = visible.chain(self.hidden.iter().map(|&(die, kind)| (die, kind, true))).collect();
        all.sort_by_key(|(die, kind, _)| (*kind != VariableKind::Parameter, die.offset));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbols::written::WrittenValue::{Address, Expression, Number, Text, To};
    use crate::symbols::written::{Written, base, debug, entry};

    fn variable(tag: gimli::DwTag, name: &'static str) -> Written {
        let place = Expression(vec![DW_OP_fbreg.0, 4]);
        entry(tag, "", [(DW_AT_name, Text(name)), (DW_AT_type, To("int")), (DW_AT_location, place)], vec![])
    }

    fn local(name: &'static str) -> Written {
        variable(DW_TAG_variable, name)
    }

    fn parameter(name: &'static str) -> Written {
        variable(DW_TAG_formal_parameter, name)
    }

    /// An entry that covers the addresses from `low` up to `low + size`.
    fn block(tag: gimli::DwTag, low: u32, size: u64, children: Vec<Written>) -> Written {
        let label = if tag == DW_TAG_subprogram && low == 10 { "function" } else { "" };
        entry(tag, label, [(DW_AT_low_pc, Address(low)), (DW_AT_high_pc, Number(size))], children)
    }

    /// The units of a function, and its entry.
    fn read(function: &Written) -> (Units<'static>, Die) {
        let (debug, labels) = debug(4, vec![base("int", DW_ATE_signed, 4), function.clone()]);
        (Units::from_debug(debug), Die { unit: 0, offset: labels["function"] })
    }

    /// The functions active at an address: whether each is inlined, and the names of its variables.
    fn visible(function: &Written, pc: u64) -> Vec<(bool, Vec<String>)> {
        let (units, die) = read(function);
        let name = |die| String::from_utf8_lossy(units.name(die).unwrap_or_default()).into_owned();
        let active = active(&units, die, pc, &Steps::new(10_000)).into_iter();
        active.map(|one| (one.inlined, one.variables.iter().map(|(die, _)| name(*die)).collect())).collect()
    }

    #[test]
    fn inlining_has_an_end() {
        let nested = (0..1100).fold(local("deepest"), |inner, _| block(DW_TAG_inlined_subroutine, 20, 10, vec![inner]));
        let function = block(DW_TAG_subprogram, 10, 90, vec![local("own"), nested]);
        let visible = visible(&function, 25);
        assert_eq!(visible, [(false, vec!["own".to_owned()])], "as in backtraces, which give up");
    }

    #[test]
    fn a_block_has_its_variables_only_where_it_is() {
        let inner = block(DW_TAG_lexical_block, 20, 10, vec![local("inner")]);
        let other = block(DW_TAG_lexical_block, 30, 10, vec![local("other")]);
        let function = block(DW_TAG_subprogram, 10, 90, vec![local("outer"), inner, other, local("last")]);
        assert_eq!(visible(&function, 15), [(false, vec!["outer".into(), "last".into()])]);
        assert_eq!(visible(&function, 29), [(false, vec!["outer".into(), "inner".into(), "last".into()])]);
        assert_eq!(visible(&function, 30), [(false, vec!["outer".into(), "other".into(), "last".into()])]);
    }

    #[test]
    fn a_block_with_an_impossible_end_holds_the_address_if_a_block_in_it_does() {
        // Binaryen 108 writes such an outer block, which ends beyond its function.
        let inner = || block(DW_TAG_lexical_block, 30, 10, vec![local("y")]);
        let broken = block(DW_TAG_lexical_block, 20, 0xffff_fff0, vec![local("x"), inner(), local("z")]);
        let function = block(DW_TAG_subprogram, 10, 90, vec![local("x"), local("y"), broken, local("w")]);
        let doubtful = |pc| {
            let (units, die) = read(&function);
            let found = active(&units, die, pc, &Steps::new(10_000)).remove(0);
            let names = found.doubtful.iter().map(|die| units.name(*die).unwrap_or_default().to_vec());
            names.collect::<Vec<_>>()
        };
        let names = |names: &[&str]| vec![(false, names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())];
        assert_eq!(visible(&function, 35), names(&["x", "y", "z", "w"]), "the inner `x` and `y`");
        assert_eq!(doubtful(35), Vec::<Vec<u8>>::new());
        // It is not known whether the address is in the broken block; it is not in the other one.
        for pc in [15, 25, 50] {
            assert_eq!(visible(&function, pc), names(&["x", "y", "w"]), "{pc}");
            assert_eq!(doubtful(pc), [b"x".to_vec()], "{pc}");
        }
    }

    #[test]
    fn of_one_name_the_innermost_is_seen_and_parameters_come_first() {
        let inner = block(DW_TAG_lexical_block, 20, 10, vec![local("x")]);
        let function = block(DW_TAG_subprogram, 10, 90, vec![local("x"), parameter("p"), inner]);
        let (units, die) = read(&function);
        let seen = |pc| {
            active(&units, die, pc, &Steps::new(10_000))[0]
                .variables
                .iter()
                .map(|(die, _)| die.offset)
                .collect::<Vec<_>>()
        };
        let (outside, inside) = (seen(15), seen(25));
        assert_eq!((outside.len(), inside.len()), (2, 2), "one `x` and one `p`");
        assert_eq!(outside[0], inside[0], "the parameter");
        assert!(inside[1] > outside[1], "the block's stands after the function's");
        assert_eq!(visible(&function, 25), [(false, vec!["p".into(), "x".into()])]);
    }

    #[test]
    fn a_function_that_was_inlined_has_its_own_variables_and_comes_before_its_caller() {
        let deep = block(DW_TAG_inlined_subroutine, 22, 2, vec![parameter("k"), local("x")]);
        let inlined = block(DW_TAG_inlined_subroutine, 20, 10, vec![local("x"), deep, local("y")]);
        let function = block(DW_TAG_subprogram, 10, 90, vec![parameter("p"), inlined, local("x")]);
        let caller = (false, vec!["p".to_owned(), "x".to_owned()]);
        let middle = (true, vec!["x".to_owned(), "y".to_owned()]);
        assert_eq!(visible(&function, 15), std::slice::from_ref(&caller));
        assert_eq!(visible(&function, 20), [middle.clone(), caller.clone()]);
        assert_eq!(visible(&function, 23), [(true, vec!["k".into(), "x".into()]), middle, caller]);
    }

    #[test]
    fn of_calls_that_overlap_the_first_is_the_one_that_backtraces_show() {
        let first = block(DW_TAG_inlined_subroutine, 20, 10, vec![local("x")]);
        let second = block(DW_TAG_inlined_subroutine, 25, 10, vec![local("y")]);
        let function = block(DW_TAG_subprogram, 10, 90, vec![first, second]);
        assert_eq!(visible(&function, 27), [(true, vec!["x".into()]), (false, vec![])]);
        assert_eq!(visible(&function, 32), [(true, vec!["y".into()]), (false, vec![])]);
    }

    #[test]
    fn a_function_within_a_function_shows_nothing_of_itself() {
        let method = block(DW_TAG_subprogram, 200, 10, vec![local("other")]);
        let class = entry(DW_TAG_class_type, "class", [(DW_AT_name, Text("Local"))], vec![method]);
        let function = block(DW_TAG_subprogram, 10, 90, vec![local("own"), class]);
        assert_eq!(visible(&function, 15), [(false, vec!["own".into()])]);
    }
}
