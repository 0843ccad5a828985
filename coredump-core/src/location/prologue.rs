//! Whether a function had set up its frame: until then its variables' places in memory hold what was there before.

use gimli::constants::*;

use crate::location::frame::Frame;

/// Bytes of code that a prologue has at most.
const LONGEST: u64 = 4096;

impl Frame<'_, '_> {
    /// Whether the code address stands before the end of the function's prologue (DWARF 5, 6.2.2 `prologue_end`). Only
    /// the youngest frame can: calls come later.
    pub fn in_prologue(&self) -> bool {
        self.youngest && *self.prologue.get_or_init(|| self.prologue_end().is_some_and(|end| self.pc < end))
    }

    fn prologue_end(&self) -> Option<u64> {
        let function = self.function?;
        let unit = self.units.unit(function.unit)?;
        // The function's own code only: the code of others may be near, and their rows come in any order.
        let entry = self.units.entry(function)?;
        let start = unit.attr_address(entry.attr_value(DW_AT_low_pc)?).ok()??;
        let end = entry.attr_value(DW_AT_high_pc)?;
        let end = match end.udata_value() {
            Some(length) => start.checked_add(length)?,
            None => unit.attr_address(end).ok()??,
        };
        let prologue = start..end.min(start.checked_add(LONGEST)?);
        if !prologue.contains(&self.pc) {
            return None;
        }
        self.units.prologue_end(function.unit, &prologue)
    }
}
