//! Finds the description of a location list that holds at a code address (DWARF 5, 2.6.2), and how far it can be
//! believed.
//!
//! LLVM's lists for Wasm claim more than is true. An instruction is moved down to the one that takes its value, past
//! changes of descriptions; a description of a constant begins where the source has the assignment, not where the code
//! is; and a piece that did not change is described in its local again when another piece moves.

use std::collections::BTreeSet;
use std::ops::Range;

use gimli::{AttributeValue, Encoding};

use super::forms::{
    DescriptionForm, PieceExpression, ValueForm, form, locals, locals_only, on_stack, parts, shape, value_form,
};
use super::frame::FrameContext;
use super::lists::{Given, List, Listed};
use super::trust::{Object, Since, Trust, rewritten};
use crate::catalog::units::{Attr, Bytes, UnitRef, is_of_old_llvm};
use crate::location::Missing;
use crate::symbols::{CodeExtent, LineRow};
use crate::unwind::moved::{goes_straight, may_precede, moves_down};
use crate::unwind::paths::Paths;

/// Locals of one description that are followed to where they are written next.
const REPLACED: usize = 8;

/// Instructions between a loop and a place after it.
const BETWEEN: usize = 1_000;

/// Instructions of a loop.
const TURN: usize = 5_000;

/// Loops around one place that are looked at.
const LOOPS: usize = 8;

/// Parts of one description that are compared with others.
const COUNTED: usize = 20;

/// The most locals of one description that are followed.
const LOCALS: usize = 1_000;

impl<'s> FrameContext<'_, 's> {
    /// Returns the description that a list gives for this frame's code address, and how far it is to be believed.
    /// `object` says which locations the object can have.
    pub(super) fn listed(&self, unit: UnitRef<'_, 's>, list: Attr<'s>, object: Object) -> Result<Given<'s>, Missing> {
        if self.rewritten {
            return Err(rewritten());
        }
        let list = self.lists.list(unit, list)?;
        list.given[object as usize].get_or_init(|| self.given(unit, &list, object)).clone()
    }

    /// As [`FrameContext::listed`].
    fn given(&self, unit: UnitRef<'_, 's>, list: &List<'s>, object: Object) -> Result<Given<'s>, Missing> {
        let all = &list.all;
        if let Some(at) = all.iter().position(|(range, _)| range.contains(&self.pc)) {
            let (range, expression) = &all[at];
            if self.is_early(all, at, unit.encoding()) {
                return Err(inexact());
            }
            let counted = || self.is_counted(all, at, unit.encoding()) || self.is_of_another_turn(range.start);
            if object != Object::Constant && counted() {
                return Err(inexact());
            }
            if object != Object::Constant && self.is_behind(all, at, unit.encoding()) {
                return Err(inexact());
            }
            let since = self.since(&all[..=at], unit.encoding());
            if self.is_never_given(unit, &all[..=at], &since) {
                return Err(inexact());
            }
            let ahead = || {
                self.is_ahead(&all[at], &since, unit.encoding())
                    || self.is_of_line_below(&all[at], &since, unit.encoding())
            };
            if object != Object::Constant && ahead() {
                return Err(inexact());
            }
            let entry = || self.entry_start(all, expression, unit.encoding());
            let start = (object == Object::Constant).then(entry).flatten().unwrap_or(range.start);
            return Ok(Some((*expression, Trust::Within(start..range.end, since))));
        }
        if let Some(expression) = list.default {
            return Ok(Some((expression, Trust::Within(0..u64::MAX, Since::default()))));
        }
        // LLVM's descriptions for Wasm end with their block of code. They stay true as long as the local is not written
        // if the local holds the address of an object that does not move (a structure passed by value, an array of
        // variable length), or an object that does not change.
        let before = all.iter().filter(|(range, _)| range.start <= self.pc);
        let earlier = before.max_by_key(|(range, _)| range.start);
        Ok(earlier.and_then(|(range, expression)| {
            let form = match form(expression, unit.encoding())? {
                DescriptionForm::Local if object == Object::Large => DescriptionForm::AddressInLocal,
                DescriptionForm::Local => DescriptionForm::ValueInLocal,
                form => form,
            };
            let (constant, only) = (object == Object::Constant, all.len() == 1);
            let up_to_here = || {
                let start = self.entry_start(all, expression, unit.encoding()).unwrap_or(range.start);
                Trust::Within(start..self.pc.saturating_add(1), Since::default())
            };
            match form {
                DescriptionForm::Local => None,
                DescriptionForm::AddressInLocal => only.then_some((*expression, Trust::Unwritten)),
                DescriptionForm::ValueInLocal => constant.then(|| (*expression, up_to_here())),
                DescriptionForm::Number => (constant && only).then_some((*expression, Trust::Unwritten)),
            }
        }))
    }

    /// The start of the function, if a list says there, too, that the object is in this Wasm parameter. LLVM goes on to
    /// say so of a local that has become another variable's by then.
    fn entry_start(&self, all: &[Listed<'_>], expression: &Bytes<'_>, encoding: Encoding) -> Option<u64> {
        let [local] = locals_only(expression, encoding)?[..] else { return None };
        let function = self.frame.function?;
        let parameters = self.binary.module().signature(function)?.params.len();
        let extent = CodeExtent::from_function(self.binary.module(), function)?;
        let begins = |(range, other): &&Listed<'_>| {
            (extent.header..=extent.first).contains(&range.start) && other.slice() == expression.slice()
        };
        let (range, _) = all.iter().find(begins).filter(|_| (local as usize) < parameters)?;
        Some(range.start)
    }

    /// The description that an attribute gives for the beginning of this frame's function.
    pub(super) fn at_beginning(&self, unit: UnitRef<'_, 's>, value: Attr<'s>) -> Option<Bytes<'s>> {
        let list = match value {
            AttributeValue::Exprloc(expression) => return Some(expression.0),
            AttributeValue::Block(bytes) => return Some(bytes),
            list => list,
        };
        let extent = CodeExtent::from_function(self.binary.module(), self.frame.function?)?;
        let list = self.lists.list(unit, list).ok()?;
        let begins = |range: &Range<u64>| (extent.header..=extent.first).contains(&range.start) && !range.is_empty();
        let find = || list.all.iter().find(|(range, _)| begins(range)).map(|(_, expression)| *expression);
        *list.beginning.get_or_init(find)
    }

    /// Returns true if the description of a variable that changes may be ahead of the instruction at which the frame
    /// stands. Such a description is a constant, or was computed just before by code past which that instruction may
    /// have been moved down.
    fn is_early(&self, all: &[Listed<'_>], at: usize, encoding: Encoding) -> bool {
        let (range, expression) = &all[at];
        if matches!(form(expression, encoding), Some(DescriptionForm::Number)) {
            return all.iter().any(|(_, other)| other.slice() != expression.slice());
        }
        // If all entries name the same local, the variable changes with it.
        if all.len() == 1 {
            return false;
        }
        let module = self.binary.module();
        let code = module.code_section_start().unwrap_or(0);
        let (start, at) = (range.start.saturating_add(code), self.pc.saturating_add(code));
        let writes = |local: &u32| self.writes().is_some_and(|writes| writes.defines(*local, start));
        let computed = on_stack(expression, encoding) || locals(expression, encoding).iter().any(writes);
        computed && self.frame.function.is_some_and(|function| moves_down(module, function, start, at))
    }

    /// Returns true if the description of a variable that changes computes it from a number that changes in a loop, or
    /// from the variable's former value. LLVM describes a counter like that where the code counts otherwise, from
    /// another number or once in several turns, and its description does not follow the code's counter. A variable that
    /// all descriptions compute in the same way was assigned once.
    pub(super) fn is_counted(&self, all: &[Listed<'_>], at: usize, encoding: Encoding) -> bool {
        let expression = &all[at].1;
        match value_form(expression, encoding) {
            Some(ValueForm::Counted) => true,
            Some(ValueForm::Computed) => {
                let own = shape(expression, encoding);
                let pc = self.pc.saturating_add(self.binary.module().code_section_start().unwrap_or(0));
                let counts = |local: u32| self.writes().is_none_or(|writes| writes.counts(local, pc));
                all.iter().any(|(_, other)| shape(other, encoding) != own)
                    || locals(expression, encoding).into_iter().any(counts)
            }
            Some(ValueForm::Constant) => false,
            None => is_counted_in_part(all, at, encoding),
        }
    }

    /// Returns true if the variable's next value was assigned before the instruction at which the frame stands. The
    /// next value is that of the next entry, or one that is written next to the same local. The code that computes it
    /// was moved down past that instruction, as LLVM does where nothing needs it before, and belongs to a line above.
    /// In a loop it is the next turn's, if its line is the one with which the loop begins.
    fn is_behind(&self, all: &[Listed<'_>], at: usize, encoding: Encoding) -> bool {
        let (range, expression) = &all[at];
        let module = self.binary.module();
        let behind = |end: u64| {
            let code = module.code_section_start()?;
            let now = self.pc.checked_add(code)?;
            let computed = may_precede(module, self.frame.function?, now, end)?;
            let around = self.writes().and_then(|writes| writes.loop_around(now, computed));
            let start = around.map_or(now, |around| around.start.min(now)).checked_sub(code)?;
            // Without lines this cannot be decided.
            let Some(rows) = self.units.rows(self.function?.unit, &(start..computed.checked_sub(code)? + 1)) else {
                return Some(());
            };
            let row = |address: u64| Some(rows[rows.partition_point(|row| row.address <= address).checked_sub(1)?]);
            let (own, its) = (row(self.pc)?, row(computed - code)?);
            let above = own.file == its.file && its.line != 0 && its.line < own.line;
            let same = |row: &&LineRow| row.address >= start && row.file == its.file && row.line != 0;
            let first = around.and_then(|_| rows.iter().filter(same).map(|row| row.line).min());
            let begins = || first.is_some_and(|first| its.line <= first);
            (above && !begins()).then_some(())
        };
        let code = module.code_section_start().unwrap_or(0);
        let after = all.iter().filter(|(other, _)| other.start >= range.end).min_by_key(|(other, _)| other.start);
        let next = after.filter(|(_, next)| next.slice() != expression.slice());
        let next = next.map(|(other, _)| other.start.saturating_add(code));
        let written = |local: u32| self.writes()?.next(local, self.pc.saturating_add(code));
        let ends = next.into_iter().chain(locals(expression, encoding).into_iter().take(REPLACED).filter_map(written));
        ends.into_iter().any(|end| behind(end).is_some())
    }

    /// Returns true if a description gives a loop's counter the value of the next turn. LLVM puts the end of a turn,
    /// where nothing is left but to count on, before the check with which the turn may leave the loop, and says of the
    /// sum that it is the counter there too. The line table shows that it is a `for`: the line that counts, the first
    /// of the loop, has the test of the counter before it, and the instruction at which the frame stands, or the branch
    /// out of the loop, is of a line below.
    pub(super) fn is_ahead(&self, (range, expression): &Listed<'_>, since: &Since, encoding: Encoding) -> bool {
        let find = || {
            let DescriptionForm::ValueInLocal = form(expression, encoding)? else { return None };
            let local = *locals(expression, encoding).first()?;
            let code = self.binary.module().code_section_start()?;
            let start = since.start(local).unwrap_or(range.start).checked_add(code)?;
            let (written, mut loops) = self.writes()?.counted(local, start)?;
            loops.truncate(LOOPS);
            let outer = loops.last()?;
            let now = self.pc.checked_add(code)?;
            let all = outer.start.checked_sub(code)?..outer.end.checked_sub(code)?.max(self.pc).checked_add(1)?;
            let rows = self.units.rows(self.function?.unit, &all)?;
            let at =
                |offset: u64| rows.partition_point(|row| row.address.saturating_add(code) <= offset).checked_sub(1);
            // A sum ends before it is written.
            let its = rows[at(written.checked_sub(1)?)?];
            let below =
                |offset: u64| at(offset).is_some_and(|at| rows[at].file == its.file && rows[at].line > its.line);
            let is_header = |around: &Range<u64>| {
                // The row in which the loop begins may be of what is before it.
                let belongs = |row: &&LineRow| row.address.saturating_add(code) >= around.start || row.line == its.line;
                let of_file = |row: &&LineRow| row.file == its.file && row.line != 0;
                // Code that only leaves the loop may be inside of it.
                let back = |paths: &Paths| paths.back_around(around.start, TURN, |offset| !around.contains(&offset));
                let (turn, _) = self.paths().and_then(back)?;
                let inside: BTreeSet<usize> = turn.passed.iter().filter_map(|(offset, _)| at(*offset)).collect();
                let inside = || inside.iter().map(|&at| &rows[at]).filter(belongs).filter(of_file);
                let before = |row: &&LineRow| row.line == its.line && row.column < its.column;
                let keyword = inside().filter(before).map(|row| row.column).min()?;
                let compared = || turn.passed.iter().filter(|(offset, _)| self.compares(*offset));
                let tested = inside().filter(before).any(|row| keyword < row.column)
                    || compared()
                        .filter_map(|(offset, _)| rows.get(at(*offset)?))
                        .filter(of_file)
                        .any(|row| before(&row));
                let first = inside().map(|row| row.line).min()? == its.line;
                // The turn is left by branches of other lines than that which counts.
                let left = || self.paths()?.back(now, BETWEEN, |offset| around.contains(&offset));
                let within = match around.contains(&now) {
                    true => below(now),
                    false => left()?.stops.iter().all(|(stop, _)| below(*stop)),
                };
                Some(tested && first && within)
            };
            loops.iter().any(|around| is_header(around) == Some(true)).then_some(())
        };
        find().is_some()
    }

    /// Returns true if the instruction at a file offset compares two integers (WebAssembly 2.0, section 5.4.6).
    fn compares(&self, offset: u64) -> bool {
        let bytes = self.binary.module().bytes();
        let opcode = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset));
        matches!(opcode, Some(0x46..=0x4f | 0x51..=0x5a))
    }

    /// Returns true if a description begins where code of a line below writes the local, with no way to the frame's
    /// instruction but straight on: LLVM computes the next value before a call that stands above it in the source, and
    /// says from there on that it is the variable's.
    fn is_of_line_below(&self, (range, expression): &Listed<'_>, since: &Since, encoding: Encoding) -> bool {
        let find = || {
            let DescriptionForm::ValueInLocal = form(expression, encoding)? else { return None };
            let local = *locals(expression, encoding).first()?;
            let (module, writes) = (self.binary.module(), self.writes()?);
            let code = module.code_section_start()?;
            let start = since.start(local).unwrap_or(range.start).checked_add(code)?;
            let now = self.pc.checked_add(code)?;
            // A value is computed before it is written.
            let computed = writes.start(local, start)?.checked_sub(code)?.checked_sub(1)?;
            if !goes_straight(module, self.frame.function?, start, now) {
                return None;
            }
            let ((_, own), (_, its)) = (self.row(self.pc)?, self.row(computed)?);
            let inside = |pc: u64| self.units.inlined(self.function?, pc).last().map(|inlined| inlined.0);
            let below = own.file == its.file && own.line != 0 && its.line > own.line;
            (below && inside(self.pc) == inside(computed)).then_some(())
        };
        find().is_some()
    }

    /// Returns true if the last of these entries names a local that holds another value: a local that nothing wrote
    /// where the entry begins, and that no entry before it named. LLVM 14 gives values that it no longer has any
    /// number. A newer one does so for an object that was assigned another's value, and not for one whose value was put
    /// on the operand stack just before.
    pub(super) fn is_never_given(&self, unit: UnitRef<'_, 's>, all: &[Listed<'s>], since: &Since) -> bool {
        let Some(((range, expression), before)) = all.split_last() else { return false };
        let (Some(writes), encoding) = (self.writes(), unit.encoding()) else { return false };
        let extent = self.frame.function.and_then(|function| CodeExtent::from_function(self.binary.module(), function));
        let code = self.binary.module().code_section_start().unwrap_or(0);
        let lacks = |local: u32| {
            let start = since.start(local).unwrap_or(range.start);
            let begins = extent.as_ref().is_none_or(|extent| (extent.header..=extent.first).contains(&start));
            // At a function's start its parameters have values; its other locals are 0, which no compiler means.
            if begins && !writes.is_parameter(local) {
                return true;
            }
            let told =
                |(earlier, other): &Listed<'s>| earlier.start < start && locals(other, encoding).contains(&local);
            let end = start.saturating_add(code);
            let given = begins || writes.defines(local, end) || before.iter().any(told);
            !given && (writes.leaves_value(end) || is_of_old_llvm(unit))
        };
        locals(expression, encoding).into_iter().any(lacks)
    }

    /// Returns since when each local of the last of these entries has held the object.
    pub(super) fn since(&self, all: &[Listed<'s>], encoding: Encoding) -> Since {
        let Some(((range, expression), before)) = all.split_last() else { return Since::default() };
        let code = self.binary.module().code_section_start().unwrap_or(0);
        let mut since = Since::default();
        let mut named = locals(expression, encoding);
        named.truncate(LOCALS);
        for &local in &named {
            // Two parts cannot be in one local, and which of them it holds is not known.
            if named.iter().filter(|&&other| other == local).count() > 1 {
                since.add(local, 0);
                continue;
            }
            let mut start = range.start;
            let begins =
                |start: u64| self.writes().is_none_or(|writes| writes.defines(local, start.saturating_add(code)));
            for (earlier, described) in before.iter().rev() {
                if earlier.end != start || begins(start) || !locals(described, encoding).contains(&local) {
                    break;
                }
                start = earlier.start;
            }
            if start < range.start {
                since.add(local, start);
            }
        }
        since
    }
}

/// Returns true if one of these entries gives a part of an object as a local plus a number, and others of them give it
/// as a local plus another number. It is a pointer into a sequence, which LLVM describes by its distance from the first
/// element in each turn of an unrolled loop.
fn is_counted_in_part<'s>(all: &[Listed<'s>], at: usize, encoding: Encoding) -> bool {
    use gimli::Operation::{PlusConstant, StackValue, WasmLocal};
    let added = |part: &PieceExpression<'s>| match shape(&part.expression, encoding)[..] {
        [WasmLocal { .. }, PlusConstant { value }, StackValue] => Some((part.start, part.size, value)),
        _ => None,
    };
    let own: Vec<(u64, u64, u64)> = parts(&all[at].1, encoding).iter().filter_map(added).take(COUNTED).collect();
    let differs =
        |(start, size, value): (u64, u64, u64)| own.iter().any(|own| (own.0, own.1) == (start, size) && own.2 != value);
    !own.is_empty() && all.iter().any(|(_, other)| parts(other, encoding).iter().filter_map(added).any(differs))
}

/// The reason for a variable that has a value: the debug information does not say exactly when it got which.
pub(super) fn inexact() -> Missing {
    Missing::NotCaptured("the debug information is inexact here".into())
}
