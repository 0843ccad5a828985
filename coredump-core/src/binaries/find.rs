//! The search for one module's binary: every candidate is judged, the best is taken.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Binary, BinaryStore, Found, Refused, Slot, Verification};
use crate::limits::{MAX_HASHED, MAX_TRIED};
use crate::locate::check::{self, Fit, Site};
use crate::locate::{Convention, Options, Searched, stages};
use crate::model::{CoreDump, ModuleRecord};
use crate::module::Module;

/// Size in bytes from which a file in a folder is hashed only after the frames were found to fit its code.
const LARGE: u64 = 64 << 20;
/// The number of refusals that are kept for one module.
const MAX_REFUSED: usize = 16;

/// The search for one module's binary.
pub(super) struct Finder<'d> {
    store: &'d BinaryStore,
    dump: &'d CoreDump<'d>,
    record: &'d ModuleRecord<'d>,
    sites: &'d [Site],
    /// True if it is the dump's only module.
    only: bool,
    refused: Vec<Refused>,
    left: &'d Left,
}

/// The work that may still be spent on files that were found only by listing a folder, for all modules of a dump
/// together.
pub(super) struct Left {
    /// Files that may be tried.
    pub trials: Cell<usize>,
    /// Bytes of large files that may be hashed.
    pub hashed: Cell<u64>,
}

impl Default for Left {
    fn default() -> Self {
        Left { trials: Cell::new(MAX_TRIED), hashed: Cell::new(MAX_HASHED) }
    }
}

impl<'d> Finder<'d> {
    /// The search for the binary of `record`, whose frames stand at `sites`. `only` says that the dump has no other
    /// module.
    pub fn new(
        store: &'d BinaryStore,
        dump: &'d CoreDump<'d>,
        record: &'d ModuleRecord<'d>,
        sites: &'d [Site],
        only: bool,
        left: &'d Left,
    ) -> Self {
        Finder { store, dump, record, sites, only, refused: Vec::new(), left }
    }

    /// Looks at the candidates, stage by stage, until one of them fits.
    pub fn run(mut self, index: usize, options: &Options) -> Slot {
        let mut found = None;
        let dump = self.dump;
        for (number, stage) in stages(dump, self.record, index, options, self.store.folders()).enumerate() {
            found = self.best_of(&stage.paths, stage.searched);
            // After the two stages of `-m`, the copy that the dump embeds comes before any file.
            if found.is_none() && number == 1 {
                found = self.embedded();
            }
            if found.is_some() {
                break;
            }
        }
        Slot { name: self.name(index, found.as_ref()), found, refused: self.refused }
    }

    /// The result for a module whose binary is not looked for.
    pub fn unlocated(self, index: usize) -> Slot {
        Slot { name: self.name(index, None), found: None, refused: Vec::new() }
    }

    /// The name of the module: the dump's, unless that says nothing.
    fn name(&self, index: usize, found: Option<&Found>) -> String {
        // Wasmtime calls a module without a name `<anonymous-module-0>`.
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

    fn embedded(&mut self) -> Option<Found> {
        let bytes = self.record.embedded?;
        let judged = self
            .store
            .embedded(bytes, self.record.digest.as_deref())
            .map_err(|error| error.to_string())
            .and_then(|binary| self.judge(&binary, Searched::Recorded).map(|judged| (binary, judged)));
        match judged {
            Ok((binary, (verification, fit))) => Some(Found { binary, verification, fit }),
            Err(reason) => {
                self.refuse(None, reason);
                None
            }
        }
    }

    fn refuse(&mut self, path: Option<&Path>, reason: String) {
        let same = |known: &Refused| known.reason == reason && known.path.as_deref().map(plain) == path.map(plain);
        if self.refused.len() < MAX_REFUSED && !self.refused.iter().any(same) {
            self.refused.push(Refused { path: path.map(Path::to_owned), reason });
        }
    }

    /// The best of these files; none if two that differ fit equally well.
    fn best_of(&mut self, paths: &[PathBuf], searched: Searched) -> Option<Found> {
        let mut fitting: Vec<(Rank, Found)> = Vec::new();
        for path in paths {
            if searched == Searched::Folder {
                let Some(less) = self.left.trials.get().checked_sub(1) else { break };
                self.left.trials.set(less);
            }
            match &*self.store.open(path) {
                Ok(binaries) => self.weigh(path, binaries, searched, &mut fitting),
                Err(_) if searched == Searched::Folder => {}
                Err(error) => self.refuse(Some(path), error.message.clone()),
            }
        }
        let best = fitting.iter().map(|(rank, _)| *rank).max()?;
        let mut equal = fitting.iter().filter(|(rank, _)| *rank == best).map(|(_, found)| found);
        let mut found = equal.next()?;
        for rival in equal {
            let same = Arc::ptr_eq(&rival.binary, &found.binary) || best.verification >= Verification::Sha256;
            if same || rival.binary.digest() == found.binary.digest() {
                continue;
            }
            if rival.binary.content_sha256() != found.binary.content_sha256() {
                let reason = format!("{} fits as well as {}", found.binary.describe(), rival.binary.describe());
                self.refuse(found.binary.path(), reason);
                return None;
            }
            // Both have the same code and data and differ in custom sections: the one with more symbols is taken.
            if symbols_in(rival.binary.module()) > symbols_in(found.binary.module()) {
                found = rival;
            }
        }
        Some(found.clone())
    }

    /// Judges the core modules of one file.
    fn weigh(&mut self, path: &Path, binaries: &[Arc<Binary>], searched: Searched, fitting: &mut Vec<(Rank, Found)>) {
        let mut first = None;
        let before = fitting.len();
        for binary in binaries {
            let same_name = self.record.name.is_some() && self.record.name.as_deref() == binary.module().name();
            match self.judge(binary, searched) {
                Ok((verification, fit)) => {
                    // If nothing can be checked, only a file that was named, and that holds a single module, is
                    // believed.
                    let plain = searched != Searched::Folder && self.only && binaries.len() == 1;
                    if verification == Verification::Unchecked && !plain && !same_name {
                        first.get_or_insert_with(|| "no frame tells whether it belongs to this module".to_owned());
                        continue;
                    }
                    let rank = Rank { verification, same_name, agreeing: fit.agreeing };
                    fitting.push((rank, Found { binary: binary.clone(), verification, fit }));
                }
                Err(reason) => {
                    first.get_or_insert(reason);
                }
            }
        }
        // The refusal of a file that merely lies in a folder is reported only if that file claims to be the one looked
        // for.
        let wanted = self.record.build_id.as_deref();
        let claims = |binary: &Arc<Binary>| {
            let own = binary.module().build_id();
            wanted.zip(own.as_deref()).is_some_and(|(wanted, own)| wanted.eq_ignore_ascii_case(own))
        };
        if fitting.len() == before && (searched != Searched::Folder || binaries.iter().any(claims)) {
            let reason = match (binaries.len(), first) {
                (0, _) => "a component without core modules (100 levels of components are looked into)".to_owned(),
                (1, Some(reason)) => reason,
                (count, Some(reason)) => format!("none of its {count} core modules fits: {reason}"),
                (_, None) => return,
            };
            self.refuse(Some(path), reason);
        }
    }

    /// Returns the check that shows that a binary is this module's, and the meaning of the dump's offsets in it.
    fn judge(&self, binary: &Binary, searched: Searched) -> Result<(Verification, Fit), String> {
        let conventions = Convention::candidates(self.dump);
        let size = binary.module().bytes().len() as u64;
        if searched == Searched::Folder && size > LARGE {
            // Hashing a large file takes long, and there may be many: it is hashed only if the frames fit its code.
            check::check(binary.code(), self.sites, &conventions)?;
            let left = self.left.hashed.get().checked_sub(size);
            self.left.hashed.set(left.ok_or("too many large files")?);
        }
        let identified = self.identify(binary)?;
        let fit = check::check(binary.code(), self.sites, &conventions);
        match (identified, fit) {
            (Some(verification), Ok(fit)) => Ok((verification, fit)),
            // Tools that rewrite code keep the build id: without a recorded hash of the code, the frames decide.
            (Some(Verification::BuildId), Err(reason)) if self.record.content_sha256.is_none() => {
                Err(format!("the same build id, but other code: {reason}"))
            }
            // The identity is beyond doubt: the frames that do not fit are the dump's fault and get no place.
            (Some(verification), Err(_)) => {
                Ok((verification, Fit { convention: conventions[0], checked: 0, agreeing: 0 }))
            }
            (None, Ok(fit)) if fit.checked > 0 => Ok((Verification::Frames, fit)),
            (None, Ok(fit)) => Ok((Verification::Unchecked, fit)),
            (None, Err(reason)) => Err(reason),
        }
    }

    /// Compares the binary with the recorded identity; `Ok(None)` where none is recorded.
    fn identify(&self, binary: &Binary) -> Result<Option<Verification>, String> {
        if self.record.stamp.is_some() && self.record.stamp == binary.stamp().map(|stamp| stamp.to_string()) {
            return Ok(Some(Verification::Unchanged));
        }
        let sha256 = self.record.sha256.as_deref();
        if let Some(recorded) = &self.record.digest {
            if recorded.eq_ignore_ascii_case(binary.digest()) {
                return Ok(Some(Verification::Digest));
            }
        } else if sha256.is_some_and(|recorded| recorded.eq_ignore_ascii_case(binary.sha256())) {
            return Ok(Some(Verification::Sha256));
        }
        let content = self.record.content_sha256.as_deref();
        let same_content = || content.is_some_and(|recorded| recorded.eq_ignore_ascii_case(binary.content_sha256()));
        let own = binary.module().build_id();
        match (self.record.build_id.as_deref(), own) {
            (Some(recorded), Some(own)) if recorded.eq_ignore_ascii_case(&own) => {
                if content.is_none() || same_content() {
                    return Ok(Some(Verification::BuildId));
                }
                return Err(
                    "the same build id, but other code: a tool rewrote one of them (wasm-opt keeps the id)".into()
                );
            }
            _ if same_content() => return Ok(Some(Verification::Content)),
            (Some(recorded), own) => {
                let own = own.map_or_else(|| "it has none".to_owned(), |own| format!("it has {own}"));
                return Err(format!("another build: the dump asks for build id {recorded}, {own}"));
            }
            (None, _) => {}
        }
        let differs = |what, own: &str, recorded: &str| {
            Err(format!("another build: its {what} is {own:.16}…, the dump's {recorded:.16}…"))
        };
        match (&self.record.digest, sha256) {
            (Some(recorded), _) => differs("BLAKE3", binary.digest(), recorded),
            (None, Some(recorded)) => differs("SHA-256", binary.sha256(), recorded),
            (None, None) => Ok(None),
        }
    }
}

/// The path without a leading `./`, so that a file that is found both ways counts once.
fn plain(path: &Path) -> &Path {
    path.strip_prefix(".").unwrap_or(path)
}

/// Returns the number of symbols that a module carries itself, as a number to compare by.
fn symbols_in(module: &Module<'_>) -> usize {
    let sections = [".debug_line", ".debug_info", "external_debug_info", "sourceMappingURL", "name"];
    // Each section in the list outweighs all those after it.
    sections.iter().fold(0, |known, name| known * 2 + usize::from(module.custom_section(name).is_some()))
}

/// The merits of a file that fits, the weightiest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    verification: Verification,
    same_name: bool,
    agreeing: usize,
}
