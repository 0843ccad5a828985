//! The functions of one compilation unit: their addresses, names and declarations.

use std::sync::Arc;

use gimli::{Abbreviation, Attribute, AttributeSpecification, AttributeValue, DebugInfoOffset, UnitOffset};

use super::ranges::{RangeLists, Ranges};
use super::walk::Walk;
use super::work::Work;
use super::{Location, Slice, UnitRef, attribute_text, demangle, text};

/// The number of entries that are followed from a use to the declaration with the name.
const MAX_HOPS: usize = 16;

/// One address range of a concrete function.
#[derive(Clone, Copy, Debug)]
pub(super) struct FunctionRange {
    pub begin: u64,
    pub end: u64,
    pub entry: UnitOffset<usize>,
}

/// The entry in which a name is to be looked for next.
pub(super) enum NameStep {
    /// In the same unit.
    Here(UnitOffset<usize>),
    /// Anywhere in `.debug_info`.
    Elsewhere(DebugInfoOffset<usize>),
}

/// All concrete functions of a unit, by address. Damage ends the walk.
pub(super) fn functions(unit: UnitRef<'_, '_>, work: &Work) -> Vec<FunctionRange> {
    let mut found = Vec::new();
    // After an error, what was found before it counts.
    let _ = collect(unit, &mut found, work);
    found.sort_by_key(|function| function.begin);
    found
}

fn collect(unit: UnitRef<'_, '_>, found: &mut Vec<FunctionRange>, work: &Work) -> gimli::Result<()> {
    let concrete = |abbreviation: &Abbreviation| {
        let addresses =
            |spec: &AttributeSpecification| matches!(spec.name(), gimli::DW_AT_low_pc | gimli::DW_AT_ranges);
        abbreviation.tag() == gimli::DW_TAG_subprogram && abbreviation.attributes().iter().any(addresses)
    };
    let mut walk = Walk::unit(unit, concrete)?;
    // Of functions that share a list, the first is the one that is found.
    let mut lists = RangeLists::default();
    while !work.is_spent()
        && let Some(met) = walk.next()
    {
        work.spend(walk.take_passed());
        let mut ranges = Ranges::default();
        read(unit, met.offset, |attribute| ranges.note(attribute.name(), attribute.value()))?;
        lists.each_new(
            ranges,
            unit,
            || work.spend(1),
            |begin, end| found.push(FunctionRange { begin, end, entry: met.offset }),
        );
    }
    work.spend(walk.take_passed());
    Ok(())
}

/// Calls `each` with the attributes of an entry.
pub(super) fn read<'s>(
    unit: UnitRef<'_, 's>,
    entry: UnitOffset<usize>,
    mut each: impl FnMut(&Attribute<Slice<'s>>),
) -> gimli::Result<()> {
    let mut entries = unit.entries_raw(Some(entry))?;
    let Some(abbreviation) = entries.read_abbreviation()? else { return Ok(()) };
    for &spec in abbreviation.attributes() {
        each(&entries.read_attribute(spec)?);
    }
    Ok(())
}

/// The name of an entry: the linkage name that it or one of its origins has, else its plain name.
///
/// `elsewhere` opens another unit: it is called with an offset into `.debug_info`.
pub(super) fn name<'u, 's: 'u>(
    mut unit: UnitRef<'u, 's>,
    mut entry: UnitOffset<usize>,
    mut elsewhere: impl FnMut(DebugInfoOffset<usize>) -> Option<(UnitRef<'u, 's>, UnitOffset<usize>)>,
) -> Option<Arc<str>> {
    let mut plain: Option<Arc<str>> = None;
    for _ in 0..MAX_HOPS {
        let names = names_of(unit, entry).ok()?;
        plain = plain.or(names.plain);
        if let Some(linkage) = names.linkage {
            return Some(preferred(linkage, plain));
        }
        match names.origin {
            None => break,
            Some(NameStep::Here(offset)) => entry = offset,
            Some(NameStep::Elsewhere(offset)) => match elsewhere(offset) {
                Some(found) => (unit, entry) = found,
                None => break,
            },
        }
    }
    plain
}

/// Returns the place where an entry is declared, from its own attributes or those of its origins in the same unit;
/// `location` turns a file number and a line into a location.
pub(super) fn declaration<'u, 's: 'u>(
    unit: UnitRef<'u, 's>,
    mut entry: UnitOffset<usize>,
    location: impl Fn(u64, u32) -> Option<Location>,
) -> Option<Location> {
    let (mut file, mut line) = (None, None);
    for _ in 0..MAX_HOPS {
        let mut next = None;
        let attributes = read(unit, entry, |attribute| match attribute.name() {
            gimli::DW_AT_decl_file => file = file.or(file_index(attribute.value())),
            gimli::DW_AT_decl_line => line = line.or(attribute.udata_value()),
            gimli::DW_AT_abstract_origin | gimli::DW_AT_specification => {
                if let AttributeValue::UnitRef(offset) = attribute.value() {
                    next = Some(offset);
                }
            }
            _ => {}
        });
        attributes.ok()?;
        // An entry repeats only the attributes of its origin that differ: file and line may come from different
        // entries.
        if let (Some(file), Some(line)) = (file, line) {
            return location(file, u32::try_from(line).ok().filter(|&line| line > 0)?);
        }
        entry = next?;
    }
    None
}

fn file_index(value: AttributeValue<Slice<'_>>) -> Option<u64> {
    match value {
        AttributeValue::FileIndex(index) => Some(index),
        other => other.udata_value(),
    }
}

/// Chooses between the names: the linkage name if it can be demangled, or if it qualifies the plain name (Zig's
/// `module.function`). Any other linkage name concerns only the linker, such as clang's `__main_argc_argv` for `main`.
fn preferred(linkage: Arc<str>, plain: Option<Arc<str>>) -> Arc<str> {
    let mangled = linkage.starts_with("_Z") || linkage.starts_with("_R");
    match plain {
        Some(plain) if mangled && *demangle(&linkage) == *linkage => plain,
        Some(plain) if !mangled && !linkage.ends_with(&format!(".{plain}")) => plain,
        _ => linkage,
    }
}

/// The attributes of an entry that concern its name.
#[derive(Default)]
struct EntryNames {
    linkage: Option<Arc<str>>,
    plain: Option<Arc<str>>,
    /// Its origin (`DW_AT_abstract_origin` or `DW_AT_specification`), which may have what it lacks.
    origin: Option<NameStep>,
}

fn names_of(unit: UnitRef<'_, '_>, entry: UnitOffset<usize>) -> gimli::Result<EntryNames> {
    let mut names = EntryNames::default();
    let mut entries = unit.entries_raw(Some(entry))?;
    let Some(abbreviation) = entries.read_abbreviation()? else { return Ok(names) };
    for &spec in abbreviation.attributes() {
        let attribute = entries.read_attribute(spec)?;
        let text = || {
            let name = attribute_text(unit, attribute.value())?;
            Some(Arc::from(text(name))).filter(|name: &Arc<str>| !name.is_empty())
        };
        match attribute.name() {
            gimli::DW_AT_linkage_name | gimli::DW_AT_MIPS_linkage_name => names.linkage = text(),
            gimli::DW_AT_name => names.plain = text(),
            gimli::DW_AT_abstract_origin | gimli::DW_AT_specification => match attribute.value() {
                AttributeValue::UnitRef(offset) => names.origin = Some(NameStep::Here(offset)),
                AttributeValue::DebugInfoRef(offset) => names.origin = Some(NameStep::Elsewhere(offset)),
                _ => {}
            },
            _ => {}
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::preferred;

    #[test]
    fn the_name_that_says_more_is_preferred() {
        let name = |linkage: &str, plain: &str| preferred(linkage.into(), Some(plain.into())).to_string();
        assert_eq!(name("_ZN3app5countEv", "count"), "_ZN3app5countEv");
        assert_eq!(name("vars.count", "count"), "vars.count");
        assert_eq!(name("__main_argc_argv", "main"), "main");
        // Clang 22's mangling of constraints, which `cpp_demangle` 0.5 does not know.
        let constrained = "_ZNSt3__16copy_nB9nin220108IPKciPcTnNS_9enable_ifIXntsr37__has_exactly_input_iterator_categoryIT_EE5valueEiE4typeELi0EEET1_S5_T0_S8_";
        assert_eq!(name(constrained, "copy_n<const char *, int, char *, 0>"), "copy_n<const char *, int, char *, 0>");
        assert_eq!(*preferred(constrained.into(), None), *constrained);
    }
}
