//! Finds the place where a stack overflowed. The frames of instrumented code are larger, so the same limit would be
//! reached elsewhere. So the program runs again with a larger stack, and stops where the first run did: at the entry of
//! the same function, called by the same frames.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use coredump_capture::Binary;
use coredump_core::internals::digest;
use coredump_core::module::Module as CoreModule;
use wasmparser::{BinaryReader, FunctionBody};
use wasmtime::{AsContextMut, Module, ModulePC, StoreContextMut, Val, WasmBacktrace};

use super::hunt;
use crate::dump::Expected;
use crate::host::Host;

/// The number of frames that are walked in search of the place, which takes about a minute.
const FRAMES: u64 = 1 << 28;

/// The place where the stack of the first run overflowed.
pub struct Overflow {
    expected: Expected,
    /// The function's index in its module.
    function: u32,
    /// Globals of the function's instance and the values that they must have: reading them costs less than walking the
    /// stack.
    integers: Vec<(u32, i64)>,
    /// The number of entries of the function that are still to be skipped, as the stack cannot have enough of its
    /// frames before.
    skipped: u64,
    frames: usize,
    /// Offset of the function's first instruction in the module's file, in bytes.
    entry: OnceLock<u64>,
    entries: AtomicU64,
    walked: AtomicU64,
}

impl Overflow {
    /// The place where a first run's stack overflowed, if it did.
    pub fn from_expected(expected: &Expected) -> Option<Overflow> {
        let (function, of_it, frames) = expected.overflow()?;
        let (entry, entries, walked) = Default::default();
        let (expected, integers) = (expected.clone(), expected.integers_of_youngest());
        Some(Overflow { expected, function, integers, skipped: of_it as u64 - 1, frames, entry, entries, walked })
    }

    /// Returns true if the place is in this module of a component.
    pub fn is_in(&self, module: &Module, binary: &Binary) -> bool {
        let digest = binary.bytes_of(module).map(digest::of_bytes);
        digest.is_some() && digest.as_deref() == self.expected.youngest_module()
    }

    /// Makes the program stop at each entry of the function.
    pub fn watch(&self, module: &Module, store: &mut StoreContextMut<'_, Host>) -> Result<(), String> {
        let first = module.debug_bytecode().and_then(|bytes| {
            let body = CoreModule::parse(bytes).ok()?.body(self.function)?;
            let code = bytes.get(body.start as usize..body.end as usize)?;
            let code = FunctionBody::new(BinaryReader::new(code, body.start as usize));
            let first = code.get_operators_reader().ok()?.original_position() as u64;
            Some((self.entry.get_or_init(|| first), u32::try_from(first).ok()?))
        });
        let (_, entry) = first.ok_or("the function whose frame overflowed the stack is not in the module")?;
        let mut breakpoints = store.as_context_mut().edit_breakpoints().ok_or("the engine has no breakpoints")?;
        breakpoints.add_breakpoint(module, ModulePC::new(entry)).map_err(|error| error.to_string())
    }

    /// Is called when the program stops at an instruction: whether it is at the place.
    pub fn is_here(&self, store: &mut StoreContextMut<'_, Host>) -> bool {
        if hunt::standing_at(store) != self.entry.get().copied() {
            return false;
        }
        let entered = self.entries.fetch_add(1, Ordering::Relaxed);
        let over = store.data().playback.as_ref().is_some_and(|playback| playback.is_over());
        if entered < self.skipped || !over || self.walked.load(Ordering::Relaxed) > FRAMES || !self.has_integers(store)
        {
            return false;
        }
        self.walked.fetch_add(self.frames as u64, Ordering::Relaxed);
        let backtrace = WasmBacktrace::force_capture(&*store);
        let frame = |info: &wasmtime::FrameInfo| {
            (info.func_index(), info.func_offset().and_then(|offset| u32::try_from(offset).ok()))
        };
        self.expected.has_frames(backtrace.frames().iter().map(frame))
    }

    /// Returns true if the globals of the youngest frame's instance, as far as they can be read, have the values of the
    /// first run.
    fn has_integers(&self, store: &mut StoreContextMut<'_, Host>) -> bool {
        let Some(frame) = store.as_context_mut().debug_exit_frames().next() else { return true };
        let Ok(instance) = frame.instance(&mut *store) else { return true };
        self.integers.iter().all(|&(index, expected)| {
            let global = instance.debug_global(&mut *store, index);
            match global.map(|global| global.get(&mut *store)) {
                Some(Val::I32(value)) => i64::from(value) == expected,
                Some(Val::I64(value)) => value == expected,
                _ => true,
            }
        })
    }
}
