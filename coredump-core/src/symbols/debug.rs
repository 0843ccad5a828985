//! A module's DWARF: finds the function at an address, the calls inlined there, and their lines.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use gimli::{DebugInfoOffset, Section, UnitOffset};

use super::abbreviations::Tables;
use super::extent::CodeExtent;
use super::functions::{self, FunctionRange};
use super::inlined::{self, InlinedCall};
use super::lines::{self, LineLookup, LineRow, Lines, SourceRow};
use super::seek;
use super::split::{SplitFinder, SplitUnit, split_unit};
use super::unit::unit_with;
use super::units::UnitIndex;
use super::work::Work;
use super::{Dwarf, EmbeddedSource, Location, Slice, SourceFrame, UnitRef};
use crate::locate::body::Instructions;
use crate::locked::Locked;
use crate::module::Module;

/// The most address ranges that are compared with the code to find out if the debug info was made for it.
const SAMPLE: usize = 64;

/// The most places in code for which the calls that are inlined there are remembered.
const MAX_CALLS: usize = 1 << 16;

/// The entries of the calls inlined at an address, by the function's unit, its entry and the address.
type Calls = HashMap<(u32, usize, u64), Arc<[UnitOffset<usize>]>>;

/// A module's DWARF with an index of its units; units are parsed when an address falls into them.
pub struct DebugInfo<'s> {
    dwarf: Dwarf<'s>,
    index: UnitIndex,
    units: Vec<OnceLock<Option<Box<Unit<'s>>>>>,
    split: SplitFinder<'s>,
    work: Work,
    tables: Tables,
    /// Memo of [`DebugInfo::agrees`], by the beginning of a function's body and the displacement in bytes.
    agreeing: Locked<HashMap<(u64, i64), bool>>,
    /// The memo of [`DebugInfo::inlined`].
    calls: Locked<Calls>,
    /// The memo of [`DebugInfo::displacement`].
    displaced: OnceLock<i64>,
}

/// A parsed unit; for split DWARF (DWARF 5, 7.3) the skeleton unit and the unit in the `.dwo` file.
struct Unit<'s> {
    unit: gimli::Unit<Slice<'s>>,
    split: Option<SplitUnit<'s>>,
    /// All functions of the unit, by address.
    functions: OnceLock<Vec<FunctionRange>>,
    /// Functions that were found one by one, before all of them were read.
    sought: Locked<Vec<FunctionRange>>,
    lines: OnceLock<Option<Lines<'s>>>,
    /// The memo of [`Unit::is_doubtful`].
    doubtful: OnceLock<bool>,
}

/// The result of looking up an address in debug info.
pub enum AddressLookup {
    /// The source frames: innermost inlined function first, the function itself last.
    Frames(Vec<SourceFrame>),
    /// Frames as in `Frames`, from a line table that contradicts itself: it names no source file.
    Doubtful(Vec<SourceFrame>),
    /// The debug info covers the address, but with no function of the code's extent: it was made for other code.
    Stale,
    /// The debug info does not cover the address.
    Nothing,
}

impl<'s> DebugInfo<'s> {
    /// Indexes the units of `dwarf`, for a code section of `code_size` bytes.
    pub(super) fn new(dwarf: Dwarf<'s>, code_size: u64, split: SplitFinder<'s>) -> DebugInfo<'s> {
        let work = Work::new(dwarf.debug_info.reader().len() + dwarf.debug_line.reader().len());
        let index = UnitIndex::build(&dwarf, code_size, &work, split.neighbours());
        let mut units = Vec::new();
        units.resize_with(index.offsets.len(), OnceLock::new);
        let (agreeing, calls) = (Locked::default(), Locked::default());
        let tables = Tables::default();
        DebugInfo { dwarf, index, units, split, work, tables, agreeing, calls, displaced: OnceLock::new() }
    }

    /// The displacement: by how many bytes all addresses in the debug info are too low. It is negative if they are too
    /// high, as walrus writes them.
    ///
    /// Such tools count addresses from before the code section's contents, or from after the number of functions in
    /// them, so the displacement is plus or minus the size of that number. It is accepted if with it functions begin
    /// and end where the code's do, and rows of line tables stand on instructions. It is computed when debug info does
    /// not fit as it is.
    fn displacement(&self, module: &Module<'_>) -> i64 {
        *self.displaced.get_or_init(|| {
            let first = module.imported_functions();
            let size = leb128_size(module.function_count().saturating_sub(first));
            let fit = |by: i64| {
                let functions = (first..module.function_count()).take(SAMPLE);
                let fit: Vec<bool> = functions.filter_map(|function| self.fits(module, function, by)).collect();
                !fit.is_empty() && fit.into_iter().all(|fits| fits)
            };
            [size, -size].into_iter().find(|&by| fit(by)).unwrap_or(0)
        })
    }

    /// Returns true if the debug info for a function fits it, displaced by `by` bytes; `None` if the function has no
    /// debug info.
    fn fits(&self, module: &Module<'_>, function: u32, by: i64) -> Option<bool> {
        let extent = CodeExtent::from_function(module, function)?;
        let stated = extent.moved_down(by)?;
        let units = self.index.covering(stated.first);
        let index = *units.first()?;
        let mut found = units.iter().filter_map(|&unit| Some((unit, self.unit(unit)?)));
        let found = found.find(|(_, unit)| unit.function(&self.dwarf, &self.work, &stated).is_some());
        let fit = found.map(|(index, _)| index).or(Some(index).filter(|_| self.has_no_functions(index)));
        Some(fit.is_some_and(|index| self.rows_fit(index, module, function, by) != Some(false)))
    }

    /// Returns true if a unit describes no function; it may have lines all the same.
    fn has_no_functions(&self, index: u32) -> bool {
        self.unit(index).is_some_and(|unit| unit.functions(&self.dwarf, &self.work).is_empty())
    }

    /// Returns true if all rows of a unit's line table for a function's code stand on instructions, displaced by `by`
    /// bytes; `None` if that cannot be known.
    fn rows_fit(&self, unit: u32, module: &Module<'_>, function: u32, by: i64) -> Option<bool> {
        let code = module.code_section_start()?;
        let instructions = Instructions::decode(module, function)?;
        let body = module.body(function)?.start - code;
        let decoded = body + u64::from(instructions.decoded);
        let fits = |row: u64| {
            let at = row.saturating_add_signed(by).saturating_sub(body);
            at <= u64::from(instructions.first) || instructions.begins_at(at as u32)
        };
        let lines = self.unit(unit)?.lines(&self.dwarf)?;
        lines.all_rows(&(body.checked_sub_signed(by)?..decoded.checked_sub_signed(by)?), &self.work, fits)
    }

    /// Returns true if the rows for a function's code stand on its instructions, or if that is not known. Rows that
    /// compilers write always do so, but not those in debug info of other code that has the same size by chance.
    fn agrees(&self, unit: u32, module: &Module<'_>, extent: &CodeExtent, by: i64) -> bool {
        if let Some(&known) = self.agreeing.lock().get(&(extent.body, by)) {
            return known;
        }
        let function = module.code_section_start().and_then(|code| module.function_at(code.checked_add(extent.body)?));
        let fit = function.and_then(|function| self.rows_fit(unit, module, function, by));
        let agrees = fit != Some(false);
        self.agreeing.lock().insert((extent.body, by), agrees);
        agrees
    }

    /// Returns true if the units' address ranges begin where functions of `module` do. In debug info that was made
    /// before a tool rewrote the code, only a few do, by chance.
    pub(super) fn was_made_for(&self, module: &Module<'_>) -> bool {
        let fit = |by| {
            let (good, bad) = self.beginnings(module, by);
            good >= bad
        };
        let alive = !self.index.is_dead(module.code_section_size()) || self.has_functions_of(module);
        alive && (fit(0) || fit(self.displacement(module)))
    }

    /// Returns true if more of the described functions are in the code than are not. This decides for units that begin
    /// at address 0, which Kotlin writes for all units, and a linker for a unit that it dropped.
    fn has_functions_of(&self, module: &Module<'_>) -> bool {
        let Some(code) = module.code_section_start() else { return false };
        let (mut good, mut bad) = (0, 0);
        for unit in (0..self.unit_count().min(SAMPLE as u32)).filter_map(|index| self.unit(index)) {
            let described = unit.functions(&self.dwarf, &self.work).iter().filter(|function| function.begin > 0);
            for function in described.take(SAMPLE) {
                let extent = code
                    .checked_add(function.begin)
                    .and_then(|at| CodeExtent::from_function(module, module.function_at(at)?));
                let fits = extent.is_some_and(|extent| extent.agrees(function.begin, function.end));
                *if fits { &mut good } else { &mut bad } += 1;
            }
        }
        good > bad
    }

    /// Returns true if the units have address ranges, and all of the ranges that are compared begin where functions of
    /// `module` do.
    pub(super) fn agrees_throughout(&self, module: &Module<'_>) -> bool {
        matches!(self.beginnings(module, 0), (1.., 0))
    }

    /// Returns the number of address ranges of units that, displaced by `by` bytes, begin where functions of `module`
    /// do, and the number of those that do not. At most [`SAMPLE`] are compared.
    fn beginnings(&self, module: &Module<'_>, by: i64) -> (usize, usize) {
        let Some(code) = module.code_section_start() else { return (0, 0) };
        let begins = |at: u64| {
            let function = module.function_at(code.checked_add(at)?)?;
            let extent = CodeExtent::from_function(module, function)?;
            Some((extent.header..=extent.first).contains(&at))
        };
        let (mut good, mut bad) = (0, 0);
        for at in self.index.sample(SAMPLE).map(|at| at.saturating_add_signed(by)) {
            *if begins(at) == Some(true) { &mut good } else { &mut bad } += 1;
        }
        (good, bad)
    }

    /// The DWARF sections.
    pub fn dwarf(&self) -> &Dwarf<'s> {
        &self.dwarf
    }

    /// The `.dwo` files that the units looked at so far name, and that were not found.
    pub fn missing_split(&self) -> Vec<String> {
        self.split.missing()
    }

    /// A path from the first line table, among those looked at, that names a folder instead of source files.
    pub(super) fn path_of_no_file(&self) -> Option<String> {
        let units = (0..self.unit_count().min(SAMPLE as u32)).filter_map(|index| self.unit(index));
        units
            .filter(|unit| unit.is_doubtful(&self.dwarf))
            .find_map(|unit| lines::first_file(unit.unit.unit_ref(&self.dwarf)))
    }

    /// Returns true if there is no unit.
    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    fn unit(&self, index: u32) -> Option<&Unit<'s>> {
        let parsed = self.units.get(index as usize)?.get_or_init(|| {
            let offset = DebugInfoOffset(*self.index.offsets.get(index as usize)?);
            let header = self.dwarf.unit_header(offset).ok()?;
            let unit = self.read(header)?;
            let split = self.split.load(&self.dwarf, &unit, &self.tables, &self.work);
            let (functions, lines, doubtful) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
            Some(Box::new(Unit { unit, split, functions, sought: Locked::default(), lines, doubtful }))
        });
        parsed.as_deref()
    }

    /// Reads a unit of these sections, a type unit perhaps; `None` where it is damaged.
    pub fn read(&self, header: gimli::UnitHeader<Slice<'s>>) -> Option<gimli::Unit<Slice<'s>>> {
        let table = self.tables.of_unit(&self.dwarf, &header, true, &self.work)?;
        unit_with(&self.dwarf, header, table, &self.work)
    }

    /// Reads a type unit in the file of a split unit, which has these sections; `None` where it is damaged.
    pub fn read_split(
        &self,
        dwarf: &Dwarf<'s>,
        header: gimli::UnitHeader<Slice<'s>>,
    ) -> Option<gimli::Unit<Slice<'s>>> {
        split_unit(dwarf, header, &self.tables, &self.work)
    }

    /// Allows as much work as at first, as another dump is to be read.
    pub fn renew_work(&self) {
        self.work.renew();
    }

    /// Leaves so many steps of work.
    #[cfg(test)]
    pub fn leave_work(&self, steps: u64) {
        self.work.leave(steps);
    }

    /// The damage that was met, in words.
    pub fn damage(&self) -> Option<String> {
        if let Some(offset) = self.index.damaged_from {
            return Some(format!("its debug info is damaged: no unit can be read from {offset:#x} of .debug_info on"));
        }
        let mut read = self.units.iter().filter_map(|unit| unit.get()?.as_deref()?.lines.get()?.as_ref());
        let message = "its debug info is damaged: a line table cannot be read, so the lines of its unit are unknown";
        read.any(Lines::is_damaged).then(|| message.to_owned())
    }

    /// Returns true if something was left out because there was too much to read.
    pub fn gave_up(&self) -> bool {
        self.work.is_spent()
    }

    /// Number of units.
    pub fn unit_count(&self) -> u32 {
        self.units.len() as u32
    }

    /// The unit with this number (for split DWARF, the one in the `.dwo` file); `None` where it is damaged.
    pub fn unit_ref(&self, index: u32) -> Option<UnitRef<'_, 's>> {
        Some(self.unit(index)?.full(&self.dwarf))
    }

    /// The number of the unit that holds a function of `module`, and the function's entry there.
    pub fn function_entry(&self, module: &Module<'_>, function: u32) -> Option<(u32, UnitOffset<usize>)> {
        let extent = CodeExtent::from_function(module, function)?;
        let find = |by| {
            let stated = extent.moved_down(by)?;
            let mut units = self.index.covering(stated.first).into_iter();
            let found = units
                .find_map(|index| Some((index, self.unit(index)?.function(&self.dwarf, &self.work, &stated)?.entry)));
            found.filter(|(unit, _)| self.agrees(*unit, module, &extent, by))
        };
        let covered = || !self.index.covering(extent.first).is_empty();
        find(0).or_else(|| find(Some(self.displacement(module)).filter(|&by| by != 0 && covered())?))
    }

    /// The address at which the prologue of a function with this code ends (DWARF 5, 6.2.2).
    pub fn prologue_end(&self, unit: u32, code: &Range<u64>) -> Option<u64> {
        self.unit(unit)?.lines(&self.dwarf)?.prologue_end(code, &self.work)
    }

    /// The rows of a unit's line table for a function's code, by address; `None` if the table has none for it.
    pub fn rows(&self, unit: u32, code: &Range<u64>) -> Option<Vec<LineRow>> {
        self.unit(unit)?.lines(&self.dwarf)?.rows(code, &self.work)
    }

    /// The number of the unit that an offset into `.debug_info` falls into.
    pub fn unit_containing(&self, offset: DebugInfoOffset<usize>) -> Option<u32> {
        self.index.containing(offset)
    }

    /// The unit and entry an offset into `.debug_info` points at.
    pub fn entry_at(&self, offset: DebugInfoOffset<usize>) -> Option<(UnitRef<'_, 's>, UnitOffset<usize>)> {
        let unit = self.unit(self.index.containing(offset)?)?;
        let entry = offset.to_unit_offset(&unit.unit.header)?;
        Some((unit.unit.unit_ref(&self.dwarf), entry))
    }

    /// All units as they stand in `.debug_info`, the split ones replaced by what their `.dwo` holds. Parses each.
    pub fn units(&self) -> impl Iterator<Item = UnitRef<'_, 's>> {
        (0..self.units.len() as u32).filter_map(|index| Some(self.unit(index)?.full(&self.dwarf)))
    }

    /// The name of an entry: its linkage name, else its plain name.
    pub fn entry_name(&self, unit: UnitRef<'_, 's>, entry: UnitOffset<usize>) -> Option<Arc<str>> {
        let split = unit.dwarf.file_type == gimli::DwarfFileType::Dwo;
        functions::name(unit, entry, |offset| if split { None } else { self.entry_at(offset) })
    }

    /// Returns the contents of the source file `file`, which a location in a function of `module` names, if the debug
    /// info has them.
    pub(super) fn source(&self, module: &Module<'_>, function: u32, file: &str) -> Option<EmbeddedSource> {
        let found = self.function_entry(module, function).map(|(unit, _)| unit);
        let unit = found
            .or_else(|| self.index.covering(CodeExtent::from_function(module, function)?.first).first().copied())?;
        let unit = self.unit(unit)?;
        unit.lines(&self.dwarf)?.source(unit.unit.unit_ref(&self.dwarf), file)
    }

    /// The source location that an entry of a unit gives as a file number of the line table and a line.
    pub fn declared_at(&self, unit: u32, file: u64, line: u32) -> Option<Location> {
        let row = SourceRow { file, line: Some(line), column: None };
        self.unit(unit)?.location(&self.dwarf, row)
    }

    /// Returns the place at which the source declares a function of `module`: the line of its name, not that of its
    /// first code.
    pub fn declaration(&self, module: &Module<'_>, function: u32) -> Option<Location> {
        let (unit, entry) = self.function_entry(module, function)?;
        functions::declaration(self.unit_ref(unit)?, entry, |file, line| self.declared_at(unit, file, line))
    }

    /// The source frames at `pc` in the function of this extent. Functions begin and end as in `module`.
    pub fn lookup(&self, pc: u64, extent: &CodeExtent, module: &Module<'_>) -> AddressLookup {
        match self.lookup_moved(pc, extent, module, 0) {
            AddressLookup::Stale if self.displacement(module) != 0 => {
                self.lookup_moved(pc, extent, module, self.displacement(module))
            }
            answer => answer,
        }
    }

    /// Looks an address up in debug info whose addresses are too low by some bytes.
    fn lookup_moved(&self, pc: u64, actual: &CodeExtent, module: &Module<'_>, by: i64) -> AddressLookup {
        let (Some(pc), Some(extent)) = (pc.checked_sub_signed(by), actual.moved_down(by)) else {
            return AddressLookup::Nothing;
        };
        let mut stale = false;
        for index in self.index.covering(pc) {
            let Some(unit) = self.unit(index) else { continue };
            let function = unit.function(&self.dwarf, &self.work, &extent);
            let begin = function.map(|function| function.begin);
            // Binaryen may end the rows of a function before the function itself ends.
            let inside = |begin, end| function.is_some() && extent.header <= begin && end <= extent.end;
            let bounds = |begin: u64, end: u64| {
                let (first, behind) = (begin.saturating_add_signed(by), end.saturating_add_signed(by));
                // Kotlin does not end its sequences, so that the rows of a function count on from the last line of
                // another.
                inside(begin, end) || (!unit.is_doubtful(&self.dwarf) && bounds_functions(module, first, behind))
            };
            let row = unit.row(&self.dwarf, &self.work, pc, begin, bounds);
            if (function.is_some() || matches!(row, LineLookup::Row(_))) && !self.agrees(index, module, actual, by) {
                stale = true;
                continue;
            }
            let row = match row {
                LineLookup::Row(row) => Some(row),
                LineLookup::Refused => {
                    stale = true;
                    None
                }
                LineLookup::Nothing => None,
            };
            if let Some(function) = function {
                let frames = self.frames(unit, function.entry, pc, row);
                return if unit.is_doubtful(&self.dwarf) {
                    AddressLookup::Doubtful(frames)
                } else {
                    AddressLookup::Frames(frames)
                };
            }
            stale |= unit.functions(&self.dwarf, &self.work).iter().any(|other| (other.begin..other.end).contains(&pc));
            // The unit has a line table and no functions (`-gmlt`, assemblers): only the line is known.
            if let Some(row) = row
                && !stale
            {
                let frames = vec![SourceFrame { name: None, location: unit.location(&self.dwarf, row) }];
                return if unit.is_doubtful(&self.dwarf) {
                    AddressLookup::Doubtful(frames)
                } else {
                    AddressLookup::Frames(frames)
                };
            }
        }
        if stale { AddressLookup::Stale } else { AddressLookup::Nothing }
    }

    /// The entries of the calls inlined at `pc` in the function at `entry` of a unit, outermost first.
    pub fn inlined(&self, unit: u32, entry: UnitOffset<usize>, pc: u64) -> Arc<[UnitOffset<usize>]> {
        let key = (unit, entry.0, pc);
        if let Some(known) = self.calls.lock().get(&key) {
            return known.clone();
        }
        let found: Arc<[UnitOffset<usize>]> = self.find_inlined(unit, entry, pc).into();
        let mut calls = self.calls.lock();
        if calls.len() >= MAX_CALLS {
            calls.clear();
        }
        calls.insert(key, found.clone());
        found
    }

    fn find_inlined(&self, unit: u32, entry: UnitOffset<usize>, pc: u64) -> Vec<UnitOffset<usize>> {
        let Some(unit) = self.unit(unit) else { return Vec::new() };
        let row = || match unit.row(&self.dwarf, &self.work, pc, None, |_, _| true) {
            LineLookup::Row(row) => Some(row),
            LineLookup::Refused | LineLookup::Nothing => None,
        };
        let chain = self.chain(unit, entry, pc, row);
        chain.map(|(chain, _)| chain.iter().map(|call| call.entry).collect()).unwrap_or_default()
    }

    /// The calls inlined at `pc`, outermost first, and whether the list is complete. `None` if they are not known.
    fn chain(
        &self,
        unit: &Unit<'s>,
        entry: UnitOffset<usize>,
        pc: u64,
        row: impl FnOnce() -> Option<SourceRow>,
    ) -> Option<(Vec<InlinedCall>, bool)> {
        let full = unit.full(&self.dwarf);
        let found = inlined::inlined_at(full, entry, pc, &self.work)?;
        let mut calls = found.calls;
        if found.doubtful.is_empty() {
            return Some((calls, true));
        }
        // The line at the address may show which of the doubtful calls it is in, or that it is in none of them.
        let Some((row, line)) = row().and_then(|row| Some((row, row.line?))) else { return Some((calls, false)) };
        let file = |index| unit.lines(&self.dwarf)?.file(full, index);
        let Some(path) = file(row.file) else { return Some((calls, false)) };
        let is_file = |index| index == row.file || file(index).as_ref() == Some(&path);
        let declared = inlined::declared_before(full, is_file, line, &self.work)?;
        let declares = |entry| inlined::origins(full, entry).iter().any(|origin| declared.contains(origin));
        let mut doubtful = found.doubtful.into_iter();
        let deeper = doubtful.find(|path| path.last().is_some_and(|call| declares(call.entry)));
        let certain = deeper.is_some() || declares(calls.last().map_or(entry, |call| call.entry));
        calls.extend(deeper.unwrap_or_default());
        Some((calls, certain))
    }

    fn frames(&self, unit: &Unit<'s>, entry: UnitOffset<usize>, pc: u64, row: Option<SourceRow>) -> Vec<SourceFrame> {
        let full = unit.full(&self.dwarf);
        let Some((chain, certain)) = self.chain(unit, entry, pc, || row) else {
            return vec![SourceFrame { name: self.entry_name(full, entry), location: None }];
        };
        let mut frames = Vec::with_capacity(chain.len() + 1);
        let mut location = row.filter(|_| certain).and_then(|row| unit.location(&self.dwarf, row));
        for call in chain.iter().rev() {
            let called_at =
                SourceRow { file: call.call_file.unwrap_or(0), line: call.call_line, column: call.call_column };
            let outer = call.call_file.and_then(|_| unit.location(&self.dwarf, called_at));
            let name = self.entry_name(full, call.entry);
            frames.push(SourceFrame { name, location: std::mem::replace(&mut location, outer) });
        }
        frames.push(SourceFrame { name: self.entry_name(full, entry), location });
        frames
    }
}

impl<'s> Unit<'s> {
    fn full<'a>(&'a self, main: &'a Dwarf<'s>) -> UnitRef<'a, 's> {
        match &self.split {
            Some(split) => split.unit.unit_ref(&split.dwarf),
            None => self.unit.unit_ref(main),
        }
    }

    fn functions(&self, main: &Dwarf<'s>, work: &Work) -> &[FunctionRange] {
        self.functions.get_or_init(|| functions::functions(self.full(main), work))
    }

    fn function(&self, main: &Dwarf<'s>, work: &Work, extent: &CodeExtent) -> Option<FunctionRange> {
        if let Some(function) = self.seek(main, work, extent) {
            return Some(function);
        }
        let functions = self.functions(main, work);
        let first = functions.partition_point(|function| function.begin < extent.header);
        let near = functions[first..].iter().take_while(|function| function.begin <= extent.first);
        near.copied().find(|function| extent.agrees(function.begin, function.end))
    }

    /// Looks for this function alone, as long as that costs less than reading all functions.
    fn seek(&self, main: &Dwarf<'s>, work: &Work, extent: &CodeExtent) -> Option<FunctionRange> {
        let mut sought = self.sought.lock();
        let known = sought.iter().find(|function| extent.agrees(function.begin, function.end));
        if known.is_some() || sought.len() == seek::MAX_SEEKS || self.functions.get().is_some() {
            return known.copied();
        }
        let found = seek::function(self.full(main), extent, work);
        sought.extend(found);
        found
    }

    /// The line table, which for split DWARF is that of the skeleton unit.
    fn lines(&self, main: &Dwarf<'s>) -> Option<&Lines<'s>> {
        self.lines.get_or_init(|| Lines::new(self.unit.unit_ref(main))).as_ref()
    }

    fn row(
        &self,
        main: &Dwarf<'s>,
        work: &Work,
        pc: u64,
        begin: Option<u64>,
        accept: impl Fn(u64, u64) -> bool,
    ) -> LineLookup {
        self.lines(main).map_or(LineLookup::Nothing, |lines| lines.row(pc, begin, work, accept))
    }

    /// Returns true if the line table contradicts itself, because the path that it has for a source file is also the
    /// path of a folder. Kotlin 2.4 writes such tables, with columns counted from 0 and sequences without an end.
    fn is_doubtful(&self, main: &Dwarf<'s>) -> bool {
        *self.doubtful.get_or_init(|| lines::names_folders(self.unit.unit_ref(main)))
    }

    fn location(&self, main: &Dwarf<'s>, row: SourceRow) -> Option<Location> {
        let line = row.line?;
        let file = self.lines(main)?.file(self.unit.unit_ref(main), row.file)?;
        let column = row.column.filter(|&column| column != 0 && !self.is_doubtful(main));
        Some(Location { file, line, column })
    }
}

/// Returns true if a sequence of a line table covers whole functions: it begins where a function begins and ends where
/// a function ends.
fn bounds_functions(module: &Module<'_>, begin: u64, end: u64) -> bool {
    let Some(code) = module.code_section_start() else { return false };
    let extent = |at: u64| CodeExtent::from_function(module, module.function_at(code.checked_add(at)?)?);
    // Address 0 is the first byte of the section's contents: a table of all functions may begin there.
    let begins = begin == 0 || extent(begin).is_some_and(|extent| begin <= extent.first);
    let last = end.saturating_sub(1);
    let ends = end == module.code_section_size() || extent(last).is_some_and(|extent| extent.end - last <= 2);
    begins && ends
}

/// The size in bytes of a number in LEB128.
fn leb128_size(number: u32) -> i64 {
    i64::from(number.max(1).ilog2() / 7 + 1)
}
