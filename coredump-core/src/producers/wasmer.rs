//! Wasmer, with `--coredump-on-trap`. Its encoding is that of the rewriter 0.1.14.

use crate::model::{CoreDump, Layout};
use crate::sections::{self, RawSection};

use super::encoding::Encoding;
use super::{OffsetBase, rewriter, warn};

/// The bytes from which its code offsets may count, the likeliest first.
pub const BASES: &[OffsetBase] = &[OffsetBase::Body, OffsetBase::FirstInstruction];

/// Its encoding.
pub const ENCODING: Encoding = Encoding { layout: Layout::Wasmer, name: "wasmer", ..rewriter::FROM_0_1_14 };

/// Returns true if it wrote these sections, if the rewriter did not: neither modules nor instances.
pub fn wrote(sections: &[RawSection<'_>]) -> bool {
    let has = |name| sections::position(sections, name).is_some();
    !has("coremodules") && !has("coreinstances") && has("core") && has("corestack")
}

/// Removes the memory that it declares, of no pages and with one empty segment: it captures none.
pub fn repair(dump: &mut CoreDump<'_>) {
    if dump.memories.iter().all(|memory| memory.size == 0 && memory.segments().is_empty()) {
        dump.memories.clear();
        warn(dump, "this producer captures no memory");
    }
}
