//! Tables of abbreviations (DWARF 5, 7.5.3): each is read once, however many units refer to it.

use std::collections::HashMap;
use std::sync::Arc;

use gimli::{Reader, Section, UnitHeader};

use super::work::Work;
use super::{Dwarf, Slice};
use crate::locked::Locked;

/// The size limit of the first declaration of a table, in bytes. Real ones have at most some forty.
const MAX_DECLARATION: usize = 4096;
/// The most attributes that an abbreviation may have. Compilers use a dozen or two; as some forms take no bytes in an
/// entry, many entries of one byte each could have any number of attributes.
const MAX_ATTRIBUTES: usize = 256;

/// The tables that were read, by where they lie in memory: a package has several sections of them.
#[derive(Default)]
pub(super) struct Tables {
    read: Locked<HashMap<usize, Arc<gimli::Abbreviations>>>,
}

impl Tables {
    /// The table of a unit. `main` says whether it is one of the main debug info's, of which only so many bytes are
    /// kept.
    pub fn of_unit<'s>(
        &self,
        dwarf: &Dwarf<'s>,
        header: &UnitHeader<Slice<'s>>,
        main: bool,
        work: &Work,
    ) -> Option<Arc<gimli::Abbreviations>> {
        let section = dwarf.debug_abbrev.reader().slice();
        let place = section.get(header.debug_abbrev_offset().0..)?.as_ptr() as usize;
        if let Some(known) = self.read.lock().get(&place) {
            return Some(known.clone());
        }
        let size = table_size(dwarf, header)?;
        let allowed = if main { work.keep_abbreviations(size) } else { work.spend(size) };
        allowed.then_some(())?;
        let table = Arc::new(header.abbreviations(&dwarf.debug_abbrev).ok()?);
        self.read.lock().insert(place, table.clone());
        Some(table)
    }
}

/// Reads a table that is not kept.
pub(super) fn read(dwarf: &Dwarf<'_>, header: &UnitHeader<Slice<'_>>, work: &Work) -> Option<gimli::Abbreviations> {
    work.spend(table_size(dwarf, header)?).then_some(())?;
    header.abbreviations(&dwarf.debug_abbrev).ok()
}

/// Size in bytes of the table of a unit; `None` if it is damaged, or an abbreviation has too many attributes.
fn table_size(dwarf: &Dwarf<'_>, header: &UnitHeader<Slice<'_>>) -> Option<usize> {
    let table = dwarf.debug_abbrev.reader().slice().get(header.debug_abbrev_offset().0..)?;
    let mut rest = Slice::new(table, gimli::LittleEndian);
    while skip_declaration(&mut rest)? {}
    Some(table.len() - rest.len())
}

/// The first declaration of a table, as a table of its own.
pub(super) fn first_declaration(table: &[u8]) -> Option<Vec<u8>> {
    let table = &table[..table.len().min(MAX_DECLARATION)];
    let mut rest = Slice::new(table, gimli::LittleEndian);
    skip_declaration(&mut rest)?.then_some(())?;
    let mut bytes = table[..table.len() - rest.len()].to_vec();
    bytes.push(0);
    Some(bytes)
}

/// Skips one declaration; `false` at the end of the table, `None` if it has too many attributes.
fn skip_declaration(rest: &mut Slice<'_>) -> Option<bool> {
    if rest.read_uleb128().ok()? == 0 {
        return Some(false);
    }
    rest.read_uleb128().ok()?;
    rest.read_u8().ok()?;
    for _ in 0..=MAX_ATTRIBUTES {
        let name = rest.read_uleb128().ok()?;
        let form = rest.read_uleb128().ok()?;
        if form == u64::from(gimli::DW_FORM_implicit_const.0) {
            rest.read_sleb128().ok()?;
        }
        if (name, form) == (0, 0) {
            return Some(true);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_abbreviation_has_no_more_attributes_than_sense() {
        // A compilation unit without children, with a flag (DW_FORM_flag_present) so many times.
        let declared = |attributes: usize| [&[1, 0x11, 0][..], &[0x3f, 0x19].repeat(attributes), &[0, 0, 0]].concat();
        assert!(first_declaration(&declared(MAX_ATTRIBUTES)).is_some());
        assert!(first_declaration(&declared(MAX_ATTRIBUTES + 1)).is_none());
    }
}
