//! Says where a program that runs again is stopped.

use std::sync::Arc;

use coredump_capture::Binary;
use coredump_core::error::Result;
use wasmtime::{AsContextMut, Module, StoreContextMut};

use super::hunt::{Hunt, Touches};
use super::overflow::Overflow;
use super::witness::Witness;
use crate::dump::differs;
use crate::ending::Ending;
use crate::host::Host;
use crate::playback::Until;

/// The place where a program that runs again is stopped, if not at its own end.
#[derive(Clone, Default)]
pub struct Goal {
    /// The place where the stack overflowed.
    pub overflow: Option<Arc<Overflow>>,
    /// The place where the program was stopped from outside.
    pub until: Option<Arc<Until>>,
    /// A write to the memory of a module.
    pub hunt: Option<Arc<Hunt>>,
    /// Writes that are counted; the program is not stopped at them.
    pub touches: Option<Arc<Touches>>,
    /// A write to the memory of a component; or writes that are noted, without a stop.
    pub witness: Option<Arc<Witness>>,
}

impl Goal {
    /// Notes that the program ended by itself, before the stop from outside.
    pub fn came_too_late(&self, own: &Ending) {
        if let Some(until) = &self.until {
            until.came_too_late(own.clone());
        }
    }

    /// Makes the program stop wherever it may be at the goal.
    pub fn watch(&self, module: &Module, store: &mut StoreContextMut<'_, Host>) -> Result<()> {
        self.overflow.iter().try_for_each(|overflow| overflow.watch(module, store)).map_err(differs)?;
        self.hunt.iter().try_for_each(|hunt| hunt.start(module, store)).map_err(differs)?;
        self.touches.iter().try_for_each(|touches| touches.start(module, store)).map_err(differs)
    }

    /// Makes a component stop wherever it may be at the goal, once it is instantiated and its modules are known.
    pub fn watch_any(&self, binary: &Binary, store: &mut StoreContextMut<'_, Host>) -> Result<()> {
        let modules = store.as_context_mut().debug_all_modules();
        let wanted = |module: &&Module| self.overflow.as_ref().is_some_and(|overflow| overflow.is_in(module, binary));
        modules.iter().filter(wanted).try_for_each(|module| self.watch(module, store))
    }
}
