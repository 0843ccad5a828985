//! The extent of a function's code, with which debug info must agree.

use crate::module::Module;

/// The extent of a function's code, in DWARF addresses.
#[derive(Clone, Copy, Debug)]
pub struct CodeExtent {
    /// The address of the body's size field.
    pub header: u64,
    /// The address of the body, which begins with its locals.
    pub body: u64,
    /// The address of the first instruction.
    pub first: u64,
    /// The address after the last byte.
    pub end: u64,
}

impl CodeExtent {
    /// The extent of a function of `module`.
    pub fn from_function(module: &Module<'_>, function: u32) -> Option<CodeExtent> {
        let code = module.code_section_start()?;
        let body = module.body(function)?;
        let first = module.operators(function)?.original_position() as u64;
        // A body's size is at most five bytes of LEB128.
        let header = function
            .checked_sub(1)
            .and_then(|before| module.body(before))
            .map_or(body.start.saturating_sub(5).max(code + 1), |before| before.end);
        Some(CodeExtent { header: header - code, body: body.start - code, first: first - code, end: body.end - code })
    }

    /// The extent moved down by `by` bytes; `None` if it would leave the range of addresses.
    pub(super) fn moved_down(&self, by: i64) -> Option<CodeExtent> {
        let down = |at: u64| at.checked_sub_signed(by);
        let CodeExtent { header, body, first, end } = *self;
        Some(CodeExtent { header: down(header)?, body: down(body)?, first: down(first)?, end: down(end)? })
    }

    /// Returns true if debug info gives this extent: compilers let a function begin at its size field or locals, and
    /// end at or after its `end`. Debug info from before a tool rewrote the code does not fit both.
    pub(super) fn agrees(&self, begin: u64, end: u64) -> bool {
        (self.header..=self.first).contains(&begin) && (end == self.end || end + 1 == self.end)
    }
}
