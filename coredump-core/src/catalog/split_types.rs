//! Types in units of their own within `.dwo` files. A file's are read when one of them is first asked for, and numbered
//! after all other units.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::OnceLock;

use super::entries::{Bytes, Die, UnitRef, signature};
use super::outline::Memo;
use crate::locked::Locked;
use crate::symbols::DebugInfo;

/// The most type units of one file that are read.
const UNITS: usize = 1 << 20;

/// The type units of all `.dwo` files that were read so far.
pub(super) struct SplitTypes<'s> {
    /// For each split unit, by its number, the type units in its file.
    files: Vec<OnceLock<File<'s>>>,
    /// For each number from `first` on: the split unit whose file it is in, and the type unit in that file.
    numbers: Locked<Vec<(u32, u32)>>,
    first: u32,
}

#[derive(Default)]
pub(super) struct File<'s> {
    /// The number of its first unit; the others follow.
    first: u32,
    units: Vec<(gimli::Unit<Bytes<'s>>, Memo<'s>)>,
    signatures: HashMap<u64, Die>,
}

impl<'s> SplitTypes<'s> {
    /// An empty collection for `units` split units. The first type unit that is read will have the number `first`.
    pub fn new(units: u32, first: u32) -> Self {
        let mut files = Vec::new();
        files.resize_with(units as usize, OnceLock::new);
        SplitTypes { files, numbers: Locked::default(), first }
    }

    /// The numbers of the type units in the file that the unit `from` is in.
    pub fn around(&self, debug: &DebugInfo<'s>, from: u32) -> Range<u32> {
        let file = self.file_and_index(from).map_or(from, |(file, _)| file);
        self.load(debug, file).map_or(0..0, |file| file.first..file.first + file.units.len() as u32)
    }

    /// Returns the memo of the unit of that number.
    pub fn memo(&self, number: u32) -> Option<&Memo<'s>> {
        let (file, index) = self.file_and_index(number)?;
        Some(&self.files.get(file as usize)?.get()?.units.get(index as usize)?.1)
    }

    /// The unit of that number.
    pub fn unit<'u>(&'u self, debug: &'u DebugInfo<'s>, number: u32) -> Option<UnitRef<'u, 's>> {
        let (file, index) = self.file_and_index(number)?;
        let unit = &self.files.get(file as usize)?.get()?.units.get(index as usize)?.0;
        Some(unit.unit_ref(debug.unit_ref(file)?.dwarf))
    }

    /// The type of that signature in the file that the unit `from` is in.
    pub fn find(&self, debug: &DebugInfo<'s>, from: u32, wanted: gimli::DebugTypeSignature) -> Option<Die> {
        let file = self.file_and_index(from).map_or(from, |(file, _)| file);
        self.load(debug, file)?.signatures.get(&wanted.0).copied()
    }

    /// Reads the type units of a split unit's file.
    fn load(&self, debug: &DebugInfo<'s>, file: u32) -> Option<&File<'s>> {
        let known = self.files.get(file as usize)?;
        let dwarf = debug.unit_ref(file)?.dwarf;
        Some(known.get_or_init(|| {
            let mut read = File::default();
            if dwarf.file_type != gimli::DwarfFileType::Dwo {
                return read;
            }
            // Held until the whole file is read: its units get numbers in a row.
            let mut numbers = self.numbers.lock();
            read.first = self.first + numbers.len() as u32;
            let mut add = |header: gimli::UnitHeader<Bytes<'s>>| {
                let number = self.first + numbers.len() as u32;
                if let Some(known) = signature(number, &header)
                    && let Some(unit) = debug.read_split(dwarf, header)
                {
                    numbers.push((file, read.units.len() as u32));
                    read.signatures.extend([known]);
                    read.units.push((unit, Memo::default()));
                }
                read.units.len() < UNITS
            };
            // Since DWARF 5 type units stand in `.debug_info`; before, they are in `.debug_types`.
            let mut units = dwarf.units();
            while let Ok(Some(header)) = units.next()
                && add(header)
            {}
            let mut units = dwarf.type_units();
            while let Ok(Some(header)) = units.next()
                && add(header)
            {}
            read
        }))
    }

    /// Returns the file that holds the unit with this number, and the unit's index there.
    fn file_and_index(&self, number: u32) -> Option<(u32, u32)> {
        self.numbers.lock().get(number.checked_sub(self.first)? as usize).copied()
    }
}
