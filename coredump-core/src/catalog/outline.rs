//! The offsets of a unit's named entries, found in one walk over the unit when something is first asked for by name.

use std::collections::HashMap;
use std::sync::OnceLock;

use gimli::constants::*;

use super::entries::{Language, UnitRef};
use crate::symbols::Walk;

/// The offsets of a unit's types and variables. It holds no names.
#[derive(Debug, Default)]
pub(super) struct Outline {
    /// Entries that give names their scope or have one: offset and the parent's offset, by offset.
    pub parents: Vec<(usize, usize)>,
    /// Complete types that have a name.
    pub types: Vec<usize>,
    /// Variables that have a location, and whether each is declared in a function.
    pub variables: Vec<(usize, bool)>,
    /// Variables outside of functions that have no location: those that the compiler left out, and those of other
    /// files.
    pub nowhere: Vec<usize>,
}

pub(super) type ByName<'s> = HashMap<&'s [u8], Vec<usize>>;

/// The memo of one unit: results of searches in it.
#[derive(Debug, Default)]
pub(super) struct Memo<'s> {
    pub language: OnceLock<Language>,
    pub outline: OnceLock<Outline>,
    /// Complete types by name.
    pub types: OnceLock<ByName<'s>>,
    /// Variables outside of functions, and statics in them, by name.
    pub statics: OnceLock<ByName<'s>>,
    /// Variables outside of functions that have no location, by name.
    pub nowhere: OnceLock<ByName<'s>>,
}

/// Walks all entries of a unit. Entries that were read before a damaged one still count.
pub(super) fn outline(unit: UnitRef<'_, '_>) -> gimli::Result<Outline> {
    let mut outline = Outline::default();
    let scope = |abbreviation: &gimli::Abbreviation| {
        let named =
            matches!(abbreviation.tag(), DW_TAG_variable | DW_TAG_subprogram | DW_TAG_namespace | DW_TAG_module);
        abbreviation.has_children() || named || is_type(abbreviation.tag()) || is_static_member(abbreviation)
    };
    let walk = Walk::unit(unit, scope)?;
    // The offsets of the entries that enclose the current one, and whether each is a function.
    let mut around: Vec<(usize, bool)> = Vec::new();
    for met in walk {
        let (offset, tag) = (met.offset.0, met.abbreviation.tag());
        let depth = usize::try_from(met.depth).unwrap_or(0);
        around.truncate(depth);
        let parent = around.last().copied();
        let in_function = parent.is_some_and(|parent| parent.1);
        if met.abbreviation.has_children() {
            around.push((offset, tag == DW_TAG_subprogram || in_function));
        }
        let has = |name| met.abbreviation.attributes().iter().any(|spec| spec.name() == name);
        match tag {
            DW_TAG_variable => {
                if has(DW_AT_location) || has(DW_AT_const_value) {
                    outline.variables.push((offset, in_function));
                } else if !in_function && has(DW_AT_name) {
                    outline.nowhere.push(offset);
                }
            }
            DW_TAG_subprogram | DW_TAG_namespace | DW_TAG_module | DW_TAG_member => {}
            tag if is_type(tag) => {
                if has(DW_AT_name) && !has(DW_AT_declaration) {
                    outline.types.push(offset);
                }
            }
            _ => continue,
        }
        // The unit itself is no namespace.
        if let Some((parent, _)) = parent.filter(|_| depth > 1) {
            outline.parents.push((offset, parent));
        }
    }
    Ok(outline)
}

/// Returns true if entries declare a static variable of a class: before DWARF 5 it looks like a member.
fn is_static_member(abbreviation: &gimli::Abbreviation) -> bool {
    let external = |spec: &gimli::AttributeSpecification| spec.name() == DW_AT_external;
    abbreviation.tag() == DW_TAG_member && abbreviation.attributes().iter().any(external)
}

/// Returns true if entries of this tag are types that are asked for by name.
fn is_type(tag: gimli::DwTag) -> bool {
    matches!(
        tag,
        DW_TAG_structure_type
            | DW_TAG_class_type
            | DW_TAG_union_type
            | DW_TAG_enumeration_type
            | DW_TAG_typedef
            | DW_TAG_base_type
    )
}
