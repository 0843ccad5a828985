//! Values of C++.

use super::{Renderer, Shown};
use crate::variables::types::Struct;
use crate::variables::units::Die;
use crate::variables::value::Value;

impl<'s> Renderer<'_, '_, 's> {
    /// A structure as C++'s programmers know it; `None` for one that is shown by its members.
    pub(super) fn cpp(&self, _value: &Value, _die: Die, _contents: &Struct<'s>, _depth: u32) -> Option<Shown> {
        None
    }
}
