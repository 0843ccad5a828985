//! Descriptions that end with the block of code that they are in.
//!
//! LLVM's descriptions for Wasm hold at most up to the end of a block (`DbgEntityHistoryCalculator.cpp`; for Wasm no
//! pass carries them on). An assignment of a value that nothing keeps leaves no trace in the debug information, so a
//! description that ended need not be true of the code after it. It says what the variable was shortly before, if it
//! held on all paths to the frame's instruction, none of them in a circle, and if they pass no line of the source that
//! has no code there. A dead assignment is such a line, unless it shares its line with other code.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use gimli::Operation;

use super::forms::{DescriptionForm, form, locals};
use super::frame::FrameContext;
use super::lists::{Given, List, Listed};
use super::operation::parse;
use super::trust::Trust;
use crate::catalog::units::{Attr, Bytes, Die, UnitRef};
use crate::module::constant_bits;
use crate::scope;
use crate::symbols::LineRow;
use crate::unwind::constant_at;
use crate::unwind::paths::Between;

/// Instructions between the end of a description and the frame's.
const BETWEEN: usize = 1_000;

/// Rows of the line table for them.
const ROWS: usize = 50;

/// Entries of a list.
pub(super) const ENTRIES: usize = 200;

impl<'s> FrameContext<'_, 's> {
    /// Returns the description of a list that held last on all paths to the frame's instruction, if no statement
    /// without code can be between. It is only asked for where none holds.
    pub(super) fn ended(&self, die: Die, unit: UnitRef<'_, 's>, value: Attr<'s>) -> Given<'s> {
        let list = self.lists.list(unit, value).ok().filter(|list| list.all.len() <= ENTRIES)?;
        let (owner, function) = self.owner(die)?;
        if let Some(known) = list.ended.borrow().get(&owner) {
            return known.clone();
        }
        let ended = self.ended_in(function, unit, &list).or_else(|| self.owned(function, unit, (value, &list)));
        list.ended.borrow_mut().insert(owner, ended.clone());
        ended
    }

    /// As [`FrameContext::ended`], for the variables of one of the active functions.
    fn ended_in(&self, owner: &scope::Function, unit: UnitRef<'_, 's>, list: &List<'s>) -> Given<'s> {
        let all = &list.all;
        let code = self.binary.module().code_section_start()?;
        let at = |offset: u64| {
            let pc = offset.checked_sub(code)?;
            all.iter().rposition(|(range, _)| range.contains(&pc))
        };
        let between = self.paths()?.back(self.pc.checked_add(code)?, BETWEEN, |offset| at(offset).is_some())?;
        let last: Vec<(usize, u64)> =
            between.stops.iter().map(|&(offset, _)| Some((at(offset)?, offset))).collect::<Option<_>>()?;
        let given =
            |entry: usize| !self.is_never_given(unit, &all[..=entry], &self.since(&all[..=entry], unit.encoding()));
        let branches = between.stops.iter().all(|(_, jumps)| *jumps);
        if !branches || !last.iter().all(|&(entry, _)| given(entry)) || !self.has_no_gap(owner, &between, code) {
            return None;
        }
        let expression = all[last.first()?.0].1;
        if last.iter().all(|&(entry, _)| all[entry].1.slice() == expression.slice()) {
            // LLVM puts descriptions of constants in the order of the source, not of the code.
            let constant = matches!(form(&expression, unit.encoding()), Some(DescriptionForm::Number));
            let differs = || all.iter().any(|(_, other)| other.slice() != expression.slice());
            let early = (constant && differs()) || self.is_counted(all, last.first()?.0, unit.encoding());
            let written = |local: u32| between.passed.iter().any(|(at, _)| self.is_written(local, *at));
            let held = |local: u32| last.iter().all(|&(entry, end)| self.is_held(unit, &all[..=entry], local, end));
            let mut locals = locals(&expression, unit.encoding());
            locals.retain(|&local| !written(local) && held(local));
            return (!early && is_value(&expression, unit.encoding())).then_some((expression, Trust::Kept(locals)));
        }
        // Paths on which it was described otherwise may meet where one local holds it.
        let in_local = |entry: usize| {
            let expression = all[entry].1;
            let value = matches!(form(&expression, unit.encoding()), Some(DescriptionForm::ValueInLocal));
            value.then_some((expression, *locals(&expression, unit.encoding()).first()?))
        };
        let (expression, local) = last.iter().find_map(|&(entry, _)| in_local(entry))?;
        let begins = last.iter().map(|&(entry, end)| {
            let holds = match in_local(entry) {
                Some((_, other)) => {
                    (other == local && self.is_held(unit, &all[..=entry], local, end)).then_some(Holds::It)
                }
                None => self.constant(unit, all[entry].1).map(|constant| {
                    let proved = || constant_at(self.binary.module(), self.frame.function?, local, end);
                    let held = self.begins_with(local, &constant, proved);
                    if held { Holds::It } else { Holds::Constant(constant) }
                }),
            };
            Some((end, holds?))
        });
        let meets = self.is_met(local, begins.collect::<Option<_>>()?, &between);
        meets.then_some((expression, Trust::Kept(vec![local])))
    }

    /// Returns true if a local holds the object at the frame's instruction on every path. `begin` says what it holds at
    /// the instructions where the descriptions ended.
    fn is_met(&self, local: u32, begin: HashMap<u64, Holds>, between: &Between) -> bool {
        let mut behind = begin;
        for (at, from) in &between.passed {
            let mut ways = from.iter().map(|from| behind.get(from).cloned().unwrap_or(Holds::Another));
            let first = ways.next().unwrap_or(Holds::Another);
            let mut now = if ways.all(|way| way == first) { first } else { Holds::Another };
            if self.is_written(local, *at) {
                // It takes the value that was pushed just before.
                let written = || constant_bits(&self.binary.module().operator_at(*from.first()?)?);
                now = match now {
                    Holds::Constant(constant) if self.begins_with(local, &constant, written) => Holds::It,
                    _ => Holds::Another,
                };
            }
            behind.insert(*at, now);
        }
        between.passed.last().is_some_and(|(at, _)| behind.get(at) == Some(&Holds::It))
    }

    /// Returns true if a constant begins with these bits of a local; false if the width of the local or its bits are
    /// unknown.
    pub(super) fn begins_with(&self, local: u32, constant: &[u8], bits: impl FnOnce() -> Option<u64>) -> bool {
        let same = || {
            let own = constant.get(..self.recovered.width(local)?)?;
            (*own == bits()?.to_le_bytes()[..own.len()]).then_some(())
        };
        same().is_some()
    }

    /// Returns true if a local still holds, at the instruction at `end`, the object that the last of these entries
    /// describes.
    pub(super) fn is_held(&self, unit: UnitRef<'_, 's>, all: &[Listed<'s>], local: u32, end: u64) -> bool {
        let (Some((range, _)), Some(writes)) = (all.last(), self.writes()) else { return false };
        let code = self.binary.module().code_section_start().unwrap_or(0);
        let start = self.since(all, unit.encoding()).start(local).unwrap_or(range.start);
        writes.unchanged(local, &(start.saturating_add(code)..range.end.saturating_add(code)), end)
    }

    fn is_written(&self, local: u32, at: u64) -> bool {
        self.writes().is_none_or(|writes| writes.writes(local, at))
    }

    /// Returns true if all the code between the end of a variable's description and this frame's instruction belongs to
    /// `owner`, the function that has the variable, and to lines of one file that follow each other without a gap.
    fn has_no_gap(&self, owner: &scope::Function, between: &Between, code: u64) -> bool {
        let find = || {
            let offsets = between.stops.iter().map(|(stop, _)| stop).chain(between.passed.iter().map(|(at, _)| at));
            let mut rows = BTreeMap::new();
            for offset in offsets {
                let pc = offset.checked_sub(code)?;
                let (number, row) = self.row(pc)?;
                rows.entry(number).or_insert((pc, row));
            }
            let mut placed = rows.values().map(|(_, row)| *row).filter(|row| row.line != 0);
            let first = placed.next()?;
            let mut lines = BTreeSet::from([first.line]);
            for row in placed {
                lines.insert((row.file == first.file).then_some(row.line)?);
            }
            let gaps = lines.last()? - lines.first()? >= lines.len() as u64;
            let function = self.function?;
            let inlined = owner.inlined.then_some(owner.die.offset);
            // Calls are inlined where a row begins.
            let innermost = |pc: u64| self.units.inlined(function, pc).last().map(|inlined| inlined.0);
            (!gaps && rows.len() <= ROWS && rows.values().all(|(pc, _)| innermost(*pc) == inlined)).then_some(())
        };
        find().is_some()
    }

    /// The row of the line table for a code address of the frame's function, and its number.
    pub(super) fn row(&self, pc: u64) -> Option<(usize, LineRow)> {
        let rows = self.rows.get_or_init(|| self.units.rows(self.function?.unit, &self.own_code()?)).as_ref()?;
        let number = rows.partition_point(|row| row.address <= pc).checked_sub(1)?;
        Some((number, rows[number]))
    }
}

/// The value that a local holds on a path.
#[derive(Clone, PartialEq)]
enum Holds {
    /// It holds the object.
    It,
    /// It may hold anything; the object is this constant.
    Constant(Vec<u8>),
    /// It holds something else, or what it holds is not known.
    Another,
}

/// Returns true if a description gives a value that is made of locals, operands and constants only, and no place in
/// memory.
fn is_value(expression: &Bytes<'_>, encoding: gimli::Encoding) -> bool {
    use Operation as O;
    let mut rest = *expression;
    // True if the operations since the last piece gave a value.
    let mut told = true;
    while !gimli::Reader::is_empty(&rest) {
        match parse(&mut rest, encoding) {
            Ok(O::StackValue | O::ImplicitValue { .. }) => told = true,
            Ok(O::Piece { .. }) if told => {}
            Ok(
                O::WasmLocal { .. }
                | O::WasmStack { .. }
                | O::UnsignedConstant { .. }
                | O::SignedConstant { .. }
                | O::PlusConstant { .. }
                | O::Plus
                | O::Minus
                | O::Mul
                | O::Div
                | O::Mod
                | O::And
                | O::Or
                | O::Xor
                | O::Not
                | O::Neg
                | O::Shl
                | O::Shr
                | O::Shra
                | O::Eq
                | O::Ne
                | O::Lt
                | O::Le
                | O::Gt
                | O::Ge
                | O::Pick { .. }
                | O::Convert { .. },
            ) => told = false,
            _ => return false,
        }
    }
    told
}
