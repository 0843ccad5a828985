//! Split DWARF (DWARF 5, 7.3): the bulk of a unit lies in a `.dwo` file, or with others in a `.dwp`, beside the module.

use std::sync::OnceLock;

use gimli::{DwarfPackage, DwoId};

use super::unit::unit;
use super::{Dwarf, Neighbours, Slice, load, text};
use crate::locked::Locked;
use crate::module::Module;

/// A unit of a `.dwo` file with that file's sections.
pub(super) struct SplitUnit<'s> {
    pub dwarf: Dwarf<'s>,
    pub unit: gimli::Unit<Slice<'s>>,
}

/// Finds the split unit for a skeleton unit.
pub(super) struct SplitFinder<'s> {
    neighbours: Neighbours<'s>,
    package: OnceLock<Option<DwarfPackage<Slice<'s>>>>,
    missing: Locked<Vec<String>>,
}

impl<'s> SplitFinder<'s> {
    pub fn new(neighbours: Neighbours<'s>) -> SplitFinder<'s> {
        SplitFinder { neighbours, package: OnceLock::new(), missing: Locked::default() }
    }

    /// The files around the main debug info.
    pub fn neighbours(&self) -> &Neighbours<'s> {
        &self.neighbours
    }

    /// The `.dwo` files that were named and not found.
    pub fn missing(&self) -> Vec<String> {
        self.missing.lock().clone()
    }

    /// The split unit of `skeleton`, if that is a skeleton unit and the split unit can be found and has the same id.
    pub fn load(&self, main: &Dwarf<'s>, skeleton: &gimli::Unit<Slice<'s>>) -> Option<SplitUnit<'s>> {
        let name = skeleton.dwo_name().ok()??;
        let id = skeleton.dwo_id?;
        let name = text(main.attr_string(skeleton, name).ok()?).into_owned();
        let found = self.packaged(main, id).or_else(|| self.single(main, &name, skeleton, id));
        let Some(mut found) = found else {
            let mut missing = self.missing.lock();
            if missing.len() < 16 {
                missing.push(name);
            }
            return None;
        };
        found.unit.copy_relocated_attributes(skeleton);
        Some(found)
    }

    fn packaged(&self, main: &Dwarf<'s>, id: DwoId) -> Option<SplitUnit<'s>> {
        let package = self.package.get_or_init(|| {
            let bytes = self.neighbours.package()?;
            let module = Module::parse(bytes).ok()?;
            let section = |id: gimli::SectionId| -> gimli::Result<Slice<'s>> {
                let contents = id.dwo_name().and_then(|name| module.custom_section(name));
                Ok(Slice::new(contents.unwrap_or_default(), gimli::LittleEndian))
            };
            DwarfPackage::load(section, Slice::new(&[], gimli::LittleEndian)).ok()
        });
        let dwarf = package.as_ref()?.find_cu(id, main).ok()??;
        SplitUnit::find(dwarf, id)
    }

    fn single(
        &self,
        main: &Dwarf<'s>,
        name: &str,
        skeleton: &gimli::Unit<Slice<'s>>,
        id: DwoId,
    ) -> Option<SplitUnit<'s>> {
        let directory = skeleton.comp_dir.map(text);
        self.neighbours.named(name, directory.as_deref()).find_map(|bytes| {
            let module = Module::parse(bytes).ok()?;
            let mut dwarf = load(|section| section.dwo_name().and_then(|name| module.custom_section(name)));
            dwarf.make_dwo(main);
            SplitUnit::find(dwarf, id)
        })
    }
}

impl<'s> SplitUnit<'s> {
    /// The unit with this id; a file of another build has other ids.
    fn find(dwarf: Dwarf<'s>, id: DwoId) -> Option<SplitUnit<'s>> {
        let mut units = dwarf.units();
        while let Ok(Some(header)) = units.next() {
            let Some(unit) = unit(&dwarf, header) else { continue };
            if unit.dwo_id == Some(id) {
                return Some(SplitUnit { dwarf, unit });
            }
        }
        None
    }
}
