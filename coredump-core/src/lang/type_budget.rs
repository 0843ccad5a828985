//! A limit on walks through types.

use std::cell::Cell;

/// Types that one walk looks at.
const TYPES: usize = 4096;

/// The budget of a walk through types: the levels that it may still descend, and the units that all its parts may still
/// spend together, such as types or bytes of a name. A few entries, each with many members of the next one's type,
/// describe more values within values, and longer names, than there is time or memory for.
#[derive(Clone, Copy)]
pub struct TypeBudget<'b> {
    levels: u32,
    left: &'b Cell<usize>,
}

impl TypeBudget<'_> {
    /// Calls `walk` with a budget of so many levels, and of 4096 types.
    pub fn of_types<R>(levels: u32, walk: impl FnOnce(TypeBudget<'_>) -> R) -> R {
        TypeBudget::begin(levels, TYPES, walk)
    }

    /// Calls `walk` with a budget of so many levels and units.
    pub fn begin<R>(levels: u32, units: usize, walk: impl FnOnce(TypeBudget<'_>) -> R) -> R {
        walk(TypeBudget { levels, left: &Cell::new(units) })
    }

    /// Returns the budget of another walk, of so many levels, which is part of this one.
    pub fn again(self, levels: u32) -> Self {
        TypeBudget { levels, ..self }
    }

    /// Spends `units` on one more type, and returns the budget of its parts; `None` if the walk ends here.
    pub fn deeper(self, units: usize) -> Option<Self> {
        let levels = self.levels.checked_sub(1)?;
        self.left.set(self.left.get().checked_sub(units)?);
        Some(TypeBudget { levels, ..self })
    }

    /// Spends `units`, or all that are left.
    pub fn spend(self, units: usize) {
        self.left.set(self.left.get().saturating_sub(units));
    }

    /// Returns the units that are left.
    pub fn left(self) -> usize {
        self.left.get()
    }
}
