//! Variables in locals after their descriptions ended.
//!
//! A description ends with its block of code, and the local that it names goes on to hold what it held. If debug
//! information says of each value that the local can have at the frame's instruction that it is the variable's, and the
//! code goes on to read the local, that is the value which is needed later on. An assignment may still have left no
//! trace, so it counts as an earlier value.

use gimli::constants::DW_AT_call_line;
use wasmparser::Operator;

use super::ended::ENTRIES;
use super::forms::{DescriptionForm, form, locals};
use super::frame::FrameContext;
use super::lists::{Given, List};
use super::trust::Trust;
use crate::catalog::units::{Attr, Bytes, Die, UnitRef};
use crate::module::constant_bits;
use crate::scope;
use crate::unwind::constant_at;
use crate::unwind::paths::Between;

/// Instructions that are looked at before and after the frame's.
const BETWEEN: usize = 5_000;

/// Instructions that count as one step of work.
const STEP: usize = 16;

/// Reads of one local.
const READS: usize = 50;

/// Operands that are pushed after one.
const OPERANDS: usize = 8;

/// Locals of one variable.
const LOCALS: usize = 4;

/// Rows of the line table.
const ROWS: usize = 200;

impl<'s> FrameContext<'_, 's> {
    /// Returns the description of a list that names a local in which the variable was last on all paths to the frame's
    /// instruction, if the local is read after that. It is only asked for where no description holds.
    pub(super) fn owned(
        &self,
        owner: &scope::Function,
        unit: UnitRef<'_, 's>,
        (value, list): (Attr<'s>, &List<'s>),
    ) -> Given<'s> {
        let encoding = unit.encoding();
        let mut tried = Vec::new();
        for (_, expression) in list.all.iter().take(ENTRIES) {
            let Some(local) = in_local(expression, encoding).filter(|local| !tried.contains(local)) else { continue };
            if tried.len() >= LOCALS || self.steps.are_spent() {
                break;
            }
            tried.push(local);
            if self.owns(owner, unit, (value, list), local).is_some() {
                return Some((*expression, Trust::Kept(vec![local])));
            }
        }
        None
    }

    /// Returns `Some` if a local holds the last value of a variable at the frame's instruction, and is read later on.
    fn owns(
        &self,
        owner: &scope::Function,
        unit: UnitRef<'_, 's>,
        (value, list): (Attr<'s>, &List<'s>),
        local: u32,
    ) -> Option<()> {
        let (all, encoding) = (&list.all, unit.encoding());
        let (module, function, writes) = (self.binary.module(), self.frame.function?, self.writes()?);
        let code = module.code_section_start()?;
        let here = self.pc.checked_add(code)?;
        let entry = |offset: u64| {
            let pc = offset.checked_sub(code)?;
            all.iter().rposition(|(range, _)| range.contains(&pc))
        };
        // True if the local holds the variable before an instruction, as an entry says.
        let names = |at: usize, offset: u64| {
            let since = self.since(&all[..=at], encoding);
            in_local(&all[at].1, encoding) == Some(local)
                && self.is_held(unit, &all[..=at], local, offset)
                && !self.is_never_given(unit, &all[..=at], &since)
                && !self.is_ahead(&all[at], &since, encoding)
        };
        // True if an entry says that the variable is a number, which the local holds before an instruction.
        let equals = |at: usize, offset: u64| {
            let number = matches!(form(&all[at].1, encoding), Some(DescriptionForm::Number));
            let constant = self.constant(unit, all[at].1).filter(|_| number);
            constant.is_some_and(|constant| {
                self.begins_with(local, &constant, || constant_at(module, function, local, offset))
            })
        };
        // True if an instruction writes a value of the variable to the local.
        let gives = |start: u64| {
            writes.end(local, start).is_some_and(|end| {
                entry(end).is_some_and(|at| names(at, end) || equals(at, end))
                    || entry(start).is_some_and(|at| equals(at, end))
            })
        };
        let given = || self.at_beginning(unit, value).is_some_and(|first| in_local(&first, encoding) == Some(local));
        let stops = |offset: u64| entry(offset).is_some() || writes.writes(local, offset);
        let (between, begins) = self.paths()?.back_around(here, BETWEEN, stops)?;
        self.steps.spend(between.passed.len() / STEP);
        let last = |&(offset, ends): &(u64, bool)| match writes.writes(local, offset) {
            true => gives(offset),
            false => ends && entry(offset).is_some_and(|at| names(at, offset) || equals(at, offset)),
        };
        let read = || {
            self.paths().is_some_and(|paths| {
                paths.leads(here, writes.reads(local), BETWEEN, |offset| writes.writes(local, offset))
            })
        };
        let reached = (!begins || (writes.is_parameter(local) && given())) && between.stops.iter().all(last);
        let inside = reached && self.stays_in(owner, &between, code);
        (inside && read() && !self.is_put_off(owner, local, code)).then_some(())
    }

    /// Returns true if an assignment to a variable in a local may come before the frame's instruction in the source,
    /// though its code, which reads the local, comes after it. Such code is of a line above, but not of the first line of
    /// a loop around the instruction, with which the loop goes round.
    fn is_put_off(&self, owner: &scope::Function, local: u32, code: u64) -> bool {
        let find = || {
            let (writes, here) = (self.writes()?, self.pc.checked_add(code)?);
            let now = self.line_in(owner, self.pc)?;
            // The line with which the innermost loop around both begins.
            let first = |read: u64| {
                let around = writes.loop_around(here, read)?;
                let code = around.start.checked_sub(code)?..around.end.checked_sub(code)?;
                let rows = self.units.rows(self.function?.unit, &code)?;
                let lines = rows.iter().take(ROWS).filter_map(|row| self.line_in(owner, row.address));
                lines.filter(|line| *line != 0).min()
            };
            let after = &writes.reads(local)[writes.reads(local).partition_point(|&read| read < here)..];
            if after.len() > READS {
                return None;
            }
            for &read in after {
                let line = self.line_in(owner, self.taken_at(read)?.checked_sub(code)?).unwrap_or(0);
                let stops = |offset: u64| offset < here || writes.writes(local, offset);
                let above = line != 0 && line < now && first(read).is_none_or(|first| first < line);
                if above && self.paths()?.leads(here, &[read], BETWEEN, stops) {
                    return None;
                }
            }
            Some(())
        };
        find().is_none()
    }

    /// Returns the offset of the instruction that takes what one at another offset reads. Their lines may differ.
    fn taken_at(&self, read: u64) -> Option<u64> {
        let (module, paths) = (self.binary.module(), self.paths()?);
        let mut at = read;
        for _ in 0..OPERANDS {
            at = paths.after(at)?;
            let operator = module.operator_at(at)?;
            let pushes = matches!(operator, Operator::LocalGet { .. }) || constant_bits(&operator).is_some();
            if !pushes {
                break;
            }
        }
        Some(at)
    }

    /// Returns the line of a function of the source at a code address: of its own code there, or of its call that is
    /// inlined. `None` if it is not active there.
    pub(super) fn line_in(&self, owner: &scope::Function, pc: u64) -> Option<u64> {
        let calls = self.units.inlined(self.function?, pc);
        let inside = match owner.inlined {
            true => calls.iter().position(|call| call.0 == owner.die.offset)? + 1,
            false => 0,
        };
        match calls.get(inside) {
            Some(call) => {
                let call = Die { unit: self.function?.unit, offset: call.0 };
                self.units.inherited(call, DW_AT_call_line)?.1.udata_value()
            }
            None => Some(self.row(pc)?.1.line),
        }
    }

    /// Returns true if the code that was passed is all of the call of `owner`, if that is inlined: a local may hold a
    /// variable of the call before.
    fn stays_in(&self, owner: &scope::Function, between: &Between, code: u64) -> bool {
        if !owner.inlined {
            return true;
        }
        let find = || {
            let mut rows = Vec::new();
            for (at, _) in &between.passed {
                let pc = at.checked_sub(code)?;
                let (number, _) = self.row(pc)?;
                if rows.last() != Some(&number) {
                    rows.push(number);
                    let calls = self.units.inlined(self.function?, pc);
                    if rows.len() > ROWS || !calls.iter().any(|call| call.0 == owner.die.offset) {
                        return None;
                    }
                }
            }
            Some(())
        };
        find().is_some()
    }
}

/// The local that holds an object, if that is all that its description says.
fn in_local(expression: &Bytes<'_>, encoding: gimli::Encoding) -> Option<u32> {
    match form(expression, encoding)? {
        DescriptionForm::ValueInLocal => locals(expression, encoding).first().copied(),
        _ => None,
    }
}
