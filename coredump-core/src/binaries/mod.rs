//! The binaries of a dump's modules: found, checked, or refused with the reason.

mod settle;
mod store;

use std::path::{Path, PathBuf};

pub use store::{Binary, Store};

use crate::files::Search;
use crate::locate::check::{self, Fit, Site};
use crate::locate::{Convention, Options, Searched, stages};
use crate::model::{CoreDump, Frame, ModuleRecord};
use crate::module::Body;

/// Refusals kept for one module.
const MAX_REFUSED: usize = 16;

/// How sure it is that a binary is the one that ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verification {
    /// Nothing spoke against it, and nothing could be checked.
    Unchecked,
    /// The frames fit its code.
    Frames,
    /// All but its custom sections is the recorded module: the same before or after it was stripped.
    Content,
    /// Its build id is the recorded one.
    BuildId,
    /// Its SHA-256 is the recorded one.
    Sha256,
}

impl Verification {
    /// Whether anything was checked.
    pub fn is_verified(self) -> bool {
        self > Verification::Unchecked
    }

    /// How it was checked, for a person.
    pub fn describe(self) -> &'static str {
        match self {
            Verification::Unchecked => "nothing to check it by",
            Verification::Frames => "all frames fit its code",
            Verification::Content => "same code and data",
            Verification::BuildId => "build id matches",
            Verification::Sha256 => "SHA-256 matches",
        }
    }
}

/// The binary of a module.
#[derive(Clone, Copy)]
pub struct Found<'s> {
    /// The binary.
    pub binary: &'s Binary<'s>,
    /// How it was checked.
    pub verification: Verification,
    /// What the dump's code offsets mean in it.
    pub convention: Convention,
}

/// A file that was looked at and not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The file; `None` for a module in the dump.
    pub path: Option<PathBuf>,
    /// Why.
    pub reason: String,
}

/// What is known of one module's binary.
#[derive(Default)]
pub struct Slot<'s> {
    /// What to call the module.
    pub name: String,
    /// The binary.
    pub found: Option<Found<'s>>,
    /// What was looked at and does not fit.
    pub refused: Vec<Refused>,
}

/// Where a frame stands in its module. Offsets in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The function's body.
    pub body: Body,
    /// Offset in the core module's file: what engines print.
    pub module_offset: u64,
    /// Offset from the body's start, whatever the producer counts from; of a caller that of its call.
    pub code_offset: u32,
    /// DWARF address: offset from the code section's contents.
    pub dwarf_pc: u64,
    /// It stands on a call instruction.
    pub at_call: bool,
}

/// The binaries of one dump, a slot for each of its modules.
pub struct Binaries<'s> {
    slots: Vec<Slot<'s>>,
    /// What was asked for and could not be done.
    pub warnings: Vec<String>,
}

impl<'s> Binaries<'s> {
    /// Finds and checks the binary of each module. A dump without a list of modules has one.
    pub fn locate(store: &'s Store<'s>, dump: &CoreDump<'_>, options: &Options) -> Binaries<'s> {
        let folders = options.symbol_paths.clone();
        store.files().set_search(Search { folders, trusted: options.recorded_paths });
        let count = dump.modules.len().max(1);
        let mut binaries = Binaries { slots: Vec::new(), warnings: Vec::new() };
        binaries.slots.resize_with(count, Slot::default);
        let sites = check::sites(dump, count, |frame| binaries.module_of(dump, frame));
        let none = ModuleRecord::default();
        for (index, sites) in sites.iter().enumerate() {
            let record = dump.modules.get(index).unwrap_or(&none);
            let finder = Finder { store, dump, record, sites, only: count == 1, refused: Vec::new() };
            binaries.slots[index] = finder.run(index, options);
        }
        binaries.warn_of_unused(store, options);
        binaries
    }

    /// Names files of `-m` that no module uses.
    fn warn_of_unused(&mut self, store: &'s Store<'s>, options: &Options) {
        for (_, path) in &options.named {
            let used = self.slots.iter().filter_map(|slot| slot.found).any(|found| found.binary.path() == Some(path));
            if used {
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

    /// All modules.
    pub fn slots(&self) -> &[Slot<'s>] {
        &self.slots
    }

    /// What is known of a module's binary.
    pub fn slot(&self, module: u32) -> Option<&Slot<'s>> {
        self.slots.get(module as usize)
    }

    /// A module's binary with what is known of it.
    pub fn found(&self, module: u32) -> Option<Found<'s>> {
        self.slot(module)?.found
    }

    /// A module's binary.
    pub fn binary(&self, module: u32) -> Option<&'s Binary<'s>> {
        Some(self.found(module)?.binary)
    }

    /// The module a frame runs in: its instance's, or the only one there is.
    pub fn module_of(&self, dump: &CoreDump<'_>, frame: &Frame) -> Option<u32> {
        let recorded = frame.instance.and_then(|instance| dump.instances.get(instance as usize)?.module);
        let only = (self.slots.len() == 1).then_some(0);
        recorded.filter(|&module| (module as usize) < self.slots.len()).or(only)
    }

    /// Where a frame stands; `None` if its binary is not known, the dump does not say, or what it says cannot be.
    pub fn place(&self, dump: &CoreDump<'_>, thread: usize, frame: usize) -> Option<Place> {
        let caller = frame > 0;
        let frame = dump.threads.get(thread)?.frames.get(frame)?;
        let found = self.found(self.module_of(dump, frame)?)?;
        found.place(frame, caller)
    }
}

impl Found<'_> {
    /// Where a frame stands in this binary; `caller`: it is not the youngest of its thread.
    pub fn place(&self, frame: &Frame, caller: bool) -> Option<Place> {
        let function = frame.function?;
        let module = self.binary.module();
        let body = module.body(function)?;
        let instructions = self.binary.instructions(function)?;
        let placed = self.convention.offset(&instructions, body, frame.code_offset, caller).ok()??;
        let module_offset = body.start + u64::from(placed.offset);
        Some(Place {
            body,
            module_offset,
            code_offset: placed.offset,
            dwarf_pc: module_offset - module.code_section_start()?,
            at_call: placed.call.is_some(),
        })
    }
}

/// The search for one module's binary.
struct Finder<'s, 'd> {
    store: &'s Store<'s>,
    dump: &'d CoreDump<'d>,
    record: &'d ModuleRecord<'d>,
    sites: &'d [Site],
    /// It is the dump's only module.
    only: bool,
    refused: Vec<Refused>,
}

impl<'s> Finder<'s, '_> {
    fn run(mut self, index: usize, options: &Options) -> Slot<'s> {
        let mut found = None;
        let dump = self.dump;
        for (number, stage) in stages(dump, self.record, index, options).enumerate() {
            found = self.best_of(&stage.paths, stage.searched);
            // Behind the two stages of `-m`, the dump's own copy comes before any file.
            if found.is_none() && number == 1 {
                found = self.embedded();
            }
            if found.is_some() {
                break;
            }
        }
        Slot { name: self.name(index, found), found, refused: self.refused }
    }

    /// What to call the module: as the dump does, unless that says nothing.
    fn name(&self, index: usize, found: Option<Found<'_>>) -> String {
        // Wasmtime's `<anonymous-module-0>`.
        let says_something = |name: &&str| !name.is_empty() && !name.starts_with('<');
        let recorded = self.record.name.as_deref().filter(says_something).or(self.record.path.as_deref());
        let program = self.dump.executable.as_deref().filter(|_| self.only);
        if let Some(name) = recorded.or(program).filter(says_something) {
            return name.to_owned();
        }
        let file = found.and_then(|found| {
            let file = found.binary.path()?.file_name()?.to_string_lossy().into_owned();
            Some(found.binary.nested().map_or(file.clone(), |nested| format!("{file}[{nested}]")))
        });
        file.unwrap_or_else(|| format!("module {index}"))
    }

    fn embedded(&mut self) -> Option<Found<'s>> {
        let bytes = self.record.embedded?;
        let judged = self
            .store
            .embedded(bytes, self.record.sha256.as_deref())
            .map_err(|error| error.to_string())
            .and_then(|binary| Ok((binary, self.judge(binary)?)));
        match judged {
            Ok((binary, (verification, fit))) => Some(Found { binary, verification, convention: fit.convention }),
            Err(reason) => {
                self.refuse(None, reason);
                None
            }
        }
    }

    fn refuse(&mut self, path: Option<&Path>, reason: String) {
        if self.refused.len() < MAX_REFUSED {
            self.refused.push(Refused { path: path.map(Path::to_owned), reason });
        }
    }

    /// The best of these files; none if two that differ fit equally well.
    fn best_of(&mut self, paths: &[PathBuf], searched: Searched) -> Option<Found<'s>> {
        let mut fitting: Vec<(Rank, Found<'s>)> = Vec::new();
        for path in paths {
            match &*self.store.open(path) {
                Ok(binaries) => self.weigh(path, binaries, searched, &mut fitting),
                Err(_) if searched == Searched::Folder => {}
                Err(error) => self.refuse(Some(path), error.message.clone()),
            }
        }
        let (best, found) = fitting.iter().max_by_key(|(rank, _)| *rank)?;
        let rival = fitting.iter().find(|(rank, other)| {
            rank == best && !std::ptr::eq(other.binary, found.binary) && other.binary.sha256() != found.binary.sha256()
        });
        if let Some((_, rival)) = rival {
            let reason = format!("{} fits as well as {}", found.binary.describe(), rival.binary.describe());
            self.refuse(found.binary.path(), reason);
            return None;
        }
        Some(*found)
    }

    /// Judges the core modules of one file.
    fn weigh(
        &mut self,
        path: &Path,
        binaries: &[&'s Binary<'s>],
        searched: Searched,
        fitting: &mut Vec<(Rank, Found<'s>)>,
    ) {
        let mut first = None;
        let before = fitting.len();
        for &binary in binaries {
            let same_name = self.record.name.is_some() && self.record.name.as_deref() == binary.module().name();
            match self.judge(binary) {
                Ok((verification, fit)) => {
                    // With nothing to go by, only a file that was named, of a single module, is believed.
                    let plain = searched != Searched::Folder && self.only && binaries.len() == 1;
                    if verification == Verification::Unchecked && !plain && !same_name {
                        first.get_or_insert_with(|| "no frame tells whether it belongs to this module".to_owned());
                        continue;
                    }
                    let rank = Rank { verification, same_name, agreeing: fit.agreeing };
                    fitting.push((rank, Found { binary, verification, convention: fit.convention }));
                }
                Err(reason) => {
                    first.get_or_insert(reason);
                }
            }
        }
        if fitting.len() == before && searched != Searched::Folder {
            let reason = match (binaries.len(), first) {
                (0, _) => "a component without core modules".to_owned(),
                (1, Some(reason)) => reason,
                (count, Some(reason)) => format!("none of its {count} core modules fits: {reason}"),
                (_, None) => return,
            };
            self.refuse(Some(path), reason);
        }
    }

    /// Whether a binary is this module's, and what the dump's offsets mean in it.
    fn judge(&self, binary: &'s Binary<'s>) -> Result<(Verification, Fit), String> {
        let conventions = Convention::candidates(self.dump);
        let identified = self.identify(binary)?;
        let fit = check::check(binary.code(), self.sites, &conventions);
        match (identified, fit) {
            (Some(verification), Ok(fit)) => Ok((verification, fit)),
            // The identity is beyond doubt: the frames that do not fit are the dump's fault and get no place.
            (Some(verification), Err(_)) => {
                Ok((verification, Fit { convention: conventions[0], checked: 0, agreeing: 0 }))
            }
            (None, Ok(fit)) if fit.checked > 0 => Ok((Verification::Frames, fit)),
            (None, Ok(fit)) => Ok((Verification::Unchecked, fit)),
            (None, Err(reason)) => Err(reason),
        }
    }

    /// Compares the recorded identity. `Ok(None)`: there is none.
    fn identify(&self, binary: &Binary<'s>) -> Result<Option<Verification>, String> {
        let sha256 = self.record.sha256.as_deref();
        if sha256.is_some_and(|recorded| recorded.eq_ignore_ascii_case(binary.sha256())) {
            return Ok(Some(Verification::Sha256));
        }
        let content = self.record.content_sha256.as_deref();
        let same_content = || content.is_some_and(|recorded| recorded.eq_ignore_ascii_case(binary.content_sha256()));
        let own = binary.module().build_id();
        match (self.record.build_id.as_deref(), own) {
            (Some(recorded), Some(own)) if recorded.eq_ignore_ascii_case(&own) => {
                return Ok(Some(Verification::BuildId));
            }
            _ if same_content() => return Ok(Some(Verification::Content)),
            (Some(recorded), own) => {
                let own = own.map_or_else(|| "it has none".to_owned(), |own| format!("it has {own}"));
                return Err(format!("another build: the dump asks for build id {recorded}, {own}"));
            }
            (None, _) => {}
        }
        match sha256 {
            Some(recorded) => {
                Err(format!("another build: its SHA-256 is {:.16}…, the dump's {recorded:.16}…", binary.sha256()))
            }
            None => Ok(None),
        }
    }
}

/// What makes one fitting file better than another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    verification: Verification,
    same_name: bool,
    agreeing: usize,
}
