//! Finds constants that an object had for a while, and that debug information goes on to give.
//!
//! LLVM loses the value that a variable gets in a loop where nothing needs it in memory or in a local of its own, and
//! goes on to describe it by the constant with which it began: as a part of a structure whose other parts change, or in
//! code that checks before a loop if the loop would fail.

use std::ops::Range;

use gimli::AttributeValue;
use wasmparser::Operator;

use super::forms::{PieceExpression, ValueForm, is_in_memory, parts, value_form};
use super::frame::FrameContext;
use crate::catalog::units::{Attr, Die, UnitRef};
use crate::scope;

/// Parts of one object that are looked at.
const PARTS: usize = 100;

/// Descriptions of one object that are looked at.
const ENTRIES: usize = 500;

/// Rows of the line table for the loops of a function.
const ROWS: usize = 500;

impl<'s> FrameContext<'_, 's> {
    /// Returns the parts of an object, as bits, that a list gives as zero though they may have changed since: the parts
    /// of a structure that is cleared as a whole, and changes afterwards in a loop, or, where it was in memory before,
    /// in a function that is called.
    pub(super) fn cleared_parts(&self, unit: UnitRef<'_, 's>, value: Attr<'s>) -> Vec<Range<u64>> {
        if matches!(value, AttributeValue::Exprloc(_) | AttributeValue::Block(_)) {
            return Vec::new();
        }
        let find = || {
            let list = self.lists.list(unit, value).ok().filter(|list| list.all.len() <= ENTRIES)?;
            let encoding = unit.encoding();
            let (_, expression) = list.at(self.pc)?;
            let mut own = parts(expression, encoding);
            own.truncate(PARTS);
            own.retain(|part| {
                value_form(&part.expression, encoding) == Some(ValueForm::Constant)
                    && self.constant(unit, part.expression).is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0))
            });
            if own.is_empty() || list.all.iter().all(|(_, other)| other.slice() == expression.slice()) {
                return None;
            }
            let mut described: Vec<(u64, Vec<PieceExpression<'s>>)> =
                list.all.iter().map(|(range, other)| (range.start, parts(other, encoding))).collect();
            described.iter_mut().for_each(|(_, parts)| parts.truncate(PARTS));
            self.steps.spend(described.iter().map(|(_, parts)| parts.len()).sum::<usize>());
            let in_memory = list.all.iter().any(|(_, other)| is_in_memory(other, encoding));
            own.retain(|part| {
                let same = described.iter().filter(|(_, parts)| parts.contains(part));
                let since = same.map(|(start, _)| *start).min();
                since.is_some_and(|since| self.has_loop_since(since) || in_memory && self.has_call_since(since))
            });
            Some(own.iter().map(|part| part.start..part.start.saturating_add(part.size)).collect())
        };
        find().unwrap_or_default()
    }

    /// Returns true if a loop that begins after a code address is around the frame's instruction, or before it.
    fn has_loop_since(&self, since: u64) -> bool {
        let code = self.binary.module().code_section_start().unwrap_or(0);
        let between = since.saturating_add(code)..self.pc.saturating_add(code);
        self.writes().is_none_or(|writes| writes.has_loop(&between))
    }

    /// Returns true if a function is called at the frame's instruction, or after a code address and before that.
    fn has_call_since(&self, since: u64) -> bool {
        let code = self.binary.module().code_section_start().unwrap_or(0);
        let between = since.saturating_add(code)..self.pc.saturating_add(code);
        self.writes().is_none_or(|writes| writes.has_call(&between))
    }

    /// Returns true if a list describes an object otherwise, or not at all, in the loop of the source in which the
    /// frame stands. LLVM lets a program fail before a loop if a check in the loop would fail in a later turn, and
    /// nothing outside can tell (`IndVarSimplify.cpp`, `predicateLoopExits`): the values are those before the loop.
    pub(super) fn is_before_its_loop(&self, die: Die, unit: UnitRef<'_, 's>, value: Attr<'s>) -> bool {
        let find = || {
            let (index, owner) = self.owner(die)?;
            let mut known = self.skipped.borrow_mut();
            let skipped = known.entry(index).or_insert_with(|| self.skipped_loops(owner));
            if skipped.is_empty() {
                return None;
            }
            let list = self.lists.list(unit, value).ok().filter(|list| list.all.len() <= ENTRIES)?;
            let (_, expression) = list.at(self.pc)?;
            let same = |pc: &u64| {
                list.all.iter().any(|(range, other)| range.contains(pc) && other.slice() == expression.slice())
            };
            (!skipped.iter().all(same)).then_some(())
        };
        find().is_some()
    }

    /// Returns the code addresses at which the rows of loops begin that did not run before the frame's instruction,
    /// where the function fails on one of their lines.
    fn skipped_loops(&self, owner: &scope::Function) -> Vec<u64> {
        let find = || {
            let module = self.binary.module();
            let code = module.code_section_start()?;
            let (here, paths, writes) = (self.pc.checked_add(code)?, self.paths()?, self.writes()?);
            let fails = |offset: u64| matches!(module.operator_at(offset), Some(Operator::Unreachable));
            if !fails(here) && !paths.after(here).is_some_and(fails) {
                return None;
            }
            let line = self.line_in(owner, self.pc).filter(|line| *line != 0)?;
            let before = self.before.get_or_init(|| paths.preceding(here)).as_ref()?;
            let mut found = Vec::new();
            for around in writes.loops().filter(|around| !before.contains(&around.start)) {
                let inside = around.start.checked_sub(code)?..around.end.checked_sub(code)?;
                let rows = self.units.rows(self.function?.unit, &inside)?;
                let rows = rows.iter().map(|row| row.address).filter(|address| inside.contains(address));
                let lines: Vec<(u64, u64)> =
                    rows.take(ROWS).filter_map(|address| Some((address, self.line_in(owner, address)?))).collect();
                self.steps.spend(lines.len());
                let of_source = || lines.iter().map(|(_, line)| *line).filter(|line| *line != 0);
                if of_source().min().is_some_and(|first| first <= line) && of_source().max() >= Some(line) {
                    found.extend(lines.iter().map(|(address, _)| *address));
                }
            }
            Some(found)
        };
        find().unwrap_or_default()
    }
}
