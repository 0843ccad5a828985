//! Go's table of functions: names, files, lines, frame sizes and inlined calls, by code address.
//!
//! On WebAssembly a code address is `F << 16 | block`: F is 0x1000 plus the index of a function among the module's own,
//! and `block` a resume point in it. Layout: Go's `runtime/symtab.go` (`pcHeader`, `moduledata`, `_func`),
//! `internal/abi/symtab.go`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use crate::memory::Chunk;
use crate::metered::Metered;
use crate::runtimes::TaskFrame;

use super::STATIC_DATA;

/// The header's magic of Go 1.20 and later, two bytes of zero, the instruction size 1 and the pointer size 8.
const MAGIC: [u8; 8] = [0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8];
/// The F of the first function.
pub const FIRST_FUNCTION: u64 = 0x1000;
/// The most functions of a program.
const MAX_FUNCTIONS: u64 = 1 << 24;
/// The most bytes of a name or a path that are read.
const MAX_TEXT: u64 = 4096;
/// The most calls inlined into each other.
const MAX_INLINED: usize = 1024;
/// The most pairs of one pc-value table.
const MAX_PAIRS: usize = 1 << 16;
/// The number of functions that a candidate for the base of inline trees is checked against.
const JUDGED: usize = 256;
/// Table index of the inline tree's index, `PCDATA_InlTreeIndex`.
const PCDATA_INLINE_INDEX: u64 = 2;
/// `FUNCDATA_InlTree`.
const FUNCDATA_INLINE_TREE: u64 = 3;

/// The table of functions.
pub struct Pclntab<'m, 'a> {
    memory: &'m Metered<'m, 'a>,
    names: u64,
    units: u64,
    files: u64,
    values: u64,
    functions: u64,
    index: u64,
    count: u64,
    /// By how many bits a function's entry in the index is shifted left to become a code address: 0 or 16.
    shift: u32,
    /// The address from which the offsets of inline trees count, if that is certain.
    inline_trees: Option<u64>,
    imported_functions: u32,
    /// The address of `moduledata`.
    pub moduledata: u64,
    /// Strings by address, and frames by code address, which goroutines have in common.
    texts: RefCell<HashMap<u64, Option<Arc<str>>>>,
    known: RefCell<HashMap<u64, Option<Arc<[TaskFrame]>>>>,
}

/// A function of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its record, `_func`.
    record: u64,
    /// Its first code address.
    pub entry: u64,
}

impl<'m, 'a> Pclntab<'m, 'a> {
    /// Finds the table and the `moduledata` that points to it.
    pub fn find(memory: &'m Metered<'m, 'a>, imported_functions: u32) -> Option<Self> {
        let end = memory.size.min(STATIC_DATA);
        let headers = find(memory, end, &MAGIC).filter(|address| address % 8 == 0);
        headers.take(16).find_map(|header| {
            let pointer = header.to_le_bytes();
            let places = find(memory, end, &pointer).filter(|address| address % 8 == 0);
            places.take(1024).find_map(|place| Self::at(memory, header, place, imported_functions))
        })
    }

    /// The table at `header`, if `moduledata` is at the address given.
    fn at(memory: &'m Metered<'m, 'a>, header: u64, moduledata: u64, imported_functions: u32) -> Option<Self> {
        let word = |address: u64| memory.uint(address, 8).ok();
        let count = word(header + 8).filter(|count| (1..MAX_FUNCTIONS).contains(count))?;
        let part = |field: u64| Some(header.checked_add(word(header + field)?)?).filter(|&part| part < memory.size);
        let (names, units, files, values, functions) = (part(32)?, part(40)?, part(48)?, part(56)?, part(64)?);
        let field = |offset: u64| word(moduledata.checked_add(offset)?);
        let slices = [(8, names), (32, units), (56, files), (80, values), (104, functions)];
        if !slices.iter().all(|&(offset, part)| field(offset) == Some(part)) || field(136) != Some(count + 1) {
            return None;
        }
        let (index, minimum) = (field(128)?, field(160)?);
        let first = memory.uint(index, 4).ok()?;
        let shift = match minimum {
            minimum if minimum == first => 0,
            minimum if minimum == first << 16 => 16,
            _ => return None,
        };
        let mut table = Pclntab {
            memory,
            names,
            units,
            files,
            values,
            functions,
            index,
            count,
            shift,
            inline_trees: None,
            imported_functions,
            moduledata,
            texts: RefCell::default(),
            known: RefCell::default(),
        };
        // `gofunc` moved within `moduledata` from version to version: it is where every tree that is looked at makes sense.
        let places = (296..368).step_by(8).filter_map(field).filter(|&place| place != 0);
        let mut bases: Vec<u64> = places.filter(|&place| table.trees_fit(place)).collect();
        bases.dedup();
        table.inline_trees = Some(bases).filter(|bases| bases.len() == 1).map(|bases| bases[0]);
        Some(table)
    }

    fn u32(&self, address: u64) -> Option<u32> {
        Some(self.memory.uint(address, 4).ok()? as u32)
    }

    fn nth(&self, position: u64) -> Option<Function> {
        let entry = u64::from(self.u32(self.index + 8 * position)?) << self.shift;
        let record = self.functions + u64::from(self.u32(self.index + 8 * position + 4)?);
        Some(Function { record, entry })
    }

    /// The function that a code address lies in.
    pub fn function(&self, pc: u64) -> Option<Function> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.nth(middle)?.entry <= pc { low = middle + 1 } else { high = middle }
        }
        let function = self.nth(low.checked_sub(1)?)?;
        (function.entry >> 16 == pc >> 16).then_some(function)
    }

    /// The code address at which a WebAssembly function begins.
    pub fn entry_of(&self, function_index: u32) -> Option<u64> {
        let own = u64::from(function_index.checked_sub(self.imported_functions)?);
        Some(self.function((FIRST_FUNCTION + own) << 16)?.entry)
    }

    /// The index of the WebAssembly function that a code address lies in.
    pub fn function_index(&self, pc: u64) -> Option<u32> {
        let own = u32::try_from((pc >> 16).checked_sub(FIRST_FUNCTION)?).ok()?;
        own.checked_add(self.imported_functions)
    }

    /// The name of a function.
    pub fn name(&self, function: Function) -> Option<Arc<str>> {
        self.text(self.names + u64::from(self.u32(function.record + 4)?))
    }

    fn text(&self, address: u64) -> Option<Arc<str>> {
        if let Some(known) = self.texts.borrow().get(&address) {
            return known.clone();
        }
        let text = self.read_text(address);
        self.texts.borrow_mut().insert(address, text.clone());
        text
    }

    fn read_text(&self, address: u64) -> Option<Arc<str>> {
        let (bytes, whole) = self.memory.c_string(address, MAX_TEXT).ok()?;
        let text = String::from_utf8(bytes).ok().filter(|text| whole && !text.is_empty())?;
        (!text.chars().any(char::is_control)).then(|| text.into())
    }

    /// Size in bytes of a function's frame at a code address, without the return address.
    pub fn frame_size(&self, function: Function, pc: u64) -> Option<u64> {
        u64::try_from(self.value(function, self.u32(function.record + 16)?, pc)?).ok()
    }

    /// All frame sizes that a function has at one place or another.
    pub fn frame_sizes(&self, function: Function) -> Vec<u64> {
        let Some(table) = self.u32(function.record + 16) else { return Vec::new() };
        let mut sizes: Vec<u64> = self.pairs(table).filter_map(|(value, _)| u64::try_from(value).ok()).collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    /// The value of a function's pc-value table at a code address.
    fn value(&self, function: Function, table: u32, pc: u64) -> Option<i64> {
        let offset = pc.checked_sub(function.entry)?;
        self.pairs(table).find(|&(_, end)| offset < end).map(|(value, _)| value)
    }

    /// The values of a pc-value table, each with the offset from the function's entry at which its range ends.
    fn pairs(&self, table: u32) -> impl Iterator<Item = (i64, u64)> + '_ {
        let mut at = (table != 0).then(|| self.values + u64::from(table));
        let (mut value, mut end, mut first) = (-1i64, 0u64, true);
        let next = move || {
            let (delta, next) = self.varint(at?)?;
            if delta == 0 && !first {
                at = None;
                return None;
            }
            first = false;
            let (length, next) = self.varint(next)?;
            value += i64::from((delta >> 1) as i32 ^ -((delta & 1) as i32));
            end += u64::from(length);
            at = Some(next);
            Some((value, end))
        };
        std::iter::from_fn(next).take(MAX_PAIRS)
    }

    fn varint(&self, mut address: u64) -> Option<(u32, u64)> {
        let mut value = 0u32;
        for shift in (0..35).step_by(7) {
            let byte = self.memory.uint(address, 1).ok()? as u32;
            address += 1;
            value |= (byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some((value, address));
            }
        }
        None
    }

    /// The source functions at a code address, innermost inlined one first.
    pub fn frames(&self, pc: u64) -> Option<Arc<[TaskFrame]>> {
        if let Some(known) = self.known.borrow().get(&pc) {
            return known.clone();
        }
        let frames = self.read_frames(pc).map(Arc::from);
        self.known.borrow_mut().insert(pc, frames.clone());
        frames
    }

    fn read_frames(&self, pc: u64) -> Option<Vec<TaskFrame>> {
        let function = self.function(pc)?;
        // A return address belongs to the call before it.
        let mut at = if pc > function.entry { pc - 1 } else { pc };
        let mut frames = Vec::new();
        let (own, index) = (self.name(function)?, self.function_index(pc));
        loop {
            let place = self.line_at(function, at);
            let frame = |function: Arc<str>, inlined| TaskFrame {
                function,
                file: place.as_ref().map(|(file, _)| file.clone()),
                line: place.as_ref().map(|&(_, line)| line),
                inlined,
                pc,
                function_index: index,
            };
            let inlined = match self.inlined(function, at) {
                Inlined::No => None,
                Inlined::Call { name, parent } if frames.len() < MAX_INLINED => Some((name, parent)),
                // The address belongs to an inlined function, and nothing says to which one.
                _ => {
                    frames.push(TaskFrame { file: None, line: None, ..frame(own, false) });
                    return Some(frames);
                }
            };
            let Some((name, parent)) = inlined else {
                frames.push(frame(own, false));
                return Some(frames);
            };
            frames.push(frame(name, true));
            at = function.entry + parent;
        }
    }

    /// Returns the file and the line at a code address.
    fn line_at(&self, function: Function, pc: u64) -> Option<(Arc<str>, u32)> {
        let file = u64::try_from(self.value(function, self.u32(function.record + 20)?, pc)?).ok()?;
        let line = u32::try_from(self.value(function, self.u32(function.record + 24)?, pc)?).ok()?;
        let unit = u64::from(self.u32(function.record + 32)?);
        let name = self.u32(self.units + 4 * (unit + file)).filter(|&name| name != u32::MAX)?;
        Some((self.text(self.files + u64::from(name))?, line)).filter(|_| line != 0)
    }

    fn inlined(&self, function: Function, pc: u64) -> Inlined {
        let found = || -> Option<Inlined> {
            if u64::from(self.u32(function.record + 28)?) <= PCDATA_INLINE_INDEX {
                return Some(Inlined::No);
            }
            let table = self.u32(function.record + 44 + 4 * PCDATA_INLINE_INDEX)?;
            let Ok(index) = u64::try_from(self.value(function, table, pc).unwrap_or(-1)) else {
                return Some(Inlined::No);
            };
            let tree = self.tree(function, self.inline_trees?)??;
            let (name, parent) = self.call(tree.checked_add(16 * index)?)?;
            Some(Inlined::Call { name, parent })
        };
        found().unwrap_or(Inlined::Unknown)
    }

    /// The address of a function's inline tree; `Some(None)` if it has none.
    fn tree(&self, function: Function, base: u64) -> Option<Option<u64>> {
        let tables = u64::from(self.u32(function.record + 28)?);
        if u64::from(self.memory.uint(function.record + 43, 1).ok()? as u32) <= FUNCDATA_INLINE_TREE {
            return Some(None);
        }
        let offset = self.u32(function.record + 44 + 4 * (tables + FUNCDATA_INLINE_TREE))?;
        Some((offset != u32::MAX).then(|| base + u64::from(offset)))
    }

    /// An `inlinedCall`: the name of the inner function, and where in the outer one it was called.
    fn call(&self, address: u64) -> Option<(Arc<str>, u64)> {
        let padding = self.memory.bytes(address + 1, 3).ok()?;
        let name = self.text(self.names + u64::from(self.u32(address + 4)?))?;
        let parent = self.u32(address + 8)?;
        let line = self.u32(address + 12)?;
        (padding.iter().all(|&byte| byte == 0) && parent < 1 << 16 && line < 1 << 24).then_some((name, parent.into()))
    }

    /// Returns true if the inline trees of the functions that are looked at are sound if their offsets count from
    /// `base`.
    fn trees_fit(&self, base: u64) -> bool {
        let (mut seen, mut placed) = (0, 0);
        for position in 0..self.count {
            let Some(tree) = self.nth(position).and_then(|function| self.tree(function, base)) else { return false };
            let Some(tree) = tree else { continue };
            if self.call(tree).is_none() {
                return false;
            }
            // A function begins in a line other than 0, so that a range of zeros is no tree.
            placed += usize::from(self.u32(tree + 12).is_some_and(|line| line != 0));
            seen += 1;
            if seen == JUDGED {
                break;
            }
        }
        placed > seen / 2
    }
}

/// The function that was inlined at a code address.
enum Inlined {
    No,
    Call { name: Arc<str>, parent: u64 },
    Unknown,
}

/// The addresses below `end` at which these bytes stand, ascending. Zeros at either end of `needle` may be in no
/// segment, because producers leave zeros out.
pub(super) fn find<'m>(memory: &'m Metered<'m, '_>, end: u64, needle: &[u8]) -> impl Iterator<Item = u64> + 'm {
    let before = needle.iter().take_while(|&&byte| byte == 0).count();
    let core: Vec<u8> = needle[before..].iter().rev().skip_while(|&&byte| byte == 0).copied().collect();
    let core: Vec<u8> = core.into_iter().rev().collect();
    let needle = needle.to_vec();
    let hits = memory.chunks(0..end).flat_map(move |chunk| {
        let Chunk::Captured(segment) = chunk else { return Vec::new() };
        let hits = memchr::memmem::find_iter(segment.bytes, &core).take(1 << 16);
        hits.filter_map(|hit| (segment.address + hit as u64).checked_sub(before as u64)).collect()
    });
    hits.filter(move |&address| memory.bytes(address, needle.len() as u64).is_ok_and(|bytes| *bytes == *needle))
}
