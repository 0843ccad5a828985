//! Split DWARF (DWARF 5, 7.3): the bulk of a unit lies in a `.dwo` file, or with others in a `.dwp`, beside the module.

use std::sync::OnceLock;

use gimli::{DwarfPackage, DwoId};

use super::abbreviations::Tables;
use super::unit::unit_with;
use super::work::Work;
use super::{Dwarf, Neighbours, Slice, load, text};
use crate::locked::Locked;
use crate::module::Module;

/// Bytes of a file that count as one step of work when its sections are found.
const BYTES_A_STEP: usize = 64;
/// Steps of work that a unit counts as when its root is read.
const STEPS_A_UNIT: usize = 8;

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
    pub fn load(
        &self,
        main: &Dwarf<'s>,
        skeleton: &gimli::Unit<Slice<'s>>,
        tables: &Tables,
        work: &Work,
    ) -> Option<SplitUnit<'s>> {
        let name = skeleton.dwo_name().ok()??;
        let id = skeleton.dwo_id?;
        let name = text(main.attr_string(skeleton, name).ok()?).into_owned();
        let find = |dwarf| SplitUnit::find(dwarf, id, tables, work);
        let packaged = || find(self.packaged(main, id)?);
        let found = packaged().or_else(|| self.single(main, &name, skeleton, work, find));
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

    /// The sections of a package that hold the unit with this id.
    fn packaged(&self, main: &Dwarf<'s>, id: DwoId) -> Option<Dwarf<'s>> {
        let package = self.package.get_or_init(|| {
            let bytes = self.neighbours.package()?;
            let module = Module::parse(bytes).ok()?;
            let section = |id: gimli::SectionId| -> gimli::Result<Slice<'s>> {
                let contents = id.dwo_name().and_then(|name| module.custom_section(name));
                Ok(Slice::new(contents.unwrap_or_default(), gimli::LittleEndian))
            };
            DwarfPackage::load(section, Slice::new(&[], gimli::LittleEndian)).ok()
        });
        package.as_ref()?.find_cu(id, main).ok()?
    }

    /// Returns the result of `find` for the first file of this name in whose sections it finds the unit.
    fn single(
        &self,
        main: &Dwarf<'s>,
        name: &str,
        skeleton: &gimli::Unit<Slice<'s>>,
        work: &Work,
        find: impl Fn(Dwarf<'s>) -> Option<SplitUnit<'s>>,
    ) -> Option<SplitUnit<'s>> {
        let directory = skeleton.comp_dir.map(text);
        self.neighbours.named(name, directory.as_deref()).find_map(|bytes| {
            // Many skeletons may name one file.
            work.spend(bytes.len() / BYTES_A_STEP).then_some(())?;
            let module = Module::parse(bytes).ok()?;
            let mut dwarf = load(|section| section.dwo_name().and_then(|name| module.custom_section(name)));
            dwarf.make_dwo(main);
            find(dwarf)
        })
    }
}

/// Reads a unit of a `.dwo` file; `None` where it is damaged.
pub(super) fn split_unit<'s>(
    dwarf: &Dwarf<'s>,
    header: gimli::UnitHeader<Slice<'s>>,
    tables: &Tables,
    work: &Work,
) -> Option<gimli::Unit<Slice<'s>>> {
    // A file is read again for each skeleton that names it.
    work.spend(STEPS_A_UNIT).then_some(())?;
    unit_with(dwarf, header, tables.of_unit(dwarf, &header, false, work)?, work)
}

impl<'s> SplitUnit<'s> {
    /// The unit with this id; a file of another build has other ids.
    fn find(dwarf: Dwarf<'s>, id: DwoId, tables: &Tables, work: &Work) -> Option<SplitUnit<'s>> {
        let mut units = dwarf.units();
        while let Ok(Some(header)) = units.next() {
            let Some(unit) = split_unit(&dwarf, header, tables, work) else { continue };
            if unit.dwo_id == Some(id) {
                return Some(SplitUnit { dwarf, unit });
            }
        }
        None
    }
}
