//! What debug information says of variables by a number alone.
//!
//! LLVM puts it where the source has the assignment, and moves the code for what was computed before down past it. Of a counter,
//! where a loop was unrolled, the number of the last turn is all that is left in the code of all turns, and code that several
//! turns share has the number of one of them.

#![expect(non_upper_case_globals, reason = "DWARF names its constants so")]

use gimli::constants::*;
use gimli::{AttributeValue, UnitOffset};

use super::forms::{Worth, worth};
use super::frame::Frame;
use super::listed::entries;
use crate::catalog::types::Kind;
use crate::catalog::units::{Bytes, Die};

/// Variables of one block that are looked at.
const VARIABLES: usize = 100;

impl<'s> Frame<'_, 's> {
    /// Whether a variable may be the counter of a loop, and all that is known of it are numbers. In C and Zig such a variable
    /// has a block for itself (`for (int i = 0; …)`), in Rust its block is in that of the iterator.
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

    /// The expression of the number that a parameter is when its function begins, wherever that is called: it is all that is said
    /// of a parameter that may have been assigned to since.
    pub(super) fn given_number(&self, die: Die) -> Option<Bytes<'s>> {
        let (number, value) = self.units.inherited(die, DW_AT_location)?;
        let unit = self.units.unit(number)?;
        let expression = match value {
            AttributeValue::Exprloc(expression) => expression.0,
            AttributeValue::Block(bytes) => bytes,
            list => self.at_beginning(unit, list)?,
        };
        (worth(&expression, unit.encoding()) == Some(Worth::Constant)).then_some(expression)
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

    /// Whether numbers are all that is said of a variable.
    fn is_number(&self, die: Die) -> bool {
        let Some((number, value)) = self.units.inherited(die, DW_AT_location) else {
            return self.units.inherited(die, DW_AT_const_value).is_some();
        };
        let Some(unit) = self.units.unit(number) else { return false };
        let constant = |expression: &Bytes<'s>| {
            matches!(worth(expression, unit.encoding()), Some(Worth::Constant | Worth::Counted))
        };
        match value {
            AttributeValue::Exprloc(expression) => constant(&expression.0),
            AttributeValue::Block(bytes) => constant(&bytes),
            list => entries(unit, list)
                .is_ok_and(|(all, _)| !all.is_empty() && all.iter().all(|(_, expression)| constant(expression))),
        }
    }

    /// The variables of a block, without those of blocks in it.
    fn variables_of(&self, block: Die) -> Option<Vec<Die>> {
        let unit = self.units.unit(block.unit)?;
        let mut tree = unit.entries_tree(Some(UnitOffset(block.offset))).ok()?;
        let mut children = tree.root().ok()?.children();
        let mut found = Vec::new();
        while let Some(child) = children.next().ok()? {
            if child.entry().tag() == DW_TAG_variable {
                found.push(Die { unit: block.unit, offset: child.entry().offset().0 });
            }
            if found.len() > VARIABLES {
                return None;
            }
        }
        Some(found)
    }
}
