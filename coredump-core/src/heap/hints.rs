//! Properties of a program's binary that help to find an allocator.

use crate::binaries::Binaries;
use crate::model::CoreDump;
use crate::regions::{Regions, Symbols, Use, owners};

/// The properties; each may be missing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hints {
    /// The address at which the heap begins, according to the linker.
    pub heap_base: Option<u64>,
    /// Bytes of memory that the program began with.
    pub initial: Option<u64>,
    /// True if the program has functions of Zig's allocator.
    pub uses_zig: bool,
    /// True if the program has functions of the crate `lol_alloc`.
    pub uses_lol: bool,
    /// The state of Zig's allocator.
    pub zig: Option<u64>,
    /// The colour that AssemblyScript's collector calls white.
    pub white: Option<u32>,
}

impl Hints {
    /// Reads the hints from the binaries of the dump's memory with this index.
    pub fn new(dump: &CoreDump<'_>, binaries: &Binaries, memory: u32, regions: &Regions) -> Hints {
        let owners = owners(dump, binaries, memory);
        let defined = owners.iter().find_map(|owner| {
            let memories = owner.binary.module().memories();
            let definition = memories.get(owner.memory as usize).filter(|definition| !definition.imported)?;
            Some(definition.initial_pages.saturating_mul(definition.page_size))
        });
        let heap_base = regions.iter().find(|region| region.r#use == Use::Heap).map(|region| region.range.start);
        let is_white = |name: &str| name.ends_with("rt/itcms/white") || name.ends_with("rt/tcms/white");
        let white = owners.iter().find_map(|owner| owner.value_of_global(dump, is_white));
        let white = white.and_then(|value| u32::try_from(value).ok());
        let has = |is: fn(&str) -> bool| {
            owners.iter().any(|owner| owner.binary.module().function_names().any(|(_, name)| is(name)))
        };
        let uses_zig = has(|name| name.starts_with("heap.BrkAllocator."));
        // As symbols are mangled too.
        let uses_lol = has(|name| name.contains("lol_alloc"));
        let zig = if uses_zig { zig(dump, binaries, memory) } else { None };
        Hints { heap_base, initial: defined, uses_zig, uses_lol, zig, white }
    }
}

/// The state of Zig's allocator, by its name in the debug information, all of which is read.
fn zig(dump: &CoreDump<'_>, binaries: &Binaries, memory: u32) -> Option<u64> {
    // The variable's namespace is a file, which DWARF has no entry for.
    const SIZES: [u64; 2] = [4 * 43, 8 * 73];
    let symbols = Symbols::new(dump, binaries, memory);
    let is_state = |name: &str| name == "global" || name.ends_with("heap.BrkAllocator.global");
    let mut states = symbols.iter().filter(|symbol| symbol.size.is_some_and(|size| SIZES.contains(&size)));
    states.find(|symbol| is_state(&symbol.name)).map(|symbol| symbol.address)
}
