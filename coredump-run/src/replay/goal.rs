//! Where a program that runs again is stopped.

use std::sync::Arc;

use coredump_capture::Binary;
use coredump_core::error::Result;
use wasmtime::{AsContextMut, Module, StoreContextMut};

use super::hunt::{Hunt, Touches};
use super::overflow::Overflow;
use super::witness::Witness;
use crate::dump::differs;
use crate::host::Host;
use crate::playback::Until;

/// Where a program that runs again is stopped, if not at its own end.
#[derive(Clone, Default)]
pub struct Goal {
    /// Where its stack overflowed.
    pub overflow: Option<Arc<Overflow>>,
    /// Where it was stopped from outside.
    pub until: Option<Arc<Until>>,
    /// At a write to its memory.
    pub hunt: Option<Arc<Hunt>>,
    /// Nowhere else, but these writes are counted.
    pub touches: Option<Arc<Touches>>,
    /// At a write to the memory of a component; or nowhere else, but they are noted.
    pub witness: Option<Arc<Witness>>,
}

impl Goal {
    /// Makes the program stop where it may be reached.
    pub fn watch(&self, module: &Module, store: &mut StoreContextMut<'_, Host>) -> Result<()> {
        self.overflow.iter().try_for_each(|overflow| overflow.watch(module, store)).map_err(differs)?;
        self.hunt.iter().try_for_each(|hunt| hunt.start(module, store)).map_err(differs)?;
        self.touches.iter().try_for_each(|touches| touches.start(module, store)).map_err(differs)
    }

    /// Makes a component stop where its goal may be reached. Its modules are known once it is instantiated.
    pub fn watch_any(&self, binary: &Binary, store: &mut StoreContextMut<'_, Host>) -> Result<()> {
        let modules = store.as_context_mut().debug_all_modules();
        let wanted = |module: &&Module| self.overflow.as_ref().is_some_and(|overflow| overflow.is_in(module, binary));
        modules.iter().filter(wanted).try_for_each(|module| self.watch(module, store))
    }
}
