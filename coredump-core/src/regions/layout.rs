//! Finds the places where a linker put data, stack and heap.

use std::ops::Range;

use super::{Region, Use};
use crate::binaries::{Binaries, Binary};
use crate::model::{CoreDump, Value};
use crate::module::{Constant, Module};
use crate::variables::statics;

/// The number of data segments of one module that are looked at.
pub(super) const MAX_SEGMENTS: usize = 100_000;

/// The number of instances that may share a memory: the layout of one with more is not known.
const MAX_OWNERS: usize = 1024;

/// The greatest size in bytes of a module whose debug information is read just to find the end of static data, which
/// takes 0.1 s.
const MAX_READ: usize = 16 << 20;

/// The global in which LLVM keeps the shadow stack pointer.
pub const STACK_POINTER: &str = "__stack_pointer";

/// An instance that has a memory, with its verified binary.
#[derive(Clone, Copy)]
pub struct Owner<'s> {
    /// Index into [`CoreDump::instances`]; `None` in a dump that lists none.
    pub instance: Option<usize>,
    /// Its binary.
    pub binary: &'s Binary,
    /// The memory's index in the module's own index space.
    pub memory: u32,
}

/// The instances that have the dump's memory with this index, and whose binary is known and was verified.
pub fn owners<'s>(dump: &CoreDump<'_>, binaries: &'s Binaries, memory: u32) -> Vec<Owner<'s>> {
    let verified = |module: u32| {
        let found = binaries.found(module)?;
        found.verification.is_verified().then_some(&*found.binary)
    };
    if dump.instances.is_empty() {
        let only = if binaries.len() == 1 { verified(0) } else { None };
        return only.map(|binary| Owner { instance: None, binary, memory }).into_iter().collect();
    }
    let having = binaries.instances_with(dump, memory);
    if having.len() > MAX_OWNERS {
        return Vec::new();
    }
    let owners = having.iter().filter_map(|&(index, memory)| {
        let binary = verified(dump.instances.get(index)?.module?)?;
        Some(Owner { instance: Some(index), binary, memory })
    });
    owners.collect()
}

impl Owner<'_> {
    /// The index in the dump of the module's global with this index.
    fn global(&self, dump: &CoreDump<'_>, index: u32) -> Option<u32> {
        match self.instance {
            Some(instance) => *dump.instances.get(instance)?.globals.get(index as usize)?,
            None => Some(index),
        }
    }

    /// The address in the module's global with this index, as the dump has it.
    pub(super) fn global_value(&self, dump: &CoreDump<'_>, index: u32) -> Option<u64> {
        address(&dump.globals.get(self.global(dump, index)? as usize)?.value)
    }

    /// The number in the first global whose name `is` accepts, as the dump has it.
    pub fn value_of_global(&self, dump: &CoreDump<'_>, is: impl Fn(&str) -> bool) -> Option<u64> {
        let module = self.binary.module();
        let mut indices = 0..u32::try_from(module.globals().len()).ok()?;
        self.global_value(dump, indices.find(|&index| module.global_name(index).is_some_and(&is))?)
    }

    /// The address in a global of this name.
    pub(super) fn mark(&self, dump: &CoreDump<'_>, name: &str) -> Option<u64> {
        let module = self.binary.module();
        let index = global_named(module, name)?;
        let now = self.global(dump, index).and_then(|global| address(&dump.globals.get(global as usize)?.value));
        // If the dump lacks the global and it is constant, its value is the module's.
        now.or_else(|| {
            let global = module.globals().get(index as usize).filter(|global| !global.mutable)?;
            global.init?.as_address()
        })
    }
}

/// The global of this name; AssemblyScript's names have a path in front.
fn global_named(module: &Module<'_>, name: &str) -> Option<u32> {
    let matches = |index: &u32| module.global_name(*index).is_some_and(|full| full.rsplit('/').next() == Some(name));
    (0..module.globals().len().min(1000) as u32).find(matches)
}

fn address(value: &Value) -> Option<u64> {
    match *value {
        Value::I32(value) => Some(u64::from(value as u32)),
        Value::I64(value) => Some(value as u64),
        _ => None,
    }
}

/// The names of each of the dump's globals, in their order: instances may call a shared one differently.
pub fn global_names(dump: &CoreDump<'_>, binaries: &Binaries) -> Vec<Vec<String>> {
    let mut names: Vec<Vec<String>> = vec![Vec::new(); dump.globals.len()];
    let count = dump.globals.len();
    let mut add = |binary: &Binary, globals: usize, of: &dyn Fn(u32) -> Option<u32>| {
        let module = binary.module();
        for index in 0..module.globals().len().min(globals) as u32 {
            if let Some(name) = module.global_name(index)
                && let Some(names) = of(index).and_then(|global| names.get_mut(global as usize))
                && !names.iter().any(|known| known == name)
            {
                names.push(name.to_owned());
            }
        }
    };
    if dump.instances.is_empty()
        && binaries.len() == 1
        && let Some(binary) = binaries.binary(0)
    {
        add(binary, count, &Some);
    }
    for instance in &dump.instances {
        if let Some(binary) = instance.module.and_then(|module| binaries.binary(module)) {
            add(binary, instance.globals.len(), &|index| *instance.globals.get(index as usize)?);
        }
    }
    names
}

/// The regions that are known; they may overlap.
pub(super) fn regions(dump: &CoreDump<'_>, binaries: &Binaries, memory: u32, size: u64) -> Vec<Region> {
    let owners = owners(dump, binaries, memory);
    let mut regions = Vec::new();
    for owner in &owners {
        regions.extend(data(dump, owner));
    }
    if let Some(owner) = definer(&owners) {
        let mut marks = Marks::new(dump, owner, &regions);
        if marks.data_end.is_none() {
            marks.data_end = end_of_statics(dump, owner, &marks);
        }
        regions.extend(marks.regions(size));
    }
    regions
}

/// The end of static data, where the shadow stack begins, found as the end of the last variable in the debug
/// information. It is believed to be the last one only if the stack after it would have a size of whole pages, as
/// linkers are usually told to make it.
fn end_of_statics(dump: &CoreDump<'_>, owner: &Owner<'_>, marks: &Marks) -> Option<u64> {
    const ALIGNMENT: u64 = 16;
    const PAGE: u64 = 65536;
    let high = marks.stack_high.filter(|&high| high > 0)?;
    let (_, data_end) = marks.data.filter(|data| data.1 <= high && owner.memory == 0)?;
    if owner.binary.module().bytes().len() > MAX_READ {
        return None;
    }
    let statics = statics(owner.binary, |index| owner.global_value(dump, index));
    let ends = statics.iter().filter_map(|known| known.address.checked_add(known.size?));
    let end = ends.chain(std::iter::once(data_end)).max()?.checked_next_multiple_of(ALIGNMENT)?;
    let stack = high.checked_sub(end)?;
    (stack > 0 && stack.is_multiple_of(PAGE)).then_some(end)
}

/// The module whose linker laid out the memory: the one that defines it.
pub(super) fn definer<'o, 's>(owners: &'o [Owner<'s>]) -> Option<&'o Owner<'s>> {
    let defines = |owner: &&Owner<'_>| {
        owners.len() == 1
            || owner.binary.module().memories().get(owner.memory as usize).is_some_and(|memory| !memory.imported)
    };
    let mut definers = owners.iter().filter(defines);
    definers.next().filter(|_| definers.next().is_none())
}

/// The active data segments.
pub(super) fn data(dump: &CoreDump<'_>, owner: &Owner<'_>) -> impl Iterator<Item = Region> {
    let module = owner.binary.module();
    let segments = (0..).zip(module.data_segments().take(MAX_SEGMENTS));
    segments.filter_map(move |(index, segment)| {
        if segment.memory != Some(owner.memory) || segment.bytes.is_empty() {
            return None;
        }
        let start = segment.offset.and_then(|offset| self::start(dump, owner, offset))?;
        let end = start.checked_add(segment.bytes.len() as u64)?;
        Some(Region { range: start..end, r#use: Use::Data, name: module.data_name(index).map(str::to_owned) })
    })
}

/// The address of a data segment: a constant, or the value of an immutable global in position-independent code.
pub(super) fn start(dump: &CoreDump<'_>, owner: &Owner<'_>, offset: Constant) -> Option<u64> {
    match offset {
        Constant::Global(index) => {
            let global = dump.globals.get(owner.global(dump, index)? as usize)?;
            address(&global.value).filter(|_| !global.mutable)
        }
        constant => constant.as_address(),
    }
}

/// The addresses that a linker's symbols mark.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks {
    /// First and last address of data segments.
    data: Option<(u64, u64)>,
    /// `__data_end`: the end of static data.
    data_end: Option<u64>,
    /// `__heap_base`
    heap_base: Option<u64>,
    /// `__heap_end`
    heap_end: Option<u64>,
    /// `__stack_low`
    stack_low: Option<u64>,
    /// The initial value of the stack pointer.
    pub stack_high: Option<u64>,
    /// The value of the stack pointer in the dump.
    stack_pointer: Option<u64>,
}

impl Marks {
    pub fn new(dump: &CoreDump<'_>, owner: &Owner<'_>, data: &[Region]) -> Marks {
        let module = owner.binary.module();
        let initial = global_named(module, STACK_POINTER)
            .and_then(|index| module.globals().get(index as usize)?.init?.as_address());
        let mark = |name| owner.mark(dump, name);
        let ends = data.iter().map(|region| &region.range);
        Marks {
            data: ends.clone().map(|range| range.start).min().zip(ends.map(|range| range.end).max()),
            data_end: mark("__data_end"),
            heap_base: mark("__heap_base"),
            heap_end: mark("__heap_end"),
            stack_low: mark("__stack_low"),
            stack_high: mark("__stack_high").or(initial),
            stack_pointer: mark(STACK_POINTER),
        }
    }

    fn regions(&self, size: u64) -> Vec<Region> {
        let mut regions = Vec::new();
        let mut add = |range: Range<u64>, r#use| {
            if !range.is_empty() {
                regions.push(Region { range, r#use, name: None });
            }
        };
        let static_end = self.data_end.or(self.data.map(|data| data.1)).unwrap_or(0);
        let Some(high) = self.stack_high.filter(|&high| high > 0) else {
            if let Some(base) = self.heap_base {
                add(base..self.heap_end.unwrap_or(size), Use::Heap);
            }
            return regions;
        };
        let stack_first = self.data.is_none_or(|data| high <= data.0);
        let used = self.stack_pointer.filter(|&pointer| pointer <= high);
        let low = match (self.stack_low, stack_first, self.data_end) {
            (Some(low), _, _) => Some(low),
            (None, true, _) if self.data.is_some() => Some(0),
            (None, false, Some(end)) if end <= high => Some(end),
            _ => None,
        };
        if let (Some((_, end)), Some(data_end)) = (self.data, self.data_end) {
            add(end..data_end, Use::Bss);
        }
        match (low, used) {
            (Some(low), Some(used)) if low <= used => {
                add(low..used, Use::FreeStack);
                add(used..high, Use::Stack);
            }
            (Some(low), _) => add(low..high, Use::Stack),
            (None, Some(used)) if static_end <= used => {
                if self.data.is_some() && !stack_first {
                    add(static_end..used, Use::BssOrFreeStack);
                }
                add(used..high, Use::Stack);
            }
            (None, _) => {}
        }
        let end = self.heap_end.unwrap_or(size);
        match self.heap_base {
            Some(base) => {
                add(base..end, Use::Heap);
                if stack_first && self.data_end.is_none() {
                    add(static_end..base, Use::Bss);
                }
            }
            // The linker puts the heap after the stack, unless the stack comes first in memory.
            None if !stack_first => add(high..end, Use::Heap),
            None if self.data_end.is_some() => add(static_end..end, Use::Heap),
            None if self.data.is_some() => add(static_end..end, Use::BssOrHeap),
            None => {}
        }
        regions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(marks: Marks) -> Vec<(u64, u64, &'static str)> {
        let mut regions: Vec<_> = marks
            .regions(0x20000)
            .into_iter()
            .map(|region| (region.range.start, region.range.end, region.r#use.name()))
            .collect();
        regions.sort_unstable();
        regions
    }

    const CLASSIC: Marks = Marks {
        data: Some((0x400, 0x1000)),
        data_end: None,
        heap_base: None,
        heap_end: None,
        stack_low: None,
        stack_high: Some(0x12000),
        stack_pointer: Some(0x11f00),
    };

    #[test]
    fn data_then_stack_then_heap() {
        let expected =
            [(0x1000, 0x11f00, "bss or free stack"), (0x11f00, 0x12000, "stack"), (0x12000, 0x20000, "heap")];
        assert_eq!(shown(CLASSIC), expected);
        let marked = Marks { data_end: Some(0x2000), heap_base: Some(0x12000), ..CLASSIC };
        let expected = [
            (0x1000, 0x2000, "bss"),
            (0x2000, 0x11f00, "free stack"),
            (0x11f00, 0x12000, "stack"),
            (0x12000, 0x20000, "heap"),
        ];
        assert_eq!(shown(marked), expected);
    }

    #[test]
    fn stack_first_ends_where_data_begins() {
        let first =
            Marks { data: Some((0x10000, 0x11000)), stack_high: Some(0x10000), stack_pointer: Some(0xff00), ..CLASSIC };
        let expected = [(0, 0xff00, "free stack"), (0xff00, 0x10000, "stack"), (0x11000, 0x20000, "bss or heap")];
        assert_eq!(shown(first), expected);
        let marked = Marks { data_end: Some(0x11800), heap_base: Some(0x11800), ..first };
        assert_eq!(shown(marked)[2..], [(0x11000, 0x11800, "bss"), (0x11800, 0x20000, "heap")]);
    }

    #[test]
    fn a_stack_pointer_beyond_the_stack_says_nothing_of_what_is_in_use() {
        let overflown = Marks { stack_pointer: Some(0xffff_ff00), ..CLASSIC };
        assert_eq!(shown(overflown), [(0x12000, 0x20000, "heap")]);
    }
}
