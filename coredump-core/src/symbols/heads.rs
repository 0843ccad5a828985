//! Reads the heads of all units: where each begins, its header and its root entry.
//!
//! In large debug info a unit begins many pages after the previous one. Touching a page of each in a mapping costs more
//! than reading the few bytes that are needed from the file, because the system maps the pages around it as well.

use std::fs::File;
use std::os::unix::fs::FileExt;

use gimli::{DebugInfo, DebugInfoOffset, LittleEndian, Section, UnitHeader};

use super::{Dwarf, Neighbours, Slice};

/// A head that is farther away than this many bytes from the previous one is read from the file instead of the mapping.
const FAR: usize = 64 << 10;
/// Bytes of a unit that are read as its head: nearly all root entries are shorter.
const HEAD: usize = 512;
/// The number of bytes of the mapping that are passed before its pages are released, so that large debug info does not
/// stay resident.
const RESIDENT: usize = 4 << 20;

/// Iterates over the units.
pub(super) struct Heads<'a, 's> {
    dwarf: &'a Dwarf<'s>,
    neighbours: &'a Neighbours<'s>,
    /// The offset in `.debug_info` at which the next unit begins.
    at: usize,
    /// The length of the last unit in bytes.
    length: usize,
    scattered: Option<(File, u64)>,
    head: Vec<u8>,
    /// The number of bytes of the mapping that were passed since its pages were released.
    resident: usize,
    is_damaged: bool,
}

/// The head of a unit.
pub(super) struct UnitHead<'h> {
    /// The offset in `.debug_info` at which the unit begins.
    pub offset: usize,
    /// The unit's header, with as much of its entries as was read.
    pub header: UnitHeader<Slice<'h>>,
    /// True if the unit was not read to its end.
    pub cut: bool,
}

impl<'a, 's> Heads<'a, 's> {
    /// Walks the heads of the units of `dwarf`, in a file that `neighbours` knows.
    pub fn new(dwarf: &'a Dwarf<'s>, neighbours: &'a Neighbours<'s>) -> Heads<'a, 's> {
        let section = dwarf.debug_info.reader().slice();
        let scattered = if section.len() > RESIDENT { neighbours.scattered(section) } else { None };
        Heads { dwarf, neighbours, at: 0, length: 0, scattered, head: Vec::new(), resident: 0, is_damaged: false }
    }

    /// The next unit; `None` at the end and after damage.
    pub fn next(&mut self) -> Option<UnitHead<'_>> {
        let offset = self.at;
        if self.length > FAR && self.read(offset).is_some() {
            let header = DebugInfo::new(&self.head, LittleEndian).header_from_offset(DebugInfoOffset(0));
            let Ok(header) = header else {
                self.is_damaged = true;
                return None;
            };
            self.at = offset.checked_add(self.length)?;
            return Some(UnitHead { offset, header, cut: true });
        }
        let Some(header) = self.whole(offset) else {
            self.is_damaged = offset < self.dwarf.debug_info.reader().len();
            return None;
        };
        self.length = header.length_including_self();
        self.at = offset.checked_add(self.length)?;
        self.resident += self.length;
        if self.resident > RESIDENT {
            self.neighbours.release();
            self.resident = 0;
        }
        Some(UnitHead { offset, header, cut: false })
    }

    /// The offset at which no header could be read, once [`Heads::next`] has returned `None` for that reason.
    pub fn damaged_from(&self) -> Option<usize> {
        self.is_damaged.then_some(self.at)
    }

    /// The header of the unit at an offset, with all of its entries.
    pub fn whole(&self, offset: usize) -> Option<UnitHeader<Slice<'s>>> {
        (offset < self.dwarf.debug_info.reader().len()).then_some(())?;
        self.dwarf.unit_header(DebugInfoOffset(offset)).ok()
    }

    /// Reads the head of the unit at `offset` from the file, with its length shortened to the bytes that were read, and
    /// notes the unit's real length.
    fn read(&mut self, offset: usize) -> Option<()> {
        let (file, section) = self.scattered.as_ref()?;
        let left = self.dwarf.debug_info.reader().len().checked_sub(offset)?;
        self.head.resize(HEAD.min(left), 0);
        file.read_exact_at(&mut self.head, section.checked_add(offset as u64)?).ok()?;
        // The initial length (DWARF 5, 7.4); where it has eight bytes, the unit is read in the mapping.
        let size = self.head.first_chunk_mut::<4>()?;
        let length = u32::from_le_bytes(*size) as usize;
        (length < 0xffff_fff0 && length + 4 <= left).then_some(())?;
        let cut = length.min(HEAD - 4);
        *size = (cut as u32).to_le_bytes();
        self.head.truncate(4 + cut);
        self.length = length + 4;
        Some(())
    }
}
