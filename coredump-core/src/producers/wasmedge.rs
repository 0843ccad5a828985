//! WasmEdge. Since August 2026 it follows the standard, except for the byte from which its code offsets count. Before,
//! it had its own encoding, and wrote much that was wrong.

use crate::error::{Error, Result};
use crate::model::{CoreDump, Layout, ModuleRecord, Value, Warning};
use crate::module::ValueType;
use crate::sections::input::{failed, shortened, version};
use crate::sections::{self, RawSection};

use super::encoding::{Encoding, STANDARD, Values};
use super::{OffsetBase, follow, is_state, warn};

/// The order of its sections.
const ORDER: [&str; 7] = ["memory", "global", "data", "core", "coremodules", "coreinstances", "corestack"];

/// The bytes from which its code offsets may count, the likeliest first.
pub const BASES: &[OffsetBase] = &[OffsetBase::FirstInstruction, OffsetBase::Body];

/// The old encodings: as xtuc 0.1.14 with operands, or, for wasmgdb, with the number of operands only. Frames of host
/// functions are counted but not written.
pub const ENCODINGS: [Encoding; 2] = [
    Encoding {
        layout: Layout::WasmEdge,
        name: "wasmedge",
        instance: false,
        values: Values::BothCounts { operands: true },
        may_end_early: true,
        ..STANDARD
    },
    Encoding {
        layout: Layout::WasmEdge,
        name: "wasmedge for wasmgdb",
        instance: false,
        values: Values::BothCounts { operands: false },
        may_end_early: true,
        ..STANDARD
    },
];

/// Returns true if an old WasmEdge wrote these sections: a list of no instances, or modules whose names have no length.
pub fn old_wrote(sections: &[RawSection<'_>]) -> bool {
    let at = |name| sections::position(sections, name);
    match (at("coremodules"), at("coreinstances")) {
        (_, Some(instances)) => sections[instances].bytes == [0],
        (Some(modules), None) => !has_lengths(&sections[modules]),
        (None, None) => false,
    }
}

/// Returns true if an old WasmEdge may have written these sections: modules and no list of instances. No other of the
/// old producers writes modules.
pub fn old_may_have_written(sections: &[RawSection<'_>]) -> bool {
    let has = |name| sections::position(sections, name).is_some();
    has("coremodules") && !has("coreinstances")
}

/// Returns true if the names of a `coremodules` section have lengths, as the standard asks; one that is cut off may.
fn has_lengths(section: &RawSection<'_>) -> bool {
    let mut reader = section.reader();
    let mut names = || -> wasmparser::Result<()> {
        for _ in 0..reader.read_var_u32()? {
            reader.read_u8()?;
            let length = reader.read_var_u32()?;
            reader.read_bytes(length as usize)?;
        }
        Ok(())
    };
    section.cut_off().is_some() || (names().is_ok() && reader.eof())
}

/// Returns true if a dump that was read is laid out as its dumps are.
pub fn laid_out(dump: &CoreDump<'_>) -> bool {
    dump.sections.first().is_some_and(|first| is_state(&first.name)) && follow(&dump.sections, ORDER)
}

/// The names of an old `coremodules`, which have no length. It has one module, so the name is what is left.
pub fn modules(section: &RawSection<'_>, dump: &mut CoreDump<'_>) -> Result<()> {
    let mut reader = section.reader();
    let count = reader.read_var_u32().map_err(failed("the number of modules"))?;
    if count != 1 {
        let message = format!("the names of {count} modules have no lengths: they can't be told apart");
        return Err(Error::malformed(section.offset, message));
    }
    version(&mut reader, "a module of coremodules")?;
    let rest = reader.read_bytes(reader.bytes_remaining()).map_err(failed("a module's name"))?;
    if let Some((&length, name)) = rest.split_first()
        && usize::from(length) == name.len()
    {
        dump.modules.push(ModuleRecord::named(shortened(name)));
        return Ok(());
    }
    dump.modules.push(ModuleRecord::named(shortened(rest)));
    if !rest.is_empty() {
        let message = "the module's name has no length: taken to the end of its section".into();
        dump.warnings.push(Warning { message, offset: Some(section.offset) });
    }
    Ok(())
}

/// Removes from an old dump what is known to be wrong.
pub fn repair_old(dump: &mut CoreDump<'_>) {
    if dump.threads.iter().flat_map(|thread| &thread.frames).any(|frame| frame.locals.is_some()) {
        warn(dump, "this producer writes the low 32 bits of every value and calls them i32");
    }
    // An index of 0 that is right is lost too, because nothing distinguishes it from a wrong one.
    let frames = dump.threads.iter_mut().flat_map(|thread| &mut thread.frames);
    frames.filter(|frame| frame.function == Some(0)).for_each(|frame| frame.function = None);
    warn(
        dump,
        "this producer's function indices are wrong for functions called indirectly or by the host (it writes 0: taken as \
         unknown), and its code offsets are where the caller stood",
    );
}

/// Gives the locals of an old frame their types. Only the low 32 bits of each were written: the value of an i32 or the
/// bits of an f32, but half of anything else.
pub fn value_types(locals: &mut [Value], types: Vec<ValueType>) {
    let types = types.into_iter().map(Some).chain(std::iter::repeat(None));
    for (value, ty) in locals.iter_mut().zip(types) {
        *value = match (&*value, ty) {
            (Value::I32(bits), Some(ValueType::I32)) => Value::I32(*bits),
            (Value::I32(bits), Some(ValueType::F32)) => Value::F32(*bits as u32),
            _ => Value::Missing,
        };
    }
}
