//! Decides when to believe debug information that gives a variable as a number.
//!
//! LLVM puts it where the source has the assignment, and moves the code for what was computed before down past it. Of a
//! counter, where a loop was unrolled, the number of the last turn is all that is left in the code of all turns, and
//! code that several turns share has the number of one of them.

#![expect(non_upper_case_globals, reason = "DWARF names its constants so")]

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use gimli::AttributeValue;
use gimli::constants::*;

use super::forms::{ValueForm, value_form};
use super::frame::FrameContext;
use super::lists::Listed;
use crate::catalog::types::Kind;
use crate::catalog::units::{Attr, Bytes, Die};
use crate::location::parse;
use crate::scope::VariableKind;

/// Variables of one block that are looked at.
const VARIABLES: usize = 100;
/// The number of constants in equal steps that make a variable a counter.
const NUMBERS: usize = 3;
/// Turns of the loops of one function that are looked at.
const TURNS: usize = 10_000;

impl<'s> FrameContext<'_, 's> {
    /// Returns true if a variable may be the counter of a loop and is described by nothing but constants. In C and Zig
    /// such a variable has a block for itself (`for (int i = 0; …)`), in Rust its block is in that of the iterator.
    pub(super) fn may_count(&self, die: Die) -> bool {
        let find = || {
            let block = self.units.parent(die).filter(|&block| self.is_block(block))?;
            let own = self.variables_of(block)?;
            let numbers = own.iter().all(|&other| self.is_number(other) && self.is_integer(other));
            let counts = match self.units.language(die.unit).iterator_name() {
                Some(name) => {
                    let around = self.variables_of(self.units.parent(block)?)?;
                    around.iter().any(|&other| self.units.name(other) == Some(name))
                }
                None => true,
            };
            Some(numbers && counts)
        };
        self.units.entry(die).is_some_and(|entry| entry.tag == DW_TAG_variable) && find() == Some(true)
    }

    /// Returns the expression of the number that a parameter has at the function's start, wherever the function is
    /// called. The parameter may have been assigned to since.
    pub(super) fn given_number(&self, die: Die) -> Option<Bytes<'s>> {
        let (number, value) = self.units.inherited(die, DW_AT_location)?;
        let unit = self.units.unit(number)?;
        let expression = self.at_beginning(unit, value)?;
        (value_form(&expression, unit.encoding()) == Some(ValueForm::Constant)).then_some(expression)
    }

    /// Returns true if the description that begins at this address held in an earlier turn of an unrolled loop. LLVM
    /// merges the sums of all turns, and describes the first sum as the variable until the loop ends.
    pub(super) fn is_of_another_turn(&self, start: u64) -> bool {
        let turns = self.turns.get_or_init(|| self.turns());
        turns.iter().any(|&(first, turn)| first < start && start < turn && turn <= self.pc)
    }

    /// Finds the turns of unrolled loops in the active functions. The counter of such a loop has a list of numbers in
    /// equal steps: each pair is the address of the list's first entry, and that of a later one.
    fn turns(&self) -> Vec<(u64, u64)> {
        let (mut turns, mut seen) = (Vec::new(), HashSet::new());
        for (die, kind) in self.active().iter().flat_map(|function| &function.variables) {
            let list = self.units.inherited(*die, DW_AT_location).filter(|_| *kind == VariableKind::Local);
            if turns.len() >= TURNS || list.is_none_or(|(_, list)| is_expression(list)) || !self.is_number(*die) {
                continue;
            }
            let mut numbered = || {
                let (index, list) = list?;
                let unit = self.units.unit(index)?;
                let list = self.lists.list(unit, list).ok().filter(|list| seen.insert(Rc::as_ptr(list)))?;
                let mut all = list.all.clone();
                all.sort_by_key(|(range, _)| range.start);
                let number =
                    |(range, expression): &Listed<'s>| Some((range.start, number(expression, unit.encoding())?));
                all.iter().map(number).collect::<Option<Vec<(u64, i128)>>>()
            };
            let Some(all) = numbered() else { continue };
            let counts = |next: &[(u64, i128)]| {
                let step = next[1].1 - next[0].1;
                step != 0 && next.windows(2).all(|pair| pair[1].1 - pair[0].1 == step)
            };
            if all.windows(NUMBERS).any(counts) {
                turns.extend(all[1..].iter().map(|(start, _)| (all[0].0, *start)));
            }
        }
        turns
    }

    fn is_block(&self, die: Die) -> bool {
        self.units.entry(die).is_some_and(|entry| entry.tag == DW_TAG_lexical_block)
    }

    fn is_integer(&self, die: Die) -> bool {
        let ty = self.units.peeled(self.units.type_of(die));
        let counts = |kind: &Kind<'_>| {
            matches!(kind, Kind::Base(DW_ATE_signed | DW_ATE_unsigned | DW_ATE_signed_char | DW_ATE_unsigned_char))
        };
        ty.is_some_and(|(_, ty)| counts(&ty.kind))
    }

    /// Returns true if a variable is described only by constants, or by values that are computed from constants.
    fn is_number(&self, die: Die) -> bool {
        let Some((number, value)) = self.units.inherited(die, DW_AT_location) else {
            return self.units.inherited(die, DW_AT_const_value).is_some();
        };
        let Some(unit) = self.units.unit(number) else { return false };
        let constant = |expression: &Bytes<'s>| {
            matches!(value_form(expression, unit.encoding()), Some(ValueForm::Constant | ValueForm::Counted))
        };
        match value {
            AttributeValue::Exprloc(expression) => constant(&expression.0),
            AttributeValue::Block(bytes) => constant(&bytes),
            list => self.lists.list(unit, list).is_ok_and(|list| {
                let all = &list.all;
                *list.constant.get_or_init(|| !all.is_empty() && all.iter().all(|(_, own)| constant(own)))
            }),
        }
    }

    /// The variables of a block around the frame's code address, without those of blocks in it; `None` if there are
    /// many.
    fn variables_of(&self, block: Die) -> Option<&[Die]> {
        let blocks = self.blocks.get_or_init(|| {
            let mut blocks: HashMap<Die, Vec<Die>> = HashMap::new();
            for (die, kind, _) in self.active().iter().flat_map(|function| function.all()) {
                if kind != VariableKind::Parameter
                    && let Some(block) = self.units.parent(die)
                {
                    blocks.entry(block).or_default().push(die);
                }
            }
            blocks
        });
        blocks.get(&block).map(Vec::as_slice).filter(|found| found.len() <= VARIABLES)
    }
}

pub(super) fn is_expression(value: Attr<'_>) -> bool {
    matches!(value, AttributeValue::Exprloc(_) | AttributeValue::Block(_))
}

/// Returns the number that a description consists of.
fn number(expression: &Bytes<'_>, encoding: gimli::Encoding) -> Option<i128> {
    let mut rest = *expression;
    if value_form(expression, encoding) != Some(ValueForm::Constant) {
        return None;
    }
    match parse(&mut rest, encoding).ok()? {
        gimli::Operation::UnsignedConstant { value } => Some(i128::from(value)),
        gimli::Operation::SignedConstant { value } => Some(i128::from(value)),
        _ => None,
    }
}
