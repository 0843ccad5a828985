//! Settles with the help of the modules what a dump alone leaves open: which layout it was written in, and what its
//! producer left out or got wrong. Each repair leaves a warning.

use std::cmp::Ordering;

use crate::limits::MAX_VALUES;
use crate::locate::Options;
use crate::locate::branch::Behind;
use crate::model::{CoreDump, Reading, Warning};
use crate::producers;
use crate::read::read_alternative;

use super::{Binaries, BinaryStore};

/// The number of instances that are repaired. No engine writes dumps with so many.
const MAX_REPAIRED: usize = 1024;

/// The number of memories that a module may have for its instances to be repaired: the limit of engines.
const MAX_MEMORIES: usize = 100;

impl Binaries {
    /// Finds the binaries of the dump that was read from `bytes`, and puts right in it what they show to be wrong.
    #[doc(hidden)]
    pub fn settle<'a>(store: &BinaryStore, bytes: &'a [u8], dump: &mut CoreDump<'a>, options: &Options) -> Binaries {
        let mut binaries = Binaries::locate(store, dump, options);
        if !dump.alternatives.is_empty() {
            binaries = binaries.choose_layout(store, bytes, dump, options);
        }
        binaries.repair(dump);
        // The index of memories is made anew, since a repair renumbers them.
        binaries.instances.take();
        binaries.warn_of_branch(dump);
        binaries
    }

    /// Decides between the layouts in which every byte of the dump's stacks can be read: takes the one whose frames
    /// agree best with the modules. If the modules do not decide, a warning says so.
    fn choose_layout<'a>(
        mut self,
        store: &BinaryStore,
        bytes: &'a [u8],
        dump: &mut CoreDump<'a>,
        options: &Options,
    ) -> Binaries {
        let (mut equal, mut worse) = (Vec::new(), Vec::new());
        let mut chosen = dump.layout.name();
        for reading in std::mem::take(&mut dump.alternatives) {
            let Ok(other) = read_alternative(bytes, reading) else { continue };
            let located = Binaries::locate(store, &other, options);
            match located.agreement().cmp(&self.agreement()) {
                Ordering::Less => worse.push(reading),
                Ordering::Equal => equal.push(reading),
                Ordering::Greater => {
                    worse.append(&mut equal);
                    worse.push(Reading { layout: dump.layout, name: chosen });
                    *dump = other;
                    self = located;
                    chosen = reading.name;
                }
            }
        }
        let names = |list: &[Reading]| list.iter().map(|reading| reading.name).collect::<Vec<_>>().join(" and ");
        let message = if !equal.is_empty() {
            let others = names(&equal);
            let why = match self.agreement() {
                None => "no module was found that could decide",
                Some(_) => "the module does not decide",
            };
            format!("layout in doubt: read as {chosen}, but as {others} the frames would differ, and {why}")
        } else {
            format!("read in layout {chosen}: its frames agree with the module, read as {} they do not", names(&worse))
        };
        dump.warnings.push(Warning { message, offset: None });
        dump.alternatives = equal;
        self
    }

    /// Returns a measure of how well the frames agree with the modules: the number of modules whose frames fit, and the
    /// number of calls that lead to the very function that is the next frame. `None` if nothing was checked.
    fn agreement(&self) -> Option<(usize, usize)> {
        let fits = self.slots.iter().filter_map(|slot| slot.found.as_ref()).map(|found| found.fit);
        let (modules, calls) = fits
            .filter(|fit| fit.checked > 0)
            .fold((0, 0), |(modules, calls), fit| (modules + 1, calls + fit.agreeing));
        (modules > 0).then_some((modules, calls))
    }

    /// Returns true if a dump may need to be settled: its layout is in doubt, or its producer is known for what is
    /// repaired here.
    pub(crate) fn may_settle(dump: &CoreDump<'_>) -> bool {
        !dump.alternatives.is_empty() || producers::needs_modules(dump)
    }

    /// Warns if the frame that trapped stands on a branch, which cannot trap, and it is not known where the branch
    /// leads.
    fn warn_of_branch(&self, dump: &mut CoreDump<'_>) {
        let Some(thread) = dump.crashed_thread() else { return };
        if let Some((_, Behind::Unknown)) = self.place_and_behind(dump, thread, 0) {
            let message = format!(
                "frame 0 of thread {thread} stands on a branch, which cannot trap: it trapped at an instruction to which \
                 that leads, and its line may be another"
            );
            dump.warnings.push(Warning { message, offset: None });
        }
    }

    fn repair(&self, dump: &mut CoreDump<'_>) {
        for instance in 0..dump.instances.len().min(MAX_REPAIRED) {
            let module = dump.instances[instance].module.and_then(|module| self.binary(module));
            let memories = module.map(|binary| binary.module().memories()).unwrap_or_default();
            if memories.len() <= MAX_MEMORIES {
                producers::repair_memories(dump, instance, &memories);
            }
        }
        if producers::mistakes_locals(dump) {
            self.repair_locals(dump);
        }
    }

    /// Repairs the locals of all frames.
    fn repair_locals(&self, dump: &mut CoreDump<'_>) {
        let module_of: Vec<Vec<_>> = dump
            .threads
            .iter()
            .map(|thread| thread.frames.iter().map(|frame| self.module_of(dump, frame)).collect())
            .collect();
        // There can be many frames and many locals in each: beyond this many values, locals are unknown.
        let mut left = MAX_VALUES;
        for (thread, modules) in dump.threads.iter_mut().zip(module_of) {
            for (frame, module) in thread.frames.iter_mut().zip(modules) {
                let (Some(binary), Some(locals)) = (module.and_then(|module| self.binary(module)), &mut frame.locals)
                else {
                    continue;
                };
                let function = frame.function.filter(|_| left > 0);
                let types = function.and_then(|function| binary.module().local_types(function)).unwrap_or_default();
                left = left.saturating_sub(types.len().max(1));
                producers::repair_locals(locals, types);
            }
        }
    }
}
