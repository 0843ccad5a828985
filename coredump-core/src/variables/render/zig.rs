//! Values of Zig.

use super::{Contiguous, Renderer, Shown};
use crate::variables::location::Missing;
use crate::variables::types::Struct;
use crate::variables::units::Die;
use crate::variables::value::Value;

impl<'s> Renderer<'_, '_, 's> {
    /// A structure as Zig's programmers know it; `None` for one that is shown by its members.
    pub(super) fn zig(&self, _value: &Value, _die: Die, _contents: &Struct<'s>, _depth: u32) -> Option<Shown> {
        None
    }

    pub(super) fn zig_contiguous(
        &self,
        _value: &Value,
        _die: Die,
        _contents: &Struct<'s>,
    ) -> Option<Result<Contiguous, Missing>> {
        None
    }

    pub(super) fn zig_pointee(&self, _value: &Value, _die: Die, _contents: &Struct<'s>) -> Option<Value> {
        None
    }
}
