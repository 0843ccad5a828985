//! Finds the binaries of a trace: in the same places as those of a dump, and judged by the trace's frames.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::names::FunctionsByName;
use super::place::{self, CodePlace, Counted, File};
use super::{Printed, Rule, Trace};
use crate::binaries::{Binaries, Binary, BinaryStore, Found, Refused, Slot, Verification};
use crate::lang::go;
use crate::limits::{MAX_NAME, MAX_TRIED, shorten};
use crate::locate::check::{self, Fit};
use crate::locate::{CallOffset, Convention, Options, Searched, stages};
use crate::model::{self, CoreDump, Frame, ModuleRecord, Reason, Thread};
use crate::producers::OffsetBase;

/// The meaning of code offsets in the model of a trace, to which the engine's offsets are converted.
const CONVENTION: Convention = Convention { base: OffsetBase::Body, call: CallOffset::AtCall };
/// The number of refusals that are kept for one module.
const MAX_REFUSED: usize = 16;
/// For how many frames of one module it is reported that several functions have the frame's name.
const MAX_AMBIGUOUS: usize = 8;
/// The number of modules of one trace that are looked for.
const MAX_MODULES: usize = 64;

/// Looks for the binaries of traces. It keeps the files that it opened, so one locator should be used for many traces.
pub struct Locator<'s> {
    store: &'s BinaryStore,
    options: Options,
    names: HashMap<String, FunctionsByName>,
}

/// A trace as a dump, with its binaries.
#[non_exhaustive]
pub struct Located {
    /// The trace in the form of a dump.
    pub dump: CoreDump<'static>,
    /// The binaries of its modules.
    pub binaries: Binaries,
}

/// The frames of one module in a trace, by the name it has there.
struct Group {
    name: Option<String>,
    frames: Vec<usize>,
}

/// A file that fits.
struct Fitting {
    modules: Vec<Arc<Binary>>,
    places: Vec<CodePlace>,
    rank: Rank,
    /// True if another rule fits as well and gives other places.
    doubt: bool,
}

/// The criteria by which one file fits better than another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    same_name: bool,
    names: usize,
    agreeing: usize,
    checked: usize,
}

impl<'s> Locator<'s> {
    /// A locator that opens files through `store`, where `options` say.
    pub(crate) fn new(store: &'s BinaryStore, options: Options) -> Locator<'s> {
        Locator { store, options, names: HashMap::new() }
    }

    /// Finds the binaries of a trace, and makes a dump of it.
    pub fn locate(&mut self, trace: &Trace) -> Located {
        Binaries::search_as(self.store, &self.options);
        let mut dump = CoreDump {
            producer: Some(trace.engine.name().to_owned()),
            trace_line: Some(trace.line),
            reason: reason(trace),
            threads: vec![Thread {
                name: String::new(),
                frames: vec![Frame::default(); trace.frames.len()],
                truncated: trace.truncated,
            }],
            ..CoreDump::default()
        };
        for (index, printed) in trace.frames.iter().enumerate() {
            if let Some(name) = &printed.function {
                dump.printed.insert((0, index), name.as_str().into());
            }
            dump.threads[0].frames[index].function = printed.index;
        }
        let mut slots: Vec<Slot> = Vec::new();
        let mut warnings = Vec::new();
        for group in groups(trace) {
            let record = record(group.name.as_deref());
            let mut refused = Vec::new();
            let found = self.find(trace, &group, &record, slots.len(), &mut refused);
            let Some(found) = found else {
                let module = slots.len() as u32;
                for &frame in &group.frames {
                    dump.threads[0].frames[frame].module = Some(module);
                }
                slots.push(Slot { name: shown(&record, None), found: None, refused });
                dump.modules.push(record);
                continue;
            };
            if found.doubt {
                warnings.push(format!(
                    "line {}: its offsets may stand on the instructions or after them, and nothing decides: lines may be \
                     those of the instruction before",
                    trace.line
                ));
            }
            warnings.extend(ambiguous(trace, &group, &found));
            let mut placed: HashMap<usize, u32> = HashMap::new();
            for (&frame, place) in group.frames.iter().zip(&found.places) {
                let binary = &found.modules[place.module];
                let module = *placed.entry(place.module).or_insert_with(|| {
                    // Two names in a trace can be of one module.
                    let known = slots
                        .iter()
                        .position(|slot| slot.found.as_ref().is_some_and(|known| Arc::ptr_eq(&known.binary, binary)));
                    known.unwrap_or_else(|| {
                        let fit =
                            Fit { convention: CONVENTION, checked: found.rank.checked, agreeing: found.rank.agreeing };
                        let checked = found.rank.checked + found.rank.names > 0;
                        let verification = if checked { Verification::Frames } else { Verification::Unchecked };
                        let name = shown(&record, Some(binary));
                        slots.push(Slot {
                            name,
                            found: Some(Found { binary: binary.clone(), verification, fit }),
                            refused: Vec::new(),
                        });
                        dump.modules.push(record.clone());
                        slots.len() - 1
                    }) as u32
                });
                let frame = &mut dump.threads[0].frames[frame];
                (frame.module, frame.function, frame.code_offset) = (Some(module), place.function, place.code_offset);
                // An offset of 0 in a body means that none is known; the function was entered all the same.
                frame.code_offset = frame.code_offset.filter(|&offset| offset != 0);
            }
        }
        warnings.extend(short_of_go(trace));
        if trace.tangled {
            warnings.push(format!(
                "line {}: its frames are mixed with those of another trace, and only their numbers tell them apart",
                trace.line
            ));
        }
        if slots.is_empty() {
            slots.push(Slot { name: "module 0".to_owned(), ..Slot::default() });
        }
        if let Some(error) = self.unused(&slots) {
            warnings.push(error);
        }
        Located { dump, binaries: Binaries::assigned(slots, warnings) }
    }

    /// A file of `-m` that cannot be opened, if there is one.
    fn unused(&self, slots: &[Slot]) -> Option<String> {
        let missing = slots.iter().any(|slot| slot.found.is_none());
        let mut named = self.options.named.iter().filter(|_| !missing);
        named.find_map(|(_, path)| self.store.open(path).as_ref().as_ref().err().map(|error| error.to_string()))
    }

    /// The binary of one module's frames.
    fn find(
        &mut self,
        trace: &Trace,
        group: &Group,
        record: &ModuleRecord<'static>,
        index: usize,
        refused: &mut Vec<Refused>,
    ) -> Option<Fitting> {
        let none = CoreDump::default();
        let options = self.options.clone();
        let store = self.store;
        let mut left = MAX_TRIED;
        for stage in stages(&none, record, index, &options, Binaries::folders(store)) {
            let mut fitting: Vec<Fitting> = Vec::new();
            for path in &stage.paths {
                if stage.searched == Searched::Folder {
                    let Some(less) = left.checked_sub(1) else { break };
                    left = less;
                }
                let mut judged = self.judge_file(path, trace, group);
                if judged.is_err() && trace.cut {
                    judged = self.judge_file(path, &without_last(trace), group);
                }
                match judged {
                    Ok(found) => {
                        // A file that was found by listing a folder needs some evidence.
                        let checked = found.rank.checked + found.rank.names > 0;
                        if checked || stage.searched == Searched::Named {
                            fitting.push(found);
                        }
                    }
                    Err(_) if stage.searched == Searched::Folder => {}
                    Err(reason) if refused.len() < MAX_REFUSED => {
                        refused.push(Refused { path: Some(path.clone()), reason });
                    }
                    Err(_) => {}
                }
            }
            if !fitting.is_empty() {
                return best(fitting, trace, refused);
            }
        }
        None
    }

    /// Checks that the frames fit a file: its module, or a component's modules together, or one of these. The error
    /// says why not.
    fn judge_file(&mut self, path: &Path, trace: &Trace, group: &Group) -> Result<Fitting, String> {
        let opened = self.store.open(path);
        let modules = match opened.as_ref() {
            Ok(modules) if modules.is_empty() => return Err("a component without core modules".to_owned()),
            Ok(modules) => modules.clone(),
            Err(error) => return Err(error.message.clone()),
        };
        let all = self.judge(modules.clone(), trace, group, Counted::InFile);
        if all.is_ok() {
            return all;
        }
        // A component's modules may have been extracted from it before they were run, as jco does.
        let inner = modules.into_iter().filter(|module| module.start() > 0);
        let parts = inner.filter_map(|module| self.judge(vec![module], trace, group, Counted::InModule).ok());
        let mut parts: Vec<Fitting> = parts.filter(|part| part.rank.checked > 0).collect();
        if parts.len() == 1 { Ok(parts.remove(0)) } else { all }
    }

    fn judge(
        &mut self,
        modules: Vec<Arc<Binary>>,
        trace: &Trace,
        group: &Group,
        counted: Counted,
    ) -> Result<Fitting, String> {
        let mut best: Option<(Vec<CodePlace>, Rank)> = None;
        let (mut doubt, mut first) = (false, None);
        for &rule in trace.engine.rules() {
            match self.judge_as(&modules, trace, group, rule, counted) {
                Ok((places, rank)) => match &best {
                    Some((known, better)) if rank <= *better => doubt |= rank == *better && places != *known,
                    _ => (best, doubt) = (Some((places, rank)), false),
                },
                Err(reason) => first = first.or(Some(reason)),
            }
        }
        match best {
            Some((places, rank)) => Ok(Fitting { modules, places, rank, doubt }),
            None => Err(first.unwrap_or_default()),
        }
    }

    fn judge_as(
        &mut self,
        modules: &[Arc<Binary>],
        trace: &Trace,
        group: &Group,
        rule: Rule,
        counted: Counted,
    ) -> Result<(Vec<CodePlace>, Rank), String> {
        let mut file = File { modules, counted, names: &mut self.names };
        let mut places = Vec::with_capacity(group.frames.len());
        let (mut named, mut misnamed, mut wrong) = (0, 0, None);
        // Frames at the same place are checked once: a recursion may have thousands.
        let mut known: HashMap<_, CodePlace> = HashMap::new();
        for &index in &group.frames {
            let printed = &trace.frames[index];
            let caller = index > 0 || printed.number.is_some_and(|number| number > 0);
            let key = (printed.offset, printed.index, printed.function.as_deref(), caller);
            let place = match known.get(&key) {
                Some(place) => place.clone(),
                None => {
                    let place =
                        file.code_place(printed, rule, caller).map_err(|reason| format!("frame {index}: {reason}"))?;
                    known.insert(key, place.clone());
                    place
                }
            };
            match place.name {
                Some(true) => named += 1,
                Some(false) => {
                    misnamed += 1;
                    wrong.get_or_insert((index, place.clone()));
                }
                None => {}
            }
            places.push(place);
        }
        // Some demanglers turn a function `a` into "signed char", so a few wrong names prove nothing.
        if let Some((index, place)) = wrong.filter(|_| misnamed > named) {
            let name = place.function.and_then(|function| modules[place.module].function_name(function)).unwrap_or("?");
            let printed = trace.frames[index].function.as_deref().unwrap_or("?");
            return Err(format!("frame {index}: there stands {name}, not {printed}"));
        }
        decide(modules, trace, &group.frames, &mut places);
        let fit = agreement(modules, trace, &group.frames, &places)?;
        let own_name = |binary: &Arc<Binary>| group.name.is_some() && binary.module().name() == group.name.as_deref();
        let same_name = modules.iter().any(own_name);
        Ok((places, Rank { same_name, names: named, agreeing: fit.1, checked: fit.0 }))
    }
}

/// A warning for a trace that may lack frames, as Go keeps them in memory.
fn short_of_go(trace: &Trace) -> Option<String> {
    let oldest = go::oldest_known(trace.frames.iter().map(|frame| frame.function.as_deref()))?;
    Some(format!(
        "line {}: the calls before {} may be missing: of a goroutine that has waited, the engine knows only what it \
         has called since; Go's own traceback and a core dump have them all",
        trace.line,
        shorten(oldest, MAX_NAME),
    ))
}

/// Warnings for frames whose functions are known only by a name that several functions have.
fn ambiguous(trace: &Trace, group: &Group, found: &Fitting) -> Vec<String> {
    let places = group.frames.iter().zip(&found.places).filter(|(_, place)| place.function.is_none());
    let places = places.filter(|(_, place)| place.candidates.len() > 1).take(MAX_AMBIGUOUS);
    let said = places.map(|(&frame, place)| {
        let (name, count) = (trace.frames[frame].function.as_deref().unwrap_or("?"), place.candidates.len());
        format!(
            "line {}: frame {frame}: {count} functions are called {}, and nothing tells which",
            trace.line,
            shorten(name, MAX_NAME)
        )
    });
    said.collect()
}

/// Returns the number of frames that can be checked against the code, and the number of callers that stand on a call of
/// the next frame's function.
fn agreement(
    modules: &[Arc<Binary>],
    trace: &Trace,
    group: &[usize],
    places: &[CodePlace],
) -> Result<(usize, usize), String> {
    // If lines of several traces were mixed up, a neighbour may be another trace's: frames of no module keep them
    // apart.
    let step = if trace.tangled { 2 } else { 1 };
    let other = modules.len() as u32;
    let elsewhere = Frame { module: Some(other), ..Frame::default() };
    let mut frames = vec![elsewhere; trace.frames.len() * step];
    for (&index, place) in group.iter().zip(places) {
        frames[index * step] = Frame {
            module: Some(place.module as u32),
            function: place.function,
            code_offset: place.code_offset,
            ..Frame::default()
        };
    }
    let dump = CoreDump { threads: vec![Thread { frames, ..Thread::default() }], ..CoreDump::default() };
    let sites = check::sites(&dump, modules.len(), |frame| frame.module.filter(|&module| module < other));
    let mut sum = (0, 0);
    for (binary, sites) in modules.iter().zip(&sites) {
        let fit = check::check(binary.code(), sites, &[CONVENTION])?;
        sum = (sum.0 + fit.checked, sum.1 + fit.agreeing);
    }
    Ok(sum)
}

/// Decides between functions of one name: takes the one that calls its neighbours in the trace or is called by them.
fn decide(modules: &[Arc<Binary>], trace: &Trace, group: &[usize], places: &mut [CodePlace]) {
    if trace.tangled {
        return;
    }
    let mut known: HashMap<(usize, u32), HashSet<u32>> = HashMap::new();
    let mut calls = |module: usize, caller: u32, called: u32| {
        let called_by = || place::calls(modules[module].module(), caller);
        known.entry((module, caller)).or_insert_with(called_by).contains(&called)
    };
    for at in 0..places.len() {
        if places[at].candidates.is_empty() {
            continue;
        }
        let module = places[at].module;
        let neighbour = |other: Range<usize>| {
            let place = places.get(other.start).filter(|_| group[other.start].abs_diff(group[at]) == 1)?;
            place.function.filter(|_| place.module == module)
        };
        let younger = at.checked_sub(1).and_then(|younger| neighbour(younger..at));
        let older = neighbour(at + 1..at + 2);
        let mut left = places[at].candidates.clone();
        if let Some(older) = older {
            let called: Vec<u32> = left.iter().copied().filter(|&function| calls(module, older, function)).collect();
            left = if called.is_empty() { left } else { called };
        }
        if let Some(younger) = younger {
            let callers: Vec<u32> = left.iter().copied().filter(|&function| calls(module, function, younger)).collect();
            left = if callers.is_empty() { left } else { callers };
        }
        if let [only] = left[..] {
            places[at].function = Some(only);
        }
        places[at].candidates = left;
    }
}

/// The best of the files that fit; none if two different programs fit equally well.
fn best(mut fitting: Vec<Fitting>, trace: &Trace, refused: &mut Vec<Refused>) -> Option<Fitting> {
    let rank = fitting.iter().map(|found| found.rank).max()?;
    // A file with symbols shows more names, but here only a difference in the code counts.
    let contents = |found: &Fitting| -> Vec<String> {
        found.modules.iter().map(|module| module.content_sha256().to_owned()).collect()
    };
    if fitting.len() > 1 {
        let size = trace.frames.iter().find_map(|frame| frame.size);
        let of_size = |found: &Fitting| size.is_some_and(|size| found.modules[0].module().bytes().len() as u64 == size);
        let top =
            fitting.iter().find(|found| of_size(found)).or_else(|| fitting.iter().find(|found| found.rank == rank));
        let chosen = contents(top?);
        let sure = fitting.iter().any(of_size);
        let rival = fitting.iter().find(|found| !sure && found.rank == rank && contents(found) != chosen);
        if let Some(rival) = rival {
            let first = fitting.iter().find(|found| found.rank == rank)?;
            let reason = format!("{} fits as well as {}", first.modules[0].describe(), rival.modules[0].describe());
            let path = first.modules[0].path().map(PathBuf::from);
            refused.push(Refused { path, reason });
            return None;
        }
        fitting.retain(|found| contents(found) == chosen);
    }
    fitting.into_iter().reduce(|best, other| if richness(&other) > richness(&best) { other } else { best })
}

/// The trace without the frame in its last line, which may be cut off.
fn without_last(trace: &Trace) -> Trace {
    let mut shorter = trace.clone();
    if let Some(last) = shorter.frames.last_mut() {
        *last = Printed { number: last.number, module: last.module.take(), ..Printed::default() };
    }
    shorter
}

/// Returns the number of symbols that the modules of a file carry themselves, as a number to compare by.
fn richness(found: &Fitting) -> usize {
    let sections = [".debug_line", ".debug_info", "external_debug_info", "sourceMappingURL", "name"];
    let of = |module: &Arc<Binary>| {
        let has = |name: &&str| module.module().custom_section(name).is_some();
        sections.iter().fold(0, |known, name| known * 2 + usize::from(has(name)))
    };
    found.modules.iter().map(of).max().unwrap_or(0)
}

/// The frames of a trace, grouped by the names of their modules, in order of appearance.
fn groups(trace: &Trace) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut by_name: HashMap<Option<&str>, usize> = HashMap::new();
    for (index, frame) in trace.frames.iter().enumerate() {
        let name = frame.module.as_deref();
        let group = match by_name.get(&name) {
            Some(&group) => group,
            None if groups.len() < MAX_MODULES => {
                groups.push(Group { name: name.map(str::to_owned), frames: Vec::new() });
                by_name.insert(name, groups.len() - 1);
                groups.len() - 1
            }
            None => continue,
        };
        groups[group].frames.push(index);
    }
    groups
}

/// A module of a trace: its name, or the file or URL that stands for it.
fn record(name: Option<&str>) -> ModuleRecord<'static> {
    let name = name.map(|name| name.split(['?', '#']).next().unwrap_or(name));
    let path = name.filter(|name| name.contains(['/', '\\']));
    ModuleRecord { name: name.map(str::to_owned), path: path.map(str::to_owned), ..ModuleRecord::default() }
}

/// A module's name in messages.
fn shown(record: &ModuleRecord<'_>, binary: Option<&Binary>) -> String {
    let file = binary.and_then(|binary| binary.path()?.file_name()).map(|name| name.to_string_lossy().into_owned());
    record.name.clone().or(file).unwrap_or_else(|| "of the trace".to_owned())
}

/// The reason for the crash, from the text around the trace.
fn reason(trace: &Trace) -> Option<Reason> {
    let message = trace.message.as_deref()?;
    let kind = super::message::kind(message)?;
    Some(model::Reason {
        kind: kind.to_owned(),
        message: Some(message.to_owned()),
        guest_stderr: trace.said.clone(),
        ..model::Reason::default()
    })
}
