//! xtuc's wasm-coredump-rewriter and asc-coredump, which instrument a module so that it writes its own dump.

use crate::model::{CoreDump, Layout, Value};
use crate::sections::{self, RawSection};

use super::encoding::{Encoding, Numbers, STANDARD, Values};
use super::{OffsetBase, warn};

/// The bytes that code offsets of version 0.2 may count from, the likeliest first.
pub const BASES: &[OffsetBase] = &[OffsetBase::FirstInstruction, OffsetBase::Body];

/// The bytes that code offsets of version 0.1 may count from, the likeliest first.
pub const BASES_OF_0_1: &[OffsetBase] = &[OffsetBase::CodeSection, OffsetBase::FirstInstruction, OffsetBase::Body];

/// The value that it writes for an unknown parameter 0; for parameter 1 the next number, and so on.
const PLACEHOLDER: i32 = 669;

/// 0.2: both counts before the locals; values of fixed size; operands are never written.
const FROM_0_2: Encoding =
    Encoding { layout: Layout::Xtuc02, name: "xtuc-0.2", values: Values::BothCounts { operands: false }, ..STANDARD };

/// 0.1.14 to 0.1.24: as 0.2, without the instance.
pub const FROM_0_1_14: Encoding = Encoding { layout: Layout::Xtuc01, name: "xtuc-0.1.14", instance: false, ..FROM_0_2 };

/// May 2023, between releases: numbers of four bytes.
const OF_MAY_2023: Encoding = Encoding { name: "xtuc of May 2023", numbers: Numbers::Fixed, ..FROM_0_1_14 };

/// 0.1.11 and 0.1.12: a size after the number of frames, no version byte, no count of operands.
const FROM_0_1_11: Encoding =
    Encoding { name: "xtuc-0.1.11", size: true, version: false, values: Values::OneCount, ..OF_MAY_2023 };

/// All its encodings.
pub const ENCODINGS: [Encoding; 4] = [FROM_0_2, FROM_0_1_14, OF_MAY_2023, FROM_0_1_11];

/// Returns true if it wrote these sections: `corestack` first, then a `core` without a name, and neither modules nor
/// instances.
pub fn wrote(sections: &[RawSection<'_>]) -> bool {
    let at = |name| sections::position(sections, name);
    if at("coremodules").or(at("coreinstances")).is_some() {
        return false;
    }
    match (at("core"), at("corestack")) {
        (Some(core), Some(stack)) => stack < core && sections[core].bytes == [0, 0],
        // No other producer begins with the stack; the sections that would follow are cut off.
        (None, Some(0)) => sections[0].cut_off().is_some(),
        _ => false,
    }
}

/// Removes made-up values: it knows the parameters of the youngest frame only (up to 0.1.16 of no frame), and writes
/// 669, 670, … for the others.
pub fn placeholders(dump: &mut CoreDump<'_>) {
    let youngest_is_known = dump.layout == Layout::Xtuc02;
    let mut removed = 0usize;
    for thread in &mut dump.threads {
        for frame in thread.frames.iter_mut().skip(usize::from(youngest_is_known)) {
            for (expected, value) in (PLACEHOLDER..).zip(frame.locals.iter_mut().flatten()) {
                if *value != Value::I32(expected) {
                    break;
                }
                *value = Value::Missing;
                removed += 1;
            }
        }
    }
    if removed > 0 {
        warn(dump, &format!("{removed} parameters are placeholders (669, 670, …) of the rewriter: taken as missing"));
    }
}

/// Removes the code offsets if all are 0: before 0.1.20 it wrote none.
pub fn offsets_never_written(dump: &mut CoreDump<'_>) {
    let mut frames = dump.threads.iter_mut().flat_map(|thread| &mut thread.frames).peekable();
    if frames.peek().is_none() || frames.any(|frame| frame.code_offset != Some(0)) {
        return;
    }
    for frame in dump.threads.iter_mut().flat_map(|thread| &mut thread.frames) {
        frame.code_offset = None;
    }
    warn(dump, "this producer writes no code offsets: where a function stood is not known");
}
