//! The binaries of a dump's modules: found, checked, or refused with the reason.

mod find;
mod settle;
mod store;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

pub use store::{Binary, BinaryStore};

use crate::files::Search;
use crate::limits::{MAX_LOCATED, MAX_TRIED};
use crate::locate::body::Instructions;
use crate::locate::branch::{self, Behind};
use crate::locate::check::{self, Fit, Placed};
use crate::locate::{Folders, Options};
use crate::model::{CoreDump, Frame, Layout, ModuleRecord};
use crate::module::Body;
use crate::producers::OffsetBase;
use find::{Finder, Left};

/// The degree of certainty that a binary is the one that ran, from the lowest to the highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verification {
    /// Nothing could be checked, and nothing spoke against it.
    Unchecked,
    /// The frames fit its code.
    Frames,
    /// Everything but its custom sections equals the recorded module: stripping makes no difference.
    Content,
    /// Its build id is the recorded one.
    BuildId,
    /// Its SHA-256 is the recorded one.
    Sha256,
    /// Its BLAKE3 is the recorded one.
    Digest,
    /// It is the recorded file, and nothing was written to it since.
    Unchanged,
}

impl Verification {
    /// Returns true if anything was checked.
    pub fn is_verified(self) -> bool {
        self > Verification::Unchecked
    }

    /// Returns the check that was made, in words for the user.
    pub fn describe(self) -> &'static str {
        match self {
            Verification::Unchecked => "nothing to check it by",
            Verification::Frames => "all frames fit its code",
            Verification::Content => "same code and data",
            Verification::BuildId => "build id matches",
            Verification::Sha256 => "SHA-256 matches",
            Verification::Digest => "BLAKE3 matches",
            Verification::Unchanged => "unchanged since it ran",
        }
    }
}

/// The binary of a module.
#[derive(Clone)]
pub struct Found {
    /// The binary.
    pub binary: Arc<Binary>,
    /// The check by which it was found to be the binary that ran.
    pub verification: Verification,
    /// The way in which the frames fit it: the meaning that the dump's code offsets have in it.
    pub(crate) fit: Fit,
}

/// A file that was looked at and not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The file; `None` for a module in the dump.
    pub path: Option<PathBuf>,
    /// The reason for which it was refused, in words for the user.
    pub reason: String,
}

/// The result of the search for one module's binary.
#[derive(Default)]
#[non_exhaustive]
pub struct Slot {
    /// The name of the module.
    pub name: String,
    /// The binary.
    pub found: Option<Found>,
    /// Files that were looked at and do not fit.
    pub refused: Vec<Refused>,
}

/// The place in its module at which a frame stands. Offsets are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CodePlace {
    /// The function's body.
    pub body: Body,
    /// Offset in the core module's file: what engines print.
    pub module_offset: u64,
    /// Offset in bytes from the body's start, whatever the producer counts from; in a caller, the offset of the call.
    pub code_offset: u32,
    /// DWARF address: a byte offset in the code section's contents.
    pub dwarf_pc: u64,
    /// True if it is a call instruction.
    pub at_call: bool,
    /// The kind of place at which it stopped.
    pub stop: StoppedAt,
}

/// The kind of place at which a frame stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoppedAt {
    /// The instruction at its place: a call, or what trapped.
    Instruction,
    /// Its function was only entered: engines look there for interruptions and for room on their stack.
    Entry,
    /// The head of a loop, where engines look for interruptions; its place is the first instruction in the loop.
    Loop,
}

/// For each memory of a dump the instances that have it: index of the instance, index of the memory in its module.
type InstancesOfMemories = HashMap<u32, Vec<(usize, u32)>>;

/// The binaries of one dump, a slot for each of its modules.
pub struct Binaries {
    slots: Vec<Slot>,
    instances: OnceLock<InstancesOfMemories>,
    /// Options that could not be honoured, in words: a file that cannot be opened, or that no module uses.
    pub warnings: Vec<String>,
}

impl Binaries {
    /// Finds and checks the binary of each module. A dump without a list of modules has one.
    #[doc(hidden)]
    pub fn locate(store: &BinaryStore, dump: &CoreDump<'_>, options: &Options) -> Binaries {
        Binaries::search_as(store, options);
        let count = dump.modules.len().max(1);
        let mut binaries = Binaries { slots: Vec::new(), instances: OnceLock::new(), warnings: Vec::new() };
        binaries.slots.resize_with(count, Slot::default);
        let sites = check::sites(dump, count, |frame| binaries.module_of(dump, frame));
        let none = ModuleRecord::default();
        let left = Left::default();
        let (used, unused): (Vec<_>, Vec<_>) = (0..count).partition(|&module| !sites[module].is_empty());
        for (number, index) in used.into_iter().chain(unused).enumerate() {
            let record = dump.modules.get(index).unwrap_or(&none);
            let finder = Finder::new(store, dump, record, &sites[index], count == 1, &left);
            binaries.slots[index] = match number < MAX_LOCATED {
                true => finder.run(index, options),
                false => finder.unlocated(index),
            };
        }
        if count > MAX_LOCATED {
            binaries
                .warnings
                .push(format!("the dump has {count} modules: binaries are searched for only {MAX_LOCATED} of them"));
        }
        if left.trials.get() == 0 {
            let message =
                format!("the folders contain many modules: only {MAX_TRIED} were tried; name the binary with -m");
            binaries.warnings.push(message);
        }
        binaries.warn_of_unused(store, options);
        binaries
    }

    /// Wraps binaries that were not found by [`Binaries::locate`], a slot for each module.
    pub(crate) fn assigned(slots: Vec<Slot>, warnings: Vec<String>) -> Binaries {
        Binaries { slots, instances: OnceLock::new(), warnings }
    }

    /// Sets where files are looked for that modules name.
    pub(crate) fn search_as(store: &BinaryStore, options: &Options) {
        let folders = options.symbol_paths.clone();
        let trusted = options.trusted;
        // The paths in a module that the dump embeds come from the dump: they are trusted only if its own are.
        store.set_search(Search { folders, trusted, embedded_trusted: trusted && options.recorded_paths });
    }

    /// The folders that were listed.
    pub(crate) fn folders(store: &BinaryStore) -> &Folders {
        store.folders()
    }

    /// Warns of each file of `-m` that no module uses.
    fn warn_of_unused(&mut self, store: &BinaryStore, options: &Options) {
        for (name, path) in &options.named {
            // The file was named for one module in particular, and another file took its place.
            let mut refused =
                self.slots.iter().filter(|slot| slot.found.is_some() && name.is_some()).flat_map(|slot| {
                    let refused = slot.refused.iter().filter(|refused| refused.path.as_ref() == Some(path));
                    refused.map(|refused| format!("{}: not used for {}: {}", path.display(), slot.name, refused.reason))
                });
            if let Some(refused) = refused.next() {
                self.warnings.push(refused);
                continue;
            }
            let used =
                self.slots.iter().filter_map(|slot| slot.found.as_ref()).any(|found| found.binary.path() == Some(path));
            // If a module has no binary, the files that were refused for it are reported with the module.
            let told = self.slots.iter().filter(|slot| slot.found.is_none()).flat_map(|slot| &slot.refused);
            if used || told.filter_map(|refused| refused.path.as_ref()).any(|refused| refused == path) {
                continue;
            }
            let reason = match &*store.open(path) {
                Err(error) => error.to_string(),
                Ok(_) => {
                    let refused = self.slots.iter().flat_map(|slot| &slot.refused);
                    let reason =
                        refused.filter(|refused| refused.path.as_ref() == Some(path)).map(|it| &it.reason).next();
                    match reason {
                        Some(reason) => format!("{}: does not belong to this dump: {reason}", path.display()),
                        None => format!("{}: no module of this dump needs it", path.display()),
                    }
                }
            };
            self.warnings.push(reason);
        }
    }

    /// Number of modules.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Never: a dump has at least one module.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Allows as much work on their debug info as at first: the dump is the next one of those that share them.
    pub(crate) fn renew_work(&self) {
        self.slots.iter().filter_map(|slot| slot.found.as_ref()).for_each(|found| found.binary.renew_work());
    }

    /// All modules.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// The result of the search for a module's binary.
    pub fn slot(&self, module: u32) -> Option<&Slot> {
        self.slots.get(module as usize)
    }

    /// A module's binary, with how it was checked; `None` if none was found.
    pub fn found(&self, module: u32) -> Option<&Found> {
        self.slot(module)?.found.as_ref()
    }

    /// A module's binary; `None` if none was found.
    pub fn binary(&self, module: u32) -> Option<&Binary> {
        Some(&self.found(module)?.binary)
    }

    /// The module a frame runs in: its instance's, else the one recorded, or the only one there is.
    pub fn module_of(&self, dump: &CoreDump<'_>, frame: &Frame) -> Option<u32> {
        let instance = frame.instance.and_then(|instance| dump.instances.get(instance as usize));
        let recorded = instance.map_or(frame.module, |instance| instance.module);
        let only = (self.slots.len() == 1).then_some(0);
        recorded.filter(|&module| (module as usize) < self.slots.len()).or(only)
    }

    /// The instances that have the dump's memory with this index, in order: index of the instance, and of the memory in
    /// its module. All of them are looked up once: a dump may have a million of both.
    pub(crate) fn instances_with(&self, dump: &CoreDump<'_>, memory: u32) -> &[(usize, u32)] {
        let instances = self.instances.get_or_init(|| {
            let mut known = InstancesOfMemories::new();
            for (index, instance) in dump.instances.iter().enumerate() {
                for (own, memory) in (0..).zip(&instance.memories) {
                    let Some(memory) = memory else { continue };
                    let instances = known.entry(*memory).or_default();
                    if instances.last().is_none_or(|&(last, _)| last != index) {
                        instances.push((index, own));
                    }
                }
            }
            known
        });
        instances.get(&memory).map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns the place at which a frame stands; `None` if its binary is not known, or if the dump gives no place or
    /// an impossible one. If it trapped and stands on a branch, the place is the `unreachable` to which the branch
    /// leads; if it was interrupted at the head of a loop, the first instruction in the loop.
    pub(crate) fn code_place(&self, dump: &CoreDump<'_>, thread: usize, frame: usize) -> Option<CodePlace> {
        let (place, behind) = self.place_and_behind(dump, thread, frame)?;
        match behind {
            Behind::Unreachable(offset) => Some(place.moved_to(offset)),
            Behind::NoBranch | Behind::Unknown => Some(place),
        }
    }

    /// Returns the place at which the dump says that a frame stands, and the target of the branch there if the frame
    /// trapped on it.
    fn place_and_behind(&self, dump: &CoreDump<'_>, thread: usize, index: usize) -> Option<(CodePlace, Behind)> {
        let frame = dump.threads.get(thread)?.frames.get(index)?;
        let found = self.found(self.module_of(dump, frame)?)?;
        let module = found.binary.module();
        let reason = dump.reason.as_ref().map(|reason| reason.kind.as_str()).filter(|kind| !kind.is_empty());
        let entered = || {
            index == 0
                && found.fit.convention.base == OffsetBase::Body
                && only_entered(dump, thread, frame, reason)
                && (reason.is_some()
                    || dump.threads[thread].recurses_deeply()
                    || branch::calls_no_other(module, frame.function))
        };
        let place = match found.code_place(frame, index > 0) {
            Some(place) if index == 0 && place.stop == StoppedAt::Instruction => {
                match branch::within(module, frame.function?, place.module_offset) {
                    Some(within) => CodePlace { stop: StoppedAt::Loop, ..place.moved_to(within) },
                    None => place,
                }
            }
            Some(place) => place,
            None if entered() => found.placed(frame, |instructions| Some(Placed::at_entry(instructions)))?,
            None => return None,
        };
        let trapped =
            index == 0 && Some(thread) == dump.crashed_thread() && matches!(reason, None | Some("unreachable"));
        if !trapped || place.at_call || place.stop != StoppedAt::Instruction {
            return Some((place, Behind::NoBranch));
        }
        Some((place, branch::behind(module, frame.function?, place.module_offset)))
    }
}

/// Returns true if a youngest frame without a usable code offset may have been stopped on entry to its function. That
/// is so if the recorded reason is an interruption or a stack overflow, or if no reason is recorded and the offset is
/// the 0 that Wasmtime writes on entry. Wasmtime also writes 0 for a trap in a call that it inlined (`-C inlining=y`),
/// and for every frame of code that was compiled without addresses (`-D address-map=n`): then callers have an offset of
/// 0 too, where no call can stand.
fn only_entered(dump: &CoreDump<'_>, thread: usize, frame: &Frame, reason: Option<&str>) -> bool {
    let callers = dump.threads[thread].frames.iter().skip(1);
    let addresses = callers.filter(|caller| caller.function.is_some()).all(|caller| caller.code_offset != Some(0));
    let of_an_engine = dump.layout == Layout::Standard && dump.trace_line.is_none() && addresses;
    let stopped = ["timeout", "interrupt", "signal", "snapshot", "out-of-fuel", "stack-overflow"];
    of_an_engine && reason.map_or(frame.code_offset == Some(0), |reason| stopped.contains(&reason))
}

impl CodePlace {
    /// The place of another instruction in the same body, at this offset in the module's file.
    fn moved_to(self, module_offset: u64) -> CodePlace {
        let by = module_offset.wrapping_sub(self.module_offset);
        let code_offset = self.code_offset.wrapping_add(by as u32);
        CodePlace { module_offset, code_offset, dwarf_pc: self.dwarf_pc.wrapping_add(by), at_call: false, ..self }
    }
}

impl Found {
    /// Returns the place in this binary at which the dump says that a frame stands. `caller` is true if the frame is
    /// not the youngest of its thread.
    fn code_place(&self, frame: &Frame, caller: bool) -> Option<CodePlace> {
        let body = self.binary.module().body(frame.function?)?;
        let code_offset = frame.code_offset;
        let placed = |instructions: &_| self.fit.convention.offset(instructions, body, code_offset, caller).ok()?;
        self.placed(frame, placed)
    }

    /// The place that `placed` finds among the instructions of a frame's function.
    fn placed(&self, frame: &Frame, placed: impl FnOnce(&Instructions) -> Option<Placed>) -> Option<CodePlace> {
        let function = frame.function?;
        let module = self.binary.module();
        let body = module.body(function)?;
        let placed = placed(&*self.binary.instructions(function)?)?;
        let module_offset = body.start + u64::from(placed.offset);
        Some(CodePlace {
            body,
            module_offset,
            code_offset: placed.offset,
            dwarf_pc: module_offset - module.code_section_start()?,
            at_call: placed.call.is_some(),
            stop: if placed.entered { StoppedAt::Entry } else { StoppedAt::Instruction },
        })
    }
}
