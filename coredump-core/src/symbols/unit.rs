//! A unit from its header, also where its line table is missing or damaged: types and functions do not need it.

use std::sync::Arc;

use gimli::AttributeValue as Value;

use super::work::Work;
use super::{Dwarf, Slice};

/// Reads the unit of a header whose abbreviations were read before; `None` where it is damaged. It has no line table if too many
/// units share theirs.
pub(super) fn unit_with<'s>(
    dwarf: &Dwarf<'s>,
    header: gimli::UnitHeader<Slice<'s>>,
    abbreviations: Arc<gimli::Abbreviations>,
    work: &Work,
) -> Option<gimli::Unit<Slice<'s>>> {
    let whole = gimli::Unit::new_with_abbreviations(dwarf, header, abbreviations.clone());
    let mut unit = whole.ok().or_else(|| without_lines(dwarf, header, abbreviations))?;
    let listed = unit.line_program.as_ref().map_or(0, |program| {
        let head = program.header();
        head.file_names().len() + head.include_directories().len()
    });
    let of_types = matches!(header.type_(), gimli::UnitType::Type { .. } | gimli::UnitType::SplitType { .. });
    if !work.keep_files(listed, of_types) {
        unit.line_program = None;
    }
    Some(unit)
}

/// A unit without its line table, without which gimli reads none.
fn without_lines<'s>(
    dwarf: &Dwarf<'s>,
    header: gimli::UnitHeader<Slice<'s>>,
    abbreviations: Arc<gimli::Abbreviations>,
) -> Option<gimli::Unit<Slice<'s>>> {
    let (encoding, file_type) = (header.encoding(), dwarf.file_type);
    let mut unit = gimli::Unit {
        header,
        abbreviations,
        name: None,
        comp_dir: None,
        low_pc: 0,
        str_offsets_base: gimli::DebugStrOffsetsBase::default_for_encoding_and_file(encoding, file_type),
        addr_base: gimli::DebugAddrBase(0),
        loclists_base: gimli::DebugLocListsBase::default_for_encoding_and_file(encoding, file_type),
        rnglists_base: gimli::DebugRngListsBase::default_for_encoding_and_file(encoding, file_type),
        line_program: None,
        dwo_id: match header.type_() {
            gimli::UnitType::Skeleton(id) | gimli::UnitType::SplitCompilation(id) => Some(id),
            _ => None,
        },
    };
    let (mut name, mut comp_dir, mut low_pc) = (None, None, None);
    let mut entries = header.entries(&unit.abbreviations);
    entries.next_dfs().ok()?;
    for attribute in entries.current()?.attrs() {
        match (attribute.name(), attribute.value()) {
            (gimli::DW_AT_name, value) => name = Some(value),
            (gimli::DW_AT_comp_dir, value) => comp_dir = Some(value),
            (gimli::DW_AT_low_pc, value) => low_pc = Some(value),
            (_, Value::DebugStrOffsetsBase(base)) => unit.str_offsets_base = base,
            (_, Value::DebugAddrBase(base)) => unit.addr_base = base,
            (_, Value::DebugLocListsBase(base)) => unit.loclists_base = base,
            (_, Value::DebugRngListsBase(base)) => unit.rnglists_base = base,
            (gimli::DW_AT_GNU_dwo_id, Value::DwoId(id)) => unit.dwo_id = unit.dwo_id.or(Some(id)),
            _ => {}
        }
    }
    unit.name = name.and_then(|name| dwarf.attr_string(&unit, name).ok());
    unit.comp_dir = comp_dir.and_then(|directory| dwarf.attr_string(&unit, directory).ok());
    unit.low_pc = match low_pc {
        Some(address) => dwarf.attr_address(&unit, address).ok()?.unwrap_or(0),
        None => 0,
    };
    Some(unit)
}

#[cfg(test)]
mod tests {
    use super::super::{dwarf_of, real};
    use super::*;

    #[test]
    fn a_unit_without_its_line_table_is_otherwise_as_gimli_reads_it() {
        let mut read = 0;
        real::units(|module, unit| {
            let mut dwarf = dwarf_of(module).unwrap();
            dwarf.debug_line = gimli::DebugLine::new(&[], gimli::LittleEndian);
            assert!(gimli::Unit::new(&dwarf, unit.header).is_err() || unit.line_program.is_none());
            let own = unit_with(&dwarf, unit.header, unit.abbreviations.clone(), &Work::new(0)).unwrap();
            let bases = |unit: &gimli::Unit<Slice<'_>>| {
                let bases = (unit.str_offsets_base, unit.addr_base, unit.loclists_base, unit.rnglists_base);
                format!("{:?}", (unit.name, unit.comp_dir, unit.low_pc, bases, unit.dwo_id))
            };
            assert_eq!(bases(&own), bases(unit.unit));
            read += usize::from(own.line_program.is_none() && unit.line_program.is_some());
        });
        assert!(read > 8, "{read} units");
    }
}
