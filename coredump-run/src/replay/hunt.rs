//! Stops a program that runs again at a certain write to its memory.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use wasmtime::{AsContextMut, Module, ModulePC, StoreContextMut, Val};

use crate::host::Host;
use crate::rewrite::{Watch, WriteSite};

/// The write that is searched for.
pub struct Hunt {
    watch: Watch,
    /// The instruction, and how many times it touches the watched bytes up to and including the write; `None` if the
    /// host wrote.
    instruction: Option<(WriteSite, u64)>,
    seen: AtomicU64,
    done: AtomicBool,
}

impl Hunt {
    /// A search for the `times`th time that an instruction touches the watched bytes.
    pub fn instruction(watch: Watch, site: WriteSite, times: u64) -> Hunt {
        Hunt { watch, instruction: Some((site, times)), seen: AtomicU64::new(0), done: AtomicBool::new(false) }
    }

    /// A search for a write by the host, at whose call the playback stops by itself.
    pub fn host(watch: Watch) -> Hunt {
        Hunt { watch, instruction: None, seen: AtomicU64::new(0), done: AtomicBool::new(false) }
    }

    /// Code offset of the instruction in its function, in bytes.
    pub fn code_offset(&self, binary: &[u8]) -> Option<u32> {
        self.instruction?.0.code_offset(binary)
    }

    /// Makes the program stop at each execution of the instruction.
    pub fn start(&self, module: &Module, store: &mut StoreContextMut<'_, Host>) -> Result<(), String> {
        self.instruction.map_or(Ok(()), |(site, _)| stop_at(site, module, store))
    }

    /// Is called when the program stops: whether the write has been executed. If it is about to be, the program is made
    /// to stop once more after it.
    pub fn is_here(&self, store: &mut StoreContextMut<'_, Host>) -> bool {
        if self.done.load(Ordering::Relaxed) {
            return true;
        }
        let Some((site, times)) = self.instruction else { return false };
        if touches(self.watch, site, store) && self.seen.fetch_add(1, Ordering::Relaxed) + 1 == times {
            self.done.store(true, Ordering::Relaxed);
            if let Some(mut breakpoints) = store.as_context_mut().edit_breakpoints() {
                // This fails only for modules of other engines.
                let _ = breakpoints.single_step(true);
            }
        }
        false
    }
}

/// Counts how many times some instructions touch the watched bytes.
pub struct Touches {
    watch: Watch,
    sites: Vec<WriteSite>,
    count: AtomicU64,
}

impl Touches {
    /// A count for the instructions at `sites`, which begins at 0.
    pub fn new(watch: Watch, sites: Vec<WriteSite>) -> Touches {
        Touches { watch, sites, count: AtomicU64::new(0) }
    }

    /// Makes the program stop at each execution of the instructions.
    pub fn start(&self, module: &Module, store: &mut StoreContextMut<'_, Host>) -> Result<(), String> {
        self.sites.iter().try_for_each(|site| stop_at(*site, module, store))
    }

    /// Is called when the program stops: counts the touch that is about to be executed.
    pub fn count(&self, store: &mut StoreContextMut<'_, Host>) {
        let Some(pc) = standing_at(store) else { return };
        let here = self.sites.iter().find(|site| site.offset == pc);
        if here.is_some_and(|site| touches(self.watch, *site, store)) {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns the number of touches that were counted.
    pub fn total(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

fn stop_at(site: WriteSite, module: &Module, store: &mut StoreContextMut<'_, Host>) -> Result<(), String> {
    let offset = u32::try_from(site.offset).map_err(|error| error.to_string())?;
    let mut breakpoints = store.as_context_mut().edit_breakpoints().ok_or("the engine has no breakpoints")?;
    breakpoints.add_breakpoint(module, ModulePC::new(offset)).map_err(|error| error.to_string())
}

/// Offset in the module's file, in bytes, of the instruction that is about to be executed.
pub fn standing_at(store: &mut StoreContextMut<'_, Host>) -> Option<u64> {
    let frame = store.as_context_mut().debug_exit_frames().next()?;
    let (_, pc) = frame.wasm_function_index_and_pc(&mut *store).ok()??;
    Some(u64::from(pc.raw()))
}

/// Returns true if the instruction at `site`, which is about to be executed, will touch the watched bytes.
pub fn touches(watch: Watch, site: WriteSite, store: &mut StoreContextMut<'_, Host>) -> bool {
    let Some(frame) = store.as_context_mut().debug_exit_frames().next() else { return false };
    let mut operand = |depth: u32| {
        let count = frame.num_stacks(&mut *store).ok()?;
        match frame.stack(&mut *store, count.checked_sub(depth + 1)?).ok()? {
            Val::I32(value) => Some(u64::from(value as u32)),
            Val::I64(value) => Some(value as u64),
            _ => None,
        }
    };
    let Some(address) = operand(site.depth) else { return false };
    let size = site.size.or_else(|| operand(0));
    size.is_some_and(|size| watch.touches(address.saturating_add(site.plus), size))
}
