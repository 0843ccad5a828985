//! How far walks through types go.

use std::cell::Cell;

/// Types that one walk looks at.
const TYPES: u32 = 4096;

/// How far a walk through the types of members may still go. A few entries, each with many members of the next one's type, describe
/// more values within values than any time is enough for.
#[derive(Clone, Copy)]
pub struct Reach<'b> {
    levels: u32,
    types: &'b Cell<u32>,
}

impl Reach<'_> {
    /// Begins a walk of so many levels.
    pub fn begin<R>(levels: u32, walk: impl FnOnce(Reach<'_>) -> R) -> R {
        walk(Reach { levels, types: &Cell::new(TYPES) })
    }

    /// What is left for another walk, of so many levels, which is part of this one.
    pub fn again(self, levels: u32) -> Self {
        Reach { levels, ..self }
    }

    /// What is left for the members of one more type; `None` if the walk ends here.
    pub fn deeper(self) -> Option<Self> {
        let levels = self.levels.checked_sub(1)?;
        self.types.set(self.types.get().checked_sub(1)?);
        Some(Reach { levels, ..self })
    }
}
